"""The bench that searches the Game-of-24 log again: the replay by hand, and the log's own numbers
by our code."""

import itertools
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from experiments.game24_log import (
    CLOSED,
    LOGGED,
    OPEN,
    Game,
    Log,
    Replay,
    Step,
    Tree,
    left,
    right,
    right_answer,
    worth,
)

from assay.protocols import Prefix, Sampling
from assay.search.beam import Beam
from assay.stats import auroc
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from experiments import game24, game24_log, game24_model

needs_data = pytest.mark.skipif(
    not game24_log.FOLDER.is_dir(), reason=f"no data at {game24_log.FOLDER}; set ASSAY_DATA"
)


@pytest.fixture(scope="module")
def log() -> Log:
    return Log()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(4 * 5) + (10 - 6)", 24),
        ("8 / (3 - 8 / 3)", 24),
        ("-(2 - 3)", 1),
        ("1 / 3", Fraction(1, 3)),
        ("2 ** 3", None),
        ("1 / (2 - 2)", None),
        ("(1 + 2", None),
        ("12 3", None),
        ("abs(3)", None),
        ("9" * 101, None),
    ],
)
def test_worth_of_expressions(expression: str, value: Fraction | None) -> None:
    assert worth(expression) == value


def test_an_answer_uses_every_number_once() -> None:
    steps = "4 * 5 = 20 (left: 6 10 20)\n10 - 6 = 4 (left: 4 20)\n4 + 20 = 24 (left: 24)\n"
    assert right_answer("4 5 6 10", f"{steps}Answer: (4 * 5) + (10 - 6) = 24\n")
    assert not right_answer("4 5 6 10", f"{steps}Answer: (4 * 5) + 4 = 24\n")
    assert not right_answer("4 5 6 10", f"{steps}Answer: (4 + 5) + (10 - 6) = 24\n")
    assert not right_answer("4 5 6 10", steps)


def test_what_is_left_is_followed_exactly() -> None:
    assert left("1 3 7 10", "7 / 3 = 2.33 (left: 1 2.33 10)\n") == {
        (Fraction(1), Fraction(7, 3), Fraction(10))
    }
    assert left("1 3 7 10", "7 / 3 = 7/3 (left: 1 7/3 10)\n") == {
        (Fraction(1), Fraction(7, 3), Fraction(10))
    }
    # Two numbers that were not there, one that is still there, a wrong result.
    assert not left("1 3 7 10", "10 / 2 = 5 (left: 1 3 5)\n")
    assert not left("1 3 7 10", "7 - 3 = 4 (left: 1 4 7 10)\n")
    assert not left("1 3 7 10", "7 - 3 = 5 (left: 1 5 10)\n")
    assert not left("1 3 7 10", "7 / 3 (not a whole number)\n")
    # A slip is not forgotten, though the next line follows from it.
    assert not left("1 3 7 10", "10 / 2 = 5 (left: 1 3 5)\n3 + 5 = 8 (left: 1 8)\n")
    # The rounded 2.67 times 9 is 24 exactly, and 24.03 is not what the solution says it is.
    steps = "9 - 1 = 8 (left: 3 8 9)\n8 / 3 ≈ 2.67 (left: 2.67 9)\n2.67 * 9 = "
    assert right("1 3 9 9", f"{steps}24 (left: 24)\n", 3)
    assert not right("1 3 9 9", f"{steps}24.03 (left: 24.03)\n", 3)
    assert game24_log.winnable("1 3 9 9", steps.rpartition("\n")[0] + "\n")


def test_successors_by_brute_force() -> None:
    a, b, c = (Fraction(n) for n in (2, 3, 5))
    by_hand = {
        tuple(sorted([made, rest]))
        for x, y, rest in itertools.permutations((a, b, c))
        for made in (x + y, x - y, x * y, x / y)
    }
    found = game24_log.successors((a, b, c))
    assert set(found) == by_hand
    assert len(found) == len(by_hand)
    assert game24_log.successors((Fraction(0), Fraction(2))) == (
        (2,),
        (-2,),
        (0,),
    )  # nothing is divided by 0


