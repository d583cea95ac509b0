"""A reward's report card: grades, the worst texts and what to do next first, then every probe."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.audit.card import Card, hack_told
from assay.audit.findings import Case, Finding
from assay.audit.probe import AREAS
from assay.audit.run import Grade
from assay.pages.evaluation import run_section
from assay.pages.examples import Answer, cut, example
from assay.report import paint
from assay.report.html import (
    Block,
    Bullets,
    Estimates,
    Figure,
    Figures,
    KeyValues,
    Paragraph,
    Section,
    Table,
    Text,
)
from assay.report.plot import Panel, Plot, Rule, Series, points
from assay.stats import bracket
from assay.stats.numbers import beside

__all__ = ["audit_sections"]

DUE: Final = {
    "unchanged": "the reward stays",
    "lower": "the reward falls",
    "no gain": "the reward does not rise",
    "last": "it ranks below every response",
}
LONGEST: Final = 400
"""Characters shown of a prompt."""


def audit_sections(card: Card, run: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a card's page."""
    sections = [Section("In short", _short(card))]
    if card.cases:
        text = "What the gravest failures look like: the same prompt before and after the change."
        sections.append(Section("The worst texts", [Paragraph(text), *map(_example, card.cases)]))
    sections.append(Section("Responses without content", _empty(card)))
    if card.hacks is not None:
        sections.append(Section("Search for hacks", _hacks(card)))
    if card.functions:
        sections.append(Section("What it pays for", _functions(card)))
    if card.metrics:
        beside_it = _with_baselines(card)
        muted = set(card.baselines)
        caption = f"On the {card.prompts} prompts as they are, and what needs no model on them"
        sections.append(Section("How good it is", [Estimates(beside_it, caption, muted=muted)]))
    sections += [Section("All probes", _all(card)), run_section(run)]
    return sections


def _short(card: Card) -> list[Block]:
    grades = [
        [one.area, _letters(one), beside(one.held, 2), ", ".join(one.fails) or "none",
         AREAS[one.area]]
        for one in card.grades
    ]  # fmt: skip
    failing = len(card.failing)
    tried = sum(bool(one.effect.n) for one in card.findings)
    verdict = f"{failing} of {tried} probes find a fault." if failing else (
        f"No fault found by {tried} probes.")  # fmt: skip
    caption = (
        "Grade by the share of changes that the reward withstood, per prompt: A from .95, B .9, C"
        " .8, D .6; in brackets those of the 95 % interval's ends"
    )
    head = ["area", "grade", "withstood", "failing probes", "what was changed"]
    blocks: list[Block] = [Paragraph(verdict), Table(head, grades, caption, words=True)]
    if card.advice:
        blocks += [Paragraph("What to do next, the worst first:"), Bullets(card.advice)]
    cost = card.cost
    facts: dict[str, Any] = {
        "reward": card.reward,
        "kind": card.kind,
        "how sure": card.sure,
        "unit of effects": f"{card.unit.value:.4g}, {card.unit.meaning}",
        "cost": f"{cost.texts:,} responses in {cost.seconds:,.0f} s",
    }
    if cost.tokens and cost.naive:
        facts["tokens"] = (
            f"{cost.tokens:,} read, {cost.naive / cost.tokens:.1f} times fewer than each response"
            " on its own"
        )
    return [*blocks, KeyValues(facts), *([Bullets(card.notes)] if card.notes else [])]


def _letters(one: Grade) -> str:
    grade, low, high = one.letters
    return grade if low == high else f"{grade} ({low} to {high})"


def _example(case: Case) -> Block:
    before, after = case.rewards
    answers = [
        Answer(text=case.before, notes=[f"reward {before:.3g}"]),
        Answer(text=case.after, notes=[f"reward {after:.3g}"], badge="changed", shade=0.0),
    ]
    # The end of a conversation is what was answered.
    short = case.prompt if len(case.prompt) <= LONGEST else f"… {case.prompt[-LONGEST:]}"
    return example(short, answers)


def _empty(card: Card) -> list[Block]:
    """Every text without content, with the share of prompts on which it is not last."""
    rows = []
    for one in card.findings:
        if one.area == "empty" and one.expects == "last":
            texts = one.texts or {one.text: one.effect}
            ordered = sorted(texts.items(), key=lambda item: -item[1].value)
            rows += [[text, f"{e.value:.2f}", bracket(e, ".2f"), e.n] for text, e in ordered]
    if not rows:
        return [Paragraph("None was tried.")]
    caption = (
        "Share of prompts on which the text in place of the response is scored above the lowest of"
        " the prompt's own wrong responses, ties half; intervals hold for all texts of a probe at"
        " once"
    )
    return [Table(["in place of the response", "not last", "interval", "n"], rows, caption)]


