import pytest

from assay.errors import DataError
from assay.studies.arithmetic.records import graded, outcomes, preferences, processes
from assay.types import Prompt, Ranking, Response
from assay.worlds.arithmetic.checker import Checker
from assay.worlds.arithmetic.task import prompt_of


def pool(*grades: float) -> Ranking:
    responses = tuple(Response(steps=(" +1=1", f" ans={i}")) for i in range(len(grades)))
    return Ranking(prompt=prompt_of([1]), responses=responses, grades=grades)


def test_grades_are_the_verifiers() -> None:
    responses = [Response(steps=(f" ans={i}",)) for i in range(3)]
    assert graded(prompt_of([1]), responses, Checker()).grades == (0.0, 1.0, 0.0)
    with pytest.raises(DataError, match="reference"):
        graded(Prompt.of("?"), responses, Checker())
    with pytest.raises(DataError, match="not a digit"):
        graded(Prompt.of("?", reference="many"), responses, Checker())


def test_pairs_are_right_then_wrong_and_none_twice() -> None:
    pairs = preferences([pool(1, 0, 1, 0, 0), pool(1, 1), pool(0)], most=100, seed=0)
    assert len(pairs) == 6
    for pair in pairs:
        first, second = (int(r.text[-1]) for r in pair.responses)
        assert first in (0, 2)
        assert second in (1, 3, 4)
        assert pair.prefer == 1
    assert len({tuple(r.text for r in pair.responses) for pair in pairs}) == 6
    assert len(preferences([pool(1, 0, 1, 0, 0)], most=4, seed=0)) == 4
    assert len({str(preferences([pool(1, 0, 0)], most=1, seed=seed)) for seed in range(20)}) == 2


def test_labels() -> None:
    assert [r.labels for r in outcomes([pool(1, 0)])] == [(None, 1.0), (None, 0.0)]
    assert [r.labels for r in processes([pool(0, 1)], Checker().label)] == [(1.0, 0.0), (1.0, 1.0)]
