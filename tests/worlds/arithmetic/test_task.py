import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import DataError
from assay.types import Prompt
from assay.worlds.arithmetic.task import (
    ANSWER,
    all_problems,
    digits_of,
    prompt_of,
    split_steps,
    step_text,
)

STEP = st.builds(step_text, st.integers(0, ANSWER), st.integers(0, 9))


def test_a_problem_as_text() -> None:
    prompt = prompt_of([3, 5, 2, 7])
    assert prompt.text == "Sum 3 5 2 7:"
    assert prompt.reference == "7"
    assert digits_of(prompt) == (3, 5, 2, 7)


def test_problems_are_all_there_once() -> None:
    problems = all_problems()
    assert problems.shape == (9**4, 4)
    assert problems.min() == 1
    assert problems.max() == 9
    assert len({tuple(row) for row in problems.tolist()}) == 9**4


def test_other_prompts_are_refused() -> None:
    with pytest.raises(DataError, match="Sum 3 5 2 7:"):
        digits_of(Prompt.of("What is 2 + 2?"))


@given(st.lists(STEP))
def test_steps_split_where_they_were_joined(steps: list[str]) -> None:
    assert list(split_steps("".join(steps))) == steps


@given(st.text(alphabet=" +ans=0123456789"))
def test_splitting_keeps_every_character(text: str) -> None:
    assert "".join(split_steps(text)) == text
