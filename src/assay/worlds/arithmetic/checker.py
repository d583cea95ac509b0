"""The truth: is the answer right, and is each step?

A step is judged against the state that the steps before it wrote, wrong or not: after "+3=4"
(should be 3) the step "+5=9" is right. So a step's label says whether this step erred, all labels
are 1 only if the answer is right, and an answer may be right in spite of errors that cancel. A step
adds the next unused digit or 0; an operation that does neither is wrong and uses up no digit, but
the result it wrote counts as written. The answer step repeats the running sum after all digits are
used. What does not parse is wrong and changes nothing, and nothing is right after an answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assay.types import Prompt, Response, Score, StepLabels, Unscored
from assay.worlds.arithmetic.task import digits_of

__all__ = ["Checker", "check_steps"]

_STEP = re.compile(r" (?:\+([0-9])|ans)=([0-9])")
_ANSWER = re.compile(r"(?:^| )ans=([0-9])$")


def check_steps(digits: Sequence[int], steps: Sequence[str]) -> tuple[bool, ...]:
    """Return whether each step is right."""
    total, used, answered = 0, 0, False
    verdicts = []
    for step in steps:
        parsed = _STEP.fullmatch(step)
        if parsed is None or answered:
            verdicts.append(False)
            continue
        result = int(parsed[2])
        if parsed[1] is None:
            verdicts.append(result == total and used == len(digits))
            answered = True
            continue
        op = int(parsed[1])
        is_next = used < len(digits) and op == digits[used]
        verdicts.append((op == 0 or is_next) and result == (total + op) % 10)
        used += is_next
        total = result
    return tuple(verdicts)


@dataclass(frozen=True)
class Checker:
    """A `Verifier` of answers, and the exact labeller of steps."""

    def extract(self, text: str) -> str | None:
        """The digit of a closing "ans=d"; None where the text does not end in one."""
        found = _ANSWER.search(text)
        return found[1] if found else None

    def canonical(self, answer: str) -> str:
        """Answers are digits: already canonical."""
        return answer.strip()

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = right, 0 = wrong or no answer; `Unscored` where the reference is no digit."""
        if len(reference) != 1 or reference not in "0123456789":
            return Unscored(reason=f"reference {reference!r} is not a digit")
        return Score(value=float(self.extract(text) == reference))

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """A label a step, 1 = right. Raises `DataError` where the prompt is not one of this
        world's."""
        verdicts = check_steps(digits_of(prompt), response.steps)
        return StepLabels(prompt=prompt, response=response, labels=tuple(map(float, verdicts)))
