"""What sharing prompts buys: one prompt and N responses, scored and trained on, beside padded
transformers batches.

    # SmolLM2-135M's shape: about an hour on two quiet cores
    python -m bench.shared_prefix --json
    # the same shape, a fifth of the depth and of the time
    python -m bench.shared_prefix --json --layers 6

Every case takes turns in one process: batches of 16 in the order given, the same sorted by length,
and ours, so that whatever else the machine does hits all three. Figures are medians over the
rounds; the speed-up is the median of the paired ratios against the sorted batches, in processor
time, with its range. Beside it stand the ratio of tokens, N (P + R) / (P + N R), which is what
sharing could buy if padding and attention cost nothing, and the share of the matmul peak, measured
in the same rounds: operations of the linear layers on unique tokens only.

The peers get token ids; ours gets texts.
"""

import argparse
import dataclasses
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from bench.plain_loop import SIZES, model
from torch import Tensor

from assay.losses.bradley_terry import BradleyTerry
from assay.losses.plackett_luce import PlackettLuce
from assay.models.layout import Encoded
from assay.models.reward_model import RewardModel
from assay.packing.tree import grow
from assay.scorers.local import LocalScorer
from assay.training import loop
from assay.training import optimization as descent
from assay.training.collate import encode
from assay.training.settings import Settings
from assay.types import Group, Preference, Prompt, Ranking, Response

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed."""

    kind: str
    """score, train, or alone: scoring responses to as many prompts."""
    dtype: str
    prompt: int
    response: int
    count: int
    """Responses a prompt."""
    groups: int = 1


CASES = [
    Case(kind, dtype, *shape)
    for dtype in ("float32", "bfloat16")
    for kind, *shape in (
        ("score", 512, 128, 16, 1),
        ("score", 512, 128, 64, 1),
        ("score", 64, 128, 16, 4),
        ("score", 2048, 128, 16, 1),
        ("alone", 512, 128, 1, 16),
        ("train", 512, 128, 2, 4),
        ("train", 512, 128, 8, 1),
        ("train", 64, 128, 2, 8),
    )
]


def main() -> None:
    """Time every case that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument(
        "--size", choices=["smol", "1b"], default="smol", help="1b: 16 layers, 2048 wide"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", default=["score", "alone", "train"])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--prompts", nargs="+", type=int, default=[64, 512, 2048])
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2, 8, 16, 64])
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    SIZES["1b"] = {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "heads": (32, 8),
    }
    SIZES[arguments.size]["num_hidden_layers"] = arguments.layers
    rows = []
    for case in CASES:
        asked = case.kind in arguments.kinds and case.dtype in arguments.dtypes
        if asked and case.prompt in arguments.prompts and case.count in arguments.counts:
            rows.append(measure(case, arguments))
            print(line(rows[-1]), file=sys.stderr, flush=True)
    settings = {
        k: v
        for k, v in vars(arguments).items()
        if k in ("size", "layers", "device", "threads", "rounds")
    }
    if arguments.json:
        print(json.dumps(settings | {"torch": torch.__version__, "cases": rows}))


