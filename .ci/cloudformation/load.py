"""Deploys synthesised apps to moto with the CDK's command line, and compares what is there then with
the templates. Arguments: the folders of the cloud assemblies.
"""

import collections
import json
import pathlib
import sys

import stand_in
from stand_in import AWS, REGION, known_to_moto

# READERS say by type what has become of a resource: pairs of what the template wants and what the
# service says. They leave out what moto forgets, such as a table's time to live.
READERS = {}


def reads(resource_type):
    def register(reader):
        READERS[resource_type] = reader
        return reader

    return register


class Stack:
    def __init__(self, aws, name, region, template):
        self.aws = aws
        self.name = name
        self.region = region
        self.resources = template["Resources"]
        made = self.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        self.made = {resource["LogicalResourceId"]: resource for resource in made}

    def client(self, service):
        return self.aws.client(service, self.region)

    def physical(self, logical_id):
        return self.made[logical_id]["PhysicalResourceId"]


def is_reference(value):
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def same(wanted, found):
    """Whether found is what the template wants. Where the template refers to another resource, only
    moto knows the text: it has to be there and to hold no reference any more."""
    if is_reference(wanted):
        text = json.dumps(found)
        return found not in (None, "") and '"Ref"' not in text and "Fn::" not in text and "${" not in text
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and same(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(same, wanted, found))
    return str(wanted) == str(found)


@reads("AWS::Lambda::Function")
def read_function(stack, logical_id, wanted):
    found = stack.client("lambda").get_function(FunctionName=stack.physical(logical_id))["Configuration"]
    yield True, found["CodeSize"] > 0
    for key in ("Runtime", "Handler", "MemorySize", "Timeout", "Environment", "Role"):
        if key in wanted:
            yield wanted[key], found[key]


