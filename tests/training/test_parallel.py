"""Several processes that train together end where one does, whatever is done to them on the way."""

import json
import resource
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from assay.cli import main
from assay.errors import BackendError, ConfigError
from assay.packing.budget import Budget
from assay.training import parallel, parts, resume
from assay.training.collate import Example
from assay.training.parallel import ALONE, World, deal, joined, leads, split, spread
from tests.models import tiny
from tests.training import planted
from tests.training.processes import ends, lose_one_of_two, start
from tests.training.together import RUNS, rows

EXACT = ("pairs", "outcomes", "steps", "sft", "lora", "implicit")
"""In fp32, where one and several differ by rounding alone."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of the same runs by one, two and four processes."""
    folder: Path = tmp_path_factory.mktemp("worlds")
    one, two, four = (folder / str(size) for size in (1, 2, 4))
    words = [*RUNS, "stopped=steps@13"]
    two.mkdir()
    started = start(2, [[str(two), *words]], folder)
    for name in (*EXACT, "master"):
        RUNS[name](one / name, ALONE)
    assert ends(started) == [(0, ""), (0, "")]
    shutil.copytree(two / "stopped", four / "stopped")
    alone = folder / "missing"
    shutil.copytree(two / "stopped", alone)
    words = ["steps", "sft", "stopped=steps", "rounded"]
    assert ends(start(4, [[str(four), *words]], folder)) == [(0, "")] * 4
    return folder


def same(one: Path, other: Path, digits: float = 1e-5) -> None:
    """Every figure of every step, and every weight."""
    for a, b in zip(rows(one), rows(other), strict=True):
        assert a.keys() == b.keys()
        figures = a.keys() - {"tokens_per_second"}
        for name in figures:
            assert b[name] == pytest.approx(a[name], rel=digits, abs=digits), (name, a["step"])
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert float((weight - theirs[name]).abs().max()) <= digits, name


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_end_where_one_does(name: str, worlds: Path) -> None:
    same(worlds / "1" / name, worlds / "2" / name)
    assert not (worlds / "2" / name / "checkpoint").exists()


@pytest.mark.parametrize("name", ["steps", "sft"])
def test_four_processes_end_where_one_does(name: str, worlds: Path) -> None:
    same(worlds / "1" / name, worlds / "4" / name)


def test_recomputed_activations_and_offloaded_weights_change_nothing(worlds: Path) -> None:
    same(worlds / "1" / "steps", worlds / "2" / "checkpointed")


def test_bf16_weights_go_the_way_of_one_process_to_their_precision(worlds: Path) -> None:
    one, two = (rows(worlds / size / "master") for size in "12")
    for a, b in zip(one, two, strict=True):
        if "loss" in a:
            assert b["loss"] == pytest.approx(a["loss"], abs=2e-3)


@pytest.mark.parametrize("size", ["2", "4"])
def test_stochastic_rounding_does_not_depend_on_the_parts(size: str, worlds: Path) -> None:
    said = {path.read_text() for path in (worlds / size).glob("rounded.*")}
    assert said == {"True"}


def test_a_run_goes_on_with_four_processes(worlds: Path) -> None:
    assert json.loads(_body(worlds / "missing"))["state"]["step"] == 10
    same(worlds / "1" / "steps", worlds / "4" / "stopped")


def test_a_run_goes_on_with_one_process(worlds: Path) -> None:
    RUNS["steps"](worlds / "2" / "stopped", ALONE)
    same(worlds / "1" / "steps", worlds / "2" / "stopped")


def test_a_missing_part_and_another_run_are_refused(worlds: Path) -> None:
    out = worlds / "missing"
    with pytest.raises(ConfigError, match="other loss, model, records"):
        RUNS["outcomes"](out, ALONE)
    (part, *_) = (out / "checkpoint").glob("parts-10/*.distcp")
    part.unlink()
    with pytest.raises(ConfigError, match=rf"lacks {part.name}, a part that another process wrote"):
        RUNS["steps"](out, ALONE)


