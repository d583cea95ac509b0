"""A whole evaluation by Inspect itself, of a model whose answers are given."""

import math
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="the package inspect-ai is not installed")

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageUser,
    ModelOutput,
    ModelUsage,
    get_model,
)
from inspect_ai.solver import generate

from assay.adapters.inspect_ai import reward

WORD = "tests.adapters.scored:Planted,place=every_step"


@pytest.mark.filterwarnings("ignore")
def test_a_task_is_scored_and_what_cannot_be_is_left_out(tmp_path: Any) -> None:
    said = ["xx\nx", "why?", "4"]
    # A count of its own tokens would be a download.
    outputs = [
        ModelOutput.from_content("mockllm/model", text).model_copy(update={"usage": ModelUsage()})
        for text in said
    ]
    model = get_model("mockllm/model", custom_outputs=outputs)
    task = Task(
        dataset=[Sample(input="2 + 2?", target="4") for _ in said],
        solver=[generate()],
        scorer=reward(WORD),
    )
    task.dataset[2].input = [
        ChatMessageUser(content="1 + 1?"),
        ChatMessageAssistant(content="?"),
        ChatMessageUser(content="2 + 2?"),
    ]
    (log,) = eval(
        task, model=model, log_dir=str(tmp_path), display="none", max_connections=1, max_samples=1
    )
    assert log.status == "success", log.error
    found = [sample.scores["reward"] for sample in log.samples]
    right, steps = -0.01 + 100, [1.97, 0.99]
    assert found[0].value == pytest.approx(sum(steps))
    assert found[0].metadata["steps"] == pytest.approx(steps)
    assert math.isnan(found[1].value)
    assert (found[1].reason, found[1].explanation) == ("scoring_failed", "it asks")
    assert found[2].value == pytest.approx(right)
    mean = log.results.scores[0].metrics["mean"].value
    assert mean == pytest.approx((sum(steps) + right) / 2)


@pytest.mark.filterwarnings("ignore")
def test_a_word_that_the_command_line_cut_at_its_commas_is_one() -> None:
    # `inspect eval -T word=A,B` gives a list.
    assert callable(reward(WORD.split(",")))
