"""What went wrong in other libraries, each in a search that would show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from assay.aggregation import aggregate
from assay.protocols import Prefix, Sampling
from assay.search import Search, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.best_of_poisson import BestOfPoisson
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.mcts import Mcts
from assay.search.regularised_best_of_n import RegularisedBestOfN
from assay.search.rejection import Rejection
from assay.search.soft_best_of_n import SoftBestOfN
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.search.toys import (
    ANSWER,
    SMALL,
    Drawn,
    Policy,
    Reads,
    Tree,
    Written,
    noisy,
    prompts,
    text,
)

ONE = prompts(1)


# --- the aggregation that was asked for is the one that decides
# ---------------------------------------------------


@dataclass(frozen=True)
class ByStep:
    """A process reward model: a score a step, by its text, and the value that an aggregation makes
    of them."""

    of: dict[str, float]
    how: Any

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[self.one(response) for response in group.responses] for group in groups]

    def one(self, response: Response) -> Score:
        steps = [self.of[step] for step in response.steps]
        return Score(value=aggregate(steps, self.how), steps=tuple(steps))


@pytest.mark.parametrize(
    "search",
    [
        Beam(n=4, width=1),
        Dvts(n=2, width=2),
        BestFirst(each=2, expansions=9, finished=9),
        Mcts(simulations=9, each=2),
        StepRejection(n=1, tries=2, threshold=0.99),
        BestOfN(n=4),
        RegularisedBestOfN(n=4, beta=0.0),
        SoftBestOfN(n=4, strength=1e6),
    ],
)
def test_the_value_decides_not_the_last_step(search: Search) -> None:
    """Leaves by their steps' scores: "0 0 " .2 and .9, "1 0 " .6 and .5. By the minimum the second
    is better, by the last step the first."""

    class Two(Written):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            paths = [("a ", "A "), ("b ", "B ")]
            if not sampling.stop:
                return Response(steps=paths[number % 2])
            if not prefix.steps:
                return Response(steps=paths[number % 2][:1], finished=False)
            return Response(steps=(*prefix.steps, prefix.steps[0].upper()))

    scores = {"a ": 0.2, "A ": 0.9, "b ": 0.6, "B ": 0.5}
    (result,) = run(search, ONE, Two(), ByStep(scores, "min"))
    assert text(result) == "b B "
    if not isinstance(
        search, (Beam, Dvts, StepRejection)
    ):  # those have left "a " before its end is seen
        (result,) = run(search, ONE, Two(), ByStep(scores, "last"))
        assert text(result) == "a A "


# --- what is looked ahead at is what is scored
# ---------------------------------------------------------------------


@pytest.mark.parametrize(("lookahead", "chosen"), [(0, "0 0 "), (1, "1 0 "), (2, "1 0 ")])
@pytest.mark.parametrize("cls", [Beam, Dvts])
def test_a_flaw_that_shows_one_step_later_is_foreseen(
    cls: Any, lookahead: int, chosen: str
) -> None:
    """Step 0 looks better than step 1, until the step after it is seen."""

    def sees(_: Prompt, response: Response) -> float:
        if len(response.steps) == 1:
            return 0.9 if response.steps[0] == "0 " else 0.6
        return (0.1 if response.steps[0] == "0 " else 0.8) - 0.01 * (response.steps[1] == "1 ")

    (result,) = run(
        cls(n=2, width=1 if cls is Beam else 2, lookahead=lookahead),
        ONE,
        Tree(depth=2),
        FakeScorer(sees),
    )
    assert text(result) == chosen
    assert result.scores[result.choice or 0] == Score(value=0.8 if lookahead else 0.1)


@pytest.mark.parametrize("cls", [Beam, Dvts])
def test_what_is_shown_is_the_score_of_the_text_itself(cls: Any) -> None:
    """Also where a text is cut off: not what is foreseen of it, which only ranks it."""
    depth = FakeScorer(lambda _, response: 0.1 * len(response.steps))
    search = cls(n=2, width=2, lookahead=2, max_steps=1)
    (result,) = run(search, ONE, Tree(depth=4), depth)
    assert [len(r.steps) for r in result.group.responses] == [1] * (2 if cls is Beam else 1)
    assert set(result.scores) == {Score(value=0.1)}


def test_looking_ahead_writes_greedily_and_keeps_nothing_of_it() -> None:
    policy, scorer = Policy(depth=4, right=0.5), Reads(rule=noisy)
    (result,) = run(Beam(n=3, width=1, lookahead=2), ONE, policy, scorer)
    ways = {how for *_, how in policy.asked}
    assert ways == {"step", "greedy"}
    ahead = [node for node in result.nodes if node.lookahead]
    scored = {r.text for _, r in scorer.asked}
    texts = [""] * len(result.nodes)
    for i, node in enumerate(result.nodes):
        texts[i] = (texts[node.parent] if node.parent >= 0 else "") + node.text
    # Three candidates, two steps behind each, in the first two rounds; one in the third; none in
    # the last.
    assert len(ahead) == 6 + 6 + 3
    deepest = [
        i
        for i, node in enumerate(result.nodes)
        if node.lookahead and not any(n.parent == i for n in ahead)
    ]
    assert all(texts[i] in scored for i in deepest)
    assert not any(r.text == texts[i] for i in deepest for r in result.group.responses)


# --- beams with the same text are one
# ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "search",
    [
        Beam(n=8, width=8, pick="majority", answers=ANSWER),
        BestFirst(each=8, expansions=9, finished=9, pick="majority", answers=ANSWER),
        Mcts(each=8, simulations=9, pick="majority", answers=ANSWER),
        Dvts(n=8, width=8, pick="majority", answers=ANSWER),
    ],
)
def test_a_text_that_was_written_often_has_one_vote(search: Search) -> None:
    """One text says 1 and comes six times; two that differ say 2."""
    policy = Drawn(texts=["so 1"] * 6 + ["a so 2", "b so 2"])
    (result,) = run(search, ONE, policy, FakeScorer(rule=lambda *_: 0.5))
    assert sorted(r.text for r in result.group.responses) == ["a so 2", "b so 2", "so 1"]
    assert (text(result) or "").endswith("so 2")
    assert [node.count for node in result.nodes] == [6, 1, 1]


def test_beams_that_meet_are_one() -> None:
    """Two beams write the same text, in other steps."""

    class Meets(Written):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            if not prefix.steps:
                return Response(steps=("ab" if number % 2 else "a",), finished=False)
            return Response(
                steps=(*prefix.steps, "bc so 1" if prefix.steps == ("a",) else "c so 1")
            )

    (result,) = run(Beam(n=4, width=4, pick="majority", answers=ANSWER), ONE, Meets(), FakeScorer())
    assert [r.text for r in result.group.responses] == ["abc so 1"]

    class Later(Written):
        """One comes to the text in two steps, the other in three."""

        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            new = {(): "a", ("a",): "b" if number else "bc so 1", ("a", "b"): "c so 1"}[
                prefix.steps
            ]
            return Response(steps=(*prefix.steps, new), finished="so" in new)

    (result,) = run(Beam(n=2, width=2, pick="majority", answers=ANSWER), ONE, Later(), FakeScorer())
    assert [r.text for r in result.group.responses] == ["abc so 1"]
    assert len(result.scores) == 1


# --- a score of 0 is a score
# -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("majority", "rejection")])
def test_nothing_is_dropped_for_a_score_of_zero(name: str) -> None:
    """Every text scores 0 or is unscored; in a vote, a weight of 0 for the right answer is a
    vote."""
    zero = FakeScorer(rule=lambda _, response: 0.0 if "+" in response.text else None)
    for result in run(SMALL[name], prompts(20), Policy(right=0.5), zero):
        scored = [i for i, score in enumerate(result.scores) if isinstance(score, Score)]
        assert (result.choice is None) == (not scored)
        assert result.choice is None or result.choice in scored


def test_zero_beats_what_is_below_it() -> None:
    judge = FakeScorer(rule=lambda _, response: {"a": -1.0, "b": 0.0, "c": -0.5}[response.text])
    for search in (
        BestOfN(n=3),
        BestOfPoisson(mu=99.0),
        Beam(n=3, width=3),
        Rejection(n=3, threshold=0.0),
    ):
        policy = Drawn(texts=["a", "b", "c"] * 99)
        (result,) = run(search, ONE, policy, judge)
        assert text(result) == "b"
    (result,) = run(BestOfN(n=3, enough=0.0, chunk=1), ONE, Drawn(texts=["a", "b", "c"]), judge)
    assert (len(result.group.responses), result.stopped) == (2, "confident")


# --- no step is empty
# ------------------------------------------------------------------------------------------------


@dataclass
class Blanks(Written):
    """Writes "ab\\n\\n", then a blank line alone, then the end, or nothing but the end."""

    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        if not sampling.stop:
            ends: list[tuple[str, ...]] = [
                ("", "x\n\n", "\n\n", "7"),
                ("x", ""),
                ("\n", "y\n\n", "8", "\n\n", " "),
            ]
            return Response(steps=ends[number % 3])
        written = "".join(prefix.steps)
        if not written:
            return Response(steps=[("a\n\n",), ("\n\n",), ("b", "")][number % 3], finished=False)
        if written in ("a\n\n", "b"):
            return Response(steps=(*prefix.steps, "\n\n"), finished=False)
        if not written.strip():
            return Response(steps=(*prefix.steps, "c "), finished=False)
        return Response(steps=(*prefix.steps, *([" so 7"], ["", ""], ["so 8", "\n\n"])[number % 3]))


@pytest.mark.parametrize("name", SMALL)
def test_a_blank_step_is_part_of_the_one_before(name: str) -> None:
    scorer = Reads(rule=lambda _, response: len(response.text) / 99)
    run(SMALL[name], prompts(3), policy := Blanks(), scorer)
    assert len(policy.asked) > 3
    for _, response in scorer.asked:
        # A first line that is blank is all there is; as soon as more is written, they are one.
        assert response.text == "\n\n" or all(step.strip() for step in response.steps)
    for _, steps, *_ in policy.asked:
        assert steps == ("\n\n",) or all(step.strip() for step in steps)


def test_a_blank_step_by_hand() -> None:
    results = run(BestOfN(n=3), ONE, Blanks(), scorer := Reads(rule=noisy))
    assert [r.steps for r in results[0].group.responses] == [
        ("x\n\n\n\n", "7"),
        ("x",),
        ("\ny\n\n", "8\n\n "),
    ]
    assert [r.text for r in results[0].group.responses] == ["x\n\n\n\n7", "x", "\ny\n\n8\n\n "]
    assert [r.steps for _, r in scorer.asked] == [r.steps for r in results[0].group.responses]
    run(Beam(n=3, width=3), ONE, Blanks(), scorer := Reads(rule=noisy))
    assert [r.steps for _, r in scorer.asked[:6]] == [
        ("a\n\n",),
        ("\n\n",),
        ("b",),
        *sorted(
            [("a\n\n\n\n",), ("\n\nc ",), ("b\n\n",)],
            key=[r.steps for _, r in scorer.asked[3:6]].index,
        ),
    ]


# --- the answer is judged by a verifier
# ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "search", [Majority(n=5), WeightedMajority(n=5), Beam(n=5, width=5, pick="majority")]
)
def test_one_is_not_eleven(search: Search) -> None:
    """Answers 1, 11, 1, 11, 11 in other words each: no substring, no string is compared."""
    policy = Drawn(texts=["it is 1", "it is 11", "so 1.0", "surely 11.", "11, that is"])
    (result,) = run(search, ONE, policy, FakeScorer(rule=lambda *_: 0.5))
    assert "11" in (text(result) or "")
    policy = Drawn(texts=["it is 1", "it is 11", "so 1.0", "surely 11.", "1/1, that is"])
    (result,) = run(search, ONE, policy, FakeScorer(rule=lambda *_: 0.5))
    assert "11" not in (text(result) or "11")


# --- what is not scored has no say
# -----------------------------------------------------------------------------------


def test_unscored_is_no_vote_of_zero() -> None:
    """Of "so 1" one is unscored and one scores 0; "so 2" is unscored alone, and has no weight to
    win or to tie."""
    policy = Drawn(texts=["a so 1", "b so 1", "c so 2"])
    judge = FakeScorer(rule=lambda _, response: 0.0 if response.text.startswith("b") else None)
    for seed in range(20):
        for search in (
            WeightedMajority(n=3, seed=seed, answers=ANSWER),
            Beam(n=3, width=3, pick="weighted", seed=seed, answers=ANSWER),
        ):
            (result,) = run(search, ONE, policy, judge)
            assert text(result) == "b so 1"


@pytest.mark.parametrize(
    "search",
    [BestOfN(n=3), Beam(n=3, width=3), BestFirst(each=3), Mcts(each=3), Dvts(n=3, width=3)],
)
def test_unscored_never_wins(search: Search) -> None:
    policy = Drawn(texts=["a", "b", "c"])
    judge = FakeScorer(rule=lambda _, response: -1e9 if response.text == "b" else None)
    for prompt in prompts(10):
        (result,) = run(search, [prompt], policy, judge)
        assert text(result) == "b"
        assert result.scores.count(Unscored(reason="the rule gave None")) == 2


@pytest.mark.parametrize(
    "search", [Majority(n=4), WeightedMajority(n=4), Beam(n=4, width=4, pick="weighted")]
)
def test_a_response_without_an_answer_has_no_vote(search: Search) -> None:
    policy = Drawn(texts=["who knows", "no idea", "I give up", "is 5"])
    judge = FakeScorer(rule=lambda _, response: 0.1 if "5" in response.text else 0.9)
    (result,) = run(search, ONE, policy, judge)
    assert text(result) == "is 5"
    policy = Drawn(texts=["who knows", "no idea", "I give up", "nor do I"])
    (result,) = run(search, ONE, policy, judge)
    assert (result.choice, len(result.group.responses)) == (None, 4)
