//! Planning in TD-MPC2 of 5 million parameters (Hansen et al. 2024, arXiv 2310.16828): MPPI with 512 samples, 6 rounds and 3
//! steps, on the products that latent rollouts are made of. `tools/parity/planning/tdmpc2.py` runs it beside PyTorch, with the
//! same weights in both. Under `cargo test` it plans once.
//!
//!     cargo bench -p housecat-model --bench tdmpc2 -- [--weights FILE] [--threads 2] [--heads 2] [--rounds 20]
//!
//! Prints a JSON object: `ms` of every plan and `difference`, the largest between the returns of the file and ours,
//! relative to the largest return. The published planner evaluates all 5 heads of the value and averages 2: `--heads 5`.

// The crate's own, which are not public; with their tests, as far as a bench compiles these.
#[allow(dead_code, unused_imports)]
#[path = "../src/ops/math.rs"]
mod math;
#[allow(dead_code, unused_imports)]
#[path = "../src/ops/packed.rs"]
mod packed;

use housecat_core::{Rng, Seed};
use packed::{Addend, Packed, Source, stride};
use safetensors::SafeTensors;
use std::collections::HashMap;
use std::time::Instant;

const LATENT: usize = 512;
const WIDTH: usize = 512;
const ACTION: usize = 6;
const BINS: usize = 101;
const HEADS: usize = 5;
const SAMPLES: usize = 512;
const ELITES: usize = 64;
const FROM_POLICY: usize = 24;
const ITERATIONS: usize = 6;
const HORIZON: usize = 3;
const DISCOUNT: f32 = 0.99;
/// Samples that go through the network together.
const CHUNK: usize = 96;
/// Samples of a tile of the products.
const ROWS: usize = 12;

/// Arrays by name.
type Arrays = HashMap<String, Vec<f32>>;

struct Layer {
    weight: Packed,
    bias: Vec<f32>,
    norm: Option<Norm>,
}

/// Layer normalisation and what follows it.
struct Norm {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    /// A softmax in groups of 8 in place of Mish, x tanh(ln(1 + e^x)).
    simnorm: bool,
}

#[inline(always)]
fn finish_row(row: &mut [f32], norm: &Norm) {
    let scale = 1.0 / row.len() as f32;
    let lanes = |of: &dyn Fn(f32) -> f32, row: &[f32]| {
        let mut sums = [0.0; 16];
        for part in row.chunks_exact(16) {
            sums.iter_mut().zip(part).for_each(|(sum, &x)| *sum += of(x));
        }
        sums.iter().sum::<f32>() * scale
    };
    let mean = lanes(&|x| x, row);
    let variance = lanes(&|x| (x - mean) * (x - mean), row);
    let inverse = 1.0 / (variance + 1e-5).sqrt();
    for ((x, gamma), beta) in row.iter_mut().zip(&norm.gamma).zip(&norm.beta) {
        *x = (*x - mean) * inverse * gamma + beta;
    }
    if norm.simnorm {
        for group in row.chunks_exact_mut(8) {
            let top = group.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            group.iter_mut().for_each(|x| *x = math::exp(*x - top));
            let inverse = 1.0 / group.iter().sum::<f32>();
            group.iter_mut().for_each(|x| *x *= inverse);
        }
    } else {
        for x in row {
            // tanh(ln(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1)
            let e = math::exp(x.min(20.0));
            let square = e * (e + 2.0);
            *x *= square / (square + 2.0);
        }
    }
}

/// [`finish_row`] of rows `WIDTH` long and `stride(WIDTH)` apart.
fn finish(rows: &mut [f32], norm: &Norm) {
    #[inline(always)]
    fn body(rows: &mut [f32], norm: &Norm) {
        rows.chunks_exact_mut(stride(WIDTH)).for_each(|row| finish_row(&mut row[..WIDTH], norm));
    }
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn widest(rows: &mut [f32], norm: &Norm) {
            body(rows, norm);
        }
        #[target_feature(enable = "avx2")]
        fn wide(rows: &mut [f32], norm: &Norm) {
            body(rows, norm);
        }
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was detected on the line above.
            return unsafe { widest(rows, norm) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { wide(rows, norm) };
        }
    }
    body(rows, norm);
}

