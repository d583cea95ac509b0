"""Whether answers depend on how the same is asked: order, names and company of questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Final, Literal

from assay.audit.direct import from_bias, groups_of, moved
from assay.audit.findings import CASES, Case, Finding, withstood
from assay.audit.subjects import Item
from assay.data.decisions import Decisions
from assay.data.records import cluster_key
from assay.evaluation.judges.orders import flips
from assay.evaluation.option_order import ADDED
from assay.fingerprint import ByContent
from assay.judges.rubric import RubricScorer
from assay.protocols import Answerer
from assay.questions import Distribution, Question
from assay.types import Prompt, Unscored

__all__ = ["WAYS", "Otherwise", "Way", "criteria", "questions"]

Way = Literal["options", "order", "added", "renamed", "alone", "batch"]
WAYS: Final[dict[Way, str]] = {
    "options": "options in every other cyclic order",
    "order": "questions in the opposite order",
    "added": "another question before the others",
    "renamed": "questions under other names",
    "alone": "each question in a request of its own",
    "batch": "each state in a call of its own",
}
CRITERIA: Final[dict[Way, str]] = {
    "options": "a criterion's options moved on by one",
    "order": "criteria in the opposite order",
    "added": "a question before the criteria",
    "renamed": "criteria under other names",
    "alone": "each criterion in a request of its own",
}
SMALLEST: Final = 0.1
"""Share of verdicts, or deviations of a score within a prompt, that matters."""

Asked = Sequence[Sequence[Question]]
Answers = list[list[Distribution | Unscored]]


@dataclass(frozen=True)
class Otherwise:
    """Ask an answerer the same in another way, and give its answers as to what was asked."""

    answerer: Answerer
    way: Way
    by: int = 1
    """How far options are moved on."""

    fingerprint = ByContent()

    def answer(self, states: Sequence[Prompt], questions: Asked) -> Answers:
        """Answer each state's own questions, in order."""
        ask = self.answerer.answer
        if self.way == "options":
            turned = [[_turned(one, self.by) for one in own] for own in questions]
            return [
                [_turned_back(said, one, self.by) for said, one in zip(row, own, strict=True)]
                for row, own in zip(ask(states, turned), questions, strict=True)
            ]
        if self.way == "order":
            return [row[::-1] for row in ask(states, [own[::-1] for own in questions])]
        if self.way == "added":
            return [row[1:] for row in ask(states, [[ADDED, *own] for own in questions])]
        if self.way == "renamed":
            return ask(states, [[*_renamed(own)] for own in questions])
        if self.way == "batch":
            return [ask([s], [own])[0] for s, own in zip(states, questions, strict=True)]
        rows = zip(states, questions, strict=True)
        of_each = list(chain.from_iterable([state] * len(own) for state, own in rows))
        said = iter(ask(of_each, [[question] for question in chain.from_iterable(questions)]))
        return [[next(said)[0] for _ in own] for own in questions]


def _turns(question: Question, by: int) -> bool:
    return question.kind == "choice" and bool(question.text) and by < len(question.options)


def _turned(question: Question, by: int) -> Question:
    return question.rotated(by) if _turns(question, by) else question


def _turned_back(
    said: Distribution | Unscored, question: Question, by: int
) -> Distribution | Unscored:
    turned = isinstance(said, Distribution) and _turns(question, by)
    return said.rotated(-by) if turned and isinstance(said, Distribution) else said


def _renamed(own: Sequence[Question]) -> Iterator[Question]:
    """Questions under names of one letter and a number, none of which is theirs."""
    for i, question in enumerate(own, start=1):
        yield question.model_copy(update={"name": f"z{i}"})


def questions(
    answerer: Answerer, records: Sequence[Decisions], base: Answers | None = None
) -> list[Finding]:
    """Ask the same questions in all ways; return a finding for each that applies.

    base: the answers to the questions as they are; None asks for them.

    The effect is the share of verdicts that differ, less the share that differ when nothing is
    changed. An answerer that keeps its answers repeats itself exactly: the floor is then 0.
    """
    states = [record.prompt for record in records]
    asked = [list(record.questions) for record in records]
    if base is None:
        base = answerer.answer(states, asked)
    again = answerer.answer(states, asked)
    found = []
    for way in WAYS:
        counts = [len(q.options) for q in chain.from_iterable(asked) if _turns(q, 1)]
        rounds = range(1, max(counts, default=1)) if way == "options" else range(1, 2)
        tables = [Otherwise(answerer, way, by).answer(states, asked) for by in rounds]
        there = [[_applies(way, own, q, by) for q in own] for by, own in product(rounds, asked)]
        if not any(map(any, there)):
            continue
        rows = list(chain.from_iterable(tables))
        keys = [cluster_key(state) for state in states] * len(tables)
        first, repeat = base * len(tables), again * len(tables)
        row = flips(f"questions/{way}", first, rows, keys, repeat, there, SMALLEST)
        row = replace(row, meaning=f"{WAYS[way]}: verdicts that differ beyond repeats")
        pairs = list(_verdicts([*records] * len(tables), first, rows, there))
        held = withstood([one.before == one.after for _, one in pairs], [key for key, _ in pairs])
        cases = [one for _, one in pairs if one.before != one.after][:CASES]
        found.append(from_bias(row, held=held, cases=cases))
    return found


def _applies(way: Way, own: Sequence[Question], question: Question, by: int) -> bool:
    if way == "options":
        return _turns(question, by)
    return len(own) > 1 or way in ("added", "renamed", "batch")


def _verdicts(
    records: Sequence[Decisions], base: Answers, rows: Answers, there: Sequence[Sequence[bool]]
) -> Iterator[tuple[str, Case]]:
    """By prompt, verdicts before and after, with the first one's probability."""
    for record, first, row, changed in zip(records, base, rows, there, strict=True):
        for question, was, now, yes in zip(record.questions, first, row, changed, strict=True):
            if yes and isinstance(was, Distribution) and isinstance(now, Distribution):
                yield (
                    cluster_key(record.prompt),
                    Case(
                        prompt=f"{record.prompt.text}\n\n{question.text}",
                        before=question.options[was.top].text,
                        after=question.options[now.top].text,
                        rewards=(was.probabilities[was.top], now.probabilities[was.top]),
                    ),
                )


def criteria(scorer: RubricScorer, items: Sequence[Item]) -> list[Finding]:
    """Ask a rubric's criteria in other ways; return how far the scores move for each, in deviations
    within a prompt, beyond what they do when nothing is changed."""
    groups = groups_of(items)
    base, again = (list(chain.from_iterable(scorer.score(groups))) for _ in range(2))
    found = []
    for way, meaning in CRITERIA.items():
        changed = replace(scorer, answerer=Otherwise(scorer.answerer, way))
        said = list(chain.from_iterable(changed.score(groups)))
        found.append(moved(f"criteria/{way}", meaning, items, (base, again, said), SMALLEST))
    return found
