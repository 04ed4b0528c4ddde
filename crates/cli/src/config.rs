//! Configuration: a sim's `train.toml`, overridden by `--recipe` and `--set`, resolved into a run's `config.toml`.

use crate::recipe;
use anyhow::{Context as _, anyhow, bail};
use housecat_agent::{EvalConfig, Search};
use housecat_core::{ImageSpec, Spaces, TaskKind};
use housecat_model::{ModelConfig, ModelInput, ModelSpec, TrainConfig};
use housecat_sim::{Sim, ViewOptions};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// What the model sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// The sim's default camera.
    Pixels,
    /// The sim's state vector.
    State,
    /// The camera, and the components of the state that `proprioception` names.
    Both,
}

impl Input {
    /// Whether there is a camera.
    pub fn sees(self) -> bool {
        self != Self::State
    }
}

/// Who records episodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectPolicy {
    /// Smooth random action.
    Random,
    /// The sim's scripted policy.
    Scripted,
    /// The planner on the ground truth.
    Oracle,
}

/// A share of the episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixShare {
    /// Who records them.
    pub policy: CollectPolicy,
    /// Their share, relative to the others.
    pub share: f32,
}

/// What is collected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectConfig {
    /// Episodes.
    pub episodes: usize,
    /// Control steps an episode.
    pub steps: usize,
    /// Who acts.
    pub mix: Vec<MixShare>,
}

/// How a model goes on learning from what its own planner does: where the planner believes what is not so, it goes
/// there, and the next training knows better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoundsConfig {
    /// Rounds after the first training.
    pub count: usize,
    /// Episodes a round records, as a share of `collect.episodes`.
    pub episodes: f64,
    /// Steps a round trains for, as a share of the first training's, in both of its parts.
    pub training: f64,
    /// Weight of an ensemble's disagreement as a reward while a round records: the planner seeks what the model does
    /// not know. 0 pursues goals alone.
    pub curiosity: f32,
}

impl Default for RoundsConfig {
    fn default() -> Self {
        Self { count: 0, episodes: 0.2, training: 0.5, curiosity: 0.0 }
    }
}

impl RoundsConfig {
    fn validate(&self, ensemble: usize) -> anyhow::Result<()> {
        for (key, share) in [("episodes", self.episodes), ("training", self.training)] {
            if !(share > 0.0 && share.is_finite()) {
                bail!(
                    "`rounds.{key}` is {share}; give a positive share, 1 for as much as at first"
                );
            }
        }
        if !self.curiosity.is_finite() || self.curiosity < 0.0 {
            bail!("`rounds.curiosity` is {}; give 0 or more", self.curiosity);
        }
        if self.curiosity > 0.0 && ensemble < 2 {
            bail!(
                "`rounds.curiosity` is {}, but `model.ensemble` is 1: disagreement needs at least 2",
                self.curiosity
            );
        }
        Ok(())
    }

    /// What is recorded and trained in a round of this run.
    pub fn of(&self, run: &RunConfig) -> RunConfig {
        let mut config = run.clone();
        let share = |of: u64, share: f64| ((of as f64 * share).round() as u64).max(1);
        config.collect.episodes = share(run.collect.episodes as u64, self.episodes) as usize;
        config.train.steps = share(run.train.steps, self.training);
        config.planner.cost.uncertainty -= self.curiosity;
        config
    }
}

/// Everything about a run. `train.toml` holds all of it but the sim's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name or path of the sim.
    pub sim: String,
    /// Root of all randomness.
    pub seed: u64,
    /// What the model sees.
    pub input: Input,
    /// Components of the state that the model is given beside the camera: what the robot's own sensors tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proprioception: Vec<String>,
    /// Rows and columns of the camera's picture, in pixels; those of the sim.toml if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<usize>,
    /// What is collected.
    pub collect: CollectConfig,
    /// The network.
    pub model: ModelConfig,
    /// Its training.
    pub train: TrainConfig,
    /// Rounds of acting and learning that follow.
    #[serde(default)]
    pub rounds: RoundsConfig,
    /// How the model arm plans.
    pub planner: Search,
    /// How the oracle plans.
    pub oracle: Search,
    /// The evaluation.
    pub eval: EvalConfig,
}

/// The recipe for a scene file that has none of its own.
const BARE_RECIPE: &str = include_str!("bare.toml");

