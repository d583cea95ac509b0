"""The sections of two reports: one training run, and one best-of-n pool. Others are made of the
same parts.

Nothing here knows a model: a run is the body of its `run.json` and the rows of its `metrics.jsonl`,
an evaluation is anything with the attributes of `Evaluation`.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol

from assay.pages import curves as plots
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Figure,
    Figures,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Table,
    Text,
)
from assay.stats import Bin, Covered, CurvePoint, Estimate, McNemar
from assay.stats.numbers import beside

__all__ = [
    "BASELINES",
    "Evaluation",
    "Baselines",
    "evaluation_sections",
    "findings",
    "pool_report",
    "pool_section",
    "run_section",
    "training_report",
    "training_section",
]

BASELINES: Final = ("random", "mean", "shortest", "longest", "majority", "oracle")
"""Choosers that need no model."""
RUN_PARTS: Final = {
    "versions": "Versions",
    "gates": "Gates of the judges",
    "data": "Data files, by SHA-256",
}
"""Parts of a `run.json` that are shown folded."""
Baselines = Mapping[str, Estimate | Sequence[CurvePoint]]


class Evaluation(Protocol):
    """What was measured on held-out records; any part may be empty."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """What the model gets."""
        ...

    @property
    def baselines(self) -> Mapping[str, Estimate]:
        """What cheap rules and perfect knowledge get on the same records."""
        ...

    @property
    def curves(self) -> Mapping[str, Sequence[CurvePoint]]:
        """Best-of-n curves by what chooses, where the records are pools; `BASELINES` are told apart
        by name."""
        ...

    @property
    def tests(self) -> Mapping[str, McNemar]:
        """Exact tests against a baseline on the same items, by its name."""
        ...

    @property
    def histograms(self) -> Mapping[str, plots.Histogram]:
        """Scores by group, such as chosen and rejected, and the pairs' "margin"."""
        ...

    @property
    def reliability(self) -> Sequence[Bin]:
        """Calibration, where scores are probabilities."""
        ...

    @property
    def selective(self) -> Sequence[Covered]:
        """Accuracy of the surest answers, from few to all."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know to read the numbers right."""
        ...


def training_report(
    run: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    data: Mapping[str, Any] | None = None,
    evaluation: Evaluation | None = None,
) -> list[Section]:
    """The sections of one training run, results first.

    run: the body of `run.json`. rows: those of `metrics.jsonl`. data: a summary of the records, as
    names and values.
    """
    sections = [training_section(rows)]
    if evaluation is not None:
        sections = [*evaluation_sections(evaluation), *sections]
    if data:
        sections.append(Section("Data", [KeyValues(data)]))
    return [*sections, run_section(run)]


def pool_report(
    curves: Mapping[str, Sequence[CurvePoint]],
    baselines: Baselines,
    *,
    run: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Estimate] | None = None,
    gold: str = "gold reward",
    notes: Sequence[str] = (),
    examples: Sequence[Section] = (),
) -> list[Section]:
    """The sections of a best-of-n study: what was found, the curves beside their baselines, every
    number, and examples of what was chosen."""
    sections = [pool_section(curves, baselines, gold=gold, notes=notes)]
    if metrics:
        sections.append(Section("Scores", [Estimates(metrics)]))
    sections += examples
    return sections if run is None else [*sections, run_section(run)]


