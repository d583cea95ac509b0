"""Over-optimization in the world of essays: how much gold a proxy buys, by its size, its data and how it is used.

Best-of-n: one pool of responses, every proxy's choice out of n judged by gold, for all n at once. Reinforcement
learning: a policy trained against a weak proxy alone, with a price on divergence, and against ensembles. Each part is
kept as soon as it is done, so that a run that was killed goes on.

    python -m bench.overopt --json
"""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from assay import config
from assay.models import checkpoint
from assay.overopt import fit_forms, scaling, sweep_best_of_n, write_points
from assay.quickstart.essays import Essays
from assay.rl.loop import optimise
from assay.rl.scoring import Part
from assay.rl.settings import Settings
from assay.rl.transforms import Standardise
from assay.scorers.ensemble import Ensemble, standards
from assay.scorers.local import LocalScorer
from assay.stats import Estimate, bootstrap
from assay.types import Group, Preference, Score, Unscored
from assay.worlds.essays.proxies import SIZES
from assay.worlds.threads import threads

Array = NDArray[np.float64]

RL = Settings(
    groups=16,
    samples=8,
    max_tokens=Essays().max_tokens,
    learning_rate=6e-4,
    clip=10.0,
    reduction="sum",
    whiten="scale",
    watch_every=5,
    watch_prompts=8,
    watch_samples=64,
    checkpoint_every=1000,
)
"""Leave-one-out baseline; nothing holds a policy back but the reward."""

# How many members, how they are put together, and what is different from RL.
ARMS: Mapping[str, tuple[int, Literal["mean", "worst", "uncertainty"], Mapping[str, Any]]] = {
    "none": (1, "mean", {}),
    "KL .1": (1, "mean", {"kl": 0.1}),
    "mean of 4": (4, "mean", {}),
    "worst of 4": (4, "worst", {}),
    "uncertainty of 4": (4, "uncertainty", {}),
}
WEAK = ("M", 1000)
"""The proxy of the arms: its size, and the preferences it learned from."""
STANDARD = 512
"""Essays a topic in whose standard deviations proxies are told to a policy."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Train what is missing, and print the tables."""

    out: Path = Path("runs/overopt")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each is another policy, other preferences, other proxies, other samples."""
    sizes: tuple[str, ...] = tuple(SIZES)
    """Proxies that learn from all preferences."""
    pairs: int = 16_000
    """Preferences."""
    data: tuple[int, ...] = (250, 1000, 4000)
    """Fewer, for proxies of size L."""
    pool: int = 8192
    """Responses a topic in the pool: 65,536 in all."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Ways to train a policy."""
    steps: int = 140
    """Rounds of each."""
    workers: int = 2
    """Processes, each on one thread."""
    json: bool = False
    """Print JSON."""

    @property
    def proxies(self) -> dict[str, tuple[str, int]]:
        """Names of the proxies of the sweep, with size and preferences."""
        return {f"{size}-{self.pairs}": (size, self.pairs) for size in self.sizes} | {
            f"L-{count}": ("L", count) for count in self.data
        }

    def __call__(self) -> None:
        """Policies and pools, proxies, sweeps, and then the policies that are trained."""
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(prepare, [self] * len(self.seeds), self.seeds))
            jobs = [(seed, *proxy, 0, True) for proxy in self.proxies.values() for seed in self.seeds]
            if self.arms:
                members = max(ARMS[arm][0] for arm in self.arms)
                jobs += [(seed, *WEAK, member, False) for member in range(members) for seed in self.seeds]
            list(pool.map(proxy, [self] * len(jobs), *zip(*jobs, strict=True)))
            swept = sweep(self)
            config.write_atomic(self.out / "best_of_n.json", json.dumps(swept, indent=1))
            runs = [(seed, arm) for seed in self.seeds for arm in self.arms]
            found = list(pool.map(run, [self] * len(runs), *zip(*runs, strict=True))) if runs else []
        result = {"best_of_n": swept, "rl": {"arms": arms(found), "runs": found}}
        config.write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        print(json.dumps(result, indent=1) if self.json else shown(result))


def world_of(seed: int) -> Essays:
    return Essays(seed=seed)


def folder_of(bench: Bench, seed: int) -> Path:
    return bench.out / f"seed{seed}"


