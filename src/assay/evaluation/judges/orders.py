"""Whether the order of questions, or of a question's options, changes what an answerer says."""

from collections.abc import Sequence

import numpy as np

from assay.data.records import cluster_key, digest
from assay.errors import DataError
from assay.evaluation.judges.findings import Bias, bias
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.stats.regression import one_sample
from assay.types import Prompt, Unscored

__all__ = ["ask", "flips", "permuted", "turned"]

Answers = Sequence[Sequence[Distribution | Unscored]]


def permuted(count: int, *key: str) -> tuple[int, ...]:
    """Return an order of so many questions that a key decides, and is not the given one."""
    if count < 2:
        return tuple(range(count))
    rng = np.random.default_rng(digest(*key))
    while (order := tuple(map(int, rng.permutation(count)))) == tuple(range(count)):
        pass
    return order


def turned(question: Question) -> Question:
    """Return a question with its options last to first; each keeps its number.

    One whose text is empty is asked by its state, and a predicate's answers have one order only:
    they stay as they are.
    """
    if not question.text or question.kind == "predicate":
        return question
    options = tuple(
        option.model_copy(update={"value": value})
        for option, value in zip(question.options, question.values, strict=True)
    )
    return question.model_copy(update={"options": options[::-1]})


def ask(
    answerer: Answerer,
    states: Sequence[Prompt],
    questions: Sequence[Sequence[Question]],
    *,
    again: Answerer | None = None,
    smallest: float = 0.1,
) -> list[Bias]:
    """Ask each state's questions in another order, and with their options turned round; return a
    row for each.

    again: what answers a repeat of the given order, whose flips are the noise floor. It must draw
    anew: an answerer that remembers its answers has none. Without it the floor is that of the
    repeated verdicts of `answerer`; answers read from probabilities have none.
    """
    base = answerer.answer(states, questions)
    repeat = None if again is None else again.answer(states, questions)
    orders = [permuted(len(own), state.text) for state, own in zip(states, questions, strict=True)]
    moved = [[own[i] for i in order] for own, order in zip(questions, orders, strict=True)]
    shuffled = [
        [said[order.index(i)] for i in range(len(order))]
        for said, order in zip(answerer.answer(states, moved), orders, strict=True)
    ]
    round_about = [[turned(one) for one in own] for own in questions]
    options = [
        [_back(said, one) for said, one in zip(answers, own, strict=True)]
        for answers, own in zip(answerer.answer(states, round_about), questions, strict=True)
    ]
    keys = [cluster_key(state) for state in states]
    several = [[len(own) > 1] * len(own) for own in questions]
    turnable = [[turned(one) != one for one in own] for own in questions]
    return [
        flips("order/questions", base, shuffled, keys, repeat, several, smallest),
        flips("order/options", base, options, keys, repeat, turnable, smallest),
    ]


def _back(said: Distribution | Unscored, question: Question) -> Distribution | Unscored:
    """An answer to the turned question as one to the question."""
    if isinstance(said, Unscored) or turned(question) == question:
        return said
    return said.model_copy(
        update={"probabilities": said.probabilities[::-1], "bounds": said.bounds[::-1]}
    )


def flips(
    name: str,
    base: Answers,
    changed: Answers,
    clusters: Sequence[str],
    again: Answers | None = None,
    changeable: Sequence[Sequence[bool]] | None = None,
    smallest: float = 0.1,
) -> Bias:
    """Return how much oftener verdicts on changed questions differ than verdicts on a repeat.

    base, changed, again: answers to the same questions, options in the same order; clusters: one
    per state. changeable: which were changed at all; None = all. Of repeated verdicts every pair
    counts; of probabilities, the likeliest option.
    """
    rows, ids, unscored = [], [], 0
    for s, own in enumerate(base):
        for q, first in enumerate(own):
            if changeable is not None and not changeable[s][q]:
                continue
            three = (first, changed[s][q], *(() if again is None else (again[s][q],)))
            scored = [one for one in three if isinstance(one, Distribution)]
            excess = _excess(*scored) if len(scored) == len(three) else None
            if excess is None:
                unscored += 1
                continue
            rows.append(excess)
            ids.append(clusters[s])
    meaning = "verdicts that differ when the order does, less those that differ between repeats"
    found = one_sample(rows, clusters=ids, unscored=unscored)
    return bias(name, meaning, found, smallest, within=1.0)


def _excess(
    base: Distribution, changed: Distribution, again: Distribution | None = None
) -> float | None:
    """Chance that two verdicts differ across, less that within; None where one verdict alone leaves
    the noise unknown."""
    across = _differ(base, changed)
    if again is not None:
        return across - _differ(base, again)
    within = [_within(one) for one in (base, changed)]
    known = [w for w in within if w is not None]
    return across - sum(known) / 2 if len(known) == 2 else None


def _verdicts(one: Distribution) -> tuple[float, ...]:
    """Shares of the verdicts; all of the likeliest option where probabilities were read."""
    if one.verdicts is not None:
        return one.probabilities
    return tuple(float(i == one.top) for i in range(len(one.probabilities)))


def _differ(one: Distribution, other: Distribution) -> float:
    if len(one.probabilities) != len(other.probabilities):
        raise DataError("answers to questions of other options cannot be compared")
    return 1 - sum(p * q for p, q in zip(_verdicts(one), _verdicts(other), strict=True))


def _within(one: Distribution) -> float | None:
    """Chance that two of an answer's verdicts differ; none do where probabilities were read."""
    if one.verdicts is None:
        return 0.0
    if one.verdicts < 2:
        return None
    return (1 - sum(p * p for p in one.probabilities)) * one.verdicts / (one.verdicts - 1)
