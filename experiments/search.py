"""Search strategies with a process reward model from rollouts: how often they are right, by the
tokens they generate.

In the arithmetic world: a policy, a process model trained on adaptive Monte-Carlo labels of the
policy's own solutions (no truth is used), and 150 test problems a seed. Every strategy has the same
policy and the same model; they are held against each other at equal generated tokens a problem,
paired by problem. What was trained is kept and used again.

    python -m experiments.search --json
    python -m experiments.search --seeds 0 --sizes 4 16
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from experiments.labels_prm import Bench as Labels
from experiments.labels_prm import sample

from assay.aggregation import Aggregation
from assay.evaluation.searches import Point, at_tokens, gain_at_tokens, mean_of, point_of
from assay.models import checkpoint
from assay.protocols import Generator, Sampling, Scorer
from assay.runs.settings import write_atomic
from assay.scorers.local import LocalScorer
from assay.scorers.reaggregate import Aggregated
from assay.scorers.verifier import Verified
from assay.search import Search, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.mcts import Mcts
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.studies.arithmetic.models import LOSSES
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.training.loop import train
from assay.types import Group
from assay.worlds.arithmetic.task import MAX_STEPS
from assay.worlds.threads import threads

STEP = Sampling(max_tokens=3, stop=tuple(f"={digit}" for digit in range(10)))
BUDGETS = (20, 40, 80, 160, 320, 640)
"""Generated tokens a problem."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Search with every strategy at several sizes."""

    out: Path = Path("runs/search")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Each is another policy, other problems and another model."""
    sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Of strategies that sample whole responses."""
    stepwise: tuple[int, ...] = (4, 16)
    """Of those that go step by step."""
    problems: int = 800
    """Training problems, with eight solutions each."""
    test: int = 150
    """Test problems."""
    steps: int = 500
    """Optimiser steps of the process model."""
    aggregate: Aggregation = "product"
    """How its step scores become one."""
    json: bool = False
    """Print JSON instead of tables."""

    def __call__(self) -> None:
        """Run what is missing, and print."""
        with threads(1):
            every = [self.one(seed) for seed in self.seeds]
        result = table(every)
        write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        print(json.dumps(result) if self.json else shown(result))

    def one(self, seed: int) -> dict[str, list[Point]]:
        """One seed's points by strategy."""
        folder = self.out / f"seed{seed}"
        world = Arithmetic(seed=seed, train_problems=self.problems, steps=self.steps)
        if not (folder / "policy").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            world.make_policy(folder / "policy", lambda done, note: None)
        policy = world.policy(folder / "policy")
        # Texts of thirty tokens: looking up what is remembered costs more than reading them again.
        policy.remember = 0
        scorer = Aggregated(self.scorer(world, policy, folder), self.aggregate)
        points: dict[str, list[Point]] = {}
        kept = folder / "points.json"
        known: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {}
        for name, n, strategy in strategies(self.sizes, self.stepwise, world):
            key = f"{strategy} {self.aggregate} {self.test}"
            if key in known:
                point = Point(**{**known[key], "right_P": np.array(known[key]["right_P"])})
                points.setdefault(name, []).append(point)
                continue
            start = time.monotonic()
            points.setdefault(name, []).append(
                measure(world, strategy, n, policy, scorer, self.test)
            )
            p = points[name][-1]
            known[key] = {**asdict(p), "right_P": p.right_P.tolist()}
            write_atomic(kept, json.dumps(known))
            print(
                f"seed {seed}, {name} n={n}: {p.accuracy.value:.3f} at {p.tokens:.0f} tokens, "
                f"{time.monotonic() - start:.1f} s",
                flush=True,
            )
        return points

    def scorer(self, world: Arithmetic, policy: Generator, folder: Path) -> Scorer:
        """The process model, trained where it is not there yet."""
        target = folder / "prm"
        if not (target / "reward_model.json").is_file():
            start = time.monotonic()
            labels = Labels(problems=self.problems, steps=self.steps)
            records = labels.sources(world, policy, sample(world, policy)[0], folder, {})[
                "adaptive"
            ]()
            model = world.reward_model("process")
            loss = LOSSES["process"]
            from assay import components

            settings = world.settings("process", len(records))
            model = train(
                model,
                records,
                loss=components.load("losses", loss)(),
                settings=settings,
                out=folder / "train",
                progress=False,
            ).model
            checkpoint.save(model, target)
            print(
                f"seed {world.seed}: labels and model in {time.monotonic() - start:.0f} s",
                flush=True,
            )
        return LocalScorer(target, remember=0)


