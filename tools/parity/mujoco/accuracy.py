"""How accurate housecat's integration is, and which time step and integrator that asks for.

Smooth scenes (pendulum, double pendulum, cart-pole) are compared with MuJoCo at the same settings and with a reference:
MuJoCo with RK4 at 0.1 ms. The position error at a time is |q - q_reference| divided by the largest distance of the
reference from its start within the first second. Energy is measured against the largest kinetic energy of the reference
in 10 s: `drift` is the difference between end and start, `largest` the largest difference on the way.

Block: the distance until it stops, and its error relative to MuJoCo's at 0.1 ms. Stack: how deep the cubes sink from
touching until 1 s (the contacts are springs), then the largest distance that any cube moves between 1 s and 10 s.

Usage: accuracy.py [SCENE ...] [--json]      exits 1 if a bar is missed at the bar's settings (see BARS)
"""

import argparse
import json
import sys
from pathlib import Path

import mujoco
import numpy as np

import housecat
from evaluate import INTEGRATORS, converge, simulate

SCENES = Path(__file__).parent / "scenes"
FINE = 1e-4
TIMESTEPS = (0.01, 0.005, 0.002, 0.001)
# Start poses and velocities; the double pendulum starts with enough energy to be far from linear.
SMOOTH = {
    "pendulum": {"qpos": [2.0], "qvel": [0.0]},
    "double_pendulum": {"qpos": [1.5, 0.8], "qvel": [0.0, 0.0]},
    "cart_pole": {"qpos": [0.0, 0.3], "qvel": [0.0, 0.0]},
}
THROW = [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]
# What has to hold, and at which settings: (scene, integrator, timestep, quantity, largest value).
BARS = (
    *((scene, "rk4", 0.002, "error_reference", 0.01) for scene in SMOOTH),
    ("double_pendulum", "rk4", 0.002, "energy_largest", 0.01),
    ("stack", "euler", 0.002, "moved_mm", 0.1),
)


def load(scene):
    return converge(mujoco.MjModel.from_xml_path(str(SCENES / f"{scene}.xml")))


def ours(options, scene, integrator, timestep, seconds, every, **start):
    """The same as `simulate`, by housecat."""
    vectors = [part for name, value in start.items() for part in (f"--{name}", housecat.join(value))]
    return housecat.call(
        options.housecat, "simulate", SCENES / f"{scene}.xml", "--steps", round(seconds / timestep), "--every", every,
        "--timestep", timestep, "--integrator", integrator, *vectors, timeout=600,
    )


def at(result, seconds):
    """The positions at a time that a sample must hit."""
    nearest = int(np.argmin(np.abs(np.array(result["time"]) - seconds)))
    assert abs(result["time"][nearest] - seconds) < 1e-6, (seconds, result["time"][nearest])
    return np.array(result["qpos"][nearest])


def energies(result, scale):
    total = np.sum(result["energy"], axis=1)
    return {"drift": (total[-1] - total[0]) / scale, "largest": float(np.abs(total - total[0]).max() / scale)}


def smooth(options, scene):
    model, start = load(scene), SMOOTH[scene]
    reference = simulate(model, round(10 / FINE), round(0.01 / FINE), "rk4", FINE, **start)
    scale = np.array(reference["energy"])[:, 1].max()
    target = at(reference, 1.0)
    reach = np.linalg.norm(np.array(reference["qpos"][:101]) - start["qpos"], axis=1).max()

    def error(result, other):
        return float(np.linalg.norm(at(result, 1.0) - other) / reach)

    for timestep in TIMESTEPS:
        for integrator in INTEGRATORS:
            run = [integrator, timestep, 10.0, round(0.01 / timestep)]
            theirs = simulate(model, round(10 / timestep), run[3], integrator, timestep, **start)
            mine = ours(options, scene, *run, **start)
            energy, their_energy = energies(mine, scale), energies(theirs, scale)
            yield {
                "scene": scene, "dt": timestep, "integrator": integrator,
                "error_same": error(mine, at(theirs, 1.0)),
                "error_reference": error(mine, target),
                "mujoco_error_reference": error(theirs, target),
                "energy_drift": energy["drift"], "energy_largest": energy["largest"],
                "mujoco_energy_drift": their_energy["drift"], "mujoco_energy_largest": their_energy["largest"],
            }


def block(options):
    model = load("block")
    fine = simulate(model, round(2 / FINE), round(0.01 / FINE), None, FINE, qvel=THROW)
    far = at(fine, 2.0)[0]
    for timestep in TIMESTEPS:
        for integrator in INTEGRATORS:
            every = round(0.01 / timestep)
            theirs = at(simulate(model, round(2 / timestep), every, integrator, timestep, qvel=THROW), 2.0)[0]
            mine = at(ours(options, "block", integrator, timestep, 2.0, every, qvel=THROW), 2.0)[0]
            yield {
                "scene": "block", "dt": timestep, "integrator": integrator, "stops_at_m": float(mine),
                "error_same": abs(mine - theirs) / far, "error_fine": abs(mine - far) / far,
                "mujoco_error_fine": abs(theirs - far) / far,
            }


def cubes(result):
    """Largest sinking until 1 s and largest movement after it, in millimetres."""
    centres = np.array(result["qpos"]).reshape(len(result["time"]), -1, 7)[:, :, :3] * 1000
    settled = int(np.argmin(np.abs(np.array(result["time"]) - 1.0)))
    after = np.linalg.norm(centres[settled:] - centres[settled], axis=2)
    return float((centres[0] - centres[settled])[:, 2].max()), float(after.max())


def stack(options):
    model = load("stack")
    for timestep in TIMESTEPS:
        for integrator in INTEGRATORS:
            every = round(0.05 / timestep)
            theirs = cubes(simulate(model, round(10 / timestep), every, integrator, timestep))
            mine = cubes(ours(options, "stack", integrator, timestep, 10.0, every))
            yield {
                "scene": "stack", "dt": timestep, "integrator": integrator, "sinks_mm": mine[0], "moved_mm": mine[1],
                "mujoco_sinks_mm": theirs[0], "mujoco_moved_mm": theirs[1],
            }


def show(name, value):
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if name in ("dt", "stops_at_m", "sinks_mm", "mujoco_sinks_mm") else f"{value:.1e}"


def table(rows):
    """Markdown, one table for rows of the same columns."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(show(name, row[name]) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def missed(rows):
    for scene, integrator, timestep, quantity, bar in BARS:
        for row in rows:
            if (row["scene"], row["integrator"], row["dt"]) == (scene, integrator, timestep) and not abs(row[quantity]) <= bar:
                yield f"{scene}, {integrator}, dt {timestep:g}: {quantity} is {row[quantity]:.3g}, the bar {bar:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = [*SMOOTH, "block", "stack"]
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(scenes)} (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead of tables")
    housecat.add_argument(parser)
    options = parser.parse_args()
    unknown = set(options.scenes) - set(scenes)
    if unknown:
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    everything, failed = [], []
    for scene in options.scenes or scenes:
        try:
            rows = list(smooth(options, scene) if scene in SMOOTH else globals()[scene](options))
        except housecat.Failed as error:
            failed.append(f"{scene}: {error}")
            continue
        everything += rows
        if not options.json:
            print(table(rows), end="\n\n", flush=True)
    failed += missed(everything)
    if options.json:
        json.dump({"mujoco": mujoco.__version__, "rows": everything, "failed": failed}, sys.stdout)
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
