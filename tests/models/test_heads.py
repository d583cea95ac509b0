"""A backbone that is a reward model already goes on with its own head; another kind of head is
refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification

from assay.errors import ConfigError
from assay.losses.bradley_terry import BradleyTerry
from assay.models.checkpoint import create, load, save
from assay.models.layout import Layout
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.training.loop import train
from assay.training.settings import Settings
from assay.types import Preference, Prompt, Response
from tests import tiny_models

pytestmark = pytest.mark.owed

PAIRS = [
    Preference(
        prompt=Prompt.of(f"Question {i}?"),
        responses=(Response.of("Yes."), Response.of(f"No {i}!")),
        prefer=1.0,
    )
    for i in range(6)
]
ITEMS = [(pair.prompt, response) for pair in PAIRS for response in pair.responses]


def scores(model: Any) -> list[float]:
    with torch.inference_mode():
        sequences = model.eval().encoder.encode(ITEMS)
        return [float(model(model.collate([s]))[0, -1]) for s in sequences]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of this library, which every test only reads."""
    folder = tmp_path_factory.mktemp("heads")
    backbone = tiny_models.save_causal(folder / "lm", "qwen2.5")
    save(
        create(backbone, layout=Layout(template="chat"), readout=PREFERENCE, seed=7),
        folder / "trained",
    )
    return folder / "trained"


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_training_that_moves_nothing_leaves_the_scores(
    kind: str, trained: Path, tmp_path: Path
) -> None:
    folder = (
        trained
        if kind == "ours"
        else tiny_models.save_classifier(tmp_path / "stock", "qwen2.5", seed=3)
    )
    layout = Layout(template="chat")
    model = create(folder, layout=layout, readout=PREFERENCE, seed=11)
    before = scores(model)
    if kind == "ours":
        assert before == pytest.approx(scores(load(folder)), abs=1e-6)
    else:
        stock = tiny_models.classifier("qwen2.5", seed=3)
        sequences = model.encoder.encode(ITEMS)
        with torch.inference_mode():
            theirs = [float(stock(torch.tensor([s.ids])).logits) for s in sequences]
        assert before == pytest.approx(theirs, abs=1e-5)
    settings = Settings(learning_rate=1e-12, batch_size=3, epochs=1)
    train(
        model, PAIRS, loss=BradleyTerry(), settings=settings, out=tmp_path / "out", progress=False
    )
    assert scores(load(tmp_path / "out")) == pytest.approx(before, abs=1e-5)


def test_what_becomes_of_the_head_is_chosen_and_said(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = create(trained, layout=Layout(template="chat"), readout=PREFERENCE, head="keep")
    assert f"head: kept from {trained} (--head new draws another)" in capsys.readouterr().err
    new = create(trained, layout=Layout(template="chat"), readout=PREFERENCE, head="new", seed=1)
    assert f"head: drawn anew; that of {trained} is left out" in capsys.readouterr().err
    assert not torch.allclose(kept.network.score.weight, new.network.score.weight)
    create(trained, layout=Layout(), readout=PREFERENCE)
    assert "it learned with template='chat' (now 'plain')" in capsys.readouterr().err


def test_a_backbone_without_a_head_has_none_to_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_models.save_causal(tmp_path / "lm", "gpt2")
    create(folder, layout=Layout(), readout=PREFERENCE)
    assert "head" not in capsys.readouterr().err
    with pytest.raises(ConfigError, match="has no head to keep"):
        create(folder, layout=Layout(), readout=PREFERENCE, head="keep")


def test_all_digits_of_a_head_are_kept_in_bf16(trained: Path) -> None:
    model = create(trained, layout=Layout(template="chat"), readout=PREFERENCE, dtype="bfloat16")
    assert torch.equal(
        model.network.score.weight, load_file(trained / "model.safetensors")["score.weight"]
    )


@pytest.mark.parametrize("readout", [OUTCOME, PROCESS, Readout(at="step_tag", tag="!")])
@pytest.mark.parametrize("head", ["auto", "keep"])
def test_another_read_out_is_refused(readout: Readout, head: Any, trained: Path) -> None:
    with pytest.raises(
        ConfigError, match="brings a head that this run cannot go on with: it is read with"
    ):
        create(trained, layout=Layout(), readout=readout, head=head)
    create(trained, layout=Layout(), readout=readout, head="new")


def two_labels(folder: Path) -> None:
    tiny_models.save_classifier(folder, "qwen2.5", num_labels=2)


def token_labels(folder: Path) -> None:
    network = AutoModelForTokenClassification.from_config(
        tiny_models.config("qwen2.5", num_labels=2)
    )
    network.save_pretrained(folder)
    tiny_models.tokenizer("qwen2.5").save_pretrained(folder)


def with_tensor(name: str) -> Any:
    def write(folder: Path) -> None:
        tiny_models.save_causal(folder, "qwen2.5")
        state = load_file(folder / "model.safetensors")
        save_file(
            state | {name: torch.zeros(1, 32)},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )

    return write


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (two_labels, "it has 2 labels, and this run reads 1"),
        (token_labels, "it is a Qwen2ForTokenClassification"),
        (with_tensor("v_head.summary.weight"), "v_head.summary.weight is of another kind"),
        (with_tensor("score.0.weight"), "score.0.weight is of another kind"),
        (with_tensor("value_head.weight"), "value_head.weight is of another kind"),
    ],
)
def test_heads_of_another_kind_are_refused_by_name(make: Any, why: str, tmp_path: Path) -> None:
    make(tmp_path / "m")
    with pytest.raises(ConfigError, match=rf"{why}.*--head new"):
        create(tmp_path / "m", layout=Layout(), readout=PREFERENCE)
    assert create(
        tmp_path / "m", layout=Layout(), readout=PREFERENCE, head="new"
    ).network.score.weight.shape == (1, 32)
