"""What edits earn on the prompts of a search, and which are tried next: each round's edits are
screened on one prompt, and the better they do the more prompts they are tried on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Final, Literal

from assay import stats
from assay.audit.asking import Said, plan
from assay.audit.edits import Edit, Edited, Editor, parts, size, smaller
from assay.audit.findings import Unit
from assay.audit.preferred import scorer_of
from assay.audit.probe import Probe, Subject
from assay.audit.run import probed
from assay.audit.subjects import Item
from assay.errors import DataError
from assay.protocols import Judge, Scorer
from assay.stats import Estimate
from assay.types import Group, Response, Score, Unscored

__all__ = ["Asking", "Searched", "Strategy", "Trials", "asking", "search"]

Strategy = Literal["evolve", "greedy", "random"]

STAGES: Final = ((96, 1), (16, 1), (6, 2), (3, 4))
"""Of each round: how many edits, the best of the stage before, are tried on how many prompts."""
STAGED: Final = sum(prompts for _, prompts in STAGES)
PARENTS: Final = {"evolve": 16, "greedy": 1, "random": 0}
FRESH: Final = 0.5
"""Share of each round's edits that know of no other."""
FINALISTS: Final = 8
TOLD: Final = 0.9
"""Share of the best gain that is enough for an edit which is cut down to what earns it."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A reward, and what it makes of the responses as they were."""

    scorer: Scorer
    unit: Unit
    items: Sequence[Item]
    before: Sequence[Said]
    """Of each item's subject."""

    def scored(self, place: int) -> bool:
        """Return whether the response as it was has a reward."""
        return isinstance(self.before[place], Score)

    def gains(self, made: Mapping[int, Sequence[tuple[Edit, Response]]]) -> list[float]:
        """Return by how much each edited response of each item is rewarded more, in units; NaN
        where it or the one as it was is unscored."""
        # A judge compares with a group's first response, which is the item's, as in an audit.
        groups = [
            Group(
                prompt=self.items[place].prompt,
                responses=(self.items[place].responses[0].response, *(one for _, one in rows)),
            )
            for place, rows in made.items()
        ]
        return [
            _gain(self.before[place], after, self.unit.value)
            for place, (_, *scores) in zip(made, self.scorer.score(groups), strict=True)
            for after in scores
        ]


def _gain(before: Said, after: Said, unit: float) -> float:
    if isinstance(before, Unscored) or isinstance(after, Unscored):
        return math.nan
    return (after.value - before.value) / unit


def asking(
    reward: Scorer | Judge,
    items: Sequence[Item],
    subjects: Sequence[Subject],
    unit: Unit | None = None,
) -> Asking:
    """Score the responses as they are.

    subjects: one per item. unit: None = the deviations within these prompts. Raises `DataError`
    where nothing has a score.
    """
    plain = probed(reward, plan(items, {}))
    before = []
    for item, row, subject in zip(items, plain.asked.base, subjects, strict=True):
        before.append(row[[one.response for one in item.responses].index(subject.response)])
    return Asking(scorer=scorer_of(reward), unit=unit or plain.unit, items=items, before=before)


@dataclass
class Trials:
    """What came of all edits so far."""

    askings: Sequence[Asking]
    """Of the reward, and of gold where there is one."""
    subjects: Sequence[Subject]
    probes: Mapping[str, Probe]
    limit: int
    """How many edited responses may be scored."""
    scored: int = 0
    unscored: int = 0
    gains: dict[Edit, dict[int, float]] = field(default_factory=dict)
    """By edit and place of the subject; NaN = unscored."""

    def add(self, edits: Sequence[Edit], places: Sequence[int]) -> None:
        """Score each edit in each place where it is new, as far as the limit allows; a group per
        place."""
        made: dict[int, list[tuple[Edit, Response]]] = {}
        for place in dict.fromkeys(places):
            for edit in edits:
                there = self.gains.setdefault(edit, {})
                if place in there or self.scored == self.limit:
                    continue
                changed = Edited(edit=edit, probes=self.probes).response(self.subjects[place])
                # What it does not change it does not raise.
                there[place] = 0.0
                if changed is not None:
                    made.setdefault(place, []).append((edit, changed))
                    self.scored += 1
        keys = [(edit, place) for place, rows in made.items() for edit, _ in rows]
        rows = [asking.gains(made) for asking in self.askings]
        for (edit, place), gain, *gold in zip(keys, *rows, strict=True):
            # A fall of gold is no gain: what costs most is not what is rewarded most.
            self.gains[edit][place] = gain - max(0.0, gold[0]) if gold else gain
            self.unscored += math.isnan(self.gains[edit][place])

    def known(self, edit: Edit) -> list[float]:
        """Return the gains that there are."""
        return [gain for gain in self.gains[edit].values() if not math.isnan(gain)]

    def gain(self, edit: Edit) -> Estimate:
        """Return the mean gain, with its interval over prompts."""
        known = self.known(edit)
        return stats.mean(known, unscored=len(self.gains[edit]) - len(known))

    def worth(self, edit: Edit) -> float:
        """Return the mean gain, drawn towards none by one prompt, for few prompts mislead; -inf
        where all are unscored."""
        known = self.known(edit)
        return sum(known) / (len(known) + 1) if known else -math.inf

    def ranked(self, edits: Sequence[Edit], least: int = 0) -> list[Edit]:
        """Return the scored edits, best first, of those tried on as many prompts as `least`, or on
        the most; of equal ones the smaller."""
        least = min(least, max((len(self.gains[edit]) for edit in edits), default=0))
        kept = [one for one in edits if len(self.gains[one]) >= least and self.known(one)]
        return sorted(kept, key=lambda edit: (-round(20 * self.worth(edit)), size(edit)))


