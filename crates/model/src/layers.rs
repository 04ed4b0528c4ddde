//! Named variables and the layers made of them.

use crate::ModelError;
use crate::config::Precision;
use crate::ops::{
    Activation, BatchStats, Block, Buffers, ConvShape, Gradients, Products, Step, batch_norm,
    conv_stack, conv_stack_with, layer_norm, linear, normalise, possible,
};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Result, Tensor, Var};
use housecat_core::{Rng, Seed};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Running statistics of one batch normalisation, shared by all who look at the model.
type Running = Arc<RwLock<BatchStats>>;

/// Collects variables and running statistics in a fixed order while a network is put together.
pub(crate) struct Builder {
    seed: Seed,
    pub(crate) variables: Vec<(String, Var)>,
    pub(crate) statistics: Vec<(String, Running)>,
}

impl Builder {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, variables: Vec::new(), statistics: Vec::new() }
    }

    /// A variable; its values depend on the seed and its name only.
    fn variable(
        &mut self,
        name: String,
        shape: &[usize],
        init: impl FnOnce(&mut Rng, usize) -> Vec<f32>,
    ) -> Result<Var> {
        let values = init(&mut self.seed.child(&name, 0).rng(), shape.iter().product());
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
        self.variables.push((name, var.clone()));
        Ok(var)
    }

    fn uniform(&mut self, name: String, shape: &[usize], bound: f32) -> Result<Var> {
        self.variable(name, shape, |rng, count| {
            (0..count).map(|_| rng.uniform(-bound, bound)).collect()
        })
    }

    /// Normal values of this standard deviation.
    pub(crate) fn normal(&mut self, name: String, shape: &[usize], std: f32) -> Result<Var> {
        self.variable(name, shape, |rng, count| {
            let mut values = vec![0.0; count];
            rng.fill_normal(&mut values);
            values.iter_mut().for_each(|value| *value *= std);
            values
        })
    }

    fn constant(&mut self, name: String, shape: &[usize], value: f32) -> Result<Var> {
        self.variable(name, shape, |_, count| vec![value; count])
    }
}

/// Whether a forward pass trains (batch statistics, kept for the running ones; dropout; perhaps products of bf16) or only
/// looks.
pub(crate) enum Pass {
    /// Of one share of a batch.
    Train(Box<Training>),
    /// Uses the running statistics, drops nothing and multiplies in f32.
    Look,
}

/// What a forward pass collects and draws from while it trains.
pub(crate) struct Training {
    /// Batch statistics by layer; of a layer that is passed more than once, those of the first pass.
    pub(crate) statistics: RefCell<BTreeMap<String, BatchStats>>,
    dropout: RefCell<Rng>,
    products: Products,
}

impl Training {
    fn keep(&self, layer: &str, stats: BatchStats) {
        self.statistics.borrow_mut().entry(layer.to_owned()).or_insert(stats);
    }
}

impl Pass {
    /// A pass that trains, with its own stream to drop by, and memory that others left.
    pub(crate) fn train(dropout: Rng, precision: Precision, buffers: Buffers) -> Self {
        let dropout = RefCell::new(dropout);
        let precision = possible(precision);
        let products = Products { precision, gradients: Some(Gradients::default()), buffers };
        Self::Train(Box::new(Training { statistics: RefCell::default(), dropout, products }))
    }

    /// How layers multiply, on the way back too.
    pub(crate) fn products(&self) -> Products {
        match self {
            Self::Train(training) => training.products.clone(),
            Self::Look => Products::default(),
        }
    }

    /// The gradient by a variable after a backward pass: what layers left, or what the graph has. A variable is in the one
    /// or in the other.
    pub(crate) fn gradient(
        &self,
        store: &GradStore,
        variable: &Var,
    ) -> std::result::Result<Option<Vec<f32>>, ModelError> {
        let left = self.products().gradients.and_then(|left| left.take(variable));
        match (left, store.get(variable)) {
            (None, Some(grad)) => Ok(Some(values(grad)?)),
            (left, _) => Ok(left),
        }
    }

