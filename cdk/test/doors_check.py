"""Checks passes with cdk/doors/door.py for a test in another language. Arguments: room, shop, event.
Each line that comes in is a pass in JSON; each that goes out is its claims, null or "unchecked"."""

import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "doors"))

from door import Check, Unchecked

check = Check(*sys.argv[1:])
for line in sys.stdin:
    try:
        claims = check(json.loads(line))
    except Unchecked:
        claims = "unchecked"
    print(json.dumps(claims), flush=True)
