"""Formulas of rubrics against scores counted by hand, and by drawing verdicts."""

import math
from itertools import product
from typing import Any

import pytest

from assay.data import fields
from assay.data.rubrics import ABSTAINED, Answer, Branch, Credit, Criterion, Level, Rubric, rate
from assay.data.rubrics.normalisers import Rated
from assay.errors import DataError
from assay.types import Unscored

POINTS = 7.0, 5.0, 10.0, -6.0
MET = True, False, True, True


def rubric(points: tuple[float, ...] = POINTS, normaliser: Any = "healthbench", **more: Any):
    criteria = tuple(
        Criterion(id=f"c{i}", text=f"It has {i}.", points=p) for i, p in enumerate(points, 1)
    )
    return Rubric(criteria=criteria, normaliser=normaliser, **more)


def met(*verdicts: bool) -> list[Answer]:
    return [Credit.of(float(verdict)) for verdict in verdicts]


def value(rubric: Rubric, answers: list[Answer], **more: float) -> float:
    rated = rate(rubric, answers, **more)
    assert isinstance(rated, Rated), rated
    return rated.value


@pytest.mark.parametrize(
    ("normaliser", "expected"),
    [
        ("healthbench", 11 / 22),
        ("autorubric", 11 / 22),
        ("open-instruct", 11 / 28),
        ("rar", 17 / 28),
    ],
)
def test_one_example_has_the_score_of_each_formula(normaliser: str, expected: float) -> None:
    found = value(rubric(normaliser=normaliser), met(*MET))
    assert found == pytest.approx(expected)
    assert round(expected, 4) in {0.5, 0.3929, 0.6071}


def test_healthbench_is_not_clipped_per_item_and_autorubric_is() -> None:
    only_the_fault = met(False, False, False, True)
    assert value(rubric(), only_the_fault) == pytest.approx(-6 / 22)
    assert value(rubric(normaliser="autorubric"), only_the_fault) == 0
    assert value(rubric(normaliser="open-instruct"), only_the_fault) == pytest.approx(-6 / 28)
    assert value(rubric(normaliser="rar"), only_the_fault) == 0
    assert value(rubric(normaliser="rar"), met(True, True, True, False)) == 1


def test_faults_alone_are_taken_off_from_one() -> None:
    faults = rubric((-3.0, -1.0), "autorubric")
    assert value(faults, met(False, False)) == 1
    assert value(faults, met(False, True)) == pytest.approx(0.75)
    assert value(faults, met(True, True)) == 0


def test_weights_over_their_sum() -> None:
    for normaliser in ("verifiers", "nemo-finance", "tree"):
        found = value(rubric((1.0, 3.0), normaliser), [Credit(0.5), Credit(1.0)])
        assert found == pytest.approx(3.5 / 4)


def test_a_must_pass_zeroes_and_counts_where_it_is_passed() -> None:
    gate = Criterion(id="g", text="Honest.", points=2.0, veto=True)
    finance = Rubric(criteria=(*rubric((1.0, 1.0)).criteria, gate), normaliser="nemo-finance")
    assert value(finance, met(True, False, True)) == pytest.approx(3 / 4)
    failed = rate(finance, met(True, True, False))
    shut = dict.fromkeys(("c1", "c2", "g"), 0.0)
    credits = {"c1": 1.0, "c2": 1.0, "g": 0.0}
    assert failed == Rated(
        value=0.0, variance=0.0, coverage=1.0, fired=("g",), shares=shut, credits=credits
    )


def test_other_formulas_leave_a_gate_out_of_the_sums() -> None:
    gate = Criterion(id="g", text="Honest.", points=100.0, veto=True)
    gated = Rubric(criteria=(*rubric().criteria, gate))
    assert value(gated, met(*MET, True)) == pytest.approx(11 / 22)
    assert value(gated, met(*MET, False)) == 0
    # A gate takes away; it does not lift what is below.
    assert value(gated, met(False, False, False, True, False)) == pytest.approx(-6 / 22)


def test_a_gate_of_negative_points_fires_where_it_is_met() -> None:
    fault = Criterion(id="g", text="Makes things up.", points=-1.0, veto=True)
    gated = Rubric(criteria=(*rubric((1.0,)).criteria, fault))
    assert value(gated, met(True, False)) == 1
    assert value(gated, met(True, True)) == 0


def test_a_gate_that_is_undecided_fires() -> None:
    gate = Criterion(id="g", text="Honest.", veto=True)
    gated = Rubric(criteria=(*rubric((1.0,)).criteria, gate))
    for p, expected in ((0.49, 0.0), (0.5, 0.0), (0.51, 1.0)):
        assert value(gated, [Credit(1.0), Credit.of(p)]) == expected


