"""Several processes that train a policy end where one does, whatever is done to them on the way."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from assay.cli import main
from assay.data import io
from assay.errors import ConfigError
from assay.models.policy import save_policy
from assay.rl.settings import RECIPES
from assay.rl.spread import check_groups
from assay.training.parallel import ALONE, World
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.rl import small
from tests.rl.together import RUNS, run
from tests.training.processes import ends, lose_one_of_two, start

TIMED = {"seconds", "tokens_per_second", "memory_mb"}
HERE = "tests.rl.together"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of the same runs by one, two and four processes."""
    folder: Path = tmp_path_factory.mktemp("worlds")
    one, two, four = (folder / str(size) for size in (1, 2, 4))
    two.mkdir()
    started = start(2, [[HERE, str(two), *RUNS, "stopped=prime@2"]], folder)
    for name in RUNS:
        run(name, one / name, ALONE)
    assert ends(started) == [(0, ""), (0, "")]
    shutil.copytree(two / "stopped", four / "stopped")
    words = ["ppo", "stopped=prime"]
    assert ends(start(4, [[HERE, str(four), *words]], folder)) == [(0, "")] * 4
    return folder


def figures(thing: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and text of a row, by its path."""
    if isinstance(thing, dict):
        for key, value in thing.items():
            if key not in TIMED:
                yield from figures(value, f"{name}/{key}")
    elif isinstance(thing, list):
        for i, value in enumerate(thing):
            yield from figures(value, f"{name}/{i}")
    else:
        yield name, thing


def same(one: Path, other: Path, digits: float = 1e-5) -> None:
    """Every figure of every round and evaluation, every sample, and every weight."""
    for file in ("metrics.jsonl", "samples.jsonl"):
        rows = [map(json.loads, (out / file).read_text().splitlines()) for out in (one, other)]
        for a, b in zip(*rows, strict=True):
            ours, theirs = dict(figures(a)), dict(figures(b))
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                if isinstance(value, float):
                    value = pytest.approx(value, rel=digits, abs=digits, nan_ok=True)
                assert theirs[name] == value, name
    for saved in ("policy", "peak"):
        ours, theirs = (load_file(out / saved / "model.safetensors") for out in (one, other))
        assert ours.keys() == theirs.keys()
        for name, weight in ours.items():
            assert float((weight - theirs[name]).abs().max()) <= digits, name


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_end_where_one_does(name: str, worlds: Path) -> None:
    same(worlds / "1" / name, worlds / "2" / name)
    assert not (worlds / "2" / name / "checkpoint").exists()


def test_four_processes_end_where_one_does(worlds: Path) -> None:
    same(worlds / "1" / "ppo", worlds / "4" / "ppo")


@pytest.mark.parametrize("size", ["1", "4"])
def test_a_run_goes_on_with_another_number_of_processes(size: str, worlds: Path) -> None:
    out = worlds / "4" / "stopped"
    if size == "1":
        out = worlds / "2" / "stopped"
        (path,) = (out / "checkpoint").glob("parts-*/state.json")
        assert json.loads(path.read_text())["state"]["step"] == 1
        run("prime", out, ALONE)
    same(worlds / "1" / "prime", out)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A training as it is typed, without how many rounds and where to."""
    folder = tmp_path_factory.mktemp("command")
    save_policy(small.model(), make_tokenizer(), folder / "policy")
    io.write(small.PROMPTS[:24], folder / "prompts.jsonl")
    io.write(small.PROMPTS[24:48], folder / "other.jsonl")
    how = {"groups": 4, "samples": 2, "max-tokens": 7, "max-length": 64, "checkpoint-every": 4}
    how |= {"held-out": 0, "device": "cpu", "template": "plain", "join": ""}
    options = [str(x) for name, value in how.items() for x in (f"--{name}", value)]
    data = [str(folder / "prompts.jsonl"), "--policy", str(folder / "policy")]
    reward = ["--reward", "tests.cli.rewards:Nines,place=every_step"]
    return ["rl", "rloo", *data, *reward, *options]


def test_a_killed_process_stops_the_others_and_the_run_goes_on(
    command: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [*command, "--steps", "30", "--out", str(out)]
    lose_one_of_two(command, out, tmp_path)
    main(command)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "seconds" in row] == [*range(1, 31)]


def test_nodes_with_other_prompts_are_refused_in_one_line(
    command: list[str], tmp_path: Path
) -> None:
    other = [word.replace("prompts.jsonl", "other.jsonl") for word in command]
    given = [["assay", *words, "--out", str(tmp_path / "run")] for words in (command, other)]
    (code, said), (other_code, nothing) = ends(start(2, given, tmp_path))
    assert (code, other_code) == (2, 2)
    assert "process 1 has other prompts than process 0" in said.splitlines()[-1]
    assert not [line for line in nothing.splitlines() if "assay" in line]


def test_more_processes_than_groups_of_an_update_are_refused() -> None:
    settings = replace(RECIPES["ppo"], groups=6, minibatches=2)
    check_groups(settings, World(0, 3))
    with pytest.raises(ConfigError, match="4 processes, and an update has 3 groups of responses"):
        check_groups(settings, World(0, 4))
