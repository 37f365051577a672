"""The resources of template.yaml: after the SAM transform, under different parameters."""

import copy
import importlib.util
import json
import os
import re
import tomllib

import pytest
from samcli.lib.providers.provider import Stack
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.local.lambdafn.env_vars import EnvironmentVariables
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from conftest import ALLOCATOR, ROOT

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
    """The resources under these parameters, with conditions decided and without resources that are not created."""
    template = source()
    values = {name: declared["Default"] for name, declared in template["Parameters"].items()} | parameters
    # `sam deploy` sets it after it has uploaded the code.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
    # The translation knows no managed policies, so a change that adds one by a SAM property fails here.
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
    """The permissions of a role apart from RunPolicy: the name and the statement of each policy."""
    own = resources[role]["Properties"].get("Policies", [])
    apart = [one for one in of_type(resources, "AWS::IAM::Policy").values() if {"Ref": role} in one["Roles"]]
    return [
        (policy["PolicyName"], statement)
        for policy in own + apart
        for statement in policy["PolicyDocument"]["Statement"]
    ]


DEFAULT = deployed()


def test_by_default_every_route_wants_a_signature():
    routes = of_type(DEFAULT, "AWS::ApiGatewayV2::Route")
    assert {route["RouteKey"] for route in routes.values()} == {
        "POST /events",
        "GET /events",
        "GET /events/{id}",
        "GET /events/histogram",
        "GET /events/facets",
        "GET /events/feed",
        "GET /events/{id}/proof",
        "GET /log/checkpoint",
        "GET /log/{path+}",
    }
    assert {route["AuthorizationType"] for route in routes.values()} == {"AWS_IAM"}
    assert not of_type(DEFAULT, "AWS::ApiGatewayV2::Authorizer")


@pytest.mark.parametrize(
    ("write", "read"), [("events:write", "events:read"), ("audit-log/events:write", "https://audit.example.com/read")]
)
def test_with_an_issuer_every_route_wants_a_token_with_its_scope(write, read):
    resources = deployed(**TOKENS, WriteScope=write, ReadScope=read)
    for name, value in (("WriteScope", write), ("ReadScope", read)):
        assert re.fullmatch(source()["Parameters"][name]["AllowedPattern"], value)
    (authorizer,) = of_type(resources, "AWS::ApiGatewayV2::Authorizer").items()
    assert authorizer[1]["JwtConfiguration"] == {"Issuer": TOKENS["JwtIssuer"], "Audience": [TOKENS["JwtAudience"]]}
    for route in of_type(resources, "AWS::ApiGatewayV2::Route").values():
        assert (route["AuthorizationType"], route["AuthorizerId"]) == ("JWT", {"Ref": authorizer[0]})
        assert route["AuthorizationScopes"] == [write if route["RouteKey"].startswith("POST") else read]


def test_the_scopes_are_those_of_the_documentation_and_none_is_empty():
    parameters = source()["Parameters"]
    assert (parameters["WriteScope"]["Default"], parameters["ReadScope"]["Default"]) == ("events:write", "events:read")
    # A route without a scope would accept any token of the issuer.
    assert not any(re.fullmatch(parameters[name]["AllowedPattern"], "") for name in ("WriteScope", "ReadScope"))


@pytest.mark.parametrize("parameters", [{}, TOKENS])
def test_a_route_is_open_only_where_plain_words_say_so(parameters):
    resources = deployed(WhoMayCall=OPEN, **parameters)
    routes = of_type(resources, "AWS::ApiGatewayV2::Route").values()
    assert all(route["AuthorizationType"] == "NONE" and "AuthorizationScopes" not in route for route in routes)
    parameter = source()["Parameters"]["WhoMayCall"]
    assert parameter["AllowedValues"] == [parameter["Default"], OPEN]


@pytest.mark.parametrize("issuer", ["", "https://issuer.example.com"])
@pytest.mark.parametrize("audience", ["", "audit-log"])
def test_an_issuer_and_an_audience_come_together(issuer, audience):
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
        method, path = route["RouteKey"].split(" ")
        patterns = [
            one["SourceArn"]["Fn::Sub"].split("${Api}")[1]
            for one in permissions
            if one["FunctionName"] == {"Ref": function}
        ]
        matching = [re.escape(pattern).replace(r"\*", ".*") for pattern in patterns]
        assert sum(bool(re.fullmatch(one, f"/$default/{method}{path}")) for one in matching) == 1, route


def test_nothing_calls_from_another_origin_unless_one_is_named():
    assert "CorsConfiguration" not in DEFAULT["Api"]["Properties"]
    cors = deployed(AllowedOrigin="https://audit.example.com")["Api"]["Properties"]["CorsConfiguration"]
    assert (cors["AllowOrigins"], cors["AllowMethods"]) == (["https://audit.example.com"], ["GET", "POST"])


def test_requests_are_throttled_and_logged_without_content():
    (stage,) = of_type(DEFAULT, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"] == settings(1000)
    line = access_log_line(lambda variable: variable)
    assert not any("body" in value or "query" in value.lower() for value in line.values())


def access_log_line(value_of):
    """A line of the access log, as a reader parses it, with these values of API Gateway's variables."""
    (stage,) = of_type(DEFAULT, "AWS::ApiGatewayV2::Stage").values()

    def render(match):
        value = value_of(match[0])
        # This variable has its own quotes if it has a value.
        return f'"{value}"' if match[0].endswith(".messageString") and value != "-" else value

    return json.loads(re.sub(r"\$context(\.\w+)+", render, stage["AccessLogSettings"]["Format"]))


@pytest.mark.parametrize("has_value", [lambda _: False, lambda _: True, lambda variable: "error" not in variable.lower()])
def test_a_line_of_the_access_log_is_json_whatever_has_a_value(has_value):
    """API Gateway writes a bare - for a variable without a value, such as those of errors in a success."""
    line = access_log_line(lambda variable: "text" if has_value(variable) else "-")
    assert set(line.values()) <= {"text", "-"}


def settings(rate):
    """The settings of a stage for routes with this rate."""
    return {"DetailedMetricsEnabled": True, "ThrottlingRateLimit": rate, "ThrottlingBurstLimit": rate}


def test_reads_have_a_rate_of_their_own():
    resources = deployed(ReadsPerSecond=30)
    routes = of_type(resources, "AWS::ApiGatewayV2::Route")
    reads = {name: route["RouteKey"] for name, route in routes.items() if route["RouteKey"].startswith("GET ")}
    stage = resources["ApiStage"]
    # The routes must exist before a stage may name them.
    assert set(reads) <= set(stage["DependsOn"])
    # The settings of a route replace those of the stage, so each must be complete.
    assert stage["Properties"]["RouteSettings"] == {key: settings(30) for key in reads.values()}


STAGES = tomllib.loads((ROOT / "samconfig.toml").read_text())


def parameters_of(stage):
    """The template's defaults, replaced by the settings of a stage of samconfig.toml."""
    defaults = {name: str(declared["Default"]) for name, declared in source()["Parameters"].items()}
    overrides = STAGES[stage]["deploy"]["parameters"].get("parameter_overrides", [])
    return defaults | dict(override.split("=", 1) for override in overrides)


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "version"])
def test_a_stage_sets_parameters_that_there_are(stage):
    parameters = parameters_of(stage)
    assert set(parameters) == set(source()["Parameters"])
    assert int(parameters["ReadsPerSecond"]) < int(parameters["RequestsPerSecond"])


