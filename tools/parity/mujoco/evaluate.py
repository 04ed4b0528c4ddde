"""One evaluation of a MuJoCo model at a state: everything between the state and the next one, as plain lists."""

import mujoco
import numpy as np

INTEGRATORS = {
    "euler": mujoco.mjtIntegrator.mjINT_EULER,
    "implicitfast": mujoco.mjtIntegrator.mjINT_IMPLICITFAST,
    "rk4": mujoco.mjtIntegrator.mjINT_RK4,
}
CONSTRAINTS = {value: name for name, value in vars(mujoco.mjtConstraint).items() if name.startswith("mjCNSTR_")}


def converge(model):
    """Lets the constraint solver run until it cannot improve: the minimum is unique, so it needs no solver's name."""
    model.opt.tolerance = 0.0
    model.opt.ls_tolerance = 1e-6
    model.opt.iterations = 200
    model.opt.ls_iterations = 100
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    return model


def controls(model, rng):
    """Uniform in the range of each actuator, in [-1, 1] where it has none."""
    limited = model.actuator_ctrllimited.astype(bool)
    low = np.where(limited, model.actuator_ctrlrange[:, 0], -1.0)
    high = np.where(limited, model.actuator_ctrlrange[:, 1], 1.0)
    return rng.uniform(low, high)


def get_state(data):
    return {name: getattr(data, name).tolist() for name in ("qpos", "qvel", "act", "ctrl")}


def set_state(model, data, state):
    mujoco.mj_resetData(model, data)
    for name in ("qpos", "qvel", "act", "ctrl"):
        getattr(data, name)[:] = state[name]


def step(model, state, integrator=None):
    """The state one step later, with no warm start."""
    kept = model.opt.integrator
    if integrator is not None:
        model.opt.integrator = INTEGRATORS[integrator]
    data = mujoco.MjData(model)
    set_state(model, data, state)
    mujoco.mj_step(model, data)
    model.opt.integrator = kept
    return {name: getattr(data, name).tolist() for name in ("qpos", "qvel", "act")}


def forward(model, state):
    """MuJoCo's data after one forward evaluation, with no warm start."""
    data = mujoco.MjData(model)
    set_state(model, data, state)
    mujoco.mj_forward(model, data)
    return data


def simulate(model, steps, every=1, integrator=None, timestep=None, qpos=None, qvel=None, ctrl=None):
    """What `housecat simulate` prints: the state at the start and after every so many steps, with its energy."""
    kept = model.opt.timestep, model.opt.integrator, model.opt.enableflags
    model.opt.timestep = timestep or model.opt.timestep
    if integrator is not None:
        model.opt.integrator = INTEGRATORS[integrator]
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_ENERGY
    data = mujoco.MjData(model)
    for field, value in ((data.qpos, qpos), (data.qvel, qvel), (data.ctrl, ctrl)):
        if value is not None:
            field[:] = value
    used = next(name for name, value in INTEGRATORS.items() if value == model.opt.integrator)
    result = {"nq": model.nq, "nv": model.nv, "timestep": model.opt.timestep, "integrator": used}
    result |= {"time": [], "qpos": [], "qvel": [], "energy": []}
    probe = mujoco.MjData(model)  # energy belongs to the state: evaluating it must not warm the solver's start
    for at in range(steps + 1):
        if at % every == 0:
            probe.qpos[:], probe.qvel[:] = data.qpos, data.qvel
            mujoco.mj_forward(model, probe)
            result["time"].append(at * model.opt.timestep)
            for name in ("qpos", "qvel", "energy"):
                result[name].append(getattr(probe, name).tolist())
        if at < steps:
            mujoco.mj_step(model, data)
    model.opt.timestep, model.opt.integrator, model.opt.enableflags = kept
    return result


def dense_mass(model, data):
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    return mass


def dense_jacobian(model, data):
    if data.nefc == 0:
        return []
    if not mujoco.mj_isSparse(model):
        return data.efc_J.reshape(data.nefc, model.nv).tolist()
    jacobian = np.zeros((data.nefc, model.nv))
    mujoco.mju_sparse2dense(jacobian, data.efc_J, data.efc_J_rownnz, data.efc_J_rowadr, data.efc_J_colind)
    return jacobian.tolist()


def contacts(model, data):
    def name(geom):
        return mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM, geom) or int(geom)

    return [
        {
            "geoms": [name(contact.geom[0]), name(contact.geom[1])],
            "bodies": [int(model.geom_bodyid[geom]) for geom in contact.geom],
            "dist": float(contact.dist),
            "pos": contact.pos.tolist(),
            "frame": contact.frame.tolist(),
            "dim": int(contact.dim),
            "includemargin": float(contact.includemargin),
            "friction": contact.friction.tolist(),
            "solref": contact.solref.tolist(),
            "solreffriction": contact.solreffriction.tolist(),
            "solimp": contact.solimp.tolist(),
            "efc_address": int(contact.efc_address),
        }
        for contact in data.contact
    ]


def record(model, state):
    """Every intermediate of one evaluation, so that a difference can be traced to the first quantity that differs."""
    data = forward(model, state)
    vectors = (
        "xpos", "xquat", "xipos", "ten_length", "ten_velocity", "actuator_length", "actuator_velocity", "actuator_force",
        "act_dot", "qfrc_bias", "qfrc_spring", "qfrc_damper", "qfrc_gravcomp", "qfrc_fluid", "qfrc_passive",
        "qfrc_actuator", "qacc_smooth", "qfrc_constraint", "qacc", "energy",
    )
    rows = ("efc_pos", "efc_margin", "efc_frictionloss", "efc_diagA", "efc_KBIP", "efc_D", "efc_aref", "efc_vel", "efc_force")
    return {
        **state,
        "ncon": int(data.ncon),
        "ne": int(data.ne),
        "nf": int(data.nf),
        "nl": int(data.nl),
        "nefc": int(data.nefc),
        "mass_matrix": dense_mass(model, data).tolist(),
        **{name: getattr(data, name).tolist() for name in vectors},
        "contacts": contacts(model, data),
        "efc_type": [CONSTRAINTS[int(kind)] for kind in data.efc_type],
        "efc_J": dense_jacobian(model, data),
        **{name: getattr(data, name).tolist() for name in rows},
        "next": {name: step(model, state, name) for name in INTEGRATORS},
    }


def describe(model):
    """What the compiler made of the file: the constants that the dynamics use."""
    sizes = ("nq", "nv", "nu", "na", "nbody", "njnt", "ngeom", "ntendon", "neq")
    fields = (
        "qpos0", "qpos_spring", "body_parentid", "body_mass", "body_inertia", "body_ipos", "body_iquat", "body_pos", "body_quat",
        "body_invweight0", "jnt_type", "jnt_range", "jnt_stiffness", "dof_armature", "dof_damping", "dof_frictionloss",
        "dof_invweight0", "geom_type", "geom_size", "geom_pos", "geom_quat", "tendon_length0", "tendon_lengthspring",
        "tendon_invweight0", "eq_data", "actuator_gainprm", "actuator_biasprm", "actuator_dynprm", "actuator_gear",
    )
    names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, joint) or "" for joint in range(model.njnt)]
    return {
        **{name: int(getattr(model, name)) for name in sizes},
        "timestep": model.opt.timestep,
        "meaninertia": model.stat.meaninertia,
        "joints": names,
        **{name: getattr(model, name).tolist() for name in fields},
    }
