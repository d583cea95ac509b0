"""Questions and distributions: values worked out by hand, and what is refused."""

import math

import pytest
from pydantic import ValidationError

from assay.errors import ConfigError
from assay.questions import (
    Comparison,
    Distribution,
    Game,
    Option,
    Question,
    confidence,
    from_log_probabilities,
    from_probabilities,
    from_verdicts,
    log_mean,
)
from assay.types import Unscored

ABC = Question.choice("Which?", ["a", "b", "c"])
LEVELS = Question.score("How good?", ["bad", "fair", "good", "best"])


def of(*p: float, mass: float | None = None) -> Distribution:
    return Distribution(probabilities=p, mass=mass)


@pytest.mark.parametrize(
    ("p", "excess", "top", "margin", "entropy"),
    [((0.5, 0.3, 0.2), 0.25, 0.5, 0.2, 0.0628), ((0.8, 0.15, 0.05), 0.7, 0.8, 0.65, 0.4421)],
)
def test_confidences_of_a_choice(
    p: tuple[float, ...], excess: float, top: float, margin: float, entropy: float
) -> None:
    found = of(*p, mass=0.5)
    assert confidence(found, ABC, "excess") == pytest.approx(excess)
    assert confidence(found, ABC, "top") == top
    assert confidence(found, ABC, "margin") == pytest.approx(margin)
    assert confidence(found, ABC, "entropy") == pytest.approx(entropy, abs=5e-5)
    assert confidence(found, ABC, "mass") == pytest.approx(top / 2)


@pytest.mark.parametrize("n", [5, 13, 19, 26])
def test_the_entropy_of_even_odds_is_no_confidence_at_all(n: int) -> None:
    question = Question.choice("Which?", [str(i) for i in range(n)])
    even = Distribution(probabilities=(1 / n,) * n)
    assert 0 <= confidence(even, question, "entropy") < 1e-12


def test_confidences_of_a_score() -> None:
    found = of(0.1, 0.6, 0.2, 0.1)
    assert found.expectation(LEVELS) == pytest.approx(1.3)
    assert confidence(found, LEVELS, "excess") == pytest.approx(0.5)
    assert confidence(of(0.25, 0.25, 0.25, 0.25), LEVELS, "excess") == pytest.approx(0.0)
    assert confidence(of(0.0, 0.0, 1.0, 0.0), LEVELS, "excess") == 1.0
    # Half at either end is the widest spread there is: a standard deviation of 1.5 places of 3.
    assert confidence(of(0.5, 0.0, 0.0, 0.5), LEVELS, "spread") == pytest.approx(0.5)


def test_an_unknown_mass_or_formula_is_refused() -> None:
    with pytest.raises(ConfigError, match="mass is not known"):
        confidence(of(0.5, 0.3, 0.2), ABC, "mass")
    with pytest.raises(ConfigError, match="no confidence is called"):
        confidence(of(0.5, 0.3, 0.2), ABC, "sure")  # type: ignore[arg-type]


def test_variance_is_that_of_the_options_values() -> None:
    levels = Question.score("?", [Option(name="no", value=0.0), Option(name="yes", value=4.0)])
    assert of(0.25, 0.75).expectation(levels) == 3.0
    assert of(0.25, 0.75).variance(levels) == 3.0
    assert of(0.7, 0.3).expectation(Question.predicate("?")) == pytest.approx(0.7)


def test_log_probabilities_are_normalised_and_their_mass_kept() -> None:
    found = from_log_probabilities([math.log(0.6), math.log(0.2)])
    assert isinstance(found, Distribution)
    assert found.probabilities == pytest.approx((0.75, 0.25))
    assert found.mass == pytest.approx(0.8)


@pytest.mark.parametrize(
    "logs", [[-3.0, -3.0], [math.nan, -0.1], [-math.inf, -math.inf], [0.0, 0.0]]
)
def test_what_is_no_distribution_is_unscored(logs: list[float]) -> None:
    assert isinstance(from_log_probabilities(logs), Unscored)


def test_verdicts_are_counted_without_the_texts_that_have_none() -> None:
    found = from_verdicts([0, None, 1, 0], 3)
    assert isinstance(found, Distribution)
    assert found.probabilities == pytest.approx((2 / 3, 1 / 3, 0.0))
    assert (found.verdicts, found.missing) == (3, 1)
    assert isinstance(from_verdicts([None, None], 3), Unscored)


def test_rotations_take_out_an_effect_of_the_place_that_is_additive_in_logits() -> None:
    logits, bias = [0.3, -1.0, 0.7], [1.5, 0.0, -0.4]
    turned = []
    for shift in range(3):
        places = [(option + shift) % 3 for option in range(3)]
        total = [math.exp(logits[o] + bias[places[o]]) for o in range(3)]
        turned.append(of(*(t / math.fsum(total) for t in total)))
    true = [math.exp(x) for x in logits]
    assert log_mean(turned).probabilities == pytest.approx([t / math.fsum(true) for t in true])


