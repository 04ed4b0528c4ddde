//! Configuration of planners, as it stands under `[planner]`.

use crate::{
    ActionTime, AdamConfig, CategoricalCem, CategoricalCemConfig, Cem, CemConfig, Hybrid,
    HybridConfig, Icem, IcemConfig, Lagrangian, LagrangianConfig, Mppi, MppiConfig, PlanError,
    Planner, PredictiveSampling, PredictiveSamplingConfig, ProjectedGradientConfig,
};
use serde::{Deserialize, Serialize};

/// What every planner needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// Action blocks in a plan.
    pub horizon: usize,
    /// S: candidates a round.
    pub samples: usize,
    /// Rounds for the first plan of an episode.
    pub iterations: usize,
    /// Rounds for the later plans, which start from the one before.
    pub warm_iterations: usize,
    /// Action blocks executed before planning anew.
    pub execute: usize,
    /// How a plan's actions depend on time.
    #[serde(default)]
    pub time: ActionTime,
    /// Milliseconds after which a plan is due, whatever was found by then; without, all rounds are searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<f64>,
}

/// A planner and its hyper-parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlannerConfig {
    /// The cross-entropy method.
    Cem(CemConfig),
    /// The cross-entropy method, sample-efficient.
    Icem(IcemConfig),
    /// Model-predictive path integral control.
    Mppi(MppiConfig),
    /// The best of noisy copies of the plan.
    PredictiveSampling(PredictiveSamplingConfig),
    /// The cross-entropy method over discrete actions.
    CategoricalCem(CategoricalCemConfig),
    /// Adam down the gradients of the costs, from many starts.
    Adam(AdamConfig),
    /// Projected gradient descent, from many starts.
    ProjectedGradient(ProjectedGradientConfig),
    /// The cross-entropy method, then Adam.
    Hybrid(HybridConfig),
    /// Constraints by an augmented Lagrangian around a solver that samples.
    Lagrangian(LagrangianConfig),
}

impl PlannerConfig {
    /// Every kind with its defaults, for conformance tests and the command line.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Cem(CemConfig::default()),
            Self::Icem(IcemConfig::default()),
            Self::Mppi(MppiConfig::default()),
            Self::PredictiveSampling(PredictiveSamplingConfig::default()),
            Self::CategoricalCem(CategoricalCemConfig::default()),
            Self::Adam(AdamConfig::default()),
            Self::ProjectedGradient(ProjectedGradientConfig::default()),
            Self::Hybrid(HybridConfig::default()),
            Self::Lagrangian(LagrangianConfig::default()),
        ]
    }

    /// The kind called `name`, with its defaults.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|config| config.name() == name)
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cem(_) => "cem",
            Self::Icem(_) => "icem",
            Self::Mppi(_) => "mppi",
            Self::PredictiveSampling(_) => "predictive_sampling",
            Self::CategoricalCem(_) => "categorical_cem",
            Self::Adam(_) => "adam",
            Self::ProjectedGradient(_) => "projected_gradient",
            Self::Hybrid(_) => "hybrid",
            Self::Lagrangian(_) => "lagrangian",
        }
    }

    /// A planner over sequences of `horizon` actions: control steps, or knots of an [`ActionTime`].
    ///
    /// # Errors
    /// If a hyper-parameter makes no sense.
    pub fn build(
        &self,
        samples: usize,
        horizon: usize,
        action_dim: usize,
    ) -> Result<Box<dyn Planner>, PlanError> {
        let (s, h, a) = (samples, horizon, action_dim);
        Ok(match self {
            Self::Cem(config) => Box::new(Cem::new(config, s, h, a)?),
            Self::Icem(config) => Box::new(Icem::new(config, s, h, a)?),
            Self::Mppi(config) => Box::new(Mppi::new(config, s, h, a)?),
            Self::PredictiveSampling(config) => Box::new(PredictiveSampling::new(config, s, h, a)?),
            Self::CategoricalCem(config) => Box::new(CategoricalCem::new(config, s, h, a)?),
            Self::Adam(config) => Box::new(config.build(s, h, a)?),
            Self::ProjectedGradient(config) => Box::new(config.build(s, h, a)?),
            Self::Hybrid(config) => Box::new(Hybrid::new(config, s, h, a)?),
            Self::Lagrangian(config) => Box::new(Lagrangian::new(config, s, h, a)?),
        })
    }
}

impl SearchConfig {
    /// Refuses numbers that cannot plan.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self) -> Result<(), PlanError> {
        let zero = |key, value: usize, fix| match value {
            0 => Err(PlanError::Config { key, value: "0".into(), fix }),
            _ => Ok(()),
        };
        zero("horizon", self.horizon, "look at least one action block ahead")?;
        zero("iterations", self.iterations, "search for at least one round")?;
        zero("warm_iterations", self.warm_iterations, "search for at least one round")?;
        zero("execute", self.execute, "execute at least one action block")?;
        if self.samples < 2 {
            let value = self.samples.to_string();
            return Err(PlanError::Config {
                key: "samples",
                value,
                fix: "compare at least two candidates",
            });
        }
        if self.deadline_ms.is_some_and(|ms| !(ms > 0.0 && ms <= 60_000.0)) {
            let value = format!("{:?}", self.deadline_ms.unwrap_or_default());
            let fix = "give a plan between 0 and 60000 milliseconds";
            return Err(PlanError::Config { key: "deadline_ms", value, fix });
        }
        if self.execute > self.horizon {
            let value = self.execute.to_string();
            let fix = "execute no more blocks than `planner.horizon`";
            return Err(PlanError::Config { key: "execute", value, fix });
        }
        Ok(())
    }
}

/// Refuses a value outside `low..=high`.
pub(crate) fn in_range<T: PartialOrd + ToString>(
    key: &'static str,
    value: T,
    low: T,
    high: T,
    fix: &'static str,
) -> Result<(), PlanError> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false => Err(PlanError::Config { key, value: value.to_string(), fix }),
    }
}
