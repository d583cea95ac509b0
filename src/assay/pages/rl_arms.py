"""Several runs of reinforcement learning beside each other: whose gold fell, and who ended
highest."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from assay.errors import DataError
from assay.pages.evaluation import run_section
from assay.pages.rl import alarms_of, evaluations_table, listed, picture, ranged, two_lines
from assay.pages.rl_plots import arms, proxy_and_gold
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Figure,
    Headline,
    Paragraph,
    Section,
    Table,
)
from assay.runs.evaluations import (
    Course,
    EvalPoint,
    Row,
    apart,
    common_gold,
    course,
    eval_points,
    known,
)
from assay.stats.numbers import beside

__all__ = ["arms_report"]

TILES: Final = 6
"""Most arms whose ends are shown large."""


def arms_report(
    rows_by_arm: Mapping[str, Sequence[Row]],
    *,
    gold: str | None = None,
    run: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    by: str = "prompt",
    alarms: bool = True,
) -> list[Section]:
    """The sections of several runs beside each other: whose gold fell, over the steps and against
    KL, and every look.

    gold: which one to compare by; None = the one that most arms have. by: what the intervals of the
    evaluation points are over.
    alarms: whether the rows hold them. Raises `DataError` where no arm was evaluated.
    """
    runs = {name: eval_points(rows) for name, rows in rows_by_arm.items()}
    if not any(runs.values()):
        raise DataError('no arm has an evaluation on held-out prompts; give rows with "eval"')
    what = gold if gold is not None else common_gold(runs.values())
    courses = {n: c for n, seen in runs.items() if what is not None and (c := course(seen, what))}
    ends = {f"{name}, end": one.at(one.last) for name, one in courses.items()}
    blocks: list[Block] = [Headline(ends)] if 0 < len(ends) <= TILES else []
    blocks.append(Bullets(_compared(rows_by_arm, runs, courses, what)))
    if courses or any(known(look.steps) for look in chain.from_iterable(runs.values())):
        caption = f"Bands are 95 % intervals by {by}. A ring marks where an arm's gold is highest."
        blocks.append(Figure(arms(rows_by_arm, gold=what), caption))
    blocks.append(_arms_table(runs, courses, what, by))
    if notes:
        blocks.append(Bullets(notes))
    sections = [Section("Arms side by side", blocks)]
    if any(known(look.proxy) for look in chain.from_iterable(runs.values())) or courses:
        paid = (
            "Every arm is paid in a proxy of its own: compare the courses of proxies, not their"
            " heights."
        )
        caption = f"{picture(by)} {paid}"
        sections.append(
            Section("Proxy and gold", [Figure(proxy_and_gold(runs, gold=what), caption)])
        )
    if alarms:
        raised = [
            f"{name}: {alarm}" for name, rows in rows_by_arm.items() for alarm in alarms_of(rows)
        ]
        sections.append(
            Section("Alarms", [Bullets(raised) if raised else Paragraph("No arm raised an alarm.")])
        )
    tables = [Details(name, [evaluations_table(seen, by)]) for name, seen in runs.items() if seen]
    sections.append(Section("Every evaluation", tables))
    return sections if run is None else [*sections, run_section(run)]


def _compared(
    rows_by_arm: Mapping[str, Sequence[Row]],
    runs: Mapping[str, Sequence[EvalPoint]],
    courses: Mapping[str, Course],
    what: str | None,
) -> list[str]:
    """Whose reward was over-optimized, whose was not, and who ended highest."""
    said = []
    hacked = [name for name, one in courses.items() if one.fell and one.climbed]
    fell = [name for name, one in courses.items() if one.fell and not one.climbed]
    better = [
        n
        for n, one in courses.items()
        if not one.fell and apart(one.at(one.first), one.at(one.last)) > 0
    ]
    if hacked:
        said.append(f"Over-optimized, gold falling while the proxy climbed: {listed(hacked)}.")
    if fell:
        said.append(
            f"Gold fell, though the proxy did not clearly climb after gold's peak: {listed(fell)}."
        )
    if better:
        said.append(f"Gold rose and did not fall: {listed(better)}.")
    if rest := [name for name in courses if name not in (*hacked, *fell, *better)]:
        said.append(f"Gold neither clearly rose nor fell: {listed(rest)}.")
    if missing := [name for name in rows_by_arm if name not in courses]:
        of = f" ({what})" if what is not None else ""
        said.append(
            f"No gold{of} was measured, so nothing can be said of what was learnt:"
            f" {listed(missing)}."
        )
    ends = {name: one.at(one.last) for name, one in courses.items()}
    if len(ends) > 1:
        best = max(ends, key=lambda name: ends[name].value)
        near = [name for name in ends if name != best and not ends[name].high < ends[best].low]
        told = f"not told apart from {listed(near)}" if near else "its interval above all others"
        said.append(f"Highest at the end is {best} with {beside(ends[best])}, {told}.")
    return said


def _arms_table(
    runs: Mapping[str, Sequence[EvalPoint]],
    courses: Mapping[str, Course],
    what: str | None,
    by: str,
) -> Table:
    """A row an arm: its gold where it began, where it was highest and where it ended, and what
    became of its steps."""
    head = [
        "arm",
        "gold,\nfirst",
        "gold,\nhighest",
        "gold,\nend",
        "KL,\nend",
        "steps per response,\nfirst and end",
    ]
    body = []
    for name, seen in runs.items():
        one = courses.get(name)
        gold = (
            [two_lines(one.at(look)) for look in (one.first, one.top, one.last)]
            if one
            else ["–"] * 3
        )
        if one:
            gold[1] += f"\nstep {one.top.step:,}"
        ends = [
            look.steps.value for look in (*seen[:1], *seen[-1:]) if known(look.steps) and look.steps
        ]
        kl = known(seen[-1].kl) if seen else None
        body.append(
            [
                name,
                *gold,
                None if kl is None else kl.value,
                " → ".join(f"{x:.3g}" for x in ends) or None,
            ]
        )
    ns = ranged(one.at(one.last).n for one in courses.values())
    of = f"gold is {what}, n = {ns}; " if what is not None and courses else ""
    return Table(head, body, f"{of}KL in nats per response; 95 % intervals by {by}")
