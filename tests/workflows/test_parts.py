"""A reward model whose matrices lie in parts on two processes scores as one process does."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from assay import cli
from assay.errors import ConfigError
from assay.models import checkpoint, parts
from assay.models.layout import Layout
from assay.models.loading import load_network
from assay.models.readout import PREFERENCE
from tests.models import tiny
from tests.training.processes import ends, start


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved reward model whose four heads share two of keys, and pairs to score."""
    folder = tmp_path_factory.mktemp("parts")
    network = tiny.network(num_attention_heads=4, num_key_value_heads=2)
    model = checkpoint.wrap(network, tiny.tokenizer(), layout=Layout(), readout=PREFERENCE)
    checkpoint.save(model, folder / "rm")
    rows = (
        {"prompt": f"What is {i} + 2? " * (1 + i % 5), "chosen": str(i), "rejected": "It is late."}
        for i in range(300)
    )
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def call(made: Path, out: Path, *more: str, scorer: str = "") -> list[str]:
    word = scorer or str(made / "rm")
    given = [str(made / "pairs.jsonl"), "--scorer", word, "--out", str(out), "--device", "cpu"]
    return ["score", *given, *more]


def values(out: Path) -> list[float]:
    rows = (out / "scores.jsonl").read_text().splitlines()
    return [json.loads(row)["value"] for row in rows]


def test_a_killed_process_stops_the_other_and_the_run_goes_on(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(call(made, tmp_path / "one"))
    capsys.readouterr()
    out = tmp_path / "two"
    words = ["assay", *call(made, out, "--chunk", "1")]
    note = out / ".scores.jsonl.part.json"
    before = 0
    for victim in (1, 0):
        pair = start(2, [words], tmp_path)
        until = time.monotonic() + 60
        while not (note.is_file() and json.loads(note.read_text())["groups"] > before + 5):
            assert time.monotonic() < until
            assert all(p.is_alive() for p in pair), [Path(p.name).read_text() for p in pair]
            time.sleep(0.002)
        pair[victim].kill()
        code, said = ends(pair)[1 - victim]
        assert code == 2
        line = said.strip().splitlines()[-1]
        assert line.startswith("assay score: "), said
        assert "the same command again" in line
        assert not (out / "scores.jsonl").exists()
        before = json.loads(note.read_text())["groups"]
    assert all(code == 0 for code, _ in ends(start(2, [words], tmp_path)))
    assert values(out) == pytest.approx(values(tmp_path / "one"), abs=1e-5)
    assert len(values(out)) == 600


def test_what_is_no_reward_model_is_one_line(made: Path, tmp_path: Path) -> None:
    words = ["assay", *call(made, tmp_path / "out", scorer="longest")]
    (code, said), (other, nothing) = ends(start(2, [words], tmp_path))
    assert (code, other) == (2, 2)
    (line,) = [line for line in (said + nothing).splitlines() if "assay" in line]
    assert line.endswith("and this is a Longest; start it by itself")
    assert not (tmp_path / "out" / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("processes", "kind", "more", "line"),
    [
        (0, "llama", {}, "stands for several processes"),
        (2, "llama", {"weights": "nf4"}, "lie on one device; leave out torchrun"),
        (4, "llama", {}, "4 processes cannot share evenly"),
        (2, "gpt2", {}, "of type gpt2, which was not tried in parts"),
    ],
)
def test_what_does_not_lie_in_parts(
    made: Path,
    tmp_path: Path,
    processes: int,
    kind: str,
    more: dict[str, Any],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2Model

    folder = made / "rm"
    if kind == "gpt2":
        folder = tmp_path
        GPT2Model(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2)).save_pretrained(folder)
    monkeypatch.setattr(parts.dist, "is_initialized", lambda: processes > 0)
    monkeypatch.setattr(parts.dist, "get_world_size", lambda: processes)
    with pytest.raises(ConfigError, match=line):
        load_network(AutoModelForSequenceClassification, folder, device="parts", **more)
