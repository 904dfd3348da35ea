"""An AWS on the loopback interface: moto, with stand-ins for the resource types that it does not know.

A stand-in has a name and an ARN, so that the resources that refer to it can be made. Nothing else is
known of it.
"""

import logging
import os
import pathlib
import subprocess
import tempfile
import urllib.request

import boto3
from moto.cloudformation import parsing
from moto.route53.models import HostedZoneIdentifier
from moto.server import ThreadedMotoServer
from moto.utilities.id_generator import moto_id_manager

ACCOUNT = "123456789012"  # moto's own
REGION = "eu-west-1"
ROOT = pathlib.Path(__file__).resolve().parents[2]
UNSUPPORTED = pathlib.Path(__file__).with_name("unsupported.txt")

# moto makes a version but does not know its number, and every version is made for an alias, which
# asks for that.
HALF_KNOWN = {"AWS::Lambda::Version"}

# Types whose Ref is an ARN instead of a name, of those that have stand-ins.
REFERENCE_IS_ARN = {"AWS::Lambda::Alias", "AWS::SecretsManager::Secret"}


def unsupported_types():
    lines = (line.partition("#")[0].strip() for line in UNSUPPORTED.read_text().splitlines())
    return {line for line in lines if line}


def known_to_moto(resource_type):
    # moto makes every custom resource by running its function in a container, and containers are not
    # to be had everywhere; so it knows none of them.
    if resource_type.startswith("Custom::") or resource_type in HALF_KNOWN:
        return False
    return resource_type in parsing.get_model_map()


class StandIn:
    def __init__(self, name, arn, reference_is_arn):
        self.name = name
        self.arn = arn
        self.physical_resource_id = arn if reference_is_arn else name

    def is_created(self):
        return True

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def get_cfn_attribute(self, attribute):
        return self.arn if attribute.endswith("Arn") else f"{self.name}.{attribute}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        kind = kwargs["ResourceType"]
        arn = f"arn:aws:stand-in:{region_name}:{account_id}:{resource_name}"
        if kind == "AWS::Lambda::Alias":
            # The function itself stands in for its alias, so that permissions and methods reach it.
            function = cloudformation_json["Properties"]["FunctionName"]
            arn = f"arn:aws:lambda:{region_name}:{account_id}:function:{function}"
        return cls(resource_name, arn, kind in REFERENCE_IS_ARN)


known = parsing.resource_class_from_type
parsing.resource_class_from_type = lambda kind: StandIn if kind in unsupported_types() else known(kind)


class AWS:
    """An empty AWS, found through the environment by the SDK and by the CDK's command line."""

    def __enter__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        # moto takes only this name to mean itself where a template is to be fetched from S3.
        endpoint = f"http://localhost:{self.server.get_host_and_port()[1]}"
        os.environ.update({
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        })
        # What servers before this one have made is still in the process.
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        return self

    def __exit__(self, *error):
        self.server.stop()

    def client(self, service, region=REGION):
        return boto3.client(service, region_name=region)

    def cdk(self, *arguments):
        """Runs the CDK's command line, and shows what it printed only if it fails."""
        with tempfile.TemporaryFile("w+") as output:
            code = subprocess.call(["npx", "cdk", *arguments, "--build", "true"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            if code != 0:
                output.seek(0)
                raise SystemExit(f"{output.read()}\ncdk {' '.join(arguments)} failed against moto")

    def add_zone(self, zone):
        """Makes a hosted zone with this id, as a team has one before it deploys a room."""
        moto_id_manager.set_custom_id(HostedZoneIdentifier(ACCOUNT, "example.com.", None), zone)
        self.client("route53").create_hosted_zone(Name="example.com.", CallerReference=zone)

    def bootstrap(self, assembly, *regions):
        self.cdk("bootstrap", "--app", str(assembly), *(f"aws://{ACCOUNT}/{region}" for region in regions))
