"""Writes golden/*.json: what MuJoCo computes, quantity by quantity, on the small scenes in golden/*.xml.

Each file holds the scene's compiled constants ("model") and six states ("states"): the scene's own pose at rest,
then one from each of five random rollouts. A state has its inputs (qpos, qvel, act, ctrl), every intermediate of one
forward evaluation, and the next state under each integrator ("next"). The solver runs to its minimum and starts cold.
Energy is [potential, kinetic]. Numbers are written so that reading them gives the same bits.

Usage: golden.py [--check] [NAME ...]     (--check writes nothing and exits 1 if a file would change)
"""

import argparse
import json
import sys
from pathlib import Path

import mujoco
import numpy as np

from evaluate import controls, converge, describe, get_state, record

FOLDER = Path(__file__).parent / "golden"
STEPS = (1, 20, 60, 100, 150)  # how long each state's own random rollout is
# How far, and how fast, the rollouts start from the scene's own pose: (tangent, velocity). Contact scenes stay put.
STILL, GENTLE, WILD = (0.0, 0.1), (0.05, 0.3), (0.8, 2.0)
START = {
    **dict.fromkeys(
        ("pendulum", "double_pendulum", "cart_pole", "free_box", "inertial", "ball_pendulum", "fluid", "tendon_fixed",
         "actuators", "frictionloss", "compiler"),
        WILD,
    ),
    **dict.fromkeys(("tendon_spatial", "equality_connect", "equality_weld", "equality_joint", "limits", "planar_legs"), GENTLE),
}


def states(model, name):
    rng = np.random.default_rng(0)
    spread, speed = START.get(name, STILL)
    yield get_state(mujoco.MjData(model))
    for steps in STEPS:
        data = mujoco.MjData(model)
        mujoco.mj_integratePos(model, data.qpos, rng.normal(size=model.nv) * spread, 1.0)
        data.qvel[:] = rng.normal(size=model.nv) * speed
        if name in ("block_on_plane", "block_elliptic"):
            data.qvel[0] = 1.0
        for at in range(steps):
            if at % 10 == 0:
                data.ctrl[:] = controls(model, rng)
            mujoco.mj_step(model, data)
        yield get_state(data)


def golden(path):
    model = converge(mujoco.MjModel.from_xml_path(str(path)))
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    model.opt.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    return {
        "mujoco": mujoco.__version__,
        "scene": path.name,
        "model": describe(model),
        "states": [record(model, state) for state in states(model, path.stem)],
    }


def text(value, indent=0):
    """JSON with one key a line and each array on one line, so that a change shows as a small diff."""
    pad = " " * (indent + 1)
    if isinstance(value, dict) and value:
        lines = (f"{pad}{json.dumps(key)}: {text(item, indent + 1)}" for key, item in value.items())
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(pad + text(item, indent + 1) for item in value) + "\n" + " " * indent + "]"
    return json.dumps(value, allow_nan=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="scenes without .xml (default: all)")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    changed = []
    for path in sorted(FOLDER.glob("*.xml")):
        if options.names and path.stem not in options.names:
            continue
        result = golden(path)
        written, target = text(result) + "\n", path.with_suffix(".json")
        same = target.exists() and target.read_text() == written
        if not same:
            changed.append(path.stem)
            if not options.check:
                target.write_text(written)
        counts = " ".join(f"{state['ncon']}/{state['nefc']}" for state in result["states"])
        print(f"{path.stem:26} contacts/rows per state: {counts}{'' if same else '   changed'}")
    if options.check and changed:
        sys.exit(f"these would change: {', '.join(changed)}")


if __name__ == "__main__":
    main()
