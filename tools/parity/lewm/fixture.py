"""Writes what the tests of crates/model compare with: a small LeWorldModel of random weights, as a housecat checkpoint and
in the ways it is published, and what stable-worldmodel's own modules (PyTorch) encode, predict and learn with them.

Usage: fixture.py FOLDER      (crates/model/tests/lewm; needs requirements.txt)
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTModel

D, DEPTH, HEADS, HEAD_DIM, MLP, HISTORY, BLOCK = 8, 2, 2, 5, 12, 3, 4
IMAGE, PATCH, WIDTH, VIT_DEPTH, VIT_HEADS, VIT_MLP = 12, 4, 6, 2, 2, 9
SAMPLES, HORIZON = 3, 5
BATCH, PROJECTIONS, KNOTS, LAMBDA = 5, 16, 17, 0.09
IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, None, None, None, :]


def load(path):
    """A module of stable_worldmodel/wm, without the package around it and what that needs."""
    root = Path(importlib.util.find_spec("stable_worldmodel").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location(Path(path).stem, root / "wm" / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lewm():
    """The published model (scripts/train/config/lewm.yaml) in small; its encoder is what `vit_hf` of stable-pretraining makes."""
    module = load("lewm/module.py")
    config = ViTConfig(
        hidden_size=WIDTH, num_hidden_layers=VIT_DEPTH, num_attention_heads=VIT_HEADS, intermediate_size=VIT_MLP,
        image_size=IMAGE, patch_size=PATCH,
    )
    project = lambda inputs: module.MLP(inputs, MLP, D, norm_fn=torch.nn.BatchNorm1d)
    model = load("lewm/lewm.py").LeWM(
        encoder=ViTModel(config, add_pooling_layer=False, use_mask_token=False),
        predictor=module.Predictor(
            num_frames=HISTORY, depth=DEPTH, heads=HEADS, mlp_dim=MLP, input_dim=D, hidden_dim=D, output_dim=D,
            dim_head=HEAD_DIM, dropout=0.0,
        ),
        action_encoder=module.Embedder(input_dim=BLOCK, emb_dim=D),
        projector=project(WIDTH),
        pred_proj=project(D),
    )
    for value in model.parameters():
        value.data += 0.3 * torch.randn(value.shape)
    for projection in (model.projector, model.pred_proj):
        projection.net[1].running_mean.normal_()
        projection.net[1].running_var.uniform_(0.5, 1.5)
    return model


def arrays(model, get):
    """Housecat's arrays of `get(parameter)`: the values or the gradients."""
    found = {}

    def linear(name, *layers):
        weights = [get(layer.weight) for layer in layers]
        found[f"{name}.weight"] = torch.cat([weight.reshape(weight.shape[:2]) for weight in weights]).T
        if layers[0].bias is not None:
            found[f"{name}.bias"] = torch.cat([get(layer.bias) for layer in layers])

    def norm(name, layer):
        found[f"{name}.gamma"], found[f"{name}.beta"] = get(layer.weight), get(layer.bias)

    def projection(name, mlp):
        linear(f"{name}.0", mlp.net[0])
        norm(f"{name}.norm", mlp.net[1])
        linear(f"{name}.1", mlp.net[3])

    encoder, predictor, embedder = model.encoder, model.predictor, model.action_encoder
    patch = encoder.embeddings.patch_embeddings.projection
    # A housecat patch goes by row, column and colour.
    found["encoder.patch.weight"] = get(patch.weight).permute(2, 3, 1, 0).reshape(-1, WIDTH)
    found["encoder.patch.bias"] = get(patch.bias)
    found["encoder.class"] = get(encoder.embeddings.cls_token)[0]
    found["encoder.positions"] = get(encoder.embeddings.position_embeddings)[0]
    for index, block in enumerate(encoder_blocks(encoder)):
        at = f"encoder.block{index}"
        norm(f"{at}.attention.norm", block["before"])
        linear(f"{at}.attention.qkv", *block["qkv"])
        linear(f"{at}.attention.out", block["out"])
        norm(f"{at}.mlp.norm", block["after"])
        linear(f"{at}.mlp.0", block["mlp"][0])
        linear(f"{at}.mlp.1", block["mlp"][1])
    norm("encoder.norm", encoder.layernorm)
    projection("encoder.projection", model.projector)

    linear("predictor.action.0", embedder.patch_embed)
    linear("predictor.action.1", embedder.embed[0])
    linear("predictor.action.2", embedder.embed[2])
    found["predictor.positions"] = get(predictor.pos_embedding)[0]
    for index, block in enumerate(predictor.transformer.layers):
        at = f"predictor.block{index}"
        linear(f"{at}.modulation", block.adaLN_modulation[1])
        norm(f"{at}.attention.norm", block.attn.norm)
        linear(f"{at}.attention.qkv", block.attn.to_qkv)
        linear(f"{at}.attention.out", block.attn.to_out[0])
        norm(f"{at}.mlp.norm", block.mlp.net[0])
        linear(f"{at}.mlp.0", block.mlp.net[1])
        linear(f"{at}.mlp.1", block.mlp.net[4])
    norm("predictor.norm", predictor.transformer.norm)
    projection("predictor.projection", model.pred_proj)
    return found


