"""What is particular to single strategies that go step by step."""

from collections import Counter

import pytest

from assay.errors import ConfigError
from assay.protocols import Prefix, Sampling
from assay.search import run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.dvts import Dvts
from assay.search.mcts import Mcts
from assay.search.step_rejection import StepRejection
from assay.testing import FakeScorer
from assay.types import Prompt, Response
from tests.search.toys import ANSWER, Policy, Tree, Written, noisy, prompts, text

NOISY = FakeScorer(rule=noisy)


# --- dvts
# --------------------------------------------------------------------------------------------------


def test_the_first_subtrees_are_a_smaller_search() -> None:
    some = prompts(6)
    for pick in ("best", "majority", "weighted"):
        large = Dvts(n=12, width=3, pick=pick, answers=ANSWER)  # type: ignore[arg-type]
        results = run(large, some, Policy(), NOISY)
        for k in (1, 2, 3, 4):
            small = run(Dvts(n=3 * k, width=3, pick=pick, answers=ANSWER), some, Policy(), NOISY)  # type: ignore[arg-type]
            for one, other in zip(results, small, strict=True):
                part = large.subset(one, k)
                assert part.group.responses == other.group.responses
                assert (part.scores, part.choice) == (other.scores, other.choice)


def test_subtrees_draw_samples_of_their_own() -> None:
    """Of the prompt, subtree t gets samples t * width and on; and each goes on from its own
    best."""
    (prompt,) = prompts(1)
    (result,) = run(Dvts(n=6, width=2), [prompt], policy := Policy(depth=2), NOISY)
    first = [number for _, steps, number, _ in policy.asked if not steps]
    assert first == [0, 1, 2, 3, 4, 5]
    drawn = [policy.one(Prefix(prompt), k, Sampling(stop=("\n\n",))) for k in range(6)]
    best = [
        max(drawn[2 * t : 2 * t + 2], key=lambda response: noisy(prompt, response)).steps
        for t in range(3)
    ]
    assert [r.steps[:1] for r in result.group.responses] == [best[t] for t in (0, 0, 1, 1, 2, 2)]
    assert [r.meta["subtree"] for r in result.group.responses] == [0, 0, 1, 1, 2, 2]


def test_one_early_favourite_does_not_take_every_subtree() -> None:
    """A text that the scorer loves at its first step and no more fills a beam, but one subtree
    alone."""
    loved = Policy().one(Prefix(prompts(1)[0]), 3, Sampling(stop=("\n\n",))).text

    def rule(_: Prompt, response: Response) -> float:
        return 1.0 if response.text.startswith(loved) else 0.5

    (beam,) = run(Beam(n=8, width=1), prompts(1), Policy(), FakeScorer(rule=rule))
    assert {r.text.startswith(loved) for r in beam.group.responses} == {True}
    (dvts,) = run(Dvts(n=8, width=2), prompts(1), Policy(), FakeScorer(rule=rule))
    assert Counter(r.text.startswith(loved) for r in dvts.group.responses) == {True: 2, False: 6}


def test_a_subtree_that_ends_early_waits_for_the_others() -> None:
    class Uneven(Tree):
        """Below child 0 of the prompt a text ends; below the others it goes on."""

        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            response = super().one(prefix, number, sampling)
            return response.model_copy(
                update={"finished": response.finished or response.steps[0] == "0 "}
            )

    tree = Uneven(branching=4, depth=3)
    likes = FakeScorer(
        rule=lambda _, response: -float(response.steps[0]) - len(response.steps) / 100
    )
    (result,) = run(Dvts(n=4, width=2), prompts(1), tree, likes)
    assert [len(r.steps) for r in result.group.responses] == [1, 3, 3]
    assert text(result) == "0 "


# --- step by step rejection
# --------------------------------------------------------------------------------------


def test_a_step_is_written_again_until_it_is_good_enough() -> None:
    """Children 0, 1, 2 in turn; only 2 passes."""
    tree = Tree(branching=3, depth=2)
    passes = FakeScorer(rule=lambda _, response: 0.6 if response.steps[-1] == "2 " else 0.1)
    (result,) = run(StepRejection(n=1, tries=5), prompts(1), tree, passes)
    assert text(result) == "2 2 "
    assert [(steps, number) for _, steps, number, _ in tree.asked] == [
        *(((), k) for k in range(3)),
        *((("2 ",), k) for k in range(3)),
    ]


