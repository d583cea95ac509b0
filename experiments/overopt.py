"""Over-optimization in the world of essays: how much gold a proxy buys, by its size, its data and
how it is used.

Best-of-n: one pool of responses, every proxy's choice out of n judged by gold, for all n at once.
Reinforcement
learning: a policy trained against a weak proxy alone, with a price on divergence, and against
ensembles. Each part is kept as soon as it is done, so that a run that was killed goes on.

    python -m experiments.overopt --json
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from assay.overopt import ensembles, fit_forms, scaling, sweep_best_of_n, write_points
from assay.overopt.runs import arm, run_of, run_points
from assay.runs.evaluations import eval_of
from assay.runs.settings import write_atomic
from assay.stats import Estimate, student
from assay.studies.essays.laboratory import ARMS, WEAK, Arm, Laboratory, Proxy
from assay.worlds.essays.proxies import SIZES

Array = NDArray[np.float64]

MEMBERS = [Proxy(size="M", pairs=1000, member=member) for member in range(4)]
"""Of the ensembles under best-of-n."""
TOGETHER: Mapping[str, ensembles.How] = {
    "mean of 4": "mean",
    "worst of 4": "worst",
    "uwo of 4": "uwo",
}
"""How the members are put together."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Train what is missing, and print the tables."""

    out: Path = Path("runs/overopt")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of best-of-n. Each is another policy, other preferences, other proxies, other samples."""
    sizes: tuple[str, ...] = tuple(SIZES)
    """Proxies that learn from all preferences."""
    pairs: int = 16_000
    """Preferences."""
    data: tuple[int, ...] = (250, 1000, 4000)
    """Fewer, for proxies of size L."""
    noise: tuple[float, ...] = (0.25,)
    """Shares of labels turned round, for proxies of size L that learn from all preferences."""
    pool: int = 8192
    """Responses a topic in the pool: 65,536 in all."""
    policy_width: int = 56
    """Width of the policy; another wants another folder."""
    arms: tuple[str, ...] = tuple(name for name in ARMS if name not in SIZES)
    """Ways to train a policy."""
    weak: int = WEAK.pairs
    """Preferences that the proxy of the arms learns from."""
    rl_seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    """Of reinforcement learning, whose ends vary more."""
    steps: int = 140
    """Rounds of each."""
    workers: int = 2
    """Processes, each on one thread."""
    json: bool = False
    """Print JSON."""

    @property
    def laboratory(self) -> Laboratory:
        return Laboratory(
            out=self.out, pairs=self.pairs, pool=self.pool, policy_width=self.policy_width
        )

    @property
    def proxies(self) -> list[Proxy]:
        """Of the sweep."""
        return [
            *(Proxy(size=size, pairs=self.pairs) for size in self.sizes),
            *(Proxy(size="L", pairs=count) for count in self.data),
            *(Proxy(size="L", pairs=self.pairs, noise=noise) for noise in self.noise),
            *MEMBERS,
        ]

    def arm(self, name: str) -> Arm:
        """With the weak proxy that is asked for."""
        arm = ARMS[name]
        return replace(arm, proxy=replace(WEAK, pairs=self.weak)) if arm.proxy == WEAK else arm

    def __call__(self) -> None:
        """Policies and pools, proxies, sweeps, and then the policies that are trained."""
        lab, arms = self.laboratory, [self.arm(name) for name in self.arms]
        result: dict[str, Any] = {}
        with lab.workers(self.workers) as over:
            if self.seeds:
                list(over(lab.prepare, self.seeds))
                jobs = [(seed, proxy) for proxy in self.proxies for seed in self.seeds]
                list(over(lab.learn, *zip(*jobs, strict=True)))
                result["best_of_n"] = sweep(self)
                write_atomic(self.out / "best_of_n.json", json.dumps(result["best_of_n"], indent=1))
            if arms:
                list(over(lab.ready, self.rl_seeds, [arms] * len(self.rl_seeds)))
                runs = [(arm, seed) for arm in arms for seed in self.rl_seeds]
                found = list(over(_pressed, [self] * len(runs), *zip(*runs, strict=True)))
                each = len(self.rl_seeds)
                result["rl"] = compared(
                    self,
                    {name: found[k * each : (k + 1) * each] for k, name in enumerate(self.arms)},
                )
        write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        print(json.dumps(result, indent=1) if self.json else shown(result))


def _pressed(bench: Bench, arm: Arm, seed: int) -> list[Mapping[str, Any]]:
    """The rows of a run that speak."""
    done = bench.laboratory.optimise(seed, arm, bench.steps)
    return [row for row in done.rows if eval_of(row) is not None or "alarm" in row]


def sweep(bench: Bench) -> dict[str, Any]:
    """Curves and fits of every proxy over all seeds, and how they go with size and data."""
    lab, swept = bench.laboratory, {}
    for seed in bench.seeds:
        pool = lab.pooled(seed, bench.proxies)
        weak = [pool.proxies[member.name] for member in MEMBERS]
        scores = {
            **pool.proxies,
            **{name: ensembles.together(weak, how) for name, how in TOGETHER.items()},
            "gold": pool.gold,
        }
        swept[seed] = sweep_best_of_n(
            scores, {"gold": pool.gold}, keys=pool.texts, lengths=pool.lengths
        )
        write_points(bench.out / f"points-{seed}.jsonl", swept[seed].points)
    known = {proxy.name: proxy for proxy in bench.proxies}
    rows: dict[str, Any] = {}
    for name in [*known, *TOGETHER, "gold"]:
        curves = [swept[seed].curve(name, "gold") for seed in bench.seeds]
        first = curves[0]
        gold_S_P_K = np.stack([curve.gold_P_K for curve in curves])
        trusted_K = first.trusted_K
        kl_S_K = np.stack([curve.kl_best_K for curve in curves])
        kl_S_K[:, first.n_K == 1] = 0.0
        fits = fit_forms(kl_S_K, gold_S_P_K, trusted=trusted_K)
        means_S_K = gold_S_P_K.mean(1)
        last = int(np.flatnonzero(trusted_K)[-1])
        row: dict[str, Any] = {
            "fit": fits.best_of_n.row(),
            "rl form": fits.rl.row(),
            "delta_aicc": fits.delta_aicc,
            "gold": {int(n): float(g) for n, g in zip(first.n_K, means_S_K.mean(0), strict=True)},
            "peak gold": asdict(student(means_S_K[:, trusted_K].max(1))),
            "gold at the last trusted n": asdict(student(means_S_K[:, last])),
            "peak n": [int(first.n_K[k]) for k in means_S_K.argmax(1)],
            "last trusted n": int(first.n_K[last]),
            "fall from peak to the whole pool": asdict(
                student(means_S_K.max(1) - means_S_K[:, -1])
            ),
            "peaks": means_S_K[:, trusted_K].max(1).tolist(),
            "alphas": [
                fit_forms(
                    kl_S_K[k], gold_S_P_K[k], trusted=trusted_K, resamples=2
                ).best_of_n.alpha.value
                for k in range(len(curves))
            ],
        }
        if name in known:
            tests = [lab.tested(seed, known[name]) for seed in bench.seeds]
            row["parameters"] = tests[0]["parameters"]
            row |= {
                key: asdict(student([t[key]["value"] for t in tests]))
                for key in ("accuracy", "loss")
            }
            row["seconds"] = [t["seconds"] for t in tests]
        rows[name] = row
    notes = list(dict.fromkeys(note for found in swept.values() for note in found.notes))
    return {"proxies": rows, "scaling": _scalings(bench, rows), "notes": notes}


def _scalings(bench: Bench, rows: Mapping[str, Any]) -> dict[str, Any]:
    """How each seed's alpha and peak gold go with parameters, and with preferences."""
    by_size = [
        (rows[f"{size}-{bench.pairs}"]["parameters"], f"{size}-{bench.pairs}")
        for size in bench.sizes
    ]
    by_data = [(count, f"L-{count}") for count in bench.data]
    by_data += [(bench.pairs, f"L-{bench.pairs}")] if "L" in bench.sizes else []
    found = {}
    for what, listed in (("size", by_size), ("data", by_data)):
        if len(listed) < 2:
            continue
        each = [
            [(size, value) for size, name in listed for value in rows[name][key]]
            for key in ("alphas", "peaks")
        ]
        alphas, peaks = (
            scaling([size for size, _ in part], [value for _, value in part]) for part in each
        )
        found[what] = {
            name: {"slope": asdict(s.slope), "spearman": asdict(s.spearman)}
            for name, s in (("alpha", alphas), ("peak gold", peaks))
        }
    return found


