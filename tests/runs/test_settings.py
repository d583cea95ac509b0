"""run.json says what ran, and gives the settings back."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.runs.settings import read_run, run_body, write_atomic, write_run
from tests.outside import Outside


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    out: Path
    inner: Outside
    rates: tuple[float, ...] = (0.1, 0.2)
    note: str | None = None


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    settings = Settings(out=Path("runs/x"), inner=Outside(n=7))
    write_run(tmp_path, settings)
    assert read_run(tmp_path, Settings) == settings
    assert read_run(tmp_path / "run.json", Settings).inner.where == Path("somewhere")


def test_a_run_json_holds_nothing_that_is_no_json_and_infinity_comes_back(tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    settings = Settings(out=Path("x"), inner=Outside(), rates=(float("inf"), 0.5))
    path = write_run(
        tmp_path, settings, results={"mean": float("nan"), "ends": [float("-inf"), 1.0]}
    )
    body = json.loads(path.read_text(), parse_constant=refuse)
    assert body["results"] == {"mean": None, "ends": [None, 1.0]}
    assert read_run(tmp_path, Settings) == settings


def test_run_json_records_the_data_and_the_versions(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_bytes(b"{}\n")
    body = json.loads(
        write_run(tmp_path / "run", Settings(out=Path("x"), inner=Outside()), [data]).read_text()
    )
    assert body["data"][str(data)] == hashlib.sha256(b"{}\n").hexdigest()
    assert run_body({}, [Path(f"{data}?split=test")])["data"] == body["data"]
    assert body["versions"]["assay"]
    assert body["versions"]["python"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a run.json"),
        ("{}", "is not a run.json"),
        (
            json.dumps({"settings": {"component": "any/tests.outside:Outside", "m": 1}}),
            "unknown setting m",
        ),
        (
            json.dumps({"settings": {"component": "any/tests.outside:Outside"}}),
            "settings of Outside, not of Settings",
        ),
        (json.dumps({"settings": {"component": "search/no-such"}}), "no search component"),
        (
            json.dumps({"settings": {"component": "any/tests.outside:Outside", "n": "many"}}),
            "n cannot be 'many'",
        ),
    ],
)
def test_a_wrong_run_json_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_run(tmp_path, Settings)


def test_a_missing_run_json_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_run(tmp_path / "nowhere.json", Settings)


def test_an_atomic_write_keeps_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file"
    write_atomic(target, "old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
