"""A real language model under a reward that a program gives: SmolLM2-135M, LoRA, and a run that is
killed and goes on.

    python -m experiments.rl_smol --json

The reward is half for brevity (1 up to twelve words, 0 from twenty-four on) and half for an end in
a question mark: nothing that the model does by itself, and nothing to be wished for; what is
measured is the loop.
"""

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from transformers import AutoModelForCausalLM

from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer
from assay.models.smol import smol_folder
from assay.rl.loop import Optimised, optimise
from assay.rl.policy import Policy
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.runs.evaluations import eval_points
from assay.runs.settings import write_atomic
from assay.scorers.function import Called
from assay.stats import Estimate
from assay.types import Prompt

THINGS = (
    "the sea",
    "a bicycle",
    "rain",
    "bread",
    "the moon",
    "a violin",
    "chess",
    "honey",
    "winter",
    "a bridge",
    "tea",
    "an owl",
    "sleep",
    "a map",
    "fire",
    "the alphabet",
    "a clock",
    "salt",
    "a forest",
    "glass",
    "a letter",
    "music",
    "a garden",
    "wind",
    "a mirror",
    "iron",
    "a story",
    "the desert",
    "a shoe",
    "paper",
)
ASKED = ("Tell me about {}.", "What is {}?", "Why do people like {}?", "Describe {} to a child.")
SETTINGS = replace(
    RECIPES["rloo"],
    groups=4,
    samples=8,
    max_tokens=40,
    learning_rate=2e-4,
    warmup=3,
    kl=0.02,
    watch_every=10,
    watch_prompts=16,
    watch_samples=1,
    checkpoint_every=5,
)


def brief_question(completions: Sequence[str], **_: Any) -> list[float]:
    """Half for brevity, half for a question."""
    brief = [min(1.0, max(0.0, 2 - len(text.split()) / 12)) for text in completions]
    return [
        0.5 * b + 0.5 * text.strip().endswith("?")
        for b, text in zip(brief, completions, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Run it."""

    out: Path = Path("runs/rl_smol")
    """Where everything goes."""
    rounds: int = 30
    """Of the whole run."""
    again: int = 4
    """Rounds of the run that is killed half way, and of the same one undisturbed; 0 leaves them
    out."""
    rank: int = 16
    """Of the adapters."""
    groups: int = 4
    """Prompts a round."""
    samples: int = 8
    """Responses to each."""
    tokens: int = 40
    """Longest response."""
    rate: float = 2e-4
    """Learning rate."""
    threads: int = 2
    dtype: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 only where the processor has instructions for it."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Both, and the table."""
        torch.set_num_threads(self.threads)
        began = time.monotonic()
        whole = self.run("whole", self.rounds)
        found: dict[str, Any] = summary(whole) | {"seconds": time.monotonic() - began}
        if self.again:
            found["goes_on_exactly"] = self.killed()
        write_atomic(self.out / "result.json", json.dumps(found, indent=1))
        print(json.dumps(found, indent=1))

    def run(self, name: str, rounds: int, stop: int | None = None) -> Optimised:
        """A run; with `stop`, its scorer is interrupted in that round."""
        prompts = [Prompt.of(asked.format(thing)) for thing in THINGS for asked in ASKED]
        calls = 0

        def scored(**given: Any) -> list[float]:
            nonlocal calls
            calls += 1
            # The first look comes before the first round.
            if stop is not None and calls == stop + 1:
                raise KeyboardInterrupt
            return brief_question(**given)

        folder = smol_folder()
        model = load_network(AutoModelForCausalLM, folder, dtype=getattr(torch, self.dtype))
        layout = Layout(template="chat", max_length=256)
        policy = Policy(model, load_tokenizer(folder), layout=layout, adapters=self.rank)
        settings: Settings = replace(
            SETTINGS,
            steps=rounds,
            groups=self.groups,
            samples=self.samples,
            max_tokens=self.tokens,
            learning_rate=self.rate,
        )
        return optimise(
            policy,
            prompts[16:],
            [Part(name="brief question", scorer=Called(scored))],
            settings=settings,
            out=self.out / name,
            held_out=prompts[:16],
        )

    def killed(self) -> bool:
        """Whether a run that was killed ends as one that was not, to the last bit of its rows."""
        undisturbed = self.run("undisturbed", self.again)
        with contextlib.suppress(KeyboardInterrupt):
            self.run("killed", self.again, stop=self.again // 2 + 1)
        gone_on = self.run("killed", self.again)
        timed = {"seconds", "tokens_per_second", "memory_mb"}
        rows = [
            [{k: v for k, v in row.items() if k not in timed} for row in r.rows]
            for r in (undisturbed, gone_on)
        ]
        weights = [
            (self.out / n / "policy" / "model.safetensors").read_bytes()
            for n in ("undisturbed", "killed")
        ]
        return rows[0] == rows[1] and weights[0] == weights[1]


def estimate_row(estimate: Estimate | None) -> list[Any] | None:
    return None if estimate is None else estimate.to_json()


def summary(done: Optimised) -> dict[str, Any]:
    rows = [row for row in done.rows if "reward" in row]
    return {
        "held_out": [
            {"round": point.step}
            | {
                "proxy": estimate_row(point.proxy),
                "kl": estimate_row(point.kl),
                "length": estimate_row(point.length),
            }
            for point in eval_points(done.rows)
        ],
        "reward": [round(row["reward"], 3) for row in rows],
        "kl": [round(row["kl"], 3) for row in rows],
        "seconds_a_round": sum(row["seconds"] for row in rows) / len(rows),
        "memory_mb": max(row["memory_mb"] for row in rows),
        "alarms": [row["alarm"] for row in done.rows if "alarm" in row],
    }


if __name__ == "__main__":
    tyro.cli(Bench)()