def test_of_steps_that_all_fail_the_best_is_taken() -> None:
    tree = Tree(branching=3, depth=1)
    scores = {"0 ": 0.2, "1 ": 0.4, "2 ": 0.9}
    judge = FakeScorer(rule=lambda _, response: scores[response.text])
    for tries, chosen in ((1, "0 "), (2, "1 "), (3, "2 ")):
        (result,) = run(StepRejection(n=1, tries=tries), prompts(1), tree, judge)
        assert text(result) == chosen
    (result,) = run(StepRejection(n=1, tries=3, threshold=0.4), prompts(1), tree, judge)
    assert text(result) == "1 "  # exactly the threshold is enough
    unscored = FakeScorer(rule=lambda _, response: None if response.text != "1 " else -7.0)
    (result,) = run(StepRejection(n=1, tries=3), prompts(1), tree, unscored)
    assert text(result) == "1 "


def test_solutions_side_by_side_try_apart() -> None:
    """The first solution's step passes at once; only the second tries again."""
    tree = Tree(branching=4, depth=1)
    judge = FakeScorer(rule=lambda _, response: 0.9 if response.text in ("0 ", "3 ") else 0.1)
    (result,) = run(StepRejection(n=2, tries=3), prompts(1), tree, judge)
    assert [number for _, _, number, _ in tree.asked] == [0, 1, 2, 3]
    assert [r.text for r in result.group.responses] == ["0 ", "3 "]


# --- best first
# --------------------------------------------------------------------------------------------------


def test_best_first_returns_to_what_it_left() -> None:
    """0 promises more than 1, but its children less: then 1 is continued."""
    values = {"0 ": 0.8, "1 ": 0.7, "0 0 ": 0.3, "0 1 ": 0.4, "1 0 ": 0.5, "1 1 ": 0.6}
    tree = Tree(branching=2, depth=3)
    judge = FakeScorer(rule=lambda _, response: values.get(response.text, 0.1))
    run(BestFirst(each=2, expansions=4), prompts(1), tree, judge)
    went = ["".join(steps) for _, steps, number, _ in tree.asked if number == 0]
    assert went == ["", "0 ", "1 ", "1 1 "]


def test_best_first_keeps_the_most_promising_where_it_may_not_go_on() -> None:
    tree = Tree(branching=2, depth=3)
    judge = FakeScorer(rule=lambda _, response: float(response.text.count("1")))
    (result,) = run(BestFirst(each=2, expansions=1), prompts(1), tree, judge)
    assert {r.text for r in result.group.responses} == {"0 ", "1 "}
    assert text(result) == "1 "
    (result,) = run(BestFirst(each=2, expansions=9, max_steps=2), prompts(1), tree, judge)
    assert {r.text for r in result.group.responses} == {"0 0 ", "0 1 ", "1 0 ", "1 1 "}
    assert text(result) == "1 1 "


def test_best_first_continues_a_text_once() -> None:
    """Written at once, or in two steps."""

    class Meets(Written):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            new = {"": ["a", "ab"][number % 2], "a": "b", "ab": "c"}["".join(prefix.steps)]
            return Response(steps=(*prefix.steps, new), finished=new == "c")

    (result,) = run(
        BestFirst(each=2, expansions=9, finished=9), prompts(1), policy := Meets(), FakeScorer()
    )
    assert sorted("".join(steps) for _, steps, number, _ in policy.asked if number == 0) == [
        "",
        "a",
        "ab",
    ]
    assert [r.text for r in result.group.responses] == ["abc"]


# --- all of them
# -------------------------------------------------------------------------------------------------


def test_what_ends_early_keeps_its_place_and_is_chosen_by_its_score() -> None:
    class Short(Written):
        """Child 0 of the prompt is finished at once; child 1 goes on for three steps."""

        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            steps = (*prefix.steps, f"{number % 2} ")
            return Response(steps=steps, finished=steps[0] == "0 " or len(steps) == 3)

    for early, chosen in ((0.9, "0 "), (0.2, "1 1 1 ")):
        judge = FakeScorer(
            rule=lambda _, r, e=early: e if r.text == "0 " else 0.5 + 0.01 * r.text.count("1")
        )  # type: ignore[misc]
        for search in (Beam(n=4, width=2), BestFirst(each=2, expansions=9, finished=9)):
            (result,) = run(search, prompts(1), Short(), judge)
            assert text(result) == chosen


