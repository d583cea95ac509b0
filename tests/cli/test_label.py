import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.cli.policy import Policy
from assay.data import io
from assay.errors import ConfigError
from assay.protocols import Generator
from assay.types import Prompt, Ranking, Record, RolloutLabels, StepLabels
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.labelling.planted import Coin, first_error, solution

VERIFIER = ["--verifier", "tests.labelling.planted:LastWord"]


def value(steps: tuple[str, ...]) -> float:
    return 0.0 if first_error(steps) else 1.0


@pytest.fixture
def coin(monkeypatch: pytest.MonkeyPatch) -> Coin:
    """A planted policy in place of any other."""
    made = Coin(value)

    def opened(self: Policy) -> tuple[Generator, str]:
        return made, "coin"

    monkeypatch.setattr(Policy, "open", opened)
    return made


def write(path: Path, *records: Record) -> Path:
    io.write(records, path)
    return path


def solutions(tmp_path: Path) -> Path:
    records = []
    for i, (marks, answer) in enumerate([("++-", "1"), ("---", "1"), ("+++", "11")]):
        prompt, response = solution(marks, answer=answer, prompt=Prompt.of(f"How many {i}?", reference="11"))
        records.append(Ranking(prompt=prompt, responses=(response,), grades=(float(answer == "11"),)))
    return write(tmp_path / "pool.jsonl", *records)


def label(*arguments: object) -> None:
    main(["label", *map(str, arguments), "--policy", "planted", *VERIFIER])


def labels(out: Path) -> list[tuple[float | None, ...]]:
    records = list(io.read(out / "labels.jsonl"))
    assert all(isinstance(record, RolloutLabels) for record in records)
    return [record.labels for record in records if isinstance(record, RolloutLabels)]


TRUTH = [(1, 1, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1)]


@pytest.mark.parametrize("how", ["montecarlo", "binary-search", "adaptive"])
def test_solutions_are_labelled_reported_and_resumed(
    how: str, coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    label(how, solutions(tmp_path), "--out", out)
    assert labels(out) == TRUTH
    assert "rollouts known before: 0" in capsys.readouterr().out
    run = json.loads((out / "run.json").read_text())
    assert run["cost"]["rollouts"] > 0
    page = (out / "report.html").read_text()
    assert 'class="step s0"' in page
    assert 'class="step s10"' in page
    asked = len(coin.asked)
    label(how, solutions(tmp_path), "--out", out)
    assert "rollouts made: 0\n" in capsys.readouterr().out
    assert len(coin.asked) == asked
    assert labels(out) == TRUTH


def test_labels_after_the_first_error_may_be_dropped(coin: Coin, tmp_path: Path) -> None:
    label("montecarlo", solutions(tmp_path), "--out", tmp_path / "out", "--truncate")
    assert labels(tmp_path / "out")[:2] == [(1, 1, 0, None), (0, None, None, None)]


def test_prompts_alone_are_answered_first(coin: Coin, tmp_path: Path) -> None:
    coin.value = lambda steps: 0.5
    prompts = [Prompt.of(f"How many {i}?", reference="11") for i in range(3)]
    out = tmp_path / "out"
    label("montecarlo", write(tmp_path / "p.jsonl", *prompts), "--out", out, "--samples", 2)
    assert len(labels(out)) == 6
    label("search", tmp_path / "p.jsonl", "--out", tmp_path / "tree", "--rollouts", 4, "--limit", 2)
    assert {record.prompt.text for record in io.read(tmp_path / "tree" / "labels.jsonl")} <= {  # type: ignore[attr-defined]
        "How many 0?",
        "How many 1?",
    }


def test_a_ledger_may_be_shared(coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ["--ledger", tmp_path / "ledger.jsonl"]
    label("montecarlo", solutions(tmp_path), "--out", tmp_path / "a", "--rollouts", 4, *ledger)
    label("montecarlo", solutions(tmp_path), "--out", tmp_path / "b", "--rollouts", 6, *ledger)
    assert "rollouts known before: 36\n" in capsys.readouterr().out
    assert {n for _, _, n in coin.asked} == {4, 2}


def test_consensus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt, response = solution("+-")
    first = StepLabels(prompt=prompt, response=response, labels=(1, 0, 0))
    other = first.model_copy(update={"prompt": Prompt.of("Another?")})
    mine = write(tmp_path / "a.jsonl", first, other)
    theirs = write(tmp_path / "b.jsonl", first, other.model_copy(update={"labels": (0.0, 0.0, 0.0)}))
    main(["label", "consensus", str(mine), str(theirs), str(tmp_path / "kept.jsonl")])
    assert list(io.read(tmp_path / "kept.jsonl")) == [first]
    assert "1 solutions on which both agree; 1 on which they do not" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verifier", "guess"], "no verifier is called 'guess'"),
        (["--verifier", "tests.labelling.planted:Coin"], "Coin"),
        (["--limit", "0"], "holds no record"),
    ],
)
def test_what_does_not_work_is_said(
    arguments: list[str], message: str, coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["label", "montecarlo", str(solutions(tmp_path)), "--out", str(tmp_path / "out"), "--policy", "planted"]
    if "tests.labelling.planted:Coin" in arguments:
        with pytest.raises(TypeError, match="value"):
            main([*command, *arguments])
        return
    with pytest.raises(SystemExit) as stop:
        main([*command, *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_prompt_without_reference_is_refused(coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write(tmp_path / "p.jsonl", Prompt.of("Why?"))
    with pytest.raises(SystemExit):
        label("montecarlo", data, "--out", tmp_path / "out")
    assert "no reference answer" in capsys.readouterr().err


def test_policies_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--model NAME"):
        Policy(policy="http://127.0.0.1:1/v1").open()
    with pytest.raises(ConfigError, match="not JSON"):
        Policy(policy="http://127.0.0.1:1/v1", model="m", extra="{").open()
    with pytest.raises(ConfigError, match="no splitting policy"):
        Policy(policy="smol", split="haiku").open()
    names = [Policy(policy="http://127.0.0.1:1/v1", model="m", extra=extra).open()[1] for extra in ("", '{"top_k": 0}')]
    assert names[0] != names[1]


def test_a_local_policy_labels(tmp_path: Path) -> None:
    """A policy with random weights: its solutions are nonsense, and labelled as such."""
    from transformers import LlamaForCausalLM

    model: Any = LlamaForCausalLM(llama_config())
    model.save_pretrained(tmp_path / "policy")
    make_tokenizer().save_pretrained(tmp_path / "policy")
    prompts = write(tmp_path / "p.jsonl", *prompts_of(all_problems()[:3]))
    pattern = r"pattern= (?:\+|ans)"
    main([
        "label", "montecarlo", str(prompts), "--out", str(tmp_path / "out"), "--policy", str(tmp_path / "policy"),
        "--template", "plain", "--join", "", "--max-length", "64", "--max-tokens", "8", "--rollouts", "2",
        "--verifier", "assay.worlds.arithmetic.checker:Checker", "--device", "cpu",
        "--split", "pattern", "--setting", pattern, "begins=true",
    ])  # fmt: skip
    assert 0 < len(labels(tmp_path / "out")) <= 12
