//! Models published elsewhere, as models of this crate.

mod pickle;
mod torch;

use crate::config::{EncoderConfig, ModelConfig, ModelInput, ModelSpec, PredictorConfig};
use crate::error::io;
use crate::pretrained::{attention_name, fold_imagenet, transpose};
use crate::{ModelError, WorldModel};
use housecat_core::{ImageSpec, Seed};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use torch::Arrays;

/// What a checkpoint of LeWorldModel does not tell; [`Self::new`] has the published model's values.
#[derive(Clone, Debug, PartialEq)]
pub struct LewmSource {
    /// Name of the sim that the model is for.
    pub sim: String,
    /// Name of the camera it sees through.
    pub camera: String,
    /// Names of the components of an action; their number divides the size of an action block.
    pub actions: Vec<String>,
    /// Means by which the components of an action were scaled in training, in the sim's units.
    pub action_mean: Vec<f32>,
    /// Standard deviations by which they were.
    pub action_std: Vec<f32>,
    /// Attention heads of the encoder.
    pub encoder_heads: usize,
    /// Attention heads of the predictor.
    pub predictor_heads: usize,
    /// Share of activations that further training drops.
    pub dropout: f32,
}

impl LewmSource {
    /// The published sizes, and actions that are not scaled.
    pub fn new(sim: &str, camera: &str, actions: &[String]) -> Self {
        Self {
            sim: sim.to_owned(),
            camera: camera.to_owned(),
            actions: actions.to_vec(),
            action_mean: vec![0.0; actions.len()],
            action_std: vec![1.0; actions.len()],
            encoder_heads: 3,
            predictor_heads: 16,
            dropout: 0.1,
        }
    }
}

/// Reads a published LeWorldModel (stable-worldmodel): its state dict as safetensors, or as torch.save writes it (`.pt`, or
/// a Lightning `.ckpt`), whose pickle is read and not executed.
///
/// ImageNet's scaling of colours goes into the first layer of the encoder, and the scaling of actions into that of the
/// action encoder, so that the model sees what every model here sees.
///
/// # Errors
/// If the file cannot be read, holds anything but tensors in plain containers, is no LeWorldModel, or has sizes that do
/// not fit `source`.
pub fn convert_lewm(path: &Path, source: &LewmSource) -> Result<WorldModel, ModelError> {
    let mut published = Published::open(path)?;
    let spec = published.spec(source)?;
    let arrays = published.arrays(&spec, source)?;
    if let Some(name) = published.arrays.keys().next() {
        return Err(
            published.bad(format!("it also holds `{name}`, which LeWorldModel does not have"))
        );
    }
    let mut model = WorldModel::new(spec, Seed::new(0))?;
    model.load(&|name, shape| match arrays.get(name) {
        Some(values) if values.len() == shape.iter().product::<usize>() => Ok(values.clone()),
        _ => Err(published.bad(format!("it does not give `{name}` of shape {shape:?}"))),
    })?;
    Ok(model)
}

/// The name that an array of the encoder had before version 5 of Hugging Face's transformers; published checkpoints have
/// either.
fn old_name(name: &str) -> String {
    match name.strip_prefix("encoder.layers.") {
        Some(rest) => attention_name(&format!("encoder.encoder.layer.{rest}"))
            .replace(".mlp.fc1.", ".intermediate.dense.")
            .replace(".mlp.fc2.", ".output.dense."),
        None => name.to_owned(),
    }
}

/// The arrays of a published model that are not yet taken.
struct Published {
    path: PathBuf,
    arrays: Arrays,
}

