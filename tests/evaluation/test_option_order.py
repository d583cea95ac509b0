"""Planted sensitivities are found, and where there are none, none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from assay.evaluation.option_order import order_sensitivity
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored

WHICH = Question.choice("Which?", ["a", "b", "c"])
EITHER = Question.choice("Either?", ["x", "y"])
TRUE = Question.predicate("Is it so?")
STATES = [Prompt.of(f"state {i}") for i in range(4)]


@dataclass(frozen=True)
class Planted:
    """Weighs options by their names, and by where they and their question stand."""

    place: float = 0.0
    """Of the option that comes first."""
    question: float = 0.0
    """Of a question's place, on its first-named option."""
    noise: float = 0.0
    """On the same."""
    fails: str = ""
    """The state that it does not answer where options are in another order."""

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        return [
            [self._one(state, i, question) for i, question in enumerate(asked)]
            for state, asked in zip(states, questions, strict=True)
        ]

    def _one(self, state: Prompt, at: int, question: Question) -> Distribution | Unscored:
        names = [str(option.name) for option in question.options]
        if state.text == self.fails and names == ["b", "c", "a"]:
            return Unscored(reason="down")
        logs = [0.5 * (name == min(names)) for name in names]
        logs[0] += self.place
        logs[names.index(min(names))] += self.question * at + self.noise
        total = math.fsum(map(math.exp, logs))
        return Distribution(probabilities=tuple(math.exp(log) / total for log in logs))


def test_what_depends_on_nothing_does_not_change() -> None:
    found = order_sensitivity(
        Planted(), STATES, [[WHICH, EITHER, TRUE]] * 4, repeats=[Planted(), Planted()]
    )
    assert {name.partition("/")[0] for name in found} == {
        *("rotated", "reversed", "joined", "repeated")
    }
    assert len(found) == 8
    assert all(one.value == pytest.approx(0) for one in found.values())
    assert {one.n for one in found.values()} == {4}


def test_a_large_effect_of_the_place_flips_every_order() -> None:
    found = order_sensitivity(Planted(place=5.0), STATES, [[WHICH]] * 4)
    assert found["rotated/flips"].value == 1
    # Three options, the first-shown at e^5 times another: by hand from the weights.
    top, low = math.exp(5.5), math.exp(5.0)
    p = [top / (top + 2), 1 / (top + 2), 1 / (top + 2)]
    half = math.exp(0.5)
    q = [half / (half + low + 1), low / (half + low + 1), 1 / (half + low + 1)]
    change = sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
    assert found["rotated/change"].value == pytest.approx(change)
    assert "reversed/flips" not in found
    assert "repeated/flips" not in found
    assert found["joined/change"].value == pytest.approx(0)


def test_effects_of_other_questions_and_noise_are_told_apart() -> None:
    asked = [[WHICH, EITHER]] * 4
    found = order_sensitivity(Planted(question=-2.0), STATES, asked, repeats=[Planted(noise=0.1)])
    assert found["rotated/change"].value == pytest.approx(0)
    assert found["reversed/change"].value > 0.2
    assert found["joined/change"].value > 0.2
    quiet = order_sensitivity(Planted(), STATES, asked, repeats=[Planted(noise=0.1)])
    assert 0 < quiet["repeated/change"].value < 0.05


def test_what_is_unscored_is_counted_and_clusters_are_states() -> None:
    planted = Planted(fails="state 1")
    found = order_sensitivity(planted, STATES, [[WHICH]] * 4, clusters=[0, 0, 1, 1])
    assert found["rotated/flips"].unscored == 1
    assert found["rotated/flips"].n == 2


def test_what_the_state_asks_is_not_rotated() -> None:
    there = Question.choice("", ["A", "B"])
    assert "rotated/flips" not in order_sensitivity(Planted(), STATES, [[there]] * 4)
