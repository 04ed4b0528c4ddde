//! Every encoder on random images and states.

use super::*;
use crate::ops::check;
use candle_core::Var;
use housecat_core::Seed;
use std::path::PathBuf;

#[path = "../../tests/common/dinov2.rs"]
mod dinov2;

const D: usize = 5;
const IMAGE: usize = 16;

fn image() -> ImageSpec {
    ImageSpec { camera: "top".into(), width: IMAGE, height: IMAGE }
}

fn both() -> ModelInput {
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    ModelInput::Both { image: image(), proprioception: vec!["c".into(), "a".into()], names }
}

/// Every kind (of images of 16 x 16), with what it sees.
pub(crate) fn kinds(folder: &std::path::Path) -> Vec<(EncoderConfig, ModelInput)> {
    let pixels = [
        EncoderConfig::Keypoint { keypoints: 3, hidden: 6 },
        EncoderConfig::Conv { channels: vec![4, 6] },
        EncoderConfig::Vit { patch: 8, depth: 2, heads: 2, width: 6, mlp: 9, projector: 7 },
        EncoderConfig::Frozen {
            path: dinov2::write(folder, ""),
            heads: 2,
            channels: 3,
            projector: 7,
        },
    ];
    let fused = pixels.iter().map(|config| {
        (EncoderConfig::Fused { pixels: Box::new(config.clone()), hidden: 4 }, both())
    });
    let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let states = [(EncoderConfig::Mlp { hidden: 6 }, ModelInput::State { names })];
    let alone = pixels.iter().map(|config| (config.clone(), ModelInput::Pixels { image: image() }));
    alone.chain(fused).chain(states).collect()
}

/// An encoder off its starting weights, and what it was built with.
fn encoder(config: &EncoderConfig, input: &ModelInput) -> (Encoder, Builder) {
    let mut builder = Builder::new(Seed::new(0));
    let encoder = Encoder::new(&mut builder, config, input, D).unwrap();
    for (name, var) in &builder.variables {
        let moved = check::normal(name, var.dims()).as_tensor() * 0.2;
        var.set(&(var.as_tensor() + moved).unwrap()).unwrap();
    }
    (encoder, builder)
}

pub(crate) fn senses(input: &ModelInput, n: usize) -> Senses {
    let states = input.felt().unwrap().len();
    let random = |name: &str, shape: &[usize]| {
        let values = (check::normal(name, shape).as_tensor() * 0.5).unwrap();
        values.detach()
    };
    Senses {
        pixels: input.image().map(|_| random("image", &[n, IMAGE, IMAGE, 3])),
        state: (states > 0).then(|| random("state", &[n, states])),
    }
}

#[test]
fn gradients_match_differences() {
    let folder = tempfile::tempdir().unwrap();
    for (config, input) in kinds(folder.path()) {
        let (encoder, builder) = encoder(&config, &input);
        let vars: Vec<&Var> = builder.variables.iter().map(|(_, var)| var).collect();
        let senses = senses(&input, 6);
        let target = check::normal("target", &[6, D]).as_tensor().detach();
        check::gradients_left(&vars, 1e-3, 2e-2, &|| {
            let pass = Pass::train(Seed::new(1).rng(), crate::Precision::F32, Default::default());
            let loss = (encoder.forward(&senses, &pass)? * &target)?.mean_all()?;
            Ok((loss, pass.products().gradients))
        });
    }
}

#[test]
fn every_row_has_its_own_latent() {
    let folder = tempfile::tempdir().unwrap();
    for (config, input) in kinds(folder.path()) {
        let (encoder, _) = encoder(&config, &input);
        let rows = |senses: &Senses| {
            encoder.forward(senses, &Pass::Look).unwrap().to_vec2::<f32>().unwrap()
        };
        let whole = senses(&input, 4);
        let all = rows(&whole);
        assert_eq!((all.len(), all[0].len()), (4, D));
        for (row, want) in all.iter().enumerate() {
            let part = |x: &Option<Tensor>| x.as_ref().map(|x| x.narrow(0, row, 1).unwrap());
            let one = Senses { pixels: part(&whole.pixels), state: part(&whole.state) };
            for (got, want) in rows(&one)[0].iter().zip(want) {
                assert!((got - want).abs() < 1e-5, "{config:?}: {got} {want}");
            }
        }
        assert!(all[0] != all[1], "{config:?}");
    }
}

