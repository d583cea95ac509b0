"""What a plan says of memory, beside what runs take: peak resident memory less what the process
held before there was a model, each case in a process of its own (Linux).

    python -m experiments.plan_memory                      # three sizes, seven ways: some minutes
    python -m experiments.plan_memory --sizes 12m --json

A training run takes two steps of two passes each, so that gradients and the optimiser's
state are there while a pass is under way; scoring reads two rounds. Both are what `assay train` and
`assay score` do, on random weights. Of an allocator that gives memory back late nothing is said:
glibc's is told to give back at once.
"""

import argparse
import ctypes
import gc
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from bench.plain_loop import SPECIAL, pairs
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from assay.losses.bradley_terry import BradleyTerry
from assay.models import lora
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.models.reward_model import RewardModel
from assay.models.shapes import config_of, network_of
from assay.packing.engine import Engine
from assay.scorers.local import LocalScorer
from assay.training import loop
from assay.training import optimization as descent
from assay.training.collate import encode
from assay.training.footprint import Use, footprint
from assay.training.settings import Settings
from assay.types import Group

WAYS: dict[str, dict[str, Any]] = {
    "train fp32": {},
    "train autocast": {"autocast": True},
    "train bf16": {"dtype": "bfloat16"},
    "train lora": {"lora": 16},
    "train checkpointing": {"gradient_checkpointing": True},
    "score fp32": {"trains": False},
    "score bf16": {"trains": False, "dtype": "bfloat16"},
}
SIZES = {
    "12m": (6, 384, 1024, 6, 2),
    "40m": (12, 512, 1536, 8, 4),
    "135m": (30, 576, 1536, 9, 3),
}
WORDS = 8192


def main() -> None:
    """Measure every case that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--tokens", type=int, default=1024, help="tokens of a pass")
    parser.add_argument("--length", type=int, default=128, help="tokens of a sequence")
    parser.add_argument("--plain", action="store_true", help="padded batches, nothing shared")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measured(*arguments.worker, arguments)))
        return
    os.environ.setdefault("PYTHONPATH", ":".join(sys.path))
    rows = [in_a_process(size, way) for size in arguments.sizes for way in arguments.ways]
    if arguments.json:
        print(json.dumps(rows))


def in_a_process(size: str, way: str) -> dict[str, Any]:
    """Return a case's figures, and print a line."""
    command = [
        sys.executable,
        "-m",
        "experiments.plan_memory",
        *sys.argv[1:],
        "--worker",
        size,
        way,
    ]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{size:>5} {way:<20} planned {row['planned'] / 1e6:8,.0f} MB,"
        f" measured {row['measured'] / 1e6:8,.0f} MB: {row['planned'] / row['measured'] - 1:+.1%}",
        file=sys.stderr,
        flush=True,
    )
    return row


def measured(size: str, way: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one case in this process."""
    torch.set_num_threads(1)
    use = Use(
        **{"trains": True, "tokens": arguments.tokens, "length": arguments.length} | WAYS[way]
    )
    warm_up(use)
    # Everything that a first model brings with it is there.
    before = at_rest()
    run(model(size, use), use, arguments.plain)
    taken = peak() - before
    return {
        "size": size,
        "way": way,
        "planned": footprint(shape(size), use).total,
        "measured": taken,
    }


def shape(size: str) -> Any:
    """The configuration of a size."""
    layers, width, inner, heads, groups = SIZES[size]
    config = config_of("135m")
    config.update(
        {
            "num_hidden_layers": layers,
            "hidden_size": width,
            "intermediate_size": inner,
            "num_attention_heads": heads,
            "num_key_value_heads": groups,
            "head_dim": width // heads,
            "vocab_size": WORDS,
            "pad_token_id": 0,
        }
    )
    return config


def model(size: str, use: Use) -> RewardModel:
    """A random classifier of a size, ready for a way."""
    words = SPECIAL | {f"w{i}": i for i in range(3, WORDS)}
    core = Tokenizer(models.WordLevel(words, unk_token="w3"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>"
    )
    network = network_of(shape(size), "cpu", getattr(torch, use.dtype))
    made = wrap(network, tokenizer, layout=Layout(max_length=4096), readout=PREFERENCE)
    if use.lora:
        lora.add_lora(made, use.lora, 2 * use.lora)
    return made


def run(made: RewardModel, use: Use, plain: bool) -> None:
    """Train two steps of two passes each, or score as many pairs twice."""
    if plain:
        made.forced = Engine("plain", "asked for", 0.0)
    # Two responses to a prompt of half the length; those of a pair share it.
    half = use.length // 2
    unique = 2 * use.length if plain else half + 2 * half
    count = 2 * max(1, use.tokens // unique)
    records = pairs(2 * count, half - 4, (half - 4, half - 4), random.Random(0))
    if not use.trains:
        scorer = LocalScorer(made, micro_tokens=use.tokens)
        for _ in range(2):
            scorer.score([Group(prompt=r.prompt, responses=r.responses) for r in records[:count]])
        return
    settings = Settings(
        batch_size=count,
        micro_tokens=use.tokens,
        autocast=use.autocast,
        gradient_checkpointing=use.gradient_checkpointing,
    )
    examples, _ = encode(records, made.encoder, BradleyTerry())
    task = loop.task_of(made, examples, BradleyTerry(), settings)
    optimiser = descent.optimiser_of(made, settings)
    with descent.checkpointing(made.network, use.gradient_checkpointing):
        for step in range(2):
            batch = examples[step * count : (step + 1) * count]
            descent.take_step(task, optimiser, batch, step, 2)


def warm_up(use: Use) -> None:
    """Run a way once on a model of no size, so that code and kernels are there."""
    SIZES["tiny"] = (1, 32, 64, 2, 1)
    few = Use(**vars(use) | {"tokens": 64, "length": 16})
    run(model("tiny", few), few, plain=False)


def at_rest() -> int:
    """Bytes that the process holds, what it can give back given back; its peak begins anew."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def peak() -> int:
    """Most bytes that the process has held since it was at rest."""
    return resident("VmHWM")


def resident(what: str) -> int:
    """A number of `/proc/self/status`, in bytes: Linux has it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
