//! Candidate plans.

/// Candidate action sequences `[S, H, A]`, row-major, every component in `[-1, 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionSequences {
    /// S.
    pub samples: usize,
    /// H, control steps.
    pub horizon: usize,
    /// A.
    pub action_dim: usize,
    /// The values.
    pub values: Vec<f32>,
}

impl ActionSequences {
    /// All zeros.
    pub fn zeros(samples: usize, horizon: usize, action_dim: usize) -> Self {
        Self { samples, horizon, action_dim, values: vec![0.0; samples * horizon * action_dim] }
    }

    /// Values in one sequence.
    pub fn len_one(&self) -> usize {
        self.horizon * self.action_dim
    }

    /// Sequence `sample`, `[H, A]`.
    pub fn sequence(&self, sample: usize) -> &[f32] {
        &self.values[sample * self.len_one()..(sample + 1) * self.len_one()]
    }

    /// Sequence `sample` to write to.
    pub fn sequence_mut(&mut self, sample: usize) -> &mut [f32] {
        let len = self.len_one();
        &mut self.values[sample * len..(sample + 1) * len]
    }
    /// Standard deviation of a component over the samples, averaged over components, in action units.
    pub(crate) fn spread(&self) -> f32 {
        let (len, count) = (self.len_one(), self.samples.max(1) as f32);
        let spread = |index: usize| {
            let values = self.values.iter().skip(index).step_by(len);
            let centre = values.clone().sum::<f32>() / count;
            (values.map(|value| (value - centre) * (value - centre)).sum::<f32>() / count).sqrt()
        };
        (0..len).map(spread).sum::<f32>() / len.max(1) as f32
    }
}
