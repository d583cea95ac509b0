"""Scores in memory and in files; each file is the next job's input."""

import json
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.data import io, pools
from assay.errors import ConfigError
from assay.types import Group, Preference, Prompt, Response, StepLabels


def pairs() -> list[Preference]:
    texts = [("long answer", "short"), ("a", "bb"), ("ccc", "d")]
    return [
        Preference(
            prompt=Prompt.of(f"q {i}", reference="1"),
            responses=(Response.of(one), Response.of(other)),
            prefer=1.0,
        )
        for i, (one, other) in enumerate(texts)
    ]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_in_memory_are_scored_as_their_file_is(tmp_path: Path) -> None:
    io.write(pairs(), tmp_path / "pairs.jsonl")
    found = assay.score(pairs(), "longest")
    written = assay.score(tmp_path / "pairs.jsonl", "longest", out=tmp_path / "scores.jsonl")
    assert list(found.rows) == rows(tmp_path / "scores.jsonl") == list(written.rows)
    assert (found.scored, dict(found.unscored)) == (6, {})
    assert found.mean.n == 3
    assert "6 responses scored, 0 unscored" in str(written)


def test_a_folder_holds_the_scores_and_the_settings(tmp_path: Path) -> None:
    assay.score(pairs(), "longest", out=tmp_path / "run")
    assert len(rows(tmp_path / "run" / "scores.jsonl")) == 6
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["run"] == "score"
    assert run["settings"]["scorer"] == "longest"
    with pytest.raises(ConfigError, match=r"finished run of score that differs in .*scorer"):
        assay.score(pairs(), "shortest", out=tmp_path / "run")
    assay.score(pairs(), "shortest", out=tmp_path / "run", overwrite=True)


def test_scores_with_texts_are_a_pool(tmp_path: Path) -> None:
    """Scored again by their column they have the same scores."""
    first = assay.score(pairs(), "longest", texts=True, out=tmp_path / "pool.jsonl")
    assert first.rows[0]["response"] == "long answer"
    assert first.rows[0]["reference"] == "1"
    pool = pools.read_pool(str(tmp_path / "pool.jsonl"), columns=True)
    again = assay.score(pool.groups, "column:value")
    assert [row["value"] for row in again.rows] == [row["value"] for row in first.rows]


def test_step_scores_are_measured_by_a_benchmark(tmp_path: Path) -> None:
    source = Path(__file__).resolve().parent.parent / "golden" / "processbench.jsonl"
    records = [record for record in io.read(str(source)) if isinstance(record, StepLabels)]

    class Gold:
        def score(self, groups: list[Group]) -> list[list[assay.Score | assay.Unscored]]:
            steps = [tuple(0.1 if y == 0 else 0.9 for y in r.labels) for r in records]
            return [[assay.Score(value=min(one), steps=one)] for one in steps]

    assay.score(records, Gold(), out=tmp_path / "scores.jsonl")
    result = assay.benchmark("processbench", scores=tmp_path / "scores.jsonl", data=source)
    assert result.metrics["gsm8k_f1"].value == 1


def test_verdicts_become_labels_to_train_on(tmp_path: Path) -> None:
    groups = [
        Group(
            prompt=Prompt.of(f"{i} + 1?", reference=str(i + 1)),
            responses=tuple(Response.of(f"It is {x}.") for x in (i + 1, i + 2)),
        )
        for i in range(3)
    ]
    groups.append(Group(prompt=Prompt.of("no reference"), responses=(Response.of("1"),)))
    result = assay.verify(groups, "numeric", write=tmp_path / "labelled.jsonl")
    assert result.estimates["right"].value == 0.5
    records = list(io.read(str(tmp_path / "labelled.jsonl")))
    labels = [record.labels for record in records if isinstance(record, StepLabels)]
    assert labels == [(1.0,), (0.0,)] * 3
    assert "6 right" not in str(result)
    assert "7 responses: 3 right, 3 wrong, 1 undecided" in str(result)


def test_jobs_say_how_many_responses_state_no_answer(tmp_path: Path) -> None:
    told = [
        Preference(
            prompt=Prompt.of(f"q {i}", reference="1"),
            responses=(Response.of("The answer is 1."), Response.of("It is 2.")),
            prefer=1.0,
        )
        for i in range(3)
    ]
    said = "3 of 6 responses state no answer"
    found = assay.score(told, "math", out=tmp_path / "run")
    assert said in str(found)
    assert said in found.to_json()["notes"][0]
    assert said in str(assay.evaluate(told, "math"))
    assert "wrong, extraction: 3 (no answer is stated where" in str(assay.verify(told, "math"))
    assert "state no answer" not in str(assay.score(told, "longest"))


def test_rules_that_are_none_are_refused() -> None:
    from assay.scorers.rule_checks import Ruled

    with pytest.raises(ConfigError, match="no rule is given"):
        assay.verify(pairs(), Ruled())


def test_rows_that_name_prompts_by_a_hash_alone_say_what_would_name_them(tmp_path: Path) -> None:
    said = "--texts adds the texts"
    for name, prompt, texts, owed in (
        ("bare", Prompt.of("1+1?"), False, True),
        ("texts", Prompt.of("1+1?"), True, False),
        ("ids", Prompt.of("1+1?", id="a"), False, False),
    ):
        group = Group(prompt=prompt, responses=(Response.of("2"),))
        found = assay.score([group], "longest", out=tmp_path / f"{name}.jsonl", texts=texts)
        assert (said in str(found)) is owed
    assert said not in str(assay.score([group], "longest"))
