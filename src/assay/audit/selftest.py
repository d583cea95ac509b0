"""Does the audit find what was planted, and nothing else? Run by its users, too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from assay import stats
from assay.audit.asking import Plan, plan
from assay.audit.findings import Finding
from assay.audit.planted import FAULTS, Planted, Qualities, items, qualities
from assay.audit.probe import Probe
from assay.audit.run import Probed, probed
from assay.stats import Estimate
from assay.types import Group, Score, Unscored

__all__ = ["Check", "Selftest", "selftest"]

NOISE: Final = 0.5
"""Deviation of the noise per text, in units of quality; right and wrong lie 2 apart."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must come out."""

    name: str
    due: str
    found: str
    ok: bool


@dataclass(frozen=True, kw_only=True)
class Selftest:
    """What the audit made of planted rewards."""

    checks: tuple[Check, ...]
    rates: Mapping[str, Estimate]
    """Over simulations: coverage of the planted effect, share of false findings, and how often what
    was planted was found."""

    @property
    def ok(self) -> bool:
        """Whether everything came out."""
        return all(one.ok for one in self.checks)

    def __str__(self) -> str:
        """A line per check, then the rates."""
        lines = [
            f"{'ok' if one.ok else 'NOT SO':<7} {one.name}: {one.found} (due: {one.due})"
            for one in self.checks
        ]
        return "\n".join([*lines, *(f"{name}: {e:.3f}" for name, e in self.rates.items())])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "ok": self.ok,
            "checks": [vars(one) for one in self.checks],
            "rates": {name: one.to_json() for name, one in self.rates.items()},
        }


@dataclass(frozen=True)
class _Noisy:
    """Scores that are there, with noise of a deviation per text."""

    said: Sequence[Sequence[Score]]
    noise: float
    seed: int

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        draw = np.random.default_rng(self.seed)
        return [
            [
                Score(value=one.value + self.noise * float(x))
                for one, x in zip(row, draw.standard_normal(len(row)), strict=True)
            ]
            for row in self.said
        ]


@dataclass(frozen=True, kw_only=True)
class _World:
    plan: Plan
    qualities: Qualities
    planted: dict[str, list[list[Score]]] = field(default_factory=dict)
    """Scores without noise, which many audits share."""

    def probed(self, *, noise: float = 0.0, seed: int = 0, **planted: Any) -> Probed:
        name = repr(planted)
        if name not in self.planted:
            said = Planted(qualities=self.qualities, **planted).score(self.plan.groups)
            self.planted[name] = [[x for x in row if isinstance(x, Score)] for row in said]
        return probed(_Noisy(self.planted[name], noise, seed), self.plan)


def selftest(
    probes: Mapping[str, Probe],
    *,
    prompts: int = 100,
    simulations: int = 20,
    show: Callable[[int], None] = lambda _: None,
) -> Selftest:
    """Audit planted rewards: faults alone, faults beside quality, and quality itself.

    Each of the simulations draws other noise for a reward with all faults in it, and for one with
    none; the intervals must hold the planted effect about 95 times of 100, and of the findings at
    most 5 in 100 may be false.
    """
    planned = plan(items(prompts), probes)
    world = _World(plan=planned, qualities=qualities(planned))
    checks = [*_flagged(world), _passed(world)]
    rates = _simulated(world, simulations, show)
    return Selftest(checks=(*checks, *_held(rates)), rates=rates)


def _fails(found: Probed) -> set[str]:
    return {one.probe for one in found.findings if one.verdict == "fails"}


MUST: Final[Mapping[str, tuple[str, ...]]] = {
    "length": ("length-filler",),
    "markdown": ("markdown-added",),
    "injection": ("injection",),
}
"""Probes that must find each fault."""


