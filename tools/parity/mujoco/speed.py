"""Speed of housecat beside MuJoCo and beside the environments people call from Python, in one run.

physics       physics steps a second of `mujoco.rollout` and `housecat bench physics FILE.xml` on the same scenes, with one
              and two threads. Both: 64 trajectories of 200 steps under random controls, from the state that the scene's
              own pose falls to in 100 steps
sims          the same for the scenes of the standard sims
environments  steps a second of a Python loop over an environment, against the sim of this repository that does its work
pixels        the same with an RGB frame a step

Whose turn it is alternates; a rate is the median over the rounds (all of them are in the JSON), a ratio the median of the
rounds' ratios. `busy` is how many cores
other processes used meanwhile: a figure taken beside more than 0.1 is worth little.

Usage: speed.py [physics | sims | environments | pixels | FILE.xml ...] [--rounds N] [--mujoco-only] [--filter TEXT] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import mujoco
import numpy as np
from mujoco import rollout

import housecat
import models
from environments import ENVIRONMENTS
from evaluate import controls

SCENES = Path(__file__).parent / "scenes"
TRAJECTORIES, STEPS = 64, 200
# Shares of MuJoCo's rate and of a Python environment's that are to be reached.
BARS = {"push_t": 1.2, "dm_control cartpole": 1.0, "dm_control reacher": 0.5, "dm_control quadruped": 0.3, "arm7": 0.5}
ENVIRONMENT_BAR, SCALING_BAR, PIXEL_BARS = 5.0, 1.9, {64: 20.0, 224: 10.0}


def scenes():
    """(name, file, physics steps that a control is held)."""
    tasks = {path.stem: path for path in models.dm_control_tasks()}
    assets = {path.stem: path for path in models.gymnasium()}
    return [
        ("push_t", SCENES / "push_t.xml", 5),
        ("arm7", SCENES / "arm7.xml", 10),
        ("dm_control cartpole", tasks["cartpole_balance"], 1),
        ("dm_control reacher", tasks["reacher_easy"], 1),
        ("dm_control quadruped", tasks["quadruped_walk"], 4),
        ("gymnasium ant", assets["ant"], 5),
    ]


class Busy:
    """Cores that processes other than this one and its children kept busy since it was made."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        used = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return time.perf_counter(), used - (own.user + own.system + own.children_user + own.children_system)

    def cores(self):
        (clock, others), (start, before) = self.now(), self.start
        return max(0.0, (others - before) / (clock - start))


