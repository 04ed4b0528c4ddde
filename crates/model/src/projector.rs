//! LeWorldModel's projection (stable-worldmodel 0.1.1, `MLP` in `wm/lewm/module.py`): a perceptron with batch
//! normalisation before its GELU. A transformer's last layer normalisation puts its rows on a sphere; this
//! lets them leave it.

use crate::layers::{BatchNorm, Builder, Linear, Pass};
use crate::ops::{Activation, activate};
use candle_core::{Result, Tensor};

pub(crate) struct Projector {
    first: Linear,
    norm: BatchNorm,
    second: Linear,
}

impl Projector {
    /// `name` is what the names of its variables begin with.
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        [inputs, hidden, outputs]: [usize; 3],
    ) -> Result<Self> {
        let at = |part: &str| format!("{name}.{part}");
        let none = Activation::None;
        Ok(Self {
            first: Linear::new(builder, &at("0"), [inputs, hidden], 1.0, none)?,
            norm: BatchNorm::new(builder, &at("norm"), hidden)?,
            second: Linear::new(builder, &at("1"), [hidden, outputs], 1.0, none)?,
        })
    }

    /// `[n, inputs]` to `[n, outputs]`.
    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let x = self.norm.forward(&self.first.forward(x, pass)?, pass)?;
        self.second.forward(&activate(&x, Activation::Gelu)?, pass)
    }
}
