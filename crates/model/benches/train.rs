//! Time of one training step on random experience, and the rate of its matrix products beside this machine's.
//!
//!     cargo bench -p housecat-model --bench train -- [--model two-room] [--batch 128] [--threads 2] [--steps 20] \
//!         [--precision f32]
//!
//! One line of JSON: the fastest and the median step in ms, the processor's time of a step (all
//! threads), windows per second at the median, GFLOP/s of the products at the fastest, and the measured peak of one
//! thread. Under `cargo test` one small step is done.

use std::hint::black_box;
use std::time::Instant;

use housecat_core::{Experience, ImageSpec, Seed};
use housecat_model::{
    EncoderConfig, LossConfig, ModelConfig, ModelInput, ModelSpec, OptimizerConfig, Precision,
    PredictorConfig, Schedule, TrainConfig, Trainer,
};

/// What the command runs with, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EPISODES: usize = 20;
const LENGTH: usize = 60;
const WINDOW: usize = 4;

struct Case {
    model: ModelConfig,
    image: ImageSpec,
    loss: Vec<LossConfig>,
    /// Multiply-adds of one window, forward and backward.
    products: usize,
}

/// What two-room's `train.toml` configures (reacher's is the same).
fn two_room() -> Case {
    let (d, hidden, keypoints, action, steps) = (32, 256, 32, 32, WINDOW - 1);
    let conv = |pixels: usize, window: usize, outputs: usize| pixels * window * outputs;
    let first = conv(256, 8 * 8 * 3, 16);
    let rest = conv(256, 9 * 16, 32) + conv(256, 9 * 32, 32) + conv(256, 32, keypoints);
    let head = 2 * keypoints * (d + hidden) + hidden * d;
    let predictor = (2 * d + 2 * action) * hidden + hidden * hidden + hidden * d + 10 * action;
    Case {
        model: ModelConfig {
            latent_dim: d,
            action_repeat: 5,
            encoder: EncoderConfig::Keypoint { keypoints, hidden },
            predictor: PredictorConfig::Residual { hidden, depth: 2, action_dim: action },
            ensemble: 1,
            reward: None,
            inverse_dynamics: None,
        },
        image: ImageSpec { camera: "top".into(), width: 64, height: 64 },
        loss: vec![
            LossConfig::NextLatent { weight: 1.0 },
            LossConfig::Rollout { weight: 1.0 },
            LossConfig::Sigreg {
                weight: Schedule { start: 0.5, end: 0.05, from: 0.2, to: 0.6 },
                projections: 128,
                knots: 17,
            },
        ],
        // The image needs no gradient; a step is predicted from encoded latents and in open loop.
        products: WINDOW * (2 * first + 3 * (rest + head)) + 2 * steps * 3 * predictor,
    }
}

/// LeWorldModel's architecture (arXiv 2603.19312): next latent and SIGReg.
fn lewm(side: usize, patch: usize, depth: usize, predictor: PredictorConfig) -> Case {
    let PredictorConfig::Transformer { depth: blocks, heads, head_dim, mlp, .. } = predictor else {
        unreachable!("the predictor is a transformer")
    };
    let (d, inner, tokens) = (192, heads * head_dim, (side / patch).pow(2) + 1);
    // Of a token: maps to and from the attention, the perceptron; scores and sums over all tokens.
    let block = 4 * d * d + 2 * d * 4 * d + 2 * tokens * d;
    let projection = 2 * d * mlp;
    let image = tokens * (depth * block + patch * patch * 3 * d) + projection;
    let step = blocks * (4 * d * inner + 2 * d * mlp + 6 * d * d + 2 * 3 * inner) + projection;
    Case {
        model: ModelConfig {
            latent_dim: d,
            action_repeat: 5,
            encoder: EncoderConfig::Vit {
                patch,
                depth,
                heads: 3,
                width: d,
                mlp: 4 * d,
                projector: mlp,
            },
            predictor,
            ensemble: 1,
            reward: None,
            inverse_dynamics: None,
        },
        image: ImageSpec { camera: "top".into(), width: side, height: side },
        loss: vec![
            LossConfig::NextLatent { weight: 1.0 },
            LossConfig::Sigreg {
                weight: Schedule { start: 0.09, end: 0.09, from: 0.0, to: 1.0 },
                projections: 1024,
                knots: 17,
            },
        ],
        products: 3 * (WINDOW * image + (WINDOW - 1) * step),
    }
}

/// The published sizes, over images of so many pixels.
fn lewm_published(side: usize, patch: usize) -> Case {
    let (heads, head_dim, mlp) = (16, 64, 2048);
    lewm(side, patch, 12, transformer(6, heads, head_dim, mlp))
}

/// A model that a user of two cores might choose.
fn lewm_small() -> Case {
    lewm(64, 8, 4, transformer(2, 4, 48, 768))
}

fn transformer(depth: usize, heads: usize, head_dim: usize, mlp: usize) -> PredictorConfig {
    PredictorConfig::Transformer { depth, heads, head_dim, mlp, history: 3, dropout: 0.1 }
}

