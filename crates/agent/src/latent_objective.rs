//! What plans cost in a learned model.

use crate::constraints::Limits;
use crate::cost::CostShape;
use housecat_model::{Distance, LatentRollout};
use housecat_plan::{ActionSequences, Objective, finite_differences};

/// Prices plans by rolling a latent model from the present latent.
pub struct LatentObjective<'a> {
    /// The model.
    pub rollout: &'a mut LatentRollout,
    /// The present latent `[D]`.
    pub start: &'a [f32],
    /// What came before, oldest first, if known: latents `[K, D]`, a block apart, and the blocks executed after
    /// each of them.
    pub before: Option<(&'a [f32], &'a [f32])>,
    /// The goal's latent `[D]`; without one, plans are priced by predicted reward.
    pub goal: Option<&'a [f32]>,
    /// The distance in units of change, if it counts.
    pub distance: Option<&'a Distance>,
    /// How distances become a cost.
    pub shape: CostShape,
    /// What plans should keep to, with the action before the plan.
    pub limits: Limits<'a>,
}

impl LatentObjective<'_> {
    /// The latents along one plan `[H, A]`, the present one first, and by how much an ensemble disagrees about
    /// each that follows.
    pub(crate) fn imagine(&mut self, plan: &[f32]) -> (Vec<Vec<f32>>, Vec<f32>) {
        let blocks = plan.len() / self.rollout.block_dim();
        if blocks == 0 {
            return (vec![self.start.to_vec()], Vec::new());
        }
        let d = self.rollout.latent_dim();
        let path = self.rollout.roll(self.start, self.before, plan, 1, blocks);
        let path = std::iter::once(self.start).chain(path.chunks(d)).map(<[f32]>::to_vec).collect();
        (path, self.rollout.spread().unwrap_or_default())
    }

    /// Rolls the candidates, prices them, and gives the gradient of the costs by the latents `[H, S, D]` if
    /// `grads`, else nothing.
    fn price(&mut self, candidates: &ActionSequences, grads: bool) -> (Vec<f32>, Vec<f32>) {
        let samples = candidates.samples;
        let blocks = candidates.len_one() / self.rollout.block_dim();
        let d = self.rollout.latent_dim();
        let (start, before, actions) = (self.start, self.before, &candidates.values);
        let latents = match grads {
            true => self.rollout.roll_with_grads(start, before, actions, samples, blocks),
            false => self.rollout.roll(start, before, actions, samples, blocks),
        };
        let mut costs = vec![0.0; samples];
        let mut by_latents = if grads { vec![0.0; latents.len()] } else { Vec::new() };
        if let Some(goal) = self.goal {
            let mut distances = vec![0.0; blocks];
            let latents = &latents[..blocks * samples * d];
            let apart = self.distance.map(|distance| distance.to(goal, latents));
            // Of the cost by the distances in units of change.
            let mut slopes = vec![0.0; if grads { blocks * samples } else { 0 }];
            for (sample, cost) in costs.iter_mut().enumerate() {
                for (block, distance) in distances.iter_mut().enumerate() {
                    let at = (block * samples + sample) * d;
                    let between =
                        latents[at..at + d].iter().zip(goal).map(|(z, g)| (z - g).powi(2));
                    *distance = between.sum::<f32>() / d as f32;
                    if let Some(apart) = &apart {
                        *distance += self.shape.change * apart.squared[block * samples + sample];
                    }
                }
                *cost = self.shape.distance(distances.iter().copied());
                if !grads {
                    continue;
                }
                for (block, weight) in self.shape.slopes(&distances).into_iter().enumerate() {
                    slopes[block * samples + sample] = weight * self.shape.change;
                    let at = (block * samples + sample) * d;
                    let rows = by_latents[at..at + d].iter_mut().zip(&latents[at..at + d]);
                    for ((slope, z), g) in rows.zip(goal) {
                        *slope = weight * 2.0 * (z - g) / d as f32;
                    }
                }
            }
            if let (true, Some(distance), Some(apart)) = (grads, self.distance, apart) {
                distance.add_gradient(apart, &slopes, &mut by_latents);
            }
        }
        if let Some(rewards) = self.rollout.rewards(start, actions, samples, blocks) {
            for (sample, cost) in costs.iter_mut().enumerate() {
                let sum: f32 = (0..blocks).map(|block| rewards[block * samples + sample]).sum();
                *cost -= self.shape.reward * sum;
            }
        }
        if self.shape.uncertainty != 0.0
            && let Some(spread) = self.rollout.spread()
        {
            for (sample, cost) in costs.iter_mut().enumerate() {
                let sum: f32 = (0..blocks).map(|block| spread[block * samples + sample]).sum();
                *cost += self.shape.uncertainty * sum / blocks.max(1) as f32;
            }
        }
        self.limits.violations.clear();
        for (sample, cost) in costs.iter_mut().enumerate() {
            let plan = candidates.sequence(sample);
            *cost += self.shape.actions(plan, candidates.action_dim);
            self.limits.price(plan, candidates.action_dim);
        }
        (costs, by_latents)
    }
}

