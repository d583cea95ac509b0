"""`assay data`: what it prints, writes and exits with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import assay.data.formats
from assay import cli
from assay.data.io import read, write
from assay.types import Preference, Prompt, Response, StepLabels
from tests.fresh import fresh

ROWS = [
    {"prompt": f"What is {i}?", "completion": f"It is {i + j}.", "label": j == 0}
    for i in range(60)
    for j in (0, 1)
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(*arguments: object) -> int:
    """The exit code."""
    try:
        cli.main(["data", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_check_prints_and_writes_a_report(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", data, "--json", tmp_path / "report.json") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in (
        "trl-unpaired",
        "120",
        "StepLabels records",
        "answers right",
        "0.500",
        "95 % interval",
    ):
        assert words in shown.out
    (report,) = json.loads((tmp_path / "report.json").read_text())
    assert report["source"] == str(data)
    assert (report["rows"], report["bad"], report["prompts"], report["kinds"]) == (
        120,
        0,
        60,
        {"StepLabels": 120},
    )
    rate = report["rates"]["answers right"]
    assert rate["low"] <= rate["value"] == 0.5 <= rate["high"]
    assert rate["n"] == 60


def test_check_refuses_bad_rows_and_exits_with_2(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(
        data.read_text() + '{"prompt": "p", "completion": "c", "label": -100}\n{"prompt": \n'
    )
    assert run("check", bad, data) == 2
    shown = capsys.readouterr()
    head, *lines = shown.err.splitlines()
    assert "2 bad rows" in head
    assert [line.strip().startswith(f"{bad}:{121 + i}: ") for i, line in enumerate(lines)] == [
        True,
        True,
    ]
    assert str(data) in shown.out  # the good file is still reported
    assert run("check", bad, "--set-aside", tmp_path / "aside.jsonl") == 0
    assert "2 bad rows set aside" in capsys.readouterr().out
    assert len((tmp_path / "aside.jsonl").read_text().splitlines()) == 2


def test_check_finds_leaks(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tmp_path / "test.jsonl"
    test.write_text('{"question": "what is 7", "answer": "Seven.\\n#### 7"}\n')
    assert run("check", data, "--against", test, "--json", tmp_path / "r.json") == 0
    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert (report["leaked_records"], report["leaked_prompts"]) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["check"], "nothing to check"),
        (["check", "nowhere.jsonl"], "does not exist"),
        (["check", "{data}", "--format", "nothing"], "no formats component is called 'nothing'"),
        (["check", "{data}", "--set", "a=1"], "--format"),
        (["check", "{data}", "--format", "sharegpt", "--set", "a=1"], "separator=TEXT"),
        (
            ["check", "{data}", "--format", "prm800k", "--set", "neutral=maybe"],
            "neutral cannot be 'maybe'",
        ),
        (
            ["check", "{data}", "--format", "prm800k", "--set", "nonsense"],
            "there is neutral, separator",
        ),
        (["check", "{data}", "{data}", "--set-aside", "x.jsonl"], "one at a time"),
        (["convert", "{data}", "{out}/x.csv", "--to", "assay"], "cannot be written; give .jsonl"),
        (
            ["convert", "{data}", "{out}/x.jsonl", "--to", "hh-rlhf"],
            "Preference records, not StepLabels",
        ),
        (["split", "{data}", "--out", "{out}/s", "--test", "1.5"], "below 1"),
        (["split", "{data}", "--out", "{out}/s", "--test", "0.000001"], "too few"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(
    arguments: list[str],
    complaint: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.iterdir())
    assert (
        run(*[a.replace("{data}", str(data)).replace("{out}", str(tmp_path)) for a in arguments])
        == 2
    )
    shown = capsys.readouterr().err
    assert complaint in shown
    assert "Traceback" not in shown
    assert sorted(tmp_path.iterdir()) == before


def test_convert_there_and_back(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, back = tmp_path / "ours.jsonl.gz", tmp_path / "back.jsonl"
    assert run("convert", data, ours, "--to", "assay") == 0
    assert "120 rows of assay from 120 rows" in capsys.readouterr().out
    assert run("convert", ours, back, "--to", "trl-unpaired") == 0
    assert [json.loads(line) for line in back.read_text().splitlines()] == ROWS


def test_convert_leaves_out_only_what_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    row = {
        "question_id": 7,
        "sample_id": 3,
        "question": "q",
        "solution": "s",
        "correct": True,
        "split": "train",
    }
    source.write_text(json.dumps(row) + "\n")
    assert run("convert", source, out, "--to", "trl-unpaired") == 2
    assert "response.meta.sample_id from 3 to nothing" in capsys.readouterr().err
    assert run("convert", source, out, "--to", "trl-unpaired", "--without", "meta", "id") == 0
    assert json.loads(out.read_text()) == {"prompt": "q", "completion": "s", "label": True}


def test_convert_joins_steps_and_takes_settings(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text('{"prompt": "p", "completions": ["a", "b"], "labels": [true, false]}\n')
    assert run("convert", source, out, "--to", "trl-unpaired", "--without", "steps") == 0
    assert json.loads(out.read_text()) == {"prompt": "p", "completion": "a\nb", "label": False}
    options = ("--format", "trl-stepwise", "--set", "separator= ")
    assert run("convert", source, out, "--to", "trl-unpaired", "--without", "steps", *options) == 0
    assert json.loads(out.read_text())["completion"] == "a b"
    assert run("convert", source, out, "--to", "trl-stepwise", "--set-to", "separator=") == 0
    assert json.loads(out.read_text())["completions"] == ["a\n", "b"]


def test_split_is_by_prompt_and_loses_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "split"
    assert run("split", data, "--out", out, "--test", 0.3, "--valid", 0.2, "--seed", 3) == 0
    printed = capsys.readouterr().out
    sides = {name: list(read(out / f"{name}.jsonl")) for name in ("train", "valid", "test")}
    prompts = {
        name: {r.prompt.text for r in rows if isinstance(r, StepLabels)}
        for name, rows in sides.items()
    }
    assert sum(map(len, prompts.values())) == len(set().union(*prompts.values())) == 60
    assert sorted(map(repr, (r for rows in sides.values() for r in rows))) == sorted(
        map(repr, read(data))
    )
    for name, rows in sides.items():
        assert f"{name}.jsonl: {len(rows)} rows, {len(prompts[name])} prompts" in printed.replace(
            "\n", ""
        )
    first = (out / "test.jsonl").read_bytes()
    again = ("split", data, "--out", out, "--test", 0.3, "--valid", 0.2, "--seed", 3)
    assert run(*again) == 2, "an earlier split is not replaced unasked"
    assert run(*again, "--overwrite") == 0
    assert (out / "test.jsonl").read_bytes() == first


@pytest.mark.owed
def test_a_split_of_a_split_is_even_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [
        {"prompt": f"What is {i} times seven?", "chosen": "a", "rejected": "b"} for i in range(600)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    rest = tmp_path / "s" / "train.jsonl"
    assert run("split", tmp_path / "pairs.jsonl", "--out", tmp_path / "s", "--test", 0.2) == 0
    assert run("split", rest, "--out", tmp_path / "v", "--test", 0, "--valid", 0.2) == 0
    count = len((tmp_path / "v" / "valid.jsonl").read_text().splitlines())
    assert abs(count / len(rest.read_text().splitlines()) - 0.2) < 0.08
    for share in (0.2, 0.3):
        assert run("split", rest, "--out", tmp_path / "t", "--test", share) == 2
        assert "was split by seed 0 before; give another --seed" in capsys.readouterr().err
    assert run("split", rest, "--out", tmp_path / "t", "--test", 0.2, "--seed", 1) == 0


@pytest.mark.owed
def test_a_split_reads_nothing_that_it_writes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    source = data.rename(folder / "train.jsonl")
    for out in (folder, folder / "split"):
        assert run("split", folder, "--out", out, "--test", 0.3) == 2
        assert "would read what it writes" in capsys.readouterr().err
    before = source.read_bytes()
    assert run("split", source, "--out", folder, "--test", 0.3, "--overwrite") == 2
    assert "may write over" in capsys.readouterr().err
    assert source.read_bytes() == before
    assert run("split", source, "--out", tmp_path / "s", "--test", 0.3, "--valid", 0.3) == 0
    assert run("split", source, "--out", tmp_path / "s", "--test", 0.3, "--overwrite") == 2
    assert "valid.jsonl of an earlier split" in capsys.readouterr().err
    assert run("split", source, "--out", tmp_path / "n", "--test", 0) == 2
    assert "nothing to split off" in capsys.readouterr().err


@pytest.mark.owed
def test_a_finding_can_fail_a_pipeline(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = tmp_path / "test.jsonl"
    test.write_text(data.read_text().splitlines()[0] + "\n")
    assert run("check", data, "--against", test) == 0
    assert run("check", data, "--against", test, "--fail-on", "cycles", "exact_duplicates") == 0
    capsys.readouterr()
    assert run("check", data, "--against", test, "--fail-on", "cycles", "leaked_records") == 1
    assert f"{data}: 2 leaked records (--fail-on)" in capsys.readouterr().err
    assert run("check", data, "--fail-on", "leaked_records") == 2
    assert "--against" in capsys.readouterr().err


def test_split_sets_bad_rows_aside_once(data: Path, tmp_path: Path) -> None:
    data.write_text(data.read_text() + "{\n")
    assert run("split", data, "--out", tmp_path / "s", "--test", 0.3) == 2
    assert not (tmp_path / "s").exists()
    assert (
        run(
            "split",
            data,
            "--out",
            tmp_path / "s",
            "--test",
            0.3,
            "--set-aside",
            tmp_path / "bad.jsonl",
        )
        == 0
    )
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 1
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == ["test.jsonl", "train.jsonl"]


def test_a_new_format_is_one_new_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows in the help, tells its rows, and is read and written, with no other edit."""
    (tmp_path / "upside_down.py").write_text(NEW)
    monkeypatch.setattr(
        assay.data.formats, "__path__", [*assay.data.formats.__path__, str(tmp_path)]
    )
    with fresh("assay.cli.data"), fresh("assay.data.formats.upside_down"):
        assert run("check", "--help") == 0
        assert "upside-down" in capsys.readouterr().out
        assert run("convert", data, tmp_path / "new.jsonl", "--to", "upside-down") == 0
        assert run("check", tmp_path / "new.jsonl") == 0
        assert "upside-down" in capsys.readouterr().out


