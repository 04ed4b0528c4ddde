//! `housecat convert`: a run from a model that was published elsewhere.

use crate::args::ConvertArgs;
use crate::command::{eval, train};
use crate::config::RunConfig;
use crate::run_dir::RunDir;
use crate::session::Session;
use crate::sims;
use anyhow::{Context as _, bail};
use housecat_core::Env as _;
use housecat_model::{LewmSource, convert_lewm, point_last, save_model};
use serde_json::json;

/// The recipe of the models that can be converted.
const RECIPE: &str = "lewm";

/// The command.
pub fn run(session: &Session, args: &ConvertArgs) -> anyhow::Result<()> {
    session.check_flags()?;
    let run = RunDir::new(&args.out);
    if run.config().exists() || run.checkpoints().exists() {
        bail!("{} already holds a run; choose another --out", args.out.display());
    }
    let set = &session.common.set;
    let told = |key: &&String| key.starts_with("model.") || key.starts_with("image=");
    if let Some(key) = set.iter().find(told) {
        bail!("--set {key}: the checkpoint tells what its model is; leave it out");
    }
    let sim = sims::load(&args.sim)?;
    let name = sims::name_in_runs(&sim, &args.sim);
    let mut config = RunConfig::load(&sim, name, Some(RECIPE), session.common.seed, set)?;
    let env = sim.env(&config.view(&sim, false))?;
    config.check_task(env.task())?;
    let camera = sim.default_view().images.into_iter().next().context("the sim has no camera")?;
    let actions = &env.spaces().action.names;
    let mut source = LewmSource::new(sim.name(), &camera.camera, actions);
    source.encoder_heads = args.encoder_heads;
    source.predictor_heads = args.predictor_heads;
    source.action_mean = args.action_mean.clone().unwrap_or(source.action_mean);
    source.action_std = args.action_std.clone().unwrap_or(source.action_std);
    let model = convert_lewm(&args.checkpoint, &source).with_context(|| {
        format!("for `{}`, whose actions are [{}]", sim.name(), actions.join(", "))
    })?;
    let spec = model.spec();
    config.model = spec.model.clone();
    config.image = spec.input.image().map(|image| image.width);
    config.validate()?;
    sim.env(&eval::model_view(&model))?;

    train::prepare(session, &run, &config)?;
    save_model(&model, &run.checkpoints().join("0"))?;
    point_last(&run.checkpoints(), 0)?;
    let (parameters, repeat) = (model.parameters(), spec.model.action_repeat);
    let text = format!(
        "converted: a model of `{}` with {parameters} parameters, latents of {}, blocks of {repeat} control steps\n\
         evaluate it: housecat eval {}\n",
        sim.name(),
        spec.model.latent_dim,
        args.out.display()
    );
    let document = json!({
        "run": args.out, "checkpoint": args.checkpoint, "spec": spec, "parameters": parameters,
    });
    session.result(&document, &text)
}
