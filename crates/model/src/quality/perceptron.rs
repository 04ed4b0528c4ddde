//! A small perceptron for regression: `inputs -> 128 -> outputs`.

use crate::ModelError;
use crate::layers::{Builder, Linear, values};
use crate::ops::Activation;
use crate::optimizer::AdamW;
use candle_core::{Device, Tensor, Var};
use housecat_core::Seed;

const HIDDEN: usize = 128;
const STEPS: u64 = 800;
const BATCH: usize = 256;
const RATE: f32 = 3e-3;
/// Decoupled weight decay: experience is little.
const DECAY: f32 = 0.3;

/// A trained one.
pub(super) struct Perceptron {
    sizes: [usize; 2],
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
        let perceptron = Self { sizes, layers };
        let mut optimizer = AdamW::new(&builder.variables);
        let mut rng = seed.child("batches", 0).rng();
        for step in 1..=STEPS {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            for _ in 0..BATCH {
                let row = rng.index(rows);
                x.extend_from_slice(&inputs[row * from..(row + 1) * from]);
                y.extend_from_slice(&outputs[row * to..(row + 1) * to]);
            }
            let y = Tensor::from_vec(y, (BATCH, to), &Device::Cpu)?;
            let loss = (perceptron.forward(x)? - y)?.sqr()?.mean_all()?;
            let grads = loss.backward()?;
            let of = |(_, var): &(String, Var)| match grads.get(var) {
                Some(grad) => values(grad),
                None => Ok(vec![0.0; var.elem_count()]),
            };
            let grads = builder.variables.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            let progress = step as f32 / STEPS as f32;
            let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
            optimizer.step(&builder.variables, &grads, step, (rate, None, DECAY))?;
        }
        Ok(perceptron)
    }

    /// The outputs `[N, outputs]` for inputs `[N, inputs]`.
    pub(super) fn predict(&self, inputs: &[f32]) -> Result<Vec<f32>, ModelError> {
        values(&self.forward(inputs.to_vec())?)
    }

    fn forward(&self, inputs: Vec<f32>) -> candle_core::Result<Tensor> {
        let rows = inputs.len() / self.sizes[0];
        let x = Tensor::from_vec(inputs, (rows, self.sizes[0]), &Device::Cpu)?;
        self.layers[1].forward(&self.layers[0].forward(&x)?)
    }
}
