"""A question has a distribution for an answer.

An LLM judge's verdict, a criterion of a rubric, a decision model's answer, a generative reward
model's p(Yes) and a person's click are all one thing: a probability for each option of a closed
set. Whatever answers questions is an `Answerer` (`assay.protocols`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final, Literal, Self, TypeVar, get_args

from pydantic import Field, FiniteFloat, model_validator

from assay.errors import ConfigError, DataError
from assay.types import Probability, Record, Unscored, unless_empty

__all__ = [
    "FLOOR",
    "Comparison",
    "Confidence",
    "Distribution",
    "Game",
    "Option",
    "Question",
    "confidence",
    "from_log_probabilities",
    "from_probabilities",
    "from_verdicts",
    "log_mean",
    "tempered",
]

T = TypeVar("T")

Kind = Literal["predicate", "choice", "score"]

Confidence = Literal["excess", "mass", "top", "margin", "entropy", "spread"]
"""Formulas of a confidence; numbers of two formulas must not be compared (see `confidence`)."""

FLOOR: Final = 0.5
"""Least probability of all labels together: below it the model wanted to say something else."""
CLOSE: Final = 1e-6
ROUNDED: Final = 0.05
"""How far a sum of probabilities may be off 1 by rounding."""


class Option(Record):
    """One of the answers that a question allows."""

    name: str | bool
    """Its value, typed: "true" is not true."""
    description: str = ""
    value: FiniteFloat | None = None
    """Its number, of a level; None = its place."""

    @property
    def text(self) -> str:
        """Its name as a text: true and false as JSON has them."""
        return str(self.name).lower() if isinstance(self.name, bool) else self.name


class Question(Record):
    """A question with a closed set of answers.

    The options of a predicate are True, then False; those of a score its levels, worst first.
    """

    kind: Kind
    text: str
    """The instructions; empty where what is judged already asks."""
    options: tuple[Option, ...]
    name: str = ""
    """Its key among others, such as a criterion's id."""
    form: str = unless_empty("{}")
    """How a verdict is written where what is judged already asks, such as "[[{}]]"."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.form.count("{}") != 1:
            raise ValueError(f"form is {self.form!r}; it needs one {{}} in place of the label")
        names = [(type(option.name), option.name) for option in self.options]
        if len(names) < 2:
            raise ValueError(f"a question needs 2 options or more, got {len(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"options are named twice: {[name for _, name in names]}")
        if self.kind == "predicate" and [name for _, name in names] != [True, False]:
            raise ValueError("the options of a predicate are True and False, in this order")
        return self

    @classmethod
    def predicate(cls, text: str, *, name: str = "", true: str = "", false: str = "") -> Self:
        """Ask whether something holds. true, false: meanings of the two answers."""
        options = (Option(name=True, description=true), Option(name=False, description=false))
        return cls(kind="predicate", text=text, options=options, name=name)

    @classmethod
    def choice(
        cls,
        text: str,
        options: Mapping[str, str] | Sequence[str | bool | Option],
        *,
        name: str = "",
    ) -> Self:
        """Ask which of several. options: names, or names with their descriptions."""
        return cls(kind="choice", text=text, options=_options(options), name=name)

    @classmethod
    def score(
        cls,
        text: str,
        levels: Mapping[str, str] | Sequence[str | bool | Option],
        *,
        name: str = "",
    ) -> Self:
        """Ask how good. levels: names, worst first."""
        return cls(kind="score", text=text, options=_options(levels), name=name)

    @property
    def values(self) -> tuple[float, ...]:
        """A number per option: 1 and 0 of a predicate, a level's own, or else its place from 0."""
        if self.kind == "predicate":
            return (1.0, 0.0)
        return tuple(
            float(place) if option.value is None else option.value
            for place, option in enumerate(self.options)
        )

    def place(self, key: object) -> int | None:
        """Return the place of the option that a key of JSON means; None where it means none.

        Levels go by their places, as numbers or texts, and then by their names. A value goes before
        its text: "true" stands for true only where no option is called so.
        """
        if self.kind == "predicate":
            return {"true": 0, "yes": 0, "false": 1, "no": 1}.get(str(key).lower())
        if self.kind == "score" and str(key) in map(str, range(len(self.options))):
            return int(str(key))
        same = (i for i, o in enumerate(self.options) if (type(key), key) == (type(o.name), o.name))
        texts = (i for i, option in enumerate(self.options) if option.text == key)
        return next(chain(same, texts), None)

    def rotated(self, by: int) -> Self:
        """Return a choice with its options moved on cyclically: the one at `by` comes first.

        Raises `ConfigError` for other questions, whose order has a meaning.
        """
        if self.kind != "choice":
            raise ConfigError(f"the options of a {self.kind} have an order; only a choice's turn")
        return self.model_copy(update={"options": _rotated(self.options, by)})