def _body(out: Path) -> str:
    (path,) = (out / "checkpoint").glob("parts-*/state.json")
    return path.read_text()


def test_out_of_memory_on_one_process_halves_it_for_all(tmp_path: Path) -> None:
    found = ends(start(2, [[str(tmp_path), "steps!"]], tmp_path))
    assert all(code for code, _ in found)
    assert "process 1 is out of memory; the same command again goes on" in found[0][1]
    budget, world = Budget(256), World(0, 2)
    kept = int((tmp_path / "steps" / "checkpoint" / "micro_tokens").read_text())
    assert kept < 256
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "told", lambda self, value: value)
        resume.remembered(tmp_path / "steps" / "checkpoint", budget, world)
    assert budget.micro_tokens == kept


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A training as it is typed, of 320 steps, without where to."""
    folder = tmp_path_factory.mktemp("command")
    network = tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8)
    network.save_pretrained(folder / "backbone")
    tiny.tokenizer(pad="<|im_end|>").save_pretrained(folder / "backbone")
    for name, seed in (("data", 0), ("other", 1)):
        lines = []
        for pair in planted.preferences(64, seed):
            texts = [response.text for response in pair.responses]
            chosen, rejected = texts if pair.prefer > 0.5 else texts[::-1]
            row = {"prompt": pair.prompt.text, "chosen": chosen, "rejected": rejected}
            lines.append(json.dumps(row) + "\n")
        (folder / f"{name}.jsonl").write_text("".join(lines))
    how = {"epochs": 40, "batch-size": 8, "checkpoint-every": 4, "held-out": 0, "device": "cpu"}
    options = [str(x) for name, value in how.items() for x in (f"--{name}", value)]
    data = str(folder / "data.jsonl")
    return ["train", "rm", data, "--backbone", str(folder / "backbone"), *options, "--out"]


def test_a_killed_process_stops_the_others_and_the_run_goes_on(
    command: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    lose_one_of_two([*command, str(out)], out, tmp_path)
    main([*command, str(out)])
    steps = [row["step"] for row in rows(out) if "loss" in row]
    assert steps == [*range(1, 321)]


def test_nodes_with_other_data_are_refused_in_one_line(command: list[str], tmp_path: Path) -> None:
    other = [word.replace("data.jsonl", "other.jsonl") for word in command]
    given = [["assay", *words, str(tmp_path / "run")] for words in (command, other)]
    (code, said), (other_code, nothing) = ends(start(2, given, tmp_path))
    assert (code, other_code) == (2, 2)
    lines = said.splitlines()
    assert "process 1 has other records than process 0" in lines[-1]
    assert not [line for line in nothing.splitlines() if "assay" in line]


def several(patch: pytest.MonkeyPatch, *values: Any) -> World:
    """A world of which one process sees what others would say."""
    answers = iter(values)
    patch.setattr(World, "everybodys", lambda self, value: next(answers))
    patch.setattr(World, "told", lambda self, value: value)
    return World(0, 2)


def test_processes_that_cannot_train_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints = {"settings": "a", "records": "b"}
    world = several(monkeypatch, [prints, {"settings": "c", "records": "b"}])
    with pytest.raises(ConfigError, match="process 1 has other settings than process 0"):
        parallel.check(world, prints, tmp_path, 10, 5)
    world = several(monkeypatch, [prints, prints])
    with pytest.raises(ConfigError, match="9 processes, and a step has 4 records"):
        parallel.check(replace(world, size=9), prints, tmp_path, 9, 5)
    world = several(monkeypatch, [prints, prints], [True, False])
    with pytest.raises(ConfigError, match="process 1 does not see what process 0 writes"):
        parallel.check(world, prints, tmp_path, 10, 5)
    assert not list(tmp_path.iterdir())


def test_a_world_without_its_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match="RANK, MASTER_ADDR, MASTER_PORT not set"), joined():
        pass


def test_ranks_without_torchrun_are_those_of_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    # A cluster may set both in each machine's environment; what trains alone also speaks.
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with joined("cpu") as world:
        assert world.size == 1
    assert leads()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not leads()


def example(prompt: int, *lengths: int) -> Example:
    """A record of so many responses."""
    ids = tuple(np.arange(n, dtype=np.int32) for n in lengths)
    return Example(ids, ids, (0,) * len(ids), np.zeros(1, dtype=np.float32), prompt)


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 8])
def test_a_batch_is_split_whole(ranks: int) -> None:
    rng = np.random.default_rng(ranks)
    batch = [
        example(int(rng.integers(6)), *rng.integers(1, 40, rng.integers(1, 4))) for _ in range(24)
    ]
    found = split(batch, ranks)
    assert len(found) == ranks
    assert sorted(id(e) for part in found for e in part) == sorted(map(id, batch))
    tokens = [sum(e.length * len(e.ids) for e in part) for part in found]
    assert max(tokens) <= 2 * sum(tokens) / ranks
    assert found == split(batch, ranks)


def test_a_prompt_stays_on_one_process_unless_it_is_most_of_the_batch() -> None:
    batch = [example(i // 2, 5, 7) for i in range(8)]
    for part in split(batch, 2):
        assert len(part) == 4
        assert len({e.prompt for e in part}) == 2
    alone = [example(0, 9) for _ in range(6)]
    assert [len(part) for part in split(alone, 3)] == [2, 2, 2]


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_all_of_one_key_are_dealt_to_one_process(ranks: int) -> None:
    keys = [*"abcabdeffg"]
    found = deal([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], keys, ranks)
    assert sorted(i for own in found for i in own) == [*range(10)]
    assert found == [sorted(own) for own in found]
    for key in keys:
        assert sum(key in [keys[i] for i in own] for own in found) == 1
    assert all(found)


def test_what_is_spread_comes_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(own: Sequence[int]) -> list[int]:
        return [2 * x for x in own]

    keys = [*"abcab"]
    assert spread(ALONE, range(5), lambda: keys, twice) == [0, 2, 4, 6, 8]
    # Process 1 does b, which comes second to a.
    world = several(monkeypatch, [([0, 4, 6], None), ([2, 8], None)])
    asked: list[int] = []

    def noted(own: Sequence[int]) -> list[int]:
        asked.extend(own)
        return twice(own)

    assert spread(world, range(5), lambda: [*"abaab"], noted) == [0, 2, 4, 6, 8]
    assert asked == [0, 2, 3]


def test_what_fails_on_one_process_fails_on_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = several(monkeypatch, [("fine", None), (None, "the scorer is off")])
    with pytest.raises(BackendError, match="process 1: the scorer is off"):
        world.agreed(lambda: "fine")

    def off() -> str:
        raise ConfigError("no key")

    world = several(monkeypatch, [(None, "no key"), ("fine", None)])
    with pytest.raises(ConfigError, match="no key"):
        world.agreed(off)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_a_checkpoint_that_cannot_be_written_or_read_is_one_line(tmp_path: Path) -> None:
    weights = {"w": nn.Parameter(torch.zeros(5000))}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises((OSError, BackendError), match=r"\.parts-1"):
            parts.save(tmp_path, {"state": {"step": 1}}, weights, [], ALONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()]
    parts.save(tmp_path, {"state": {"step": 1}}, weights, [], ALONE)
    (held,) = (tmp_path / "parts-1").glob("*.distcp")
    held.write_bytes(bytes(held.stat().st_size))
    with pytest.raises(BackendError, match="cannot be read; start afresh"):
        parts.load(tmp_path / "parts-1", weights, [])


@pytest.mark.parametrize(("rank", "ends_by"), [(0, KeyboardInterrupt), (1, SystemExit)])
def test_an_interrupt_of_all_is_said_by_the_leader(
    rank: int, ends_by: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_several", lambda: True)
    monkeypatch.setattr(parallel, "_join", lambda _: (World(rank, 2), None))
    with pytest.raises(ends_by), joined("cpu"):
        raise KeyboardInterrupt
