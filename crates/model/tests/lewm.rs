//! The transformer predictor against stable-worldmodel's own in PyTorch; `tools/parity/lewm` writes the files.

use safetensors::SafeTensors;
use std::path::Path;

#[test]
fn predicts_what_lewm_predicts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lewm");
    let model = housecat_model::load_model(&folder).unwrap();
    let mut fast = model.latent_rollout().unwrap();
    let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
    let arrays = SafeTensors::deserialize(&bytes).unwrap();
    let array = |name: &str| -> Vec<f32> {
        let data = arrays.tensor(name).unwrap().data();
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let (d, block) = (fast.latent_dim(), fast.block_dim());
    let (start, actions) = (array("start"), array("actions"));
    let (latents, blocks) = (array("latents"), array("blocks"));
    let shape = arrays.tensor("actions").unwrap().shape().to_vec();
    let (samples, horizon) = (shape[0], shape[1]);
    for known in 0..=latents.len() / d {
        let past = latents.len() / d - known;
        let before = (known > 0).then(|| (&latents[past * d..], &blocks[past * block..]));
        let want = array(&format!("known{known}"));
        let slow = model.roll_reference(&start, before, &actions, samples, horizon).unwrap().0;
        let quick = fast.roll(&start, before, &actions, samples, horizon);
        assert!(quick.len() == want.len() && slow.len() == want.len());
        for ((slow, quick), want) in slow.iter().zip(quick).zip(&want) {
            assert!((slow - want).abs() < 2e-5, "training path {slow}, PyTorch {want}");
            assert!((quick - want).abs() < 2e-5, "fast path {quick}, PyTorch {want}");
        }
    }
}