def measure(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """One case's figures."""
    rng = random.Random(0)
    groups = [group(case, rng) for _ in range(case.groups)]
    ours, peer = (model(arguments.size, case.dtype, arguments.device) for _ in range(2))
    ours.forced = None
    sequences = ours.encoder.encode([(g.prompt, r) for g in groups for r in g.responses])
    tree = grow([np.array(s.ids) for s in sequences])
    make = training if case.kind == "train" else scoring
    runs = make(ours, peer, groups, sequences)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    peaks: list[float] = []
    results: dict[str, Tensor] = {}
    for round_ in range(arguments.rounds + 1):
        for name, run in runs.items():
            results[name], wall, cpu = timed(run, arguments.device)
            if round_:
                times[name].append((wall, cpu))
        if round_:
            peaks.append(peak(case.dtype, arguments.device))
    clock = 0 if arguments.device != "cpu" else 1
    medians = {name: statistics.median(t[clock] for t in some) for name, some in times.items()}
    ratios = [p[clock] / o[clock] for p, o in zip(times["sorted"], times["ours"], strict=True)]
    tokens, unique = sum(tree.lengths), len(tree.ids_T)
    shape = SIZES[arguments.size]
    operations = 2 * unique * linear_parameters(shape) * (3 if case.kind == "train" else 1)
    speedup, best = statistics.median(ratios), statistics.median(peaks)
    # Processor time is of all threads together; the peak is of one thread.
    threads = 1 if clock else arguments.threads
    return {
        **dataclasses.asdict(case),
        "tokens": tokens,
        "unique_tokens": unique,
        "seconds": {name: statistics.median(t[0] for t in some) for name, some in times.items()},
        "processor_seconds": {
            name: statistics.median(t[1] for t in some) for name, some in times.items()
        },
        "tokens_per_second": {
            name: tokens / statistics.median(t[0] for t in some) for name, some in times.items()
        },
        "speedup_over_padded": medians["padded"] / medians["ours"],
        "speedup": speedup,
        "speedup_range": [min(ratios), max(ratios)],
        "token_ratio": tokens / unique,
        "share_of_token_ratio": speedup / (tokens / unique),
        "matmul_peak_gflops": best / 1e9 * threads,
        "share_of_peak": {
            name: operations * (1 if name == "ours" else tokens / unique) / seconds / best / threads
            for name, seconds in medians.items()
        },
        "max_difference": float((results["ours"] - results["sorted"]).abs().max()),
        "engine": ours.engine.path,
        "n": arguments.rounds,
    }


def group(case: Case, rng: random.Random) -> Ranking:
    """A prompt and its responses, whose lengths vary by a quarter."""

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(10, 49_000)}" for _ in range(length))

    spread = case.response // 4
    lengths = [
        rng.randint(case.response - spread, case.response + spread) for _ in range(case.count)
    ]
    responses = tuple(Response.of(text(n)) for n in lengths)
    return Ranking(
        prompt=Prompt.of(text(case.prompt)),
        responses=responses,
        grades=tuple(range(case.count))[::-1],
    )


def scoring(
    ours: RewardModel, peer: RewardModel, groups: Sequence[Ranking], sequences: Sequence[Encoded]
) -> dict[str, Callable[[], Tensor]]:
    """Scores of all responses, in their order."""
    scorer = LocalScorer(ours)
    asked = [Group(prompt=g.prompt, responses=g.responses) for g in groups]
    network, device = (
        peer.network.to(next(peer.backbone.parameters()).dtype).eval(),
        next(peer.parameters()).device,
    )

    @torch.inference_mode()
    def batches(order: Sequence[int]) -> Tensor:
        found = torch.zeros(len(order))
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            ids, mask = padded([sequences[i].ids for i in part], device)
            found[list(part)] = (
                network(input_ids=ids, attention_mask=mask).logits[:, 0].float().cpu()
            )
        return found

    def score() -> Tensor:
        return torch.tensor([x[-1] for some in scorer.logits(asked) for x in some])  # type: ignore[index]

    given = list(range(len(sequences)))
    by_length = sorted(given, key=lambda i: len(sequences[i].ids))
    return {"padded": lambda: batches(given), "sorted": lambda: batches(by_length), "ours": score}