/// Episodes of random images and actions.
fn experience(image: &ImageSpec) -> Experience {
    let frames = EPISODES * LENGTH;
    let mut rng = Seed::new(5).rng();
    let mut actions = vec![0.0; 2 * frames];
    rng.fill_normal(&mut actions);
    Experience {
        images: (0..frames * image.bytes())
            .map(|_| rng.index(256) as u8)
            .collect::<Vec<u8>>()
            .into(),
        image: Some(image.clone()),
        action_dim: 2,
        actions,
        rewards: vec![0.0; frames],
        episodes: (0..EPISODES).map(|i| i * LENGTH..(i + 1) * LENGTH).collect(),
        ..Experience::default()
    }
}

/// The value behind `--name`.
fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg.strip_prefix("--") != Some(name));
    args.nth(1)
}

fn number(name: &str, default: usize) -> usize {
    option(name).map_or(default, |text| text.parse().expect("a number behind the option"))
}

/// Seconds that all threads of this process have computed, and the system for them: clearing memory is work, too.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(|ticks| ticks.parse::<f64>().unwrap_or(f64::NAN)).sum::<f64>();
    // Linux counts in hundredths for its users.
    ticks / 100.0
}

/// GFLOP/s of a square product on one thread.
fn peak(size: usize, rounds: usize) -> f64 {
    let (a, b) = (vec![1.0_f32; size * size], vec![1.0_f32; size * size]);
    let mut c = vec![0.0_f32; size * size];
    let (row, mut best) = (size as isize, f64::INFINITY);
    for _ in 0..rounds {
        let start = Instant::now();
        let (to, a, b) = (c.as_mut_ptr(), a.as_ptr(), b.as_ptr());
        // SAFETY: the three buffers hold row-major squares of this size.
        unsafe {
            gemm::gemm(
                size,
                size,
                size,
                to,
                1,
                row,
                false,
                a,
                1,
                row,
                b,
                1,
                row,
                0.0_f32,
                1.0_f32,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        black_box(&c);
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (size as f64).powi(3) / best / 1e9
}

fn main() {
    // SAFETY: nothing else runs yet; as the command does (its own pool would spin beside the replicas; freed memory is
    // kept for a minute).
    #[allow(clippy::disallowed_methods)]
    unsafe {
        // `mi_option_purge_delay`.
        libmimalloc_sys::mi_option_set_default(15, 60_000);
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    let once = std::env::args().any(|arg| arg == "--test");
    let name = option("model").unwrap_or_else(|| "two-room".to_owned());
    let case = match name.as_str() {
        "two-room" => two_room(),
        "lewm-small" => lewm_small(),
        "lewm-64" => lewm_published(64, 8),
        "lewm-224" => lewm_published(224, 14),
        other => panic!("no model `{other}`; there are two-room, lewm-small, lewm-64 and lewm-224"),
    };
    let batch = if once { 4 } else { number("batch", 128) };
    let (threads, steps) = (number("threads", 2), if once { 1 } else { number("steps", 20) });
    let experience = experience(&case.image);
    let spec = ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "bench".into(),
        input: ModelInput::Pixels { image: case.image },
        actions: vec!["x".into(), "y".into()],
        model: case.model,
    };
    let precision_name = option("precision").unwrap_or_else(|| "f32".to_owned());
    let precision = match precision_name.as_str() {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        other => panic!("no precision `{other}`; there are f32 and bf16"),
    };
    let residual = matches!(spec.model.predictor, PredictorConfig::Residual { .. });
    let config = TrainConfig {
        steps: 1000,
        batch,
        window: WINDOW,
        stride: 1,
        history_dropout: if residual { 0.15 } else { 0.0 },
        validation: 0.05,
        checkpoint_every: 1000,
        precision,
        optimizer: OptimizerConfig {
            learning_rate: 3e-3,
            muon: None,
            weight_decay: 1e-3,
            warmup: 0.05,
            clip_norm: 1.0,
        },
        predictor: None,
        loss: case.loss,
    };
    let mut trainer = Trainer::new(spec, config, &experience, Seed::new(0), threads)
        .expect("the configuration is valid");
    let mut step = || {
        let start = Instant::now();
        black_box(trainer.step().expect("a step"));
        1e3 * start.elapsed().as_secs_f64()
    };
    for _ in 0..if once { 0 } else { 2 } {
        step();
    }
    let before = processor_seconds();
    let mut times: Vec<f64> = (0..steps).map(|_| step()).collect();
    let cpu = 1e3 * (processor_seconds() - before) / steps as f64;
    times.sort_unstable_by(f64::total_cmp);
    let (fastest, median) = (times[0], times[times.len() / 2]);
    let peak = if once { peak(64, 1) } else { peak(1024, 5) };
    let rate = 2.0 * (case.products * batch) as f64 / fastest / 1e6;
    println!(
        "{{\"model\":\"{name}\",\"batch\":{batch},\"threads\":{threads},\"precision\":\"{}\",\"fastest_ms\":{fastest:.2},\
         \"median_ms\":{median:.2},\"cpu_ms\":{cpu:.1},\"windows_per_s\":{:.1},\
         \"gflops\":{rate:.1},\"peak_gflops_per_thread\":{peak:.1}}}",
        precision_name,
        1e3 * batch as f64 / median
    );
}
