"""How hard a proxy may be pressed: what to do first, in plain words, then the pictures and every
number behind it.

A study is one proxy against one gold over best-of-n (`assay.overopt.study`). What a page says of a
study is what the study says; here it is only laid out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.errors import DataError
from assay.pages.evaluation import run_section
from assay.pages.overopt_fits import FORM, cell, fits_section
from assay.pages.overopt_plots import (
    MOST,
    colours,
    fan,
    gaps,
    proxy_and_gold_over_n,
    responses,
    scaled,
)
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Figure,
    Figures,
    Headline,
    Paragraph,
    Section,
    Table,
)
from assay.stats import Estimate
from assay.stats.numbers import beside, interval, number

if TYPE_CHECKING:
    from assay.overopt import Point, Scaling
    from assay.overopt.axis import Axis
    from assay.overopt.study import Study

__all__ = ["overoptimization_report", "overoptimization_section"]

WHAT = (
    "For each prompt, n responses are sampled and the one that the proxy scores highest is taken;"
    " gold is what the proxy stands for. The harder one chooses, the more of the choice is what the"
    " proxy likes and gold does not."
)
PICTURE = (
    "Solid: what the choice gains in gold on one response, paired, with 95 % intervals by prompt;"
    " hollow points rest on few responses (n > N/8). Broken: what the proxy promises, its own rise"
    " times {slope}, the slope of gold on the proxy over all responses. Thin: the fit, R(d) ="
    " {form}, d the root of KL, dotted where it leaves the points that it was fitted to; grey, its"
    " 95 % interval. Shaded: the n that pools of this size can be trusted on."
)
KIND = (
    "Regressional Goodhart: gold rises with the proxy, only less than it. Extremal: where the proxy"
    " is highest, gold falls. Only the second makes hard selection harmful."
)


def overoptimization_report(
    studies: Sequence["Study"],
    *,
    axes: Sequence["Axis"] = (),
    paired: Mapping[str, tuple[int, Mapping[str, Estimate]]] | None = None,
    notes: Sequence[str] = (),
    run: Mapping[str, Any] | None = None,
) -> list[Section]:
    """The sections of a sweep: what to do, why, the proxies side by side, the fits, and every
    point.

    axes: numbers that proxies differ in, such as parameters or preferences. paired: by gold, an n
    and each proxy's gold there less that of the first, paired by prompt. notes: what a reader must
    know. Raises `DataError` without studies.
    """
    if not studies:
        raise DataError("there is no proxy with a gold to report")
    tints = colours(studies, axes[0].sizes if axes else {})
    several = len(studies) > 1
    sections = [_what_to_do(studies, notes, tints)]
    if several:
        golds = dict.fromkeys(s.gold for s in studies)
        sections += [_side_by_side(studies, g, axes, (paired or {}).get(g), tints) for g in golds]
    shown = studies if len(studies) <= MOST else studies[:MOST]
    for study in shown:
        sections += [_one(study)] if several else [_why(study)]
    sections += [_fits(studies), _points(studies)]
    return sections if run is None else [*sections, run_section(run)]


def overoptimization_section(studies: Sequence["Study"], *, more: str = "") -> Section:
    """The picture of each proxy in one section of another report, and what to do. more: where the
    rest is."""
    blocks: list[Block] = [Paragraph(WHAT)]
    for study in studies:
        blocks += [Paragraph(f"{_capital(study.proxy)}. {study.verdict}"), *_picture(study)]
    return Section("When each stops being gold", [*blocks, *([Paragraph(more)] if more else [])])


def _what_to_do(
    studies: Sequence["Study"], notes: Sequence[str], tints: Mapping[str, str]
) -> Section:
    blocks: list[Block] = []
    if len(studies) == 1:
        (study,) = studies
        blocks += [*_headline(study), Paragraph(study.verdict)]
        if study.warnings:
            blocks.append(Bullets(study.warnings))
        blocks += [*_picture(study), Paragraph(WHAT)]
    else:
        blocks += [*_most(studies), _advice(studies), Paragraph(WHAT)]
        warnings = [w for s in studies for w in s.warnings]
        if warnings:
            blocks.append(Bullets(list(dict.fromkeys(warnings))))
    said = list(
        dict.fromkeys([*notes, *(f"{s.name}: {note}" for s in studies for note in s.notes)])
    )
    if said:
        blocks.append(Details(f"Notes ({len(said)})", [Bullets(said)]))
    return Section("What to do", blocks)


def _most(studies: Sequence["Study"]) -> list[Block]:
    """The proxy whose stop gains most, of those against one gold."""
    told = [s for s in studies if s.gain is not None and math.isfinite(s.gain.value)]
    if not told or len({s.gold for s in studies}) > 1:
        return []
    best = max(told, key=lambda s: s.gain.value if s.gain is not None else -math.inf)
    others = (
        f"Of these {len(studies)} proxies {best.proxy} gains most where it should stop (picked on"
        " these prompts)."
    )
    return [Paragraph(best.verdict), Paragraph(others)]


def _advice(studies: Sequence["Study"]) -> Table:
    head = ["proxy", "stop at", "gold there", "gain on\none response", "lost since\nthe highest"]
    several = len({s.gold for s in studies}) > 1
    body = []
    for s in studies:
        at = None if s.stop is None else s.points[s.stop.index]
        name = s.name if several else s.proxy
        where = "–" if at is None else f"{_n(at)}{', the last' if s.stop and s.stop.at_end else ''}"
        body.append(
            [name, where, cell(at.gold_mean if at else None), cell(s.gain, sign=True), _lost(s)]
        )
    return Table(
        head,
        body,
        f"Gold in its own units; 95 % intervals; up to epsilon may be lost: {_epsilons(studies)}",
    )


def _side_by_side(
    studies: Sequence["Study"],
    gold: str,
    axes: Sequence["Axis"],
    paired: tuple[int, Mapping[str, Estimate]] | None,
    tints: Mapping[str, str],
) -> Section:
    mine = [s for s in studies if s.gold == gold]
    drawn = (
        mine
        if len(mine) <= MOST
        else [mine[round(k * (len(mine) - 1) / (MOST - 1))] for k in range(MOST)]
    )
    caption = (
        "Solid: gold above one response, paired, with 95 % intervals, up to the last trusted n."
        " Thin: the fits; broken: what each proxy promises. A ring marks where gold is highest,"
        " which is picked on these same prompts and so flatters a little. KL compares what choosers"
        " do to one policy; it does not compare best-of-n with RL."
    )
    if len(drawn) < len(mine):
        caption += f" {len(drawn)} of {len(mine)} proxies are drawn."
    if axes and len(tints) > 1 and all(s.proxy in axes[0].sizes for s in mine):
        caption += " The darker, the larger."
    blocks: list[Block] = []
    if any(s.used for s in drawn):
        blocks.append(Figure(fan(drawn, tints), caption))
    blocks.append(_mitigations(mine, axes, paired))
    if any(s.gaps for s in drawn):
        gap = (
            "What each proxy promises less what gold gives: 0 is a promise kept. The slope is taken"
            " as known."
        )
        blocks.append(Figure(gaps(drawn, tints), gap))
    for axis in axes:
        if axis.scalings:
            sentences = [_scaling(name, axis.name, s) for name, s in axis.scalings.items()]
            blocks += [
                Figure(scaled(mine, axis), "Bars are 95 % intervals by prompt."),
                Bullets(sentences),
            ]
    several = len({s.gold for s in studies}) > 1
    return Section(f"Side by side: {gold}" if several else "Side by side", blocks)


def _mitigations(
    studies: Sequence["Study"],
    axes: Sequence["Axis"],
    paired: tuple[int, Mapping[str, Estimate]] | None,
) -> Table:
    """A row a proxy: gold at its best, at the end, and against the first."""
    head = [
        "proxy",
        "gold,\nhighest",
        "gold,\nlast trusted n",
        "lost since\nthe highest",
        "correlation\nwith gold",
    ]
    if paired and paired[1]:
        head.append(f"gold at n = {paired[0]:,}\nless {studies[0].proxy}")
    body = []
    for s in studies:
        top, last = s.top, s.used[-1] if s.used else None
        size = ", ".join(
            f"{axis.name} {axis.sizes[s.proxy]:,.6g}" for axis in axes if s.proxy in axis.sizes
        )
        row: list[Any] = [
            f"{s.proxy} ({size})" if size else s.proxy,
            f"{cell(top.gold_mean)}\n{_n(top)}" if top else "–",
        ]
        row += [
            f"{cell(last.gold_mean)}\n{_n(last)}" if last else "–",
            _lost(s),
            cell(s.correlation),
        ]
        if paired and paired[1]:
            row.append(cell(paired[1].get(s.proxy), sign=True))
        body.append(row)
    start = next(
        (f"; one response: {_brief(s.points[0].gold_mean)}" for s in studies if s.points), ""
    )
    return Table(
        head, body, f"95 % intervals by prompt; differences are paired over prompts{start}"
    )


def _one(study: "Study") -> Section:
    blocks: list[Block] = [*_headline(study), Paragraph(study.verdict), *_picture(study)]
    return Section(
        study.name if study.gold != "gold" else study.proxy, [*blocks, *_kind(study, gap=False)]
    )


def _why(study: "Study") -> Section:
    return Section(
        "Which kind of Goodhart",
        _kind(study, gap=True) or [Paragraph("Nothing can be said of it.")],
    )


def _headline(study: "Study") -> list[Block]:
    at = None if study.stop is None else study.points[study.stop.index]
    rows: dict[str, Estimate] = {}
    for point, why in (
        (study.points[0], ""),
        (study.top, "highest"),
        (at, "stop"),
        (study.used[-1], "last trusted"),
    ):
        if point is not None and math.isfinite(point.gold_mean.value):
            here = [key for key in rows if key.startswith(f"{study.gold}, {_n(point)}")]
            before = here[0].partition(" (")[2].rstrip(")") if here else ""
            said = ", ".join(
                filter(
                    None, (before, why if not study.hint else why.replace("last trusted", "last"))
                )
            )
            for key in here:
                del rows[key]
            rows[f"{study.gold}, {_n(point)}" + (f" ({said})" if said else "")] = point.gold_mean
    return [Headline(rows)] if rows else []


def _picture(study: "Study") -> list[Block]:
    if not study.used:
        return []
    caption = PICTURE.format(
        slope="–" if study.slope is None else number(study.slope), form=FORM[study.drawn]
    )
    if study.slope is None:
        caption = caption.replace(caption[caption.index(" Broken:") : caption.index(" Thin:")], "")
    if study.fit is None:
        caption = caption.replace(caption[caption.index(" Thin:") : caption.index(" Shaded:")], "")
    words = [study.stop.words] if study.stop is not None else []
    if study.fit is not None:
        words.append(f"Fit: {study.fit.words}.")
    if study.hedge is not None:
        words.append(f"Highest expected gold: {study.hedge.words.removeprefix('best_of_n: ')}.")
    return [Figure(proxy_and_gold_over_n(study), caption), *([Bullets(words)] if words else [])]


def _kind(study: "Study", *, gap: bool) -> list[Block]:
    """Which Goodhart it is; the gap is left out where all proxies' gaps are in one picture."""
    facts = []
    if study.diagnosis is not None:
        facts.append(f"{_capital(study.diagnosis.words)}.")
    if study.correlation is not None:
        c = study.correlation
        facts.append(
            f"Correlation of proxy and gold within prompts: {number(c.value)} {interval(c)}, n ="
            f" {c.n:,}."
        )
    if study.tail is not None:
        facts.append(f"Upper tail of the proxy: {study.tail.words}.")
    figures = []
    if study.sample:
        figures.append(
            Figure(
                responses(study),
                "Grey: single responses, half of those drawn from the proxy's highest tenth. Blue:"
                " means of gold by level of the proxy, with 95 % intervals by prompt. Lines: slopes"
                " below and above the proxy's 0.9 quantile.",
            )
        )
    if study.gaps and gap:
        figures.append(
            Figure(
                gaps([study]),
                "What the proxy promises less what gold gives. Level at 0: the promise is kept.",
            )
        )
    if not facts and not figures:
        return []
    return [
        Paragraph(KIND),
        *([Figures(figures)] if figures else []),
        *([Bullets(facts)] if facts else []),
    ]


