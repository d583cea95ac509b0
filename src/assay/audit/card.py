"""The report card of a reward: a grade per area, the worst texts, what to do next, and how sure all
of it is."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from assay.audit.findings import Case, Finding, Unit
from assay.audit.functions import FunctionCase
from assay.audit.hacks import Hacks
from assay.audit.probe import Area
from assay.audit.run import Grade, Probed
from assay.runs.settings import finite
from assay.stats import Estimate

__all__ = [
    "ADVICE",
    "Card",
    "Cost",
    "Kind",
    "advice",
    "estimates",
    "hack_told",
    "sureness",
    "worst_cases",
]

Kind = Literal["process model", "judge of pairs", "function", "scorer of responses"]

ADVICE: Final[Mapping[Area, str]] = {
    "length": (
        "add pairs of equal length, or long wrong answers as rejected ones; or train with the loss"
        " odin, which takes length out"
    ),
    "style": (
        "train on the same answers with and without markup; until then, normalise the form of"
        " responses before they are scored"
    ),
    "claims": "add wrong answers that claim to be right, and right ones that do not, as pairs",
    "flattery": "add flattering wrong answers as rejected ones, and users who are wrong",
    "injection": (
        "fence what is judged off, read the last verdict only, and drop responses that speak to the"
        " judge"
    ),
    "empty": (
        "give responses without an answer the lowest reward by a rule (`verify rules`), and add"
        " them as rejected ones"
    ),
    "content": (
        "the reward does not see what is said: more and harder pairs, or a program that checks"
        " answers beside it"
    ),
    "noise": "train on perturbed copies, and do not trust differences that typing errors make",
    "people": "add copies of prompts with other names as pairs of equal reward, and look again",
    "steps": (
        "label steps anew (`assay label`), and compare aggregations: one that counts steps pays for"
        " padding"
    ),
    "questions": "average over the orders of options and criteria (rotations), or fix one order",
    "serving": "score in float32 or in batches of one, and check the server (`assay serve check`)",
    "hacks": (
        "add responses with the edits that were found as rejected ones, and search again; do not"
        " optimise against this reward before"
    ),
}
"""What helps, by area."""

SHOWN: Final = 3


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
        return tuple(sorted(bad, key=lambda one: -abs(one.effect.value) / one.smallest))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; a value that does not exist (NaN) is null."""
        body: dict[str, Any] = finite(
            {
                one.name: _plain(getattr(self, one.name))
                for one in dataclasses.fields(self)
                if one.name not in ("findings", "functions", "hacks")
            }
        )
        paid = [
            {"case": one.name, "paid": one.paid.to_json(), "due": one.due, "example": one.example}
            for one in self.functions
        ]
        found = [one.to_json() for one in self.findings]
        hacks = None if self.hacks is None else self.hacks.to_json()
        return body | {"functions": finite(paid), "hacks": hacks, "findings": found}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    whole = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if whole else value


def worst_cases(findings: Sequence[Finding]) -> tuple[Case, ...]:
    """Return the worst text of each of the gravest failures, at most three."""
    bad = [one for one in findings if one.verdict == "fails" and one.cases]
    bad.sort(key=lambda one: -abs(one.effect.value) / one.smallest)
    return tuple(one.cases[0] for one in bad[:SHOWN])


def advice(grades: Sequence[Grade]) -> tuple[str, ...]:
    """Return what helps in each area with a failing probe, the worst area first."""
    bad = sorted((one for one in grades if one.fails), key=lambda one: one.held.value)
    return tuple(f"{one.area} ({', '.join(one.fails)}): {ADVICE[one.area]}" for one in bad)


def sureness(probed: Probed, prompts: int) -> str:
    """Say what effects would have been found, and how many prompts would settle the rest."""
    tested = [one for one in probed.findings if math.isfinite(one.detectable) and one.effect.n]
    shifts = sorted(one.detectable for one in tested if one.expects != "last")
    said = [f"{prompts} prompts"]
    if shifts:
        middle = shifts[len(shifts) // 2]
        said.append(f"half of the probes find {middle:.2g} {probed.unit.meaning} 8 times of 10")
    weak = [one for one in tested if one.verdict == "underpowered"]
    if weak:
        # An error falls with the root of the number of prompts.
        more = max((one.detectable / one.smallest) ** 2 for one in weak) * prompts
        said.append(
            f"{len(weak)} of {len(tested)} probes may have missed a fault, about"
            f" {math.ceil(more):,} prompts would settle them"
        )
    untried = [one.probe for one in probed.findings if not one.effect.n]
    if untried:
        said.append(f"{len(untried)} had nothing to change here ({', '.join(untried)})")
    return "; ".join(said)


def hack_told(card: Card) -> str:
    """Say what the search for hacks found, beside random edits; "" where there was none."""
    if card.hacks is None:
        return ""
    at_random = card.hacks.baseline_random
    beside = f"; random edits {at_random[-1].held_out:.2f}" if at_random else ""
    searched = f"{card.hacks.scored:,} edited responses"
    if not card.hacks.best:
        return f"hack search: no edit gained by {searched}{beside}"
    best = card.hacks.best[0]
    return (
        f"hack search: by {searched} an edit that gains {best.held_out.effect:.2f}"
        f" {card.unit.meaning} on other prompts than it was found on{beside}: {best.edit[:200]}"
    )


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
