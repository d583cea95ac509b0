"""The trainer of a policy: evaluate, step, checkpoint, until the run is done."""

import logging
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from assay.console.progress import progress as progress_bar
from assay.errors import AssayError
from assay.protocols import Sampling
from assay.rl import checkpoint
from assay.rl.alarms import alarms
from assay.rl.checkpoint import State
from assay.rl.consistency import inconsistencies
from assay.rl.evaluation import evaluate, gold_bound
from assay.rl.kl import Controller
from assay.rl.mixture import part_figures
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout, sample
from assay.rl.rounds import Job, Round, collect_round, rewards_of
from assay.rl.scoring import Rewards
from assay.rl.settings import Settings
from assay.rl.update import (
    Reading,
    RoundBatch,
    advantages_of,
    divergence_figures,
    read_tokens,
    update,
)
from assay.runs.evaluations import EvalPoint, eval_points
from assay.runs.metrics import METRICS, read_rows
from assay.training import resume as resuming
from assay.training.adamw import AdamW, Memory, memory_of
from assay.training.optimization import leaders_file
from assay.types import Score

__all__ = ["Trainer", "memory_held", "train"]

log = logging.getLogger(__name__)

SAMPLES = "samples.jsonl"

Row = Mapping[str, Any]
Write = Callable[[Row], int]


def train(job: Job, memory: Memory, progress: bool) -> State:
    """Run all rounds from where the checkpoint left off. memory: that all takes, for the first
    row."""
    optimiser, world = _optimiser(job), job.policy.world
    state, folder = State(beta=job.settings.kl), job.out / "checkpoint"
    if resuming.there(folder):
        state = checkpoint.load(folder, job.policy, optimiser, job.prime, job.prints)
        if progress and state.step:
            print(f"resumed at step {state.step}", file=sys.stderr)
    path = job.out / METRICS
    rows: list[Row] = []
    if state.metrics_bytes:
        rows += read_rows(path, state.metrics_bytes)
    with (
        leaders_file(path, state.metrics_bytes, world) as write,
        leaders_file(job.out / SAMPLES, state.samples_bytes, world) as write_sample,
        progress_bar("rl", job.settings.steps, start=state.step, on=progress) as show,
    ):
        trainer = Trainer(job, state, optimiser, rows, write, write_sample)
        if not rows:
            counts = {"prompts": len(job.prompts), "held_out_prompts": len(job.held_out)}
            trainer.note({**counts, **memory.row()})
        trainer.run(show)
    return state