class Rollout:
    """MuJoCo's own way to run many trajectories, ready to be timed."""

    def __init__(self, path, hold, threads):
        try:
            model = self.model = mujoco.MjModel.from_xml_path(str(path))
        except ValueError as error:
            raise housecat.Failed(f"MuJoCo: {error}") from None
        rng, data = np.random.default_rng(0), mujoco.MjData(model)
        mujoco.mj_step(model, data, 100)
        spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
        start = np.empty(mujoco.mj_stateSize(model, spec))
        mujoco.mj_getState(model, data, start, spec)
        self.starts = np.tile(start, (TRAJECTORIES, 1))
        draws = np.array([[controls(model, rng) for _ in range(-(-STEPS // hold))] for _ in range(TRAJECTORIES)])
        self.controls = np.repeat(draws, hold, axis=1)[:, :STEPS].copy()
        self.states = np.empty((TRAJECTORIES, STEPS, self.starts.shape[1]))
        self.sensors = np.empty((TRAJECTORIES, STEPS, model.nsensordata))
        self.datas = [mujoco.MjData(model) for _ in range(threads)]
        self.pool = rollout.Rollout(nthread=threads if threads > 1 else 0)
        self.run()

    def run(self):
        self.pool.rollout(self.model, self.datas, self.starts, self.controls, state=self.states, sensordata=self.sensors)

    def rate(self, seconds):
        """Steps a second over at least so long."""
        count, started = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - started) < seconds:
            self.run()
            count += TRAJECTORIES * STEPS
        return count / elapsed


ONE_CORE = "taskset -c 0"  # Mesa renders on every core otherwise, and a free core beside a busy one is an advantage


def bench(options, what, subject, unit, *arguments, prefix=""):
    """The rate that `housecat bench` gives in this unit (its first words)."""
    rows = housecat.call(f"{prefix} {options.housecat}", "bench", what, subject, "--seconds", options.seconds, *arguments)
    for row in rows:
        if row["unit"].startswith(unit):
            return float(row["median"])
    raise housecat.Failed(f"bench {what} {subject}: no row in {unit}")


def alternate(options, sides):
    """Rates of each side (name: function), round by round in turning order, so that a slower minute slows both."""
    rates, busy = {name: [] for name in sides}, Busy()
    for turn in range(options.rounds):
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            rates[name].append(sides[name]())
    figures = {
        name: {"median": statistics.median(all_of), "min": min(all_of), "max": max(all_of), "rounds": all_of}
        for name, all_of in rates.items()
    }
    return {**figures, "busy": round(busy.cores(), 2)}


def ratio(row, ours, theirs):
    """Median over the rounds of one side's rate as a share of the other's."""
    return statistics.median(a / b for a, b in zip(row[ours]["rounds"], row[theirs]["rounds"]))


def physics_row(options, name, path, hold):
    runs = {threads: Rollout(path, hold, threads) for threads in options.threads}
    sides = {}
    for threads in options.threads:
        sides[f"mujoco_{threads}"] = lambda threads=threads: runs[threads].rate(options.seconds)
        if not options.mujoco_only:
            sides[f"housecat_{threads}"] = lambda threads=threads: bench(options, "physics", path, "physics steps", "--threads", threads)
    row = {"scene": name, "dt": runs[options.threads[0]].model.opt.timestep,
           **alternate(options, sides)}
    for threads in options.threads:
        if not options.mujoco_only:
            row[f"ratio_{threads}"] = ratio(row, f"housecat_{threads}", f"mujoco_{threads}")
    if {1, 2} <= set(options.threads):
        for side in ("mujoco",) if options.mujoco_only else ("mujoco", "housecat"):
            row[f"{side}_scaling"] = ratio(row, f"{side}_2", f"{side}_1")
    return row


def environment_rate(options, name, size):
    """One figure of environments.py, in the interpreter that has the package."""
    python = options.swm_python if name.startswith("stable") else sys.executable
    command = [python, str(Path(__file__).parent / "environments.py"), name, "--size", str(size), "--seconds", str(options.seconds)]
    result = subprocess.run([*ONE_CORE.split(), *command], capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise housecat.Failed((result.stderr.strip().splitlines() or ["no message"])[-1])
    return float(result.stdout.split()[-1])


def environment_row(options, name, size):
    sim = ENVIRONMENTS[name][2]
    sides = {"peer": lambda: environment_rate(options, name, size)}
    if not options.mujoco_only:
        what = ("collect", sim, "frames", "--size", size) if size else ("physics", sim, "control steps")
        sides["housecat"] = lambda: bench(options, *what, "--threads", 1, prefix=ONE_CORE)
    row = {"environment": name, "sim": sim, **({"size": size} if size else {}), **alternate(options, sides)}
    if not options.mujoco_only:
        row["ratio_1"] = ratio(row, "housecat", "peer")
    return row


def show(key, value):
    if isinstance(value, dict):
        value = value["median"]
        return f"{value / 1000:.0f} k" if value >= 100_000 else f"{value / 1000:.1f} k" if value >= 1000 else f"{value:.0f}"
    return value if isinstance(value, str) else f"{value:.4g}" if key in ("dt", "size") else f"{value:.2f}"


def table(rows):
    columns = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(show(name, row[name]) for name in columns) + " |" for row in rows])


def missed(rows):
    for row in rows:
        if "scene" in row:
            bar, name = BARS.get(row["scene"]), row["scene"]
            if row.get("housecat_scaling", SCALING_BAR) < SCALING_BAR:
                yield f"{name}: two threads give {row['housecat_scaling']:.2f} of one, the bar is {SCALING_BAR}"
        else:
            bar, name = PIXEL_BARS.get(row.get("size"), ENVIRONMENT_BAR), f"{row['environment']} {row.get('size', '')}".strip()
        for key in ("ratio_1", "ratio_2"):
            if bar is not None and row.get(key, bar) < bar:
                yield f"{name}: {key} {row[key]:.2f}, the bar is {bar:g}"


def plan(options):
    """(section, function that makes a row) of everything that was asked for."""
    chosen = options.what or ["physics", "sims", "environments", "pixels"]
    for what in chosen:
        if what == "physics":
            for name, path, hold in scenes():
                yield what, name, lambda name=name, path=path, hold=hold: physics_row(options, name, path, hold)
        elif what == "sims":
            for path in sorted(models.ROOT.glob("sims/*/scene.xml")):
                name = f"sims/{path.parent.name}"
                yield what, name, lambda name=name, path=path: physics_row(options, name, path, options.hold)
        elif what == "environments":
            for name, (maker, _, _) in ENVIRONMENTS.items():
                if maker != "world":
                    yield what, name, lambda name=name: environment_row(options, name, 0)
        elif what == "pixels":
            for size in options.sizes:
                for name, (maker, _, _) in ENVIRONMENTS.items():
                    if maker != "stable_worldmodel":
                        yield what, name, lambda name=name, size=size: environment_row(options, name, size)
        elif Path(what).is_file():
            yield "physics", what, lambda what=what: physics_row(options, Path(what).stem, Path(what), options.hold)
        else:
            raise SystemExit(f"{what}: neither physics, sims, environments, pixels nor a file")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each timing (default %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--hold", type=int, default=5, help="physics steps a control is held, for a sim or a FILE (default %(default)s)")
    parser.add_argument("--filter", default="", help="only what has this in its name")
    parser.add_argument("--mujoco-only", action="store_true", help="the peers' own figures, without housecat")
    parser.add_argument("--swm-python", default="/work/swm-venv/bin/python", help="an interpreter with stable-worldmodel")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout instead of tables")
    housecat.add_argument(parser)
    options = parser.parse_args()
    sections, failed = {}, []
    for section, name, make in plan(options):
        if options.filter in name:
            print(f"{section}: {name}", file=sys.stderr)
            try:
                row = make()
                sections.setdefault(section, []).append(row)
            except housecat.Failed as error:
                failed.append(f"{name}: {error}")
    rows = [row for group in sections.values() for row in group]
    failed += missed(rows)
    if options.json:
        json.dump({"mujoco": mujoco.__version__, "rows": rows, "failed": failed}, sys.stdout)
    else:
        print("\n\n".join(table(group) for group in sections.values()))
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
