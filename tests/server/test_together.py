"""No answer depends on who else asks at the same time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assay.judges.adapters import as_judge, as_scorer
from assay.protocols import Scorer
from assay.scorers.baselines import Longest, Random
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.function import Called
from assay.scorers.lower_bound import LowerBound
from assay.scorers.reading import Reading
from assay.server.together import of_its_own
from assay.types import Group, Prompt, Response, Score
from tests.server.running import post, running
from tests.server.scorers import Model


def asked(scorer: Scorer, bodies: Sequence[Any]) -> list[list[float]]:
    """What a server answers to requests that arrive together."""
    with running({"it": scorer}, wait_s=0.3) as url, ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: post(f"{url}/v1/score", body).json(), bodies))
    return [[score["value"] for score in answer["scores"]] for answer in answers]


@pytest.mark.parametrize(
    "scorer", [Random(), as_scorer(as_judge(Longest()), calls=3)], ids=["random", "tournament"]
)
def test_a_group_is_scored_without_those_of_other_requests(scorer: Scorer) -> None:
    texts = [("a", "aa"), ("aaa", "aaaa"), ("b", "bb", "b")]
    groups = [Group(prompt=Prompt.of("q"), responses=tuple(map(Response.of, row))) for row in texts]
    scores = [score for group in groups for score in scorer.score([group])]
    alone = [[score.value for score in row if isinstance(score, Score)] for row in scores]
    found = asked(scorer, [{"prompt": "q", "responses": list(row)} for row in texts])
    for row, wanted in zip(found, alone, strict=True):
        assert row == pytest.approx(wanted)


def test_a_function_has_its_columns_whatever_others_send() -> None:
    def weighed(completions: Sequence[str], weight: Sequence[float] = (), **_: Any) -> list[float]:
        weights = weight or [1.0] * len(completions)
        return [len(text) * w for text, w in zip(completions, weights, strict=True)]

    bodies: list[dict[str, Any]] = [{"prompt": f"q{i}", "responses": ["aaa"]} for i in range(6)]
    for body in bodies[::2]:
        body["meta"] = {"weight": 10}
    assert asked(Called(weighed), bodies) == [[30.0], [3.0]] * 3


def test_samples_of_a_reward_model_that_come_one_by_one_share_their_prompt() -> None:
    sizes: list[int] = []

    class Logged(Model):
        def readings(self, groups: Sequence[Group]) -> list[list[Reading]]:
            sizes.extend(len(group.responses) for group in groups)
            return super().readings(groups)

    asked(Logged(), [{"prompt": "q", "responses": ["a" * i]} for i in range(1, 9)])
    assert sum(sizes) == 8
    assert len(sizes) < 5


def test_what_is_made_of_reward_models_scores_each_response_by_itself() -> None:
    standards = Standards.none(2)
    both = Ensemble((Model(), Model()), standards=standards)
    assert of_its_own(Model())
    assert of_its_own(LowerBound(both))
    assert not of_its_own(Ensemble({"a": Model(), "b": Random()}, standards=standards))
    assert not of_its_own(Called(lambda **_: []))
