"""Read a verdict's distribution from the log-probabilities that a server gives of one token.

A server gives them of its k likeliest tokens, or of tokens that were asked for. Of a label that is
not among the k likeliest it is known that it is no likelier than the last of them: that is an
interval, and not 0.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from assay.errors import DataError
from assay.questions import Distribution, from_log_probabilities
from assay.types import Unscored

__all__ = ["ABSENT", "Labels", "TokenLogs", "distribution", "spellings", "token_logs"]

ABSENT: Final = -9999.0
"""What vLLM gives in place of a log-probability that it does not have."""
SPACES: Final = str.maketrans({"\u2581": " ", "\u0120": " "})
"""A space as SentencePiece and byte-level tokenizers write it."""


@dataclass(frozen=True)
class TokenLogs:
    """Log-probabilities at one token, in nats, without those that the server does not know."""

    written: tuple[str, float | None]
    """The token that was written, and its own."""
    top: tuple[tuple[str, float], ...]
    """Those of the likeliest tokens, or of tokens that were asked for."""

    @property
    def all(self) -> tuple[tuple[str, float], ...]:
        """Both; some servers have the token that was written among the likeliest, and may give
        it another last digit there; others do not."""
        token, log = self.written
        own = () if log is None or any(name == token for name, _ in self.top) else ((token, log),)
        return (*self.top, *own)


@dataclass(frozen=True)
class Labels:
    """What each option's label may be as a token."""

    labels: tuple[str, ...]
    ids: Mapping[str, int] = field(default_factory=dict)
    """Places of tokens that were asked for, by how the server names them ("token_id:17"); empty
    where texts are matched."""

    def place(self, token: str) -> int | None:
        """Return the option that a token stands for; None where it is no label."""
        if token in self.ids:
            return self.ids[token]
        return self._texts.get(token.translate(SPACES).strip())

    @cached_property
    def _texts(self) -> dict[str, int]:
        """Places of all spellings that one label alone is meant by."""
        alike = [(text, i) for i, label in enumerate(self.labels) for text in spellings(label)]
        claims = Counter(text for text, _ in alike)
        exact = {label: i for i, label in enumerate(self.labels)}
        return {text: i for text, i in alike if claims[text] == 1} | exact

    def forms(self, place: int) -> int:
        """Return how many tokens may stand for an option: its spellings, with a space and
        without."""
        return 2 * len(spellings(self.labels[place]))


def spellings(label: str) -> tuple[str, ...]:
    """Return the label as it is and in other case; of one letter there is none: "a" is a word."""
    other = (label.lower(), label.upper(), label.capitalize()) if len(label) > 1 else ()
    return tuple(dict.fromkeys((label, *other)))


def token_logs(choice: Mapping[str, Any]) -> list[TokenLogs] | None:
    """Return what a chat's choice says of each token written; None where it has no
    log-probabilities.

    Raises `DataError` where they are not of OpenAI's form.
    """
    found = choice.get("logprobs")
    content = found.get("content") if isinstance(found, Mapping) else found
    if content is None:
        return None
    if not isinstance(content, list):
        raise DataError(f"logprobs are {found!r}; an object with a list in content is needed")
    return [_of_token(one) for one in content]


def _of_token(one: Any) -> TokenLogs:
    top = one.get("top_logprobs") or [] if isinstance(one, Mapping) else []
    if not isinstance(top, list):
        raise DataError(f"top_logprobs are {top!r}; a list is needed")
    pairs = [_pair(each) for each in top]
    return TokenLogs(_pair(one), tuple((token, log) for token, log in pairs if log is not None))


def _pair(one: Any) -> tuple[str, float | None]:
    token, log = (one.get("token"), one.get("logprob")) if isinstance(one, Mapping) else (one, one)
    if (
        not isinstance(token, str)
        or isinstance(log, bool)
        or not isinstance(log, int | float | None)
    ):
        raise DataError(f"a token's log-probability is {one!r}; token and logprob are needed")
    if log is None or log <= ABSENT:
        return token, None
    # Rounding may leave a certain token a little above 0; more than that is no probability.
    if not log <= 1e-3:
        raise DataError(f"the log-probability of {token!r} is {log!r}")
    return token, min(float(log), 0.0)


