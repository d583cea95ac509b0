"""What a reward makes of changed responses: all that probes changed, scored a prompt at a time.

Responses as they were and as all probes changed them go to the scorer as one group per prompt, each
text once: what they share, which is most of it, is computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.audit.probe import Probe, Subject, Variant, drawn
from assay.audit.subjects import Item, subjects_of
from assay.protocols import Scorer
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Answer", "Asked", "Plan", "ask", "plan"]

Said = Score | Unscored
Place = tuple[int, int]
"""A group, and a response in it."""
Arms = Sequence[Sequence[Place]]
"""Of control, variant and response as it was, each behind what it is relative to, if anything."""
Chunked = Callable[[Scorer, Sequence[Group]], list[list[Said]]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A variant, what the reward makes of it, and of what it is compared with."""

    item: int
    """Number of the prompt's item."""
    subject: Subject
    variant: Variant
    before: Said
    """Of the control; relative to another response where the variant has one beside, as `after`."""
    after: Said
    plain: Said
    """Of the response as it was, where the control is another text to the same prompt; else that
    of the control."""


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
    made: Sequence[tuple[str, int, Subject, Variant, Arms]] = field(repr=False)
    """Probe, number of the item, response, its change, and where what is compared stands."""
    base: Sequence[Sequence[Place]] = field(repr=False)
    """Where each item's own responses stand."""
    inapplicable: Mapping[str, int]


def plan(items: Sequence[Item], probes: Mapping[str, Probe], *, seed: int = 0) -> Plan:
    """Make all changes of all items. probes: by name."""
    changes: list[list[tuple[str, Subject, Variant]]] = [[] for _ in items]
    inapplicable = dict.fromkeys(probes, 0)
    for name, probe in probes.items():
        for number, subject in subjects_of(items, probe.expects):
            draw = drawn(f"{seed}/{name}/{items[number].key}/{subject.right}")
            variants = list(probe.variants(subject, draw))
            inapplicable[name] += not variants
            changes[number] += [(name, subject, one) for one in variants]
    texts, base = _Texts(), []
    made: list[tuple[str, int, Subject, Variant, Arms]] = []
    # All of an item together: what its changed prompts begin with is computed once, too.
    for number, (item, changed) in enumerate(zip(items, changes, strict=True)):
        base.append([texts.place(item.prompt, one.response) for one in item.responses])
        made += [
            (name, number, subject, one, _arms(subject, one, texts))
            for name, subject, one in changed
        ]
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
    for name, number, subject, variant, arms in plan.made:
        before, after, plain = (_relative(said, arm) for arm in arms)
        answers[name].append(
            Answer(
                item=number,
                subject=subject,
                variant=variant,
                before=before,
                after=after,
                plain=plain,
            )
        )
    return Asked(
        items=plan.items,
        base=[[said[group][place] for group, place in row] for row in plan.base],
        answers=answers,
        inapplicable=plan.inapplicable,
    )


def _arms(subject: Subject, variant: Variant, texts: "_Texts") -> Arms:
    """Return where control, variant and the response as it was are."""
    prompt = variant.prompt or subject.prompt
    control = variant.against or subject.response
    plain = control if variant.against_prompt or variant.beside else subject.response
    beside = [variant.beside] if variant.beside else []
    arms = [
        (variant.against_prompt or prompt, control),
        (prompt, variant.response),
        (variant.against_prompt or prompt, plain),
    ]
    return [[texts.place(asked, one) for one in (*beside, own)] for asked, own in arms]


def _relative(said: Sequence[Sequence[Said]], arm: Sequence[Place]) -> Said:
    """Return the last place's score, less the first's where there are two."""
    (*beside, own) = (said[group][place] for group, place in arm)
    for other in beside:
        if isinstance(other, Unscored) or isinstance(own, Unscored):
            return other if isinstance(other, Unscored) else own
        own = Score(value=own.value - other.value)
    return own


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
