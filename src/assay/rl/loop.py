"""The loop: sample, score, place, compare, learn. PPO, GRPO and the others are settings of it.

    rollout -> scoring (rewards, transforms) -> advantages -> objectives + kl -> AdamW

It runs on one device and is correct before it is big. What happens at a step is a function of the
settings, the prompts and the step, so that a run that was killed goes on as if it had not been, bit
for bit on one CPU with a given number of threads. What the gold scorers say is never seen by the
policy. Left out: more than one process, sampling ahead.

A run's folder holds `metrics.jsonl` (a row a step, a look, an alarm), `samples.jsonl` (held-out
responses at every look), `policy/` (the trained policy, a stock checkpoint), `peak/` (as it was
where the first gold was highest), `rl.json` (the summary, written last) and, until it is finished,
`checkpoint/`.
"""

import logging
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assay.console.progress import progress as progress_bar
from assay.errors import AssayError, BackendError, ConfigError, DataError
from assay.protocols import Prefix, Sampling, Scorer
from assay.rl import checkpoint
from assay.rl.alarms import alarms
from assay.rl.checkpoint import State
from assay.rl.consistency import inconsistencies
from assay.rl.evaluation import Look, gold_bound, look, said_reasons
from assay.rl.kl import Controller
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout, prompt_order, sample
from assay.rl.scoring import Part, Rewards, ask, differing, reward, whole_values
from assay.rl.settings import PROCESS, Settings
from assay.rl.transforms import Overlong, order_fault, squash_warning
from assay.rl.update import Seen, advantages_of, see, seen_figures, update
from assay.runs.metrics import METRICS, metrics_file, read_rows
from assay.runs.settings import dumps, write_atomic
from assay.training import resume as resuming
from assay.training.adamw import AdamW, Memory, memory_of
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["Optimised", "optimise"]

log = logging.getLogger(__name__)

SUMMARY = "rl.json"
SAMPLES = "samples.jsonl"
REASONS = 5
"""Reasons why responses were not scored that a row names, the most frequent first."""
PATIENCE = 3
"""Rounds in a row without any scored response after which a run ends; a shorter run, after as many
as it has."""


@dataclass(frozen=True, kw_only=True)
class Optimised:
    """A finished run."""

    steps: int
    """Rounds done."""
    stopped: str
    """Why it ended early; empty where it did not."""
    peak: int | None
    """The look at which the first gold was highest; None without a gold."""
    rows: tuple[Mapping[str, Any], ...]
    """Of `metrics.jsonl`."""


@dataclass(frozen=True)
class _Job:
    policy: Policy
    prompts: Sequence[Prompt]
    parts: Sequence[Part]
    settings: Settings
    out: Path
    held_out: Sequence[Prompt]
    golds: Mapping[str, Scorer]
    prime: ImplicitProcess | None
    prints: Mapping[str, str]
    references: dict[tuple[str, str], Array]
    """Scores of reference responses, by part and prompt."""


