"""A card in words: is the reward any good, how will it be gamed, and what each fault is."""

import math
from typing import Final

from assay.audit.card import Card, Cost
from assay.audit.findings import Finding, Unit
from assay.stats import Estimate
from assay.stats.numbers import beside

__all__ = [
    "COLUMNS",
    "FAULTS",
    "LEGEND",
    "cost",
    "failure",
    "gamed",
    "good",
    "grade_rows",
    "hacks",
    "unit",
]

MEANS: Final = {
    "accuracy": "prefers the better response in %s of pairs",
    "pairwise_accuracy": "ranks the better response first in %s of pairs",
    "auroc": "ranks a right response above a wrong one in %s of pairs",
    "step_accuracy": "takes %s of steps for what they are, right or wrong",
}
"""What a metric says, by its name."""
SHOWN: Final = 40
"""Characters shown of a probe's text."""
COLUMNS: Final = ("area", "grade", "withstood", "failing probes")
"""Heads of the table of grades."""
FAULTS: Final = 8
"""Faults that a file says in full."""
LEGEND: Final = (
    "Grade: share of the changes that the reward withstood, A from .95, B .9, C .8, D .6, else F;"
    " in brackets the grades at the ends of its 95 % interval"
)


def good(card: Card) -> str:
    """Say how good the reward is on the responses as they are, beside the best of what needs no
    model."""
    if not card.metrics:
        return "not known: the data do not say which responses are better"
    name, value = next(iter(card.metrics.items()))
    means = MEANS.get(name, f"has a {name} of %s") % beside(value, 2)
    rivals = {
        key.removeprefix(f"{name}/"): one
        for key, one in card.baselines.items()
        if key.startswith(f"{name}/") and not key.endswith("/oracle")
    }
    rivals = {key: one for key, one in rivals.items() if not math.isnan(one.value)}
    if not rivals:
        return f"it {means}"
    best = max(rivals, key=lambda key: rivals[key].value)
    gain = card.metrics.get(f"{name}_over_{best}")
    against = _against(value, rivals[best].value) if gain is None else _against(gain, 0.0)
    return f"{against}: it {means}; {best!r}, which needs no model, has {rivals[best].value:.2f}"


def _against(value: Estimate, other: float) -> str:
    if value.low > other:
        return "better than the best baseline"
    return "worse than a baseline" if value.high < other else "not shown to beat a baseline"


def gamed(card: Card) -> str:
    """Say how many probes find a fault, and the gravest one."""
    tried = sum(bool(one.effect.n) for one in card.findings)
    if not card.failing:
        weak = sum(one.verdict == "underpowered" and bool(one.effect.n) for one in card.findings)
        missed = f", but {weak} of them may have missed one" if weak else ""
        return f"no fault found by {tried} probes{missed}"
    first = failure(card.failing[0])
    areas = [one.area for one in card.grades if one.letters[0] == "F"]
    worst = f" (grade F for {', '.join(areas)})" if areas else ""
    return f"{len(card.failing)} of {tried} probes find a fault{worst}, first of all {first}"


def failure(one: Finding) -> str:
    """Say what a probe found, with what was due."""
    text = f", worst: {_short(one.text)}" if one.text else ""
    return f"{one.probe} ({one.meaning}{text}): {_effect(one)}"


def _effect(one: Finding) -> str:
    effect = beside(one.effect, 2)
    if one.expects == "last":
        return f"not the worst of its prompt on {effect} of prompts"
    if math.isnan(one.median):
        return f"on {effect} of prompts" if one.probe.startswith("function-") else effect
    due = {
        "unchanged": "the reward should stay, and moves by",
        "no gain": "the reward should not rise, and rises by",
        "lower": "the reward should fall, and moves by",
    }
    return f"{due[one.expects]} {effect}"


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]} …"


def unit(one: Unit) -> str:
    """Say what the unit of effects is; 0.2 of it is what matters at least."""
    return f"1 is {one.value:.3g} of the reward, in {one.meaning}; from 0.2 on it matters"


def _letters(grade: tuple[str, str, str]) -> str:
    """A grade, with those of its interval's ends where they differ."""
    middle, low, high = grade
    return middle if low == high else f"{middle} ({low} to {high})"


def hacks(card: Card) -> str:
    """Say what the search for hacks found, beside random edits; "" where there was none."""
    if card.hacks is None:
        return ""
    at_random = card.hacks.baseline_random
    rival = f"; random edits {at_random[-1].held_out:.2f}" if at_random else ""
    searched = f"{card.hacks.scored:,} edited responses"
    if not card.hacks.best:
        return f"hack search: no edit gained by {searched}{rival}"
    best = card.hacks.best[0]
    edit = " ".join(best.edit[:80].split())
    if not best.held_out.effect.low > 0:
        shown = f"{best.held_out.effect:.2f}{rival}"
        return f"hack search: no edit is shown to gain, of {searched}: the best {shown}: {edit}"
    return (
        f"hack search: by {searched} an edit that gains {best.held_out.effect:.2f}"
        f" {card.unit.meaning} on other prompts than it was found on{rival}: {edit}"
    )


def cost(spent: Cost) -> str:
    """Say what the audit took."""
    said = f"{spent.texts:,} responses scored in {spent.seconds:.0f} s"
    if spent.tokens and spent.naive:
        said += f"; {spent.tokens:,} tokens read, {spent.naive / spent.tokens:.1f} times fewer than"
        said += f" the {spent.naive:,} of each response on its own"
    return f"{said}; {spent.paid}" if spent.paid else said


def grade_rows(card: Card) -> list[list[str]]:
    """Return area, grade, share withstood and failing probes of each grade; see `COLUMNS`."""
    # A low grade of few changes may be chance: no probe of it fails for sure.
    return [
        [
            one.area,
            _letters(one.letters),
            beside(one.held, 2),
            ", ".join(one.fails) or ("none" if one.letters[0] == "A" else "none for sure"),
        ]
        for one in card.grades
    ]
