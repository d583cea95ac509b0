"""Process reward models from Monte-Carlo labels, from adaptive ones and from the truth, beside an
outcome model.

In the arithmetic world: a policy writes solutions of training problems, each kind of label makes a
training set of the same solutions, and each model chooses among 64 solutions of every test problem.
Steps are true if no step up to them is wrong. Everything is resumed where it stopped.

    python -m experiments.labels_prm --seeds 0 1 2 3 4
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from assay import aggregation, components
from assay.aggregation import Aggregation
from assay.labelling.adaptive import Adaptive
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.rollouts import Rollouts
from assay.protocols import Generator, Prefix, Sampling
from assay.runs.settings import write_atomic
from assay.scorers.local import LocalScorer
from assay.stats import (
    auroc,
    best_of_n_curve,
    majority_curve,
    oracle_curve,
    paired_bootstrap,
    proportion,
)
from assay.studies.arithmetic.models import LOSSES
from assay.studies.arithmetic.records import graded, outcomes
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.studies.arithmetic.world import Kind
from assay.training.loop import train
from assay.types import Ranking, Score, StepLabels
from assay.worlds.threads import threads

NS = (1, 2, 4, 8, 16, 32, 64)
PROCESS: tuple[Aggregation, ...] = ("min", "product", "last", "mean")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Train models on each kind of label, and choose with them."""

    out: Path = Path("runs/labels_prm")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Each is another policy, other problems and other models."""
    problems: int = 2500
    """Training problems, with eight solutions each."""
    steps: int = 1200
    """Optimiser steps of each model."""
    labels: tuple[str, ...] = ("outcome", "monte carlo, soft", "adaptive", "exact")
    """What is learned from; "monte carlo, hard" and "adaptive, more rollouts" may be added."""
    rollouts: int = 8
    """Of uniform Monte-Carlo labels, from after each step."""

    def __call__(self) -> None:
        """Run what is missing, and print the table."""
        with threads(1):
            every = [self.one(seed) for seed in self.seeds]
        result = table(every)
        write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        print(shown(result))

    def one(self, seed: int) -> dict[str, Any]:
        """One seed's numbers, a value a test problem wherever problems are what is averaged
        over."""
        folder = self.out / str(seed)
        world = Arithmetic(seed=seed, train_problems=self.problems, steps=self.steps)
        if not (folder / "policy").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            world.make_policy(folder / "policy", lambda done, note: None)
        policy = world.policy(folder / "policy")
        pools, test = sample(world, policy)
        found: dict[str, Any] = {"test": baselines(test), "models": {}, "costs": {}}
        for name in self.labels:
            target = folder / f"{name}.json"
            settings = [self.problems, self.steps, self.rollouts]
            if not target.is_file() or json.loads(target.read_text())["settings"] != settings:
                costs: dict[str, Any] = {}
                records = self.sources(world, policy, pools, folder, costs)[name]()
                numbers = self.model(world, name, records, test, folder)
                write_atomic(
                    target, json.dumps({"settings": settings, "costs": costs, "numbers": numbers})
                )
            body = json.loads(target.read_text())
            found["models"][name] = body["numbers"]
            found["costs"] |= body["costs"]
        return found

    def model(
        self,
        world: Arithmetic,
        name: str,
        records: Sequence[StepLabels],
        test: Sequence[Ranking],
        folder: Path,
    ) -> dict[str, Any]:
        """Train a model and measure it."""
        start = time.monotonic()
        kind: Kind = "outcome" if name == "outcome" else "process"
        loss = components.load("losses", LOSSES[kind])()
        settings = world.settings(kind, len(records))
        model = world.reward_model(kind)
        out = folder / "models" / name
        model = train(model, records, loss=loss, settings=settings, out=out, progress=False).model
        numbers = measure(world, test, LocalScorer(model).score(test), process=kind == "process")
        print(f"seed {world.seed}, {name}: {time.monotonic() - start:.0f} s", flush=True)
        return numbers

    def sources(
        self,
        world: Arithmetic,
        policy: Generator,
        pools: Sequence[Ranking],
        folder: Path,
        costs: dict[str, Any],
    ) -> dict[str, Callable[[], Sequence[StepLabels]]]:
        """By name, what makes the training records."""
        given = [(pool.prompt, r) for pool in pools for r in pool.responses if r.steps]

        def rolled(name: str, labeller: Any) -> Sequence[StepLabels]:
            sampling = Sampling(max_tokens=world.max_tokens, seed=world.seed + 77)
            with Ledger(folder / f"{name}.ledger.jsonl") as ledger:
                rollouts = Rollouts(
                    generator=policy,
                    verifier=world.verifier,
                    sampling=sampling,
                    name="policy",
                    ledger=ledger,
                )
                records: Sequence[StepLabels] = labeller(given, rollouts)
            cost = rollouts.cost.rollouts + rollouts.cost.known
            true = np.concatenate([truth(world, r) for r in records])
            label = np.array([y for r in records for y in r.labels], dtype=float)
            costs[repr(labeller)] = {
                "rollouts": cost,
                "agreement": float(((label > 0.5) == true).mean()),
            }
            return records

        return {
            "outcome": lambda: outcomes(pools),
            "monte carlo, soft": lambda: rolled(
                "soft", MonteCarlo(rollouts=self.rollouts, label="soft")
            ),
            "monte carlo, hard": lambda: rolled(
                "soft", MonteCarlo(rollouts=self.rollouts, label="hard")
            ),
            "adaptive, more rollouts": lambda: rolled(
                "adaptive", Adaptive(label="soft", confidence=0.99, most=32, batch=4, least=0.001)
            ),
            "adaptive": lambda: rolled("adaptive", Adaptive(label="soft")),
            "exact": lambda: [exact(world, prompt, response) for prompt, response in given],
        }


def exact(world: Arithmetic, prompt: Any, response: Any) -> StepLabels:
    """The truth: no step so far is wrong."""
    record = world.label(prompt, response)
    return record.model_copy(update={"labels": tuple(map(float, truth(world, record)))})


def truth(world: Arithmetic, record: StepLabels) -> Any:
    """(T,) whether no step so far is wrong."""
    return np.cumprod(world.label(record.prompt, record.response).labels) > 0.5


def sample(world: Arithmetic, policy: Generator) -> tuple[list[Ranking], list[Ranking]]:
    """Verified solutions of the training problems, and of the test problems."""
    pools: list[list[Ranking]] = []
    for prompts, n in zip(world.prompts(), (world.samples, world.pool), strict=True):
        sampling = Sampling(
            n=n, max_tokens=world.max_tokens, temperature=world.temperature, seed=world.seed
        )
        found = policy.generate([Prefix(prompt) for prompt in prompts], sampling)
        pools.append([graded(p, rs, world.verifier) for p, rs in zip(prompts, found, strict=True)])
    return pools[0], pools[1]


def curve(proxy: Any, gold: Any) -> list[list[float]]:
    """[n, value, low, high] of the best of n."""
    return [
        [p.n, p.estimate.value, p.estimate.low, p.estimate.high]
        for p in best_of_n_curve(proxy, gold, NS)
    ]


def baselines(test: Sequence[Ranking]) -> dict[str, Any]:
    """What needs no model."""
    gold = np.array([pool.grades for pool in test])
    answers = [[r.text.rpartition("ans=")[2] or None for r in pool.responses] for pool in test]
    rows = {
        "majority": majority_curve(answers, gold, NS),
        "oracle": oracle_curve(gold, NS),
    }
    return {
        "mean": float(gold.mean()),
        **{
            name: [[p.n, p.estimate.value, p.estimate.low, p.estimate.high] for p in row]
            for name, row in rows.items()
        },
    }


def measure(
    world: Arithmetic, test: Sequence[Ranking], scores: Any, *, process: bool
) -> dict[str, Any]:
    """Best-of-n by every aggregation; of steps AUROC, and where the first error is seen."""
    from assay.stats.best_of_n import best_of_n

    gold = np.array([pool.grades for pool in test])
    every = [score for row in scores for score in row]
    assert all(isinstance(score, Score) for score in every)
    how: Sequence[Aggregation] = PROCESS if process else ("last",)
    found: dict[str, Any] = {"curves": {}, "by_problem": {}}
    for name in how:
        proxy = np.array(
            [[aggregation.aggregate(score.steps, name) for score in row] for row in scores]
        )
        found["curves"][name] = curve(proxy, gold)
        found["by_problem"][name] = best_of_n(proxy, gold, NS).tolist()
    if process:
        x, y, of, hit, wrong = [], [], [], [], []
        for k, (pool, row) in enumerate(zip(test, scores, strict=True)):
            for response, score in zip(pool.responses, row, strict=True):
                true = truth(world, world.label(pool.prompt, response))
                x += score.steps
                y += true.tolist()
                of += [k] * len(true)
                said = next((t for t, p in enumerate(score.steps) if p < 0.5), -1)
                first = -1 if true.all() else int(true.argmin())
                hit.append((k, said == first))
                if first >= 0:
                    wrong.append((k, said == first))
        area = auroc(x, y, clusters=of, resamples=200)
        found["auroc"] = [area.value, area.low, area.high]
        for name, rows in (("first_error", hit), ("first_error_of_wrong", wrong)):
            share = proportion([float(ok) for _, ok in rows], clusters=[k for k, _ in rows])
            found[name] = [share.value, share.low, share.high]
    return found


def table(every: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds with intervals by problem, and the difference from the outcome model at each
    n."""
    result: dict[str, Any] = {
        "seeds": len(every),
        "baselines": {},
        "rows": {},
        "models": {},
        "costs": {},
    }
    for name in ("majority", "oracle"):
        result["baselines"][name] = np.mean(
            [[p[1] for p in one["test"][name]] for one in every], axis=0
        ).tolist()
    result["baselines"]["mean"] = float(np.mean([one["test"]["mean"] for one in every]))
    base = np.concatenate([one["models"]["outcome"]["by_problem"]["last"] for one in every])
    for model, first in every[0]["models"].items():
        for how in first["by_problem"]:
            values = np.concatenate([one["models"][model]["by_problem"][how] for one in every])
            points = []
            for i, n in enumerate(NS):
                own = paired_bootstrap(values[:, i], np.zeros(len(values)))
                over = paired_bootstrap(values[:, i], base[:, i])
                by_seed = [
                    float(np.mean([v[i] for v in one["models"][model]["by_problem"][how]]))
                    for one in every
                ]
                points.append(
                    {
                        "n": n,
                        "value": [own.value, own.low, own.high],
                        "over_outcome": [over.value, over.low, over.high],
                        "by_seed": by_seed,
                    }
                )
            result["rows"][f"{model}, {how}"] = points
        keys = ("auroc", "first_error", "first_error_of_wrong")
        if "auroc" in first:
            result["models"][model] = {
                key: {
                    "mean": float(np.mean([one["models"][model][key][0] for one in every])),
                    "by_seed": [one["models"][model][key] for one in every],
                }
                for key in keys
            }
    result["costs"] = [one["costs"] for one in every]
    return result


