//! Multi-start gradient descent: every candidate is a descent of its own, and the cheapest is believed.
//! How a descent moves is a [`Rule`].

use crate::config::in_range;
use crate::noise::autoregressive;
use crate::{ActionSequences, PlanError, Planner, Prices};
use housecat_core::Rng;

/// How a descent moves.
pub(crate) trait Rule: Send {
    /// Moves descent `index` on from `position` `[H, A]`, which was just priced; `false` if there is no way on
    /// because the plan broke the model. `cost` is then `f32::MAX`.
    fn step(&mut self, index: usize, position: &mut [f32], cost: f32, gradient: &[f32]) -> bool;

    /// Descent `index` begins anew.
    fn restart(&mut self, index: usize);
}

/// A slope without what a bound forbids: 0 where descending would leave `[-1, 1]`.
pub(crate) fn inward(position: f32, slope: f32) -> f32 {
    let outward = (position >= 1.0 && slope < 0.0) || (position <= -1.0 && slope > 0.0);
    if outward { 0.0 } else { slope }
}

/// Where descents start.
#[derive(Clone, Copy)]
pub(crate) struct Starts {
    /// At most this many descents.
    pub starts: usize,
    /// Share of them that start anew with every plan.
    pub restarts: f32,
    /// Spread of the starts around the warm start, in action units.
    pub std: f32,
    /// Correlation of a start from one control step to the next.
    pub rho: f32,
}

impl Starts {
    pub(crate) fn validate(&self) -> Result<(), PlanError> {
        in_range("starts", self.starts, 2, 100_000, "descend from at least two starts")?;
        in_range("restarts", self.restarts, 0.0, 1.0, "choose a share in [0, 1]")?;
        in_range("std", self.std, 1e-3, 10.0, "choose a spread between 0.001 and 10")?;
        in_range("rho", self.rho, 0.0, 0.999, "choose a correlation in [0, 0.999]")
    }
}

/// Descents from the warm start and from random places around it.
pub(crate) struct MultiStart<R> {
    rule: R,
    starts: Starts,
    /// The cheapest sequence last priced: the warm start.
    mean: Vec<f32>,
    /// Where the descents are.
    candidates: ActionSequences,
    /// The descents, cheapest first when last priced.
    order: Vec<usize>,
    /// Descents that the next round draws anew.
    redraw: Vec<bool>,
}

impl<R: Rule> MultiStart<R> {
    /// A planner over `[samples, horizon, action_dim]`; `rule` makes a rule for a number of descents.
    pub(crate) fn new(
        starts: Starts,
        samples: usize,
        horizon: usize,
        action_dim: usize,
        rule: impl FnOnce(usize) -> R,
    ) -> Result<Self, PlanError> {
        starts.validate()?;
        let descents = starts.starts.min(samples);
        let mut planner = Self {
            rule: rule(descents),
            starts,
            mean: vec![0.0; horizon * action_dim],
            candidates: ActionSequences::zeros(descents, horizon, action_dim),
            order: Vec::new(),
            redraw: Vec::new(),
        };
        planner.begin(1);
        Ok(planner)
    }

    /// Begins a plan: descent 0 at the mean, the next ones where the last plan's cheapest have come, up to
    /// `keep` in all, and the rest at random.
    fn begin(&mut self, keep: usize) {
        let before = self.candidates.clone();
        for descent in 0..before.samples {
            let from = match descent {
                0 => &self.mean,
                _ => before.sequence(self.order.get(descent).copied().unwrap_or(descent)),
            };
            self.candidates.sequence_mut(descent).copy_from_slice(from);
            self.rule.restart(descent);
        }
        self.order = (0..before.samples).collect();
        self.redraw = self.order.iter().map(|&descent| descent >= keep).collect();
    }
}

impl<R: Rule> Planner for MultiStart<R> {
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences {
        let Self { rule, starts, mean, candidates, redraw, .. } = self;
        let action_dim = candidates.action_dim;
        for (descent, redraw) in redraw.iter_mut().enumerate() {
            if std::mem::take(redraw) {
                let sequence = candidates.sequence_mut(descent);
                autoregressive(sequence, action_dim, starts.rho, rng);
                for (value, mean) in sequence.iter_mut().zip(&*mean) {
                    *value = (mean + starts.std * *value).clamp(-1.0, 1.0);
                }
                rule.restart(descent);
            }
        }
        candidates
    }

    fn wants_grads(&self) -> bool {
        true
    }

    fn update(&mut self, prices: &Prices<'_>) {
        if let [best] = prices.elites(1) {
            self.mean.copy_from_slice(self.candidates.sequence(*best));
        }
        self.order = prices.order.to_vec();
        let gradients = prices.grads.chunks_exact(self.mean.len());
        for (descent, (&cost, gradient)) in prices.costs.iter().zip(gradients).enumerate() {
            let position = self.candidates.sequence_mut(descent);
            self.redraw[descent] = !self.rule.step(descent, position, cost, gradient);
        }
    }

    fn elites(&self) -> usize {
        self.candidates.samples.div_ceil(2)
    }

    fn std(&self) -> f32 {
        self.candidates.spread()
    }

    fn shift(&mut self, shift: &dyn Fn(&mut [f32])) {
        shift(&mut self.mean);
        let len = self.mean.len();
        self.candidates.values.chunks_exact_mut(len).for_each(shift);
        let anew = self.starts.restarts * self.candidates.samples as f32;
        self.begin(self.candidates.samples - anew as usize);
    }

    fn reset(&mut self) {
        self.mean.fill(0.0);
        self.order.clear();
        self.begin(1);
    }

    fn mean(&self) -> &[f32] {
        &self.mean
    }
}
