"""How good are labels by people, what is the best choice of what to label next worth, and does the
choice bias what is estimated? With simulated annotators, in worlds whose truth is known.

* Dawid-Skene: annotators with known confusion matrices, three labels per item; are their accuracies
  inside the intervals, and how many soft labels are right, beside the majority's?
* Choice, in the arithmetic world: solutions of its policy, with two rollouts from after each step
  as what machines know, and a person who names the first wrong step nine times in ten. How many
  labels does the choice by information need for the accuracy of the label posterior that an even
  choice reaches with a quarter, half and three quarters of the pool? Accuracy is the share of steps
  on the true side of one half.
* Bias: the share of solutions that a person finds wrong, from a third of the pool chosen by
  information, weighted back and not, against labels of the whole pool.

    python -m experiments.annotators
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from experiments.labels import fresh
from experiments.simulated_annotators import Simulated, codes_of, mark
from numpy.typing import NDArray

from assay.annotate.choosing import first_wrong, prepared, probabilities
from assay.annotate.dawid_skene import dawid_skene
from assay.annotate.labels import Steps
from assay.annotate.records import Given, Project
from assay.annotate.tasks import Task
from assay.annotate.weighting import weights_of
from assay.protocols import Prefix, Sampling
from assay.stats import Estimate, proportion, student
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.worlds.threads import threads

SHARES = (0.25, 0.5, 0.75)
WHO = Simulated(name="a-0001", right=0.9)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Annotators and choices."""

    out: Path = Path("runs/annotators")
    """Where policies and result.json go."""
    seeds: tuple[int, ...] = (5, 6, 7, 8, 9)
    """Each is another policy with other problems; the power of a task's worth was chosen on the
    first five."""
    problems: int = 300
    """Solutions of the pool."""
    rollouts: int = 2
    """Rollouts from after each step."""
    runs: int = 8
    """Times that a pool is labelled, per seed and choice."""
    fits: int = 40
    """Simulated sets of labels per seed."""

    def __call__(self) -> None:
        """Measure, print, and write result.json."""
        with threads(1):
            pools = [self.pool(Arithmetic(seed=seed)) for seed in self.seeds]
        curves = [self.curves(pool, seed) for pool, seed in zip(pools, self.seeds, strict=True)]
        result: dict[str, Any] = {
            "labels_needed": needed(curves),
            "accuracy": {
                name: [student([row[name][int(share * row["size"])] for row in curves]).to_json()
                       for share in (0, *SHARES, 1)]
                for name in ("information", "random")
            },
        }  # fmt: skip
        self.keep(result)
        self.keep(result | {"bias": biased(pools, self.seeds, self.runs)})
        self.keep({"dawid_skene": recovered(self.seeds, self.fits)})

    def keep(self, result: dict[str, Any]) -> None:
        """Print numbers and write them beside those there are."""
        path = self.out / "result.json"
        before = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(before | result, indent=1))
        print(json.dumps(result), flush=True)

    def pool(self, world: Arithmetic) -> tuple[list[Task], list[NDArray[np.bool_]]]:
        """Solutions as tasks, rollouts hidden in them, and whether each step so far is right."""
        folder = self.out / f"policy_{world.seed}"
        if not folder.is_dir():
            self.out.mkdir(parents=True, exist_ok=True)
            world.make_policy(folder, lambda done, note: None)
        policy = world.policy(folder)
        _, prompts = world.prompts()
        sampling = Sampling(max_tokens=world.max_tokens, seed=1000 + world.seed)
        asked = [Prefix(prompt) for prompt in prompts[: self.problems]]
        written = [
            (p.prompt, r)
            for p, (r,) in zip(asked, policy.generate(asked, sampling), strict=True)
            if r.steps
        ]
        rollouts = fresh(world, policy)
        n = self.rollouts
        rollouts.want(
            [(Prefix(p, r.steps[:t]), n) for p, r in written for t in range(1, len(r.steps))]
        )
        tasks, truth = [], []
        for prompt, response in written:
            tallies = [rollouts.tally(Prefix(prompt, response.steps[:t]), n)
                       for t in range(1, len(response.steps))]  # fmt: skip
            right = world.verifier.verify(response.text, prompt.reference or "")
            hidden = {
                "rollouts": {"right": [*(x.right for x in tallies), 0],
                             "total": [*(x.judged for x in tallies), 0]},
                "right": right.value == 1.0 if hasattr(right, "value") else None,
            }  # fmt: skip
            tasks.append(Task(kind="steps", mode="first-error", prompt=prompt,
                              responses=(response,), hidden=hidden))  # fmt: skip
            truth.append(
                np.cumprod([float(x or 0) for x in world.label(prompt, response).labels]) > 0.5
            )
        return prepared(Project(choose="information"), tasks), truth

    def curves(self, pool: tuple[list[Task], list[NDArray[np.bool_]]], seed: int) -> dict[str, Any]:
        """Accuracy after each label, the mean over runs, by choice."""
        tasks, truth = pool
        found: dict[str, Any] = {"size": len(tasks)}
        for choose in ("information", "random"):
            rows = [
                accuracy(tasks, truth, labelled(tasks, truth, choose, len(tasks), (seed, run)))
                for run in range(self.runs)
            ]
            found[choose] = np.mean(rows, axis=0)
        return found


def labelled(
    tasks: Sequence[Task], truth: Sequence[NDArray[np.bool_]], choose: Any, labels: int,
    seed: tuple[int, ...],
) -> list[Given]:  # fmt: skip
    """Label one task after the other, as they are drawn."""
    rng, project = np.random.default_rng(seed), Project(choose=choose)
    left, given = list(range(len(tasks))), list[Given]()
    for at in range(labels):
        p = np.array(probabilities(project, [tasks[i] for i in left], given))
        place = int(rng.choice(len(left), p=p))
        i = left.pop(place)
        wrong = int(truth[i].sum())
        given.append(mark(tasks[i], wrong, WHO, rng, probability=float(p[place]), at=at))
    return given


