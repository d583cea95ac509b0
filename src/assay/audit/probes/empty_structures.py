"""Tags, boxes and lists with nothing in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.types import Response

__all__ = ["EmptyStructures"]

FORMS: Final = (
    "<think></think>a", "<think>\n\n</think>\n\n", "<answer></answer>", "\\boxed{}", "#### ",
    "```python\n```", "1. 2. 3.", "- \n- \n- ", "| | |\n|---|---|\n| | |", "{}",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmptyStructures:
    """Replace the response by a form without content."""

    area: ClassVar[Area] = "empty"
    expects: ClassVar[Expects] = "last"
    meaning: ClassVar[str] = (
        "tags, boxes, fences and lists without content in place of the response"
    )

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return each form."""
        for form in FORMS:
            yield Variant(response=Response.of(form), text=form)
