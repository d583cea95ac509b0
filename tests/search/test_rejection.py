import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import ConfigError
from assay.search import SearchResult, run
from assay.search.rejection import Rejection
from assay.testing import FakeScorer
from tests.search.toys import Drawn, prompts


def reject(rows: "list[tuple[str, float | None]]", **settings: object) -> SearchResult:
    """The result for samples of these texts; the same text has the same score."""
    said = dict(rows)
    policy = Drawn(texts=[text for text, _ in rows])
    scorer = FakeScorer(rule=lambda _, response: said[response.text])
    (result,) = run(Rejection(n=len(rows), **settings), prompts(1), policy, scorer)  # type: ignore[arg-type]
    return result


def test_kept_is_what_is_at_or_above_the_threshold() -> None:
    result = reject([("a", 0.5), ("b", 0.49), ("c", 0.9), ("d", None), ("e", 0.51)])
    assert (result.kept, result.choice) == ((0, 2, 4), 2)
    assert len(result.group.responses) == 5  # the rejected are there, too
    result = reject([("a", -0.5), ("b", 0.0), ("c", None)], threshold=0.0)
    assert (result.kept, result.choice) == ((1,), 1)
    result = reject([("a", 0.1), ("b", None)])
    assert (result.kept, result.choice, result.response) == ((), None, None)


def test_a_text_is_kept_once() -> None:
    result = reject([("a", 0.9), ("b", 0.6), ("a", 0.9), ("b", 0.6), ("c", 0.1), ("c", 0.1)])
    assert (result.kept, result.choice) == ((0, 1), 0)


def test_at_most_so_many_are_kept_the_best() -> None:
    rows = [("a", 0.6), ("b", 0.9), ("c", 0.7), ("d", 0.8)]
    assert reject(rows, most=2).kept == (1, 3)
    assert reject(rows, most=3).kept == (1, 2, 3)
    assert reject(rows, most=9).kept == (0, 1, 2, 3)
    tied = {
        reject([("a", 0.6), ("b", 0.6), ("c", 0.6)], most=1, seed=seed).kept for seed in range(30)
    }
    assert tied == {(0,), (1,), (2,)}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), min_size=1, max_size=9),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.none() | st.integers(1, 4),
    st.dictionaries(
        st.sampled_from("abcdef"), st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=6
    ),
)
def test_brute_force(
    rows: list[tuple[str, int]], threshold: float, most: int | None, said: dict[str, float | None]
) -> None:
    texts = [text for text, _ in rows]
    result = reject([(text, said[text]) for text in texts], threshold=threshold, most=most)
    passing = {
        text: value for text in texts if (value := said[text]) is not None and value >= threshold
    }
    kept = [texts[i] for i in result.kept]
    assert list(result.kept) == sorted(result.kept)
    assert len(kept) == len(set(kept)) == min(len(passing), most or 99)
    assert set(kept) <= set(passing)
    assert all(texts.index(texts[i]) == i for i in result.kept)
    left = [passing[text] for text in passing if text not in kept]
    assert not kept or not left or min(passing[text] for text in kept) >= max(left)
    assert (result.choice is None) == (not kept)
    assert result.choice is None or said[texts[result.choice]] == max(passing.values())


def test_to_keep_none_at_most_is_refused() -> None:
    with pytest.raises(ConfigError, match="most is 0"):
        Rejection(most=0)
