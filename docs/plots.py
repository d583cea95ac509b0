"""Draw the figures of the documentation from the log's tables, as SVG files of their own.

A file carries its colours, light and dark, on a ground of its own, and nothing from outside: the
same bytes for the same tables.
"""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from docs.log_tables import DOCS, Table, table

from assay.report.paint import draw
from assay.report.plot import Panel, Plot, Point, Rule, Series, Stroke
from assay.report.svg import DARK, LIGHT

FOLDER: Final = DOCS / "assets/figures"
WHICH: Final = re.compile(r"var\(--(\w+), ")


def drawn() -> dict[Path, str]:
    """Return the text that is due for every figure. Raises `MissingExtra` without matplotlib."""
    return {FOLDER / f"{name}.svg": _alone(plot()) for name, plot in PLOTS.items()}


def three_curves() -> Plot:
    """The quickstart: accuracy of the best of n by each kind of reward model."""
    page = "log/2026-11-23-three-curves.md"
    once, curves = table(page, 1), table(page, 2)
    start = _point(once, "0", "mean@1", 1)
    columns = {2: "n = 2", 4: "4", 8: "8", 16: "16", 64: "64"}
    lines = [
        _line(curves, f"0 / {name}", columns, name, colour, before=[start])
        for name, colour in (("process", "blue"), ("preference", "green"), ("outcome", "orange"))
    ]
    vote = Rule(at=once.value("0", "majority of 64").value, across=True)
    panel = Panel(
        series=lines,
        rules=[vote],
        title="Right answers, best of n (dotted: a vote of 64)",
        x_label="n responses to choose from",
        y_label="accuracy",
        scale="log2",
        ticks=[1, 2, 4, 8, 16, 32, 64],
        y_range=(0, 1),
    )
    return Plot(title="Accuracy of the best of n by three reward models", panels=[panel])


def from_rollouts() -> Plot:
    """Best of n by process models whose labels are rollouts or the truth."""
    source = table("log/2026-11-23-process-models-from-rollouts.md", 1)
    columns = {2: "n = 2", 4: "4", 8: "8", 16: "16", 32: "32", 64: "64"}
    rows = (
        ("majority, oracle", "majority", "baseline"),
        ("truth, prod.", "steps: truth", "green"),
        ("adaptive, prod.", "steps: rollouts", "blue"),
        ("outcome model", "outcome", "orange"),
    )
    panel = Panel(
        series=[_line(source, row, columns, name, colour) for row, name, colour in rows],
        title="Right answers among the best of n, five seeds",
        x_label="n responses to choose from",
        y_label="accuracy",
        scale="log2",
        ticks=list(columns),
        y_range=(0, 1),
    )
    return Plot(title="Best of n by models of steps and of outcomes", panels=[panel])


def labels_cost() -> Plot:
    """Agreement of step labels with the truth against the rollouts they cost."""
    source = table("log/2026-11-23-what-step-labels-cost.md", 1)

    def line(names: Sequence[str], name: str, colour: str, marker: str) -> Series:
        at = [source.value(row, "rollouts").value for row in names]
        points = [
            _point(source, row, "agreement with the truth", x)
            for row, x in zip(names, at, strict=True)
        ]
        return Series(
            points=points, name=name, colour=colour, marker=marker, spread="bars", hover=False
        )

    rules = [f"uniform {k}, right if any is" for k in (1, 4, 8, 16)]
    adaptive = ["adaptive, confidence .8", "adaptive", "adaptive, confidence .98"]
    binary = [f"binary search, {k} rollouts a try" for k in (4, 16)]
    panel = Panel(
        series=[
            line(adaptive, "adaptive", "blue", "o"),
            line(rules, "right if any is", "orange", "s"),
            line(binary, "binary search", "green", "^"),
        ],
        title="Step labels that are true, by what they cost",
        x_label="rollouts for 300 solutions",
        y_label="agreement with the truth",
        scale="log",
        names="legend",
    )
    return Plot(title="Agreement of step labels with the truth against rollouts", panels=[panel])


def search_tokens() -> Plot:
    """Accuracy of searches by one process model against the tokens they generate."""
    source = table("log/2026-11-28-beams-against-best-of-n.md", 1)
    columns = {40: "40 tokens", 80: "80 tokens", 160: "160 tokens"}
    rows = (
        ("majority", "majority", "baseline"),
        ("weighted majority", "weighted vote", "green"),
        ("beam, width n/2", "wide beam", "blue"),
        ("best-of-n", "best-of-n", "orange"),
        ("MCTS", "MCTS", "pink"),
    )
    panel = Panel(
        series=[_line(source, row, columns, name, colour) for row, name, colour in rows],
        title="Accuracy by generated tokens, one process model",
        x_label="generated tokens a problem",
        y_label="accuracy",
        scale="log2",
        ticks=list(columns),
        y_range=(0, 1),
    )
    return Plot(title="Accuracy of searches against generated tokens", panels=[panel])


