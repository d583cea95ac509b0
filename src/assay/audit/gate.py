"""`gate.json`: what a judge was measured to be, and until when it may score for that.

The file holds its own hash and is read strictly: one that was edited, cut or is of another version
is refused, and so is every judge but the one it is bound to.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, FiniteFloat, ValidationError

from assay.answerers.ledger import Ledger
from assay.errors import ConfigError, DataError
from assay.files import write_atomic
from assay.fingerprint import fingerprint
from assay.protocols import Judge, Scorer
from assay.stats import Estimate
from assay.types import Group, Probability, Record

__all__ = [
    "Anchor", "Bound", "By", "Gate", "Known", "Labels", "Mark", "Rule", "Slice", "bound", "number",
    "read_gate", "refusals", "write_gate",
]  # fmt: skip

SCHEMA: Final = "assay/gate/v1"
LARGEST: Final = 64 * 2**20
"""Bytes of a file that are read at most."""
PARTS_OF: Final = ("assay.judges", "assay.answerers", "assay.engines", "assay.audit")
"""Packages whose objects are looked into, to say what changed."""

Number = tuple[FiniteFloat | None, FiniteFloat | None, FiniteFloat | None, int, int]
"""An estimate: value, low, high, n and unscored; None = not known."""
Rule = Literal["lower", "point"]
By = Literal["human", "ai", "program"]
Known = Literal["yes", "no", "unknown"]


class Bound(Record):
    """The one judge that a gate is of."""

    word: str
    kind: Literal["pairs", "points"]
    fingerprint: str
    parts: Mapping[str, str]
    """Hashes of its prompt, rubric, sampling, parser and others, to say what changed."""
    served: tuple[str, ...]
    """Models that servers said they answered with; empty where none says so."""
    threshold: FiniteFloat
    """Least score that means yes."""


class Labels(Record):
    """What it was held against."""

    source: str
    sha256: str
    """Of the labelled items' texts and criteria."""
    items: int
    raters: FiniteFloat
    """Labels per item, on average."""
    by: By
    blind: Known
    """Whether raters did not see the judge's verdicts."""
    sampling: Literal["all alike", "weighted by selection probability"]


class Slice(Record):
    """How a judge does on all items, a criterion or a subset."""

    name: str
    table: Mapping[str, int]
    """Items by label and verdict, such as "yes/no", a person's first; not weighted."""
    split: int
    """Items left out, for people are split or cannot say."""
    numbers: Mapping[str, Number]
    passes: Mapping[Rule, bool]

    def __getitem__(self, name: str) -> Estimate:
        """Return an estimate by name."""
        return Estimate.from_json(self.numbers[name])


class Mark(Record):
    """An anchor's label, and what the judge said."""

    place: int
    criterion: str
    human: bool
    verdict: bool | None
    value: FiniteFloat | None
    again: bool | None
    """When it was asked once more on the same day."""


class Anchor(Record):
    """What is asked again to see whether the judge drifts."""

    group: Group
    marks: tuple[Mark, ...]


class Gate(Record):
    """May this judge score?"""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    layout: Literal["assay/gate/v1"] = Field(default=SCHEMA, alias="schema")
    judge: Bound
    labels: Labels
    slices: tuple[Slice, ...]
    """The first is of all items."""
    repeat: Number
    """Share of verdicts that are the same when asked again on the same day."""
    floor: Probability
    rule: Rule
    reasons: tuple[str, ...]
    """Why it is closed; none = it is open."""
    made: datetime
    expires: datetime
    alpha: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    """Level of each test for drift."""
    anchors: tuple[Anchor, ...] = Field(repr=False)

    @property
    def sha256(self) -> str:
        """Hash of all it says."""
        body = self.model_dump(mode="json", by_alias=True)
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def __str__(self) -> str:
        """Return a table: what was measured, under both rules, and the verdict."""
        lines = []
        for one in self.slices:
            said = (
                f"{name} {one[name]:.3f}"
                for name in ("agreement", "kappa", "sensitivity", "specificity", "constant")
            )
            rules = ", ".join(
                f"{rule} rule {'passes' if ok else 'fails'}" for rule, ok in one.passes.items()
            )
            lines.append(f"{one.name}: {', '.join(said)}, n={one['agreement'].n}; {rules}")
        whole, repeat = self.slices[0], Estimate.from_json(self.repeat)
        lines.append(f"without a verdict {whole['abstention']:.3f}; the same verdict when asked"
                     f" again {repeat:.3f}; people are split on {whole.split}")  # fmt: skip
        if "human_agreement" in whole.numbers:
            lines.append(
                f"two people agree {whole['human_agreement']:.3f}; a perfect judge would agree with"
                f" one of them {whole['human_ceiling'].value:.3f}"
            )
        verdict = f"closed: {'; '.join(self.reasons)}" if self.reasons else "open"
        return "\n".join([*lines, f"{verdict} (floor {self.floor:g}, {self.rule} rule, until"
                                  f" {self.expires:%Y-%m-%d})"])  # fmt: skip


