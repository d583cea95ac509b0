import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.data import io
from assay.engines.openai import OpenAI
from assay.errors import ConfigError
from assay.protocols import Generator, Prefix
from assay.specs.generators import Policy
from assay.types import Group, Prompt, Ranking, Record, Response, RolloutLabels, StepLabels
from assay.worlds.arithmetic.policy import llama_config
from assay.worlds.arithmetic.task import all_problems, prompts_of
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.engines.fake_server import Asked, FakeServer, Reply, Script
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
        prompt, response = solution(
            marks, answer=answer, prompt=Prompt.of(f"How many {i}?", reference="11")
        )
        records.append(
            Ranking(prompt=prompt, responses=(response,), grades=(float(answer == "11"),))
        )
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


def test_a_limit_counts_solutions_also_within_a_record(coin: Coin, tmp_path: Path) -> None:
    pairs = [solution(signs) for signs in ("+-", "++", "--")]
    prompt = pairs[0][0]
    group = Group(prompt=prompt, responses=tuple(response for _, response in pairs))
    one = Group(prompt=prompt, responses=group.responses[:1])
    for limit, count in ((1, 1), (2, 2), (3, 3), (9, 4)):
        out = tmp_path / str(limit)
        label("montecarlo", write(tmp_path / "g.jsonl", one, group), "--out", out, "--limit", limit)
        assert len(labels(out)) == count