def rubric() -> Plot:
    """What the best of n by a lenient rubric is worth by the rubric and by gold."""
    source = table("log/2026-11-29-rubric-as-a-reward.md", 1)
    at = (1, 4, 16, 64, 256)
    lines = [
        Series(
            points=[_point(source, str(n), name, n) for n in at],
            name=name,
            colour=colour,
            marker="o",
            hover=False,
        )
        for name, colour in (("proxy", "orange"), ("gold", "blue"))
    ]
    panel = Panel(
        series=lines,
        title="Best of n by a lenient rubric: its score, and gold's",
        x_label="n essays to choose from",
        y_label="mean score",
        scale="log2",
        ticks=list(at),
        y_range=(0, 1.02),
    )
    return Plot(title="Proxy and gold of the best of n by a lenient rubric", panels=[panel])


def programs() -> Plot:
    """Gold of programs chosen by tests, by length and at random."""
    source = table("log/2026-11-28-real-proxies.md", 2)
    start = _point(source, "share of base tests", "n = 1", 1)
    columns = {2: "2", 4: "4", 11: "11", 32: "32*", 100: "100*"}
    rows = (
        ("share of base tests", "share of tests", "blue"),
        ("all base tests (0 or 1)", "all tests", "green"),
        ("random", "random", "baseline"),
        ("shortest", "shortest", "orange"),
    )
    panel = Panel(
        series=[
            _line(source, row, columns, name, colour, before=[start]) for row, name, colour in rows
        ],
        title="Extra tests passed by the best of n programs",
        x_label="n programs to choose from (shaded: beyond trust)",
        y_label="share of extra inputs right",
        scale="log",
        ticks=[1, 2, 4, 11, 32, 100],
        shade=(11, 100),
        y_range=(0, None),
    )
    return Plot(title="Gold of the best of n programs by four proxies", panels=[panel])


def essays() -> Plot:
    """The highest gold that best-of-n reaches, by the proxy's size and by its pairs."""
    source = table("log/2026-11-28-essays.md", 2)
    sizes = {
        492: "XS, 492 parameters",
        1_300: "S, 1.3k",
        4_200: "M, 4.2k",
        27_700: "L, 27.7k",
        99_000: "XL, 99k",
    }
    pairs = {
        250: "L from 250 pairs",
        1_000: "L from 1,000 pairs",
        4_000: "L from 4,000 pairs",
        16_000: "L, 27.7k",
    }
    panels = [
        Panel(
            series=[
                Series(
                    points=[_point(source, row, "highest gold", x) for x, row in rows.items()],
                    colour=colour,
                    marker="o",
                    spread="bars",
                    hover=False,
                )
            ],
            title=title,
            x_label=label,
            y_label="highest gold, deviations",
            scale="log",
            ticks=list(rows),
            y_range=(0.9, 2.15),
        )
        for rows, colour, title, label in (
            (sizes, "blue", "By size, 16,000 pairs", "parameters of the proxy"),
            (pairs, "orange", "By pairs, 27.7k parameters", "pairs it learned from"),
        )
    ]
    return Plot(
        title="Highest gold of best-of-n by the proxy's size and by its data",
        panels=panels,
        columns=2,
        width=7.2,
        height=3.1,
    )


def placements() -> Plot:
    """Accuracy of a policy over the rounds, by what it is paid."""
    source = table("log/2026-11-28-rl-by-every-placement.md", 1)
    start = _point(source, "outcome, verified / 0", "0", 0)
    columns = {10: "10", 30: "30", 80: "80", 100: "100", 150: "150"}
    rows: tuple[tuple[str, str, str, Stroke], ...] = (
        ("minimum + outcome", "minimum + outcome", "green", "solid"),
        ("outcome, verified", "outcome", "baseline", "dashed"),
        ("minimum", "minimum", "sky", "solid"),
        ("GRPO-process", "GRPO-process", "blue", "solid"),
        ("last step's score", "last step", "pink", "solid"),
        ("sum of step scores", "sum of steps", "orange", "solid"),
    )

    def panel(seed: int) -> Panel:
        first = start if seed == 0 else _point(source, f"outcome, verified / {seed}", "0", 0)
        return Panel(
            series=[
                _line(source, f"{row} / {seed}", columns, name, colour, [first], stroke)
                for row, name, colour, stroke in rows
            ],
            title=f"Accuracy by what is paid, seed {seed}",
            x_label="rounds of reinforcement learning",
            y_label="accuracy",
            y_range=(-0.02, 1.02),
        )

    return Plot(
        title="Accuracy over rounds of reinforcement learning by what is paid, two seeds",
        panels=[panel(0), panel(2)],
        height=6.4,
    )


