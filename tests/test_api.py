"""The public API: what `assay` exports, with which parameters, and the programs of the README."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
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
    "annotate": (
        "pool out store kind questions rubric mode split gold gold_share per_item choose scorers"
        " rollouts judge gate show_evidence show_reference annotators title instructions limit"
        " format set_aside device dtype weights micro_tokens seed"
    ),
    "arena": (
        "players data judges gold people out budget design until baseline style checkpoints"
        " max_tokens temperature limit ledger repeats prices format set_aside micro_tokens dtype"
        " weights device seed chunk overwrite settings"
    ),
    "audit": (
        "reward data out prompts probes hacks gold transfer ledger format set_aside micro_tokens"
        " dtype weights device seed overwrite settings"
    ),
    "benchmark": (
        "name scorer scores data save out micro_tokens dtype weights device executor overwrite"
        " settings"
    ),
    "best_of_n": (
        "pool scorer scores gold largest transform replay gate format device dtype weights"
        " micro_tokens"
        " seed out overwrite settings"
    ),
    "compare": (
        "strategies prompts ns generator scorer verifier replay aggregate lower_bound sampling step"
        " budget gate limit together format device dtype weights micro_tokens seed out overwrite"
        " settings"
    ),
    "evaluate": (
        "data scorer scores probabilities out verifier format set_aside micro_tokens dtype"
        " weights device"
        " seed overwrite settings"
    ),
    "judge": (
        "data judge how out ledger repeats prices limit format set_aside micro_tokens dtype"
        " weights device"
        " seed"
        " chunk executor overwrite settings"
    ),
    "label": (
        "data policy out how verifier samples ledger cut_off guard truncate limit format set_aside"
        " executor overwrite settings sampling"
    ),
    "load_scorer": "scorer device dtype weights micro_tokens",
    "overoptimization": (
        "pool proxy gold proxy_column gold_column proxy_scores gold_scores ensemble size epsilon"
        " missing_gold gate format limit device dtype weights micro_tokens seed out overwrite"
        " settings"
    ),
    "rl": (
        "prompts policy reward out gold recipe held_out prime prime_learning_rate environment turns"
        " lora gate format set_aside limit template join split setting max_length dtype device"
        " threads track resume overwrite settings changes"
    ),
    "score": (
        "data scorer out texts format set_aside micro_tokens dtype weights device"
        " chunk executor overwrite settings"
    ),
    "search": (
        "strategy prompts generator scorer verifier replay aggregate lower_bound sampling step"
        " budget gate limit together format device dtype weights micro_tokens seed out overwrite"
        " settings"
        " options"
    ),
    "sft": (
        "data policy out held_out format set_aside template join max_length dtype device threads"
        " track resume overwrite settings training"
    ),
    "train": (
        "data backbone out loss held_out format set_aside implicit_beta head aggregate template"
        " max_length dtype device threads track resume overwrite settings training"
    ),
    "verify": "data verifier out write limit format set_aside name executor overwrite settings",
}
"""Parameters of each job, in order."""
PACKAGES = ("annotate", "arena", "audit", "rl", "search")


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
    assert scorer.score_texts("How many?", [["it is", " 12"], "13"], reference="12") == expected


# The programs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and models that the README's programs name."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("api")
    lm = folder / "path" / "to" / "lm"
    tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(lm)
    tiny.tokenizer(chat_template=tiny.CHATML).save_pretrained(lm)
    io.write(planted.preferences(60), folder / "pairs.jsonl")
    problems = [Prompt.of(f"{i} + 1?", reference=str(i + 1)) for i in range(4)]
    io.write(problems, folder / "problems.jsonl")
    pool = [
        Group(prompt=prompt, responses=tuple(map(Response.of, (str(i + 1), "7", f"{i}"))))
        for i, prompt in enumerate(problems)
    ]
    io.write(pool, folder / "pool.jsonl")
    shutil.copy(ROOT / "tests" / "golden" / "processbench.jsonl", folder)
    rows = [
        {"id": record.prompt.id, "scores": [0.1 if y == 0 else 0.9 for y in record.labels]}
        for record in io.read(str(folder / "processbench.jsonl"))
        if isinstance(record, StepLabels)
    ]
    (folder / "scores.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    proxy = np.random.default_rng(0).normal(size=(20, 32))
    np.save(folder / "proxy.npy", proxy)
    np.save(folder / "gold.npy", proxy - 0.4 * proxy**2)
    with pytest.MonkeyPatch.context() as patch:
        run(named("score two answers"), folder, patch)
    return folder


def programs() -> dict[str, str]:
    """The README's programs, by the comment before each."""
    text = (ROOT / "README.md").read_text()
    start = "```python\nimport assay\nimport numpy as np\n\n"
    block = text.partition(start)[2].partition("```")[0]
    parts = re.split(r"^# (.*)\n", block, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def run(program: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that a program leaves, run beside its files."""
    monkeypatch.chdir(made)
    names: dict[str, Any] = {"assay": assay, "np": np}
    exec(program, names)
    return names


def named(word: str) -> str:
    """The program whose comment has the word."""
    (program,) = (code for title, code in programs().items() if word in title)
    return program


def test_there_are_six_programs_of_at_most_four_lines() -> None:
    assert len(programs()) == 6
    for title, program in programs().items():
        assert sum(bool(line.strip()) for line in program.splitlines()) <= 4, title


def test_train_on_a_file_and_score_two_answers(made: Path) -> None:
    scores = assay.load_scorer(str(made / "runs" / "rm")).score_texts("12 * 3?", ["36", "38"])
    assert len(scores) == 2
    assert all(isinstance(score, Score) for score in scores)


def test_best_of_n_with_a_page(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(named("best-of-n"), made, monkeypatch)
    assert "best-of-n" in left["curves"].curves
    assert (made / "runs" / "best" / "report.html").is_file()


def test_label_steps(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = named("Label the steps").replace("out=", "max_tokens=4, samples=1, out=")
    left = run(program, made, monkeypatch)
    assert left["labels"].to_json()["cost"]["rollouts"] > 0
    assert (made / "runs" / "labels" / "labels.jsonl").is_file()


def test_processbench_from_a_file_of_scores(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(named("ProcessBench"), made, monkeypatch)
    assert left["result"].metrics["gsm8k_f1"].value == 1


def test_an_overoptimization_curve_from_arrays(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = run(named("over-optimization"), made, monkeypatch)
    assert left["found"].verdict.startswith("Choose the best of")


def test_a_custom_reward_in_rl(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = "steps=1, groups=2, samples=2, max_tokens=3, held_out=0.0, threads=1"
    program = named("reward of your own").replace("steps=200", small)
    assert run(program, made, monkeypatch)["trained"].steps == 1
