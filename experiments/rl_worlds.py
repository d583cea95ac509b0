"""What a policy learns from each way to pay for steps: DeepSeek-R1's remark about neural process
rewards, as a picture.

In the arithmetic world a policy of about 100k parameters, right about half of the time, is trained
against a process model in every placement, against the truth, and against both. Each arm is a run
of its own, which resumes.

    python -m experiments.rl_worlds --json
"""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import tyro

from assay import components
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.loading import load_network, load_tokenizer
from assay.protocols import Prefix, Sampling
from assay.rl.loop import optimise
from assay.rl.policy import Policy
from assay.rl.scoring import Part
from assay.rl.settings import Settings
from assay.runs.evaluations import eval_of
from assay.runs.settings import write_atomic
from assay.scorers.local import LocalScorer
from assay.scorers.verifier import Verified
from assay.studies.arithmetic.models import LOSSES
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.training.loop import train
from assay.types import StepLabels
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import MAX_STEPS, split_steps
from assay.worlds.threads import threads

BASE = Settings(
    steps=150,
    groups=16,
    samples=8,
    max_tokens=2 * MAX_STEPS + 1,
    learning_rate=4e-4,
    clip=10.0,
    reduction="sum",
    whiten="scale",
    watch_every=10,
    watch_prompts=300,
    watch_samples=1,
    checkpoint_every=50,
)
"""Leave-one-out baseline, no price on divergence: nothing holds a policy back but the reward."""

# What pays, and what is different from BASE.
ARMS: Mapping[str, tuple[Sequence[Mapping[str, Any]], Mapping[str, Any]]] = {
    "outcome (verified)": ([{"truth": True}], {}),
    "sum of steps": ([{"place": "every_step"}], {}),
    "last step": ([{"aggregate": "last"}], {}),
    "min": ([{"aggregate": "min"}], {}),
    "product": ([{"aggregate": "product"}], {}),
    "minus one": ([{"place": "minus_one"}], {}),
    "differences": (
        [{"place": "difference"}],
        {"advantage": "reinforce_plus_plus", "whiten": "no"},
    ),
    "PURE (softmin)": ([{"place": "softmin"}], {"advantage": "token_rloo"}),
    "GRPO-process": ([{"place": "every_step"}], {"advantage": "grpo_process", "whiten": "no"}),
    "sum + outcome": ([{"place": "every_step"}, {"truth": True}], {}),
    "min + outcome": ([{"aggregate": "min"}, {"truth": True}], {}),
}
MAIN = ("outcome (verified)", "sum of steps", "last step", "min", "GRPO-process", "min + outcome")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Train what is missing, and print the table."""

    out: Path = Path("runs/rl_worlds")
    """Where everything goes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Each is another policy, another process model, other samples."""
    arms: tuple[str, ...] = MAIN
    """Ways to pay."""
    steps: int = 150
    """Rounds of each run."""
    workers: int = 2
    """Runs at once, each on one thread."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Policies and process models first, then the arms."""
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(prepare, [self.out] * len(self.seeds), self.seeds))
            jobs = [(seed, arm) for arm in self.arms for seed in self.seeds]
            found = list(
                pool.map(
                    run, [self.out] * len(jobs), *zip(*jobs, strict=True), [self.steps] * len(jobs)
                )
            )
        result = {"steps": self.steps, "runs": found}
        write_atomic(self.out / "result.json", json.dumps(result, indent=1))
        picture(self.out, found)
        print(json.dumps(result, indent=1) if self.json else shown(found))


def world_of(seed: int) -> Arithmetic:
    return Arithmetic(seed=seed)


def prepare(out: Path, seed: int) -> float:
    """A policy, and a process model that learned from the truth of the steps of 20,000 of its
    samples."""
    folder, world = out / f"seed{seed}", world_of(seed)
    began = time.monotonic()
    with threads(1):
        if not (folder / "policy").is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            world.make_policy(folder / "policy", lambda done, note: None)
        if not (folder / "prm" / "training.json").is_file():
            policy, (prompts, _) = world.policy(folder / "policy"), world.prompts()
            sampling = Sampling(n=world.samples, max_tokens=world.max_tokens, seed=seed)
            pools = zip(
                prompts, policy.generate([Prefix(p) for p in prompts], sampling), strict=True
            )
            records: list[StepLabels] = [
                world.label(p, r) for p, rs in pools for r in rs if r.steps
            ]
            train(
                world.reward_model("process"),
                records,
                loss=components.load("losses", LOSSES["process"])(),
                settings=world.settings("process", len(records)),
                out=folder / "prm",
                progress=False,
            )
    return time.monotonic() - began