def optimise(
    policy: Policy,
    prompts: Sequence[Prompt],
    parts: Sequence[Part],
    *,
    settings: Settings,
    out: Path,
    held_out: Sequence[Prompt] = (),
    golds: Mapping[str, Scorer] | None = None,
    prime: ImplicitProcess | None = None,
    progress: bool = True,
    resume: bool = True,
) -> Optimised:
    """Train the policy in place against the sum of the parts, and save it to `out`.

    golds: scorers that are asked about held-out prompts and never learned from; the first of them
    says where the peak is. prime: an implicit process model that learns along, from the first part
    that pays whole responses.

    A run that was killed goes on where it was, and a finished one is not run again (its policy is
    in `policy/`, the one that is given stays as it is), when `resume` is true and nothing has
    changed: scorers are told from each other by their content (`assay.fingerprint`), not by their
    names. Raises `DataError` without prompts or for one that leaves no room for `max_tokens`,
    `ConfigError` for settings that contradict each other, a policy that could not be saved in the
    end, or a run in `out` that differs, `BackendError` when a scorer breaks its promise or the loss
    is no longer finite; what was reached until then is in the checkpoint.
    """
    golds = dict(golds or {})
    _check(policy, prompts, parts, settings, held_out, golds, prime)
    prints = checkpoint.fingerprints(
        policy, prompts, parts, settings, held_out, golds, prime, resume=resume
    )
    if not resume:
        (out / SUMMARY).unlink(missing_ok=True)
        shutil.rmtree(out / "checkpoint", ignore_errors=True)
    job = _Job(policy, prompts, parts, settings, out, held_out, golds, prime, prints, {})
    summary = resuming.finished(out / SUMMARY, prints)
    if summary is None:
        if not (out / "checkpoint" / "state.pt").is_file():
            _try_saving(policy, out)
        state = _run(job, progress)
        policy.save(out / "policy")
        if state.best is not None:
            kept = {name: p.detach().clone() for name, p in policy.parameters().items()}
            checkpoint.put(policy, checkpoint.read_best(out / "checkpoint", state.best[0]))
            policy.save(out / "peak")
            checkpoint.put(policy, kept)
        summary = {
            "steps": state.step,
            "stopped": state.stopped,
            "peak": state.best[0] if state.best else None,
            "fingerprint": prints,
        }
        write_atomic(out / SUMMARY, dumps(summary, indent=2) + "\n")
        shutil.rmtree(out / "checkpoint", ignore_errors=True)
    rows = tuple(read_rows(out / METRICS))
    return Optimised(rows=rows, **{k: summary[k] for k in ("steps", "stopped", "peak")})


def _check(
    policy: Policy,
    prompts: Sequence[Prompt],
    parts: Sequence[Part],
    settings: Settings,
    held_out: Sequence[Prompt],
    golds: Mapping[str, Scorer],
    prime: ImplicitProcess | None,
) -> None:
    if not prompts or not parts:
        raise DataError(
            f"{len(prompts)} prompts and {len(parts)} parts of a reward; give at least one of each"
        )
    names = [part.name for part in parts]
    if len({*names}) < len(names) or {*names} & {*golds}:
        raise ConfigError(
            f"two scorers have one name among {', '.join([*names, *golds])}; give each its own"
        )
    if golds and not held_out:
        raise ConfigError(
            "a gold scorer looks at held-out prompts, and there are none; hold some out"
        )
    if settings.advantage == "gae" and policy.critic is None:
        raise ConfigError("gae needs a value head; make the policy with critic=True")
    if prime is not None and (settings.advantage != "token_rloo" or not parts[0].whole):
        raise ConfigError(
            "PRIME needs advantage token_rloo, and a first part that pays whole responses in [0, 1]"
        )
    if settings.advantage in PROCESS and prime is None and all(part.whole for part in parts):
        raise ConfigError(
            f"{settings.advantage} compares step rewards, and every part pays whole responses;"
            " place one of them at the steps (place), or use rloo or grpo"
        )
    trained = policy.network_parameters().values()
    if settings.bf16_update != "master" and not any(p.dtype == torch.bfloat16 for p in trained):
        raise ConfigError(
            f"bf16_update {settings.bf16_update} does nothing: no parameter that is trained is in"
            " bfloat16; leave it at master, or load the policy in bfloat16"
        )
    _check_lengths(policy, [*prompts, *held_out[: settings.watch_prompts]], settings.max_tokens)
    for part in parts:
        if fault := order_fault(part.transforms):
            raise ConfigError(f"part {part.name!r}: {fault}")
        for transform in part.transforms:
            if (
                isinstance(transform, Overlong)
                and transform.limit - transform.buffer >= settings.max_tokens
            ):
                raise ConfigError(
                    f"part {part.name!r}: overlong prices tokens from"
                    f" {transform.limit - transform.buffer} on, and no response is longer than"
                    f" max_tokens {settings.max_tokens}; give it a limit of max_tokens"
                )
        if warning := squash_warning(part.transforms, normalised=settings.normalised):
            log.warning("part %r: %s", part.name, warning)
    if settings.top_p < 1:
        log.warning(
            "top_p %g: samples do not come from the distribution that is trained", settings.top_p
        )


