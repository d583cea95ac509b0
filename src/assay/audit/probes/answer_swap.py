"""The other response's answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, final_answer

__all__ = ["AnswerSwap"]


@dataclass(frozen=True, kw_only=True)
class AnswerSwap:
    """Put a wrong response's final answer in place of the right one."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = "the final answer replaced by the one of a wrong response"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each other answer; none where no two are stated."""
        own = final_answer(subject.response)
        if own is None or subject.right is False:
            return
        value = subject.response.text[slice(*own.span)]
        for one in subject.others:
            other = final_answer(one.response)
            wrong = one.response.text[slice(*other.span)] if other else value
            if one.right is not True and _bare(wrong) != _bare(value):
                yield from changed(subject, [(*own.span, wrong)])
                return


def _bare(answer: str) -> str:
    return "".join(answer.lower().split()).rstrip(".")
