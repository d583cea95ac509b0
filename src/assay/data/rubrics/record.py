"""The record of a rubric: criteria with signed points, and how their sum becomes a score."""

import math
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from assay.fingerprint import fingerprint
from assay.types import Probability, Record, unless_empty

__all__ = ["Abstained", "Branch", "Criterion", "Level", "Normaliser", "Rubric"]

Normaliser = Literal[
    "healthbench", "autorubric", "open-instruct", "rar", "verifiers", "nemo-finance", "tree"
]
"""Formulas of a score (see `normalisers`)."""

Abstained = Literal["skip", "zero", "partial", "fail"]
"""What a criterion counts that the judge cannot assess: it leaves both sums; nothing of its points;
half of them where they are positive; the worst of its outcomes."""

UNSIGNED: Final[frozenset[Normaliser]] = frozenset({"verifiers", "nemo-finance", "tree"})
"""Formulas of weights that are 0 or more."""
BY_POSITIVE: Final = UNSIGNED | {"healthbench"}
"""Formulas that divide by the positive points."""

Name = Annotated[str, Field(min_length=1)]


class Level(Record):
    """One of the verdicts that a criterion allows."""

    label: Name
    value: Probability | None
    """Share of the points that it earns; None = it says that the criterion cannot be assessed."""


class Criterion(Record):
    """One thing that a response is judged by."""

    id: Name
    text: Name
    points: FiniteFloat = 1.0
    """Points where it is met; negative for a fault."""
    group: tuple[str, ...] = unless_empty(())
    """Names of the groups that it is in, outermost first."""
    levels: tuple[Level, ...] = unless_empty(())
    """Verdicts, worst first; none = it is met or not."""
    veto: bool = unless_empty(False)
    """A gate: a response that does not pass it earns nothing. Its points are no part of the sums,
    except in nemo-finance."""
    tags: tuple[str, ...] = unless_empty(())
    rationale: str = unless_empty("")
    """Why it matters, for a reader; a judge is not shown it."""

    @model_validator(mode="after")
    def _levels(self) -> Self:
        labels = [level.label for level in self.levels]
        if len({*labels}) < len(labels):
            raise ValueError(f"criterion {self.id!r} has a level twice: {labels}")
        if labels and sum(level.value is not None for level in self.levels) < 2:
            raise ValueError(f"criterion {self.id!r} needs 2 levels with a value, or none at all")
        if bad := [name for name in self.group if not name or "/" in name]:
            raise ValueError(f"group {bad[0]!r}: a name has a character or more, and no slash")
        return self


class Branch(Record):
    """A group of criteria."""

    weight: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    """Its weight among its siblings, in the formula "tree"."""
    text: str = unless_empty("")
    """What all of it is about; shown with each of its criteria."""


class Rubric(Record):
    """A weighted set of criteria.

    Refused are: no criteria, an id twice, points that are all 0, negative points where the formula
    takes weights, and no positive ones where it divides by them.
    """

    criteria: tuple[Criterion, ...]
    guidelines: str = unless_empty("")
    """What holds for all criteria."""
    normaliser: Normaliser = "healthbench"
    abstained: Abstained = "skip"
    groups: Mapping[str, Branch] = unless_empty({})
    """By path: names joined by a slash. A group that is not there has weight 1."""
    source: str = unless_empty("")
    """Where it is from."""

    @model_validator(mode="after")
    def _scorable(self) -> Self:
        ids = [criterion.id for criterion in self.criteria]
        if not ids:
            raise ValueError("a rubric has no criteria; give one or more")
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise ValueError(f"criteria are named twice: {', '.join(twice)}; give each its own id")
        weighed = [c.points for c in self.criteria if self.counts(c)]
        if not math.isfinite(sum(map(abs, weighed))):
            raise ValueError("the points add up to infinity; divide all by the same number")
        if self.normaliser in UNSIGNED and min(weighed, default=0.0) < 0:
            raise ValueError(f"{self.normaliser} takes no negative points; use healthbench or rar")
        if weighed and not any(weighed):
            raise ValueError("the points of all criteria are 0: every score would be; give some")
        if weighed and self.normaliser in BY_POSITIVE and max(weighed) <= 0:
            raise ValueError(
                f"no criterion has positive points, and {self.normaliser} divides by their sum;"
                " give normaliser=autorubric, or add one"
            )
        if weighed and self.normaliser == "tree" and not any(map(self.weighs, self.criteria)):
            raise ValueError(
                "a weight of 0 is above every criterion: every score would be; give some"
            )
        return self

    def counts(self, criterion: Criterion) -> bool:
        """Whether a criterion's points are part of the sums: all but those of gates."""
        return not criterion.veto or self.normaliser == "nemo-finance"

    def weighs(self, criterion: Criterion, depth: int = 0) -> bool:
        """Whether a criterion has a share, in the formula "tree", of its group at this depth."""
        paths = ("/".join(criterion.group[:n]) for n in range(depth + 1, len(criterion.group) + 1))
        weights = (self.groups[path].weight for path in paths if path in self.groups)
        return self.counts(criterion) and criterion.points > 0 and all(weights)

    @property
    def fingerprint(self) -> str:
        """Name by all that changes a score: not by tags, rationales and the source."""
        criteria = [c.model_dump(exclude={"tags", "rationale"}) for c in self.criteria]
        return fingerprint(self.model_dump(exclude={"criteria", "source"}) | {"criteria": criteria})
