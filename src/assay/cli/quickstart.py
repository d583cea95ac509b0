"""`assay quickstart`: a policy, three reward models, and where each stops being gold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assay.errors import ConfigError
from assay.runs.run import Run

if TYPE_CHECKING:
    from assay.studies.arithmetic import World

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train a policy and three reward models in a world whose truth is known; see where each stops
    being gold."""

    out: Path | None = None
    """Folder of the run: runs/quickstart, runs/quickstart-small or runs/quickstart-smol where none
    is given. The same command again resumes a run that was stopped."""
    seed: int = 0
    """Seed of everything random."""
    small: bool = False
    """A short version, under a minute: fewer problems, samples and training steps, wider
    intervals."""
    overwrite: bool = False
    """Replacement of the finished run that the folder holds, of other settings."""
    policy: Literal["world", "smol"] = "world"
    """A tiny policy trained from scratch on running sums (two to three minutes), or a real language
    model, SmolLM2-135M, on one-digit sums and products (about 20 minutes on two fast cores)."""

    def __call__(self) -> None:
        """Run the stages and print their results."""
        from assay.studies.arithmetic import Smol, first_look, quickstart, run, show_results

        if self.small and self.policy == "smol":
            raise ConfigError("--small is a size of --policy world; leave one of the two out")
        sized = first_look if self.small else quickstart
        world: World = Smol(seed=self.seed) if self.policy == "smol" else sized(self.seed)
        out = self.out or Path("runs", self._folder())
        with Run.open(out, self, overwrite=self.overwrite):
            summary = run(out, world=world)
        show_results(summary, world, out)

    def _folder(self) -> str:
        if self.policy == "smol":
            return "quickstart-smol"
        return "quickstart-small" if self.small else "quickstart"
