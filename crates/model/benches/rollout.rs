//! Time of one latent rollout at planning sizes, and its rate beside this machine's matrix product:
//! the best of many rounds. Under `cargo test` each round is done once.

use std::hint::black_box;
use std::time::Instant;

use housecat_core::{ImageSpec, Seed};
use housecat_model::{
    EncoderConfig, LatentRollout, ModelConfig, ModelInput, ModelSpec, PredictorConfig, WorldModel,
};

/// A model of what Push-T's `train.toml` configures: latent 32, blocks of 5 actions of 2.
fn model(latent_dim: usize, predictor: PredictorConfig, ensemble: usize) -> WorldModel {
    let spec = ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "bench".into(),
        input: ModelInput::Pixels {
            image: ImageSpec { camera: "top".into(), width: 64, height: 64 },
        },
        actions: vec!["x".into(), "y".into()],
        model: ModelConfig {
            latent_dim,
            action_repeat: 5,
            encoder: EncoderConfig::Keypoint { keypoints: 32, hidden: 256 },
            predictor,
            ensemble,
            reward: None,
            inverse_dynamics: None,
        },
    };
    WorldModel::new(spec, Seed::new(0)).expect("the configuration is valid")
}

/// Whether this is `cargo test`, which wants to know that it runs and not how fast.
fn once() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

/// Seconds of the fastest of the rounds that fit in two seconds.
fn best(mut round: impl FnMut()) -> f64 {
    let once = once();
    let (begun, mut best) = (Instant::now(), f64::INFINITY);
    while best.is_infinite() || (!once && begun.elapsed().as_secs_f64() < 2.0) {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// GFLOP/s of a square product of this size on one thread.
fn peak(size: usize) -> f64 {
    let (a, b) = (vec![1.0_f32; size * size], vec![1.0_f32; size * size]);
    let mut c = vec![0.0_f32; size * size];
    let row = size as isize;
    let seconds = best(|| {
        // SAFETY: the three buffers hold row-major squares of this size.
        unsafe {
            gemm::gemm(
                size,
                size,
                size,
                c.as_mut_ptr(),
                1,
                row,
                false,
                a.as_ptr(),
                1,
                row,
                b.as_ptr(),
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
    });
    2.0 * (size as f64).powi(3) / seconds / 1e9
}

/// One rollout of `samples` plans; `flops` is what the predictor's products need for one block.
fn roll(name: &str, rollout: &mut LatentRollout, samples: usize, flops: f64, peak: f64) {
    // `cargo bench -p housecat-model --bench rollout -- LeWM` does those alone.
    let mut wanted = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).peekable();
    if wanted.peek().is_some() && !wanted.any(|part| name.contains(&part)) {
        return;
    }
    let horizon = 5;
    let mut start = vec![0.0; rollout.latent_dim()];
    let mut actions = vec![0.0; samples * horizon * rollout.block_dim()];
    let mut rng = Seed::new(1).rng();
    rng.fill_normal(&mut start);
    rng.fill_normal(&mut actions);
    let seconds = best(|| {
        black_box(rollout.roll(&start, None, &actions, samples, horizon));
    });
    report(name, seconds, flops * (samples * horizon) as f64, peak);
}

/// The same, kept and pulled back to the actions.
fn gradients(name: &str, rollout: &mut LatentRollout, samples: usize, flops: f64, peak: f64) {
    let horizon = 5;
    let start = vec![0.1; rollout.latent_dim()];
    let actions = vec![0.2; samples * horizon * rollout.block_dim()];
    let by_latents = vec![0.3; samples * horizon * rollout.latent_dim()];
    let seconds = best(|| {
        rollout.roll_with_grads(&start, None, &actions, samples, horizon);
        black_box(rollout.gradients(&by_latents, None).is_ok());
    });
    report(name, seconds, flops * (samples * horizon) as f64, peak);
}

fn report(name: &str, seconds: f64, flops: f64, peak: f64) {
    let rate = flops / seconds / 1e9;
    println!(
        "{name:<44} {:>9.3} ms {rate:>7.1} GFLOP/s, {:>3.0} % of one thread's product",
        1e3 * seconds,
        100.0 * rate / peak
    );
}

fn main() {
    let peak = peak(if once() { 64 } else { 1024 });
    println!("{:<44} {:>12} {peak:>7.1} GFLOP/s", "product of 1024^3, one thread", "");
    let (d, block, hidden) = (32, 10, 256);
    let flops = 2.0 * (hidden * (2 * d + 2 * block) + hidden * hidden + hidden * d) as f64;
    let small = model(d, PredictorConfig::Residual { hidden, depth: 2, action_dim: 32 }, 1);
    let mut rollout = small.latent_rollout().expect("the weights can be read");
    for (samples, threads) in [(1, 1), (128, 1), (128, 2), (512, 1), (512, 2)] {
        rollout.set_threads(threads);
        let name = format!("residual {samples} x 5, {threads} threads");
        roll(&name, &mut rollout, samples, flops, peak);
    }
    rollout.set_threads(1);
    gradients("residual 128 x 5 and gradients", &mut rollout, 128, 2.0 * flops, peak);
    let five = model(d, PredictorConfig::Residual { hidden, depth: 2, action_dim: 32 }, 5);
    let mut rollout = five.latent_rollout().expect("the weights can be read");
    roll("residual x 5 members 128 x 5", &mut rollout, 128, 5.0 * flops, peak);
    if once() {
        return;
    }

    // LeWorldModel's planning size; beside it, what a rollout costs that works out every window's every token.
    let (d, depth, inner, mlp, history) = (192, 6, 16 * 64, 2048, 3);
    let token = depth * (4 * d * inner + 2 * d * mlp + 6 * d * d) + 2 * d * mlp;
    let tokens: usize = (1..=5).map(|step: usize| step.min(history)).sum();
    let flops = 2.0 * (token * tokens) as f64 / 5.0;
    let predictor =
        PredictorConfig::Transformer { depth, heads: 16, head_dim: 64, mlp, history, dropout: 0.1 };
    let large = model(d, predictor, 1);
    let mut rollout = large.latent_rollout().expect("the weights can be read");
    for threads in [1, 2] {
        rollout.set_threads(threads);
        roll(&format!("LeWM 300 x 5, {threads} threads"), &mut rollout, 300, flops, peak);
    }
}
