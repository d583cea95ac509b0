"""What a command line names as a model or a device, and cannot have, is one line and exit status
2."""

import json
from pathlib import Path

import pytest
import torch

from assay.cli import main
from tests import tiny_models

pytestmark = pytest.mark.owed

COMMANDS = {
    "train": "train rm nowhere.jsonl --backbone nowhere --out OUT",
    "sft": "sft nowhere.jsonl --policy nowhere --out OUT",
    "rl": "rl grpo nowhere.jsonl --policy nowhere --reward longest --out OUT",
    "score": "score nowhere.jsonl --scorer nowhere --out OUT/s.jsonl",
    "eval": "eval nowhere.jsonl --scorer nowhere",
}


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:9"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_that_is_not_there_is_said_before_anything_else(
    command: str,
    device: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = COMMANDS[command].replace("OUT", str(tmp_path / "out")).split()
    with pytest.raises(SystemExit) as caught:
        main([*words, "--device", device])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"assay {command}: device '{device}' ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_head_of_a_backbone_is_chosen_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = tiny_models.save_classifier(tmp_path / "two", "qwen2.5", num_labels=2)
    rows = [{"prompt": f"Q{i}?", "chosen": "Yes.", "rejected": f"No {i}!"} for i in range(4)]
    data = tmp_path / "pairs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [
        "train",
        "rm",
        "--data",
        str(data),
        "--backbone",
        str(two),
        "--out",
        str(tmp_path / "rm"),
    ]
    words += ["--held-out", "0", "--device", "cpu", "--batch-size", "2"]
    for more in ([], ["--head", "keep"], ["--implicit-beta", "0.1", "--head", "new"]):
        with pytest.raises(SystemExit) as caught:
            main([*words, *more])
        assert caught.value.code == 2
    assert (
        "it has 2 labels, and this run reads 1; draw a new head with --head new"
        in capsys.readouterr().err
    )
    main([*words, "--head", "new"])
    assert "head: drawn anew" in capsys.readouterr().err
    assert json.loads((tmp_path / "rm" / "run.json").read_text())["settings"]["head"] == "new"
