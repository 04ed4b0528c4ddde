//! The recipes in assets/recipes, made small, on a tiny world.

mod common;
#[path = "common/dinov2.rs"]
mod dinov2;

use common::world;
use housecat_core::Seed;
use housecat_model::*;
use std::path::Path;

/// The model and the training of a recipe, at the paper's sizes.
fn recipe(name: &str) -> (ModelConfig, TrainConfig) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/recipes");
    let text = std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    let model = table.remove("model").unwrap().try_into().unwrap();
    let train = table.remove("train").unwrap().try_into().unwrap();
    assert_eq!(table["input"].as_str(), Some("pixels"));
    assert!(table["planner"].is_table());
    (model, train)
}

/// The same for images of 16 x 16 and a budget of a few seconds.
fn small(name: &str, folder: &Path) -> (ModelConfig, TrainConfig) {
    let (mut model, mut train) = recipe(name);
    (model.latent_dim, model.action_repeat) = (6, 2);
    match &mut model.encoder {
        EncoderConfig::Vit { patch, depth, width, mlp, projector, .. } => {
            (*patch, *depth, *width, *mlp, *projector) = (4, 2, 12, 24, 24);
        }
        EncoderConfig::Frozen { path, heads, channels, projector } => {
            *path = dinov2::write(folder, "");
            (*heads, *channels, *projector) = (2, 4, 24);
        }
        other => panic!("{other:?}"),
    }
    let PredictorConfig::Transformer { depth, heads, head_dim, mlp, .. } = &mut model.predictor
    else {
        panic!("{:?}", model.predictor)
    };
    (*depth, *heads, *head_dim, *mlp) = (2, 2, 8, 24);
    if let Some(head) = &mut model.inverse_dynamics {
        head.hidden = 16;
    }
    (train.steps, train.batch, train.validation) = (STEPS, 16, 0.2);
    train.optimizer.learning_rate = 3e-3;
    for loss in &mut train.loss {
        if let LossConfig::Sigreg { projections, .. } = loss {
            *projections = 16;
        }
    }
    (model, train)
}

const STEPS: u64 = 300;

#[test]
fn recipes_have_the_sizes_of_their_papers() {
    for (name, million) in [("lewm", 18.0), ("pldm", 18.3)] {
        let (model, train) = recipe(name);
        let image = housecat_core::ImageSpec { camera: "top".into(), width: 224, height: 224 };
        train.validate(&model).unwrap();
        let spec = ModelSpec {
            format: ModelSpec::FORMAT,
            sim: "push-t".into(),
            input: ModelInput::Pixels { image },
            actions: vec!["x".into(), "y".into()],
            model,
        };
        let parameters = WorldModel::new(spec, Seed::new(0)).unwrap().parameters() as f32 / 1e6;
        assert!((parameters - million).abs() < 0.1, "{name}: {parameters} million");
    }
    let (model, train) = recipe("dino-wm");
    train.validate(&model).unwrap();
}

#[test]
fn recipes_train() {
    let experience = world(30, 30);
    let folder = tempfile::tempdir().unwrap();
    for name in ["lewm", "pldm", "dino-wm"] {
        let (model, train) = small(name, folder.path());
        let spec = ModelSpec {
            format: ModelSpec::FORMAT,
            sim: "dot".into(),
            input: ModelInput::Pixels { image: experience.image.clone().unwrap() },
            actions: vec!["x".into(), "y".into()],
            model,
        };
        let mut trainer = Trainer::new(spec, train, &experience, Seed::new(1), 2).unwrap();
        let mut losses = Vec::new();
        for _ in 0..STEPS {
            let step = trainer.step().unwrap();
            assert!(!step.skipped, "{name}");
            losses.push(step.loss);
        }
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..20]), mean(&losses[losses.len() - 20..]));
        let report = trainer.validate().unwrap().unwrap();
        assert!(last < 0.7 * first, "{name}: {first} to {last}");
        assert!(report.next_latent < 0.9 * report.copy[0], "{name}: {report:?}");
        assert!(report.open_loop[1] < report.copy[1], "{name}: {report:?}");

        // A checkpoint is the model.
        let saved = folder.path().join(name);
        save_model(trainer.model(), &saved).unwrap();
        let loaded = load_model(&saved).unwrap();
        let frames = [0, 7];
        let want = trainer.model().encode_frames(&experience, &frames).unwrap();
        assert_eq!(loaded.encode_frames(&experience, &frames).unwrap(), want);
    }
}
