"""The run's `report.html`."""

import json
from collections.abc import Sequence
from pathlib import Path

from assay.quickstart.story import story
from assay.quickstart.summary import Summary
from assay.report import Estimates, Figure, KeyValues, Paragraph, Section, pool_report, write_report
from assay.report.plots import training_curves
from assay.stats import CurvePoint, Estimate

__all__ = ["write"]


def write(out: Path, summary: Summary) -> None:
    """Write `report.html` from the summary and each model's `metrics.jsonl`. Raises `MissingExtra`."""
    rulers: dict[str, Estimate | Sequence[CurvePoint]] = {
        "majority": summary.majority_of_n,
        "oracle": summary.oracle_of_n,
        "no selection": summary.mean_at_1,
    }
    sections = [
        Section("What happened", [Paragraph(story(summary))]),
        *pool_report(summary.best_of_n, rulers),
    ]
    if summary.steps:
        sections.append(Section("Steps", [Estimates(summary.steps, caption="Of the test pool's steps")]))
    for kind in summary.best_of_n:
        rows = [json.loads(line) for line in (out / "models" / kind / "metrics.jsonl").read_text().splitlines()]
        figure = Figure(training_curves(rows), "Strong lines are running means over a twentieth of the run.")
        sections.append(Section(f"Training: {kind}", [figure]))
    how: dict[str, object] = {"settings": json.loads((out / "world.json").read_text()), "seconds": dict(summary.stages)}
    how["parity_max_abs_diff"] = summary.parity_max_abs_diff
    sections.append(Section("How it was made", [KeyValues(how)]))
    write_report(out / "report.html", "Quickstart", sections, subtitle="Where does each reward model stop being gold?")
