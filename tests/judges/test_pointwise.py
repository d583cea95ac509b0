"""Ratings: means and deviations by hand, levels, references, and what stays unscored."""

import math

import pytest

from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.judges.listwise import Listwise
from assay.judges.pointwise import PointProtocol, Pointwise, rating
from assay.protocols import Scorer
from assay.questions import Distribution, Question
from assay.types import Score, Unscored
from tests.judges.planted import Planted, Said, group


def test_the_value_is_the_mean_level() -> None:
    def say(text: str, question: Question) -> Said:
        return [0.0, 0.25, 0.0, 0.0, 0.75] if "four" in text else [1.0, 0, 0, 0, 0]

    answerer = Planted(say)
    [[four, five], [six]] = Pointwise(answerer, levels=5).score(
        [group("four", "five"), group("six")]
    )
    assert isinstance(four, Score)
    assert isinstance(five, Score)
    assert four.value == 0.25 * 2 + 0.75 * 5
    assert four.std == pytest.approx(math.sqrt(0.25 * 2.25**2 + 0.75 * 0.75**2))
    assert (five.value, five.std, six) == (1.0, 0.0, five)
    assert answerer.calls == 1
    assert isinstance(Pointwise(answerer), Scorer)


def test_levels_are_ten_unless_said() -> None:
    asked: list[Question] = []

    def say(text: str, question: Question) -> Said:
        asked.append(question)
        return [0.1] * 10

    [[score]] = Pointwise(Planted(say)).score([group("a")])
    assert isinstance(score, Score)
    assert score.value == pytest.approx(5.5)
    assert asked == [rating()]
    assert asked[0].values == tuple(map(float, range(1, 11)))
    with pytest.raises(ConfigError, match="levels is 1"):
        rating(1)


def test_a_predicate_is_a_rating_too() -> None:
    protocol = PointProtocol(question=Question.predicate("Is it polite?"))
    [[score]] = Pointwise(Planted(lambda *_: [0.8, 0.2]), protocol=protocol).score([group("a")])
    assert isinstance(score, Score)
    assert (score.value, score.std) == (0.8, pytest.approx(0.4))


def test_what_has_no_answer_stays_unscored() -> None:
    def say(text: str, question: Question) -> Said:
        return Unscored(reason="a refusal") if "bad" in text else [0.0] * 9 + [1.0]

    found = Pointwise(Planted(say)).score([group("bad", "good")])
    assert found == [[Unscored(reason="a refusal"), Score(value=10.0, std=0.0)]]


def test_a_reference_is_shown_or_the_response_is_unscored() -> None:
    answerer = Planted(lambda *_: [0.0] * 9 + [1.0])
    judge = Pointwise(answerer, "pointwise-reference")
    [[with_one], [without]] = judge.score([group("a", reference="4!"), group("a")])
    assert with_one == Score(value=10.0, std=0.0)
    assert isinstance(without, Unscored)
    assert len(answerer.states) == 1
    assert "4!" in answerer.states[0].text
    assert fingerprint(judge.protocol) != fingerprint(Pointwise(answerer).protocol)


def best(text: str, question: Question) -> Said:
    """A judge whose logits are a taste and a place: exp of both, normalised."""
    n = len(question.options)
    places = [text.index(f"Response {i + 1}:") for i in range(n)]
    ends = [*places[1:], len(text)]
    taste = {"apple": 1.0, "pear": 0.5, "plum": 0.0}
    logits = [
        next(worth for name, worth in taste.items() if name in text[a:b]) - 0.7 * place
        for place, (a, b) in enumerate(zip(places, ends, strict=True))
    ]
    total = math.fsum(map(math.exp, logits))
    return [math.exp(logit) / total for logit in logits]


def test_rotations_take_out_the_place() -> None:
    weights = [math.exp(worth) for worth in (1.0, 0.5, 0.0)]
    exact = {
        name: weight / math.fsum(weights)
        for name, weight in zip(("apple", "pear", "plum"), weights, strict=True)
    }
    for names in (["apple", "pear", "plum"], ["plum", "apple", "pear"], ["pear", "plum", "apple"]):
        answerer = Planted(best)
        [scores] = Listwise(answerer).score([group(*names)])
        assert [s.value for s in scores if isinstance(s, Score)] == pytest.approx(
            [exact[name] for name in names]
        )
        assert len(answerer.states) == 3
    # One rotation keeps the bias of the place: the last in line loses.
    [once] = Listwise(Planted(best), rotations=1).score([group("plum", "pear", "apple")])
    assert isinstance(once[0], Score)
    assert isinstance(once[2], Score)
    assert once[0].value > once[2].value


def test_shares_of_verdicts_are_averaged_and_not_their_logarithms() -> None:
    def say(text: str, question: Question) -> Said:
        first = text.index("apple") < text.index("pear")
        shares = (1.0, 0.0) if first else (0.5, 0.5)
        return Distribution(probabilities=shares, verdicts=2)

    [scores] = Listwise(Planted(say)).score([group("apple", "pear")])
    assert scores == [Score(value=0.75), Score(value=0.25)]


def test_a_group_that_cannot_be_ranked_is_unscored() -> None:
    answerer = Planted(lambda text, question: [1.0] + [0.0] * (len(question.options) - 1))
    alone, pair, triple = Listwise(answerer).score([group("a"), group("a", "b"), group(*"abc")])
    assert isinstance(alone[0], Unscored)
    # Always the first place: every response is ruled out once.
    assert all(isinstance(one, Unscored) and "ruled out" in one.reason for one in [*pair, *triple])
    failing = Planted(
        lambda text, question: Unscored(reason="down") if text.count("`a`") else [0.5, 0.5]
    )
    [down] = Listwise(failing).score([group("`a`", "b")])
    assert down == [Unscored(reason="down")] * 2
    with pytest.raises(DataError, match="has 27 responses"):
        Listwise(answerer).score([group(*map(str, range(27)))])
    with pytest.raises(ConfigError, match="rotations is 0"):
        Listwise(answerer, rotations=0)
