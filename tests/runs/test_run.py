"""A run's folder: locked, never mixed, replaced on request only."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from assay.errors import ConfigError
from assay.report.html import Section, Text
from assay.runs.run import Run


@dataclasses.dataclass(frozen=True)
class Settings:
    data: str = "d.jsonl"
    rate: float = 0.5
    device: str = "cpu"


def done(out: Path, settings: object = Settings(), **more: object) -> Run:
    with Run.open(out, settings, command="eval", **more) as run:  # type: ignore[arg-type]
        run.save("eval.json", {"value": float("nan")})
    return run


def test_a_run_is_kept_with_its_settings_data_and_end(tmp_path: Path) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text("{}\n")
    out = tmp_path / "out"
    with Run.open(out, Settings(rate=0.25), command="eval", data=[data, "org/name"]) as run:
        assert json.loads((out / "run.json").read_text())["finished"] is None
        run.save("eval.json", {"value": float("nan")})
        run.save("rows.jsonl", [{"a": 1}, {"a": 2}])
        run.log({"step": 1, "loss": 0.5})
        run.log({"step": 2, "loss": 0.25})
        run.note(results={"accuracy": 0.7})
    assert json.loads((out / "eval.json").read_text()) == {"value": None}
    assert (out / "rows.jsonl").read_text() == '{"a": 1}\n{"a": 2}\n'
    assert [row["step"] for row in run.rows()] == [1, 2]
    body = json.loads((out / "run.json").read_text())
    assert body["finished"] is not None
    assert list(body["data"]) == [str(data)]
    assert body["results"] == {"accuracy": 0.7}
    assert run.settings(Settings) == Settings(rate=0.25)
    assert run.written().endswith(f"{out / 'metrics.jsonl'} and {out / 'run.json'}")


def test_other_settings_are_refused_by_name_and_neutral_ones_are_not(tmp_path: Path) -> None:
    done(tmp_path / "out")
    done(tmp_path / "out", Settings(device="cuda"))
    with pytest.raises(ConfigError, match="differs in rate; give another folder, or --overwrite"):
        done(tmp_path / "out", Settings(rate=0.1))


def test_another_commands_run_is_refused(tmp_path: Path) -> None:
    done(tmp_path / "out")
    with pytest.raises(ConfigError, match="holds a run of eval"):
        Run.open(tmp_path / "out", Settings(), command="train")


def test_changed_data_is_other_work_when_finished_and_a_note_when_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text("1\n")
    done(tmp_path / "finished", data=[data])
    run = Run.open(tmp_path / "begun", Settings(), command="eval", data=[data])
    run.close()
    data.write_text("2\n")
    with pytest.raises(ConfigError, match=r"differs in .*d\.jsonl"):
        done(tmp_path / "finished", data=[data])
    done(tmp_path / "begun", data=[data])
    assert "d.jsonl has changed since the run read it" in capsys.readouterr().err


def test_overwriting_replaces_what_runs_wrote_and_keeps_the_rest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done(out)
    for name in ("extra.json", "thesis.txt", "record.jsonl"):
        (out / name).write_text("dear")
    body = json.loads((out / "run.json").read_text())
    body["files"] += ["extra.json", "../outside"]
    (out / "run.json").write_text(json.dumps(body))
    (tmp_path / "outside").write_text("dear")
    Run.open(out, Settings(rate=0.1), command="train", overwrite=True).close()
    assert {path.name for path in out.iterdir()} == {"run.json", "thesis.txt", "record.jsonl"}
    assert (tmp_path / "outside").exists()


def test_files_of_no_run_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "eval.json").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=r"holds no run of eval, and eval\.json"):
            done(tmp_path, overwrite=overwrite)
    assert (tmp_path / "eval.json").read_text() == "dear"


def test_a_models_folder_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "reward_model.json").write_text("{}")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="a model's folder"):
            Run.open(tmp_path, {}, command="eval", overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["reward_model.json"]


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="which is read"):
        done(model, inputs=[model])
    done(tmp_path, inputs=[model])


def test_a_failed_run_leaves_no_trace_or_an_unfinished_run(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Run.open(tmp_path / "a", Settings(), command="eval"):
        raise RuntimeError
    assert not (tmp_path / "a").exists()
    with pytest.raises(TypeError), Run.open(tmp_path / "b", Settings(), command="eval") as run:
        run.save("eval.json", [run.save("rows.jsonl", []), object()])
    assert json.loads((tmp_path / "b/run.json").read_text())["finished"] is None
    done(tmp_path / "b", Settings(rate=0.1))


def test_two_processes_do_not_share_a_folder_and_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    code = (
        "import sys, time; from assay.runs.run import Run;"
        f"Run.open({str(tmp_path / 'out')!r}, {{}}, command='eval');"
        "print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(ConfigError, match="is being written by another process"):
            Run.open(tmp_path / "out", {}, command="eval")
        other.kill()
    Run.open(tmp_path / "out", {}, command="eval").close()


def test_a_missing_extra_costs_the_page_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = Section("Found", [Text("a")])
    with Run.open(tmp_path / "out", Settings(), command="eval") as run:
        assert run.page("Title", lambda: [section])
        from assay.errors import MissingExtra

        def sections() -> list[Section]:
            raise MissingExtra("drawing a plot", "report")

        assert not run.page("Title", sections, name="other.html")
    assert "no other.html: drawing a plot needs the 'report' extra" in capsys.readouterr().err
    assert json.loads((tmp_path / "out/run.json").read_text())["files"] == ["report.html"]


@pytest.mark.parametrize("summary", [True, False])
def test_runs_of_before_are_told_finished_by_their_summary(tmp_path: Path, summary: bool) -> None:
    old = {"settings": {"component": "any/assay.cli.train:Command", "rate": 1}, "data": {}}
    (tmp_path / "run.json").write_text(json.dumps(old))
    if summary:
        (tmp_path / "training.json").write_text("{}")
        with pytest.raises(ConfigError, match="finished run of train that differs in"):
            Run.open(tmp_path, Settings(), command="train")
    else:
        Run.open(tmp_path, Settings(), command="train").close()