def test_gates_alone_are_passed_or_not() -> None:
    gates = tuple(Criterion(id=str(i), text="x", veto=True) for i in range(2))
    assert value(Rubric(criteria=gates), met(True, True)) == 1
    assert value(Rubric(criteria=gates), met(True, False)) == 0


def test_a_gate_without_a_verdict_is_never_passed() -> None:
    gate = Criterion(id="g", text="Honest.", veto=True)
    gated = Rubric(criteria=(*rubric((1.0,)).criteria, gate), abstained="zero")
    for answer in (None, ABSTAINED):
        found = rate(gated, [Credit(1.0), answer])
        assert isinstance(found, Unscored)
        assert "'g'" in found.reason


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        # 7 met, 5 and -6 cannot be assessed, 10 met.
        ("skip", 17 / 17),
        ("zero", 17 / 22),
        ("partial", 19.5 / 22),
        ("fail", 11 / 22),
    ],
)
def test_what_cannot_be_assessed_counts_as_the_rubric_says(how: Any, expected: float) -> None:
    answers: list[Answer] = [Credit(1.0), ABSTAINED, Credit(1.0), ABSTAINED]
    assert value(rubric(abstained=how), answers) == pytest.approx(expected)


def test_the_worst_level_is_failing() -> None:
    levels = tuple(Level(label=f"{v}", value=v) for v in (0.2, 0.9))
    one = Criterion(id="a", text="x", levels=levels)
    worst = Rubric(criteria=(one,), abstained="fail", normaliser="autorubric")
    assert value(worst, [ABSTAINED]) == pytest.approx(0.2)
    fault = one.model_copy(update={"points": -1.0})
    worst = Rubric(criteria=(fault,), abstained="fail", normaliser="autorubric")
    assert value(worst, [ABSTAINED]) == pytest.approx(0.1)


def test_a_failure_leaves_the_sums_whatever_abstaining_counts() -> None:
    answers: list[Answer] = [Credit(1.0), None, Credit(0.0), None]
    for how in ("skip", "zero", "partial", "fail"):
        assert value(rubric(abstained=how), answers) == pytest.approx(7 / 17)


def test_too_few_points_with_a_verdict_are_no_score() -> None:
    answers: list[Answer] = [Credit(1.0), None, None, None]
    found = rate(rubric(), answers)
    assert isinstance(found, Unscored)
    assert "0.25 of the points" in found.reason
    assert value(rubric(), answers, least=0.25) == 1
    assert isinstance(rate(rubric(), [None, None, None, Credit(1.0)], least=0.0), Unscored)


TREE = Rubric(
    criteria=(
        Criterion(id="a", text="a", points=1, group=("code",)),
        Criterion(id="b", text="b", points=3, group=("code",)),
        Criterion(id="c", text="c", points=1, group=("runs", "gpu")),
        Criterion(id="d", text="d", points=5),
    ),
    groups={"code": Branch(weight=2), "runs": Branch(weight=3), "runs/gpu": Branch(weight=7)},
    normaliser="tree",
)
"""The root has code 2, runs 3, d 5; code has a 1 and b 3; runs has gpu alone, and that c alone."""


@pytest.mark.parametrize("verdicts", list(product((0.0, 1.0, 0.3), repeat=4)))
def test_a_tree_is_averaged_group_by_group(verdicts: tuple[float, ...]) -> None:
    a, b, c, d = verdicts
    code = (a + 3 * b) / 4
    by_hand = (2 * code + 3 * c + 5 * d) / 10
    assert value(TREE, [Credit(v) for v in verdicts]) == pytest.approx(by_hand)


def test_coverage_of_a_tree_is_by_worth_at_the_root() -> None:
    rated = rate(TREE, [None, Credit(1.0), None, Credit(0.0)])
    assert isinstance(rated, Rated)
    # a is .05, b .15, c .3, d .5; without c, the group runs has nothing, and code is b.
    assert rated.coverage == pytest.approx(0.65)
    assert rated.value == pytest.approx(2 / 7)


@pytest.mark.parametrize("normaliser", ["healthbench", "open-instruct", "rar"])
def test_mean_and_variance_are_those_of_drawn_verdicts(normaliser: str) -> None:
    p = 0.9, 0.4, 0.5, 0.2
    one = rubric(normaliser=normaliser)
    rated = rate(one, [Credit.of(x) for x in p])
    assert isinstance(rated, Rated)
    chances, values = [], []
    for verdicts in product((True, False), repeat=4):
        pairs = zip(verdicts, p, strict=True)
        chances.append(math.prod(x if verdict else 1 - x for verdict, x in pairs))
        values.append(value(one, met(*verdicts)))
    mean = sum(c * v for c, v in zip(chances, values, strict=True))
    assert rated.value == pytest.approx(mean)
    variance = sum(c * (v - mean) ** 2 for c, v in zip(chances, values, strict=True))
    assert rated.variance == pytest.approx(variance)


