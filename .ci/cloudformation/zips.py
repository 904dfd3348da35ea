"""Publishes the assets of synthesised apps to moto with the CDK's command line, and prints for each
function the SHA-256 of the zip that Lambda would get. Arguments: the folders of the cloud assemblies.
"""

import hashlib
import json
import pathlib
import sys

from stand_in import ACCOUNT, AWS, REGION


def programs(assembly):
    """What of an assembly's assets is a program of ours: its name and its key in the bucket of assets."""
    for file in assembly.glob("*.assets.json"):
        for asset in json.loads(file.read_text())["files"].values():
            if (assembly / asset["source"]["path"] / "bootstrap").is_file():
                yield asset["displayName"], next(iter(asset["destinations"].values()))["objectKey"]


def main():
    assemblies = [pathlib.Path(folder).resolve() for folder in sys.argv[1:]]
    with AWS() as aws:
        aws.bootstrap(assemblies[0], REGION, "us-east-1")
        for assembly in assemblies:
            aws.cdk("publish-assets", "--unstable=publish-assets", "--app", str(assembly), "--all")
            for name, key in sorted(programs(assembly)):
                zipped = aws.client("s3").get_object(Bucket=f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}", Key=key)["Body"].read()
                print(f"{hashlib.sha256(zipped).hexdigest()} {name} {key}")


if __name__ == "__main__":
    main()
