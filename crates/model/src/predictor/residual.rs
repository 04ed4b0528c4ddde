//! A perceptron that predicts the change of the latent from one block of history.

use crate::layers::{Builder, Linear, Pass};
use crate::ops::Activation;
use candle_core::{DType, Device, Result, Tensor};

/// `z' = z + f(z, e, z - z_prev, e_prev)`, e an encoded action block.
///
/// Without history the last two inputs are zero.
pub(crate) struct Residual {
    action: Linear,
    layers: Vec<Linear>,
}

impl Residual {
    pub(super) fn new(
        builder: &mut Builder,
        name: &str,
        [latent_dim, block_dim, hidden, depth, action_dim]: [usize; 5],
    ) -> Result<Self> {
        let inputs = 2 * (latent_dim + action_dim);
        let mut linear = |part: &str, sizes, gain, activation| {
            Linear::new(builder, &format!("{name}.{part}"), sizes, gain, activation)
        };
        let action = linear("action", [block_dim, action_dim], 1.0, Activation::None)?;
        let mut layers = Vec::with_capacity(depth + 1);
        for layer in 0..depth {
            let inputs = if layer == 0 { inputs } else { hidden };
            layers.push(linear(&layer.to_string(), [inputs, hidden], 1.0, Activation::Silu)?);
        }
        // Small at first: the untrained prediction is that nothing changes.
        layers.push(linear(&depth.to_string(), [hidden, latent_dim], 0.1, Activation::None)?);
        Ok(Self { action, layers })
    }

    pub(super) fn encode_action(&self, blocks: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.action.forward(blocks, pass)
    }

    pub(super) fn forced(
        &self,
        latents: &Tensor,
        e: &Tensor,
        history: &Tensor,
        size: usize,
        pass: &Pass,
    ) -> Result<Tensor> {
        let rows = e.dim(0)?;
        let now = latents.narrow(0, 0, rows)?;
        let none = zeros(size, latents.dim(1)?)?;
        let none_encoded = zeros(size, e.dim(1)?)?;
        let (change, e_prev) = if rows > size {
            let earlier = rows - size;
            let change = (latents.narrow(0, size, earlier)? - latents.narrow(0, 0, earlier)?)?;
            let change = Tensor::cat(&[&none, &change], 0)?.broadcast_mul(history)?;
            let e_prev = Tensor::cat(&[&none_encoded, &e.narrow(0, 0, earlier)?], 0)?;
            (change, e_prev.broadcast_mul(history)?)
        } else {
            (none, none_encoded)
        };
        self.forward([&now, e, &change, &e_prev], pass)
    }

    pub(super) fn step(&self, path: &[Tensor], e: &[Tensor], pass: &Pass) -> Result<Tensor> {
        let (Some(z), Some(now)) = (path.last(), e.last()) else {
            candle_core::bail!("a prediction needs a latent and an action block")
        };
        match (path, e) {
            ([.., before, _], [.., e_prev, _]) => {
                self.forward([z, now, &(z - before)?, e_prev], pass)
            }
            _ => {
                let (n, d) = z.dims2()?;
                self.forward([z, now, &zeros(n, d)?, &zeros(n, now.dim(1)?)?], pass)
            }
        }
    }

    /// The next latents `[n, D]` from z `[n, D]`, e `[n, E]`, the last change of the latent `[n, D]`
    /// and the last encoded block `[n, E]`.
    fn forward(&self, inputs: [&Tensor; 4], pass: &Pass) -> Result<Tensor> {
        let mut x = Tensor::cat(&inputs, 1)?;
        for layer in &self.layers {
            x = layer.forward(&x, pass)?;
        }
        inputs[0] + x
    }
}

fn zeros(rows: usize, columns: usize) -> Result<Tensor> {
    Tensor::zeros((rows, columns), DType::F32, &Device::Cpu)
}
