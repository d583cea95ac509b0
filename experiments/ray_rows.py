"""Is every row there once, and as the local executor gives it, whatever of a Ray cluster dies?

    python -m experiments.ray_rows --json          # in an environment with ray

A cluster of two nodes on this machine, each with two logical CPUs. Pairs are scored by a scorer
that takes 2 ms a row, and solutions are labelled by a policy that takes 5 ms a sample, while the
second node is killed twice and the program that asks once. Then the same rows on one node by one
actor, beside the local executor: what handing them over costs.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assay
from assay.data import io
from assay.labelling.montecarlo import MonteCarlo
from assay.protocols import Prefix, Sampling
from assay.types import Group, Preference, Prompt, Response, Score, StepLabels

HERE = "experiments.ray_rows"
CHUNK = 32
CPUS = 2


def drawn(*parts: object) -> float:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6]) / 2**48


@dataclass(frozen=True)
class Slow:
    """A score that only this prompt and response have."""

    cost_s: float = 0.002
    fingerprint: str = "slow"

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        time.sleep(self.cost_s * sum(len(group.responses) for group in groups))
        return [
            [Score(value=drawn(group.prompt.text, one.text)) for one in group.responses]
            for group in groups
        ]


@dataclass(frozen=True)
class Coin:
    """Sample k of a prefix is right where a number drawn from seed, prefix and k is below 0.6."""

    cost_s: float = 0.005
    fingerprint: str = "coin"

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        time.sleep(self.cost_s * len(prefixes) * sampling.n)
        return [
            [self._one(prefix, sampling.seed, prefix.first + k) for k in range(sampling.n)]
            for prefix in prefixes
        ]

    def _one(self, prefix: Prefix, seed: int, number: int) -> Response:
        right = drawn(seed, prefix.prompt.text, prefix.steps, number) < 0.6
        return Response(steps=(*prefix.steps, f"The answer is {11 if right else 12}."))


def write_data(folder: Path, rows: int, solutions: int) -> None:
    pairs = [
        Preference(
            prompt=Prompt.of(f"Question {i}?"),
            responses=(Response.of(f"Yes, {i}."), Response.of(f"No, {i}.")),
            prefer=1.0,
        )
        for i in range(rows // 2)
    ]
    io.write(pairs, folder / "pairs.jsonl")
    solved = [
        StepLabels(
            prompt=Prompt.of(f"How many, {i}?", reference="11"),
            response=Response(steps=(f"First {i}.\n", "Then.\n", "The answer is 11.")),
            labels=(None, None, 1.0),
        )
        for i in range(solutions)
    ]
    io.write(solved, folder / "solutions.jsonl")


def work(job: str, folder: Path, out: Path, executor: str) -> None:
    """One run of a job, in a process of its own."""
    start = time.monotonic()
    if job == "score":
        scorer = f"{HERE}:Slow"
        assay.score(folder / "pairs.jsonl", scorer, out=out, chunk=CHUNK, executor=executor)
    else:
        how = MonteCarlo(rollouts=8)
        # What a sample costs changes nothing of it.
        policy = f"{HERE}:Coin,cost_s={0 if executor == 'local' else 0.005}"
        assay.label(folder / "solutions.jsonl", policy=policy, out=out, how=how, executor=executor)
    (out / "seconds").write_text(f"{time.monotonic() - start:.2f}")


def started(job: str, folder: Path, out: Path, executor: str) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", HERE, "--work", job, folder, out, executor]
    return subprocess.Popen([*map(str, words)])


def run(job: str, folder: Path, out: Path, executor: str) -> float:
    assert started(job, folder, out, executor).wait() == 0
    return float((out / "seconds").read_text())


def lines(out: Path, job: str) -> int:
    """Lines of the journal so far."""
    names = {"score": ".scores.jsonl.part.kept", "label": "ledger.jsonl"}
    found = 0
    with suppress(FileNotFoundError):
        found = (out / names[job]).read_bytes().count(b"\n")
    return found


def reach(process: "subprocess.Popen[bytes]", out: Path, job: str, count: float) -> None:
    while lines(out, job) < count:
        assert process.poll() is None, f"{job} ended at {lines(out, job)} lines of {count}"
        time.sleep(0.05)


def torn(cluster: Any, job: str, folder: Path, out: Path, total: int) -> dict[str, float]:
    """Run a job while the second node dies twice, and the program once."""
    executor = f"ray:{cluster.address},actors={2 * CPUS}"
    node = cluster.add_node(num_cpus=CPUS)
    process = started(job, folder, out, executor)
    for share in (0.1, 0.3):
        reach(process, out, job, share * total)
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=CPUS)
    reach(process, out, job, 0.5 * total)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = lines(out, job)
    assert started(job, folder, out, executor).wait() == 0
    cluster.remove_node(node)
    return {
        "kept when the program died": kept,
        "last run's seconds": float((out / "seconds").read_text()),
    }


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def measure(folder: Path, rows: int, solutions: int) -> dict[str, Any]:
    from ray.cluster_utils import Cluster

    write_data(folder, rows, solutions)
    local = {job: run(job, folder, folder / f"local-{job}", "local") for job in ("score", "label")}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": CPUS})
    try:
        found: dict[str, Any] = {"local seconds": local}
        prefixes = len(rows_of(folder / "local-label" / "ledger.jsonl"))
        for job, total in (("score", rows // 2), ("label", prefixes)):
            found[job] = torn(cluster, job, folder, folder / f"ray-{job}", total)
        one = run("score", folder, folder / "one", f"ray:{cluster.address},actors=1")
        found["one actor's seconds"] = one
        found["overhead"] = round(one / local["score"] - 1, 3)
    finally:
        cluster.shutdown()
    scores = [folder / name / "scores.jsonl" for name in ("local-score", "ray-score", "one")]
    labels = [folder / name / "labels.jsonl" for name in ("local-label", "ray-label")]
    batches = [
        (r["prefix"], r.get("first", 0)) for r in rows_of(folder / "ray-label" / "ledger.jsonl")
    ]
    found["rows"] = len(rows_of(scores[1]))
    found["solutions"] = len(rows_of(labels[1]))
    found["scores are the local ones"] = len({path.read_bytes() for path in scores}) == 1
    found["labels are the local ones"] = len({path.read_bytes() for path in labels}) == 1
    found["batches of rollouts, each once"] = len(batches) == len(set(batches)) == prefixes
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--solutions", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", nargs=4)
    given = parser.parse_args()
    if given.work:
        job, folder, out, executor = given.work
        work(job, Path(folder), Path(out), executor)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as place:
        found = measure(Path(place), given.rows, given.solutions)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
