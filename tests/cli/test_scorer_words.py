"""Every command that takes a scorer takes a stock classifier, a published model's name, and a
layout behind it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay import cli
from assay.data import io
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.opening import open_model, split_words
from assay.models.published import load_preset
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.local import LocalScorer
from assay.specs.rewards import named, part
from assay.specs.scorers import scorer
from assay.types import Group, Prompt, Response, Score
from tests import tiny_models

QUESTION, ANSWERS = "What is 2+2?", (" It is 4.", "5\n", "<think>\nHm.\n</think>\n\n4")
GROUP = Group(prompt=Prompt.of(QUESTION), responses=tuple(map(Response.of, ANSWERS)))


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_classifier(
        tmp_path_factory.mktemp("stock") / "rm", "qwen3", initializer_range=0.1
    )


def of_stock(folder: Path, *, chat: bool, join: str = "") -> list[float]:
    """The stock classifier's scores of what TRL's RewardTrainer would have written."""
    tok, network = (
        a.from_pretrained(folder) for a in (AutoTokenizer, AutoModelForSequenceClassification)
    )
    found = []
    for answer in ANSWERS:
        turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]
        text = tok.apply_chat_template(turns, tokenize=False) if chat else QUESTION + join + answer
        ids = tok(text, add_special_tokens=not chat)["input_ids"] + (
            [] if chat else [tok.eos_token_id]
        )
        with torch.inference_mode():
            found.append(float(network.eval()(torch.tensor([ids])).logits))
    return found


def scores(of: Any) -> list[float]:
    found = []
    for score in of.score([GROUP])[0]:
        assert isinstance(score, Score)
        found.append(score.value)
    return found


@pytest.mark.owed
@pytest.mark.parametrize(
    ("settings", "chat", "join"),
    [
        ("", True, ""),
        (",template=chat", True, ""),
        (",template=plain", False, ""),
        (r",template=plain,join=\n", False, "\n"),
    ],
)
def test_a_word_gives_the_stock_classifiers_scores(
    stock: Path, settings: str, chat: bool, join: str
) -> None:
    expected = of_stock(stock, chat=chat, join=join)
    assert scores(scorer(f"{stock}{settings}")) == pytest.approx(expected, abs=1e-5)
    assert scores(part(f"{stock}{settings},weight=2,centre").scorer) == pytest.approx(
        expected, abs=1e-5
    )
    assert scores(named([f"gold={stock}{settings}"])["gold"]) == pytest.approx(expected, abs=1e-5)
    assert [*named([f"{stock}{settings}"])] == ["rm"]


@pytest.mark.owed
def test_what_a_folder_does_not_say_is_said(
    stock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scorer(str(stock))
    said = capsys.readouterr().err
    assert "is read as a model of chats" in said
    assert "say template=plain" in said
    scorer(f"{stock},template=chat")
    load_preset("skywork-reward-v2", stock, layout={"template": "plain"})
    assert not capsys.readouterr().err
    load_preset("skywork-reward-v2", stock)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.owed
def test_every_command_takes_it(
    stock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"prompt": QUESTION, "chosen": ANSWERS[0], "rejected": f"{i}"} for i in range(4)]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "scores.jsonl"
    cli.main(["score", f"{stock},template=plain", str(pairs), "--out", str(out)])
    first = json.loads(out.read_text().splitlines()[0])["value"]
    assert first == pytest.approx(of_stock(stock, chat=False)[0], abs=1e-5)
    cli.main(["eval", f"{stock},template=plain", str(pairs), "--out", str(tmp_path / "eval")])
    cli.main(["eval", "longest", str(pairs)])
    assert "accuracy" in capsys.readouterr().out
    pool = tmp_path / "pool.jsonl"
    responses = tuple(Response.of(text) for text in ("4", "5", "it is 4"))
    io.write([Group(prompt=Prompt.of(QUESTION, reference="4"), responses=responses)], pool)
    cli.main(
        [
            "bestof",
            str(pool),
            "--scorer",
            f"{stock},template=plain",
            "--out",
            str(tmp_path / "best"),
        ]
    )


@pytest.mark.owed
@pytest.mark.parametrize("command", ["score", "eval"])
@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("skywork-reward-v2", "none of skywork-reward-v2's checkpoints was downloaded"),
        (
            "Skywork/Skywork-Reward-V2-Qwen3-0.6B",
            "no model of that name was downloaded to this machine; where it is a name of the hub",
        ),
        ("armorm", "armorm cannot be loaded: its score mixes 19 objectives"),
        ("classifier", "give FOLDER,preset=classifier"),
        (
            "nobody",
            "nobody is no folder of a reward model, and no scorer has that name; there is math",
        ),
    ],
)
def test_what_is_not_there_is_one_sentence(
    command: str,
    word: str,
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "x.jsonl").write_text(
        json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}) + "\n"
    )
    data, out = str(tmp_path / "x.jsonl"), str(tmp_path / "out")
    with pytest.raises(SystemExit) as stop:
        cli.main([command, data, "--scorer", word, "--out", out])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("template=prose", "template=prose: there is chat, plain, turns"),
        ("bos=perhaps", "bos=perhaps: give yes or no"),
        ("max_length=-1", "give a whole number above 0"),
        ("colour=red", "'colour' is no key; there is preset, calibration, template, join"),
        ("template", "'template' is no setting; write key=value"),
        ("preset=x", "no preset is called 'x'"),
        ("preset=trl-prm", "classifier reads that kind"),
    ],
)
def test_settings_that_do_not_fit(stock: Path, settings: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        scorer(f"{stock},{settings}")


def test_settings_of_what_has_none(stock: Path) -> None:
    own = stock.parent / "own"
    checkpoint.save(open_model(str(stock), {"template": "plain"}), own)
    assert scores(scorer(str(own))) == pytest.approx(of_stock(stock, chat=False), abs=1e-5)
    with pytest.raises(ConfigError, match="says itself how its texts are laid out"):
        scorer(f"{own},template=chat")
    with pytest.raises(ConfigError, match="is of a model's texts"):
        scorer("tests.cli.rewards:length,template=chat")


def test_words_with_commas(tmp_path: Path, stock: Path) -> None:
    odd = tmp_path / "a,b=c"
    odd.symlink_to(stock)
    assert split_words(str(odd)) == (str(odd), {})
    assert split_words(r"x,join=a\,b,bos=no") == ("x", {"join": "a,b", "bos": "no"})
    found = scorer(str(odd))
    assert isinstance(found, LocalScorer)
    assert [*named([str(odd)])] == ["a,b=c"]
    # The settings are those of every member.
    checkpoint.save(open_model(str(stock)), stock.parent / "member")
    with pytest.raises(ConfigError, match="says itself how its texts are laid out"):
        scorer(f"worst:{stock}+{stock.parent / 'member'},template=plain")


def test_members_that_carry_no_standard_are_put_together_as_they_are(stock: Path) -> None:
    with pytest.raises(ConfigError, match="on the command line, standard=none behind the members"):
        scorer(f"mean:{stock}+{stock},template=chat")
    together = scorer(f"worst:{stock}+{stock},template=chat,standard=none")
    assert scores(together) == pytest.approx(of_stock(stock, chat=True), abs=1e-5)
    rules = part("mean:longest+shortest,standard=none").scorer
    assert isinstance(rules, Ensemble)
    assert rules.standards == Standards.none(2)
