"""One fit of a folder of votes by another library; `bench/arena.py` runs it with the python that
has them.

    python bench/arena_peer.py evalica|sklearn|arena_rank FOLDER RESAMPLES

Prints a line of JSON: seconds of wall and of processor of a bare fit and of one bootstrap, and the
strengths. What is compiled or imported once is warmed up before, on other votes.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def clock(job: Callable[[], Any], again: int = 5) -> tuple[Any, float, float]:
    """Result, and the least seconds of wall and of processor of a few runs."""
    runs = []
    for _ in range(again):
        wall, cpu = time.perf_counter(), time.process_time()
        result = job()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return result, *map(min, zip(*runs, strict=True))


def evalica(first: Any, second: Any, outcome: Any, k: int, resamples: int) -> dict[str, Any]:
    import evalica
    import pandas

    said = [evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw]
    winners, index = [said[each] for each in outcome.tolist()], pandas.RangeIndex(k)
    first, second = first.tolist(), second.tolist()

    def fit() -> Any:
        return evalica.bradley_terry(
            first, second, winners, index=index, tolerance=1e-9, limit=1000
        )

    result, wall, cpu = clock(fit)
    strength = np.log(result.scores.sort_index().to_numpy())

    # Its default (BCa) leaves out every vote once, in a matrix of votes by votes.
    def draw() -> Any:
        return evalica.bootstrap(
            evalica.bradley_terry,
            first,
            second,
            winners,
            index=index,
            n_resamples=resamples,
            bootstrap_method="percentile",
        )

    _, boot, _ = clock(draw, 1)
    return {"fit": wall, "fit_cpu": cpu, "bootstrap": boot, "strength": strength.tolist()}


def sklearn(first: Any, second: Any, outcome: Any, k: int, resamples: int) -> dict[str, Any]:
    """As FastChat has it, without its penalty: pairs are counted, each is two weighted rows."""
    from scipy.sparse import coo_array
    from sklearn.linear_model import LogisticRegression

    def fit(weight: Any = None) -> Any:
        code = first.astype(np.intp) * k + second
        won = np.array([1.0, 0.0, 0.5])[outcome]
        counts = np.bincount(code, weights=weight, minlength=k * k)
        wins = np.bincount(code, weights=won if weight is None else won * weight, minlength=k * k)
        met = np.flatnonzero(counts)
        m = len(met)
        rows = np.concatenate([np.arange(m), np.arange(m)])
        columns, signs = np.concatenate([met // k, met % k]), np.repeat([1.0, -1.0], m)
        x = coo_array((signs, (rows, columns)), shape=(m, k)).tocsr()
        from scipy.sparse import vstack

        y = np.repeat([1, 0], m)
        w = np.concatenate([wins[met], (counts - wins)[met]])
        model = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-6, max_iter=1000)
        return model.fit(vstack([x, x]), y, sample_weight=w).coef_[0]

    strength, wall, cpu = clock(fit)
    rng = np.random.default_rng(0)
    n = len(first)

    def draw() -> None:
        for _ in range(resamples):
            fit(np.bincount(rng.integers(0, n, n), minlength=n).astype(float))

    _, boot, _ = clock(draw, 1)
    return {"fit": wall, "fit_cpu": cpu, "bootstrap": boot, "strength": strength.tolist()}


def arena_rank(first: Any, second: Any, outcome: Any, k: int, resamples: int) -> dict[str, Any]:
    import jax.numpy as jnp
    import pandas
    from arena_rank.models.bradley_terry import BradleyTerry, fit_single_bootstrap_sample
    from arena_rank.utils.data_utils import PairDataset

    names = np.array([f"{i:04d}" for i in range(k)])
    said = np.array(["model_a", "model_b", "tie"])
    table = pandas.DataFrame(
        {"model_a": names[first], "model_b": names[second], "winner": said[outcome]}
    )

    def fit() -> Any:
        data = PairDataset.from_pandas(table)
        model = BradleyTerry(k)
        model.fit(data)
        jnp.asarray(model.params["ratings"]).block_until_ready()
        return data, model

    (data, model), wall, cpu = clock(fit, 2)
    _, fitted, _ = clock(lambda: BradleyTerry(k).fit(data), 2)
    _, sandwich, _ = clock(lambda: model.compute_ratings_and_cis(data), 2)
    rng = np.random.default_rng(0)
    counts = np.asarray(data.counts)
    total = int(counts.sum())

    # Its own pool forks a process that has threads of jax, and hangs; so one after the other.
    def draw() -> None:
        for _ in range(resamples):
            drawn = jnp.asarray(rng.multinomial(total, counts / total).astype(float))
            fit_single_bootstrap_sample(drawn, model, data)["ratings"].block_until_ready()

    _, boot, _ = clock(draw, 1)
    return {
        "fit": wall,
        "fit_cpu": cpu,
        "fit_of_counted": fitted,
        "sandwich": sandwich,
        "bootstrap": boot,
        "strength": np.asarray(model.params["ratings"]).tolist(),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    columns = [np.load(folder / f"{name}.npy") for name in ("first", "second", "outcome")]
    k = int(max(columns[0].max(), columns[1].max())) + 1
    peer = {"evalica": evalica, "sklearn": sklearn, "arena_rank": arena_rank}[sys.argv[1]]
    print(json.dumps(peer(*columns, k, int(sys.argv[3]))))
