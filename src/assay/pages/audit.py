"""A reward's report card: grades, the worst texts and what to do next first, then every probe."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

from assay.audit import told
from assay.audit.card import Card
from assay.audit.findings import TOLERATED, Case, Finding
from assay.audit.probe import AREAS
from assay.pages.evaluation import run_section
from assay.pages.examples import Answer, cut, example
from assay.report import paint
from assay.report.html import (
    Block,
    Bullets,
    Details,
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
from assay.stats import Estimate, bracket
from assay.stats.numbers import beside, number

__all__ = ["audit_sections"]

DUE: Final = {
    "unchanged": "the reward stays",
    "lower": "the reward falls",
    "no gain": "the reward does not rise",
    "last": "it ranks below every response",
}
LONGEST: Final = 400
"""Characters shown of a prompt."""
NEXT: Final = 5
"""Areas whose advice is shown without a click."""


def audit_sections(card: Card, run: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a card's page."""
    sections = [Section("In short", _short(card))]
    if card.failing:
        sections.append(Section("The gravest faults", _faults(card)))
    if card.hacks is not None:
        sections.append(Section("Search for hacks", _hacks(card)))
    if card.functions:
        sections.append(Section("What it pays for", _functions(card)))
    if empty := _empty(card):
        sections.append(Section("Responses without content", empty))
    if card.metrics:
        sections.append(Section("How good it is", _quality(card)))
    tried = sum(bool(one.effect.n) for one in card.findings)
    sections.append(Section("All probes", [Details(f"What each of {tried} found", _all(card))]))
    return [*sections, run_section(run)]


def _short(card: Card) -> list[Block]:
    rows = zip(card.grades, told.grade_rows(card), strict=True)
    grades = [[f"{one.area}: {AREAS[one.area]}", *row[1:]] for one, row in rows]
    answers = {
        "Is it any good?": _sentence(told.good(card)),
        "How is it gamed?": _sentence(told.gamed(card)),
        "How sure?": _sentence(card.sure),
    }
    blocks: list[Block] = [
        KeyValues(answers),
        *([Bullets(card.notes)] if card.notes else []),
        Table(told.COLUMNS, grades, f"{told.LEGEND}.", words=True),
    ]
    if card.advice:
        blocks += [Paragraph("What to do next, the worst first:"), Bullets(card.advice[:NEXT])]
        if rest := card.advice[NEXT:]:
            blocks.append(Details(f"And for {len(rest)} areas more", [Bullets(rest)]))
    facts = {
        "reward": card.reward,
        "kind": card.kind,
        "unit of effects": told.unit(card.unit),
        "cost": told.cost(card.cost),
    }
    return [*blocks, Details("About this audit", [KeyValues(facts)])]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _faults(card: Card) -> list[Block]:
    """The gravest faults in words, and what some of them look like."""
    listed = Bullets([told.failure(one) for one in card.failing[: told.FAULTS]])
    blocks: list[Block] = [Paragraph(f"In effects, {told.unit(card.unit)}."), listed]
    if rest := card.failing[told.FAULTS :]:
        blocks.append(Details(f"{len(rest)} more", [Bullets([told.failure(one) for one in rest])]))
    for case in card.cases:
        blocks += [Paragraph(f"{_sentence(case.probe)[:-1]}, where it was worst:"), _example(case)]
    return blocks


def _example(case: Case) -> Block:
    before, after = case.rewards
    answers = [
        Answer(text=case.before, notes=[f"reward {number(before)}"]),
        Answer(text=case.after, notes=[f"reward {number(after)}"], badge="changed", shade=0.0),
    ]
    # The end of a conversation is what was answered.
    short = case.prompt if len(case.prompt) <= LONGEST else f"… {case.prompt[-LONGEST:]}"
    return example(short, answers)


def _empty(card: Card) -> list[Block]:
    """Texts without content, with the share of prompts on which they are not last; the worst first,
    and those that are hardly ever folded."""
    found = []
    for one in card.findings:
        if one.area == "empty" and one.expects == "last":
            found += list(one.by_text.items())
    found.sort(key=lambda item: -item[1].value)
    rows = [[_visible(text), f"{e.value:.2f}", bracket(e, ".2f"), e.n] for text, e in found]
    some = sum(e.value > TOLERATED for _, e in found)
    if not rows:
        return []
    head = ["in place of the response", "not last", "interval", "n"]
    caption = (
        "Share of prompts on which the text in place of the response is scored above the lowest of"
        " the prompt's own wrong responses, ties half; intervals hold for all texts of a probe at"
        " once"
    )
    none = Paragraph("None is scored above a prompt's own responses on more than 5 % of prompts.")
    blocks: list[Block] = [Table(head, rows[:some], caption) if some else none]
    if rest := rows[some:]:
        blocks.append(Details(f"{len(rest)} others", [Table(head, rest)]))
    return blocks


def _visible(text: str) -> str:
    """A text whose characters can be seen; others by name."""
    shown = "".join(x if x.isprintable() else f"\\u{ord(x):04x}" for x in text)
    return shown if shown.strip() else repr(shown)


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
    blocks: list[Block] = [Paragraph(f"{told.hacks(card)}.".capitalize())]
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


def _quality(card: Card) -> list[Block]:
    """The first number beside its baselines, and the others folded."""
    first = next(iter(card.metrics))
    known = {name: one for name, one in card.metrics.items() if one.n}
    shown: dict[str, Estimate] = {}
    rest: dict[str, Estimate] = {}
    for name, value in known.items():
        into = shown if name == first or name.startswith((f"{first}_over_", "errors/")) else rest
        into[name] = value
        into |= {k: e for k, e in card.baselines.items() if k.startswith(f"{name}/")}
    muted = set(card.baselines)
    caption = f"On the {card.prompts} prompts as they are; below each, what needs no model"
    blocks: list[Block] = [Estimates(shown, caption, muted=muted)]
    if rest:
        blocks.append(Details(f"{len(rest)} more numbers", [Estimates(rest, muted=muted)]))
    return blocks


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
