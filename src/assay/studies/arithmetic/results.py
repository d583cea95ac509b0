"""Results of the quickstart in a terminal."""

from pathlib import Path

from assay.stats import bracket
from assay.studies.arithmetic.conclusion import conclusion
from assay.studies.arithmetic.next_steps import next_steps, size_note
from assay.studies.arithmetic.summary import Summary
from assay.studies.arithmetic.world import World

__all__ = ["show_results"]


def show_results(summary: Summary, world: World, out: Path) -> None:
    """Print the accuracies by n, what follows from them, and what to open and to run next."""
    from rich.console import Console
    from rich.table import Table

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
