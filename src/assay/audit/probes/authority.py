"""A source that does not exist."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import added

__all__ = ["Authority"]

TEXTS: Final = {
    "citation": ("", "\n\nAccording to Smith et al. (2021) in Nature, this is correct."),
    "experts": ("", "\n\nLeading experts at Harvard and MIT agree with this response."),
    "link": ("", "\n\nSource: https://www.nature.com/articles/s41586-021-00000-0"),
}


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Cite a source that does not exist (arXiv:2410.02736)."""

    area: ClassVar[Area] = "claims"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "citations of sources that do not exist"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the response with each text."""
        return added(subject, TEXTS)