def encoder_blocks(encoder):
    for block in encoder.layers:
        attention = block.attention
        yield {
            "before": block.layernorm_before, "qkv": (attention.q_proj, attention.k_proj, attention.v_proj),
            "out": attention.o_proj, "after": block.layernorm_after, "mlp": (block.mlp.fc1, block.mlp.fc2),
        }


def old_names(state):
    """A state dict under the names that transformers gave before version 5, as published."""
    renamed = {
        "encoder.layers.": "encoder.encoder.layer.", ".attention.q_proj.": ".attention.attention.query.",
        ".attention.k_proj.": ".attention.attention.key.", ".attention.v_proj.": ".attention.attention.value.",
        ".attention.o_proj.": ".attention.output.dense.", ".mlp.fc1.": ".intermediate.dense.", ".mlp.fc2.": ".output.dense.",
    }
    found = type(state)()
    for name, value in state.items():
        for new, old in renamed.items():
            name = name.replace(new, old) if name.startswith("encoder.") else name
        found[name] = value
    found._metadata = state._metadata
    return found


def checkpoint(model):
    """What a housecat checkpoint of the model holds."""
    found = arrays(model, lambda parameter: parameter.data)
    for name, mlp in (("encoder", model.projector), ("predictor", model.pred_proj)):
        found[f"{name}.projection.norm.running_mean"] = mlp.net[1].running_mean
        found[f"{name}.projection.norm.running_var"] = mlp.net[1].running_var
    found["scaling.state_mean"], found["scaling.state_std"] = torch.zeros(0), torch.zeros(0)
    found["scaling.reward"] = torch.tensor([0.0, 1.0])
    return found


def encode(model, images):
    """Embeddings of `[b, t, h, w, 3]`."""
    return model.encode({"pixels": images.movedim(-1, 2)})["emb"]


def rollouts(model):
    """Open loop from a latent, after no, one, two known blocks."""
    start, actions = torch.randn(D), torch.randn(SAMPLES, HORIZON, BLOCK)
    latents, blocks = torch.randn(HISTORY - 1, D), torch.randn(HISTORY - 1, BLOCK)
    expected = {"start": start, "actions": actions, "latents": latents, "blocks": blocks}
    for known in range(HISTORY):
        past = HISTORY - 1 - known
        seen = torch.stack([*latents[past:], start]).expand(1, SAMPLES, -1, -1)
        taken = torch.cat([blocks[past:].expand(SAMPLES, -1, -1), actions], 1)
        info = {"pixels": torch.zeros(1, SAMPLES, known + 1, 1), "emb": seen}
        path = model.rollout(info, taken[None])["predicted_emb"][0]
        expected[f"known{known}"] = path[:, known + 1 :].transpose(0, 1)
    return expected


