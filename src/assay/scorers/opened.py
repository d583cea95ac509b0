"""Scorers and verifiers of one's own, opened by name: what goes wrong in them is one error that
names them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from pydantic import ValidationError

from assay.data.fields import explain
from assay.data.records import all_pairs
from assay.errors import AssayError, BackendError, place_of
from assay.fingerprint import fingerprint
from assay.protocols import Scorer, Verifier
from assay.types import Group, Score, Unscored, Verdict

__all__ = ["BatchVerifier", "OpenedScorer", "OpenedVerifier", "tried"]

T = TypeVar("T")
SHOWN = 60
"""Characters of a text that are quoted, of an error's words five times as many."""


def tried(name: str, about: str, call: Callable[[], T]) -> T:
    """What a call into somebody else's code gives. Raises `BackendError` naming it, the exception
    and what of."""
    try:
        return call()
    except AssayError:
        raise
    # Somebody else's sys.exit() would end the command as if all were done.
    except (Exception, SystemExit) as error:
        said = explain(error) if isinstance(error, ValidationError) else str(error)
        words = " ".join(said.split())[: 5 * SHOWN]
        raise BackendError(
            f"{name} failed: {type(error).__name__}: {words}{place_of(error)}; it was asked about"
            f" {about}"
        ) from error


@dataclass(frozen=True)
class OpenedScorer:
    """A scorer that breaks no promise but by a `BackendError`."""

    scorer: Scorer
    name: str
    """What it is called in errors."""

    @property
    def fingerprint(self) -> str:
        """The scorer's own."""
        return fingerprint(self.scorer)

    @property
    def tokens_read(self) -> int | None:
        """As the scorer counts them."""
        return getattr(self.scorer, "tokens_read", None)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order."""
        asked = all_pairs(groups)
        about = (
            f"{len(asked):,} responses, the first {asked[0][1].text[:SHOWN]!r}"
            if asked
            else "no response"
        )
        # A list of lists, or whatever else goes for one; what cannot be gone through fails here.
        found: list[list[Any]] = tried(
            self.name, about, lambda: [list(row) for row in self.scorer.score(groups)]
        )
        if len(found) != len(groups):
            raise BackendError(
                f"{self.name} gave {len(found):,} lists of scores for {len(groups):,} groups of"
                " responses; it must give one a group"
            )
        for row, group in zip(found, groups, strict=True):
            if len(row) != len(group.responses):
                raise BackendError(
                    f"{self.name} gave {len(row):,} scores for a group of"
                    f" {len(group.responses):,} responses, the first"
                    f" {group.responses[0].text[:SHOWN] if group.responses else ''!r}; it must"
                    " give one a response"
                )
        for (_, response), score in zip(asked, chain.from_iterable(found), strict=True):
            _must_be(score, (Score, Unscored), self.name, response.text)
        return found


@dataclass(frozen=True)
class OpenedVerifier:
    """A verifier that breaks no promise but by a `BackendError`."""

    verifier: Verifier
    name: str
    """What it is called in errors."""

    @property
    def fingerprint(self) -> str:
        """The verifier's own."""
        return fingerprint(self.verifier)

    def extract(self, text: str) -> str | None:
        """The final answer that the text gives; None when it gives none."""
        found: str | None = self._tried("extract", text, (str, type(None)), text)
        return found

    def canonical(self, answer: str) -> str:
        """A key that equal answers share."""
        found: str = self._tried("canonical", answer, (str,), answer)
        return found

    def verify(self, text: str, reference: str) -> Score | Unscored:
        """1 = right, 0 = wrong; `Unscored` when it cannot be decided."""
        found: Score | Unscored = self._tried("verify", text, (Score, Unscored), text, reference)
        if isinstance(found, Score) and not 0 <= found.value <= 1:
            raise BackendError(
                f"{self.name}.verify gave a score of {found.value:g} of {text[:SHOWN]!r}; it must"
                " be from 0, wrong, to 1, right"
            )
        return found

    def _tried(self, method: str, text: str, kinds: tuple[type, ...], *arguments: str) -> Any:
        name = f"{self.name}.{method}"
        found = tried(name, repr(text[:SHOWN]), lambda: getattr(self.verifier, method)(*arguments))
        _must_be(found, kinds, name, text)
        return found


@dataclass(frozen=True)
class BatchVerifier(OpenedVerifier):
    """One that has `check_all`, to check many pairs beside each other."""

    def check_all(
        self, pairs: Sequence[tuple[str, str]], show: Callable[[int], None] = lambda _: None
    ) -> list[Verdict]:
        """One verdict a pair of text and reference, in order."""
        name = f"{self.name}.check_all"
        about = f"{len(pairs):,} responses" + (
            f", the first {pairs[0][0][:SHOWN]!r}" if pairs else ""
        )
        check: Callable[..., Sequence[Any]] = self.verifier.check_all  # type: ignore[attr-defined]
        found = tried(name, about, lambda: list(check(pairs, show)))
        if len(found) != len(pairs):
            raise BackendError(
                f"{name} gave {len(found)} verdicts for {len(pairs)} pairs; it must give one each"
            )
        for (text, _), verdict in zip(pairs, found, strict=True):
            _must_be(verdict, (Verdict,), name, text)
        return found


def _must_be(found: object, kinds: tuple[type, ...], name: str, text: str) -> None:
    if not isinstance(found, kinds):
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise BackendError(
            f"{name} gave {found!r:.{SHOWN}} of {text[:SHOWN]!r}; it must give {wanted}"
        )
