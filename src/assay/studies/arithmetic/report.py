"""The run's page, `report.html`."""

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from assay.evaluation import Report, evaluate
from assay.overopt.study import Study
from assay.pages.curves import training_curves
from assay.pages.evaluation import evaluation_sections, pool_report
from assay.pages.overopt import overoptimization_section
from assay.report.html import (
    Details,
    Estimates,
    Figure,
    KeyValues,
    Paragraph,
    Section,
    write_report,
)
from assay.runs.metrics import METRICS, read_rows
from assay.stats import CurvePoint, Estimate
from assay.studies.arithmetic.conclusion import conclusion
from assay.studies.arithmetic.next_steps import next_steps, size_note
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.scored import Scored
from assay.studies.arithmetic.summary import Summary
from assay.studies.arithmetic.world import Kind, World

__all__ = ["write"]


def write(
    world: World, scored: Scored, out: Path, summary: Summary, studies: Sequence[Study]
) -> None:
    """Write `report.html` from the artefacts of the stages. Raises `MissingExtra`."""
    measured = {kind: _measured(scored, kind) for kind in world.kinds}
    baselines: dict[str, Estimate | Sequence[CurvePoint]] = {
        "majority": summary.majority_of_n,
        "oracle": summary.oracle_of_n,
        "no selection": summary.mean_at_1,
    }
    any_curves = next(iter(measured.values())).curves
    baselines |= {name: any_curves[name] for name in ("shortest", "longest")}
    said = [conclusion(summary), size_note(world)]
    said = [conclusion(summary), size_note(world)]
    sections = [
        Section("What happened", [Paragraph(text) for text in said if text]),
        *pool_report(summary.best_of_n, baselines, gold="accuracy"),
        overoptimization_section(
            studies, more="overoptimization.html, beside this page, has every number of it."
        ),
    ]
    if summary.steps:
        steps = {name.replace("_", " "): value for name, value in summary.steps.items()}
        sections.append(Section("Steps", [Estimates(steps, caption="Of the test pool's steps")]))
    for kind, evaluation in measured.items():
        results, *_ = evaluation_sections(evaluation, of=kind)
        rows = read_rows(out / "models" / kind / METRICS)
        figure = Figure(
            training_curves(rows), "Strong lines are running means over a twentieth of the run."
        )
        sections.append(
            Section(kind.capitalize(), [*results.blocks, Details("Training", [figure])])
        )
    sections.append(Section("What to run next", [KeyValues(next_steps(world, out))]))
    sections.append(Section("Data", [KeyValues(_data(out, world, scored))]))
    how: dict[str, object] = {
        "settings": json.loads((out / "world.json").read_text()),
        "seconds": dict(summary.stages),
    }
    how["parity_max_abs_diff"] = summary.parity_max_abs_diff
    sections.append(Section("How it was made", [KeyValues(how)]))
    write_report(
        out / "report.html",
        "Quickstart",
        sections,
        subtitle="Where does each reward model stop being gold?",
    )


def _measured(scored: Scored, kind: Kind) -> Report:
    """Evaluate a model's scores of the test pool: ranking, calibration, and length as baseline."""
    return evaluate(
        scored.pools, scored.scores[kind], probabilities=kind != "preference", resamples=1000
    )


def _data(out: Path, world: World, scored: Scored) -> dict[str, object]:
    """Return the sizes of the training and test data."""
    sizes: dict[str, object] = {}
    trained = read_pools(out / "data" / "train_pool.jsonl")
    for name, pools in {"train pool": trained, "test pool": scored.pools}.items():
        grades = list(chain.from_iterable(pool.grades for pool in pools))
        sizes |= {f"{name}: problems": len(pools), f"{name}: responses": len(grades)}
        sizes[f"{name}: share right"] = sum(grades) / len(grades)
    for kind in world.kinds:
        summary = json.loads((out / "models" / kind / "training.json").read_text())
        sizes[f"{kind}: training records"] = summary["records"]
        sizes |= {f"{kind}: dropped, {why}": count for why, count in summary["dropped"].items()}
    return sizes
