"""Planning in LeWorldModel's architecture, in turns: PyTorch (stable-worldmodel's model and CEM solver) and housecat.

    python speed.py [--housecat PATH] [--threads 2] [--rounds 3] [--samples 300] [--iterations 30] [--json]

Prints a markdown table with the medians and the ratio; exits 1 if housecat is not 3 times as fast. Both search 300 plans of 5
blocks of 5 steps of 2 actions for 30 rounds with 30 elites, in a predictor of LeWorldModel's size with random weights.
PyTorch's figure includes encoding one frame and one goal with the ViT, which is measured apart and taken off.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time

import gymnasium as gym
import torch
from stable_pretraining.backbone.utils import vit_hf
from stable_worldmodel.policy import PlanConfig
from stable_worldmodel.solver import CEMSolver
from stable_worldmodel.wm.lewm import LeWM
from stable_worldmodel.wm.lewm.module import MLP, Embedder, Predictor

D, HISTORY, BLOCK = 192, 3, 10


def lewm():
    """LeWorldModel on 64x64 pixels in patches of 8, with the predictor of the published configuration."""
    norm = torch.nn.BatchNorm1d
    encoder = vit_hf("tiny", patch_size=8, image_size=64, pretrained=False, use_mask_token=False)
    predictor = Predictor(num_frames=HISTORY, depth=6, heads=16, mlp_dim=2048, input_dim=D, hidden_dim=D,
                          output_dim=D, dim_head=64, dropout=0.1, emb_dropout=0.0)
    model = LeWM(encoder, predictor, Embedder(input_dim=BLOCK, emb_dim=D),
                 MLP(D, 2048, D, norm_fn=norm), MLP(D, 2048, D, norm_fn=norm))
    return model.eval().requires_grad_(False)


def torch_planner(samples, iterations, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = lewm()
    solver = CEMSolver(model=model, batch_size=1, num_samples=samples, var_scale=1.0, n_steps=iterations, topk=30,
                       device="cpu")
    solver.configure(action_space=gym.spaces.Box(-1, 1, (1, 2)), n_envs=1,
                     config=PlanConfig(horizon=5, receding_horizon=5, action_block=5))
    pixels, goal = torch.randn(1, 1, 3, 64, 64), torch.randn(1, 1, 3, 64, 64)

    def plan():
        with contextlib.redirect_stdout(io.StringIO()):
            solver.solve({"pixels": pixels.clone(), "goal": goal.clone(), "action": torch.zeros(1, 1, 2)})

    def encode():
        with torch.inference_mode():
            model.encode({"pixels": pixels})

    return plan, encode


def clock(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def housecat(path, samples, iterations, threads):
    predictor = '{kind="transformer",depth=6,heads=16,head_dim=64,mlp=2048,history=3,dropout=0.1}'
    settings = [f"model.latent_dim={D}", f"model.predictor={predictor}", f"model.action_repeat={BLOCK // 2}",
                "train.history_dropout=0.0", "planner.horizon=5", f"planner.samples={samples}",
                f"planner.iterations={iterations}",
                'planner.solver={kind="cem",elites=30}', "oracle.samples=4", 'oracle.solver={kind="cem",elites=2,keep=1}',
                "oracle.iterations=1"]
    command = [path, "bench", "plan", "push-t", "--json", "--threads", str(threads), "--seconds", "0.1"]
    for setting in settings:
        command += ["--set", setting]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    unit = "ms, all threads" if threads > 1 else "ms, one thread"
    return next(row["median"] for row in rows if " plan in the model" in row["name"] and row["unit"] == unit)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--housecat", default="target/release/housecat")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--samples", type=int, default=300)
    options.add_argument("--iterations", type=int, default=30)
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    plan, encode = torch_planner(args.samples, args.iterations, args.threads)
    encode()
    frame = statistics.median(clock(encode) for _ in range(5))
    theirs, ours = [], []
    for _ in range(args.rounds):
        theirs.append(clock(plan) - 2 * frame)
        ours.append(housecat(args.housecat, args.samples, args.iterations, args.threads))
    torch_ms, housecat_ms = statistics.median(theirs), statistics.median(ours)
    ratio = torch_ms / housecat_ms
    result = {"samples": args.samples, "iterations": args.iterations, "threads": args.threads, "torch_ms": torch_ms,
              "torch_rounds": theirs, "encode_ms": frame, "housecat_ms": housecat_ms, "housecat_rounds": ours,
              "ratio": ratio, "load": os.getloadavg()[0]}
    if args.json:
        print(json.dumps(result))
    else:
        print("| LeWorldModel's planner | PyTorch, ms | housecat, ms | ratio |\n|---|---|---|---|")
        size = f"{args.samples} x {args.iterations} x 5 blocks, {args.threads} threads"
        print(f"| {size} | {torch_ms:.0f} | {housecat_ms:.0f} | {ratio:.2f} |")
    sys.exit(0 if ratio >= 3 else 1)


if __name__ == "__main__":
    main()
