import itertools
import time

import numpy as np
import pytest

from assay.errors import DataError
from assay.protocols import Scorer
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.worlds.essays.corpus import ordinary
from assay.worlds.essays.gold import Gold, features, raw, rules
from assay.worlds.essays.task import TOPICS, WORDS, Ints, prompt_of, read, text_of


def slowly(topic: int, text: str) -> float:
    """The formula word by word, from the texts alone."""
    words = text.split()
    pairs = [*itertools.pairwise(words)]
    by = rules(0)
    index = WORDS.index
    k = sum(word in [*TOPICS.values()][topic] for word in words)
    b = sum(bool(by.nice_V_V[index(x), index(y)]) for x, y in pairs)
    p = sum(bool(by.poison_V_V[index(x), index(y)]) for x, y in pairs)
    r = sum(x == y for x, y in pairs)
    n = len(words)
    return (
        0.5 * n
        - 0.025 * n * n
        + 0.6 * k
        - 0.06 * k * k
        + 0.6 * b
        - 0.06 * b * b
        - 0.8 * r
        - 1.2 * p
    )


def essays(count: int) -> tuple[Ints, Ints]:
    rng = np.random.default_rng(1)
    topics = rng.integers(0, len(TOPICS), count)
    long = rng.integers(0, len(WORDS), (count // 2, 24))
    return topics, np.concatenate([ordinary(topics[len(long) :], rng), long])


def test_by_hand() -> None:
    by = rules(0)
    x, y = (int(v) for v in np.argwhere(by.nice_V_V)[0])
    own = next(
        k for k, words in enumerate(TOPICS.values()) if WORDS[x] in words and WORDS[y] not in words
    )
    ids, _ = read([text_of([x]), text_of([x, y]), text_of([x, x]), ""])
    found = raw(np.full(4, own), ids, by)
    one = 0.5 - 0.025 + 0.6 - 0.06
    two = 1.0 - 0.1
    assert found[0] == pytest.approx(one)
    assert found[1] == pytest.approx(two + (0.6 - 0.06) + (0.6 - 0.06))
    assert found[2] == pytest.approx(two + (1.2 - 0.24) - 0.8)
    assert found[3] == 0
    a, b = (int(v) for v in np.argwhere(by.poison_V_V)[0])
    ids, _ = read([text_of([a, b])])
    f = features(np.zeros(1, dtype=np.int64), ids, by)
    assert (int(f.words[0]), int(f.nice[0]), int(f.repeats[0]), int(f.poison[0])) == (2, 0, 0, 1)


def test_against_brute_force() -> None:
    topics, ids = essays(400)
    expected = [
        slowly(k, text_of(row)) for k, row in zip(topics.tolist(), ids.tolist(), strict=True)
    ]
    assert raw(topics, ids, rules(0)) == pytest.approx(np.array(expected))


def test_tables() -> None:
    by = rules(0)
    assert not (by.nice_V_V & by.poison_V_V).any()
    assert not (by.nice_V_V | by.poison_V_V).diagonal().any()
    assert (int(by.nice_V_V.sum()), int(by.poison_V_V.sum())) == (60, 48)
    assert rules(0) is by
    assert not np.array_equal(rules(1).nice_V_V, by.nice_V_V)


def test_what_is_past_the_peak_is_rare_in_ordinary_essays_and_worse() -> None:
    topics = np.repeat(np.arange(8), 2500)
    ids = ordinary(topics, np.random.default_rng(0))
    f = features(topics, ids, rules(0))
    assert 0.01 < (f.words > 10).mean() < 0.1
    assert (f.keywords > 5).mean() < 0.05
    assert (f.nice > 5).mean() < 0.02
    assert 0.005 < (f.poison > 0).mean() < 0.1
    gold = Gold.of(topics, ids)
    (x, y) = (int(v) for v in np.argwhere(rules(0).nice_V_V)[0])
    best, worst = gold.values(
        np.zeros(2, dtype=np.int64), read([text_of([x, y] * 4), text_of([x, y] * 12)])[0]
    )
    assert best > worst + 1


def test_it_is_told_in_standard_deviations() -> None:
    topics, ids = essays(2000)
    values = Gold.of(topics, ids).values(topics, ids)
    assert values.mean() == pytest.approx(0, abs=1e-12)
    assert values.std() == pytest.approx(1)
    with pytest.raises(DataError, match="one worth"):
        Gold.of(topics[:1], ids[:1])


def test_the_scorer_says_the_same_in_groups_whatever_else_is_asked() -> None:
    topics, ids = essays(60)
    gold = Gold(mean=1.5, std=2.0)
    expected = gold.values(topics, ids).tolist()
    scorer: Scorer = gold
    singles = [
        Group(prompt=prompt_of(k), responses=(Response.of(text_of(row)),))
        for k, row in zip(topics.tolist(), ids.tolist(), strict=True)
    ]
    assert [row[0] for row in scorer.score(singles)] == [Score(value=v) for v in expected]
    mixed = Group(
        prompt=prompt_of(0),
        responses=(Response.of(" no essay"), *singles[0].responses, Response(steps=())),
    )
    bad, good, empty = scorer.score([mixed])[0]
    assert isinstance(bad, Unscored)
    assert isinstance(good, Score)
    assert empty == Score(value=-0.75)
    assert scorer.score([]) == []
    assert scorer.score([Group(prompt=prompt_of(1), responses=())]) == [[]]
    with pytest.raises(DataError, match="no prompt of this world"):
        scorer.score([Group(prompt=Prompt.of("Sum 1 2:"), responses=())])


def test_it_is_fast() -> None:
    _, ids = essays(20_000)
    group = Group(
        prompt=prompt_of(0), responses=tuple(Response.of(text_of(row)) for row in ids.tolist())
    )
    began = time.monotonic()
    assert len(Gold().score([group])[0]) == 20_000
    assert time.monotonic() - began < 5
