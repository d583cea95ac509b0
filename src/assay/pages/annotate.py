"""How good labels by people are: agreement, annotators, gold, drift, and what is hard to label, all
in pseudonyms."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from assay.annotate.agreement import Quality, Standing, hard_items, quality
from assay.annotate.decisions import FIRST_ERROR, PREFERENCE, said
from assay.annotate.records import Annotator, Given, Project
from assay.annotate.tasks import Task
from assay.annotate.weighting import weights_of
from assay.data.conversations import transcript
from assay.pages.examples import Answer, cut, example
from assay.report.html import (
    Block,
    Bullets,
    Estimates,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Table,
)
from assay.stats import Estimate, wilson
from assay.stats.numbers import beside, fixed, number

__all__ = ["annotate_report"]

ENOUGH: Final = 2 / 3
"""Alpha below which Krippendorff draws no conclusion from labels."""
RARE: Final = 1e-3
"""Chance of a run of answers below which it is named."""
MOST: Final = 5
"""Hard items shown with their texts."""


def annotate_report(
    tasks: Sequence[Task],
    given: Sequence[Given],
    skips: Sequence[Mapping[str, Any]],
    project: Project,
    annotators: Sequence[Annotator],
) -> list[Section]:
    """Return the sections of a labelling project's page."""
    measured = quality(tasks, given, skips)
    plain = [one for one in given if one.purpose == "label"]
    pool = [task for task in tasks if task.gold is None]
    done = {one.task for one in plain}
    seconds = [one.seconds for one in given if one.seconds > 0]
    facts = {
        "items": len(pool),
        "labelled": sum(task.id in done for task in pool),
        "labels": len(plain),
        "labels per item asked for": project.labels_per_item,
        "annotators with labels": len({one.pseudonym for one in given}),
        "invited": len(annotators),
        "skipped": len(skips),
        "median seconds per label": float(np.median(seconds)) if seconds else math.nan,
        "came next by": project.choose,
        "suggestions or evidence shown": any(one.suggested for one in given),
    }
    short: list[Block] = [Headline(big)] if (big := _headline(measured)) else []
    found = [
        Section("In short", [*short, KeyValues(facts)]),
        Section("What to do next", [Bullets([*_advice(measured, pool, plain, skips, project)])]),
        _agreement(measured),
        _annotators(measured),
        _gold(measured),
    ]
    if hard := _hard(measured, tasks):
        found.append(Section("Hard items", hard))
    if shares := _said(tasks, given, project):
        found.append(Section("What was said", shares))
    if skips:
        reasons = Counter(str(one["reason"]) for one in skips)
        found.append(Section("Skips", [Table(["reason", "skips"], reasons.most_common())]))
    return found


def _headline(measured: Quality) -> dict[str, Estimate]:
    """Agreement of the decision with most units, and gold."""
    rows = sorted(measured.agreement.items(), key=lambda pair: -_prompts(pair[1]))
    found: dict[str, Estimate] = {}
    for name, row in rows[:1]:
        found |= {f"{name}: {key}": row[key] for key in ("agreement", "alpha") if key in row}
    if (gold := _all(measured, "gold")).n:
        found["gold items right"] = gold
    return {name: one for name, one in found.items() if one.n}


def _prompts(row: Mapping[str, Estimate]) -> int:
    """How many prompts a decision's agreement rests on."""
    return max((one.n for one in row.values()), default=0)


def _all(measured: Quality, name: str) -> Estimate:
    """Gold items or attention checks of all annotators together."""
    each: list[Estimate] = [getattr(one, name) for one in measured.standings]
    n = sum(one.n for one in each)
    return wilson(round(sum(one.value * one.n for one in each if one.n)), n)


def _agreement(measured: Quality) -> Section:
    rows = {
        f"{name}: {key}": one
        for name, row in measured.agreement.items()
        for key, one in row.items()
    }
    caption = (
        "Intervals by prompt; n is the number of prompts with two labels or more of something;"
        " unscored are those with one. Alpha and AC1 are 0 for chance and 1 for perfect agreement;"
        " where one category is rare alpha is low for little disagreement, and AC1 is not."
    )
    body: Block = Estimates(rows, caption) if rows else Paragraph("No label yet.")
    return Section("Agreement", [body])


def _annotators(measured: Quality) -> Section:
    work = [
        [one.pseudonym, one.labels, one.skipped, number(one.seconds), _short(one.majority),
         _short(one.accuracy)]
        for one in measured.standings
    ]  # fmt: skip
    habits = [
        [one.pseudonym, _short(one.drift), _short(one.shown_first), one.streak]
        for one in measured.standings
    ]
    head = ["annotator", "labels", "skipped", "seconds each", "with the majority", "accuracy"]
    caption = "Accuracy is Dawid-Skene's, a label's chance to be right; 95 % intervals in brackets."
    meaning = (
        "Drift: agreement in the second half of the work less that in the first. A run is of one"
        " answer as it stands on the page."
    )
    habit = ["annotator", "drift", "the one shown first is better", "longest run of one answer"]
    notes = [f"{name}: {caveat}" for name, fit in measured.fits.items() for caveat in fit.caveats]
    notes.append("Dawid-Skene takes annotators to err independently of each other: what all of them"
                 " get wrong alike counts as right.")  # fmt: skip
    blocks: list[Block] = [
        Table(head, work, caption),
        Table(habit, habits, meaning),
        Bullets(notes),
    ]
    return Section("Annotators", blocks)