def test_in_prod_reads_cannot_take_the_writers_invocations():
    functions = of_type(deployed(**parameters_of("prod")), "AWS::Lambda::Function")
    assert int(functions["CreateEventFunction"]["ReservedConcurrentExecutions"]) >= 100


INDEXED = [("none", []), ("event_type", ["event_type"]), ("src_service", ["src_service"])]


@pytest.mark.parametrize(("filters", "fields"), [*INDEXED, ("event_type,src_service", ["event_type", "src_service"])])
def test_each_filter_has_an_index_with_the_other_fields_and_an_alarm(filters, fields):
    resources = deployed(Filters=filters)
    table = resources["EventsTable"]["Properties"]
    every = {"user_id", "event_type", "src_service"}
    for index in table["GlobalSecondaryIndexes"]:
        partition, sort = (key["AttributeName"] for key in index["KeySchema"])
        assert (index["IndexName"], sort) == (f"{partition}-index", "id")
        assert set(index["Projection"]["NonKeyAttributes"]) == every - {partition}
    indexes = [index["IndexName"] for index in table["GlobalSecondaryIndexes"]]
    assert indexes == [f"{field}-index" for field in ["user_id", *fields]]
    # DynamoDB refuses the definition of an attribute that is no key.
    assert {one["AttributeName"] for one in table["AttributeDefinitions"]} == {"shard", "id", "user_id", *fields}
    watched = {
        dimension["Value"]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "GlobalSecondaryIndexName"
    }
    assert watched == set(indexes)
    for function in of_type(resources, "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["FILTERS"] == filters


RUN = {
    ("logs:CreateLogStream", "logs:PutLogEvents"): arn("FunctionLogs"),
    # X-Ray has no resources.
    ("xray:PutTelemetryRecords", "xray:PutTraceSegments"): "*",
}


def test_each_function_has_a_role_of_its_own_and_only_that():
    functions = of_type(DEFAULT, "AWS::Lambda::Function")
    assert set(functions) == {"CreateEventFunction", "ListEventsFunction", "IndexEventsFunction", "SealEventsFunction"}
    roles = of_type(DEFAULT, "AWS::IAM::Role")
    assert {function["Role"]["Fn::GetAtt"][0] for function in functions.values()} == set(roles)
    for role in roles.values():
        assert role["ManagedPolicyArns"] == [{"Ref": "RunPolicy"}]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    for name, policy in of_type(DEFAULT, "AWS::IAM::Policy").items():
        assert policy["Roles"] == [{"Ref": re.sub("Tables|Key", "Role", name)}]


def test_roles_allow_what_is_listed_and_nothing_else():
    """tests/service/permissions.rs compares the permissions on tables with the code of each function."""
    run = DEFAULT["RunPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert {tuple(statement["Action"]): statement["Resource"] for statement in run} == RUN
    for name in of_type(DEFAULT, "AWS::IAM::Role"):
        for policy, statement in statements(DEFAULT, name):
            assert statement["Effect"] == "Allow"
            assert not any("*" in action for action in as_list(statement["Action"]))
            if policy == "tables":
                for resource in as_list(statement["Resource"]):
                    assert json.dumps(resource).count("*") == 0, f"{name}: {resource}"


@pytest.mark.parametrize(("role", "queue"), [("IndexEventsRole", "IndexFailures"), ("SealEventsRole", "SealFailures")])
def test_a_reader_of_the_stream_has_a_queue_for_what_it_gives_up(role, queue):
    stream = {
        tuple(as_list(statement["Action"])): statement["Resource"]
        for policy, statement in statements(DEFAULT, role)
        if policy == "stream"
    }
    assert stream == {
        ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"): {
            "Fn::GetAtt": ["EventsTable", "StreamArn"]
        },
        # All streams of the table, because their names are not known beforehand.
        ("dynamodb:ListStreams",): {"Fn::Sub": "${EventsTable.Arn}/stream/*"},
        ("sqs:SendMessage",): arn(queue),
    }


def test_an_own_key_encrypts_the_tables_through_dynamodb_alone():
    key = "arn:aws:kms:us-east-1:111122223333:key/1234"
    resources = deployed(KeyArn=key)
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    statement = resources["RunPolicy"]["Properties"]["PolicyDocument"]["Statement"][-1]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", key)
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.${AWS::URLSuffix}"}}}


# The tables whose items are never changed, and the one function that adds items.
WRITERS = {"EventsTable": "CreateEvent", "KeysTable": "CreateEvent", "TreeTable": "SealEvents"}


@pytest.mark.parametrize(("table", "writer"), WRITERS.items())
def test_events_keys_and_the_log_are_only_added_and_by_one_role(table, writer):
    never, add, _ = DEFAULT[table]["Properties"]["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert (never["Effect"], never["Principal"], never["Resource"]) == ("Deny", "*", "*")
    assert "Condition" not in never
    assert sorted(never["Action"]) == [
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLUpdate",
        "dynamodb:UpdateItem",
        "dynamodb:UpdateTimeToLive",
    ]
    assert (add["Effect"], add["Principal"]) == ("Deny", "*")
    assert set(add["Action"]) == {"dynamodb:PutItem", "dynamodb:PartiQLInsert"}
    assert add["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": arn(f"{writer}Role")}}
    writers = [
        name
        for name in of_type(DEFAULT, "AWS::IAM::Role")
        for _, statement in statements(DEFAULT, name)
        if arn(table) in as_list(statement["Resource"])
        and any(re.search("Put|Write|Insert|Update|Delete", action) for action in as_list(statement["Action"]))
    ]
    assert writers == [f"{writer}Role"]


ADMINISTRATION = {
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:DeleteTable",
    "dynamodb:PutResourcePolicy",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTable",
}
ADMIN = "arn:aws:iam::111122223333:role/deploy"


@pytest.mark.parametrize("table", WRITERS)
@pytest.mark.parametrize(
    ("parameters", "exempt"),
    [
        ({"AdminArn": ADMIN}, {"ArnNotEquals": {"aws:PrincipalArn": ADMIN}}),
        (
            {},
            {
                "ArnNotEquals": {"aws:PrincipalArn": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
                # A request that lacks the key meets this, so only CloudFormation's own requests are exempt.
                "ForAllValues:StringNotEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]},
            },
        ),
    ],
)
def test_only_the_administrator_changes_or_unprotects_a_table(table, parameters, exempt):
    *_, administer = deployed(**parameters)[table]["Properties"]["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert (administer["Effect"], administer["Principal"], administer["Resource"]) == ("Deny", "*", "*")
    assert set(administer["Action"]) == ADMINISTRATION
    assert administer["Condition"] == exempt


@pytest.mark.parametrize(
    ("arn", "accepted"),
    [
        ("", True),
        (ADMIN, True),
        ("arn:aws-cn:iam::111122223333:user/a/b", True),
        ("arn:aws:iam::111122223333:root", True),
        # The ARN is compared as a pattern, so this would be everyone.
        ("arn:aws:iam::111122223333:role/*", False),
        # aws:PrincipalArn is never the ARN of a session.
        ("arn:aws:sts::111122223333:assumed-role/deploy/session", False),
    ],
)
def test_the_administrator_is_one_principal(arn, accepted):
    assert bool(re.fullmatch(source()["Parameters"]["AdminArn"]["AllowedPattern"], arn)) == accepted


@pytest.mark.parametrize(
    ("role", "action", "resource"),
    [
        ("CreateEvent", "dynamodb:PutItem", [arn("EventsTable"), arn("KeysTable")]),
        ("SealEvents", "dynamodb:PutItem", arn("TreeTable")),
        ("SealEvents", "kms:Sign", arn("LogKey")),
    ],
)
def test_one_function_alone_puts_or_signs(role, action, resource):
    name = DEFAULT[f"{role}Function"]["Properties"]["FunctionName"]["Fn::Sub"]
    function = {"Fn::Sub": "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:" + name}
    allowed = [
        statement
        for _, statement in statements(DEFAULT, f"{role}Role")
        if action in as_list(statement["Action"]) and arn("CountsTable") != statement["Resource"]
    ]
    assert [one.get("Condition") for one in allowed] == [{"ArnEquals": {"lambda:SourceFunctionArn": function}}]
    assert allowed[0]["Resource"] == resource
    # An engine that is not AWS's does not know the key of the condition.
    engine = "http://127.0.0.1:8000"
    elsewhere = statements(deployed(DynamoDbUrl=engine, KmsUrl=engine), f"{role}Role")
    assert not any("Condition" in statement for _, statement in elsewhere)


ACCOUNT_ROOT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}


def statements_of_the_key(**parameters):
    """The statements of the policy of the key that signs the log, by their names."""
    policy = deployed(**parameters)["LogKey"]["Properties"]["KeyPolicy"]
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def test_the_key_of_the_log_signs_with_ed25519_and_is_kept():
    key = DEFAULT["LogKey"]
    properties = key["Properties"]
    assert (properties["KeySpec"], properties["KeyUsage"]) == ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY")
    assert properties["PendingWindowInDays"] == 30
    assert key["DeletionPolicy"] == key["UpdateReplacePolicy"] == "Retain"
    assert DEFAULT["SealEventsFunction"]["Properties"]["Environment"]["Variables"]["LOG_KEY"] == arn("LogKey")


@pytest.mark.parametrize("parameters", [{}, {"AdminArn": ADMIN}])
def test_the_key_signs_for_one_role_and_one_kind_of_signature(parameters):
    of_key = statements_of_the_key(**parameters)
    # A statement that allows all actions, or grants, could let anyone sign.
    assert all(one["Effect"] == "Allow" and one["Principal"] == ACCOUNT_ROOT for one in of_key.values())
    actions = [action for one in of_key.values() for action in as_list(one["Action"])]
    assert not any("*" in action for action in actions)
    assert "kms:CreateGrant" not in actions
    (signs,) = [one for one in of_key.values() if "kms:Sign" in as_list(one["Action"])]
    assert signs["Action"] == "kms:Sign"
    assert signs["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": arn("SealEventsRole")},
        "StringEquals": {"kms:MessageType": "RAW", "kms:SigningAlgorithm": "ED25519_SHA_512"},
    }
    of_roles = [
        (name, action)
        for name in of_type(DEFAULT, "AWS::IAM::Role")
        for _, statement in statements(DEFAULT, name)
        for action in as_list(statement["Action"])
        if action.startswith("kms:")
    ]
    assert of_roles == [("SealEventsRole", "kms:GetPublicKey"), ("SealEventsRole", "kms:Sign")]


def test_the_administrator_changes_the_key_of_the_log():
    for parameters, condition in ({}, None), ({"AdminArn": ADMIN}, {"ArnEquals": {"aws:PrincipalArn": ADMIN}}):
        of_key = statements_of_the_key(**parameters)
        (changes,) = [one for one in of_key.values() if "kms:PutKeyPolicy" in one["Action"]]
        assert changes.get("Condition") == condition
        assert {"kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"} <= set(changes["Action"])
        # Without these, nobody could repair the policy.
        assert "Condition" not in of_key["TheAccountReadsTheKey"]


@pytest.mark.parametrize(
    ("parameters", "origin"),
    [
        ({}, {"Fn::Sub": "${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/log"}),
        ({"LogOrigin": "audit.example.com/log"}, "audit.example.com/log"),
    ],
)
def test_the_log_is_named_after_its_api_unless_it_has_moved(parameters, origin):
    variables = deployed(**parameters)["SealEventsFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["LOG_ORIGIN"] == origin
    # The URL of the log is its name.
    assert source()["Outputs"]["LogUrl"]["Value"] == {
        "Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/log"
    }


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({}, {"Fn::Sub": "https://kms.${AWS::Region}.${AWS::URLSuffix}"}),
        ({"KmsUrl": "http://127.0.0.1:4566"}, "http://127.0.0.1:4566"),
    ],
)
def test_the_log_is_signed_by_the_regions_kms_or_a_named_one(parameters, url):
    functions = of_type(deployed(**parameters), "AWS::Lambda::Function")
    assert functions["SealEventsFunction"]["Environment"]["Variables"]["AWS_ENDPOINT_URL_KMS"] == url


