"""Ask a gate's anchors again, and see whether the judge is still the one that was measured."""

import math
from dataclasses import dataclass

import numpy as np

from assay.answerers.ledger import asked_anew
from assay.audit.gate import Gate
from assay.audit.human import Label
from assay.audit.verdicts import Reading, values_of
from assay.data.records import cluster_key
from assay.http.client import models_named
from assay.protocols import Judge, Scorer
from assay.questions import CLOSE
from assay.stats import Estimate, mcnemar, mean

__all__ = ["Drift", "drift"]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What a judge says of a gate's anchors now."""

    reasons: tuple[str, ...]
    """Why it is no longer the judge that was measured; none = it is."""
    n: int
    agreement: Estimate
    """Change of agreement with people."""
    value: Estimate
    """Change of the probability or score."""
    changed: int
    """Verdicts that are others than then."""
    noise: int
    """Verdicts that were others on the day itself."""

    def __str__(self) -> str:
        """Return the numbers, and the verdict."""
        return (
            f"{self.n} anchors: {self.changed} verdicts changed, {self.noise} on the same day;"
            f" agreement {self.agreement:+.3f}, score {self.value:+.3f}\n"
            + (f"drifted: {'; '.join(self.reasons)}" if self.reasons else "no drift found")
        )


def drift(gate: Gate, judge: Judge | Scorer) -> Drift:
    """Ask a gate's anchors anew, and test whether the judge has changed.

    It has where a server names another model; where McNemar's exact test, at the gate's level,
    finds agreement with people changed, or more verdicts changed than on the day itself; where the
    score's mean change is off 0 at that level; and where agreement, as measured and changed by the
    upper end of its change, is below the floor.
    """
    groups = [anchor.group for anchor in gate.anchors]
    labels = [
        [Label((), one.place, one.criterion) for one in anchor.marks] for anchor in gate.anchors
    ]
    reading = Reading(gate.judge.kind == "pairs", gate.judge.threshold)
    with asked_anew(), models_named() as served:
        values = values_of(judge, groups, labels, pairs=reading.pairs)
    rows = [
        (cluster_key(anchor.group), mark, reading.verdict(value), value)
        for anchor, row in zip(gate.anchors, values, strict=True)
        for mark, value in zip(anchor.marks, row, strict=True)
    ]
    keys = [key for key, *_ in rows]
    right = [float(verdict is mark.human) for _, mark, verdict, _ in rows]
    before = [float(mark.verdict is mark.human) for _, mark, *_ in rows]
    changed = [float(verdict is not mark.verdict) for _, mark, verdict, _ in rows]
    noise = [float(mark.again is not mark.verdict) for _, mark, *_ in rows]
    shifts = [
        (key, value - mark.value)
        for key, mark, _, value in rows
        if value is not None and mark.value is not None
    ]
    sure = 1 - gate.alpha
    value = mean([one for _, one in shifts], clusters=[key for key, _ in shifts], confidence=sure)
    agreement = mean(np.subtract(right, before), clusters=keys, within=(-1, 1))
    found = _renamed(gate.judge.served, served)
    for what, test in (
        ("agreement", mcnemar(right, before)),
        ("verdicts", mcnemar(changed, noise)),
    ):
        if test.p_value < gate.alpha and (what == "agreement" or test.only_a > test.only_b):
            found.append(f"{what} changed on {test.only_a} and {test.only_b} of {test.n} anchors"
                         f" (p = {test.p_value:.2g})")  # fmt: skip
    # All alike have no interval, and are no noise.
    alike = math.isnan(value.low) and abs(value.value) > CLOSE
    if alike or value.low > 0 or value.high < 0:
        found.append(f"scores moved by {value.value:+.3g} on average")
    if gate.slices[0]["agreement"].value + agreement.high < gate.floor:
        found.append(f"agreement on anchors fell by {-agreement.value:.3f}, to below the floor")
    return Drift(
        reasons=tuple(found),
        n=len(rows),
        agreement=agreement,
        value=value,
        changed=int(sum(changed)),
        noise=int(sum(noise)),
    )


def _renamed(before: tuple[str, ...], served: set[str]) -> list[str]:
    if set(before) == served:
        return []
    then, now = (", ".join(sorted(names)) or "none named" for names in (before, served))
    return [f"the model that answers is {now}; it was {then}"]
