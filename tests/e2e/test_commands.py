"""Every command as a user runs it, from raw rows to a report, each in its own process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests import forked
from tests.models import tiny
from tests.training import planted

SMALL = [
    "--learning-rate",
    "5e-3",
    "--batch-size",
    "16",
    "--max-length",
    "64",
    "--threads",
    "1",
    "--device",
    "cpu",
]


def assay(*arguments: object, code: int = 0, fresh: bool = False) -> str:
    """Run a command; its output, after checking its exit status. fresh: in a new interpreter."""
    command = ["-m", "assay.cli", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    if fresh:
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, env=environment, check=False
        )
    else:
        done = forked.run(command, environment)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw TRL-like pairs, split, and a reward model trained on them."""
    home = tmp_path_factory.mktemp("e2e")
    tiny.network(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(
        home / "backbone"
    )
    tiny.tokenizer().save_pretrained(home / "backbone")
    with (home / "pairs.jsonl").open("w") as file:
        for record in planted.preferences(400):
            chosen, rejected = record.responses if record.prefer == 1 else record.responses[::-1]
            row = {"prompt": record.prompt.text, "chosen": chosen.text, "rejected": rejected.text}
            file.write(json.dumps(row) + "\n")
    assay(
        "data", "split", home / "pairs.jsonl", "--out", home / "split", "--test", "0.2", fresh=True
    )
    files = [
        "--data",
        home / "split" / "train.jsonl",
        "--backbone",
        home / "backbone",
        "--out",
        home / "rm",
    ]
    assay("train", "bradley-terry", *files, *SMALL, fresh=True)
    return home


def test_a_split_shares_no_prompt(folder: Path) -> None:
    sides = [_prompts(folder / "split" / f"{name}.jsonl") for name in ("train", "test")]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_check_finds_the_files_clean_and_writes_what_it_found(folder: Path) -> None:
    split = folder / "split"
    out = assay(
        "data",
        "check",
        split / "train.jsonl",
        "--against",
        split / "test.jsonl",
        "--json",
        folder / "c.json",
    )
    assert "longer wins" in out
    assert (folder / "c.json").is_file()


def test_a_damaged_file_is_one_line_and_exit_2(folder: Path) -> None:
    damaged = folder / "damaged.jsonl"
    damaged.write_text((folder / "pairs.jsonl").read_text()[:-20])
    out = assay("data", "check", damaged, code=2)
    assert [line for line in out.splitlines() if "damaged.jsonl:" in line] == out.splitlines()[1:]
    assert out.splitlines()[1].strip().startswith(f"{damaged}:400: cut short")


def test_eval_measures_what_was_planted(folder: Path) -> None:
    out = assay("eval", folder / "rm", folder / "split" / "test.jsonl", "--out", folder / "eval")
    body = json.loads((folder / "eval" / "eval.json").read_text())
    accuracy = body["metrics"]["accuracy"]
    assert accuracy["low"] > 0.8
    assert accuracy["n"] > 20
    assert "accuracy" in out
    assert (folder / "eval" / "report.html").read_text().startswith("<!doctype html>")
    assert "<svg" in (folder / "rm" / "report.html").read_text()


def test_a_trained_model_scores_the_same_in_plain_transformers(folder: Path) -> None:
    data = folder / "split" / "test.jsonl"
    assay("score", folder / "rm", data, "--out", folder / "scores.jsonl")
    ours = [row["value"] for row in _rows(folder / "scores.jsonl")]
    tokenizer = AutoTokenizer.from_pretrained(folder / "rm")
    stock = AutoModelForSequenceClassification.from_pretrained(folder / "rm")
    texts = [
        f"{tokenizer.bos_token}{row['prompt']}\n{row[side]}{tokenizer.eos_token}"
        for row in map(_plain, _rows(data))
        for side in ("chosen", "rejected")
    ]
    with torch.inference_mode():
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        theirs = stock(**batch).logits[:, 0].tolist()
    assert theirs == pytest.approx(ours, abs=1e-4)


def test_bestof_draws_curves_beside_baselines(folder: Path) -> None:
    pool = folder / "pool.jsonl"
    with pool.open("w") as file:
        for i in range(12):
            steps = [{"steps": [text]} for text in ("good good", "bad", "good", "bad bad")]
            row = {
                "type": "ranking",
                "prompt": {"messages": [{"role": "user", "content": f"q{i}"}]},
            }
            file.write(json.dumps({**row, "responses": steps, "grades": [1, 0, 1, 0]}) + "\n")
    assay(
        "bestof",
        pool,
        "--scorer",
        folder / "rm",
        "--transform",
        "sigmoid",
        "--out",
        folder / "bestof",
    )
    curves = json.loads((folder / "bestof" / "bestof.json").read_text())["curves"]
    assert {
        "best-of-n",
        "weighted majority",
        "majority",
        "random",
        "shortest",
        "longest",
        "oracle",
    } <= curves.keys()
    assert [point["n"] for point in curves["oracle"]] == [1, 2, 4]
    assert (folder / "bestof" / "report.html").is_file()


def test_a_model_says_what_it_is(folder: Path) -> None:
    assert "last token" in assay("models", "show", folder / "rm")
    assert "math-shepherd" in assay("models", "list")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _prompts(path: Path) -> set[str]:
    return {_plain(row)["prompt"] for row in _rows(path)}


def _plain(row: dict[str, Any]) -> dict[str, str]:
    """A row of the split's format as prompt, chosen and rejected."""
    if "chosen" in row:
        return row
    first, second = ("".join(r["steps"]) for r in row["responses"])
    chosen, rejected = (first, second) if row["prefer"] == 1 else (second, first)
    return {
        "prompt": row["prompt"]["messages"][0]["content"],
        "chosen": chosen,
        "rejected": rejected,
    }
