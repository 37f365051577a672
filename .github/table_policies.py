"""Compares the policies of a stack's tables and functions with template.yaml, and exits with 1 if one differs.

    python .github/table_policies.py audit-log-prod

CloudFormation's drift detection sees neither a table's resource policy nor an AWS::IAM::Policy, and a deployment does not
set either again unless the template's own text changed. Needs the AWS CLI, and the Python that has the SAM CLI.
"""

import json
import pathlib
import re
import subprocess
import sys
import time

from samcli.yamlhelper import yaml_parse

TEMPLATE = pathlib.Path(__file__).resolve().parents[1] / "template.yaml"


def aws(*arguments):
    """What the AWS CLI returns, or None where AWS knows no such policy."""
    done = subprocess.run(["aws", *arguments, "--output", "json"], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    if re.search("PolicyNotFound|NoSuchEntity", done.stderr):
        return None
    sys.exit(done.stderr)


class Stack:
    """A stack's parameters and resources, and with them the template's references."""

    def __init__(self, name, ask, template):
        self.ask, self.template = ask, template
        described = ask("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"][0]
        listed = ask("cloudformation", "list-stack-resources", "--stack-name", name)["StackResourceSummaries"]
        self.physical = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in listed}
        _, partition, _, region, account, _ = described["StackId"].split(":", 5)
        self.values = {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]} | {
            "AWS::StackName": described["StackName"],
            "AWS::Partition": partition,
            "AWS::Region": region,
            "AWS::AccountId": account,
        }

    def arn(self, resource):
        """The ARN of a table or a role."""
        name = self.physical[resource]
        at = self.values
        if self.template["Resources"][resource]["Type"] == "AWS::IAM::Role":
            return f"arn:{at['AWS::Partition']}:iam::{at['AWS::AccountId']}:role/{name}"
        return f"arn:{at['AWS::Partition']}:dynamodb:{at['AWS::Region']}:{at['AWS::AccountId']}:table/{name}"

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
            return [self.resolve(one) for one in value]
        match value:
            case {"Ref": name}:
                return None if name == "AWS::NoValue" else self.values[name]
            case {"Fn::GetAtt": [resource, "Arn"]}:
                return self.arn(resource)
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
        """Each policy's name, the template's document, and how to ask for the one that is in force."""
        for name, resource in self.template["Resources"].items():
            properties = resource.get("Properties", {})
            if "ResourcePolicy" in properties:
                wanted = properties["ResourcePolicy"]["PolicyDocument"]
                ask = ("dynamodb", "get-resource-policy", "--resource-arn", self.arn(name))
                yield f"the policy of {self.physical[name]}", self.resolve(wanted), ask
            if resource["Type"] == "AWS::IAM::Policy":
                for role in properties["Roles"]:
                    role = self.physical[role["Ref"]]
                    ask = ("iam", "get-role-policy", "--role-name", role, "--policy-name", properties["PolicyName"])
                    yield f"the policy of the role {role}", self.resolve(properties["PolicyDocument"]), ask


def plain(value, of=None):
    """A policy in one of the many ways to write it: what may be one or many is many, and in order."""
    if isinstance(value, dict):
        return {name: plain(one, of=name) for name, one in value.items()}
    if isinstance(value, list):
        parts = [plain(one) for one in value]
        return parts if of == "Statement" else sorted(parts, key=json.dumps)
    return value if of in ("Version", "Sid", "Effect", "Id") or of is None else [value]


def in_force(response):
    """The document in a response of DynamoDB or of IAM."""
    response = response or {}
    document = response.get("Policy") or response.get("PolicyDocument")
    return json.loads(document) if isinstance(document, str) else document


def differences(stack, patience=6, pause=5):
    """The policies that differ. A policy that was just put can take some seconds to be seen."""
    found = []
    for name, wanted, ask in stack.policies():
        for attempt in range(patience):
            document = in_force(stack.ask(*ask))
            if document and plain(document) == plain(wanted):
                break
            if attempt + 1 < patience:
                time.sleep(pause)
        else:
            found.append(f"{name} differs from the template:\n{json.dumps(document, indent=2)}")
    return found


if __name__ == "__main__":
    found = differences(Stack(sys.argv[1], aws, yaml_parse(TEMPLATE.read_text())))
    print("\n".join(found) or "Each policy is the template's.")
    sys.exit(bool(found))
