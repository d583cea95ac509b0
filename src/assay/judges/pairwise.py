"""Compare two responses, each shown first once.

The verdict of each order is a game of its own in the comparison: two orders that contradict each
other give a preference near 1/2 without a tie, and the games tell the two apart.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from assay.errors import ConfigError, DataError
from assay.fingerprint import ByContent
from assay.judges.ask import ask, shown
from assay.judges.fencing import JudgePrompt, prompt, question_of, response_of
from assay.protocols import Answerer
from assay.questions import Comparison, Distribution, Game, Option, Question
from assay.types import Group, Prompt, Unscored

__all__ = ["PAIR", "PAIR_WITHOUT_TIE", "Orders", "Outcome", "PairProtocol", "Pairwise"]

Orders = Literal["both", "given", "drawn"]
"""Which orders are played: both, the given one, or one of the two, drawn by what was asked as
AlpacaEval draws it (with its seed, 0)."""

Outcome = Literal["first", "second", "tie"]
"""Which response is better: the one shown first, the one shown second, or neither."""

CLOSE: Final = 1e-9

_FIRST = Option(name="first", description="the first response is better")
_SECOND = Option(name="second", description="the second response is better")
_TIE = Option(name="tie", description="neither is better than the other")
_BETTER = Question.choice("Which response is better?", [_FIRST, _SECOND, _TIE])


@dataclass(frozen=True, kw_only=True)
class PairProtocol:
    """How two responses are shown, what is asked, and what the answers count."""

    prompt: str | Path | JudgePrompt = "pairwise"
    """Name or file of the prompt; with {reference} in it, prompts without one are `Unscored`."""
    question: Question = _BETTER
    outcomes: tuple[Outcome, ...] = ("first", "second", "tie")
    """What each option of the question says."""
    weights: tuple[float, ...] = ()
    """How many games each option counts for; empty = one each."""
    orders: Orders = "both"
    rule: Literal["mean", "agree"] = "mean"
    """What is made of the games: their mean, or the likeliest outcome where all orders agree on it,
    and else a tie (MT-Bench, arXiv:2306.05685)."""

    def __post_init__(self) -> None:
        n = len(self.question.options)
        if len(self.outcomes) != n or (self.weights and len(self.weights) != n):
            raise ConfigError(
                f"{n} options have {len(self.outcomes)} outcomes and {len(self.weights)} weights;"
                " give one to each"
            )
        if not all(weight > 0 for weight in self.weights):
            raise ConfigError(f"weights are {self.weights}; they must be above 0")


PAIR: Final = PairProtocol()

PAIR_WITHOUT_TIE: Final = PairProtocol(
    question=Question.choice("Which response is better?", [_FIRST, _SECOND]),
    outcomes=("first", "second"),
)


class Pairwise:
    """A `Judge` that asks an answerer which of two responses is better.

    A comparison has one game per order, whose shares are the answer's probabilities (those of
    repeated verdicts, where the answerer repeats). An order without an answer leaves the pair
    `Unscored`.
    prompt, orders: instead of the protocol's. tie: whether a tie may be said, where no protocol is
    given.
    """

    fingerprint = ByContent()

    def __init__(
        self,
        answerer: Answerer,
        prompt: str | Path | JudgePrompt | None = None,
        *,
        orders: Orders | None = None,
        tie: bool = True,
        protocol: PairProtocol | None = None,
    ) -> None:
        base = protocol or (PAIR if tie else PAIR_WITHOUT_TIE)
        self.answerer = answerer
        self.prompt = _loaded(prompt or base.prompt)
        self.protocol = replace(base, prompt=self.prompt, orders=orders or base.orders)

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        """Compare the two responses of each group, in order. Raises `DataError` for a group of
        another size."""
        plans = [_orders(pair, self.protocol.orders) for pair in pairs]
        states = [
            self._state(pair, swapped)
            for pair, orders in zip(pairs, plans, strict=True)
            for swapped in orders
        ]
        answers = iter(ask(self.answerer, states, self.protocol.question))
        games = [
            [game_of(next(answers), self.protocol, swapped=swapped) for swapped in orders]
            for orders in plans
        ]
        return [compared(each, self.protocol) for each in games]

    def _state(self, pair: Group, swapped: bool) -> Prompt | Unscored:
        a, b = map(response_of, pair.responses[::-1] if swapped else pair.responses)
        return shown(self.prompt, pair, {"response_a": a, "response_b": b})


def _loaded(given: str | Path | JudgePrompt) -> JudgePrompt:
    return prompt(given, needs=("question", "response_a", "response_b"), may=("reference",))


def _orders(pair: Group, orders: Orders) -> tuple[bool, ...]:
    """Whether the responses are swapped, in each game to play."""
    if len(pair.responses) != 2:
        raise DataError(
            f"prompt {pair.prompt.id!r} has {len(pair.responses)} responses, and a judge of pairs"
            " compares 2; compare more by assay.judges.tournament"
        )
    if orders == "both":
        return (False, True)
    if orders == "given":
        return (False,)
    seed = f"is_switched_outputs{question_of(pair.prompt)}0"
    return (random.Random(seed).choices([False, True], k=1)[0],)


def game_of(answer: Distribution | Unscored, protocol: PairProtocol, *, swapped: bool) -> Game:
    """Return the game of one order: Σ p w over the options of each outcome, over Σ p w of all."""
    if isinstance(answer, Unscored):
        return Game(swapped=swapped, unscored=answer.reason)
    weights = protocol.weights or (1.0,) * len(protocol.outcomes)
    counted = [p * weight for p, weight in zip(answer.probabilities, weights, strict=True)]
    total = math.fsum(counted)

    def share(outcome: Outcome) -> float:
        told = zip(counted, protocol.outcomes, strict=True)
        return min(1.0, math.fsum(count for count, says in told if says == outcome) / total)

    return Game(
        swapped=swapped,
        first=share("second" if swapped else "first"),
        tie=share("tie"),
        weight=total if protocol.weights else 1.0,
        # Weighted shares are not those of the verdicts.
        verdicts=None if protocol.weights else answer.verdicts,
        critique="\n\n".join(answer.critiques),
    )


def compared(games: Sequence[Game], protocol: PairProtocol) -> Comparison | Unscored:
    """Return what the games of a pair, one per order, say under the protocol's rule."""
    mean = Comparison.of(games)
    if protocol.rule == "mean" or isinstance(mean, Unscored):
        return mean
    outcomes = {_likeliest(game) for game in games}
    outcome = outcomes.pop() if len(outcomes) == 1 else "tie"
    prefer = {"first": 1.0, "second": 0.0, "tie": 0.5}[outcome]
    return Comparison(prefer=prefer, tie=float(outcome == "tie"), games=mean.games)


def _likeliest(game: Game) -> Outcome:
    """The outcome of a game in which there is a verdict; a tie where two are as likely."""
    first = game.first or 0.0
    shares: dict[Outcome, float] = {
        "first": first,
        "second": 1.0 - first - game.tie,
        "tie": game.tie,
    }
    best = [one for one, share in shares.items() if share >= max(shares.values()) - CLOSE]
    return best[0] if len(best) == 1 else "tie"
