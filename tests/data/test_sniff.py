"""Layouts that are not recognised: what is near, what is missing, and the columns by hand."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from assay import cli
from assay.data.guess import columns_option
from assay.data.io import read
from assay.errors import DataError
from assay.types import Preference, Prompt, Record

CHAT = [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}]
GUESSED = [
    (
        {"Query": "Q?", "good": "A.", "bad": "B."},
        "prompt=Query,chosen=good,rejected=bad",
    ),
    (
        {"question": "Q?", "answer_a": "A.", "answer_b": "B.", "lang": "en"},
        "prompt=question,chosen=answer_a,rejected=answer_b",
    ),
    (
        {"context": CHAT[:1], "response1": "A.", "response2": "B.", "winner": "response2"},
        "prompt=context,first=response1,second=response2,winner=winner",
    ),
    (
        {"context": CHAT[:1], "response1": "A.", "response2": "B.", "overall_preference": -2},
        "prompt=context,first=response1,second=response2,strength=overall_preference",
    ),
    ({"problem": "Q?", "ground_truth": "4"}, "prompt=problem,reference=ground_truth"),
    (
        {"prompt": CHAT[:1], "reward_model": {"style": "rule", "ground_truth": "72"}},
        "prompt=prompt,reference=reward_model.ground_truth",
    ),
    (
        {"User Prompt": "Q?", "model_output": "A.", "is_correct": True},
        "prompt=User Prompt,response=model_output,label=is_correct",
    ),
    (
        {"query": "Q?", "outputs": ["A.", "B."], "rewards": [1, 0], "system_prompt": "S."},
        "prompt=query,responses=outputs,scores=rewards,system=system_prompt",
    ),
    ({"dialog": CHAT}, "messages=dialog"),
    (
        {"ctx": {"query": "Q?"}, "win": {"text": "A."}, "lose": {"text": "B."}, "ts": 3},
        "prompt=ctx.query,chosen=win.text,rejected=lose.text",
    ),
    (
        {"task": "Add 2 and 3.", "completion_text": "5", "is_correct": True},
        "prompt=task,response=completion_text,label=is_correct",
    ),
    (
        {"question": "Q?", "correct_answers": ["A."], "incorrect_answers": ["B.", "C."]},
        "prompt=question,right=correct_answers,wrong=incorrect_answers",
    ),
    # A column like an answer's would be left over.
    ({"ctx": {"query": "Q?"}, "one": {"text": "A."}, "two": {"text": "B."}}, None),
    ({"prompt": "Q?", "response_1": "A.", "response_2": "B.", "response_3": "C."}, None),
    ({"question": "Q?", "good_answer": "A.", "bad_answer": "B.", "odd_answer": "C."}, None),
    ({"question": "Q?", "good, really": "A.", "bad": "B."}, None),
    ({"a": 1, "b": 2}, None),
    # The names are familiar, the values are not: no line that would be refused is shown.
    ({"question": "Q?", "good": 1, "bad": 2}, None),
]


@pytest.mark.parametrize(("row", "columns"), GUESSED)
def test_the_line_that_is_shown_reads_the_row(
    row: dict[str, Any], columns: str | None, tmp_path: Path
) -> None:
    shown = columns_option([row])
    if columns is None:
        assert shown is None
        return
    assert shown is not None
    option, text, *note = shlex.split(shown)
    assert (option, text) == ("--columns", columns)
    assert bool(note) == ("answer_a" in text)
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    assert len(list(read(tmp_path / "a.jsonl", format=f"columns:{text}"))) == 1


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("good_answer", "bad_answer"),
        ("winAnswer", "loseAnswer"),
        ("winner_text", "loser_text"),
        ("better_reply", "worse_reply"),
        ("output_preferred", "output_dispreferred"),
        ("positive_sample", "negative_sample"),
        ("accepted_reply", "refused_reply"),
        ("correct_answer", "incorrect_answer"),
        ("right_answer", "wrong_answer"),
        ("text_chosen", "text_rejected"),
    ],
)
def test_names_say_which_of_two_answers_is_better(better: str, worse: str) -> None:
    for row in ({better: "A.", worse: "B."}, {worse: "B.", better: "A."}):
        shown = columns_option([{"question": "Q?", **row}])
        assert shown == f"--columns prompt=question,chosen={better},rejected={worse}"


def test_a_refusal_says_what_is_there_and_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "p", "chosen": "a", "worse": "b"}\n')
    with pytest.raises(DataError) as refused:
        list(read(path))
    head, *nearest, last = str(refused.value).splitlines()
    assert head == (
        f"{path}: its format cannot be told from the columns prompt, chosen, worse; nearest are"
    )
    assert 1 <= len(nearest) <= 3
    assert all(": has chosen, prompt; lacks " in line for line in nearest)
    assert "--columns prompt=prompt,chosen=chosen,rejected=worse;" in last


def test_columns_by_hand_are_a_format_in_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_text('{"question": "Q?", "x": "A.", "y": "B.", "lang": "en"}\n')
    columns = "prompt=question,chosen=x,rejected=y"
    cli.main(["data", "convert", str(path), str(out), "--to", "assay", "--columns", columns])
    expected: Record = Preference.model_validate(
        {
            "prompt": Prompt.of("Q?").model_copy(update={"meta": {"lang": "en"}}),
            "responses": [{"steps": ["A."]}, {"steps": ["B."]}],
            "prefer": 1.0,
        }
    )
    assert list(read(out)) == [expected]
    assert list(read(path, format=f"columns:{columns}")) == [expected]
    for words, message in (
        (["--columns"], "--columns needs PART=COLUMN"),
        (["--columns", columns, "--format", "plain"], "give one of them"),
        (["--columns", "promt=question"], "'promt' is no part of a record (did you mean prompt?)"),
        (["--columns=prompt=query,chosen=x,rejected=y"], "no row has the field 'query'"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["data", "check", str(path), *words])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


def test_faults_of_one_kind_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"prompt": "p", "completion": f"c{i}", "label": True} for i in range(20)]
    rows += [{"prompt": "p", "completion": i, "label": True} for i in range(30)]
    rows += [{"prompt": f"p{i}", "label": True, f"x{i}": i} for i in range(7)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"prompt": "cut')
    with pytest.raises(DataError) as refused:
        list(read(path))
    head, *lines = str(refused.value).splitlines()
    assert "38 bad rows" in head
    assert [re.sub(rf"^  {re.escape(str(path))}", "", line)[:40] for line in lines] == [
        ":21: field 'completion': expected a stri",
        ":51: field 'completion' is missing; the ",
        ":58: cut short: the JSON breaks off (Unt",
    ]
    assert [
        line.endswith(f"(and {more} more like it)")
        for line, more in zip(lines, (29, 6), strict=False)
    ] == [True, True]
