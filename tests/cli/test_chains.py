"""Each command's file is the next one's input, and what is measured can fail a pipeline."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay import cli
from assay.data import io
from assay.specs.generators import Policy
from assay.training.kinds import as_consumed
from assay.types import Group, Prompt, Ranking, Response
from tests.labelling.planted import Coin, first_error, solution

TEXTS = ("The answer is 4.", "It is 5", "2 and 2 are 4", "No idea")
PROCESSBENCH = Path(__file__).resolve().parent.parent / "golden" / "processbench.jsonl"


def run(*words: object) -> None:
    cli.main([str(word) for word in words])


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Four responses to each of three prompts; 4 is right."""
    groups = [
        Group(
            prompt=Prompt.of(f"What is {k}+{4 - k}?", reference="4"),
            responses=tuple(Response.of(text) for text in TEXTS),
        )
        for k in range(3)
    ]
    io.write(groups, tmp_path / "pool.jsonl")
    return tmp_path / "pool.jsonl"


def numbers(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("texts", [[], ["--texts"]])
def test_scores_choose_as_the_scorer_does(texts: list[str], pool: Path, tmp_path: Path) -> None:
    scores, out = tmp_path / "s" / "scores.jsonl", tmp_path / "b"
    run("score", pool, "--scorer", "longest", "--out", scores.parent, *texts)
    run("best-of-n", pool, "--scorer", "longest", "--out", out)
    run("best-of-n", pool, "--scores", scores, "--out", tmp_path / "c")
    curves = [numbers(folder / "bestof.json")["curves"] for folder in (out, tmp_path / "c")]
    assert curves[0]["best-of-n"] == curves[1]["best-of-n"]
    # The longest is right: by hand, of two drawn responses one of the right pairs is chosen.
    assert [point["value"] for point in curves[0]["best-of-n"]][-1] == 1


def test_scores_with_their_texts_are_the_pool(pool: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    run("score", pool, "--scorer", "longest", "--out", scores, "--texts")
    run("best-of-n", scores, "--scorer", "column:value", "--out", tmp_path / "a")
    run("best-of-n", pool, "--scorer", "longest", "--out", tmp_path / "b")
    first, second = (numbers(tmp_path / x / "bestof.json")["curves"] for x in "ab")
    assert first["best-of-n"] == second["best-of-n"]
    words = ("--proxy-column", "value", "--gold", "numeric", "--out", tmp_path / "o")
    run("overopt", "bon", scores, *words)
    assert (tmp_path / "o" / "points.jsonl").is_file()


def test_scores_of_other_texts_are_refused(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.jsonl"
    run("score", pool, "--scorer", "longest", "--out", scores, "--texts")
    turned = scores.read_text().replace('"It is 5"', '"It is 6"')
    scores.write_text(turned)
    with pytest.raises(SystemExit) as stop:
        run("best-of-n", pool, "--scores", scores)
    assert stop.value.code == 2
    assert "no row has the response 'It is 5' to prompt" in capsys.readouterr().err


def test_step_scores_go_to_a_benchmark_whose_files_come_first(tmp_path: Path) -> None:
    scores = tmp_path / "scores.jsonl"
    own = ["--scorer", "tests.cli.rewards:Nines"]
    run("score", PROCESSBENCH, *own, "--out", scores)
    run("benchmark", "processbench", PROCESSBENCH, "--scores", scores, "--out", tmp_path / "a")
    run("benchmark", "processbench", "--data", PROCESSBENCH, *own, "--out", tmp_path / "b")
    run("eval", "processbench", PROCESSBENCH, *own, "--out", tmp_path / "c")
    metrics = [numbers(tmp_path / x / "benchmark.json")["metrics"] for x in "abc"]
    assert metrics[0] == metrics[1] == metrics[2]


def test_verdicts_and_rollouts_are_labels_to_train_on(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.losses.outcome import Outcome
    from assay.losses.step_bce import StepBCE

    run("verify", "numeric", pool, "--write", tmp_path / "verdicts.jsonl")
    records = [*io.read(tmp_path / "verdicts.jsonl")]
    assert len([*as_consumed(records[0], Outcome())]) == 1
    coin = Coin(lambda steps: 0.0 if first_error(steps) else 1.0)
    monkeypatch.setattr(Policy, "open", lambda _: (coin, "coin"))
    prompt, response = solution("+-", answer="1", prompt=Prompt.of("How many?", reference="11"))
    io.write([Ranking(prompt=prompt, responses=(response,), grades=(0.0,))], tmp_path / "x.jsonl")
    judge = ("--policy", "planted", "--verifier", "tests.labelling.planted:LastWord")
    run("label", "montecarlo", tmp_path / "x.jsonl", "--out", tmp_path / "l", *judge)
    (labelled,) = io.read(tmp_path / "l" / "labels.jsonl")
    (taken,) = as_consumed(labelled, StepBCE())
    assert taken.labels == (1.0, 0.0, 0.0)  # type: ignore[union-attr]


def test_the_verifier_is_a_scorer_in_eval(pool: Path, tmp_path: Path) -> None:
    ranked = [
        Ranking(prompt=group.prompt, responses=group.responses, grades=(1.0, 0.0, 1.0, 0.0))
        for group in io.read(pool)
        if isinstance(group, Group)
    ]
    io.write(ranked, tmp_path / "ranked.jsonl")
    for word, out in (("verifier", "a"), ("numeric", "b")):
        run("eval", tmp_path / "ranked.jsonl", "--scorer", word, "--out", tmp_path / out)
    first, second = (numbers(tmp_path / x / "eval.json")["metrics"] for x in "ab")
    assert first == second


@pytest.mark.parametrize(
    ("command", "holds", "does_not"),
    [
        ("eval DATA --scorer longest", "accuracy<0.9", "accuracy<0.1"),
        ("eval DATA --scorer longest", "accuracy.low<0.5", "accuracy.high<0.1"),
        ("best-of-n POOL --scorer shortest", "best-of-n<0.5", "best-of-n@1<0.4"),
        (
            "benchmark processbench BENCH --scorer tests.cli.rewards:Nines",
            "threshold<1",
            "threshold>1",
        ),
    ],
)
def test_what_is_measured_can_fail_a_pipeline(
    command: str,
    holds: str,
    does_not: str,
    pool: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pairs = [(f"q {k}", *(("aa", "b") if k % 2 else ("a", "bb"))) for k in range(8)]
    data = tmp_path / "pairs.jsonl"
    rows = [{"prompt": p, "chosen": a, "rejected": b} for p, a, b in pairs]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    at: dict[str, object] = {"DATA": data, "POOL": pool, "BENCH": PROCESSBENCH}
    words = [at.get(word, word) for word in command.split()]
    run(*words, "--fail-on", does_not)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(*words, "--fail-on", does_not, holds)
    assert stop.value.code == 1
    assert f": {holds} (it is " in capsys.readouterr().err
    for wrong, said in (("much<", "is no condition"), ("nonsense<1", "there is ")):
        with pytest.raises(SystemExit) as stop:
            run(*words, "--fail-on", wrong)
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
