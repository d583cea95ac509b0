"""What do step labels cost, and how often are they true? In the arithmetic world, where each step's
truth is known.

A step is true if no step up to it is wrong. Each labeller labels the same solutions of the world's
policy, from fresh
rollouts: uniform Monte-Carlo by its published rule (right if any rollout is) and by the threshold
that turns out best, which nobody knows beforehand; adaptive, with structure and without; binary
search; and the tree search on the prefixes that it chose itself. Soft labels are compared with the
policy's chance to finish right, from thousands of rollouts.

    python -m experiments.labels --json
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.rollouts import Rollouts
from assay.labelling.search import TreeSearch
from assay.protocols import Generator, Prefix, Sampling
from assay.stats import paired_bootstrap, proportion
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.types import Prompt, Response, RolloutLabels
from assay.worlds.threads import threads

Given = Sequence[tuple[Prompt, Response]]
Labeller = Callable[[Given, Rollouts], Sequence[RolloutLabels]]
NS = (1, 2, 4, 8, 16)
THRESHOLDS = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Cost and truth of step labels."""

    out: Path = Path("runs/labels")
    """Where policies and result.json go."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each is another policy with other problems."""
    problems: int = 300
    """Solutions labelled, one a problem."""
    values: int = 100
    """Prefixes whose value is measured."""
    value_rollouts: int = 4000
    """Rollouts that measure one."""
    json: bool = False
    """Print the numbers as JSON instead of as a table."""

    def __call__(self) -> None:
        """Measure, print, and write result.json."""
        rows: dict[str, list[dict[str, Any]]] = {}
        bias = []
        with threads(1):
            for seed in self.seeds:
                world = Arithmetic(seed=seed)
                policy, given = self.solutions(world)
                truth = [np.cumprod(world.label(*pair).labels) > 0.5 for pair in given]
                for name, row in measure(world, policy, given, truth).items():
                    rows.setdefault(name, []).append(row)
                bias.append(self.bias(world, policy, given))
        table = {
            name: pooled(parts, rows["uniform 16, best threshold"]) for name, parts in rows.items()
        }
        result = {
            "uniform": table["uniform 16, best threshold"],
            "adaptive": table["adaptive"],
            "omega": table["tree search"],
            "soft_labels": bias,
            "table": table,
            "settings": json.loads(json.dumps(dataclasses.asdict(self), default=str)),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "result.json").write_text(json.dumps(result, indent=1))
        print(json.dumps(result, indent=1) if self.json else shown(table, bias))

    def solutions(self, world: Arithmetic) -> tuple[Generator, Given]:
        """The world's policy, trained if it is not there, and a solution of each test problem."""
        folder = self.out / f"policy_{world.seed}"
        if not folder.is_dir():
            self.out.mkdir(parents=True, exist_ok=True)
            world.make_policy(folder, lambda done, note: None)
        policy = world.policy(folder)
        _, prompts = world.prompts()
        prompts = prompts[: self.problems]
        sampling = Sampling(max_tokens=world.max_tokens, seed=1000 + world.seed)
        found = policy.generate([Prefix(prompt) for prompt in prompts], sampling)
        return policy, [(p, r) for p, (r,) in zip(prompts, found, strict=True) if r.steps]

    def bias(self, world: Arithmetic, policy: Generator, given: Given) -> dict[str, float]:
        """Soft labels of eight rollouts against values measured with other rollouts: z of their
        mean difference."""
        rng = np.random.default_rng(world.seed)
        every = [(p, r, t) for p, r in given for t in range(1, len(r.steps))]
        prefixes = [
            Prefix(p, r.steps[:t])
            for p, r, t in (every[i] for i in rng.permutation(len(every))[: self.values])
        ]
        few, many = fresh(world, policy, seed=1), fresh(world, policy, seed=2)
        few.want([(prefix, 8) for prefix in prefixes])
        many.want([(prefix, self.value_rollouts) for prefix in prefixes])
        label = np.array([few.tally(prefix, 8).right / 8 for prefix in prefixes])
        value = (
            np.array([many.tally(prefix, self.value_rollouts).right for prefix in prefixes])
            / self.value_rollouts
        )
        spread = value * (1 - value) * (1 / 8 + 1 / self.value_rollouts)
        wide = spread > 0
        chi2 = ((label - value)[wide] ** 2 / spread[wide]).sum()
        z = (label - value).sum() / np.sqrt(spread.sum())
        return {
            "z": float(z),
            "chi2_per_prefix": float(chi2 / wide.sum()),
            "prefixes": len(prefixes),
        }


def fresh(world: Arithmetic, policy: Generator, seed: int = 0) -> Rollouts:
    """Rollouts that nobody has paid for yet."""
    sampling = Sampling(max_tokens=world.max_tokens, seed=seed)
    return Rollouts(
        generator=policy, verifier=world.verifier, sampling=sampling, name=f"policy {world.seed}"
    )


