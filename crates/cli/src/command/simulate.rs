//! `housecat simulate`: a scene by itself, without task or policy.

use crate::args::{IntegratorArg, SimulateArgs};
use crate::console::Progress;
use crate::session::Session;
use anyhow::{Context as _, bail};
use housecat_physics::{Integrator, Model, State, Workspace};
use serde::Deserialize;
use serde_json::{Value, json};

/// The command.
pub fn run(session: &Session, args: &SimulateArgs) -> anyhow::Result<()> {
    let (model, notices) = housecat_sim::load_model(&args.scene, args.free_base, |options| {
        if let Some(seconds) = args.timestep {
            options.timestep = seconds;
        }
        if let Some(integrator) = args.integrator {
            options.integrator = integrator.into();
        }
    })?;
    notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    match &args.states {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            let cases: Vec<Case> = serde_json::from_str(&text).with_context(|| {
                format!("{}: a list of {{qpos, qvel, act, ctrl}} is wanted", path.display())
            })?;
            let mut work = Workspace::new(&model);
            let mut answers = Vec::new();
            for (index, case) in cases.into_iter().enumerate() {
                let mut state = case.state(&model).with_context(|| format!("state {index}"))?;
                answers.push(one_step(&model, &mut state, &mut work));
            }
            let text =
                format!("{} states advanced by one step; --json prints them\n", answers.len());
            session.result(&Value::Array(answers), &text)
        }
        None => trajectory(session, args, &model),
    }
}

impl From<IntegratorArg> for Integrator {
    fn from(arg: IntegratorArg) -> Self {
        match arg {
            IntegratorArg::Euler => Self::Euler,
            IntegratorArg::Implicitfast => Self::ImplicitFast,
            IntegratorArg::Rk4 => Self::RungeKutta4,
        }
    }
}

/// A state to begin with; what is absent is as in the scene.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    qpos: Option<Vec<f64>>,
    qvel: Option<Vec<f64>>,
    act: Option<Vec<f64>>,
    ctrl: Option<Vec<f64>>,
    /// The solver's first guess at the accelerations: MuJoCo's `qacc_warmstart`. It changes only rounding.
    #[serde(rename = "qacc_warmstart")]
    _warm: Option<Vec<f64>>,
}

impl Case {
    fn state(self, model: &Model) -> anyhow::Result<State> {
        let mut state = model.initial().clone();
        let parts = [
            (self.qpos, &mut state.position),
            (self.qvel, &mut state.velocity),
            (self.act, &mut state.activation),
            (self.ctrl, &mut state.control),
        ];
        for (given, slot) in parts {
            if let Some(given) = given {
                *slot = given;
            }
        }
        state.check(model)?;
        if !state.is_sane() {
            bail!("its numbers must be finite and below 1e10");
        }
        Ok(state)
    }
}

fn one_step(model: &Model, state: &mut State, work: &mut Workspace) -> Value {
    model.forward(state, work);
    let acceleration = work.acceleration().to_vec();
    let contacts = work.contacts();
    model.step(state, work);
    json!({
        "qacc": acceleration, "qpos": state.position, "qvel": state.velocity, "act": state.activation,
        "contacts": contacts,
    })
}

fn trajectory(session: &Session, args: &SimulateArgs, model: &Model) -> anyhow::Result<()> {
    let case = Case {
        qpos: args.qpos.clone(),
        qvel: args.qvel.clone(),
        ctrl: args.ctrl.clone(),
        ..Case::default()
    };
    let mut state = case.state(model)?;
    let mut work = Workspace::new(model);
    let (mut time, mut qpos, mut qvel, mut energy) = (vec![], vec![], vec![], vec![]);
    let every = args.every.max(1);
    let progress = Progress::new(session, "simulate", args.steps as u64, 0, "steps");
    for step in 0..=args.steps {
        if step % every == 0 || step == args.steps {
            time.push(state.time);
            qpos.push(state.position.clone());
            qvel.push(state.velocity.clone());
            energy.push(model.energy(&state, &mut work));
        }
        if step == args.steps {
            break;
        }
        model.step(&mut state, &mut work);
        if !state.is_sane() {
            bail!(
                "the world exploded at {:.4} s; take a smaller --timestep (it is {} s)",
                state.time,
                model.options().timestep
            );
        }
        if step % 1024 == 0 {
            progress.set(step as u64, String::new);
            if session.interrupt.is_raised() {
                return Err(session.interrupted());
            }
        }
    }
    progress.finish();
    let (nq, nv) = model.sizes();
    let integrator = match model.options().integrator {
        Integrator::Euler => "euler",
        Integrator::ImplicitFast => "implicitfast",
        Integrator::RungeKutta4 => "rk4",
    };
    let document = json!({
        "nq": nq, "nv": nv, "timestep": model.options().timestep, "integrator": integrator,
        "time": time, "qpos": qpos, "qvel": qvel, "energy": energy,
    });
    let list = |values: &[f64]| {
        values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(" ")
    };
    let [potential, kinetic] = energy[energy.len() - 1];
    let text = format!(
        "after {:.4} s ({} steps of {} s, {integrator})\n  qpos   {}\n  qvel   {}\n  energy {potential:.6} potential, {kinetic:.6} kinetic (J)\n",
        state.time,
        args.steps,
        model.options().timestep,
        list(&state.position),
        list(&state.velocity),
    );
    session.result(&document, &text)
}
