"""What CloudFormation gets: template.yaml after the SAM transform, and what becomes of it under its parameters."""

import json
import os
import re

import pytest
from samcli.lib.providers.provider import Stack
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from conftest import ROOT

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
OPEN = "anyone on the internet may read and write the log"
TOKENS = {"JwtIssuer": "https://issuer.example.com", "JwtAudience": "audit-log"}


def source():
    return yaml_parse((ROOT / "template.yaml").read_text())


def decide(condition, values, named):
    """Whether a condition holds under these parameters."""
    ((function, arguments),) = condition.items()
    match function:
        case "Fn::Equals":
            left, right = (values[one["Ref"]] if isinstance(one, dict) else one for one in arguments)
            return str(left) == str(right)
        case "Fn::Not":
            return not decide(arguments[0], values, named)
        case "Fn::And":
            return all(decide(argument, values, named) for argument in arguments)
        case "Fn::Or":
            return any(decide(argument, values, named) for argument in arguments)
        case "Condition":
            return decide(named[arguments], values, named)
    raise AssertionError(condition)


def deployed(**parameters):
    """The resources under these parameters, conditions decided, and absent what is not made."""
    template = source()
    values = {name: declared["Default"] for name, declared in template["Parameters"].items()} | parameters
    # As `sam deploy` puts it, once the code is uploaded.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    # Translated with no managed policies at hand: whoever brings one in by a SAM property fails here.
    translated = Translator({}, Parser()).translate(template, values)
    conditions = translated["Conditions"]

    def holds(name):
        return decide(conditions[name], values, conditions)

    absent = object()

    def resolve(value):
        if isinstance(value, list):
            return [item for item in map(resolve, value) if item is not absent]
        if not isinstance(value, dict):
            return value
        if value == {"Ref": "AWS::NoValue"}:
            return absent
        if list(value) == ["Ref"] and value["Ref"] in values:
            return values[value["Ref"]]
        if list(value) == ["Fn::If"]:
            condition, yes, no = value["Fn::If"]
            return resolve(yes if holds(condition) else no)
        resolved = {name: resolve(item) for name, item in value.items()}
        return {name: item for name, item in resolved.items() if item is not absent}

    made = {
        name: resource
        for name, resource in translated["Resources"].items()
        if "Condition" not in resource or holds(resource["Condition"])
    }
    return {name: resolve(resource) for name, resource in made.items()}


def of_type(resources, kind):
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


def as_list(value):
    return value if isinstance(value, list) else [value]


def arn(name):
    return {"Fn::GetAtt": [name, "Arn"]}


def statements(resources, role):
    """What a role allows beside RunPolicy: each policy's name and statement."""
    own = resources[role]["Properties"].get("Policies", [])
    apart = [one for one in of_type(resources, "AWS::IAM::RolePolicy").values() if one["RoleName"] == {"Ref": role}]
    return [
        (policy["PolicyName"], statement)
        for policy in own + apart
        for statement in policy["PolicyDocument"]["Statement"]
    ]


DEFAULT = deployed()


def test_by_default_every_route_wants_a_signature():
    routes = of_type(DEFAULT, "AWS::ApiGatewayV2::Route")
    assert {route["RouteKey"] for route in routes.values()} == {"POST /events", "GET /events", "GET /events/{id}"}
    assert {route["AuthorizationType"] for route in routes.values()} == {"AWS_IAM"}
    assert not of_type(DEFAULT, "AWS::ApiGatewayV2::Authorizer")


def test_with_an_issuer_every_route_wants_a_token_with_its_scope():
    resources = deployed(**TOKENS)
    (authorizer,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").items()
    assert authorizer[1]["JwtConfiguration"] == {"Issuer": TOKENS["JwtIssuer"], "Audience": [TOKENS["JwtAudience"]]}
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        assert (route["AuthorizationType"], route["AuthorizerId"]) == ("JWT", {"Ref": authorizer[0]})
        scope = "events:write" if route["RouteKey"].startswith("POST") else "events:read"
        assert route["AuthorizationScopes"] == [scope]


@pytest.mark.parametrize("parameters", [{}, TOKENS])
def test_a_route_is_open_only_where_a_parameter_says_so_in_plain_words(parameters):
    resources = deployed(WhoMayCall=OPEN, **parameters)
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    assert all(route["AuthorizationType"] == "NONE" and "AuthorizationScopes" not in route for route in routes)
    parameter = source()["Parameters"]["WhoMayCall"]
    assert parameter["AllowedValues"] == [parameter["Default"], OPEN]


@pytest.mark.parametrize("issuer", ["", "https://issuer.example.com"])
@pytest.mark.parametrize("audience", ["", "audit-log"])
def test_an_issuer_without_an_audience_is_refused_and_the_other_way_round(issuer, audience):
    (rule,) = source()["Rules"].values()
    (assertion,) = rule["Assertions"]
    accepted = decide(assertion["Assert"], {"JwtIssuer": issuer, "JwtAudience": audience}, {})
    assert accepted == (bool(issuer) == bool(audience))


def test_every_route_leads_to_a_function_that_the_api_may_invoke():
    integrations = of_type(DEFAULT, "AWS::ApiGatewayV2::Integration")
    permissions = of_type(DEFAULT, "AWS::Lambda::Permission").values()
    for route in of_type(DEFAULT, "AWS::ApiGatewayV2::Route").values():
        integration = integrations[re.fullmatch(r"integrations/\$\{(\w+)}", route["Target"]["Fn::Sub"])[1]]
        assert integration["PayloadFormatVersion"] == "2.0"
        function = integration["IntegrationUri"]["Fn::GetAtt"][0]
        (permission,) = [one for one in permissions if one["FunctionName"] == {"Ref": function}]
        method, path = route["RouteKey"].split(" ")
        pattern = permission["SourceArn"]["Fn::Sub"].split("${Api}")[1]
        assert re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), f"/$default/{method}{path}"), route


