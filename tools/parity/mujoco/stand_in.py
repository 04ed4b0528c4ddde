"""MuJoCo behind housecat's command line, to try the scripts of this folder without the binary.

Usage: --housecat "python stand_in.py [--wrong FACTOR]"; FACTOR scales gravity, so that there is something to find.
"""

import argparse
import json
import sys

import mujoco

from evaluate import converge, forward, simulate, step


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
    if options.states:
        with open(options.states) as file:
            states = json.load(file)
        answers = [{"qacc": forward(model, state).qacc.tolist(), **step(model, state)} for state in states]
        return json.dump(answers, sys.stdout)
    result = simulate(model, options.steps, options.every, options.integrator, options.timestep,
                      options.qpos, options.qvel, options.ctrl)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
