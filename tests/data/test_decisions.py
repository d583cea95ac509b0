"""Rows of typed questions in every layout, and rows that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.decisions import Decisions, decisions, read_decisions
from assay.errors import DataError
from assay.questions import Distribution, Question

QUESTIONS: dict[str, Any] = {
    "spam": {
        "type": "noul",
        "instructions": "Is it spam?",
        "criteria": {"true": "unasked for", "false": "a letter"},
    },
    "team": {
        "type": "choice",
        "instructions": "Which team?",
        "criteria": {"billing": "money", "tech": None},
    },
    "urgency": {"type": "score", "instructions": "How urgent?", "criteria": ["low", "mid", "high"]},
}
READ = (
    Question.predicate("Is it spam?", name="spam", true="unasked for", false="a letter"),
    Question.choice("Which team?", {"billing": "money", "tech": ""}, name="team"),
    Question.score("How urgent?", ["low", "mid", "high"], name="urgency"),
)


def p(record: Decisions) -> list[list[float] | None]:
    return [None if one is None else list(one.probabilities) for one in record.gold]


def row(**over: Any) -> dict[str, Any]:
    """A row of typed-decisions, whose columns are JSON texts."""
    gold = {
        "spam": {"type": "noul", "label": "true", "probabilities": {"false": 0.1, "true": 0.9}},
        "team": {"type": "choice", "label": "tech", "probabilities": {"billing": 0.3, "tech": 0.7}},
        "urgency": {
            "type": "score",
            "label": 1,
            "score": 1.0,
            "probabilities": {"0": 0.3333, "1": 0.3333, "2": 0.3333},
        },
    }
    columns = {"state": {"text": "né"}, "questions": QUESTIONS, "gold": gold} | over
    return {"id": "c1", "workflow": "mail"} | {
        key: json.dumps(value, ensure_ascii=False) for key, value in columns.items()
    }


def test_typed_decisions() -> None:
    record = decisions(row())
    assert record.questions == READ
    assert record.prompt.text == '{"text": "né"}'
    assert (record.prompt.id, record.prompt.meta) == ("c1", {"workflow": "mail"})
    spam, team, urgency = p(record)
    assert (spam, team) == (pytest.approx([0.9, 0.1]), [0.3, 0.7])
    assert urgency == pytest.approx([1 / 3] * 3)


def test_nemo_automodel() -> None:
    record = decisions(
        {
            "id": "soc-1",
            "state": {"alert": 3},
            "questions": QUESTIONS,
            "answers": {"spam": "false", "team": "tech"},
            "soft_labels": {"team": {"billing": 1.0}},
            "rewards": {"team": {"tech": 1.0}},
            "meta": {"group": "g"},
        }
    )
    assert record.questions == READ
    assert record.prompt.text == '{"alert": 3}'
    assert p(record) == [[0.0, 1.0], [1.0, 0.0], None]
    assert record.prompt.meta == {"rewards": {"team": {"tech": 1.0}}, "group": "g"}


@pytest.mark.parametrize(
    ("kind", "options", "label", "place"),
    [
        ("choice", ["a", "b"], "b", 1),
        ("choice", {"a": "first", "b": None}, "a", 0),
        ("score", ["low", "high"], 1, 1),
        ("score", ["low", "high"], "high", 1),
        ("noul", None, False, 1),
        ("noul", ["true", "false"], "True", 0),
    ],
)
def test_one_decision_a_row(kind: str, options: Any, label: Any, place: int) -> None:
    short = {"state": "s", "question": "?", "type": kind, "options": options, "label": label}
    record = decisions({**short, "group": "g"})
    (gold,) = record.gold
    assert isinstance(gold, Distribution)
    assert gold.top == place
    assert record.prompt.meta == {"group": "g"}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"state": "s"}, "field 'questions' is missing"),
        ({**row(), "questions": "{"}, "'questions' is no JSON"),
        ({**row(), "questions": "[]"}, "'questions': expected an object"),
        (row(gold={"other": {"label": "x"}}), "'other' has an answer, and is no question"),
        (row(gold={"team": {"label": "sales"}}), "team: 'sales' is no option; there is billing"),
        (row(gold={"team": {"label": ["tech"]}}), "is no option"),
        (row(gold={"team": {"probabilities": {"tech": 0.5}}}), "team: the probabilities sum"),
        (row(gold={"team": {"probabilities": {"tech": "1"}}}), "expected a number"),
        (row(gold={"spam": {"probabilities": {"yes": 1, "true": 0}}}), "'true' comes twice"),
        (row(questions={"q": {"type": "box"}}), "questions.q.type"),
        (row(questions={"q": {"type": "score", "criteria": {"0": "a"}}}), "a list of levels"),
        (row(questions={"q": {"type": "choice", "criteria": ["a"]}}), "questions.q.criteria"),
        (row(questions={"q": {"type": "choice", "criteria": {"a": ""}}}), "2 options or more"),
        (row(questions={"q": {"type": "noul", "criteria": {"x": ""}}}), "meanings of true"),
        ({**row(), "meta": "x"}, "'meta': expected an object"),
    ],
)
def test_rows_that_are_wrong(bad: dict[str, Any], why: str) -> None:
    with pytest.raises(DataError, match=why):
        decisions(bad)


def test_a_file_of_them(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f"{json.dumps(row())}\n{json.dumps(row(state='plain'))}\n")
    records = read_decisions(str(file))
    assert [record.prompt.text for record in records] == ['{"text": "né"}', '"plain"']
    file.write_text(f"{json.dumps(row())}\n{json.dumps({'state': 's'})}\n")
    with pytest.raises(DataError, match=r"rows.jsonl:2: field 'questions' is missing"):
        read_decisions(str(file))


def test_gold_goes_with_its_question() -> None:
    record = decisions(row())
    with pytest.raises(ValueError, match="gold of"):
        Decisions(prompt=record.prompt, questions=record.questions, gold=record.gold[:2])


def test_questions_without_names_are_refused_with_an_example() -> None:
    with pytest.raises(DataError, match=r"by name.*noul"):
        decisions({"state": "s", "questions": [{"text": "Is it?"}]})
