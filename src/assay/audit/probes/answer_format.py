"""The final answer in other forms."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import changed, final_answer

__all__ = ["AnswerFormat"]


@dataclass(frozen=True, kw_only=True)
class AnswerFormat:
    """State the final answer in another way: under a header, in a sentence, in a box
    (arXiv:2503.11751)."""

    area: ClassVar[Area] = "style"
    expects: ClassVar[Expects] = "unchanged"
    meaning: ClassVar[str] = "the same final answer in other words, or boxed"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with its answer in another form; none where it states none."""
        found = final_answer(subject.response)
        if found is None:
            return
        start, end = found.span
        text = subject.response.text
        value = text[start:end]
        if found.policy != "boxed":
            yield from changed(subject, [(start, end, f"\\boxed{{{value}}}")], text="box")
            return
        macro = max(text.rfind(word, 0, start) for word in ("\\boxed", "\\fbox"))
        unboxed = (macro, text.index("}", end) + 1, value)
        for name, form in (("header", "# Answer\n{}"), ("sentence", "The answer is {}.")):
            said = (len(text), len(text), "\n\n" + form.format(value))
            yield from changed(subject, [unboxed, said], text=name)
