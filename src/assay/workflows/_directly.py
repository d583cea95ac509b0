"""What an audit asks besides its probes, by what the reward is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay.audit.direct import groups_of
from assay.audit.findings import Finding
from assay.audit.functions import FunctionCase, function_cases
from assay.audit.judging import judged
from assay.audit.probe import Probe
from assay.audit.questions import criteria
from assay.audit.serving import serving
from assay.audit.subjects import Item
from assay.protocols import Judge, Scorer
from assay.types import Group, Response, Score

__all__ = ["Directly", "asked_directly", "due_of", "is_function"]

FEW: Final = 12
"""Prompts that are asked again in other batches and layouts, or criteria in another order."""


AROUND: Final = frozenset(("negation", "refusal-prefix", "repetition", "sentence-order"))
"""Probes that make a response worse and leave its final answer as it is."""


@dataclass(frozen=True, kw_only=True)
class Directly:
    """Findings, and what a function pays for."""

    findings: tuple[Finding, ...] = ()
    functions: tuple[FunctionCase, ...] = ()


def asked_directly(reward: Scorer | Judge, items: Sequence[Item], *, seed: int) -> Directly:
    """Ask what no change of a response shows.

    Judges of pairs: place, ties, names and scores given before. Rubrics: order and names of the
    criteria. Models in this process: batches and layouts. Functions and verifiers: forms of answers
    and answers without work, where prompts have references.
    """
    if isinstance(reward, Judge):
        pairs = [
            Group(prompt=item.prompt, responses=tuple(one.response for one in item.responses[:2]))
            for item in items
            if len(item.responses) > 1
        ]
        return Directly(findings=tuple(judged(reward, pairs)) if pairs else ())
    inner: Any = getattr(reward, "scorer", reward)
    few = items[:FEW]
    if is_function(reward):
        referenced = any(item.prompt.reference for item in items)
        cases = function_cases(reward, items) if referenced else []
        return Directly(
            findings=tuple(one.finding for one in cases if one.finding is not None),
            functions=tuple(cases),
        )
    found = serving(reward, few, seed=seed)
    if _is_rubric(inner):
        found += criteria(inner, few)
    if hasattr(inner, "model") and hasattr(inner, "readings"):
        from assay.audit.layouts import layouts

        found += layouts(inner, few)
    return Directly(findings=tuple(found))


def due_of(
    reward: Scorer | Judge, items: Sequence[Item], probes: Mapping[str, Probe]
) -> dict[str, Probe]:
    """Return the probes that may find a fault of such a reward.

    What a program reads is the answer: it has no fault where it does not read the steps, nor, where
    all that it says is right or wrong, where it does not read what stands around the answer.
    """
    if not is_function(reward):
        return dict(probes)
    left = AROUND if _checks(reward, items) else frozenset()
    return {name: one for name, one in probes.items() if one.area != "steps" and name not in left}


def _checks(reward: Any, items: Sequence[Item]) -> bool:
    """Whether a program says right or wrong, by a reference: at most two values, also for what is
    shorter and longer."""
    if not any(item.prompt.reference for item in items):
        return False
    groups = [
        Group(
            prompt=one.prompt,
            responses=(*one.responses, Response.of(""), Response.of(one.responses[0].text * 3)),
        )
        for one in groups_of(items[:FEW])
    ]
    rows = reward.score(groups)
    return len({one.value for row in rows for one in row if isinstance(one, Score)}) <= 2


def is_function(reward: Scorer | Judge) -> bool:
    """Whether a reward is a plain function, or a program that verifies."""
    from assay.scorers.function import Called
    from assay.scorers.verifier import Verified

    return isinstance(getattr(reward, "scorer", reward), (Called, Verified))


def _is_rubric(inner: object) -> bool:
    from assay.judges.rubric import RubricScorer

    return isinstance(inner, RubricScorer)
