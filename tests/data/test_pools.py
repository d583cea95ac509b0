"""Rows that share a prompt are one pool; labels are gold where nothing else is. Of a run's folder
the result is read."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from assay.data.io import read
from assay.data.pools import Pool, read_pool
from assay.data.records import single, subset
from assay.data.scores import prompt_hash, read_scores
from assay.errors import DataError
from assay.scorers.column import Column
from assay.scorers.non_empty import Answered
from assay.types import (
    Group,
    Preference,
    Prompt,
    Ranking,
    Response,
    Score,
    StepLabels,
    Unscored,
)


def put(path: Path, *rows: Mapping[str, object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def texts(pool: Pool) -> list[list[str]]:
    return [[response.text for response in group.responses] for group in pool.groups]


@pytest.mark.parametrize("format", [None, "plain"])
def test_a_row_per_response_and_a_row_per_prompt_are_the_same_pool(
    tmp_path: Path, format: str | None
) -> None:
    rows = [{"prompt": p, "response": r, "reference": "5"} for p, r in ("ax", "by", "az")]
    single = read_pool(put(tmp_path / "a.jsonl", *rows), format=format)
    several = read_pool(
        put(
            tmp_path / "b.jsonl",
            {"prompt": "a", "responses": ["x", "z"], "reference": "5"},
            {"prompt": "b", "responses": ["y"], "reference": "5"},
        ),
        format=format,
    )
    assert texts(single) == texts(several) == [["x", "z"], ["y"]]
    assert [g.prompt.reference for g in single.groups] == ["5", "5"]
    assert single.gold == several.gold == [None, None]


def test_labels_of_rows_without_a_reference_are_the_gold(tmp_path: Path) -> None:
    rows = [
        {"prompt": p, "response": r, "label": y}
        for p, r, y in (("a", "x", 1), ("b", "y", True), ("a", "z", 0.25))
    ]
    pool = read_pool(put(tmp_path / "a.jsonl", *rows))
    assert texts(pool) == [["x", "z"], ["y"]]
    assert pool.gold == [[1, 0.25], [1]]
    whole = read_pool(put(tmp_path / "b.jsonl", *({**row, "reference": "x"} for row in rows)))
    assert whole.gold == [None, None]


def test_of_a_runs_folder_its_result_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "ledger.jsonl").write_text('{"rollout": 1}\n')
    put(tmp_path / "labels.jsonl", {"prompt": "a", "completions": ["x"], "labels": [True]})
    (only,) = read(tmp_path)
    assert isinstance(only, StepLabels)
    (tmp_path / "labels.jsonl").rename(tmp_path / "verdicts.jsonl")
    with pytest.raises(DataError, match=r"holds verdicts, and no records; .*--write"):
        list(read(tmp_path))


def test_scores_are_found_in_the_folder_of_the_run_that_made_them(tmp_path: Path) -> None:
    row = {"prompt": prompt_hash("a"), "group": 0, "response": 0, "value": 2.5}
    put(tmp_path / "scores.jsonl", row)
    group = Group(prompt=Prompt.of("a"), responses=(Response.of("x"),))
    assert read_scores(tmp_path, [group]) == [[Score(value=2.5)]]


def test_a_column_of_scores_of_steps_is_its_lowest(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response": r, "p": p} for r, p in (("x", [0.5, 0.25]), ("y", 1))]
    pool = read_pool(put(tmp_path / "a.jsonl", *rows), columns=True)
    assert pool.matrix("p").tolist() == [[0.25, 1]]
    # Nobody cut the text, so it may have any number of steps; one that is cut has its own.
    least = Score(value=0.25, steps=(0.5, 0.25))
    assert Column("p").score(pool.groups) == [[least, Score(value=1)]]
    for steps, expected in (
        (("", "x"), least),
        (("", "x", ""), Unscored(reason="column 'p' has 2 numbers for 3 steps")),
    ):
        split = pool.groups[0].responses[0].model_copy(update={"steps": steps})
        assert Column("p").score([Group(prompt=Prompt.of("a"), responses=(split,))]) == [[expected]]


def test_a_list_in_a_prompts_columns_has_an_entry_for_each_response() -> None:
    prompt = Prompt.of("a").model_copy(update={"meta": {"rm": [3, [1, 2], None]}})
    two = Response(steps=("x", "y"))
    group = Group(prompt=prompt, responses=(Response.of("x"), two, Response.of("")))
    first, second, third = Column("rm").score([group])[0]
    assert (first, second) == (Score(value=3), Score(value=1, steps=(1, 2)))
    assert third == Unscored(reason="column 'rm' is null")
    # Apart, or some of them alone, each has its own.
    for place, score in enumerate((first, second, third)):
        alone, response = single(group, place)
        assert Column("rm").score([Group(prompt=alone, responses=(response,))]) == [[score]]
    assert Column("rm").score([subset(group, [1, 2])]) == [[second, third]]
    assert Answered(Column("rm")).score([group])[0][:2] == [first, second]
    # A list of another length is no one's; of one response alone it may be of its steps.
    fewer = group.model_copy(update={"responses": group.responses[:2]})
    assert Column("rm").score([fewer])[0] == 2 * [
        Unscored(reason="column 'rm' has 3 numbers for 2 responses")
    ]
    lone = fewer.model_copy(update={"responses": group.responses[:1]})
    why = Unscored(reason="column 'rm' has 3 numbers for 1 response")
    assert Column("rm").score([lone]) == [[why]]
    stepwise = Prompt.of("a").model_copy(update={"meta": {"rm": [1, 0.5]}})
    (by_step,) = Column("rm").score([Group(prompt=stepwise, responses=(two,))])[0]
    assert by_step == Score(value=0.5, steps=(1, 0.5))


def test_columns_of_rows_that_become_a_pool_stay_with_their_responses(tmp_path: Path) -> None:
    shared = {"prompt": "a", "source": "s"}
    rows = [
        {**shared, "completion": "x", "label": True, "rm": 1},
        {**shared, "completion": "y", "label": False, "rm": 2},
        {**shared, "completion": "z", "label": False},
    ]
    pool = read_pool(put(tmp_path / "a.jsonl", *rows))
    assert pool.gold == [[1, 0, 0]]
    assert pool.groups[0].prompt.meta == {"source": "s"}
    assert [r.meta for r in pool.groups[0].responses] == [{"rm": 1}, {"rm": 2}, {}]
    first, second, third = Column("rm").score(pool.groups)[0]
    assert (first, second) == (Score(value=1), Score(value=2))
    assert isinstance(third, Unscored)


def test_a_reference_is_one_answer(tmp_path: Path) -> None:
    row = {"prompt": "a", "response": "x", "reference": [5]}
    pool = read_pool(put(tmp_path / "a.jsonl", row))
    assert pool.groups[0].prompt.reference == "5"
    with pytest.raises(DataError, match=r"b\.jsonl:1: field 'reference': expected one answer"):
        read_pool(put(tmp_path / "b.jsonl", {**row, "reference": [5, 6]}))


@pytest.mark.parametrize("labels", [(), (1, 0, 1)])
def test_a_prompt_has_one_reference_in_all_its_rows(tmp_path: Path, labels: tuple[int]) -> None:
    def pool(*references: object) -> Pool:
        rows = [
            {"type": "steps", "prompt": Prompt.of("a").model_dump(), "response": {"steps": ["x"]}}
            if labels
            else {"prompt": "a", "response": "x"}
            for _ in references
        ]
        for row, label, stated in zip(rows, labels or (None,) * 3, references, strict=True):
            if labels:
                row["labels"] = [label]
                row["prompt"]["reference"] = stated  # type: ignore[index]
            else:
                row["reference"] = stated
        return read_pool(put(tmp_path / "a.jsonl", *rows))

    for same in (("5", "5", "5"), (None, "5", None), ("5", None, "5")):
        (group,) = pool(*same).groups
        assert (group.prompt.reference, len(group.responses)) == ("5", 3)
    with pytest.raises(DataError, match=r"the reference of prompt 'a' is '6', and '5' in a row"):
        pool("5", None, "6")


def test_cells_of_a_table_are_the_numbers_that_they_say(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text(
        'prompt,response,label,rm,steps\na,x,1,0.5,"[1, 0.25]"\na,y,False,-2e-1,3\na,z,0,,\n'
    )
    pool = read_pool(str(table))
    assert pool.gold == [[1, 0, 0]]
    assert pool.matrix("rm").tolist()[0][:2] == [0.5, -0.2]
    assert np.isnan(pool.matrix("rm")[0, 2])
    assert pool.matrix("steps").tolist()[0][:2] == [0.25, 3.0]
    scored, low, absent = Column("rm").score(pool.groups)[0]
    assert (scored, low) == (Score(value=0.5), Score(value=-0.2))
    assert isinstance(absent, Unscored)
    assert Column("steps").score(pool.groups)[0][1] == Score(value=3)
    table.write_text('prompt,chosen,rejected,margin,rm\na,x,y,1.5,"[1, 2]"\n')
    (pair,) = read(table)
    assert isinstance(pair, Preference)
    assert pair.margin == 1.5
    assert Column("rm").score([pair]) == [[Score(value=1), Score(value=2)]]
    table.write_text('prompt,responses,grades\na,"[""x"", ""y""]","[1, 0]"\n')
    (ranking,) = read(table)
    assert isinstance(ranking, Ranking)
    assert ([r.text for r in ranking.responses], ranking.grades) == (["x", "y"], (1, 0))
