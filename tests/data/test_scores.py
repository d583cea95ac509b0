"""Files of scores are matched by texts, by ids or by order, or refused with their line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.data.pools import pool_of, read_pool
from assay.data.scores import file_of, read_scores
from assay.errors import ConfigError, DataError
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Response,
    Score,
    StepLabels,
    Unscored,
)


def put(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def group(id: str, *texts: str) -> Group:
    return Group(
        prompt=Prompt.of(f"question {id}", id=id), responses=tuple(map(Response.of, texts))
    )


GROUPS = [group("a", "x", "y"), group("b", "z", "x")]


def values(found: Sequence[Sequence[Score | Unscored]]) -> list[list[float | None]]:
    return [[s.value if isinstance(s, Score) else None for s in row] for row in found]


TEXTS = [
    {"prompt": f"question {p}", "response": r, "score": x}
    for p, r, x in (("b", "x", 4), ("a", "x", 1), ("b", "z", None), ("a", "y", 2))
]
LAYOUTS: dict[str, list[dict[str, Any]]] = {
    "texts": TEXTS,
    "texts of messages": [
        {**row, "prompt": [{"role": "user", "content": row["prompt"]}]} for row in TEXTS
    ],
    "id, a row each": [
        {"id": "b", "reward": None},
        {"id": "a", "reward": 1},
        {"id": "a", "reward": "2"},
        {"id": "b", "reward": 4.0},
    ],
    "id and place": [
        {"idx": "a", "index": 1, "value": 2},
        {"idx": "b", "index": 1, "value": 4},
        {"idx": "a", "index": 0, "value": True},
        {"idx": "b", "index": 0, "value": None, "unscored": "too long"},
    ],
    "id and text": [
        {"id": "b", "response": "x", "score": 4},
        {"id": "a", "response": "y", "score": 2},
        {"id": "a", "response": "x", "score": 1},
        {"id": "b", "response": "z", "score": None},
    ],
    "id, a row for all": [{"id": "b", "scores": [None, 4]}, {"id": "a", "scores": "[1, 2]"}],
    "sides": [
        {"id": "a", "score_chosen": 1, "score_rejected": [2]},
        {"id": "b", "scores_chosen": None, "scores_rejected": 4},
    ],
    "order, a row each": [{"score": x} for x in (1, 2, None, 4)],
    "order, a row for all": [{"scores": [1, [2, 3]]}, {"scores": [None, 4]}],
}


@pytest.mark.parametrize("rows", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_says_the_same(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    assert values(read_scores(put(tmp_path / "s.jsonl", *rows), GROUPS)) == [[1, 2], [None, 4]]


def test_tables_say_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    rows = [{"id": i, "score": x} for i, x in (("a", 1.0), ("a", 2.0), ("b", None), ("b", 4.0))]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "s.parquet")
    (tmp_path / "s.csv").write_text("id,score\na,1\na,2.0\nb,\nb,4\n")
    (tmp_path / "t.csv").write_text('id,scores\nb,"[null, 4]"\na,"[1, 2]"\n')
    (tmp_path / "u.csv").write_text("id,index,score\na,1,2\na,0,1\nb,10,4\nb,9,\n")
    for name in ("s.parquet", "s.csv", "t.csv", "u.csv"):
        assert values(read_scores(tmp_path / name, GROUPS)) == [[1, 2], [None, 4]], name


def test_columns_of_other_names_are_told(tmp_path: Path) -> None:
    rows = [
        {"uid": i, "id": "x", "score": 9, "rm": x} for i, x in (("a", [1, 2]), ("b", [None, 4]))
    ]
    path = put(tmp_path / "s.jsonl", *rows)
    assert values(read_scores(f"{path}?score=rm&id=uid", GROUPS)) == [[1, 2], [None, 4]]
    assert file_of(f"{path}?score=rm") == file_of(path) == path
    with pytest.raises(DataError, match=r"s.jsonl:1: there is no column 'rn'; there is uid, id"):
        read_scores(f"{path}?score=rn", GROUPS)
    with pytest.raises(ConfigError, match="ids is no option; there is score=COLUMN and id="):
        read_scores(f"{path}?ids=uid", GROUPS)


def test_scores_of_steps_are_told_from_scores_of_responses(tmp_path: Path) -> None:
    whole = Group(prompt=Prompt.of("q", id="a"), responses=(Response(steps=("one", "two")),))
    (((score,)),) = read_scores(put(tmp_path / "s.jsonl", {"id": "a", "scores": [3, 1]}), [whole])
    assert score == Score(value=1, steps=(3, 1))
    row = {"id": "a", "score": 0.25, "step_scores": [3, 1]}
    (((score,)),) = read_scores(put(tmp_path / "s.jsonl", row), [whole])
    assert score == Score(value=0.25, steps=(3, 1))


def test_sides_follow_the_preference(tmp_path: Path) -> None:
    """Where the second response is preferred, the score of the chosen one is the second's."""
    (pair, _) = GROUPS
    path = put(tmp_path / "s.jsonl", {"id": "a", "score_chosen": 9, "score_rejected": 1})
    for prefer, expected in ((1.0, [9, 1]), (0.0, [1, 9])):
        record = Preference(prompt=pair.prompt, responses=pair.responses, prefer=prefer)
        assert values(read_scores(path, [record])) == [expected]