impl Layer {
    fn apply(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        bias: &[f32],
        out: &mut [f32],
        row: usize,
    ) {
        let out = &mut out[..rows * row];
        self.weight.product(rows, sources, [Some(Addend::bias(bias)), None], out, row);
        if let Some(norm) = &self.norm {
            finish(out, norm);
        }
    }
}

/// Three layers.
struct Net {
    layers: [Layer; 3],
    outputs: usize,
}

/// Buffers of a chunk.
struct Work {
    hidden: [Vec<f32>; 2],
    /// Of a net with few outputs.
    small: Vec<f32>,
}

impl Work {
    fn new() -> Self {
        let hidden = [(); 2].map(|()| vec![0.0; CHUNK * stride(WIDTH)]);
        Self { hidden, small: vec![0.0; CHUNK * stride(BINS)] }
    }
}

impl Net {
    fn new(arrays: &Arrays, name: &str, [inputs, outputs]: [usize; 2], simnorm: bool) -> Self {
        // As in PyTorch: a normed layer has two parts, a plain one is itself.
        let layer = |index: usize, [inputs, outputs]: [usize; 2], simnorm: Option<bool>| {
            let of = |part: &str| arrays[&format!("{name}.{index}{part}")].clone();
            let linear = if simnorm.is_some() { ".l" } else { "" };
            let norm = |simnorm| Norm { gamma: of(".n.weight"), beta: of(".n.bias"), simnorm };
            Layer {
                weight: Packed::transposed(&of(&format!("{linear}.weight")), inputs, outputs),
                bias: of(&format!("{linear}.bias")),
                norm: simnorm.map(norm),
            }
        };
        let layers = [
            layer(0, [inputs, WIDTH], Some(false)),
            layer(1, [WIDTH, WIDTH], Some(false)),
            layer(2, [WIDTH, outputs], simnorm.then_some(true)),
        ];
        Self { layers, outputs }
    }

    /// What the first layer makes of a latent that all samples share, its bias included.
    fn share(&self, latent: &[f32]) -> Vec<f32> {
        let mut base = vec![0.0; stride(WIDTH)];
        let source = Source { values: latent, stride: 0, width: LATENT, row: 0 };
        let bias = [Some(Addend::bias(&self.layers[0].bias)), None];
        self.layers[0].weight.product(1, &[source], bias, &mut base, stride(WIDTH));
        base
    }

    /// Of rows into `out`, `stride(outputs)` apart. `base` is in place of the bias.
    fn apply(
        &self,
        rows: usize,
        sources: &[Source<'_>],
        base: Option<&[f32]>,
        [h1, h2]: &mut [Vec<f32>; 2],
        out: &mut [f32],
    ) {
        let wide = stride(WIDTH);
        let [first, second, third] = &self.layers;
        first.apply(rows, sources, base.unwrap_or(&first.bias), h1, wide);
        let hidden = Source { values: h1, stride: wide, width: WIDTH, row: 0 };
        second.apply(rows, &[hidden], &second.bias, h2, wide);
        let hidden = Source { values: h2, stride: wide, width: WIDTH, row: 0 };
        third.apply(rows, &[hidden], &third.bias, out, stride(self.outputs));
    }
}

/// Latents of a chunk as inputs.
fn here(latents: &[f32]) -> Source<'_> {
    Source { values: latents, stride: stride(WIDTH), width: LATENT, row: 0 }
}

struct Model {
    dynamics: Net,
    reward: Net,
    policy: Net,
    values: Vec<Net>,
}

