"""`assay models ...`, in this process and without a network."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from assay.cli import main
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.presets import PRESETS, REFUSED
from assay.models.readout import PROCESS
from assay.models.reward_model import TrainScores
from tests.models import tiny


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = checkpoint.wrap(
        tiny.network(), tiny.tokenizer(), layout=Layout(template="chat"), readout=PROCESS
    )
    model.scores = TrainScores(mean=0.25, std=2.0, n=9)
    checkpoint.save(model, tmp_path / "rm")
    return tmp_path / "rm"


def test_list_names_every_preset_and_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "list"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for family, checkpoints in [(p.name, p.checkpoints) for p in PRESETS.values()] + [
        (name, refused.checkpoints) for name, refused in REFUSED.items()
    ]:
        for name in checkpoints:
            assert [family, name] in [[row[0], row[2]] for row in rows if len(row) == 3]


def test_show_says_it_in_words(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "show", str(saved)])
    out = capsys.readouterr().out
    parameters = sum(p.numel() for p in checkpoint.load(saved).network.parameters())
    for words in (
        "LlamaForSequenceClassification",
        f"{parameters:,}",
        (
            "read at each step's last token, through a sigmoid; a response's score is the product"
            " of its steps'"
        ),
        '"template": "chat"',
        "mean 0.25, std 2, n 9",
    ):
        assert words in out


def test_check_passes_a_whole_model_and_fails_a_damaged_one(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["models", "check", str(saved)])
    assert float(capsys.readouterr().out.split()[1]) < 1e-5
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | {"pad_token_id": 1}))
    with pytest.raises(SystemExit) as stop:
        main(["models", "check", str(saved)])
    assert stop.value.code == 2
    assert "scores differ by" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["show", "check"])
def test_folders_that_are_no_models_get_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["models", command, str(tmp_path)])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_lost_head_is_said(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(saved / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SystemExit):
        main(["models", "check", str(saved)])
    assert "lacks score.weight" in capsys.readouterr().err


def test_the_help_names_what_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "calibrate", "--help"])
    assert "MODEL DATA" in capsys.readouterr().out
