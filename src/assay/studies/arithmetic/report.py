"""The run's `report.html`."""

import json
from collections.abc import Sequence
from pathlib import Path

from assay.evaluation import Report, evaluate
from assay.overopt.study import Study
from assay.pages.curves import training_curves
from assay.pages.evaluation import evaluation_sections, pool_report
from assay.pages.overopt import overoptimization_section
from assay.report import Details, Estimates, Figure, KeyValues, Paragraph, Section, write_report
from assay.runs.metrics import METRICS, read_rows
from assay.stats import CurvePoint, Estimate
from assay.studies.arithmetic.models import read_scores
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.story import story
from assay.studies.arithmetic.summary import Summary
from assay.studies.arithmetic.world import Kind, World

__all__ = ["write"]


def write(world: World, out: Path, summary: Summary, studies: Sequence[Study]) -> None:
    """Write `report.html` from what the stages left in the run's folder. Raises `MissingExtra`."""
    measured = {kind: _measured(out, kind) for kind in world.kinds}
    baselines: dict[str, Estimate | Sequence[CurvePoint]] = {
        "majority": summary.majority_of_n,
        "oracle": summary.oracle_of_n,
        "no selection": summary.mean_at_1,
    }
    any_curves = next(iter(measured.values())).curves
    baselines |= {name: any_curves[name] for name in ("shortest", "longest")}
    sections = [
        Section("What happened", [Paragraph(story(summary))]),
        *pool_report(summary.best_of_n, baselines, gold="accuracy"),
        overoptimization_section(
            studies, more="overoptimization.html, beside this page, has every number of it."
        ),
    ]
    if summary.steps:
        sections.append(
            Section("Steps", [Estimates(summary.steps, caption="Of the test pool's steps")])
        )
    for kind, found in measured.items():
        results, *_ = evaluation_sections(found, of=kind)
        rows = read_rows(out / "models" / kind / METRICS)
        figure = Figure(
            training_curves(rows), "Strong lines are running means over a twentieth of the run."
        )
        sections.append(
            Section(kind.capitalize(), [*results.blocks, Details("Training", [figure])])
        )
    sections.append(Section("Data", [KeyValues(_data(out, world))]))
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


def _measured(out: Path, kind: Kind) -> Report:
    """A model's scores of the test pool against the truth: ranking, calibration, histograms, and
    length as a baseline."""
    scores, _ = read_scores(out / "scores" / f"{kind}.json")
    return evaluate(
        read_pools(out / "data" / "test_pool.jsonl"),
        scores,
        probabilities=kind != "preference",
        resamples=1000,
    )


def _data(out: Path, world: World) -> dict[str, object]:
    """What was trained and tested on."""
    found: dict[str, object] = {}
    for name in ("train_pool", "test_pool"):
        pools = read_pools(out / "data" / f"{name}.jsonl")
        grades = [grade for pool in pools for grade in pool.grades]
        words = name.replace("_", " ")
        found |= {f"{words}: problems": len(pools), f"{words}: responses": len(grades)}
        found[f"{words}: share right"] = sum(grades) / len(grades)
    for kind in world.kinds:
        summary = json.loads((out / "models" / kind / "training.json").read_text())
        found[f"{kind}: training records"] = summary["records"]
        found |= {f"{kind}: dropped, {why}": count for why, count in summary["dropped"].items()}
    return found
