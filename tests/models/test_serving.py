"""What is saved is what servers of stock classifiers read, and the lines that start them say so."""

import json
import shlex
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification

from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE, PROCESS, Readout
from assay.models.serving import card, serving
from assay.models.summary import summary
from assay.types import Prompt, Response
from tests.models import tiny

TAGGED = Readout(at="step_tag", tag="<|step|>", link="sigmoid", aggregate="min")


def saved(folder: Path, readout: Readout, architecture: str = "llama") -> Path:
    tokenizer = tiny.tokenizer(extra=("<|step|>",))
    layout = Layout(template="chat", max_length=700)
    model = checkpoint.wrap(
        tiny.network(architecture), tokenizer, layout=layout, readout=readout, seed=5
    )
    checkpoint.save(model, folder)
    return folder


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gpt2"])
def test_transformers_own_classifier_gives_our_logits_at_the_step_token(
    architecture: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "prm", TAGGED, architecture)
    model = checkpoint.load(folder)
    steps = Response(steps=("12 * 3 = 36.\n", "36 = 2 * 18, ", "so it is even."))
    (sequence,) = model.encoder.encode([(Prompt.of("Is 12 * 3 even?"), steps)])
    stock = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert (stock.config.num_labels, stock.config.problem_type) == (1, "regression")
    with torch.inference_mode():
        ours = model(model.collate([sequence]))[0].tolist()
        theirs = [
            float(stock(torch.tensor([sequence.ids[: place + 1]])).logits)
            for place in sequence.reads
        ]
    assert len(ours) == 3
    assert theirs == pytest.approx(ours, abs=1e-5)


def test_the_lines_say_all_that_the_servers_would_take_otherwise(tmp_path: Path) -> None:
    ours, vllm, sglang = serving(saved(tmp_path / "rm", PREFERENCE))
    assert ours.start == f"assay serve {tmp_path / 'rm'}"
    words = shlex.split(vllm.start)
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:3] == ["vllm", "serve", str(tmp_path / "rm")]
    assert options == {
        "--runner": "pooling",
        "--dtype": "float32",
        "--max-model-len": "700",
        "--pooler-config": '{"task": "classify"}',
    }
    assert "--is-embedding --dtype float32 --context-length 700" in sglang.start
    assert "dialect=sglang,layout=" in sglang.scorer


def test_steps_are_read_at_their_token_or_at_every_one(tmp_path: Path) -> None:
    folder = saved(tmp_path / "prm", TAGGED)
    _, vllm, sglang = serving(folder)
    tag = checkpoint.load(folder).encoder.tokenizer.convert_tokens_to_ids("<|step|>")
    pooler = json.loads(shlex.split(vllm.start)[-1])
    assert pooler == {"task": "token_classify", "tok_pooling_type": "STEP", "step_tag_id": tag}
    assert sglang.start.endswith("--disable-radix-cache --chunked-prefill-size -1")
    assert f"token {tag}" in sglang.note
    _, vllm, sglang = serving(saved(tmp_path / "untagged", PROCESS))
    assert json.loads(shlex.split(vllm.start)[-1])["tok_pooling_type"] == "ALL"
    assert not sglang.start
    assert "cannot" in serving(saved(tmp_path / "gpt2", TAGGED, "gpt2"))[2].note


def test_what_stock_servers_cannot_serve_has_no_line(tmp_path: Path) -> None:
    model = checkpoint.load(saved(tmp_path / "rm", PREFERENCE))
    width = model.network.score.weight.shape[1]
    model.network.score = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 1))
    checkpoint.save(model, tmp_path / "deep")
    ours, *others = serving(tmp_path / "deep")
    assert ours.start
    assert all(not other.start and "two layers" in other.note for other in others)


def test_the_card_holds_what_the_run_knows(tmp_path: Path) -> None:
    folder = saved(tmp_path / "rm", TAGGED)
    text = card(
        folder,
        about=summary(folder),
        data={"a.jsonl": "c0ffee"},
        metrics={"accuracy": "0.652 [0.610, 0.694], n=300"},
        notes=("Few records.",),
    )
    assert text.startswith("---\nlibrary_name: transformers\n")
    for words in (
        "# rm",
        "| accuracy | 0.652 [0.610, 0.694], n=300 |",
        "| a.jsonl | c0ffee |",
        "* Few records.",
        "the '<|step|>' token after each step",
        '"max_length": 700',
        "vllm serve",
        "| read-out | one output, read at the '<\\|step\\|>' token",
    ):
        assert words in text, words