impl RunConfig {
    /// A sim's recipe, with another one (see [`recipe::lay_over`]) and single values over it, for a run that calls the sim
    /// `name`.
    ///
    /// # Errors
    /// Names the file or flag, the key, and the fix.
    pub fn load(
        sim: &Sim,
        name: &str,
        recipe: Option<&str>,
        seed: Option<u64>,
        set: &[String],
    ) -> anyhow::Result<Self> {
        let path = sim.folder().join("train.toml");
        let text = if sim.is_bare() {
            BARE_RECIPE.to_owned()
        } else {
            std::fs::read_to_string(&path).with_context(|| {
                format!(
                    "{}: a sim needs this file to be trained; copy one from another sim",
                    path.display()
                )
            })?
        };
        let mut table: Table = toml::from_str(&text)
            .with_context(|| format!("{} is not valid TOML", path.display()))?;
        let mut origin = path.display().to_string();
        refuse_reserved(&table, &origin)?;
        if let Some(recipe) = recipe {
            recipe::lay_over(&mut table, recipe)?;
            origin = format!("{origin} with --recipe {recipe}");
            refuse_reserved(&table, &origin)?;
        }
        table.entry("rounds").or_insert_with(|| Value::Table(Table::new()));
        table.insert("sim".into(), Value::String(name.to_owned()));
        let seed = seed.unwrap_or(0);
        let stored = i64::try_from(seed).with_context(|| {
            format!("--seed {seed}: config.toml holds numbers up to {}", i64::MAX)
        })?;
        table.insert("seed".into(), Value::Integer(stored));
        for assignment in set {
            assign(&mut table, assignment)?;
        }
        let config: Self =
            Value::Table(table).try_into().with_context(|| format!("{origin} (with any --set)"))?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a run's resolved configuration, with overrides.
    ///
    /// # Errors
    /// If the file is missing or malformed.
    pub fn read(path: &Path, set: &[String]) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut table: Table = toml::from_str(&text)
            .with_context(|| format!("{} is not valid TOML", path.display()))?;
        for assignment in set {
            assign(&mut table, assignment)?;
        }
        let config: Self =
            Value::Table(table).try_into().with_context(|| path.display().to_string())?;
        config.validate()?;
        Ok(config)
    }

    /// Refuses what no run can be made of.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self) -> anyhow::Result<()> {
        let total: f32 = self.collect.mix.iter().map(|share| share.share).sum();
        if self.collect.mix.iter().any(|share| share.share.is_nan() || share.share < 0.0)
            || total <= 0.0
        {
            bail!("`collect.mix`: shares must not be negative and at least one must be positive");
        }
        if self.collect.episodes == 0 || self.collect.steps == 0 {
            bail!("`collect.episodes` and `collect.steps` must be at least 1");
        }
        if self.input == Input::Both && self.proprioception.is_empty() {
            bail!(
                "`input` is `both` and `proprioception` names nothing; name components of the state there, as \
                 `proprioception = [\"pusher_x\"]`"
            );
        }
        if self.input != Input::Both && !self.proprioception.is_empty() {
            bail!("`proprioception` goes with `input = \"both\"`; set that, or leave it out");
        }
        if self.image == Some(0) {
            bail!("`image` is 0; give the rows and columns of the camera's picture, at least 1");
        }
        let image = ImageSpec { camera: String::new(), width: 1, height: 1 };
        self.model.validate(&self.sight(Some(image), &[])?)?;
        self.train.validate(&self.model)?;
        self.rounds.validate(self.model.ensemble)?;
        for (name, search) in [("planner", &self.planner), ("oracle", &self.oracle)] {
            let block = search.block.unwrap_or(self.model.action_repeat);
            search
                .validate()
                .and_then(|()| search.fits(block))
                .with_context(|| format!("[{name}]"))?;
        }
        self.eval.validate()?;
        Ok(())
    }

    /// What the model sees of a camera (none without images) and a state vector of these components.
    ///
    /// # Errors
    /// If it sees pixels and there are none.
    pub fn sight(&self, image: Option<ImageSpec>, state: &[String]) -> anyhow::Result<ModelInput> {
        let image = || image.context("there are no images, and `input` is not `state`");
        Ok(match self.input {
            Input::State => ModelInput::State { names: state.to_vec() },
            Input::Pixels => ModelInput::Pixels { image: image()? },
            Input::Both => ModelInput::Both {
                image: image()?,
                names: state.to_vec(),
                proprioception: self.proprioception.clone(),
            },
        })
    }

    /// What is shown of a sim: its state and, with `images`, its camera at the size that is asked for.
    pub fn view(&self, sim: &Sim, images: bool) -> ViewOptions {
        let mut view = sim.default_view();
        if !images {
            view.images.clear();
        }
        if let Some(side) = self.image {
            for image in &mut view.images {
                (image.width, image.height) = (side, side);
            }
        }
        view
    }

    /// The specification of the model, for a sim that shows and accepts this.
    ///
    /// # Errors
    /// If it sees pixels and there are none.
    pub fn spec(&self, sim: &str, spaces: &Spaces) -> anyhow::Result<ModelSpec> {
        let observed = &spaces.observation;
        Ok(ModelSpec {
            format: ModelSpec::FORMAT,
            sim: sim.to_owned(),
            input: self.sight(observed.images.first().cloned(), &observed.state)?,
            actions: spaces.action.names.clone(),
            model: self.model.clone(),
        })
    }

    /// Refuses a model that cannot plan for the task of its sim.
    ///
    /// # Errors
    /// If the task is a reward and the model tells none.
    pub fn check_task(&self, task: TaskKind) -> anyhow::Result<()> {
        if task == TaskKind::Reward && self.model.reward.is_none() {
            bail!(
                "the task of `{}` is to collect reward, and the model does not tell it; add [model.reward] and the loss \
                 `reward`, or choose a sim with goals",
                self.sim
            );
        }
        Ok(())
    }

    /// As TOML.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("the configuration cannot be written as TOML")
    }
}

