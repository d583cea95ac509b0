"""Published layouts made ours, and refused where their scores are not the reference's."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay import cli
from assay.errors import BackendError, ConfigError
from assay.models import checkpoint, importing
from assay.models.importing import import_model, preset_of
from assay.models.presets import PRESETS
from assay.models.published import load_preset
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score
from tests.models import test_presets as published
from tests.models import tiny

GROUP = Group(
    prompt=Prompt.of(published.QUESTION),
    responses=(
        Response(steps=tuple(published.LINES)),
        Response.of("so it is"),
        Response(steps=("it is", "42.")),
    ),
)


def scores(model: object) -> list[float]:
    found = []
    for score in LocalScorer(model).score([GROUP])[0]:  # type: ignore[arg-type]
        assert isinstance(score, Score)
        found += [score.value, *score.steps]
    return found


@pytest.mark.owed
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_becomes_a_folder_of_ours(name: str, tmp_path: Path) -> None:
    folder = published.MAKE[name](tmp_path / "m")
    found = import_model(folder, tmp_path / "ours", preset=PRESETS[name])
    assert found.preset == name
    assert found.texts >= 13
    assert max(found.from_reference, found.from_saved) < 1e-4
    assert scores(checkpoint.load(tmp_path / "ours")) == pytest.approx(
        scores(load_preset(name, folder)), abs=1e-5
    )
    if name not in ("grm", "qwen2.5-math-prm"):
        # Their heads have two layers, which only this library reads.
        stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours")
        assert stock.config.num_labels == len(PRESETS[name].readout.weights)


@pytest.mark.parametrize("name", ["classifier", "value-head", "openrlhf"])
def test_an_imported_model_scores_in_plain_transformers(name: str, tmp_path: Path) -> None:
    import_model(
        published.MAKE[name](tmp_path / "m"), tmp_path / "ours", words={"template": "chat"}
    )
    ours = checkpoint.load(tmp_path / "ours")
    (sequence,) = ours.encoder.encode([(GROUP.prompt, GROUP.responses[1])])
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    with torch.inference_mode():
        expected = float(stock(torch.tensor([sequence.ids])).logits) + ours.readout.offset
    ((_, score, _),) = LocalScorer(ours).score([GROUP])
    assert isinstance(score, Score)
    assert score.value == pytest.approx(expected, abs=1e-5)


@pytest.mark.owed
@pytest.mark.parametrize("stem", ["reward_head", "my.own.head"])
def test_a_head_by_where_it_lies(stem: str, tmp_path: Path) -> None:
    head = {f"{stem}.weight": published.numbers(1, 16), f"{stem}.bias": published.numbers(1)}
    lm = tiny.causal("qwen2", tie_word_embeddings=False)
    folder = published.write(tmp_path / "m", lm, tiny.bpe(), head, architectures=["MyRewardNet"])
    with pytest.raises(ConfigError, match="MyRewardNet without a reward head that is known"):
        import_model(folder, tmp_path / "ours")
    import_model(
        folder, tmp_path / "ours", preset=preset_of(folder, head=stem), words={"template": "chat"}
    )
    expected = published.last_value(
        folder,
        lambda state: torch.nn.functional.linear(
            state, head[f"{stem}.weight"], head[f"{stem}.bias"]
        ),
    )
    group = Group(prompt=GROUP.prompt, responses=(Response.of(published.LINES[0]),))
    ((score,),) = LocalScorer(tmp_path / "ours").score([group])
    assert isinstance(score, Score)
    assert score.value == pytest.approx(expected, abs=1e-5)


@pytest.mark.owed
def test_other_tokens_and_tags(tmp_path: Path) -> None:
    """What Math-Shepherd does, with words of one's own, in a chat."""
    tok = tiny.bpe(extra=("<good>", "<bad>", "<step>"))
    folder = published.write(
        tmp_path / "m", tiny.causal("llama", tie_word_embeddings=False), tok, {}
    )
    preset = preset_of(folder, tokens=("<good>", "<bad>"), tag="<step>", aggregate="product")
    import_model(folder, tmp_path / "ours", preset=preset, words={"template": "chat"})
    chat = [
        {"role": "user", "content": published.QUESTION},
        {"role": "assistant", "content": "<step>".join([*published.LINES, ""])},
    ]
    ids = tok.apply_chat_template(chat, tokenize=True, return_dict=False)
    good, bad, mark = tok.convert_tokens_to_ids(["<good>", "<bad>", "<step>"])
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        logits = (
            AutoModelForCausalLM.from_pretrained(folder)
            .eval()(torch.tensor([ids]))
            .logits[0][:, [bad, good]]
        )
    expected = [
        float(row.softmax(-1)[1]) for row, token in zip(logits, ids, strict=True) if token == mark
    ]
    score = LocalScorer(tmp_path / "ours").score([GROUP])[0][0]
    assert isinstance(score, Score)
    assert list(score.steps) == pytest.approx(expected, abs=1e-5)
    assert score.value == pytest.approx(torch.tensor(expected).prod().item(), abs=1e-5)


@pytest.mark.owed
def test_a_difference_is_refused_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = published.value_head(tmp_path / "m")
    first = importing._Plain.logits

    def off(self: importing._Plain, prompt: Prompt, response: Response) -> list[float]:
        return [value + 0.01 for value in first(self, prompt, response)]

    monkeypatch.setattr(importing._Plain, "logits", off)
    with pytest.raises(
        BackendError, match=r"scores -?0\.\d+, and -?0\.\d+ by the reference in plain transformers"
    ):
        import_model(folder, tmp_path / "ours", words={"template": "chat"})
    assert not (tmp_path / "ours").exists()


