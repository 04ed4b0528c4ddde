//! Policies that need no model.

use housecat_core::{Decision, EnvError, Observation, PlanTrace, Policy, Rng};

/// Smooth random action: first-order autoregressive noise, `tanh`-bounded, with a correlation that is
/// drawn anew for each episode so that slow sweeps and quick jitter both occur.
#[derive(Clone, Debug)]
pub struct RandomPolicy {
    value: Vec<f32>,
    rho: Option<f32>,
}

impl RandomPolicy {
    /// Correlations are uniform between these.
    const RHO: (f32, f32) = (0.5, 0.98);
    /// Standard deviation before the bound.
    const STD: f32 = 1.0;

    /// For actions of this many components.
    pub fn new(action_dim: usize) -> Self {
        Self { value: vec![0.0; action_dim], rho: None }
    }
}

impl Policy for RandomPolicy {
    fn reset(&mut self) {
        self.rho = None;
    }

    fn act(&mut self, _: &Observation, rng: &mut Rng) -> Result<Decision, EnvError> {
        let first = self.rho.is_none();
        let rho = *self.rho.get_or_insert_with(|| rng.uniform(Self::RHO.0, Self::RHO.1));
        let fresh = (1.0 - rho * rho).sqrt();
        for value in &mut self.value {
            let draw = Self::STD * rng.normal();
            *value = if first { draw } else { rho * *value + fresh * draw };
        }
        Ok(Decision { action: self.value.iter().map(|value| value.tanh()).collect(), plan: None })
    }
}

/// Does nothing.
#[derive(Clone, Debug)]
pub struct Still(
    /// Components of the action.
    pub usize,
);

impl Policy for Still {
    fn reset(&mut self) {}

    fn act(&mut self, _: &Observation, _: &mut Rng) -> Result<Decision, EnvError> {
        Ok(Decision { action: vec![0.0; self.0], plan: None })
    }
}

/// Executes a plan to its end without looking, and does nothing from there on.
#[derive(Clone, Debug)]
pub struct Playback {
    plan: PlanTrace,
    step: usize,
}

impl Playback {
    /// Of this plan, which is shown with its first action.
    pub fn new(plan: PlanTrace) -> Self {
        Self { plan, step: 0 }
    }
}

impl Policy for Playback {
    fn reset(&mut self) {
        self.step = 0;
    }

    fn act(&mut self, _: &Observation, _: &mut Rng) -> Result<Decision, EnvError> {
        let action_dim = self.plan.action_dim;
        let at = self.step * action_dim;
        let action = self.plan.best.get(at..at + action_dim);
        let plan = (self.step == 0).then(|| self.plan.clone());
        self.step += 1;
        Ok(Decision { action: action.map_or_else(|| vec![0.0; action_dim], <[f32]>::to_vec), plan })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;

    #[test]
    fn random_actions_are_bounded_smooth_and_repeatable() {
        let run = |seed| {
            let (mut policy, mut rng) = (RandomPolicy::new(2), Seed::new(seed).rng());
            (0..100)
                .map(|_| policy.act(&Observation::default(), &mut rng).unwrap().action)
                .collect::<Vec<_>>()
        };
        let actions = run(0);
        assert_eq!(actions, run(0));
        assert_ne!(actions, run(1));
        assert!(actions.iter().flatten().all(|value| value.abs() <= 1.0));
    }
}
