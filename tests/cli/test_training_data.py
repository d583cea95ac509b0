"""What training commands do with their data before the first step: hold out, count, set aside,
refuse."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from assay import cli
from assay.data import io
from assay.data.sides import Sides, sides
from assay.data.split import held_out, side
from assay.errors import ConfigError, DataError, RefusedRecords
from assay.losses.bradley_terry import BradleyTerry
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    Score,
    Unscored,
)
from assay.workflows import rl
from assay.workflows.sft import sides_shown
from assay.workflows.train import sides_for
from tests.models import tiny

pytestmark = pytest.mark.owed

NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{%"
    " endif %}{% if 'sum' in messages[0].content %}{{ 'a' + 1 }}{% endif %}" + tiny.CHATML
)
"""Refuses a system message as Gemma's does, and fails with a TypeError on a word."""
SMALL = [
    "--batch-size",
    "4",
    "--max-length",
    "64",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--template",
    "chat",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny causal language model whose template is choosy."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(folder)
    tiny.tokenizer(chat_template=NO_SYSTEM).save_pretrained(folder)
    return folder


def pair(
    i: int, *, system: bool = False, better: str = "yes", worse: str = "no", text: str = "q"
) -> Preference:
    messages = (Message(role="system", content="Be brief."),) * system
    prompt = Prompt(messages=(*messages, Message(role="user", content=f"{text} {i}")))
    return Preference(
        prompt=prompt, responses=(Response.of(better), Response.of(worse)), prefer=1.0
    )


def write(path: Path, records: Sequence[Record]) -> Path:
    io.write(records, path)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What the command says when it exits with 2."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    assert stop.value.code == 2
    return capsys.readouterr().err


def sides_of(name: str, data: Path, **more: Any) -> Sides[Any]:
    """What a training command learns from and holds out, without the training."""
    out = data.parent / "run"
    if name == "rl":
        aside = out / "set_aside.jsonl" if more.get("set_aside") else None
        how = {"seed": 0, "limit": None, "format": None, "aside": aside}
        return rl._sides(str(data), more.get("held_out"), **how)
    how: Any = {"seed": 0, "format": None, "aside": None}
    if name == "sft":
        return sides_shown(data, more.get("held_out"), **how)
    return sides_for(BradleyTerry(), data, more.get("held_out"), **how)


COMMANDS = ("train", "sft", "rl")


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("share", [None, 0.2])
def test_a_training_holds_out_of_a_split_what_it_would_of_any_file(
    name: str, share: float | None, tmp_path: Path
) -> None:
    rest = [p for p in map(pair, range(900)) if side(p, {"test": 0.3, "valid": 0.2}) == "train"]
    found = sides_of(name, write(tmp_path / "train.jsonl", rest), held_out=share)
    wanted = (0.1 if name == "rl" else 0.05) if share is None else share
    assert found.about["held_out_share"] == wanted
    assert len(found.train) + len(found.held) == len(rest)
    assert (
        abs(len(found.held) / len(rest) - wanted) < 4 * (wanted * (1 - wanted) / len(rest)) ** 0.5
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_share_that_comes_to_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [p for p in map(pair, range(40)) if not held_out(p, 0.1)]
    data = write(tmp_path / "data.jsonl", kept[:4])
    found = sides_of(name, data)
    assert (len(found.train), len(found.held)) == (
        4,
        0,
    ), "a default does not make small files useless"
    assert "none of its 4 prompts falls into the held-out share" in capsys.readouterr().err
    with pytest.raises(
        DataError, match=r"none of its 4 prompts .* larger share, a file of other prompts, or 0"
    ):
        sides_of(name, data, held_out=0.01)
    assert sides_of(name, data, held_out=0.0).held == []
    assert capsys.readouterr().err == ""
    with pytest.raises(DataError, match=r"holds out all of its 4 prompts"):
        sides_of(name, data, held_out=0.999999)
    for share in (-0.1, 1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="at least 0 and below 1"):
            sides_of(name, data, held_out=share)


def test_held_out_prompts_that_are_trained_on_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "data.jsonl", [pair(i) for i in range(6)])
    held = write(tmp_path / "held.jsonl", [pair(i) for i in range(4, 9)])
    found = sides_of("train", data, held_out=held)
    assert found.about["held_out_prompts_trained_on"] == 2
    assert "2 of 5 held-out prompts are trained on as well" in capsys.readouterr().err


def test_every_record_knows_its_line(tmp_path: Path) -> None:
    """The pairs of a ranking stand where the ranking does."""
    ranking = Ranking(
        prompt=Prompt.of("r"), responses=tuple(map(Response.of, "abc")), grades=(2, 1, 0)
    )
    data = write(tmp_path / "data.jsonl", [pair(0), ranking, pair(1)])
    found = sides_of("train", data, held_out=0.0)
    assert [found.places[id(record)].rpartition(":")[2] for record in found.train] == [
        "1",
        "2",
        "2",
        "2",
        "3",
    ]


def test_identical_pairs_are_counted_and_a_file_of_nothing_else_is_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = [pair(i, better="so", worse="so") for i in range(3)]
    command = ("train", "rm", "--backbone", model, *SMALL, "--held-out", "0")
    said = refused(
        capsys, *command, "--data", write(tmp_path / "same.jsonl", same), "--out", tmp_path / "a"
    )
    assert "no record is left to train on: of 3, 3 with identical responses (first" in said
    assert not (tmp_path / "a" / "metrics.jsonl").exists()
    data = write(tmp_path / "mixed.jsonl", [pair(7), *same, *map(pair, range(8, 12))])
    cli.main([str(word) for word in (*command, "--data", data, "--out", tmp_path / "b")])
    assert (
        f"3 of 8 training records are dropped: 3 with identical responses (first {data}:2)"
        in capsys.readouterr().err
    )
    summary = json.loads((tmp_path / "b" / "training.json").read_text())
    assert (summary["records"], summary["dropped"]) == (5, {"with identical responses": 3})
    # Of those held out, too, what is dropped is not measured.
    held = write(tmp_path / "held.jsonl", [pair(20), pair(21), *same])
    words = (*command[:4], *SMALL, "--held-out", held, "--data", data, "--out", tmp_path / "e")
    cli.main([str(word) for word in words])
    said = capsys.readouterr().out
    assert "held out (2 records, 3 dropped): loss" in said
    assert "note: 2 held-out records say little" in said
    assert "dropped: with identical responses" in (tmp_path / "b" / "report.html").read_text()
    ties = [record.model_copy(update={"prefer": 0.5}) for record in same]
    said = refused(
        capsys, *command, "--data", write(tmp_path / "ties.jsonl", ties), "--out", tmp_path / "c"
    )
    assert "of 3, 3 are ties of identical responses, which teach nothing" in said
    with pytest.raises(DataError, match="3 with identical responses"):
        sides_of("sft", tmp_path / "same.jsonl", held_out=0.0)


BAD = [pair(0), pair(1, system=True), pair(2), pair(3, text="sum"), pair(4), pair(5)]


@pytest.mark.parametrize("name", ["train", "sft"])
def test_records_that_the_template_refuses_name_their_lines_and_can_be_set_aside(
    name: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write(tmp_path / "data.jsonl", BAD), tmp_path / "run"
    held = write(tmp_path / "held.jsonl", [pair(8, system=True), pair(9)])
    words = ("train", "rm", "--backbone") if name == "train" else ("sft", "--policy")
    command = (*words, model, "--data", data, "--held-out", held, *SMALL, "--out", out)
    said = refused(capsys, *command)
    assert (
        "3 records cannot be laid out for the model; repair, or set aside with --set-aside" in said
    )
    assert f"{data}:2: the chat template refuses a conversation of system, user, assistant" in said
    assert (
        f"{data}:4: the chat template refuses a conversation of user, assistant: can only"
        " concatenate str" in said
    )
    assert not (out / "metrics.jsonl").exists(), "before the first step"
    cli.main([str(word) for word in (*command, "--set-aside")])
    err = capsys.readouterr().err
    assert (
        f"{data}: 2 rows cannot be laid out for the model, set aside in {out / 'set_aside.jsonl'}"
        in err
    )
    aside = [json.loads(line) for line in (out / "set_aside.jsonl").read_text().splitlines()]
    assert [row["where"] for row in aside] == [f"{data}:2", f"{data}:4"]
    assert json.loads(aside[0]["raw"]) == json.loads(data.read_text().splitlines()[1])
    assert len((out / "set_aside_held_out.jsonl").read_text().splitlines()) == 1
    summary = json.loads((out / ("training.json" if name == "train" else "sft.json")).read_text())
    assert (summary["records"], summary["set_aside"]) == (4, 3)
    assert "set aside" in (out / "report.html").read_text()


def test_prompts_of_rl_too(model: Path, tmp_path: Path) -> None:
    from assay.models.layout import Layout
    from assay.models.policy import policy_encoder
    from assay.training.parallel import ALONE

    class Policy:
        world = ALONE

        class generator:
            encoder = policy_encoder(
                tiny.tokenizer(chat_template=NO_SYSTEM), Layout(template="chat")
            )

    data = write(tmp_path / "data.jsonl", BAD)
    found = sides_of("rl", data, held_out=0.0, set_aside=True)
    left = rl._laid_out(found, Policy)  # type: ignore[arg-type]
    assert (len(left.train), left.about["set_aside"]) == (4, 2)
    with pytest.raises(RefusedRecords) as refusal:
        rl._laid_out(sides_of("rl", data, held_out=0.0), Policy)  # type: ignore[arg-type]
    assert list(refusal.value.why) == [f"{data}:2", f"{data}:4"]


def test_sft_refuses_prompts_before_it_opens_a_policy(tmp_path: Path) -> None:
    data = write(tmp_path / "prompts.jsonl", [Prompt.of(f"q {i}", reference="1") for i in range(5)])
    with pytest.raises(DataError, match=r"its 5 records are prompts without a response"):
        sides_of("sft", data, held_out=0.0)
    data = write(tmp_path / "empty.jsonl", [Group(prompt=Prompt.of("q"), responses=())])
    with pytest.raises(
        DataError, match=r"no good response is left to learn: 0 responses of 0 records, out of 1"
    ):
        sides_of("sft", data, held_out=0.0)


def test_malformed_rows_are_counted_with_the_others(tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", BAD)
    data.write_text(data.read_text() + "{\n")
    aside = tmp_path / "run" / "set_aside.jsonl"
    held = write(tmp_path / "held.jsonl", [pair(8)])
    watched = sides(str(data), held, iter, default=0.05, seed=0, format=None, aside=aside)
    with pytest.raises(DataError, match="no held-out record is left, all 1 are set aside"):
        watched.without(RefusedRecords({f"{held}:1": "no system"}))
    found = sides(str(data), 0.0, iter, default=0.05, seed=0, format=None, aside=aside)
    left = found.without(RefusedRecords({f"{data}:2": "no system"}))
    assert left.about["set_aside"] == 2
    assert len(aside.read_text().splitlines()) == 2


def test_a_scorer_leaves_what_the_template_refuses_unscored() -> None:
    """One bad record does not take the others' scores down."""
    from assay.models.checkpoint import wrap
    from assay.models.layout import Layout
    from assay.models.readout import PREFERENCE
    from assay.scorers.local import LocalScorer

    network, tokenizer = tiny.network(), tiny.tokenizer(chat_template=NO_SYSTEM)
    model = wrap(network, tokenizer, layout=Layout(template="chat"), readout=PREFERENCE)
    scores = LocalScorer(model).score(BAD)
    assert [{type(score).__name__ for score in row} for row in scores] == [
        {"Score"},
        {"Unscored"},
        {"Score"},
        {"Unscored"},
        {"Score"},
        {"Score"},
    ]
    assert isinstance(scores[1][0], Unscored)
    assert "System role not supported" in scores[1][0].reason
    good = [pair for i, pair in enumerate(BAD) if i not in (1, 3)]
    alone = [
        score.value
        for row in LocalScorer(model).score(good)
        for score in row
        if isinstance(score, Score)
    ]
    together = [score.value for row in scores for score in row if isinstance(score, Score)]
    assert together == pytest.approx(alone, abs=1e-6)