def planted() -> Log:
    """Two games, in which the numbers 6 6 are left on three ways, and were continued on one of
    each."""
    first = Game(
        numbers="2 3 6",
        steps=(
            Step(
                ("",),
                ("a (left: 6 6)\n", "b (left: 6 6)\n", "c (left: 9)\n", "a (left: 6 6)\n"),
                (3, 1, 2, 0),
                (),
            ),
            Step(
                ("a (left: 6 6)\n",),
                ("a (left: 6 6)\nd (left: 36)\n", "a (left: 6 6)\ne (left: 24)\n"),
                (1, 60),
                (),
            ),
        ),
        right=(),
    )
    other = Game(
        numbers="1 6 6",
        steps=(
            Step(("",), ("f (left: 6 6)\n", "g (left: 24)\n"), (3, 60), ()),
            Step(("g (left: 24)\n",), ("g (left: 24)\nanswer: 6\n",), (20,), ()),
        ),
        right=(),
    )
    return Log((first, other))


def test_proposals_are_shared_by_what_was_shown() -> None:
    log = planted()
    lines = ("d (left: 36)\n", "e (left: 24)\n")
    asked = [
        ("2 3 6", "a (left: 6 6)\n"),
        ("2 3 6", "b (left: 6 6)\n"),
        ("1 6 6", "f (left: 6 6)\n"),
    ]
    assert [log.proposals(*state, "text") for state in asked] == [lines, None, None]
    assert [log.proposals(*state, "game") for state in asked] == [lines, lines, None]
    assert [log.proposals(*state, "log") for state in asked] == [lines, lines, lines]
    # An answer belongs to the steps that it was written for.
    assert log.proposals("1 6 6", "g (left: 24)\n", "text") == ("answer: 6\n",)
    assert log.proposals("1 6 6", "h (left: 24)\n", "log") is None


def test_values_are_those_of_what_was_shown() -> None:
    log = planted()
    assert log.value("2 3 6", "a (left: 6 6)\n") == 3  # not its second proposal's 0
    assert log.value("2 3 6", "b (left: 6 6)\n") == 3
    assert log.value("2 3 6", "a (left: 6 6)\nx (left: 24)\n") == 60
    assert log.value("1 6 6", "g (left: 24)\nanswer: 6\n") == 20
    assert log.value("2 3 6", "g (left: 24)\nanswer: 6\n") is None  # an answer to another game
    assert log.value("2 3 6", "a (left: 8)\n") is None
    assert log.value("2 3 6", "a\nb\nc\nd (left: 8)\n") == 0  # a fourth line that is no answer


def test_the_replay_gives_proposals_in_order_and_counts_what_is_missing() -> None:
    replay = Replay(planted(), Tree("two lines", 2, "text"))
    prompt = Prompt.of("2 3 6")

    def ask(*steps: str, n: int, first: int = 0) -> list[Response]:
        return replay.generate([Prefix(prompt, steps, first)], Sampling(n=n))[0]

    assert [r.text[0] for r in ask(n=9)] == ["a", "b", "c", "a"]
    assert [r.text[0] for r in ask(n=2, first=1)] == ["b", "c"]
    assert ask(n=9, first=4) == []
    assert not any(r.finished for r in ask(n=9))
    assert [r.finished for r in ask("a (left: 6 6)\n", n=9)] == [True, True]
    assert replay.missing.total() == 0
    assert ask("b (left: 6 6)\n", n=9) == []
    assert (replay.asked["2 3 6"], replay.missing["2 3 6"]) == (6, 1)