def test_nothing_calls_from_another_origin_unless_one_is_named():
    assert "CorsConfiguration" not in DEFAULT["Api"]["Properties"]
    cors = deployed(AllowedOrigin="https://audit.example.com")["Api"]["Properties"]["CorsConfiguration"]
    assert (cors["AllowOrigins"], cors["AllowMethods"]) == (["https://audit.example.com"], ["GET", "POST"])


def test_requests_are_throttled_and_logged_without_content():
    (stage,) = of_type(DEFAULT, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 1000
    # This one comes in quotes.
    line = json.loads(stage["AccessLogSettings"]["Format"].replace("$context.error.messageString", '""'))
    assert not any("body" in value or "query" in value.lower() for value in line.values())


RUN = {
    ("logs:CreateLogStream", "logs:PutLogEvents"): arn("FunctionLogs"),
    # X-Ray has no resources.
    ("xray:PutTelemetryRecords", "xray:PutTraceSegments"): "*",
}


def test_each_function_has_a_role_of_its_own_and_only_that():
    functions = of_type(DEFAULT, "AWS::Lambda::Function")
    assert set(functions) == {"CreateEventFunction", "ListEventsFunction", "IndexEventsFunction"}
    roles = of_type(DEFAULT, "AWS::IAM::Role")
    assert {function["Role"]["Fn::GetAtt"][0] for function in functions.values()} == set(roles)
    for role in roles.values():
        assert role["ManagedPolicyArns"] == [{"Ref": "RunPolicy"}]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_roles_allow_what_is_listed_and_nothing_else():
    """What a function asks of its tables is compared with its code by tests/service/permissions.rs."""
    run = DEFAULT["RunPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {tuple(statement["Action"]): statement["Resource"] for statement in run} == RUN
    for name in of_type(DEFAULT, "AWS::IAM::Role"):
        for policy, statement in statements(DEFAULT, name):
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in as_list(statement["Action"]))
            if policy == "tables":
                for resource in as_list(statement["Resource"]):
                    assert json.dumps(resource).count("*") == 0, f"{name}: {resource}"
    stream = {
        tuple(as_list(statement["Action"])): statement["Resource"]
        for policy, statement in statements(DEFAULT, "IndexEventsRole")
        if policy == "stream"
    }
    assert stream == {
        ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"): {
            "Fn::GetAtt": ["EventsTable", "StreamArn"]
        },
        # The one table's, whose streams cannot be named beforehand.
        ("dynamodb:ListStreams",): {"Fn::Sub": "${EventsTable.Arn}/stream/*"},
        ("sqs:SendMessage",): arn("IndexFailures"),
    }


def test_an_own_key_encrypts_the_tables_and_the_functions_may_use_it_through_dynamodb_alone():
    key = "arn:aws:kms:us-east-1:111122223333:key/1234"
    resources = deployed(KeyArn=key)
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    statement = resources["RunPolicy"]["Properties"]["PolicyDocument"]["Statement"][-1]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", key)
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"}}}


def test_nobody_changes_or_deletes_an_event_and_one_role_adds_them():
    policy = DEFAULT["EventsTable"]["Properties"]["ResourcePolicy"]["PolicyDocument"]["Statement"]
    never, add = policy
    assert (never["Effect"], never["Principal"], never["Resource"]) == ("Deny", "*", "*")
    assert "Condition" not in never
    assert {"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"} <= set(never["Action"])
    assert (add["Effect"], add["Principal"]) == ("Deny", "*")
    assert set(add["Action"]) == {"dynamodb:PutItem", "dynamodb:PartiQLInsert"}
    assert add["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": arn("CreateEventRole")}}
    writers = [
        name
        for name in of_type(DEFAULT, "AWS::IAM::Role")
        for _, statement in statements(DEFAULT, name)
        if arn("EventsTable") in as_list(statement["Resource"])
        and any(re.search("Put|Write|Insert|Update|Delete", action) for action in as_list(statement["Action"]))
    ]
    assert writers == ["CreateEventRole"]


def test_tables_survive_mistakes_and_their_stack():
    tables = {name: one for name, one in DEFAULT.items() if one["Type"] == "AWS::DynamoDB::Table"}
    assert set(tables) == {"EventsTable", "CountsTable"}
    for table in tables.values():
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
        properties = table["Properties"]
        assert properties["DeletionProtectionEnabled"] is True
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["SSESpecification"]["SSEEnabled"] is True