def test_a_predicted_first_error_is_a_score_of_each_step(tmp_path: Path) -> None:
    solution = Response(steps=("one", "two", "three"))
    groups = [Group(prompt=Prompt.of("q", id=str(i)), responses=(solution,)) for i in range(5)]
    rows = [{"id": str(i), "prediction": p} for i, p in enumerate((1, -1, None, 3, "0"))]
    found = [s for (s,) in read_scores(put(tmp_path / "s.jsonl", *rows), groups)]
    assert [s.steps if isinstance(s, Score) else s.reason for s in found] == [
        (1, 0, 1), (1, 1, 1), "no scores in the file",
        "the prediction names a step that is not there", (0, 1, 1),
    ]  # fmt: skip


def test_what_prmbenchs_programs_write(tmp_path: Path) -> None:
    solution = Response(steps=("one", "two"))
    groups = [Group(prompt=Prompt.of("q", id=f"kind_{i}"), responses=(solution,)) for i in range(3)]
    labels = {"step_level_validity_labels": [True, False], "step_level_validity_scores": [9, 8]}
    rows = [
        {"idx": "kind_0", "scores": labels},
        {"idx": "kind_1", "scores": {"step_level_validity_scores": [0.5, 0.25]}},
        {"idx": "kind_2", "validity": False},
    ]
    path = put(tmp_path / "s.jsonl", *rows)
    found = [s for (s,) in read_scores(path, groups)]
    assert [s.steps if isinstance(s, Score) else None for s in found] == [(1, 0), (0.5, 0.25), None]
    # A redundancy head judges the kinds that are about it.
    both = labels | {"step_level_redundancy_labels": [True, False]}
    for kind, steps in (("circular_0", (0, 1)), ("confidence_0", (1, 0))):
        groups = [Group(prompt=Prompt.of("q", id=kind), responses=(solution,))]
        path = put(tmp_path / "s.jsonl", {"idx": kind, "scores": both})
        assert read_scores(path, groups) == [[Score(value=0, steps=steps)]]


def test_what_reasonevals_programs_write(tmp_path: Path) -> None:
    """Wrong, neutral and right: a step is valid where it is not wrong. The id is the data's own."""
    prompt = Prompt.of("q", id="file-0").model_copy(update={"meta": {"id": "f25b"}})
    groups = [Group(prompt=prompt, responses=(Response(steps=("one", "two")),))]
    row = {"id": "f25b", "scores": [[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]]}
    assert read_scores(put(tmp_path / "s.jsonl", row), groups) == [
        [Score(value=0.5, steps=(0.75, 0.5))]
    ]
    row["scores"] = [[1, 2, 3], [0, 0, 1]]
    with pytest.raises(DataError, match=r"expected a number, got \[1, 2, 3\]"):
        read_scores(put(tmp_path / "s.jsonl", row), groups)


