//! Training as a whole on a tiny world: gradients everywhere, bits, resumption, the fast path, files.

mod common;
#[path = "common/small.rs"]
mod small;

use common::world;
use housecat_core::{Experience, ImageSpec, Observation, Seed};
use housecat_model::*;
use small::train_config;

fn spec(pixels: bool) -> ModelSpec {
    let names = vec!["x".to_owned(), "y".to_owned()];
    ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "dot".into(),
        input: match pixels {
            true => ModelInput::Pixels {
                image: ImageSpec { camera: "top".into(), width: 16, height: 16 },
            },
            false => ModelInput::State { names: names.clone() },
        },
        actions: names,
        model: ModelConfig {
            latent_dim: 6,
            action_repeat: 2,
            encoder: match pixels {
                true => EncoderConfig::Keypoint { keypoints: 5, hidden: 16 },
                false => EncoderConfig::Mlp { hidden: 16 },
            },
            predictor: PredictorConfig::Residual { hidden: 24, depth: 2, action_dim: 5 },
            ensemble: 1,
            reward: Some(RewardConfig { hidden: 8 }),
            inverse_dynamics: None,
        },
    }
}

/// The same with LeWorldModel's predictor, small.
fn transformer_spec() -> ModelSpec {
    let mut spec = spec(false);
    spec.model.predictor = PredictorConfig::Transformer {
        depth: 2,
        heads: 2,
        head_dim: 8,
        mlp: 24,
        history: 2,
        dropout: 0.1,
    };
    spec
}

/// Without the history dropout that only the residual predictor has.
fn transformer_config(steps: u64) -> TrainConfig {
    TrainConfig { history_dropout: 0.0, ..train_config(steps) }
}

/// The bits of every weight, through the file format.
fn bits(trainer: &Trainer<'_>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = save_checkpoint(trainer, folder.path(), Seed::new(1)).unwrap();
    [
        std::fs::read(path.join("model.safetensors")).unwrap(),
        std::fs::read(path.join("optimizer.safetensors")).unwrap(),
    ]
    .concat()
}

fn run(experience: &Experience, pixels: bool, steps: u64, threads: usize) -> Vec<u8> {
    let mut trainer =
        Trainer::new(spec(pixels), train_config(12), experience, Seed::new(1), threads).unwrap();
    for _ in 0..steps {
        trainer.step().unwrap();
    }
    bits(&trainer)
}

#[test]
fn every_variable_learns_and_prediction_improves() {
    let experience = world(30, 30);
    for pixels in [true, false] {
        // A step fails unless every variable receives a gradient.
        let mut trainer =
            Trainer::new(spec(pixels), train_config(150), &experience, Seed::new(1), 2).unwrap();
        for _ in 0..150 {
            assert!(!trainer.step().unwrap().skipped);
        }
        let report = trainer.validate().unwrap().unwrap();
        assert!(report.next_latent < 0.7 * report.copy[0], "{report:?}");
        assert!(report.open_loop[2] < report.copy[2], "{report:?}");
    }
}

#[test]
fn threads_do_not_change_bits() {
    let experience = world(10, 20);
    for pixels in [true, false] {
        assert_eq!(run(&experience, pixels, 4, 1), run(&experience, pixels, 4, 2));
    }
}