#[test]
fn a_frozen_trunk_has_no_variables_and_any_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let input = ModelInput::Pixels { image: image() };
    let latents = |path: PathBuf| {
        let config = EncoderConfig::Frozen { path, heads: 2, channels: 3, projector: 7 };
        let (encoder, builder) = encoder(&config, &input);
        let names: Vec<&str> = builder.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert!(
            names.iter().all(|name| name.starts_with("encoder.channels.")
                || name.starts_with("encoder.projection.")),
            "{names:?}"
        );
        encoder.forward(&senses(&input, 2), &Pass::Look).unwrap().to_vec2::<f32>().unwrap()
    };
    let bare = latents(dinov2::write(folder.path(), ""));
    assert_eq!(bare, latents(dinov2::write(folder.path(), "dinov2.")));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |config: &EncoderConfig, input: &ModelInput| {
        let model = crate::ModelConfig {
            latent_dim: D,
            action_repeat: 1,
            encoder: config.clone(),
            predictor: crate::PredictorConfig::Residual { hidden: 4, depth: 2, action_dim: 2 },
            ensemble: 1,
            reward: None,
            inverse_dynamics: None,
        };
        let spec = crate::ModelSpec {
            format: crate::ModelSpec::FORMAT,
            sim: "test".into(),
            input: input.clone(),
            actions: vec!["x".into()],
            model,
        };
        crate::WorldModel::new(spec, Seed::new(0)).err().unwrap().to_string()
    };
    let pixels = ModelInput::Pixels { image: image() };
    let vit = |patch, heads| EncoderConfig::Vit {
        patch,
        depth: 1,
        heads,
        width: 6,
        mlp: 9,
        projector: 7,
    };
    let error = refuse(&vit(7, 2), &pixels);
    assert!(error.contains("model.encoder.patch") && error.contains("16x16"), "{error}");
    let error = refuse(&vit(8, 4), &pixels);
    assert!(error.contains("model.encoder.heads") && error.contains("width 6"), "{error}");
    let error = refuse(&EncoderConfig::Conv { channels: vec![4; 5] }, &pixels);
    assert!(error.contains("model.encoder.channels"), "{error}");
    let fused = |pixels| EncoderConfig::Fused { pixels: Box::new(pixels), hidden: 4 };
    assert!(refuse(&fused(vit(8, 2)), &pixels).contains("model.encoder.kind"));
    assert!(refuse(&vit(8, 2), &both()).contains("use `fused`"));
    assert!(refuse(&fused(EncoderConfig::Mlp { hidden: 3 }), &both()).contains("pixels.kind"));
    let mut blind = both();
    if let ModelInput::Both { proprioception, .. } = &mut blind {
        proprioception.push("z".into());
    }
    let error = refuse(&fused(vit(8, 2)), &blind);
    assert!(error.contains("proprioception") && error.contains("a, b, c"), "{error}");

    let frozen =
        |path: PathBuf, heads| EncoderConfig::Frozen { path, heads, channels: 3, projector: 7 };
    let error = refuse(&frozen(folder.path().join("none.safetensors"), 2), &pixels);
    assert!(error.contains("none.safetensors"), "{error}");
    let path = dinov2::write(folder.path(), "");
    assert!(refuse(&frozen(path.clone(), 3), &pixels).contains("model.encoder.heads"));
    let odd = ImageSpec { camera: "top".into(), width: 16, height: 18 };
    assert!(refuse(&frozen(path, 2), &ModelInput::Pixels { image: odd }).contains("16x18"));
    let path = dinov2::write(folder.path(), "vision.");
    assert!(refuse(&frozen(path, 2), &pixels).contains("it lacks"));
}
