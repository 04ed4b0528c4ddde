//! `housecat sims`: what there is to act in.

use crate::args::{CheckArgs, LookArgs, SimsArgs, SimsCommand};
use crate::console::{Progress, table};
use crate::session::Session;
use crate::sims;
use anyhow::{Context as _, bail};
use housecat_core::{Env as _, EnvError, ImageSpec, Levels, ResetOptions, Rng, Seed};
use housecat_sim::{Factor, Sim, SimEnv, ViewOptions};
use housecat_view::png_bytes;
use serde_json::{Value, json};

/// The command.
pub fn run(session: &Session, args: &SimsArgs) -> anyhow::Result<()> {
    match &args.command {
        Some(SimsCommand::Check(args)) => return check(session, args),
        Some(SimsCommand::Look(args)) => return look(session, args),
        None => {}
    }
    if let Some(name) = &args.sim {
        let sim = sims::load(name)?;
        let document = describe(&sim)?;
        let mut text = format!("{}: {}\n", sim.name(), sim.description());
        for key in [
            "task",
            "actions",
            "state",
            "privileged",
            "cameras",
            "control_hz",
            "max_steps",
            "scripted",
            "notices",
        ] {
            let value = match &document[key] {
                Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
                other => plain(other),
            };
            text.push_str(&format!("  {key:<11} {value}\n"));
        }
        let mut rows = vec![["--vary", "changes", "default", "range"].map(str::to_owned).to_vec()];
        rows.extend(sim.factors().iter().map(|factor| {
            let (name, kind) = (factor.name.clone(), factor.kind.to_owned());
            vec![name, kind, factor.default.to_string(), factor.levels.to_string()]
        }));
        if rows.len() > 1 {
            text.push_str(&format!("\n{}", table(&rows)));
        }
        return session.result(&document, &text);
    }
    let (mut rows, mut document) =
        (vec![["sim", "task", "actions", "what"].map(str::to_owned).to_vec()], Vec::new());
    for (_, folder) in sims::all()? {
        let sim = Sim::load(&folder)?;
        let facts = describe(&sim)?;
        rows.push(vec![
            sim.name().to_owned(),
            plain(&facts["task"]),
            facts["actions"].as_array().map_or(0, Vec::len).to_string(),
            sim.description().to_owned(),
        ]);
        document.push(facts);
    }
    session.result(&Value::Array(document), &table(&rows))
}

/// Tries a robot: loading, and some seconds of random action.
fn check(session: &Session, args: &CheckArgs) -> anyhow::Result<()> {
    if !(args.seconds.is_finite() && args.seconds >= 0.0) {
        bail!("--seconds {}: give a number of seconds", args.seconds);
    }
    let sim = match sims::load_quietly(&args.path) {
        Ok(sim) => sim,
        Err(error) => {
            let document = json!({
                "path": args.path, "loads": false, "error": format!("{error:#}"), "bodies": null, "joints": null,
                "dofs": null, "actuators": null, "notices": [], "finite": null, "seconds": args.seconds, "broken": null,
            });
            if session.common.json {
                session.result(&document, "")?;
            }
            return Err(error);
        }
    };
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let broken = shake(session, &sim, seed, args.seconds)?;
    let [bodies, joints, drives] = sim.parts();
    let document = json!({
        "path": args.path, "loads": true, "error": null, "bodies": bodies.len() - 1, "joints": joints.len(),
        "dofs": sim.model().sizes().1, "actuators": drives.len(), "notices": sim.notices(),
        "finite": broken.is_none(), "seconds": args.seconds, "broken": broken,
    });
    let mut text = format!(
        "{}: {} bodies, {} joints, {} degrees of freedom, {} actuators\n",
        sim.name(),
        bodies.len() - 1,
        joints.len(),
        sim.model().sizes().1,
        drives.len(),
    );
    for notice in sim.notices() {
        text.push_str(&format!("  not honoured: {notice}\n"));
    }
    text.push_str(&match &broken {
        None => format!("  finite for {} s under random action\n", args.seconds),
        Some(what) => format!("  {what}\n"),
    });
    session.result(&document, &text)?;
    match broken {
        None => Ok(()),
        Some(what) => bail!("{what}"),
    }
}