def evaluation_sections(evaluation: Evaluation, *, of: str = "") -> list[Section]:
    """What was measured, each metric beside its baselines, and the best-of-n curves where there are
    any.

    `of` names the model in the headings, where a page has several.
    """
    ending = f": {of}" if of else ""
    blocks: list[Block] = []
    known = [(name, e) for name, e in evaluation.metrics.items() if math.isfinite(e.value)]
    if known:
        blocks.append(Headline({_words(name): e for name, e in known[:4]}))
    figures = _histograms(evaluation.histograms)
    if evaluation.reliability:
        caption = (
            "Bars are 95 % intervals, rows taken as independent. On the broken line, predictions"
            " come true as often as they say."
        )
        figures.insert(0, Figure(plots.reliability(evaluation.reliability), caption))
    if evaluation.selective:
        caption = (
            "The surest answers are accepted first; the band is the 95 % interval. A confidence"
            " that knows nothing has the broken line, one that knows every error the dotted one."
        )
        place = 1 if evaluation.reliability else 0
        figures.insert(place, Figure(plots.selective(evaluation.selective), caption))
    if figures:
        blocks.append(Figures(figures))
    baselines = {_words(name) for name in evaluation.baselines}
    caption = "Metrics, and below each what its baselines get on the same records"
    blocks.append(Estimates(_beside_baselines(evaluation), caption=caption, muted=baselines))
    if evaluation.tests:
        body = [[name, t.only_a, t.only_b, t.n, t.p_value] for name, t in evaluation.tests.items()]
        head = ["against", "only the model is right", "only the baseline is", "n", "p"]
        blocks.append(Table(head, body, "McNemar's exact test, items taken as independent"))
    if evaluation.notes:
        blocks.append(Bullets(evaluation.notes))
    sections = [Section(f"Held-out results{ending}", blocks)]
    if evaluation.curves:
        curves = {
            _words(name): curve
            for name, curve in evaluation.curves.items()
            if name not in BASELINES
        }
        beside = {name: curve for name, curve in evaluation.curves.items() if name in BASELINES}
        sections.append(pool_section(curves, beside, title=f"Best of n{ending}"))
    return sections


def run_section(run: Mapping[str, Any]) -> Section:
    """How the run was made, from the body of its `run.json`."""
    blocks: list[Block] = []
    if command := run.get("command"):
        blocks.append(Text("assay " + shlex.join(command), command=True))
    if settings := run.get("settings"):
        table = KeyValues(settings)
        # Some commands have a hundred settings, and the command says those that were chosen.
        few = len(table.rows) <= 12
        blocks.append(table if few else Details(f"All {len(table.rows)} settings", [table]))
    if started := run.get("started"):
        blocks.append(Paragraph(f"Started {started}."))
    for key, summary in RUN_PARTS.items():
        if values := run.get(key):
            blocks.append(Details(summary, [KeyValues(values)]))
    return Section("Settings", blocks)


def findings(curves: Mapping[str, Sequence[CurvePoint]]) -> dict[str, str]:
    """What each curve does: where it peaks, whether it falls after, and whether selecting is better
    than not selecting.

    The first point is the comparison, for best of 1 is no selection. "Better", "worse" and "falls"
    are said only where the 95 % intervals do not touch, which is stricter than a paired test at 5
    %.
    """
    there = {
        name: [p for p in curve if math.isfinite(p.estimate.value)]
        for name, curve in curves.items()
    }
    return {
        name: _finding(points) if points else "No n has a value." for name, points in there.items()
    }


def _finding(points: Sequence[CurvePoint]) -> str:
    first, last, peak = points[0], points[-1], max(points, key=lambda p: p.estimate.value)
    none = "no selection" if first.n == 1 else f"best of {first.n}"
    if last.estimate.high < first.estimate.low:
        verdict = f"worse than {none}"
    elif last.estimate.low > first.estimate.high:
        verdict = f"better than {none}"
    else:
        verdict = f"not told apart from {none}"
    if last.estimate.high < peak.estimate.low:
        course = (
            f"Falls from {_brief(peak.estimate)} at n={peak.n} to {_brief(last.estimate)} at"
            f" n={last.n}"
        )
    elif peak is last:
        course = f"Highest at n={last.n} with {_brief(last.estimate)}"
    else:
        course = (
            f"Highest at n={peak.n} with {_brief(peak.estimate)}; {_brief(last.estimate)} at"
            f" n={last.n}"
        )
    return f"{course}, which is {verdict} ({_brief(first.estimate)})."


def _histograms(histograms: Mapping[str, plots.Histogram]) -> list[Figure]:
    figures = []
    filled = {name: h for name, h in histograms.items() if sum(h.counts)}
    groups = {name: h for name, h in filled.items() if name != "margin"}
    if groups:
        caption = "All prompts together."
        if "chosen" in groups:
            caption += (
                " What a model learns from comparisons is fixed only up to a constant a prompt, so"
                " overlap here is not yet error."
            )
        figures.append(Figure(plots.histogram(groups), caption))
    if "margin" in filled:
        caption = (
            "Score of the preferred response less that of the other: right of 0 the model agrees."
        )
        figures.append(
            Figure(plots.histogram({"margin": filled["margin"]}, xlabel="margin"), caption)
        )
    return figures