@pytest.mark.parametrize(
    ("origin", "accepted"), [("", True), ("audit.example.com/log", True), ("a b", False), ("a+b", False), ("ü", False)]
)
def test_the_name_of_a_log_is_one_that_a_checkpoint_can_have(origin, accepted):
    assert bool(re.fullmatch(source()["Parameters"]["LogOrigin"]["AllowedPattern"], origin)) == accepted


def test_the_alarm_topic_hears_of_each_call_that_puts_the_record_at_risk():
    assert not of_type(DEFAULT, "AWS::Events::Rule")
    topic = "arn:aws:sns:us-east-1:111122223333:pager"
    (rule,) = of_type(deployed(AlarmTopic=topic), "AWS::Events::Rule").values()
    assert [target["Arn"] for target in rule["Targets"]] == [topic]
    assert rule.get("State", "ENABLED") == "ENABLED"
    detail = rule["EventPattern"]["detail"]
    # An attempt to let items expire is reported too, although the first statement denies it to everyone. So is a grant
    # for the key.
    of_tables = {name.removeprefix("dynamodb:") for name in ADMINISTRATION} | {"UpdateTimeToLive"}
    of_the_key = {"CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"}
    assert set(detail["eventName"]) == of_tables | of_the_key
    assert rule["EventPattern"]["source"] == ["aws.dynamodb", "aws.kms"]
    assert detail["eventSource"] == ["dynamodb.amazonaws.com", "kms.amazonaws.com"]
    by_name, by_arn, by_key = (one["requestParameters"] for one in detail["$or"])
    assert by_name == {"tableName": [one for table in WRITERS for one in ({"Ref": table}, arn(table))]}
    assert by_arn == {"resourceArn": [arn(table) for table in WRITERS]}
    assert by_key == {"keyId": [{"Ref": "LogKey"}, arn("LogKey")]}
    # A call that was refused is reported too.
    assert "errorCode" not in detail
    assert "| `RecordAtRiskRule` |" in section("operations.md", "Respond to alarms")


