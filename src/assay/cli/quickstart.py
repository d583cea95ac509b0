"""`assay quickstart`: a policy, three reward models, and where each stops being gold."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assay.runs.settings import write_run

if TYPE_CHECKING:
    from assay.studies.arithmetic import Summary

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train a policy and three reward models in a world whose truth is known; see where each stops
    being gold."""

    out: Path | None = None
    """Folder of the run, runs/quickstart or runs/quickstart-smol where none is given; the same
    command again goes on where it was stopped."""

    seed: int = 0
    """Of everything random."""

    policy: Literal["world", "smol"] = "world"
    """A tiny policy trained from scratch on running sums (minutes), or a real language model,
    SmolLM2-135M, on one-digit sums and products (about 20 minutes on two fast cores)."""

    def __call__(self) -> None:
        """Run the stages, and tell what came of them."""
        from assay.studies.arithmetic import Arithmetic, Smol, run

        world = Arithmetic(seed=self.seed) if self.policy == "world" else Smol(seed=self.seed)
        out = self.out or Path(
            "runs/quickstart" if self.policy == "world" else "runs/quickstart-smol"
        )
        write_run(out, self)
        _tell(run(out, world=world), out)


def _tell(summary: "Summary", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from assay.stats import bracket
    from assay.studies.arithmetic import story

    curves = {**summary.best_of_n, "majority": summary.majority_of_n, "oracle": summary.oracle_of_n}
    table = Table(
        "n", *curves, title=f"Accuracy of the choice among n, {summary.mean_at_1.n} test problems"
    )
    for points in zip(*curves.values(), strict=True):
        cells = [f"{p.estimate.value:.3f} {bracket(p.estimate)}" for p in points]
        table.add_row(str(points[0].n), *cells)
    console = Console()
    console.print(table)
    console.print(story(summary), highlight=False)
    console.print(
        f"Scores of saved models differ by at most {summary.parity_max_abs_diff:.1e}."
        f" {summary.seconds:.0f} seconds. Report: {out / 'report.html'}; how hard each may be"
        f" pressed: {out / 'overoptimization.html'}",
        highlight=False,
    )
