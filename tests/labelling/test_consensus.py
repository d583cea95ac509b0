import pytest

from assay.errors import DataError
from assay.labelling.consensus import Agreement, consensus, first_wrong, truncate
from assay.types import Prompt, Response, StepLabels

SIZE = 3


def labels(*values: float | None, name: str = "a") -> StepLabels:
    steps = tuple(f"step {i}" for i in range(len(values)))
    return StepLabels(prompt=Prompt.of(name), response=Response(steps=steps), labels=values)


def test_the_first_wrong_step() -> None:
    assert first_wrong((1, 0.6, 0.2, 0)) == 2
    assert first_wrong((1, 0.9)) is None
    assert first_wrong((1, None, 0)) == "open"
    assert first_wrong((0.5, 0)) == "open"
    assert first_wrong((0, None)) == 0
    assert first_wrong(()) is None


def test_only_what_both_see_alike_is_kept() -> None:
    first = [
        labels(1, 0.3, 0, name="same place"),
        labels(1, 1, 1, name="both right"),
        labels(1, 0, 0, name="other place"),
        labels(1, 1, 1, name="one sees an error"),
        labels(None, 0, 0, name="open"),
        labels(1, 1, 1, name="alone"),
    ]
    second = [
        labels(1, 0, None, name="same place"),
        labels(1, 1, 0.8, name="both right"),
        labels(0, 0, 0, name="other place"),
        labels(1, 1, 0, name="one sees an error"),
        labels(1, 0, 0, name="open"),
    ]
    kept, agreement = consensus(first, second)
    assert kept == first[:2]
    assert agreement == Agreement(agree=2, disagree=2, open=1, alone=1)
    # A judge's copy that repeats a solution with the same labels is harmless, with others it is
    # not.
    consensus(first, [*second, second[0]])
    with pytest.raises(DataError, match="twice"):
        consensus(first, [*second, labels(1, 1, 1, name="same place")])


def test_labels_after_the_first_error_are_dropped() -> None:
    assert truncate(labels(1, 0.4, 1, 0)).labels == (1, 0.4, None, None)
    assert truncate(labels(1, None, 0.5)).labels == (1, None, 0.5)
    assert truncate(labels(0, 1)).labels == (0, None)
