"""Rotations take a planted effect of the place out, exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from assay.answerers.asking import Server
from assay.answerers.decisions import DecisionAnswerer
from assay.answerers.rotations import RotatedAnswerer
from assay.evaluation.option_order import order_sensitivity
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored
from tests.answerers.fake_decisions import serve, shares, yes
from tests.engines.fake_server import FakeServer

TRUE = Question.predicate("Is it right?")
WHICH = Question.choice("Which?", ["a", "b", "c"])
EITHER = Question.choice("Either?", ["x", "y"])
THERE = Question.choice("", ["A", "B"])
GOOD = Question.score("How good?", ["bad", "fair", "good"])
STATE = Prompt.of("state")


@pytest.mark.parametrize("dialect", ["openai", "systemone", "sglang"])
def test_an_effect_of_the_place_is_gone(dialect: str) -> None:
    with FakeServer(serve(dialect, slope=1.5)) as server:
        plain = DecisionAnswerer(Server(base_url=server.url), "m", dialect)
        asked = [[TRUE, WHICH, EITHER, GOOD, THERE], [TRUE], []]
        found = RotatedAnswerer(plain).answer([STATE] * 3, asked)
        biased = plain.answer([STATE], asked[:1])[0]
    p = [one.probabilities for one in found[0] if isinstance(one, Distribution)]
    assert p[1] == pytest.approx(shares(["a", "b", "c"]))
    assert p[2] == pytest.approx(shares(["x", "y"]))
    assert p[0][0] == pytest.approx(yes("Is it right?"))
    assert p[3] == pytest.approx(shares(["bad", "fair", "good"]))
    assert found[0][4] == biased[4]
    assert biased[1] != pytest.approx(shares(["a", "b", "c"]))
    assert [len(row) for row in found] == [5, 1, 0]
    # The biased one was in the ledger; rotations 1 and 2 hold what still turns.
    sizes = sorted(len(one.body["questions"]) for one in server.asked)
    assert sizes == [1, 1, 2, 5]


@dataclass(frozen=True)
class Fails:
    """Answers with all on the option that comes first, or not at all where that is `without`."""

    without: str = ""
    fingerprint = "fails"

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        return [[self._one(question) for question in asked] for asked in questions]

    def _one(self, question: Question) -> Distribution | Unscored:
        if question.options[0].name == self.without:
            return Unscored(reason="down")
        rest = len(question.options) - 1
        return Distribution(probabilities=(1.0, *(0.0,) * rest))


def test_one_rotation_without_an_answer_leaves_none() -> None:
    assert RotatedAnswerer(Fails("b")).answer([STATE], [[WHICH, EITHER]]) == [
        [
            Unscored(reason="down"),
            Unscored(reason="every option is ruled out by one distribution or another"),
        ]
    ]


def test_it_is_named_by_what_it_asks() -> None:
    one, other = RotatedAnswerer(Fails()), RotatedAnswerer(RotatedAnswerer(Fails()))
    assert isinstance(one, Answerer)
    assert one.fingerprint not in (other.fingerprint, Fails.fingerprint)


@pytest.mark.parametrize("dialect", ["openai", "systemone", "sglang"])
def test_the_probe_sees_the_effect_through_a_server_and_none_after_rotating(dialect: str) -> None:
    states = [Prompt.of(f"state {i}") for i in range(3)]
    asked = [[WHICH, EITHER]] * 3
    with FakeServer(serve(dialect, slope=-3.0)) as server:
        plain = DecisionAnswerer(Server(base_url=server.url), "m", dialect)
        again = replace(plain, repeat=1)
        before = order_sensitivity(plain, states, asked, repeats=[again])
        sent = len(server.asked)
        after = order_sensitivity(RotatedAnswerer(plain), states, asked)
    # In order, in two other orders, reversed, with a question more, and once anew.
    assert sent == 3 * (1 + 2 + 1 + 1 + 1)
    assert before["rotated/change"].value > 0.3
    assert before["repeated/change"].value == pytest.approx(0)
    assert after["rotated/change"].value == pytest.approx(0)
