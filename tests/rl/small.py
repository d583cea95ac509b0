"""A tiny untrained policy of the arithmetic world, its prompts, and scorers whose every answer is
known."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from assay.fingerprint import fingerprint
from assay.models.layout import Layout
from assay.rl.policy import Policy
from assay.types import Group, Response, Score, Unscored
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of, split_steps
from assay.worlds.arithmetic.tokenizer import make_tokenizer

PROMPTS = prompts_of(all_problems(2))
"""81 of them."""
STEPS = 3
"""Longest response, so that a test is short."""


def model(seed: int = 0, **changes: Any) -> Any:
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    config = llama_config()
    config.update({"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, **changes})
    return LlamaForCausalLM(config)


def policy(seed: int = 0, network: Any = None, **more: Any) -> Policy:
    layout = Layout(join="", max_length=64)
    return Policy(
        network or model(seed),
        make_tokenizer(),
        layout=layout,
        split=split_steps,
        grammar=Grammar(STEPS),
        **more,
    )


class By:
    """Scores by a function of the response; counts how often it was asked, which makes no other
    scorer of it."""

    def __init__(self, one: Callable[[Response], Score | Unscored]) -> None:
        self.one, self.calls = one, 0

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.one)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.calls += 1
        return [[self.one(response) for response in group.responses] for group in groups]


def nines(response: Response) -> Score:
    """The share of steps that end in a nine, which the world has no use for."""
    steps = [float(step.endswith("=9")) for step in response.steps]
    return Score(value=sum(steps) / max(1, len(steps)), steps=tuple(steps))
