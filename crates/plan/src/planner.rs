//! What a solver is.

use crate::ActionSequences;
use housecat_core::Rng;

/// What a round's candidates cost.
pub struct Prices<'a> {
    /// The costs `[S]`, none of them NaN; `f32::MAX` where a plan broke the model.
    pub costs: &'a [f32],
    /// The candidates, cheapest first.
    pub order: &'a [usize],
    /// The gradients of the costs by the actions `[S, H, A]`, if the planner wanted them; else empty.
    pub grads: &'a [f32],
    /// By how much each candidate breaks each constraint, `[S, C]`; empty without constraints.
    pub violations: &'a [f32],
}

impl<'a> Prices<'a> {
    /// The `count` cheapest candidates, without those that broke the model; empty where all did.
    pub fn elites(&self, count: usize) -> &'a [usize] {
        let whole = self.order.partition_point(|&index| self.costs[index] < f32::MAX);
        &self.order[..count.min(whole)]
    }
}

/// A search distribution over action sequences.
pub trait Planner: Send {
    /// Draws candidates; every component lies in `[-1, 1]`. The caller may overwrite some with proposals.
    fn propose(&mut self, rng: &mut Rng) -> &mut ActionSequences;

    /// Whether the candidates last proposed are to be priced with gradients.
    fn wants_grads(&self) -> bool {
        false
    }

    /// Learns from the candidates last proposed.
    fn update(&mut self, prices: &Prices<'_>);

    /// How many of the cheapest candidates count as elites.
    fn elites(&self) -> usize;

    /// Mean spread of the distribution, in action units.
    fn std(&self) -> f32;

    /// Warm start: applies `shift`, which moves a sequence on in time, to every sequence remembered, and opens
    /// the spread again.
    fn shift(&mut self, shift: &dyn Fn(&mut [f32]));

    /// Forgets everything.
    fn reset(&mut self);

    /// The sequence the planner believes in `[H, A]`: the mean of its distribution.
    fn mean(&self) -> &[f32];
}
