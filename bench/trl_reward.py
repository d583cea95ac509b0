"""Training on preferences, beside TRL's `RewardTrainer`: same model, pairs, precision and pairs a
step.

    # SmolLM2-135M's shape: about half an hour on two quiet cores
    python -m bench.trl_reward --json
    # a fifth of the depth
    python -m bench.trl_reward --json --layers 6

TRL is installed in an environment of its own (`runs/trl_env`) and gets token ids; every measurement
is a process of its own, so that its peak memory is its own. First the loss traces: ten steps at
learning rate 0 and at 1e-5 in fp32, on the same pairs in the same order. Then the speed: tokens of
both whole sequences over the median seconds of a step, after a first one that is left out, and the
peak memory above what was there before training.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import torch
from bench.plain_loop import SIZES, model, pairs

from assay.losses.bradley_terry import BradleyTerry
from assay.models import checkpoint
from assay.training import loop
from assay.training import optimization as descent
from assay.training.collate import encode
from assay.training.settings import Settings
from assay.types import Preference

REPOSITORY = Path(__file__).resolve().parent.parent
TRL = "trl==1.16.0"
OURS = ("fp32", "autocast", "bf16")
THEIRS = ("default", "fp32", "autocast", "bf16")
SAME = {"default": "autocast", "fp32": "fp32", "autocast": "autocast", "bf16": "bf16"}
"""Our mode of the same precision."""


def main() -> None:
    """Measure both sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--response", type=int, nargs=2, default=[96, 160])
    parser.add_argument("--pairs", type=int, default=4, help="pairs a step")
    parser.add_argument("--steps", type=int, default=6, help="steps timed, the first one left out")
    parser.add_argument(
        "--trace-pairs", type=int, default=2, help="pairs a step of the loss traces; 0: no traces"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--environment", type=Path, default=REPOSITORY / "runs" / "trl_env")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument(
        "--worker",
        nargs=5,
        metavar=("MODE", "DATA", "PAIRS", "STEPS", "RATE"),
        help=argparse.SUPPRESS,
    )
    parser.add_argument("--model", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.worker:
        mode, data, count, steps, rate = arguments.worker
        print(
            json.dumps(
                train(arguments.model, mode, Path(data), int(count), int(steps), float(rate))
            )
        )
        return
    python = environment(arguments.environment)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(arguments, python, Path(folder))
    if arguments.json:
        print(json.dumps(found))


def compare(arguments: argparse.Namespace, python: Path, folder: Path) -> dict[str, Any]:
    """All measurements, with a line on stderr for each."""
    SIZES["smol"]["num_hidden_layers"] = arguments.layers
    start = model("smol", "float32", "cpu")
    checkpoint.save(start, folder / "model")
    count = max(arguments.pairs * arguments.steps, 10 * arguments.trace_pairs)
    records = pairs(count, arguments.prompt, tuple(arguments.response), random.Random(0))
    examples, _ = encode(records, start.encoder, BradleyTerry())
    rows = [
        dict(zip(("chosen_ids", "rejected_ids"), (ids.tolist() for ids in e.ids), strict=True))
        for e in examples
    ]
    (folder / "ids.json").write_text(json.dumps(rows))
    (folder / "pairs.jsonl").write_text(
        "".join(record.model_dump_json() + "\n" for record in records)
    )
    tokens = statistics.mean(len(ids) for row in rows for ids in row.values()) * 2 * arguments.pairs
    base = [str(folder / "model"), str(arguments.threads)]

    def ours(mode: str, size: int, steps: int, rate: float) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "bench.trl_reward",
            "--model",
            base[0],
            "--threads",
            base[1],
            "--worker",
            mode,
        ]
        return run([*command, str(folder / "pairs.jsonl"), str(size), str(steps), str(rate)])

    def theirs(mode: str, size: int, steps: int, rate: float) -> dict[str, Any]:
        options = {
            "model": base[0],
            "data": folder / "ids.json",
            "mode": mode,
            "pairs": size,
            "steps": steps,
        }
        options |= {"learning-rate": rate, "threads": base[1], "out": folder / "out"}
        command = [str(python), str(REPOSITORY / "bench" / "trl_reward_peer.py")]
        return run(
            [*command, *(str(x) for name, value in options.items() for x in (f"--{name}", value))]
        )

    traces = {}
    for rate in (0.0, 1e-5) if arguments.trace_pairs else ():
        a, b = (side("fp32", arguments.trace_pairs, 10, rate)["losses"] for side in (ours, theirs))
        traces[str(rate)] = {
            "ours": a,
            "trl": b,
            "max_difference": max(abs(x - y) for x, y in zip(a, b, strict=True)),
        }
        say(
            f"learning rate {rate}: losses differ by {traces[str(rate)]['max_difference']:.1e} at"
            " most over 10 steps"
        )
    speeds: dict[str, dict[str, Any]] = {}
    for name, side, modes in (("ours", ours, OURS), ("trl", theirs, THEIRS)):
        for mode in modes:
            row = side(mode, arguments.pairs, arguments.steps, 1e-5)
            row["tokens_per_second"] = tokens / row["wall"]
            row["tokens_per_processor_second"] = tokens / row["cpu"]
            row["training_mb"] = row["peak_mb"] - row["before_mb"]
            speeds[f"{name} {mode}"] = row
            say(
                f"{name} {mode}: {row['tokens_per_second']:.0f} tokens/s, {row['peak_mb']:.0f} MB"
                " at the peak"
            )
    ratios = {
        mode: {
            "speed": (
                speeds[f"ours {mine}"]["tokens_per_second"]
                / speeds[f"trl {mode}"]["tokens_per_second"]
            ),
            "speed_in_processor_time": speeds[f"trl {mode}"]["cpu"] / speeds[f"ours {mine}"]["cpu"],
            "training_memory": (
                speeds[f"ours {mine}"]["training_mb"] / speeds[f"trl {mode}"]["training_mb"]
            ),
            "peak_memory": speeds[f"ours {mine}"]["peak_mb"] / speeds[f"trl {mode}"]["peak_mb"],
        }
        for mode, mine in SAME.items()
    }
    for mode, row in ratios.items():
        say(
            f"ours {SAME[mode]} over TRL {mode}: {row['speed']:.2f} times the tokens/s, "
            f"{row['peak_memory']:.2f} of the peak memory"
        )
    best = {
        unit: {
            side: max(row[unit] for name, row in speeds.items() if name.startswith(side))
            for side in ("ours", "trl")
        }
        for unit in ("tokens_per_second", "tokens_per_processor_second")
    }
    best_over_best = {unit: some["ours"] / some["trl"] for unit, some in best.items()}
    say(
        "ours at its best over TRL at its best:"
        f" {', '.join(f'{x:.2f} {unit}' for unit, x in best_over_best.items())}"
    )
    settings = {
        k: getattr(arguments, k)
        for k in ("layers", "prompt", "response", "pairs", "steps", "threads")
    }
    return settings | {
        "traces": traces,
        "speeds": speeds,
        "ratios": ratios,
        "best_over_best": best_over_best,
    }


