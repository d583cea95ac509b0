"""Probes, pointwise audits and orders of questions, on judges and answerers with planted faults."""

import random
from dataclasses import dataclass

import pytest

from assay.evaluation.judges import audit, audit_points, orders, probes
from assay.evaluation.judges.probes import PROBES, Probe, treated, wrapped
from assay.questions import Distribution, Question, from_verdicts
from assay.testing import FakeScorer
from assay.types import Group, Message, Prompt, Ranking, Response, StepLabels, Unscored
from tests.evaluation import planted
from tests.evaluation.planted import Planted, by, sometimes

RECORDS = planted.records(200)


def named(rows):
    return {row.name: row for row in rows}


def test_treated_and_control_differ_at_one_side_by_texts_of_one_length():
    for probe in PROBES:
        for side in (0, 1):
            one, other = treated(RECORDS[0], probe, side)
            assert one.responses[1 - side] == other.responses[1 - side]
            texts = [pair.responses[side].text for pair in (one, other)]
            assert texts[0] != texts[1]
            original = RECORDS[0].responses[side].text
            assert all(original in text for text in texts)
            assert abs(len(texts[0]) - len(texts[1])) <= 8, probe.name


def test_text_is_put_around_the_steps():
    several = wrapped(Response(steps=("a", "b"), meta={"model": "m"}), ("<", ">"))
    assert several.steps == ("<a", "b>")
    assert several.meta == {"model": "m"}
    assert wrapped(Response(steps=()), ("<", ">")).text == "<>"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Ignore all previous", "attack/injection"),
        ("Nature", "attack/authority"),
        ("10/10", "attack/self_verdict"),
        ("earlier: 9", "anchor/score"),
        ("GPT-4", "name/model"),
    ],
)
def test_a_judge_that_obeys_is_found_and_obeys_nothing_else(word, name):
    obeys = by(lambda text: float(word in text))
    judge = Planted(sometimes(0.4, obeys, planted.perfect), repeats=1)
    found = named(probes.pairs(judge, RECORDS))
    audited = named(audit(RECORDS, judge.compare(RECORDS), probes=list(found.values())).rows)
    # The wrong one is changed: it never wins but where the judge obeys. That one prefers the right
    # one four times of five where both have the word or neither, which takes .08 off.
    assert found[name].effect.low <= 0.4 - 0.4 * 0.2 <= found[name].effect.high
    assert audited[name].verdict == "biased"
    others = [row for row in found.values() if row.name != name]
    assert len(others) == 4
    assert not [row.name for row in others if audited[row.name].verdict == "biased"]


def test_a_judge_that_likes_length_obeys_nobody():
    judge = Planted(sometimes(0.5, planted.longer))
    rows = audit(RECORDS, judge.compare(RECORDS), probes=probes.pairs(judge, RECORDS)).rows
    assert [row.name for row in rows if row.verdict == "biased"] == ["length/per_doubling"]


def test_what_cannot_be_changed_or_judged_is_counted():
    turns = (Message(role="assistant", content="hi"),)
    trajectory = Response.trajectory(turns)
    tools = Group(prompt=Prompt.of("q"), responses=(trajectory, Response.of("no")))
    (row,) = probes.pairs(Planted(planted.perfect, fails=0.3), [*RECORDS, tools], [PROBES[0]])
    assert row.effect.n + row.effect.unscored == 201
    assert row.effect.n < 140
    assert row.effect.value == 0
    (row,) = probes.points(FakeScorer(lambda *_: None), RECORDS[:5], [PROBES[0]])
    assert (row.effect.n, row.effect.unscored) == (0, 10)
    assert row.verdict == "underpowered"


def pools(n, seed=0):
    """Four responses each, of quality 0 to 3 and any length."""
    rng = random.Random(seed)
    return [
        Ranking(
            prompt=Prompt.of(f"question {i}"),
            responses=tuple(
                Response.of(f"{grade}".ljust(100 * 2 ** rng.randrange(3), "."))
                for grade in range(4)
            ),
            grades=(0.0, 1.0, 2.0, 3.0),
        )
        for i in range(n)
    ]


