"""A head's log-probabilities, forward and backward: in one operation, in chunks that are made again
(`torch.utils.checkpoint`), and with all logits at once.

    python -m bench.head --json                                   # half a minute on two cores
    python -m bench.head --device cuda --places 8192 --width 4096 --json

Each way is a process of its own, for its peak of memory; the seconds are of ways that take turns.
On a CPU processor seconds, and the peak is the resident set's above what the tensors take.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench.shared_prefix import timed
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from assay.models.chosen import chosen
from assay.models.log_probabilities import elements
from assay.models.logits import Formula

WAYS = ("fused", "checkpointed", "whole")


def main() -> None:
    """Time all ways, then measure each one's memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--places", type=int, default=1024)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--words", type=int, default=49_152)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only:
        print(json.dumps(memory(arguments)))
        return
    rows = measure(arguments)
    for way, row in rows.items():
        command = [sys.executable, "-m", "bench.head", *sys.argv[1:], "--only", way]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        row["peak_bytes"] = json.loads(found.stdout.splitlines()[-1])
        print(f"{way}: {row}", file=sys.stderr)
    if arguments.json:
        print(json.dumps({**vars(arguments), "ways": rows}))


def ways(arguments: argparse.Namespace) -> dict[str, Callable[[], Tensor]]:
    """The log-probabilities and all gradients by each way."""
    torch.manual_seed(0)
    where: dict[str, Any] = {
        "device": arguments.device,
        "dtype": getattr(torch, arguments.dtype),
    }
    head = nn.Linear(arguments.width, arguments.words, bias=False, **where)
    hidden = torch.randn(arguments.places, arguments.width, **where).requires_grad_()
    targets = torch.randint(arguments.words, (arguments.places,), device=arguments.device)
    owners = torch.arange(arguments.places, device=arguments.device)
    step = max(1, elements(hidden.device) // arguments.words)
    firsts = range(0, arguments.places, step)

    def of_chunk(part: Tensor, wanted: Tensor) -> Tensor:
        logs = head(part).float().log_softmax(-1)
        return logs.gather(-1, wanted[:, None]).squeeze(-1)

    def fused() -> Tensor:
        bounds = [(at, min(at + step, arguments.places)) for at in firsts]
        return chosen(head, Formula(), hidden, owners, targets, bounds, step=step)

    def checkpointed() -> Tensor:
        parts = [(hidden[at : at + step], targets[at : at + step]) for at in firsts]
        return torch.cat([checkpoint(of_chunk, *each, use_reentrant=False) for each in parts])

    def run(values: Callable[[], Tensor]) -> Tensor:
        head.weight.grad = hidden.grad = None
        found = values()
        found.mean().backward()
        assert hidden.grad is not None
        assert head.weight.grad is not None
        sample = hidden.grad.flatten()[:4096], head.weight.grad.flatten()[:4096]
        return torch.cat([found.detach(), *sample]).float().cpu()

    return {
        "fused": lambda: run(fused),
        "checkpointed": lambda: run(checkpointed),
        "whole": lambda: run(lambda: of_chunk(hidden, targets)),
    }


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Seconds of each way, and how far it is from all at once."""
    runs, clock = ways(arguments), 0 if arguments.device != "cpu" else 1
    times: dict[str, list[float]] = {way: [] for way in runs}
    results = {}
    for round_ in range(arguments.rounds + 1):
        for way, run in runs.items():
            results[way], *taken = timed(run, arguments.device)
            if round_:
                times[way].append(taken[clock])
    return {
        way: {
            "seconds": statistics.median(some),
            "range": [min(some), max(some)],
            "max_difference": float((results[way] - results["whole"]).abs().max()),
        }
        for way, some in times.items()
    }


def memory(arguments: argparse.Namespace) -> int:
    """Most bytes of one way above what is there before it."""
    run = ways(arguments)[arguments.only]
    if arguments.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    # The peak from here on: what a process begins with is its parent's.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    run()
    return peak_bytes() - before


def peak_bytes() -> int:
    """Most resident bytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
