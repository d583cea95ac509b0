"""Rows with faults end as rows or as refusals, and no text changes on the way."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.fuzz_rows import MARK, outcome

from assay.data.formats.plain import Plain
from assay.types import Prompt, Record
from experiments import fuzz_rows


def test_faulty_rows_are_refused_or_read_to_the_letter() -> None:
    found = fuzz_rows.run(600, seed=20261)
    assert fuzz_rows.forbidden(found) == {}
    assert {key[2] for key in found} >= {"refused", "kept"}


def test_what_must_not_be_would_be_noticed() -> None:
    row = {"prompt": f"a{MARK}b", "reference": "5"}
    assert outcome("plain", row, by_name=True) == "kept"
    assert outcome("columns:prompt=reference,has=prompt", row, by_name=True) == "kept"
    assert outcome("math-aps-tree", {"prompt": MARK}, by_name=True) == "refused"
    assert outcome("tests.experiments.test_fuzz_rows:Trims", row, by_name=True) == "changed"
    assert outcome("tests.experiments.test_fuzz_rows:Drops", row, by_name=True) == "lost"
    assert outcome("tests.experiments.test_fuzz_rows:Fails", row, by_name=True).startswith(
        "KeyError in"
    )


class Trims(Plain):
    """Takes white space away."""

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        yield Prompt.of(" ".join(row["prompt"].split()))


class Drops(Plain):
    """Leaves the prompt out."""

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        yield Prompt.of(row["reference"])


class Fails(Plain):
    """Has a bug."""

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        yield Prompt.of(row["nothing"])