def compared(
    bench: Bench, found: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
) -> dict[str, Any]:
    """Gold at the peak and at the end of each arm, and the end beside that of the first."""
    made = {name: arm(name, [run_of(rows) for rows in runs]) for name, runs in found.items()}
    write_points(
        bench.out / "points-rl.jsonl", [point for one in made.values() for point in run_points(one)]
    )
    first = next(iter(made.values()))
    table = {}
    for name, one in made.items():
        table[name] = {
            "verdict": one.verdict,
            "peak": asdict(one.peak),
            "peak step": one.peak_step,
            "end": asdict(one.end),
            "fall": asdict(one.fall),
            "KL at the peak": asdict(one.kl_at_peak),
            "KL at the end": asdict(one.kl_at_end),
            "gold at KL 2.5": asdict(one.at_kl(2.5)),
            f"end less {first.name}": asdict(one.ends_less(first)),
            "length at the end": asdict(student([run.values_L("length")[-1] for run in one.runs])),
            "over-optimized": one.over_optimized,
            "fits": (
                None
                if one.fits is None
                else {f.form: f.row() for f in (one.fits.best_of_n, one.fits.rl)}
            ),
            "delta_aicc": None if one.fits is None else one.fits.delta_aicc,
            "stop": None if one.stop is None else one.stop.words,
            "ends": [run.end("gold") for run in one.runs],
            "alarms": [
                {row["alarm"]: row["step"] for row in rows if "alarm" in row}
                for rows in found[name]
            ],
        }
    return table