impl Objective for LatentObjective<'_> {
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32> {
        self.price(candidates, false).0
    }

    /// Reverse mode through the model; by differences where the model has none, or an ensemble's spread counts.
    fn costs_and_grads(&mut self, candidates: &ActionSequences) -> (Vec<f32>, Vec<f32>) {
        if self.shape.uncertainty != 0.0 {
            return finite_differences(self, candidates);
        }
        let (costs, by_latents) = self.price(candidates, true);
        let blocks = candidates.len_one() / self.rollout.block_dim();
        let by_rewards = vec![-self.shape.reward; blocks * candidates.samples];
        let by_rewards = self.rollout.has_reward().then_some(&*by_rewards);
        // A roll that kept nothing, or a predictor that cannot be led back, is probed.
        let Ok(Some(grads)) = self.rollout.gradients(&by_latents, by_rewards) else {
            return finite_differences(self, candidates);
        };
        let mut grads = grads.to_vec();
        let plans = candidates.values.chunks_exact(candidates.len_one());
        for (grads, plan) in grads.chunks_exact_mut(candidates.len_one()).zip(plans) {
            self.shape.add_action_slopes(plan, candidates.action_dim, grads);
        }
        (costs, grads)
    }

    fn constraints(&self) -> Vec<String> {
        self.limits.names()
    }

    fn violations(&self) -> &[f32] {
        &self.limits.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use housecat_core::Seed;
    use housecat_model::{
        Distance, EncoderConfig, ModelConfig, ModelInput, ModelSpec, PredictorConfig, RewardConfig,
        WorldModel,
    };

    /// The analytic gradient is that of the cost, every term of it, with and without reward.
    #[test]
    fn gradients_are_those_of_the_costs() {
        let names = vec!["x".to_owned(), "y".to_owned()];
        let model = ModelConfig {
            latent_dim: 5,
            action_repeat: 2,
            encoder: EncoderConfig::Mlp { hidden: 8 },
            predictor: PredictorConfig::Residual { hidden: 16, depth: 2, action_dim: 4 },
            ensemble: 1,
            reward: None,
            inverse_dynamics: None,
        };
        for reward in [None, Some(RewardConfig { hidden: 6 })] {
            let spec = ModelSpec {
                format: ModelSpec::FORMAT,
                sim: "test".into(),
                input: ModelInput::State { names: names.clone() },
                actions: names.clone(),
                model: ModelConfig { reward, ..model.clone() },
            };
            let model = WorldModel::new(spec, Seed::new(3)).unwrap();
            let mut rollout = model.latent_rollout().unwrap();
            let goal = [1.0, -1.0, 0.5, 0.2, -0.7];
            let mut rng = Seed::new(1).rng();
            let walk: Vec<f32> = (0..20 * 5).map(|_| rng.uniform(-1.0, 1.0)).collect();
            let distance = Distance::of(&walk, &[0..12, 12..20], 5);
            let mut objective = LatentObjective {
                rollout: &mut rollout,
                start: &[0.3, -0.2, 0.1, 0.9, -1.1],
                before: Some((&[0.1; 5], &[0.5, -0.5, 0.2, 0.1])),
                goal: Some(&goal),
                distance: Some(&distance),
                shape: CostShape {
                    last: 0.5,
                    min: 1.0,
                    mean: 0.3,
                    reward: 0.7,
                    effort: 0.4,
                    smoothness: 0.6,
                    uncertainty: 0.0,
                    change: 1.5,
                },
                limits: Limits::default(),
            };
            let mut plans = ActionSequences::zeros(3, 6, 2);
            plans.values.iter_mut().for_each(|value| *value = rng.uniform(-0.9, 0.9));
            let (costs, grads) = objective.costs_and_grads(&plans);
            let (same, differences) = finite_differences(&mut objective, &plans);
            assert!(costs.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-5));
            for (index, (a, b)) in grads.iter().zip(&differences).enumerate() {
                // The differences are one-sided, a hundredth wide.
                assert!((a - b).abs() < 0.02 * (1.0 + a.abs()), "{index}: {a} {b}");
            }
        }
    }
}
