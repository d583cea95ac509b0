"""`assay rl`: the words of a reward, and a whole run of a tiny policy with its report."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli import main
from assay.data import io
from assay.errors import ConfigError
from assay.models.policy import save_policy
from assay.rl.transforms import PAR, Clip, Gate, Overlong, Standardise
from assay.scorers.function import Called
from assay.scorers.lower_bound import LowerBound
from assay.scorers.verifier import Verified
from assay.specs.rewards import named, part
from assay.specs.scorers import scorer
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.workflows.rl import _sides
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.rl import small

OWN = "tests.cli.rewards"


def test_a_part_is_read_from_words() -> None:
    made = part(
        f"{OWN}:Nines,name=nines,weight=0.5,place=below,threshold=0.8,standardise,clip=-1:2,par=4"
    )
    assert (made.name, made.weight, made.place, made.threshold) == ("nines", 0.5, "below", 0.8)
    assert made.transforms == (Standardise(), Clip(-1, 2), PAR(4))
    assert part("math,gate=boxed,overlong=100:20").transforms == (Gate("boxed"), Overlong(100, 20))
    assert isinstance(part("math").scorer, Verified)
    bounded = part(f"{OWN}:Nines,lower_bound=1.5").scorer
    assert isinstance(bounded, LowerBound)
    assert bounded.k == 1.5
    assert isinstance(scorer(f"{OWN}:length"), Called)
    assert [*named([f"mine={OWN}:length", "longest"])] == ["mine", "longest"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mean:longest", "has one member"),
        ("mean:longest+shortest", "carries no mean and spread"),
        ("longest,variance=1", "in uwo:A"),
        ("nowhere", "no folder of a reward model"),
        ("math,wieght=2", "'wieght' is no key .did you mean weight"),
        ("math,weight=much", "weight=much: give a number"),
        ("math,clip=1", "clip=1: give a number : a number"),
        ("math,place=everywhere", "no placement is called 'everywhere'"),
        ("math,aggregate=median", "no aggregation is called 'median'"),
        ("math,place=log,aggregate=min", "drop one"),
        (f"{OWN}:missing", "cannot be imported"),
        (f"{OWN}:NUMBER", "it must score, verify, or be a function"),
    ],
)
def test_a_word_that_means_nothing_is_named(words: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        part(words)


def test_a_function_is_a_scorer() -> None:
    prompt = Prompt(
        messages=Prompt.of("q").messages, reference="1", meta={"level": 3, "prompts": "clash"}
    )
    group = Group(prompt=prompt, responses=(Response.of("abc"), Response.of("")))
    seen = {}

    def function(**given: object) -> list[float | None]:
        seen.update(given)
        return [1.5, None]

    assert Called(function).score([group]) == [
        [Score(value=1.5), Unscored(reason="function gave None")]
    ]
    assert seen == {
        "prompts": ["q"] * 2,
        "completions": ["abc", ""],
        "reference": ["1"] * 2,
        "level": [3, 3],
    }
    [[bad]] = Called(lambda **_: [float("nan")]).score(
        [Group(prompt=prompt, responses=(Response.of("a"),))]
    )
    assert isinstance(bad, Unscored)


def test_a_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_policy(small.model(), make_tokenizer(), tmp_path / "policy")
    io.write(small.PROMPTS[:40], tmp_path / "prompts.jsonl")
    command = [
        "rl",
        "rloo",
        "--policy",
        str(tmp_path / "policy"),
        "--prompts",
        str(tmp_path / "prompts.jsonl"),
    ]
    command += [
        "--reward",
        f"{OWN}:Nines,place=every_step",
        f"{OWN}:length,weight=0.01",
        "--gold",
        f"len={OWN}:length",
    ]
    command += [
        "--out",
        str(tmp_path / "run"),
        "--template",
        "plain",
        "--join",
        "",
        "--split",
        "pattern",
    ]
    command += [
        "--setting",
        r"pattern=(?= \+)",
        "--steps",
        "3",
        "--groups",
        "4",
        "--samples",
        "4",
        "--max-tokens",
        "6",
    ]
    command += [
        "--watch-every",
        "3",
        "--max-length",
        "64",
        "--learning-rate",
        "1e-3",
        "--threads",
        "1",
        "--lora",
        "2",
    ]
    main(command)
    said = capsys.readouterr().out
    assert "round 0: proxy" in said
    assert "[nan" not in said
    assert "len " in said
    # Four held-out prompts are too few for a promise by correlation.
    assert "is at least" not in said
    out = tmp_path / "run"
    page = (out / "report.html").read_text()
    assert "<svg" in page
    assert (out / "policy" / "model.safetensors").is_file()
    assert (out / "peak" / "model.safetensors").is_file()
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["settings"]["advantage"] == "rloo"
    rows = (out / "metrics.jsonl").read_bytes()
    main(command)
    assert (out / "metrics.jsonl").read_bytes() == rows
    kept = (out / "run.json").read_bytes()
    other = [word.replace("weight=0.01", "weight=0.02") for word in command]
    both = [*other, "--kl", "0.5"]
    for changed, what in (
        ([*command, "--seed", "5"], "settings.seed;"),
        (other, "reward;"),
        ([*command[:-1], "3"], "lora;"),
        (both, "settings.kl, reward;"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(changed)
        assert f"a finished run of rl that differs in {what}" in capsys.readouterr().err
        assert (out / "run.json").read_bytes() == kept


def test_what_cannot_be_trained_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(small.PROMPTS[:4], tmp_path / "prompts.jsonl")
    known = ["--policy", "x", "--reward", "longest"]
    base = [
        "rl",
        "grpo",
        "--prompts",
        str(tmp_path / "prompts.jsonl"),
        "--out",
        str(tmp_path / "run"),
    ]
    for more, said in (
        (
            ["--policy", "http://localhost:1/v1", "--reward", "longest"],
            "whose weights cannot be trained",
        ),
        (
            ["--policy", "x", "--reward", "longest", "--kl-estimator", "k1", "--kl-place", "loss"],
            "zero on average",
        ),
        ([*known, "--seed", "-1"], "seed is -1; it must be 0 or more"),
        ([*known, "--reward", "longest,weight=nan"], "weight is nan"),
        ([*known, "--reward", "longest,weight=inf"], "weight is inf"),
        ([*known, "--discount", "0.5"], "discount 0.5 does nothing for grpo"),
        (
            [*known, "--gae-decay", ".3", "--value-clip", ".01", "--refill", "5"],
            "value_clip 0.01 does nothing",
        ),
        (
            [*known, "--prime-learning-rate", "1"],
            "prime_learning_rate 1.0 does nothing without PRIME",
        ),
        ([*known, "--prime", "nan"], "prime is nan"),
        (
            [*known, "--template", "chat", "--join", "X"],
            "join stands between prompt and response of the plain",
        ),
        (
            [*known, "--held-out", "0", "--watch-every", "5"],
            "watch_every does nothing where no prompts are held out",
        ),
        (
            [*known, "--gold", "shortest", "--held-out", "0"],
            "a gold scorer is asked about held-out prompts",
        ),
        (
            [*known, "--gold", "shortest", "--limit", "1"],
            "a gold scorer is asked about held-out prompts",
        ),
        ([*known, "--lora", "-1"], "lora is -1"),
        ([*known, "--limit", "0"], "limit is 0"),
        ([*known, "--threads", "0"], "threads is 0"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*base, *more])
        assert said in capsys.readouterr().err


@pytest.mark.owed
def test_prompts_that_differ_in_what_a_reward_is_given_are_different_prompts(
    tmp_path: Path,
) -> None:
    def prompt(**more: Any) -> Prompt:
        return Prompt(messages=Prompt.of("Solve.").messages, **more)

    rows = [prompt(meta={"target": i}) for i in range(5)] + [
        prompt(reference=str(i)) for i in range(3)
    ]
    io.write([*rows, *rows], tmp_path / "prompts.jsonl")
    source = str(tmp_path / "prompts.jsonl")
    sides = _sides(source, 0.0, seed=0, limit=None, format=None, aside=None)
    found, held = sides.train, sides.held
    assert held == []
    assert [p.meta.get("target") for p in found if p.reference is None] == [0, 1, 2, 3, 4]
    assert [p.reference for p in found if p.reference is not None] == ["0", "1", "2"]
    asked = Called(lambda prompts, completions, target, **_: [float(t) for t in target])
    groups = [Group(prompt=p, responses=(Response.of("a"),)) for p in found[:5]]
    assert [row[0] for row in asked.score(groups)] == [Score(value=float(i)) for i in range(5)]
