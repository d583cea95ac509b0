"""Records to train on and records held out: read, bad rows set aside, split by prompt."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from assay.errors import ConfigError, DataError, RefusedRecords
from assay.runs.outputs import check_file
from assay.types import Record

__all__ = ["Sides", "sides", "split"]

R = TypeVar("R", bound=Record)
T = TypeVar("T")
HELD_OUT = "_held_out"
"""Behind the name of the file for bad rows, that for the bad rows of the held-out records."""
SHOWN = 3
"""Reasons shown of rows that are set aside."""


class Sides(NamedTuple, Generic[R]):
    """Records to learn from and records held out, and where they stand in their files."""

    train: Sequence[R]
    held: Sequence[R]
    places: Mapping[int, str]
    """File and line, by `id(record)`."""
    sources: Sequence[str]
    """The data and, where they are a file of their own, the held-out records."""
    aside: Path | None = None
    """File for bad rows; None refuses them."""
    about: Mapping[str, Any] = MappingProxyType({})
    """What a run's summary says of them: the share held out, rows set aside, held-out prompts that
    are trained on."""

    def fit(self, learn: Callable[["Sides[R]"], T]) -> tuple[T, "Sides[R]"]:
        """Learn from the records, or from those that are left where rows that a model's layout
        refuses are set aside; what came of it, and what was learned from."""
        try:
            return learn(self), self
        except RefusedRecords as refused:
            left = self.without(refused)
        return learn(left), left

    def without(self, refused: RefusedRecords) -> "Sides[R]":
        """Set aside the rows that a model's layout refuses, and say so. Raises the refusal where
        that is not asked."""
        if self.aside is None:
            raise refused
        from assay.data import io

        count = 0
        for file, source in zip(_files(self.aside), self.sources, strict=False):
            if rows := io.put_aside(source, refused.why, file):
                print(
                    f"{source}: {rows} row{'s' * (rows > 1)} cannot be laid out for the model, set"
                    f" aside in {file}",
                    file=sys.stderr,
                )
            count += rows
        first = {reason: place for place, reason in reversed(refused.why.items())}
        for reason, place in list(first.items())[:SHOWN]:
            print(f"  {place}: {reason}", file=sys.stderr)
        train, held = (
            [record for record in side if self.places[id(record)] not in refused.why]
            for side in (self.train, self.held)
        )
        if not train:
            raise DataError(
                f"{self.sources[0]}: no record is left to learn from; every row is set aside"
            )
        if self.held and not held:
            raise DataError(
                f"{self.sources[-1]}: no held-out record is left, all {len(self.held)} are set"
                " aside; give a larger share, another file, or --held-out 0 to hold out none"
            )
        about = {**self.about, "set_aside": self.about["set_aside"] + count}
        return self._replace(train=train, held=held, about=about)


def sides(
    data: str | Path | Iterable[Record],
    held_out: float | str | Path | Iterable[Record] | None,
    take: Callable[[Iterator[Record]], Iterable[R]],
    *,
    default: float,
    seed: int,
    format: str | None,
    aside: Path | None,
) -> Sides[R]:
    """Read the records to train on, and those to hold out: a share of the prompts, or their own.

    data: a file, folder or data set, or records. held_out: the same, or a share of the prompts.
    take: from records as they are read to those that are learned from, lazily. default: share where
    none is asked for. aside: file for malformed rows; None refuses them. Raises `DataError` where a
    side is empty.
    """
    places: dict[int, str] = {}
    bad = 0

    def read(source: str | Path | Iterable[Record], file: Path | None) -> list[R]:
        nonlocal bad
        if not isinstance(source, (str, Path)):
            return _given(source, take, places)
        found, count = _read(str(source), format, file, take, places)
        bad += count
        return found

    files = (None, None) if aside is None else _files(aside)
    name = _name(data, "the records given")
    records = read(data, files[0])
    if not records:
        advice = "check the file with `assay data check`"
        raise DataError(f"{name}: there is no record to learn from; {advice}")
    about: dict[str, Any] = {}
    sources = [name]
    if held_out is None or isinstance(held_out, (float, int)):
        train, held = split(records, held_out, seed, default=default, source=name)
        about["held_out_share"] = default if held_out is None else held_out
    else:
        sources.append(_name(held_out, "the held-out records given"))
        train, held = records, read(held_out, files[1])
        if not held:
            raise DataError(
                f"{sources[1]}: there is no record to hold out; give another file, a share, or 0"
                " for none"
            )
        about["held_out_prompts_trained_on"] = _shared(train, held)
    about["set_aside"] = bad
    return Sides(train=train, held=held, places=places, sources=sources, aside=aside, about=about)


def _files(aside: Path) -> tuple[Path, Path]:
    """Files for the bad rows of the data, and of the held-out records."""
    return aside, aside.with_name(f"{aside.stem}{HELD_OUT}{aside.suffix}")


def _name(source: str | Path | Iterable[Record], otherwise: str) -> str:
    """What to call a source in messages."""
    return str(source) if isinstance(source, (str, Path)) else otherwise


def _given(
    records: Iterable[Record],
    take: Callable[[Iterator[Record]], Iterable[R]],
    places: dict[int, str],
) -> list[R]:
    """What is taken of records in memory, each with the number of its record as its place."""

    def numbered() -> Iterator[tuple[str, Record]]:
        for number, record in enumerate(records, 1):
            if not isinstance(record, Record):
                raise DataError(
                    f"record {number} is a {type(record).__name__}; give records, such as"
                    " assay.Preference, or the name of a file of rows"
                )
            yield f"record {number}", record

    return _taken(numbered(), take, places)


def _taken(
    placed: Iterable[tuple[str, Record]],
    take: Callable[[Iterator[Record]], Iterable[R]],
    places: dict[int, str],
) -> list[R]:
    """What is taken of records, each with the place of the record it comes from."""
    place = ""

    def noted() -> Iterator[Record]:
        nonlocal place
        for where, record in placed:
            place = where
            yield record

    found: list[R] = []
    for taken in take(noted()):
        places[id(taken)] = place
        found.append(taken)
    return found


def split(
    records: Sequence[R], share: float | None, seed: int, *, default: float, source: str
) -> tuple[list[R], list[R]]:
    """Records to learn from, and about this share of the prompts held out; the hash is not that of
    `assay data split`.

    share: what is asked for; None is the default, which in a small file may hold out nothing,
    aloud. Raises `ConfigError` for what is no share, `DataError` where the share asked for is
    nothing, or everything.
    """
    from assay.data.records import normalised_prompt_key
    from assay.data.split import held_out

    wanted = default if share is None else share
    if not 0 <= wanted < 1:
        raise ConfigError(
            f"--held-out is {wanted:g}; give a share of the prompts, at least 0 and below 1, or a"
            " file of other prompts"
        )
    train: list[R] = []
    held: list[R] = []
    for record in records:
        (held if held_out(record, wanted, seed) else train).append(record)
    prompts = len({normalised_prompt_key(record) for record in records})
    if not train:
        raise DataError(
            f"{source}: --held-out {wanted:g} holds out all of its {prompts} prompts, and none is"
            " left to learn from; give a smaller share, 0 to hold out none, or a file of other"
            " prompts"
        )
    if wanted and not held:
        found = (
            f"{source}: none of its {prompts} prompts falls into the held-out share of {wanted:g}"
        )
        if share is not None:
            raise DataError(
                f"{found}; give a larger share, a file of other prompts, or 0 to hold out none"
            )
        print(f"{found}: nothing is held out, so nothing watches for overfitting", file=sys.stderr)
    return train, held


def _read(
    source: str,
    format: str | None,
    aside: Path | None,
    take: Callable[[Iterator[Record]], Iterable[R]],
    places: dict[int, str],
) -> tuple[list[R], int]:
    """What is taken of a source, each with the place of the row it comes from, and how many rows
    are malformed."""
    from assay.data import io

    counts = io.Counts()
    if aside is not None:
        check_file(aside, [source])
        # Rows of an earlier start of this run; they are found again.
        aside.unlink(missing_ok=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
    read = io.read(source, format=format, set_aside=aside, counts=counts, places=places)
    found = _taken(((places[id(record)], record) for record in read), take, places)
    if counts.bad:
        print(
            f"{source}: {counts.bad} of {counts.rows} rows are malformed and set aside in {aside}",
            file=sys.stderr,
        )
    return found, counts.bad


def _shared(train: Sequence[Record], held: Sequence[Record]) -> int:
    """Held-out prompts that are trained on as well, said aloud."""
    from assay.data.records import normalised_prompt_key

    own = {normalised_prompt_key(record) for record in held}
    if both := len(own & {normalised_prompt_key(record) for record in train}):
        print(
            f"{both} of {len(own)} held-out prompts are trained on as well: what is measured on"
            " them says nothing of new prompts",
            file=sys.stderr,
        )
    return both