#[test]
fn an_encoder_may_look_at_every_third_block_and_the_predictor_learns_all_of_them() {
    let experience = world(20, 40);
    let later = PredictorTraining { multiple: 0.5, batch: 32, window: 6, learning_rate: 3e-3 };
    let config = TrainConfig { stride: 3, predictor: Some(later), ..train_config(150) };
    let mut trainer = Trainer::new(spec(true), config, &experience, Seed::new(1), 2).unwrap();
    for _ in 0..149 {
        assert!(!trainer.step().unwrap().skipped);
    }
    let far = trainer.validate().unwrap().unwrap();
    assert!(far.open_loop[0] < 0.7 * far.copy[0], "{far:?}");
    trainer.step().unwrap();
    let near = trainer.validate().unwrap().unwrap();
    assert_eq!((far.copy.len(), near.copy.len()), (3, 5));
    assert!(near.copy[0] < far.copy[0], "a block is a third of a stride: {near:?}, {far:?}");
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let experience = world(10, 20);
    let folder = tempfile::tempdir().unwrap();
    let seed = Seed::new(1);
    let new = || Trainer::new(spec(true), train_config(12), &experience, seed, 2).unwrap();
    let mut first = new();
    for _ in 0..5 {
        first.step().unwrap();
    }
    save_checkpoint(&first, folder.path(), seed).unwrap();
    let mut second = new();
    load_checkpoint(&mut second, &folder.path().join("last"), seed).unwrap();
    for _ in 0..3 {
        second.step().unwrap();
    }
    assert_eq!(bits(&second), run(&experience, true, 8, 1));
}

