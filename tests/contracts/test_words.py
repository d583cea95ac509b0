"""Every command that takes a scorer takes every kind of word: it scores, or refuses in words."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assay import cli
from assay.data import io
from assay.models import checkpoint
from assay.models.opening import open_model
from assay.types import Prompt, Ranking, Response, StepLabels
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests import tiny_models
from tests.rl import small

TEXTS = ("The answer is 4.", "It is 5\n", "2 and 2 are 4", "No idea.")

WORDS = {
    "a reward model's folder": "{home}/ours",
    "a stock classifier": "{home}/stock,template=plain",
    "a name with separators": r"{home}/a\,b\=c,template=plain",
    "a baseline": "random,seed=3",
    "an old name": "length",
    "math": "math",
    "a verifier with settings": "numeric,percent=strict",
    "rules": "rules,at_most=3,unit=words",
    "a column": "column:quality",
    "a log-probability": "log-probability:{home}/policy,template=plain",
    "a function": "tests.cli.rewards:length",
    "a class": "tests.cli.rewards:Nines",
    "a judge": "pointwise:tests.specs.answering:Likes,levels=5",
    "a judge of pairs": "pairwise:tests.specs.answering:Likes,calls=6",
    "a judge among others": "mean:(pointwise:tests.specs.answering:Likes)+longest,standard=none",
    "an ensemble": "uwo:{home}/ours+({home}/stock,template=plain),standard=none,lower_bound=1",
    "nested": "mean:(worst:longest+random,standard=none)+shortest,standard=none",
}
REFUSED = {
    "nonsense": ("longset", "did you mean longest"),
    "a server": ("remote:localhost:9", "is no server's address"),
    "a judge": ("pairwise", "by whom? Give pairwise:ANSWERER"),
    "a judge's cost": ("pairwise:tests.specs.answering:Likes", "calls=1 for pairs"),
    "a preset": ("skywork-reward-v2", "was downloaded to this machine"),
    "a folder": ("{home}/our", "did you mean {home}/ours"),
    "a setting": ("{home}/stock,tempalte=plain", "did you mean template"),
    "a module": ("no.such:thing", "cannot be imported"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models and small data."""
    home = tmp_path_factory.mktemp("words")
    tiny_models.save_classifier(home / "stock", "qwen3", initializer_range=0.1)
    (home / "a,b=c").symlink_to(home / "stock")
    checkpoint.save(open_model(str(home / "stock"), {"template": "plain"}), home / "ours")
    small.model().save_pretrained(home / "policy")
    make_tokenizer().save_pretrained(home / "policy")
    pool = []
    for k in range(4):
        prompt = Prompt.of(f"What is 2+{k}?", reference="4")
        responses = tuple(
            Response(steps=(text,), meta={"quality": float(i + k)}) for i, text in enumerate(TEXTS)
        )
        pool.append(Ranking(prompt=prompt, responses=responses, grades=(1.0, 0.0, 1.0, 0.0)))
    io.write(pool, home / "pool.jsonl")
    steps = (
        StepLabels(
            prompt=group.prompt, response=Response(steps=("4", " 5")), labels=(1.0, float(k % 2))
        )
        for k, group in enumerate(pool)
    )
    io.write(steps, home / "steps.jsonl")
    io.write(small.PROMPTS[:24], home / "prompts.jsonl")
    return home


def run(*arguments: object) -> None:
    cli.main([str(argument) for argument in arguments])


def score(word: str, home: Path, out: Path) -> int:
    run("score", home / "pool.jsonl", "--scorer", word, "--out", out / "s.jsonl", "--device", "cpu")
    rows = (out / "s.jsonl").read_text().splitlines()
    return sum("value" in json.loads(row) for row in rows)


def evaluate(word: str, home: Path, out: Path) -> int:
    run("eval", home / "pool.jsonl", "--scorer", word, "--device", "cpu", "--dtype", "float32")
    return 1


def best_of_n(word: str, home: Path, out: Path) -> int:
    run("best-of-n", home / "pool.jsonl", "--scorer", word, "--device", "cpu")
    return 1


def search(word: str, home: Path, out: Path) -> int:
    pool = home / "pool.jsonl"
    where = ("--replay", pool, "--out", out / "s", "--device", "cpu")
    run("search", "best-of-n", pool, "--n", 2, "--scorer", word, "--verifier", "math", *where)
    rows = (out / "s" / "results.jsonl").read_text().splitlines()
    return sum(json.loads(row)["score"] is not None for row in rows)


COMMANDS: dict[str, Callable[[str, Path, Path], int]] = {
    "score": score,
    "eval": evaluate,
    "best-of-n": best_of_n,
    "search": search,
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_every_word(command: str, home: Path, tmp_path: Path) -> None:
    for number, (kind, word) in enumerate(WORDS.items()):
        out = tmp_path / str(number)
        out.mkdir()
        try:
            scored = COMMANDS[command](word.format(home=home), home, out)
        except SystemExit as stop:
            pytest.fail(f"{command} refuses {kind}: exit {stop.code}")
        assert scored, f"{command} scores nothing by {kind}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_in_words(
    command: str,
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    for word, says in REFUSED.values():
        with pytest.raises(SystemExit) as stop:
            COMMANDS[command](word.format(home=home), home, tmp_path)
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert says.format(home=home) in said, word
        assert said.count("\n") == 1, said


def test_over_optimization_takes_every_word(home: Path, tmp_path: Path) -> None:
    words = {k: word.format(home=home) for k, word in enumerate(WORDS.values())}
    proxies = (f"p{k}={word}" for k, word in words.items())
    golds = (f"g{k}={word}" for k, word in words.items())
    sides = ("--proxy", *proxies, "--gold", *golds, "--device", "cpu", "--limit", 2)
    run("overopt", "bon", home / "pool.jsonl", *sides)


def test_rl_takes_every_word(home: Path, tmp_path: Path) -> None:
    words = {k: word.format(home=home) for k, word in enumerate(WORDS.values())}
    skipped = "a column"  # what a policy writes has none
    kept = {
        k: word for (k, word), kind in zip(words.items(), WORDS, strict=True) if kind != skipped
    }
    rewards = (f"r{k}={word},weight=0.1" for k, word in kept.items())
    golds = (f"g{k}={word}" for k, word in kept.items())
    how = ("--template", "plain", "--join", "", "--max-length", 64, "--max-tokens", 4)
    size = ("--steps", 1, "--groups", 2, "--samples", 2, "--watch-every", 1, "--lora", 2)
    data = (home / "prompts.jsonl", "--policy", home / "policy")
    sides = ("--reward", *rewards, "--gold", *golds, "--device", "cpu", "--out", tmp_path / "run")
    run("rl", "rloo", *data, *how, *size, *sides)
    text = (tmp_path / "run" / "metrics.jsonl").read_text()
    rows = [json.loads(row) for row in text.splitlines()]
    asked = next(row["eval"]["gold"] for row in rows if "eval" in row)
    assert [*asked] == [f"g{k}" for k in kept]


def test_step_scores_come_of_what_scores_steps(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Path(__file__).resolve().parent.parent / "golden" / "processbench.jsonl"
    for kind in ("a reward model's folder", "a stock classifier", "a class"):
        out = tmp_path / f"{kind}.jsonl"
        word = WORDS[kind].format(home=home)
        run("benchmark", "processbench", "--data", data, "--scorer", word, "--save", out)
        assert all(json.loads(row)["scores"] for row in out.read_text().splitlines()), kind
    with pytest.raises(SystemExit):
        run("benchmark", "processbench", "--data", data, "--scorer", "longest")
    assert "step" in capsys.readouterr().err