def train(
    folder: str, mode: str, data: Path, count: int, steps: int, rate: float
) -> dict[str, Any]:
    """Our side, in this process."""
    dtype = "bfloat16" if mode == "bf16" else "float32"
    ours = checkpoint.load(folder, dtype=dtype)
    lines = data.read_text().splitlines()[: count * steps]
    examples, _ = encode(
        [Preference.model_validate_json(line) for line in lines], ours.encoder, BradleyTerry()
    )
    settings = Settings(
        batch_size=count,
        learning_rate=rate or 1e-30,
        warmup=0,
        final_learning_rate_share=1,
        autocast=mode == "autocast",
    )
    task = loop.task_of(ours, examples, BradleyTerry(), settings)
    optimiser = descent.optimiser_of(ours, settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    losses, wall, cpu = [], [], []
    for step in range(steps):
        began = time.perf_counter(), time.process_time()
        batch = examples[step * count : (step + 1) * count]
        losses.append(descent.take_step(task, optimiser, batch, step, steps)["loss"])
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "losses": losses,
        "wall": statistics.median(wall[1:]),
        "cpu": statistics.median(cpu[1:]),
        "before_mb": before / 1024,
        "peak_mb": peak / 1024,
    }


def environment(folder: Path) -> Path:
    """The Python of TRL's environment, made when it is not there."""
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        say(f"installing {TRL} in {folder}")
        venv.create(folder, with_pip=True)
        # torch first and alone: its CPU build is the one that must stay.
        for package in ("torch==2.13.0", TRL):
            subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
        (folder / ".ready").touch()
    return python


def run(command: list[str]) -> dict[str, Any]:
    """The JSON that a process prints last."""
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
