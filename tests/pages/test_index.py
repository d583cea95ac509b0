import json
from pathlib import Path
from typing import Any

from assay.pages.index import index_report, runs_under
from assay.report.html import Headline, Section, page, write_report
from assay.runs.run import Run
from tests.report.cases import estimate
from tests.report.test_html import NASTY, Document


def run(folder: Path, started: str, command: list[str]) -> Path:
    folder.mkdir(parents=True)
    body = {"settings": {"component": "any/assay.cli.eval:Command"}, "started": started}
    (folder / "run.json").write_text(json.dumps(body | {"command": command}))
    return folder


def test_runs_are_listed_latest_first_with_the_first_number_of_their_page(tmp_path: Path) -> None:
    old = run(tmp_path / "a", "2026-01-01T10:00:00+00:00", ["search", "beam", "x.jsonl"])
    new = run(tmp_path / "deep" / "b c", "2026-02-01T10:00:00+00:00", ["eval", "runs/rm"])
    tiles = Headline({"accuracy": estimate(0.8125), "brier": estimate(0.2)})
    write_report(new / "report.html", "An <evaluation>", [Section("s", [tiles])])
    (tmp_path / "run.json").write_text("{")
    first, second = runs_under(tmp_path)
    assert (first.folder, first.kind, first.title) == (new, "eval", "An <evaluation>")
    assert first.headline == "accuracy: 0.812 [0.782, 0.843]"
    assert (second.folder, second.kind, second.headline, second.page) == (
        old,
        "search beam",
        "",
        None,
    )
    document = Document(page("t", index_report([first, second], tmp_path)))
    assert "./deep/b%20c/report.html" in document.values("href")
    assert document.of("td")[-5:] == ["a", "search beam", "–", "finished", "2026‑01‑01 10:00"]


def test_the_result_of_a_run_is_what_it_was_for(tmp_path: Path) -> None:
    def listed(files: dict[str, object], **body: object) -> tuple[str, str, str]:
        for name, rows in files.items():
            (tmp_path / name).write_text(rows if isinstance(rows, str) else json.dumps(rows))
        settings = {"component": "any/assay.cli.x:Command"}
        (tmp_path / "run.json").write_text(json.dumps({"settings": settings, **body}))
        (only,) = runs_under(tmp_path)
        return only.kind, only.headline, only.state

    points = [{"n": n, "value": n / 8, "low": n / 16, "high": 1.0} for n in (1, 4)]
    curves = {"oracle": points[:1], "best-of-n": points}
    told = ("best-of-n", "best of 4: 0.500 [0.250, 1.000]", "finished")
    assert listed({"bestof.json": {"curves": curves}}, run="best_of_n", finished="x") == told
    assert listed({}, command=["bestof", "pool.jsonl"], finished="x") == told
    stop = {"n": 8.0, "kl": 1.2, "gold": {"value": 0.5, "low": "nan", "high": 0.6}}
    study: dict[str, Any] = {"verdict": "Stop. Or not.", "stop": stop}
    said = listed({"fits.json": {"studies": [study]}}, command=["overopt", "bon", "pool.jsonl"])
    assert said[:2] == ("overopt bon", "gold at the stop (n = 8): 0.500")
    study["stop"] = None
    said = listed({"fits.json": {"studies": [study]}}, command=["overopt", "bon", "pool.jsonl"])
    assert said[1] == "Stop"
    row = {"step": 20, "eval": {"proxy": [2, 1, 3, 5, 0], "gold": {"truth": [0.25, 0, 1, 5, 0]}}}
    said = listed({"metrics.jsonl": json.dumps(row)}, command=["rl", "grpo"], finished=None)
    assert said == ("rl grpo", "truth at step 20: 0.250 [0.000, 1.000]", "stopped")
    row["eval"] = {"proxy": [2, 1, 3, 5, 0]}
    said = listed({"metrics.jsonl": json.dumps(row)}, command=["rl", "grpo"], finished=None)
    assert said[1] == "proxy at step 20: 2.000 [1.000, 3.000]"
    with Run.open(tmp_path / "now", {"job": "eval"}, command="eval"):
        assert [run.state for run in runs_under(tmp_path / "now")] == ["running"]


def test_names_of_folders_are_shown_and_lead_nowhere_else(tmp_path: Path) -> None:
    folder = run(tmp_path / "javascript:alert(1)", "", [NASTY])
    write_report(folder / "report.html", NASTY, [Section(NASTY, [Headline({NASTY: estimate(1)})])])
    document = Document(page("t", index_report(runs_under(tmp_path), tmp_path)))
    assert "script" not in document.tags
    assert document.values("href") == ["./javascript%3Aalert%281%29/report.html"]
    assert any(NASTY in text for text in document.of("td"))


def test_an_empty_folder_has_an_empty_index(tmp_path: Path) -> None:
    assert "No run" in page("t", index_report(runs_under(tmp_path), tmp_path))