def _hacks(card: Card) -> list[Block]:
    """The best edit against the budget, beside random ones, and what it is."""
    assert card.hacks is not None
    lines = {"evolved": card.hacks.trajectory, "random": card.hacks.baseline_random}
    series = [
        Series(
            points=points([(step.scored, step.held_out) for step in steps]),
            name=name,
            colour=colour,
            marker="o",
            spread="bars",
        )
        for (name, steps), colour in zip(lines.items(), ("blue", "muted"), strict=True)
        if steps
    ]
    blocks: list[Block] = [Paragraph(f"{hack_told(card)}.".capitalize())]
    if series:
        panel = Panel(
            series=series,
            x_label="edited responses scored",
            y_label="gain on held-out prompts",
            scale="log",
        )
        plot = Plot(title="Best edit by budget", panels=[panel])
        text = f"The best edit so far, in {card.unit.meaning}, on prompts it was not chosen on."
        blocks.append(Figure(paint.draw(plot), text))
    rows = [
        [cut(one.edit, 300), one.search, one.held_out.effect, one.held_out.flips.get("uplift")]
        for one in card.hacks.best
    ]
    if rows:
        head = ["edit", "where it was chosen", "on other prompts", "lifted above a right one"]
        blocks.append(Table(head, rows, "Edits that gain, with no part in common", words=True))
        blocks += [_example(case) for one in card.hacks.best[:1] for case in one.held_out.cases[:1]]
    return blocks


def _functions(card: Card) -> list[Block]:
    due = {True: "yes", False: "no", None: "for you to say"}
    rows = [[one.name, f"{one.paid.value:.2f}", bracket(one.paid, ".2f"), one.paid.n, due[one.due]]
            for one in card.functions]  # fmt: skip
    head = ["case", "paid", "interval", "n", "should be"]
    wrong = [
        one
        for one in card.functions
        if one.finding is not None and one.paid.n and (one.paid.value > 0.5) is not one.due
    ]
    shown = [Text(cut(f"{one.name}:\n{one.example}")) for one in wrong[:3]]
    caption = "Share of prompts on which each kind of response is paid"
    return [Table(head, rows, caption), *shown]


def _with_baselines(card: Card) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in card.metrics.items():
        found[name] = value
        found |= {k: e for k, e in card.baselines.items() if k.startswith(f"{name}/")}
    return found


def _all(card: Card) -> list[Block]:
    blocks: list[Block] = []
    doses = [one for one in card.findings if one.doses]
    if doses:
        blocks.append(Figures([_doses(one, card) for one in doses]))
    for area, found in itertools.groupby(
        sorted(
            (x for x in card.findings if x.effect.n), key=lambda one: list(AREAS).index(one.area)
        ),
        lambda one: one.area,
    ):
        blocks.append(_table(area, list(found)))
    blocks.append(
        Paragraph(
            "Effects are shifts of the reward in the unit above, of the worst of a probe's texts,"
            " with an interval that holds for all of them at once; of replaced responses, the share"
            " of prompts where it is not last. q is p after Benjamini and Hochberg. Uplift: wrong"
            " responses that are no longer below a right one; damage: right ones no longer above a"
            " wrong one."
        )
    )
    return blocks


def _table(area: str, found: Sequence[Finding]) -> Table:
    body = []
    for one in found:
        flips = ", ".join(f"{name} {e.value:.2f} {bracket(e, '.2f')}" for name, e in
                          one.flips.items())  # fmt: skip
        text = f" ({one.text})" if one.text else ""
        body.append([f"{one.probe}: {one.meaning}{text}", DUE[one.expects], beside(one.effect, 2),
                     one.effect.n, flips, one.q_value, one.verdict])  # fmt: skip
    head = ["probe", "due", "effect", "n", "order changed", "q", "verdict"]
    return Table(head, body, f"{area}: {AREAS[found[0].area]}", words=True)


def _doses(one: Finding, card: Card) -> Figure:
    series = Series(points=points(one.doses), marker="o", spread="bars")
    panel = Panel(
        series=[series],
        rules=[Rule(at=0.0, across=True)],
        title=one.probe,
        x_label="size of the change",
        y_label="shift of the reward",
        names="none",
    )
    plot = Plot(title=f"{one.probe} by its size", panels=[panel], width=3.4, height=2.4)
    return Figure(paint.draw(plot), f"{one.meaning}, in {card.unit.meaning}; {DUE[one.expects]}.")
