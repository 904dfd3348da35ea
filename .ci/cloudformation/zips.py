"""Publishes a synthesised app's assets to moto with the CDK's command line, and prints for each
function the SHA-256 of the zip that Lambda would get. Argument: the folder of the cloud assembly.
"""

import hashlib
import json
import pathlib
import re
import sys

from stand_in import ACCOUNT, AWS, REGION


def functions(assembly):
    """Pairs of a function's name and its zip's key in the bucket of assets, by the asset's name."""
    for file in sorted(assembly.glob("*.assets.json")):
        for asset in json.loads(file.read_text())["files"].values():
            named = re.fullmatch(r"Room/(\w+)/Code", asset["displayName"])
            if named:
                yield named[1], next(iter(asset["destinations"].values()))["objectKey"]


def main():
    assembly = pathlib.Path(sys.argv[1]).resolve()
    with AWS() as aws:
        aws.bootstrap(assembly, REGION)
        aws.cdk("publish-assets", "--unstable=publish-assets", "--app", str(assembly), "--all")
        for name, key in sorted(functions(assembly)):
            zipped = aws.client("s3").get_object(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}", Key=key)["Body"].read()
            print(f"{hashlib.sha256(zipped).hexdigest()} {name} {key}")


if __name__ == "__main__":
    main()