def _options(given: Mapping[str, str] | Sequence[str | bool | Option]) -> tuple[Option, ...]:
    if isinstance(given, Mapping):
        return tuple(Option(name=name, description=text) for name, text in given.items())
    return tuple(one if isinstance(one, Option) else Option(name=one) for one in given)


class Distribution(Record):
    """The probability of each option of a question, in the question's order; they sum to 1."""

    probabilities: tuple[Probability, ...]
    mass: Probability | None = None
    """Probability of all labels together before they were normalised; None = not known."""
    bounds: tuple[tuple[Probability, Probability], ...] = unless_empty(())
    """Where a probability is known within an interval only: the interval of each."""
    verdicts: int | None = None
    """How many verdicts were counted, where the probabilities are their shares."""
    missing: int = unless_empty(0)
    """Repeats that gave no verdict, and are not among them."""
    critiques: tuple[str, ...] = unless_empty(())
    """What was written before each verdict."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if abs(math.fsum(self.probabilities) - 1.0) > CLOSE:
            raise ValueError(f"probabilities sum to {math.fsum(self.probabilities):.6g}, not 1")
        if self.bounds and len(self.bounds) != len(self.probabilities):
            raise ValueError(f"{len(self.bounds)} bounds for {len(self.probabilities)} options")
        return self

    @property
    def top(self) -> int:
        """Place of the likeliest option, the first of equals."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)

    def expectation(self, question: Question) -> float:
        """Σ p v over the options' values: p(True) of a predicate, the mean level of a score."""
        pairs = zip(self.probabilities, question.values, strict=True)
        return math.fsum(p * value for p, value in pairs)

    def variance(self, question: Question) -> float:
        """Σ p (v - mean)²."""
        mean = self.expectation(question)
        pairs = zip(self.probabilities, question.values, strict=True)
        return math.fsum(p * (value - mean) ** 2 for p, value in pairs)

    def rotated(self, by: int) -> Self:
        """Return the distribution of the rotated question; -by turns it back."""
        probabilities, bounds = _rotated(self.probabilities, by), _rotated(self.bounds, by)
        return self.model_copy(update={"probabilities": probabilities, "bounds": bounds})


def _rotated(values: tuple[T, ...], by: int) -> tuple[T, ...]:
    by %= max(1, len(values))
    return values[by:] + values[:by]


def from_log_probabilities(
    logs: Sequence[float], *, floor: float = FLOOR
) -> Distribution | Unscored:
    """Normalise the log-probability of each option, in nats; what all have together is the mass.

    `Unscored` where the mass is below the floor, or where a number is NaN.
    """
    if any(math.isnan(log) or log == math.inf for log in logs):
        return Unscored(reason="a label's log-probability is not finite")
    shares = [math.exp(log) for log in logs]
    mass = math.fsum(shares)
    if mass > 1 + 1e-3:
        return Unscored(reason=f"the labels' probabilities sum to {mass:.4g}, more than 1")
    if mass < floor or mass <= 0:
        return _light(mass, floor)
    return Distribution(probabilities=tuple(p / mass for p in shares), mass=min(mass, 1.0))


