"""The opposite of what is said."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, final_answer, matches, sentences

__all__ = ["Negation"]

_VERB: Final = re.compile(
    r"\b(?P<verb>is|are|was|were|can|could|will|would|should|must|may|might|do|does|did)"
    r"(?:n?['’]t\b| not\b|not\b)"
    # Not in a question.
    r"|\b(?P<plain>is|are|was|were|can|could|will|would|should|must|may|might)\b"
    r"(?![^.!?\n]{0,300}\?)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Negation:
    """Deny a sentence: the one with the final answer, or the first that can be."""

    area: ClassVar[Area] = "content"
    expects: ClassVar[Expects] = "lower"
    meaning: ClassVar[str] = (
        '"not" put into or taken out of the sentence with the answer, or the first one'
    )

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with one sentence turned round; none without a verb to deny."""
        text = subject.response.text
        answer = final_answer(subject.response)
        at = answer.span[0] if answer else -1
        own = [span for span in sentences(text) if span[0] <= at < span[1]]
        verbs = matches(_VERB, text)
        near = [verb for start, end in own for verb in verbs if start <= verb.start() < end]
        if verbs:
            verb = (near or verbs)[0]
            new = verb["verb"] or f"{verb['plain']} not"
            yield from changed(subject, [(*verb.span(), new)])
