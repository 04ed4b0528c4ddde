"""Compares housecat with MuJoCo state by state: one forward evaluation (qacc) and one step (qpos, qvel) from the same state.

For each model, states are taken from short random rollouts in MuJoCo. MuJoCo's solver runs to its minimum, cold. Errors are
2-norms of differences: of qacc relative to the larger of MuJoCo's acceleration with and without constraints (so that a
body at rest does not divide by nothing), of qpos and qvel after a step relative to their change, where that is larger than
the same acceleration over one step. States are split by what acts in them: `smooth` (no constraint), `rows` (limits,
equality, friction loss), `contact`.

Usage: agreement.py [own | dm_control | dm_control_files | gymnasium | FILE.xml ...]
       agreement.py FILE.xml --show K     prints every intermediate of MuJoCo at state K, and our answer (`ours`)
"""

import argparse
import json
import sys
import tempfile
from collections import Counter

import mujoco
import numpy as np

import housecat
import models
from evaluate import controls, converge, forward, get_state, record, step

EPISODES = 10
GROUPS = ("smooth", "rows", "contact")
QUANTITIES = ("qacc", "qpos", "qvel")


def random_states(model, count, seconds=1.0):
    """States of short rollouts under random controls, each from a perturbed initial pose; the first is the pose at rest."""
    rng = np.random.default_rng(0)
    states = [get_state(mujoco.MjData(model))]
    steps = max(1, int(seconds / model.opt.timestep))
    for attempt in range(10 * EPISODES):
        data = mujoco.MjData(model)
        if attempt % 2:
            mujoco.mj_integratePos(model, data.qpos, rng.normal(size=model.nv) * 0.1, 1.0)
        data.qvel[:] = rng.normal(size=model.nv) * 0.3
        wanted = sorted(rng.choice(steps, size=min(steps, max(1, count // EPISODES)), replace=False))
        for at in range(steps):
            if at % 10 == 0:
                data.ctrl[:] = controls(model, rng)
            if at in wanted:
                states.append(get_state(data))
            mujoco.mj_step(model, data)
            if any(data.warning.number) or np.abs(data.qvel).max(initial=0) > 200:
                break  # it explodes in MuJoCo too
        if len(states) >= count:
            break
    return states[:count]


def relative(ours, theirs, scale):
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs)
    if ours.shape != theirs.shape:
        return np.inf
    error = np.linalg.norm(ours - theirs) / scale
    return error if np.isfinite(error) else np.inf


def compare(model, state, ours):
    """What MuJoCo had at this state and how far our answer is from it."""
    data = forward(model, state)
    after = step(model, state)
    dt = model.opt.timestep
    moved = {name: np.linalg.norm(np.subtract(after[name], state[name])) for name in ("qpos", "qvel")}
    scale = max(np.linalg.norm(data.qacc), np.linalg.norm(data.qacc_smooth), 1e-3)
    pairs = Counter(
        "-".join(sorted(mujoco.mjtGeom(model.geom_type[geom]).name.removeprefix("mjGEOM_").lower() for geom in contact.geom))
        for contact in data.contact
    )
    return {
        "group": "contact" if data.ncon else "rows" if data.nefc else "smooth",
        "counts": {name: int(getattr(data, name)) for name in ("ncon", "ne", "nf", "nl", "nefc")},
        "ours_ncon": ours.get("contacts"),
        "pairs": dict(pairs),
        "theirs": {"qacc": data.qacc.tolist(), "qpos": after["qpos"], "qvel": after["qvel"]},
        "ours": ours,
        "error": {
            "qacc": relative(ours["qacc"], data.qacc, scale),
            "qpos": relative(ours["qpos"], after["qpos"], max(moved["qpos"], scale * dt * dt)),
            "qvel": relative(ours["qvel"], after["qvel"], max(moved["qvel"], scale * dt)),
        },
    }


def dof_name(model, dof):
    joint = model.dof_jntid[dof]
    name = mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, joint)
    kind = mujoco.mjtJoint(model.jnt_type[joint]).name.removeprefix("mjJNT_").lower()
    return f"dof {dof} ({kind} joint {name or joint}, component {dof - model.jnt_dofadr[joint]})"


def worst_dof(model, state):
    ours, theirs = np.array(state["ours"]["qacc"]), np.array(state["theirs"]["qacc"])
    if ours.shape != theirs.shape:
        return f"qacc has {ours.size} entries, MuJoCo's has {theirs.size}"
    dof = int(np.argmax(np.nan_to_num(abs(ours - theirs), nan=np.inf)))
    return f"{dof_name(model, dof)}: qacc {ours[dof]:.10g}, MuJoCo {theirs[dof]:.10g}"


def ask(path, states, options):
    """Our answer to each state."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(states, file)
        file.flush()
        answers = housecat.call(options.housecat, "simulate", path, "--states", file.name)
    if len(answers) != len(states):
        raise housecat.Failed(f"{len(answers)} answers to {len(states)} states")
    return answers


def check(path, options):
    model = converge(mujoco.MjModel.from_xml_path(str(path)))
    states = random_states(model, options.states)
    answers = ask(path, states, options)
    return model, [compare(model, *both) for both in zip(states, answers)]


def summary(results):
    """Per group: how many states, and of each quantity the median and the largest error."""
    table = {}
    for group in GROUPS:
        chosen = [result["error"] for result in results if result["group"] == group]
        if chosen:
            table[group] = {"states": len(chosen)}
            for name in QUANTITIES:
                errors = [error[name] for error in chosen]
                table[group][name] = {"median": float(np.median(errors)), "max": float(np.max(errors))}
    return table


def report(model, name, results, options, out):
    wrong = [at for at, result in enumerate(results) if max(result["error"].values()) > options.tolerance]
    for group, row in summary(results).items():
        figures = "  ".join(f"{key} {row[key]['median']:.1e} / {row[key]['max']:.1e}" for key in QUANTITIES)
        bad = sum(results[at]["group"] == group for at in wrong)
        print(f"{name:44} {group:8} {row['states']:4}  {figures}{f'  {bad} DIFFER' if bad else ''}", file=out, flush=True)
    for group in GROUPS:
        chosen = [at for at in wrong if results[at]["group"] == group]
        chosen.sort(key=lambda at: -results[at]["error"]["qacc"])
        for at in dict.fromkeys([*chosen[: options.worst], *sorted(chosen)[:1]]):  # the worst and the first
            result = results[at]
            counts = " ".join(f"{key} {value}" for key, value in result["counts"].items() if value)
            errors = " ".join(f"{key} {value:.1e}" for key, value in result["error"].items())
            pairs = ", ".join(f"{count} {pair}" for pair, count in result["pairs"].items())
            found = result["ours_ncon"]
            ours = f" (ours: {found} contacts)" if found not in (None, result["counts"]["ncon"]) else ""
            print(f"    state {at}: {errors} | {counts or 'no rows'}{ours}{' | ' + pairs if pairs else ''}", file=out)
            print(f"        {worst_dof(model, result)}", file=out)


def by_pair(everything):
    """Errors of the states whose contacts are all of one pair of shapes: which collider differs, and where it counts others."""
    errors, other = {}, Counter()
    for _, results in everything:
        for result in results:
            if len(result["pairs"]) == 1:
                pair = next(iter(result["pairs"]))
                errors.setdefault(pair, []).append(result["error"]["qacc"])
                other[pair] += result["ours_ncon"] not in (None, result["counts"]["ncon"])
    return {
        pair: {"states": len(all_of), "median": float(np.median(all_of)), "max": max(all_of), "other_count": other[pair]}
        for pair, all_of in sorted(errors.items())
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--states", type=int, default=100, help="states a model (default %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="a larger relative error differs (default %(default)s)")
    parser.add_argument("--worst", type=int, default=2, help="differing states printed a group (default %(default)s)")
    parser.add_argument("--show", type=int, metavar="K")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, the rest on stderr")
    housecat.add_argument(parser)
    options = parser.parse_args()
    chosen = models.resolve(options.models)
    if options.show is not None:
        model = converge(mujoco.MjModel.from_xml_path(str(chosen[0][1])))
        model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
        state = random_states(model, options.states)[options.show]
        return json.dump({**record(model, state), "ours": ask(chosen[0][1], [state], options)[0]}, sys.stdout)
    out = sys.stderr if options.json else sys.stdout
    everything, failed, documents = [], [], []
    print(f"{'model':44} {'acting':8} {'n':>4}  relative errors, median / largest", file=out)
    for group, path in chosen:
        name = models.title(group, path)
        try:
            model, results = check(path, options)
        except housecat.Failed as error:
            failed.append(name)
            documents.append({"model": name, "error": str(error)})
            print(f"{name:44} FAILED: {error}", file=out)
            continue
        except ValueError as error:
            print(f"{name:44} MuJoCo does not load it: {str(error).splitlines()[0]}", file=out)
            continue
        everything.append((name, results))
        documents.append({"model": name, "path": str(path), "groups": summary(results)})
        report(model, name, results, options, out)
    print("\nby pair of shapes (states with contacts of one pair only): qacc median / largest", file=out)
    for pair, row in by_pair(everything).items():
        print(f"    {pair:22} {row['states']:5} states  {row['median']:.1e} / {row['max']:.1e}"
              f"{'  other number of contacts in ' + str(row['other_count']) if row['other_count'] else ''}", file=out)
    differ = [name for name, results in everything if any(max(r["error"].values()) > options.tolerance for r in results)]
    print(f"\n{len(everything) - len(differ)} of {len(everything) + len(failed)} models agree within {options.tolerance:g}; "
          f"{len(differ)} differ, {len(failed)} failed", file=out)
    if options.json:
        json.dump({"models": documents, "pairs": by_pair(everything), "differ": differ, "failed": failed}, sys.stdout)
    sys.exit(bool(differ or failed))


if __name__ == "__main__":
    main()
