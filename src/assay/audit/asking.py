"""What a reward makes of changed responses: all that probes changed, scored a prompt at a time.

Responses as they were and as all probes changed them go to the scorer as one group per prompt, each
text once: what they share, which is most of it, is computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from assay.audit.probe import Probe, Subject, Variant
from assay.audit.subjects import Item, subjects_of
from assay.protocols import Scorer
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Answer", "Asked", "Plan", "ask", "plan"]

Said = Score | Unscored
Place = tuple[int, int]
"""A group, and a response in it."""
Chunked = Callable[[Scorer, Sequence[Group]], list[list[Said]]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A variant, what the reward makes of it, and of what it is compared with."""

    item: int
    """Number of the prompt's item."""
    subject: Subject
    variant: Variant
    before: Said
    after: Said


@dataclass(frozen=True, kw_only=True)
class Asked:
    """All that was scored."""

    items: Sequence[Item]
    base: Sequence[Sequence[Said]]
    """Of each item's own responses, in order."""
    answers: Mapping[str, Sequence[Answer]] = field(repr=False)
    """By probe."""
    inapplicable: Mapping[str, int]
    """Subjects that a probe could not change, by probe."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What probes make of items, laid out for a scorer."""

    items: Sequence[Item]
    probes: Mapping[str, Probe]
    groups: Sequence[Group]
    """All texts, a group per prompt."""
    made: Sequence[tuple[str, int, Subject, Variant, Place, Place]] = field(repr=False)
    """Probe, number of the item, response, its change, and where the control and it stand."""
    base: Sequence[Sequence[Place]] = field(repr=False)
    """Where each item's own responses stand."""
    inapplicable: Mapping[str, int]


def plan(items: Sequence[Item], probes: Mapping[str, Probe], *, seed: int = 0) -> Plan:
    """Make all changes of all items. probes: by name."""
    texts = _Texts()
    base = [[texts.place(item.prompt, one.response) for one in item.responses] for item in items]
    made = []
    inapplicable = dict.fromkeys(probes, 0)
    for name, probe in probes.items():
        for number, subject in subjects_of(items, probe.expects):
            draw = Random(f"{seed}/{name}/{items[number].key}/{subject.right}")
            variants = list(probe.variants(subject, draw))
            inapplicable[name] += not variants
            for variant in variants:
                prompt = variant.prompt or subject.prompt
                control = texts.place(prompt, variant.against or subject.response)
                changed = texts.place(prompt, variant.response)
                made.append((name, number, subject, variant, control, changed))
    return Plan(
        items=items,
        probes=probes,
        groups=texts.groups(),
        made=made,
        base=base,
        inapplicable=inapplicable,
    )


def ask(scorer: Scorer, plan: Plan, score: Chunked | None = None) -> Asked:
    """Score all that was planned. score: how a scorer is asked for groups; None = all at once."""
    said = scorer.score(plan.groups) if score is None else score(scorer, plan.groups)
    answers: dict[str, list[Answer]] = {name: [] for name in plan.probes}
    for name, number, subject, variant, control, changed in plan.made:
        answers[name].append(
            Answer(
                item=number,
                subject=subject,
                variant=variant,
                before=said[control[0]][control[1]],
                after=said[changed[0]][changed[1]],
            )
        )
    return Asked(
        items=plan.items,
        base=[[said[group][place] for group, place in row] for row in plan.base],
        answers=answers,
        inapplicable=plan.inapplicable,
    )


class _Texts:
    """Responses by prompt, each once."""

    def __init__(self) -> None:
        self._prompts: dict[object, tuple[int, Prompt]] = {}
        self._responses: list[dict[object, tuple[int, Response]]] = []

    def place(self, prompt: Prompt, response: Response) -> Place:
        """Return the group and the place in it that a response has."""
        group, _ = self._prompts.setdefault(
            (prompt.shown, prompt.reference), (len(self._prompts), prompt)
        )
        if group == len(self._responses):
            self._responses.append({})
        there = self._responses[group]
        place, _ = there.setdefault((response.steps, response.finished), (len(there), response))
        return group, place

    def groups(self) -> list[Group]:
        """Return a group per prompt."""
        return [
            Group(prompt=prompt, responses=tuple(response for _, response in there.values()))
            for (_, prompt), there in zip(self._prompts.values(), self._responses, strict=True)
        ]
