"""Check, describe, convert, dedupe, split and augment data files.

A row is a JSON object on a line; docs/explain/data.md has more. Pairs: {"prompt": "2+3?", "chosen":
"5", "rejected": "6"}. Prompts: {"prompt": "2+3?", "reference": "5"}. Pools: {"prompt": "2+3?",
"responses": ["5", "6"]}, or a row per "response"; with "scores": [1, 0] they are rankings.
Outcomes: {"prompt": "2+3?", "response": "5", "label": 1}. Steps: {"prompt": "2+3+4?",
"completions": ["2+3=5", "5+4=9"], "labels": [true, true]}.
"""

import json
import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import tyro

from assay.cli.options import BY_HAND
from assay.console.tables import show
from assay.data.augment import augment, flip
from assay.data.dedupe import unique
from assay.data.io import Counts, read, write
from assay.data.layouts import configured, names
from assay.data.parts import Part, cut_anew, without
from assay.data.records import responses_of
from assay.data.splitting import SPLITTERS, report
from assay.errors import ConfigError, DataError
from assay.files import write_atomic
from assay.protocols import Format
from assay.specs.generators import splitter
from assay.workflows.data import Finding, check_data, describe_data, reread, split_data

__all__ = ["COMMANDS", "Augment", "Check", "Convert", "Dedupe", "Describe", "Split", "Steps"]

THERE_IS = ", ".join(names())
Settings = Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")]
To = Annotated[str, tyro.conf.arg(metavar="FORMAT", help="Layout of the rows written.")]
Out = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows are read."""

    format: Annotated[
        str,
        tyro.conf.arg(
            metavar="FORMAT",
            help=(
                f"Layout of the rows read; by default recognised from the columns: {THERE_IS}."
                f" {BY_HAND}"
            ),
        ),
    ] = ""
    set: Settings = ()
    """Settings of the format read, e.g. neutral=ignore."""
    set_aside: Path | None = None
    """New file for malformed rows; without it the first one is an error."""

    def layout(self) -> Format | None:
        """The format read; None = told from the columns."""
        return configured(self.format, self.set)

    def aside(self, counts: Counts) -> str:
        """What to add of rows that were set aside."""
        bad = counts.bad
        return f", {bad} bad row{'s' * (bad > 1)} set aside in {self.set_aside}" if bad else ""


@dataclass(frozen=True, kw_only=True)
class One(Reading):
    """One source of rows."""

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """File, folder or hf:owner/name."""


@dataclass(frozen=True, kw_only=True)
class Check(Reading):
    """Report what files hold and what is wrong with it.

    Exits with 2 when a file cannot be read whole, with 1 on a finding of --fail-on.
    """

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE ...")]
    """Files, folders or hf:owner/name."""
    against: tuple[str, ...] = ()
    """Test data: prompts that are in these sources too are reported as leaked."""
    json: Path | None = None
    """File for the reports as JSON."""
    fail_on: tuple[Finding, ...] = ()
    """Findings that make the command exit with 1, where there is any: for pipelines."""

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
        reports, refused, failed = [], False, False
        for found in check_data(
            self.files, format=self.layout(), against=self.against, set_aside=self.set_aside
        ):
            if isinstance(found, DataError):
                refused = True
                print(f"assay data: {found}", file=sys.stderr)
                continue
            show(found.table(self.aside(found.counts)))
            reports.append(found.to_json())
            for name in self.fail_on:
                if count := getattr(found.report, name):
                    failed = True
                    told = f"{count:,} {name.replace('_', ' ')} (--fail-on)"
                    print(f"assay data: {found.source}: {told}", file=sys.stderr)
        if self.json is not None:
            write_atomic(self.json, json.dumps(reports, indent=2) + "\n")
        if refused or failed:
            raise SystemExit(2 if refused else 1)


@dataclass(frozen=True, kw_only=True)
class Convert(One):
    """Write the records of one layout in another. Whatever the other cannot hold is refused, not
    dropped."""

    out: Out
    """File to write: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    to: To
    set_to: Settings = ()
    """Settings of the format written, e.g. separator=."""
    without: tuple[Part, ...] = ()
    """Parts left out of every record, where the other layout has no place for them; "steps" joins
    them into one, "rollouts" keeps the labels alone, "meaning" forgets that they were made by
    rollouts."""

    def __call__(self) -> None:
        """Write the file and say how much went in."""
        counts, target = Counts(), configured(self.to, self.set_to)
        if target is None:
            raise ConfigError(f"--to needs a format; there is {THERE_IS}")
        records = read(self.source, format=self.layout(), set_aside=self.set_aside, counts=counts)
        rows = write((without(record, self.without) for record in records), self.out, target)
        good = counts.rows - counts.bad
        print(f"{self.out}: {rows} rows of {self.to} from {good} rows{self.aside(counts)}")


