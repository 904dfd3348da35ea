"""Runs the steps of hot shows, which make an account's resources ready, against moto."""

import logging
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cloudformation"))

from stand_in import AWS, ROOT

with AWS():
    # moto answers what it does not know with an exception, which is expected here.
    logging.disable(logging.ERROR)
    environment = {**os.environ, "MOTO_ENDPOINT": os.environ["AWS_ENDPOINT_URL"], "CGO_ENABLED": "0"}
    sys.exit(subprocess.call(["go", "test", "-trimpath", "-count=1", "-v", "./.ci/hotshows"], cwd=ROOT, env=environment))