def test_the_policy_of_keys_is_that_of_events_word_for_word():
    of_events, of_keys, of_the_log = (json.dumps(DEFAULT[table]["Properties"]["ResourcePolicy"]) for table in WRITERS)
    assert of_keys == of_events
    # That of the log has other names.
    for events, log in (
        ("NobodyChangesOrDeletesEvents", "NobodyChangesOrDeletesTheLog"),
        ("OnlyCreateEventAddsEvents", "OnlySealEventsAddsToTheLog"),
        ("CreateEventRole", "SealEventsRole"),
    ):
        of_events = of_events.replace(events, log)
    assert of_the_log == of_events


def table_policies():
    """The program that compares a stack's policies with the template."""
    specification = importlib.util.spec_from_file_location("table_policies", ROOT / ".github" / "table_policies.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


RUN_POLICY = "arn:aws:iam::111122223333:policy/audit-log-RunPolicy-1"
STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/audit-log-EventsTable-1/stream/2026-01-01T00:00:00.000"


def physical_id(name, resource):
    """The physical ID of a resource in CloudFormation: its name, except for a managed policy and a queue."""
    match resource["Type"]:
        case "AWS::IAM::ManagedPolicy":
            return f"arn:aws:iam::111122223333:policy/audit-log-{name}-1"
        case "AWS::SQS::Queue":
            return f"https://sqs.eu-west-1.amazonaws.com/111122223333/audit-log-{name}-1"
    return f"audit-log-{name}-1"


class Account:
    """The results of AWS for a stack that matches the template."""

    def __init__(self, **parameters):
        self.template = template = source()
        declared = {name: str(one["Default"]) for name, one in template["Parameters"].items()} | parameters
        self.stack = {
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/audit-log/1",
            "StackName": "audit-log",
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in declared.items()],
        }
        self.names = {name: physical_id(name, resource) for name, resource in template["Resources"].items()}
        resolve = table_policies().Stack("audit-log", self.ask, template).resolve
        resources = {name: resource["Properties"] for name, resource in template["Resources"].items()}

        self.tables = {
            f"arn:aws:dynamodb:eu-west-1:111122223333:table/{self.names[name]}": resolve(
                resources[name]["ResourcePolicy"]["PolicyDocument"]
            )
            for name in WRITERS
        }
        self.key = {self.names["LogKey"]: resolve(resources["LogKey"]["KeyPolicy"])}
        self.run_policy, self.default = {"v3": resolve(resources["RunPolicy"]["PolicyDocument"])}, "v3"
        self.trust, self.inline, self.attached = {}, {}, {}
        for name in ("CreateEvent", "ListEvents", "IndexEvents", "SealEvents"):
            role = self.names[f"{name}Role"]
            self.trust[role] = resolve(resources[f"{name}Role"]["AssumeRolePolicyDocument"])
            self.inline[role] = {"tables": resolve(resources[f"{name}Tables"]["PolicyDocument"])}
            self.attached[role] = [RUN_POLICY]
            for policy in resources[f"{name}Role"].get("Policies", []):
                self.inline[role][policy["PolicyName"]] = resolve(policy["PolicyDocument"])
        self.inline[role]["key"] = resolve(resources["SealEventsKey"]["PolicyDocument"])

    def ask(self, *arguments):
        service, call, *options = arguments
        option = dict(zip(options[::2], options[1::2], strict=True))
        role = option.get("--role-name")
        match service, call:
            case "cloudformation", "describe-stacks":
                return {"Stacks": [self.stack]}
            case "cloudformation", "list-stack-resources":
                listed = [{"LogicalResourceId": name, "PhysicalResourceId": id} for name, id in self.names.items()]
                return {"StackResourceSummaries": listed}
            case "dynamodb", "describe-table":
                assert option["--table-name"] == self.names["EventsTable"]
                return {"Table": {"LatestStreamArn": STREAM}}
            case "dynamodb", "get-resource-policy":
                document = self.tables[option["--resource-arn"]]
                return document and {"Policy": json.dumps(document)}
            case "kms", "get-key-policy":
                assert option["--policy-name"] == "default"
                document = self.key[option["--key-id"]]
                return document and {"Policy": json.dumps(document)}
            case "iam", "get-role":
                document = self.trust[role]
                return document and {"Role": {"AssumeRolePolicyDocument": document}}
            case "iam", "list-role-policies":
                return {"PolicyNames": list(self.inline[role])}
            case "iam", "get-role-policy":
                document = self.inline[role].get(option["--policy-name"])
                return document and {"PolicyDocument": document}
            case "iam", "list-attached-role-policies":
                return {"AttachedPolicies": [{"PolicyArn": arn} for arn in self.attached[role]]}
            case "iam", "get-policy":
                assert option["--policy-arn"] == RUN_POLICY
                return {"Policy": {"DefaultVersionId": self.default}}
            case "iam", "get-policy-version":
                assert option["--policy-arn"] == RUN_POLICY
                document = self.run_policy[option["--version-id"]]
                return document and {"PolicyVersion": {"Document": document}}
        raise AssertionError(arguments)

    def documents(self):
        """Each document: its name in a difference, and the place that keeps it."""
        for arn in self.tables:
            yield f"the policy of {arn.partition('/')[2]}", self.tables, arn
        for name in self.key:
            yield f"the policy of the key {name}", self.key, name
        yield f"the default version of {RUN_POLICY}", self.run_policy, self.default
        for role, inline in self.inline.items():
            yield f"the trust policy of the role {role}", self.trust, role
            for policy in inline:
                yield f"the policy {policy} of the role {role}", inline, policy

    def differences(self):
        stack = table_policies().Stack("audit-log", self.ask, self.template)
        return table_policies().differences(stack, patience=2, pause=0)


KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234"


@pytest.mark.parametrize(
    "parameters", [{}, {"AdminArn": ADMIN}, {"DynamoDbUrl": "http://127.0.0.1:8000"}, {"KeyArn": KEY}]
)
def test_the_policies_in_force_are_compared_with_the_template(parameters):
    account = Account(**parameters)
    assert account.differences() == []
    documents = list(account.documents())
    # Three tables, their key, RunPolicy, four trust policies, four policies of tables, two of the stream, one of the key.
    assert len(documents) == 16
    for name, kept, key in documents:
        wanted = kept[key]
        # Another way to write the same policy.
        kept[key] = json.loads(json.dumps(wanted))
        actions = kept[key]["Statement"][0]["Action"]
        kept[key]["Statement"][0]["Action"] = actions[::-1] if isinstance(actions, list) else [actions]
        assert account.differences() == []
        for spoilt in spoilt_policies(wanted):
            kept[key] = spoilt
            (difference,) = account.differences()
            assert difference.startswith(f"{name} differs")
        kept[key] = wanted


@pytest.mark.parametrize(
    "parameters", [{}, {"AdminArn": ADMIN}, {"DynamoDbUrl": "http://127.0.0.1:8000"}, {"KeyArn": KEY}]
)
def test_the_template_is_compared_as_aws_spells_it(parameters):
    documents = [kept[key] for _, kept, key in Account(**parameters).documents()]
    resolved = json.dumps(documents)
    assert not re.search(r"Fn::|\$\{|\bRef\b|\bnull\b", resolved)
    root = '{"aws:PrincipalArn": "arn:aws:iam::111122223333:root"}'
    assert (root in resolved) == ("AdminArn" not in parameters)
    for arn in (
        "arn:aws:dynamodb:eu-west-1:111122223333:table/audit-log-EventsTable-1/index/user_id-index",
        "arn:aws:logs:eu-west-1:111122223333:log-group:audit-log-FunctionLogs-1:*",
        "arn:aws:sqs:eu-west-1:111122223333:audit-log-IndexFailures-1",
        "arn:aws:sqs:eu-west-1:111122223333:audit-log-SealFailures-1",
        "arn:aws:kms:eu-west-1:111122223333:key/audit-log-LogKey-1",
        STREAM,
    ):
        assert f'"{arn}"' in resolved
    assert '{"aws:PrincipalArn": "arn:aws:iam::111122223333:role/audit-log-CreateEventRole-1"}' in resolved
    function = '{"lambda:SourceFunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:audit-log-create-event"}'
    assert resolved.count("function:audit-log-seal-events") == (1 if "DynamoDbUrl" in parameters else 2)
    assert (function in resolved) == ("DynamoDbUrl" not in parameters)
    assert ('{"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}' in resolved) == ("KeyArn" in parameters)


ANYTHING = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
ALLOW_ANYTHING = {"Version": "2012-10-17", "Statement": [ANYTHING]}


def one_more_statement(account, role):
    account.inline[role]["tables"]["Statement"].append(ANYTHING)
    return f"the policy tables of the role {role}"


def one_more_inline_policy(account, role):
    account.inline[role]["more"] = ALLOW_ANYTHING
    return f"the list of inline policies of the role {role}"


def one_more_attached_policy(account, role):
    account.attached[role].append("arn:aws:iam::aws:policy/AdministratorAccess")
    return f"the list of managed policies of the role {role}"


def another_attached_policy(account, role):
    account.attached[role] = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    return f"the list of managed policies of the role {role}"


def another_principal(account, role):
    account.trust[role]["Statement"][0]["Principal"] = {"AWS": "arn:aws:iam::111122223333:root"}
    return f"the trust policy of the role {role}"


def one_more_principal(account, role):
    account.trust[role]["Statement"][0]["Principal"]["AWS"] = "arn:aws:iam::111122223333:root"
    return f"the trust policy of the role {role}"


def another_version_of_run_policy(account, _):
    account.run_policy["v4"], account.default = ALLOW_ANYTHING, "v4"
    return f"the default version of {RUN_POLICY}"


@pytest.mark.parametrize("role", ["CreateEventRole", "ListEventsRole", "IndexEventsRole", "SealEventsRole"])
@pytest.mark.parametrize(
    "change",
    [
        one_more_statement,
        one_more_inline_policy,
        one_more_attached_policy,
        another_attached_policy,
        another_principal,
        one_more_principal,
        another_version_of_run_policy,
    ],
)
def test_what_a_role_is_given_by_hand_is_found(change, role):
    account = Account()
    name = change(account, account.names[role])
    (difference,) = account.differences()
    assert difference.startswith(f"{name} differs")


@pytest.mark.parametrize(
    ("role", "policy"), [("IndexEventsRole", "stream"), ("SealEventsRole", "stream"), ("SealEventsRole", "key")]
)
def test_a_statement_added_to_a_policy_of_a_role_is_found(role, policy):
    account = Account()
    role = account.names[role]
    account.inline[role][policy]["Statement"].append(ANYTHING)
    (difference,) = account.differences()
    assert difference.startswith(f"the policy {policy} of the role {role} differs")


def test_a_statement_that_lets_someone_sign_is_found():
    account = Account()
    ((key, policy),) = account.key.items()
    policy["Statement"].append({"Effect": "Allow", "Principal": "*", "Action": "kms:Sign", "Resource": "*"})
    (difference,) = account.differences()
    assert difference.startswith(f"the policy of the key {key} differs")


def spoilt_policies(wanted):
    """No policy, and policies in which a statement is missing, or lacks its first action or its condition."""
    yield None
    for index, statement in enumerate(wanted["Statement"]):
        for change in ({}, {"Action": as_list(statement["Action"])[1:]}, {"Resource": "elsewhere"}, {"Condition": {}}):
            if change != {"Condition": {}} or "Condition" in statement:
                spoilt = copy.deepcopy(wanted)
                spoilt["Statement"][index : index + 1] = [statement | change] if change else []
                yield spoilt