def test_one_row_serves_equal_texts(tmp_path: Path) -> None:
    groups = [group("a", "x", "y", "x")]
    rows = [{"prompt": "question a", "response": r, "score": s} for r, s in (("x", 1), ("y", 2))]
    assert values(read_scores(put(tmp_path / "s.jsonl", *rows), groups)) == [[1, 2, 1]]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"score": 1}] * 3, "3 rows, without id or texts, for 4 responses in 2 records"),
        ([{"id": "a", "score": 1}, {"score": 1}], "s.jsonl:2: no id, where other rows have one"),
        ([{"id": "a", "scores": [1, 2]}], "1 rows for 4 responses, none for 'b'"),
        ([{"id": "a", "scores": [1]}], r"s.jsonl:1: 1 scores for the 2 responses to 'a'"),
        ([{"id": "a", "score": 1}], "s.jsonl:1: 1 for the 2 responses to 'a'; give a list"),
        ([{"id": "a", "score": x} for x in (1, 2, 3)], "s.jsonl:3: id 'a' was scored before, at"),
        (
            [{"id": "a", "index": 0, "score": x} for x in (1, 2)],
            "s.jsonl:2: response 0 to 'a' was scored before, at .*s.jsonl:1",
        ),
        (
            [{"id": "a", "response": r, "score": 1} for r in ("x", "7")],
            "s.jsonl:1: no row has the response 'y' to prompt 'question a'",
        ),
        (TEXTS[:3], "no row has the response 'y' to prompt 'question a'"),
        ([*TEXTS, TEXTS[0]], "s.jsonl:5: the response 'x' was scored before, at .*s.jsonl:1"),
        ([{"id": "a", "scores": [1, "much"]}], "s.jsonl:1: field 'score'.*got 'much'"),
        ([{"id": "a", "rm": 1}], "s.jsonl:1: no column holds a score; there is id, rm; call it"),
        ([{"id": "c", "score": 1}], "s.jsonl:1: no response of the data has the id 'c'; ids look"),
        ([], "holds no scores"),
    ],
)
def test_what_does_not_fit_is_refused(
    rows: list[dict[str, Any]], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=complaint):
        read_scores(put(tmp_path / "s.jsonl", *rows), GROUPS)


def test_trajectories_of_equal_texts_need_a_row_each(tmp_path: Path) -> None:
    def answered(said: str) -> Response:
        speaking = Message(role="assistant", content="x")
        return Response.trajectory((speaking, Message(role="tool", content=said), speaking))

    row = {"prompt": "question a", "response": "xx", "score": 1}
    path = put(tmp_path / "scores.jsonl", row)
    same = group("a").model_copy(update={"responses": (answered("1"), answered("1"))})
    assert values(read_scores(path, [same])) == [[1, 1]]
    groups = [same.model_copy(update={"responses": (answered("1"), answered("2"))})]
    with pytest.raises(DataError, match=r"'xx' is that of 2 trajectories or prompts that differ"):
        read_scores(path, groups)
    put(path, row, {**row, "score": 2})
    assert values(read_scores(path, groups)) == [[1, 2]]
    put(path, row)
    tools = same.prompt.model_copy(update={"tools": ({"name": "look"},)})
    other = same.model_copy(update={"prompt": tools})
    with pytest.raises(DataError, match="that differ in messages, images or tools"):
        read_scores(path, [same, other])


def test_rows_of_a_pool_keep_their_scores_when_prompts_are_put_together(tmp_path: Path) -> None:
    """The pool's responses are in another order than the rows'; every key gives the same."""
    texts = [("p", "a"), ("q", "b"), ("p", "c")]
    rows = [{"id": f"{i}", "prompt": p, "response": r} for i, (p, r) in enumerate(texts)]
    pool = str(put(tmp_path / "pool.jsonl", *rows))
    for name, scores in {
        "order": [{"score": i} for i in range(3)],
        "id": [{"id": str(i), "score": i} for i in (2, 0, 1)],
        "texts": [{**row, "score": i} for i, row in enumerate(rows)],
    }.items():
        path = put(tmp_path / f"{name}.jsonl", *scores)
        found = read_pool(pool, files={"rm": path})
        assert values(found.scores["rm"]) == [[0, 2], [1]], name
    labels = [StepLabels.outcome(Prompt.of(p), Response.of(r), 1.0) for p, r in texts]
    assert values(pool_of(labels, files={"rm": path}).scores["rm"]) == [[0, 2], [1]]
