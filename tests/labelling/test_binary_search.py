import math

import pytest

from assay.labelling.binary_search import BinarySearch
from assay.labelling.montecarlo import MonteCarlo
from assay.types import Response
from tests.labelling.planted import PROMPT, Coin, Stream, first_error, rollouts, solution


def value(steps: tuple[str, ...]) -> float:
    return 0.0 if first_error(steps) else 1.0


@pytest.mark.parametrize("size", range(1, 10))
def test_it_finds_what_trying_every_step_finds(size: int) -> None:
    """All places of the first error, and none, in few rollouts."""
    responses = [solution("+" * k + "-" * (size - k)) for k in range(size)] + [
        solution("+" * size, answer="11")
    ]
    coin = Coin(value)
    found = BinarySearch(rollouts=3)(responses, rollouts(coin))
    every = MonteCarlo(rollouts=3)(responses, rollouts(Coin(value)))
    assert [record.labels for record in found] == [record.labels for record in every]
    for record in found[:-1]:
        assert sum(n == 3 for n in record.rollouts) <= math.ceil(math.log2(size + 1))
    assert found[-1].rollouts == (*(0,) * size, 1)


def test_an_unfinished_response_is_searched_to_its_end() -> None:
    for marks, expected in {
        "++++": (1, 1, 1, 1),
        "++--": (1, 1, 0, 0),
        "----": (0, 0, 0, 0),
    }.items():
        response = Response(steps=tuple(f"{m} " for m in marks), finished=False)
        (record,) = BinarySearch()([(PROMPT, response)], rollouts(Coin(value)))
        assert record.labels == expected


def test_what_cannot_be_told_has_no_label() -> None:
    (record,) = BinarySearch()([solution("++--", answer="?")], rollouts(Coin(value)))
    assert record.labels == (1, 1, 0, 0, 0)
    (record,) = BinarySearch()([solution("++++", answer="?")], rollouts(Coin(value)))
    assert record.labels == (1, 1, 1, 1, None)
    tired = Stream(value, fails=lambda steps: len(steps) == 3)
    (record,) = BinarySearch()([solution("++--")], rollouts(tired))
    assert record.labels == (None, None, None, None, 0)