def distribution(
    given: TokenLogs, labels: Labels, *, floor: float, slack: float
) -> Distribution | Unscored:
    """Return the probability of each option, x_i over the sum of all x, of its tokens' sum x_i.

    Tokens that stand for an option and are not there have a probability of at most the smallest
    that is, and together of at most what all that are there leave. Where that could move an
    option's probability by more than the slack the answer is `Unscored`; else the point is that of
    what is known, its mass is a lower bound, and the bounds are with it. `Unscored`, too, where the
    mass is below the floor, or where one label begins with another and is not seen to be a token.
    """
    logs = given.all
    if not any(token in labels.ids for token, _ in logs):  # A server that knows no such names.
        labels = Labels(labels.labels)
    places = [labels.place(token) for token, _ in logs]
    known = [0.0] * len(labels.labels)
    for place, (_, log) in zip(places, logs, strict=True):
        if place is not None:
            known[place] += math.exp(log)
    found = from_log_probabilities([math.log(x) if x else -math.inf for x in known], floor=floor)
    if isinstance(found, Unscored):
        return Unscored(reason=f"{found.reason}; likeliest: {_likeliest(logs)}")
    if clash := _beginning(labels, places):
        return Unscored(reason=clash)
    more = _unseen(given, places, labels)
    if not any(more):
        return found
    left = max(0.0, 1.0 - math.fsum(math.exp(log) for _, log in logs))
    bounds = _bounds(known, more, left)
    off = [max(p - a, b - p) for p, (a, b) in zip(found.probabilities, bounds, strict=True)]
    if max(off) > slack:
        label = labels.labels[off.index(max(off))]
        return Unscored(
            reason=f"p({label}) is known to {max(off):.2g} only, worse than {slack:g}: tokens of"
            f" labels are not among the {len(logs)} that the server gives; ask for more of them"
            " (top), or allow it (slack)"
        )
    return found.model_copy(update={"bounds": bounds})


def _unseen(given: TokenLogs, places: Sequence[int | None], labels: Labels) -> list[float]:
    """The most that the tokens of each option which are not there can have, one by one."""
    if labels.ids:
        there = {token for token, _ in given.all}
        away = Counter(place for token, place in labels.ids.items() if token not in there)
    else:
        seen = Counter(places)
        away = Counter({i: labels.forms(i) - seen[i] for i in range(len(labels.labels))})
    # Of tokens that were asked for, the smallest says nothing of others.
    asked_for = all(token in labels.ids or token == given.written[0] for token, _ in given.top)
    least = 1.0 if asked_for else min(math.exp(log) for _, log in given.top)
    return [max(0, away[i]) * least for i in range(len(labels.labels))]


def _bounds(
    known: Sequence[float], more: Sequence[float], left: float
) -> tuple[tuple[float, float], ...]:
    """Return the least and the greatest share of each, where each x is known to lie in
    [known, known + more] and all together have no more than what is left beside."""
    total, all_more = math.fsum(known), math.fsum(more)
    found = []
    for x, one in zip(known, more, strict=True):
        own, others = min(left, one), max(0.0, min(left, all_more - one))
        found.append((x / (total + others), min(1.0, (x + own) / (total + own))))
    return tuple(found)


def _beginning(labels: Labels, places: Sequence[int | None]) -> str:
    """Return why a token may be the beginning of a longer label; "" where none may."""
    for i, long in enumerate(labels.labels):
        for short in labels.labels:
            # What was asked for is known to be one token.
            if long != short and long.startswith(short) and i not in places and not labels.ids:
                return (
                    f"the token {short!r} may be the beginning of {long!r}, which the server does"
                    " not show as a token; use letters for labels"
                )
    return ""


def _likeliest(logs: Sequence[tuple[str, float]]) -> str:
    top = sorted(logs, key=lambda pair: -pair[1])[:3]
    return ", ".join(f"{token!r} {math.exp(log):.2f}" for token, log in top) or "nothing"
