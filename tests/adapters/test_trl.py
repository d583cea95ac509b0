"""GRPO and RLOO in TRL itself, of a tiny policy."""

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the package trl (1.16) is not installed")

import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM

from assay.adapters.trl import reward_function
from assay.types import Group, Score, Unscored
from tests import tiny_models


class Letters:
    """The share of ASCII letters; every other response cannot be scored."""

    fingerprint = "letters"

    def __init__(self) -> None:
        self.given: list[list[float | None]] = []

    def score(self, groups: list[Group]) -> list[list[Score | Unscored]]:
        self.given.append([])
        return [[self._one(i, one.text) for i, one in enumerate(g.responses)] for g in groups]

    def _one(self, i: int, text: str) -> Score | Unscored:
        share = sum(char.isascii() and char.isalpha() for char in text) / (len(text) or 1)
        self.given[-1].append(None if i % 2 else share)
        return Unscored(reason="odd") if i % 2 else Score(value=share)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_a_policy_is_trained_on_what_could_be_scored(kind: str, tmp_path: Path) -> None:
    tok = tiny_models.tokenizer("qwen3")
    # RLOO opens its reference anew, from the policy's place.
    home = tiny_models.save_causal(tmp_path / "policy", "qwen3", tok)
    letters = Letters()
    settings: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 16,
        "logging_steps": 1,
        "bf16": False,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
    }
    rows = [{"prompt": [{"role": "user", "content": f"{n}?"}], "answer": str(n)} for n in range(8)]
    trainer = getattr(trl, f"{kind}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(home),
        processing_class=tok,
        reward_funcs=reward_function(letters, reference="answer", ends=[tok.eos_token_id]),
        train_dataset=Dataset.from_list(rows),
        args=getattr(trl, f"{kind}Config")(**settings),
    )
    trainer.train()
    log = [row for row in trainer.state.log_history if "reward" in row]
    assert len(log) == len(letters.given) == 2
    for row, given in zip(log, letters.given, strict=True):
        known = [value for value in given if value is not None]
        assert (len(given), len(known)) == (8, 4)
        assert row["rewards/Letters/mean"] == pytest.approx(sum(known) / 4, abs=1e-6)
        assert row["unscored/Letters"] == 0.5
        assert math.isfinite(row["grad_norm"])
        assert row["grad_norm"] > 0