def sharing() -> Plot:
    """How much faster sharing a prompt is, against what sharing could buy."""
    source = table("log/2026-11-23-shared-prefixes.md", 1)

    def dots(what: str, dtype: str, name: str, colour: str, marker: str) -> Series:
        rows = [row for row in source.rows if row.startswith(f"{what} / {dtype} / ")]
        at = sorted((source.value(row, "token ratio").value, row) for row in rows)
        points = [_point(source, row, "times sorted", x) for x, row in at]
        return Series(
            points=points,
            name=name,
            colour=colour,
            marker=marker,
            spread="bars",
            stroke="none",
            size=5.5,
            hover=False,
        )

    ideal = Series(
        points=[Point(1, 1), Point(8.5, 8.5)],
        name="the token ratio",
        colour="muted",
        stroke="dotted",
        width=1.0,
        hover=False,
    )
    panel = Panel(
        series=[
            dots("score", "fp32", "score, fp32", "blue", "o"),
            dots("score", "bf16", "score, bf16", "sky", "s"),
            dots("train", "fp32", "train, fp32", "orange", "^"),
            dots("train", "bf16", "train, bf16", "brown", "D"),
            ideal,
        ],
        title="Times sorted padded batches",
        x_label="token ratio: what sharing could buy",
        y_label="times as fast",
        ticks=range(1, 9),
        names="legend",
        y_range=(0, 13),
    )
    return Plot(title="Speed of shared prompts against the token ratio", panels=[panel])


def coverage() -> Plot:
    """How often intervals hold the truth, before and after they were mended."""
    page = "log/2026-11-29-coverage-of-intervals.md"
    before, after = table(page, 1), table(page, 2)
    columns = {5: "n = 5", 10: "10", 20: "20", 50: "50", 100: "100", 500: "500"}
    rows = (
        ("mean, lognormal", "mean, lognormal", "green"),
        ("AUROC 0.98", "AUROC of .98", "orange"),
        ("mean, exponential", "mean, exponential", "blue"),
    )
    panels = [
        Panel(
            series=[_line(source, row, columns, name, colour) for row, name, colour in rows],
            rules=[Rule(at=95, across=True)],
            title=title,
            x_label="units n",
            y_label="truth inside, %",
            scale="log",
            ticks=list(columns),
            y_range=(0, 102),
            names="legend",
        )
        for source, title in ((before, "Before"), (after, "After"))
    ]
    return Plot(
        title="How often an interval called 95 % holds the truth, before and after",
        panels=panels,
        columns=2,
        width=7.2,
        height=3.1,
    )


PLOTS: Final[dict[str, Callable[[], Plot]]] = {
    "three-curves": three_curves,
    "from-rollouts": from_rollouts,
    "labels-cost": labels_cost,
    "search-tokens": search_tokens,
    "rubric": rubric,
    "programs": programs,
    "essays": essays,
    "placements": placements,
    "sharing": sharing,
    "coverage": coverage,
}
"""Name of the file -> what draws it."""


def _point(source: Table, row: str, column: str, x: float) -> Point:
    return Point(x, *source.value(row, column))


def _line(
    source: Table,
    row: str,
    columns: dict[int, str],
    name: str,
    colour: str,
    before: Sequence[Point] = (),
    stroke: Stroke = "solid",
) -> Series:
    """A row as a line over its columns; intervals, which only some cells have, are bars."""
    cells = {x: column for x, column in columns.items() if source.cell(row, column)}
    points = [*before, *(_point(source, row, column, x) for x, column in cells.items())]
    held = [point if math.isfinite(point.low) else Point(*point[:2]) for point in points]
    return Series(
        points=held,
        name=name,
        colour=colour,
        marker="o",
        spread="bars",
        stroke=stroke,
        hover=False,
    )


def _alone(plot: Plot) -> str:
    """A plot as a file of its own: its size, its colours by the reader's scheme, its ground."""
    text = draw(plot)
    used = sorted(set(WHICH.findall(text)) | {"sheet"})
    light, dark = (
        "".join(f"--{role}:{colours[role]};" for role in used) for colours in (LIGHT, DARK)
    )
    style = (
        f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "</style>"
        f"<title>{plot.title}</title>"
        '<rect width="100%" height="100%" rx="6" style="fill:var(--sheet)"/>'
    )
    head, tail = text.split(">", 1)
    size = f' width="{72 * plot.width:.0f}" height="{72 * plot.height:.0f}"'
    return f"{head}{size}>{style}{tail}\n"
