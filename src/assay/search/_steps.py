"""What the strategies that go step by step share: scoring with look-ahead, ranking, and the choice
in the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.protocols import Verifier
from assay.search._choose import Pick, lot, pick
from assay.search._plan import Extend, Found, Plan, Scored, extend, rate
from assay.types import Group, Prompt, Response, Score

__all__ = ["Branch", "end", "ranked", "score"]


@dataclass(frozen=True)
class Branch:
    """A text with its own score, and the value by which it is ranked."""

    response: Response
    score: Scored
    value: float
    """The score of the text with its look-ahead, where there is one; -inf where that is not
    scored."""


def score(responses: Sequence[Response], lookahead: int = 0) -> Plan[list[Branch]]:
    """Score texts; where `lookahead` is above 0, rank those that are not finished by the score of
    the text that so many greedy steps more would give."""
    own = yield from rate(responses)
    ahead = list(responses)
    for _ in range(lookahead):
        open_ = [i for i, response in enumerate(ahead) if not response.finished]
        if not open_:
            break
        grown = yield from extend(*(Extend(ahead[i].steps, how="greedy") for i in open_))
        for i, new in zip(open_, grown, strict=True):
            ahead[i] = new[0] if new else ahead[i]
    foreseen = (yield from rate(ahead)) if lookahead else own
    return [
        Branch(response, said, then.value if isinstance(then, Score) else -float("inf"))
        for (response, said), (_, then) in zip(own, foreseen, strict=True)
    ]


def ranked(branches: Sequence[Branch], seed: int, of: Prompt, *use: object) -> list[Branch]:
    """The highest value first; equals in an order drawn for this use."""
    drawn = list(branches)
    lot(seed, of, "rank", *use).shuffle(drawn)
    return sorted(drawn, key=lambda branch: -branch.value)


def end(
    prompt: Prompt,
    branches: Sequence[Branch],
    how: Pick,
    answers: Verifier,
    seed: int,
    stopped: str = "",
) -> Found:
    """The choice among the branches that came to their end; among the others where none did. A text
    counts once."""
    done = [b for b in branches if b.response.finished] or list(branches)
    done = [*{b.response.text: b for b in reversed(done)}.values()][::-1]
    group = Group(prompt=prompt, responses=tuple(b.response for b in done))
    scores = tuple(b.score for b in done)
    choice = pick(group, scores, how, answers, seed)
    return Found(candidates=group.responses, scores=scores, choice=choice, stopped=stopped)
