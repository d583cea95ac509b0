"""Rollouts that mend what went wrong before they began are no evidence that it was right.

A step is judged by whether a policy finishes right from after it. A policy that notices the error
says so, goes back and finishes right; counted, that would make the wrong step a right one. The
guard sets such a rollout aside, neither right nor wrong. It reads words, so it misses a repair in
other words, or in none, and may set aside a rollout that corrects an error of its own; how many it
set aside is part of the cost that every run reports. Against silent repairs `consensus` with a
judge that reads the step is the stronger remedy.
"""

import re
from dataclasses import dataclass

from assay.labelling.ledger import Rollout
from assay.protocols import Prefix

__all__ = ["SelfCorrection"]

_SAYS_SO = re.compile(
    r"\b(?:"
    r"(?:wait|hold on|hmm|oops|sorry|apolog\w+)\b"
    r"|(?:i|we|there was|there is|there's) (?:\w+ ){0,2}(?:made|an?) (?:\w+"
    r" )?(?:mistake|error|typo)"
    r"|(?:that|this|which|it) (?:is|was|looks|seems) (?:\w+ )?(?:wrong|incorrect|not"
    r" (?:right|correct)|off)\b"
    r"|(?:let me|let us|let's|we (?:should|must|need to)|i (?:should|must|need to)) "
    r"(?:\w+"
    r" )?(?:correct|fix|redo|re-?do|recompute|recalculate|re-?check|re-?examine|reconsider|start"
    r" over|try again)"
    r"|(?:previous|earlier|above|last) (?:step|line|calculation|result|answer|equation) (?:\w+"
    r" ){0,2}"
    r"(?:wrong|incorrect|mistaken|an error|not (?:right|correct))"
    r"|should (?:actually|instead|really) (?:be|have been)|should have been"
    r"|correct(?:ing|ion)\b(?= (?:the|this|that|my|our)|:)"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SelfCorrection:
    """A guard: does the rollout say, soon after it begins, that something before was wrong?"""

    within: int = 400
    """Characters looked at; later on it corrects what it wrote itself. 0 looks at all."""

    def __call__(self, prefix: Prefix, rollout: Rollout) -> bool:
        """True where it does; never from after no step at all, where there is nothing to repair."""
        return (
            bool(prefix.steps) and _SAYS_SO.search(rollout.text[: self.within or None]) is not None
        )