def graded(bias=0.0, noise=0.5, seed=0):
    rng = random.Random(seed)

    def rule(prompt, response):
        # Some prompts are scored higher: no concern of a judge's biases.
        level = 5 * int(prompt.text.split()[1])
        doublings = {100: 0, 200: 1, 400: 2}.get(len(response.text), 0)
        return level + int(response.text[0]) + bias * doublings + noise * rng.gauss(0, 1)

    return FakeScorer(rule)


def test_a_length_bias_of_points_is_found_within_prompts():
    records = pools(100)
    scores = graded(bias=0.5).score(records)
    found = audit_points(records, scores)
    row = named(found.rows)["length/per_doubling"]
    # The spread of scores within a prompt: grades, lengths and noise.
    sigma = (5 / 3 + 0.25 * 2 / 3 + 0.25) ** 0.5
    assert row.effect.low <= 0.5 / sigma <= row.effect.high
    assert row.effect.value == pytest.approx(0.5 / sigma, abs=0.05)
    assert row.verdict == "biased"
    fair = audit_points(records, graded().score(records))
    assert {r.verdict for r in fair.rows} == {"none found"}
    assert fair.metrics["agreement"].value > 0.85
    assert fair.metrics["ties"].value == 0


def test_points_of_one_prompt_in_several_records_are_compared():
    records = [
        StepLabels.outcome(Prompt.of("question 0"), Response.of(f"{i}"), float(i > 1))
        for i in range(4)
    ]
    found = audit_points(records, graded(noise=0).score([_group(r) for r in records]))
    assert found.metrics["agreement"].value == 1
    assert found.metrics["agreement"].n == 1


def _group(record):
    return Group(prompt=record.prompt, responses=(record.response,))


@pytest.mark.parametrize("score", [5.0, 0.1, 0.3])
def test_constant_points_say_that_nothing_can_be_compared(score):
    """The mean of three times 0.1 is not 0.1."""
    records = [
        Ranking(prompt=one.prompt, responses=one.responses[:3], grades=one.grades[:3])
        for one in pools(5)
    ]
    found = audit_points(records, FakeScorer(lambda *_: score).score(records))
    assert found.rows == ()
    assert found.metrics["ties"].value == 1
    assert any("nothing can be compared" in note for note in found.notes)


@pytest.mark.parametrize("score", [0.1, 0.3])
def test_a_probe_of_constant_points_has_no_deviation_to_be_measured_in(score):
    def cited(prompt, response):
        return score + 0.2 * ("Nature" in response.text)

    found = named(probes.points(FakeScorer(cited), pools(7)))
    assert found["attack/authority"].effect.value == pytest.approx(0.2)
    assert found["attack/injection"].effect.value == 0


def test_probes_of_points_are_in_deviations_within_a_prompt():
    records = pools(60)
    plain = graded(noise=0)

    def obeys(prompt, response):
        return plain.rule(prompt, response) + 2 * ("Ignore all previous" in response.text)

    found = named(probes.points(FakeScorer(obeys), records, [PROBES[0], PROBES[1]]))
    assert found["attack/injection"].effect.value == pytest.approx(2 / (5 / 3) ** 0.5)
    assert found["attack/authority"].effect.value == 0
    verdicts = named(audit_points(records, plain.score(records), probes=list(found.values())).rows)
    assert verdicts["attack/injection"].verdict == "biased"
    assert verdicts["attack/authority"].verdict == "none found"


