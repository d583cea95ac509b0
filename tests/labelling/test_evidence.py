"""Whatever the rollouts come to, no label says what they do not: over random outcomes and over
planted policies."""

import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.consensus import consensus, truncate
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.outcomes import outcomes, problems, shares
from assay.labelling.rollouts import Rollouts
from assay.labelling.search import TreeSearch
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response, RolloutLabels, Unscored
from tests.labelling.planted import Coin, Stream, first_error, rollouts, solution

LABELLERS = [
    *(
        Adaptive(label=label, undecided=undecided, structure=structure, most=4)
        for label in ("hard", "soft")
        for undecided in ("label", "drop")
        for structure in (True, False)
    ),
    *(MonteCarlo(rollouts=3, label=label) for label in ("hard", "soft", "progress")),
    MonteCarlo(rollouts=3, threshold=0.4),
    BinarySearch(rollouts=3),
]


class Table(Stream):
    """Rollout k of a prefix ends as a table says, by a hash of all that it depends on; some
    prefixes get none."""

    def __init__(self, kinds: str, failing: frozenset[int], salt: int) -> None:
        super().__init__(lambda steps: 0.5, lambda steps: hash_of(steps, salt) % 5 in failing)
        self.kinds, self.salt = kinds, salt

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        kind = self.kinds[
            hash_of((prefix.prompt.text, prefix.steps, number), self.salt) % len(self.kinds)
        ]
        texts = {"r": "so 11", "w": "so 1", "c": "and then", "u": "so ?", "m": "wait, so 11"}
        return Response(steps=(*prefix.steps, texts[kind]), finished=kind != "c")


def hash_of(value: object, salt: int) -> int:
    return zlib.crc32(repr((value, salt)).encode())


def outcome(rollouts: Rollouts, record: RolloutLabels, size: int) -> list[bool | None]:
    """What each rollout from after so many steps says; that of a finished solution's end is its own
    answer's."""
    if size == len(record.response.steps) and record.response.finished:
        return [rollouts.check(Prefix(record.prompt), record.response).right]
    prefix = Prefix(record.prompt, record.response.steps[:size])
    return [rollouts.verdict(prefix, one) for one in rollouts.of(prefix, rollouts.asked(prefix))]


def says_no_more_than_it_knows(record: RolloutLabels, made: Rollouts, labeller: Any) -> None:
    size = len(record.response.steps)
    found = [outcome(made, record, t) for t in range(1, size + 1)]
    own = size if record.response.finished else None
    asked = [
        Prefix(record.prompt, record.response.steps[:t]) for t in range(1, size + 1) if t != own
    ]
    judged = any(made.judged_one(prefix, made.asked(prefix)) for prefix in asked)
    for t, label in enumerate(record.labels):
        low, high = record.intervals[t]
        assert 0 <= low <= high <= 1
        if label is None:
            continue
        assert low <= label <= high, "a label outside its own interval"
        if not judged:
            right = found[-1] == [True] and isinstance(labeller, Adaptive | BinarySearch)
            assert t == size - 1 or right or found[-1] == [False], (
                "a label where nothing was judged"
            )
        if isinstance(labeller, MonteCarlo) and labeller.label == "progress":
            continue
        later = [verdict for verdicts in found[t:] for verdict in verdicts]
        if label > 0.5 and not (isinstance(labeller, MonteCarlo) and record.rollouts[t]):
            assert True in later, "right, where nothing was"
        if label < 0.5:
            assert any(False in verdicts for verdicts in found), "wrong, where nothing was"


@given(
    st.text("rwcum", min_size=1, max_size=6),
    st.frozensets(st.integers(0, 4), max_size=4),
    st.integers(0, 10**6),
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["11", "1", "?", None])),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["wrong", "undecided"]),
    st.sampled_from(LABELLERS),
)
@settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@pytest.mark.owed
def test_no_label_says_more_than_the_rollouts(
    kinds: str,
    failing: frozenset[int],
    salt: int,
    shape: list[tuple[int, str | None]],
    cut_off: str,
    labeller: Any,
) -> None:
    responses = []
    for i, (size, answer) in enumerate(shape):
        prompt, response = solution(
            "+" * size, answer or "", Prompt.of(f"How many {i}?", reference="11")
        )
        responses.append(
            (prompt, response if answer else Response(steps=("+ ",) * size, finished=False))
        )

    def guard(prefix: Prefix, rollout: Any) -> bool:
        return rollout.text.startswith("wait")

    made = rollouts(Table(kinds, failing, salt), cut_off=cut_off, guard=guard)
    records = labeller(responses, made)
    for record in records:
        says_no_more_than_it_knows(record, made, labeller)
        assert all(
            y is None or y == z for y, z in zip(truncate(record).labels, record.labels, strict=True)
        )
    kept, _ = consensus(records, records)
    assert all(record in records for record in kept)
    found = outcomes(records, made)
    parts = found.right + found.cut_off + found.unjudged + found.guarded
    assert parts <= found.rollouts
    if set(kinds) <= set("c") and found.rollouts:
        assert problems(found, 16)[0].startswith(
            f"no rollout ended: all {found.rollouts:,} were cut off at 16 tokens"
        )
    assert all(re.search(r"\d", line) for line in shares(found))


def cut(steps: tuple[str, ...]) -> float:
    return 0.0


class Cut(Coin):
    """Every rollout is cut off before an answer."""

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        return Response(steps=(*prefix.steps, "and then"), finished=False)


