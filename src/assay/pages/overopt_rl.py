"""How far policies may be trained against a proxy: what to do first, then the arms beside each
other and the fits."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.errors import DataError
from assay.pages.evaluation import run_section
from assay.pages.overopt_fits import cell, fits_section
from assay.pages.rl_arms import arms_report
from assay.report.html import Block, Bullets, Headline, Paragraph, Section, Table
from assay.stats import Estimate
from assay.stats.numbers import fixed

if TYPE_CHECKING:
    from assay.overopt.runs import Arm

__all__ = ["policies_report"]

WHAT = (
    "A policy is trained to please a proxy, and gold, which the proxy stands for, is measured"
    " beside it. What is learned first is what both like; what is learned later is more and more"
    " what only the proxy likes. KL, the distance from the policy it began as, is the price of"
    " both: where gold turns while the proxy goes on rising, training should have stopped."
)


def policies_report(
    arms: Sequence["Arm"], *, kls: Sequence[float] = (), run: Mapping[str, Any] | None = None
) -> list[Section]:
    """The sections of several ways to train: what happened, what each buys, their curves, and the
    fits.

    kls: nats at which gold is compared. Raises `DataError` without arms.
    """
    if not arms:
        raise DataError("there is no arm to report")
    runs = {len(one.runs) for one in arms}
    by = "prompt" if runs == {1} else "run"
    rows = {one.name: one.rows() for one in arms}
    notes = [note for one in arms for note in one.notes]
    sections = [
        _what_to_do(arms, notes),
        _bought(arms, kls),
        *arms_report(rows, gold=arms[0].runs[0].gold, by=by, alarms=False),
        fits_section(
            {one.name: one.fits for one in arms}, start="the first evaluation", first="rl"
        ),
    ]
    return sections if run is None else [*sections, run_section(run)]


def _what_to_do(arms: Sequence["Arm"], notes: Sequence[str]) -> Section:
    first = arms[0]
    gold = first.runs[0].gold
    told = {f"{gold}, start": first.start, f"{gold}, round {first.peak_step} (highest)": first.peak}
    told[f"{gold}, end"] = first.end
    blocks: list[Block] = [Headline(told), Paragraph(first.verdict)]
    others = [one.verdict for one in arms[1:]]
    stops = [f"{one.name}: {one.stop.words}" for one in arms if one.stop is not None]
    blocks += [Bullets([*others, *stops, *notes]), Paragraph(WHAT)]
    return Section("What to do", blocks)


def _bought(arms: Sequence["Arm"], kls: Sequence[float]) -> Section:
    """What each arm buys, at the end and at equal KL."""
    first = arms[0]
    head = ["arm", "gold,\nhighest", "gold,\nend", "lost", "KL,\nhighest", "KL,\nend"]
    head += [f"rise at\nKL {kl:g}" for kl in kls] + (
        [f"end less\n{first.name}"] if len(arms) > 1 else []
    )
    body = []
    for one in arms:
        row = [one.name, *(_cell(e) for e in (one.peak, one.end, one.fall))]
        row += [fixed(e.value, 2) for e in (one.kl_at_peak, one.kl_at_end)]
        row[1] += f"\nround {one.peak_step:,}"
        row += [_cell(one.at_kl(kl)) for kl in kls]
        if len(arms) > 1:
            row.append("–" if one is first else _cell(one.ends_less(first), sign=True))
        body.append(row)
    runs = sorted({len(one.runs) for one in arms})
    said = (
        f"{runs[0]} runs"
        if len(runs) == 1 and runs[0] > 1
        else "one run"
        if runs == [1]
        else f"{runs} runs"
    )
    how = (
        "The highest is taken at the round where the mean over runs is highest; the end is the mean"
        " of the last evaluations. A rise is above the first evaluation, where KL first gets there."
        " Intervals are Student's over runs; of one run they are by prompt, and a difference has"
        " none."
    )
    caption = f"Gold in its own units; {said} an arm; 95 % intervals"
    return Section("What each arm buys", [Table(head, body, caption), Paragraph(how)])


def _cell(estimate: Estimate, sign: bool = False) -> str:
    """Of a rise at a KL that some runs never reached, too."""
    if math.isnan(estimate.value):
        return "never\nthere" if estimate.unscored else "–"
    left = f"\n{estimate.n} of {estimate.n + estimate.unscored} runs" if estimate.unscored else ""
    return cell(estimate, sign) + left