/// Refuses what only the command line may say.
fn refuse_reserved(table: &Table, origin: &str) -> anyhow::Result<()> {
    for key in ["sim", "seed"] {
        if table.contains_key(key) {
            bail!("{origin}: `{key}` is not for this file; it comes from the command line");
        }
    }
    Ok(())
}

/// What a word on the command line means as a value of TOML. A bare word is a string: `input=state` reads
/// better than `input="state"`.
pub fn value_of(text: &str) -> Value {
    match toml::from_str::<Table>(&format!("v = {text}")) {
        Ok(mut parsed) => parsed.remove("v").unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// Applies `--set key.path=value` to a table.
fn assign(table: &mut Table, assignment: &str) -> anyhow::Result<()> {
    let (path, text) = assignment
        .split_once('=')
        .ok_or_else(|| anyhow!("--set {assignment}: write it as key.path=value"))?;
    apply(table, path, value_of(text)).with_context(|| format!("--set {assignment}"))
}

/// Sets the value at `key.path` of a table. Numbers in the path index lists. The last key may be new, as recipes
/// leave out what has a default; whether it exists is decided where the table is read.
///
/// # Errors
/// If there is no such place; says what there is.
pub fn apply(table: &mut Table, path: &str, value: Value) -> anyhow::Result<()> {
    let keys: Vec<&str> = path.split('.').collect();
    let Some((last, parents)) = keys.split_last() else { bail!("a key is missing") };
    let mut at = table;
    let mut rest = parents;
    while let Some((key, deeper)) = rest.split_first() {
        rest = deeper;
        let known = at.keys().cloned().collect();
        match at.get_mut(*key).ok_or_else(|| unknown(key, known))? {
            Value::Table(inner) => at = inner,
            Value::Array(items) => {
                let index = rest.first().unwrap_or(last);
                let known = vec![format!("0 to {}", items.len().saturating_sub(1))];
                let item = index.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                let item = item.ok_or_else(|| unknown(index, known))?;
                if rest.is_empty() {
                    *item = value;
                    return Ok(());
                }
                rest = &rest[1..];
                let Value::Table(inner) = item else {
                    bail!("`{key}.{index}` is a plain value, with nothing inside")
                };
                at = inner;
            }
            _ => bail!("`{key}` is a plain value, with nothing inside"),
        }
    }
    at.insert((*last).to_owned(), value);
    Ok(())
}

fn unknown(key: &str, known: Vec<String>) -> anyhow::Error {
    anyhow!("there is no `{key}` here; known are: {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_reach_tables_and_lists_and_refuse_strangers() {
        let mut table: Table = toml::from_str("a = 1\n[b]\nc = 2.0\n[[b.d]]\ne = 'x'\n").unwrap();
        assign(&mut table, "b.c=3.5").unwrap();
        assign(&mut table, "b.d.0.e=word").unwrap();
        assign(&mut table, "a=[1, 2]").unwrap();
        assert_eq!(table["b"]["c"].as_float(), Some(3.5));
        assert_eq!(table["b"]["d"][0]["e"].as_str(), Some("word"));
        assert!(table["a"].is_array());
        let error = |set: &str| format!("{:#}", assign(&mut table.clone(), set).unwrap_err());
        assert!(error("x.y=1").contains("known are: a, b"));
        assert!(error("a.y=1").contains("no `y` here") && error("b.c.y=1").contains("plain value"));
        assert!(error("b.d.7.e=1").contains("0 to 0"));
        assert!(error("nonsense").contains("key.path=value"));
    }
}
