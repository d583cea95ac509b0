import dataclasses
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay import cli, components
from assay.cli.best_of_n import Command
from assay.data import io
from assay.data.pools import Pool
from assay.data.scores import read_scores
from assay.errors import ConfigError, DataError
from assay.scorers.baselines import Longest
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    Score,
    StepLabels,
    Unscored,
)
from assay.verifiers import Numeric
from assay.workflows.best_of_n import (
    SCORER,
    best_of_n,
    collect,
    curves_of,
    population,
    replay_over,
    usable,
)


def responses(*texts: str) -> tuple[Response, ...]:
    return tuple(map(Response.of, texts))


def scored(pools: Pool, *rows: list[float | None]) -> Pool:
    scores = [
        [Unscored(reason="test") if x is None else Score(value=x) for x in row] for row in rows
    ]
    return pools.with_scores(SCORER, scores)


def values(points: Any) -> list[float]:
    return [point.estimate.value for point in points]


def test_gold_comes_from_the_reference_from_the_grades_or_from_the_last_label() -> None:
    prompt = Prompt.of("q", reference="5")
    group = Group(prompt=prompt, responses=responses("is 5", "is 6", "none"))
    ranking = Ranking(prompt=Prompt.of("r"), responses=responses("a 1", "b"), grades=(0.25, -1.0))
    split = StepLabels(
        prompt=Prompt.of("s"), response=Response(steps=("a", " 7")), labels=(0.0, 1.0)
    )
    other = StepLabels.outcome(Prompt.of("s"), Response.of("8"), 0.0)
    pools = collect([group, split, ranking, other], Numeric())
    assert [list(row) for row in pools.grades] == [[1.0, 0.0, 0.0], [1.0, 0.0], [0.25, -1.0]]
    assert [list(row) for row in pools.answers or ()] == [["5", "6", None], ["7", "8"], ["1", None]]
    assert [group.prompt.text for group in pools.groups] == ["q", "s", "r"]
    assert usable(pools) == [3, 2, 2]
    assert population(pools).ns == [1, 2]
    assert population(pools, 3).ns == [1, 2, 3]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no response"),
        ([Group(prompt=Prompt.of("q", reference="5"), responses=())], "no response"),
        ([Group(prompt=Prompt.of("why?"), responses=responses("5"))], "'why\\?' has no reference"),
        (
            [Group(prompt=Prompt.of("q", reference="a duck"), responses=responses("5"))],
            "--verifier",
        ),
        (
            [Preference(prompt=Prompt.of("q"), responses=responses("a", "b"), prefer=1.0)],
            "assay eval",
        ),
        ([Message(role="user", content="q")], "Message"),
    ],
)
def test_what_is_no_pool_is_refused(records: list[Record], message: str) -> None:
    with pytest.raises(DataError, match=message):
        collect(records, Numeric())


def test_a_pool_of_single_responses_is_refused_before_it_is_scored() -> None:
    rows = [
        Group(prompt=Prompt.of(f"q{i}", reference="5"), responses=responses("5")) for i in range(3)
    ]
    for more in ({}, {"largest": 1}):
        with pytest.raises(DataError, match="no prompt has two responses"):
            best_of_n(rows, scorer="longest", **more)


def test_a_gold_that_is_named_decides_where_there_is_a_reference() -> None:
    """The grades say the opposite of the references; one prompt has grades alone."""
    there = Ranking(
        prompt=Prompt.of("q", reference="5"), responses=responses("5", "16"), grades=(0.0, 1.0)
    )
    bare = Ranking(prompt=Prompt.of("r"), responses=responses("5", "16"), grades=(0.0, 1.0))
    by_grades = best_of_n([there, bare], scorer="longest")
    assert by_grades.metrics["best-of-n"].value == 1.0
    assert any("references are not used" in note for note in by_grades.notes)
    named = best_of_n([there, bare], scorer="longest", gold="numeric")
    assert named.metrics["best-of-n"].value == 0.5
    assert not any("references are not used" in note for note in named.notes)


def test_curves_by_hand() -> None:
    """One prompt, four answers: 5 (right) twice, 6 twice; lengths 1..4; the scorer likes a wrong
    one best."""
    group = Group(
        prompt=Prompt.of("q", reference="5"), responses=responses("5", " 6", "  6", "   5")
    )
    pools = scored(collect([group], Numeric()), [0.3, 0.9, 0.1, 0.5])
    found, notes = curves_of(pools, population(pools), transform="none", seed=0)
    assert list(found) == [
        "best-of-n",
        "weighted majority",
        "majority",
        "random",
        "shortest",
        "longest",
        "oracle",
    ]
    assert notes == ["1 prompts, 4 responses"]
    # of the six pairs the best-scored is right in {.3,.1}, {.5,.3}, {.5,.1}; of four it is wrong
    assert values(found["best-of-n"]) == pytest.approx([0.5, 0.5, 0.0])
    assert values(found["random"]) == pytest.approx([0.5, 0.5, 0.5])
    assert values(found["oracle"]) == pytest.approx([0.5, 5 / 6, 1.0])
    assert values(found["longest"]) == pytest.approx([0.5, 0.5, 1.0])  # pairs with the fourth
    assert values(found["shortest"]) == pytest.approx([0.5, 0.5, 1.0])
    assert values(found["majority"])[::2] == pytest.approx([0.5, 0.5])  # a tie is half right
    assert values(found["weighted majority"])[2] == 0.0  # .8 against 1.0


