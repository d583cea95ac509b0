"""A real language model out of a wheel."""

import importlib.metadata
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay.errors import BackendError, MissingExtra
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE
from assay.models.smol import WHEEL, smol_folder
from assay.packing.engine import Engine
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response


def test_it_knows_the_capital_of_france(smol: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smol)
    model = AutoModelForCausalLM.from_pretrained(smol)
    assert model.dtype == torch.float32
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :])


def test_the_second_call_finds_it(smol: Path, smol_cache: Path) -> None:
    began = time.perf_counter()
    assert smol_folder(smol_cache) == smol
    assert time.perf_counter() - began < 2
    # Neither temporary folders nor anything else is left beside it.
    assert {path.name for path in smol_cache.iterdir()} - {f".{smol.name}.lock"} == {smol.name}


def test_the_cache_is_where_the_environment_says(
    smol: Path, smol_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(smol_cache))
    assert smol_folder() == smol


def test_it_becomes_a_reward_model_that_pads_with_another_token_than_its_end(smol: Path) -> None:
    model = checkpoint.create(smol, layout=Layout(), readout=PREFERENCE)
    tokenizer = AutoTokenizer.from_pretrained(smol)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 2
    assert model.pad_id == 0
    assert len(model.encoder.tokenizer) == 49152  # Nothing was added.


def test_sharing_a_prompt_changes_no_score_by_more_than_rounding(smol: Path) -> None:
    model = checkpoint.create(smol, layout=Layout(template="chat"), readout=PREFERENCE)
    assert model.eval().engine.path == "packed"
    question = Prompt.of(
        "A farmer has 12 sheep and buys 30 more. " * 8 + "How many sheep are there?"
    )
    steps = ("There were 12.\n", "He buys 30 more.\n", "12 + 30 = 42.\n", "So there are 42.")
    whole = (
        *tuple(Response(steps=steps[:n]) for n in range(1, 5)),
        Response.of("I do not know."),
        Response.of(""),
    )
    branches = tuple(Response(steps=steps[:n], finished=False) for n in range(1, 5))
    group = Group(prompt=question, responses=whole + branches)
    found = []
    for forced in (None, Engine("plain", "asked for", 0.0)):
        model.forced = forced
        found.append(
            [
                x
                for (some,) in [LocalScorer(model).logits([group])]
                for logits in some
                for x in logits
            ]
        )
    assert len(found[0]) == 1 + 2 + 3 + 4 + 1 + 1 + 1 + 2 + 3 + 4
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def fake_wheel(monkeypatch: pytest.MonkeyPatch, files: list[Any]) -> None:
    real = importlib.metadata.distribution
    fake = SimpleNamespace(files=files, version="9")
    monkeypatch.setattr(
        importlib.metadata, "distribution", lambda name: fake if name == WHEEL else real(name)
    )


def test_clear_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"damaged")
    digest = importlib.metadata.FileHash("sha256=AAAA")
    file = SimpleNamespace(suffix=".gguf", hash=digest, locate=lambda: gguf)
    pytest.importorskip("gguf")
    fake_wheel(monkeypatch, [file])
    with pytest.raises(BackendError, match="is not what its wheel recorded; reinstall it"):
        smol_folder(tmp_path / "cache")
    fake_wheel(monkeypatch, [])
    with pytest.raises(BackendError, match="holds no GGUF file"):
        smol_folder(tmp_path / "cache")

    def absent(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'assay\[smol\]'"):
        smol_folder(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"] == []
