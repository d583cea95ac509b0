"""What questions cost a local model: one state with 20 questions, and 16 candidates of one prompt.

    # SmolLM2-135M's shape with random weights: two minutes on a quiet core
    python -m bench.questions --json
    # the same shape, a fifth of the depth and of the time
    python -m bench.questions --json --layers 6

Three ways take turns in one process, so that whatever else the machine does hits all three: ours,
from texts to distributions; the engine's bare pass over the same tree of unique tokens, the least
that any way could cost; and a full forward pass of the stock model for each question, as servers
without shared states do it, timed on a few of the questions. Ratios are medians over the rounds, in
processor time, with their range.
"""

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from bench.rollouts import policy
from bench.shared_prefix import timed

from assay.answerers import phrasing
from assay.answerers.local import LocalAnswerer
from assay.packing.engine import engine_of, hidden
from assay.packing.tree import grow
from assay.questions import Question
from assay.types import Prompt

TEMPLATE = (
    "{% for m in messages %}<bos> {{ m.content }} <eos> {% endfor %}"
    "{% if add_generation_prompt %}<bos>{% endif %}"
)


def main() -> None:
    """Time both cases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--state", type=int, default=2000, help="tokens of a state, or a prompt")
    parser.add_argument("--candidate", type=int, default=64, help="tokens")
    parser.add_argument("--question", type=int, default=12, help="tokens of its text")
    parser.add_argument("--alone", type=int, default=1, help="questions timed one by one")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.set_defaults(smol=False)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, tokenizer = policy(arguments)
    tokenizer.chat_template = TEMPLATE
    rng = random.Random(0)

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(20, 49_000)}" for _ in range(length))

    asked = [
        Question.choice(text(arguments.question), ["w11", "w12", "w13"], name=f"{i}")
        for i in range(20)
    ]
    prompt = text(arguments.state)
    candidates = [Prompt.of(f"{prompt} {text(arguments.candidate)}") for _ in range(16)]
    cases = {
        "1 state, 20 questions": ([Prompt.of(prompt)], [asked]),
        "16 candidates, 2 questions each": (candidates, [asked[:2]] * 16),
    }
    rows = {name: measure(model, tokenizer, arguments, *case) for name, case in cases.items()}
    for name, row in rows.items():
        print(
            f"{name}: {row['cost_over_tokens']['median']:.3f} times what {row['unique_tokens']}"
            f" tokens cost, {row['speedup_over_alone']['median']:.1f} times fewer seconds than one"
            f" by one; off by {row['max_difference']:.1e} at most"
        )
    if arguments.json:
        print(json.dumps(vars(arguments) | {"torch": torch.__version__, "cases": rows}))


def measure(
    model: Any,
    tokenizer: Any,
    arguments: argparse.Namespace,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
) -> dict[str, Any]:
    """One case's figures."""
    answerer = LocalAnswerer(model, tokenizer, floor=0.0, labels="words")
    pairs = [(s, q) for s, each in zip(states, questions, strict=True) for q in each]
    prompts = [phrasing.asked(state, question, style="words") for state, question in pairs]
    ids = answerer.answering.ids(prompts)
    labels = [one for (one,) in answerer.answering.labels(["w11", "w12", "w13"])]
    tree, engine = grow(ids), engine_of(model.base_model)

    def ours() -> torch.Tensor:
        found = answerer.answer(states, questions)
        return torch.tensor([one.probabilities for each in found for one in each])  # type: ignore[union-attr]

    @torch.inference_mode()
    def tokens() -> torch.Tensor:
        return hidden(model.base_model, tree, engine)

    @torch.inference_mode()
    def alone() -> torch.Tensor:
        each = [torch.from_numpy(row)[None].to(model.device) for row in ids[: arguments.alone]]
        logits = [model(row, use_cache=False, logits_to_keep=1).logits[0, -1] for row in each]
        return torch.stack(logits)[:, labels].float().softmax(-1).cpu()

    ways = {"ours": ours, "tokens": tokens, "alone": alone}
    times: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, torch.Tensor] = {}
    # What is tried once a model is tried now.
    answerer.answer([Prompt.of("w20")], [questions[0][:1]])
    for _ in range(arguments.rounds):
        for name, run in ways.items():
            results[name], wall, cpu = timed(run, arguments.device)
            times[name].append(cpu if arguments.device == "cpu" else wall)
    each = len(ids) / arguments.alone
    costs = [a / b for a, b in zip(times["ours"], times["tokens"], strict=True)]
    gains = [each * a / b for a, b in zip(times["alone"], times["ours"], strict=True)]
    return {
        "questions": len(ids),
        "tokens": sum(map(len, ids)),
        "unique_tokens": len(tree.ids_T),
        "engine": engine.path,
        "seconds_per_question": {
            "ours": statistics.median(times["ours"]) / len(ids),
            "alone": statistics.median(times["alone"]) / arguments.alone,
        },
        "cost_over_tokens": summary(costs),
        "speedup_over_alone": summary(gains),
        "token_ratio": sum(map(len, ids)) / len(tree.ids_T),
        "max_difference": float(
            (results["ours"][: arguments.alone] - results["alone"]).abs().max()
        ),
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """The median and the range."""
    return {"median": float(np.median(values)), "range": [min(values), max(values)]}


if __name__ == "__main__":
    main()