#[test]
fn predictors_go_on_alone_on_the_latents_of_a_finished_encoder() {
    let experience = world(10, 20);
    let seed = Seed::new(1);
    let later =
        PredictorTraining { multiple: 40.0 / 12.0, batch: 32, window: 6, learning_rate: 3e-3 };
    let config = TrainConfig { predictor: Some(later), ..train_config(12) };
    let new =
        |threads| Trainer::new(spec(true), config.clone(), &experience, seed, threads).unwrap();
    let mut one = new(1);
    for _ in 0..12 {
        one.step().unwrap();
    }
    let look = |trainer: &Trainer<'_>| trainer.model().encode_frames(&experience, &[0, 7]).unwrap();
    let (seen, before) = (look(&one), one.validate().unwrap().unwrap());
    assert_eq!(before.open_loop.len(), 5, "it judges windows of the second part");
    for _ in 0..10 {
        one.step().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    save_checkpoint(&one, folder.path(), seed).unwrap();
    for _ in 10..40 {
        one.step().unwrap();
    }
    assert_eq!(one.steps_done(), config.total_steps());
    assert_eq!(look(&one), seen, "the encoder moved");
    let after = one.validate().unwrap().unwrap();
    let sum = |validation: &Validation| validation.open_loop.iter().sum::<f32>();
    assert!(sum(&after) < 0.9 * sum(&before), "{after:?} after {before:?}");
    // The same bits on two threads, and continued from a checkpoint in the middle of the second part.
    let mut two = new(2);
    load_checkpoint(&mut two, &folder.path().join("last"), seed).unwrap();
    for _ in 10..40 {
        two.step().unwrap();
    }
    assert_eq!(bits(&one), bits(&two));
}

#[test]
fn the_fast_path_equals_the_training_path() {
    let experience = world(10, 20);
    let mut trainer =
        Trainer::new(spec(false), train_config(12), &experience, Seed::new(1), 1).unwrap();
    for _ in 0..12 {
        trainer.step().unwrap();
    }
    let model = trainer.into_model();
    let mut fast = model.latent_rollout().unwrap();
    let observe = |state: [f32; 2]| Observation { state: state.to_vec(), images: vec![] };
    let latents = model.encode(&[&observe([5.0, 6.0]), &observe([5.5, 6.5])]).unwrap();
    let (before, now) = latents.split_at(6);
    let mut rng = Seed::new(4).rng();
    let mut actions = vec![0.0; 7 * 3 * 4];
    rng.fill_normal(&mut actions);
    let block = [0.1, -0.2, 0.3, 0.4];
    for history in [None, Some((before, &block[..]))] {
        let want = model.roll_reference(now, history, &actions, 7, 3).unwrap();
        let got = fast.roll(now, history, &actions, 7, 3);
        for (got, want) in got.iter().zip(&want.0) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        let rewards = fast.rewards(now, &actions, 7, 3).unwrap();
        for (got, want) in rewards.iter().zip(&want.1) {
            assert!((got - want).abs() < 1e-5 * want.abs().max(1.0), "{got} {want}");
        }
    }
}

#[test]
fn a_transformer_trains_the_same_at_any_number_of_threads_and_resumed() {
    let experience = world(30, 30);
    let seed = Seed::new(1);
    let new = |steps, threads| {
        let config = transformer_config(steps);
        Trainer::new(transformer_spec(), config, &experience, seed, threads).unwrap()
    };
    let mut trainer = new(150, 2);
    for _ in 0..150 {
        assert!(!trainer.step().unwrap().skipped);
    }
    // Latents have unit variance; without a residual path, 150 steps do not yet beat standing still.
    let report = trainer.validate().unwrap().unwrap();
    assert!(report.next_latent < 0.2 && report.open_loop[2] < 0.4, "{report:?}");

    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (new(12, 1), new(12, 2));
    for step in 0..8 {
        one.step().unwrap();
        two.step().unwrap();
        if step == 4 {
            save_checkpoint(&one, folder.path(), seed).unwrap();
        }
    }
    let want = bits(&one);
    assert_eq!(bits(&two), want);
    let mut resumed = new(12, 2);
    load_checkpoint(&mut resumed, &folder.path().join("last"), seed).unwrap();
    for _ in 0..3 {
        resumed.step().unwrap();
    }
    assert_eq!(bits(&resumed), want);

    // The loaded model plans as the trained one.
    let path = save_checkpoint(&one, folder.path(), seed).unwrap();
    let (start, actions) = ([0.5; 6], [0.1; 3 * 2 * 4]);
    let mut loaded = load_model(&path).unwrap().latent_rollout().unwrap();
    let want = one.model().roll_reference(&start, None, &actions, 3, 2).unwrap().0;
    for (got, want) in loaded.roll(&start, None, &actions, 3, 2).iter().zip(&want) {
        assert!((got - want).abs() < 1e-5, "{got} {want}");
    }
}

#[test]
fn an_ensemble_trains_all_its_members_and_says_where_they_differ() {
    let experience = world(30, 30);
    let seed = Seed::new(1);
    let mut spec = spec(false);
    spec.model.ensemble = 3;
    let mut trainer = Trainer::new(spec, train_config(150), &experience, seed, 2).unwrap();
    let start = trainer.model().roll_reference(&[0.5; 6], None, &[0.1; 4], 1, 1).unwrap().0;
    for _ in 0..150 {
        // A step fails unless every variable of every member receives a gradient.
        assert!(!trainer.step().unwrap().skipped);
    }
    let report = trainer.validate().unwrap().unwrap();
    assert!(report.next_latent < 0.7 * report.copy[0], "{report:?}");
    assert!(report.open_loop[2] < report.copy[2], "{report:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = save_checkpoint(&trainer, folder.path(), seed).unwrap();
    let mut fast = load_model(&path).unwrap().latent_rollout().unwrap();
    let (near, far) = ([0.5; 6], [30.0; 6]);
    let mut spread = |z: &[f32]| {
        fast.roll(z, None, &[0.1; 4], 1, 1);
        fast.spread().unwrap()[0]
    };
    assert!(spread(&far) > 10.0 * spread(&near), "unknown latents are where members disagree");
    let end = trainer.model().roll_reference(&near, None, &[0.1; 4], 1, 1).unwrap().0;
    assert_ne!(start, end);
}

#[test]
fn a_single_predictor_is_written_and_read_as_before_there_were_ensembles() {
    let experience = world(10, 20);
    let folder = tempfile::tempdir().unwrap();
    let seed = Seed::new(1);
    let trainer = Trainer::new(spec(false), train_config(12), &experience, seed, 1).unwrap();
    let path = save_checkpoint(&trainer, folder.path(), seed).unwrap();
    let json = std::fs::read_to_string(path.join("config.json")).unwrap();
    assert!(!json.contains("ensemble"), "{json}");
    assert_eq!(load_model(&path).unwrap().spec(), &spec(false));
}

#[test]
fn checkpoints_are_refused_with_a_reason() {
    let experience = world(10, 20);
    let folder = tempfile::tempdir().unwrap();
    let seed = Seed::new(1);
    let trainer = Trainer::new(spec(true), train_config(12), &experience, seed, 1).unwrap();
    let path = save_checkpoint(&trainer, folder.path(), seed).unwrap();
    load_model(&path).unwrap();
    let text = |error: ModelError| error.to_string();

    let weights = path.join("model.safetensors");
    let good = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &good[..good.len() / 2]).unwrap();
    assert!(text(load_model(&path).err().unwrap()).contains("model.safetensors"));
    std::fs::write(&weights, b"nonsense").unwrap();
    assert!(text(load_model(&path).err().unwrap()).contains("not a usable checkpoint"));
    let mut poisoned = good.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights, poisoned).unwrap();
    assert!(text(load_model(&path).err().unwrap()).contains("not finite"));
    std::fs::write(&weights, &good).unwrap();

    let config = path.join("config.json");
    let json = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, json.replace("\"latent_dim\": 6", "\"latent_dim\": 7")).unwrap();
    assert!(text(load_model(&path).err().unwrap()).contains("wanted"));
    std::fs::write(&config, json.replace("\"format\": 1", "\"format\": 99")).unwrap();
    assert!(text(load_model(&path).err().unwrap()).contains("format 99"));
    std::fs::write(&config, &json).unwrap();

    let mut other = Trainer::new(spec(true), train_config(13), &experience, seed, 1).unwrap();
    assert!(
        text(load_checkpoint(&mut other, &path, seed).err().unwrap())
            .contains("another configuration")
    );
}