def test_an_option_that_is_known_by_an_upper_bound_alone_is_not_ruled_out() -> None:
    # "b" is not among the likeliest at first: it has 0.04 at most.
    unknown = Distribution(probabilities=(1.0, 0.0), bounds=((0.96, 1.0), (0.0, 0.04)))
    found = log_mean([unknown, of(0.4, 0.6)])
    a, b = math.sqrt(1.0 * 0.4), math.sqrt(0.02 * 0.6)
    assert found.probabilities == pytest.approx((a / (a + b), b / (a + b)))
    most = math.sqrt(0.04 * 0.6)
    least = math.sqrt(0.96 * 0.4)
    assert found.bounds[1] == pytest.approx((0.0, most / (most + least)))
    # Whatever it really has, the mean of it is within.
    for p in (1e-9, 0.01, 0.04):
        true = log_mean([of(1 - p, p), of(0.4, 0.6)]).probabilities
        for x, (low, high) in zip(true, found.bounds, strict=True):
            assert low <= x <= high
    # One that has no chance has none, as it is known.
    assert log_mean([of(1.0, 0.0), of(0.4, 0.6)]).probabilities == (1.0, 0.0)


def test_options_are_typed_and_distinct() -> None:
    both = Question.choice("?", ["true", True])
    assert [option.name for option in both.options] == ["true", True]
    assert Question.model_validate_json(both.model_dump_json()) == both
    for options in (["a", "a"], ["a"]):
        with pytest.raises(ValidationError):
            Question.choice("?", options)
    with pytest.raises(ValidationError, match="sum to"):
        of(0.5, 0.4)


def test_a_side_that_was_judged_more_often_weighs_no_more() -> None:
    games = [Game(first=1.0), Game(first=1.0, repeat=1), Game(first=0.0, swapped=True)]
    found = Comparison.of(games)
    assert isinstance(found, Comparison)
    assert found.prefer == 0.5
    lost = [Game(first=1.0), Game(swapped=True, unscored="no verdict")]
    assert Comparison.of(lost) == Unscored(reason="no verdict")
    tied = Comparison.of([Game(first=0.2, tie=0.6)])
    assert isinstance(tied, Comparison)
    assert (tied.prefer, tied.tie) == (pytest.approx(0.5), 0.6)


def test_a_game_of_three_counts_for_three() -> None:
    clear = Game(first=1.0, weight=3.0)
    slight = Game(swapped=True, first=0.0)
    found = Comparison.of([clear, slight])
    assert isinstance(found, Comparison)
    assert found.prefer == 0.75
    assert "weight" in clear.model_dump(mode="json")
    assert "weight" not in slight.model_dump(mode="json")


def test_given_probabilities_are_normalised_where_rounding_explains_their_sum() -> None:
    found = from_probabilities([0.33, 0.33, 0.33])
    assert isinstance(found, Distribution)
    assert found.probabilities == pytest.approx([1 / 3] * 3)
    assert found.mass is None
    assert from_probabilities([0.5, 0.55], mass=0.9) == of(10 / 21, 11 / 21, mass=0.9)


@pytest.mark.parametrize(
    ("given", "mass", "why"),
    [
        ([0.5, 0.4], None, "sum to 0.9"),
        ([0.0, 0.0], None, "sum to 0"),
        ([1.2, -0.2], None, "negative"),
        ([math.nan, 1.0], None, "not finite"),
        ([0.9, 0.1], 0.2, "less than 0.5"),
        ([0.9, 0.1], 1.5, "no probability"),
        ([0.9, 0.1], math.nan, "no probability"),
    ],
)
def test_given_probabilities_that_are_none(
    given: list[float], mass: float | None, why: str
) -> None:
    found = from_probabilities(given, mass=mass)
    assert isinstance(found, Unscored)
    assert why in found.reason


@pytest.mark.parametrize("by", range(-3, 7))
def test_a_rotated_distribution_goes_with_the_rotated_question(by: int) -> None:
    turned = ABC.rotated(by)
    p = of(0.5, 0.3, 0.2).rotated(by)
    assert turned.options[0] == ABC.options[by % 3]
    pairs = {o.name: x for o, x in zip(turned.options, p.probabilities, strict=True)}
    assert pairs == {"a": 0.5, "b": 0.3, "c": 0.2}
    assert p.rotated(-by) == of(0.5, 0.3, 0.2)


def test_options_with_an_order_do_not_turn() -> None:
    with pytest.raises(ConfigError, match="a score have an order"):
        LEVELS.rotated(1)


def test_keys_of_json_mean_options() -> None:
    typed = Question.choice("?", ["true", True, "x"])
    assert [typed.place(key) for key in ("true", True, "x", "y", 0, None, ["x"])] == [
        *(0, 1, 2),
        *(None,) * 4,
    ]
    assert Question.choice("?", [True, False]).place("false") == 1
    stars = Question.score("?", ["1", "2", "3"])
    assert [stars.place(key) for key in (0, "0", "1", "3", 3, "01", 0.0, True)] == [
        *(0, 0, 1, 2),
        *(None,) * 4,
    ]
    assert LEVELS.place("good") == 2
    yes = Question.predicate("?")
    assert [yes.place(key) for key in (True, "true", "Yes", "no", False, "maybe", 1)] == [
        *(0, 0, 0, 1, 1),
        *(None,) * 2,
    ]
