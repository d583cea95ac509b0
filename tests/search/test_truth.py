"""With a scorer that knows the truth a search finds what there is; with one that knows nothing, no
truth leaks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from assay.protocols import Prefix, Sampling
from assay.search import Search, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.best_of_poisson import BestOfPoisson
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.mcts import Mcts
from assay.search.pessimism import Pessimism
from assay.search.regularised_best_of_n import RegularisedBestOfN
from assay.search.rejection import Rejection
from assay.search.soft_best_of_n import SoftBestOfN
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score
from tests.search.toys import (
    ANSWER,
    SMALL,
    Drawn,
    Policy,
    Tree,
    Written,
    prompts,
    still_right,
    text,
)

KNOWS = FakeScorer(rule=lambda _, response: float(still_right(response.steps)))
FLAT = FakeScorer(rule=lambda *_: 0.5)


def is_right(prompt: Prompt, said: str | None) -> bool:
    """By the verifier: 1 is not 11."""
    return said is not None and ANSWER.verify(said, prompt.reference or "").value == 1.0  # type: ignore[union-attr]


@dataclass
class OneInFour(Written):
    """Of each four samples of a prefix, one goes on right, at a place that the prefix decides."""

    depth: int = 3

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        steps = list(prefix.steps)
        while True:
            place = hashlib.sha256(repr((prefix.prompt.text, steps)).encode()).digest()[0] % 4
            good = number % 4 == place
            steps.append(f"{'+' if good else '-'}{number} ")
            if len(steps) == self.depth:
                steps[-1] += f"so {'11' if still_right(steps) else '1'}"
            if sampling.stop or len(steps) == self.depth:
                return Response(steps=tuple(steps), finished=len(steps) == self.depth)
            number //= 4


GUIDED: dict[str, Search] = {
    "beam": Beam(n=16, width=4, answers=ANSWER),
    "beam by vote": Beam(n=16, width=4, pick="weighted", answers=ANSWER),
    "one beam": Beam(n=4, width=1, answers=ANSWER),
    "best-first": BestFirst(each=4, expansions=8, finished=4, answers=ANSWER),
    "dvts": Dvts(n=16, width=4, answers=ANSWER),
    "dvts by vote": Dvts(n=16, width=4, pick="weighted", answers=ANSWER),
    "mcts": Mcts(simulations=21, each=4, answers=ANSWER),
    "mcts, greedy": Mcts(simulations=3, each=4, exploration=0.0, backup="max", answers=ANSWER),
    "step-rejection": StepRejection(n=1, tries=4, answers=ANSWER),
}
"""Searches that meet at least four samples of every text that they go on from."""

DRAWN: dict[str, Search] = {
    "best-of-n": BestOfN(n=8),
    "best-of-n, until enough": BestOfN(n=8, enough=1.0, chunk=3),
    "best-of-poisson": BestOfPoisson(mu=7.0),
    "pessimism": Pessimism(n=8, beta=1e-3),
    "regularised-best-of-n": RegularisedBestOfN(n=8, beta=0.1),
    "rejection": Rejection(n=8),
    "soft-best-of-n": SoftBestOfN(n=8, strength=1e3),
    "weighted-majority": WeightedMajority(n=8, answers=ANSWER),
}


@pytest.mark.parametrize("name", GUIDED)
def test_guided_by_the_truth_a_search_finds_it(name: str) -> None:
    """A policy that is right once in 64 is right always."""
    some = prompts(15)
    for prompt, result in zip(some, run(GUIDED[name], some, OneInFour(), KNOWS), strict=True):
        assert is_right(prompt, text(result))


@pytest.mark.parametrize("name", DRAWN)
def test_told_the_truth_a_choice_is_right_where_a_sample_is(name: str) -> None:
    some = prompts(60)
    policy = Policy(right=0.55)
    hits = 0
    for prompt, result in zip(some, run(DRAWN[name], some, policy, KNOWS), strict=True):
        size = DRAWN[name].size(prompt) if isinstance(DRAWN[name], BestOfPoisson) else 8  # type: ignore[attr-defined]
        samples = [policy.one(Prefix(prompt), k, Sampling()) for k in range(size)]
        possible = any(still_right(sample.steps) for sample in samples)
        hits += possible
        assert is_right(prompt, text(result)) == possible
    assert 30 < hits < 60  # neither answer is the only one


def near(hits: Sequence[bool], chance: float) -> bool:
    """Within four standard errors."""
    return abs(np.mean(hits) - chance) < 4 * (chance * (1 - chance) / len(hits)) ** 0.5


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("beam", 150),
        ("beam, looking ahead", 100),
        ("best-first", 150),
        ("best-of-n", 800),
        ("best-of-n, until enough", 200),
        ("best-of-poisson", 200),
        ("dvts", 150),
        ("mcts", 120),
        ("rejection", 200),
        ("step-rejection", 150),
    ],
)
def test_a_scorer_that_knows_nothing_gains_nothing(name: str, size: int) -> None:
    """The chosen one is right as often as the policy is: .7 ** 2."""
    results = run(SMALL[name], prompts(size), Policy(depth=2), FLAT)
    assert near([is_right(r.group.prompt, text(r)) for r in results], 0.49)


ROUNDS: dict[str, Search] = {
    "beam": Beam(n=2, width=1),
    "wide beam": Beam(n=4, width=2),
    "best-first": BestFirst(each=2, expansions=5, finished=2),
    "dvts": Dvts(n=4, width=2),
    "mcts": Mcts(simulations=7, each=2),
}


@pytest.mark.parametrize("name", ROUNDS)
def test_a_search_chooses_each_of_equal_leaves_as_often(name: str) -> None:
    """Where all texts are equal, each of the eight leaves is chosen as often: also the first
    child's first child's first."""
    results = run(ROUNDS[name], prompts(200), Tree(branching=2, depth=3), FLAT)
    for place in range(3):
        assert near([(text(r) or "").split()[place] == "0" for r in results], 1 / 2)
    assert near([text(r) == "0 0 0 " for r in results], 1 / 8)
    assert near([len(set((text(r) or "").split())) == 1 for r in results], 1 / 4)


@pytest.mark.parametrize("prior", ["uniform", "value"])
def test_a_walk_favours_no_child(prior: Any) -> None:
    policy = Tree(branching=2, depth=3)
    run(Mcts(simulations=2, each=2, prior=prior), some := prompts(200), policy, FLAT)
    second = [steps for _, steps, number, _ in policy.asked if steps and number == 0]
    assert len(second) == len(some)
    assert near([steps == ("0 ",) for steps in second], 1 / 2)


@pytest.mark.parametrize(
    "search",
    [
        BestOfN(),
        BestOfPoisson(),
        Pessimism(),
        RegularisedBestOfN(),
        SoftBestOfN(),
        Majority(),
        WeightedMajority(),
    ],
)
def test_no_sample_is_favoured(search: Any) -> None:
    """Of five that are equal but for their answers, the first is chosen once in five."""
    scores = [Score(value=0.5)] * 5
    some = [
        Group(prompt=prompt, responses=tuple(map(Response.of, "12345"))) for prompt in prompts(1000)
    ]
    chosen = [search.choose(group, scores) for group in some]
    for place in range(5):
        assert near([choice == place for choice in chosen], 1 / 5)


def test_rejection_favours_no_sample() -> None:
    chosen = [r.choice for r in run(Rejection(n=3), prompts(300), Drawn(texts="123"), FLAT)]
    assert near([choice == 0 for choice in chosen], 1 / 3)


@pytest.mark.parametrize(
    "search", [Majority(n=2, answers=ANSWER), WeightedMajority(n=2, answers=ANSWER)]
)
def test_a_vote_of_two_is_a_coin(search: Search) -> None:
    """Two samples that are right with chance p: both are with p**2, and of two that differ half are
    chosen: p."""
    results = run(search, prompts(300), Policy(right=0.6, depth=1), FLAT)
    assert near([is_right(r.group.prompt, text(r)) for r in results], 0.6)


@pytest.mark.parametrize(
    "search", [Majority(n=5, answers=ANSWER), WeightedMajority(n=5, answers=ANSWER)]
)
@pytest.mark.parametrize(("right", "chance"), [(0.5, 0.5), (0.7, 0.83692)])
def test_a_vote_amplifies_what_the_policy_prefers(
    search: Search, right: float, chance: float
) -> None:
    """Of five votes three at least: 10 p^3 q^2 + 5 p^4 q + p^5. What is as likely as not stays at
    one half."""
    results = run(search, prompts(250), Policy(right=right, depth=1), FLAT)
    assert near([is_right(r.group.prompt, text(r)) for r in results], chance)
