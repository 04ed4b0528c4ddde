//! A stand-in for pretrained weights.

use housecat_core::Seed;
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};

/// Writes the file of a small `Dinov2Model`, width 8, patches of 4, one position for each of 3 x 3 patches.
pub fn write(folder: &Path, prefix: &str) -> PathBuf {
    let mut shapes = vec![
        ("embeddings.cls_token".to_owned(), vec![1, 1, 8]),
        ("embeddings.position_embeddings".to_owned(), vec![1, 10, 8]),
        ("embeddings.patch_embeddings.projection.weight".to_owned(), vec![8, 3, 4, 4]),
        ("embeddings.patch_embeddings.projection.bias".to_owned(), vec![8]),
        ("layernorm.weight".to_owned(), vec![8]),
        ("layernorm.bias".to_owned(), vec![8]),
    ];
    for layer in 0..2 {
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        let square = ["query", "key", "value"].map(|part| format!("attention.attention.{part}"));
        for part in square.iter().map(String::as_str).chain(["attention.output.dense"]) {
            shapes.push((at(&format!("{part}.weight")), vec![8, 8]));
            shapes.push((at(&format!("{part}.bias")), vec![8]));
        }
        for part in ["norm1", "norm2"] {
            shapes.push((at(&format!("{part}.weight")), vec![8]));
            shapes.push((at(&format!("{part}.bias")), vec![8]));
        }
        shapes.push((at("mlp.fc1.weight"), vec![12, 8]));
        shapes.push((at("mlp.fc1.bias"), vec![12]));
        shapes.push((at("mlp.fc2.weight"), vec![8, 12]));
        shapes.push((at("mlp.fc2.bias"), vec![8]));
        shapes.push((at("layer_scale1.lambda1"), vec![8]));
        shapes.push((at("layer_scale2.lambda1"), vec![8]));
    }
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let mut values = vec![0.0_f32; shape.iter().product()];
            Seed::new(7).child(&name, 0).rng().fill_normal(&mut values);
            let bytes = values.iter().flat_map(|value| (0.3 * value).to_le_bytes()).collect();
            (format!("{prefix}{name}"), shape, bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let path = folder.join("dinov2.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}
