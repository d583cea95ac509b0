"""Tournaments: who meets whom next and on which prompt, and what was said there as votes.

Players are pools: a response to each prompt, or none. A meeting is two players on a prompt; a judge
may play several games of it, such as one in each order, and every game is a vote. All is a function
of its arguments, so a tournament that was killed plans the same meetings again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final, Literal, NamedTuple

import numpy as np

from assay.arena.ballots import Ballot, collected
from assay.arena.bradley_terry import fit
from assay.arena.design import next_pairs
from assay.arena.intervals import covariance
from assay.arena.style import MEASURES, measured
from assay.arena.votes import Outcome, Votes
from assay.data.records import prompt_key
from assay.errors import ConfigError, DataError
from assay.questions import Comparison, Game
from assay.types import Group, Prompt, Response, Unscored

__all__ = ["How", "Meeting", "Pools", "plan", "pools", "votes_of"]

How = Literal["gain", "even"]
"""What is asked next: what is expected to tell most, or every pair equally often."""
PRIOR: Final = 1.0
"""Lambda of the prior wins of the ratings that meetings are planned by; of no rating shown."""
NOTHING: Final = 1e-9
"""Probability that is rounding alone, and no vote."""


class Meeting(NamedTuple):
    """Two players on a prompt, by their places in the pools."""

    one: int
    other: int
    prompt: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Pools:
    """Responses of k players to P prompts."""

    players: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    responses: tuple[tuple[Response | None, ...], ...]
    """(P, k); None where a player has no response."""
    notes: tuple[str, ...] = ()
    """What was left out."""

    def __len__(self) -> int:
        """Most meetings there can be."""
        there = [sum(x is not None for x in row) for row in self.responses]
        return sum(n * (n - 1) // 2 for n in there)

    def answer(self, player: int, prompt: int) -> Response:
        """The response of a player to a prompt. Raises `DataError` where there is none."""
        found = self.responses[prompt][player]
        if found is None:
            raise DataError(f"{self.players[player]} has no response to prompt {prompt}")
        return found

    def pair(self, met: Meeting) -> Group:
        """The two responses of a meeting, as a judge is shown them."""
        both = (self.answer(met.one, met.prompt), self.answer(met.other, met.prompt))
        return Group(prompt=self.prompts[met.prompt], responses=both)

    def same(self, met: Meeting) -> bool:
        """Whether the two responses are one text: a tie that nobody need be asked about."""
        return self.answer(met.one, met.prompt).text == self.answer(met.other, met.prompt).text


def pools(of: Mapping[str, Sequence[Group]], prompts: Sequence[Prompt] | None = None) -> Pools:
    """Return players' responses by prompt; of several responses of a player the first.

    of: groups of each player. prompts: those to play on, whose references and columns the judges
    see; None takes all that two players have responses to. Raises `DataError` where fewer than two
    players have a response to any of them.
    """
    if len(of) < 2:
        raise ConfigError(f"an arena needs two players or more, and there is {', '.join(of) or 0}")
    known = {prompt_key(prompt): prompt for prompt in prompts or ()}
    chosen: dict[str, dict[int, Response]] = {key: {} for key in known}
    more = other = 0
    for player, groups in enumerate(of.values()):
        for group in groups:
            key = prompt_key(group.prompt)
            if prompts is not None and key not in known:
                other += 1
                continue
            known.setdefault(key, group.prompt)
            row = chosen.setdefault(key, {})
            more += len(group.responses) - (0 if player in row else 1)
            if group.responses:
                row.setdefault(player, group.responses[0])
    played = [key for key, row in chosen.items() if len(row) > 1]
    if not played:
        raise DataError(
            f"no prompt has responses of two players ({', '.join(of)}); give responses to the same"
            " prompts"
        )
    notes = []
    if alone := len(chosen) - len(played):
        notes.append(f"{alone:,} prompts have responses of fewer than two players")
    if more > 0:
        notes.append(f"{more:,} further responses of a player to one prompt are not played")
    if other:
        notes.append(f"{other:,} responses are to prompts that are not among those given")
    k = len(of)
    return Pools(
        players=tuple(of),
        prompts=tuple(known[key] for key in played),
        responses=tuple(tuple(chosen[key].get(i) for i in range(k)) for key in played),
        notes=tuple(notes),
    )


def plan(
    pools: Pools,
    met: Sequence[Meeting],
    votes: Votes | None,
    count: int,
    *,
    how: How = "gain",
    seed: int = 0,
) -> list[Meeting]:
    """Return the next meetings, none of which was among those `met`; fewer where none are left.

    votes: what those came to. The pairs with the largest expected information
    (`design.next_pairs`), each on the prompt that was played least; an even schedule until all
    players can be compared. Who is named first alternates.
    """
    gone = set(met)
    chosen: list[Meeting] = []
    if how == "gain" and votes is not None:
        chosen = _gainful(pools, gone, votes, count, seed)
    even = islice(_even(pools, gone | set(chosen), seed), count - len(chosen))
    return _turned([*chosen, *even], met)


def _gainful(
    pools: Pools, gone: set[Meeting], votes: Votes, count: int, seed: int
) -> list[Meeting]:
    if len(votes.players) < len(pools.players):
        return []
    try:
        made = fit(votes, regularised=PRIOR)
    except DataError:
        # Somebody has not met the others yet.
        return []
    wanted = next_pairs(made, covariance(made, votes, "model"), count)
    rng = np.random.default_rng((seed, len(gone)))
    order = rng.permutation(len(pools.prompts)).tolist()
    uses = np.bincount([met.prompt for met in gone], minlength=len(order))
    place = {name: code for code, name in enumerate(pools.players)}
    taken = _both_ways(gone)
    chosen = []
    for pair in wanted:
        one, other = place[pair.first], place[pair.second]
        free = [
            p
            for p in order
            if Meeting(one, other, p) not in taken
            and pools.responses[p][one] is not None
            and pools.responses[p][other] is not None
        ]
        if not free:
            continue
        prompt = min(free, key=lambda p: int(uses[p]))
        uses[prompt] += 1
        chosen.append(Meeting(one, other, prompt))
        taken |= _both_ways(chosen[-1:])
    return chosen


def _even(pools: Pools, gone: set[Meeting], seed: int) -> Iterator[Meeting]:
    """All meetings that are left: round r gives every pair another prompt."""
    rng = np.random.default_rng(seed)
    pairs = list(combinations(range(len(pools.players)), 2))
    shift, n = rng.permutation(len(pairs)).tolist(), len(pools.prompts)
    taken = _both_ways(gone)
    for turn in range(n):
        for place in rng.permutation(len(pairs)).tolist():
            one, other = pairs[place]
            meeting = Meeting(one, other, (shift[place] + turn) % n)
            row = pools.responses[meeting.prompt]
            if meeting not in taken and row[one] is not None and row[other] is not None:
                yield meeting


def _both_ways(met: Sequence[Meeting] | set[Meeting]) -> set[Meeting]:
    return {*met, *(Meeting(x.other, x.one, x.prompt) for x in met)}


def _turned(new: Sequence[Meeting], met: Sequence[Meeting]) -> list[Meeting]:
    """The meetings, turned so that each player is named first about as often as second."""
    ahead: dict[int, int] = {}
    turned = []
    for is_new, x in [*((False, x) for x in met), *((True, x) for x in new)]:
        if is_new:
            swap = ahead.get(x.one, 0) > ahead.get(x.other, 0)
            x = Meeting(x.other, x.one, x.prompt) if swap else x
            turned.append(x)
        ahead[x.one] = ahead.get(x.one, 0) + 1
        ahead[x.other] = ahead.get(x.other, 0) - 1
    return turned


def votes_of(
    pools: Pools,
    met: Sequence[Meeting],
    said: Sequence[Comparison | Unscored],
    judge: str | None = None,
) -> Votes:
    """Return what was said of each meeting as votes, clusters being prompts.

    Each game of a comparison is votes for what it gives a probability to, weighted by it; first is
    who was shown first. A comparison without games is one vote. What is `Unscored` is left out, and
    counted. Measures are those of `style`, of each response.
    """
    sizes: dict[tuple[int, int], tuple[float, ...]] = {}

    def size(player: int, prompt: int) -> tuple[float, ...]:
        if (player, prompt) not in sizes:
            sizes[player, prompt] = measured(pools.answer(player, prompt).text)
        return sizes[player, prompt]

    ballots = []
    for x, comparison in zip(met, said, strict=True):
        for swapped, outcome, weight in _outcomes(comparison):
            first, second = (x.other, x.one) if swapped else (x.one, x.other)
            both = zip(size(first, x.prompt), size(second, x.prompt), strict=True)
            ballots.append(
                Ballot(
                    first=pools.players[first],
                    second=pools.players[second],
                    outcome=outcome,
                    weight=weight,
                    cluster=x.prompt,
                    judge=judge,
                    measures=dict(zip(MEASURES, both, strict=True)),
                )
            )
    found = collected(ballots)
    # In the order of the pools, whoever met first.
    return found.among([found.players.index(x) for x in pools.players if x in found.players])


def _outcomes(said: Comparison | Unscored) -> Iterator[tuple[bool, Outcome | None, float]]:
    """Whether the second was shown first, what is said of them as they were shown, and how much."""
    if isinstance(said, Unscored):
        yield False, None, 1.0
        return
    games: Sequence[Game] = said.games or [Game(first=said.prefer - said.tie / 2, tie=said.tie)]
    for game in games:
        if game.first is None:
            continue
        second = 1 - game.first - game.tie
        ahead, behind = (second, game.first) if game.swapped else (game.first, second)
        for outcome, p in (
            (Outcome.FIRST, ahead),
            (Outcome.SECOND, behind),
            (Outcome.TIE, game.tie),
        ):
            if p > NOTHING:
                yield game.swapped, outcome, game.weight * p
