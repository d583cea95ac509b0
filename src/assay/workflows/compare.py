"""Compare search strategies at several sizes: accuracy against the tokens that they generate, and
at equal tokens."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from assay import components
from assay.aggregation import Aggregation
from assay.console.progress import progress
from assay.evaluation import searches as measured
from assay.protocols import Generator, Sampling, Scorer, Verifier
from assay.runs.run import Run
from assay.runs.settings import made
from assay.search import Budget, Search
from assay.specs.compute import Weights
from assay.specs.generators import Policy
from assay.stats import Estimate, summarise
from assay.workflows._folder import opened, write_into
from assay.workflows._output import described, estimate_json
from assay.workflows.search import (
    OPENING,
    REASONS,
    Prompts,
    Setup,
    judged,
    no_samples,
    nothing_scored,
    record_in,
    unscored,
    with_shared,
)

__all__ = ["SearchComparison", "compare"]


@dataclass(frozen=True, kw_only=True)
class SearchComparison:
    """What several strategies get, and what it costs."""

    points: Mapping[str, Sequence[measured.Point]]
    """Of each strategy, a point per size."""
    at_equal_tokens: Mapping[str, Mapping[int, Estimate]]
    """Accuracy of each strategy at budgets of generated tokens per prompt."""
    failed: Mapping[str, int]
    """Requests that failed, by reason."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @property
    def accuracy(self) -> dict[str, dict[int, Estimate]]:
        """Accuracy by strategy and size."""
        return {way: {p.n: p.accuracy for p in some} for way, some in self.points.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        points = {way: [_point_json(p) for p in some] for way, some in self.points.items()}
        equal = {
            way: {str(budget): estimate_json(e) for budget, e in row.items()}
            for way, row in self.at_equal_tokens.items()
        }
        return {"points": points, "at_equal_tokens": equal}

    def report(self, out: str | Path) -> list[Path]:
        """Write `compare.json`, `report.html` and `run.json` into a folder; return the files."""
        return write_into(out, self.write, self.settings, "compare", data=self.data)

    def write(self, run: Run) -> None:
        """Write the numbers and the page into an open folder."""
        from assay.pages.compare import CostPoint, compare_report

        run.save("compare.json", self.to_json())
        curves = {
            way: [
                CostPoint(
                    p.n, p.tokens, p.accuracy, samples=p.samples, scored_tokens=p.scored_tokens
                )
                for p in some
            ]
            for way, some in self.points.items()
        }
        run.page(
            "Searches compared",
            lambda: compare_report(curves, equal=self.at_equal_tokens, run=run.body),
        )

    def __str__(self) -> str:
        """Return accuracy and cost for a terminal, a point per line."""
        lines = [f"requests that failed: {n:,}: {reason}" for reason, n in self.failed.items()]
        for way, points in self.points.items():
            for p in points:
                cost = "tokens not counted"
                if p.tokens is not None:
                    cost = f"{p.tokens:,.0f} tokens per prompt"
                lines.append(f"{way} n={p.n}: {summarise(p.accuracy)}, {cost}")
        for way, row in self.at_equal_tokens.items():
            for budget, estimate in row.items():
                lines.append(
                    f"{way} at {budget:,} generated tokens per prompt: {summarise(estimate)}"
                )
        return "\n".join(lines)


def compare(
    strategies: Sequence[str | Search] | Mapping[str, Search],
    prompts: Prompts,
    *,
    ns: Sequence[int] = (1, 4, 16),
    generator: str | Path | Generator | Policy | None = None,
    scorer: str | Scorer | None = None,
    verifier: str | Verifier = "numeric",
    replay: str | Path | None = None,
    aggregate: Aggregation | None = None,
    lower_bound: float = 0.0,
    sampling: Sampling | None = None,
    step: Sampling | None = None,
    budget: Budget | None = None,
    gate: Sequence[str | Path] = (),
    limit: int | None = None,
    together: int = 64,
    format: str | None = None,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    settings: object = None,
) -> SearchComparison:
    """Search with each strategy at each size, on the same prompts and samples.

    strategies: names, each with settings where they differ from the defaults
    ("beam:width=2,lookahead=1"), or objects. ns: sizes of the strategies that have an n and were
    given none. The other arguments are those of `assay.search`; every prompt needs a reference.

    Samples are shared where strategies draw the same ones, but each strategy is charged for all
    that it uses. Raises `DataError` where a prompt has no reference, `BackendError` where not one
    sample was had.
    """
    given = locals()
    call = described("compare", **given)
    # What no strategy takes is refused before anything is opened.
    sized = {name: at_sizes(how, ns) for name, how in _by_name(strategies).items()}
    data = [Path(prompts)] if isinstance(prompts, str | Path) else []
    with opened(out, settings or call, "compare", data=data, overwrite=overwrite) as folder:
        setup = Setup.open(prompts, **{name: given[name] for name in OPENING}, need_reference=True)
        if folder is not None:
            folder.note(**setup.gates)
        every = [(way, n, how) for way, sizes in sized.items() for n, how in sizes.items()]
        points: dict[str, list[measured.Point]] = {}
        failed: Counter[str] = Counter()
        blank: dict[str, list[str]] = {}
        with record_in(folder) as record, progress("searches", len(every)) as show:
            for done, (way, n, how) in enumerate(every):
                show(done, f"{way}, n={n}")
                how = with_shared(how, seed, setup.verifier)
                results = setup.run(how, record, budget=budget, together=together)
                gold = judged(results, setup.verifier)
                blank.setdefault(way, []).append(nothing_scored(results))
                points.setdefault(way, []).append(measured.point_of(n, results, gold))
                failed.update(chain.from_iterable(result.failed for result in results))
            show(len(every), "")
        if not any(p.samples for some in points.values() for p in some):
            raise no_samples(len(setup.prompts), failed)
        result = SearchComparison(
            points=points,
            at_equal_tokens=_at_equal_tokens(points),
            failed=dict(failed.most_common(REASONS)),
            settings=settings or call,
            data=data,
        )
        if folder is not None:
            result.write(folder)
    for way, why in blank.items():
        if all(why):
            raise unscored(f"no response of {way}", len(setup.prompts), why[0])
    return result


def at_sizes(strategy: str | Search, ns: Sequence[int]) -> dict[int, Search]:
    """Make a strategy at each size that it can have; one without an n has the size 0."""
    if not isinstance(strategy, str):
        return {getattr(strategy, "n", 0): strategy}
    if re.match(r"[\w.]+:[A-Za-z_]\w*(:|$)", strategy):
        name, settings = strategy, ""
    else:
        name, _, settings = strategy.partition(":")
    cls = components.load("search", name)
    given = tuple(filter(None, settings.split(",")))
    keys = {word.partition("=")[0] for word in given}
    fields = {f.name for f in dataclasses.fields(cls)}
    if "n" not in fields - keys:
        whole: Search = made(cls, name, given)
        return {getattr(whole, "n", 0): whole}
    found: dict[int, Search] = {}
    for n in ns:
        words = [*given, f"n={n}"]
        if "width" in fields - keys:
            # A beam cannot be wider than what is sampled.
            words.append(f"width={min(n, int(cls().width))}")
        found[n] = made(cls, name, tuple(words))
    return found


def _by_name(
    strategies: Sequence[str | Search] | Mapping[str, Search],
) -> dict[str, str | Search]:
    """Name strategies: a word by itself, an object by its component's name."""
    if isinstance(strategies, Mapping):
        return dict(strategies)
    return {
        how if isinstance(how, str) else components.name_of(type(how)).split("/", 1)[1]: how
        for how in strategies
    }


def _at_equal_tokens(
    points: Mapping[str, Sequence[measured.Point]],
) -> dict[str, dict[int, Estimate]]:
    budgets = measured.shared_budgets(list(points.values()))
    equal: dict[str, dict[int, Estimate]] = {}
    for way, some in points.items():
        right = {budget: measured.at_tokens(some, budget) for budget in budgets}
        equal[way] = {b: measured.mean_of(row) for b, row in right.items() if row is not None}
    return equal


def _point_json(point: measured.Point) -> dict[str, Any]:
    return {
        "n": point.n,
        "accuracy": estimate_json(point.accuracy),
        "samples": point.samples,
        "generated_tokens": point.tokens,
        "scored_tokens": point.scored_tokens,
    }