def given_solutions(count: int, *, finished: bool = True) -> list[tuple[Prompt, Response]]:
    found = []
    for i in range(count):
        prompt, response = solution(
            "+" * (i % 4) + "-", prompt=Prompt.of(f"How many {i}?", reference="11")
        )
        found.append(
            (prompt, response if finished else Response(steps=response.steps[:-1], finished=False))
        )
    return found


@pytest.mark.owed
@pytest.mark.parametrize("labeller", LABELLERS, ids=repr)
def test_policies_that_say_nothing_label_nothing(labeller: Any) -> None:
    made = rollouts(Cut(cut))
    records = labeller(given_solutions(6, finished=False), made)
    assert {y for record in records for y in record.labels} == {None}
    assert {pair for record in records for pair in record.intervals} == {(0, 1)}
    found = outcomes(records, made)
    first, second = problems(found, 16)
    assert (
        first
        == f"no rollout ended: all {found.rollouts} were cut off at 16 tokens; raise --max-tokens"
    )
    assert second == "6 of 6 (100 %) solutions have no label"
    assert found.cut_off_solutions == 6


@pytest.mark.owed
@pytest.mark.parametrize("labeller", LABELLERS, ids=repr)
def test_a_policy_that_is_never_right_calls_nothing_right(labeller: Any) -> None:
    made = rollouts(Coin(lambda steps: 0.0))
    records = labeller(given_solutions(8), made)
    assert {y for record in records for y in record.labels if y is not None and y > 0.5} == set()
    found = outcomes(records, made)
    assert problems(found, 16)[0].startswith(f"none of {found.rollouts} rollouts was right")


@pytest.mark.parametrize("labeller", LABELLERS, ids=repr)
def test_a_policy_that_is_always_right_calls_nothing_wrong_but_wrong_answers(labeller: Any) -> None:
    made = rollouts(Coin(lambda steps: 1.0))
    records = labeller(given_solutions(8, finished=False), made)
    assert {y for record in records for y in record.labels if y is not None and y < 0.5} == set()
    assert problems(outcomes(records, made), 16) == []


def test_shares_by_hand() -> None:
    def ends(steps: tuple[str, ...]) -> float:
        return 0.0 if first_error(steps) else 1.0

    made = rollouts(Stream(ends, fails=lambda steps: len(steps) == 3))
    records = MonteCarlo(rollouts=2)([solution("+-"), solution("--"), solution("+++")], made)
    found = outcomes(records, made)
    # "+" is a prefix of two solutions, "+-" and "++" of one, "-" and "--" of one; "+++" failed.
    assert (found.prefixes, found.failed_prefixes, found.rollouts, found.right) == (6, 1, 10, 4)
    assert (found.solutions, found.never_right_solutions, found.without, found.unlabelled) == (
        3,
        1,
        0,
        0,
    )
    assert shares(found)[0].startswith("rollouts: 4 of 10 (40 %) right, 0 of 10 (0 %) cut off")
    assert shares(found)[1] == "solutions: 1 of 3 (33 %) with no rollout right"
    assert shares(found)[2] == "prefixes: 1 of 6 (17 %) got no rollouts when asked"


@pytest.mark.owed
@pytest.mark.parametrize("reference", [None, "", "  "])
@pytest.mark.parametrize("labeller", [*LABELLERS, TreeSearch()], ids=repr)
def test_without_a_reference_every_labeller_refuses_before_it_pays(
    labeller: Any, reference: str | None
) -> None:
    with_one, response = solution("+-")
    bare = Prompt.of("Why?", reference=reference)
    made = rollouts(coin := Coin(cut))
    given = (
        [with_one, bare]
        if isinstance(labeller, TreeSearch)
        else [(with_one, response), (bare, response)]
    )
    with pytest.raises(DataError, match=r"'Why\?' has no reference answer"):
        labeller(given, made)
    assert coin.asked == []


class Fails(Coin):
    """A server that refuses some prefixes, as a stream does."""

    def __init__(
        self, value: Callable[[tuple[str, ...]], float], refuses: Callable[[Prefix], bool]
    ) -> None:
        super().__init__(value)
        self.refuses = refuses

    def stream(self, prefixes: Any, sampling: Sampling) -> Any:
        for i, prefix in enumerate(prefixes):
            yield (
                i,
                (
                    Unscored(reason="too long")
                    if self.refuses(prefix)
                    else self.sample(prefix, sampling)
                ),
            )


@pytest.mark.parametrize("labeller", [MonteCarlo(rollouts=3), BinarySearch(rollouts=3)], ids=repr)
def test_what_fails_leaves_the_labels_of_the_rest_as_they_are(labeller: Any) -> None:
    """Not of `adaptive`, to the digit: its beliefs are those of all solutions."""

    def ends(steps: tuple[str, ...]) -> float:
        return 0.2 if first_error(steps) else 0.8

    whole = labeller(given_solutions(8), rollouts(Coin(ends)))
    made = rollouts(
        Fails(ends, lambda prefix: prefix.prompt.text in ("How many 1?", "How many 5?"))
    )
    torn = labeller(given_solutions(8), made)
    for i, (mine, other) in enumerate(zip(torn, whole, strict=True)):
        if i in (1, 5):
            assert sum(mine.rollouts) <= 1
        else:
            assert mine == other
    assert outcomes(torn, made).failed_prefixes == sum(made.cost.failed.values()) > 0
