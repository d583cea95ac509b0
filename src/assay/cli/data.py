"""Check, convert, split and augment data files."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from assay import components
from assay.data.augment import augment, flip
from assay.data.check import Report, check
from assay.data.io import Counts, read, write
from assay.data.records import normalised_prompt_key, prompt_of, responses_of
from assay.data.split import Side, side, surprising
from assay.data.splitting import SPLITTERS, AlreadySplit, report, resplit
from assay.errors import ConfigError, DataError
from assay.protocols import Format
from assay.runs.settings import made, write_atomic
from assay.stats import Estimate, bracket
from assay.types import Group, Preference, Prompt, Record, Response, RolloutLabels, StepLabels

__all__ = ["COMMANDS", "Augment", "Check", "Convert", "Split", "Steps"]

THERE_IS = ", ".join(components.names("formats"))
FormatName = Annotated[
    str,
    tyro.conf.arg(
        metavar="FORMAT",
        help=f"Layout of the rows read; told from the columns if not given. {THERE_IS}",
    ),
]
Source = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")]
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
Part = Literal["meta", "id", "reference", "margin", "finished", "steps", "rollouts", "meaning"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """Report what files hold and what is wrong with it.

    Exits with 2 when a file cannot be read whole, with 1 on a finding of --fail-on.
    """

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE ...")]
    """Files, folders or hf:owner/name."""
    format: FormatName = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    against: tuple[str, ...] = ()
    """Test data: report prompts that are in these sources too."""
    set_aside: Path | None = None
    """Put bad rows into this new file and go on, instead of refusing."""
    json: Path | None = None
    """Write the reports here as well."""
    fail_on: tuple[Finding, ...] = ()
    """Findings that make the command exit with 1, where there is any: for a pipeline that must not
    go on."""

    def __call__(self) -> None:
        """Print a table for each source."""
        if not self.files:
            raise ConfigError("there is nothing to check; give a file, a folder or hf:owner/name")
        if self.set_aside is not None and len(self.files) > 1:
            raise ConfigError(
                "--set-aside takes the bad rows of one source; check the files one at a time"
            )
        if "leaked_records" in self.fail_on and not self.against:
            raise ConfigError(
                "--fail-on leaked_records needs the data that must not be there: --against FILE"
            )
        format = _format(self.format, self.set)
        against = (
            {normalised_prompt_key(record) for source in self.against for record in read(source)}
            if self.against
            else None
        )
        reports, refused, failed = [], False, False
        for source in self.files:
            counts = Counts()
            try:
                report = check(
                    read(source, format=format, set_aside=self.set_aside, counts=counts), against
                )
            except DataError as error:
                refused = True
                print(f"assay data: {error}", file=sys.stderr)
                continue
            _show(source, counts, report, self.set_aside)
            for name in self.fail_on:
                if found := getattr(report, name):
                    failed = True
                    print(
                        f"assay data: {source}: {found:,} {name.replace('_', ' ')} (--fail-on)",
                        file=sys.stderr,
                    )
            body = (
                dataclasses.asdict(counts)
                | {"formats": sorted(counts.formats)}
                | dataclasses.asdict(report)
            )
            reports.append({"source": source, **body})
        if self.json is not None:
            write_atomic(self.json, json.dumps(reports, indent=2) + "\n")
        if refused or failed:
            raise SystemExit(2 if refused else 1)


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write the records of one layout in another. Whatever the other cannot hold is refused, not
    dropped."""

    source: Source
    """File, folder or hf:owner/name."""
    out: Annotated[Path, tyro.conf.Positional]
    """Where to: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")]
    """Layout of the rows written."""
    format: FormatName = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    set_to: Settings = ()
    """Settings of the format written, e.g. separator=."""
    without: tuple[Part, ...] = ()
    """Leave these out of every record, where the other layout has no place for them; "steps" joins
    them into one, "rollouts" keeps the labels alone, "meaning" forgets that they were made by
    rollouts."""
    set_aside: Path | None = None
    """Put bad rows into this new file and go on, instead of refusing."""

    def __call__(self) -> None:
        """Write the file and say how much went in."""
        counts, target = Counts(), _format(self.to, self.set_to)
        if target is None:
            raise ConfigError(f"--to needs a format; there is {THERE_IS}")
        records = read(
            self.source,
            format=_format(self.format, self.set),
            set_aside=self.set_aside,
            counts=counts,
        )
        rows = write((_without(record, self.without) for record in records), self.out, target)
        print(
            f"{self.out}: {rows} rows of {self.to} from {counts.rows - counts.bad}"
            f" rows{_aside(counts, self.set_aside)}"
        )


@dataclass(frozen=True, kw_only=True)
class Split:
    """Split by prompt, never by row: all that concerns one prompt falls on one side, whatever the
    file."""

    source: Source
    """File, folder or hf:owner/name."""
    out: Path
    """Folder for train.jsonl, test.jsonl and, if asked for, valid.jsonl."""
    test: float = 0.1
    """Share of prompts for test; 0 for none."""
    valid: float = 0.0
    """Share of prompts for validation; 0 for none."""
    seed: int = 0
    """Another seed is another split."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")] = "assay"
    """Layout of the rows written."""
    format: FormatName = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    set_aside: Path | None = None
    """Put bad rows into this new file and go on, instead of refusing."""

    overwrite: bool = False
    """Replace the files of an earlier split in the folder."""

    def __call__(self) -> None:
        """Count the sides, then write each in a pass of its own: no record is held."""
        shares: dict[Side, float] = {"valid": self.valid, "test": self.test}
        source, target = _format(self.format, self.set), _format(self.to, ())
        if not any(shares.values()):
            raise ConfigError(
                "--test and --valid are both 0, so there is nothing to split off; give one of them"
                " a share"
            )
        self._refuse_older()
        prompts: dict[Side, set[int]] = {"train": set(), "valid": set(), "test": set()}
        counts = Counts()
        for record in read(self.source, format=source, set_aside=self.set_aside, counts=counts):
            prompts[side(record, shares, self.seed)].add(normalised_prompt_key(record))
        self._refuse_chance(shares, {name: len(found) for name, found in prompts.items()})
        for name in (name for name in prompts if shares.get(name, 1.0)):
            path = self.out / f"{name}.jsonl"
            records = (r for r in _kept(self.source, source) if side(r, shares, self.seed) == name)
            rows = write(records, path, target or "assay")
            print(f"{path}: {rows} rows, {len(prompts[name])} prompts")
        if counts.bad:
            print(_aside(counts, self.set_aside).removeprefix(", "))

    def _refuse_older(self) -> None:
        """Refuse a folder that holds a split: a side left over from it would share prompts with the
        new ones."""
        older = [
            name for name in ("train", "valid", "test") if (self.out / f"{name}.jsonl").exists()
        ]
        source, out = Path(self.source).resolve(), self.out.resolve()
        if source.is_dir() and source in (out, *out.parents):
            raise ConfigError(
                f"{self.out} is in {self.source}, so the split would read what it writes; give"
                " another --out"
            )
        if older and out in source.parents:
            raise ConfigError(
                f"{self.out} holds {self.source}, which the split may write over; give another"
                " --out"
            )
        if older and not self.overwrite:
            raise ConfigError(
                f"{self.out} holds {', '.join(f'{name}.jsonl' for name in older)} already; give"
                " another folder, or --overwrite to replace them"
            )
        if (self.out / "valid.jsonl").exists() and not self.valid:
            raise ConfigError(
                f"{self.out} holds valid.jsonl of an earlier split, whose prompts the new sides"
                " would share; remove it, or give --valid a share"
            )

    def _refuse_chance(self, shares: dict[Side, float], counts: dict[Side, int]) -> None:
        """Refuse a side without a prompt, and a file that the same hash has split before."""
        total = sum(counts.values())
        conditional: dict[Side, float] = {"test": self.test, "valid": self.valid / (1 - self.test)}
        for name, share in conditional.items():
            of = total if name == "test" else total - counts["test"]
            if surprising(counts[name], of, share):
                raise DataError(
                    f"{self.source}: {counts[name]} of {of} prompts fall into {name}, where the"
                    f" share is {share:.3g}: the file was split by seed {self.seed} before; give"
                    " another --seed"
                )
        if empty := [name for name in counts if shares.get(name, 1.0) and not counts[name]]:
            raise DataError(
                f"none of the {total} prompts of {self.source} falls into {' or '.join(empty)};"
                " there are too few for the shares: give larger ones, 0 for a side that is not"
                " wanted, or another --seed"
            )


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Cut responses into steps by a policy, and report how that went. Texts stay as they are, to
    the letter."""

    source: Source
    """File, folder or hf:owner/name."""
    split: Annotated[
        str, tyro.conf.arg(metavar="POLICY", help=f"Where steps end: {', '.join(SPLITTERS)}.")
    ]
    out: Path | None = None
    """Where to write the records; none only reports."""
    setting: Settings = ()
    """Settings of the policy, e.g. pattern=;\\s or count=20 or word=Schritt."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")] = "assay"
    """Layout of the rows written."""
    format: FormatName = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    set_aside: Path | None = None
    """Put bad rows into this new file and go on, instead of refusing."""

    def __call__(self) -> None:
        """Report on a first pass; write on a second: no record is held."""
        if self.split not in SPLITTERS:
            raise ConfigError(
                f"no policy is called {self.split!r}; there is {', '.join(SPLITTERS)}"
            )
        split = made(SPLITTERS[self.split], self.split, self.setting)
        source, counts = _format(self.format, self.set), Counts()
        records = read(self.source, format=source, set_aside=self.set_aside, counts=counts)
        found = report(r for record in records for r in responses_of(_resplit(record, split)))
        least, first, median, third, most = found.quantiles
        print(
            f"{found.responses:,} responses, {found.mean:.1f} steps each (least {least}, quartiles"
            f" {first}, {median}, {third}, most {most}); {found.one_step:,} came out as one step;"
            f" the longest step has {found.longest:,} characters{_aside(counts, self.set_aside)}"
        )
        if self.out is not None:
            rows = write(
                (_resplit(r, split) for r in _kept(self.source, source)),
                self.out,
                _format(self.to, ()) or "assay",
            )
            print(f"{self.out}: {rows} rows")


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Add preferences that style alone cannot explain (RRM, arXiv:2409.13156), or turn labels
    round."""

    source: Source
    """File, folder or hf:owner/name, of preferences."""
    out: Annotated[Path, tyro.conf.Positional]
    """Where to: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    wins: int = 1
    """Records added a preference whose better response beats a response to another prompt."""
    ties: int = 1
    """Records added a preference that tie two responses to other prompts."""
    flip: float = 0.0
    """Share of the labels turned round before that: noise, to measure what withstands it."""
    seed: int = 0
    """Decides what is drawn and what is turned round."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT")] = "assay"
    """Layout of the rows written."""
    format: FormatName = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    set_aside: Path | None = None
    """Put bad rows into this new file and go on, instead of refusing."""

    def __call__(self) -> None:
        """Hold all records, for each may be drawn for any other; write them and say how many there
        are of which."""
        counts, source = Counts(), _format(self.format, self.set)
        records = list(read(self.source, format=source, set_aside=self.set_aside, counts=counts))
        kept = flip(records, self.flip, self.seed)
        turned = sum(a != b for a, b in zip(records, kept, strict=True))
        found = (
            augment(kept, wins=self.wins, ties=self.ties, seed=self.seed)
            if self.wins or self.ties
            else kept
        )
        rows = write(found, self.out, _format(self.to, ()) or "assay")
        print(
            f"{self.out}: {rows} rows from {len(records)} preferences, {turned} of them turned"
            f" round{_aside(counts, self.set_aside)}"
        )


COMMANDS = {"augment": Augment, "check": Check, "convert": Convert, "split": Split, "steps": Steps}


def _resplit(record: Record, split: Callable[[str], tuple[str, ...]]) -> Record:
    """The record with its responses cut anew. A label of the outcome stays on the last step."""
    if isinstance(split, AlreadySplit):
        return record
    if isinstance(record, StepLabels):
        if any(label is not None for label in record.labels[:-1]):
            raise DataError(
                f"a response to {prompt_of(record).text[:40]!r} has labels on its steps, and cut"
                " anew they belong to nothing; `assay data convert --without steps` keeps the"
                " outcome alone"
            )
        response = resplit(record.response, split)
        # An empty response has no step to carry its label.
        if not response.steps:
            return record
        labels = (*(None,) * (len(response.steps) - 1), *record.labels[-1:])
        return record.model_copy(update={"response": response, "labels": labels})
    if isinstance(record, Group):
        return record.model_copy(
            update={"responses": tuple(resplit(r, split) for r in record.responses)}
        )
    return record


def _format(name: str, settings: tuple[str, ...]) -> Format | None:
    """A format from its name and KEY=VALUE settings; None when no name is given."""
    if not name:
        if settings:
            raise ConfigError(
                f"settings ({' '.join(settings)}) need the format they are for: --format NAME"
            )
        return None
    format: Format = made(components.load("formats", name), name, settings)
    return format


def _kept(source: str, format: Format | None) -> Iterator[Record]:
    """The good rows' records, in a second pass: the first has refused the others or set them
    aside."""
    from assay.data.io import scan
    from assay.data.lines import Bad

    for item in scan(source, format=format):
        if isinstance(item, Bad):
            item.raw.close()
        else:
            yield from item


def _without(record: Record, parts: tuple[Part, ...]) -> Record:
    """The record with these fields at their defaults."""
    if not parts:
        return record
    fresh: dict[str, Any] = {"meta": {}, "id": "", "reference": None, "finished": True}
    for_prompt: dict[str, Any] = {
        name: fresh[name] for name in parts if name in Prompt.model_fields
    }
    for_response: dict[str, Any] = {
        name: fresh[name] for name in parts if name in ("meta", "finished")
    }
    prompt = prompt_of(record).model_copy(update=for_prompt)
    if isinstance(record, Prompt):
        return prompt

    def bare(response: Response) -> Response:
        joined = {"steps": (response.text,)} if "steps" in parts else {}
        return response.model_copy(update=for_response | joined)

    if isinstance(record, RolloutLabels) and {"rollouts", "steps"} & {*parts}:
        record = record.plain()
    if isinstance(record, StepLabels):
        labels = record.labels[-1:] if "steps" in parts else record.labels
        meaning = "correctness" if "meaning" in parts else record.meaning
        changes = {
            "prompt": prompt,
            "response": bare(record.response),
            "labels": labels,
            "meaning": meaning,
        }
        return record.model_copy(update=changes)
    assert isinstance(record, Group)
    margin = {"margin": None} if isinstance(record, Preference) and "margin" in parts else {}
    return record.model_copy(
        update={"prompt": prompt, "responses": tuple(map(bare, record.responses)), **margin}
    )


def _aside(counts: Counts, path: Path | None) -> str:
    return (
        f", {counts.bad} bad row{'s' * (counts.bad > 1)} set aside in {path}" if counts.bad else ""
    )


def _show(source: str, counts: Counts, report: Report, aside: Path | None) -> None:
    table = Table(title=source, title_justify="left", show_header=False, title_style="bold")
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right", no_wrap=True)
    table.add_column("note", style="dim")
    table.add_row("format", ", ".join(sorted(counts.formats)), "")
    table.add_row("rows", f"{counts.rows:,}", _aside(counts, aside).removeprefix(", "))
    if counts.without_records:
        table.add_row(
            "rows without a record", f"{counts.without_records:,}", "left out by the format"
        )
    for kind, count in report.kinds.items():
        table.add_row(f"{kind} records", f"{count:,}", "")
    table.add_row("distinct prompts", f"{report.prompts:,}", "normalised")
    if report.leaked_records is not None:
        note = f"records of {report.leaked_prompts:,} prompts that the other data has too"
        table.add_row(
            "leaked",
            f"{report.leaked_records:,}",
            note,
            style="red" if report.leaked_records else "",
        )
    for name, note in FINDINGS.items():
        found = getattr(report, name)
        places = "; ".join("record " + "+".join(map(str, x)) for x in report.examples.get(name, ()))
        table.add_row(
            name.replace("_", " "),
            f"{found:,}",
            f"{note} ({places})" if places else note,
            style="yellow" if found else "",
        )
    if report.longer_wins is not None:
        table.add_row("longer wins", *_estimate(report.longer_wins))
    for name, rate in report.rates.items():
        table.add_row(name, *_estimate(rate))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


FINDINGS = {
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


def _estimate(estimate: Estimate) -> tuple[str, str]:
    return (
        f"{estimate.value:.3f}",
        f"95 % interval {bracket(estimate)}, {estimate.n:,} prompts",
    )