def keys(schema):
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def test_keys_and_indexes_are_those_that_the_code_names():
    names = dict(re.findall(r'pub const (\w+): &str = "([\w-]+)";', (ROOT / "functions/log/schema.rs").read_text()))
    events = DEFAULT["EventsTable"]["Properties"]
    assert keys(events["KeySchema"]) == {"HASH": names["SHARD"], "RANGE": names["ID"]}
    (index,) = events["GlobalSecondaryIndexes"]
    assert index["IndexName"] == names["USER_INDEX"]
    assert keys(index["KeySchema"]) == {"HASH": names["USER_ID"], "RANGE": names["ID"]}
    assert events["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_every_variable_that_the_code_reads_is_set_for_every_function():
    settings = (ROOT / "functions/boot/settings.rs").read_text()
    read = set(re.findall(r'const \w+: &str = "([A-Z_]+)"', settings))
    # Lambda's own; and one for endpoints with certificates of their own, which AWS has not.
    wanted = {name for name in read if not name.startswith("AWS_")} - {"SSL_CERT_FILE"}
    assert {"EVENTS_TABLE", "COUNTS_TABLE", "SHARDS"} <= wanted
    elsewhere = [
        file.relative_to(ROOT)
        for file in (ROOT / "functions").rglob("*.rs")
        if "env::var" in file.read_text() and file.name != "settings.rs"
    ]
    assert elsewhere == [], "the environment is read in one place"
    for name, function in of_type(DEFAULT, "AWS::Lambda::Function").items():
        assert {one for one in function["Environment"]["Variables"] if not one.startswith("AWS_")} == wanted, name


def test_functions_run_traced_and_log_json_to_a_group_that_forgets():
    for name, function in of_type(DEFAULT, "AWS::Lambda::Function").items():
        assert function["Runtime"] == "provided.al2023" and function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": "FunctionLogs"}}
        assert function.get("ReservedConcurrentExecutions") == (10 if name == "IndexEventsFunction" else None)
    for group in of_type(DEFAULT, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == 30
    sized = deployed(MemorySize=512, RequestConcurrency=50, IndexConcurrency=0)
    for name, function in of_type(sized, "AWS::Lambda::Function").items():
        assert function["MemorySize"] == 512
        assert function.get("ReservedConcurrentExecutions") == (None if name == "IndexEventsFunction" else 50)


def test_what_the_stream_cannot_deliver_is_kept_apart():
    (mapping,) = of_type(DEFAULT, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["EventsTable", "StreamArn"]}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == arn("IndexFailures")
    assert mapping["FilterCriteria"]["Filters"] == [{"Pattern": '{"eventName":["INSERT"]}'}]


def test_every_alarm_is_heard_and_explained():
    topic = "arn:aws:sns:us-east-1:111122223333:pager"
    alarms = of_type(deployed(AlarmTopic=topic), "AWS::CloudWatch::Alarm")
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms.values())
    watched = [alarm["MetricName"] for alarm in alarms.values()]
    assert {"5xx", "Latency", "IteratorAge", "ApproximateNumberOfMessagesVisible"} <= set(watched)
    assert watched.count("Errors") == watched.count("Throttles") == len(of_type(DEFAULT, "AWS::Lambda::Function"))
    operate = (ROOT / "README.md").read_text().split("## Operate")[1].split("\n## ")[0]
    assert [name for name in alarms if f"`{name}`" not in operate] == []
    assert all("AlarmActions" not in alarm for alarm in of_type(DEFAULT, "AWS::CloudWatch::Alarm").values())


def test_the_dashboard_names_what_is_there():
    body = DEFAULT["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    json.loads(body)
    pseudo = {"AWS::Region", "AWS::StackName"}
    named = {name.split(".")[0] for name in re.findall(r"\$\{([\w:.]+)}", body)} - pseudo
    assert named <= set(DEFAULT)
    metrics = set(re.findall(r"\n    (\w+),", (ROOT / "functions/boot/metrics.rs").read_text().split("pub enum Metric")[1].split("}")[0]))
    assert [name for name in metrics if name not in body] == []


def test_what_the_readme_gives_sam_local_invoke_reaches_the_function():
    readme = (ROOT / "README.md").read_text().replace("\\\n", "")
    (url,) = set(re.findall(r"sam local invoke .*--parameter-overrides DynamoDbUrl=(\S+)", readme))
    for function in SamFunctionProvider(
        [Stack("", "", "template.yaml", {"DynamoDbUrl": url}, source())], use_raw_codeuri=True
    ).get_all():
        environment = EnvironmentVariables(variables=function.environment["Variables"]).resolve()
        assert environment["AWS_ENDPOINT_URL_DYNAMODB"] == url
        assert {environment["EVENTS_TABLE"], environment["COUNTS_TABLE"]} == {"EventsTable", "CountsTable"}
        assert environment["SHARDS"] == "4"