@reads("AWS::Lambda::Permission")
def read_permission(stack, logical_id, wanted):
    function = next(iter(wanted["FunctionName"].values()))
    name = stack.physical(function if isinstance(function, str) else function[0])
    statements = json.loads(stack.client("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
    services = [statement["Principal"]["Service"] for statement in statements]
    yield True, wanted["Principal"] in services


@reads("AWS::DynamoDB::Table")
def read_table(stack, logical_id, wanted):
    found = stack.client("dynamodb").describe_table(TableName=stack.physical(logical_id))["Table"]
    yield wanted["KeySchema"], found["KeySchema"]
    yield wanted["BillingMode"], found["BillingModeSummary"]["BillingMode"]
    if "WarmThroughput" in wanted:
        yield wanted["WarmThroughput"], found["WarmThroughput"]


@reads("AWS::IAM::Role")
def read_role(stack, logical_id, wanted):
    found = stack.client("iam").get_role(RoleName=stack.physical(logical_id))["Role"]
    yield wanted["AssumeRolePolicyDocument"], found["AssumeRolePolicyDocument"]


@reads("AWS::IAM::Policy")
def read_policy(stack, logical_id, wanted):
    for role in wanted["Roles"]:
        found = stack.client("iam").get_role_policy(RoleName=stack.physical(role["Ref"]), PolicyName=wanted["PolicyName"])
        yield wanted["PolicyDocument"], found["PolicyDocument"]


@reads("AWS::IAM::ManagedPolicy")
def read_managed_policy(stack, logical_id, wanted):
    iam, arn = stack.client("iam"), stack.physical(logical_id)
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    yield wanted["PolicyDocument"], iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


@reads("AWS::Logs::LogGroup")
def read_log_group(stack, logical_id, wanted):
    name = stack.physical(logical_id)
    found = stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    yield [wanted["RetentionInDays"]], [group["retentionInDays"] for group in found]


@reads("AWS::S3::Bucket")
def read_bucket(stack, logical_id, wanted):
    s3 = stack.client("s3")
    s3.head_bucket(Bucket=stack.physical(logical_id))
    if "BucketEncryption" in wanted:
        found = s3.get_bucket_encryption(Bucket=stack.physical(logical_id))["ServerSideEncryptionConfiguration"]["Rules"]
        rules = wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        for rule, there in zip(rules, found, strict=True):
            yield rule["ServerSideEncryptionByDefault"], there["ApplyServerSideEncryptionByDefault"]


@reads("AWS::KMS::Key")
def read_key(stack, logical_id, wanted):
    yield True, stack.physical(logical_id) in [key["KeyId"] for key in stack.client("kms").list_keys()["Keys"]]


@reads("AWS::SNS::Topic")
def read_topic(stack, logical_id, wanted):
    yield True, stack.physical(logical_id) in [topic["TopicArn"] for topic in stack.client("sns").list_topics()["Topics"]]


@reads("AWS::Events::Rule")
def read_rule(stack, logical_id, wanted):
    name = stack.physical(logical_id)
    found = stack.client("events").describe_rule(Name=name)
    yield wanted["EventPattern"], json.loads(found["EventPattern"])
    yield wanted["State"], found["State"]
    yield wanted["Targets"], stack.client("events").list_targets_by_rule(Rule=name)["Targets"]


@reads("AWS::CloudWatch::Dashboard")
def read_dashboard(stack, logical_id, wanted):
    body = stack.client("cloudwatch").get_dashboard(DashboardName=stack.physical(logical_id))["DashboardBody"]
    yield True, len(json.loads(body)["widgets"]) > 0


@reads("AWS::Route53::RecordSet")
def read_record(stack, logical_id, wanted):
    found = stack.client("route53").list_resource_record_sets(HostedZoneId=wanted["HostedZoneId"])["ResourceRecordSets"]
    there = [record for record in found if record["Name"] == wanted["Name"] and record["Type"] == wanted["Type"]]
    yield [wanted["AliasTarget"]["DNSName"]], [record["AliasTarget"]["DNSName"] for record in there]


@reads("AWS::ApiGateway::RestApi")
def read_api(stack, logical_id, wanted):
    """Compares the whole API: resources have no paths and methods no names of their own."""
    api = stack.physical(logical_id)
    yield wanted["Name"], stack.client("apigateway").get_rest_api(restApiId=api)["name"]
    found = {}
    for resource in stack.client("apigateway").get_resources(restApiId=api, limit=500)["items"]:
        for method, options in resource.get("resourceMethods", {}).items():
            uri = options["methodIntegration"].get("uri")
            found[f"{method} {resource['path']}"] = {
                "key": options["apiKeyRequired"], "who": options["authorizationType"], "uri": uri,
            }
    methods = {}
    for resource in stack.resources.values():
        if resource["Type"] == "AWS::ApiGateway::Method" and resource["Properties"]["RestApiId"] == {"Ref": logical_id}:
            method = resource["Properties"]
            name = f"{method['HttpMethod']} {path_of(stack, method['ResourceId'])}"
            methods[name] = {
                "key": method.get("ApiKeyRequired", False), "who": method["AuthorizationType"],
                "uri": method["Integration"].get("Uri"),
            }
    yield sorted(methods), sorted(found)
    yield methods, found


def path_of(stack, reference):
    if "Fn::GetAtt" in reference:
        return ""  # the API's root
    resource = stack.resources[reference["Ref"]]["Properties"]
    return f"{path_of(stack, resource['ParentId'])}/{resource['PathPart']}"


def differences(stack):
    """What is not as the template wants it, one sentence each."""
    for logical_id, resource in stack.resources.items():
        made = stack.made.get(logical_id)
        if made is None or made["ResourceType"] != resource["Type"] or made["ResourceStatus"] != "CREATE_COMPLETE":
            yield f"{stack.name}: {logical_id} ({resource['Type']}) was not made"
            continue
        if resource["Type"] not in READERS:
            continue
        for wanted, found in READERS[resource["Type"]](stack, logical_id, resource.get("Properties", {})):
            if not same(wanted, found):
                yield f"{stack.name}: {logical_id} ({resource['Type']}) wants {wanted}, but moto has {found}"


def stacks_of(assembly):
    """The stacks of a cloud assembly: name, region, template."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    for artifact_id, artifact in manifest["artifacts"].items():
        if artifact["type"] == "aws:cloudformation:stack":
            region = artifact["environment"].rpartition("/")[2]
            template = json.loads((assembly / artifact["properties"]["templateFile"]).read_text())
            name = artifact["properties"].get("stackName", artifact_id)
            yield name, REGION if region == "unknown-region" else region, template


def zones(templates):
    """The hosted zones that the templates add records to."""
    return {
        resource["Properties"]["HostedZoneId"] for template in templates for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Route53::RecordSet"
    }


def list_errors(counts):
    """How unsupported.txt differs from what moto cannot make."""
    listed = stand_in.unsupported_types()
    needed = {kind for kind in counts if not known_to_moto(kind)}
    for kind in sorted(needed - listed):
        yield f"moto cannot make {kind}: add it to {stand_in.UNSUPPORTED.name}"
    for kind in sorted(listed - needed):
        yield f"{stand_in.UNSUPPORTED.name} lists {kind}, which {'moto can make' if known_to_moto(kind) else 'no template has'}"


def load(assembly):
    stacks = list(stacks_of(assembly))
    with AWS() as aws:
        aws.bootstrap(assembly, *sorted({region for _, region, _ in stacks}))
        for zone in zones(template for _, _, template in stacks):
            aws.add_zone(zone)
        # moto's change sets disregard DependsOn, so the stack is created without one.
        aws.cdk("deploy", "--app", str(assembly), "--all", "--method=direct", "--require-approval=never")
        for name, region, template in stacks:
            yield from differences(Stack(aws, name, region, template))


def main():
    assemblies = [pathlib.Path(folder).resolve() for folder in sys.argv[1:]]
    counts = collections.Counter(
        resource["Type"] for assembly in assemblies for _, _, template in stacks_of(assembly)
        for resource in template["Resources"].values())
    errors = list(list_errors(counts))
    if not errors:
        for assembly in assemblies:
            print(f"deploying {assembly.name} to moto")
            errors += load(assembly)
    for kind, count in sorted(counts.items()):
        how = "a stand-in" if not known_to_moto(kind) else "made by moto" + (" and compared" if kind in READERS else "")
        print(f"{count:4} {kind}: {how}")
    for error in errors:
        print(error, file=sys.stderr)
    if errors or not assemblies:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