    /// `count` factors that drop this share of values and scale up the rest; `None` if nothing is dropped.
    pub(crate) fn dropout(&self, share: f32, count: usize) -> Option<Vec<f32>> {
        let Self::Train(training) = self else { return None };
        if share <= 0.0 {
            return None;
        }
        let kept = 1.0 / (1.0 - share);
        let mut rng = training.dropout.borrow_mut();
        Some((0..count).map(|_| if rng.chance(share) { 0.0 } else { kept }).collect())
    }
}

/// `act(x W + b)`.
pub(crate) struct Linear {
    /// Variables, unless the layer is fixed.
    weight: Tensor,
    /// A variable, or zeros.
    bias: Tensor,
    activation: Activation,
}

impl Linear {
    /// Uniform initialisation in +-1/sqrt(inputs), times `gain`.
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        [inputs, outputs]: [usize; 2],
        gain: f32,
        activation: Activation,
    ) -> Result<Self> {
        let bound = gain / (inputs as f32).sqrt();
        let weight = builder.uniform(format!("{name}.weight"), &[inputs, outputs], bound)?;
        Ok(Self {
            weight: weight.as_tensor().clone(),
            bias: builder.constant(format!("{name}.bias"), &[outputs], 0.0)?.as_tensor().clone(),
            activation,
        })
    }

    /// `x W`.
    pub(crate) fn without_bias(
        builder: &mut Builder,
        name: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Self> {
        let bound = 1.0 / (inputs as f32).sqrt();
        let weight = builder.uniform(format!("{name}.weight"), &[inputs, outputs], bound)?;
        Ok(Self {
            weight: weight.as_tensor().clone(),
            bias: Tensor::zeros(outputs, DType::F32, &Device::Cpu)?,
            activation: Activation::None,
        })
    }

    /// A layer that nothing trains: weight `[in, out]`, bias `[out]`.
    pub(crate) fn fixed(weight: Tensor, bias: Tensor, activation: Activation) -> Self {
        Self { weight, bias, activation }
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias, self.activation, pass.products())
    }

    /// The layer as a step of a residual branch.
    pub(crate) fn step(&self) -> Step {
        let Self { weight, bias, activation } = self;
        Step::Linear { weight: weight.clone(), bias: bias.clone(), activation: *activation }
    }
}

/// Batch normalisation over the last dimension.
pub(crate) struct BatchNorm {
    name: String,
    gamma: Tensor,
    beta: Tensor,
    running: Running,
}

impl BatchNorm {
    /// With learned scale and shift.
    pub(crate) fn new(builder: &mut Builder, name: &str, channels: usize) -> Result<Self> {
        let gamma =
            builder.constant(format!("{name}.gamma"), &[channels], 1.0)?.as_tensor().clone();
        let beta = builder.constant(format!("{name}.beta"), &[channels], 0.0)?.as_tensor().clone();
        Ok(Self::with(builder, name, channels, gamma, beta))
    }

    /// Without: the output's columns are standard.
    pub(crate) fn plain(builder: &mut Builder, name: &str, channels: usize) -> Result<Self> {
        let gamma = Tensor::ones(channels, DType::F32, &Device::Cpu)?;
        let beta = gamma.zeros_like()?;
        Ok(Self::with(builder, name, channels, gamma, beta))
    }

    fn with(
        builder: &mut Builder,
        name: &str,
        channels: usize,
        gamma: Tensor,
        beta: Tensor,
    ) -> Self {
        let start = BatchStats { mean: vec![0.0; channels], var: vec![1.0; channels] };
        let running = Arc::new(RwLock::new(start));
        builder.statistics.push((name.to_owned(), Arc::clone(&running)));
        Self { name: name.to_owned(), gamma, beta, running }
    }

    pub(crate) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        match pass {
            Pass::Train(training) => {
                let (y, stats) = batch_norm(x, &self.gamma, &self.beta)?;
                training.keep(&self.name, stats);
                Ok(y)
            }
            Pass::Look => {
                let stats = self.running.read().unwrap_or_else(|poisoned| poisoned.into_inner());
                normalise(x, &self.gamma, &self.beta, &stats)
            }
        }
    }
}

/// Layer normalisation over the last dimension.
pub(crate) struct LayerNorm {
    gamma: Tensor,
    beta: Tensor,
    epsilon: f32,
}

