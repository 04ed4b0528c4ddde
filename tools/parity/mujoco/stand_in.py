"""MuJoCo behind housecat's command line, to try the scripts of this folder without the binary.

Usage: --housecat "python stand_in.py [--wrong FACTOR]"; FACTOR scales gravity, so that there is something to find.
"""

import argparse
import json
import sys

import mujoco
import numpy as np

from evaluate import INTEGRATORS, converge, forward, set_state, step


def vector(text):
    return [float(value) for value in text.split(",") if value]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wrong", type=float, default=1.0)
    parser.add_argument("command", choices=["simulate"])
    parser.add_argument("path")
    parser.add_argument("--states")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--timestep", type=float)
    parser.add_argument("--integrator")
    for name in ("qpos", "qvel", "ctrl"):
        parser.add_argument(f"--{name}", type=vector)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    model = converge(mujoco.MjModel.from_xml_path(options.path))
    model.opt.gravity[:] *= options.wrong
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    if options.states:
        with open(options.states) as file:
            states = json.load(file)
        answers = [{"qacc": forward(model, state).qacc.tolist(), **step(model, state)} for state in states]
        return json.dump(answers, sys.stdout)
    model.opt.timestep = options.timestep or model.opt.timestep
    if options.integrator:
        model.opt.integrator = INTEGRATORS[options.integrator]
    data = mujoco.MjData(model)
    start = {"qpos": options.qpos or model.qpos0, "qvel": options.qvel or np.zeros(model.nv),
             "act": np.zeros(model.na), "ctrl": options.ctrl or np.zeros(model.nu)}
    set_state(model, data, start)
    names = {value: name for name, value in INTEGRATORS.items()}
    result = {"nq": model.nq, "nv": model.nv, "timestep": model.opt.timestep,
              "integrator": names[model.opt.integrator], "time": [], "qpos": [], "qvel": [], "energy": []}
    for at in range(options.steps + 1):
        if at % options.every == 0:
            mujoco.mj_forward(model, data)
            result["time"].append(data.time)
            for name in ("qpos", "qvel", "energy"):
                result[name].append(getattr(data, name).tolist())
        mujoco.mj_step(model, data)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