def shown(result: Mapping[str, Any]) -> str:
    """Tables in Markdown."""
    lines = []
    if "best_of_n" in result:
        lines.append(
            "| proxy | parameters | accuracy | loss | alpha | beta | peak at d | R^2 | peak gold"
            " (n) | fall |"
        )
        lines.append("|---" * 10 + "|")
        for name, row in result["best_of_n"]["proxies"].items():
            fit = row["fit"]
            cells = [
                str(row.get("parameters", "")),
                *(_told_or_not(row.get(key)) for key in ("accuracy", "loss")),
            ]
            cells += [_interval(fit, key) for key in ("alpha", "beta", "peak_d")] + [
                f"{fit['r2']:.3f}"
            ]
            cells += [f"{_told_or_not(row['peak gold'])} ({'/'.join(map(str, row['peak n']))})"]
            cells += [_told_or_not(row["fall from peak to the whole pool"])]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        for what, found in result["best_of_n"]["scaling"].items():
            for name, s in found.items():
                lines.append(f"\n{name} with {what}: Spearman {_told_or_not(s['spearman'])}")
    if "rl" in result:
        columns = [
            key for key, value in next(iter(result["rl"].values())).items() if _is_estimate(value)
        ]
        lines += ["", "| arm | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for name, row in result["rl"].items():
            lines.append(f"| {name} | " + " | ".join(_told_or_not(row[c]) for c in columns) + " |")
        lines += ["", *(f"{row['verdict']} {row['stop'] or ''}" for row in result["rl"].values())]
    return "\n".join(lines)


def _is_estimate(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(Estimate.__dataclass_fields__)


def _told_or_not(estimate: Mapping[str, Any] | None) -> str:
    return (
        ""
        if estimate is None
        else f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"
    )


def _interval(row: Mapping[str, Any], key: str) -> str:
    if row.get(key) is None:
        return "none"
    low, high = (
        float("inf") if row[f"{key}_{end}"] is None else row[f"{key}_{end}"]
        for end in ("low", "high")
    )
    return f"{row[key]:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    tyro.cli(Bench)()
