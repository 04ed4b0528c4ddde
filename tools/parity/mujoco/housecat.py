"""Calls the housecat binary and reads its JSON."""

import json
import os
import shlex
import subprocess

from models import ROOT


class Failed(Exception):
    """The binary refused or broke; the message is its own."""


def add_argument(parser):
    default = os.environ.get("HOUSECAT", str(ROOT / "target/release/housecat"))
    parser.add_argument("--housecat", default=default, help="the binary, or a command line (default: %(default)s, or $HOUSECAT)")


def call(binary, *arguments, timeout=120):
    """The one JSON document that `housecat ARGUMENTS --json` prints; Failed with its last words otherwise."""
    command = [*shlex.split(binary), *map(str, arguments), "--json"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer within {timeout} s") from None
    except FileNotFoundError:
        raise SystemExit(f"{command[0]} is not there: cargo build --release, or give --housecat") from None
    if result.returncode != 0 and not result.stdout.strip():
        words = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise Failed(" / ".join(words[-3:]))
    try:
        return json.loads(result.stdout)
    except ValueError:
        raise Failed(f"not JSON: {result.stdout[:200]!r}") from None


def join(values):
    """A vector as --qpos and its like take it; repr keeps every bit."""
    return ",".join(repr(float(value)) for value in values)
