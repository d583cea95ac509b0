"""What is saved is what every other tool loads."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.errors import BackendError, ConfigError
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.parity import tolerance_of
from assay.models.readout import OUTCOME, PREFERENCE, PROCESS, Readout
from assay.models.reward_model import RewardModel, TrainScores
from assay.types import Prompt, Response
from tests.models import tiny

ITEMS = [
    (Prompt.of("What is 2 + 2?"), Response.of("4")),
    (Prompt.of("Hi"), Response.of("Hello, how are you?")),
    (Prompt.of("x"), Response.of("")),
]


def make(
    architecture: str = "llama", *, layout: Layout | None = None, readout: Readout = PREFERENCE
) -> RewardModel:
    return checkpoint.wrap(
        tiny.network(architecture), tiny.tokenizer(), layout=layout or Layout(), readout=readout
    ).eval()


def last_logits(model: RewardModel) -> list[float]:
    with torch.inference_mode():
        return [
            float(model(model.collate([s]))[0, len(s.reads) - 1])
            for s in model.encoder.encode(ITEMS)
        ]


@pytest.mark.parametrize(("architecture", "template"), tiny.crossed(("plain", "chat")))
def test_saved_models_score_the_same_in_plain_transformers(
    architecture: str, template: Any, tmp_path: Path
) -> None:
    assert tiny.tokenizer().pad_token_id == tiny.tokenizer().eos_token_id  # The trap is set.
    model = make(architecture, layout=Layout(template=template))
    expected = last_logits(model)
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-5
    # As somebody would who has never heard of this library: text in, batch padded by the tokenizer.
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "rm")
    texts = [tokenizer.decode(s.ids) for s in model.encoder.encode(ITEMS)]
    batch = tokenizer(texts, padding=True, add_special_tokens=False, return_tensors="pt")
    assert batch["attention_mask"].sum() < batch["attention_mask"].numel()
    with torch.inference_mode():
        assert network(**batch).logits[:, 0].tolist() == pytest.approx(expected, abs=1e-5)
    assert network.config.num_labels == 1
    assert network.config.problem_type == "regression"
    assert tokenizer.pad_token_id == network.config.pad_token_id != tokenizer.eos_token_id
    assert last_logits(checkpoint.load(tmp_path / "rm")) == pytest.approx(expected, abs=1e-5)


def test_an_answer_and_the_same_answer_closed_score_differently() -> None:
    """Where padding is the end token, pooling by token id gives both the same score."""
    model = make()
    closed, cut = model.encoder.encode(
        [(ITEMS[0][0], Response.of("4")), (ITEMS[0][0], Response(steps=("4",), finished=False))]
    )
    with torch.inference_mode():
        assert (
            abs(float(model(model.collate([closed]))) - float(model(model.collate([cut])))) > 1e-3
        )


def test_a_tokenizer_with_a_pad_token_of_its_own_keeps_it() -> None:
    network, tokenizer = tiny.network(), tiny.tokenizer(pad="<pad>", extra=("<pad>",))
    model = checkpoint.wrap(network, tokenizer, layout=Layout(), readout=PREFERENCE)
    assert model.pad_id == tokenizer.convert_tokens_to_ids("<pad>") == tokenizer.pad_token_id
    assert len(tokenizer) == 259


def test_an_unused_unknown_token_serves_as_padding(tmp_path: Path) -> None:
    """SmolLM2's case: it pads with its end token, and has an unknown token that a byte-level text
    never holds."""
    tokenizer = tiny.tokenizer(extra=("<unk>",))
    tokenizer.unk_token = "<unk>"
    model = checkpoint.wrap(tiny.network(), tokenizer, layout=Layout(), readout=PREFERENCE)
    assert model.pad_id == tokenizer.unk_token_id
    checkpoint.save(model, tmp_path / "rm")
    assert AutoTokenizer.from_pretrained(tmp_path / "rm").pad_token == "<unk>"


def test_a_new_pad_token_gets_a_row_where_the_vocabulary_is_full(tmp_path: Path) -> None:
    network = tiny.network(vocab=258)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)
    assert model.pad_id == 258
    assert network.get_input_embeddings().num_embeddings == 259
    assert checkpoint.save(model, tmp_path / "rm") <= 1e-5


def test_manifest_round_trip(tmp_path: Path) -> None:
    layout = Layout(template="chat", separator="\n", max_length=77, close=False)
    model = make(layout=layout, readout=PROCESS)
    model.scores = TrainScores(mean=0.25, std=1.5, n=100)
    worst = checkpoint.save(model, tmp_path / "rm")
    again = checkpoint.load(tmp_path / "rm")
    assert again.layout == model.layout
    assert again.layout.chat_template_sha256 is not None
    assert (again.readout, again.scores, again.pad_id) == (
        model.readout,
        model.scores,
        model.pad_id,
    )
    manifest = checkpoint.read_manifest(tmp_path / "rm")
    assert manifest.parity_max_abs_diff == worst
    assert not again.training


def test_k_outputs_are_saved(tmp_path: Path) -> None:
    model = make(readout=Readout(weights=(-1.0, 1.0), link="sigmoid"))
    expected = last_logits(model)
    checkpoint.save(model, tmp_path / "rm")
    assert last_logits(checkpoint.load(tmp_path / "rm")) == pytest.approx(expected, abs=1e-5)


def test_bf16_round_trip(tmp_path: Path) -> None:
    tiny.causal().save_pretrained(tmp_path / "lm")
    tiny.tokenizer().save_pretrained(tmp_path / "lm")
    model = checkpoint.create(
        tmp_path / "lm", layout=Layout(), readout=OUTCOME, dtype="bfloat16"
    ).eval()
    assert not torch.equal(
        model.network.score.weight, model.network.score.weight.bfloat16().float()
    )
    expected = last_logits(model)
    assert checkpoint.save(model, tmp_path / "rm") <= tolerance_of(model) == 0.2
    again = checkpoint.load(tmp_path / "rm")
    assert next(again.backbone.parameters()).dtype == torch.bfloat16
    assert torch.equal(
        again.network.score.weight, model.network.score.weight
    )  # All of fp32's digits.
    assert last_logits(again) == pytest.approx(expected, abs=1e-6)


def test_failed_parity_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "rm"
    checkpoint.save(make(), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = checkpoint.wrap(
        tiny.network(seed=9), tiny.tokenizer(), layout=Layout(), readout=PREFERENCE, seed=9
    )
    with pytest.raises(BackendError, match=r"scores change by .* not saved"):
        checkpoint.save(other, folder, tolerance=-1.0)
    with torch.no_grad():
        other.network.score.weight.fill_(float("nan"))
    with pytest.raises(BackendError, match="scores change by nan"):
        checkpoint.save(other, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["rm"]


def test_parity_sees_what_differs(tmp_path: Path) -> None:
    model = make()
    checkpoint.save(model, tmp_path / "rm")
    path = tmp_path / "rm" / "model.safetensors"
    weights = load_file(path)
    save_file(
        weights | {"score.weight": weights["score.weight"] * 1.01}, path, metadata={"format": "pt"}
    )
    assert checkpoint.parity(model, tmp_path / "rm") > 1e-4


def test_parity_sees_a_pad_token_that_ends_the_text(tmp_path: Path) -> None:
    model = make()
    checkpoint.save(model, tmp_path / "rm")
    config = json.loads((tmp_path / "rm" / "config.json").read_text())
    (tmp_path / "rm" / "config.json").write_text(json.dumps(config | {"pad_token_id": 1}))
    assert checkpoint.parity(model, tmp_path / "rm") > 1e-3


def test_saving_keeps_training_mode_and_replaces_whole_folders(tmp_path: Path) -> None:
    folder = tmp_path / "rm"
    folder.mkdir()
    (folder / "stale.txt").write_text("old")
    model = make().train()
    checkpoint.save(model, folder)
    assert model.training
    assert not (folder / "stale.txt").exists()
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.iterdir())


@pytest.mark.parametrize(
    "head", [nn.Linear(16, 1, bias=True), nn.Sequential(nn.Linear(16, 1, bias=False))]
)
def test_heads_that_no_stock_classifier_has_are_refused(head: nn.Module, tmp_path: Path) -> None:
    model = make()
    model.network.score = head
    with pytest.raises(ConfigError, match="only a bias-free linear head"):
        checkpoint.save(model, tmp_path / "rm")
    assert list(tmp_path.iterdir()) == []


def test_create_from_a_causal_model(tmp_path: Path) -> None:
    tiny.causal().save_pretrained(tmp_path / "lm")
    tiny.tokenizer().save_pretrained(tmp_path / "lm")
    model = checkpoint.create(tmp_path / "lm", layout=Layout(), readout=PREFERENCE, seed=1)
    again = checkpoint.create(tmp_path / "lm", layout=Layout(), readout=PREFERENCE, seed=1)
    assert last_logits(model) == last_logits(again)
    torch.testing.assert_close(
        model.backbone.embed_tokens.weight, tiny.causal().model.embed_tokens.weight
    )  # type: ignore[union-attr]


def test_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"neither a folder nor reachable"):
        checkpoint.create(tmp_path / "none", layout=Layout(), readout=PREFERENCE)
    with pytest.raises(ConfigError, match=r"has no reward_model\.json"):
        checkpoint.load(tmp_path)
    folder = tmp_path / "rm"
    checkpoint.save(make(), folder)
    manifest = json.loads((folder / checkpoint.MANIFEST).read_text())
    for broken, words in (
        ("{", "malformed at the file"),
        (json.dumps(manifest | {"pad_id": "x"}), "malformed at pad_id"),
        (json.dumps(manifest | {"format": "assay.reward_model/2"}), "malformed at format"),
    ):
        (folder / checkpoint.MANIFEST).write_text(broken)
        with pytest.raises(ConfigError, match=words):
            checkpoint.load(folder)


def test_a_folder_that_lost_its_head_is_refused(tmp_path: Path) -> None:
    """Transformers would fill it with random numbers and say so in a log."""
    checkpoint.save(make(), tmp_path / "rm")
    path = tmp_path / "rm" / "model.safetensors"
    weights = load_file(path)
    head = weights.pop("score.weight")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks score\.weight"):
        checkpoint.load(tmp_path / "rm")
    save_file(
        weights | {"score.weight": head, "v_head.weight": head.clone()},
        path,
        metadata={"format": "pt"},
    )
    with pytest.raises(ConfigError, match=r"holds weights nobody reads: v_head\.weight"):
        checkpoint.load(tmp_path / "rm")


def test_loading_is_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny.causal().save_pretrained(tmp_path / "lm")
    tiny.tokenizer().save_pretrained(tmp_path / "lm")
    capfd.readouterr()
    model = checkpoint.create(tmp_path / "lm", layout=Layout(), readout=PREFERENCE)
    checkpoint.save(model, tmp_path / "rm")
    checkpoint.load(tmp_path / "rm")
    assert capfd.readouterr() == ("", "")