def number(estimate: Estimate) -> Number:
    """Return an estimate as JSON holds it: what is no number is None."""
    ends = estimate.value, estimate.low, estimate.high
    value, low, high = (x if math.isfinite(x) else None for x in ends)
    return value, low, high, estimate.n, estimate.unscored


def bound(
    judge: Judge | Scorer, *, word: str, kind: Literal["pairs", "points"], threshold: float,
    served: Sequence[str],
) -> Bound:  # fmt: skip
    """Return what binds a gate to a judge."""
    return Bound(
        word=word,
        kind=kind,
        fingerprint=fingerprint(judge),
        parts=_parts(judge),
        served=tuple(sorted(served)),
        threshold=threshold,
    )


def _parts(thing: object, before: str = "") -> dict[str, str]:
    """Hashes of what a judge is made of, by dotted name."""
    if not type(thing).__module__.startswith(PARTS_OF):
        return {}
    found = {f"{before}code": fingerprint(type(thing))}
    for name, value in getattr(thing, "__dict__", {}).items():
        if name.startswith("_") or isinstance(value, Ledger):
            continue
        if inner := _parts(value, f"{before}{name}."):
            found |= inner
        # What has no content to be named by is in no fingerprint either.
        with suppress(ConfigError):
            found[f"{before}{name}"] = fingerprint(value)
    return found


def refusals(gate: Gate, judge: Judge | Scorer, *, now: datetime | None = None) -> list[str]:
    """Return why a judge may not score by a gate, without asking it anything; none = it may."""
    now = now or datetime.now(UTC)
    found = [f"it is closed: {reason}" for reason in gate.reasons]
    if now >= gate.expires:
        found.append(f"it expired on {gate.expires:%Y-%m-%d}; make it anew")
    if now < gate.made - timedelta(days=1):
        found.append(f"it is of {gate.made:%Y-%m-%d}, which is yet to come")
    if fingerprint(judge) != gate.judge.fingerprint:
        parts, known = _parts(judge), gate.judge.parts
        names = {name for name in {*parts, *known} if parts.get(name) != known.get(name)}
        # Of what holds others, those say it.
        names = {name for name in names if not any(one.startswith(f"{name}.") for one in names)}
        listed = f"which differs in {', '.join(sorted(names))}" if names else ""
        what = f", {listed or 'whose code, settings or files were others then'}"
        found.append(f"it is bound to {gate.judge.word or 'another judge'}{what}")
    return found


def write_gate(gate: Gate, path: str | Path) -> None:
    """Write a gate with its hash."""
    body = gate.model_dump(mode="json", by_alias=True) | {"sha256": gate.sha256}
    write_atomic(Path(path), json.dumps(body, indent=1, allow_nan=False) + "\n")


def read_gate(path: str | Path) -> Gate:
    """Read a gate. Raises `ConfigError` where there is none, and `DataError` for a file that is no
    gate, or not as it was written."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no gate {path}; make one with `assay audit gate`")
    with path.open("rb") as file:
        text = file.read(LARGEST + 1)
    try:
        if len(text) > LARGEST:
            raise ValueError(f"it is longer than {LARGEST >> 20} MiB")
        body: Any = json.loads(text)
        if not isinstance(body, dict):
            raise ValueError("it is no object")
        known = body.pop("sha256", None)
        # As JSON: only there do arrays stand for tuples, and texts for times.
        gate = Gate.model_validate_json(json.dumps(body, allow_nan=False), strict=True)
        same = gate.sha256 == known
    except (ValueError, RecursionError, ValidationError) as error:
        why = " ".join(str(error).split())[:200]
        raise DataError(f"{path} is no gate of {SCHEMA}: {why}; make it anew") from None
    if not same:
        raise DataError(f"{path} is not as it was written: its hash is another; make it anew")
    return gate
