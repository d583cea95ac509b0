"""A reward model's head answers predicates."""

import math

import pytest
import torch

from assay.answerers.head import HeadAnswerer
from assay.errors import ConfigError
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import OUTCOME, PREFERENCE, Readout
from assay.models.reward_model import RewardModel
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.scorers.local import LocalScorer
from assay.testing import FakeScorer
from assay.types import Group, Message, Prompt, Response, Unscored
from tests.models import tiny

RIGHT = Question.predicate("Is it right?")


def state(answer: str, question: str = "12 + 30?") -> Prompt:
    roles = (("user", question), ("assistant", answer))
    return Prompt(messages=tuple(Message(role=role, content=text) for role, text in roles))  # type: ignore[arg-type]


def reward_model(readout: Readout) -> RewardModel:
    torch.manual_seed(0)
    return wrap(tiny.network(), tiny.tokenizer(), layout=Layout(max_length=64), readout=readout)


def test_it_is_the_scorers_probability_in_the_order_of_the_states() -> None:
    scorer = LocalScorer(reward_model(OUTCOME))
    answerer: Answerer = HeadAnswerer(scorer)
    asked = [("42", "12 + 30?"), ("no", "Is 3 even?"), ("41", "12 + 30?"), ("x" * 99, "12 + 30?")]
    found = answerer.answer(
        [state(*one) for one in asked], [[RIGHT], [RIGHT, RIGHT], [RIGHT], [RIGHT]]
    )
    for (answer, question), each in zip(asked[:3], found, strict=False):
        group = Group(prompt=Prompt.of(question), responses=(Response.of(answer),))
        ((score,),) = scorer.score([group])
        for one in each:
            assert isinstance(one, Distribution)
            assert one.probabilities[0] == one.expectation(RIGHT) == pytest.approx(score.value)  # type: ignore[union-attr]
            assert one.mass is None
    assert [len(each) for each in found] == [1, 2, 1, 1]
    assert isinstance(found[3][0], Unscored)
    assert "max_length" in found[3][0].reason


def test_logits_become_probabilities_only_where_it_is_said() -> None:
    scorer = FakeScorer(lambda _, response: float(response.text))
    states = [state(text) for text in ("0", "2", "-800", "800")]
    ((zero,), (two,), (low,), (high,)) = HeadAnswerer(scorer, link="sigmoid").answer(
        states, [[RIGHT]] * 4
    )
    assert zero == Distribution(probabilities=(0.5, 0.5))
    assert two.probabilities[0] == pytest.approx(1 / (1 + math.exp(-2)))  # type: ignore[union-attr]
    assert (low.probabilities[0], high.probabilities[0]) == (0.0, 1.0)  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="2 is no probability; give link=sigmoid"):
        HeadAnswerer(scorer).answer(states, [[RIGHT]] * 4)
    with pytest.raises(ConfigError, match="are no probabilities; give link=sigmoid"):
        HeadAnswerer(LocalScorer(reward_model(PREFERENCE)))


def test_what_a_head_cannot_answer() -> None:
    answerer = HeadAnswerer(FakeScorer(lambda *_: 0.25))
    with pytest.raises(ConfigError, match="question 'which' is a choice"):
        answerer.answer([state("42")], [[Question.choice("Which?", ["a", "b"], name="which")]])
    ((found,), (other,)) = answerer.answer([Prompt.of("12 + 30?"), state("42")], [[RIGHT], [RIGHT]])
    assert isinstance(found, Unscored)
    assert "does not end with an assistant's message" in found.reason
    assert other == Distribution(probabilities=(0.25, 0.75))


def test_its_name_is_the_scorers_and_the_links() -> None:
    scorer = FakeScorer()
    names = {HeadAnswerer(scorer).fingerprint, HeadAnswerer(scorer, link="sigmoid").fingerprint}
    assert len(names) == 2
    assert HeadAnswerer(scorer).fingerprint in names