#[test]
fn nonsense_is_refused_by_name() {
    let experience = world(4, 20);
    let mut config = train_config(5);
    config.loss = vec![];
    let error = Trainer::new(spec(true), config, &experience, Seed::new(0), 1).err().unwrap();
    assert!(error.to_string().contains("[[loss]]"), "{error}");
    let mut config = train_config(5);
    config.window = 40;
    let error = Trainer::new(spec(true), config, &experience, Seed::new(0), 1).err().unwrap();
    assert!(error.to_string().contains("train.window"), "{error}");
    let mut config = train_config(5);
    config.stride = 0;
    let error = Trainer::new(spec(true), config, &experience, Seed::new(0), 1).err().unwrap();
    assert!(error.to_string().contains("train.stride"), "{error}");
    let config = train_config(5);
    let error = Trainer::new(transformer_spec(), config, &experience, Seed::new(0), 1).err();
    assert!(error.unwrap().to_string().contains("history_dropout"));
    let mut none = spec(true);
    none.model.ensemble = 0;
    let error = WorldModel::new(none, Seed::new(0)).err().unwrap();
    assert!(error.to_string().contains("model.ensemble"), "{error}");
    let mut spec_without = transformer_spec();
    if let PredictorConfig::Transformer { heads, .. } = &mut spec_without.model.predictor {
        *heads = 0;
    }
    let error = WorldModel::new(spec_without, Seed::new(0)).err().unwrap();
    assert!(error.to_string().contains("model.predictor.heads"), "{error}");
    let mut config = train_config(5);
    config.loss.pop();
    let mut trainer = Trainer::new(spec(true), config, &experience, Seed::new(0), 1).unwrap();
    let error = trainer.step().err().unwrap();
    assert!(error.to_string().contains("reward."), "{error}");
}

#[test]
fn a_loss_that_is_not_a_number_is_skipped_then_reported() {
    let mut experience = world(4, 20);
    experience.rewards.iter_mut().for_each(|reward| *reward = f32::NAN);
    let mut trainer =
        Trainer::new(spec(true), train_config(100), &experience, Seed::new(0), 1).unwrap();
    assert!(trainer.step().unwrap().skipped);
    let error = (0..100).find_map(|_| trainer.step().err()).unwrap();
    assert!(error.to_string().contains("learning_rate"), "{error}");
}
