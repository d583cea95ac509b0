"""Scores by a rubric: an answerer whose probabilities are known, and what is asked of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from assay.data.rubrics import Branch, Criterion, Level, Rubric
from assay.errors import BackendError, ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.judges.rubric import RubricScorer, question_of
from assay.protocols import Scheduled, Scorer
from assay.questions import Distribution, Question
from assay.types import Group, Prompt, Response, Score, Unscored

POINTS = {"a": 7.0, "b": 5.0, "c": 10.0, "d": -6.0}
RUBRIC = Rubric(
    criteria=tuple(Criterion(id=id, text=f"It has {id}.", points=p) for id, p in POINTS.items())
)
MET = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}
SUM = Prompt.of("2+3?", id="sum")


@dataclass
class Planted:
    """Answers criteria by name: the chance that one is met, a list of probabilities, or a reason
    why there is no answer."""

    known: dict[str, Any]
    states: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    fingerprint = "planted"

    def answer(
        self, states: Sequence[Prompt], questions: Sequence[Sequence[Question]]
    ) -> list[list[Distribution | Unscored]]:
        self.states += [state.messages[-1].content for state in states]
        self.asked += [[question.name for question in some] for some in questions]
        self.questions += [question for some in questions for question in some]
        return [[self.one(question) for question in some] for some in questions]

    def one(self, question: Question) -> Distribution | Unscored:
        known = self.known[question.name]
        if isinstance(known, str):
            return Unscored(reason=known)
        p = known if isinstance(known, list) else [known, 1 - known]
        rest = [0.0] * (len(question.options) - len(p))
        return Distribution(probabilities=(*p, *rest))


def scored(scorer: Scorer, *texts: str, prompt: Prompt = SUM) -> list[Score | Unscored]:
    responses = tuple(Response.of(text) for text in texts or ("5",))
    return scorer.score([Group(prompt=prompt, responses=responses)])[0]


def value(scorer: Scorer) -> float:
    (score,) = scored(scorer)
    assert isinstance(score, Score), score
    return score.value


@pytest.mark.parametrize("abstain", [True, False])
@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [("healthbench", 0.5), ("open-instruct", 11 / 28), ("rar", 17 / 28)],
)
def test_the_formula_is_the_rubrics(normaliser: str, expected: float, abstain: bool) -> None:
    rubric = RUBRIC.model_copy(update={"normaliser": normaliser})
    scorer = RubricScorer(Planted(MET), rubric, abstain=abstain)
    assert value(scorer) == pytest.approx(expected)
    (score,) = scored(scorer)
    assert isinstance(score, Score)
    assert score.parts == MET
    assert score.std == 0


def test_std_is_that_of_drawn_verdicts() -> None:
    p = {"a": 0.9, "b": 0.4, "c": 0.5, "d": 0.2}
    (score,) = scored(RubricScorer(Planted(dict(p)), RUBRIC))
    assert isinstance(score, Score)
    assert score.value == pytest.approx(sum(POINTS[k] * p[k] for k in p) / 22)
    variance = sum(POINTS[k] ** 2 * p[k] * (1 - p[k]) for k in p) / 22**2
    assert score.std == pytest.approx(math.sqrt(variance))


def test_abstaining_is_the_likeliest_answer_or_is_left_out() -> None:
    # met, unmet, cannot assess
    scorer = RubricScorer(Planted(MET | {"b": [0.3, 0.2, 0.5], "c": [0.3, 0.3, 0.4]}), RUBRIC)
    (score,) = scored(scorer)
    assert isinstance(score, Unscored)
    assert "0.46 of the points" in score.reason
    (score,) = scored(replace(scorer, least=0.4))
    assert isinstance(score, Score)
    assert score.value == pytest.approx((7 - 6) / 7)
    assert score.parts == {"a": 1.0, "b": None, "c": None, "d": 1.0}
    close = RubricScorer(Planted(MET | {"b": [0.3, 0.3, 0.4]}), RUBRIC)
    (score,) = scored(close)
    assert isinstance(score, Score)
    assert score.parts["b"] is None
    sure = RubricScorer(Planted(MET | {"b": [0.45, 0.15, 0.4]}), RUBRIC)
    (score,) = scored(sure)
    assert isinstance(score, Score)
    assert score.parts["b"] == pytest.approx(0.75)


@pytest.mark.parametrize(("how", "b", "d"), [("zero", 0, 0), ("partial", 0.5, 0), ("fail", 0, 1)])
def test_the_parts_are_what_counted_where_the_judge_abstained(how: Any, b: float, d: float) -> None:
    rubric = RUBRIC.model_copy(update={"abstained": how})
    (score,) = scored(RubricScorer(Planted(MET | {"b": [0, 0, 1], "d": [0, 0, 1]}), rubric))
    assert isinstance(score, Score)
    assert score.parts == {"a": 1, "b": b, "c": 1, "d": d}
    total = sum(score.weights[name] * (part or 0) for name, part in score.parts.items())
    assert total == pytest.approx(score.value)


def test_a_failed_criterion_is_none_and_too_many_are_no_score() -> None:
    scorer = RubricScorer(Planted(MET | {"b": "timed out"}), RUBRIC)
    (score,) = scored(scorer)
    assert isinstance(score, Score)
    assert score.value == pytest.approx(11 / 17)
    assert score.parts["b"] is None
    (score,) = scored(RubricScorer(Planted(MET | {"b": "timed out", "c": "timed out"}), RUBRIC))
    assert isinstance(score, Unscored)
    assert "b: timed out" in score.reason


def test_levels_are_their_values() -> None:
    levels = tuple(Level(label=f"L{v}", value=v) for v in (0.0, 0.5, 1.0))
    some = Criterion(id="a", text="How clear?", points=2.0, levels=levels)
    rubric = Rubric(criteria=(some, Criterion(id="b", text="Short.", points=2.0)))
    planted = Planted({"a": [0.2, 0.2, 0.6], "b": 1.0})
    assert value(RubricScorer(planted, rubric, abstain=False)) == pytest.approx((2 * 0.7 + 2) / 4)
    assert [q.kind for q in planted.questions] == ["score", "predicate"]
    scorer = RubricScorer(planted, rubric)
    assert value(scorer) == pytest.approx((2 * 0.7 + 2) / 4)
    assert [q.kind for q in planted.questions[2:]] == ["choice", "choice"]
    assert [len(q.options) for q in planted.questions[2:]] == [4, 3]


def test_a_level_that_says_nothing_is_the_abstention() -> None:
    levels = (*(Level(label=str(v), value=v) for v in (0.0, 1.0)), Level(label="n/a", value=None))
    one = Criterion(id="a", text="x", levels=levels)
    question = question_of(one, Rubric(criteria=(one,)))
    assert [option.name for option in question.options] == ["0.0", "1.0", "n/a"]
    (score,) = scored(RubricScorer(Planted({"a": [0.2, 0.2, 0.6]}), Rubric(criteria=(one,))))
    assert isinstance(score, Unscored)


@pytest.mark.parametrize(
    ("calls", "sizes"),
    [("item", [4, 4]), ("criterion", [1] * 8), (3, [3, 1, 3, 1]), (9, [4, 4])],
)
def test_criteria_per_call(calls: Any, sizes: list[int]) -> None:
    planted = Planted(MET)
    scores = scored(RubricScorer(planted, RUBRIC, calls=calls), "5", "6")
    assert [len(some) for some in planted.asked] == sizes
    assert len({score.value for score in scores if isinstance(score, Score)}) == 1
    assert Counter(n for some in planted.asked for n in some) == dict.fromkeys(POINTS, 2)


def test_the_order_of_criteria_changes_what_is_asked_and_no_score() -> None:
    orders = set()
    for seed in range(8):
        planted = Planted(MET)
        assert value(RubricScorer(planted, RUBRIC, shuffle=seed)) == pytest.approx(0.5)
        orders.add(tuple(planted.asked[0]))
        again = Planted(MET)
        value(RubricScorer(again, RUBRIC, shuffle=seed))
        assert again.asked == planted.asked
    assert len(orders) > 3


def test_state_holds_request_response_and_guidelines_and_the_question_the_criterion() -> None:
    rubric = RUBRIC.model_copy(update={"guidelines": "Be strict."})
    planted = Planted(MET)
    scored(RubricScorer(planted, rubric), "it is {question} ```````", prompt=Prompt.of("2+3?"))
    (state,) = planted.states
    assert state.index("2+3?") < state.index("it is {question}") < state.index("Be strict.")
    assert "````````\nit is" in state
    assert "It has a." in planted.questions[0].text
    tree = Rubric(
        criteria=(Criterion(id="a", text="Runs.", group=("g",)),),
        groups={"g": Branch(text="The code.")},
        normaliser="tree",
    )
    assert "The code." in question_of(tree.criteria[0], tree).text


def test_a_prompts_own_rubric_is_taken_where_none_is_given() -> None:
    own = SUM.model_copy(update={"meta": {"rubric": RUBRIC.model_dump(mode="json")}})
    (score,) = scored(RubricScorer(Planted(MET)), prompt=own)
    assert isinstance(score, Score)
    (score,) = scored(RubricScorer(Planted(MET)))
    assert isinstance(score, Unscored)
    assert "no rubric" in score.reason
    one = Rubric(criteria=(Criterion(id="a", text="x"),))
    (score,) = scored(RubricScorer(Planted(MET), one), prompt=own)
    assert isinstance(score, Score)
    assert score.parts == {"a": 1.0}
    with pytest.raises(DataError, match="prompt 'sum'"):
        scored(RubricScorer(Planted(MET)), prompt=SUM.model_copy(update={"meta": {"rubric": 3}}))


def test_an_empty_group_and_no_groups() -> None:
    scorer = RubricScorer(Planted(MET), RUBRIC)
    assert scorer.score([]) == []
    assert scorer.score([Group(prompt=SUM, responses=())]) == [[]]


def test_an_answerer_that_breaks_its_promise_is_named() -> None:
    class Short(Planted):
        def answer(self, states: Any, questions: Any) -> Any:
            return super().answer(states, questions)[:-1]

    with pytest.raises(BackendError, match="Short"):
        scored(RubricScorer(Short(MET), RUBRIC), "5", "6")


MANY = Rubric(
    criteria=(
        *(Criterion(id=f"p{i}", text="x") for i in range(8)),
        Criterion(id="fault", text="x", points=-1),
        Criterion(id="gate", text="x", veto=True),
    )
)
ALL: dict[str, Any] = {c.id: 0.0 if c.id == "fault" else 1.0 for c in MANY.criteria}


def parts(scorer: Scorer, prompt: Prompt = SUM) -> list[frozenset[str]]:
    scores = scored(scorer, "5", "6", "7", prompt=prompt)
    return [frozenset(score.parts) for score in scores if isinstance(score, Score)]


@pytest.mark.parametrize(("share", "left"), [(0.25, 6), (0.5, 4), (0.3, 6), (0.9, 3)])
def test_dropout_leaves_out_positive_criteria_alike_for_a_group(share: float, left: int) -> None:
    scorer = RubricScorer(Planted(ALL), MANY, drop=share)
    seen = set()
    for step in range(12):
        found = parts(scorer.at(step))
        assert len(found) == 3
        assert len({*found}) == 1
        assert {"fault", "gate"} <= found[0]
        assert len(found[0]) == left + 2
        assert parts(scorer.at(step)) == found
        seen.add(found[0])
    assert len(seen) > 5
    assert all(len(some) == 10 for some in parts(scorer))


def test_dropout_is_another_for_another_prompt_and_seed() -> None:
    scorer = RubricScorer(Planted(ALL), MANY, drop=0.5)
    other = Prompt.of("2+3?", id="other")
    masks = [[parts(scorer.at(step), p)[0] for step in range(12)] for p in (SUM, other)]
    masks.append([parts(replace(scorer, drop_seed=1).at(step))[0] for step in range(12)])
    assert masks[0] != masks[1]
    assert masks[0] != masks[2]
    assert isinstance(scorer, Scheduled)
    assert RubricScorer(Planted(ALL), MANY).at(3) == RubricScorer(Planted(ALL), MANY)


def test_three_criteria_are_never_dropped() -> None:
    scorer = RubricScorer(Planted(MET), RUBRIC, drop=0.9)
    assert all(parts(scorer.at(step))[0] == {*POINTS} for step in range(4))


def test_the_name_changes_with_what_changes_a_score() -> None:
    base = RubricScorer(Planted(MET), RUBRIC)
    same = [replace(base), replace(base, drop_seed=3), replace(base, step=4)]
    assert {fingerprint(one) for one in same} == {base.fingerprint}
    others = [
        RubricScorer(Planted(MET)),
        replace(base, calls=2),
        replace(base, abstain=False),
        replace(base, least=0.1),
        replace(base, shuffle=0),
        replace(base, drop=0.5),
        replace(base, drop=0.5, step=1),
        replace(base, drop=0.5, step=2),
        replace(base, rubric=RUBRIC.model_copy(update={"normaliser": "rar"})),
    ]
    names = {fingerprint(one) for one in others} | {base.fingerprint}
    assert len(names) == 10


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"calls": 0}, {"calls": "each"}, {"least": 2.0}, {"drop": 1.0}):
        with pytest.raises(ConfigError):
            RubricScorer(Planted(MET), RUBRIC, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="response_a"):
        RubricScorer(Planted(MET), RUBRIC, prompt="pairwise")
