//! LeWorldModel against stable-worldmodel's own in PyTorch; `tools/parity/lewm` writes the files.

use housecat_core::{Image, Observation};
use housecat_model::{LewmSource, ModelError, WorldModel, convert_lewm, load_model, save_model};
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lewm")
}

/// An array of what PyTorch gave, and its shape.
fn expected(name: &str) -> (Vec<f32>, Vec<usize>) {
    let bytes = std::fs::read(folder().join("expected.safetensors")).unwrap();
    let arrays = SafeTensors::deserialize(&bytes).unwrap();
    let view = arrays.tensor(name).unwrap();
    let values = view.data().chunks_exact(4);
    let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    (values, view.shape().to_vec())
}

/// Within 1e-4, relative to the largest of what is wanted.
fn assert_close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-4 * scale, "{what}: {got}, PyTorch {want}");
    }
}

/// The latents of the images.
fn encode(model: &WorldModel) -> Vec<f32> {
    let (bytes, shape) = expected("bytes");
    let [_, height, width, 3] = shape[..] else { panic!("{shape:?}") };
    let observations: Vec<Observation> = bytes
        .chunks(height * width * 3)
        .map(|bytes| {
            let pixels = bytes.iter().map(|&byte| byte as u8).collect();
            Observation { state: vec![], images: vec![Image { width, height, pixels }] }
        })
        .collect();
    model.encode(&observations.iter().collect::<Vec<_>>()).unwrap()
}

/// Checks open-loop predictions; `scale` turns PyTorch's actions into the model's.
fn check_rollouts(model: &WorldModel, scale: impl Fn(&[f32]) -> Vec<f32>) {
    let mut fast = model.latent_rollout().unwrap();
    let (d, block) = (fast.latent_dim(), fast.block_dim());
    let ((start, _), (actions, shape)) = (expected("start"), expected("actions"));
    let ((latents, _), (blocks, _)) = (expected("latents"), expected("blocks"));
    let (actions, blocks) = (scale(&actions), scale(&blocks));
    let (samples, horizon) = (shape[0], shape[1]);
    for known in 0..=latents.len() / d {
        let past = latents.len() / d - known;
        let before = (known > 0).then(|| (&latents[past * d..], &blocks[past * block..]));
        let (want, _) = expected(&format!("known{known}"));
        let slow = model.roll_reference(&start, before, &actions, samples, horizon).unwrap().0;
        assert_close("training path", &slow, &want);
        assert_close("fast path", fast.roll(&start, before, &actions, samples, horizon), &want);
    }
}

#[test]
fn encodes_and_predicts_what_lewm_does() {
    let model = load_model(&folder()).unwrap();
    assert_close("latents", &encode(&model), &expected("embeddings").0);
    check_rollouts(&model, <[f32]>::to_vec);
}

fn source() -> LewmSource {
    let actions = ["x".to_owned(), "y".to_owned()];
    LewmSource {
        encoder_heads: 2,
        predictor_heads: 2,
        dropout: 0.0,
        ..LewmSource::new("lewm", "top", &actions)
    }
}

#[test]
fn published_checkpoints_become_models() {
    for name in ["published.pt", "published.ckpt", "published.safetensors"] {
        let model = convert_lewm(&folder().join(name), &source()).unwrap();
        assert_eq!(model.spec(), load_model(&folder()).unwrap().spec(), "{name}");
        assert_close(name, &encode(&model), &expected("published").0);
        check_rollouts(&model, <[f32]>::to_vec);

        let saved = tempfile::tempdir().unwrap();
        let target = saved.path().join("models/lewm");
        save_model(&model, &target).unwrap();
        assert_eq!(encode(&load_model(&target).unwrap()), encode(&model));
        assert!(save_model(&model, &target).is_err(), "a folder that exists is left alone");
    }
}

#[test]
fn the_scaling_of_actions_is_taken_up() {
    let scaled =
        LewmSource { action_mean: vec![0.3, -2.0], action_std: vec![0.5, 3.0], ..source() };
    let model = convert_lewm(&folder().join("published.pt"), &scaled).unwrap();
    check_rollouts(&model, |actions| {
        let raw = |pair: &[f32]| [pair[0] * 0.5 + 0.3, pair[1] * 3.0 - 2.0];
        actions.chunks_exact(2).flat_map(raw).collect()
    });
}

#[test]
fn what_is_no_published_model_is_refused_with_a_reason() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("weights");
    let text = |error: ModelError| error.to_string();
    let good = std::fs::read(folder().join("published.pt")).unwrap();
    let refuse = |bytes: &[u8], source: &LewmSource| {
        std::fs::write(&path, bytes).unwrap();
        text(convert_lewm(&path, source).err().unwrap())
    };
    assert!(refuse(b"nonsense", &source()).contains("neither safetensors"));
    assert!(refuse(&good[..good.len() / 2], &source()).contains("not a zip"));
    let ours = std::fs::read(folder().join("model.safetensors")).unwrap();
    assert!(refuse(&ours, &source()).contains("no LeWorldModel"));
    // A damaged byte anywhere is an error or harmless, and never a panic.
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        std::fs::write(&path, bad).unwrap();
        let _ = convert_lewm(&path, &source());
    }
    let heads = LewmSource { predictor_heads: 3, ..source() };
    assert!(refuse(&good, &heads).contains("no multiple of 3 heads"));
    let heads = LewmSource { encoder_heads: 5, ..source() };
    assert!(refuse(&good, &heads).contains("model.encoder.heads"));
    let mut three = source();
    three.actions.push("z".into());
    assert!(refuse(&good, &three).contains("no whole number of 3 actions"));
    let still = LewmSource { action_std: vec![1.0, 0.0], ..source() };
    assert!(refuse(&good, &still).contains("must be positive"));
    let missing = text(convert_lewm(&scratch.path().join("none.pt"), &source()).err().unwrap());
    assert!(missing.contains("none.pt"), "{missing}");
}