def test_a_deployment_ends_with_the_comparison_of_the_policies():
    steps = yaml_parse((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]["deploy"]["steps"]
    runs = [step.get("run", "") for step in steps]
    (compared,) = [at for at, run in enumerate(runs) if 'python .github/table_policies.py "$STACK"' in run]
    # It runs on each run, also if `sam deploy` had nothing to do, and before the smoke test.
    assert "if" not in steps[compared] and "continue-on-error" not in steps[compared]
    assert [at for at, run in enumerate(runs) if "sam deploy" in run][0] < compared
    assert compared < [at for at, run in enumerate(runs) if "--test contract -- $TESTS" in run][0]


def test_keys_are_added_by_one_function_and_read_by_none():
    asked = [
        (name, statement["Action"])
        for name in of_type(DEFAULT, "AWS::IAM::Role")
        for _, statement in statements(DEFAULT, name)
        if "KeysTable" in json.dumps(statement["Resource"])
    ]
    assert asked == [("CreateEventRole", "dynamodb:PutItem")]


def test_tables_survive_mistakes_and_their_stack():
    tables = {name: one for name, one in DEFAULT.items() if one["Type"] == "AWS::DynamoDB::Table"}
    assert set(tables) == {"EventsTable", "KeysTable", "CountsTable", "TreeTable"}
    for name, table in tables.items():
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
        properties = table["Properties"]
        assert properties["DeletionProtectionEnabled"] is True
        # The count index is rebuilt from the events, so it is never restored. The template names the setting, so that an
        # update turns recovery off.
        recovery = {"PointInTimeRecoveryEnabled": name != "CountsTable"}
        assert properties["PointInTimeRecoverySpecification"] == recovery
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["SSESpecification"]["SSEEnabled"] is True


@pytest.mark.parametrize("chosen", ["STANDARD", "STANDARD_INFREQUENT_ACCESS"])
def test_events_and_keys_alone_have_the_chosen_class(chosen):
    tables = of_type(deployed(TableClass=chosen), "AWS::DynamoDB::Table")
    classes = {name: table.get("TableClass", "STANDARD") for name, table in tables.items()}
    others = {"CountsTable": "STANDARD", "TreeTable": "STANDARD"}
    assert classes == {"EventsTable": chosen, "KeysTable": chosen, **others}
    assert chosen in source()["Parameters"]["TableClass"]["AllowedValues"]


def keys(schema):
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def test_keys_and_indexes_are_those_that_the_code_names():
    names = dict(re.findall(r'pub const (\w+): &str = "([\w-]+)";', (ROOT / "functions/store/schema.rs").read_text()))
    events = DEFAULT["EventsTable"]["Properties"]
    assert keys(events["KeySchema"]) == {"HASH": names["SHARD"], "RANGE": names["ID"]}
    indexes = re.findall(r'Field::\w+ => "([\w-]+-index)"', (ROOT / "functions/store/schema.rs").read_text())
    assert [index["IndexName"] for index in events["GlobalSecondaryIndexes"]] == indexes
    for index in events["GlobalSecondaryIndexes"]:
        assert keys(index["KeySchema"]) == {"HASH": index["IndexName"].removesuffix("-index"), "RANGE": names["ID"]}
    assert events["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    of_keys = DEFAULT["KeysTable"]["Properties"]
    assert keys(of_keys["KeySchema"]) == {"HASH": names["KEY"]}
    assert not {"GlobalSecondaryIndexes", "StreamSpecification"} & set(of_keys)
    names = dict(re.findall(r'pub const (\w+): &str = "([\w-]+)";', (ROOT / "functions/tree/schema.rs").read_text()))
    of_the_log = DEFAULT["TreeTable"]["Properties"]
    assert keys(of_the_log["KeySchema"]) == {"HASH": names["PART"], "RANGE": names["AT"]}
    types = {one["AttributeName"]: one["AttributeType"] for one in of_the_log["AttributeDefinitions"]}
    assert types == {names["PART"]: "S", names["AT"]: "N"}
    assert not {"GlobalSecondaryIndexes", "StreamSpecification"} & set(of_the_log)


def test_what_is_imported_is_not_replaced_by_the_update():
    """CloudFormation compares the two templates: docs/operations.md."""
    imported = yaml_parse((ROOT / "docs/import.yaml").read_text())
    # An import must not add anything else.
    assert not {"Outputs", "Transform", "Parameters"} & set(imported)
    assert set(imported["Resources"]) == {*WRITERS, "LogKey"}
    for name, resource in imported["Resources"].items():
        # CloudFormation does not import a resource without a DeletionPolicy.
        assert (resource["Type"], resource["DeletionPolicy"]) == (DEFAULT[name]["Type"], "Retain")
        before, after = resource["Properties"], DEFAULT[name]["Properties"]
        # The commands give a restored table these properties. The update sets all others.
        assert all(after[key] == value for key, value in before.items())
    for name in WRITERS:
        before, after = imported["Resources"][name]["Properties"], DEFAULT[name]["Properties"]
        assert "TableName" not in before and "TableName" not in after
        assert before["KeySchema"] == after["KeySchema"]
        assert {"ResourcePolicy", "SSESpecification"} <= set(after) - set(before)
    # Another kind of key would be another key.
    key = imported["Resources"]["LogKey"]["Properties"]
    assert set(key) == {"KeySpec", "KeyUsage"}
    runbook = (ROOT / "docs/operations.md").read_text()
    (resources,) = re.findall(r"--resources-to-import '(\[.*?])'", runbook, re.DOTALL)
    assert {one["LogicalResourceId"] for one in json.loads(resources)} == set(imported["Resources"])
    assert "`EventsTableName` is the restored table" in runbook


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_the_dashboard_is_in_the_console_of_its_partition(partition, region, console):
    template = source()
    text, variables = template["Outputs"]["DashboardUrl"]["Value"]["Fn::Sub"]

    def choose(value):
        if isinstance(value, str):
            return value
        condition, yes, no = value["Fn::If"]
        holds = decide(template["Conditions"][condition], {"AWS::Partition": partition}, template["Conditions"])
        return choose(yes if holds else no)

    known = {name: choose(value) for name, value in variables.items()} | {"AWS::Region": region, "Dashboard": "audit-log"}
    url = re.sub(r"\$\{([\w:]+)}", lambda match: known[match[1]], text)
    assert url == f"{console}cloudwatch/home?region={region}#dashboards/dashboard/audit-log"


def test_the_name_of_a_function_has_at_most_64_characters():
    functions = of_type(DEFAULT, "AWS::Lambda::Function").values()
    names = [function["FunctionName"]["Fn::Sub"] for function in functions if "FunctionName" in function]
    longest = min(64 - len(name.replace("${AWS::StackName}", "")) for name in names)
    assert f"so the stack's at most {longest}." in (ROOT / "template.yaml").read_text()
    stages = [stage for name, stage in STAGES.items() if name != "version"]
    assert all(len(stage["global"]["parameters"]["stack_name"]) <= longest for stage in stages)


def test_the_emulator_and_all_that_it_needs_are_pinned():
    lines = (ROOT / "tests" / "real" / "ministack.txt").read_text().splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", package) for package in packages)
    # With the requirements of ministack itself.
    assert {"ministack", "boto3", "botocore", "Hypercorn"} <= {package.split("==")[0] for package in packages}


def test_every_table_is_an_output():
    outputs = {output["Value"].get("Ref") for output in source()["Outputs"].values()}
    assert set(of_type(DEFAULT, "AWS::DynamoDB::Table")) <= outputs


def test_the_number_of_shards_is_a_whole_number_from_1_to_16():
    shards = source()["Parameters"]["Shards"]
    assert (shards["Type"], shards["Default"]) == ("Number", 2)
    assert shards["AllowedValues"] == list(range(1, 17))


def test_create_event_is_updated_after_its_readers():
    needed = set(as_list(DEFAULT["CreateEventFunction"]["DependsOn"]))
    assert needed == {"CreateEventTables", "ListEventsFunction", "IndexEventsFunction", "SealEventsFunction"}


# The variables of the function that signs the log.
OF_THE_LOG = {"LOG_ORIGIN", "LOG_KEY"}


def test_every_variable_that_is_read_is_set_everywhere():
    code = (ROOT / "functions/config.rs").read_text()
    read = set(re.findall(r'const \w+: &str = "([A-Z_]+)"', code))
    # The other variables are Lambda's own.
    wanted = {name for name in read if not name.startswith("AWS_")}
    tables = {"EVENTS_TABLE", "KEYS_TABLE", "COUNTS_TABLE", "TREE_TABLE"}
    assert tables | OF_THE_LOG | {"SHARDS", "FILTERS", "SSL_CERT_FILE"} <= wanted
    elsewhere = [
        file.relative_to(ROOT)
        for file in (ROOT / "functions").rglob("*.rs")
        if "env::var" in file.read_text() and file.name != "config.rs"
    ]
    assert elsewhere == [], "the environment is read in one place"
    for name, function in of_type(DEFAULT, "AWS::Lambda::Function").items():
        own = wanted if name == "SealEventsFunction" else wanted - OF_THE_LOG
        variables = function["Environment"]["Variables"]
        assert {one for one in variables if not one.startswith("AWS_")} == own | set(ALLOCATOR), name
        assert ALLOCATOR.items() <= variables.items(), name
    # The Rust tests and benches start functions with the same setting.
    runtime_api = (ROOT / "testing/src/runtime_api.rs").read_text()
    for name, value in ALLOCATOR.items():
        assert f'("{name}", "{value}")' in runtime_api


def limit(name):
    """A duration of functions/limits.rs, in seconds."""
    code = (ROOT / "functions/limits.rs").read_text()
    unit, number = re.search(rf"pub const {name}: Duration = Duration::from_(secs|millis)\((\d+)\)", code).groups()
    return int(number) / {"secs": 1, "millis": 1000}[unit]


def test_timeouts_agree_with_the_limits_of_the_functions():
    timeouts = {name: function["Timeout"] for name, function in of_type(DEFAULT, "AWS::Lambda::Function").items()}
    assert timeouts == {
        "CreateEventFunction": limit("DEFAULT_REQUEST_TIME"),
        "ListEventsFunction": limit("DEFAULT_REQUEST_TIME"),
        "IndexEventsFunction": limit("DEFAULT_BATCH_TIME"),
        "SealEventsFunction": limit("DEFAULT_BATCH_TIME"),
    }
    # The rest is for the poll, the timestamps of whole seconds and the work.
    assert mapping_of("IndexEvents")["MaximumBatchingWindowInSeconds"] + 5 <= limit("DELIVERY")


def mapping_of(function):
    """The event source mapping of a function."""
    mappings = of_type(DEFAULT, "AWS::Lambda::EventSourceMapping").values()
    (mapping,) = [one for one in mappings if one["FunctionName"] == {"Ref": f"{function}Function"}]
    return mapping


def test_functions_run_traced_and_log_json():
    for name, function in of_type(DEFAULT, "AWS::Lambda::Function").items():
        assert function["Runtime"] == "provided.al2023" and function["Architectures"] == ["arm64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": "FunctionLogs"}}
    for group in of_type(DEFAULT, "AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == 30


def sizes(**parameters):
    """The memory of each function, and the invocations that are reserved for it."""
    functions = of_type(deployed(**parameters), "AWS::Lambda::Function")
    return {
        name.removesuffix("Function"): (function["MemorySize"], function.get("ReservedConcurrentExecutions"))
        for name, function in functions.items()
    }


def test_each_function_has_its_own_size():
    seal = {"SealEvents": (512, None)}
    assert sizes() == {"CreateEvent": (256, None), "ListEvents": (256, None), "IndexEvents": (512, 10)} | seal
    sized = sizes(MemorySize=1024, IndexMemorySize=2048, CreateConcurrency=50, ListConcurrency=20, IndexConcurrency=0)
    assert sized == {"CreateEvent": (1024, 50), "ListEvents": (1024, 20), "IndexEvents": (2048, None)} | seal


@pytest.mark.parametrize(("function", "queue"), [("IndexEvents", "IndexFailures"), ("SealEvents", "SealFailures")])
def test_what_the_stream_cannot_deliver_is_kept_apart(function, queue):
    mapping = mapping_of(function)
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["EventsTable", "StreamArn"]}
    # A log that is older than the function begins with the events that the stream still has.
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BatchSize"] == 1000
    assert mapping["ParallelizationFactor"] == 1
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["MaximumRecordAgeInSeconds"] == 23 * 3600
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == arn(queue)


def test_seal_events_sees_changes_and_index_events_does_not():
    assert mapping_of("IndexEvents")["FilterCriteria"]["Filters"] == [{"Pattern": '{"eventName":["INSERT"]}'}]
    assert "FilterCriteria" not in mapping_of("SealEvents")


def test_the_stream_has_two_readers_and_no_third():
    """DynamoDB allows two readers of a shard at a time."""
    assert len(of_type(DEFAULT, "AWS::Lambda::EventSourceMapping")) == 2


def test_every_alarm_is_heard_and_explained():
    topic = "arn:aws:sns:us-east-1:111122223333:pager"
    alarms = of_type(deployed(AlarmTopic=topic), "AWS::CloudWatch::Alarm")
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms.values())
    watched = [metric["MetricName"] for alarm in alarms.values() for metric in watched_by(alarm)]
    assert {"5xx", "Latency", "IndexLag", "ApproximateNumberOfMessagesVisible"} <= set(watched)
    assert watched.count("Errors") == watched.count("Throttles") == len(of_type(DEFAULT, "AWS::Lambda::Function"))
    lines = section("operations.md", "Respond to alarms").splitlines()
    rows = [row.split("|")[1] for row in lines if row.startswith("| `")]
    assert sorted(re.findall(r"`(\w+Alarm)`", "".join(rows))) == sorted(alarms), "a row for each alarm, and no other"
    assert all("AlarmActions" not in alarm for alarm in of_type(DEFAULT, "AWS::CloudWatch::Alarm").values())