impl Published {
    fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(io(path))?;
        let bad = |detail: String| ModelError::Pretrained { path: path.to_owned(), detail };
        let found = match bytes.starts_with(b"PK") {
            true => torch::read(&bytes),
            false => read_safetensors(&bytes),
        };
        let found = found.map_err(bad)?;
        // Lightning puts the model inside a module of its own, with other parts beside it.
        let mark = "encoder.embeddings.cls_token";
        let Some(prefix) = found.keys().find_map(|name| name.strip_suffix(mark)) else {
            return Err(bad(format!("it has no `{mark}`: it is no LeWorldModel")));
        };
        let own = |(name, array): (&String, &(Vec<f32>, Vec<usize>))| {
            Some((old_name(name.strip_prefix(prefix)?), array.clone()))
        };
        let arrays: Arrays = found.iter().filter_map(own).collect();
        if let Some((name, _)) =
            arrays.iter().find(|(_, (values, _))| values.iter().any(|value| !value.is_finite()))
        {
            return Err(bad(format!("`{name}` holds values that are not finite")));
        }
        Ok(Self { path: path.to_owned(), arrays })
    }

    fn bad(&self, detail: String) -> ModelError {
        ModelError::Pretrained { path: self.path.clone(), detail }
    }

    /// The extent of an array along one of its dimensions.
    fn extent(&self, name: &str, dimension: usize) -> Result<usize, ModelError> {
        let extent = self.arrays.get(name).and_then(|(_, shape)| shape.get(dimension));
        extent.copied().ok_or_else(|| self.bad(format!("it lacks `{name}`")))
    }

    /// How many consecutive numbers in a name there are.
    fn layers(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|&index| self.arrays.contains_key(&name(index))).count()
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        match self.arrays.remove(name) {
            Some((values, found)) if found == shape => Ok(values),
            Some((_, found)) => Err(self.bad(format!("`{name}` is {found:?}, wanted {shape:?}"))),
            None => Err(self.bad(format!("it lacks `{name}`"))),
        }
    }

    /// The specification that the shapes tell.
    fn spec(&self, source: &LewmSource) -> Result<ModelSpec, ModelError> {
        let block = |index: usize| format!("encoder.encoder.layer.{index}");
        let layer = |index: usize| format!("predictor.transformer.layers.{index}");
        let width = self.extent("encoder.embeddings.cls_token", 2)?;
        let patch = self.extent("encoder.embeddings.patch_embeddings.projection.weight", 2)?;
        let tokens = self.extent("encoder.embeddings.position_embeddings", 1)?;
        let side = tokens.saturating_sub(1).isqrt();
        if side * side + 1 != tokens {
            return Err(self.bad(format!("its {tokens} positions are not those of a square image")));
        }
        let inner = self.extent(&format!("{}.attn.to_qkv.weight", layer(0)), 0)? / 3;
        let heads = source.predictor_heads;
        if heads == 0 || !inner.is_multiple_of(heads) {
            return Err(
                self.bad(format!("its predictor's width {inner} is no multiple of {heads} heads"))
            );
        }
        let (actions, block_dim) =
            (source.actions.len(), self.extent("action_encoder.patch_embed.weight", 1)?);
        if actions == 0 || !block_dim.is_multiple_of(actions) {
            return Err(self.bad(format!(
                "its action blocks of {block_dim} are no whole number of {actions} actions"
            )));
        }
        for (name, values) in
            [("action_mean", &source.action_mean), ("action_std", &source.action_std)]
        {
            if values.len() != actions || values.iter().any(|value| !value.is_finite()) {
                return Err(self.bad(format!(
                    "`{name}` {values:?} does not give a number for each of {actions} actions"
                )));
            }
        }
        if source.action_std.iter().any(|&std| std <= 0.0) {
            return Err(self.bad(format!("`action_std` {:?} must be positive", source.action_std)));
        }
        let (camera, size) = (source.camera.clone(), side * patch);
        Ok(ModelSpec {
            format: ModelSpec::FORMAT,
            sim: source.sim.clone(),
            input: ModelInput::Pixels { image: ImageSpec { camera, width: size, height: size } },
            actions: source.actions.clone(),
            model: ModelConfig {
                latent_dim: self.extent("projector.net.3.weight", 0)?,
                action_repeat: block_dim / actions,
                encoder: EncoderConfig::Vit {
                    patch,
                    depth: self.layers(|index| format!("{}.layernorm_before.weight", block(index))),
                    heads: source.encoder_heads,
                    width,
                    mlp: self.extent(&format!("{}.intermediate.dense.weight", block(0)), 0)?,
                    projector: self.extent("projector.net.0.weight", 0)?,
                },
                predictor: PredictorConfig::Transformer {
                    depth: self.layers(|index| format!("{}.attn.norm.weight", layer(index))),
                    heads,
                    head_dim: inner / heads,
                    mlp: self.extent("pred_proj.net.0.weight", 0)?,
                    history: self.extent("predictor.pos_embedding", 1)?,
                    dropout: source.dropout,
                },
                ensemble: 1,
                reward: None,
                inverse_dynamics: None,
            },
        })
    }

    /// Takes everything, under the names of this crate.
    fn arrays(
        &mut self,
        spec: &ModelSpec,
        source: &LewmSource,
    ) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
        let (
            EncoderConfig::Vit { patch, depth, width, mlp, projector, .. },
            PredictorConfig::Transformer {
                depth: layers,
                heads,
                head_dim,
                mlp: inner_mlp,
                history,
                ..
            },
            Some(image),
        ) = (&spec.model.encoder, &spec.model.predictor, spec.input.image())
        else {
            return Err(self.bad("it is no LeWorldModel".into()));
        };
        let (width, patch, mlp, inner_mlp) = (*width, *patch, *mlp, *inner_mlp);
        let (d, inner) = (spec.model.latent_dim, heads * head_dim);
        let mut into = Converted { from: self, made: BTreeMap::new() };

        let patches = "encoder.embeddings.patch_embeddings.projection";
        let mut bias = into.from.take(&format!("{patches}.bias"), &[width])?;
        let weight = into.from.take(&format!("{patches}.weight"), &[width, 3, patch, patch])?;
        let weight = fold_imagenet(&weight, [width, patch], &mut bias);
        into.made.insert("encoder.patch.weight".into(), weight);
        into.made.insert("encoder.patch.bias".into(), bias);
        let tokens = 1 + (image.height / patch) * (image.width / patch);
        into.plain("encoder.class", "encoder.embeddings.cls_token", &[1, 1, width])?;
        into.plain(
            "encoder.positions",
            "encoder.embeddings.position_embeddings",
            &[1, tokens, width],
        )?;
        for index in 0..*depth {
            let (to, from) =
                (format!("encoder.block{index}"), format!("encoder.encoder.layer.{index}"));
            into.norm(&format!("{to}.attention.norm"), &format!("{from}.layernorm_before"), width)?;
            let parts =
                ["query", "key", "value"].map(|part| format!("{from}.attention.attention.{part}"));
            into.linear(&format!("{to}.attention.qkv"), &parts, [width, width])?;
            into.linear(
                &format!("{to}.attention.out"),
                &[format!("{from}.attention.output.dense")],
                [width, width],
            )?;
            into.norm(&format!("{to}.mlp.norm"), &format!("{from}.layernorm_after"), width)?;
            into.linear(
                &format!("{to}.mlp.0"),
                &[format!("{from}.intermediate.dense")],
                [width, mlp],
            )?;
            into.linear(&format!("{to}.mlp.1"), &[format!("{from}.output.dense")], [mlp, width])?;
        }
        into.norm("encoder.norm", "encoder.layernorm", width)?;
        into.projection("encoder.projection", "projector", [width, *projector, d])?;

        into.actions(spec, source)?;
        into.plain("predictor.positions", "predictor.pos_embedding", &[1, *history, d])?;
        for index in 0..*layers {
            let (to, from) = (
                format!("predictor.block{index}"),
                format!("predictor.transformer.layers.{index}"),
            );
            into.linear(
                &format!("{to}.modulation"),
                &[format!("{from}.adaLN_modulation.1")],
                [d, 6 * d],
            )?;
            into.norm(&format!("{to}.attention.norm"), &format!("{from}.attn.norm"), d)?;
            into.weight(
                &format!("{to}.attention.qkv"),
                &[format!("{from}.attn.to_qkv")],
                [d, 3 * inner],
            )?;
            // One head as wide as a latent needs no map back.
            if (*heads, *head_dim) != (1, d) {
                into.linear(
                    &format!("{to}.attention.out"),
                    &[format!("{from}.attn.to_out.0")],
                    [inner, d],
                )?;
            }
            into.norm(&format!("{to}.mlp.norm"), &format!("{from}.mlp.net.0"), d)?;
            into.linear(&format!("{to}.mlp.0"), &[format!("{from}.mlp.net.1")], [d, inner_mlp])?;
            into.linear(&format!("{to}.mlp.1"), &[format!("{from}.mlp.net.4")], [inner_mlp, d])?;
        }
        into.norm("predictor.norm", "predictor.transformer.norm", d)?;
        into.projection("predictor.projection", "pred_proj", [d, inner_mlp, d])?;
        let mut made = into.made;
        for (name, values) in
            [("state_mean", vec![]), ("state_std", vec![]), ("reward", vec![0.0, 1.0])]
        {
            made.insert(format!("scaling.{name}"), values);
        }
        Ok(made)
    }
}