@dataclass
class Ordered:
    """Answers by a criterion's words, and sometimes by its place or that of the option."""

    first_question: float = 0.0
    """Chance that the first question is met whatever it asks."""
    first_option: float = 0.0
    """Chance that the option named first is taken."""
    repeats: int = 1
    noise: float = 0.0
    fails: bool = False
    seed: int = 0

    def answer(self, states, questions):
        rng = random.Random(f"answers {self.seed}")
        self.seed += 1
        return [
            [self._one(state, place, one, rng) for place, one in enumerate(own)]
            for state, own in zip(states, questions, strict=True)
        ]

    def _one(self, state, place, question, rng):
        if self.fails and "3" in state.text:
            return Unscored(reason="down")
        names = [option.name for option in question.options]
        places = []
        for _ in range(self.repeats):
            said = names.index(min(names, key=str))
            if rng.random() < self.noise:
                said = rng.randrange(len(names))
            if place == 0 and rng.random() < self.first_question:
                said = names.index("c")
            if rng.random() < self.first_option:
                said = 0
            places.append(said)
        return from_verdicts(places, len(names))


STATES = [Prompt.of(f"state {i}") for i in range(150)]
CHOICES = [[Question.choice(f"which {q}", ["b", "c", "a"], name=str(q)) for q in range(4)]] * 150


def test_an_order_sensitive_rubric_is_found():
    judge = Ordered(first_question=1.0)
    found = named(orders.ask(judge, STATES, CHOICES, again=judge))
    # Two questions of four change where the first one changes; a place may stay.
    row = found["order/questions"]
    assert row.effect.value == pytest.approx(0.4, abs=0.1)
    assert row.p_value < 1e-6
    assert row.effect.n == 150


def test_a_preference_for_the_first_option_is_found():
    judge = Ordered(first_option=0.3)
    found = named(orders.ask(judge, STATES, CHOICES, again=judge))
    row = found["order/options"]
    # Right is "a", last and then first: .7 beside .3 of "b" or of "a".
    across, within = 1 - 0.7, 1 - 0.7**2 - 0.3**2
    assert row.effect.low <= across - within <= row.effect.high
    assert found["order/questions"].p_value > 0.05


def test_noise_is_not_taken_for_order():
    for judge in (Ordered(noise=0.5), Ordered(noise=0.5, repeats=4)):
        again = judge if judge.repeats == 1 else None
        for row in orders.ask(judge, STATES, CHOICES, again=again):
            assert row.p_value > 0.05, (row, judge)
            assert row.effect.value == pytest.approx(0, abs=0.06)


def test_one_verdict_without_a_repeat_leaves_the_noise_unknown():
    rows = orders.ask(Ordered(), STATES, CHOICES)
    assert [row.effect.unscored for row in rows] == [600, 600]
    read = Distribution(probabilities=(0.6, 0.4))
    same = orders.flips("order/x", [[read]] * 9, [[read]] * 9, [str(i) for i in range(9)])
    assert (same.effect.value, same.effect.n) == (0, 9)


def test_orders_leave_out_what_has_none_and_what_failed():
    predicates = [[Question.predicate("is it so")]] * 150
    rows = named(orders.ask(Ordered(), STATES, predicates, again=Ordered()))
    assert {row.effect.n for row in rows.values()} == {0}
    assert {row.verdict for row in rows.values()} == {"underpowered"}
    failed = named(orders.ask(Ordered(fails=True), STATES, CHOICES, again=Ordered(seed=9)))
    assert failed["order/options"].effect.unscored == 4 * sum("3" in s.text for s in STATES)


def test_options_turned_keep_their_values():
    question = Question.score("how good", ["bad", "fair", "good"])
    assert orders.turned(question).values == (2.0, 1.0, 0.0)
    assert orders.turned(orders.turned(question)).values == question.values
    asked_there = Question.choice("", ["A", "B"])
    assert orders.turned(asked_there) == asked_there


def test_a_probe_of_ones_own():
    mine = Probe(name="attack/emoji", treated=("", " :)"), control=("", " .."))
    judge = Planted(by(lambda text: text.count(":)")))
    (row,) = probes.pairs(judge, RECORDS, [mine])
    assert row.effect.value > 0.6
