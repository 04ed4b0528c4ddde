"""The models that housecat is compared on: this repository's own, and those that PyPI packages bring.

dm_control's suite keeps some XML files as templates which Python completes (`make_model`); the completed models are
written to a cache folder, with the files they include, one for each distinct model among the suite's tasks.
"""

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

os.environ.setdefault("MUJOCO_GL", "egl")  # dm_control asks for a window system otherwise
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CACHE = Path(tempfile.gettempdir()) / "housecat-parity"


def package(name):
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def own():
    """The scenes beside this file and the scenes of the standard sims."""
    return [*sorted((HERE / "scenes").glob("*.xml")), *sorted((HERE / "golden").glob("*.xml")), *sorted(ROOT.glob("sims/*/scene.xml"))]


def dm_control_files():
    """The suite's XML files as they lie in the package; some are templates."""
    return sorted((package("dm_control") / "suite").glob("*.xml"))


def dm_control_tasks():
    """The models that the suite's tasks really run, one for each distinct one, as files: domain_task.xml."""
    folder = CACHE / "dm_control"
    done = folder / "done"
    if not done.exists():
        _write_tasks(folder)
        done.touch()
    return sorted(folder.glob("*.xml"))


def _write_tasks(folder):
    from dm_control import mujoco, suite

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("common", "dog_assets"):  # what the models include by relative paths
        link = folder / name
        if not link.exists():
            link.symlink_to(package("dm_control") / "suite" / name)
    original, made = mujoco.Physics.from_xml_string.__func__, []

    def keep(cls, xml, assets=None):
        made.append(xml.decode() if isinstance(xml, bytes) else xml)
        return original(cls, xml, assets)

    mujoco.Physics.from_xml_string = classmethod(keep)
    seen = set()
    for domain, task in suite.ALL_TASKS:
        try:
            suite.load(domain, task, task_kwargs={"random": 0})
        except Exception as error:  # a task that its own package cannot load is none that we could be compared on
            print(f"dm_control {domain} {task}: {error}", file=sys.stderr)
            continue
        if (domain, made[-1]) not in seen:
            seen.add((domain, made[-1]))
            (folder / f"{domain}_{task}.xml").write_text(made[-1])
    mujoco.Physics.from_xml_string = classmethod(original)


def gymnasium():
    return sorted((package("gymnasium") / "envs/mujoco/assets").glob("*.xml"))


def pybullet():
    """The URDF files of pybullet_data that describe a robot: those in which something can move."""
    fixed = {"fixed", None}

    def moves(path):
        try:
            return any(joint.get("type") not in fixed for joint in ElementTree.parse(path).iter("joint"))
        except ElementTree.ParseError:
            return True  # then it is for the loader to say what is wrong

    return sorted(path for path in package("pybullet_data").rglob("*.urdf") if moves(path))


GROUPS = {
    "own": own,
    "dm_control": dm_control_tasks,
    "dm_control_files": dm_control_files,
    "gymnasium": gymnasium,
    "pybullet": pybullet,
}


def resolve(names):
    """Groups and paths become a list of (group, path); no name means own, dm_control and gymnasium."""
    found = []
    for name in names or ("own", "dm_control", "gymnasium"):
        if name in GROUPS:
            found += [(name, path) for path in GROUPS[name]()]
        elif Path(name).is_file():
            found.append(("path", Path(name)))
        else:
            raise SystemExit(f"{name}: neither a file nor one of {', '.join(GROUPS)}")
    return found


def title(group, path):
    """A short name: where the file comes from and what it is called."""
    inside = path.parent.name if path.stem == "scene" else ""
    return f"{group}/{inside}{'/' if inside else ''}{path.stem}"


if __name__ == "__main__":
    for group, path in resolve([]):
        print(title(group, path), path)
