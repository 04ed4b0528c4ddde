//! What a plan costs.

use crate::ActionSequences;

/// Prices candidate plans.
pub trait Objective {
    /// The cost of every candidate, `[S]`; lower is better. Not-a-number counts as the worst.
    fn costs(&mut self, candidates: &ActionSequences) -> Vec<f32>;

    /// The costs `[S]` and their gradients by the actions `[S, H, A]`. An objective that cannot differentiate
    /// itself is probed: forward differences, `H A + 1` plans a candidate.
    fn costs_and_grads(&mut self, candidates: &ActionSequences) -> (Vec<f32>, Vec<f32>) {
        finite_differences(self, candidates)
    }

    /// Names of the constraints that plans should keep, C of them.
    fn constraints(&self) -> Vec<String> {
        Vec::new()
    }

    /// By how much the candidates last priced break each constraint, `[S, C]`; what is not above 0 is kept.
    fn violations(&self) -> &[f32] {
        &[]
    }
}

/// Step of the differences, in action units.
const DIFFERENCE: f32 = 1e-2;

/// The costs `[S]` and their gradients `[S, H, A]` by forward differences, away from the nearer bound: `H A + 1` plans
/// a candidate.
pub fn finite_differences<O: Objective + ?Sized>(
    objective: &mut O,
    candidates: &ActionSequences,
) -> (Vec<f32>, Vec<f32>) {
    let len = candidates.len_one();
    let mut grads = Vec::with_capacity(candidates.values.len());
    for sample in 0..candidates.samples {
        let sequence = candidates.sequence(sample);
        let mut probes = ActionSequences::zeros(len + 1, candidates.horizon, candidates.action_dim);
        let step = |value: f32| if value > 0.0 { -DIFFERENCE } else { DIFFERENCE };
        for probe in 0..=len {
            probes.sequence_mut(probe).copy_from_slice(sequence);
            if probe < len {
                probes.sequence_mut(probe)[probe] += step(sequence[probe]);
            }
        }
        let costs = objective.costs(&probes);
        let slope = |index: usize| {
            let slope = (costs[index] - costs[len]) / step(sequence[index]);
            if slope.is_finite() { slope } else { 0.0 }
        };
        grads.extend((0..len).map(slope));
    }
    // Last, so that the violations left behind are the candidates' own.
    (objective.costs(candidates), grads)
}
