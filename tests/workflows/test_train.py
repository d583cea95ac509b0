"""What a training says of its data before it begins."""

from typing import Any

import pytest

from assay.data.sides import sides
from assay.errors import DataError
from assay.types import Prompt, Response, StepLabels
from assay.workflows.train import last_steps_only, loss_of


def labelled(*labels: float | None) -> StepLabels:
    steps = tuple(f"{i}\n" for i in range(len(labels)))
    return StepLabels(prompt=Prompt.of("p"), response=Response(steps=steps), labels=labels)


def test_a_process_model_that_would_learn_from_outcomes_alone_is_noted() -> None:
    outcomes = [labelled(None, None, 1.0), labelled(0.0)]
    assert "only that one is supervised" in last_steps_only(loss_of("prm"), outcomes)
    assert last_steps_only(loss_of("orm"), outcomes) == ""
    assert last_steps_only(loss_of("prm"), [*outcomes, labelled(1.0, None)]) == ""


def test_rows_in_memory_are_no_records() -> None:
    rows: Any = [{"prompt": "p", "chosen": "a", "rejected": "b"}]
    with pytest.raises(DataError, match=r"record 1 is a dict; give records, such as assay\.Pref"):
        sides(rows, 0, lambda found: found, default=0.1, seed=0, format=None, aside=None)