def prepare(bench: Bench, seed: int) -> None:
    """A policy, its preferences, a test set of them, and a pool with gold."""
    folder, world = folder_of(bench, seed), world_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with threads(1):
        if not (folder / "policy").is_dir():
            world.make_policy(folder / "policy")
        policy, gold = world.policy(folder / "policy"), world.gold(folder / "policy")
        for name, count, stream in (("pairs", bench.pairs, 1), ("test", 2000, 2)):
            path = folder / f"{name}-{count}.jsonl"
            if not path.is_file():
                records = world.pairs(policy, gold, count, stream=stream)
                config.write_atomic(path, "".join(f"{r.model_dump_json()}\n" for r in records))
        path = folder / f"pool-{bench.pool}.jsonl"
        if not path.is_file():
            groups = world.sample(policy, bench.pool, stream=3)
            np.save(folder / f"gold-{bench.pool}.npy", _values(gold.score(groups)))
            config.write_atomic(path, "".join(f"{g.model_dump_json()}\n" for g in groups))


def proxy(bench: Bench, seed: int, size: str, count: int, member: int, pooled: bool) -> None:
    """A proxy, how often it is right about the test set, and what it says of the pool."""
    folder = folder_of(bench, seed)
    target = _proxy_folder(folder, size, count, member)
    scored = target / f"pool-{bench.pool}.npy"
    if (target / "test.json").is_file() and (scored.is_file() or not pooled):
        return
    with threads(1):
        began = time.monotonic()
        records = _records(folder / f"pairs-{bench.pairs}.jsonl")[:count]
        made = world_of(seed).proxy(size, records, target, member=member)
        seconds = time.monotonic() - began
        scorer = LocalScorer(made.model)
        test = [r for r in _records(folder / "test-2000.jsonl") if r.prefer != 0.5]
        values = _values(scorer.score(test))
        margin = np.where([r.prefer == 1 for r in test], values[:, 0] - values[:, 1], values[:, 1] - values[:, 0])
        if pooled:
            np.save(scored, _values(scorer.score(_pool(folder / f"pool-{bench.pool}.jsonl"))))
        body = {
            "parameters": sum(p.numel() for p in made.model.parameters()),
            "accuracy": asdict(bootstrap(margin > 0)),
            "loss": asdict(bootstrap(np.logaddexp(0, -margin))),
            "seconds": round(seconds, 1),
        }
        config.write_atomic(target / "test.json", json.dumps(body))


def sweep(bench: Bench) -> dict[str, Any]:
    """Curves and fits of every proxy over all seeds, and how they go with size and data."""
    swept = {}
    for seed in bench.seeds:
        folder = folder_of(bench, seed)
        pool = _pool(folder / f"pool-{bench.pool}.jsonl")
        texts = [[r.text for r in group.responses] for group in pool]
        golds = {"gold": np.load(folder / f"gold-{bench.pool}.npy")}
        scores = {
            name: np.load(_proxy_folder(folder, *own, 0) / f"pool-{bench.pool}.npy")
            for name, own in bench.proxies.items()
        }
        lengths = [[len(text.split()) for text in row] for row in texts]
        swept[seed] = sweep_best_of_n(scores | golds, golds, keys=texts, lengths=lengths)
        write_points(bench.out / f"points-{seed}.jsonl", swept[seed].points)
    rows: dict[str, Any] = {}
    draws: dict[str, Array] = {}
    for name in [*bench.proxies, "gold"]:
        curves = [swept[seed].curve(name, "gold") for seed in bench.seeds]
        first = curves[0]
        gold_S_P_K = np.stack([curve.gold_P_K for curve in curves])
        trusted_K = first.trusted_K
        kl_S_K = np.stack([curve.kl_best_K for curve in curves])
        kl_S_K[:, first.n_K == 1] = 0.0
        fits = fit_forms(kl_S_K, gold_S_P_K, trusted=trusted_K)
        own = fits.best_of_n
        means_S_K = gold_S_P_K.mean(1)
        peak_S = means_S_K[:, trusted_K].max(1)
        last = int(np.flatnonzero(trusted_K)[-1])
        row: dict[str, Any] = {
            "fit": own.row(),
            "rl form": fits.rl.row(),
            "delta_aicc": fits.delta_aicc,
            "gold": {int(n): float(g) for n, g in zip(first.n_K, means_S_K.mean(0), strict=True)},
            "peak gold": _over_seeds(peak_S),
            "gold at the last trusted n": _over_seeds(means_S_K[:, last]),
            "peak n": [int(first.n_K[k]) for k in means_S_K.argmax(1)],
            "last trusted n": int(first.n_K[last]),
            "fall from peak to the whole pool": _over_seeds(means_S_K.max(1) - means_S_K[:, -1]),
        }
        if name != "gold":
            tests = [
                json.loads((_proxy_folder(folder_of(bench, s), *bench.proxies[name], 0) / "test.json").read_text())
                for s in bench.seeds
            ]
            row |= {
                "parameters": tests[0]["parameters"],
                "accuracy": _over_seeds([t["accuracy"]["value"] for t in tests]),
                "loss": _over_seeds([t["loss"]["value"] for t in tests]),
                "seconds": [t["seconds"] for t in tests],
            }
        draws[name] = own.draws_R_2[:, 0]
        row["peaks"] = peak_S.tolist()
        rows[name] = row
    notes = list(dict.fromkeys(note for found in swept.values() for note in found.notes))
    return {"proxies": rows, "scaling": _scalings(bench, rows, draws), "notes": notes}


