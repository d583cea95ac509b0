"""What could not be saved is not trained, and what cannot learn is said before the first step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast

from assay.errors import BackendError, ConfigError, DataError
from assay.losses.bradley_terry import BradleyTerry
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import OUTCOME, PREFERENCE
from assay.models.reward_model import RewardModel
from assay.scorers.local import LocalScorer
from assay.training.collate import Example
from assay.training.loop import train
from assay.training.rehearsal import check_examples
from assay.training.settings import Settings
from assay.training.sft import fine_tune
from assay.types import Group, Preference, Prompt, Response, Score, Unscored
from tests import tiny_models
from tests.models import tiny

pytestmark = pytest.mark.owed

PAIRS = [
    Preference(
        prompt=Prompt.of(f"Question {i}?"),
        responses=(Response.of("Yes."), Response.of(f"No {i}!")),
        prefer=1.0,
    )
    for i in range(6)
]
ONE = Settings(batch_size=3, epochs=1)


def model(family: str = "qwen2.5", **changes: Any) -> RewardModel:
    tokenizer = tiny_models.tokenizer(family)
    network = tiny_models.classifier(family, tokenizer, **changes)
    return checkpoint.wrap(network, tokenizer, layout=Layout(), readout=PREFERENCE)


def run(of: RewardModel, out: Path, records: Any = PAIRS, settings: Settings = ONE) -> Any:
    return train(of, records, loss=BradleyTerry(), settings=settings, out=out, progress=False)


def untouched(out: Path) -> bool:
    """Whether a run left nothing behind that looks like training."""
    return not (out / "metrics.jsonl").exists() and not [*out.glob(".rehearsal*")]


def test_a_model_whose_copy_scores_otherwise_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "tolerance_of", lambda model: -1.0)
    with pytest.raises(
        BackendError, match="not trained, for it could not be saved in the end: scores change by"
    ):
        run(model(), tmp_path / "rm")
    assert untouched(tmp_path / "rm")


def test_a_large_model_is_compared_with_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "REHEARSED", 0)

    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("weights were written")

    of = model()
    monkeypatch.setattr(type(of.network), "save_pretrained", never)
    assert checkpoint.rehearse(of, tmp_path) <= 1e-5
    assert [*tmp_path.iterdir()] == []
    # The end of a text pads: the stock classifier reads one token too early, which is seen without
    # any copy.
    of.pad_id = of.encoder.tokenizer.eos_token_id
    with pytest.raises(BackendError, match="scores differ by"):
        checkpoint.rehearse(of, tmp_path)


def test_heads_that_cannot_be_saved_are_refused_at_once(tmp_path: Path) -> None:
    of = model()
    of.network.score = nn.Linear(32, 1, bias=True)
    with pytest.raises(
        ConfigError, match=r"only a bias-free linear head fits a stock sequence classifier"
    ):
        run(of, tmp_path / "rm")
    assert untouched(tmp_path / "rm")


def test_a_first_gradient_of_exactly_nothing_stops_the_run(tmp_path: Path) -> None:
    same = [pair.model_copy(update={"responses": (Response.of("Yes."),) * 2}) for pair in PAIRS]
    of = model()
    for parameter in of.backbone.parameters():
        parameter.requires_grad = False
    frozen_head = model()
    for parameter in frozen_head.parameters():
        parameter.requires_grad = False
    with pytest.raises(ConfigError, match="every parameter of the model is frozen"):
        run(frozen_head, tmp_path / "frozen")
    saturated = model()
    with torch.no_grad():
        saturated.network.score.weight.mul_(1e6)
    with pytest.raises((ConfigError, DataError, BackendError)):
        run(of, tmp_path / "same", records=same)
    for out in ("frozen", "same"):
        assert not (tmp_path / out / "model.safetensors").exists()


def test_a_dead_head_is_said(tmp_path: Path) -> None:
    of = model()
    for parameter in of.backbone.parameters():
        nn.init.zeros_(parameter)
    with pytest.raises(ConfigError, match="the first step's gradient is exactly 0"):
        run(of, tmp_path / "rm")


def test_data_that_is_one_sequence_over_and_over_is_said(tmp_path: Path) -> None:
    same = [
        Preference(
            prompt=Prompt.of("Q"), responses=(Response.of("Yes."), Response.of("Yes.")), prefer=1.0
        )
    ] * 4
    with pytest.raises(DataError, match=r"all 8 sequences are the same|identical|same response"):
        run(model(), tmp_path / "rm", records=same)


def test_tokens_without_a_row_are_named_before_training_and_unscored_after(tmp_path: Path) -> None:
    tokenizer = tiny_models.tokenizer("qwen2.5")
    network = tiny_models.classifier("qwen2.5", tokenizer)
    tokenizer.add_tokens(["Yes."])
    of = checkpoint.wrap(network, tokenizer, layout=Layout(), readout=PREFERENCE)
    with pytest.raises(
        ConfigError, match=r"makes token \d+ \('Yes.'\) of the data, and the model's embedding has"
    ):
        run(of, tmp_path / "rm")
    assert untouched(tmp_path / "rm")
    group = Group(prompt=Prompt.of("Q"), responses=(Response.of("Yes."), Response.of("No")))
    ((lost, scored),) = LocalScorer(of).score([group])
    assert isinstance(lost, Unscored)
    assert "has no row in the model's embedding" in lost.reason
    assert isinstance(scored, Score)
    causal = tiny_models.causal("qwen2.5", tiny_models.tokenizer("qwen2.5"))
    with pytest.raises(ConfigError, match=r"makes token \d+ \('Yes.'\)"):
        fine_tune(
            causal,
            tokenizer,
            PAIRS,
            layout=Layout(),
            settings=ONE,
            out=tmp_path / "sft",
            progress=False,
        )


def test_sequences_longer_than_a_table_of_positions_are_counted(tmp_path: Path) -> None:
    of = model("gpt2", n_positions=24, max_position_embeddings=24)
    assert of.layout.max_length == 24
    long = Preference(
        prompt=Prompt.of("Q" * 40), responses=(Response.of("Yes."), Response.of("No.")), prefer=1.0
    )
    done = run(of, tmp_path / "rm", records=[*PAIRS, long])
    assert done.dropped_why == {"longer than 24 tokens": 1}
    ((score, _),) = LocalScorer(tmp_path / "rm").score(
        [Group(prompt=long.prompt, responses=long.responses)]
    )
    assert isinstance(score, Unscored)
    # Rotary positions are computed: nothing limits them.
    assert model("llama3", max_position_embeddings=24).layout.max_length == Layout().max_length


def test_implicit_models_are_rehearsed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = checkpoint.wrap_implicit(
        tiny.causal(), tiny.tokenizer(), layout=Layout(), readout=OUTCOME, beta=0.1
    )
    assert checkpoint.rehearse(of, tmp_path) <= 1e-5
    monkeypatch.setattr(checkpoint, "REHEARSED", 0)
    assert checkpoint.rehearse(of, tmp_path) <= 1e-5


@pytest.mark.parametrize(("words", "share"), [(("Yes.",), 0.75), (("Yes.", "Q", "No"), 0.25)])
def test_texts_that_the_tokenizer_cannot_read_are_said(
    words: tuple[str, ...], share: float
) -> None:
    core = Tokenizer(
        models.WordLevel({"<unk>": 0, **{w: i for i, w in enumerate(words, 1)}}, "<unk>")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")
    texts = ("Q Yes.", "Q never")
    examples = [
        Example(tuple(np.array(tokenizer.encode(t)) for t in texts), (), (), np.zeros(2), 0)
    ]
    network = tiny_models.classifier("qwen2.5", tiny_models.tokenizer("qwen2.5"))
    said = f"{share:.0%} of the tokens are '<unk>', the unknown token"
    if share > 0.5:
        with pytest.raises(ConfigError, match=said):
            check_examples(examples, network, tokenizer)
        return
    with pytest.warns(UserWarning, match=said):
        check_examples(examples, network, tokenizer)
    check_examples(examples, network, tokenizer, aloud=False)
    # Where the unknown token ends texts, too, it says nothing.
    tokenizer.eos_token = "<unk>"
    check_examples(examples, network, tokenizer)