def _flagged(world: _World) -> list[Check]:
    """Rewards of nothing but a fault, of nothing at all, and of chance."""
    cases: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
        (f"nothing but {name}", {"quality": 0.0, "faults": {name: 1.0}}, must)
        for name, must in MUST.items()
    ]
    cases += [
        (f"quality and {name}", {"faults": {name: 0.5}, "noise": NOISE}, must)
        for name, must in MUST.items()
    ]
    cases.append(("chance", {"quality": 0.0, "noise": 1.0}, ("null-strings",)))
    cases.append(("a constant", {"quality": 0.0}, ("null-strings",)))
    found = []
    for name, planted, must in cases:
        fails = _fails(world.probed(**planted))
        asked = [one for one in must if one in world.plan.probes]
        missed = [one for one in asked if one not in fails]
        found.append(
            Check(
                name=name,
                due=f"fails {', '.join(asked)}",
                found=f"missed {', '.join(missed)}" if missed else f"{len(fails)} probes fail",
                ok=not missed,
            )
        )
    return found


def _passed(world: _World) -> Check:
    found = world.probed()
    fails = sorted(_fails(found))
    weak = sorted(one.probe for one in found.findings if one.verdict == "underpowered")
    said = [f"fails {', '.join(fails)}"] if fails else []
    said += [f"undecided on {', '.join(weak)}"] if weak else []
    return Check(
        name="quality itself",
        due="passes every probe",
        found="; ".join(said) or f"{len(found.findings)} probes pass",
        ok=not fails,
    )


def _simulated(world: _World, n: int, show: Callable[[int], None]) -> dict[str, Estimate]:
    faults = dict.fromkeys(FAULTS, 0.3)
    exact = world.probed(faults=faults)
    truth = _effects(exact)
    at_fault = {one.probe for one in exact.findings if _beyond(one) > 1e-9}
    covered: list[tuple[int, float]] = []
    false_share, any_false, power = [], [], []
    for i in range(n):
        noisy = world.probed(faults=faults, noise=NOISE, seed=i)
        for one in noisy.findings:
            if one.expects != "last" and one.effect.n:
                due = truth[one.probe]
                inside = [
                    e.low <= due[text] / noisy.unit.value <= e.high
                    for text, e in one.by_text.items()
                ]
                covered.append((i, float(all(inside))))
        fails = _fails(noisy)
        false_share.append(len(fails - at_fault) / len(fails) if fails else 0.0)
        power.append(float("length-filler" in fails))
        any_false.append(float(bool(_fails(world.probed(noise=NOISE, seed=n + i)))))
        show(i + 1)
    clusters = [i for i, _ in covered]
    return {
        "coverage": stats.proportion([x for _, x in covered], clusters=clusters),
        "false findings": stats.proportion(false_share),
        "any finding of a reward without faults": stats.proportion(any_false),
        "planted length found": stats.proportion(power),
    }


def _effects(found: Probed) -> dict[str, dict[str, float]]:
    """The mean shifts by probe and text, in the reward's own unit."""
    return {
        one.probe: {text: e.value * found.unit.value for text, e in one.by_text.items()}
        for one in found.findings
    }


def _beyond(one: Finding) -> float:
    """How far an effect without noise lies from what is no fault."""
    effect = one.effect.value
    if one.expects == "unchanged":
        return abs(effect)
    return effect + {"lower": one.smallest, "last": -one.smallest}.get(one.expects, 0.0)


def _held(rates: Mapping[str, Estimate]) -> list[Check]:
    """Rates that would be surprising were the claims true."""
    claims = {
        "coverage": (0.95, 1.0),
        "false findings": (0.0, 0.05),
        "any finding of a reward without faults": (0.0, 0.05),
    }
    return [
        Check(
            name=name,
            due=f"{low:g} to {high:g}",
            found=f"{rates[name]:.3f}",
            # Of one simulation there is no interval, which excludes nothing.
            ok=not (rates[name].high < low or rates[name].low > high),
        )
        for name, (low, high) in claims.items()
    ]
