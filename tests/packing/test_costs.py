"""What a call costs is measured once a machine, device, precision and shape, and only where it
matters."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from assay.packing import costs, engine
from assay.packing.engine import Engine
from assay.packing.tree import grow
from tests.models import tiny


def backbone() -> Any:
    return tiny.network("llama").base_model


def test_it_is_measured_once_and_kept_by_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def seconds(weight: torch.Tensor, shape: tuple[int, int, int]) -> float:
        calls.append((weight.dtype, shape))
        return 1e-5

    monkeypatch.setattr(costs, "_seconds_of_call", seconds)
    monkeypatch.setattr(costs, "_operations_per_second", lambda _: 3e11)
    for _ in range(2):
        assert costs.call_cost(backbone(), 1e7, folder=tmp_path) == pytest.approx(3e6)
    assert len(calls) == 2, "twice at first, to see whether it is steady"
    assert costs.call_cost(backbone().bfloat16(), 1e7, folder=tmp_path) == pytest.approx(3e6)
    assert {dtype for dtype, _ in calls} == {torch.float32, torch.bfloat16}
    (path,) = tmp_path.iterdir()
    assert len(costs.known(path)) == 2


def test_a_small_model_is_not_measured(tmp_path: Path) -> None:
    assert costs.call_cost(backbone(), 1e5, folder=tmp_path) == costs.CALL["cpu"]
    assert not [*tmp_path.iterdir()]
    assert engine.engine_of(backbone()).piece_cost == costs.CALL["cpu"]


def test_a_busy_machine_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([1e11, 2e11])
    monkeypatch.setattr(costs, "_operations_per_second", lambda _: next(rates))
    monkeypatch.setattr(costs, "_seconds_of_call", lambda *_: 1e-5)
    assert costs.call_cost(backbone(), 1e7, folder=tmp_path) == costs.CALL["cpu"]
    assert not [*tmp_path.iterdir()]


def test_what_this_device_cannot_run_is_counted_as_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: Any) -> float:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(costs, "_seconds_of_call", absent)
    assert costs.call_cost(backbone(), 1e7, folder=tmp_path) == costs.CALL["cpu"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda content: content | {"version": 0},
        lambda content: content | {"machine": {"processor": "another"}},
        lambda content: {"measured": content["measured"]},
        lambda content: [content],
    ],
)
def test_another_machines_file_is_refused_and_written_anew(broken: Any, tmp_path: Path) -> None:
    assert costs.remembered("a", lambda: 1.0, tmp_path) == 1.0
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(broken(json.loads(path.read_text()))))
    assert costs.known(path) == {}
    assert costs.remembered("a", lambda: 2.0, tmp_path) == 2.0
    assert costs.remembered("b", lambda: 3.0, tmp_path) == 3.0
    assert costs.known(path) == {"a": 2.0, "b": 3.0}
    path.write_text("{")
    assert costs.known(path) == {}


def test_a_folder_that_cannot_be_written_costs_the_next_measurement_only(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for value in (1.0, 2.0):
        assert costs.remembered("a", lambda value=value: value, file) == value


def test_it_measures_on_this_machine() -> None:
    weight = torch.ones(64, 64)
    assert 0 < costs._seconds_of_call(weight, (4, 2, 16)) < 1
    assert costs._operations_per_second(weight) > 1e6


def test_one_launch_is_worth_more_trees_than_a_launch_a_node() -> None:
    prompt = list(range(40))
    rows = [[*prompt, 100 + i, 200 + i] for i in range(64)]
    by_node = Engine("packed", "", 5e4, 4e6)
    at_once = Engine("packed", "", 5e4, 4e6, attention="flex")
    tree = grow([torch.tensor(row).numpy() for row in rows])
    assert not by_node.worth(tree)
    assert at_once.worth(tree)
    assert at_once.tree(rows) is not None
    assert at_once.tree([[1, 2, 3]]) is None


def test_only_the_experts_that_a_token_meets_count() -> None:
    few = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    }
    found = []
    for experts in (2, 8):
        config = AutoConfig.for_model(
            "mixtral", **few, num_local_experts=experts, num_experts_per_tok=2
        )
        found.append(engine._token_cost(AutoModel.from_config(config)))
    router = 2 * 16 * (8 - 2)
    assert found[1] - found[0] == router