def strategies(
    sizes: Sequence[int], stepwise: Sequence[int], world: Arithmetic
) -> list[tuple[str, int, Search]]:
    """Every strategy at every size that makes sense for it."""
    answers, seed = world.verifier, world.seed
    shared: dict[str, Any] = {"seed": seed, "answers": answers}
    stepped: dict[str, Any] = {**shared, "max_steps": MAX_STEPS + 1}
    found: list[tuple[str, int, Search]] = []
    for n in sizes:
        found += [
            ("best-of-n", n, BestOfN(n=n, seed=seed)),
            ("majority", n, Majority(n=n, **shared)),
        ]
        found += [("weighted majority", n, WeightedMajority(n=n, **shared))]
    for n in stepwise:
        found += [
            ("beam, width n/4", n, Beam(n=n, width=max(1, n // 4), **stepped)),
            ("beam, width n/2", n, Beam(n=n, width=max(1, n // 2), **stepped)),
            ("DVTS, width 4", n, Dvts(n=n, width=min(n, 4), **stepped)),
            ("DVTS, width 4, weighted", n, Dvts(n=n, width=min(n, 4), pick="weighted", **stepped)),
            (
                "step rejection",
                n,
                StepRejection(n=max(1, n // 4), threshold=0.7, tries=4, **stepped),
            ),
            ("MCTS", n, Mcts(simulations=2 * n, each=4, **stepped)),
            (
                "best first",
                n,
                BestFirst(each=4, expansions=2 * n, finished=max(1, n // 4), **stepped),
            ),
        ]
    return found


def measure(
    world: Arithmetic, strategy: Search, n: int, policy: Generator, scorer: Scorer, count: int
) -> Point:
    """What a strategy gets on so many test problems."""
    test = world.prompts()[1][:count]
    sampling = Sampling(
        max_tokens=world.max_tokens, temperature=world.temperature, seed=world.seed + 991
    )
    step = Sampling(
        max_tokens=STEP.max_tokens,
        stop=STEP.stop,
        temperature=world.temperature,
        seed=sampling.seed,
    )
    results = run(strategy, test, policy, scorer, sampling=sampling, step=step, together=len(test))
    truth = Verified(world.verifier)
    gold = [
        (
            None
            if r.response is None
            else truth.score([Group(prompt=r.group.prompt, responses=(r.response,))])[0][0]
        )
        for r in results
    ]
    return point_of(n, results, gold)


def table(every: Sequence[Mapping[str, Sequence[Point]]]) -> dict[str, Any]:
    """All seeds together; intervals by problem, paired where strategies are compared."""
    result: dict[str, Any] = {
        "seeds": len(every),
        "points": {},
        "at_tokens": {},
        "over_best_of_n": {},
    }
    for name in every[0]:
        together = [_joined([seed[name][k] for seed in every]) for k in range(len(every[0][name]))]
        result["points"][name] = [
            {
                "n": p.n,
                "accuracy": _plain(p.accuracy),
                "tokens": p.tokens,
                "scored_tokens": p.scored_tokens,
                "by_seed": [float(np.mean(seed[name][k].right_P)) for seed in every],
            }
            for k, p in enumerate(together)
        ]
        base = [
            _joined([seed["best-of-n"][k] for seed in every])
            for k in range(len(every[0]["best-of-n"]))
        ]
        result["at_tokens"][name], result["over_best_of_n"][name] = {}, {}
        for budget in BUDGETS:
            if (right := at_tokens(together, budget)) is not None:
                result["at_tokens"][name][budget] = _plain(mean_of(right))
            if (gain := gain_at_tokens(together, base, budget)) is not None and name != "best-of-n":
                seeds = [gain_at_tokens(seed[name], seed["best-of-n"], budget) for seed in every]
                result["over_best_of_n"][name][budget] = {
                    **_plain(gain),
                    "by_seed": [None if g is None else round(g.value, 4) for g in seeds],
                }
    return result


def _joined(points: Sequence[Point]) -> Point:
    """The seeds' problems as one set."""
    return Point(
        n=points[0].n,
        right_P=np.concatenate([p.right_P for p in points]),
        tokens=float(np.mean([p.tokens or np.nan for p in points])),
        scored_tokens=float(np.mean([p.scored_tokens or 0 for p in points])),
        samples=float(np.mean([p.samples for p in points])),
    )


def _plain(estimate: Any) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def shown(result: Mapping[str, Any]) -> str:
    """The tables as markdown."""
    lines = ["| strategy | n: accuracy at tokens |", "|---|---|"]
    for name, points in result["points"].items():
        cells = [f"{p['n']}: {p['accuracy']['value']:.3f} at {p['tokens']:.0f}" for p in points]
        lines.append(f"| {name} | {', '.join(cells)} |")
    head = "| " + " | ".join(f"{b} tokens" for b in BUDGETS) + " |"
    for title, key, form in (
        ("accuracy at equal tokens", "at_tokens", "{:.3f} [{:.3f}, {:.3f}]"),
        ("over best-of-n", "over_best_of_n", "{:+.3f} [{:+.3f}, {:+.3f}]"),
    ):
        lines += ["", f"| {title} {head}", "|---" * (len(BUDGETS) + 1) + "|"]
        for name, row in result[key].items():
            by_budget = {int(b): e for b, e in row.items()}
            cells = [
                form.format(e["value"], e["low"], e["high"]) if (e := by_budget.get(b)) else ""
                for b in BUDGETS
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    tyro.cli(Bench)()