def from_probabilities(
    given: Sequence[float], *, mass: float | None = None, floor: float = FLOOR
) -> Distribution | Unscored:
    """Take the probability of each option as a server or a file gives it, off by rounding at most.

    mass: what the labels had together before, where that is known. `Unscored` where a number is
    none, the sum is off 1 by more than 0.05, or the mass is below the floor.
    """
    if not all(math.isfinite(p) and p >= 0 for p in given):
        return Unscored(reason="a probability is negative or not finite")
    total = math.fsum(given)
    if abs(total - 1) > ROUNDED + CLOSE:
        return Unscored(reason=f"the probabilities sum to {total:.4g}, not 1")
    if mass is not None and not 0 <= mass <= 1 + 1e-3:
        return Unscored(reason=f"the labels' mass is {mass:g}, which is no probability")
    if mass is not None and mass < floor:
        return _light(mass, floor)
    return Distribution(
        probabilities=tuple(p / total for p in given),
        mass=None if mass is None else min(mass, 1.0),
    )


def _light(mass: float, floor: float) -> Unscored:
    return Unscored(
        reason=f"the labels have {mass:.2g} of the probability, less than {floor:g}:"
        " the model would say something else"
    )


def from_verdicts(
    places: Sequence[int | None], options: int, critiques: Sequence[str] = ()
) -> Distribution | Unscored:
    """Count repeated verdicts, each an option's place, or None for a text without one.

    `Unscored` where none has any.
    """
    given = [place for place in places if place is not None]
    if not given:
        return Unscored(reason=f"no verdict in {len(places)} {'text' + 's' * (len(places) != 1)}")
    return Distribution(
        probabilities=tuple(given.count(place) / len(given) for place in range(options)),
        verdicts=len(given),
        missing=len(places) - len(given),
        critiques=tuple(critiques),
    )


def log_mean(distributions: Sequence[Distribution]) -> Distribution:
    """Average log-probabilities, option by option, and normalise.

    Over all rotations of the options this takes out every effect of their position that is
    additive in logits. An option that any distribution gives no chance gets none; one of which it
    is only known that it has at most so much counts there with half of that. Bounds are averaged
    as well, and the mass is the least. Raises `DataError` where no option is left.
    """
    sizes = {len(one.probabilities) for one in distributions}
    if len(sizes) != 1:
        raise DataError(f"distributions of {sorted(sizes)} options cannot be averaged")
    known = [one.bounds or tuple((p, p) for p in one.probabilities) for one in distributions]
    points = [
        [p or high / 2 for p, (_, high) in zip(one.probabilities, bounds, strict=True)]
        for one, bounds in zip(distributions, known, strict=True)
    ]
    means = _geometric(points)
    total = math.fsum(means)
    if total == 0:
        raise DataError("every option is ruled out by one distribution or another")
    masses = [one.mass for one in distributions if one.mass is not None]
    found = Distribution(
        probabilities=tuple(p / total for p in means),
        mass=min(masses) if len(masses) == len(distributions) else None,
    )
    if not any(one.bounds for one in distributions):
        return found
    lows = _geometric([[low for low, _ in bounds] for bounds in known])
    highs = _geometric([[high for _, high in bounds] for bounds in known])
    return found.model_copy(
        update={
            "bounds": tuple(
                (
                    _share(low, math.fsum(highs) - high),
                    _share(high, math.fsum(lows) - low),
                )
                for low, high in zip(lows, highs, strict=True)
            )
        }
    )


def tempered(distribution: Distribution, temperature: float) -> Distribution:
    """Return the distribution proportional to p^(1/T), in the same order; T = 1 leaves it as it is.

    Bounds are of what was read, and are left out.
    """
    if temperature == 1:
        return distribution
    top = max(distribution.probabilities)
    parts = [(p / top) ** (1 / temperature) for p in distribution.probabilities]
    shares = tuple(part / math.fsum(parts) for part in parts)
    return distribution.model_copy(update={"probabilities": shares, "bounds": ()})


def _geometric(rows: Sequence[Sequence[float]]) -> list[float]:
    """The geometric mean of each column."""
    columns = zip(*rows, strict=True)
    return [math.exp(math.fsum(map(math.log, ps)) / len(ps)) if all(ps) else 0.0 for ps in columns]


def _share(part: float, others: float) -> float:
    return part / (part + max(0.0, others)) if part else 0.0


