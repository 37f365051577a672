"""Compares the policies of a stack's tables, key and functions with template.yaml. Exits with 1 if one differs.

    python .github/table_policies.py audit-log-prod

It compares the policy of each table and of the key that signs the log. For each role, it compares the trust policy, the
names and documents of the inline policies, and the attached managed policies with the documents of their default
versions. CloudFormation's drift detection sees neither a table's resource policy nor an AWS::IAM::Policy. A deployment
does not restore either, unless the template's own text changed. The program needs the AWS CLI, and the Python that has
the SAM CLI.
"""

import functools
import json
import pathlib
import re
import subprocess
import sys
import time

from samcli.yamlhelper import yaml_parse

TEMPLATE = pathlib.Path(__file__).resolve().parents[1] / "template.yaml"


def aws(*arguments):
    """The result of the AWS CLI, or None if the policy does not exist."""
    done = subprocess.run(["aws", *arguments, "--output", "json"], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    if re.search("PolicyNotFound|NoSuchEntity", done.stderr):
        return None
    sys.exit(done.stderr)


class Stack:
    """A stack's parameters and resources. They resolve the template's references."""

    def __init__(self, name, ask, template):
        self.ask, self.template = ask, template
        described = ask("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
        listed = ask("cloudformation", "list-stack-resources", "--stack-name", name)["StackResourceSummaries"]
        self.physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
        _, partition, _, region, account, _ = described["StackId"].split(":", 5)
        self.values = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]} | {
            "AWS::StackName": described["StackName"],
            "AWS::Partition": partition,
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
            "AWS::Region": region,
            "AWS::AccountId": account,
        }

    def arn(self, resource):
        """The ARN of a resource, made from its physical ID in CloudFormation."""
        kind, name = self.template["Resources"][resource]["Type"], self.physical[resource]
        at = self.values
        prefix, place = f"arn:{at['AWS::Partition']}", f"{at['AWS::Region']}:{at['AWS::AccountId']}"
        match kind:
            case "AWS::DynamoDB::Table":
                return f"{prefix}:dynamodb:{place}:table/{name}"
            case "AWS::IAM::Role":
                return f"{prefix}:iam::{at['AWS::AccountId']}:role/{name}"
            case "AWS::Logs::LogGroup":
                return f"{prefix}:logs:{place}:log-group:{name}:*"
            case "AWS::KMS::Key":
                return f"{prefix}:kms:{place}:key/{name}"
            case "AWS::SQS::Queue":
                # The physical ID is the queue's URL.
                return f"{prefix}:sqs:{place}:{name.rpartition('/')[2]}"
        raise ValueError(f"no ARN is known for {kind}")

    def stream_arn(self, table):
        """The ARN of a table's stream, or None if the stream is off. AWS returns it, because it contains a time."""
        described = self.ask("dynamodb", "describe-table", "--table-name", self.physical[table]) or {}
        return described.get("Table", {}).get("LatestStreamArn")

    def holds(self, condition):
        """Whether one of the template's conditions holds."""
        ((function, arguments),) = condition.items()
        if function == "Fn::Not":
            return not self.holds(arguments[0])
        left, right = map(self.resolve, condition["Fn::Equals"])
        return left == right

    def resolve(self, value):
        """A part of the template with its references resolved."""
        if isinstance(value, list):
            # None is AWS::NoValue, which CloudFormation leaves out.
            return [one for one in map(self.resolve, value) if one is not None]
        match value:
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": name}:
                return self.values[name] if name in self.values else self.physical[name]
            case {"Fn::GetAtt": [resource, "Arn"]}:
                return self.arn(resource)
            case {"Fn::GetAtt": [table, "StreamArn"]}:
                return self.stream_arn(table)
            case {"Fn::Sub": text}:
                known = lambda name: self.arn(name[:-4]) if name.endswith(".Arn") else self.values[name]
                return re.sub(r"\$\{([^}]+)}", lambda match: known(match[1]), text)
            case {"Fn::If": [condition, yes, no]}:
                return self.resolve(yes if self.holds(self.template["Conditions"][condition]) else no)
            case dict():
                resolved = {name: self.resolve(one) for name, one in value.items()}
                return {name: one for name, one in resolved.items() if one is not None}
        return value

    def policies(self):
        """For each policy: its name, the template's document, and a function that reads the document in force."""
        for name, resource in self.template["Resources"].items():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::DynamoDB::Table" if "ResourcePolicy" in properties:
                    wanted = self.resolve(properties["ResourcePolicy"]["PolicyDocument"])
                    yield f"the policy of {self.physical[name]}", wanted, functools.partial(self.of_table, name)
                case "AWS::KMS::Key":
                    wanted = self.resolve(properties["KeyPolicy"])
                    yield f"the policy of the key {self.physical[name]}", wanted, functools.partial(self.of_key, name)
                case "AWS::IAM::ManagedPolicy":
                    wanted = self.resolve(properties["PolicyDocument"])
                    arn = self.physical[name]
                    yield f"the default version of {arn}", wanted, functools.partial(self.default_version, arn)
                case "AWS::IAM::Role":
                    yield from self.policies_of_role(name, properties)

    def policies_of_role(self, name, properties):
        """The same for one role: its trust policy, its inline policies and its attached managed policies."""
        role = self.physical[name]
        wanted = self.resolve(properties["AssumeRolePolicyDocument"])
        yield f"the trust policy of the role {role}", wanted, functools.partial(self.trust, role)

        inline = {one["PolicyName"]: self.resolve(one["PolicyDocument"]) for one in self.inline_policies(name)}
        yield f"the list of inline policies of the role {role}", list(inline), functools.partial(self.inline_names, role)
        for policy, wanted in inline.items():
            yield f"the policy {policy} of the role {role}", wanted, functools.partial(self.inline, role, policy)

        wanted = self.resolve(properties.get("ManagedPolicyArns", []))
        yield f"the list of managed policies of the role {role}", wanted, functools.partial(self.attached, role)

    def inline_policies(self, role):
        """The inline policies of a role in the template, in the role itself or as resources that name it."""
        yield from self.template["Resources"][role]["Properties"].get("Policies", [])
        for resource in self.template["Resources"].values():
            if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]:
                yield resource["Properties"]

    # The methods below read what is in force. They return None if it does not exist.

    def of_table(self, table):
        response = self.ask("dynamodb", "get-resource-policy", "--resource-arn", self.arn(table))
        return response and json.loads(response["Policy"])

    def of_key(self, key):
        # KMS has one policy for each key, of this name.
        response = self.ask("kms", "get-key-policy", "--key-id", self.physical[key], "--policy-name", "default")
        return response and json.loads(response["Policy"])

    def trust(self, role):
        response = self.ask("iam", "get-role", "--role-name", role)
        return response and response["Role"]["AssumeRolePolicyDocument"]

    def inline_names(self, role):
        response = self.ask("iam", "list-role-policies", "--role-name", role)
        return response and response["PolicyNames"]

    def inline(self, role, policy):
        response = self.ask("iam", "get-role-policy", "--role-name", role, "--policy-name", policy)
        return response and response["PolicyDocument"]

    def attached(self, role):
        response = self.ask("iam", "list-attached-role-policies", "--role-name", role)
        return response and [one["PolicyArn"] for one in response["AttachedPolicies"]]

    def default_version(self, arn):
        policy = self.ask("iam", "get-policy", "--policy-arn", arn)
        if policy is None:
            return None
        version = policy["Policy"]["DefaultVersionId"]
        response = self.ask("iam", "get-policy-version", "--policy-arn", arn, "--version-id", version)
        return response and response["PolicyVersion"]["Document"]


def plain(value, of=None):
    """A policy in its canonical form: a value that may be one or many becomes a list, and is sorted."""
    if isinstance(value, dict):
        return {name: plain(one, of=name) for name, one in value.items()}
    if isinstance(value, list):
        parts = [plain(one) for one in value]
        return parts if of == "Statement" else sorted(parts, key=json.dumps)
    return value if of in ("Version", "Sid", "Effect", "Id") or of is None else [value]


def differences(stack, patience=6, pause=5):
    """The policies that differ. A policy that has just been put can take some seconds to become visible."""
    found = []
    for name, wanted, read in stack.policies():
        for attempt in range(patience):
            in_force = read()
            if in_force is not None and plain(in_force) == plain(wanted):
                break
            if attempt + 1 < patience:
                time.sleep(pause)
        else:
            found.append(f"{name} differs from the template:\n{json.dumps(in_force, indent=2)}")
    return found


if __name__ == "__main__":
    found = differences(Stack(sys.argv[1], aws, yaml_parse(TEMPLATE.read_text())))
    print("\n".join(found) or "Each policy is the template's.")
    sys.exit(bool(found))