def _scalings(bench: Bench, rows: Mapping[str, Any], draws: Mapping[str, Array]) -> dict[str, Any]:
    """How alpha and peak gold go with parameters, and with preferences."""
    by_size = [(rows[f"{size}-{bench.pairs}"]["parameters"], f"{size}-{bench.pairs}") for size in bench.sizes]
    by_data = [(count, f"L-{count}") for count in bench.data]
    by_data += [(bench.pairs, f"L-{bench.pairs}")] if "L" in bench.sizes else []
    found = {}
    for what, listed in (("size", by_size), ("data", by_data)):
        if len(listed) < 2:
            continue
        alphas = scaling(
            [size for size, _ in listed],
            [rows[name]["fit"]["alpha"] for _, name in listed],
            np.stack([draws[name] for _, name in listed], axis=1),
        )
        each = [(size, peak) for size, name in listed for peak in rows[name]["peaks"]]
        peaks = scaling([size for size, _ in each], [peak for _, peak in each])
        found[what] = {
            name: {"slope": asdict(s.slope), "spearman": asdict(s.spearman)}
            for name, s in (("alpha", alphas), ("peak gold", peaks))
        }
    return found


def run(bench: Bench, seed: int, arm: str) -> dict[str, Any]:
    """One policy's training; its looks, and the seconds it took."""
    folder, world = folder_of(bench, seed), world_of(seed)
    members, how, changes = ARMS[arm]
    target = folder / "rl" / arm.replace(" ", "-").replace(".", "0.")
    began = time.monotonic()
    with threads(1):
        gold = world.gold(folder / "policy")
        scorers = tuple(LocalScorer(checkpoint.load(_proxy_folder(folder, *WEAK, m))) for m in range(members))
        if members == 1:
            part = Part(name="proxy", scorer=scorers[0], transforms=(Standardise(),))
        else:
            writes = world.sample(world.policy(folder / "policy"), STANDARD, stream=4)
            together = Ensemble(scorers, how=how, weight=0.5, standards=standards(scorers, writes))
            part = Part(name="proxy", scorer=together)
        found = optimise(
            world.open(folder / "policy"),
            world.prompts(),
            [part],
            settings=replace(RL, seed=seed, steps=bench.steps, **changes),
            out=target,
            held_out=world.prompts(),
            golds={"gold": gold},
            progress=False,
        )
    clock = target / "seconds.json"
    if not clock.is_file():
        config.write_atomic(clock, json.dumps(time.monotonic() - began))
    looks = {row["step"]: row["watch"] for row in found.rows if "watch" in row}
    return {
        "seed": seed,
        "arm": arm,
        "looks": {
            step: {name: look[name][0] for name in ("proxy", "kl", "length", "duplicates")}
            | {"gold": look["gold"]["gold"][0]}
            for step, look in looks.items()
        },
        "alarms": {row["alarm"]: row["step"] for row in found.rows if "alarm" in row},
        "seconds": json.loads(clock.read_text()),
    }


