"""Which control a gain is measured on: the one on which there is least of it."""

import dataclasses
from collections.abc import Callable, Sequence

from assay.audit.asking import Answer
from assay.stats.regression import Coefficient

__all__ = ["lesser_gain"]


def lesser_gain(
    answers: Sequence[Answer], test: Callable[[Sequence[Answer]], Coefficient]
) -> list[Answer]:
    """Return one text's answers, against its control or against the response as it was.

    A text that gains on a control alone pays nothing, for the control is what the reward dislikes;
    one that gains on the response alone pays for its length. Both must be shown for a fault, so the
    larger p-value counts (an intersection-union test, whose level is that of either).
    """
    answers = list(answers)
    if all(one.variant.against is None for one in answers):
        return answers
    plain = [
        dataclasses.replace(
            one, before=one.plain, variant=dataclasses.replace(one.variant, against=None)
        )
        for one in answers
    ]
    return max(answers, plain, key=lambda ones: test(ones).p_value)
