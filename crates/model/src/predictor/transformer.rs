//! LeWorldModel's predictor (Maes et al. 2026, arXiv 2603.19312; sizes and order of operations as in
//! stable-worldmodel 0.1.1, `wm/lewm/module.py`): a causal transformer over the last few latents, each
//! block conditioned on the action by AdaLN-zero (Peebles & Xie 2023), and a perceptron with batch
//! normalisation behind it.

use crate::layers::{Builder, LayerNorm, Linear, Pass};
use crate::ops::{Activation, AttentionShape, activate, attention};
use crate::projector::Projector;
use candle_core::{Result, Tensor, Var};

/// Width of the action encoder's first, linear layer.
pub(crate) const SMOOTHED: usize = 10;

/// Hidden width of the action encoder, in latent dimensions.
pub(crate) const ACTION_SCALE: usize = 4;

/// Added to a variance: by the norms without scale and shift, and by the others.
pub(crate) const PLAIN_EPSILON: f32 = 1e-6;
pub(crate) const EPSILON: f32 = 1e-5;

/// Sizes of the predictor; D is the width of its tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sizes {
    pub latent_dim: usize,
    pub block_dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub head_dim: usize,
    pub mlp: usize,
    pub history: usize,
    pub dropout: f32,
}

impl Sizes {
    pub(crate) fn inner(&self) -> usize {
        self.heads * self.head_dim
    }

    /// One head as wide as a token needs no map back.
    pub(crate) fn projects_out(&self) -> bool {
        !(self.heads == 1 && self.head_dim == self.latent_dim)
    }
}

pub(crate) struct Transformer {
    sizes: Sizes,
    action: [Linear; 3],
    positions: Var,
    blocks: Vec<Block>,
    norm: LayerNorm,
    projection: Projector,
}

struct Block {
    /// Shift, scale and gate of the attention, then of the perceptron; zero at first.
    modulation: Linear,
    plain: LayerNorm,
    attention_norm: LayerNorm,
    qkv: Linear,
    out: Option<Linear>,
    mlp_norm: LayerNorm,
    mlp: [Linear; 2],
}

impl Transformer {
    pub(super) fn new(builder: &mut Builder, name: &str, sizes: Sizes) -> Result<Self> {
        let Sizes { latent_dim: d, block_dim, mlp, history, .. } = sizes;
        let hidden = ACTION_SCALE * d;
        let at = |part: &str| format!("{name}.{part}");
        let (none, silu) = (Activation::None, Activation::Silu);
        let action = [
            Linear::new(builder, &at("action.0"), [block_dim, SMOOTHED], 1.0, none)?,
            Linear::new(builder, &at("action.1"), [SMOOTHED, hidden], 1.0, silu)?,
            Linear::new(builder, &at("action.2"), [hidden, d], 1.0, none)?,
        ];
        let positions = builder.normal(at("positions"), &[history, d], 1.0)?;
        let blocks = (0..sizes.depth)
            .map(|index| Block::new(builder, &at(&format!("block{index}")), &sizes))
            .collect::<Result<_>>()?;
        Ok(Self {
            sizes,
            action,
            positions,
            blocks,
            norm: LayerNorm::new(builder, &at("norm"), d, EPSILON)?,
            projection: Projector::new(builder, &at("projection"), [d, mlp, d])?,
        })
    }

    pub(super) fn encode_action(&self, blocks: &Tensor, pass: &Pass) -> Result<Tensor> {
        self.action.iter().try_fold(blocks.clone(), |x, layer| layer.forward(&x, pass))
    }

    /// One causal pass over the first `history` steps gives them all; each later step sees its own window.
    pub(super) fn forced(
        &self,
        latents: &Tensor,
        e: &Tensor,
        size: usize,
        pass: &Pass,
    ) -> Result<Tensor> {
        let (steps, history) = (e.dim(0)? / size, self.sizes.history);
        let window = |from: usize, count: usize| {
            let rows = |x: &Tensor| x.narrow(0, from * size, count * size);
            self.trunk(&rows(latents)?, &rows(e)?, size, pass)
        };
        let mut out = vec![window(0, steps.min(history))?];
        for t in history..steps {
            let seen = window(t + 1 - history, history)?;
            out.push(seen.narrow(0, (history - 1) * size, size)?);
        }
        self.projection.forward(&Tensor::cat(&out, 0)?, pass)
    }

