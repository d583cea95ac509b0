"""How often an audit of a judge claims a bias: of unbiased judges, and of judges whose bias is
planted.

    python -m experiments.judge_audits [--audits 200]

An unbiased judge errs as often whatever the responses look like. Its labels may be noisy, and
quality may go with length: then labels that are taken as exact blame the judge for the length.
"""

import argparse
from collections import Counter
from typing import Any, Final

import numpy as np

from assay.evaluation.judges import position, style
from assay.evaluation.judges.findings import Bias, corrected
from assay.evaluation.judges.pairs import Pairs

FAULTS: Final = {
    "position/first_slot": 1.0,
    "length/per_doubling": 0.5,
    "style/list": 1.0,
    "self/own": 1.0,
}
"""What can be planted, and its effect per share of the verdicts that follow it."""


def simulated(
    rng: np.random.Generator,
    *,
    n: int = 200,
    per_prompt: int = 2,
    tied: float = 0.0,
    label_noise: float = 0.0,
    fault: str = "",
    share: float = 0.0,
) -> Pairs:
    """Return n pairs judged twice in each order, as arrays.

    The judge errs 20 % of the time, more often on some prompts. tied: quality goes with length;
    the right one is the longer, by a doubling, (1 + tied) / 2 of the time. fault: what so large a
    share of verdicts follows instead.
    """
    clusters = np.arange(n) // per_prompt
    right = rng.random(n) < 0.5
    long = np.where(rng.random(n) < (1 + tied) / 2, right, ~right)
    features = {
        "length/per_doubling": np.where(long, 1.0, -1.0),
        "style/list": rng.integers(-1, 2, n).astype(np.float64),
        "self/own": rng.integers(-1, 2, n).astype(np.float64),
    }
    errs = np.clip(0.2 + 0.1 * rng.normal(size=n), 0, 0.5)[clusters][:, None, None]
    won = (rng.random((n, 2, 2)) >= errs) == right[:, None, None]
    # In the first order the pair's first response stands in the first slot.
    pull = np.broadcast_to(np.array([1.0, -1.0])[:, None], won.shape)
    if fault in features:
        pull = np.broadcast_to(features[fault][:, None, None], won.shape)
    followed = (rng.random(won.shape) < share) & (pull != 0)
    wins = np.where(followed, pull > 0, won).sum(axis=2)
    label = np.where(rng.random(n) < label_noise, ~right, right)
    return Pairs(
        prefer=wins.mean(axis=1) / 2,
        tie=np.zeros(n),
        label=label.astype(np.float64),
        sides=wins / 2,
        verdicts=np.stack([wins, 0 * wins, 2 - wins], axis=2),
        features=features,
        clusters=clusters,
        unscored=0,
    )


def rows(pairs: Pairs, label_accuracy: float = 1.0) -> tuple[Bias, ...]:
    """Return what an audit has to say of them."""
    found = [*position.rows(pairs, 0.1), *style.rows(pairs, 0.1, label_accuracy)]
    return corrected(found)


def measure(audits: int, accuracy: float = 1.0, **world: Any) -> tuple[Counter[str], int]:
    """Return how many audits reject each row at 5 %, and how many claim any bias."""
    rejected: Counter[str] = Counter()
    claims = 0
    for seed in range(audits):
        found = rows(simulated(np.random.default_rng(seed), **world), accuracy)
        rejected.update(row.name for row in found if row.p_value <= 0.05)
        claims += any(row.verdict == "biased" for row in found)
    return rejected, claims


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=200)
    audits = parser.parse_args().audits
    worlds: dict[str, tuple[dict[str, Any], float]] = {
        "exact labels": ({}, 1.0),
        "40 pairs, a prompt each": ({"n": 40, "per_prompt": 1}, 1.0),
        "length goes with quality": ({"tied": 0.5}, 1.0),
        "... 10 % of labels wrong, taken as exact": ({"tied": 0.5, "label_noise": 0.1}, 1.0),
        "... 10 % of labels wrong, and known": ({"tied": 0.5, "label_noise": 0.1}, 0.9),
    }
    print(f"unbiased judges, {audits} audits: rejected at 5 %, and audits that claim any bias")
    for name, (world, accuracy) in worlds.items():
        rejected, claims = measure(audits, accuracy, **world)
        each = ", ".join(f"{row} {count / audits:.3f}" for row, count in sorted(rejected.items()))
        print(f"  {name}: any {claims / audits:.3f}; {each}")
    print("30 % of verdicts planted: truth in the interval, called biased, mean effect")
    for fault, scale in FAULTS.items():
        found = [
            row
            for seed in range(audits)
            for row in rows(simulated(np.random.default_rng(seed), fault=fault, share=0.3))
            if row.name == fault
        ]
        held = np.mean([row.effect.low <= 0.3 * scale <= row.effect.high for row in found])
        called = np.mean([row.verdict == "biased" for row in found])
        mean = np.mean([row.effect.value for row in found])
        print(f"  {fault}: {held:.3f}, {called:.3f}, {mean:.3f} of {0.3 * scale:g}")


if __name__ == "__main__":
    main()