def section(document, heading):
    """The text under a heading of a document in docs/."""
    return (ROOT / "docs" / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_parameter_is_in_the_documentation():
    lines = section("deployment.md", "Set the parameters").splitlines()
    rows = [row.split("|")[1] for row in lines if row.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(source()["Parameters"])


def watched_by(alarm):
    """The metrics that an alarm watches, by itself or in an expression."""
    metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
    return metrics or [alarm]


ALARMS = of_type(DEFAULT, "AWS::CloudWatch::Alarm")
OWN_METRICS = re.findall(
    r"\n    (\w+),", (ROOT / "functions/telemetry/metrics.rs").read_text().split("pub enum Metric")[1].split("}")[0]
)


def test_alarms_on_own_metrics_name_them_as_they_are_written():
    code = (ROOT / "functions/telemetry/metrics.rs").read_text()
    (namespace,) = re.findall(r'NAMESPACE: &str = "(\w+)"', code)
    own = [one for alarm in ALARMS.values() for one in watched_by(alarm) if one["Namespace"] == namespace]
    names = {metric["MetricName"] for metric in own}
    assert names <= set(OWN_METRICS)
    of_the_log = {"SealLag", "EventsTampered", "TreeContradicted"}
    assert {"IndexLag", "EventsRecorded", "IndexBatchesFailed", "LateEventsUncounted"} | of_the_log == names
    # The dimension `service` has the name that the functions read from their environment.
    service = {"Ref": "AWS::StackName"}
    for function in of_type(DEFAULT, "AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == service
    assert all(metric["Dimensions"] == [{"Name": "service", "Value": service}] for metric in own)
    # An alarm on a namespace without data would stay green.
    others = {one["Namespace"] for alarm in ALARMS.values() for one in watched_by(alarm)} - {namespace}
    assert others == {"AWS/ApiGateway", "AWS/Lambda", "AWS/SQS", "AWS/DynamoDB"}


def test_the_lag_alarm_comes_before_totals_are_wrong():
    lag = ALARMS["IndexLagAlarm"]
    assert (lag["Statistic"], lag["Threshold"], lag["ComparisonOperator"]) == ("Maximum", 9000, "GreaterThanThreshold")
    assert (lag["Period"], lag["EvaluationPeriods"], lag["DatapointsToAlarm"]) == (60, 3, 2)


def test_an_alarm_says_when_events_are_not_sealed_within_a_minute():
    lag = ALARMS["SealLagAlarm"]
    assert (lag["Statistic"], lag["Threshold"], lag["ComparisonOperator"]) == ("Maximum", 60000, "GreaterThanThreshold")
    assert mapping_of("SealEvents")["MaximumBatchingWindowInSeconds"] * 1000 < lag["Threshold"] / 2
    # The lag is measured when a batch is sealed, the age also when a batch fails.
    age = ALARMS["SealAgeAlarm"]
    assert (age["MetricName"], age["Statistic"]) == ("IteratorAge", "Maximum")
    assert age["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "SealEventsFunction"}}]


@pytest.mark.parametrize("name", ["EventsTampered", "TreeContradicted"])
def test_one_sign_of_tampering_is_enough_for_an_alarm(name):
    alarm = ALARMS[f"{name}Alarm"]
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == (name, "Sum", 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["EvaluationPeriods"] == 1


@pytest.mark.parametrize(("switch", "name", "metric"), [("Index", "indexed", "IndexLag"), ("Seal", "sealed", "SealLag")])
@pytest.mark.parametrize(
    ("recorded", "done", "stopped"),
    [(5, None, 1), (5, 0, 1), (5, 1, 0), (None, None, 0), (None, 3, 0), (0, None, 0), (1, 20, 0)],
)
def test_the_dead_mans_switch_sees_a_stop_and_nothing_else(switch, name, metric, recorded, done, stopped):
    alarm = ALARMS[f"{switch}StoppedAlarm"]
    queries = {query["Id"]: query for query in alarm["Metrics"]}
    statistics = {
        name: (query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Stat"])
        for name, query in queries.items()
        if "MetricStat" in query
    }
    assert statistics == {"recorded": ("EventsRecorded", "Sum"), name: (metric, "SampleCount")}
    (shown,) = [query for query in queries.values() if query["ReturnData"]]
    # The functions of CloudWatch that the expression uses. A period without data is None.
    expression = shown["Expression"].replace(" AND ", " and ")
    functions = {
        "FILL": lambda value, filler: filler if value is None else value,
        "IF": lambda condition, yes, no: yes if condition else no,
    }
    assert eval(expression, functions, {"recorded": recorded, name: done}) == stopped
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (1, "GreaterThanOrEqualToThreshold")
    # A count index that works can miss one period, if its last event is indexed in the next, but never two in a row.
    assert alarm["EvaluationPeriods"] >= 2
    assert alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == alarm["EvaluationPeriods"]


def test_throttles_of_each_table_have_an_alarm():
    throttles = {
        (metric["MetricName"], *(dimension["Value"].get("Ref") for dimension in metric["Dimensions"][:1]))
        for alarm in ALARMS.values()
        for metric in watched_by(alarm)
        if metric["Namespace"] == "AWS/DynamoDB" and len(metric["Dimensions"]) == 1
    }
    assert throttles == {
        ("WriteThrottleEvents", "EventsTable"),
        ("WriteThrottleEvents", "KeysTable"),
        ("WriteThrottleEvents", "CountsTable"),
        ("WriteThrottleEvents", "TreeTable"),
        ("ReadThrottleEvents", "EventsTable"),
        ("ReadThrottleEvents", "CountsTable"),
        ("ReadThrottleEvents", "TreeTable"),
    }


def test_the_dashboard_names_what_is_there():
    body = DEFAULT["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    json.loads(body)
    pseudo = {"AWS::Region", "AWS::StackName"}
    named = {name.split(".")[0] for name in re.findall(r"\$\{([\w:.]+)}", body)} - pseudo
    assert named <= set(DEFAULT)
    assert [name for name in OWN_METRICS if name not in body] == []
    assert [name for name in of_type(DEFAULT, "AWS::DynamoDB::Table") if name not in named] == []


def test_the_documented_sam_local_invoke_reaches_the_engine():
    document = (ROOT / "docs" / "local.md").read_text().replace("\\\n", "")
    (url,) = set(re.findall(r"sam local invoke .*--parameter-overrides DynamoDbUrl=(\S+)", document))
    for function in SamFunctionProvider(
        [Stack("", "", "template.yaml", {"DynamoDbUrl": url}, source())], use_raw_codeuri=True
    ).get_all():
        environment = EnvironmentVariables(variables=function.environment["Variables"]).resolve()
        assert environment["AWS_ENDPOINT_URL_DYNAMODB"] == url
        tables = [environment[name] for name in ("EVENTS_TABLE", "KEYS_TABLE", "COUNTS_TABLE", "TREE_TABLE")]
        assert tables == ["EventsTable", "KeysTable", "CountsTable", "TreeTable"]
        assert environment["SHARDS"] == "2"