def measure(
    world: Arithmetic, policy: Generator, given: Given, truth: Sequence[Any]
) -> dict[str, dict[str, Any]]:
    """Every labeller's agreement with the truth, step by step, and its cost."""
    found: dict[str, dict[str, Any]] = {}

    def run(name: str, labeller: Labeller) -> Sequence[RolloutLabels]:
        rollouts = fresh(world, policy)
        start = time.monotonic()
        records = labeller(given, rollouts)
        found[name] = {
            **agreement([r.labels for r in records], truth),
            "rollouts": rollouts.cost.rollouts,
            "tokens": rollouts.cost.tokens,
            "seconds": time.monotonic() - start,
        }
        return records

    for n in NS:
        soft = run(f"uniform {n}, any right", MonteCarlo(rollouts=n, label="soft"))
        cost = found[f"uniform {n}, any right"]
        by_threshold = {
            tau: agreement(
                [[float(y is not None and y > tau) for y in r.labels] for r in soft], truth
            )
            for tau in THRESHOLDS
        }
        found[f"uniform {n}, any right"] = cost | by_threshold[0.0]
        best = max(by_threshold, key=lambda tau: by_threshold[tau]["same"].mean())
        found[f"uniform {n}, best threshold"] = cost | by_threshold[best] | {"threshold": best}
    run("adaptive", Adaptive())
    for confidence in (0.8, 0.9, 0.98):
        run(f"adaptive, confidence {confidence}", Adaptive(confidence=confidence))
    run("adaptive without structure", Adaptive(structure=False))
    for n in (4, 8, 16):
        run(f"binary search {n}", BinarySearch(rollouts=n))
    found["tree search"] = trees(world, policy, [prompt for prompt, _ in given])
    return found


def agreement(labels: Sequence[Sequence[float | None]], truth: Sequence[Any]) -> dict[str, Any]:
    """Whether each label, if there is one, is on the side of the truth, and the solution it is
    of."""
    same, of, dropped = [], [], 0
    for i, (row, true) in enumerate(zip(labels, truth, strict=True)):
        for label, is_true in zip(row, true, strict=True):
            if label is None:
                dropped += 1
                continue
            same.append((label > 0.5) == bool(is_true))
            of.append(i)
    return {"same": np.array(same, dtype=float), "of": np.array(of), "dropped": dropped}


def trees(world: Arithmetic, policy: Generator, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """The tree search's labels of the prefixes it tried, the trivial last steps left out."""
    rollouts = fresh(world, policy)
    start = time.monotonic()
    same, of = [], []
    for i, tree in enumerate(TreeSearch()(prompts, rollouts)):
        for steps, state in tree.states.items():
            if steps:
                true = all(world.label(tree.prompt, Response(steps=steps)).labels)
                same.append((state.tally.right > 0) == true)
                of.append(i)
    return {
        "same": np.array(same, dtype=float),
        "of": np.array(of),
        "dropped": 0,
        "rollouts": rollouts.cost.rollouts,
        "tokens": rollouts.cost.tokens,
        "seconds": time.monotonic() - start,
    }


def pooled(parts: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row over all seeds, with its difference from uniform 16 where both label the same
    steps."""
    same = np.concatenate([part["same"] for part in parts])
    of = np.concatenate([part["of"] + 10_000 * k for k, part in enumerate(parts)])
    estimate = proportion(same, clusters=of)
    row: dict[str, Any] = {
        "agreement": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "steps": len(same),
        "dropped": sum(part["dropped"] for part in parts),
        "rollouts": sum(part["rollouts"] for part in parts),
        "tokens": sum(part["tokens"] for part in parts),
        "seconds": round(sum(part["seconds"] for part in parts), 1),
        "rollouts_over_uniform_16": (
            sum(part["rollouts"] for part in parts) / sum(p["rollouts"] for p in baseline)
        ),
        "by_seed": [float(part["same"].mean()) for part in parts],
    }
    if "threshold" in parts[0]:
        row["threshold"] = [part["threshold"] for part in parts]
    other = np.concatenate([part["same"] for part in baseline])
    if len(other) == len(same) and parts is not baseline:
        difference = paired_bootstrap(same, other, clusters=of)
        row["over_uniform_16"] = [difference.value, difference.low, difference.high]
    return row


def shown(table: dict[str, dict[str, Any]], bias: Sequence[dict[str, float]]) -> str:
    """The table as markdown."""
    lines = [
        "| labeller | agreement | over uniform 16 | rollouts | of uniform 16 | tokens |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        over = (
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(*row["over_uniform_16"])
            if "over_uniform_16" in row
            else ""
        )
        name = f"{name} {row['threshold']}" if "threshold" in row else name
        lines.append(
            f"| {name} | {row['agreement']:.3f} [{row['low']:.3f}, {row['high']:.3f}] | {over} |"
            f" {row['rollouts']:,} | {row['rollouts_over_uniform_16']:.2f} | {row['tokens']:,} |"
        )
    lines += [f"soft labels against values: {row}" for row in bias]
    return "\n".join(lines)


if __name__ == "__main__":
    tyro.cli(Bench)()