    pub(super) fn step(&self, path: &[Tensor], e: &[Tensor], pass: &Pass) -> Result<Tensor> {
        let count = path.len().min(e.len()).min(self.sizes.history);
        let Some(last) = path.last().filter(|_| count > 0) else {
            candle_core::bail!("a prediction needs a latent and an action block")
        };
        let size = last.dim(0)?;
        let latents = Tensor::cat(&path[path.len() - count..], 0)?;
        let blocks = Tensor::cat(&e[e.len() - count..], 0)?;
        let seen = self.trunk(&latents, &blocks, size, pass)?;
        self.projection.forward(&seen.narrow(0, (count - 1) * size, size)?, pass)
    }

    /// Rows t * n + b of a window of at most `history` tokens through all blocks and the last norm.
    fn trunk(&self, latents: &Tensor, e: &Tensor, n: usize, pass: &Pass) -> Result<Tensor> {
        let (rows, d) = latents.dims2()?;
        let tokens = rows / n;
        let positions = self.positions.narrow(0, 0, tokens)?.unsqueeze(1)?;
        let mut x =
            latents.reshape((tokens, n, d))?.broadcast_add(&positions)?.reshape((rows, d))?;
        let condition = activate(e, Activation::Silu)?;
        for block in &self.blocks {
            x = block.forward(&x, &condition, tokens, &self.sizes, pass)?;
        }
        self.norm.forward(&x)
    }
}

