"""Writes what crates/model/src/encoder/frozen.rs compares with: a small Dinov2Model of random weights, and the tokens that
Hugging Face's own (PyTorch) makes of images, at a size that its positions must be interpolated for.

Usage: fixture.py FOLDER      (crates/model/tests/dinov2; needs torch, safetensors, transformers)
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def main(folder):
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=12, patch_size=4,
    )
    model = Dinov2Model(config).eval()
    for value in model.parameters():
        value.data += 0.3 * torch.randn(value.shape)
    images = torch.rand(2, 16, 20, 3) * 2.0 - 1.0
    scaled = (images / 2.0 + 0.5 - MEAN) / STD
    with torch.inference_mode():
        tokens = model(scaled.movedim(-1, 1)).last_hidden_state
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    # Housecat's rows go by token, then by image.
    expected = {"images": images, "tokens": tokens.transpose(0, 1).contiguous()}
    save_file(expected, folder / "expected.safetensors")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