/// Writes pictures of a sim.
fn look(session: &Session, args: &LookArgs) -> anyhow::Result<()> {
    let sim = sims::load(&args.sim)?;
    let seed = Seed::new(session.common.seed.unwrap_or(0));
    let mut env = sim.env(&ViewOptions::default())?;
    env.reset(seed, &ResetOptions::default())?;
    let mut rng = seed.child("actor", 0).rng();
    for _ in 0..args.steps {
        let action = any_action(&env, &mut rng);
        env.advance(&action)?;
    }
    let all = sim.scene().cameras.iter().map(|camera| camera.name.clone());
    let cameras = if args.camera.is_empty() { all.collect() } else { args.camera.clone() };
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let mut written = Vec::new();
    for camera in cameras {
        let spec = ImageSpec { camera: camera.clone(), width: args.size, height: args.size };
        let look = env.look(&spec)?;
        let [near, far] = look.depth.range().unwrap_or([0.0, 1.0]);
        let mut pictures = vec![("rgb", look.rgb)];
        if args.depth {
            pictures.push(("depth", look.depth.to_grey(near, far)));
        }
        if args.segmentation {
            pictures.push(("segmentation", look.segmentation.to_colors()));
        }
        for (kind, picture) in pictures {
            let path = args.out.join(format!("{}-{camera}-{kind}.png", sim.name()));
            std::fs::write(&path, png_bytes(&picture)?)
                .with_context(|| path.display().to_string())?;
            written.push(
                json!({ "file": path, "camera": camera, "kind": kind, "near": near, "far": far }),
            );
        }
    }
    let text: String = written.iter().map(|entry| format!("{}\n", plain(&entry["file"]))).collect();
    session.result(&Value::Array(written), &text)
}

/// Acts at random for some simulated seconds. Returns what broke, if anything.
fn shake(session: &Session, sim: &Sim, seed: Seed, seconds: f64) -> anyhow::Result<Option<String>> {
    let mut env = sim.env(&ViewOptions::default())?;
    let steps = (seconds * env.spaces().control_hz).ceil() as u64;
    let mut rng = seed.child("actor", 0).rng();
    let progress = Progress::new(session, "check", steps, 0, "steps");
    let mut outcome = env.reset(seed, &ResetOptions::default()).map(|_| ());
    for step in 0..steps {
        if outcome.is_err() {
            break;
        }
        let action = any_action(&env, &mut rng);
        outcome = env.advance(&action).map(|_| ());
        progress.set(step, String::new);
        if session.interrupt.is_raised() {
            return Err(session.interrupted());
        }
    }
    progress.finish();
    match outcome {
        Ok(()) => Ok(None),
        Err(error @ EnvError::NotFinite { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// An action drawn evenly from all there are: jerkier than any policy.
fn any_action(env: &SimEnv, rng: &mut Rng) -> Vec<f32> {
    (0..env.spaces().action.dim()).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn factor(factor: &Factor) -> Value {
    let Factor { name, kind, default, levels, .. } = factor;
    let key = match levels {
        Levels::Range(_) => "range",
        Levels::Choices(_) => "choices",
    };
    json!({ "name": name, "kind": kind, "default": default, key: levels })
}

fn describe(sim: &Sim) -> anyhow::Result<Value> {
    let env = sim.env(&sim.default_view())?;
    let cameras: Vec<&str> =
        sim.scene().cameras.iter().map(|camera| camera.name.as_str()).collect();
    Ok(json!({
        "sim": sim.name(), "description": sim.description(), "folder": sim.folder(), "task": env.task(),
        "actions": env.spaces().action.names, "state": env.spaces().observation.state,
        "privileged": env.state_names(), "cameras": cameras, "control_hz": env.spaces().control_hz,
        "max_steps": env.max_steps(), "scripted": sim.scripted().is_some(), "notices": sim.notices(),
        "factors": sim.factors().iter().map(factor).collect::<Value>(),
    }))
}
