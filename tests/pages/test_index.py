import json
from pathlib import Path

from assay.pages.index import index_report, runs_under
from assay.report.html import Headline, Section, page, write_report
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
    assert document.of("td")[-4:] == ["a", "search beam", "–", "2026-01-01 10:00"]


def test_names_of_folders_are_shown_and_lead_nowhere_else(tmp_path: Path) -> None:
    folder = run(tmp_path / "javascript:alert(1)", "", [NASTY])
    write_report(folder / "report.html", NASTY, [Section(NASTY, [Headline({NASTY: estimate(1)})])])
    document = Document(page("t", index_report(runs_under(tmp_path), tmp_path)))
    assert "script" not in document.tags
    assert document.values("href") == ["./javascript%3Aalert%281%29/report.html"]
    assert any(NASTY in text for text in document.of("td"))


def test_an_empty_folder_has_an_empty_index(tmp_path: Path) -> None:
    assert "No run" in page("t", index_report(runs_under(tmp_path), tmp_path))
