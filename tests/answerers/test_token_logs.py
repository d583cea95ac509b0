"""The distribution of a verdict, from log-probabilities of which some are not known."""

import math
import random

import pytest

from assay.answerers.token_logs import ABSENT, Labels, TokenLogs, distribution, token_logs
from assay.errors import DataError
from assay.questions import Distribution
from assay.types import Unscored

YES_NO = Labels(("yes", "no"))


def given(some, written=None):
    pairs = tuple((token, math.log(p)) for token, p in some.items())
    return TokenLogs(written or max(pairs, key=lambda pair: pair[1]), pairs)


def read(some, labels=YES_NO, *, floor=0.5, slack=1.0, written=None):
    return distribution(given(some, written), labels, floor=floor, slack=slack)


def test_spellings_with_spaces_and_in_other_case_are_summed():
    found = read(
        {"Yes": 0.4, " yes": 0.2, "YES": 0.05, "\u2581no": 0.1, "\u0120No": 0.15, "I": 0.1}
    )
    assert found.probabilities == pytest.approx((0.65 / 0.9, 0.25 / 0.9))
    assert found.mass == pytest.approx(0.9)


def test_a_letter_counts_as_it_is_alone():
    found = read({"A": 0.5, " B": 0.3, "a": 0.1, "b": 0.1}, Labels(("A", "B")), floor=0)
    assert found.mass == pytest.approx(0.8)
    assert found.probabilities == pytest.approx((0.625, 0.375))


def test_another_labels_case_is_not_taken():
    labels = Labels(("IT", "it"))
    found = read({"IT": 0.5, "it": 0.2, "It": 0.3}, labels)
    # "It" may be either, and counts for none.
    assert found.probabilities == pytest.approx((5 / 7, 2 / 7))


def test_broken_pieces_of_one_text_are_all_counted():
    pairs = (("yes", math.log(0.3)), ("yes", math.log(0.2)), ("no", math.log(0.5)))
    found = distribution(TokenLogs(pairs[2], pairs), YES_NO, floor=0.5, slack=1.0)
    assert found.probabilities == pytest.approx((0.5, 0.5))


def test_a_label_beyond_the_last_of_k_has_an_interval():
    # Tokens of "B" have 0.05 each at most and 0.1 together; " A" has 0.05.
    found = read({"A": 0.8, "x": 0.05, "y": 0.05}, Labels(("A", "B")))
    assert found.probabilities == (1.0, 0.0)
    (low, high), (least, most) = found.bounds
    assert (low, high) == pytest.approx((0.8 / 0.9, 1.0))
    assert (least, most) == pytest.approx((0.0, 0.1 / 0.9))
    said = read({"A": 0.8, "x": 0.05, "y": 0.05}, Labels(("A", "B")), slack=0.1)
    assert isinstance(said, Unscored)
    assert "known to 0.11 only" in said.reason
    assert "top" in said.reason


def test_the_last_of_k_is_not_the_token_that_was_sampled():
    # Sampled, and not among the likeliest: it says nothing of the others.
    rare = ("z", math.log(1e-6))
    sampled = read({"A": 0.8, "x": 0.05}, Labels(("A", "B")), written=rare)
    assert sampled.bounds[1][1] == pytest.approx(0.1 / 0.9, rel=1e-3)


def test_a_server_that_gives_the_written_token_alone_leaves_the_rest_open():
    alone = TokenLogs(("A", math.log(0.9)), ())
    found = distribution(alone, Labels(("A", "B")), floor=0.5, slack=1.0)
    assert found.bounds[1] == pytest.approx((0.0, 0.1))


def test_what_is_asked_for_is_exact_and_what_is_absent_then_is_not():
    ids = {"token_id:1": 0, "token_id:2": 1}
    both = Labels(("yes", "no"), ids)
    found = read({"token_id:7": 0.3, "token_id:1": 0.6, "token_id:2": 0.1}, both)
    assert found.probabilities == pytest.approx((6 / 7, 1 / 7))
    assert found.bounds == ()
    # The smallest that is there is no bound here: the token that was written and all else is open.
    part = read({"token_id:7": 0.3, "token_id:1": 0.6}, both)
    assert part.bounds[1] == pytest.approx((0.0, 0.1 / 0.7))


