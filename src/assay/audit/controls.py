"""Which control a gain is measured on: the one on which there is least of it."""

import dataclasses
from collections.abc import Callable, Sequence

from assay.audit.asking import Answer
from assay.audit.probe import Expects
from assay.stats.regression import Coefficient

__all__ = ["tested"]

Test = Callable[[Sequence[Answer]], Coefficient]


def tested(
    answers: Sequence[Answer], expects: Expects, test: Test
) -> tuple[dict[str, Coefficient], list[Answer]]:
    """Return what a test says of each text, and the answers as they were tested.

    What may not gain is tested against its control and against the response as it was. A text that
    gains on a control alone pays nothing, for the control is what the reward dislikes; one that
    gains on the response alone pays for its length. Both must be shown for a fault, so the larger
    p-value counts (an intersection-union test, whose level is that of either).
    """
    by_text: dict[str, list[Answer]] = {}
    for one in answers:
        by_text.setdefault(one.variant.text, []).append(one)
    tests, kept = {}, []
    for text, these in by_text.items():
        choices = [these]
        if expects == "no gain" and any(one.variant.against for one in these):
            choices.append([_plain(one) for one in these])
        tests[text], chosen = max(
            ((test(ones), ones) for ones in choices), key=lambda pair: pair[0].p_value
        )
        kept += chosen
    return tests, kept


def _plain(one: Answer) -> Answer:
    """The answer compared with the response as it was."""
    variant = dataclasses.replace(one.variant, against=None)
    return dataclasses.replace(one, before=one.plain, variant=variant)