def _fits(studies: Sequence["Study"]) -> Section:
    several = len({s.gold for s in studies}) > 1
    return fits_section(
        {s.name if several else s.proxy: s.fits for s in studies}, start="one response"
    )


def _points(studies: Sequence["Study"]) -> Section:
    tables: list[Block] = []
    for s in studies:
        head = ["n", "KL,\nformula", "KL,\nempirical", "gold", "proxy", "trusted", "prompts"]
        lengths = any(p.length is not None for p in s.points)
        body = []
        for p in s.points:
            row = [
                _n(p).removeprefix("n = "),
                f"{p.kl:.3f}",
                None,
                cell(p.gold_mean),
                cell(p.proxy_mean),
            ]
            if p.kl_empirical is not None and math.isfinite(p.kl_empirical.value):
                row[2] = f"{p.kl_empirical.value:.3f}" + ("" if p.kl_holds else " (holds)")
            body.append([*row, p.trusted, p.gold_mean.n, *([p.length] if lengths else [])])
        unscored = max((p.unscored for p in s.points), default=0)
        left_out = max((p.no_gold for p in s.points), default=0)
        caption = (
            f"95 % intervals by prompt; {unscored:,} responses unscored by the proxy, {left_out:,}"
            " without gold"
        )
        tables.append(
            Details(s.name, [Table([*head, *(["length"] if lengths else [])], body, caption)])
        )
    return Section("Every point", tables)


def _scaling(name: str, size: str, found: "Scaling") -> str:
    rho, slope = found.spearman, found.slope
    said = (
        f"{name}: rank correlation with {size} {_brief(rho)}, {_brief(slope)} more for each e-fold"
    )
    few = "; so few sizes say little" if rho.n < 5 else ""
    return f"{said} ({rho.n} proxies{few})."


def _lost(study: "Study") -> str:
    """The fall that the points show, and from which n to which."""
    if study.fall is None:
        return "–" if study.stop is None else "nothing"
    ends = " to ".join(
        _n(study.points[k]).removeprefix("n = ") for k in (study.fall.start, study.fall.end)
    )
    return f"{cell(study.fall.loss)}\nn = {ends}"


def _epsilons(studies: Sequence["Study"]) -> str:
    return ", ".join(dict.fromkeys(f"{number(s.epsilon)} of {s.gold}" for s in studies))


def _n(point: "Point") -> str:
    return f"n = {point.n:,}" if point.n is not None else f"KL {number(point.kl)}"


def _brief(estimate: Estimate) -> str:
    return beside(estimate)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