def test_a_ledger_may_be_shared(
    coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    theirs = write(
        tmp_path / "b.jsonl", first, other.model_copy(update={"labels": (0.0, 0.0, 0.0)})
    )
    main(["label", "consensus", str(mine), str(theirs), str(tmp_path / "kept.jsonl")])
    assert list(io.read(tmp_path / "kept.jsonl")) == [first]
    assert "1 solutions on which both agree; 1 on which they do not" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verifier", "guess"], "no verifier is called 'guess'"),
        (["--verifier", "tests.labelling.planted:Coin"], "Coin cannot be made without arguments"),
        (["--limit", "0"], "limit is 0; it must be 1 or more"),
    ],
)
def test_what_does_not_work_is_said(
    arguments: list[str],
    message: str,
    coin: Coin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [
        "label",
        "montecarlo",
        str(solutions(tmp_path)),
        "--out",
        str(tmp_path / "out"),
        "--policy",
        "planted",
    ]
    with pytest.raises(SystemExit) as stop:
        main([*command, *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_prompt_without_reference_is_refused(
    coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    names = [
        Policy(policy="http://127.0.0.1:1/v1", model="m", extra=extra).open()[1]
        for extra in ("", '{"top_k": 0}')
    ]
    assert names[0] != names[1]


def test_a_local_policy_labels(tmp_path: Path) -> None:
    """A policy with random weights: its solutions are nonsense, and labelled as such."""
    from transformers import LlamaForCausalLM

    model: Any = LlamaForCausalLM(llama_config())
    model.save_pretrained(tmp_path / "policy")
    make_tokenizer().save_pretrained(tmp_path / "policy")
    prompts = write(tmp_path / "p.jsonl", *prompts_of(all_problems()[:3]))
    pattern = r"pattern= (?:\+|ans)"
    main(
        [
            "label",
            "montecarlo",
            str(prompts),
            "--out",
            str(tmp_path / "out"),
            "--policy",
            str(tmp_path / "policy"),
            "--template",
            "plain",
            "--join",
            "",
            "--max-length",
            "64",
            "--max-tokens",
            "8",
            "--rollouts",
            "2",
            "--verifier",
            "assay.worlds.arithmetic.checker:Checker",
            "--device",
            "cpu",
            "--split",
            "pattern",
            "--setting",
            pattern,
            "begins=true",
        ]
    )
    assert 0 < len(labels(tmp_path / "out")) <= 12


class Cut(Coin):
    """Every rollout is cut off."""

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        return Response(steps=(*prefix.steps, "and then "), finished=False)


def planted_policy(monkeypatch: pytest.MonkeyPatch, made: Generator) -> None:
    monkeypatch.setattr(Policy, "open", lambda self: (made, "planted"))


@pytest.mark.owed
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            Cut(lambda steps: 0.0),
            "no rollout ended: all 240 were cut off at 16 tokens; raise --max-tokens",
        ),
        (Coin(lambda steps: 0.0), "none of 240 rollouts was right: "),
        (Coin(lambda steps: 0.5), "rollouts: "),
        (Coin(lambda steps: 1.0), "the prior does not fit: of the first 40 rollouts 40 were right"),
    ],
    ids=["cut off", "never right", "half", "always"],
)
def test_what_the_rollouts_came_to_is_said_first(
    made: Coin,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted_policy(monkeypatch, made)
    records: list[Record] = []
    for i in range(20):
        prompt, response = solution("++-", prompt=Prompt.of(f"How many {i}?", reference="11"))
        response = response.model_copy(update={"finished": not isinstance(made, Cut)})
        records.append(Ranking(prompt=prompt, responses=(response,), grades=(0.0,)))
    out = tmp_path / "out"
    label("adaptive", write(tmp_path / "pool.jsonl", *records), "--out", out, "--max-tokens", 16)
    lines = capsys.readouterr().out.splitlines()
    run = json.loads((out / "run.json").read_text())
    page = (out / "report.html").read_text().lower()
    first = lines[0].lower()
    assert lines[0].startswith(said)
    assert page.index(first.split(";")[0].split("(")[0]) < page.index('class="solution')
    every = [
        record for record in io.read(out / "labels.jsonl") if isinstance(record, RolloutLabels)
    ]
    for record in every:
        for y, (low, high) in zip(record.labels, record.intervals, strict=True):
            assert y is None or low <= y <= high
    if isinstance(made, Cut):
        assert "mean label: none" in lines
        assert run["outcomes"]["cut_off_solutions"] == 20
        assert run["prior"] is None
    elif made.value(()) == 0:
        assert not any(y for record in every for y in record.labels)
        assert lines[1].startswith("the prior does not fit: of the first 40 rollouts 0 were right")
        assert run["prior"]["fails"]
        assert run["outcomes"]["never_right_solutions"] == 20
        assert "the prior does not fit" in page
    elif made.value(()) == 0.5:
        assert not run["prior"]["fails"]
        assert any(line.startswith("the prior fits") for line in lines)


@pytest.mark.owed
def test_records_without_a_reference_are_refused_or_set_aside(
    coin: Coin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        Prompt.of("How many 1?", reference="11"),
        Prompt.of("Why?"),
        Prompt.of("How?", reference=" "),
    ]
    data = write(tmp_path / "p.jsonl", *given)
    for how in ("adaptive", "binary-search", "montecarlo", "search"):
        with pytest.raises(SystemExit) as stop:
            label(how, data, "--out", tmp_path / how)
        assert stop.value.code == 2
        error = capsys.readouterr().err
        assert "2 of 3 records have no reference answer" in error
        assert "the first is record 2, 'Why?'" in error
        assert "--set-aside FILE" in error
        assert not (tmp_path / how).exists()
    assert coin.asked == []
    aside = tmp_path / "aside.jsonl"
    label("montecarlo", data, "--out", tmp_path / "out", "--set-aside", aside, "--samples", 1)
    assert "2 records without a reference answer are set aside" in capsys.readouterr().err
    rows = [json.loads(line) for line in aside.read_text().splitlines()]
    assert [row["where"].rpartition(", ")[2] for row in rows] == ["record 2", "record 3"]
    assert len(labels(tmp_path / "out")) == 1


def served(url: str, *arguments: object) -> None:
    main(
        [
            "label",
            *map(str, arguments),
            "--policy",
            url,
            "--model",
            "m",
            "--api",
            "completions",
            "--concurrency",
            "2",
            *VERIFIER,
        ]
    )


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are tried again soon."""
    slow = OpenAI

    def made(**settings: Any) -> OpenAI:
        return slow(**settings, backoff_s=0.002)

    monkeypatch.setattr("assay.engines.openai.OpenAI", made)


def step(asked: Asked) -> Reply:
    """Right unless something is wrong before."""
    return Reply(choice={"text": "so 1" if "-" in asked.text.partition("?")[2] else "so 11"})


def dies(after: int) -> Script:
    return lambda asked: step(asked) if asked.number < after else Reply(broken="closed")


@pytest.mark.owed
@pytest.mark.parametrize("how", ["montecarlo", "adaptive", "binary-search"])
@pytest.mark.parametrize(
    "script",
    [
        lambda asked: Reply(status=500),
        lambda asked: Reply(status=400, body={"error": {"message": "no such setting"}}),
        lambda asked: Reply(body=b"<html>"),
        dies(7),
    ],
    ids=["errors", "refusals", "nonsense", "dies"],
)
def test_a_server_that_gives_nothing_or_dies_ends_the_command(
    script: Script, how: str, hasty: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, data = tmp_path / "out", solutions(tmp_path)
    with FakeServer(script) as server:
        with pytest.raises(SystemExit) as stop:
            served(server.url, how, data, "--out", out)
        assert stop.value.code == 2
        assert not (out / "labels.jsonl").exists()
        error = capsys.readouterr().err
        assert "Traceback" not in error
        assert "got nothing" in error or "no rollout was had" in error
        # It is there again: what was paid for is not paid for twice.
        answered = sum(
            json.loads(line)["rollouts"].__len__() for line in _bodies(out / "ledger.jsonl")
        )
        server.script = step
        served(server.url, how, data, "--out", out)
    assert f"rollouts known before: {answered}\n" in capsys.readouterr().out
    assert labels(out) == TRUTH


def _bodies(ledger: Path) -> list[str]:
    """The lines' own text, without their hashes."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [line[line.index("{") : line.rindex("}") + 1] for line in lines if '"rollouts"' in line]


@pytest.mark.owed
def test_a_closed_port_ends_the_command_in_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        start = time.monotonic()
        with pytest.raises(SystemExit) as stop:
            served(
                f"http://127.0.0.1:{unused.getsockname()[1]}/v1",
                "adaptive",
                solutions(tmp_path),
                "--out",
                tmp_path,
            )
    assert stop.value.code == 2
    assert "Is the server running" in capsys.readouterr().err
    assert time.monotonic() - start < 20
    assert not (tmp_path / "labels.jsonl").exists()


def test_a_server_that_fails_some_requests_is_no_dead_one(
    hasty: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many prefixes that always fail, in a row and last, beside others: they are counted, the
    others labelled."""

    def some(asked: Asked) -> Reply:
        return Reply(status=500) if "-" in asked.text.partition("?")[2] else step(asked)

    records = []
    for i in range(12):
        prompt, response = solution(
            "+-" if i % 2 else "++", prompt=Prompt.of(f"How many {i}?", reference="11")
        )
        records.append(Ranking(prompt=prompt, responses=(response,), grades=(0.0,)))
    with FakeServer(some) as server:
        served(
            server.url,
            "montecarlo",
            write(tmp_path / "d.jsonl", *records),
            "--out",
            tmp_path,
            "--rollouts",
            2,
        )
    assert labels(tmp_path) == [(1, 1, 0), (1, None, 0)] * 6
    assert "prefixes: 6 of 24 (25 %) got no rollouts when asked" in capsys.readouterr().out


@pytest.mark.parametrize("asked", [[0], []], ids=["one answered", "none"])
def test_what_was_had_and_what_was_not_is_told_apart(
    asked: list[int], hasty: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The solutions come of some prompts, and no rollout of them after that; or nothing comes at
    all."""

    def whole(request: Asked) -> Reply:
        prompt, _, after = request.text.partition("?")
        refused = after.strip() or not any(f"many {k}" in prompt for k in asked)
        return (
            Reply(status=400, body={"error": {"message": "too long"}})
            if refused
            else Reply(choice={"text": "so\n11"})
        )

    prompts = [Prompt.of(f"How many {k}?", reference="11") for k in range(3)]
    with FakeServer(whole) as server, pytest.raises(SystemExit) as stop:
        served(
            server.url,
            "montecarlo",
            write(tmp_path / "d.jsonl", *prompts),
            "--out",
            tmp_path,
            "--samples",
            2,
        )
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert ("no rollout was had" in error) == (not asked)
    assert ("2 rollouts that were had" in error and "in the ledger" in error) == bool(asked)
    assert ("ledger" in error) == bool(asked)
    assert "too long" in error


def test_a_policy_without_a_name_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(prompts_of(all_problems(2))[:2], tmp_path / "p.jsonl")
    with pytest.raises(SystemExit, match="2"):
        main(
            [
                "label",
                "montecarlo",
                str(tmp_path / "p.jsonl"),
                "--policy",
                "",
                "--out",
                str(tmp_path / "o"),
            ]
        )
    assert "nothing writes rollouts: give --policy" in capsys.readouterr().err