def confidence(distribution: Distribution, question: Question, formula: Confidence) -> float:
    """Return how sure an answer is, under a named formula, n options with probabilities p.

    * excess (TypeSafe, SGLang): (max p - 1/n) / (1 - 1/n); of a score max(0, 1 - Σ p |i - m| / U)
      with the mode's place m and U = Σ |i - (n - 1)/2| / n;
    * mass (vLLM): max p times the label mass, which must be known;
    * top: max p. margin: max p less the next. entropy: 1 - H(p) / ln n;
    * spread: 1 - (standard deviation of the place) / (n - 1).
    """
    p = distribution.probabilities
    n = len(p)
    ordered = sorted(p, reverse=True)
    if formula == "excess" and question.kind == "score":
        off = math.fsum(share * abs(i - distribution.top) for i, share in enumerate(p))
        even = math.fsum(abs(i - (n - 1) / 2) for i in range(n)) / n
        return max(0.0, 1.0 - off / even)
    if formula == "excess":
        return (ordered[0] - 1 / n) / (1 - 1 / n)
    if formula == "mass":
        if distribution.mass is None:
            raise ConfigError("the label mass is not known here; take another confidence")
        return ordered[0] * distribution.mass
    if formula == "top":
        return ordered[0]
    if formula == "margin":
        return ordered[0] - ordered[1]
    if formula == "entropy":
        entropy = -math.fsum(share * math.log(share) for share in p if share)
        return max(0.0, 1.0 - entropy / math.log(n))
    if formula == "spread":
        mean = math.fsum(i * share for i, share in enumerate(p))
        variance = math.fsum(share * (i - mean) ** 2 for i, share in enumerate(p))
        return 1.0 - math.sqrt(variance) / (n - 1)
    raise ConfigError(
        f"no confidence is called {formula!r}; there is {', '.join(get_args(Confidence))}"
    )


class Game(Record):
    """One verdict on a pair of responses, in one order."""

    swapped: bool = False
    """Whether the second response was shown first."""
    repeat: int = Field(default=0, ge=0)
    first: Probability | None = None
    """Probability that the pair's first response is better, whichever was shown first; None where
    there is no verdict."""
    tie: Probability = 0.0
    """Probability that neither is; the rest is the second's."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False, exclude_if=lambda w: w == 1)
    """How many games it counts for, where a protocol counts a clear win more often."""
    verdicts: int | None = unless_empty(None)
    """How many repeated verdicts its probabilities are the shares of; None where they are of one,
    or were read."""
    judge: str = unless_empty("")
    """Which member of a panel gave it."""
    unscored: str = unless_empty("")
    """Why there is no verdict."""
    critique: str = unless_empty("")

    @property
    def prefer(self) -> float | None:
        """The first's probability and half of the tie's."""
        return None if self.first is None else self.first + self.tie / 2


class Comparison(Record):
    """What a judge of pairs says of two responses."""

    prefer: Probability
    """Probability that the first is better, half of a tie's included."""
    tie: Probability = 0.0
    games: tuple[Game, ...] = ()
    """What it rests on: every order and repeat."""

    @classmethod
    def of(cls, games: Sequence[Game]) -> "Comparison | Unscored":
        """The mean of each order's games, and then of the orders: a side that was judged more often
        weighs no more. Where games have weights, Σ w p over Σ w, each summed in the same way.

        `Unscored` where an order that was asked has no verdict at all: one side alone would keep
        the bias of its position.
        """
        sides = []
        for swapped in sorted({game.swapped for game in games}):
            side = [game for game in games if game.swapped == swapped]
            good = [game for game in side if game.first is not None]
            if not good:
                return Unscored(reason=side[0].unscored or "no verdict")
            sides.append(good)
        if not sides:
            return Unscored(reason="no game was played")

        def total(value: Callable[[Game], float]) -> float:
            means = [
                math.fsum(game.weight * value(game) for game in side) / len(side) for side in sides
            ]
            return math.fsum(means)

        weight = total(lambda game: 1.0)
        first = total(lambda game: game.first or 0.0) / weight
        tie = total(lambda game: game.tie) / weight
        return cls(prefer=min(1.0, first + tie / 2), tie=min(1.0, tie), games=tuple(games))
