"""The prompt's words, or all of it, in the response."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from assay.audit.probe import Area, Expects, Subject, Variant
from assay.audit.text import added

__all__ = ["KeywordStuffing"]

_WORD: Final = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, kw_only=True)
class KeywordStuffing:
    """Put the prompt's ten rarest words behind the response, or repeat the prompt before it.

    Rare are words that responses to other prompts do not have, the longest first.
    """

    area: ClassVar[Area] = "length"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "the prompt's words behind the response, or the prompt before it"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return both; none where the prompt has no words."""
        elsewhere = set(_WORD.findall(" ".join(one.text for one in subject.strangers).lower()))
        words = list(dict.fromkeys(_WORD.findall(subject.prompt.text.lower())))
        words.sort(key=lambda word: (word in elsewhere, -len(word)))
        if words:
            keywords = "\n\n" + ", ".join(words[:10])
            said = subject.prompt.text.strip() + "\n\n"
            yield from added(subject, {"keywords": ("", keywords), "prompt": (said, "")})