/// Arrays on their way from PyTorch's names and layouts to this crate's.
struct Converted<'a> {
    from: &'a mut Published,
    made: BTreeMap<String, Vec<f32>>,
}

impl Converted<'_> {
    fn plain(&mut self, to: &str, from: &str, shape: &[usize]) -> Result<(), ModelError> {
        let values = self.from.take(from, shape)?;
        self.made.insert(to.to_owned(), values);
        Ok(())
    }

    fn norm(&mut self, to: &str, from: &str, width: usize) -> Result<(), ModelError> {
        self.plain(&format!("{to}.gamma"), &format!("{from}.weight"), &[width])?;
        self.plain(&format!("{to}.beta"), &format!("{from}.bias"), &[width])
    }

    /// The weights of layers side by side, each `[out, in]`, as one `[in, outs]`.
    fn weight(
        &mut self,
        to: &str,
        from: &[String],
        [inputs, outputs]: [usize; 2],
    ) -> Result<(), ModelError> {
        let mut rows = Vec::new();
        for from in from {
            rows.extend(self.from.take(&format!("{from}.weight"), &[outputs, inputs])?);
        }
        self.made.insert(format!("{to}.weight"), transpose(&rows, from.len() * outputs));
        Ok(())
    }

    /// The same with their biases.
    fn linear(&mut self, to: &str, from: &[String], sizes: [usize; 2]) -> Result<(), ModelError> {
        self.weight(to, from, sizes)?;
        let mut bias = Vec::new();
        for from in from {
            bias.extend(self.from.take(&format!("{from}.bias"), &[sizes[1]])?);
        }
        self.made.insert(format!("{to}.bias"), bias);
        Ok(())
    }

    fn projection(
        &mut self,
        to: &str,
        from: &str,
        [inputs, hidden, outputs]: [usize; 3],
    ) -> Result<(), ModelError> {
        self.linear(&format!("{to}.0"), &[format!("{from}.net.0")], [inputs, hidden])?;
        self.norm(&format!("{to}.norm"), &format!("{from}.net.1"), hidden)?;
        for part in ["running_mean", "running_var"] {
            self.plain(&format!("{to}.norm.{part}"), &format!("{from}.net.1.{part}"), &[hidden])?;
        }
        self.linear(&format!("{to}.1"), &[format!("{from}.net.3")], [hidden, outputs])
    }

    /// The action encoder, whose first layer takes up the scaling of actions.
    fn actions(&mut self, spec: &ModelSpec, source: &LewmSource) -> Result<(), ModelError> {
        use crate::predictor::transformer::{ACTION_SCALE, SMOOTHED};
        let (block, d) = (spec.block_dim(), spec.model.latent_dim);
        let first = "action_encoder.patch_embed";
        let weight = self.from.take(&format!("{first}.weight"), &[SMOOTHED, block, 1])?;
        let mut bias = self.from.take(&format!("{first}.bias"), &[SMOOTHED])?;
        let mut weight = transpose(&weight, SMOOTHED);
        for (input, row) in weight.chunks_exact_mut(SMOOTHED).enumerate() {
            let component = input % spec.actions.len();
            let (mean, std) = (source.action_mean[component], source.action_std[component]);
            for (value, bias) in row.iter_mut().zip(&mut bias) {
                *value /= std;
                *bias -= *value * mean;
            }
        }
        self.made.insert("predictor.action.0.weight".into(), weight);
        self.made.insert("predictor.action.0.bias".into(), bias);
        let hidden = ACTION_SCALE * d;
        self.linear("predictor.action.1", &["action_encoder.embed.0".into()], [SMOOTHED, hidden])?;
        self.linear("predictor.action.2", &["action_encoder.embed.2".into()], [hidden, d])
    }
}

/// The f32 tensors of a safetensors file.
fn read_safetensors(bytes: &[u8]) -> Result<Arrays, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
        format!("it is neither safetensors nor what torch.save writes: {error}")
    })?;
    let mut arrays = Arrays::new();
    for (name, view) in tensors.tensors() {
        let values = match view.dtype() {
            Dtype::F32 => view.data().chunks_exact(4),
            // Counters of batches.
            Dtype::I64 => continue,
            other => return Err(format!("`{name}` is {other:?}, wanted F32")),
        };
        let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        arrays.insert(name, (values, view.shape().to_vec()));
    }
    Ok(arrays)
}
