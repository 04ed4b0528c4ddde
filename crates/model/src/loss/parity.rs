//! A training step of LeWorldModel against stable-worldmodel's own in PyTorch; `tools/parity/lewm` writes the files.

use super::*;
use crate::encoder::Senses;
use crate::layers::values;
use housecat_core::Seed;
use safetensors::SafeTensors;
use std::path::Path;

/// Of the loss.
const LAMBDA: f64 = 0.09;

/// Within 1e-4, relative to the largest of what is wanted.
fn assert_close(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= 1e-4 * scale + 1e-6, "{what}: {got}, PyTorch {want}");
    }
}

#[test]
fn a_step_learns_what_lewm_learns() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lewm");
    let model = crate::load_model(&folder).unwrap();
    let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let arrays = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| {
        let view = arrays.tensor(name).unwrap();
        let values = view.data().chunks_exact(4);
        let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Tensor::from_vec(values, view.shape(), &Device::Cpu).unwrap()
    };
    let want = |name: &str| values(&tensor(name)).unwrap();

    let (pixels, blocks) = (tensor("train.images"), tensor("train.blocks"));
    let size = pixels.dim(0).unwrap() - blocks.dim(0).unwrap();
    let steps = blocks.dim(0).unwrap() / size;
    let rows = Tensor::zeros((steps * size, 1), DType::F32, &Device::Cpu).unwrap();
    let batch = Batch {
        size,
        length: steps + 1,
        stride: 1,
        input: Input::Frames(Senses { pixels: Some(pixels), state: None }),
        blocks,
        rewards: rows.clone(),
        history: rows,
    };
    let pass = Pass::train(Seed::new(0).rng(), crate::Precision::F32, Default::default());
    let predictions = Predictions::new(&model, &batch, &pass).unwrap();
    assert_close("latents", &values(&predictions.latents).unwrap(), &want("train.embeddings"));
    let forced = &predictions.forced[0];
    assert_close("predictions", &values(forced).unwrap(), &want("train.predictions"));

    let prediction = mse(forced, &predictions.targets(&batch).unwrap()).unwrap();
    let shape = SigRegShape { groups: batch.length, knots: 17 };
    let normal = sigreg(&predictions.latents, want("train.projections"), shape).unwrap();
    let losses = [&prediction, &normal].map(|loss| loss.to_scalar::<f32>().unwrap());
    assert_close("losses", &losses, &want("train.losses"));

    let store = (prediction + (normal * LAMBDA).unwrap()).unwrap().backward().unwrap();
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (name, var) in &model.variables {
        let got = pass.gradient(&store, var).unwrap().unwrap();
        let want = want(&format!("gradient.{name}"));
        // Of a bias before a batch normalisation both are rounding.
        if largest(&want) > 1e-5 {
            assert_close(name, &got, &want);
        } else {
            assert!(largest(&got) < 1e-5, "{name}: {got:?}");
        }
    }
}
