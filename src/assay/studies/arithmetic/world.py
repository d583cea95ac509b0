"""What the stages need of a world: a policy, problems, their truth, and reward models to train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from assay.console.progress import Show
from assay.models.reward_model import RewardModel
from assay.protocols import Generator, Verifier
from assay.training.settings import Settings
from assay.types import Prompt, Response, StepLabels

__all__ = ["Kind", "World"]

Kind = Literal["preference", "outcome", "process"]


class World(Protocol):
    """A frozen dataclass of settings; it is sent to other processes as it is."""

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        ...

    @property
    def kinds(self) -> Sequence[Kind]:
        """Kinds of reward models to train; a process model needs steps whose truth is known."""
        ...

    @property
    def samples(self) -> int:
        """Responses per training problem."""
        ...

    @property
    def pairs(self) -> int:
        """Most preferences per training problem."""
        ...

    @property
    def pool(self) -> int:
        """Responses per test problem."""
        ...

    @property
    def temperature(self) -> float:
        """Temperature of the policy's samples."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most tokens of a response."""
        ...

    @property
    def workers(self) -> int:
        """Reward models trained at once, each in a process."""
        ...

    @property
    def threads(self) -> int | None:
        """CPU threads per process; None leaves them to torch."""
        ...

    @property
    def policy_steps(self) -> int:
        """Steps that `make_policy` shows."""
        ...

    @property
    def verifier(self) -> Verifier:
        """Verifier of answers."""
        ...

    def prompts(self) -> tuple[Sequence[Prompt], Sequence[Prompt]]:
        """Return training problems and test problems."""
        ...

    def make_policy(self, folder: Path, show: Show) -> None:
        """Write to the folder whatever `policy` loads."""
        ...

    def policy(self, folder: Path) -> Generator:
        """Load the policy that `make_policy` wrote."""
        ...

    def label(self, prompt: Prompt, response: Response) -> StepLabels:
        """Label each step with its truth; called only for a process model."""
        ...

    def reward_model(self, kind: Kind) -> RewardModel:
        """Make a fresh reward model with the read-out of its kind."""
        ...

    def settings(self, kind: Kind, records: int) -> Settings:
        """Return how a reward model of a kind is trained on so many records."""
        ...
