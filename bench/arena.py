"""Speed of the arena's ratings, beside evalica, scikit-learn and arena-rank in the same run.

    # a million votes on 500 models, five to a cluster; the peers, where a python has them
    python -m bench.arena --json
    ARENA_PEERS=/path/to/python python -m bench.arena --json
    python -m bench.arena --json --votes 10000000
    # where other work runs beside it: threads of BLAS that wait for a core cost more than they do
    OMP_NUM_THREADS=1 python -m bench.arena --json

The peers' python needs numpy, scipy, pandas, evalica, scikit-learn and arena-rank; a peer that is
not there is left out by name. Prints a line of JSON: seconds of wall and processor of the bare fit
and of fit and clustered sandwich, the most memory, and of each peer its bare fit, 100 bootstraps
(some are run, and the rest reckoned), and the largest difference of its log-strengths from ours.
Ratios above 1 are ours being slower.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench.arena_peer import clock

from assay.arena.bradley_terry import fit
from assay.arena.intervals import covariance
from assay.arena.votes import Votes

PEERS = ("evalica", "sklearn", "arena_rank")


def made(n: int, k: int, clusters: int, seed: int = 0) -> Votes:
    """Votes of players of normal strengths, 15 % ties, clusters in no order."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=k)
    first = rng.integers(0, k, n, dtype=np.int32)
    second = ((first + rng.integers(1, k, n, dtype=np.int32)) % k).astype(np.int32)
    won = rng.random(n, dtype=np.float32) < 1 / (1 + np.exp(strength[second] - strength[first]))
    outcome = np.where(rng.random(n, dtype=np.float32) < 0.15, 2, np.where(won, 0, 1))
    return Votes(
        players=tuple(map(str, range(k))),
        first=first,
        second=second,
        outcome=outcome.astype(np.int8),
        cluster=rng.integers(0, clusters, n, dtype=np.int32),
    )


def ours(votes: Votes) -> tuple[dict[str, Any], np.ndarray]:
    ratings, wall, cpu = clock(lambda: fit(votes))
    spread, more, more_cpu = clock(lambda: covariance(fit(votes), votes))
    return {
        "fit": wall,
        "fit_cpu": cpu,
        "fit_and_clustered_sandwich": more,
        "fit_and_clustered_sandwich_cpu": more_cpu,
        "clusters": spread.n,
        "steps": ratings.steps,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }, ratings.strength


def peer(name: str, python: str, folder: Path, resamples: int) -> dict[str, Any] | str:
    script = Path(__file__).with_name("arena_peer.py")
    job = [python, str(script), name, str(folder), str(resamples)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(job, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["?"])[-1]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(n: int, k: int, clusters: int, python: str, resamples: int) -> dict[str, Any]:
    votes = made(n, k, clusters)
    own, strength = ours(votes)
    result: dict[str, Any] = {"votes": n, "models": k, "cores": os.cpu_count(), "assay": own}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second", "outcome"):
            np.save(Path(folder) / f"{name}.npy", getattr(votes, name))
        for name in PEERS if python else ():
            found = peer(name, python, Path(folder), resamples)
            if isinstance(found, str):
                result[name] = found
                continue
            theirs = np.array(found.pop("strength"))
            found["largest_difference"] = float(np.abs(theirs - theirs.mean() - strength).max())
            found["bootstraps_100"] = found.pop("bootstrap") * 100 / resamples
            found["ratio_fit"] = own["fit"] / found["fit"]
            found["ratio_fit_cpu"] = own["fit_cpu"] / found["fit_cpu"]
            found["ratio_intervals"] = own["fit_and_clustered_sandwich"] / found["bootstraps_100"]
            result[name] = found
    return result


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=10**6)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--clusters", type=int, default=0, help="0 is one for five votes")
    parser.add_argument("--resamples", type=int, default=10, help="bootstraps of a peer to run")
    parser.add_argument("--json", action="store_true", help="on one line")
    given = parser.parse_args()
    peers = os.environ.get("ARENA_PEERS", sys.executable)
    clusters = given.clusters or given.votes // 5
    found = rounded(main(given.votes, given.models, clusters, peers, given.resamples))
    print(json.dumps(found, indent=None if given.json else 2))