class Trainer:
    """A run in progress: where it stands, and its rows so far."""

    def __init__(
        self,
        job: Job,
        state: State,
        optimiser: torch.optim.Optimizer,
        rows: list[Row],
        write: Write,
        write_sample: Write,
    ) -> None:
        self.job, self.state, self.optimiser = job, state, optimiser
        self.rows, self.points = rows, eval_points(rows)
        self._write, self._write_sample = write, write_sample
        self._whole, self._undo = True, state
        """Whether parameters stand at the end of a round; and the state before this round."""

    @property
    def done(self) -> bool:
        """True once all rounds are done, or the run was stopped."""
        return bool(self.state.step >= self.job.settings.steps or self.state.stopped)

    @property
    def evaluation_due(self) -> bool:
        """True where the held-out prompts are to be evaluated at this step, and are not yet."""
        due = self.done or self.state.step % self.job.settings.watch_every == 0
        evaluated = any(point.step == self.state.step for point in self.points)
        return bool(self.job.held_out) and due and not evaluated

    def run(self, show: Callable[[int, str], None]) -> None:
        """Step, evaluate and save until the run is done."""
        try:
            while True:
                if self.evaluation_due:
                    self.evaluate()
                if self.done:
                    break
                self.step()
                show(self.state.step, self.summary())
                if self.state.step % self.job.settings.checkpoint_every == 0:
                    self.checkpoint()
        except BaseException as error:
            # A round is whole or is not: what a scorer's failure or Ctrl-C left half done is done
            # again. Of several processes all are here only where the failure was agreed on.
            together = self.job.policy.world.size == 1 or isinstance(error, AssayError)
            if self._whole and self.state.step and together:
                for name in ("position", "statistics", "empty"):
                    setattr(self.state, name, getattr(self._undo, name))
                self.checkpoint()
            raise
        self.checkpoint()

    def step(self) -> None:
        """Do one round: sample, score, learn, and write its row."""
        job, state = self.job, self.state
        began = time.monotonic()
        self._undo = replace(state, statistics=dict(state.statistics))
        data = collect_round(job, state)
        self._whole = False
        figures = self.learn(data)
        self._whole, self._undo = True, state
        state.step += 1
        seconds = time.monotonic() - began
        tokens = int(data.rollout.lengths_B.sum())
        row = {"step": state.step, **figures, **data.figures}
        row["seconds"] = round(seconds, 3)
        row["tokens_per_second"] = round(tokens / seconds, 1)
        row["memory_mb"] = max(job.policy.world.everybodys(_memory()))
        self.note(row)
        self._raise_alarms()
        budget = job.settings.kl_budget
        if budget is not None and row.get("kl", 0.0) > budget:
            state.stopped = f"KL {row['kl']:.2f} nats passed the budget of {budget:g}"

    def learn(self, data: Round) -> dict[str, Any]:
        """Update the policy on one round; the figures of its row."""
        job, state, rollout, rewards = self.job, self.state, data.rollout, data.rewards
        settings, policy = job.settings, job.policy
        mask_B_T = rollout.mask_B_T & rewards.scored_B[:, None]
        if not mask_B_T.any():
            unscored = len(rollout.samples) and not rewards.scored_B.any()
            why = "no group had two responses with different scores"
            return {"skipped": "no response could be scored" if unscored else why}
        row = _reward_figures(rollout, rewards)
        row |= part_figures(settings, rewards, rollout.group_B)
        process_B_T, learned = _process_rewards(job, rollout, rewards)
        row |= learned
        before: Reading | None = None
        needed = settings.updates > 1 or settings.chi2 or settings.advantage == "gae"
        if needed or (settings.kl and settings.kl_place == "reward"):
            before = read_tokens(policy, rollout, settings)
            row |= divergence_figures(before, rollout)

        def batch(before: Reading | None) -> RoundBatch:
            advantages_B_T, returns_B_T = advantages_of(
                settings, state.beta, rollout, rewards, process_B_T, mask_B_T, before
            )
            return RoundBatch(
                rollout=rollout,
                mask_B_T=mask_B_T,
                advantages_B_T=advantages_B_T,
                returns_B_T=returns_B_T,
                before=before,
            )

        now = batch(before)
        returns_B_T = now.returns_B_T
        if returns_B_T is not None and policy.begin_values(float(returns_B_T[mask_B_T].mean())):
            # The value head starts at the mean return, so values are read again.
            now = batch(read_tokens(policy, rollout, settings))
        row["advantage_std"] = float(now.advantages_B_T[mask_B_T].std())
        row |= self._updates(now)
        for name, text in inconsistencies(row).items():
            if name not in state.warned:
                state.warned.append(name)
                log.warning(text)
        held = Controller(state.beta, settings.kl_target, settings.kl_horizon)
        state.beta = held.after(row["kl"], len(rollout.samples)).beta
        return row

    def _updates(self, batch: RoundBatch) -> dict[str, Any]:
        """All optimiser steps of a round; the means of their figures."""
        settings, state, rollout = self.job.settings, self.state, batch.rollout
        rate = settings.learning_rate * min(1.0, (state.step + 1) / max(1, settings.warmup))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        row: dict[str, Any] = {}
        steps: list[dict[str, float]] = []
        for epoch in range(settings.epochs):
            rng = np.random.default_rng([settings.seed, state.step, epoch])
            order = rng.permutation(len(rollout.groups))
            for chosen in np.array_split(order, min(settings.minibatches, len(order))):
                members = np.flatnonzero(np.isin(rollout.group_B, chosen))
                figures, reading = update(
                    self.job.policy, self.optimiser, settings, state.beta, batch, members
                )
                steps.append(figures)
                if batch.before is None:
                    row |= divergence_figures(reading, rollout)
        row |= {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}
        return row | {"beta": state.beta, "learning_rate": rate}

    def evaluate(self) -> EvalPoint:
        """Evaluate the held-out prompts and write the row; the weights are kept where the first
        gold is highest so far."""
        job, state, settings = self.job, self.state, self.job.settings
        sampling = Sampling(
            n=settings.watch_samples,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            # The same random numbers at every evaluation: less noise between them.
            seed=settings.seed + 31_337,
        )
        rollout = sample(job.policy, job.held_out[: settings.watch_prompts], sampling, job.game)
        rewards = rewards_of(job, state, rollout)
        result = evaluate(job.policy, rollout, rewards, job.golds, settings, state.step)
        state.warnings |= result.unscored
        gold = None if result.point.first_gold is None else result.point.first_gold.value
        if gold is not None and not np.isnan(gold) and (state.best is None or gold > state.best[1]):
            state.best = (state.step, gold)
            checkpoint.keep_best(job.out / "checkpoint", state.step, job.policy)
        first = self.points[0] if self.points else result.point
        point = replace(result.point, gold_bound=gold_bound(first, result.point))
        for shown in result.samples:
            self._write_sample({"step": state.step} | dict(shown))
        self.points.append(point)
        self.note(point.row())
        self._raise_alarms()
        return point

    def checkpoint(self) -> None:
        """Save everything that a killed run needs to resume exactly."""
        job, state = self.job, self.state
        state.metrics_bytes, state.samples_bytes = self._write({}), self._write_sample({})
        folder = job.out / "checkpoint"
        checkpoint.save(folder, state, job.policy, self.optimiser, job.prime, job.prints)

    def note(self, row: Row) -> None:
        """Add a row to `metrics.jsonl`."""
        self.rows.append(row)
        self._write(row)

    def summary(self) -> str:
        """One line for the progress bar."""
        row = next((row for row in reversed(self.rows) if "kl" in row), None)
        if row is None:
            return "nothing to learn from yet"
        golds = (self.points[-1].gold or {}).items() if self.points else ()
        gold = "".join(f", {name} {e.value:.3f}" for name, e in golds if e.n)
        reward = "not known" if row["reward"] is None else f"{row['reward']:.3f}"
        return f"reward {reward}{gold}, KL {row['kl']:.2f}, {row['length']:.1f} tokens"

    def _raise_alarms(self) -> None:
        raised = {row["alarm"] for row in self.rows if "alarm" in row}
        new = {name: text for name, text in self.state.warnings.items() if name not in raised}
        for name, text in (new | alarms(self.rows)).items():
            log.warning("round %d: %s: %s", self.state.step, name, text)
            self.note({"step": self.state.step, "alarm": name, "text": text})


