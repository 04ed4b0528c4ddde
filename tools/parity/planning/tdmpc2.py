"""Planning in TD-MPC2 of 5 million parameters, in turns: PyTorch and the products that housecat plans with.

    python tdmpc2.py [--threads 2] [--rounds 3] [--json]

Prints a markdown table with the medians and the ratios; exits 1 if housecat is not 3 times as fast, or if the same weights
do not give the same returns to a thousandth. Both do MPPI with 512 samples (24 of them the policy's), 64 elites, 6 rounds, 3
steps; latent 512, width 512, 5 heads of 101 bins, SimNorm of 8. The published planner evaluates all 5 heads and averages 2
drawn at random, which PyTorch does here; housecat evaluates the 2, and all 5 in the second row.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

LATENT, WIDTH, ACTION, BINS, HEADS = 512, 512, 6, 101, 5
SAMPLES, ELITES, FROM_POLICY, ITERATIONS, HORIZON, DISCOUNT = 512, 64, 24, 6, 3, 0.99
ROOT = pathlib.Path(__file__).resolve().parents[3]


class Normed(torch.nn.Module):
    def __init__(self, inputs, outputs, simnorm=False):
        super().__init__()
        self.l = torch.nn.Linear(inputs, outputs)
        self.n = torch.nn.LayerNorm(outputs)
        self.simnorm = simnorm

    def forward(self, x):
        x = self.n(self.l(x))
        return F.softmax(x.view(*x.shape[:-1], -1, 8), -1).view_as(x) if self.simnorm else F.mish(x)


def net(inputs, outputs, simnorm=False):
    last = Normed(WIDTH, outputs, True) if simnorm else torch.nn.Linear(WIDTH, outputs)
    return torch.nn.Sequential(Normed(inputs, WIDTH), Normed(WIDTH, WIDTH), last)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        both = LATENT + ACTION
        self.dyn, self.rew, self.pi = net(both, LATENT, True), net(both, BINS), net(LATENT, 2 * ACTION)
        self.q = torch.nn.ModuleList(net(both, BINS) for _ in range(HEADS))
        self.register_buffer("bins", torch.linspace(-10, 10, BINS), persistent=False)

    def scalar(self, logits):
        value = (F.softmax(logits, -1) * self.bins).sum(-1)
        return value.sign() * (value.abs().exp() - 1)

    def act(self, z, noise):
        mean, spread = self.pi(z).chunk(2, -1)
        return torch.tanh(mean + noise * (-10 + 6 * (torch.tanh(spread) + 1)).exp())

    def returns(self, start, actions, noise, pair):
        """Of samples from `start` [D] under actions [H, S, A]; the value's mean over the pair of heads."""
        z, total, discount = start.expand(actions.shape[1], -1), 0.0, 1.0
        for action in actions:
            both = torch.cat([z, action], -1)
            total = total + discount * self.scalar(self.rew(both))
            z, discount = self.dyn(both), discount * DISCOUNT
        both = torch.cat([z, self.act(z, noise)], -1)
        values = torch.stack([head(both) for head in self.q])
        return total + discount * self.scalar(values[pair]).mean(0)

    def plan(self, start, mean):
        actions, z = torch.empty(HORIZON, SAMPLES, ACTION), start.expand(FROM_POLICY, -1)
        for t in range(HORIZON):
            actions[t, :FROM_POLICY] = self.act(z, torch.randn(FROM_POLICY, ACTION))
            if t + 1 < HORIZON:
                z = self.dyn(torch.cat([z, actions[t, :FROM_POLICY]], -1))
        mean = torch.cat([mean[1:], torch.zeros(1, ACTION)])
        std = torch.full((HORIZON, ACTION), 2.0)
        for _ in range(ITERATIONS):
            drawn = mean[:, None] + std[:, None] * torch.randn(HORIZON, SAMPLES - FROM_POLICY, ACTION)
            actions[:, FROM_POLICY:] = drawn.clamp(-1, 1)
            returns = self.returns(start, actions, torch.randn(SAMPLES, ACTION), torch.randperm(HEADS)[:2])
            best = torch.topk(returns, ELITES).indices
            weights = torch.exp(0.5 * (returns[best] - returns[best[0]]))
            weights, elites = (weights / weights.sum())[None, :, None], actions[:, best]
            mean = (weights * elites).sum(1)
            std = (weights * (elites - mean[:, None]) ** 2).sum(1).sqrt().clamp(0.05, 2)
        return mean


def housecat(weights, threads, heads, rounds):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "housecat-model", "--bench", "tdmpc2", "--", "--weights",
               str(weights), "--threads", str(threads), "--heads", str(heads), "--rounds", str(rounds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


@torch.inference_mode()
def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = Model().eval()
    start = F.softmax(torch.randn(LATENT // 8, 8), -1).reshape(-1)
    actions, noise = torch.rand(HORIZON, SAMPLES, ACTION) * 2 - 1, torch.randn(SAMPLES, ACTION)
    returns = model.returns(start, actions, noise, torch.tensor([0, 1]))
    theirs, ours = [], {2: [], HEADS: []}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "tdmpc2.safetensors"
        arrays = {"start": start, "actions": actions.transpose(0, 1), "noise": noise, "returns": returns}
        save_file({name: array.contiguous().clone() for name, array in {**model.state_dict(), **arrays}.items()}, file)
        difference = housecat(file, args.threads, 2, 1)["difference"]
        mean = model.plan(start, torch.zeros(HORIZON, ACTION))
        for _ in range(args.rounds):
            for _ in range(10):
                begun = time.perf_counter()
                mean = model.plan(start, mean)
                theirs.append((time.perf_counter() - begun) * 1e3)
            for heads, times in ours.items():
                times += housecat(file, args.threads, heads, 10)["ms"]
    torch_ms = statistics.median(theirs)
    ms = {heads: statistics.median(times) for heads, times in ours.items()}
    result = {"threads": args.threads, "torch_ms": torch_ms, "housecat_ms": ms[2], "housecat_all_heads_ms": ms[HEADS],
              "ratio": torch_ms / ms[2], "difference": difference, "load": os.getloadavg()[0]}
    if args.json:
        print(json.dumps(result))
    else:
        print("| TD-MPC2's planner, 5 M, 512 x 6 x 3 | PyTorch, ms | housecat, ms | ratio |\n|---|---|---|---|")
        print(f"| {args.threads} threads, the 2 heads that count | {torch_ms:.0f} | {ms[2]:.0f} | {torch_ms / ms[2]:.2f} |")
        print(f"| all 5 heads | {torch_ms:.0f} | {ms[HEADS]:.0f} | {torch_ms / ms[HEADS]:.2f} |")
        print(f"\nThe same weights give the same returns to {difference:.1e}.")
    sys.exit(0 if result["ratio"] >= 3 and difference < 1e-3 else 1)


if __name__ == "__main__":
    main()
