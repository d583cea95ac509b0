"""The meetings of a tournament: planned, asked about, kept, and counted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, Literal

from assay import stats
from assay.answerers.ledger import Ledger
from assay.arena.design import decide
from assay.arena.ratings import rate
from assay.arena.tournament import How, Meeting, Pools, plan, votes_of
from assay.arena.votes import Votes
from assay.errors import DataError
from assay.fingerprint import fingerprint
from assay.protocols import Judge, Scorer
from assay.questions import Comparison
from assay.runs.run import Run
from assay.stats import Estimate
from assay.types import Group, Score, Unscored
from assay.workflows._judging import alike, ask_kept
from assay.workflows._players import SCORES

__all__ = ["Meetings"]

LOOKS: Final = 20
"""Rounds that a budget is spent in, at least where players are few."""
SHOWN: Final = 3
"""Reasons shown of what is unscored."""
Said = Comparison | Unscored
TIE: Final = Comparison(prefer=0.5, tie=1.0)


@dataclass(kw_only=True)
class Meetings:
    """What was played, and what every judge said of it."""

    pools: Pools
    judges: Mapping[str, Judge | Scorer]
    run: Run | None
    ledger: Ledger
    chunk: int
    seed: int
    met: list[Meeting] = field(default_factory=list)
    said: dict[str, list[Said]] = field(default_factory=dict)
    scores: dict[str, dict[tuple[int, int], Score | Unscored]] = field(default_factory=dict)
    """Of each scorer, by player and prompt."""
    looks: int = 0
    stopped: str = ""
    """Why it stopped before its budget."""

    def played(
        self, *, budget: int, design: How, until: Literal["budget", "order", "best"]
    ) -> "Meetings":
        """Play in rounds until the budget is spent, nothing is left, or enough is known."""
        first = next(iter(self.judges))
        self.said = {name: [] for name in self.judges}
        size = max(len(self.pools.players), ceil(budget / LOOKS))
        while len(self.met) < budget:
            votes = self.votes(first) if self.met else None
            new = plan(
                self.pools,
                self.met,
                votes,
                min(size, budget - len(self.met)),
                how=design,
                seed=self.seed,
            )
            if not new:
                self.stopped = f"all {len(self.met):,} meetings there are were played"
                break
            for name, judge in self.judges.items():
                self.said[name] += self._asked(name, judge, new)
            self.met += new
            if until != "budget" and self._enough(first, until):
                break
        return self

    def _enough(self, first: str, goal: Literal["order", "best"]) -> bool:
        """Whether the first judge's table is known well enough; every call is a look."""
        try:
            found = rate(votes := self.votes(first))
        except DataError:
            return False
        if len(found.fit.players) < len(self.pools.players):
            return False
        self.looks += 1
        decision = decide(found.fit, found.spread, votes, goal=goal, look=self.looks)
        if decision.stop:
            self.stopped = (
                f"the {goal} by {first} was known after {len(self.met):,} meetings, at an error of"
                f" {decision.error:.0%} over all {self.looks} looks"
                f"{f'; intervals are {decision.rough}' if decision.rough else ''}"
            )
        return decision.stop

    def votes(self, judge: str) -> Votes:
        """One judge's votes."""
        return votes_of(self.pools, self.met, self.said[judge], judge)

    def ordered(self, judge: str) -> bool:
        """Whether the judge saw the two responses in an order."""
        return any(isinstance(x, Comparison) and x.games for x in self.said[judge])

    def reasons(self) -> list[str]:
        """Why there is no verdict where there is none, the most frequent first."""
        missing = [x.reason for row in self.said.values() for x in row if isinstance(x, Unscored)]
        return [f"{n} unscored: {reason}" for reason, n in alike(missing)[:SHOWN]]

    def notes(self) -> list[str]:
        """What is to be said of the meetings as a whole."""
        same = sum(map(self.pools.same, self.met))
        ties = f"{same:,} meetings of equal texts are ties, and were not asked about"
        return [*filter(None, [self.stopped, ties if same else ""]), *self.reasons()]

    def agreement(self) -> dict[str, Estimate]:
        """How often each judge and the last one say the same of a meeting, by prompt: a side, or a
        tie."""
        names = list(self.judges)
        found = {}
        for name in names[:-1]:
            pairs = list(zip(self.said[name], self.said[names[-1]], self.met, strict=True))
            both = [
                (float(_side(a) == _side(b)), met.prompt)
                for a, b, met in pairs
                if isinstance(a, Comparison) and isinstance(b, Comparison)
            ]
            if both:
                same, prompts = zip(*both, strict=True)
                found[f"{name}, {names[-1]}"] = stats.proportion(
                    same, clusters=prompts, unscored=len(pairs) - len(both)
                )
        return found

    def _asked(self, name: str, judge: Judge | Scorer, new: Sequence[Meeting]) -> list[Said]:
        """What a judge says of some meetings; what is kept is not asked again."""
        if not isinstance(judge, Judge):
            return self._scored(name, judge, new)
        open_ = [met for met in new if not self.pools.same(met)]
        pairs = [self.pools.pair(met) for met in open_]
        answers = self._kept(judge, pairs, judge.compare, Comparison | Unscored)
        known = dict(zip(open_, answers, strict=True))
        return [known.get(met, TIE) for met in new]

    def _scored(self, name: str, scorer: Scorer, new: Sequence[Meeting]) -> list[Said]:
        """The higher score wins: every player's response to a prompt is scored once."""
        scores = self.scores.setdefault(name, {})
        known = {prompt for _, prompt in scores}
        prompts = [p for p in dict.fromkeys(met.prompt for met in new) if p not in known]
        rows = [self.pools.responses[prompt] for prompt in prompts]
        groups = [
            Group(
                prompt=self.pools.prompts[prompt],
                responses=tuple(x for x in row if x is not None),
            )
            for prompt, row in zip(prompts, rows, strict=True)
        ]
        found = self._kept(scorer, groups, scorer.score, list[Score | Unscored], SCORES)
        for prompt, row, values in zip(prompts, rows, found, strict=True):
            there = [player for player, x in enumerate(row) if x is not None]
            scores |= {(p, prompt): s for p, s in zip(there, values, strict=True)}
        return [_higher(scores[m.one, m.prompt], scores[m.other, m.prompt]) for m in new]

    def _kept(
        self,
        judge: object,
        items: Sequence[Group],
        ask: Callable[[Sequence[Group]], Iterable[Any]],
        kind: Any,
        kept: str = "kept.jsonl",
    ) -> list[Any]:
        return ask_kept(
            self.run,
            fingerprint(judge),
            items,
            lambda some: list(ask(some)),
            kind,
            chunk=self.chunk,
            ledger=self.ledger,
            what="meetings",
            kept=kept,
            quiet=bool(self.met),
        )


def _higher(a: Score | Unscored, b: Score | Unscored) -> Said:
    if isinstance(a, Unscored):
        return a
    if isinstance(b, Unscored):
        return b
    if a.value == b.value:
        return TIE
    return Comparison(prefer=float(a.value > b.value))


def _side(said: Comparison) -> int:
    return (said.prefer > 0.5) - (said.prefer < 0.5)
