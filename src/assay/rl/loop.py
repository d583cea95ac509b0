"""The loop: sample, score, place, compare, learn. PPO, GRPO and the others are settings of it.

    rollout -> scoring (rewards, transforms) -> advantages -> objectives + kl -> AdamW

It is correct before it is big. A step is a function of the settings, the
prompts and its number, so that a run that was killed resumes as if it had not been, bit for bit on
one CPU with a given number of threads. Scores of the gold scorers never reach the policy. Left out:
sampling ahead.

Several processes (`training.parallel`) hold policy, reference and optimiser in parts. Each writes,
scores and reads the responses to its own prompts, whose numbers are those that one process would
give them; all that is computed of a whole round (transforms, advantages, figures, alarms) every
process computes of everybody's responses, alike. So a run is that of one process, up to rounding.

A run's folder holds `metrics.jsonl` (a row per step, evaluation and alarm), `samples.jsonl`
(held-out responses at every evaluation), `policy/` (the trained policy, a stock checkpoint),
`peak/` (as it was where the first gold was highest), `rl.json` (the summary, written last) and,
until it is finished, `checkpoint/`.
"""

import logging
import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay.errors import AssayError, ConfigError, DataError
from assay.protocols import Scorer
from assay.rl import checkpoint
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.rounds import Job
from assay.rl.scoring import Part
from assay.rl.settings import PROCESS, Settings
from assay.rl.spread import bring_home, check_groups, in_parts
from assay.rl.trainer import memory_held, train
from assay.rl.trajectories import Game
from assay.rl.transforms import Overlong, order_fault, squash_warning
from assay.runs.metrics import METRICS, read_rows
from assay.runs.settings import dumps, write_atomic
from assay.training import resume as resuming
from assay.training.parallel import ALONE, World, check_same
from assay.types import Prompt, Response

__all__ = ["Optimised", "optimise"]

log = logging.getLogger(__name__)

SUMMARY = "rl.json"


@dataclass(frozen=True, kw_only=True)
class Optimised:
    """A finished run."""

    steps: int
    """Rounds done."""
    stopped: str
    """Why it ended early; empty where it did not."""
    peak: int | None
    """Step of the evaluation where the first gold was highest; None without a gold."""
    rows: tuple[Mapping[str, Any], ...]
    """Rows of `metrics.jsonl`."""


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
    game: Game | None = None,
    progress: bool = True,
    resume: bool = True,
    world: World = ALONE,
) -> Optimised:
    """Train the policy in place against the sum of the parts, and save it to `out`.

    golds: scorers of held-out prompts that are never learned from; the first of them decides where
    the peak is. prime: an implicit process model that learns along, from the first part that pays
    whole responses. game: an environment that the policy's turns are answered by; what it writes is
    read, and not learned from. world: the processes that train together, each of which calls this
    with the same, models whole on the CPU; it is the leader's policy that has learned in the end.

    A run that was killed resumes where it was, and a finished one is not run again (its policy is
    in `policy/`, the one that is given stays as it is), when `resume` is true and nothing has
    changed: scorers are told from each other by their content (`assay.fingerprint`), not by their
    names. Raises `DataError` without prompts or for one that leaves no room for `max_tokens`,
    `ConfigError` for settings that contradict each other, a policy that could not be saved in the
    end, or a run in `out` that differs, `BackendError` when a scorer breaks its promise or the loss
    is no longer finite; what was reached until then is in the checkpoint.
    """
    golds = dict(golds or {})
    _check(policy, prompts, parts, settings, held_out, golds, prime)
    if game is not None and prime is not None:
        raise ConfigError(
            "PRIME learns from every token of a response, and an environment's are not the"
            " policy's; leave out one of them"
        )
    check_groups(settings, world)
    unknown = None if resume else world.told(f"unknown {uuid.uuid4()}")
    prints = checkpoint.fingerprints(
        policy, prompts, parts, settings, held_out, golds, prime, game=game, unknown=unknown
    )
    check_same(world, prints, out)
    if not resume and world.leader:
        (out / SUMMARY).unlink(missing_ok=True)
        shutil.rmtree(out / "checkpoint", ignore_errors=True)
    summary = world.agreed(
        lambda: resuming.finished(out / SUMMARY, prints) if world.leader else None
    )[0]
    if summary is None:
        world.agreed(lambda: _try_saving(policy, out) if world.leader else None)
        memory, progress = memory_held(policy, prime, settings), progress and world.leader
        if progress:
            print(memory.said(), file=sys.stderr)
        split = in_parts(policy, world)
        if prime is not None:
            prime.join(world)
        job = Job(split, prompts, parts, settings, out, held_out, golds, prime, prints, {}, game)
        state = train(job, memory, progress)
        bring_home(policy, split)
        if world.leader:
            _publish(policy, state, out)
        summary = {
            "steps": state.step,
            "stopped": state.stopped,
            "peak": state.best[0] if state.best else None,
            "fingerprint": prints,
        }
        if world.leader:
            write_atomic(out / SUMMARY, dumps(summary, indent=2) + "\n")
            shutil.rmtree(out / "checkpoint", ignore_errors=True)
        world.told(None)
    rows = tuple(read_rows(out / METRICS))
    return Optimised(rows=rows, **{k: summary[k] for k in ("steps", "stopped", "peak")})


def _publish(policy: Policy, state: checkpoint.State, out: Path) -> None:
    """Save the policy as it is, and as it was at the peak."""
    policy.save(out / "policy")
    if state.best is not None:
        kept = {name: p.detach().clone() for name, p in policy.parameters().items()}
        checkpoint.put(policy, checkpoint.read_best(out / "checkpoint", state.best[0]))
        policy.save(out / "peak")
        checkpoint.put(policy, kept)


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
    paying = [part for part in parts if not part.gates]
    if not paying:
        raise ConfigError(
            "every part of the reward is a gate, and gates pay nothing; name what is paid where"
            " they are open"
        )
    if settings.combine != "sum" and len(paying) < 2 and not paying[0].each_part:
        raise ConfigError(
            f"combine {settings.combine} does nothing for one part; leave it at sum, name another"
            " reward, or pay the parts of its scores (each_part)"
        )
    if golds and not held_out:
        raise ConfigError("a gold scorer needs held-out prompts, and there are none; hold some out")
    if settings.advantage == "gae" and policy.critic is None:
        raise ConfigError("gae needs a value head; make the policy with critic=True")
    if prime is not None and (settings.advantage != "token_rloo" or not _plain(parts[0])):
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
    _check_transforms(parts, settings)
    if settings.top_p < 1:
        log.warning(
            "top_p %g: samples do not come from the distribution that is trained", settings.top_p
        )


def _plain(part: Part) -> bool:
    return part.whole and not part.gates and not part.each_part


def _check_transforms(parts: Sequence[Part], settings: Settings) -> None:
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
    """Save the policy once for trial, at the beginning: one that cannot be saved is not trained."""
    if resuming.there(out / "checkpoint"):
        return
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