def accuracy(
    tasks: Sequence[Task], truth: Sequence[NDArray[np.bool_]], given: Sequence[Given]
) -> NDArray[np.float64]:
    """Share of steps on the true side after 0, 1, ... labels."""

    def right(some: Sequence[Task], labels: Sequence[Given]) -> list[int]:
        # P(no step so far is wrong).
        sound_N_T = 1 - np.cumsum(first_wrong(some, labels), axis=1)[:, :-1]
        return [
            int(((row[: task.steps] > 0.5) == truth[at[task.id]]).sum())
            for task, row in zip(some, sound_N_T, strict=True)
        ]

    at = {task.id: i for i, task in enumerate(tasks)}
    before, after = right(tasks, ()), right(tasks, given)
    gains = [after[at[one.task]] - before[at[one.task]] for one in given]
    steps = sum(task.steps for task in tasks)
    return np.asarray((sum(before) + np.concatenate([[0], np.cumsum(gains)])) / steps)


def needed(curves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Labels that information needs for what an even choice reaches, as a share of its labels."""
    found: dict[str, Any] = {}
    for share in SHARES:
        ratios = []
        for row in curves:
            budget = int(share * row["size"])
            ratios.append(int(np.argmax(row["information"] >= row["random"][budget])) / budget)
        found[f"{share:g} of the pool"] = {"ratio": student(ratios).to_json(), "by_seed": ratios}
    return found


def biased(
    pools: Sequence[tuple[list[Task], list[NDArray[np.bool_]]]], seeds: Sequence[int], runs: int
) -> dict[str, Any]:
    """Share of solutions found wrong, from a third of a pool: error of its estimates."""
    errors: dict[str, list[float]] = {"unweighted": [], "weighted back": [], "even choice": []}
    covered = []
    for (tasks, truth), seed in zip(pools, seeds, strict=True):
        for run in range(3 * runs):
            # The same person's label of every task, whichever are chosen.
            rng = np.random.default_rng((seed, run, 1))
            every = {
                task.id: said(mark(task, int(steps.sum()), WHO, rng))
                for task, steps in zip(tasks, truth, strict=True)
            }
            target = float(np.mean([*every.values()]))
            for choose in ("information", "random"):
                given = labelled(tasks, truth, choose, len(tasks) // 3, (seed, run, 2))
                values = {one.task: every[one.task] for one in given}
                plain = float(np.mean([*values.values()]))
                if choose == "random":
                    errors["even choice"].append(plain - target)
                    continue
                found = weights_of(Project(choose="information"), tasks, given).mean(
                    values, share=True
                )
                errors["unweighted"].append(plain - target)
                errors["weighted back"].append(found.value - target)
                covered.append(float(found.low <= target <= found.high))
    return {
        **{name: {"bias": student(e).to_json(), "rmse": float(np.sqrt(np.mean(np.square(e))))}
           for name, e in errors.items()},
        "intervals that hold the pool's share": proportion(covered).to_json(),
    }  # fmt: skip


def said(given: Given) -> float:
    """Whether a label finds a step wrong."""
    return float(isinstance(given.label, Steps) and -1 in given.label.marks)


def recovered(seeds: Sequence[int], fits: int) -> dict[str, Any]:
    """Simulated annotators' accuracies and their intervals, soft labels and majorities."""
    found: dict[str, Any] = {}
    for categories, annotators in ((2, 5), (3, 8), (4, 20)):
        inside: list[float] = []
        off: list[float] = []
        right: dict[str, list[float]] = {"dawid-skene": [], "majority": []}
        for seed in seeds:
            for k in range(fits):
                rng = np.random.default_rng((seed, k, categories))
                confusion = np.stack([matrix(a, categories, rng)
                                      for a in np.linspace(0.55, 0.95, annotators)])  # fmt: skip
                prior = rng.dirichlet(np.full(categories, 5.0))
                truth = rng.choice(categories, 300, p=prior)
                codes = codes_of(truth, confusion, 3, seed * 1000 + k)
                fit = dawid_skene(codes, categories, resamples=100, tolerance=1e-5)
                true = np.einsum("c,acc->a", prior, confusion)
                for one, x in zip(fit.accuracy, true, strict=True):
                    inside.append(float(one.low <= x <= one.high))
                    off.append(one.value - float(x))
                votes = (codes[..., None] == np.arange(categories)).sum(axis=1)
                votes = votes + 1e-6 * rng.random(votes.shape)
                right["majority"].append(float((votes.argmax(axis=1) == truth).mean()))
                right["dawid-skene"].append(float((fit.soft_I_C.argmax(axis=1) == truth).mean()))
        share: Estimate = proportion(inside)
        found[f"{annotators} annotators, {categories} categories"] = {
            "inside": share.to_json(),
            "bias": student(off).to_json(),
            **{name: student(x).to_json() for name, x in right.items()},
        }
    return found


def matrix(right: float, categories: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A confusion matrix of about this accuracy, another error for every truth."""
    rows = rng.dirichlet(np.ones(categories), size=categories)
    np.fill_diagonal(rows, 0)
    each = np.clip(right + rng.uniform(-0.05, 0.05, categories), 0, 1)
    found = rows / rows.sum(axis=1, keepdims=True) * (1 - each)[:, None]
    np.fill_diagonal(found, each)
    return np.asarray(found)


if __name__ == "__main__":
    tyro.cli(Bench)()