def _gold(measured: Quality) -> Section:
    checked = [one for one in measured.standings if one.gold.n or one.attention.n]
    if not checked:
        return Section("Gold items", [Paragraph("No gold item and no attention check was given.")])
    body = [
        [one.pseudonym, _short(one.gold), one.gold.n, _short(one.attention), one.attention.n]
        for one in checked
    ]
    head = ["annotator", "gold right", "n", "attention checks passed", "n"]
    return Section("Gold items", [Table(head, body)])


def _short(estimate: Estimate) -> str:
    return "–" if math.isnan(estimate.value) else beside(estimate, 2)


def _hard(measured: Quality, tasks: Sequence[Task]) -> list[Block]:
    """What labels are most divided on, some with their texts."""
    by_id = {task.id: task for task in tasks}
    rows = hard_items(measured)
    if not rows:
        return []
    head = ["item", "what is decided", "labels", "probability of the likeliest"]
    body = [
        [task, f"{name}, {unit}" if unit else name, votes, fixed(p, 2)]
        for name, task, unit, votes, p in rows
    ]
    caption = "The least sure of those that labels differ on."
    found: list[Block] = [Table(head, body, caption, words=True)]
    for id in [*dict.fromkeys(row[1] for row in rows)][:MOST]:
        task = by_id[id]
        facts = [f"{unit or name}: {votes}" for name, one, unit, votes, _ in rows if one == id]
        answers = [Answer(text=transcript(response)) for response in task.responses]
        found.append(example(cut(task.prompt.text), answers, [f"item {id}", *facts]))
    return found


def _said(tasks: Sequence[Task], given: Sequence[Given], project: Project) -> list[Block]:
    """Shares of first labels, as they are and weighted back to the pool."""
    weights, pool = weights_of(project, tasks, given), sum(task.gold is None for task in tasks)
    by_id = {task.id: task for task in tasks}
    first: dict[str, dict[str, str]] = {}
    for one in sorted(given, key=lambda one: one.time):
        if one.task not in weights.tasks or one.purpose != "label":
            continue
        for name, _, level in said(by_id[one.task], one.label):
            if name in (PREFERENCE, FIRST_ERROR):
                word = level if name == PREFERENCE else "no" if level == -1 else "a"
                of_task = first.setdefault("preference" if name == PREFERENCE else "steps", {})
                of_task.setdefault(one.task, str(word))
    rows: dict[str, Estimate] = {}
    words = {"no": "no step is wrong", "a": "a step is wrong"}
    for labels in first.values():
        for word in sorted(set(labels.values())):
            values = {task: float(one == word) for task, one in labels.items()}
            rows[words.get(word, word.replace("_", " "))] = weights.mean(values, share=True)
    if not rows:
        return []
    how = (
        f"Weighted back to the pool of {pool:,} items; {len(weights.tasks):,} labelled ones"
        f" are worth {weights.effective:,.0f} that are chosen evenly."
    )
    notes = [weights.caveat] if weights.caveat else []
    return [Estimates(rows, how), *([Bullets(notes)] if notes else [])]


def _advice(
    measured: Quality, pool: Sequence[Task], plain: Sequence[Given],
    skips: Sequence[Mapping[str, Any]], project: Project,
) -> Iterator[str]:  # fmt: skip
    """What these labels need most."""
    left = len(pool) - len({one.task for one in plain})
    if left > 0:
        yield f"{left:,} of {len(pool):,} items have no label yet."
    several = max((_prompts(row) for row in measured.agreement.values()), default=0)
    if not several:
        yield "No item has two labels, so nothing says how far people agree: ask for two or more."
    for name, row in measured.agreement.items():
        if "alpha" in row and row["alpha"].value < ENOUGH:
            yield (
                f"{name}: alpha is {row['alpha']:.2f}, below {ENOUGH:.2f}. Say in the instructions"
                " how the hard items below are to be labelled, and adjudicate what differs."
            )
    if not _all(measured, "gold").n:
        yield "No gold item was given: a few of known truth say whether those who agree are right."
    for one in measured.standings:
        yield from (f"{one.pseudonym} {what}" for what in _remarks(one))
    tried = len(plain) + len(skips)
    if skips and len(skips) > 0.1 * tried:
        yield f"{len(skips):,} of {tried:,} items given were skipped: see why under Skips."
    if project.labels_per_item == 1 and several:
        yield "Items have one label each: their errors stay in what is trained on them."


def _remarks(one: Standing) -> Iterator[str]:
    """What is to be said to one annotator."""
    if one.gold.n and one.gold.high < 0.8:
        yield f"is right on {one.gold:.2f} of the gold items: go through them together."
    if one.attention.n and one.attention.high < 1 and one.attention.value < 0.8:
        yield f"passes {one.attention:.2f} of the attention checks."
    if one.drift.high < 0:
        yield f"agrees less in the second half of the work: {one.drift:+.2f}."
    if one.shown_first.low > 0.5 or one.shown_first.high < 0.5:
        yield f"prefers what is shown first in {one.shown_first:.2f} of pairs."
    if one.chance < RARE:
        yield f"gave one answer {one.streak} times in a row (chance below {one.chance:.0e})."