impl LayerNorm {
    /// With learned scale and shift.
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        width: usize,
        epsilon: f32,
    ) -> Result<Self> {
        let mut constant = |part: &str, value| {
            let var = builder.constant(format!("{name}.{part}"), &[width], value)?;
            Ok::<_, candle_core::Error>(var.as_tensor().clone())
        };
        Ok(Self { gamma: constant("gamma", 1.0)?, beta: constant("beta", 0.0)?, epsilon })
    }

    /// With a scale and a shift that nothing trains.
    pub(crate) fn fixed(gamma: Tensor, beta: Tensor, epsilon: f32) -> Self {
        Self { gamma, beta, epsilon }
    }

    /// Without.
    pub(crate) fn plain(width: usize, epsilon: f32) -> Result<Self> {
        let gamma = Tensor::ones(width, DType::F32, &Device::Cpu)?;
        Ok(Self { beta: gamma.zeros_like()?, gamma, epsilon })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.gamma, &self.beta, self.epsilon)
    }

    /// The layer as a step of a residual branch.
    pub(crate) fn step(&self) -> Step {
        let Self { gamma, beta, epsilon } = self;
        Step::LayerNorm { gamma: gamma.clone(), beta: beta.clone(), epsilon: *epsilon }
    }
}

/// Convolution, batch normalisation and perhaps a ReLU; they are passed as a stack.
pub(crate) struct ConvBlock {
    weight: Var,
    bias: Option<Var>,
    shape: ConvShape,
    relu: bool,
    norm: BatchNorm,
}

impl ConvBlock {
    /// With a ReLU.
    pub(crate) fn new(
        builder: &mut Builder,
        name: &str,
        shape: ConvShape,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Self> {
        let window = shape.kernel * shape.kernel * inputs;
        let bound = (3.0 / window as f32).sqrt();
        Ok(Self {
            weight: builder.uniform(format!("{name}.weight"), &[window, outputs], bound)?,
            bias: None,
            shape,
            relu: true,
            norm: BatchNorm::new(builder, &format!("{name}.norm"), outputs)?,
        })
    }

    /// A linear map of each pixel, with a bias and without a ReLU; initialised as a [`Linear`].
    pub(crate) fn pointwise(
        builder: &mut Builder,
        name: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<Self> {
        let bound = 1.0 / (inputs as f32).sqrt();
        Ok(Self {
            weight: builder.uniform(format!("{name}.weight"), &[inputs, outputs], bound)?,
            bias: Some(builder.constant(format!("{name}.bias"), &[outputs], 0.0)?),
            shape: ConvShape { kernel: 1, stride: 1, padding: 0 },
            relu: false,
            norm: BatchNorm::new(builder, &format!("{name}.norm"), outputs)?,
        })
    }

    /// Images `[n, h, w, c]` through all the blocks, `[n, oh, ow, k]`, or to the positions of the k maps under a softmax
    /// with this log temperature, `[n, 2 k]`; no gradient by the images.
    pub(crate) fn stack(
        blocks: &[Self],
        x: &Tensor,
        log_temperature: Option<&Tensor>,
        pass: &Pass,
    ) -> Result<Tensor> {
        let stack: Vec<Block<'_>> = blocks
            .iter()
            .map(|block| Block {
                shape: block.shape,
                relu: block.relu,
                weight: &block.weight,
                bias: block.bias.as_ref().map(Var::as_tensor),
                gamma: &block.norm.gamma,
                beta: &block.norm.beta,
            })
            .collect();
        match pass {
            Pass::Train(training) => {
                let (y, stats) = conv_stack(x, &stack, log_temperature, training.products.clone())?;
                for (block, stats) in blocks.iter().zip(stats) {
                    training.keep(&block.norm.name, stats);
                }
                Ok(y)
            }
            Pass::Look => {
                let stats: Vec<BatchStats> = blocks
                    .iter()
                    .map(|block| {
                        block
                            .norm
                            .running
                            .read()
                            .unwrap_or_else(|poisoned| poisoned.into_inner())
                            .clone()
                    })
                    .collect();
                conv_stack_with(x, &stack, log_temperature, &stats)
            }
        }
    }
}

/// A single learned number.
pub(crate) fn scalar(builder: &mut Builder, name: &str, value: f32) -> Result<Var> {
    builder.constant(name.to_owned(), &[1], value)
}

/// The values of a tensor in row-major order.
pub(crate) fn values(tensor: &Tensor) -> std::result::Result<Vec<f32>, ModelError> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?)
}