impl Block {
    fn new(builder: &mut Builder, name: &str, sizes: &Sizes) -> Result<Self> {
        let (d, inner) = (sizes.latent_dim, sizes.inner());
        let at = |part: &str| format!("{name}.{part}");
        let none = Activation::None;
        Ok(Self {
            modulation: Linear::new(builder, &at("modulation"), [d, 6 * d], 0.0, none)?,
            plain: LayerNorm::plain(d, PLAIN_EPSILON)?,
            attention_norm: LayerNorm::new(builder, &at("attention.norm"), d, EPSILON)?,
            qkv: Linear::without_bias(builder, &at("attention.qkv"), [d, 3 * inner])?,
            out: match sizes.projects_out() {
                true => Some(Linear::new(builder, &at("attention.out"), [inner, d], 1.0, none)?),
                false => None,
            },
            mlp_norm: LayerNorm::new(builder, &at("mlp.norm"), d, EPSILON)?,
            mlp: [
                Linear::new(builder, &at("mlp.0"), [d, sizes.mlp], 1.0, Activation::Gelu)?,
                Linear::new(builder, &at("mlp.1"), [sizes.mlp, d], 1.0, none)?,
            ],
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        condition: &Tensor,
        tokens: usize,
        sizes: &Sizes,
        pass: &Pass,
    ) -> Result<Tensor> {
        let d = sizes.latent_dim;
        let modulation = self.modulation.forward(condition, pass)?;
        let part = |index: usize| modulation.narrow(1, index * d, d);
        let modulate = |x: &Tensor, shift: usize, scale: usize| {
            self.plain.forward(x)?.mul(&(part(scale)? + 1.0)?)?.add(&part(shift)?)
        };
        let qkv = self.qkv.forward(&self.attention_norm.forward(&modulate(x, 0, 1)?)?, pass)?;
        let shape =
            AttentionShape { tokens, heads: sizes.heads, head_dim: sizes.head_dim, causal: true };
        let n = x.dim(0)? / tokens;
        let factors = pass.dropout(sizes.dropout, n * sizes.heads * tokens * tokens);
        let mut seen =
            attention(&qkv, shape, factors.unwrap_or_default(), pass.products().precision)?;
        if let Some(out) = &self.out {
            seen = drop(&out.forward(&seen, pass)?, sizes.dropout, pass)?;
        }
        let x = (x + part(2)?.mul(&seen)?)?;
        let hidden = self.mlp[0].forward(&self.mlp_norm.forward(&modulate(&x, 3, 4)?)?, pass)?;
        let hidden = drop(&hidden, sizes.dropout, pass)?;
        let thought = drop(&self.mlp[1].forward(&hidden, pass)?, sizes.dropout, pass)?;
        x + part(5)?.mul(&thought)?
    }
}

/// Dropout (Srivastava et al. 2014), in training only.
fn drop(x: &Tensor, share: f32, pass: &Pass) -> Result<Tensor> {
    match pass.dropout(share, x.elem_count()) {
        Some(factors) => x.mul(&Tensor::from_vec(factors, x.dims(), x.device())?),
        None => Ok(x.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Precision;
    use crate::layers::values;
    use candle_core::Device;
    use housecat_core::Seed;

    const SIZES: Sizes = Sizes {
        latent_dim: 6,
        block_dim: 4,
        depth: 2,
        heads: 2,
        head_dim: 4,
        mlp: 9,
        history: 3,
        dropout: 0.2,
    };

    fn random(name: &str, rows: usize, columns: usize) -> Tensor {
        let mut values = vec![0.0; rows * columns];
        Seed::new(2).child(name, 0).rng().fill_normal(&mut values);
        Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap()
    }

    /// A predictor off its zero gates, and its variables.
    fn predictor() -> (Transformer, Builder) {
        let mut builder = Builder::new(Seed::new(0));
        let predictor = Transformer::new(&mut builder, "predictor", SIZES).unwrap();
        for (name, var) in &builder.variables {
            let rows = var.elem_count();
            let moved = (random(name, rows, 1).reshape(var.dims()).unwrap() * 0.3).unwrap();
            var.set(&(var.as_tensor() + moved).unwrap()).unwrap();
        }
        (predictor, builder)
    }

    #[test]
    fn every_variable_gets_a_gradient_from_either_loss() {
        let (predictor, builder) = predictor();
        let (latents, blocks) = (random("latents", 6 * 4, 6), random("blocks", 5 * 4, 4));
        let pass = Pass::train(Seed::new(1).rng(), Precision::F32, Default::default());
        let e = predictor.encode_action(&blocks, &Pass::Look).unwrap();
        let forced = predictor.forced(&latents, &e, 4, &pass).unwrap();
        assert_eq!(forced.dims(), [5 * 4, 6]);
        let mut path = vec![latents.narrow(0, 0, 4).unwrap()];
        let mut taken = Vec::new();
        for t in 0..4 {
            taken.push(e.narrow(0, t * 4, 4).unwrap());
            path.push(predictor.step(&path, &taken, &pass).unwrap());
        }
        for out in [forced, path.remove(4)] {
            let store = out.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            for (name, var) in &builder.variables {
                let grad = pass.gradient(&store, var).unwrap();
                let some = grad.is_some_and(|grad| grad.iter().any(|&value| value.abs() > 1e-7));
                assert!(some, "`{name}` gets no gradient");
            }
        }
    }

    #[test]
    fn gradients_match_differences() {
        let (predictor, builder) = predictor();
        let (latents, blocks) = (random("latents", 3 * 4, 6), random("blocks", 2 * 4, 4));
        let vars: Vec<&Var> = builder.variables.iter().map(|(_, var)| var).collect();
        let target = random("target", 2 * 4, 6);
        crate::ops::check::gradients_left(&vars, 3e-3, 3e-2, &|| {
            // The same stream drops the same activations every time.
            let pass = Pass::train(Seed::new(1).rng(), Precision::F32, Default::default());
            let e = predictor.encode_action(&blocks, &pass)?;
            let loss = (predictor.forced(&latents, &e, 4, &pass)? * &target)?.mean_all()?;
            Ok((loss, pass.products().gradients))
        });
    }

    #[test]
    fn teacher_forcing_is_causal_and_equals_steps() {
        let (predictor, _) = predictor();
        let (latents, blocks) = (random("latents", 6 * 2, 6), random("blocks", 5 * 2, 4));
        let e = predictor.encode_action(&blocks, &Pass::Look).unwrap();
        let forced = predictor.forced(&latents, &e, 2, &Pass::Look).unwrap();
        let rows = |x: &Tensor, t: usize| x.narrow(0, t * 2, 2).unwrap();
        for t in 0..5 {
            let path: Vec<Tensor> = (0..=t).map(|t| rows(&latents, t)).collect();
            let taken: Vec<Tensor> = (0..=t).map(|t| rows(&e, t)).collect();
            let step = values(&predictor.step(&path, &taken, &Pass::Look).unwrap()).unwrap();
            for (a, b) in values(&rows(&forced, t)).unwrap().iter().zip(&step) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
