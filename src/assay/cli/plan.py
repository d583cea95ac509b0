"""`assay plan JOB`: memory, time, disk and money of a job before anything runs."""

from dataclasses import dataclass
from typing import Any

from assay.errors import ConfigError
from assay.workflows.plan import Job, Label, Rl, Score, Train, plan

__all__ = ["COMMANDS"]


def _show(job: Job) -> None:
    found = plan(job)
    print(found)
    if not found.fits:
        raise ConfigError(
            f"a GPU has {found.room / 1e9:,.1f} GB for what takes {found.bytes / 1e9:,.1f}"
        )


@dataclass(frozen=True, kw_only=True)
class PlanTrain(Train):
    """Plan the training of a reward model, its weights cut among the GPUs."""

    def __call__(self) -> None:
        """Print the plan, and exit with 2 where it does not fit."""
        _show(self)


@dataclass(frozen=True, kw_only=True)
class PlanScore(Score):
    """Plan the scoring of responses, by copies of a model side by side."""

    def __call__(self) -> None:
        """Print the plan, and exit with 2 where it does not fit."""
        _show(self)


@dataclass(frozen=True, kw_only=True)
class PlanLabel(Label):
    """Plan step labels by rollouts of a policy."""

    def __call__(self) -> None:
        """Print the plan, and exit with 2 where it does not fit."""
        _show(self)


@dataclass(frozen=True, kw_only=True)
class PlanRl(Rl):
    """Plan the training of a policy: writing, rewards and steps."""

    def __call__(self) -> None:
        """Print the plan, and exit with 2 where it does not fit."""
        _show(self)


COMMANDS: dict[str, Any] = {
    "train": PlanTrain,
    "score": PlanScore,
    "label": PlanLabel,
    "rl": PlanRl,
}
