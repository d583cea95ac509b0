import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import DataError
from assay.labelling.ledger import Ledger, Rollout
from assay.labelling.rollouts import Plan, Tally, _gaps, run_plans
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response
from tests.labelling.planted import PROMPT, Coin, Stream, rollouts

A, B = Prefix(PROMPT, ("+ ",)), Prefix(PROMPT, ("+ ", "- "))


def half(steps: tuple[str, ...]) -> float:
    return 0.5


@pytest.mark.parametrize("kind", [Coin, Stream])
def test_rollouts_are_a_sequence_that_is_paid_for_once(kind: type[Coin]) -> None:
    once, bits = rollouts(kind(half)), rollouts(kind(half))
    once.want([(A, 8), (B, 3)])
    for count in (2, 2, 5, 8, 3):
        bits.want([(A, count)])
    bits.want([(B, 3), (B, 1)])
    assert bits.of(A, 8) == once.of(A, 8)
    assert bits.of(B, 3) == once.of(B, 3)
    assert once.cost.rollouts == bits.cost.rollouts == 11
    assert once.cost.prefixes == bits.cost.prefixes == 2
    assert once.cost.tokens == 22
    assert {r.right for r in once.of(A, 8)} == {True, False}
    assert once.of(A, 3) == once.of(A, 8)[:3]
    right = sum(r.right is True for r in once.of(A, 8))
    assert once.tally(A, 8) == Tally(right, 8)


def test_a_rerun_on_the_ledger_pays_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.jsonl") as ledger:
        first = rollouts(Coin(half), ledger)
        first.want([(A, 5), (B, 2)])
        expected = first.of(A, 5)
    with Ledger(tmp_path / "l.jsonl") as ledger:
        again = rollouts(coin := Coin(half), ledger)
        again.want([(A, 5), (B, 2)])
        assert again.of(A, 5) == expected
        assert (again.cost.rollouts, again.cost.known, coin.asked) == (0, 7, [])
        again.want([(A, 9)])
        assert coin.asked == [(A.steps, 5, 4)]


@pytest.mark.parametrize("change", ["name", "sampling", "reference", "prompt", "steps"])
def test_what_depends_on_something_else_is_never_taken_for_it(change: str) -> None:
    ledger = Ledger()
    rollouts(Coin(half), ledger).want([(A, 4)])
    other = rollouts(coin := Coin(half), ledger)
    prefix = A
    if change == "name":
        other.name = "another coin"
    elif change == "sampling":
        other.sampling = Sampling(seed=3, temperature=0.5)
    elif change == "steps":
        prefix = Prefix(PROMPT, ("+", " "))
    else:
        prompt = Prompt.of("How many?" if change == "reference" else "How much?", reference="12")
        prefix = Prefix(prompt, A.steps)
    other.want([(prefix, 4)])
    assert len(coin.asked) == 1


def test_what_failed_is_counted_and_is_not_wrong() -> None:
    stream = Stream(lambda steps: 1.0, fails=lambda steps: len(steps) == 2)
    made = rollouts(stream)
    made.want([(A, 4), (B, 4)])
    assert made.tally(A, 4) == Tally(4, 4)
    assert made.tally(B, 4) == Tally(0, 0)
    assert made.cost.failed == {"the server is tired": 1}
    asked = len(stream.asked)
    made.want([(B, 4)])
    assert len(stream.asked) == asked, "a prefix that failed is not asked again by the same run"
    again = rollouts(fresh := Stream(lambda steps: 1.0), made.ledger)
    again.want([(A, 4), (B, 4)])
    assert fresh.asked == [(B.steps, 0, 4)]
    assert again.tally(B, 4) == Tally(4, 4)


class Cut(Coin):
    """Every other sample is cut off, every third has no answer, from the given words on."""

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        text = "so ?" if number % 3 == 0 else "so 11"
        return Response(steps=(*prefix.steps, text), finished=number % 2 == 1)


def test_cut_off_and_undecided_rollouts() -> None:
    wrong, unknown = rollouts(Cut(half)), rollouts(Cut(half), cut_off="undecided")
    for made in (wrong, unknown):
        made.want([(A, 6)])
        assert (made.cost.cut_off, made.cost.undecided) == (3, 1)
    # Numbers 1, 3, 5 are finished, 3 has no answer; 0, 2, 4 were cut off.
    assert wrong.tally(A, 6) == Tally(2, 5)
    assert unknown.tally(A, 6) == Tally(2, 2)


def test_a_guard_sets_evidence_aside() -> None:
    def guard(prefix: Prefix, rollout: Rollout) -> bool:
        return rollout.text.endswith("11")

    made = rollouts(Coin(half), guard=guard)
    made.want([(A, 20)])
    tally = made.tally(A, 20)
    assert tally.right == 0 < tally.judged < 20
    assert made.cost.guarded == 20 - tally.judged


def test_a_prompt_without_reference_is_refused() -> None:
    with pytest.raises(DataError, match="no reference answer"):
        rollouts(Coin(half)).want([(Prefix(Prompt.of("?")), 1)])


@given(st.sets(st.integers(0, 12)), st.integers(0, 12))
def test_gaps_are_the_missing_numbers(known: set[int], count: int) -> None:
    found = {number: Rollout(steps=(), right=True) for number in known}
    gaps = list(_gaps(found, count))
    assert [n for first, size in gaps for n in range(first, first + size)] == sorted(
        {*range(count)} - known
    )
    assert all(a + size < b for (a, size), (b, _) in itertools.pairwise(gaps))


def test_plans_go_on_together() -> None:
    made = rollouts(coin := Coin(half))

    def plan(prefix: Prefix, rounds: int) -> Plan[list[Rollout]]:
        for count in range(1, rounds + 1):
            yield [(prefix, count)]
            assert len(made.of(prefix, count)) == count
        return made.of(prefix, rounds)

    found = run_plans([plan(A, 3), plan(B, 1), plan(B, 0)], made)
    assert list(map(len, found)) == [3, 1, 0]
    assert coin.asked == [(A.steps, 0, 1), (B.steps, 0, 1), (A.steps, 1, 1), (A.steps, 2, 1)]
