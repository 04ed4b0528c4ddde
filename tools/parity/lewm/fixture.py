"""Writes what crates/model/tests/lewm.rs compares with: a small transformer predictor with random weights as a housecat
checkpoint, and what stable-worldmodel's own modules (PyTorch) predict with the same weights.

Usage: fixture.py FOLDER      (crates/model/tests/lewm; needs requirements.txt)
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

D, DEPTH, HEADS, HEAD_DIM, MLP, HISTORY, BLOCK = 8, 2, 2, 5, 12, 3, 4
SAMPLES, HORIZON = 3, 5


def modules():
    """The modules of stable_worldmodel/wm/lewm/module.py, without the package around them and what that needs."""
    root = Path(importlib.util.find_spec("stable_worldmodel").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("module", root / "wm" / "lewm" / "module.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(folder):
    torch.manual_seed(0)
    module = modules()
    predictor = module.Predictor(
        num_frames=HISTORY, depth=DEPTH, heads=HEADS, mlp_dim=MLP, input_dim=D, hidden_dim=D, output_dim=D,
        dim_head=HEAD_DIM, dropout=0.1,
    ).eval()
    embedder = module.Embedder(input_dim=BLOCK, emb_dim=D).eval()
    projection = module.MLP(D, MLP, D, norm_fn=torch.nn.BatchNorm1d).eval()
    for part in (predictor, embedder, projection):
        for value in part.parameters():
            value.data += 0.3 * torch.randn(value.shape)
    projection.net[1].running_mean.normal_()
    projection.net[1].running_var.uniform_(0.5, 1.5)

    arrays = {}

    def linear(name, layer):
        arrays[f"predictor.{name}.weight"] = layer.weight.data.reshape(layer.weight.shape[:2]).T
        if layer.bias is not None:
            arrays[f"predictor.{name}.bias"] = layer.bias.data

    def norm(name, layer):
        arrays[f"predictor.{name}.gamma"], arrays[f"predictor.{name}.beta"] = layer.weight.data, layer.bias.data

    linear("action.0", embedder.patch_embed)
    linear("action.1", embedder.embed[0])
    linear("action.2", embedder.embed[2])
    arrays["predictor.positions"] = predictor.pos_embedding.data[0]
    for index, block in enumerate(predictor.transformer.layers):
        linear(f"block{index}.modulation", block.adaLN_modulation[1])
        norm(f"block{index}.attention.norm", block.attn.norm)
        linear(f"block{index}.attention.qkv", block.attn.to_qkv)
        linear(f"block{index}.attention.out", block.attn.to_out[0])
        norm(f"block{index}.mlp.norm", block.mlp.net[0])
        linear(f"block{index}.mlp.0", block.mlp.net[1])
        linear(f"block{index}.mlp.1", block.mlp.net[4])
    norm("norm", predictor.transformer.norm)
    linear("projection.0", projection.net[0])
    norm("projection.norm", projection.net[1])
    linear("projection.1", projection.net[3])
    arrays["predictor.projection.norm.running_mean"] = projection.net[1].running_mean
    arrays["predictor.projection.norm.running_var"] = projection.net[1].running_var
    # The encoder plays no part.
    for index, (inputs, outputs) in enumerate([(2, 4), (4, 4), (4, D)]):
        arrays[f"encoder.{index}.weight"] = torch.zeros(inputs, outputs)
        arrays[f"encoder.{index}.bias"] = torch.zeros(outputs)
    arrays["encoder.norm.running_mean"], arrays["encoder.norm.running_var"] = torch.zeros(D), torch.ones(D)
    arrays["scaling.state_mean"], arrays["scaling.state_std"] = torch.zeros(2), torch.ones(2)
    arrays["scaling.reward"] = torch.tensor([0.0, 1.0])

    start, actions = torch.randn(D), torch.randn(SAMPLES, HORIZON, BLOCK)
    latents, blocks = torch.randn(HISTORY - 1, D), torch.randn(HISTORY - 1, BLOCK)
    expected = {"start": start, "actions": actions, "latents": latents, "blocks": blocks}
    with torch.inference_mode():
        for known in range(HISTORY):
            past = HISTORY - 1 - known
            taken = embedder(torch.cat([blocks[past:].expand(SAMPLES, -1, -1), actions], 1))
            path = [z.expand(SAMPLES, -1) for z in (*latents[past:], start)]
            for step in range(known + 1, known + 1 + HORIZON):
                first = max(0, step - HISTORY)
                seen = predictor(torch.stack(path[first:], 1), taken[:, first:step])
                path.append(projection(seen.flatten(0, 1)).unflatten(0, seen.shape[:2])[:, -1])
            expected[f"known{known}"] = torch.stack(path[known + 1 :])

    folder.mkdir(parents=True, exist_ok=True)
    contiguous = lambda tensors: {name: value.contiguous().clone() for name, value in tensors.items()}
    save_file(contiguous(arrays), folder / "model.safetensors")
    save_file(contiguous(expected), folder / "expected.safetensors")
    kind = {"kind": "transformer", "depth": DEPTH, "heads": HEADS, "head_dim": HEAD_DIM, "mlp": MLP,
            "history": HISTORY, "dropout": 0.1}
    spec = {"format": 1, "sim": "lewm", "input": {"kind": "state", "names": ["x", "y"]}, "actions": ["x", "y"],
            "model": {"latent_dim": D, "action_repeat": BLOCK // 2, "encoder": {"kind": "mlp", "hidden": 4},
                      "predictor": kind}}
    (folder / "config.json").write_text(json.dumps(spec, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