def test_a_finished_beam_takes_a_place_for_good() -> None:
    class Early(Tree):
        """Child 0 of the prompt is its end."""

        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            response = super().one(prefix, number, sampling)
            return response.model_copy(
                update={"finished": response.finished or response.steps == ("0 ",)}
            )

    tree = Early(branching=2, depth=4)
    (result,) = run(
        Beam(n=4, width=2), prompts(1), tree, FakeScorer(rule=lambda _, r: float(r.text.count("0")))
    )
    # Two beams at first, then one beside it.
    assert [steps for _, steps, number, _ in tree.asked if number == 0] == [
        (),
        ("1 ",),
        ("1 ", "0 "),
        ("1 ", "0 ", "0 "),
    ]
    assert [r.text for r in result.group.responses] == ["0 ", "1 0 0 0 "]


def test_what_is_finished_is_chosen_before_what_promises_more() -> None:
    class Short(Written):
        """Child 0 of a text is its end, child 1 goes on for ever."""

        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            return Response(steps=(*prefix.steps, f"{number % 2} "), finished=number % 2 == 0)

    promises = FakeScorer(rule=lambda _, response: 0.1 if response.finished else 0.9)
    for search in (
        Beam(n=4, width=2, max_steps=3),
        Mcts(each=2, simulations=2),
        BestFirst(each=2, expansions=2, finished=9),
        Dvts(n=2, width=2, max_steps=2),
    ):
        (result,) = run(search, prompts(1), Short(), promises)
        assert result.response is not None
        assert result.response.finished
        assert all(response.finished for response in result.group.responses)


def test_no_more_steps_than_allowed() -> None:
    for search in (
        Beam(n=2, width=1, max_steps=2),
        Dvts(n=2, width=2, max_steps=2),
        StepRejection(n=2, max_steps=2),
        BestFirst(each=2, max_steps=2, expansions=99),
    ):
        (result,) = run(search, prompts(1), Tree(branching=2, depth=9), FakeScorer())
        assert {len(node.text.split()) for node in result.nodes} == {1}
        assert max(len(r.steps) for r in result.group.responses) == 2
        assert result.choice is not None


@pytest.mark.parametrize("how", ["best", "majority", "weighted"])
def test_the_ways_to_choose(how: str) -> None:
    """Leaves by score: 5 (.9), 6 (.5), 6 (.45), 7 (.2): the best is 5, the vote is 6, and .95 of
    weights is 6, too; with .1 less for the 6s, it is 5."""

    class Leaves(Written):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            return Response(steps=(f"{'abcd'[number]} so {'5667'[number]}",))

    scores = {"a": 0.9, "b": 0.5, "c": 0.45, "d": 0.2}
    for less, chosen in (
        (0.0, {"best": "a", "majority": "b", "weighted": "b"}),
        (0.1, {"best": "a", "majority": "b", "weighted": "a"}),
    ):
        judge = FakeScorer(
            rule=lambda _, r, x=less: scores[r.text[0]] - (x if "6" in r.text else 0)
        )  # type: ignore[misc]
        for search in (
            Beam(n=4, width=4, pick=how, answers=ANSWER),  # type: ignore[arg-type]
            Dvts(n=4, width=4, pick=how, answers=ANSWER),  # type: ignore[arg-type]
            BestFirst(each=4, pick=how, answers=ANSWER),  # type: ignore[arg-type]
            StepRejection(n=4, threshold=0.0, pick=how, answers=ANSWER),  # type: ignore[arg-type]
        ):
            (result,) = run(search, prompts(1), Leaves(), judge)
            assert (text(result) or "")[0] == chosen[how]


@pytest.mark.owed
@pytest.mark.parametrize(("n", "width"), [(7, 4), (16, 3), (5, 2), (4, 3)])
def test_subtrees_that_do_not_come_to_n_are_refused(n: int, width: int) -> None:
    drawn = n // width * width
    with pytest.raises(
        ConfigError,
        match=f"n {n} is no multiple of width {width}: .* would draw {drawn}; give such",
    ):
        Dvts(n=n, width=width)
