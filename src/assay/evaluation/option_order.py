"""Do answers depend on what they should not: the order of options, the order of questions, another
question beside?"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from assay import stats
from assay.data.records import cluster_key
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.stats import Estimate
from assay.types import Prompt, Unscored

__all__ = ["order_sensitivity"]

ADDED: Final = Question.predicate("Is this text written in English?")
"""A question that has nothing to do with others."""

Answers = Sequence[Sequence[Distribution | Unscored]]


@dataclass(frozen=True)
class _Pair:
    """Two answers to one question, of which the second is asked in another way."""

    state: int
    first: Distribution | Unscored
    second: Distribution | Unscored


def order_sensitivity(
    answerer: Answerer,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    *,
    repeats: Sequence[Answerer] = (),
    added: Question = ADDED,
    clusters: Sequence[Hashable] | None = None,
) -> dict[str, Estimate]:
    """Ask again in other ways and return how much answers change, against the first way.

    * rotated: the options of choices in every other cyclic order, one order a request;
    * reversed: a state's questions in the opposite order, where it has several;
    * joined: with another question before them;
    * repeated: nothing changed, by each of `repeats`: the floor, as no server repeats itself
      exactly. Absent without them: what an answerer keeps, it only gives back, so the floor needs
      one that asks anew, such as a `DecisionAnswerer` of another `repeat`.

    Each has `/flips`, the share of answers whose likeliest option is another, and `/change`, the
    mean of ½ Σ |difference of probabilities| (of two options, the change of either), with intervals
    by cluster; what is `Unscored` in either way is counted and left out. clusters: an id per state;
    None = its text. Questions that the states themselves ask are not rotated.
    """
    first = answerer.answer(states, questions)
    pairs = {
        "rotated": _rotated(answerer, states, questions, first),
        "reversed": _reversed(answerer, states, questions, first),
        "joined": _joined(answerer, states, questions, first, added),
        "repeated": _repeated(repeats, states, questions, first),
    }
    ids = [cluster_key(state) for state in states] if clusters is None else list(clusters)
    measured: dict[str, Estimate] = {}
    for name, made in pairs.items():
        measured |= _measured(name, list(made), ids)
    return measured


def _rotated(
    answerer: Answerer,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    first: Answers,
) -> Iterator[_Pair]:
    """Other questions stay in the request, so that nothing else changes."""
    most = [max((_orders(q) for q in asked), default=1) for asked in questions]
    rounds = [(i, by) for i, count in enumerate(most) for by in range(1, count)]
    turned = [[q.rotated(by) if by < _orders(q) else q for q in questions[i]] for i, by in rounds]
    answers = answerer.answer([states[i] for i, _ in rounds], turned)
    for (i, by), row in zip(rounds, answers, strict=True):
        for question, before, after in zip(questions[i], first[i], row, strict=True):
            if by < _orders(question):
                back = after if isinstance(after, Unscored) else after.rotated(-by)
                yield _Pair(i, before, back)


def _orders(question: Question) -> int:
    return len(question.options) if question.kind == "choice" and question.text else 1


def _reversed(
    answerer: Answerer,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    first: Answers,
) -> Iterator[_Pair]:
    several = [i for i, asked in enumerate(questions) if len(asked) > 1]
    answers = answerer.answer([states[i] for i in several], [questions[i][::-1] for i in several])
    for i, row in zip(several, answers, strict=True):
        for before, after in zip(first[i], row[::-1], strict=True):
            yield _Pair(i, before, after)


def _joined(
    answerer: Answerer,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    first: Answers,
    added: Question,
) -> Iterator[_Pair]:
    answers = answerer.answer(states, [[added, *asked] for asked in questions])
    for i, row in enumerate(answers):
        for before, after in zip(first[i], row[1:], strict=True):
            yield _Pair(i, before, after)


def _repeated(
    repeats: Sequence[Answerer],
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    first: Answers,
) -> Iterator[_Pair]:
    for again in repeats:
        for i, row in enumerate(again.answer(states, questions)):
            for before, after in zip(first[i], row, strict=True):
                yield _Pair(i, before, after)


def _measured(name: str, pairs: Sequence[_Pair], ids: Sequence[Hashable]) -> dict[str, Estimate]:
    if not pairs:
        return {}
    flips, changes, clusters = [], [], []
    for pair in pairs:
        if isinstance(pair.first, Unscored) or isinstance(pair.second, Unscored):
            continue
        both = zip(pair.first.probabilities, pair.second.probabilities, strict=True)
        flips.append(float(pair.first.top != pair.second.top))
        changes.append(min(1.0, sum(abs(p - q) for p, q in both) / 2))
        clusters.append(ids[pair.state])
    unscored = len(pairs) - len(flips)
    return {
        f"{name}/flips": stats.proportion(flips, clusters=clusters, unscored=unscored),
        f"{name}/change": stats.mean(
            changes, clusters=clusters, unscored=unscored, within=(0.0, 1.0)
        ),
    }