/// The number that a categorical over bins of symmetric logarithms stands for.
fn scalar(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut total) = (0.0, 0.0);
    for (index, logit) in logits.iter().enumerate() {
        let weight = math::exp(logit - top);
        sum += weight;
        total += weight * (index as f32 * 20.0 / (BINS - 1) as f32 - 10.0);
    }
    let value = total / sum;
    value.signum() * (value.abs().exp() - 1.0)
}

impl Model {
    fn new(arrays: &Arrays) -> Self {
        let both = LATENT + ACTION;
        let net = |name: &str, sizes, simnorm| Net::new(arrays, name, sizes, simnorm);
        Self {
            dynamics: net("dyn", [both, LATENT], true),
            reward: net("rew", [both, BINS], false),
            policy: net("pi", [LATENT, 2 * ACTION], false),
            values: (0..HEADS).map(|head| net(&format!("q.{head}"), [both, BINS], false)).collect(),
        }
    }

    /// Actions of the policy at latents, with this noise `[rows, A]`.
    fn act(&self, rows: usize, latents: Source<'_>, noise: &[f32], work: &mut Work) -> Vec<f32> {
        self.policy.apply(rows, &[latents], None, &mut work.hidden, &mut work.small);
        let outputs = work.small.chunks_exact(stride(2 * ACTION)).take(rows);
        let act = |(out, noise): (&[f32], &[f32])| -> Vec<f32> {
            let (mean, spread) = out[..2 * ACTION].split_at(ACTION);
            let terms = mean.iter().zip(spread).zip(noise);
            let action = terms.map(|((mean, spread), noise)| {
                let log = -10.0 + 6.0 * (spread.tanh() + 1.0);
                (mean + noise * log.exp()).tanh()
            });
            action.collect()
        };
        outputs.zip(noise.chunks_exact(ACTION)).flat_map(act).collect()
    }

    /// The discounted returns of samples that all begin in `start`: of actions `[S, H, A]`, then the policy with `noise`
    /// `[S, A]`, valued by the mean of the first two of so many `heads`.
    fn returns(&self, start: &[f32], actions: &[f32], noise: &[f32], heads: &[usize]) -> Vec<f32> {
        let mut work = Work::new();
        let [mut from, mut to] = [(); 2].map(|()| vec![0.0; CHUNK * stride(WIDTH)]);
        let shared = [self.reward.share(start), self.dynamics.share(start)];
        let mut returns = Vec::with_capacity(noise.len() / ACTION);
        let long = HORIZON * ACTION;
        for (actions, noise) in actions.chunks(CHUNK * long).zip(noise.chunks(CHUNK * ACTION)) {
            let rows = noise.len() / ACTION;
            let mut total = vec![0.0; rows];
            let mut discount = 1.0;
            for t in 0..HORIZON {
                let values = &actions[t * ACTION..];
                let action = Source { values, stride: long, width: ACTION, row: LATENT };
                let sources = [here(&from), action];
                let (sources, bases) = match t {
                    0 => (&sources[1..], shared.each_ref().map(|base| Some(&base[..]))),
                    _ => (&sources[..], [None, None]),
                };
                self.reward.apply(rows, sources, bases[0], &mut work.hidden, &mut work.small);
                let rewards = work.small.chunks_exact(stride(BINS));
                for (total, logits) in total.iter_mut().zip(rewards) {
                    *total += discount * scalar(&logits[..BINS]);
                }
                self.dynamics.apply(rows, sources, bases[1], &mut work.hidden, &mut to);
                std::mem::swap(&mut from, &mut to);
                discount *= DISCOUNT;
            }
            let last = self.act(rows, here(&from), noise, &mut work);
            let action = Source { values: &last, stride: ACTION, width: ACTION, row: LATENT };
            for (index, &head) in heads.iter().enumerate() {
                let sources = [here(&from), action];
                let net = &self.values[head];
                net.apply(rows, &sources, None, &mut work.hidden, &mut work.small);
                if index < 2 {
                    let values = work.small.chunks_exact(stride(BINS));
                    for (total, logits) in total.iter_mut().zip(values) {
                        *total += discount * scalar(&logits[..BINS]) / 2.0;
                    }
                }
            }
            returns.extend(total);
        }
        returns
    }

