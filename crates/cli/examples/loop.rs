//! The whole loop in one program, with the libraries alone: act, learn, plan.
//!
//! `cargo run --release -p housecat-cli --example loop`

use anyhow::Context as _;
use housecat_agent::{Goal, MpcPolicy};
use housecat_core::{
    Env as _, Episode, EpisodeHeader, EpisodeSummary, NoRecorder, ResetOptions, RolloutOptions,
    Seed, rollout,
};
use housecat_data::{Dataset, DatasetWriter, Features, Selection};
use housecat_model::{ModelInput, ModelSpec, TrainConfig, Trainer};
use housecat_sim::Sim;
use std::path::Path;

/// Its train.toml is the recipe.
const SIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sims/two-room");

fn main() -> anyhow::Result<()> {
    let data = std::env::temp_dir().join(format!("housecat-loop-{}", std::process::id()));
    let summary = the_loop(&data, 200, 300)?;
    let verdict = if summary.success().moderate { "there" } else { "not there" };
    println!("{verdict} after {} steps; the dataset is {}", summary.steps, data.display());
    Ok(())
}

/// Collects `episodes` into the dataset `data`, trains for `steps`, and plans from one picture to another.
fn the_loop(data: &Path, episodes: u64, steps: u64) -> anyhow::Result<EpisodeSummary> {
    let (seed, anywhere) = (Seed::new(0), ResetOptions::default());
    let (header, until) =
        (EpisodeHeader::default(), RolloutOptions { max_steps: 100, stop_on_success: true });
    let sim = Sim::load(SIM.as_ref())?;
    let recipe: toml::Table =
        toml::from_str(&std::fs::read_to_string(sim.folder().join("train.toml"))?)?;
    let mut env = sim.env(&sim.default_view())?;
    let spaces = env.spaces().clone();
    let image = spaces.observation.images[0].clone();
    let actions = spaces.action.names.clone();

    // Act: episodes of the sim's scripted policy, each durable once it is appended.
    let (privileged, provenance) = (env.state_names(), Default::default());
    let features = Features { sim: sim.name().into(), spaces, privileged, provenance };
    let mut writer = DatasetWriter::create_or_resume(data, &features)?;
    for index in 0..episodes {
        let (seed, mut episode) = (seed.child("collect", index), Episode::default());
        let mut script = sim.scripted().context("the sim has no script")?;
        let first = env.reset(seed, &anywhere)?;
        rollout(&mut env, first, &mut script, &mut seed.rng(), until, &header, &mut episode)?;
        writer.append(DatasetWriter::encode(&features, index, &episode)?)?;
    }
    writer.finish()?;

    // Learn: a world model of what the camera saw.
    let experience = Dataset::open(data)?.load(&Selection { images: true, threads: 2 })?;
    let (input, model) = (ModelInput::Pixels { image }, recipe["model"].clone().try_into()?);
    let spec =
        ModelSpec { format: ModelSpec::FORMAT, sim: sim.name().into(), input, actions, model };
    let config = TrainConfig { steps, ..recipe["train"].clone().try_into()? };
    let mut trainer = Trainer::new(spec, config, &experience, seed, 2)?;
    while trainer.steps_done() < steps {
        trainer.step()?;
    }
    let model = trainer.into_model();

    // Plan: from one place towards the picture of another.
    let (picture, place) = (env.reset(seed.child("goal", 0), &anywhere)?, env.state());
    let start = env.reset(seed.child("start", 0), &anywhere)?;
    env.set_goal(Some(&place))?;
    let goal = Goal::Observation(Box::new(picture));
    let mut planner = MpcPolicy::new(&model, None, &goal, &recipe["planner"].clone().try_into()?)?;
    Ok(rollout(&mut env, start, &mut planner, &mut seed.rng(), until, &header, &mut NoRecorder)?)
}

#[test]
fn the_loop_closes() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let summary = the_loop(&folder.path().join("data"), 6, 4)?;
    assert!(summary.steps > 0 && !summary.final_errors.is_empty(), "{summary:?}");
    Ok(())
}
