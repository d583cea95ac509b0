"""Generators of one's own, opened by name: what goes wrong in them is one error that names them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final, cast

from assay.errors import BackendError
from assay.fingerprint import OfWrapped
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.scorers.opened import SHOWN, tried
from assay.types import Response, Unscored

__all__ = ["OpenedGenerator", "opened_generator"]

OWED: Final = (
    "generate(prefixes, sampling) must give a list with a list for each prefix, and in it"
    " `sampling.n` times a `Response` that begins with the prefix's steps"
)
STREAMED: Final = (
    "stream(prefixes, sampling) must give, for each prefix once, its index and a list of"
    " `sampling.n` responses that begin with the prefix's steps, or an `Unscored`"
)


@dataclass(frozen=True)
class OpenedGenerator:
    """A generator that breaks no promise but by a `BackendError`."""

    generator: Generator
    name: str
    """What it is called in errors."""

    fingerprint = OfWrapped("generator")

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """Write `sampling.n` responses for each prefix, in order; fewer where it has no more."""
        found: Any = tried(
            self.name, _about(prefixes), lambda: self.generator.generate(prefixes, sampling)
        )
        if not isinstance(found, (list, tuple)):
            raise BackendError(f"{self.name} gave {found!r:.{SHOWN}}; {OWED}")
        if len(found) != len(prefixes):
            raise BackendError(
                f"{self.name} answered {len(found)} of {len(prefixes)} prefixes; {OWED}"
            )
        return [
            _checked(self.name, row, prefix, sampling, OWED)
            for row, prefix in zip(found, prefixes, strict=True)
        ]


@dataclass(frozen=True)
class _StreamingOne(OpenedGenerator):
    """One that hands over what is finished while the rest is under way."""

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """Hand over each prefix's index and its responses, or why there are none, in any order."""
        about = _about(prefixes)
        begun: Any = tried(
            self.name,
            about,
            lambda: iter(cast(Streaming, self.generator).stream(prefixes, sampling)),
        )
        left = set(range(len(prefixes)))
        while (one := tried(self.name, about, lambda: next(begun, None))) is not None:
            place: Any = one[0] if isinstance(one, tuple) and len(one) == 2 else None
            known = isinstance(place, Integral) and place in left
            if not known:
                raise BackendError(f"{self.name} gave {one!r:.{SHOWN}}; {STREAMED}")
            left.remove(place)
            if isinstance(one[1], Unscored):
                yield one
            else:
                yield place, _checked(self.name, one[1], prefixes[place], sampling, STREAMED)
        if left:
            many = len(prefixes) - len(left)
            raise BackendError(f"{self.name} answered {many} of {len(prefixes)} prefixes")


def opened_generator(found: Generator, name: str) -> Generator:
    """Return a generator whose errors name it."""
    return (_StreamingOne if isinstance(found, Streaming) else OpenedGenerator)(found, name)


def _checked(name: str, row: Any, prefix: Prefix, sampling: Sampling, owed: str) -> list[Response]:
    """The responses to a prefix as a list. Raises `BackendError` where they are something else."""
    if not isinstance(row, (list, tuple)):
        raise BackendError(f"{name} gave {row!r:.{SHOWN}} for a prefix; {owed}")
    for one in row:
        if not isinstance(one, Response):
            raise BackendError(f"{name} gave {one!r:.{SHOWN}} as a response; {owed}")
        if one.steps[: len(prefix.steps)] != prefix.steps:
            raise BackendError(
                f"{name} gave {one.text!r:.{SHOWN}}, which does not begin with the prefix"
                f" {''.join(prefix.steps)!r:.{SHOWN}}; {owed}"
            )
    if len(row) > sampling.n:
        raise BackendError(
            f"{name} gave {len(row)} responses where {sampling.n} were asked for; {owed}"
        )
    return list(row)


def _about(prefixes: Sequence[Prefix]) -> str:
    first = f", the first {prefixes[0].prompt.text[:SHOWN]!r}" if prefixes else ""
    return f"{len(prefixes):,} prefixes{first}"
