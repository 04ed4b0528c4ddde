//! Constraints on the actions alone, for any objective.

use crate::PlanError;
use crate::config::in_range;
use serde::{Deserialize, Serialize};

/// What a plan's actions should keep to, whatever it does in the world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ActionConstraint {
    /// No component of an action is larger than this in magnitude.
    ActionLimit {
        /// In action units, above 0 and at most 1.
        limit: f32,
    },
    /// No component changes by more than this from one control step to the next.
    RateLimit {
        /// In action units a control step, above 0 and at most 2.
        limit: f32,
    },
}

impl ActionConstraint {
    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ActionLimit { .. } => "action_limit",
            Self::RateLimit { .. } => "rate_limit",
        }
    }

    /// Refuses limits that no plan keeps or that none breaks.
    ///
    /// # Errors
    /// Names the key and the fix.
    pub fn validate(&self) -> Result<(), PlanError> {
        let least = f32::MIN_POSITIVE;
        match *self {
            Self::ActionLimit { limit } => {
                in_range("limit", limit, least, 1.0, "choose above 0 and at most 1")
            }
            Self::RateLimit { limit } => {
                in_range("limit", limit, least, 2.0, "choose above 0 and at most 2")
            }
        }
    }

    /// By how much the control steps `sequence` `[H, A]` break the limit, at the worst step and component, in
    /// its own unit; kept if not above 0. `previous` `[A]` is the action before the first, from which a rate
    /// is counted; without it the first action is free.
    pub fn violation(&self, sequence: &[f32], action_dim: usize, previous: Option<&[f32]>) -> f32 {
        let (worst, limit) = match *self {
            Self::ActionLimit { limit } => (largest(sequence.iter().copied()), limit),
            Self::RateLimit { limit } => {
                let first = previous.unwrap_or_default().iter().zip(sequence);
                let later = sequence.iter().zip(sequence.iter().skip(action_dim));
                (largest(first.chain(later).map(|(before, after)| after - before)), limit)
            }
        };
        worst - limit
    }
}

/// The largest magnitude.
fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: ActionConstraint = ActionConstraint::ActionLimit { limit: 0.5 };
    const RATE: ActionConstraint = ActionConstraint::RateLimit { limit: 0.5 };

    #[test]
    fn the_worst_step_and_component_counts() {
        // Two components, three steps.
        let plan = [0.1, -0.2, 0.3, -0.9, 0.3, 0.0];
        assert!((LIMIT.violation(&plan, 2, None) - 0.4).abs() < 1e-6);
        assert!((RATE.violation(&plan, 2, None) - 0.4).abs() < 1e-6);
        assert!((RATE.violation(&plan, 2, Some(&[-0.95, 0.0])) - 0.55).abs() < 1e-6);
        assert_eq!(RATE.violation(&plan[..2], 2, None), -0.5);
    }

    #[test]
    fn limits_without_meaning_are_refused() {
        for constraint in [
            ActionConstraint::ActionLimit { limit: 0.0 },
            ActionConstraint::ActionLimit { limit: 1.5 },
            ActionConstraint::RateLimit { limit: -1.0 },
            ActionConstraint::RateLimit { limit: f32::NAN },
        ] {
            let error = constraint.validate().unwrap_err().to_string();
            assert!(error.contains("limit"), "{error}");
        }
        assert!(LIMIT.validate().is_ok() && RATE.validate().is_ok());
    }

    proptest! {
        #[test]
        fn a_plan_held_still_only_breaks_what_its_actions_break(
            action in prop::collection::vec(-1.0_f32..1.0, 1..4),
            steps in 1_usize..6,
        ) {
            let plan = action.repeat(steps);
            prop_assert_eq!(RATE.violation(&plan, action.len(), Some(&action)), -0.5);
            let most = action.iter().fold(0.0_f32, |most, a| most.max(a.abs()));
            prop_assert_eq!(LIMIT.violation(&plan, action.len(), None), most - 0.5);
        }
    }
}