def test_bf16_stays_bf16(tmp_path: Path) -> None:
    folder = published.value_head(tmp_path / "m")
    weights = {
        name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    import_model(folder, tmp_path / "ours", words={"template": "chat"})
    saved = load_file(tmp_path / "ours" / "model.safetensors")
    assert saved["model.embed_tokens.weight"].dtype == torch.bfloat16
    assert saved["score.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("make", "words", "says"),
    [
        (published.value_head, ["--preset", "x"], "no preset is called 'x'"),
        (published.value_head, ["--preset", "classifier"], "value-head.* reads that kind"),
        (published.value_head, ["--head", "nothing"], r"holds no nothing\.weight"),
        (
            published.stock_classifier,
            ["--head", "v_head"],
            r"holds no v_head\.weight; it holds score\.weight",
        ),
        (
            published.stock_classifier,
            ["--head", "value_mlp"],
            r"holds no value_mlp\.weight; it holds score\.weight",
        ),
        (published.value_head, ["--tag", "x"], "say where the head lies"),
        (
            published.value_head,
            ["--head", "v_head.summary", "--tokens", "+", "-"],
            "give one of them",
        ),
        (published.value_head, ["--preset", "value-head", "--tag", "x"], "leave out head"),
        (published.value_head, ["--layout", "colour=red"], "'colour' is no setting of a layout"),
        (published.rlhflow, [], "preset=value-head|preset=math-shepherd or preset=rlhflow-prm"),
        (
            published.rlhflow,
            ["--tokens", "right now", "wrong"],
            "choose a text that is a single token",
        ),
    ],
)
def test_what_cannot_be_imported_is_a_sentence(
    make: Callable[[Path], Path],
    words: list[str],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make(tmp_path / "m")
    with pytest.raises(SystemExit) as stop:
        cli.main(["models", "import", str(folder), *words, "--out", str(tmp_path / "ours")])
    assert stop.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.search(says, last), last
    assert not (tmp_path / "ours").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = published.value_head(tmp_path / "m")
    words = ["--layout", r"template=plain,join=\n\n"]
    cli.main(["models", "import", str(folder), *words, "--out", str(tmp_path / "ours")])
    assert "read as value-head" in capsys.readouterr().out
    model = checkpoint.load(tmp_path / "ours")
    assert (model.layout.template, model.layout.join) == ("plain", "\n\n")
    tok = AutoTokenizer.from_pretrained(folder)
    ids = tok(f"{published.QUESTION}\n\nYes").input_ids
    (sequence,) = model.encoder.encode([(GROUP.prompt, Response.of("Yes"))])
    assert list(sequence.ids)[-len(ids) - 1 :] == [*ids, tok.eos_token_id]
    with pytest.raises(SystemExit):
        cli.main(["models", "import", str(tmp_path / "ours"), "--out", str(tmp_path / "again")])
    assert "is one of ours already" in capsys.readouterr().err


@pytest.mark.owed
@pytest.mark.parametrize("groups", [2, 4])
def test_internlm2(groups: int, tmp_path: Path) -> None:
    """A tiny one in its authors' layout: fused queries, keys and values by group, a token that the
    score is read at."""
    tok = tiny.bpe(extra=("<|reward|>",), chat_template=tiny.CHATML)
    folder, width, vocab = tmp_path / "m", 4, len(tok)
    folder.mkdir()
    tok.save_pretrained(folder)
    config = {
        "model_type": "internlm2",
        "architectures": ["InternLM2ForRewardModel"],
        "vocab_size": vocab,
        "bias": False,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_act": "silu",
        "num_key_value_heads": groups,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000,
        "reward_token_id": tok.convert_tokens_to_ids("<|reward|>"),
        "bos_token_id": 0,
        "eos_token_id": 1,
        "auto_map": {"AutoModel": "modeling_internlm2.InternLM2ForRewardModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    draw = torch.Generator().manual_seed(0)
    shapes = {
        "model.tok_embeddings.weight": (vocab, 16),
        "v_head.weight": (1, 16),
        "model.norm.weight": (16,),
    }
    for at in ("model.layers.0.", "model.layers.1."):
        shapes |= {f"{at}attention_norm.weight": (16,), f"{at}ffn_norm.weight": (16,)}
        shapes |= {
            f"{at}attention.wqkv.weight": ((4 + 2 * groups) * width, 16),
            f"{at}attention.wo.weight": (16, 16),
        }
        shapes |= {
            f"{at}feed_forward.w{i}.weight": (16, 24) if i == 2 else (24, 16) for i in (1, 2, 3)
        }
    weights = {name: torch.randn(shape, generator=draw) / 3 for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ConfigError, match="is an InternLM2, whose code is not run here; `assay models import`"
    ):
        load_preset("classifier", folder)
    found = import_model(folder, tmp_path / "ours")
    assert found.preset == "internlm2-reward"
    assert max(found.from_reference, found.from_saved) < 1e-4
    model = checkpoint.load(tmp_path / "ours")
    (sequence,) = model.encoder.encode([(GROUP.prompt, GROUP.responses[1])])
    assert tok.decode(sequence.ids).endswith("so it is<|im_end|>\n<|reward|>")
    assert len({round(x, 2) for x in scores(model)}) > 3