    /// [`Model::returns`] with the samples shared out.
    fn returns_on(
        &self,
        threads: usize,
        start: &[f32],
        actions: &[f32],
        noise: &[f32],
        heads: &[usize],
    ) -> Vec<f32> {
        let share = (noise.len() / ACTION).div_ceil(threads).next_multiple_of(ROWS);
        let long = HORIZON * ACTION;
        std::thread::scope(|scope| {
            let parts: Vec<_> = actions
                .chunks(share * long)
                .zip(noise.chunks(share * ACTION))
                .map(|(actions, noise)| {
                    scope.spawn(move || self.returns(start, actions, noise, heads))
                })
                .collect();
            parts.into_iter().flat_map(|part| part.join().expect("no part panics")).collect()
        })
    }

    /// The policy's own ways from `start`, `[24, H, A]`.
    fn ways(&self, start: &[f32], rng: &mut Rng) -> Vec<f32> {
        let mut work = Work::new();
        let row = stride(WIDTH);
        let mut latents = vec![0.0; FROM_POLICY * row];
        latents.chunks_exact_mut(row).for_each(|z| z[..LATENT].copy_from_slice(start));
        let mut ways = vec![0.0; FROM_POLICY * HORIZON * ACTION];
        for t in 0..HORIZON {
            let mut noise = vec![0.0; FROM_POLICY * ACTION];
            rng.fill_normal(&mut noise);
            let actions = self.act(FROM_POLICY, here(&latents), &noise, &mut work);
            for (way, action) in
                ways.chunks_exact_mut(HORIZON * ACTION).zip(actions.chunks_exact(ACTION))
            {
                way[t * ACTION..(t + 1) * ACTION].copy_from_slice(action);
            }
            if t + 1 < HORIZON {
                let action =
                    Source { values: &actions, stride: ACTION, width: ACTION, row: LATENT };
                let mut next = vec![0.0; FROM_POLICY * row];
                let sources = [here(&latents), action];
                self.dynamics.apply(FROM_POLICY, &sources, None, &mut work.hidden, &mut next);
                latents = next;
            }
        }
        ways
    }

    /// One decision: MPPI about the last plan's mean `[H, A]`, which is moved on.
    fn plan(&self, start: &[f32], mean: &mut [f32], threads: usize, heads: usize, rng: &mut Rng) {
        const LONG: usize = HORIZON * ACTION;
        let mut actions = self.ways(start, rng);
        actions.resize(SAMPLES * LONG, 0.0);
        mean.copy_within(ACTION.., 0);
        mean[LONG - ACTION..].fill(0.0);
        let mut std = [2.0; LONG];
        let mut noise = vec![0.0; SAMPLES * ACTION];
        for _ in 0..ITERATIONS {
            for plan in actions[FROM_POLICY * LONG..].chunks_exact_mut(LONG) {
                for ((value, mean), std) in plan.iter_mut().zip(&*mean).zip(&std) {
                    *value = (mean + std * rng.normal()).clamp(-1.0, 1.0);
                }
            }
            rng.fill_normal(&mut noise);
            let mut order: Vec<usize> = (0..HEADS).collect();
            rng.shuffle(&mut order);
            let returns = self.returns_on(threads, start, &actions, &noise, &order[..heads]);
            let mut best: Vec<usize> = (0..SAMPLES).collect();
            best.sort_by(|&a, &b| returns[b].total_cmp(&returns[a]));
            best.truncate(ELITES);
            let weights: Vec<f32> =
                best.iter().map(|&i| (0.5 * (returns[i] - returns[best[0]])).exp()).collect();
            let sum: f32 = weights.iter().sum();
            for (k, (mean, std)) in mean.iter_mut().zip(&mut std).enumerate() {
                let values = || best.iter().map(|&i| actions[i * LONG + k]).zip(&weights);
                *mean = values().map(|(value, weight)| value * weight).sum::<f32>() / sum;
                let square = values().map(|(value, weight)| weight * (value - *mean).powi(2));
                *std = (square.sum::<f32>() / sum).sqrt().clamp(0.05, 2.0);
            }
        }
    }
}

