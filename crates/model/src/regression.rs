//! The training of small networks, by gradient descent on a loss: priors, probes and decoders.

use crate::ModelError;
use crate::layers::{Builder, Linear, values};
use crate::optimizer::AdamW;
use candle_core::{Device, Tensor, Var};

/// How long and how fast.
pub(crate) struct Regression {
    pub steps: u64,
    /// Rows in a batch.
    pub batch: usize,
    /// Peak learning rate, which falls to zero as a cosine.
    pub rate: f32,
    /// Decoupled weight decay.
    pub decay: f32,
}

impl Regression {
    /// Fits the layers, whose variables are the builder's, by mean squared error. `draw` appends one row of inputs and
    /// one of outputs.
    pub(crate) fn fit(
        &self,
        builder: &Builder,
        layers: &[Linear],
        mut draw: impl FnMut(&mut Vec<f32>, &mut Vec<f32>),
    ) -> Result<(), ModelError> {
        self.descend(builder, |_| {
            let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
            for _ in 0..self.batch {
                draw(&mut inputs, &mut outputs);
            }
            let outputs = rows(outputs, self.batch)?;
            let guess = forward(layers, rows(inputs, self.batch)?)?;
            Ok(Some((guess - outputs)?.sqr()?.mean_all()?))
        })?;
        Ok(())
    }

    /// Descends the loss of a batch by the builder's variables. `loss` is told the step, from 1, and ends the descent
    /// with `None`. Whether it came to its end.
    pub(crate) fn descend(
        &self,
        builder: &Builder,
        mut loss: impl FnMut(u64) -> Result<Option<Tensor>, ModelError>,
    ) -> Result<bool, ModelError> {
        let mut optimizer = AdamW::new(&builder.variables);
        for step in 1..=self.steps {
            let Some(loss) = loss(step)? else { return Ok(false) };
            let grads = loss.backward()?;
            let of = |(_, var): &(String, Var)| match grads.get(var) {
                Some(grad) => values(grad),
                None => Ok(vec![0.0; var.elem_count()]),
            };
            let grads = builder.variables.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            let progress = step as f32 / self.steps as f32;
            let rate = self.rate * 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
            optimizer.step(&builder.variables, &grads, step, (rate, None, self.decay))?;
        }
        Ok(true)
    }
}

/// The layers one after the other.
pub(crate) fn forward(layers: &[Linear], x: Tensor) -> candle_core::Result<Tensor> {
    layers.iter().try_fold(x, |x, layer| layer.forward(&x))
}

/// Values as a matrix of so many rows.
pub(crate) fn rows(values: Vec<f32>, rows: usize) -> candle_core::Result<Tensor> {
    let columns = values.len() / rows.max(1);
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}
