"""Many clients at once, some of which cut off or leave: the load experiment, small."""

import asyncio
import hashlib
from collections import Counter
from pathlib import Path

import pytest
from experiments.serving_load import KEYS, Asking, Hash, ask, slope, tiny_scores

from assay.scorers.local import LocalScorer
from assay.server.keys import read_keys
from tests.server.running import running


def test_every_answer_is_the_requests_own(tmp_path: Path) -> None:
    tiny = tiny_scores(tmp_path)
    assert len(set(tiny)) > 50
    lines = [f"{hashlib.sha256(k.encode()).hexdigest()} {k}{v}" for k, v in KEYS.items()]
    keys = read_keys(";".join(lines), "keys")
    seen = list[tuple[str, str]]()
    with running({"hash": Hash(), "tiny": LocalScorer(tmp_path / "tiny")}, keys=keys) as url:
        port = int(url.rpartition(":")[2])
        asking = Asking(port=port, clients=32, requests=600, seed=0, tiny=tiny)
        asyncio.run(asyncio.wait_for(ask(asking, lambda *event: seen.append(event)), 120))
    counts = Counter(event for event, _ in seen)
    assert counts["right"] + counts["left"] == 600
    assert counts["left"] > 5
    assert counts["429"] > 0
    assert sum(count for event, count in counts.items() if event.startswith("tiny")) > 10
    assert set(counts) - {"right", "left", "429"} == {e for e in counts if e.startswith("tiny")}


def test_wrong_answers_would_be_seen() -> None:
    seen = list[tuple[str, str]]()
    lines = [f"{hashlib.sha256(k.encode()).hexdigest()} {k}" for k in KEYS]

    class Swapped(Hash):
        def score(self, groups):  # type: ignore[no-untyped-def]
            return super().score(groups)[::-1]

    swapped = {"hash": Swapped(), "tiny": Hash()}
    with running(swapped, keys=read_keys(";".join(lines), "keys"), wait_s=0.05) as url:
        port = int(url.rpartition(":")[2])
        asking = Asking(port=port, clients=16, requests=60, seed=0, tiny=(0.0,) * 100)
        asyncio.run(ask(asking, lambda *event: seen.append(event)))
    assert Counter(event for event, _ in seen)["WRONG"] > 20


def test_growth_is_told_from_noise() -> None:
    noise = [0.3 * ((i * 7919) % 11 - 5) for i in range(200)]
    flat, error = slope([(float(i), 400 + noise[i]) for i in range(200)])
    assert abs(flat) < 3 * error
    grown, error = slope([(float(i), 400 + 0.5 * i + noise[i]) for i in range(200)])
    assert grown == pytest.approx(0.5, abs=3 * error)
    assert grown > 3 * error
