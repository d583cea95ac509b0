"""What an arena comes to: tables, orders held against each other, and what to vote on next."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assay.answerers.ledger import Usage
from assay.arena.boards import alpaca_eval, arena_hard, as_csv, leaderboard
from assay.arena.design import Decision, Proposal
from assay.arena.layouts import plain
from assay.arena.orders import Orders, verdict
from assay.arena.standing import Standing, trust
from assay.errors import ConfigError
from assay.runs.run import Run
from assay.stats import Estimate
from assay.stats.numbers import beside
from assay.types import Unscored
from assay.workflows._judging import spent

__all__ = ["VOTES", "Arena", "Next"]

VOTES: Final = "votes.jsonl"
OPEN: Final = 6
"""Pairs shown that are not told apart yet."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arena:
    """Tables of players by judge, and whether to trust them."""

    name: str
    """Title of the page."""
    of: str
    """What the votes are of."""
    standings: Mapping[str, Standing]
    """A table per judge."""
    reference: str | None
    """The judge that stands for gold; None where no judge does."""
    orders: Mapping[str, Orders]
    """How far each judge's order is the reference's, or the first judge's."""
    agreement: Mapping[str, Estimate] = field(default_factory=dict)
    """Share of meetings of which two judges say the same, as "judge, other"."""
    abilities: Mapping[str, Estimate] = field(default_factory=dict)
    """How far each judge can be relied on, regularised."""
    baseline: str | None = None
    """Player that the rows of AlpacaEval and Arena-Hard are against."""
    notes: Sequence[str] = ()
    bill: Mapping[str, Usage | str] = field(default_factory=dict, repr=False)
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    written: str = field(default="", repr=False)
    """Files that were written, in words."""

    @property
    def by(self) -> str:
        """The judge whose order the others are held against."""
        return self.reference or next(iter(self.standings))

    @property
    def verdicts(self) -> list[str]:
        """What is to be said of each judge's order."""
        return [verdict(each, judge, self.by) for judge, each in self.orders.items()]

    @property
    def metrics(self) -> dict[str, Estimate]:
        """Every number by name: rating/JUDGE/PLAYER, tau/JUDGE, lost/JUDGE, ties/JUDGE,
        shown_first/JUDGE, longer/JUDGE, agreement/JUDGE, ability/JUDGE."""
        found: dict[str, Estimate] = {}
        for judge, each in self.standings.items():
            for line in () if each.ratings is None else each.ratings.lines:
                if not isinstance(line.rating, Unscored):
                    found[f"rating/{judge}/{line.player}"] = line.rating
            for name, value in (
                ("ties", each.ties),
                ("shown_first", each.position),
                ("longer", each.length),
            ):
                if isinstance(value, Estimate):
                    found[f"{name}/{judge}"] = value
        for judge, order in self.orders.items():
            found |= {f"tau/{judge}": order.tau, f"lost/{judge}": order.lost}
        found |= {f"agreement/{pair}": value for pair, value in self.agreement.items()}
        return found | {f"ability/{judge}": value for judge, value in self.abilities.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "name": self.name,
            "of": self.of,
            "reference": self.reference,
            "judges": [each.to_json() for each in self.standings.values()],
            "orders": {judge: _order(each) for judge, each in self.orders.items()},
            "verdicts": self.verdicts,
            "agreement": {pair: value.to_json() for pair, value in self.agreement.items()},
            "abilities": {judge: value.to_json() for judge, value in self.abilities.items()},
            "notes": list(self.notes),
            "bill": {name: spent(cost) for name, cost in self.bill.items()},
        }

    def written_in(self, run: Run | None) -> "Arena":
        """Write the files of a run; nothing where there is no folder."""
        from assay.pages.arena import arena_sections

        if run is None:
            return self
        run.save(VOTES, self._rows())
        run.save("leaderboard.csv", as_csv(leaderboard(self.standings)))
        missing = () if self.baseline is None else self._boards(run, self.baseline)
        said = dataclasses.replace(self, notes=(*self.notes, *missing))
        run.save("arena.json", said.to_json())
        run.page(said.name, lambda: arena_sections(said, run.body), subtitle=said.of)
        return dataclasses.replace(said, written=run.written())

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The votes; whose they are is the table's name where there are several."""
        several = len(self.standings) > 1
        for name, each in self.standings.items():
            for row in plain.rows(each.votes):
                yield {**row, "judge": name} if several else row

    def _boards(self, run: Run, baseline: str) -> list[str]:
        """Write the rows of AlpacaEval and Arena-Hard by the first judge; say what there is not."""
        first = next(iter(self.standings.values()))
        rows, said = alpaca_eval(first.votes, baseline)
        run.save("alpaca_eval.csv", as_csv(rows))
        try:
            if first.ratings is None:
                raise ConfigError(f"it needs one table, and {first.refused}")
            run.save("arena_hard.csv", as_csv(arena_hard(first.votes, first.ratings, baseline)))
        except ConfigError as error:
            said.append(f"no arena_hard.csv: {error}")
        return said

    def __str__(self) -> str:
        """A table per judge, what speaks for and against it, and whose order is wrong."""
        lines = []
        for judge, each in self.standings.items():
            lines += [f"{judge}: {each.ratings.scale if each.ratings else 'no joint table'}"]
            lines += [*_table(each), *(f"  {said}" for said in trust(each)), ""]
        lines += self.verdicts
        lines += [f"{pair} say the same of {beside(x, 2)}" for pair, x in self.agreement.items()]
        lines += [f"reliance on {judge}: {beside(x, 2)}" for judge, x in self.abilities.items()]
        lines += [*self.notes, *(f"{what}: {spent(cost)}" for what, cost in self.bill.items())]
        return "\n".join([*lines, *filter(None, [self.written])])


