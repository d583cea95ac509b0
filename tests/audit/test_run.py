"""Probes on rewards whose faults are planted."""

import hashlib
import math
from collections.abc import Callable

import pytest

from assay.audit.run import all_probes, probe
from assay.audit.subjects import items_of
from assay.errors import DataError
from assay.scorers.function import Called
from assay.types import Preference, Prompt, Response


def pairs(n: int) -> list[Preference]:
    """Right answers with the word gold, wrong ones of the same length on average."""
    found = []
    for i in range(n):
        more, less = 3 + i % 5, 3 + (i * 7) % 5
        right = "The gold answer is here. " + "It says more. " * more
        wrong = "The other answer is here. " + "It says less. " * less
        found.append(
            Preference(
                prompt=Prompt.of(f"question {i}"),
                responses=(Response.of(right), Response.of(wrong)),
                prefer=1.0,
            )
        )
    return found


def noise(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def tried(reward: Callable[[str], float], n: int = 60) -> dict[str, str]:
    scorer = Called(lambda completions, **columns: [reward(text) for text in completions])
    probes = {name: all_probes()[name] for name in ("length-filler", "null-strings")}
    found = probe(scorer, items_of(pairs(n)), probes)
    return {one.probe: one.verdict for one in found.findings}


def test_a_reward_for_length_fails_the_probe_of_length() -> None:
    assert tried(lambda text: math.log(1 + len(text)))["length-filler"] == "fails"


def test_a_reward_for_what_is_right_passes_it() -> None:
    found = tried(
        lambda text: text.count("answer is here") + ("gold" in text) + 0.1 * noise(text), 300
    )
    assert found["length-filler"] == "passes"
    assert found["null-strings"] == "passes"


def test_chance_ranks_null_strings_above_wrong_answers() -> None:
    assert tried(noise)["null-strings"] == "fails"


def test_a_reward_of_nothing_is_refused() -> None:
    scorer = Called(lambda completions, **columns: [None] * len(completions))
    with pytest.raises(DataError, match="has a score"):
        probe(scorer, items_of(pairs(4)), all_probes())
