"""The leaderboard: whose order to trust, every judge's table, who beats whom, and what speaks
against it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from assay.arena.orders import Orders, steps_of
from assay.arena.standing import Standing, trust
from assay.pages.evaluation import run_section
from assay.report import paint
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Figure,
    KeyValues,
    Paragraph,
    Section,
    Shade,
    Table,
)
from assay.report.plot import Panel, Plot, Series, points, short, styles
from assay.report.svg import PALETTE
from assay.stats import Estimate
from assay.stats.numbers import beside
from assay.types import Unscored

__all__ = ["arena_sections"]

MOST: Final = 24
"""Most players of a map of pairs."""
LISTED: Final = 8
"""Reversed pairs listed without a click."""
TOLD: Final = (
    "A rank's interval counts those who are surely better and surely worse. Ratings are differences"
    " in strength: compare two by the interval of their difference, not by whether their intervals"
    " overlap."
)


class Shown(Protocol):
    """What the page shows of an arena."""

    @property
    def standings(self) -> Mapping[str, Standing]: ...
    @property
    def orders(self) -> Mapping[str, Orders]: ...
    @property
    def by(self) -> str: ...
    @property
    def reference(self) -> str | None: ...
    @property
    def verdicts(self) -> list[str]: ...
    @property
    def agreement(self) -> Mapping[str, Estimate]: ...
    @property
    def abilities(self) -> Mapping[str, Estimate]: ...
    @property
    def notes(self) -> Sequence[str]: ...


def arena_sections(arena: Shown, run: Mapping[str, Any]) -> list[Section]:
    """Return the sections of an arena's page."""
    sections = [Section("In short", _short(arena))]
    if arena.orders:
        sections.append(Section("Whose order is right?", _orders(arena)))
    for judge, each in arena.standings.items():
        sections.append(Section(f"Table by {judge}", _table(each)))
    trusted = [block for name, each in arena.standings.items() for block in _trust(name, each)]
    sections.append(Section("Can you trust this?", trusted))
    return [*sections, run_section(run)]


def _short(arena: Shown) -> list[Block]:
    """The verdicts, and all judges' ratings in one figure."""
    blocks: list[Block] = []
    if arena.verdicts:
        blocks.append(Bullets(arena.verdicts))
    else:
        blocks += [Bullets(trust(each)[:2]) for each in arena.standings.values()]
    if figure := _figure(arena):
        blocks.append(figure)
    if arena.notes:
        blocks.append(Details("About the votes", [Bullets(arena.notes)]))
    return blocks


def _figure(arena: Shown) -> Figure | None:
    """Ratings by every judge, by step of the checkpoints, or by place in the reference's order."""
    tables = {name: each.ratings for name, each in arena.standings.items()}
    order = tables[arena.by] or next(filter(None, tables.values()), None)
    if order is None:
        return None
    rated = [line.player for line in order.lines if line.rank is not None]
    steps = steps_of(rated)
    place = steps or {player: i for i, player in enumerate(rated, start=1)}
    looks = styles(len(tables), PALETTE)
    series = []
    for (name, table), (colour, marker) in zip(tables.items(), looks, strict=True):
        found = [
            (float(place[line.player]), line.rating)
            for line in (() if table is None else table.lines)
            if line.player in place and not isinstance(line.rating, Unscored)
        ]
        series.append(
            Series(
                points=points(sorted(found, key=lambda pair: pair[0])),
                name=short(name),
                colour=colour,
                marker=marker,
                stroke="solid" if steps else "none",
                spread="bars",
            )
        )
    label = "step of the checkpoint" if steps else f"place by {arena.by}"
    panel = Panel(series=series, x_label=label, y_label="rating", whole=True, names="legend")
    plot = Plot(title="Ratings by judge", panels=[panel])
    rough = "".join(
        f" Those by {name} are {table.rough}."
        for name, table in tables.items()
        if table is not None and table.rough
    )
    text = f"Ratings with 95 % intervals; {order.scale}. Each judge has a scale of its own.{rough}"
    return Figure(paint.draw(plot), text)


