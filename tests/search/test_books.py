"""What a search says that it paid is what was paid."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from assay.errors import ConfigError
from assay.protocols import Prefix, Sampling
from assay.search import Budget, Search, Spent, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.mcts import Mcts
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import SMALL, Backwards, Drawn, Policy, Reads, Tree, noisy, prompts, timeless

ONE = prompts(1)
BY_TEXT = Reads(rule=lambda _, response: -float(response.text.replace(" ", "") or 0))
"""Likes texts of small digits: "0 0 " best."""


def spent(search: Search, **more: object) -> Spent:
    """Of a tree of two branches and depth 2, one token a step; a text of k steps costs the scorer
    2k + 1 tokens."""
    (result,) = run(search, ONE, Tree(branching=2, depth=2), Reads(rule=BY_TEXT.rule), **more)  # type: ignore[arg-type]
    assert result.spent.seconds >= 0
    return replace(result.spent, seconds=0.0)


@pytest.mark.parametrize(
    ("search", "samples", "tokens", "scored"),
    [
        (BestOfN(n=3), 3, 6, 3 * 5),
        (BestOfN(n=6), 6, 12, 4 * 5),  # leaves 0 and 1 come twice, and are scored once
        (Majority(n=3), 3, 6, 0),  # asks no scorer
        (Majority(n=3, show_best=True), 3, 6, 15),
        (WeightedMajority(n=2, transform="sigmoid"), 2, 4, 10),
        # The prompt's children 0, 1, 0, 1; then both beams' two.
        (Beam(n=4, width=2), 4 + 4, 8, 2 * 3 + 4 * 5),
        (Beam(n=4, width=1), 4 + 4, 8, 2 * 3 + 2 * 5),
        # Each child's greedy next step, then the two leaves that are not known yet of four.
        (Beam(n=2, width=1, lookahead=1), 2 + 2 + 2, 6, 2 * 3 + 2 * 5 + 1 * 5),
        (Dvts(n=4, width=2), 4 + 4, 8, 2 * 3 + 2 * 5),  # both subtrees write the same texts
        (BestFirst(each=2, expansions=9), 2 + 2, 4, 2 * 3 + 2 * 5),
        (BestFirst(each=2, expansions=9, finished=2), 2 + 2, 4, 2 * 3 + 2 * 5),
        (BestFirst(each=2, expansions=9, finished=4), 6, 6, 2 * 3 + 4 * 5),
        (Mcts(simulations=2, each=2), 4, 4, 2 * 3 + 2 * 5),
        (Mcts(simulations=9, each=2), 6, 6, 2 * 3 + 4 * 5),
        (StepRejection(n=1, tries=3, threshold=-0.5), 1 + 1, 2, 3 + 5),
        (StepRejection(n=1, tries=3, threshold=9.0), 3 + 3, 6, 2 * 3 + 2 * 5),
    ],
)
def test_by_hand(search: Search, samples: int, tokens: int, scored: int) -> None:
    assert spent(search) == Spent(samples=samples, generated_tokens=tokens, scored_tokens=scored)


def test_what_was_saved() -> None:
    policy = Drawn(texts=[f"it is {7 if k < 9 else k}" for k in range(16)])
    (result,) = run(Majority(n=16, chunk=1), ONE, policy)
    assert replace(result.spent, seconds=0.0) == Spent(samples=9, generated_tokens=9, saved=7)
    assert result.stopped == "decided"
    (result,) = run(
        BestOfN(n=10, enough=1.0, chunk=4),
        ONE,
        policy,
        FakeScorer(rule=lambda _, r: float("9" in r.text)),
    )
    assert (result.stopped, result.spent.samples, result.spent.saved) == ("", 10, 0)
    (result,) = run(
        BestOfN(n=10, enough=1.0, chunk=4),
        ONE,
        policy,
        FakeScorer(rule=lambda _, r: float("7" in r.text)),
    )
    assert (result.stopped, result.spent.samples, result.spent.saved) == ("confident", 4, 6)


def test_what_was_not_to_be_had_is_missing() -> None:
    class Short(Tree):
        """Two responses where three or more are asked for."""

        def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
            return [row[:2] for row in super().generate(prefixes, sampling)]

    (result,) = run(BestOfN(n=3), ONE, Short(), FakeScorer())
    assert (result.spent.samples, result.spent.missing, len(result.group.responses)) == (2, 1, 2)
    (result,) = run(Beam(n=4, width=1), ONE, Short(depth=2), FakeScorer())
    assert (result.spent.samples, result.spent.missing) == (4, 4)
    (result,) = run(BestOfN(n=3), ONE, Backwards(Tree(), fails=lambda _: True), FakeScorer())
    assert (result.spent.samples, result.spent.missing, result.choice) == (0, 3, None)
    refuses = Backwards(Tree(depth=2), fails=lambda prefix: prefix.steps == ("1 ",))
    (result,) = run(Beam(n=4, width=2), ONE, refuses, Reads(rule=BY_TEXT.rule))
    assert (result.spent.samples, result.spent.missing) == (6, 2)
    assert {r.text for r in result.group.responses} == {"0 0 ", "0 1 "}


@pytest.mark.parametrize("name", SMALL)
def test_a_policy_that_always_fails_is_survived(name: str) -> None:
    (result,) = run(SMALL[name], ONE, Backwards(Policy(), fails=lambda _: True), FakeScorer())
    assert (result.choice, result.group.responses, result.spent.samples, result.nodes) == (
        None,
        (),
        0,
        (),
    )
    assert result.spent.missing > 0


@pytest.mark.parametrize("name", SMALL)
def test_a_policy_that_fails_halfway_is_survived(name: str) -> None:
    """Nothing is to be had behind a first step, nor from the third sample on."""
    policy = Backwards(Policy(), fails=lambda prefix: bool(prefix.steps) or prefix.first > 1)
    (result,) = run(SMALL[name], ONE, policy, FakeScorer())
    assert result.group.responses
    assert result.spent.samples == sum(node.count for node in result.nodes) > 0


@pytest.mark.parametrize("name", SMALL)
def test_the_sums_are_those_of_the_policy_and_of_the_scorer(name: str) -> None:
    policy, scorer = Policy(), Reads(rule=noisy)
    results = run(SMALL[name], prompts(5), policy, scorer)
    assert sum(r.spent.samples for r in results) == len(policy.asked)
    assert sum(r.spent.samples for r in results) == sum(
        node.count for r in results for node in r.nodes
    )
    assert sum(r.spent.scored_tokens or 0 for r in results) == scorer.tokens_read
    assert len(scorer.asked) == len(
        {(prompt, r.text, r.finished) for prompt, r in scorer.asked}
    )  # nothing twice


def test_tokens_of_one_call_are_shared_out_whole() -> None:
    class Flat(Reads):
        """Reads 101 tokens a call, whatever is asked."""

        def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
            before = self.tokens_read
            found = super().score(groups)
            self.tokens_read = before + 101
            return found

    results = run(BestOfN(n=3), prompts(7), Tree(), scorer := Flat(rule=noisy))
    assert sum(r.spent.scored_tokens or 0 for r in results) == scorer.tokens_read == 101
    assert {r.spent.scored_tokens for r in results} == {
        14,
        15,
    }  # equal texts, equal shares, but for the rounding


def test_what_nobody_counts_is_not_known() -> None:
    class Silent(Tree):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            response = super().one(prefix, number, sampling)
            return response.model_copy(update={"meta": {} if number == 1 else response.meta})

    (result,) = run(BestOfN(n=1), ONE, Silent(), FakeScorer())
    assert (result.spent.generated_tokens, result.spent.scored_tokens) == (3, None)

    class Unsure(FakeScorer):
        """Stands before a scorer that may or may not count; this one does not."""

        tokens_read = None

    (result,) = run(BestOfN(n=1), ONE, Silent(), Unsure())
    assert result.spent.scored_tokens is None
    (result,) = run(BestOfN(n=2), ONE, Silent(), Reads(rule=noisy))
    assert result.spent.generated_tokens is None
    assert result.spent.scored_tokens is not None


@pytest.mark.parametrize(
    ("budget", "samples"),
    [
        (Budget(samples=5), 5),
        (Budget(generated_tokens=10), 4),  # of three tokens each
        (Budget(generated_tokens=12), 4),
        (Budget(scored_tokens=14), 2),  # of seven each
        (Budget(scored_tokens=15, samples=99), 3),
        (Budget(samples=99), 16),
    ],
)
def test_a_budget_ends_the_drawing(budget: Budget, samples: int) -> None:
    policy = Tree(branching=2, depth=3)
    if budget.scored_tokens:
        policy.branching = 16  # sixteen different texts of six or seven characters
    (result,) = run(BestOfN(n=16), ONE, policy, Reads(rule=noisy), budget=budget)
    assert result.spent.samples == len(policy.asked) == len(result.group.responses) == samples
    assert result.stopped == ("budget" if samples < 16 else "")
    assert result.spent.saved == 0
    assert result.choice is not None


ROUNDS = [
    (Beam(n=4, width=2), [4, 4, 4]),
    (Dvts(n=4, width=2), [4, 4, 4]),
    (BestFirst(each=2, expansions=5, finished=9), [2] * 5),
    (Mcts(simulations=5, each=2), [2] * 5),
    (StepRejection(n=2, tries=2, threshold=9.0), [2] * 6),
]
"""Searches by steps in a tree of depth 3, and the samples of each of their rounds."""


@pytest.mark.parametrize(("search", "rounds"), ROUNDS)
def test_a_budget_starts_no_further_round(search: Search, rounds: list[int]) -> None:
    ends = [*itertools.accumulate(rounds)]
    for limit in range(1, sum(rounds) + 2):
        policy = Policy()
        (result,) = run(search, ONE, policy, Reads(rule=noisy), budget=Budget(samples=limit))
        due = next((end for end in ends if end >= limit), ends[-1])
        assert result.spent.samples == len(policy.asked) == due
        if due < ends[-1]:
            assert result.stopped == "budget"
            # What is open then may be chosen, where nothing is finished.
            assert result.choice is not None


def test_what_is_cut_short_is_the_start_of_the_whole() -> None:
    for search, _ in ROUNDS:
        (whole,) = run(search, ONE, Policy(), Reads(rule=noisy))
        (part,) = run(search, ONE, Policy(), Reads(rule=noisy), budget=Budget(samples=5))
        pairs = [*zip(part.nodes, whole.nodes, strict=False)]
        assert all((a.text, a.parent, a.score) == (b.text, b.parent, b.score) for a, b in pairs)
        assert len(part.nodes) < len(whole.nodes)


@pytest.mark.parametrize("name", SMALL)
def test_no_time_at_all_buys_nothing(name: str) -> None:
    results = run(
        SMALL[name], prompts(3), policy := Policy(), FakeScorer(), budget=Budget(seconds=1e-12)
    )
    assert policy.asked == []
    for result in results:
        assert (result.stopped, result.choice, result.spent.samples) == ("budget", None, 0)


@pytest.mark.parametrize(
    ("name", "limit", "who"),
    [(name, "generated_tokens", "generator") for name in SMALL]
    + [(name, "scored_tokens", "scorer") for name in SMALL if name != "majority"],
)
def test_a_limit_on_what_nobody_counts_is_refused(name: str, limit: str, who: str) -> None:
    class Uncounted(Policy):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            return super().one(prefix, number, sampling).model_copy(update={"meta": {}})

    with pytest.raises(
        ConfigError, match=f"limits {limit.replace('_', ' ')}, which this {who} does not count"
    ):
        run(SMALL[name], ONE, Uncounted(), FakeScorer(rule=noisy), budget=Budget(**{limit: 1000}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SMALL)
def test_a_searchs_result_does_not_depend_on_the_batch_or_its_order(name: str) -> None:
    some = prompts(7)
    budgets = [Budget(), Budget(samples=5), Budget(scored_tokens=60)]
    for budget in budgets[: 3 if name != "majority" else 2]:
        together = timeless(run(SMALL[name], some, Policy(), Reads(rule=noisy), budget=budget))
        for at_once in (1, 3):
            apart = run(
                SMALL[name], some, Policy(), Reads(rule=noisy), budget=budget, together=at_once
            )
            assert timeless(apart) == together
        backwards = run(SMALL[name], some[::-1], Policy(), Reads(rule=noisy), budget=budget)
        assert timeless(backwards)[::-1] == together


class OneAfterAnother(Policy):
    """As engines do: a prefix that comes again in a call, from the same number on, goes on where it
    left off."""

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        seen: dict[tuple[str, tuple[str, ...], int], int] = {}
        shifted = []
        for prefix in prefixes:
            key = prefix.prompt.text, prefix.steps, prefix.first
            shifted.append(replace(prefix, first=prefix.first + seen.get(key, 0)))
            seen[key] = seen.get(key, 0) + sampling.n
        return super().generate(shifted, sampling)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_question_twice_gets_the_same_answer(name: str) -> None:
    twice = [
        Prompt.of("question 0", id="a"),
        Prompt.of("question 1"),
        Prompt.of("question 0", id="b"),
    ]
    policy = OneAfterAnother()
    first, _, second = timeless(run(SMALL[name], twice, policy, Reads(rule=noisy)))
    assert {**first, "prompt": ""} == {**second, "prompt": ""}
    assert len(policy.asked) == len(set(policy.asked))


def test_it_tells_how_far_it_is() -> None:
    told: list[tuple[int, str]] = []
    run(
        BestOfN(n=3),
        prompts(4),
        Tree(),
        FakeScorer(),
        together=2,
        show=lambda done, note: told.append((done, note)),
    )
    assert told == [(1, "6 samples"), (2, "6 samples"), (3, "12 samples"), (4, "12 samples")]