def training(
    ours: RewardModel, peer: RewardModel, groups: Sequence[Ranking], sequences: Sequence[Encoded]
) -> dict[str, Callable[[], Tensor]]:
    """One optimiser step at learning rate 0 on all groups; the loss."""
    pairs = len(groups[0].responses) == 2
    loss = BradleyTerry() if pairs else PlackettLuce()
    records = (
        [Preference(prompt=g.prompt, responses=g.responses, prefer=1.0) for g in groups]
        if pairs
        else groups
    )
    settings = Settings(batch_size=len(groups), learning_rate=1e-30)
    examples, _ = encode(records, ours.encoder, loss)
    task = loop.task_of(ours, examples, loss, settings)
    optimiser, other = descent.optimiser_of(ours, settings), descent.optimiser_of(peer, settings)
    network, device = (
        peer.network.to(next(peer.backbone.parameters()).dtype).train(),
        next(peer.parameters()).device,
    )

    def step(in_order: bool) -> Tensor:
        # Groups are whole: a batch holds as many as make 16 sequences, or one.
        size = max(1, BATCH // len(groups[0].responses))
        order = sorted(examples, key=lambda e: e.length) if in_order else examples
        total = 0.0
        for start in range(0, len(order), size):
            part = order[start : start + size]
            ids, mask = padded([row.tolist() for e in part for row in e.ids], device)
            values = (
                network(input_ids=ids, attention_mask=mask).logits.float().view(len(part), -1, 1)
            )
            targets = torch.tensor(np.stack([e.target for e in part]), device=device)
            value = (
                loss(values, targets, torch.ones_like(values, dtype=torch.bool))
                * len(part)
                / len(order)
            )
            value.backward()
            total += float(value.detach())
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        other.step()
        other.zero_grad()
        return torch.tensor([total])

    def our_step() -> Tensor:
        return torch.tensor([descent.take_step(task, optimiser, examples, 0, 1)["loss"]])

    return {"padded": lambda: step(False), "sorted": lambda: step(True), "ours": our_step}


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask, padded on the right."""
    tensors = [torch.tensor(row) for row in rows]
    ids = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=0)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(t) for t in tensors], batch_first=True)
    return ids.to(device), mask.to(device)


def timed(run: Callable[[], Tensor], device: str) -> tuple[Tensor, float, float]:
    """The result, wall seconds and processor seconds."""
    if device != "cpu":
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    if device != "cpu":
        torch.cuda.synchronize()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def peak(dtype: str, device: str, size: int = 0) -> float:
    """Operations a second of one thread (on a GPU: of the device) in a big matrix product.

    size: rows and columns; 0 = 2048, on a GPU 8192.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    size = size or (2048 if device == "cpu" else 8192)
    a, b = (torch.randn(size, size, device=device).to(getattr(torch, dtype)) for _ in range(2))
    a @ b
    _, wall, cpu = timed(lambda: a @ b, device)
    torch.set_num_threads(threads)
    return 2 * size**3 / (cpu if device == "cpu" else wall)


def linear_parameters(shape: dict[str, Any]) -> int:
    """Weights of the linear layers."""
    width, inner, (heads, kv_heads) = (
        shape["hidden_size"],
        shape["intermediate_size"],
        shape["heads"],
    )
    attention = 2 * width * width + 2 * width * width * kv_heads // heads
    return int(shape["num_hidden_layers"] * (attention + 3 * width * inner))


def line(row: dict[str, Any]) -> str:
    """A case in words."""
    low, high = row["speedup_range"]
    return (
        f"{row['kind']} {row['dtype']} P={row['prompt']} N={row['count']} x{row['groups']}:"
        f" {row['speedup']:.2f} [{low:.2f}, {high:.2f}] times sorted,"
        f" {row['speedup_over_padded']:.2f} times padded; token ratio {row['token_ratio']:.2f},"
        f" reached {row['share_of_token_ratio']:.0%}; {row['tokens_per_second']['ours']:.0f}"
        f" tokens/s ({row['tokens_per_second']['sorted']:.0f} sorted);"
        f" {row['share_of_peak']['ours']:.0%} of the matmul peak"
        f" ({row['share_of_peak']['sorted']:.0%} sorted) of {row['matmul_peak_gflops']:.0f}"
        f" GFLOP/s; off by {row['max_difference']:.1e} at most"
    )


if __name__ == "__main__":
    main()
