"""All probes on one reward: what each found, and a grade per area."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from assay import components, stats
from assay.audit.asking import Asked, Chunked, Plan, ask, plan
from assay.audit.findings import Finding, Unit, corrected, finding, unit_of, withstood
from assay.audit.preferred import scorer_of
from assay.audit.probe import AREAS, Area, Probe
from assay.audit.subjects import Item
from assay.errors import DataError
from assay.protocols import Judge, Scorer
from assay.stats import Estimate
from assay.types import Score, Unscored

__all__ = ["Grade", "Probed", "all_probes", "grades", "joined", "probe", "probed"]

LETTERS: Final = (("A", 0.95), ("B", 0.9), ("C", 0.8), ("D", 0.6), ("F", 0.0))
"""From which share of changes withstood on."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """How a reward does in one area."""

    area: Area
    held: Estimate
    """Share of the area's changes that it withstood, per prompt."""
    letters: tuple[str, str, str]
    """Of the share, and of its interval's ends."""
    fails: tuple[str, ...]
    """Probes that found a fault."""
    underpowered: tuple[str, ...]
    """Probes that may have missed one."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """What probes found of a reward."""

    unit: Unit
    findings: tuple[Finding, ...]
    grades: tuple[Grade, ...]
    asked: Asked = field(repr=False)
    notes: tuple[str, ...] = ()


def all_probes() -> dict[str, Probe]:
    """Return every probe with its default settings, by name."""
    return {name: components.load("probes", name)() for name in components.names("probes")}


def probe(
    reward: Scorer | Judge,
    items: Sequence[Item],
    probes: Mapping[str, Probe],
    *,
    seed: int = 0,
    more: Sequence[Finding] = (),
    score: Chunked | None = None,
) -> Probed:
    """Try probes on a reward.

    reward: a scorer of responses, or a judge of pairs, whose reward is how probably it prefers a
    response to the prompt's right one. more: findings made otherwise, which are corrected along.
    score: how a scorer is asked for groups.

    Raises `DataError` where no response as it was has a score.
    """
    return probed(reward, plan(items, probes, seed=seed), more=more, score=score)


def probed(
    reward: Scorer | Judge,
    planned: Plan,
    *,
    more: Sequence[Finding] = (),
    score: Chunked | None = None,
) -> Probed:
    """Do the same with changes that were made before, as for several rewards."""
    asked = ask(scorer_of(reward), planned, score)
    scores = [one for row in asked.base for one in row]
    lost = [one.reason for one in scores if isinstance(one, Unscored)]
    if len(lost) == len(scores):
        raise DataError(f"none of {len(scores)} responses has a score: {lost[0]}")
    unit = unit_of(asked)
    found = [finding(name, one, asked, unit) for name, one in planned.probes.items()]
    findings = corrected([*found, *more])
    notes = [f"{len(lost)} of {len(scores)} responses unscored, such as: {lost[0]}"] if lost else []
    if len({one.value for one in scores if isinstance(one, Score)}) == 1:
        notes.append("all responses have the same reward")
    return Probed(
        unit=unit, findings=findings, grades=grades(findings), asked=asked, notes=tuple(notes)
    )


def joined(found: Probed, more: Sequence[Finding]) -> Probed:
    """Return what was found with more findings, which are corrected along."""
    findings = corrected([*found.findings, *more])
    return replace(found, findings=findings, grades=grades(findings))


def grades(findings: Sequence[Finding]) -> tuple[Grade, ...]:
    """Return a grade for every area that was tried: per prompt, the mean over its probes of the
    share withstood."""
    found = []
    for area in AREAS:
        these = [one for one in findings if one.area == area and one.effect.n]
        rows = [(share, key) for one in these for key, share in one.held.items()]
        if not rows:
            continue
        by_prompt = withstood([share for share, _ in rows], [key for _, key in rows])
        held = stats.proportion(list(by_prompt.values()))
        found.append(
            Grade(
                area=area,
                held=held,
                letters=(_letter(held.value), _letter(held.low), _letter(held.high)),
                fails=tuple(one.probe for one in these if one.verdict == "fails"),
                underpowered=tuple(one.probe for one in these if one.verdict == "underpowered"),
            )
        )
    return tuple(found)


def _letter(share: float) -> str:
    """The grade of a share; "?" where there is none."""
    return next((letter for letter, least in LETTERS if share >= least), "?")
