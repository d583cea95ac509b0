"""What scoring a beam search costs, step by step, beside one pass over everything it ever scored.

    python -m bench.beam_scoring --json
    python -m bench.beam_scoring --json --layers 6

A beam of `width` partial solutions is extended by `each` continuations a step, all are scored, and
the best are kept: `steps` calls of the scorer. Three ways take turns: ours (what was scored before
is remembered), the same scorer without memory (the prompt shared within a call, the steps
recomputed), and one pass over the tree of all that was scored, the least that any way could cost.
Ratios are medians over the rounds, in processor time, with their range.
"""

import argparse
import json
import random
import statistics

import numpy as np
import torch
from bench.plain_loop import SIZES, model
from bench.shared_prefix import timed

from assay.packing.tree import grow
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response


def main() -> None:
    """Time the three ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--step-tokens", type=int, default=32)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    SIZES["smol"]["num_hidden_layers"] = arguments.layers
    reward_model = model("smol", arguments.dtype, arguments.device)
    reward_model.forced = None
    calls = search(arguments, random.Random(0))
    everything = Group(
        prompt=calls[0].prompt, responses=tuple(r for call in calls for r in call.responses)
    )

    def through(remember: int, groups: list[Group]) -> torch.Tensor:
        scorer = LocalScorer(reward_model, remember=remember)
        return torch.tensor(
            [x[-1] for g in groups for (some,) in [scorer.logits([g])] for x in some]
        )  # type: ignore[index]

    ways = {
        "remembered": lambda: through(1 << 20, calls),
        "recomputed": lambda: through(0, calls),
        "one pass": lambda: through(0, [everything]),
    }
    results, times = {}, {name: [] for name in ways}
    for round_ in range(arguments.rounds + 1):
        for name, run in ways.items():
            results[name], wall, cpu = timed(run, arguments.device)
            if round_:
                times[name].append(cpu if arguments.device == "cpu" else wall)
    costs = {
        name: [a / b for a, b in zip(times[name], times["one pass"], strict=True)]
        for name in ("remembered", "recomputed")
    }
    sequences = reward_model.encoder.encode([(everything.prompt, r) for r in everything.responses])
    tree = grow([np.array(s.ids) for s in sequences], least=1)
    found = {
        **vars(arguments),
        "unique_tokens": len(tree.ids_T),
        "tokens": sum(tree.lengths),
        "seconds": {name: statistics.median(some) for name, some in times.items()},
        "cost_over_one_pass": {
            name: {"median": statistics.median(some), "range": [min(some), max(some)]}
            for name, some in costs.items()
        },
        "max_difference": float((results["remembered"] - results["one pass"]).abs().max()),
    }
    for name, some in costs.items():
        print(
            f"{name}: {statistics.median(some):.2f} [{min(some):.2f}, {max(some):.2f}] times one"
            " pass"
        )
    if arguments.json:
        print(json.dumps(found))


def search(arguments: argparse.Namespace, rng: random.Random) -> list[Group]:
    """What a beam search asks to be scored, call by call; survivors are drawn by lot."""

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(10, 49_000)}" for _ in range(length))

    prompt = Prompt.of(text(arguments.prompt))
    beam: list[tuple[str, ...]] = [()] * arguments.width
    calls = []
    for _ in range(arguments.steps):
        grown = [
            (*steps, text(arguments.step_tokens) + " ")
            for steps in beam
            for _ in range(arguments.each)
        ]
        calls.append(
            Group(prompt=prompt, responses=tuple(Response(steps=s, finished=False) for s in grown))
        )
        beam = rng.sample(grown, arguments.width)
    return calls


if __name__ == "__main__":
    main()
