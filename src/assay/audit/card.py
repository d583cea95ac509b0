"""The report card of a reward: a grade per area, the worst texts, what to do next, and how sure all
of it is."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assay.audit.advice import Kind
from assay.audit.findings import Case, Finding, Unit
from assay.audit.functions import FunctionCase
from assay.audit.hacks import Hacks
from assay.audit.run import Grade, Probed
from assay.runs.settings import finite
from assay.stats import Estimate
from assay.stats.discovery import detectable

__all__ = ["Card", "Cost", "estimates", "sureness", "worst_cases"]

SHOWN: Final = 3
MANY: Final = 10**6
LISTED: Final = 6
"""Probes that are named in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the audit took."""

    texts: int
    """Responses scored."""
    seconds: float
    tokens: int | None = None
    """Tokens that went through the model; None where nobody counts."""
    naive: int | None = None
    """Tokens of all prompts with all responses, each on its own."""
    paid: str = ""
    """What a judge's answers cost, in words."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What an audit says of one reward."""

    reward: str
    """The word that names it."""
    fingerprint: str
    kind: Kind
    data: str
    prompts: int
    unit: Unit
    grades: tuple[Grade, ...]
    findings: tuple[Finding, ...]
    metrics: Mapping[str, Estimate]
    """How good it is on the data as they are."""
    baselines: Mapping[str, Estimate]
    """The same of what needs no model, as "metric/baseline"."""
    cost: Cost
    functions: tuple[FunctionCase, ...] = ()
    """What a function pays for."""
    hacks: Hacks | None = None
    """What the search for hacks found; None where there was none."""
    notes: tuple[str, ...] = ()
    cases: tuple[Case, ...] = field(default=())
    """The worst texts."""
    advice: tuple[str, ...] = ()
    """What to do next, the most urgent first."""
    sure: str = ""
    """How sure all of it is, in a sentence."""

    @property
    def failing(self) -> tuple[Finding, ...]:
        """Probes that found a fault, the gravest first."""
        bad = [one for one in self.findings if one.verdict == "fails"]
        return tuple(sorted(bad, key=_grave))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; a value that does not exist (NaN) is null."""
        rest = dataclasses.replace(self, functions=(), hacks=None, findings=())
        body: dict[str, Any] = finite(dataclasses.asdict(rest))
        paid = [
            {"case": one.name, "paid": one.paid.to_json(), "due": one.due, "example": one.example}
            for one in self.functions
        ]
        found = [one.to_json() for one in self.findings]
        hacks = None if self.hacks is None else self.hacks.to_json()
        return body | {"functions": finite(paid), "hacks": hacks, "findings": found}


def worst_cases(findings: Sequence[Finding]) -> tuple[Case, ...]:
    """Return the worst text of each of the gravest failures, at most three."""
    bad = [one for one in findings if one.verdict == "fails" and one.cases]
    bad.sort(key=_grave)
    return tuple(
        dataclasses.replace(one.cases[0], probe=f"{one.probe}: {one.meaning}")
        for one in bad[:SHOWN]
    )


def _grave(one: Finding) -> float:
    """A key by which the gravest come first: an effect beyond what is due, in those that matter."""
    value = one.effect.value
    return -(value + one.smallest if one.expects == "lower" else abs(value)) / one.smallest


def sureness(probed: Probed, prompts: int) -> str:
    """Say what effects would have been found, and how many prompts would settle the rest."""
    tested = [one for one in probed.findings if one.effect.n]
    shifts = sorted(one.detectable for one in tested if not math.isnan(one.median))
    said = [f"{prompts:,} prompts"]
    if shifts and math.isfinite(shifts[len(shifts) // 2]):
        middle = shifts[len(shifts) // 2]
        said.append(f"half of the probes find a shift of {middle:.2g}, 8 times of 10")
    weak = [one for one in tested if one.verdict == "underpowered"]
    if weak:
        needed = sorted(_needed(one, prompts) for one in weak)
        names = f" ({', '.join(one.probe for one in weak)})" if len(weak) <= LISTED else ""
        middle = needed[len(needed) // 2]
        settle = f"about {math.ceil(middle):,}" if middle < MANY else "many more"
        said.append(
            f"{len(weak)} of {len(tested)} probes may have missed a fault{names}: {settle} prompts"
            " like these would settle half of them"
        )
    untried = [one for one in probed.findings if not one.effect.n]
    for what, which in (
        ("had nothing to change here", [x.probe for x in untried if not x.effect.unscored]),
        ("have no score for what they changed", [x.probe for x in untried if x.effect.unscored]),
    ):
        if which:
            said.append(f"{len(which)} {what} ({', '.join(which)})")
    return "; ".join(said)


def _needed(one: Finding, prompts: int) -> float:
    """Prompts with which a probe finds what matters: its error falls with the root of their
    number, and its quantiles towards those of many."""
    few, many = (detectable(1.0, n) for n in (max(one.effect.n - 1, 1), MANY))
    return prompts * (one.detectable / few * many / one.smallest) ** 2


def estimates(card: Card) -> dict[str, Estimate]:
    """Return every number by name: metrics, baselines, "grade/AREA", "probe/NAME", and "failing",
    the number of probes that fail."""
    failing = float(len(card.failing))
    return {
        **card.metrics,
        **card.baselines,
        **{f"grade/{one.area}": one.held for one in card.grades},
        **{f"probe/{one.probe}": one.effect for one in card.findings},
        "failing": Estimate(value=failing, low=failing, high=failing, n=len(card.findings)),
    }