def test_a_closed_tree_has_no_dead_ends() -> None:
    tree = Tree("two lines", 2, "game")
    open_, closed = (
        Replay(planted(), tree),
        Replay(planted(), Tree("two lines", 2, "game", closed=True)),
    )
    assert open_.lines("2 3 6", "") == (
        "a (left: 6 6)\n",
        "b (left: 6 6)\n",
        "c (left: 9)\n",
        "a (left: 6 6)\n",
    )
    assert closed.lines("2 3 6", "") == ("a (left: 6 6)\n", "b (left: 6 6)\n", "a (left: 6 6)\n")
    assert [*open_.leaves("2 3 6")] == [*closed.leaves("2 3 6")]
    assert len([*open_.leaves("2 3 6")]) == 4  # the second a is the first again


@needs_data
def test_our_check_of_answers_is_the_logs_own(log: Log) -> None:
    kept = [
        (g.numbers, text, r)
        for g in log.games
        for text, r in zip(g.steps[-1].kept, g.right, strict=True)
    ]
    assert [right_answer(numbers, text) for numbers, text, _ in kept] == [r for *_, r in kept]
    assert (len(kept), sum(r for *_, r in kept)) == (500, 119)


@needs_data
def test_published_success_of_gpt4(log: Log) -> None:
    logged, baselines = game24.as_logged(log), game24.baselines(log)
    assert (logged["any of five"]["value"], logged["first"]["value"]) == (0.69, 0.62)
    assert logged["first, were its ties drawn"]["value"] < 0.62
    # arXiv:2305.10601, table 2 and section 4.1.
    assert baselines["IO"]["value"] == pytest.approx(0.073, abs=5e-4)
    assert baselines["CoT"]["value"] == pytest.approx(0.040, abs=5e-4)
    assert (baselines["IO, any of 100"]["value"], baselines["CoT, any of 100"]["value"]) == (
        0.33,
        0.49,
    )
    # What a search of the log can find at all is what the log's own found.
    assert baselines["oracle, logged"]["value"] == 0.69


@needs_data
def test_every_value_of_the_log_is_found_again(log: Log) -> None:
    for game in log.games:
        for step in game.steps:
            first = dict(reversed([*zip(step.proposals, step.values, strict=True)]))
            assert {text: log.value(game.numbers, text) for text in first} == first


@needs_data
def test_our_beam_is_the_logs_beam(log: Log) -> None:
    found = game24.replayed(log, 1)
    assert found["ties in the log's order"] == {
        "first": 62,
        "any": 69,
        "games with the same five": 100,
    }
    assert found["ties drawn, closed"]["dead ends a game"] == 0
    assert found["ties drawn"]["any"]["high"] <= 69


@needs_data
def test_coverage_grows_with_what_is_shared_and_counts_what_the_log_expanded(log: Log) -> None:
    found = {
        share: [row["expanded"] for row in rows] for share, rows in game24.coverage(log).items()
    }
    # 100 roots; five kept of each, one of which was kept twice.
    assert found == {"text": [100, 499, 500], "game": [100, 515, 596], "log": [100, 630, 1744]}


@needs_data
@pytest.mark.parametrize("tree", [LOGGED, OPEN, CLOSED])
def test_the_solver_finds_whatever_there_is_to_find(log: Log, tree: Tree) -> None:
    """A beam that nothing falls out of, and the choice of a scorer that knows: the oracle, by
    another way."""
    exact = game24.scorers(log, tree, {})["exact solver"](0)
    few = Log(log.games[:20])
    few._proposals = log._proposals  # type: ignore[misc]
    results, replay = game24.search(few, tree, Beam(n=10**6, width=10**4), exact)
    leaves = [
        any(
            right(game.numbers, text, tree.lines) for text in Replay(log, tree).leaves(game.numbers)
        )
        for game in few.games
    ]
    assert [game24.solved(result, tree)[0] for result in results] == leaves
    assert 5 < sum(leaves) < 20
    assert (replay.missing.total() == 0) == tree.closed