def _orders(arena: Shown) -> list[Block]:
    head = ["judge", "tau", "interval", "alike", "reversed", "open", "its best", "loses"]
    body = [
        [
            name,
            f"{each.tau.value:.2f}",
            f"[{each.tau.low:.2f}, {each.tau.high:.2f}]",
            each.alike,
            len(each.reversals),
            each.open,
            each.best[0],
            "–" if math.isnan(each.lost.low) else beside(each.lost, 2),
        ]
        for name, each in arena.orders.items()
    ]
    stands = "which stands for gold" if arena.reference else "the first judge"
    caption = (
        f"Orders against that by {arena.by}, {stands}; pairs count as alike or reversed where both"
        " tables tell them apart, all pairs at once; loses: log-odds of the best by that order"
    )
    blocks: list[Block] = [Table(head, body, caption)]
    for name, each in arena.orders.items():
        if each.reversals:
            rows = [
                [x.better, x.worse, beside(x.by_one, 2), beside(x.by_other, 2)]
                for x in each.reversals
            ]
            columns = ["put above", "of", f"by {name}", f"by {arena.by}"]
            table = Table(columns, rows[:LISTED], f"Pairs that {name} surely reverses", words=True)
            blocks.append(table)
            if rest := rows[LISTED:]:
                blocks.append(Details(f"{len(rest)} more", [Table(columns, rest, words=True)]))
    if arena.agreement:
        said = {f"{pair} say the same": value for pair, value in arena.agreement.items()}
        blocks.append(Estimates(said, "Share of meetings with one verdict, by prompt"))
    if arena.abilities:
        blocks.append(
            Estimates(
                dict(arena.abilities),
                "How far each judge can be relied on: 1 says what the strengths say, 1/2 tosses a"
                " coin; regularised",
            )
        )
    return blocks


def _table(each: Standing) -> list[Block]:
    blocks: list[Block] = []
    if each.ratings is None:
        blocks.append(Paragraph(f"There is no joint table: {each.refused}."))
        blocks.append(Bullets([", ".join(group) for group in each.groups]))
    else:
        head = ["player", "rank", "rank's interval", "rating", "interval", "share", "votes"]
        body = []
        for line in each.ratings.lines:
            ends = f"[{line.ranks[0]}, {line.ranks[1]}]" if line.ranks else "–"
            rating = line.rating
            if isinstance(rating, Unscored):
                cells = ["–", rating.reason]
            else:
                known = math.isfinite(rating.low)
                cells = [f"{rating.value:.0f}"]
                cells.append(f"[{rating.low:.0f}, {rating.high:.0f}]" if known else "–")
            row = [line.player, line.rank, ends, *cells, f"{line.share:.2f}"]
            body.append([*row, f"{line.votes:,.0f}"])
        caption = f"{each.ratings.scale}; 95 % intervals; share of points, ties half"
        rough = f" These intervals are {each.ratings.rough}." if each.ratings.rough else ""
        blocks += [Table(head, body, caption), Paragraph(TOLD + rough)]
        if each.ratings.coefficients:
            caption = "Log-odds per standard deviation of each covariate, at equal strengths"
            blocks.append(Estimates(dict(each.ratings.coefficients), caption))
    return [*blocks, *_pairs(each)]


def _pairs(each: Standing) -> list[Block]:
    """Who beats whom, the best first."""
    players = each.votes.players
    order = list(players)
    if each.ratings is not None:
        order = [line.player for line in each.ratings.lines]
    shown = order[:MOST]
    at = {name: code for code, name in enumerate(players)}
    body = []
    for place, one in enumerate(shown, start=1):
        row: list[Any] = [f"{place} {one}"]
        for other in shown:
            share = float(each.shares[at[one], at[other]])
            row.append("" if math.isnan(share) else Shade(f"{share:.2f}", share))
        body.append(row)
    met = [float(each.met[at[a], at[b]]) for a in shown for b in shown if a < b]
    never = sum(n == 0 for n in met)
    caption = (
        "Share of points of the row's player against the column's; votes of a pair:"
        f" {min(met):,.0f} to {max(met):,.0f}{f'; {never} pairs never met' if never else ''}"
        f"{f'; the first {MOST} of {len(order)}' if len(order) > MOST else ''}"
        if met
        else ""
    )
    return [Table(["", *map(str, range(1, len(shown) + 1))], body, caption)]


def _trust(name: str, each: Standing) -> list[Block]:
    shares: dict[str, Estimate | str | None] = {
        "ties": each.ties,
        "points of the one shown first, between equals": each.position,
        "points of the longer response": each.length,
    }
    facts = {what: value for what, value in shares.items() if isinstance(value, Estimate)}
    blocks: list[Block] = [Paragraph(f"By {name}:"), Bullets(trust(each))]
    if len(each.groups) > 1:
        groups = {f"group {i}": ", ".join(group) for i, group in enumerate(each.groups, start=1)}
        blocks.append(KeyValues(groups))
    return [*blocks, Estimates(facts)] if facts else blocks