/// Weights at random, in PyTorch's layout and by its names.
fn random() -> Arrays {
    let mut rng = Seed::new(0).rng();
    let mut arrays = Arrays::new();
    let mut net = |name: String, inputs: usize, outputs: usize, normed: bool| {
        for (index, [inputs, outputs]) in
            [[inputs, WIDTH], [WIDTH, WIDTH], [WIDTH, outputs]].into_iter().enumerate()
        {
            let linear = if index < 2 || normed { ".l" } else { "" };
            let bound = 1.0 / (inputs as f32).sqrt();
            let weight = (0..inputs * outputs).map(|_| rng.uniform(-bound, bound)).collect();
            arrays.insert(format!("{name}.{index}{linear}.weight"), weight);
            arrays.insert(format!("{name}.{index}{linear}.bias"), vec![0.0; outputs]);
            arrays.insert(format!("{name}.{index}.n.weight"), vec![1.0; outputs]);
            arrays.insert(format!("{name}.{index}.n.bias"), vec![0.0; outputs]);
        }
    };
    net("dyn".into(), LATENT + ACTION, LATENT, true);
    net("rew".into(), LATENT + ACTION, BINS, false);
    net("pi".into(), LATENT, 2 * ACTION, false);
    (0..HEADS).for_each(|head| net(format!("q.{head}"), LATENT + ACTION, BINS, false));
    arrays
}

fn read(path: &str) -> Arrays {
    let bytes = std::fs::read(path).expect("the file of weights is there");
    let file = SafeTensors::deserialize(&bytes).expect("it is safetensors");
    let values = |data: &[u8]| -> Vec<f32> {
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    file.iter().map(|(name, view)| (name.to_owned(), values(view.data()))).collect()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option =
        |name: &str| args.iter().position(|arg| arg == name).map(|at| args[at + 1].clone());
    let number = |name: &str, or: usize| {
        option(name).map_or(or, |value| value.parse().expect("it is a whole number"))
    };
    let once = args.iter().any(|arg| arg == "--test");
    let (threads, heads) = (number("--threads", 2), number("--heads", 2).clamp(2, HEADS));
    let rounds = if once { 1 } else { number("--rounds", 20) };
    let arrays = option("--weights").map_or_else(random, |path| read(&path));
    let model = Model::new(&arrays);
    let difference = arrays.get("returns").map(|theirs| {
        let [start, actions, noise] = ["start", "actions", "noise"].map(|name| &arrays[name]);
        let ours = model.returns_on(threads, start, actions, noise, &[0, 1]);
        let most = theirs.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
        apart.fold(0.0, f32::max) / most
    });
    let mut rng = Seed::new(1).rng();
    // A latent is made of softmaxes over 8.
    let start = arrays.get("start").cloned().unwrap_or_else(|| vec![0.125; LATENT]);
    let mut mean = [0.0; HORIZON * ACTION];
    let mut clock = || {
        let begun = Instant::now();
        model.plan(&start, &mut mean, threads, heads, &mut rng);
        begun.elapsed().as_secs_f64() * 1e3
    };
    if !once {
        clock();
    }
    let ms: Vec<f64> = (0..rounds).map(|_| clock()).collect();
    assert!(mean.iter().all(|value| value.abs() <= 1.0), "{mean:?}");
    let report = serde_json::json!({
        "threads": threads, "heads": heads, "ms": ms, "difference": difference,
    });
    println!("{report}");
}