def _beside_baselines(evaluation: Evaluation) -> dict[str, Estimate]:
    """Each metric, and right below it the baselines named after it; other baselines last."""
    rows: dict[str, Estimate] = {}
    for name, estimate in evaluation.metrics.items():
        rows[name] = estimate
        rows |= {
            baseline: e
            for baseline, e in evaluation.baselines.items()
            if baseline.startswith(f"{name}/")
        }
    rows |= {baseline: e for baseline, e in evaluation.baselines.items() if baseline not in rows}
    return {_words(name): estimate for name, estimate in rows.items()}


def _words(name: str) -> str:
    """A metric's name for people: "best_of_64/oracle" is "best of 64 / oracle"."""
    return name.replace("_", " ").replace("/", " / ")


def training_section(rows: Sequence[Mapping[str, Any]], *, title: str = "Training") -> Section:
    """How training went, from the rows of a `metrics.jsonl`."""
    steps = [row for row in rows if row.get("step") is not None and row.get("loss") is not None]
    if not steps:
        return Section(title, [Paragraph("No step was taken.")])
    evaluations = [row for row in rows if row.get("eval_loss") is not None]
    said = f"{len(steps):,} steps"
    if evaluations:
        best = min(evaluations, key=lambda row: float(row["eval_loss"]))
        said += f"; the lowest held-out loss is {best['eval_loss']:.4f}, at step {best['step']:,}"
    caption = "Strong lines are running means over a twentieth of the run; single steps are faint."
    return Section(title, [Paragraph(said + "."), Figure(plots.training_curves(rows), caption)])


def pool_section(
    curves: Mapping[str, Sequence[CurvePoint]],
    baselines: Baselines,
    *,
    gold: str = "gold reward",
    notes: Sequence[str] = (),
    title: str = "Best of n",
) -> Section:
    """Best-of-n curves beside their baselines, what they say, and every number; `gold` names what
    is on the y axis."""
    caption = (
        "Bands are 95 % intervals by prompt. A ring marks each curve's peak among these n,"
        " picked on these same prompts and so flatters a little. Broken lines are baselines."
    )
    lines = dict(curves) | {
        name: baseline for name, baseline in baselines.items() if not isinstance(baseline, Estimate)
    }
    tables = [
        Estimates({f"best of {p.n}": p.estimate for p in line}, caption=name)
        for name, line in lines.items()
    ]
    level = {
        name: baseline for name, baseline in baselines.items() if isinstance(baseline, Estimate)
    }
    tiles = _tiles(curves, lines)
    blocks: list[Block] = [Headline(tiles)] if tiles else []
    blocks.append(KeyValues(findings(curves)))
    if any(math.isfinite(p.estimate.value) for p in chain.from_iterable(curves.values())):
        blocks.append(
            Figure(plots.best_of_n(curves, baselines, ylabel=f"{gold} of the choice"), caption)
        )
    if notes:
        blocks.append(Bullets(notes))
    if level:
        blocks.append(Estimates(level, caption="Baselines"))
    return Section(title, [*blocks, Details("Every number", tables)])


def _tiles(
    curves: Mapping[str, Sequence[CurvePoint]], lines: Mapping[str, Sequence[CurvePoint]]
) -> dict[str, Estimate]:
    """No selection, what up to two choosers get of the largest pools, and the most to be had
    there; the same points as the sentences have."""
    known = {
        name: points
        for name, line in lines.items()
        if (points := [p for p in line if math.isfinite(p.estimate.value)])
    }
    chosen = [name for name in known if name in curves][:2]
    if not chosen:
        return {}
    first = known[chosen[0]][0]
    start = "no selection" if first.n == 1 else f"best of {first.n}"
    ends = {
        f"{_words(name)}, n = {known[name][-1].n:,}": known[name][-1].estimate
        for name in (*chosen, *(name for name in ("oracle",) if name in known))
    }
    return {start: first.estimate, **ends}


def _brief(estimate: Estimate) -> str:
    return beside(estimate)
