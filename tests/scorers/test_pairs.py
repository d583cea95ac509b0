"""Encoders score as their own stock classes do: a pair of texts, padded, pooled their way."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from assay.errors import ConfigError
from assay.scorers.pairs import PairScorer
from assay.specs.scorers import scorer
from assay.types import Group, Message, Prompt, Response, Score, Unscored
from tests import tiny_models

pytestmark = pytest.mark.owed

ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
    },
    "modernbert": {"local_attention": 8, "cls_token_id": 0, "sep_token_id": 1},
}
GROUPS = [
    Group(
        prompt=Prompt.of("What is 2 + 2?"),
        responses=(Response.of("4"), Response.of("I would say that it is 5.")),
    ),
    Group(prompt=Prompt.of("Hi"), responses=(Response.of("Hello, how are you?"),)),
]


def save(folder: Path, architecture: str, **changes: Any) -> Path:
    tokenizer = tiny_models.byte_level(
        ("[CLS]", "[SEP]", "[PAD]"), cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 0), ("[SEP]", 1)],
    )
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "pad_token_id": 2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "num_labels": 1,
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, **(shape | ENCODERS.get(architecture, {}) | changes)
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", ENCODERS)
@pytest.mark.parametrize("micro_tokens", [1, 8192])
def test_scores_are_those_of_the_stock_model_on_each_pair_alone(
    architecture: str, micro_tokens: int, tmp_path: Path
) -> None:
    folder = save(tmp_path / "m", architecture)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = PairScorer(folder, micro_tokens=micro_tokens).score(GROUPS)
    assert [len(scores) for scores in found] == [2, 1]
    for group, scores in zip(GROUPS, found, strict=True):
        for response, score in zip(group.responses, scores, strict=True):
            pair = tokenizer(group.prompt.messages[0].content, response.text, return_tensors="pt")
            with torch.inference_mode():
                assert isinstance(score, Score)
                assert score.value == pytest.approx(float(network(**pair).logits), abs=1e-5)


def test_what_the_model_does_not_read_is_unscored(tmp_path: Path) -> None:
    scorer = PairScorer(save(tmp_path / "m", "bert"))
    talk = Prompt(
        messages=(Message(role="user", content="Hi"), Message(role="assistant", content="Hm?"))
    )
    groups = [
        Group(prompt=talk, responses=(Response.of("Yes"),)),
        Group(
            prompt=Prompt.of("Hi"),
            responses=(Response.of("x" * 59), Response.of("x" * 60), Response.of("")),
        ),
    ]
    ((several,), (fits, long, empty)) = scorer.score(groups)
    assert isinstance(fits, Score)
    for score, reason in ((several, "2 messages"), (long, "65 tokens > the 64"), (empty, "empty")):
        assert isinstance(score, Unscored)
        assert reason in score.reason


@pytest.mark.parametrize("architecture", ["roberta", "xlm-roberta", "camembert"])
def test_positions_that_begin_behind_the_pads_are_fewer(architecture: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "m", architecture)
    usable = 64 - 3
    group = Group(
        prompt=Prompt.of("Hi"),
        responses=tuple(Response.of("x" * (usable - 5 + k)) for k in range(4)),
    )
    ((fits, *long),) = PairScorer(folder).score([group])
    assert isinstance(fits, Score)
    for score in long:
        assert isinstance(score, Unscored)
        assert "> the 61 that the model reads" in score.reason


def test_settings_that_an_encoder_does_not_take_are_refused_and_its_precision_is_taken(
    tmp_path: Path,
) -> None:
    folder = save(tmp_path / "m", "bert")
    for settings in ("max_length=64", "template=plain", "preset=classifier"):
        with pytest.raises(
            ConfigError,
            match=f"is an encoder, .* takes no settings of a layout; leave out {settings}",
        ):
            scorer(f"{folder},{settings}", "cpu")
    low = scorer(str(folder), "cpu", dtype="bfloat16")
    assert isinstance(low, PairScorer)
    assert low.network.dtype == torch.bfloat16
    assert all(isinstance(score, Score) for row in low.score(GROUPS) for score in row)


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 2 labels, and a reward has one"):
        PairScorer(save(tmp_path / "two", "bert", num_labels=2))
    with pytest.raises(ConfigError, match="is a Qwen2ForSequenceClassification, and no encoder"):
        PairScorer(tiny_models.save_classifier(tmp_path / "decoder", "qwen2.5"))


def test_rotary_embeddings_that_change_with_the_length_are_each_pairs_own(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0}
    static = {"rope_type": "default", "rope_theta": 100.0}
    changes: dict[str, Any] = {
        "max_position_embeddings": 12,
        "initializer_range": 0.3,
        "global_attn_every_n_layers": 1,
        "rope_parameters": {"full_attention": rope, "sliding_attention": static},
    }
    folder = save(tmp_path / "m", "modernbert", **changes)
    long = Group(
        prompt=Prompt.of("word " * 20),
        responses=(Response.of("yes"), Response.of("no, not at all")),
    )
    together = PairScorer(folder).score([long, *GROUPS])
    scorer = PairScorer(folder)
    alone = [scorer.score([group])[0] for group in (long, *GROUPS)]
    fresh = [PairScorer(folder).score([group])[0] for group in (long, *GROUPS)]
    for scores in (together, alone):
        for row, expected in zip(scores, fresh, strict=True):
            values = [s.value for s in row if isinstance(s, Score)]
            assert values == pytest.approx(
                [s.value for s in expected if isinstance(s, Score)], abs=1e-5
            )
