"""One round's data: responses of the policy to its prompts, with their rewards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import BackendError
from assay.protocols import Sampling, Scheduled, Scorer
from assay.rl.checkpoint import State
from assay.rl.evaluation import frequent_reasons
from assay.rl.mixture import earning_differently, gate_warning
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.rewards import Array
from assay.rl.rollout import Rollout, prompt_order, sample, sample_reference
from assay.rl.scoring import Part, Rewards, differing, reward, whole_values
from assay.rl.settings import Settings
from assay.rl.spread import asked
from assay.rl.trajectories import Game
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["Job", "Round", "collect_round", "rewards_of"]

REASONS = 5
"""Reasons why responses were not scored that a row names, the most frequent first."""
PATIENCE = 3
"""Rounds in a row without any scored response after which a run ends; a shorter run, after as many
as it has."""


@dataclass(frozen=True)
class Job:
    """Everything that decides a run."""

    policy: Policy
    prompts: Sequence[Prompt]
    parts: Sequence[Part]
    settings: Settings
    out: Path
    held_out: Sequence[Prompt]
    golds: Mapping[str, Scorer]
    prime: ImplicitProcess | None
    prints: Mapping[str, str]
    """Fingerprints of all this, by name."""
    references: dict[tuple[str, str], Array]
    """Scores of reference responses, by part and prompt."""
    game: Game | None = None
    """The environment that trajectories are played with; None for responses of text."""


@dataclass(frozen=True)
class Round:
    """One round's responses with their rewards."""

    rollout: Rollout
    rewards: Rewards
    figures: Mapping[str, Any]
    """What was unscored, differing and filtered."""


class _Counts:
    """Counts over the attempts of a round."""

    def __init__(self) -> None:
        self.asked = self.scored = self.unscored = self.differing = self.dropped = 0
        self.reasons: Counter[str] = Counter()

    def add(self, rewards: Rewards) -> None:
        self.scored += int(rewards.scored_B.sum())
        self.unscored += int((~rewards.scored_B).sum())
        self.reasons.update(rewards.reasons)

    def figures(self, *, filtered: bool) -> dict[str, Any]:
        figures: dict[str, Any] = {"unscored": self.unscored}
        if self.scored:
            figures["differing"] = self.differing / self.asked
        if filtered:
            figures["filtered"] = self.dropped / self.asked
        if self.reasons:
            figures["reasons"] = dict(self.reasons.most_common(REASONS))
        return figures


def collect_round(job: Job, state: State) -> Round:
    """Sample and score one round's responses; with `drop_equal`, groups that teach nothing are left
    out and replaced.

    Every response is scored once. Raises `BackendError` after some rounds without any score.
    """
    settings, counts = job.settings, _Counts()
    order = prompt_order(len(job.prompts), settings.seed, state.position)
    rollout, wanted = Rollout((), (), ()), settings.groups
    kept_scores: dict[str, list[Score | Unscored]] = {part.name: [] for part in job.parts}
    parts = [_at(part, state.step) for part in job.parts]
    for attempt in range(settings.refill + 1):
        chosen = [job.prompts[next(order)] for _ in range(wanted)]
        state.position += wanted
        counts.asked += wanted
        fresh = sample(job.policy, chosen, _sampling(settings, state.step, attempt), job.game)
        scores = _scores_of(job, parts, fresh)
        rewards = rewards_of(job, state, fresh, scores)
        counts.add(rewards)
        if not settings.drop_equal:
            rollout, kept = fresh, _differing(settings, fresh, rewards)
            counts.differing += len(kept)
            break
        kept = _teaching(settings, fresh, rewards)
        counts.differing += len(kept)
        counts.dropped += wanted - len(kept)
        members = np.flatnonzero(np.isin(fresh.group_B, kept))
        rollout += fresh.chosen(kept)
        for name, given in scores.items():
            kept_scores[name] += [given[b] for b in members]
        wanted = settings.groups - len(rollout.groups)
        if not wanted:
            break
    if settings.drop_equal:
        # Transforms see the groups that are kept, and only those.
        rewards = rewards_of(job, state, rollout, kept_scores)
    state.empty = 0 if counts.scored else state.empty + 1
    if state.empty >= min(PATIENCE, settings.steps):
        rounds = f"{state.empty} rounds" if state.empty > 1 else "the only round"
        raise BackendError(
            f"no response of {rounds} could be scored: {frequent_reasons(counts.reasons)}; look at"
            " the scorer"
        )
    return Round(rollout, rewards, counts.figures(filtered=settings.drop_equal))


def rewards_of(
    job: Job,
    state: State,
    rollout: Rollout,
    scores: Mapping[str, Sequence[Score | Unscored]] | None = None,
) -> Rewards:
    """Rewards of a rollout; the run's first scores decide the statistics of the transforms.

    scores: by part, where they are there already; None = ask for them.
    """
    rewards = reward(
        job.parts,
        rollout.groups,
        rollout.ends,
        rollout.lengths_B.tolist(),
        statistics=state.statistics,
        references=lambda part, groups: _references(job, part, groups),
        timeout=job.settings.score_timeout,
        given=_scores_of(job, job.parts, rollout) if scores is None else scores,
        missing=job.settings.missing,
    )
    state.statistics = dict(rewards.statistics)
    state.warnings |= {**rewards.warnings, **gate_warning(rewards)}
    return rewards


def _scores_of(
    job: Job, parts: Sequence[Part], rollout: Rollout
) -> dict[str, list[Score | Unscored]]:
    """Scores of all responses, by part."""
    timeout = job.settings.score_timeout
    return {
        part.name: asked(job.policy.world, part.scorer, part.name, rollout.groups, timeout)
        for part in parts
    }


def _at(part: Part, step: int) -> Part:
    """A part as it pays at a step of training; evaluations ask the scorer without one."""
    scorer = part.scorer
    return replace(part, scorer=scorer.at(step)) if isinstance(scorer, Scheduled) else part


def _sampling(settings: Settings, step: int, attempt: int) -> Sampling:
    return Sampling(
        n=settings.samples,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=(settings.seed * 1_000_003 + step) * 16 + attempt,
    )


def _differing(settings: Settings, rollout: Rollout, rewards: Rewards) -> list[int]:
    """Groups in which responses earn differently."""
    # One response to each prompt is compared with those to others.
    within_B = rollout.group_B if settings.samples > 1 else np.zeros_like(rollout.group_B)
    return earning_differently(settings, rewards, within_B, stepwise=settings.stepwise)


def _teaching(settings: Settings, rollout: Rollout, rewards: Rewards) -> list[int]:
    """Groups that teach something: at least two responses have different scores before any
    transform (accuracy, where a verifier pays; DAPO, arXiv:2503.14476), and earn differently in the
    end."""
    raw = differing(rewards, rollout.group_B, "raw")
    return sorted({*earning_differently(settings, rewards, rollout.group_B)} & {*raw})


def _references(job: Job, part: Part, groups: Sequence[Group]) -> Array:
    """(R, M) scores of M responses of the untrained policy to each response's prompt; each prompt
    is sampled once."""
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
        drawn = sample_reference(job.policy, [*new.values()], sampling, job.game)
        world, timeout = job.policy.world, settings.score_timeout
        scores = iter(asked(world, part.scorer, part.name, drawn, timeout))
        for key, group in zip(new, drawn, strict=True):
            row = [next(scores) for _ in group.responses]
            job.references[part.name, key] = whole_values(part, row, group.responses)
    values: list[Any] = []
    for group in groups:
        value = job.references[part.name, group.prompt.model_dump_json()]
        values += [value] * len(group.responses)
    return np.stack(values, axis=0)
