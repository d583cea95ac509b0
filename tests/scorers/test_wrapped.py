"""Scorers around scorers: another aggregation, a lower bound."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from assay.errors import ConfigError
from assay.protocols import Scorer
from assay.scorers.lower_bound import LowerBound
from assay.scorers.reaggregate import Aggregated
from assay.search import run
from assay.search.best_of_n import BestOfN
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored

GROUP = Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, ("a", "b", "c"))))
SCORES: list[Score | Unscored] = [
    Score(value=0.9, steps=(0.5, 0.9), std=0.3),
    Score(value=0.8, steps=(0.7, 0.8), std=0.05),
    Unscored(reason="so"),
]


@dataclass
class Given:
    scores: Sequence[Score | Unscored]
    tokens_read: int = 7

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [list(self.scores) for _ in groups]


def test_steps_are_aggregated_as_asked() -> None:
    inner = Given(SCORES)
    (found,) = Aggregated(inner, "min").score([GROUP])
    assert found == [
        Score(value=0.5, steps=(0.5, 0.9), std=0.3),
        Score(value=0.7, steps=(0.7, 0.8), std=0.05),
        SCORES[2],
    ]
    assert [s.value for s in Aggregated(inner, "product").score([GROUP])[0][:2]] == pytest.approx(
        [0.45, 0.56]
    )  # type: ignore[union-attr]


def test_the_choice_is_by_the_aggregation_asked_for() -> None:
    texts = FakeGenerator(texts=("a", "b"))
    chosen = {
        how: run(BestOfN(n=2), [GROUP.prompt], texts, Aggregated(Given(SCORES[:2]), how))[0].choice  # type: ignore[arg-type]
        for how in ("last", "min", "product")
    }
    assert chosen == {"last": 0, "min": 1, "product": 1}


def test_doubt_is_taken_off() -> None:
    (found,) = LowerBound(Given(SCORES), k=2.0).score([GROUP])
    assert [s.value for s in found[:2]] == pytest.approx([0.3, 0.7])  # type: ignore[union-attr]
    assert found[2] == SCORES[2]
    assert LowerBound(Given(SCORES), k=0.0).score([GROUP]) == [SCORES]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="FakeScorer gives no step scores"):
        Aggregated(FakeScorer(), "min").score([GROUP])
    with pytest.raises(ConfigError, match="FakeScorer does not say how sure"):
        LowerBound(FakeScorer()).score([GROUP])


@pytest.mark.parametrize("make", [lambda s: Aggregated(s, "last"), LowerBound])
def test_what_is_read_is_passed_on(make: type[LowerBound]) -> None:
    assert isinstance(make(Given(SCORES)), Scorer)
    assert make(Given(SCORES)).tokens_read == 7
    assert make(FakeScorer()).tokens_read is None
