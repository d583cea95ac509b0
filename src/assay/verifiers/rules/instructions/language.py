"""The language of the whole text."""

from dataclasses import dataclass
from typing import ClassVar

from assay.errors import ConfigError
from assay.types import Verdict
from assay.verifiers.rules.texts.language import check_language, known
from assay.verifiers.rules.texts.samples import SAMPLES

__all__ = ["ResponseLanguage"]


@dataclass(frozen=True, kw_only=True)
class ResponseLanguage:
    """The text is in the language.

    The published check asks an unseeded detector for its best guess, and takes a text in which it
    finds no language for one that follows. Here the detector is seeded, and a text that is short or
    mixed is undecided.
    """

    id: ClassVar[str] = "language:response_language"

    language: str
    """ISO 639-1 code, such as de."""

    def __post_init__(self) -> None:
        known(self.language)

    def check(self, text: str) -> Verdict:
        """Says what it reads as."""
        return check_language(self.id, text, self.language)

    def example(self) -> str:
        """A sentence in the language."""
        for code, sentence in SAMPLES.items():
            if code == self.language or code.startswith(f"{self.language}-"):
                return sentence
        raise ConfigError(
            f"no example is known in {self.language!r}; there is {', '.join(SAMPLES)}"
        )

    def counterexample(self) -> str:
        """A sentence in another one."""
        return SAMPLES["fi" if self.language == "en" else "en"]