def arms(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rise of gold over the untrained policy at its peak and at the end, over the seeds of each arm."""
    rows = {}
    for arm in dict.fromkeys(one["arm"] for one in found):
        own = [one for one in found if one["arm"] == arm]
        gold_S_L = [[look["gold"] for look in one["looks"].values()] for one in own]
        kl_S_L = [[look["kl"] for look in one["looks"].values()] for one in own]
        rows[arm] = {
            "peak": _over_seeds([max(row) - row[0] for row in gold_S_L]),
            "end": _over_seeds([row[-1] - row[0] for row in gold_S_L]),
            "fall": _over_seeds([max(row) - row[-1] for row in gold_S_L]),
            "KL at the peak": _over_seeds([kl[int(np.argmax(row))] for kl, row in zip(kl_S_L, gold_S_L, strict=True)]),
            "KL at the end": _over_seeds([kl[-1] for kl in kl_S_L]),
            "proxy at the end": _over_seeds([[*one["looks"].values()][-1]["proxy"] for one in own]),
            "length at the end": _over_seeds([[*one["looks"].values()][-1]["length"] for one in own]),
            "gold at KL 2.5": _over_seeds(
                [_at(kl, row, 2.5) - row[0] for kl, row in zip(kl_S_L, gold_S_L, strict=True)]
            ),
            "seconds": [round(one["seconds"]) for one in own],
        }
    return rows


def shown(result: Mapping[str, Any]) -> str:
    """Three tables."""
    lines = ["| proxy | parameters | accuracy | loss | alpha | beta | peak at d | R^2 | peak gold (n) | fall |"]
    lines.append("|---" * 10 + "|")
    for name, row in result["best_of_n"]["proxies"].items():
        fit = row["fit"]
        cells = [str(row.get("parameters", "")), *(_told_or_not(row.get(key)) for key in ("accuracy", "loss"))]
        cells += [_interval(fit, key) for key in ("alpha", "beta", "peak_d")] + [f"{fit['r2']:.3f}"]
        cells += [f"{_told_or_not(row['peak gold'])} ({'/'.join(map(str, row['peak n']))})"]
        lines.append(
            f"| {name} | " + " | ".join([*cells, _told_or_not(row["fall from peak to the whole pool"])]) + " |"
        )
    for what, found in result["best_of_n"]["scaling"].items():
        for name, s in found.items():
            lines.append(f"\n{name} with {what}: Spearman {_told_or_not(s['spearman'])}")
    columns = ("peak", "end", "fall", "KL at the peak", "KL at the end", "gold at KL 2.5", "length at the end")
    lines += ["", "| arm | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for arm, row in result["rl"]["arms"].items():
        lines.append(f"| {arm} | " + " | ".join(_told_or_not(row[c]) for c in columns) + " |")
    return "\n".join(lines)


def _at(kl: Sequence[float], gold: Sequence[float], wanted: float) -> float:
    """Gold where KL first passes a value, on straight lines between looks; NaN where it never does."""
    for k in range(1, len(kl)):
        if kl[k] >= wanted > kl[k - 1]:
            return float(np.interp(wanted, kl[k - 1 : k + 1], gold[k - 1 : k + 1]))
    return float("nan")


def _over_seeds(values: Sequence[float] | Array) -> dict[str, Any]:
    """Mean with a Student interval, over the seeds that have it."""
    from scipy.stats import t

    x = np.asarray(values, dtype=np.float64)
    x = x[~np.isnan(x)]
    if len(x) == 0:
        return asdict(Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=0))
    wide = float(t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5) if len(x) > 1 else float("nan")
    mean = float(x.mean())
    return asdict(Estimate(value=mean, low=mean - wide, high=mean + wide, n=len(x)))


def _told_or_not(estimate: Mapping[str, Any] | None) -> str:
    return "" if estimate is None else f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


def _interval(row: Mapping[str, Any], key: str) -> str:
    if row.get(key) is None:
        return "none"
    low, high = (float("inf") if row[f"{key}_{end}"] is None else row[f"{key}_{end}"] for end in ("low", "high"))
    return f"{row[key]:.2f} [{low:.2f}, {high:.2f}]"


def _row(scores: Sequence[Score | Unscored]) -> Array:
    return np.array([s.value if isinstance(s, Score) else np.nan for s in scores])


def _values(scores: Sequence[Sequence[Score | Unscored]]) -> Array:
    return np.stack([_row(row) for row in scores])


def _proxy_folder(folder: Path, size: str, count: int, member: int) -> Path:
    return folder / "proxies" / f"{size}-{count}-{member}"


@cache
def _records(path: Path) -> list[Preference]:
    return [Preference.model_validate_json(line) for line in path.read_text().splitlines()]


@cache
def _pool(path: Path) -> list[Group]:
    return [Group.model_validate_json(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    tyro.cli(Bench)()
