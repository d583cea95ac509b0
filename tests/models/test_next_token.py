"""Which rows go through a model together."""

import numpy as np

from assay.models import next_token


def test_passes_hold_every_row_once_and_what_they_may() -> None:
    rng = np.random.default_rng(0)
    stems = [rng.integers(0, 5, n) for n in (40, 3, 90)]
    made = [np.concatenate([stems[i % 3], rng.integers(0, 5, 1 + i % 7)]) for i in range(60)]
    for most in (1, 50, 200, 10_000):
        found = next_token.passes(made, most)
        assert sorted(i for each in found for i in each) == [*range(60)]
        unique = {
            i: {tuple(made[j][:k]) for j in each for k in range(1, len(made[j]) + 1)}
            for i, each in enumerate(found)
        }
        every = {one for each in unique.values() for one in each}
        assert sum(map(len, unique.values())) <= 1.1 * len(every)
    assert len(next_token.passes(made, 10_000)) == 1
    alone = [np.arange(30) + 100 * i for i in range(10)]
    assert [len(each) for each in next_token.passes(alone, 90)] == [3, 3, 3, 1]
    assert next_token.passes([], 90) == []
