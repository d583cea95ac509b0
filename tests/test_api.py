"""The public API: what `assay` exports, with which parameters, and the programs of the README."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import assay
from assay.data import io
from assay.protocols import Scorer
from assay.types import Group, Prompt, Response, Score, StepLabels
from tests.models import tiny
from tests.training import planted

ROOT = Path(__file__).resolve().parent.parent

TYPES = {
    *("Group", "Message", "Preference", "Prompt", "Ranking", "Response"),
    *("Score", "StepLabels", "Unscored", "Verdict"),
}
JOBS = {
    "benchmark": ("name scorer scores data save out micro_tokens dtype device overwrite settings"),
    "evaluate": (
        "data scorer out verifier format set_aside micro_tokens dtype device seed overwrite"
        " settings"
    ),
    "label": (
        "data policy out how verifier samples ledger cut_off guard truncate limit format set_aside"
        " overwrite settings sampling"
    ),
    "load_scorer": "scorer device dtype micro_tokens",
    "score": (
        "data scorer out texts format set_aside micro_tokens dtype device chunk overwrite settings"
    ),
    "sft": (
        "data policy out held_out format set_aside template join max_length dtype device threads"
        " resume overwrite settings training"
    ),
    "train": (
        "data backbone out loss held_out format set_aside implicit_beta head aggregate template"
        " max_length dtype device threads resume overwrite settings training"
    ),
    "verify": "data verifier out write limit format set_aside name overwrite settings",
}
"""Parameters of each job, in order."""
PACKAGES = ("rl", "search")


def test_these_names_are_public() -> None:
    assert set(assay.__all__) == TYPES | JOBS.keys() | {"__version__"}
    assert dir(assay) == sorted(assay.__all__)
    assert all(getattr(assay, name) is not None for name in assay.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", assay.__version__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = assay.trian  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", JOBS)
def test_jobs_keep_their_parameters(name: str) -> None:
    signature = inspect.signature(getattr(assay, name))
    assert list(signature.parameters) == JOBS[name].split()
    positional = [p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert 1 <= len(positional) <= 3


def test_importing_is_fast_and_needs_no_torch() -> None:
    code = (
        "import time; start = time.process_time(); import assay, sys;"
        " print(time.process_time() - start);"
        " print(sorted({'numpy', 'pydantic', 'torch', 'transformers'} & sys.modules.keys()))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = out.stdout.splitlines()
    assert float(seconds) < 0.1
    assert loaded == "[]"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_job_that_shares_its_name_with_a_package_is_both(name: str) -> None:
    for first in (f"import assay.{name}", f"from assay import {name}"):
        code = f"{first}\nimport assay, sys\nassert assay.{name} is sys.modules['assay.{name}']"
        subprocess.run([sys.executable, "-c", f"{code}\nassert callable(assay.{name})"], check=True)


@pytest.mark.parametrize("word", ["longest", "numeric", "mean:longest+shortest,standard=none"])
def test_a_loaded_scorer_scores_texts_as_it_scores_groups(word: str) -> None:
    scorer = assay.load_scorer(word)
    assert isinstance(scorer, Scorer)
    prompt = Prompt.of("How many?", reference="12")
    group = Group(prompt=prompt, responses=(Response.of("it is 12"), Response.of("13")))
    [expected] = scorer.score([group])
    assert scorer.score_texts("How many?", ["it is 12", "13"], reference="12") == expected
    assert scorer.score_texts(prompt, ["it is 12", "13"]) == expected
    assert scorer.score_texts(prompt, []) == []


# The programs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and the model that the README's programs name."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("api")
    lm = folder / "path" / "to" / "lm"
    tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(lm)
    tiny.tokenizer(chat_template=tiny.CHATML).save_pretrained(lm)
    io.write(planted.preferences(60), folder / "pairs.jsonl")
    problems = [Prompt.of(f"{i} + 1?", reference=str(i + 1)) for i in range(2)]
    io.write(problems, folder / "problems.jsonl")
    shutil.copy(ROOT / "tests" / "golden" / "processbench.jsonl", folder)
    return folder


def programs() -> dict[str, str]:
    """The README's programs, by the comment before each."""
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```python\nimport assay\n\n(.*?)```", text, re.DOTALL)
    parts = re.split(r"^# (.*)\n", block, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def run(program: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that a program leaves, run beside its files."""
    monkeypatch.chdir(made)
    names: dict[str, Any] = {"assay": assay}
    exec(program, names)
    return names


def named(word: str) -> str:
    """The program whose comment has the word."""
    (program,) = (code for title, code in programs().items() if word in title)
    return program


def test_every_program_is_at_most_four_lines() -> None:
    assert len(programs()) >= 3
    for title, program in programs().items():
        assert len(program.strip().splitlines()) <= 4, title


def test_train_on_a_file_and_score_two_answers(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(named("score two answers"), made, monkeypatch)
    assert all(isinstance(score, Score) for score in left["scores"])
    assert len(left["scores"]) == 2
    again = assay.load_scorer("runs/rm").score_texts("What is 12 * 3?", ["36", "38"])
    assert [round(s.value, 4) for s in again if isinstance(s, Score)] == [
        round(s.value, 4) for s in left["scores"]
    ]


def test_label_steps(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(named("abel the steps"), made, monkeypatch)
    assert left["labels"].to_json()["cost"]["rollouts"] > 0
    assert (made / "runs" / "labels" / "labels.jsonl").is_file()


def test_processbench_from_a_file_of_scores(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    rows = [
        {"id": record.prompt.id, "scores": [0.1 if y == 0 else 0.9 for y in record.labels]}
        for record in io.read("processbench.jsonl")
        if isinstance(record, StepLabels)
    ]
    Path("scores.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    left = run(named("ProcessBench"), made, monkeypatch)
    assert left["result"].metrics["gsm8k_f1"].value == 1
