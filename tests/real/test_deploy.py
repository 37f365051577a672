"""The template that `sam build` built, deployed to an emulator of AWS, used by clients, updated and deleted.

The emulator is ministack. It checks signatures, the policies of callers and the roles of functions. It starts the built
functions behind Lambda's Runtime API and feeds the events table's stream to index-events.

LEFT_OUT lists the resources that it refuses to deploy. It accepts and ignores the following, which this test cannot
check:

- the tables' resource policies, encryption, class and point-in-time recovery
- the condition on `lambda:SourceFunctionArn`, which the template leaves out for an engine that is not AWS's
- the conditions under which the key signs, which this test leaves out
- rates, reserved concurrency, access logs and CORS
- the batching window, partial failures, bisecting, stream view type and IndexFailures queue of the event source
- metrics, alarms and event rules: an alarm never changes its state
- Lambda's permissions, which the test reads instead

test_template.py reads all of these from the template. Only an account on AWS can show that they work:
docs/deployment.md.
"""

import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, WaiterError
from samcli.commands._utils.template import get_template_data, move_template

import verifier
from conftest import (
    BUILD,
    CACHE,
    FUNCTIONS,
    ROOT,
    bootstrap,
    build_local,
    contract_tests,
    free_port,
    host_environment,
    run,
)

STACK = "audit-log"
REGION = "us-east-1"
ACCOUNT = "000000000000"
# The seconds that a response may take, or the count index until it has caught up.
PATIENCE = 30
# The contract tests that depend on what is deployed: the gateway, the roles, the tables and the streams.
SUITES = ("batch::", "create::", "get::", "idempotency::", "list::", "log::", "refused::")
# The seconds without a log line after which index-events counts as done. The emulator polls the stream each second.
QUIET = 3

# The resources that the emulator refuses to deploy, and the reason that it gives. The last test fails once it accepts
# one of them.
LEFT_OUT = {"IndexStoppedAlarm": "metric math", "SealStoppedAlarm": "metric math"}


def emulated(template):
    """The built template without the resources that the emulator refuses, and without conditions that it cannot meet."""
    resources = template["Resources"]
    for name in LEFT_OUT:
        del resources[name]
    # It does not know kms:MessageType and kms:SigningAlgorithm, and its aws:PrincipalArn is the session, not the role.
    statements = resources["LogKey"]["Properties"]["KeyPolicy"]["Statement"]
    (sign,) = (statement for statement in statements if statement["Sid"] == "OnlySealEventsSigns")
    del sign["Condition"]
    return template


def ministack():
    """The program of the emulator, installed at the pinned version."""
    environment = CACHE / "ministack"
    pip = environment / "bin" / "pip"
    if not pip.is_file():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    requirements = ROOT / "tests" / "real" / "ministack.txt"
    subprocess.run([pip, "install", "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
    return environment / "bin" / "ministack"


class Cloud:
    """An account in the emulator."""

    def __init__(self, programs, folder):
        port = free_port()
        self.folder = folder
        self.endpoint = f"http://127.0.0.1:{port}"
        self.root = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
        }
        settings = {
            "GATEWAY_PORT": str(port),
            # By default, it listens on every address and checks no signature.
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "STATE_DIR": str(folder / "state"),
            "TMPDIR": str(folder),
        }
        programs.start(ministack(), env={**self.root, **settings}, port=port)

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.root["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.root["AWS_SECRET_ACCESS_KEY"],
        )

    def sam(self, *command):
        environment = {**host_environment(), **self.root, "SAM_CLI_TELEMETRY": "0", "TMPDIR": str(self.folder)}
        assert run("sam", *command, env=environment, patience=120) == 0

    def deploy(self, **parameters):
        """Deploys the built template with the settings of samconfig.toml, and returns the stack's outputs."""
        for binary in FUNCTIONS:
            bootstrap(binary)
        built = BUILD / "template.yaml"
        template = self.folder / "deployed" / "template.yaml"
        move_template(str(built), str(template), emulated(get_template_data(str(built))))
        architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
        # Without these URLs, the functions would call AWS.
        elsewhere = {"DynamoDbUrl": self.endpoint, "KmsUrl": self.endpoint}
        parameters = {"Architecture": architecture, **elsewhere, **parameters}
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        command = ["deploy", "--config-file", ROOT / "samconfig.toml", "--template-file", template]
        self.sam(*command, "--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *overrides)
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resources(self):
        """The physical ID of each resource of the template."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
        summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
        return {summary["LogicalResourceId"]: summary["PhysicalResourceId"] for summary in summaries}

    def caller(self, name, *resources):
        """A user with the policy that docs/deployment.md gives to callers."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": list(resources)}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName=name, PolicyName="audit-log", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_REGION": REGION,
        }

    def items(self, table):
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return sorted((item for page in pages for item in page["Items"]), key=repr)

    def indexed(self, group):
        """The number of records that index-events has logged. A batch that is delivered twice counts twice."""
        # The emulator returns the first 10,000 lines that match, and no second page.
        found = {"logGroupName": group, "filterPattern": '"stream batch handled"'}
        pages = self.client("logs").get_paginator("filter_log_events").paginate(**found)
        lines = [event["message"] for page in pages for event in page["events"]]
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        # seal-events logs its batches, too. CloudFormation makes the name of a function from its logical ID.
        batches = [line for line in logged if "records" in line and "IndexEvents" in line["function_name"]]
        return sum(batch["records"] for batch in batches if batch.get("failed_from") is None)