def test_bounds_hold_the_truth_whatever_is_cut_off():
    rng = random.Random(0)
    labels = Labels(("A", "B", "C"))
    tokens = ["A", " A", "B", " B", "C", " C", *(f"t{i}" for i in range(40))]
    tight = []
    for _ in range(300):
        weights = {token: rng.gammavariate(0.3, 1.0) for token in tokens}
        weights |= {token: w * 5 for token, w in weights.items() if token in tokens[:6]}
        total = sum(weights.values())
        ranked = sorted(weights.items(), key=lambda pair: -pair[1])
        cut = {token: w / total for token, w in ranked[: rng.randint(3, 30)]}
        truth = [weights[one] + weights[f" {one}"] for one in "ABC"]
        found = read(cut, labels, floor=0.0)
        if isinstance(found, Unscored):  # None of the labels is there.
            continue
        for p, (low, high), x in zip(
            found.probabilities, found.bounds or [(p, p) for p in found.probabilities], truth,
            strict=True,
        ):  # fmt: skip
            assert low - 1e-9 <= p <= high + 1e-9
            assert low - 1e-9 <= x / sum(truth) <= high + 1e-9
            tight.append(high - low)
        assert found.mass <= sum(truth) / total + 1e-9
    assert len(tight) > 600
    assert sum(tight) / len(tight) < 0.2


def test_below_the_floor_it_is_said_what_the_model_would_say():
    found = read({"Sure": 0.6, "yes": 0.2, "no": 0.1, "I": 0.1})
    assert isinstance(found, Unscored)
    assert "0.3 of the probability" in found.reason
    assert "'Sure' 0.60" in found.reason


def test_a_token_may_not_be_the_beginning_of_a_longer_label():
    marks = Labels(("1", "2", "10"))
    clash = read({"1": 0.7, "2": 0.2, "x": 0.1}, marks)
    assert isinstance(clash, Unscored)
    assert "'10'" in clash.reason
    assert read({"1": 0.7, "2": 0.2, "10": 0.1}, marks).probabilities[2] == pytest.approx(0.1)


def choice(**fields):
    one = {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}
    return {"logprobs": {"content": [one | fields]}}


def test_log_probabilities_are_parsed():
    top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": ABSENT}]
    top += [{"token": "C", "logprob": None}, {"token": "D", "logprob": 1e-4}]
    (found,) = token_logs(choice(top_logprobs=top))
    # The sentinel and null are not known; a certain token may be rounded above 0.
    assert found.top == (("A", -0.1), ("D", 0.0))
    assert found.all == found.top
    assert token_logs({"logprobs": None}) is None
    assert token_logs({}) is None
    assert token_logs({"logprobs": {"content": None}}) is None
    assert token_logs({"logprobs": {"content": []}}) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"logprobs": {"content": "A"}},
        {"logprobs": {"content": ["A"]}},
        choice(token=3),
        choice(logprob="-0.1"),
        choice(logprob=True),
        choice(logprob=math.nan),
        choice(logprob=0.5),
        choice(top_logprobs={"A": -0.1}),
        choice(top_logprobs=[["A", -0.1]]),
    ],
)
def test_malformed_log_probabilities_are_refused(broken):
    with pytest.raises(DataError):
        token_logs(broken)


def test_the_token_that_was_written_counts_once_whatever_its_last_digits() -> None:
    top = (("A", math.log(0.3001)), ("B", math.log(0.25)), ("x", math.log(0.4)))
    found = distribution(
        TokenLogs(("A", math.log(0.3)), top), Labels(("A", "B")), floor=0.3, slack=1.0
    )
    assert isinstance(found, Distribution)
    assert found.mass == pytest.approx(0.5501)
    assert found.probabilities[0] == pytest.approx(0.3001 / 0.5501)