def _order(each: Orders) -> dict[str, Any]:
    return {
        "players": each.players,
        "left_out": each.left_out,
        "tau": each.tau.to_json(),
        "pairs": each.pairs,
        "alike": each.alike,
        "reversed": [
            {
                "better": x.better,
                "worse": x.worse,
                "by_judge": x.by_one.to_json(),
                "by_reference": x.by_other.to_json(),
            }
            for x in each.reversals
        ],
        "open": each.open,
        "best": each.best,
        "lost": each.lost.to_json(),
    }


def _table(each: Standing) -> list[str]:
    from rich.markup import escape
    from rich.table import Table

    from assay.console.tables import text

    if each.ratings is None:
        return []
    table = Table("rank", "player", "rating", "share", "votes", box=None, padding=(0, 1))
    for line in each.ratings.lines:
        ends = f" [{line.ranks[0]}, {line.ranks[1]}]" if line.ranks else ""
        rating = line.rating
        said = rating.reason if isinstance(rating, Unscored) else beside(rating, 0)
        rank = "–" if line.rank is None else f"{line.rank}{ends}"
        table.add_row(rank, escape(line.player), said, f"{line.share:.2f}", f"{line.votes:,.0f}")
    return text(table).splitlines()


@dataclass(frozen=True, kw_only=True)
class Next:
    """Which pairs to vote on next."""

    proposals: tuple[Proposal, ...]
    decision: Decision | None
    """Whether to stop; None where somebody has no rating yet."""
    why: str
    """Why nothing is decided; "" where it is."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        found: dict[str, Any] = {"next": [vars(each) for each in self.proposals], "why": self.why}
        if self.decision is not None:
            found["stop"] = self.decision.stop
            found["error"] = self.decision.error
            found["level"] = self.decision.level
            found["rough"] = self.decision.rough
            found["open"] = [
                [x.first, x.second, x.gap.to_json(), x.more if math.isfinite(x.more) else None]
                for x in self.decision.open
            ]
        return found

    def __str__(self) -> str:
        """Return the pairs, and whether to stop."""
        lines = [f"{x.first} against {x.second} (gain {x.gain:.2g})" for x in self.proposals]
        if self.decision is None:
            return "\n".join([*lines, f"nothing is decided: {self.why}"])
        rough = f"; intervals are {self.decision.rough}" if self.decision.rough else ""
        if self.decision.stop:
            return f"stop: enough is known, at an error of {self.decision.error:.0%}{rough}"
        lines.append(f"go on: not told apart yet, at {100 * self.decision.level:.6g} %{rough}:")
        for x in self.decision.open[:OPEN]:
            more = float(f"{x.more:.2g}")
            votes = f"some {more:,.0f} more votes" if math.isfinite(more) else "no telling when"
            lines.append(f"  {x.first} and {x.second} ({beside(x.gap, 2)}): {votes}")
        if rest := self.decision.open[OPEN:]:
            lines.append(f"  and {len(rest)} more pairs")
        return "\n".join(lines)