def test_a_choice_that_is_not_finished_solves_nothing() -> None:
    """The search is at a dead end: its candidates are unfinished, whatever they say."""
    log = planted()
    results, replay = game24.search(
        log, Tree("three lines", 3, "text"), Beam(n=9, width=1), FakeScorer()
    )
    assert [game24.solved(result, OPEN) for result in results] == [(False, False)] * 2
    assert replay.missing == Counter({"2 3 6": 1, "1 6 6": 1})


def test_training_games_and_states_are_none_of_the_logs() -> None:
    four = Game("1 2 3 4", (), ())
    records = [*itertools.islice(game24_model.trajectories([four], "games", 0), 200)]
    assert "1 2 3 4" not in {record.prompt.text for record in records}
    for record in records:
        assert [len(step.split()) for step in record.response.steps] == [4, 3, 2]
        if not set(game24_model.RARE) & {
            word for step in record.response.steps for word in step.split()
        }:
            states = [
                tuple(Fraction(word) for word in step.split()[:-1])
                for step in record.response.steps
            ]
            assert record.labels == tuple(float(game24_log.makes_24(state)) for state in states)
            assert all(list(state) == sorted(state) for state in states)
    # What training meets most, were it in the log.
    ((met, _),) = Counter(record.response.steps[0] for record in records).most_common(1)
    shuffled = " ".join(reversed(met.split()[:-1]))
    logged = Game(
        "1 2 3 4", (Step(("",), (f"so (left: {shuffled})\n", "and (left: 1 5)\n"), (0, 0), ()),), ()
    )
    for unseen, there in (("games", True), ("states", False)):
        records = [*itertools.islice(game24_model.trajectories([logged], unseen, 0), 200)]  # type: ignore[arg-type]
        assert (met in {record.response.steps[0] for record in records}) == there


def test_the_model_is_shown_numbers_alone() -> None:
    text = "6 - 4 = 2 (left: 2 10 5)\n10 / 5 = 2.0 (left: 2 2)\n"
    assert game24_model.view("4 10 5 6", text) == ("4 5 6 10", "2 5 10 ;", "2 2 ;")
    assert game24_model.view("4 10 5 6", "10 / 6 ≈ 1.67 (left: 4 1.67 5)\n") == (
        "4 5 6 10",
        "5/3 4 5 ;",
    )
    assert game24_model.view("4 10 5 6", "6 - 4 = 2 (left: 2 10)\n") == ()
    assert game24_model.view("4 10 5 6", "6 / 4 (not a whole number)\n") == ()
    assert game24_model.words((Fraction(-999), Fraction(1, 97), Fraction(24))) == "-rare rare 24"


def test_a_model_learns_and_scores_what_it_can_read(tmp_path: Path) -> None:
    game = Game("1 2 3 4", (), ())
    reads = game24_model.fit([game], "games", tmp_path / "model", records=64, steps=40, seed=0)
    records = [*itertools.islice(game24_model.trajectories([game], "games", 0), 64)]
    groups = [
        Group(
            prompt=record.prompt,
            responses=tuple(
                Response(
                    steps=tuple(
                        f"so (left: {step[:-2]})\n" for step in record.response.steps[: k + 1]
                    )
                )
                for k in range(3)
            ),
        )
        for record in records
        if "rare" not in record.response.text
    ]
    labels = [record.labels for record in records if "rare" not in record.response.text]
    scores = [score for row in reads.score(groups) for score in row]
    assert all(isinstance(score, Score) for score in scores)
    values = [score.value for score in scores if isinstance(score, Score)]
    assert auroc(values, [label == 1 for row in labels for label in row], resamples=2).value > 0.9
    slip = Response(steps=("so (left: 1 2)\n",))
    assert isinstance(
        reads.score([Group(prompt=Prompt.of("1 2 3 4"), responses=(slip,))])[0][0], Unscored
    )
    assert {record.response.steps[2] for record in records} <= reads.trained_on