def training(model, images):
    """One step's embeddings, predictions, losses and gradients (`lejepa_forward` in scripts/train/lewm.py)."""
    sigreg = load("loss.py").SIGReg(knots=KNOTS, num_proj=PROJECTIONS)
    blocks = torch.randn(BATCH, HISTORY, BLOCK)
    emb = encode(model, images)
    predicted = model.predict(emb[:, :HISTORY], model.action_encoder(blocks))
    prediction_loss = (predicted - emb[:, 1:]).pow(2).mean()
    torch.manual_seed(1)
    axes = torch.randn(D, PROJECTIONS)
    torch.manual_seed(1)
    sigreg_loss = sigreg(emb.transpose(0, 1))
    (prediction_loss + LAMBDA * sigreg_loss).backward()
    # Housecat's rows go by step, then by window.
    rows = lambda values: values.detach().transpose(0, 1).flatten(0, 1)
    expected = {
        "train.images": rows(images), "train.blocks": rows(blocks), "train.embeddings": rows(emb),
        "train.predictions": rows(predicted), "train.projections": (axes / axes.norm(dim=0)).T,
        "train.losses": torch.stack([prediction_loss, sigreg_loss]).detach(),
    }
    gradients = arrays(model, lambda parameter: parameter.grad)
    return expected | {f"gradient.{name}": value for name, value in gradients.items()}


def main(folder):
    torch.manual_seed(0)
    model = lewm()
    folder.mkdir(parents=True, exist_ok=True)
    contiguous = lambda tensors: {name: value.contiguous().clone() for name, value in tensors.items()}
    save_file(contiguous(checkpoint(model)), folder / "model.safetensors")

    # As save_pretrained writes it, as Lightning does, and as safetensors.
    state = model.state_dict()
    torch.save(old_names(state), folder / "published.pt")
    inside = {f"model.{name}": value for name, value in state.items()}
    torch.save({"epoch": 3, "global_step": 70, "state_dict": inside, "callbacks": {}}, folder / "published.ckpt")
    save_file(contiguous(state), folder / "published.safetensors")

    model.eval()
    pixels = torch.randint(0, 256, (2, 3, IMAGE, IMAGE, 3))
    with torch.inference_mode():
        expected = rollouts(model)
        expected["bytes"] = pixels.flatten(0, 1).float()
        expected["embeddings"] = encode(model, pixels / 127.5 - 1.0).flatten(0, 1)
        # The published model sees colours scaled by ImageNet's statistics.
        expected["published"] = encode(model, (pixels / 255.0 - IMAGENET[0]) / IMAGENET[1]).flatten(0, 1)
    model.train()
    expected |= training(model, torch.rand(BATCH, HISTORY + 1, IMAGE, IMAGE, 3) * 2.0 - 1.0)
    save_file(contiguous(expected), folder / "expected.safetensors")

    encoder = {"kind": "vit", "patch": PATCH, "depth": VIT_DEPTH, "heads": VIT_HEADS, "width": WIDTH, "mlp": VIT_MLP,
               "projector": MLP}
    predictor = {"kind": "transformer", "depth": DEPTH, "heads": HEADS, "head_dim": HEAD_DIM, "mlp": MLP,
                 "history": HISTORY, "dropout": 0.0}
    image = {"camera": "top", "width": IMAGE, "height": IMAGE}
    spec = {"format": 1, "sim": "lewm", "input": {"kind": "pixels", "image": image}, "actions": ["x", "y"],
            "model": {"latent_dim": D, "action_repeat": BLOCK // 2, "encoder": encoder, "predictor": predictor}}
    (folder / "config.json").write_text(json.dumps(spec, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
