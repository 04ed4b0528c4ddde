//! Configuration of encoders.

use super::{ModelInput, reject};
use crate::ModelError;
use housecat_core::ImageSpec;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EncoderConfig {
    /// Spatial soft-argmax keypoints over a small convolution, for pixels.
    Keypoint {
        /// Feature maps, each of which becomes one image position.
        keypoints: usize,
        /// Width of the hidden layer beside the linear map from positions to the latent.
        hidden: usize,
    },
    /// A multi-layer perceptron, for states.
    Mlp {
        /// Width of its two hidden layers.
        hidden: usize,
    },
    /// Convolutions of stride 2, flattened, and a linear map to the latent, for pixels.
    Conv {
        /// Feature maps of each convolution; each halves the image.
        channels: Vec<usize>,
    },
    /// LeWorldModel's vision transformer (arXiv 2603.19312) with its projection, for pixels.
    Vit {
        /// Rows and columns of a patch; the image must be a multiple of it.
        patch: usize,
        /// Blocks of attention and perceptron.
        depth: usize,
        /// Attention heads, which share the width.
        heads: usize,
        /// Width of a token.
        width: usize,
        /// Hidden width of the perceptrons.
        mlp: usize,
        /// Hidden width of the projection from the class token to the latent.
        projector: usize,
    },
    /// A pretrained vision transformer in DINOv2's layout (arXiv 2304.07193) that is not trained further, and a
    /// trained projection of its patch tokens, for pixels.
    Frozen {
        /// Its weights: a safetensors file with the names of Hugging Face's `Dinov2Model`. A relative path starts at
        /// the working directory. The file belongs to every checkpoint of the model, which does not copy it.
        path: PathBuf,
        /// Attention heads, which the file does not tell: 6 for DINOv2-S, 12 for B, 16 for L.
        heads: usize,
        /// Components that a trained linear map leaves of each patch token.
        channels: usize,
        /// Hidden width of the projection from all patches to the latent.
        projector: usize,
    },
    /// An encoder of pixels beside a perceptron on what the robot feels, for both.
    Fused {
        /// What looks at the image.
        pixels: Box<EncoderConfig>,
        /// Width of the layer that hears the state.
        hidden: usize,
    },
}

impl EncoderConfig {
    fn kind(&self) -> &'static str {
        match self {
            Self::Keypoint { .. } => "keypoint",
            Self::Mlp { .. } => "mlp",
            Self::Conv { .. } => "conv",
            Self::Vit { .. } => "vit",
            Self::Frozen { .. } => "frozen",
            Self::Fused { .. } => "fused",
        }
    }

    /// Refuses an encoder that does not fit the kind of input, and sizes that no network can have.
    pub(super) fn validate(&self, input: &ModelInput) -> Result<(), ModelError> {
        let (fits, fix) = match input {
            ModelInput::State { .. } => (
                matches!(self, Self::Mlp { .. }),
                "it does not see states alone; use `mlp` for states",
            ),
            ModelInput::Pixels { .. } => (
                !matches!(self, Self::Mlp { .. } | Self::Fused { .. }),
                "it does not see pixels alone; use `keypoint`, `conv`, `vit` or `frozen` for pixels",
            ),
            ModelInput::Both { .. } => (
                matches!(self, Self::Fused { .. }),
                "it does not see pixels and state together; use `fused` around it",
            ),
        };
        if !fits {
            return reject("model.encoder.kind", self.kind(), fix);
        }
        let sizes: &[(&'static str, usize)] = match self {
            Self::Keypoint { keypoints, hidden } => {
                &[("model.encoder.keypoints", *keypoints), ("model.encoder.hidden", *hidden)]
            }
            Self::Mlp { hidden } => &[("model.encoder.hidden", *hidden)],
            Self::Conv { channels } => {
                if channels.is_empty() {
                    return reject("model.encoder.channels", "[]", "name at least one convolution");
                }
                &[("model.encoder.channels", channels.iter().copied().min().unwrap_or(0))]
            }
            Self::Vit { patch, depth, heads, width, mlp, projector } => {
                if *heads > 0 && width % heads != 0 {
                    return reject(
                        "model.encoder.heads",
                        heads,
                        &format!("the width {width} must be a multiple of it"),
                    );
                }
                &[
                    ("model.encoder.patch", *patch),
                    ("model.encoder.depth", *depth),
                    ("model.encoder.heads", *heads),
                    ("model.encoder.width", *width),
                    ("model.encoder.mlp", *mlp),
                    ("model.encoder.projector", *projector),
                ]
            }
            Self::Frozen { heads, channels, projector, .. } => &[
                ("model.encoder.heads", *heads),
                ("model.encoder.channels", *channels),
                ("model.encoder.projector", *projector),
            ],
            Self::Fused { pixels, hidden } => {
                if matches!(**pixels, Self::Mlp { .. } | Self::Fused { .. }) {
                    return reject(
                        "model.encoder.pixels.kind",
                        pixels.kind(),
                        "name an encoder of pixels: `keypoint`, `conv`, `vit` or `frozen`",
                    );
                }
                let camera = ImageSpec { camera: String::new(), width: 0, height: 0 };
                pixels.validate(&ModelInput::Pixels { image: camera })?;
                &[("model.encoder.hidden", *hidden)]
            }
        };
        for &(key, size) in sizes {
            if size == 0 {
                return reject(key, 0, "give it at least 1");
            }
        }
        Ok(())
    }

    /// Refuses an image that the encoder cannot take.
    pub(super) fn validate_image(&self, image: &ImageSpec) -> Result<(), ModelError> {
        match self {
            Self::Vit { patch, .. } if !whole_patches(*patch, image) => reject(
                "model.encoder.patch",
                patch,
                &format!(
                    "the image of {}x{} is not a multiple of it; change it, or the size of the image (`image`)",
                    image.width, image.height
                ),
            ),
            Self::Conv { channels } => {
                let smallest = image.width.min(image.height);
                match smallest >> channels.len().min(usize::BITS as usize - 1) {
                    0 => reject(
                        "model.encoder.channels",
                        channels.len(),
                        &format!(
                            "an image of {}x{} cannot be halved as often; name fewer",
                            image.width, image.height
                        ),
                    ),
                    _ => Ok(()),
                }
            }
            Self::Fused { pixels, .. } => pixels.validate_image(image),
            _ => Ok(()),
        }
    }
}

/// Whether an image is a whole number of patches.
pub(crate) fn whole_patches(patch: usize, image: &ImageSpec) -> bool {
    let whole = |size: usize| size > 0 && size.is_multiple_of(patch);
    whole(image.width) && whole(image.height)
}