@dataclass(frozen=True, kw_only=True)
class Dedupe(One):
    """Leave out records that are equal to an earlier one in kind, prompt, responses and labels."""

    out: Out
    """File to write: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    near: bool = False
    """Equality after case, spacing and punctuation are taken away."""
    to: To = "assay"

    def __call__(self) -> None:
        """Write the file and say how much was left out."""
        counts = Counts()
        records = read(self.source, format=self.layout(), set_aside=self.set_aside, counts=counts)
        kept = unique(records, near=self.near)
        rows = write(kept, self.out, self.to)
        left = counts.records - rows
        print(f"{self.out}: {rows} rows, {left} duplicates left out{self.aside(counts)}")


@dataclass(frozen=True, kw_only=True)
class Describe(One):
    """Print a datasheet: sizes, lengths, labels, scripts, and what other columns say of sources and
    licences."""

    json: Path | None = None
    """File for the datasheet as JSON."""

    def __call__(self) -> None:
        """Print a table."""
        found = describe_data(self.source, format=self.layout(), set_aside=self.set_aside)
        show(found.table(self.aside(found.counts)))
        if self.json is not None:
            write_atomic(self.json, json.dumps(found.to_json(), indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class Split(One):
    """Split by prompt, never by row: all that concerns one prompt falls on one side, whatever the
    file."""

    out: Path
    """Folder for train.jsonl, test.jsonl and, if asked for, valid.jsonl."""
    test: float = 0.1
    """Share of prompts for test; 0 for none."""
    valid: float = 0.0
    """Share of prompts for validation; 0 for none."""
    seed: int = 0
    """Seed of the split."""
    to: To = "assay"
    overwrite: bool = False
    """Replacement of the files of an earlier split in the folder."""

    def __call__(self) -> None:
        """Split, and say how many rows and prompts fell on each side."""
        counts = Counts()
        written = split_data(
            self.source,
            self.out,
            {"valid": self.valid, "test": self.test},
            seed=self.seed,
            to=self.to,
            format=self.layout(),
            set_aside=self.set_aside,
            overwrite=self.overwrite,
            counts=counts,
        )
        for path, (rows, prompts) in written.items():
            print(f"{path}: {rows} rows, {prompts} prompts, as {self.to}")
        if counts.bad:
            print(self.aside(counts).removeprefix(", "))


@dataclass(frozen=True, kw_only=True)
class Steps(One):
    """Cut responses into steps by a policy, and report how that went. Texts stay as they are, to
    the letter."""

    split: Annotated[
        str, tyro.conf.arg(metavar="POLICY", help=f"Where steps end: {', '.join(SPLITTERS)}.")
    ]
    out: Path | None = None
    """File for the records; none only reports."""
    setting: Settings = ()
    """Settings of the policy, e.g. pattern=;\\s or count=20 or word=Schritt."""
    to: To = "assay"

    def __call__(self) -> None:
        """Report on a first pass; write on a second: no record is held."""
        split = splitter(self.split, self.setting)
        source, counts = self.layout(), Counts()
        records = read(self.source, format=source, set_aside=self.set_aside, counts=counts)
        cut = (responses_of(cut_anew(record, split)) for record in records)
        found = report(chain.from_iterable(cut))
        print(f"{found}{self.aside(counts)}")
        if self.out is not None:
            anew = (cut_anew(record, split) for record in reread(self.source, source))
            print(f"{self.out}: {write(anew, self.out, self.to)} rows")


@dataclass(frozen=True, kw_only=True)
class Augment(One):
    """Add preferences that style alone cannot explain (RRM, arXiv:2409.13156), or turn labels
    round."""

    out: Out
    """File to write: .jsonl, .jsonl.gz, .json, .json.gz or .parquet."""
    wins: int = 1
    """Records added per preference, in which its better response beats a response to another
    prompt."""
    ties: int = 1
    """Records added per preference that tie two responses to other prompts."""
    flip: float = 0.0
    """Share of the labels turned round before that: noise, to measure what withstands it."""
    seed: int = 0
    """Seed of what is drawn and what is turned round."""
    to: To = "assay"

    def __call__(self) -> None:
        """Hold all records, for each may be drawn for any other; write them and say how many there
        are of which."""
        counts = Counts()
        records = list(
            read(self.source, format=self.layout(), set_aside=self.set_aside, counts=counts)
        )
        found = flip(records, self.flip, self.seed)
        turned = sum(a != b for a, b in zip(records, found, strict=True))
        if self.wins or self.ties:
            found = augment(found, wins=self.wins, ties=self.ties, seed=self.seed)
        rows = write(found, self.out, self.to)
        print(
            f"{self.out}: {rows} rows from {len(records)} preferences, {turned} of them turned"
            f" round{self.aside(counts)}"
        )


COMMANDS = {
    "augment": Augment,
    "check": Check,
    "convert": Convert,
    "dedupe": Dedupe,
    "describe": Describe,
    "split": Split,
    "steps": Steps,
}
