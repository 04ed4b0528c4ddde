//! `housecat sims`: what there is to act in.

use crate::args::SimsArgs;
use crate::console::table;
use crate::session::Session;
use crate::sims;
use housecat_core::Env as _;
use housecat_sim::Sim;
use serde_json::{Value, json};

/// The command.
pub fn run(session: &Session, args: &SimsArgs) -> anyhow::Result<()> {
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

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
    }))
}
