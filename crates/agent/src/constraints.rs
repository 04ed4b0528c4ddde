//! What plans should keep to besides being cheap.

use crate::AgentError;
use housecat_core::{Env, State};
use housecat_plan::{ActionConstraint, PlannerConfig};
use serde::{Deserialize, Serialize};

/// A ball that a point of the world should stay out of. Only the oracle can keep it: a learned model is not told
/// where things are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepOut {
    /// Components of the privileged state: the coordinates of the point.
    pub features: Vec<String>,
    /// The centre of the ball, a coordinate a feature, in their units.
    pub centre: Vec<f64>,
    /// Its radius.
    pub radius: f64,
}

/// The constraints of a search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// Limits on the actions and on their rate.
    pub limits: Vec<ActionConstraint>,
    /// Zones to stay out of.
    pub keep_out: Vec<KeepOut>,
}

impl Constraints {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.keep_out.is_empty()
    }

    /// Refuses what makes no sense, and a solver that would not heed it.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self, solver: &PlannerConfig) -> Result<(), AgentError> {
        let refuse = |key, value: String, fix: &str| {
            Err(AgentError::Constraint { key, value, fix: fix.to_owned() })
        };
        for limit in &self.limits {
            limit.validate()?;
        }
        for zone in &self.keep_out {
            let sound = zone.radius > 0.0 && zone.radius.is_finite();
            if zone.features.is_empty() || zone.features.len() != zone.centre.len() || !sound {
                let value = format!("{zone:?}");
                let fix = "name features, as many coordinates of the centre, and a radius above 0";
                return refuse("keep_out", value, fix);
            }
        }
        if !self.is_empty() && !matches!(solver, PlannerConfig::Lagrangian(_)) {
            let fix = "only the solver `lagrangian` heeds constraints: solver = { kind = \"lagrangian\", \
                       inner = { kind = \"cem\" } }";
            return refuse("solver", solver.name().to_owned(), fix);
        }
        Ok(())
    }
}

/// Limits on the actions, and by how much the plans last priced break them.
#[derive(Default)]
pub struct Limits<'a> {
    /// The limits.
    pub limits: &'a [ActionConstraint],
    /// The action before the plan, if there was one.
    pub previous: Option<&'a [f32]>,
    /// `[S, C]`
    pub(crate) violations: Vec<f32>,
}

impl<'a> Limits<'a> {
    /// From a search's constraints.
    pub fn new(constraints: &'a Constraints, previous: Option<&'a [f32]>) -> Self {
        Self { limits: &constraints.limits, previous, violations: Vec::new() }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.limits.iter().map(|limit| limit.name().to_owned()).collect()
    }

    pub(crate) fn price(&mut self, plan: &[f32], action_dim: usize) {
        let each = self.limits.iter().map(|l| l.violation(plan, action_dim, self.previous));
        self.violations.extend(each);
    }
}

/// The zones as a world can check them.
pub(crate) struct Zones(Vec<(Vec<usize>, KeepOut)>);

impl Zones {
    /// # Errors
    /// If the world has no such feature.
    pub fn new(zones: &[KeepOut], env: &dyn Env) -> Result<Self, AgentError> {
        let names = env.state_names();
        let find = |feature: &String| {
            names.iter().position(|name| name == feature).ok_or_else(|| AgentError::Constraint {
                key: "keep_out",
                value: feature.clone(),
                fix: format!("choose features of `{}`: {}", env.name(), names.join(", ")),
            })
        };
        let resolve = |zone: &KeepOut| {
            let indices = zone.features.iter().map(find).collect::<Result<_, _>>()?;
            Ok((indices, zone.clone()))
        };
        zones.iter().map(resolve).collect::<Result<_, AgentError>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names that traces use.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|(_, zone)| format!("keep_out {}", zone.features.join(" ")))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How deep the state is in each zone; below 0 outside.
    pub fn depths<'z>(&'z self, state: &'z State) -> impl Iterator<Item = f32> + 'z {
        self.0.iter().map(|(indices, zone)| {
            let apart = indices.iter().zip(&zone.centre).map(|(&i, c)| (state.0[i] - c).powi(2));
            (zone.radius - apart.sum::<f64>().sqrt()) as f32
        })
    }
}