def test_unscored_and_undecided_are_counted_and_left_out() -> None:
    rows = [
        Ranking(prompt=Prompt.of("q"), responses=responses("1", "2", "x"), grades=(1.0, 0.0, 0.0)),
        StepLabels(prompt=Prompt.of("s"), response=Response.of("1"), labels=(None,)),
    ]
    pools = scored(collect(rows, Numeric()), [0.9, None, 0.5], [0.5])
    found, notes = curves_of(pools, population(pools), transform="none", seed=0)
    best = found["best-of-n"]
    assert [point.estimate.unscored for point in best] == [1, 1]
    assert values(best) == pytest.approx([0.5, 1.0])  # two are left, so there is no best of three
    assert values(found["oracle"]) == pytest.approx([0.5, 1.0])
    assert best[0].estimate.n == 1
    text = "\n".join(notes)
    assert "1 responses left out" in text
    assert "1 responses state no answer" in text
    assert "1 responses unscored, such as: test" in text


def test_logits_are_not_summed_as_votes() -> None:
    group = Group(prompt=Prompt.of("q", reference="5"), responses=responses("5", "5", "6"))
    pools = scored(collect([group], Numeric()), [-1.0, -1.0, 0.0])
    found, notes = curves_of(pools, population(pools), transform="none", seed=0)
    assert "weighted majority" not in found
    assert any("--transform sigmoid" in note for note in notes)
    found, _ = curves_of(pools, population(pools), transform="sigmoid", seed=0)
    assert values(found["weighted majority"])[-1] == pytest.approx(
        1.0
    )  # 2 sigmoid(-1) = .54 against .5


def uneven(short: int, long: int) -> Pool:
    """Prompts with 4 responses that are always right, and prompts with 16 of which half are."""
    rows = [
        Ranking(prompt=Prompt.of(f"s{i}"), responses=responses(*"abcd"), grades=(1.0,) * 4)
        for i in range(short)
    ]
    texts = [f"{k}" for k in range(16)]
    rows += [
        Ranking(prompt=Prompt.of(f"l{i}"), responses=responses(*texts), grades=(1.0, 0.0) * 8)
        for i in range(long)
    ]
    pools = collect(rows, Numeric())
    return scored(pools, *([float(k % 5) for k in range(len(row))] for row in pools.grades))


@pytest.mark.owed
@pytest.mark.parametrize(("short", "long", "ns"), [(44, 16, [1, 2, 4]), (3, 57, [1, 2, 4, 8, 16])])
def test_every_point_of_every_curve_is_over_the_same_prompts(
    short: int, long: int, ns: list[int]
) -> None:
    """A choice at random gains nothing by more candidates: its curve is flat whatever pools there
    are."""
    pools = uneven(short, long)
    over = population(pools)
    assert list(over.ns) == ns
    found, notes = curves_of(pools, over, transform="none", seed=0)
    prompts = {point.estimate.n for points in found.values() for point in points}
    assert prompts == {60 if ns[-1] == 4 else 57}
    whole = (short + long / 2) / 60 if ns[-1] == 4 else 0.5
    assert values(found["random"]) == pytest.approx([whole] * len(ns))
    assert values(found["oracle"]) == sorted(values(found["oracle"]))
    assert any("16" in note and "n" in note for note in notes[1:]), "what is left out is said"


def test_the_largest_n_chooses_the_prompts() -> None:
    pools = uneven(44, 16)
    over = population(pools, 16)
    assert (len(over.prompts), over.ns[-1]) == (16, 16)
    assert "16 of 60 prompts" in over.note
    found, _ = curves_of(pools, over, transform="none", seed=0)
    assert values(found["random"]) == pytest.approx([0.5] * 5)
    with pytest.raises(DataError, match="more than 16 responses"):
        population(pools, 17)
    with pytest.raises(ConfigError, match="1 or more"):
        population(pools, 0)


@pytest.mark.owed
def test_unscored_responses_leave_the_pool_of_all_that_is_compared() -> None:
    """The scorer cannot score the only right answer: neither it nor a baseline nor the oracle may
    choose it."""
    group = Group(prompt=Prompt.of("q", reference="5"), responses=responses("5", "66", "7", ""))
    pools = scored(collect([group], Numeric()), [None, 0.5, 0.1, None])
    found, _ = curves_of(pools, population(pools), transform="none", seed=0)
    assert {name: values(points) for name, points in found.items()} == {
        name: [0.0, 0.0] for name in found
    }
    assert {point.estimate.unscored for points in found.values() for point in points} == {2}
    nothing = scored(collect([group], Numeric()), [None] * 4)
    with pytest.raises(
        DataError,
        match="none of the 4 responses has both a score and a gold reward; unscored are 4",
    ):
        population(nothing)


