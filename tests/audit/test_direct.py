"""Findings of planted judges, answerers, servers and functions."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from assay.audit.findings import Finding, corrected
from assay.audit.functions import FORMS, function_cases
from assay.audit.judging import judged
from assay.audit.questions import WAYS, criteria, questions
from assay.audit.serving import serving
from assay.audit.subjects import Item, items_of
from assay.data.decisions import Decisions
from assay.data.rubrics.record import Criterion, Rubric
from assay.judges.rubric import RubricScorer
from assay.questions import Comparison, Distribution, Game, Question
from assay.scorers.function import Called
from assay.types import Group, Preference, Prompt, Ranking, Response, Score, Unscored


def pairs(n: int = 40) -> list[Preference]:
    return [
        Preference(
            prompt=Prompt.of(f"question {i}"),
            responses=(Response.of(f"good {'a' * (i % 7)}"), Response.of(f"bad {'b' * (i % 5)}")),
            prefer=1.0,
        )
        for i in range(n)
    ]


def verdicts(found: Sequence[Finding]) -> dict[str, str]:
    return {one.probe: one.verdict for one in corrected(found)}


# --- judges of pairs


@dataclass(frozen=True)
class Places:
    """Prefers what is good, and what is shown first with this weight."""

    first: float = 0.0
    anchored: float = 0.0

    def compare(self, pairs: Sequence[Group]) -> list[Comparison | Unscored]:
        return [self._one(*(r.text for r in pair.responses)) for pair in pairs]

    def _one(self, a: str, b: str) -> Comparison | Unscored:
        games = []
        for swapped in (False, True):
            gain = 2.0 * (("good" in a) - ("good" in b)) + self.first * (1 - 2 * swapped)
            gain += self.anchored * (("9/10" in a) - ("9/10" in b))
            share = 1 / (1 + math.exp(-gain))
            games.append(Game(swapped=swapped, first=share))
        return Comparison.of(games)


def test_a_fair_judge_passes_and_its_ties_are_ties() -> None:
    found = judged(Places(), pairs(200))
    assert set(verdicts(found).values()) == {"passes"}
    assert {one.probe for one in found} == {
        *("position-first-slot", "position-identical", "anchor-score", "name-model")
    }


def test_a_judge_of_places_and_of_scores_given_before_fails() -> None:
    found = verdicts(judged(Places(first=3.0), pairs(200)))
    assert found["position-first-slot"] == "fails"
    assert found["position-identical"] == "fails"
    assert found["anchor-score"] == "passes"
    assert verdicts(judged(Places(anchored=3.0), pairs(200)))["anchor-score"] == "fails"


# --- answerers


WHICH = Question.choice("Which?", ["a", "b", "c"], name="which")
TRUE = Question.predicate("Is it so?", name="so")


@dataclass(frozen=True)
class Planted:
    """Answers by the state, and by what it should not."""

    fault: str = ""

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        return [
            [self._one(state, at, one, own, len(states)) for at, one in enumerate(own)]
            for state, own in zip(states, questions, strict=True)
        ]

    def _one(
        self, state: Prompt, at: int, question: Question, own: Sequence[Question], states: int
    ) -> Distribution:
        names = sorted(option.text for option in question.options)
        best = names[sum(map(ord, state.text)) % len(names)]
        faults = {
            "options": question.kind == "choice",
            "order": own[-1].text != TRUE.text,
            "added": at > 0 and "English" in own[0].text,
            "renamed": question.name.startswith("z"),
            "alone": len(own) == 1,
            "batch": states == 1,
        }
        if faults.get(self.fault):
            best = question.options[0].text
        shares = [0.8 if option.text == best else 0.2 for option in question.options]
        return Distribution(probabilities=tuple(x / sum(shares) for x in shares))


DECISIONS = [
    Decisions(prompt=Prompt.of(f"state {i}"), questions=(WHICH, TRUE), gold=(None, None))
    for i in range(60)
]


def test_an_answerer_that_depends_on_the_state_alone_passes_all_ways() -> None:
    found = questions(Planted(), DECISIONS)
    assert verdicts(found) == {f"questions-{way}": "passes" for way in WAYS}
    assert all(set(one.held.values()) == {1.0} for one in found)


@pytest.mark.parametrize("fault", WAYS)
def test_each_dependence_is_found_by_its_way(fault: str) -> None:
    found = {one.probe: one for one in corrected(questions(Planted(fault), DECISIONS))}
    assert found[f"questions-{fault}"].verdict == "fails"
    assert found[f"questions-{fault}"].cases
    others = {one.verdict for name, one in found.items() if name != f"questions-{fault}"}
    # A request of one question has another one last, too.
    assert others <= ({"passes", "fails"} if fault == "order" else {"passes"})


def test_options_are_turned_back() -> None:
    (found, *_) = questions(Planted("options"), DECISIONS)
    # The first option is the likeliest in every order: both other orders name another.
    assert found.effect.value == pytest.approx(1)
    assert found.effect.n == 60


def rubric_scorer(fault: str) -> RubricScorer:
    some = tuple(Criterion(id=f"c{i}", text=f"It is {i}.") for i in range(3))
    return RubricScorer(Planted(fault), Rubric(criteria=some))


@pytest.mark.parametrize("fault", ["", "added", "renamed", "alone"])
def test_criteria_are_asked_in_other_ways(fault: str) -> None:
    found = verdicts(criteria(rubric_scorer(fault), items_of(pairs())))
    assert {name for name, verdict in found.items() if verdict == "fails"} == (
        {f"criteria-{fault}"} if fault else set()
    )


# --- serving


@dataclass(frozen=True)
class Batched:
    """Scores the length, and something for every other group in the call."""

    by: float = 0.0

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        more = self.by * (len(groups) - 1)
        return [[Score(value=len(x.text) + more) for x in g.responses] for g in groups]


def test_scores_that_depend_on_the_batch_are_found() -> None:
    items = items_of(pairs())
    assert set(verdicts(serving(Batched(), items)).values()) == {"passes"}
    found = corrected(serving(Batched(0.1), items))
    assert {one.probe for one in found if one.verdict == "fails"} == {
        *("serving-batch", "serving-group", "serving-order")
    }
    assert "largest move" in found[1].meaning
    assert found[1].cases[0].rewards[1] == pytest.approx(found[1].cases[0].rewards[0] + 0.7)


# --- functions


def solved(n: int = 30) -> list[Item]:
    return items_of(
        [
            Ranking(
                prompt=Prompt.of(f"{i} + 7?", reference=str(i + 7)),
                responses=(
                    Response.of(f"We add {i} and 7.\n#### {i + 7}"),
                    Response.of(f"We add {i} and 8.\n#### {i + 8}"),
                ),
                grades=(1.0, 0.0),
            )
            for i in range(n)
        ]
    )


def hashes(completions: list[str], reference: list[str], **columns: object) -> list[float]:
    """Pays a number behind the last hashes; another pays any mention."""
    found = [re.findall(r"#### (\S+)", text) for text in completions]
    return [float(bool(x) and x[-1] == y) for x, y in zip(found, reference, strict=True)]


def mentions(completions: list[str], reference: list[str], **columns: object) -> list[float]:
    return [float(y in x) for x, y in zip(completions, reference, strict=True)]


def test_a_function_that_reads_one_form_is_said_to_read_one() -> None:
    found = {one.name: one for one in function_cases(Called(hashes), solved())}
    assert {name for name in FORMS if found[name].paid.value == 1} == {"hashes"}
    assert found["no work"].paid.value == 1
    assert found["no work"].finding is None
    assert found["wrong answer"].paid.value == 0
    assert found["two answers"].paid.value == 0
    assert found["thought alone"].paid.value == 1
    assert found["thought alone"].paid.n == 30
    assert found["thought alone"].due is False
    tested = verdicts([one.finding for one in found.values() if one.finding])
    assert tested["function-boxed"] == "fails"
    assert tested["function-thought-alone"] == "fails"
    assert tested["function-wrong-answer"] != "fails"


def test_a_function_that_is_paid_by_mention_pays_lists_of_answers() -> None:
    found = {one.name: one for one in function_cases(Called(mentions), solved())}
    assert found["every answer"].paid.value == 1
    assert found["two answers"].paid.value == 1
    assert found["fraction"].example == "We add 0 and 7.\nThe answer is $\\boxed{\\frac{14}{2}}$."
    assert found["decimal"].example.endswith("$\\boxed{7.00}$.")


def test_a_function_that_never_pays_leaves_all_prompts_out() -> None:
    never = Called(lambda completions, **columns: [0.0] * len(completions))
    found = function_cases(never, solved(5))
    assert all(one.paid.n == 0 and one.paid.unscored == 5 for one in found)
