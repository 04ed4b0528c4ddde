//! The training of small networks, by gradient descent on a loss: priors, probes and decoders.

use crate::ModelError;
use crate::checkpoint::fetch;
use crate::config::Precision;
use crate::layers::{Builder, Linear, Pass, values};
use crate::ops::Activation;
use crate::optimizer::AdamW;
use crate::world_model::NamedArray;
use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use std::path::Path;

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
        let mut optimizer = AdamW::new(&builder.variables, Precision::F32);
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
            optimizer.step(&builder.variables, (&grads, 1.0), step, (rate, None, self.decay), 1)?;
        }
        Ok(true)
    }
}

/// The layers one after the other.
pub(crate) fn forward(layers: &[Linear], x: Tensor) -> candle_core::Result<Tensor> {
    layers.iter().try_fold(x, |x, layer| layer.forward(&x, &Pass::Look))
}

/// Values as a matrix of so many rows.
pub(crate) fn rows(values: Vec<f32>, rows: usize) -> candle_core::Result<Tensor> {
    let columns = values.len() / rows.max(1);
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

/// What was learned: the layers' weights `[in, out]` and biases, with a SiLU after all but the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    /// Inputs and outputs, weights and biases of each layer.
    pub layers: Vec<([usize; 2], Vec<f32>, Vec<f32>)>,
}

/// The inputs and outputs of the layers between these widths.
fn pairs(widths: &[usize]) -> impl Iterator<Item = [usize; 2]> {
    widths.windows(2).map(|pair| [pair[0], pair[1]])
}

impl Weights {
    /// The layers between these widths, to train; the names of their variables begin with `name`.
    pub(crate) fn untrained(
        builder: &mut Builder,
        name: &str,
        widths: &[usize],
    ) -> candle_core::Result<Vec<Linear>> {
        let layer = |(index, size)| {
            let last = index + 2 == widths.len();
            let activation = if last { Activation::None } else { Activation::Silu };
            Linear::new(builder, &format!("{name}.{index}"), size, 1.0, activation)
        };
        pairs(widths).enumerate().map(layer).collect()
    }

    /// Those of the builder's variables, which are the layers' and no others.
    pub(crate) fn of(builder: &Builder, widths: &[usize]) -> Result<Self, ModelError> {
        let layer = |(size, variables): ([usize; 2], &[(String, Var)])| {
            let values = |index: usize| values(variables[index].1.as_tensor());
            Ok((size, values(0)?, values(1)?))
        };
        let layers = pairs(widths).zip(builder.variables.chunks_exact(2)).map(layer);
        Ok(Self { layers: layers.collect::<Result<_, ModelError>>()? })
    }

    pub(crate) fn arrays(&self, name: &str) -> Vec<NamedArray> {
        let layers = self.layers.iter().enumerate().flat_map(|(index, (size, weight, bias))| {
            [("weight", size.to_vec(), weight), ("bias", vec![size[1]], bias)].map(
                |(part, shape, values)| NamedArray {
                    name: format!("{name}.{index}.{part}"),
                    shape,
                    values: values.clone(),
                },
            )
        });
        layers.collect()
    }

    pub(crate) fn load(
        path: &Path,
        tensors: &SafeTensors<'_>,
        name: &str,
        widths: &[usize],
    ) -> Result<Self, ModelError> {
        let layer = |(index, size): (usize, [usize; 2])| {
            let weight = fetch(path, tensors, &format!("{name}.{index}.weight"), &size)?;
            let bias = fetch(path, tensors, &format!("{name}.{index}.bias"), &size[1..])?;
            Ok((size, weight, bias))
        };
        let layers = pairs(widths).enumerate().map(layer);
        Ok(Self { layers: layers.collect::<Result<_, ModelError>>()? })
    }
}