def shown(result: dict[str, Any]) -> str:
    """The tables as markdown."""
    lines = [
        "| chooser | " + " | ".join(f"n = {n}" for n in NS) + " |",
        "|---" * (len(NS) + 1) + "|",
    ]
    ruled = {
        name: [f"{v:.3f}" for v in result["baselines"][name]] for name in ("majority", "oracle")
    }
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in ruled.items()]
    for name, points in result["rows"].items():
        cells = [f"{p['value'][0]:.3f} [{p['value'][1]:.3f}, {p['value'][2]:.3f}]" for p in points]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| over the outcome model | " + " | ".join(f"n = {n}" for n in NS) + " |",
        lines[1],
    ]
    for name, points in result["rows"].items():
        cells = ["{:+.3f} [{:+.3f}, {:+.3f}]".format(*p["over_outcome"]) for p in points]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name, found in result["models"].items():
        for key, value in found.items():
            seeds = ", ".join("{:.3f} [{:.3f}, {:.3f}]".format(*row) for row in value["by_seed"])
            lines.append(f"{name}, {key}: {value['mean']:.3f} ({seeds})")
    lines += [f"cost: {cost}" for cost in result["costs"]]
    return "\n".join(lines)


if __name__ == "__main__":
    tyro.cli(Bench)()