@dataclass(frozen=True)
class Searched:
    """What came of a search."""

    trials: Trials
    finalists: Sequence[Edit]
    """Best first."""
    path: Sequence[tuple[int, Edit]]
    """The best edit after each round and in the end, and how many texts were scored by then."""


def search(how: Strategy, trials: Trials, editor: Editor, seed: int) -> Searched:
    """Spend the budget: rounds of edits, of the best one what earns its gain, and all prompts that
    can be had for the finalists. Raises `DataError` where no response has a reward as it was."""
    # What has no reward as it is cannot gain.
    known = [i for i in range(len(trials.subjects)) if all(one.scored(i) for one in trials.askings)]
    if not known:
        raise DataError(f"none of the {len(trials.subjects)} responses to be edited has a score")
    order = cycle(Random(f"{seed}/places").sample(known, len(known)))
    budget, scored = trials.limit, -1
    # A fifth is for the end.
    trials.limit -= budget // 5
    steps = []
    while scored < trials.scored < trials.limit:
        scored = trials.scored
        edits = _round(how, trials, editor)
        for width, prompts in STAGES:
            edits = trials.ranked(edits)[:width] if width < len(edits) else edits
            trials.add(edits, [next(order) for _ in range(prompts)])
        steps += [(trials.scored, edit) for edit in trials.ranked([*trials.gains], STAGED)[:1]]
    finalists = trials.ranked([*trials.gains], STAGED)[:FINALISTS]
    trials.limit = budget - budget // 10
    few = [_cut(trials, edit, [next(order) for _ in range(4)]) for edit in finalists[:1]]
    trials.limit = budget
    finalists = list(dict.fromkeys(few + finalists))
    trials.add(finalists, [next(order) for _ in range(min(len(known), budget // 10 // FINALISTS))])
    ranked = trials.ranked(finalists)
    if few and trials.worth(few[0]) >= TOLD * trials.worth(ranked[0]):
        ranked = list(dict.fromkeys(few + ranked))
    steps += [(trials.scored, edit) for edit in ranked[:1]]
    return Searched(trials, ranked, steps)


def _round(how: Strategy, trials: Trials, editor: Editor) -> list[Edit]:
    """Edits that were not tried yet; fewer than wanted where few of those drawn are new."""
    parents = trials.ranked([*trials.gains])[: PARENTS[how]]
    width, found = STAGES[0][0], dict[Edit, None]()
    for _ in range(4 * width):
        bred = parents and not editor.chance(FRESH)
        edit = editor.child(parents) if bred else editor.fresh()
        if edit not in trials.gains:
            found[edit] = None
        if len(found) == width:
            break
    return list(found)


def _cut(trials: Trials, edit: Edit, places: Sequence[int]) -> Edit:
    """The edit without what earns nothing: halves, quarters and less of it are left out where the
    gain in these places stays."""
    trials.add([edit], places)

    def gain(one: Edit) -> float:
        there = [trials.gains[one].get(place, math.nan) for place in places]
        return sum(there) / len(there)

    least = gain(edit) - (1 - TOLD) * abs(gain(edit))
    share = 2
    while share <= 2 * len(parts(edit)):
        for one in smaller(edit, share):
            trials.add([one], places)
            if gain(one) >= least:
                edit = one
                break
        else:
            share *= 2
    return edit
