import pytest

from assay.labelling.ledger import Rollout
from assay.labelling.repair import SelfCorrection
from assay.protocols import Prefix
from tests.labelling.planted import PROMPT

AFTER = Prefix(PROMPT, ("3 + 5 = 9.\n",))


def repairs(text: str, prefix: Prefix = AFTER, **settings: int) -> bool:
    return SelfCorrection(**settings)(prefix, Rollout(steps=(text,), right=True))


@pytest.mark.parametrize(
    "text",
    [
        "Wait, 3 + 5 is 8.",
        "Hmm, I made a mistake above.",
        "That is incorrect: the sum is 8.",
        "Let me recalculate the sum.",
        "The previous step is wrong.",
        "Actually, we made an error in the addition.",
        "It should have been 8.",
        "Correcting the last line, 3 + 5 = 8.",
        "Correction: 8.",
        "There was a small error in the sum, which is 8.",
        "we need to fix the sum first",
    ],
)
def test_a_rollout_that_says_it_repairs(text: str) -> None:
    assert repairs(text)


@pytest.mark.parametrize(
    "text",
    [
        "So there are 9 apples left.",
        "The waiter gets 9 dollars.",
        "Next, subtract the error term from 9.",
        "The correct answer is 9.",
        "He waited for 9 minutes.",
        "This is the right triangle with legs 3 and 9.",
        "",
    ],
)
def test_a_rollout_that_goes_on(text: str) -> None:
    assert not repairs(text)


def test_only_what_comes_soon_after_a_step_counts() -> None:
    late = "9 apples. " * 50 + "Wait, that is wrong."
    assert not repairs(late)
    assert repairs(late, within=0)
    assert not repairs("Wait, 8.", Prefix(PROMPT))