NEW = '''
"""Turned."""
from dataclasses import dataclass
from assay.types import Preference, Prompt, Response, StepLabels
__all__ = ["UpsideDown"]

@dataclass(frozen=True, kw_only=True)
class UpsideDown:
    """Turned."""
    def matches(self, row):
        return {"tpmorp", "rewsna"} <= row.keys()
    def read(self, row):
        yield StepLabels.outcome(Prompt.of(row["tpmorp"][::-1]), Response.of(row["rewsna"][::-1]), row["lebal"])
    def write(self, records):
        for r in records:
            yield {"tpmorp": r.prompt.text[::-1], "rewsna": r.response.text[::-1], "lebal": r.labels[-1]}
'''  # noqa: E501


def test_the_command_itself(data: Path) -> None:
    """As a user runs it; without torch."""
    code = (
        "import sys; from assay import cli; cli.main(['data', 'check', sys.argv[1]]);"
        " sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "answers right" in done.stdout
    bad = subprocess.run(
        [sys.executable, "-c", code, "nowhere.jsonl"], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 2
    assert bad.stderr.startswith("assay data: nowhere.jsonl does not exist")
    assert len(bad.stderr.splitlines()) == 1


def test_steps_cuts_responses_and_keeps_texts_and_outcomes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = Prompt.of("q")
    records = [
        StepLabels.outcome(prompt, Response(steps=("one\ntwo\n", "three")), 1.0),
        StepLabels.outcome(prompt, Response.of(""), 0.0),
    ]
    write(records, tmp_path / "in.jsonl")
    assert (
        run("steps", tmp_path / "in.jsonl", "--split", "newline", "--out", tmp_path / "out.jsonl")
        == 0
    )
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "1 responses, 3.0 steps each" in printed
    first, empty = read(tmp_path / "out.jsonl")
    assert isinstance(first, StepLabels)
    assert isinstance(empty, StepLabels)
    assert first.response.steps == ("one\n", "two\n", "three")
    assert first.labels == (None, None, 1.0)
    assert empty.labels == (0.0,)


def test_steps_refuses_labels_that_would_belong_to_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = StepLabels(
        prompt=Prompt.of("q"), response=Response(steps=("a\n", "b")), labels=(1.0, 0.0)
    )
    write([labelled], tmp_path / "in.jsonl")
    assert run("steps", tmp_path / "in.jsonl", "--split", "newline") == 2
    assert "--without steps" in capsys.readouterr().err
    assert run("steps", tmp_path / "in.jsonl", "--split", "nowhere") == 2
    assert "blank-line" in capsys.readouterr().err
    assert run("steps", tmp_path / "in.jsonl", "--split", "words", "--setting", "count=0") == 2


def test_augment_adds_preferences_and_turns_labels_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [
        Preference(
            prompt=Prompt.of(f"What is {i}?"),
            responses=(Response.of(f"It is {i}."), Response.of(f"It is {i + 1}, surely.")),
            prefer=1.0,
        )
        for i in range(20)
    ]
    source, out = tmp_path / "pairs.jsonl", tmp_path / "more.jsonl"
    write(records, source, "assay")
    assert run("augment", source, out, "--wins", 2, "--ties", 1, "--flip", 0.25) == 0
    assert "80 rows from 20 preferences, 5 of them turned round" in capsys.readouterr().out
    found = list(read(out))
    assert [r.prefer for r in found if isinstance(r, Preference)].count(0.5) == 20
    assert (
        sum(r.responses == pair.responses for r, pair in zip(found[::4], records, strict=True))
        == 20
    )
    assert run("augment", source, out, "--wins", 0, "--ties", 0) == 0
    assert list(read(out)) == records
    assert run("augment", source, out, "--flip", 2) == 2
    assert "share is 2" in capsys.readouterr().err


def test_dedupe_leaves_out_copies(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [*ROWS, ROWS[3], {**ROWS[0], "prompt": "what is 0"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "out.jsonl"
    assert run("dedupe", data, out) == 0
    assert capsys.readouterr().out == f"{out}: 121 rows, 1 duplicates left out\n"
    assert run("dedupe", data, out, "--near", "--to", "trl-unpaired") == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == ROWS


def test_leaks_are_found_between_any_two_layouts(tmp_path: Path) -> None:
    files = {
        "hh.jsonl": '{"chosen": "\\n\\nHuman: Why?\\n\\nAssistant: A", "rejected":'
        ' "\\n\\nHuman: Why?\\n\\nAssistant: B"}',
        "plain.jsonl": '{"prompt": "why", "reference": "5"}',
        "table.csv": "problem,answer\nWHY!,5\n",
        "own.jsonl": '{"q": "Why ?", "g": "5"}',
        "own_too.jsonl": '{"q": "why?", "g": "6"}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    report = tmp_path / "report.json"
    for one, other in (("hh.jsonl", "plain.jsonl"), ("plain.jsonl", "table.csv")):
        assert run("check", tmp_path / one, "--against", tmp_path / other, "--json", report) == 0
        assert json.loads(report.read_text())[0]["leaked_prompts"] == 1
    for other in ("own_too.jsonl", "plain.jsonl"):
        words = ["--against", tmp_path / other, "--columns", "prompt=q,reference=g"]
        assert run("check", tmp_path / "own.jsonl", *words, "--json", report) == 0
        assert json.loads(report.read_text())[0]["leaked_prompts"] == 1
