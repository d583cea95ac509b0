"""`assay sft` from a file to a policy that samples what it was shown."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from assay import cli
from assay.cli.sft import Command
from assay.data import io
from assay.protocols import Prefix, Sampling
from assay.runs.settings import read_run
from assay.specs.generators import Policy
from assay.types import Prompt, Ranking, Response
from tests.models import tiny
from tests.training import planted

SMALL = [
    "--learning-rate",
    "1e-2",
    "--batch-size",
    "4",
    "--max-length",
    "64",
    "--threads",
    "1",
    "--device",
    "cpu",
]
ANSWERS = {f"Say {word}.": word for word in ("red", "green", "blue", "black")}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny causal language model, and pools of which one response is right."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("start")
    tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(folder / "lm")
    tiny.tokenizer().save_pretrained(folder / "lm")
    pools = [
        Ranking(prompt=Prompt.of(q), responses=(Response.of("no"), Response.of(a)), grades=(0, 1))
        for q, a in ANSWERS.items()
    ]
    wrong = Ranking(prompt=Prompt.of("Say no."), responses=(Response.of("yes"),), grades=(0,))
    io.write([*pools, wrong], folder / "pools.jsonl")
    return folder


def assay(*arguments: object) -> None:
    cli.main([str(a) for a in arguments])


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_the_policy_learns_and_the_same_command_again_loads_it(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sft"
    command = [
        "sft",
        "--data",
        start / "pools.jsonl",
        "--policy",
        start / "lm",
        "--out",
        out,
        "--held-out",
        "0",
        *SMALL,
    ]
    command += ["--epochs", "60"]
    assay(*command)
    said = capsys.readouterr().out
    assert "60 steps on 4 responses of 4 records, out of 5" in said
    assert "passed over: 1 records without a grade above 0" in said
    assert "wrote" in said
    assert "Fine-tuning of sft" in (out / "report.html").read_text()
    summary = json.loads((out / "sft.json").read_text())
    assert (summary["records"], summary["responses"], summary["steps"]) == (4, 4, 60)
    found = read_run(out, Command)
    assert (found.policy, found.template, found.settings.epochs) == (str(start / "lm"), "chat", 60)
    generator, _ = Policy(policy=str(out), device="cpu").open()
    prefixes = [Prefix(prompt=Prompt.of(question)) for question in ANSWERS]
    answers = generator.generate(prefixes, Sampling(n=1, max_tokens=16, temperature=0))
    assert [response.text for (response,) in answers] == [*ANSWERS.values()]
    stamp = (out / "model.safetensors").stat().st_mtime_ns
    before = (out / "run.json").read_bytes()
    assay(*command)
    assert (out / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(SystemExit) as stop:
        assay(*command, "--seed", "1")
    assert stop.value.code == 2
    assert "finished run of sft that differs in settings.seed" in capsys.readouterr().err
    assert json.loads((out / "run.json").read_text())["settings"] == json.loads(before)["settings"]


def test_held_out_prompts_are_measured(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(planted.preferences(60), tmp_path / "pairs.jsonl")
    io.write(planted.preferences(10, seed=1), tmp_path / "held.jsonl")
    command = [
        "sft",
        "--data",
        tmp_path / "pairs.jsonl",
        "--policy",
        start / "lm",
        *SMALL,
        "--template",
        "plain",
    ]
    for held, name in ((tmp_path / "held.jsonl", "file"), ("0.2", "share")):
        assay(*command, "--held-out", held, "--out", tmp_path / name)
        assert "nats per token, perplexity" in capsys.readouterr().out
    (first, *_), shared = rows(tmp_path / "file"), rows(tmp_path / "share")
    assert (first["responses"], first["held_out_responses"]) == (60, 10)
    assert shared[0]["responses"] + shared[0]["held_out_responses"] == 60
    assert any("eval_perplexity" in row for row in shared)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--policy", "http://localhost:8000/v1"], "is a server, whose weights cannot be trained"),
        (["--join", "x"], "join stands between prompt and response of the plain template"),
        (["--max-length", "4"], "no good response is left to learn: 4 responses of 4 records"),
        (["--out", "POLICY"], "would be replaced; give another folder"),
        (["--policy", "nowhere/at/all"], "neither a folder nor"),
    ],
)
def test_what_cannot_work_says_so(
    changes: list[str], said: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "sft",
        "--data",
        start / "pools.jsonl",
        "--policy",
        start / "lm",
        "--out",
        tmp_path / "sft",
        *SMALL,
    ]
    with pytest.raises(SystemExit) as stop:
        assay(
            *command,
            "--held-out",
            "0",
            *(str(start / "lm") if x == "POLICY" else x for x in changes),
        )
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "sft" / "config.json").exists()
