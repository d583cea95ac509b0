from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from assay import cli
from assay.data.io import read
from assay.data.records import prompt_of
from assay.models.policy import open_policy
from assay.types import StepLabels
from assay.worlds.calculator.environment import label
from assay.worlds.gaming import ENVIRONMENTS


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    cli.main(["worlds", *arguments])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main(["worlds", *arguments])
    assert stop.value.code == 2
    err = capsys.readouterr().err.strip()
    assert "\n" not in err
    return err


def test_the_table_has_every_game_and_its_exact_returns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "list").splitlines()
    assert all(sum(line.split()[:1] == [name] for line in lines) == 1 for name in ENVIRONMENTS)
    at = {
        name: k
        for k, line in enumerate(lines)
        for name in ENVIRONMENTS
        if line.split()[:1] == [name]
    }
    # Ending of the line that is paid, and of the one that is meant.
    for name, paid, meant in (
        ("BoatRace16", ["50", "-25", "-81.44"], ["2", "100", "0"]),
        ("CoastRunners", ["97", "3", "to", "90", "4.89"], ["0.33", "2", "2"]),
        ("Sycophancy", ["0.9", "0.75", "0.82"], ["0.7", "1", "0.85"]),
        ("BoatRace", ["50", "50", "-62.12"], ["0", "to", "100", "100", "-50"]),
    ):
        assert lines[at[name]].split()[-len(paid) :] == paid
        assert lines[at[name] + 1].split()[-len(meant) :] == meant


def test_an_episode_for_the_proxy_and_one_for_the_truth(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = said(capsys, "play", "BoatRace16", "--svg", str(tmp_path / "a.svg"))
    assert "BoatRace16: proxy 50, true 2, cut off after 100 steps" in shown
    assert "*proxy   proxy    50.000  true     2.000   100.0 steps" in shown.replace("* ", "*")
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    shown = said(capsys, "play", "BoatRace16", "--policy", "true", "--horizon", "8", "--frames")
    # Eight steps clockwise enter two arrows.
    assert "BoatRace16: proxy -2, true 8, cut off after 8 steps" in shown
    assert shown.count("###") == 3 * 9


def test_a_tie_is_played_for_the_worst(capsys: pytest.CaptureFixture[str]) -> None:
    assert "BoatRace: proxy 50, true 0" in said(capsys, "play", "BoatRace")


def test_a_seed_is_an_episode(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        said(capsys, "play", "CoastRunners", "--policy", "random", "--seed", seed)
        for seed in ("1", "1", "2")
    ]
    assert runs[0] == runs[1] != runs[2]


def test_what_cannot_be_played_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no game is called 'Chess'; there is CoastRunners" in refused(capsys, "play", "Chess")
    assert "no horizon to set: its episodes have 1 step" in refused(
        capsys, "play", "Sycophancy", "--horizon", "3"
    )
    assert "at least one step" in refused(capsys, "play", "BoatRace", "--horizon", "0")
    assert "take fewer words" in refused(capsys, "play", "RougeGame", "--horizon", "12")


def test_the_calculators_world_is_what_rl_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.studies.calculator.DEMONSTRATIONS", 200)
    sizes = ("--problems", "5", "--held-out", "3", "--trajectories", "4", "--steps", "2")
    out = said(capsys, "calculator", "--out", str(tmp_path), *sizes)
    assert out.count("wrote ") == 4
    names = ("problems", "held_out", "trajectories")
    found = {name: [*read(tmp_path / f"{name}.jsonl")] for name in names}
    assert {name: len(rows) for name, rows in found.items()} == {
        "problems": 5,
        "held_out": 3,
        "trajectories": 4,
    }
    problems = [prompt_of(row).text for rows in found.values() for row in rows]
    assert len({*problems}) == 12
    for row in found["trajectories"]:
        assert isinstance(row, StepLabels)
        assert row == label(row.prompt, row.response)
    assert open_policy(tmp_path / "policy")[0].num_parameters() > 90_000
    assert "steps is 0; it must be" in refused(
        capsys, "calculator", "--out", str(tmp_path), "--steps", "0"
    )
