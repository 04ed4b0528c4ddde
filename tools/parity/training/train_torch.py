"""Training steps of the same model in turns, in one run: PyTorch and housecat.

    python train_torch.py [--model two-room] [--batch 128] [--threads 2] [--rounds 4] [--steps 8] [--bf16] [--json]

Prints a markdown table with the medians and the ratio of windows per second (a window has 4 frames); exits 1 if housecat is
slower than --bar times PyTorch: by the median time of a step, or with --bar-of cpu by the processor's time, which a busy
machine disturbs less. Data are random and in memory. Rounds change who goes first. --bf16 runs both with products of
bfloat16: PyTorch under its autocast, housecat with `train.precision = "bf16"`; --torch-only leaves housecat out;
--eager-channels keeps PyTorch's images in its default layout instead of the faster channels-last.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time

import torch

from models import MODELS


def processor_ms():
    """What all threads have computed, and the system for them: clearing memory is work, too."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return 1e3 * (usage.ru_utime + usage.ru_stime)


def torch_steps(name, batch, threads, bf16, channels_last):
    """A function that takes so many steps and gives their wall times and the processor's time of a step, in ms."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    build, side = MODELS[name]
    model = build().train()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-3, betas=(0.9, 0.99))
    # Bytes, as from a camera: both sides turn them to floats in every step.
    pixels = torch.randint(0, 256, (batch, 4, side, side, 3), dtype=torch.uint8)
    actions = torch.randn(batch, 3, 10)

    def step():
        x = (pixels.float() * (2 / 255) - 1).permute(0, 1, 4, 2, 3)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model.loss(x, actions)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    def steps(count):
        before, walls = processor_ms(), []
        for _ in range(count):
            start = time.perf_counter()
            step()
            walls.append(1e3 * (time.perf_counter() - start))
        return walls, (processor_ms() - before) / count

    return steps


def bench_binary():
    """Builds housecat's bench, and gives its path."""
    command = ["cargo", "bench", "-p", "housecat-model", "--bench", "train", "--no-run"]
    built = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return re.search(r"\((.*train-[0-9a-f]+)\)", built).group(1)


def housecat_steps(path, name, batch, threads, precision, count):
    command = [path, "--model", name, "--batch", str(batch), "--threads", str(threads), "--steps", str(count),
               "--precision", precision]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="two-room", choices=sorted(MODELS))
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--bar", type=float, default=0.0)
    options.add_argument("--bar-of", default="median", choices=["median", "cpu"])
    options.add_argument("--housecat", help="the built bench `train`; built with cargo if not given")
    options.add_argument("--bf16", action="store_true")
    options.add_argument("--torch-only", action="store_true")
    options.add_argument("--eager-channels", action="store_true")
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    path = None if args.torch_only else args.housecat or bench_binary()
    steps = torch_steps(args.model, args.batch, args.threads, args.bf16, not args.eager_channels)
    precision = "bf16" if args.bf16 else "f32"
    steps(2)
    theirs, ours = [], []

    def run_torch():
        walls, cpu = steps(args.steps)
        theirs.append({"fastest_ms": min(walls), "median_ms": statistics.median(walls), "cpu_ms": cpu})

    def run_housecat():
        if path:
            ours.append(housecat_steps(path, args.model, args.batch, args.threads, precision, args.steps))

    for index in range(args.rounds):
        for run in (run_torch, run_housecat)[:: 1 if index % 2 == 0 else -1]:
            run()
    result = {"model": args.model, "batch": args.batch, "threads": args.threads, "torch": torch.__version__,
              "precision": precision, "torch_rounds": theirs, "housecat_rounds": ours,
              "load": os.getloadavg()[0]}
    middle = lambda rounds, key: statistics.median(row[key] for row in rounds)
    best = lambda rounds: min(row["fastest_ms"] for row in rounds)
    result["torch_ms"], result["torch_best_ms"] = middle(theirs, "median_ms"), best(theirs)
    result["torch_cpu_ms"] = middle(theirs, "cpu_ms")
    if ours:
        result["housecat_ms"], result["housecat_best_ms"] = middle(ours, "median_ms"), best(ours)
        result["housecat_cpu_ms"] = middle(ours, "cpu_ms")
        result["ratio"] = result["torch_ms"] / result["housecat_ms"]
        result["ratio_cpu"] = result["torch_cpu_ms"] / result["housecat_cpu_ms"]
        result["ratio_best"] = result["torch_best_ms"] / result["housecat_best_ms"]
    if args.json:
        print(json.dumps(result))
    else:
        print("| a training step | PyTorch, ms | housecat, ms | ratio |\n|---|---|---|---|")
        size = f"{args.model}, {args.batch} windows, {args.threads} threads, {precision}"
        for what, key in [("median", "_ms"), ("fastest", "_best_ms"), ("processor's time", "_cpu_ms")]:
            own = result.get("housecat" + key, float("nan"))
            print(f"| {size}: {what} | {result['torch' + key]:.1f} | {own:.1f} | {result['torch' + key] / own:.2f} |")
    held = result.get("ratio" if args.bar_of == "median" else "ratio_cpu", 1e9)
    sys.exit(0 if held >= args.bar else 1)


if __name__ == "__main__":
    main()
