//! Models that see and feel.

mod common;
#[path = "common/small.rs"]
mod small;

use common::world;
use housecat_core::{Image, Observation, Seed};
use housecat_model::*;
use small::train_config;

#[test]
fn pixels_and_proprioception_train_together() {
    let experience = world(30, 30);
    let image = experience.image.clone().unwrap();
    let spec = |felt: &str| ModelSpec {
        format: ModelSpec::FORMAT,
        sim: "dot".into(),
        input: ModelInput::Both {
            image: image.clone(),
            names: experience.state_names.clone(),
            proprioception: vec![felt.to_owned()],
        },
        actions: vec!["x".into(), "y".into()],
        model: ModelConfig {
            latent_dim: 6,
            action_repeat: 2,
            encoder: EncoderConfig::Fused {
                pixels: Box::new(EncoderConfig::Keypoint { keypoints: 5, hidden: 16 }),
                hidden: 8,
            },
            predictor: PredictorConfig::Residual { hidden: 24, depth: 2, action_dim: 5 },
            ensemble: 1,
            reward: None,
            inverse_dynamics: None,
        },
    };
    // There is no reward head.
    let loss = |loss: &LossConfig| !matches!(loss, LossConfig::Reward { .. });
    let mut train = train_config(150);
    train.loss.retain(loss);
    let seed = Seed::new(1);
    let mut trainer = Trainer::new(spec("y"), train.clone(), &experience, seed, 2).unwrap();
    for _ in 0..train.steps {
        assert!(!trainer.step().unwrap().skipped);
    }
    let report = trainer.validate().unwrap().unwrap();
    assert!(report.next_latent < 0.7 * report.copy[0], "{report:?}");

    // What is felt counts, by name; the rest of the state is not looked at.
    let model = trainer.into_model();
    let latent = |x: f32, y: f32| {
        let pixels = experience.image(0).to_vec();
        let image = Image { width: image.width, height: image.height, pixels };
        model.encode(&[&Observation { state: vec![x, y], images: vec![image] }]).unwrap()
    };
    let state = experience.state(0);
    assert_eq!(latent(state[0], state[1]), model.encode_frames(&experience, &[0]).unwrap());
    assert_eq!(latent(99.0, state[1]), latent(state[0], state[1]));
    assert_ne!(latent(state[0], state[1] + 1.0), latent(state[0], state[1]));
    let blind = Observation { state: vec![1.0, 2.0], images: vec![] };
    assert!(model.encode(&[&blind]).err().unwrap().to_string().contains("no image"));

    let error = Trainer::new(spec("z"), train, &experience, seed, 1).err().unwrap().to_string();
    assert!(error.contains("proprioception") && error.contains("x, y"), "{error}");
}
