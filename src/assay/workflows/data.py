"""Data files: what is wrong with them, and splits of them by prompt."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.data.check import Report, check
from assay.data.describe import Datasheet, describe
from assay.data.io import Counts, read, scan, write
from assay.data.lines import Bad
from assay.data.records import normalised_prompt_key
from assay.data.split import Side, side, surprising
from assay.errors import ConfigError, DataError
from assay.protocols import Format
from assay.stats import Estimate, bracket
from assay.types import Record

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Checked",
    "Described",
    "Finding",
    "check_data",
    "describe_data",
    "reread",
    "split_data",
]

Finding = Literal[
    "leaked_records",
    "exact_duplicates",
    "relabelled",
    "near_duplicates",
    "same_responses",
    "contradictions",
    "cycles",
    "empty_prompts",
    "empty_responses",
    "unfinished",
    "maybe_cut",
]
FINDINGS: dict[Finding, str] = {
    "exact_duplicates": "same texts and labels as an earlier record",
    "relabelled": "same texts as an earlier record, other labels",
    "near_duplicates": "same but for case, spacing and punctuation",
    "same_responses": "preferences between two equal texts",
    "contradictions": "pairs with each preferred over the other",
    "cycles": "preferred in a circle of three or more",
    "empty_prompts": "",
    "empty_responses": "",
    "unfinished": "marked as not finished",
    "maybe_cut": "8 words or more, ending in a letter or a comma: a hint only",
}


@dataclasses.dataclass(frozen=True)
class Checked:
    """What a source holds, and what is wrong with it."""

    source: str
    counts: Counts
    report: Report

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        counts = dataclasses.asdict(self.counts) | {"formats": sorted(self.counts.formats)}
        return {"source": self.source, **counts, **dataclasses.asdict(self.report)}

    def table(self, aside: str = "") -> "Table":
        """Return what was found as a table. aside: what to say of rows that were set aside."""
        return _table(self.source, self.counts, self.report, aside)


@dataclasses.dataclass(frozen=True)
class Described:
    """A datasheet of a source."""

    source: str
    counts: Counts
    sheet: Datasheet

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        counts = dataclasses.asdict(self.counts) | {"formats": sorted(self.counts.formats)}
        return {"source": self.source, **counts, **dataclasses.asdict(self.sheet)}

    def table(self, aside: str = "") -> "Table":
        """Return the datasheet as a table. aside: what to say of rows that were set aside."""
        from rich.table import Table

        table = Table(title=self.source, title_justify="left", show_header=False)
        table.add_column("what", no_wrap=True)
        table.add_column("how much", justify="right", no_wrap=True)
        table.add_column("note", style="dim", max_width=90)
        table.add_row("format", ", ".join(sorted(self.counts.formats)), "")
        table.add_row("rows", f"{self.counts.rows:,}", aside.removeprefix(", "))
        for kind, count in self.sheet.kinds.items():
            table.add_row(f"{kind} records", f"{count:,}", "")
        table.add_row("distinct prompts", f"{self.sheet.prompts:,}", "normalised")
        for name, size in self.sheet.sizes.items():
            most = f"{size.least:,} to {size.most:,}, 90 % from {size.low:,} to {size.high:,}"
            table.add_row(name, f"{size.median:,}", f"median; {most}, mean {size.mean:,.1f}")
        for name, count in (self.sheet.labels | self.sheet.holds).items():
            table.add_row(name, f"{count:,}", "")
        for name, count in self.sheet.scripts.items():
            table.add_row(f"prompts in script {name}", f"{count:,}", "")
        for name, values in self.sheet.columns.items():
            said = ", ".join(f"{value} ({count:,})" for value, count in values.items())
            table.add_row(f"column {name}", f"{sum(values.values()):,}", said)
        return table


def describe_data(
    source: str, *, format: Format | None = None, set_aside: Path | None = None
) -> Described:
    """Return a datasheet of a source. Raises `DataError` where it cannot be read whole."""
    counts = Counts()
    records = read(source, format=format, set_aside=set_aside, counts=counts)
    return Described(source, counts, describe(records))


def check_data(
    sources: Sequence[str],
    *,
    format: Format | None = None,
    against: Sequence[str] = (),
    set_aside: Path | None = None,
) -> Iterator[Checked | DataError]:
    """Check each source; a source that cannot be read whole comes as the error.

    against: test data, whose prompts should be in none of the sources; in a layout of its own, or
    in the sources' format where none is recognised.
    """
    others = chain.from_iterable(_against(source, format) for source in against)
    keys = set(map(normalised_prompt_key, others))
    for source in sources:
        counts = Counts()
        records = read(source, format=format, set_aside=set_aside, counts=counts)
        try:
            yield Checked(source, counts, check(records, keys if against else None))
        except DataError as error:
            yield error


def _against(source: str, format: Format | None) -> Iterator[Record]:
    """The records of test data."""
    try:
        first = next(scan(source), None)
    except DataError:
        return read(source, format=format)
    if isinstance(first, Bad):
        first.raw.close()
    return read(source)


def split_data(
    source: str,
    out: Path,
    shares: Mapping[Side, float],
    *,
    seed: int = 0,
    to: Format | str = "assay",
    format: Format | None = None,
    set_aside: Path | None = None,
    overwrite: bool = False,
    counts: Counts | None = None,
) -> dict[Path, tuple[int, int]]:
    """Split a source by prompt into `train.jsonl`, `valid.jsonl` and `test.jsonl`; return the rows
    and prompts of each file.

    shares: of the prompts for "valid" and "test". A pass finds the side of each row, and each side
    is written in a pass over its own rows: no record is held. Raises `ConfigError` where older
    sides are in the folder, `DataError` where a side would be empty or the source was split by the
    same seed before.
    """
    if not any(shares.values()):
        raise ConfigError(
            "--test and --valid are both 0, so there is nothing to split off; give one of them"
            " a share"
        )
    _refuse_older(source, out, shares, overwrite)
    prompts: dict[Side, set[int]] = {"train": set(), "valid": set(), "test": set()}
    bits: dict[Side, int] = {"train": 1, "valid": 2, "test": 4}
    found = bytearray()
    counts = Counts() if counts is None else counts
    for record in read(source, format=format, set_aside=set_aside, counts=counts):
        name = side(record, shares, seed)
        prompts[name].add(normalised_prompt_key(record))
        # Rows that were set aside, or hold no record, are on no side.
        found.extend(bytes(counts.rows - len(found)))
        found[-1] |= bits[name]
    found.extend(bytes(counts.rows - len(found)))
    _refuse_chance(source, shares, {name: len(keys) for name, keys in prompts.items()}, seed)
    written = {}
    for name in (name for name in prompts if shares.get(name, 1.0)):
        only = bytes(bits[name] & row for row in found)
        # Nearly all rows are on one side whole.
        both = any(row & (row - 1) for row in found)
        rows = reread(source, format, only)
        records = (r for r in rows if not both or side(r, shares, seed) == name)
        path = out / f"{name}.jsonl"
        written[path] = write(records, path, to), len(prompts[name])
    return written


def reread(
    source: str, format: Format | None, only: Sequence[int] | None = None
) -> Iterator[Record]:
    """The good rows' records, in a second pass: the first has refused the others or set them
    aside. only: as for `scan`."""
    for item in scan(source, format=format, only=only):
        if isinstance(item, Bad):
            item.raw.close()
        else:
            yield from item


def _refuse_older(source: str, out: Path, shares: Mapping[Side, float], overwrite: bool) -> None:
    """Refuse a folder that holds a split: a side left over from it would share prompts with the new
    ones."""
    older = [name for name in ("train", "valid", "test") if (out / f"{name}.jsonl").exists()]
    read_from, place = Path(source).resolve(), out.resolve()
    if read_from.is_dir() and read_from in (place, *place.parents):
        raise ConfigError(
            f"{out} is in {source}, so the split would read what it writes; give another --out"
        )
    if older and place in read_from.parents:
        raise ConfigError(
            f"{out} holds {source}, which the split may write over; give another --out"
        )
    if older and not overwrite:
        raise ConfigError(
            f"{out} holds {', '.join(f'{name}.jsonl' for name in older)} already; give another"
            " folder, or --overwrite to replace them"
        )
    if "valid" in older and not shares.get("valid"):
        raise ConfigError(
            f"{out} holds valid.jsonl of an earlier split, whose prompts the new sides would share;"
            " remove it, or give --valid a share"
        )


def _refuse_chance(
    source: str, shares: Mapping[Side, float], counts: Mapping[Side, int], seed: int
) -> None:
    """Refuse a side without a prompt, and a file that the same hash has split before."""
    total, test = sum(counts.values()), shares.get("test", 0.0)
    conditional: dict[Side, float] = {"test": test, "valid": shares.get("valid", 0.0) / (1 - test)}
    for name, share in conditional.items():
        of = total if name == "test" else total - counts["test"]
        if surprising(counts[name], of, share):
            raise DataError(
                f"{source}: {counts[name]} of {of} prompts fall into {name}, where the share is"
                f" {share:.3g}: the file was split by seed {seed} before; give another --seed"
            )
    if empty := [name for name in counts if shares.get(name, 1.0) and not counts[name]]:
        raise DataError(
            f"none of the {total} prompts of {source} falls into {' or '.join(empty)}; there are"
            " too few for the shares: give larger ones, 0 for a side that is not wanted, or another"
            " --seed"
        )


def _table(source: str, counts: Counts, found: Report, aside: str) -> "Table":
    from rich.table import Table

    table = Table(title=source, title_justify="left", show_header=False)
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", no_wrap=True)
    table.add_column("note", style="dim", max_width=90)
    table.add_row("format", ", ".join(sorted(counts.formats)), "")
    table.add_row("rows", f"{counts.rows:,}", aside.removeprefix(", "))
    if left := counts.without_records:
        table.add_row("rows without a record", f"{left:,}", "left out by the format")
    for kind, count in found.kinds.items():
        table.add_row(f"{kind} records", f"{count:,}", "")
    table.add_row("distinct prompts", f"{found.prompts:,}", "normalised")
    if found.trajectories:
        table.add_row("trajectories", f"{found.trajectories:,}", f"{found.turns:,} turns")
        style = "yellow" if found.bad_calls else ""
        note = f"{found.bad_calls:,} with arguments that are no JSON"
        table.add_row("calls of tools", f"{found.calls:,}", note, style=style)
    if (leaked := found.leaked_records) is not None:
        note = f"records of {found.leaked_prompts:,} prompts that the other data has too"
        table.add_row("leaked", f"{leaked:,}", note, style="red" if leaked else "")
    for name, note in FINDINGS.items():
        _row(table, name, note, found)
    rates = {} if found.longer_wins is None else {"longer wins": found.longer_wins}
    for label, rate in (rates | dict(found.rates)).items():
        table.add_row(label, *_estimate(rate))
    return table


def _row(table: "Table", name: Finding, note: str, found: Report) -> None:
    count = getattr(found, name)
    places = "; ".join("record " + "+".join(map(str, x)) for x in found.examples.get(name, ()))
    told = f"{note} ({places})" if places else note
    table.add_row(name.replace("_", " "), f"{count:,}", told, style="yellow" if count else "")


def _estimate(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.3f}", f"95 % interval {bracket(estimate)}, {estimate.n:,} prompts"
