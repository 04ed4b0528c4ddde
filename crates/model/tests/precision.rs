//! Training with products of bf16: as well as with f32, and with the same promises about bits.

mod common;
#[path = "common/small.rs"]
mod small;

use common::world;
use housecat_core::{Experience, ImageSpec, Seed};
use housecat_model::*;
use small::train_config;

/// From which on both have learned and are no longer each on its own way.
const STEPS: u64 = 600;

/// LeWorldModel's encoder, small: 17 tokens, so that attention goes by products.
const VIT: EncoderConfig =
    EncoderConfig::Vit { patch: 4, depth: 2, heads: 2, width: 16, mlp: 32, projector: 32 };

/// Convolutions.
const KEYPOINT: EncoderConfig = EncoderConfig::Keypoint { keypoints: 8, hidden: 16 };

/// LeWorldModel's predictor behind an encoder.
fn spec(encoder: EncoderConfig) -> ModelSpec {
    let names = vec!["x".to_owned(), "y".to_owned()];
    let predictor = PredictorConfig::Transformer {
        depth: 2,
        heads: 2,
        head_dim: 8,
        mlp: 24,
        history: 3,
        dropout: 0.1,
    };
    ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "dot".into(),
        input: ModelInput::Pixels {
            image: ImageSpec { camera: "top".into(), width: 16, height: 16 },
        },
        actions: names,
        model: ModelConfig {
            latent_dim: 8,
            action_repeat: 2,
            encoder,
            predictor,
            ensemble: 1,
            reward: Some(RewardConfig { hidden: 8 }),
            inverse_dynamics: None,
        },
    }
}

fn trainer(
    experience: &Experience,
    encoder: EncoderConfig,
    precision: Precision,
    steps: u64,
    threads: usize,
) -> Trainer<'_> {
    let mut config = TrainConfig { precision, history_dropout: 0.0, ..train_config(steps) };
    config.optimizer.learning_rate = 1e-3;
    // Much of it, so that latents do not collapse in steps so few.
    config.loss[2] = LossConfig::Sigreg {
        weight: Schedule { start: 1.0, end: 1.0, from: 0.0, to: 1.0 },
        projections: 16,
        knots: 9,
    };
    Trainer::new(spec(encoder), config, experience, Seed::new(1), threads).unwrap()
}

/// The bits of every weight and moment, and what is said of the training, through the file format.
fn files(trainer: &Trainer<'_>) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = save_checkpoint(trainer, folder.path(), Seed::new(1)).unwrap();
    let read = |name| std::fs::read(path.join(name)).unwrap();
    let state = std::fs::read_to_string(path.join("state.json")).unwrap();
    ([read("model.safetensors"), read("optimizer.safetensors")].concat(), state)
}

#[test]
fn bf16_learns_as_f32_does() {
    let experience = world(30, 30);
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut trainer = trainer(&experience, VIT, precision, STEPS, 2);
        let losses: Vec<f32> = (0..STEPS)
            .map(|_| {
                let step = trainer.step().unwrap();
                assert!(!step.skipped);
                step.loss
            })
            .collect();
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[losses.len() - 20..]));
        [first, last, trainer.validate().unwrap().unwrap().next_latent]
    });
    #[cfg(target_arch = "x86_64")]
    assert_eq!(exact != rounded, std::arch::is_x86_feature_detected!("avx512bf16"));
    let [first, last, held_out] = rounded;
    assert!(last < 0.5 * first, "{rounded:?}");
    let alike = last < 1.1 * exact[1] && held_out < 1.5 * exact[2];
    assert!(alike, "{rounded:?}, in f32 {exact:?}");
}

#[test]
fn bf16_has_the_same_bits_at_any_number_of_threads_and_resumed() {
    same_bits(VIT);
    same_bits(KEYPOINT);
}

fn same_bits(encoder: EncoderConfig) {
    let experience = world(10, 20);
    let new = |threads| trainer(&experience, encoder.clone(), Precision::Bf16, 12, threads);
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (new(1), new(2));
    for step in 0..8 {
        one.step().unwrap();
        two.step().unwrap();
        if step == 4 {
            save_checkpoint(&one, folder.path(), Seed::new(1)).unwrap();
        }
    }
    let want = files(&one).0;
    assert_eq!(files(&two).0, want);
    let mut resumed = new(2);
    load_checkpoint(&mut resumed, &folder.path().join("last"), Seed::new(1)).unwrap();
    for _ in 0..3 {
        resumed.step().unwrap();
    }
    assert_eq!(files(&resumed).0, want);

    let mut other = trainer(&experience, encoder, Precision::F32, 12, 1);
    let error = load_checkpoint(&mut other, &folder.path().join("last"), Seed::new(1));
    assert!(error.unwrap_err().to_string().contains("another configuration"));
}

#[test]
fn what_is_trained_in_f32_is_written_as_before_there_was_a_choice() {
    let experience = world(10, 20);
    let state = |precision| files(&trainer(&experience, VIT, precision, 12, 1)).1;
    assert!(!state(Precision::F32).contains("precision"));
    assert!(state(Precision::Bf16).contains("\"precision\": \"bf16\""));
}