def content(response):
    if response.headers.get_content_type() == "application/json":
        return json.load(response)
    return response.read().decode()


class Client:
    """Sends requests to the deployed API, signed if there are credentials."""

    def __init__(self, url, credentials=None):
        self.url, self.credentials = url, credentials

    def send(self, method, path, document=None, **headers):
        """The status and the body of the response: what its JSON says, or its text."""
        body = None if document is None else json.dumps(document).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            headers["content-type"] = "application/json"
        request = AWSRequest(method, self.url + path, headers, body)
        if self.credentials:
            key, secret = self.credentials["AWS_ACCESS_KEY_ID"], self.credentials["AWS_SECRET_ACCESS_KEY"]
            SigV4Auth(Credentials(key, secret), "execute-api", REGION).add_auth(request)
        request = urllib.request.Request(request.url, body, dict(request.headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, content(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, content(error)

    def get(self, path):
        return self.send("GET", path)

    def post(self, document, **headers):
        return self.send("POST", "/events", document, **headers)


def until(holds, what):
    """Waits until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE} s it does not hold that {what}"
        time.sleep(0.1)


def until_indexed(cloud, group, table):
    """Waits until index-events has logged as many records as there are events, and then has been silent for a while.

    A batch that is delivered twice counts twice, so the number can be reached before the last batch is delivered.
    """
    reached, since = 0, time.monotonic()

    def done():
        nonlocal reached, since
        indexed = cloud.indexed(group)
        if indexed != reached:
            reached, since = indexed, time.monotonic()
        return indexed >= len(cloud.items(table)) and time.monotonic() - since >= QUIET

    until(done, "index-events has indexed every event")


def event_now():
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "user_id": "1",
        "event_type": "account_deleted",
        "timestamp": now,
        "src_service": "user_service",
        "invariant_data": {"priority": 2},
        "app_data": {"username": "jondoe"},
    }


def rebuild(cloud, tables, shards):
    """Compares the count index with the events, and returns the exit code."""
    events, keys, counts = tables
    command = [build_local(), "rebuild", "--table", events, "--keys-table", keys, "--counts-table", counts]
    environment = {**host_environment(), **cloud.root}
    return run(*command, "--shards", shards, env=environment, patience=60)


def verifier_key(cloud, outputs):
    """The key of the log, which KMS keeps."""
    origin = outputs["LogUrl"].removeprefix("https://")
    command = [build_local(), "vkey", "--key-id", outputs["LogKeyArn"], "--origin", origin]
    environment = {**host_environment(), **cloud.root}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="audit-log-") as folder:
        yield pathlib.Path(folder)


@pytest.fixture
def cloud(folder, programs):
    return Cloud(programs, folder)


def test_the_stack_is_deployed_used_updated_and_deleted(cloud):
    outputs = cloud.deploy()
    resources = cloud.resources()
    api = resources["Api"]
    assert outputs["ApiUrl"] == f"https://{api}.execute-api.{REGION}.amazonaws.com/events"
    url = f"{cloud.endpoint}/_aws/execute-api/{api}"
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}"
    tables = [outputs["EventsTableName"], outputs["KeysTableName"], outputs["CountsTableName"]]
    events, _, counts = tables
    assert outputs["LogUrl"] == f"https://{api}.execute-api.{REGION}.amazonaws.com/log"

    # API Gateway may invoke the functions.
    for function, routes in ("CreateEventFunction", ["POST/events"]), ("ListEventsFunction", ["GET/events*", "GET/log/*"]):
        policy = cloud.client("lambda").get_policy(FunctionName=resources[function])["Policy"]
        statements = json.loads(policy)["Statement"]
        assert all(statement["Action"] == "lambda:InvokeFunction" for statement in statements)
        assert all(statement["Principal"] == {"Service": "apigateway.amazonaws.com"} for statement in statements)
        conditions = [{"ArnLike": {"AWS:SourceArn": f"{arn}/*/{route}"}} for route in routes]
        assert sorted((statement["Condition"] for statement in statements), key=json.dumps) == conditions

    # A caller may do only what its policy allows.
    writer = Client(url, cloud.caller("writer", f"{arn}/*/POST/events"))
    reader = Client(url, cloud.caller("reader", f"{arn}/*/GET/events", f"{arn}/*/GET/events/*"))
    auditor = Client(url, cloud.caller("auditor", f"{arn}/*/GET/events/*", f"{arn}/*/GET/log/*"))
    imposter = Client(url, writer.credentials | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    for stranger in Client(url), imposter:
        assert stranger.get("/events")[0] == 403
        assert stranger.get("/events/018df9ab-c47a-7000-8017-9689cac02131")[0] == 403
        assert stranger.post(event_now())[0] == 403
    assert writer.get("/events")[0] == 403
    assert reader.post(event_now())[0] == 403
    status, page = reader.get("/events")
    assert (status, page.get("events")) == (200, []), page

    # An event is recorded with the ARN of its caller.
    document = event_now()
    status, recorded = writer.post(document, idempotency_key="first")
    assert status == 201, recorded
    path = f"/events/{recorded['id']}"
    status, event = reader.get(path)
    assert status == 200, event
    assert event["recorded"]["by"] == f"arn:aws:iam::{ACCOUNT}:user/writer"
    assert {name: event[name] for name in document} == document
    status, page = reader.get("/events?user_id=1")
    assert (status, page.get("events")) == (200, [event]), page

    # Only index-events adds an event of this moment to the count index.
    until(lambda: cloud.items(counts), "the event is in the count index")

    # The contract holds for a caller that may read and write.
    both = cloud.caller("both", f"{arn}/*")
    contract_tests(url, *SUITES, credentials=both)

    # The count index has every event. The command would repair it, so it runs once, after index-events is done.
    until_indexed(cloud, resources["FunctionLogs"], events)
    assert rebuild(cloud, tables, shards=2) == 0

    # seal-events has put every event into the transparency log, and KMS has signed it.
    vkey = verifier_key(cloud, outputs)

    def sealed():
        status, checkpoint = auditor.get("/log/checkpoint")
        assert status == 200, checkpoint
        size, _ = verifier.open_checkpoint(checkpoint, vkey)
        return size

    until(lambda: sealed() == len(cloud.items(events)), "every event is in the transparency log")
    status, proof = auditor.get(f"{path}/proof")
    assert (status, proof.splitlines()[0]) == (200, "c2sp.org/tlog-proof@v1"), proof

    # An update keeps the API, the tables and their items.
    assert cloud.deploy(MemorySize=512, Shards=4) == outputs
    for function in FUNCTIONS.values():
        name = resources[f"{function}Function"]
        configuration = cloud.client("lambda").get_function_configuration(FunctionName=name)
        assert configuration["MemorySize"] == 512
        assert configuration["Environment"]["Variables"]["SHARDS"] == "4"
    assert reader.get(path) == (200, event)
    status, repeated = writer.post(document, idempotency_key="first")
    assert (status, repeated.get("id")) == (200, recorded["id"]), repeated
    contract_tests(url, "idempotency::", credentials=both)
    until_indexed(cloud, resources["FunctionLogs"], events)

    # The stack is deleted. The tables and their items stay, and the tables cannot be deleted.
    items = {table: cloud.items(table) for table in tables}
    assert all(items.values())
    cloud.sam("delete", "--no-prompts", "--stack-name", STACK, "--region", REGION)
    with pytest.raises(ClientError, match="does not exist"):
        cloud.client("cloudformation").describe_stacks(StackName=STACK)
    assert cloud.client("lambda").list_functions()["Functions"] == []
    assert cloud.client("apigatewayv2").get_apis()["Items"] == []
    for table in tables:
        assert cloud.items(table) == items[table]
        with pytest.raises(ClientError, match="protected against deletion"):
            cloud.client("dynamodb").delete_table(TableName=table)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_the_emulator_refuses_what_is_left_out(cloud, name):
    resource = get_template_data(str(BUILD / "template.yaml"))["Resources"][name]
    # AlarmActions refers to a condition, which is not part of this stack.
    del resource["Properties"]["AlarmActions"]
    body = json.dumps({"Resources": {name: resource}})
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName=STACK, TemplateBody=body)
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    stack_events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in stack_events]
    assert any(LEFT_OUT[name] in reason for reason in reasons), reasons
