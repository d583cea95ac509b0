"""`assay quickstart`: a policy, three reward models, and where each stops being gold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assay.errors import ConfigError
from assay.runs.run import Run

if TYPE_CHECKING:
    from assay.studies.arithmetic import Summary, World

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
    """A short version, of half a minute: fewer problems, samples and training steps, wider
    intervals."""

    overwrite: bool = False
    """Replacement of the finished run that the folder holds, of other settings."""

    policy: Literal["world", "smol"] = "world"
    """A tiny policy trained from scratch on running sums (two minutes), or a real language model,
    SmolLM2-135M, on one-digit sums and products (about 20 minutes on two fast cores)."""

    def __call__(self) -> None:
        """Run the stages and print their results."""
        from assay.studies.arithmetic import Smol, first_look, quickstart, run

        if self.small and self.policy == "smol":
            raise ConfigError("--small is a size of --policy world; leave one of the two out")
        sized = first_look if self.small else quickstart
        world: World = Smol(seed=self.seed) if self.policy == "smol" else sized(self.seed)
        out = self.out or Path("runs", self._folder())
        with Run.open(out, self, overwrite=self.overwrite):
            summary = run(out, world=world)
        _print(summary, world, out)

    def _folder(self) -> str:
        if self.policy == "smol":
            return "quickstart-smol"
        return "quickstart-small" if self.small else "quickstart"


def _print(summary: "Summary", world: "World", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from assay.stats import bracket
    from assay.studies.arithmetic import conclusion, next_steps, size_note

    curves = {**summary.best_of_n, "majority": summary.majority_of_n, "oracle": summary.oracle_of_n}
    table = Table(
        "n", *curves, title=f"Accuracy of the choice among n, {summary.mean_at_1.n} test problems"
    )
    for points in zip(*curves.values(), strict=True):
        cells = [f"{p.estimate.value:.3f} {bracket(p.estimate)}" for p in points]
        table.add_row(str(points[0].n), *cells)
    console = Console()
    console.print(table)
    for text in (conclusion(summary), size_note(world)):
        if text:
            console.print(text, highlight=False, markup=False)
    console.print(
        f"Done in {summary.seconds:.0f} seconds; scores of saved models differ by at most"
        f" {summary.parity_max_abs_diff:.1e}.",
        highlight=False,
    )
    pages = {
        out / "report.html": "best-of-n by each reward model",
        out / "overoptimization.html": "over-optimization: where each should stop",
    }
    console.print("Open:", highlight=False)
    for path, contents in pages.items():
        console.print(f"  {path}  ({contents})", highlight=False, soft_wrap=True)
    console.print("Run next:", highlight=False)
    for command, shows in next_steps(world, out).items():
        console.print(f"  {command}\n      {shows}", highlight=False, markup=False, soft_wrap=True)
