//! A small perceptron for regression: `inputs -> 128 -> outputs`.

use crate::ModelError;
use crate::layers::{Builder, Linear, values};
use crate::ops::Activation;
use crate::regression::{self, Regression};
use housecat_core::Seed;

const HIDDEN: usize = 128;
/// Much decay: experience is little.
const REGRESSION: Regression = Regression { steps: 800, batch: 256, rate: 3e-3, decay: 0.3 };

/// A trained one.
pub(super) struct Perceptron {
    inputs: usize,
    layers: [Linear; 2],
}

impl Perceptron {
    /// Fits outputs `[N, outputs]` to inputs `[N, inputs]`, both standardised, by mean squared error; the same seed
    /// gives the same bits.
    pub(super) fn fit(
        inputs: &[f32],
        outputs: &[f32],
        sizes: [usize; 2],
        seed: Seed,
    ) -> Result<Self, ModelError> {
        let [from, to] = sizes;
        let rows = inputs.len() / from;
        let mut builder = Builder::new(seed.child("weights", 0));
        let layers = [
            Linear::new(&mut builder, "probe.0", [from, HIDDEN], 1.0, Activation::Silu)?,
            Linear::new(&mut builder, "probe.1", [HIDDEN, to], 1.0, Activation::None)?,
        ];
        let perceptron = Self { inputs: from, layers };
        let mut rng = seed.child("batches", 0).rng();
        REGRESSION.fit(&builder, &perceptron.layers, |x, y| {
            let row = rng.index(rows);
            x.extend_from_slice(&inputs[row * from..(row + 1) * from]);
            y.extend_from_slice(&outputs[row * to..(row + 1) * to]);
        })?;
        Ok(perceptron)
    }

    /// The outputs `[N, outputs]` for inputs `[N, inputs]`.
    pub(super) fn predict(&self, inputs: &[f32]) -> Result<Vec<f32>, ModelError> {
        let x = regression::rows(inputs.to_vec(), inputs.len() / self.inputs)?;
        values(&regression::forward(&self.layers, x)?)
    }
}