def _check_lengths(policy: Policy, prompts: Sequence[Prompt], max_tokens: int) -> None:
    """Raise `DataError` where a prompt and `max_tokens` have no room, before anything is
    trained."""
    items = [(prompt, Response(steps=(), finished=False)) for prompt in prompts]
    lengths = [len(sequence.ids) for sequence in policy.generator.encoder.encode(items)]
    limit = policy.positions
    over = [i for i, length in enumerate(lengths) if length + max_tokens > limit]
    if over:
        longest = max(over, key=lambda i: lengths[i])
        raise DataError(
            f"{len(over)} of {len(prompts)} prompts and max_tokens {max_tokens} exceed {limit}"
            " tokens, the least of the model's positions and max_length; the longest has"
            f" {lengths[longest]}: {prompts[longest].text[:60]!r}. Leave such prompts out, or ask"
            " for fewer tokens"
        )


def _try_saving(policy: Policy, out: Path) -> None:
    """Save the policy once for trial: one that cannot be saved is not trained."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".trial.") as folder:
        try:
            policy.save(Path(folder) / "policy")
        except AssayError:
            raise
        except Exception as error:
            raise ConfigError(
                f"this policy cannot be saved, so it is not trained: {type(error).__name__}:"
                f" {error}"
            ) from error


def _run(job: _Job, progress: bool) -> State:
    """All rounds from where the checkpoint left off."""
    policy, settings, folder = job.policy, job.settings, job.out / "checkpoint"
    optimiser, memory = _optimiser(job, progress)
    state = State(beta=settings.kl)
    if (folder / "state.pt").is_file():
        state = checkpoint.load(folder, policy, optimiser, job.prime, job.prints)
    path = job.out / METRICS
    rows: list[Mapping[str, Any]] = []
    if state.metrics_bytes:
        rows += read_rows(path, state.metrics_bytes)
    with (
        metrics_file(path, state.metrics_bytes) as write,
        metrics_file(job.out / SAMPLES, state.samples_bytes) as write_sample,
        progress_bar("rl", settings.steps, start=state.step, on=progress) as show,
    ):

        def note(row: Mapping[str, Any]) -> None:
            rows.append(row)
            write(row)

        def sound() -> None:
            raised = {row["alarm"] for row in rows if "alarm" in row}
            said = {name: text for name, text in state.told.items() if name not in raised}
            for name, text in (said | alarms(rows)).items():
                log.warning("round %d: %s: %s", state.step, name, text)
                note({"step": state.step, "alarm": name, "text": text})

        def save() -> None:
            state.metrics_bytes, state.samples_bytes = write({}), write_sample({})
            checkpoint.save(folder, state, policy, optimiser, job.prime, job.prints)

        if not rows:
            note(
                {"prompts": len(job.prompts), "held_out_prompts": len(job.held_out), **memory.row()}
            )
        whole, undo = True, None
        try:
            while True:
                due = (
                    state.step % settings.watch_every == 0
                    or state.step == settings.steps
                    or state.stopped
                )
                looked = any(row["step"] == state.step for row in rows if "watch" in row)
                if job.held_out and due and not looked:
                    seen = _look(job, state)
                    for shown in seen.samples:
                        write_sample({"step": state.step} | dict(shown))
                    first = next((row["watch"] for row in rows if "watch" in row), seen.watch)
                    note(
                        {
                            "step": state.step,
                            "watch": {**seen.watch, "gold_bound": gold_bound(first, seen.watch)},
                        }
                    )
                    sound()
                if state.step >= settings.steps or state.stopped:
                    break
                began = time.monotonic()
                undo = replace(state, statistics=dict(state.statistics))
                rollout, rewards, figures = _sampled(job, state)
                whole = False
                row = _learn(job, optimiser, state, rollout, rewards)
                whole, undo = True, None
                state.step += 1
                seconds = time.monotonic() - began
                tokens = int(rollout.lengths_B.sum())
                row = (
                    {"step": state.step}
                    | row
                    | figures
                    | {
                        "seconds": round(seconds, 3),
                        "tokens_per_second": round(tokens / seconds, 1),
                        "memory_mb": _memory(),
                    }
                )
                note(row)
                sound()
                show(state.step, _said(rows))
                if settings.kl_budget is not None and row.get("kl", 0.0) > settings.kl_budget:
                    state.stopped = (
                        f"KL {row['kl']:.2f} nats passed the budget of {settings.kl_budget:g}"
                    )
                if state.step % settings.checkpoint_every == 0:
                    save()
        except BaseException:
            # A round is whole or is not: what a scorer's failure or Ctrl-C left half done is done
            # again.
            if whole and state.step:
                if undo is not None:
                    state.position, state.statistics, state.empty = (
                        undo.position,
                        undo.statistics,
                        undo.empty,
                    )
                save()
            raise
        save()
    return state


def _optimiser(job: _Job, progress: bool) -> tuple[AdamW, Memory]:
    """AdamW on the language model's parameters, and what memory all takes, which is said. The value
    head learns at a rate of its own (`update`)."""
    policy, settings = job.policy, job.settings
    trained = [*policy.network_parameters().values()]
    optimiser = AdamW(
        trained,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        bf16_update=settings.bf16_update,
        seed=settings.seed,
    )
    models = [
        policy.model,
        policy.reference.model,
        *([] if job.prime is None else [job.prime.model]),
    ]
    held = [*trained, *(p for model in models for p in model.parameters())]
    memory = memory_of({id(p): p for p in held}.values(), settings.bf16_update)
    if progress:
        print(memory.said(), file=sys.stderr)
    return optimiser, memory


def _sampled(job: _Job, state: State) -> tuple[Rollout, Rewards, dict[str, Any]]:
    """The round's responses with their rewards; groups that teach nothing left out and replaced,
    where asked."""
    settings = job.settings
    order = prompt_order(len(job.prompts), settings.seed, state.position)
    wanted, rollout, dropped, asked = settings.groups, Rollout((), (), ()), 0, 0
    scored, unscored, differ, reasons = 0, 0, 0, Counter[str]()
    kept_scores: dict[str, list[Score | Unscored]] = {part.name: [] for part in job.parts}
    for attempt in range(settings.refill + 1):
        seed = (settings.seed * 1_000_003 + state.step) * 16 + attempt
        sampling = Sampling(
            n=settings.samples,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            seed=seed,
        )
        chosen = [job.prompts[next(order)] for _ in range(wanted)]
        state.position += wanted
        asked += wanted
        found = sample(job.policy, chosen, sampling)
        scores = {
            part.name: ask(part.scorer, part.name, found.groups, settings.score_timeout)
            for part in job.parts
        }
        rewards = _rewards(job, state, found, scores)
        scored += int(rewards.scored_B.sum())
        unscored += int((~rewards.scored_B).sum())
        reasons.update(rewards.reasons)
        if settings.drop_equal:
            kept = _differ(found, rewards)
            dropped += wanted - len(kept)
            members = np.flatnonzero(np.isin(found.group_B, kept))
            found = found.chosen(kept)
            scores = {name: [given[b] for b in members] for name, given in scores.items()}
        else:
            # One response to each prompt is compared with those to others.
            within_B = found.group_B if settings.samples > 1 else np.zeros_like(found.group_B)
            kept = differing(rewards, within_B, "steps" if settings.stepwise else "total")
        differ += len(kept)
        rollout += found
        for name, given in scores.items():
            kept_scores[name] += given
        wanted = settings.groups - len(rollout.groups)
        if not wanted:
            break
    rewards = _rewards(job, state, rollout, kept_scores)
    figures: dict[str, Any] = {"unscored": unscored}
    if scored:
        figures["differing"] = differ / asked
    if settings.drop_equal:
        figures["filtered"] = dropped / asked
    if reasons:
        figures["reasons"] = dict(reasons.most_common(REASONS))
    state.empty = 0 if scored else state.empty + 1
    if state.empty >= min(PATIENCE, settings.steps):
        rounds = f"{state.empty} rounds" if state.empty > 1 else "the only round"
        raise BackendError(
            f"no response of {rounds} could be scored: {said_reasons(reasons)}; look at the scorer"
        )
    return rollout, rewards, figures


def _rewards(
    job: _Job,
    state: State,
    rollout: Rollout,
    scores: Mapping[str, Sequence[Score | Unscored]] | None = None,
) -> Rewards:
    """What is earned; the first scores decide the statistics that transforms go by."""
    rewards = reward(
        job.parts,
        rollout.groups,
        rollout.ends,
        rollout.lengths_B.tolist(),
        statistics=state.statistics,
        references=lambda part, groups: _references(job, part, groups),
        timeout=job.settings.score_timeout,
        given=scores,
    )
    state.statistics = dict(rewards.statistics)
    state.told |= rewards.warnings
    return rewards


def _differ(rollout: Rollout, rewards: Rewards) -> list[int]:
    """Groups that teach something: at least two responses have different scores before any
    transform (accuracy, where a verifier pays; DAPO, arXiv:2503.14476), and earn differently in the
    end."""
    raw = differing(rewards, rollout.group_B, "raw")
    return sorted({*differing(rewards, rollout.group_B)} & {*raw})


def _references(job: _Job, part: Part, groups: Sequence[Group]) -> Array:
    """(R, M) scores of M responses of the untrained policy to each response's prompt; each prompt
    is asked once."""
    new = {g.prompt.model_dump_json(): g.prompt for g in groups}
    new = {key: prompt for key, prompt in new.items() if (part.name, key) not in job.references}
    if new:
        settings = job.settings
        sampling = Sampling(
            n=part.references,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed + 1,
        )
        found = job.policy.generate_reference([Prefix(prompt) for prompt in new.values()], sampling)
        asked = [
            Group(prompt=p, responses=tuple(rs)) for p, rs in zip(new.values(), found, strict=True)
        ]
        scores = iter(ask(part.scorer, part.name, asked, settings.score_timeout))
        for key, group in zip(new, asked, strict=True):
            row = [next(scores) for _ in group.responses]
            job.references[part.name, key] = whole_values(part, row, group.responses)
    return np.stack(
        [
            job.references[part.name, g.prompt.model_dump_json()]
            for g in groups
            for _ in g.responses
        ],
        axis=0,
    )


def _learn(
    job: _Job, optimiser: torch.optim.Optimizer, state: State, rollout: Rollout, rewards: Rewards
) -> dict[str, Any]:
    """One round's updates; what to write about them."""
    policy, settings = job.policy, job.settings
    mask_B_T = rollout.mask_B_T & rewards.scored_B[:, None]
    if not mask_B_T.any():
        unscored = len(rollout.samples) and not rewards.scored_B.any()
        why = (
            "no response could be scored"
            if unscored
            else "no group had two responses with different scores"
        )
        return {"skipped": why}
    row: dict[str, Any] = _reward_figures(rollout, rewards)
    process_B_T = rewards.process_B_T
    if job.prime is not None:
        first = next(iter(rewards.scores.values()))
        right_B = np.array([s.value if isinstance(s, Score) else 0.0 for s in first])
        row |= job.prime.learn(rollout.samples, right_B, rewards.scored_B, settings.micro_tokens)
        process_B_T = process_B_T + job.prime.rewards(
            rollout.samples, process_B_T.shape[1], settings.micro_tokens
        )
    first_look = settings.updates > 1 or settings.chi2 or settings.advantage == "gae"
    seen: Seen | None = None
    if first_look or (settings.kl and settings.kl_place == "reward"):
        seen = see(policy, rollout, settings)
        row |= seen_figures(seen, rollout)
    advantages_B_T, returns_B_T = advantages_of(
        settings, state.beta, rollout, rewards, process_B_T, mask_B_T, seen
    )
    if returns_B_T is not None and policy.begin_values(float(returns_B_T[mask_B_T].mean())):
        seen = see(policy, rollout, settings)
        advantages_B_T, returns_B_T = advantages_of(
            settings, state.beta, rollout, rewards, process_B_T, mask_B_T, seen
        )
    row["advantage_std"] = float(advantages_B_T[mask_B_T].std())
    rate = settings.learning_rate * min(1.0, (state.step + 1) / max(1, settings.warmup))
    for group in optimiser.param_groups:
        group["lr"] = rate
    steps: list[dict[str, float]] = []
    for epoch in range(settings.epochs):
        order = np.random.default_rng([settings.seed, state.step, epoch]).permutation(
            len(rollout.groups)
        )
        for chosen in np.array_split(order, min(settings.minibatches, len(order))):
            members = np.flatnonzero(np.isin(rollout.group_B, chosen))
            figures, now = update(
                policy,
                optimiser,
                settings,
                state.beta,
                rollout,
                members,
                mask_B_T,
                advantages_B_T,
                returns_B_T,
                seen,
            )
            steps.append(figures)
            if seen is None:
                row |= seen_figures(now, rollout)
    row |= {name: float(np.mean([s[name] for s in steps])) for name in steps[0]}
    row |= {"beta": state.beta, "learning_rate": rate}
    for name, text in inconsistencies(row).items():
        if name not in state.warned:
            state.warned.append(name)
            log.warning(text)
    held = Controller(state.beta, settings.kl_target, settings.kl_horizon)
    state.beta = held.after(row["kl"], len(rollout.samples)).beta
    return row


