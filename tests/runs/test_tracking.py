"""Every row goes to a tracker once, whatever is resumed or fails."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.errors import ConfigError, MissingExtra
from assay.runs import tracking as module
from assay.runs.tracking import scalars, track, tracking

ROWS: list[dict[str, Any]] = [
    {"records": 5},
    {"step": 1, "loss": 0.5},
    {"step": 1, "eval": {"gold": {"truth": [0.5, 0.4, None, 10, 1]}, "kl": None}},
    {"step": 2, "loss": None, "text": "no number"},
]


def _write(out: Path, rows: list[dict[str, Any]], end: str = "\n") -> None:
    (out / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + end)


def test_a_row_becomes_numbers_by_name() -> None:
    assert scalars(ROWS[2]) == {
        "step": 1,
        "eval/gold/truth": 0.5,
        "eval/gold/truth.low": 0.4,
        "eval/gold/truth.n": 10,
        "eval/gold/truth.unscored": 1,
    }
    assert scalars({"a": float("nan"), "b": "text", "c": None, "d": [1, 2]}) == {}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Mapping[str, float]]]:
    got: list[tuple[int, Mapping[str, float]]] = []

    @contextmanager
    def fake(project: str, out: Path, settings: Mapping[str, Any], id: str | None) -> Iterator[Any]:
        def send(values: Mapping[str, float], step: int) -> None:
            if values.get("loss") == -1:
                raise OSError("the network is gone")
            got.append((step, values))

        yield id or "made-here", send

    monkeypatch.setattr(module, "TRACKERS", {"fake": fake})
    return got


def test_rows_are_sent_once_also_where_a_run_was_cut_back(tmp_path: Path, sent: list[Any]) -> None:
    with tracking(["fake:mine"], tmp_path, {}):
        _write(tmp_path, ROWS[:3])
    kept = json.loads((tmp_path / "tracking.json").read_text())
    assert kept == {"fake:mine": {"rows": 3, "id": "made-here"}}
    _write(tmp_path, ROWS[:2])
    with tracking(["fake:mine"], tmp_path, {}):
        _write(tmp_path, [*ROWS, {"step": 3, "loss": 0.25}])
    assert [step for step, _ in sent] == [0, 1, 1, 3]
    assert sent[-1] == (3, {"loss": 0.25})
    assert track(["fake:mine"], tmp_path, {}) == 5
    assert len(sent) == 4


def test_a_row_that_is_being_written_waits(tmp_path: Path, sent: list[Any]) -> None:
    _write(tmp_path, ROWS[:2], end='\n{"step": 2, "lo')
    assert track(["fake"], tmp_path, {}) == 2
    assert len(sent) == 2


def test_a_tracker_that_fails_stops_no_run(
    tmp_path: Path, sent: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with tracking(["fake"], tmp_path, {}):
        _write(tmp_path, [{"step": 1, "loss": 1}, {"step": 2, "loss": -1}])
    assert sent == [(1, {"loss": 1.0})]
    assert capsys.readouterr().err == "note: fake gets no more rows: the network is gone\n"
    assert json.loads((tmp_path / "tracking.json").read_text())["fake"]["rows"] == 1


def test_unknown_and_absent_trackers_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no tracker is called 'wandbb'; there is wandb"):
        track(["wandbb"], tmp_path, {})
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match="track"):
        track(["wandb"], tmp_path, {})


def test_tensorboard_has_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _write(tmp_path, ROWS)
    track(["tensorboard"], tmp_path, {"lr": 0.1})
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = [tag for kind in events.Tags().values() if isinstance(kind, list) for tag in kind]
    assert {"loss", "eval/gold/truth", "eval/gold/truth.low"} <= set(tags)


def test_mlflow_has_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    _write(tmp_path, ROWS)
    track(["mlflow:mine"], tmp_path, {"lr": 0.1})
    id = json.loads((tmp_path / "tracking.json").read_text())["mlflow:mine"]["id"]
    client = MlflowClient()
    assert [(m.step, m.value) for m in client.get_metric_history(id, "loss")] == [(1, 0.5)]
    assert client.get_run(id).data.params == {"lr": "0.1"}


def test_trackio_has_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    import os
    import subprocess

    _write(tmp_path, ROWS)
    code = (
        "from pathlib import Path; from assay.runs.tracking import track;"
        f" track(['trackio:mine'], Path({str(tmp_path)!r}), {{'lr': 0.1}})"
    )
    env = {**os.environ, "TRACKIO_DIR": str(tmp_path / "kept")}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, capture_output=True)
    assert any(b"eval/gold/truth" in f.read_bytes() for f in (tmp_path / "kept").rglob("*.db*"))


def test_wandb_offline_has_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    _write(tmp_path, ROWS)
    track(["wandb:mine"], tmp_path, {"lr": 0.1})
    assert len(list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))) == 1
    said = capfd.readouterr().err
    assert re.search(r"eval/gold/truth\.low 0\.4\b", said), said