def policy_of(folder: Path, **more: Any) -> Policy:
    from transformers import AutoModelForCausalLM

    model, tokenizer = (
        load_network(AutoModelForCausalLM, folder, dtype=torch.float32),
        load_tokenizer(folder),
    )
    layout = Layout(join="", max_length=64)
    return Policy(model, tokenizer, layout=layout, split=split_steps, grammar=Grammar(), **more)


def run(out: Path, seed: int, arm: str, steps: int) -> dict[str, Any]:
    """One arm; its looks at held-out problems, and the seconds it took."""
    folder, world = out / f"seed{seed}", world_of(seed)
    parts, changes = ARMS[arm]
    target = folder / arm
    clock = target / "seconds.json"
    began, cpu = time.monotonic(), time.process_time()
    with threads(1):
        truth, prm = Verified(world.verifier), LocalScorer(checkpoint.load(folder / "prm"))
        made = [
            Part(name="outcome", scorer=truth)
            if "truth" in part
            else Part(name="process model", scorer=prm, **part)
            for part in parts
        ]
        train_prompts, test_prompts = world.prompts()
        found = optimise(
            policy_of(folder / "policy"),
            train_prompts,
            made,
            settings=replace(BASE, seed=seed, steps=steps, **changes),
            out=target,
            held_out=test_prompts,
            golds={"truth": truth},
            progress=False,
        )
    if not clock.is_file():
        seconds = [row["seconds"] for row in found.rows if "seconds" in row]
        write_atomic(
            clock,
            json.dumps(
                {
                    "wall": time.monotonic() - began,
                    "cpu": time.process_time() - cpu,
                    "rounds": sum(seconds),
                }
            ),
        )
    evals = {row["step"]: eval_of(row) or {} for row in found.rows if eval_of(row) is not None}
    return {
        "seed": seed,
        "arm": arm,
        "looks": {
            step: {k: measured[k] for k in ("proxy", "kl", "steps", "length")}
            | {"truth": measured["gold"]["truth"]}
            for step, measured in evals.items()
        },
        "alarms": {row["alarm"]: row["step"] for row in found.rows if "alarm" in row},
        "seconds": json.loads(clock.read_text()),
    }


def shown(found: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy and steps a response over the rounds, a row a run."""
    rounds = [step for step in (0, 10, 30, 50, 80, 100, 150) if step in found[0]["looks"]]
    lines = [
        "| arm | seed | "
        + " | ".join(f"round {r}" for r in rounds)
        + " | peak | KL at the end | s | alarms |"
    ]
    lines.append("|---" * (len(rounds) + 6) + "|")
    for one in found:
        looks = one["looks"]
        cells = [f"{looks[r]['truth'][0]:.2f} ({looks[r]['steps'][0]:.1f})" for r in rounds]
        peak = max(looks, key=lambda r: looks[r]["truth"][0])
        end = looks[max(looks)]
        alarms = ", ".join(f"{name} ({step})" for name, step in one["alarms"].items())
        cells += [
            f"{looks[peak]['truth'][0]:.2f} at {peak}",
            f"{end['kl'][0]:.1f}",
            f"{one['seconds']['wall']:.0f}",
        ]
        lines.append(f"| {one['arm']} | {one['seed']} | " + " | ".join([*cells, alarms]) + " |")
    return "\n".join(
        [
            *lines,
            "",
            "Accuracy, and steps a response in brackets (five are needed), of 300 samples.",
        ]
    )


def picture(out: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """The report over all arms of the first seed."""
    from assay.pages.rl_arms import arms_report
    from assay.report.html import write_report

    first = found[0]["seed"]
    rows = {
        one["arm"]: [
            json.loads(line)
            for line in (out / f"seed{first}" / one["arm"] / "metrics.jsonl")
            .read_text()
            .splitlines()
        ]
        for one in found
        if one["seed"] == first
    }
    write_report(
        out / "report.html",
        "What a policy learns from each way to pay for steps",
        arms_report(rows),
    )


if __name__ == "__main__":
    tyro.cli(Bench)()