def _reward_figures(rollout: Rollout, rewards: Rewards) -> dict[str, Any]:
    """What was earned, and what was written."""
    total_B = rewards.total_B[rewards.scored_B]
    return {
        "reward": float(total_B.mean()),
        "reward_std": float(total_B.std()),
        "rewards": {
            name: float(np.nanmean(paid))
            for name, paid in rewards.parts.items()
            if not np.isnan(paid).all()
        },
        "length": float(rollout.lengths_B.mean()),
        "steps": float(np.mean([len(ends) for ends in rollout.ends])),
        "finished": float(np.mean([s.response.finished for s in rollout.samples])),
        "duplicates": float(rollout.again_B.mean()),
        "same_elsewhere": float(rollout.elsewhere_B.mean()),
        "transforms": dict(rewards.figures),
    }


def _look(job: _Job, state: State) -> Look:
    """What is to be seen at this point; the weights are kept where the first gold is highest so
    far."""
    settings = job.settings
    sampling = Sampling(
        n=settings.watch_samples,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        # The same random numbers at every look: less noise between them.
        seed=settings.seed + 31_337,
    )
    rollout = sample(job.policy, job.held_out[: settings.watch_prompts], sampling)
    rewards = _rewards(job, state, rollout)
    seen = look(job.policy, rollout, rewards, job.golds, settings)
    state.told |= seen.unscored
    if (
        seen.gold is not None
        and not np.isnan(seen.gold)
        and (state.best is None or seen.gold > state.best[1])
    ):
        state.best = (state.step, seen.gold)
        checkpoint.keep_best(job.out / "checkpoint", state.step, job.policy)
    return seen


def _said(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for the progress bar."""
    row = next((row for row in reversed(rows) if "kl" in row), None)
    if row is None:
        return "nothing to learn from yet"
    look = next((row["watch"] for row in reversed(rows) if "watch" in row), None)
    gold = (
        "".join(f", {name} {e[0]:.3f}" for name, e in look["gold"].items() if e[3]) if look else ""
    )
    return f"reward {row['reward']:.3f}{gold}, KL {row['kl']:.2f}, {row['length']:.1f} tokens"


def _memory() -> int:
    """Most memory held so far, in MB: of the process, or of the GPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() / 2**20)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
