"""Bring your own robot: runs `housecat sims check` on every model that PyPI packages bring, and writes the table of it.

dm_control's suite (each XML file as it lies in the package, templates noted, and each model its tasks run), gymnasium's
MuJoCo assets and the robots among pybullet_data's URDF files. `MuJoCo` says what MuJoCo itself makes of the same file
under random controls for as long; it is not asked about URDF.

Usage: robots.py [dm_control_files | dm_control | gymnasium | pybullet | FILE ...] [--seconds S] [--json]
Exits 1 if a file is silently lost: housecat crashes, or reports neither success nor a reason.
"""

import argparse
import json
import os
import sys
from contextlib import contextmanager
from importlib.metadata import version

import mujoco
import numpy as np

import housecat
import models
from evaluate import controls

DEFAULT = ("dm_control_files", "dm_control", "gymnasium", "pybullet")
TITLES = {
    "dm_control_files": lambda: f"dm_control {version('dm-control')}: the files of the suite",
    "dm_control": lambda: f"dm_control {version('dm-control')}: the models of the suite's tasks",
    "gymnasium": lambda: f"gymnasium {version('gymnasium')}: MuJoCo assets",
    "pybullet": lambda: f"pybullet {version('pybullet')}: the robots of pybullet_data",
    "path": lambda: "Files",
}


@contextmanager
def quiet():
    """MuJoCo's warnings about unstable models go to its log file in the working directory; keep both away."""
    here = os.getcwd()
    os.chdir(models.CACHE)
    mujoco.set_mju_user_warning(lambda _: None)
    try:
        yield
    finally:
        os.chdir(here)
        mujoco.set_mju_user_warning(None)


def in_mujoco(path, seconds):
    """What MuJoCo says about a file: 'finite', 'unstable at T s', or why it does not load."""
    if path.suffix != ".xml":
        return ""
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        return f"does not load: {str(error).removeprefix('Error: ').splitlines()[0]}"
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    for at in range(int(seconds / model.opt.timestep)):
        if at % 10 == 0:
            data.ctrl[:] = controls(model, rng)
        mujoco.mj_step(model, data)
        if any(data.warning[kind].number for kind in (
            mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC,
        )):
            return f"unstable at {at * model.opt.timestep:.2g} s"
    return "finite"


def name(group, path):
    """The file's name as a reader finds it in the package."""
    if group == "pybullet":
        return str(path.relative_to(models.package("pybullet_data")))
    return path.name


def check(options, group, path):
    row = {"group": group, "file": name(group, path), "crashed": None}
    try:
        answer = housecat.call(options.housecat, "sims", "check", path, "--seconds", options.seconds, timeout=options.timeout)
    except housecat.Failed as error:
        answer = {"loads": False, "error": str(error)}
        row["crashed"] = str(error)
    row |= {key: answer.get(key) for key in ("loads", "error", "bodies", "joints", "dofs", "actuators", "finite", "broken")}
    row["notices"] = answer.get("notices") or []
    if row["error"]:  # the row names the file
        row["error"] = row["error"].removeprefix("error: ").removeprefix(f"{path}:").strip()
    if row["loads"] is False and not row["error"]:
        row["crashed"] = "it does not load and no reason is given"
    if not options.no_mujoco:
        with quiet():
            row["mujoco"] = in_mujoco(path, options.seconds)
    return row


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(rows):
    """Markdown; what is not honoured is numbered, and spelt out once below the table."""
    numbers = {}
    lines = ["| file | loads | bodies | degrees of freedom | actuators | finite | not honoured | MuJoCo |", "|" + " --- |" * 8]
    for row in rows:
        loads = "yes" if row["loads"] else f"no: {cell(row['error'])}"
        finite = {True: "yes", False: f"no: {cell(row['broken'])}", None: ""}[row["finite"]]
        counts = ["" if row[key] is None else str(row[key]) for key in ("bodies", "dofs", "actuators")]
        notices = [numbers.setdefault(notice, len(numbers) + 1) for notice in dict.fromkeys(map(str, row["notices"]))]
        cells = [f"`{row['file']}`", loads, *counts, finite, ", ".join(map(str, sorted(notices))), cell(row.get("mujoco", ""))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines + [""] + [f"{number}. {notice}" for notice, number in numbers.items()])


def summary(rows):
    loaded = [row for row in rows if row["loads"]]
    return f"{len(loaded)} of {len(rows)} load, {sum(bool(row['finite']) for row in loaded)} of those stay finite"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*")
    parser.add_argument("--seconds", type=float, default=10.0, help="simulated (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds of this machine a file (default %(default)s)")
    parser.add_argument("--no-mujoco", action="store_true", help="without MuJoCo's own verdict")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead of tables")
    housecat.add_argument(parser)
    options = parser.parse_args()
    models.CACHE.mkdir(exist_ok=True)
    groups = {}
    for group, path in models.resolve(options.what or DEFAULT):
        row = check(options, group, path.absolute())
        groups.setdefault(group, []).append(row)
        state = "CRASHED" if row["crashed"] else "ok" if row["finite"] else "loads" if row["loads"] else "no"
        print(f"{state:8} {group}/{row['file']}", file=sys.stderr)
    if options.json:
        json.dump({"mujoco": mujoco.__version__, "rows": [row for rows in groups.values() for row in rows]}, sys.stdout)
    else:
        for group, rows in groups.items():
            print(f"### {TITLES[group]()}\n\n{summary(rows)}.\n\n{table(rows)}\n", flush=True)
    lost = [f"{row['file']}: {row['crashed']}" for rows in groups.values() for row in rows if row["crashed"]]
    for line in lost:
        print(f"FAILED {line}", file=sys.stderr)
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