def test_a_formula_and_points_change_the_name_and_a_source_does_not() -> None:
    one = rubric()
    assert one.fingerprint == rubric(source="elsewhere").fingerprint
    tagged = tuple(c.model_copy(update={"tags": ("t",), "rationale": "r"}) for c in one.criteria)
    assert one.fingerprint == one.model_copy(update={"criteria": tagged}).fingerprint
    others = {
        rubric(normaliser="rar").fingerprint,
        rubric((7.0, 5.0, 10.0, -5.0)).fingerprint,
        rubric(abstained="zero").fingerprint,
        rubric(guidelines="Be strict.").fingerprint,
    }
    assert len(others | {one.fingerprint}) == 5


A: dict[str, Any] = {"id": "a", "text": "x"}
B = A | {"id": "b"}
LEVEL = {"label": "l", "value": 1}


@pytest.mark.parametrize(
    ("criteria", "match"),
    [
        ([], "no criteria"),
        ([A, A], "named twice: a"),
        ([A | {"points": -1}], "no criterion has positive"),
        ([A | {"points": 0}], "points of all criteria are 0"),
        ([A | {"points": math.nan}], r"points.*finite"),
        ([A | {"points": 1e308}, B | {"points": 1e308}], "infinity"),
        ([A | {"text": ""}], r"criteria.0.text"),
        ([A | {"levels": [LEVEL]}], "2 levels"),
        ([A | {"levels": [LEVEL, LEVEL]}], "a level twice"),
        ([A | {"levels": [LEVEL, {"label": "m", "value": 2}]}], "value"),
        ([A | {"group": ["a/b"]}], "no slash"),
    ],
)
def test_what_is_no_rubric_is_refused(criteria: list[dict[str, Any]], match: str) -> None:
    with pytest.raises(DataError, match=match):
        fields.make(Rubric, criteria=criteria)


def test_a_formula_is_known_and_takes_its_points() -> None:
    with pytest.raises(DataError, match="takes no negative points"):
        fields.make(Rubric, criteria=[A, B | {"points": -1}], normaliser="tree")
    with pytest.raises(DataError, match="normaliser"):
        fields.make(Rubric, criteria=[A], normaliser="mine")


@pytest.mark.parametrize("normaliser", ["healthbench", "open-instruct", "rar"])
def test_a_share_is_what_a_credit_adds_to_the_score(normaliser: Any) -> None:
    of = rubric(normaliser=normaliser)
    half = [Credit.of(0.5)] * len(of.criteria)
    base = rate(of, half)
    assert isinstance(base, Rated)
    for i, criterion in enumerate(of.criteria):
        more = [*half[:i], Credit.of(0.75), *half[i + 1 :]]
        assert value(of, more) - base.value == pytest.approx(0.25 * base.shares[criterion.id])


def tree(*criteria: Criterion, **groups: float) -> Rubric:
    branches = {path.replace("_", "/"): Branch(weight=weight) for path, weight in groups.items()}
    return fields.make(Rubric, criteria=criteria, groups=branches, normaliser="tree")


def leaf(id: str, *group: str, points: float = 1.0, veto: bool = False) -> Criterion:
    return Criterion(id=id, text="x", points=points, group=group, veto=veto)


def test_a_tree_of_which_nothing_is_known_has_no_score() -> None:
    assert isinstance(rate(tree(leaf("a"), leaf("b", "g")), [None, None], least=0), Unscored)
    assert value(tree(leaf("a", veto=True)), met(True)) == 1


def test_a_group_is_left_out_where_only_what_weighs_nothing_has_an_answer() -> None:
    lost = tree(leaf("a", "g"), leaf("b", "g", points=0.0), leaf("c"))
    assert value(lost, [None, Credit(1.0), Credit(1.0)]) == 1
    # A group that nothing weighs in is worth 0 in PaperBench.
    assert value(tree(leaf("b", "g", points=0.0), leaf("c")), met(True, True)) == 0.5
    assert value(tree(leaf("b", "g", "h"), leaf("c"), g_h=0.0), met(True, True)) == 0.5


def test_a_tree_in_which_no_weight_leads_to_a_criterion_is_refused() -> None:
    with pytest.raises(DataError, match="weight of 0 is above every criterion"):
        tree(leaf("a", "g"), leaf("b", "g", "h"), g=0.0)
