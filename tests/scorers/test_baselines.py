import numpy as np
import pytest

from assay.protocols import Scorer
from assay.scorers.baselines import Longest, Random, Shortest
from assay.scorers.verifier import Verified
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.verifiers import Numeric

PROMPTS = [Prompt.of(f"question {i}", reference="5") for i in range(500)]
GROUPS = [
    Group(prompt=p, responses=tuple(map(Response.of, ("a", "bbb", "bb", "")))) for p in PROMPTS
]


def values(scorer: Scorer, groups: list[Group]) -> list[list[float]]:
    return [
        [score.value for score in row if isinstance(score, Score)] for row in scorer.score(groups)
    ]


def test_longest_and_shortest() -> None:
    assert values(Longest(), GROUPS[:1]) == [[1.0, 3.0, 2.0, 0.0]]
    assert values(Shortest(), GROUPS[:1]) == [[-1.0, -3.0, -2.0, 0.0]]


def test_length_is_of_the_whole_response_not_of_a_step() -> None:
    split = Group(prompt=PROMPTS[0], responses=(Response(steps=("ab", "c")),))
    assert values(Longest(), [split]) == [[3.0]]


def test_random_is_uniform_and_uncorrelated_between_places() -> None:
    draws = np.array(values(Random(), GROUPS))
    assert ((draws >= 0) & (draws < 1)).all()
    assert draws.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / draws.size) ** 0.5)
    assert draws.var() == pytest.approx(1 / 12, abs=0.01)
    assert np.abs(np.corrcoef(draws.T) - np.eye(4)).max() < 4 / 500**0.5
    assert np.bincount(draws.argmax(1), minlength=4).min() > 80  # no favourite place


def test_random_depends_on_the_seed_and_not_on_the_batch() -> None:
    assert values(Random(seed=1), GROUPS) == values(Random(seed=1), GROUPS[:7]) + values(
        Random(seed=1), GROUPS[7:]
    )
    assert values(Random(seed=1), GROUPS) != values(Random(seed=2), GROUPS)
    # pinned: the same on every machine and in every process
    assert values(Random(), GROUPS[:1])[0][:2] == pytest.approx(PINNED, abs=1e-12)


PINNED = [0.027844725266446546, 0.3971172013445171]


def test_verified() -> None:
    known = Group(prompt=PROMPTS[0], responses=tuple(map(Response.of, ("is 5", "is 6", "none"))))
    unknown = Group(prompt=Prompt.of("q"), responses=(Response.of("is 5"),))
    unreadable = Group(prompt=Prompt.of("q", reference="a duck"), responses=(Response.of("is 5"),))
    first, second, third = Verified(Numeric()).score([known, unknown, unreadable])
    assert first == [Score(value=1.0), Score(value=0.0), Score(value=0.0)]
    assert second == [Unscored(reason="the prompt has no reference answer")]
    assert isinstance(third[0], Unscored)


@pytest.mark.parametrize("scorer", [Random(), Longest(), Shortest(), Verified(Numeric())])
def test_each_is_a_scorer(scorer: Scorer) -> None:
    assert isinstance(scorer, Scorer)
    assert [len(row) for row in scorer.score(GROUPS[:3])] == [4, 4, 4]
    assert scorer.score([]) == []
    assert scorer.score([Group(prompt=PROMPTS[0], responses=())]) == [[]]