def _process_rewards(job: Job, rollout: Rollout, rewards: Rewards) -> tuple[Array, dict[str, Any]]:
    """(B, T) rewards of steps, with those of PRIME's model, which learns first; its figures."""
    if job.prime is None:
        return rewards.process_B_T, {}
    first = next(iter(rewards.scores.values()))
    right_B = np.array([s.value if isinstance(s, Score) else 0.0 for s in first])
    tokens, width = job.settings.micro_tokens, rewards.process_B_T.shape[1]
    figures = job.prime.learn(rollout.samples, right_B, rewards.scored_B, tokens)
    implicit_B_T = job.prime.rewards(rollout.samples, width, tokens)
    return rewards.process_B_T + implicit_B_T, dict(figures)


def _reward_figures(rollout: Rollout, rewards: Rewards) -> dict[str, Any]:
    """Figures of a round's rewards and responses."""
    total_B = rewards.total_B[~np.isnan(rewards.total_B)]
    return {
        # Of a response that lacks a part, the whole is not known.
        "reward": float(total_B.mean()) if len(total_B) else None,
        "reward_std": float(total_B.std()) if len(total_B) else None,
        "rewards": {
            name: float(np.nanmean(paid))
            for name, paid in rewards.shared.items()
            if not np.isnan(paid).all()
        },
        "length": float(rollout.lengths_B.mean()),
        "steps": float(np.mean([len(ends) for ends in rollout.ends])),
        "finished": float(np.mean([s.response.finished for s in rollout.samples])),
        "duplicates": float(rollout.again_B.mean()),
        "same_elsewhere": float(rollout.elsewhere_B.mean()),
        "transforms": dict(rewards.figures),
    }


def _optimiser(job: Job) -> AdamW:
    """AdamW on the language model's parameters. The value head learns at a rate of its own
    (`update`)."""
    settings = job.settings
    return AdamW(
        [*job.policy.network_parameters().values()],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        bf16_update=settings.bf16_update,
        seed=settings.seed,
    )


def memory_held(policy: Policy, prime: ImplicitProcess | None, settings: Settings) -> Memory:
    """Memory that a whole policy takes with all that trains beside it, before it lies in parts."""
    models = [policy.model, policy.reference.model, *([] if prime is None else [prime.model])]
    trained = [*policy.network_parameters().values()]
    held = [*trained, *(p for model in models for p in model.parameters())]
    return memory_of({id(p): p for p in held}.values(), settings.bf16_update)


def _memory() -> int:
    """Most memory held so far, in MB: of the process, or of the GPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