@pytest.mark.parametrize("name", ["best-of-n", "majority", "weighted-majority"])
def test_searches_gain_on_subsets_what_the_closed_forms_say(name: str) -> None:
    """The code that serves and the estimators agree: two ways to the same curve."""
    rng = np.random.default_rng(0)
    groups, rows = [], []
    for i in range(40):
        answers = rng.choice(["5", "6", "7"], size=6, p=[0.4, 0.4, 0.2])
        groups.append(
            Group(prompt=Prompt.of(f"q{i}", reference="5"), responses=responses(*answers))
        )
        rows.append(
            [float(0.3 * (a == "5") + u) for a, u in zip(answers, rng.random(6), strict=True)]
        )
    pools = scored(collect(groups, Numeric()), *rows)
    exact = values(
        curves_of(pools, population(pools), transform="none", seed=0)[0][
            name.replace("weighted-", "weighted ")
        ]
    )
    cls = components.load("search", name)
    replayed = replay_over(pools, population(pools), lambda n: cls(n=n, seed=n), draws=40)
    # per point: 40 prompts of 40 draws, each at most .5 from its mean
    assert values(replayed) == pytest.approx(exact, abs=4 * 0.5 / (40 * 40) ** 0.5)
    if name == "best-of-n":
        assert values(replayed)[-1] == pytest.approx(exact[-1])  # the whole pool: nothing is drawn


def pool_of(count: int = 6) -> list[Group]:
    """Half of each prompt's responses are right."""
    texts = ("it is {}", "7", "surely {}.", "I do not know")
    prompts = [Prompt.of(f"{i} and {i}?", reference=str(2 * i)) for i in range(4, 4 + count)]
    return [
        Group(prompt=p, responses=responses(*(text.format(p.reference) for text in texts)))
        for p in prompts
    ]


def test_records_and_objects_give_what_a_file_and_words_give(tmp_path: Path) -> None:
    groups = pool_of()
    io.write(groups, tmp_path / "pool.jsonl")
    by_name = best_of_n(tmp_path / "pool.jsonl", scorer="longest", gold="numeric")
    by_object = best_of_n(groups, scorer=Longest(), gold=Numeric())
    assert by_name.to_json() == by_object.to_json()
    assert by_name.scorer == "longest"
    assert values(by_name.curves["best-of-n"]) == values(by_name.baselines["longest"])
    assert values(by_name.baselines["oracle"]) == pytest.approx([0.5, 5 / 6, 1.0])
    assert str(by_name).splitlines()[0].split() == ["gold", "reward", "at", "n", "=", "1", "2", "4"]


def test_scores_of_a_file_stand_for_the_scorer(tmp_path: Path) -> None:
    groups = pool_of()
    io.write(groups, tmp_path / "pool.jsonl")
    scores = tmp_path / "scores.jsonl"
    cli.main(["score", "longest", str(tmp_path / "pool.jsonl"), "--out", str(scores)])
    by_file = best_of_n(tmp_path / "pool.jsonl", scores=scores)
    by_word = best_of_n(groups, scorer="longest")
    assert by_file.to_json() == by_word.to_json()
    with pytest.raises(DataError, match="has 0 scores for the 4 responses to prompt"):
        best_of_n(pool_of(7), scores=scores)
    with pytest.raises(DataError, match="1: no column holds a score"):
        best_of_n(groups, scores=tmp_path / "pool.jsonl")
    with pytest.raises(ConfigError, match="a file of scores"):
        best_of_n(groups)


def test_scores_of_step_labels_follow_the_order_of_the_data(tmp_path: Path) -> None:
    """`assay score` takes each for a group of its own; a pool puts those to one prompt together."""
    one, two = Prompt.of("a"), Prompt.of("b")
    labels = [
        StepLabels.outcome(prompt, Response.of(text), gold)
        for prompt, text, gold in (
            (one, "x", 0.0),
            (two, "yy", 1.0),
            (one, "zzz", 1.0),
            (two, "", 0),
        )
    ]
    io.write(labels, tmp_path / "steps.jsonl")
    scores = tmp_path / "scores.jsonl"
    cli.main(["score", "longest", str(tmp_path / "steps.jsonl"), "--out", str(scores)])
    pools = collect(labels, Numeric())
    rows = read_scores(scores, pools.groups)
    assert [[s.value for s in row if isinstance(s, Score)] for row in rows] == [[1, 3], [2, 0]]


def test_the_command_takes_what_the_function_takes() -> None:
    command = {field.name for field in dataclasses.fields(Command)}
    function = set(inspect.signature(best_of_n).parameters)
    assert function - command == {"settings"}
    assert command - function == {"fail_on"}
