"""How far to optimise against a proxy before gold is lost: best-of-n over a pool, its fits, and
where to stop."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay.data.scores import file_of
from assay.errors import ConfigError, DataError
from assay.overopt import ensembles, read_points, sweep_best_of_n, write_points
from assay.overopt.axis import Axis, axis
from assay.overopt.fit import Fits
from assay.overopt.scored import ScoredPool
from assay.overopt.study import (
    Study,
    beside,
    plain,
    read_studies,
    studies_json,
    study,
    write_studies,
)
from assay.overopt.sweep import Point
from assay.runs.run import Run
from assay.specs.compute import Weights
from assay.stats import Estimate
from assay.workflows._folder import opened, write_into
from assay.workflows._output import described
from assay.workflows._pool_scores import Given, Side, scores_of_arrays, scores_of_pool, some
from assay.workflows.gate import refuse_idle

__all__ = ["Overoptimization", "combined", "overoptimization"]

Array = NDArray[np.float64]
Ensemble = Literal["mean", "worst", "uwo"]


@dataclass(frozen=True, kw_only=True)
class Overoptimization:
    """Every proxy against every gold, over n."""

    studies: tuple[Study, ...]
    """One per proxy and gold."""
    axes: tuple[Axis, ...] = ()
    """How the fits go with the sizes of the proxies."""
    paired: Mapping[str, tuple[int, Mapping[str, Estimate]]] = field(default_factory=dict)
    """Per gold: an n, and the gold there of every other proxy less that of the first."""
    notes: tuple[str, ...] = ()
    """What a reader has to know of the pool."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @property
    def verdict(self) -> str:
        """What to do, in words; a line per proxy and gold where there are several."""
        if len(self.studies) == 1:
            return self.studies[0].verdict
        return "\n".join(f"{s.name}: {s.verdict}" for s in self.studies)

    @property
    def points(self) -> tuple[Point, ...]:
        """All points, those of each study in order of n."""
        return tuple(point for s in self.studies for point in s.points)

    @property
    def fits(self) -> dict[str, Fits | None]:
        """Fits by study, such as "rm against human"; None where none could be made."""
        return {s.name: s.fits for s in self.studies}

    def to_json(self) -> dict[str, Any]:
        """Return points, studies, notes and axes as plain data."""
        body = studies_json(self.studies, notes=self.notes, axes=self.axes)
        return {"points": plain(self.points), **body}

    def report(self, out: str | Path) -> list[Path]:
        """Write `points.jsonl`, `fits.json`, `report.html` and `run.json` into a folder; return the
        files."""
        return write_into(out, self.write, self.settings, "overopt", data=self.data)

    def write(self, run: Run) -> None:
        """Write the points, the studies and the page into an open folder."""
        from assay.pages.overopt import overoptimization_report

        write_points(run.path("points.jsonl"), self.points)
        write_studies(run.path("fits.json"), self.studies, notes=self.notes, axes=self.axes)
        shown = {"axes": self.axes, "paired": self.paired, "notes": self.notes, "run": run.body}
        names = ", ".join(dict.fromkeys(s.proxy for s in self.studies))
        run.page(
            "How far to optimise against the proxy",
            lambda: overoptimization_report(self.studies, **shown),  # type: ignore[arg-type]
            subtitle=f"Best of n by {names}"[:200],
        )

    def __str__(self) -> str:
        """Return the curves, verdicts and fits for a terminal."""
        from assay.stats.numbers import beside as shown

        lines: list[str] = []
        for s in self.studies:
            lines += [s.name, *_curve(s), s.verdict, *(f"! {warning}" for warning in s.warnings)]
            if s.fits is not None:
                lines += [s.fits.best_of_n.line, s.fits.rl.line]
            lines += [part.words for part in (s.stop, s.diagnosis) if part is not None]
            lines += [*s.notes, ""]
        for one in self.axes:
            for name, found in one.scalings.items():
                rho, slope = (shown(e, 2) for e in (found.spearman, found.slope))
                lines.append(
                    f"{name} over {one.name}: Spearman {rho}, {slope} more per e-fold,"
                    f" n={found.spearman.n}"
                )
        return "\n".join([*lines, *self.notes])


def overoptimization(
    pool: str | Path | ScoredPool | None = None,
    *,
    proxy: Given = (),
    gold: Given = (),
    proxy_column: Sequence[str] = (),
    gold_column: Sequence[str] = (),
    proxy_scores: Sequence[str] = (),
    gold_scores: Sequence[str] = (),
    ensemble: Sequence[Ensemble] = (),
    size: Mapping[str, float] | Sequence[str] = (),
    epsilon: float | None = None,
    missing_gold: Literal["refuse", "leave_out"] = "refuse",
    gate: Sequence[str | Path] = (),
    format: str | None = None,
    limit: int | None = None,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    settings: object = None,
) -> Overoptimization:
    """Measure gold while a proxy is optimised against by best-of-n, and say where to stop.

    pool: file or folder of responses; None where all scores are arrays. proxy, gold: words,
    scorers or arrays (prompts x responses, NaN where there is no score), one or several by name;
    grades of rankings are gold where none is given. proxy_column, gold_column: names of scores in
    the rows. proxy_scores, gold_scores: files of scores that exist, `[NAME=]FILE`.
    ensemble: proxies made of all the others, standardised on the pool. size: numbers that the
    proxies differ in, by name. epsilon: gold that may be lost, in its units; None = a twentieth of
    its standard deviation within prompts. missing_gold: what to do with responses that have a proxy
    score and no gold. gate: files by which judges may score. limit: most prompts. seed: of the
    bootstrap. out: folder to write the result into. settings: what `run.json` holds; None is this
    call.

    Every n is estimated at once, without bias, with intervals by prompt. Raises `ConfigError` and
    `DataError` for what cannot be swept.
    """
    call = described("overoptimization", **locals())
    sides = (
        Side("proxy", proxy, proxy_column, proxy_scores),
        Side("gold", gold, gold_column, gold_scores),
    )
    files = [file_of(path) for side in sides for path in side.by_name.values()]
    data = [Path(pool), *files] if isinstance(pool, str | Path) else []
    with opened(out, settings or call, "overopt", data=data, overwrite=overwrite) as run:
        if pool is None or isinstance(pool, ScoredPool):
            refuse_idle(gate, {})
        if isinstance(pool, ScoredPool):
            if any(map(some, (proxy, gold, proxy_column, gold_column, proxy_scores, gold_scores))):
                raise ConfigError("the pool has proxies and gold of its own; leave the scorers out")
            scored = pool
        elif pool is None:
            scored = scores_of_arrays(proxy, gold)
        else:
            compute = {
                "device": device,
                "dtype": dtype,
                "weights": weights,
                "micro_tokens": micro_tokens,
            }
            how: dict[str, Any] = {"format": format, "limit": limit, "compute": compute}
            scored = scores_of_pool(str(pool), *sides, gate=gate, **how)
        result = _measured(scored, ensemble, size, epsilon, missing_gold, seed)
        result = dataclasses.replace(result, settings=settings or call, data=data)
        if run is not None:
            result.write(run)
    return result


def combined(
    folders: Sequence[str | Path],
    *,
    size: Mapping[str, float] | Sequence[str] = (),
    out: str | Path | None = None,
    overwrite: bool = False,
    settings: object = None,
) -> Overoptimization:
    """Put the results in several folders side by side; a proxy whose name comes twice is called
    folder/name.

    size: numbers that the proxies differ in, besides those that the results know. Raises
    `DataError` for a folder that holds no result.
    """
    call = described("combined", **locals())
    if not folders:
        raise ConfigError("give the folders of one run or more")
    files = ("points.jsonl", "fits.json")
    data = [Path(folder) / file for folder, file in product(folders, files)]
    parts: list[tuple[Path, Study]] = []
    sizes: list[tuple[Path, str, dict[str, float]]] = []
    notes = []
    for folder in map(Path, folders):
        if not (folder / "fits.json").is_file():
            raise DataError(
                f"{folder} holds no fits.json; give folders that `assay overopt bon --out` wrote"
            )
        points = read_points(folder / "points.jsonl")
        parts += [(folder, s) for s in read_studies(folder / "fits.json", points)]
        body = json.loads((folder / "fits.json").read_text(encoding="utf-8"))
        sizes += [
            (folder, one["name"], {proxy: float(x) for proxy, x in one["sizes"].items()})
            for one in body.get("axes", [])
        ]
        notes += [f"{folder.name}: {note}" for note in body.get("notes", [])]
    name = _names_apart(parts)
    studies = [_renamed(s, name(folder, s.proxy)) for folder, s in parts]
    known: dict[str, dict[str, float]] = {}
    for folder, of, values in sizes:
        known.setdefault(of, {}).update({name(folder, k): x for k, x in values.items()})
    known |= _sizes(size, [s.proxy for s in studies])
    files = ("points.jsonl", "fits.json")
    result = Overoptimization(
        studies=tuple(studies),
        axes=tuple(axis(of, values, studies) for of, values in known.items()),
        notes=tuple(notes),
        settings=settings or call,
        data=data,
    )
    with opened(out, result.settings, "overopt", data=data, overwrite=overwrite) as run:
        if run is not None:
            result.write(run)
    return result


def _measured(
    scored: ScoredPool,
    ensemble: Sequence[Ensemble],
    size: Mapping[str, float] | Sequence[str],
    epsilon: float | None,
    missing_gold: Literal["refuse", "leave_out"],
    seed: int,
) -> Overoptimization:
    """Sweep, study and compare scores."""
    proxies, golds = _with_ensembles(scored.proxies, ensemble), scored.golds
    sizes = {**scored.axes, **_sizes(size, proxies)}
    sweep = sweep_best_of_n(
        proxies,
        golds,
        keys=scored.keys,
        lengths=scored.lengths,
        disagreement=_disagreement(scored.proxies) if ensemble else None,
        missing_gold=missing_gold,
        seed=seed,
    )
    studies = study(sweep, proxies, golds, epsilon=epsilon, seed=seed)
    first = next(iter(proxies))
    several = len(proxies) > 1
    shared = _shared_errors(scored, seed) if ensemble else []
    return Overoptimization(
        studies=studies,
        axes=tuple(axis(name, of, studies) for name, of in sizes.items()),
        paired={gold: beside(sweep, gold, first, seed=seed) for gold in golds} if several else {},
        notes=(*scored.notes, *sweep.notes, *_pool_notes(proxies, golds), *shared),
    )


def _with_ensembles(proxies: Mapping[str, Array], ensemble: Sequence[Ensemble]) -> dict[str, Array]:
    if not ensemble:
        return dict(proxies)
    if len(proxies) < 2:
        raise ConfigError("an ensemble needs two proxies or more; give them all")
    members = [*proxies.values()]
    made = {
        f"{how} of {len(members)}": ensembles.together(members, how)
        for how in dict.fromkeys(ensemble)
    }
    return {**proxies, **made}


def _disagreement(proxies: Mapping[str, Array]) -> Array:
    raw = np.stack(list(proxies.values()))
    return ensembles.disagreement(ensembles.standardise(raw, raw))


def _shared_errors(scored: ScoredPool, seed: int) -> list[str]:
    """Say whether the members of an ensemble err alike."""
    members = np.stack(list(scored.proxies.values()))
    said = []
    for name, gold in scored.golds.items():
        try:
            words = ensembles.error_correlation(members, gold, seed=seed).words
        except DataError as error:
            words = str(error)
        said.append(f"ensemble, against {name}: {words}")
    return said


def _sizes(
    size: Mapping[str, float] | Sequence[str], known: Iterable[str]
) -> dict[str, dict[str, float]]:
    """Read sizes, NAME=NUMBER where they are words. Raises `ConfigError` for a name that no proxy
    has."""
    if isinstance(size, Mapping):
        found = {name: float(number) for name, number in size.items()}
    else:
        found = dict(map(_size, size))
    known = list(dict.fromkeys(known))
    for name, number in found.items():
        if not number > 0:
            raise ConfigError(f"--size {name}={number:g}: give NAME=NUMBER, the number above 0")
        if name not in known:
            raise ConfigError(
                f"--size {name}={number:g}: no proxy is called {name!r}; there is"
                f" {', '.join(known)}"
            )
    return {"size": found} if found else {}


def _size(word: str) -> tuple[str, float]:
    name, equals, number = word.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        equals = ""
    if not equals:
        raise ConfigError(f"--size {word}: give NAME=NUMBER, the number above 0")
    return name, value


def _pool_notes(proxies: Mapping[str, Array], golds: Mapping[str, Array]) -> list[str]:
    """Say what the sizes of the pools make of the curves."""
    there = ~np.isnan(np.stack([*proxies.values(), *golds.values()])).all(axis=0)
    sizes = there.sum(axis=1)
    notes = [f"{len(sizes):,} prompts, {int(sizes.sum()):,} responses"]
    if single := int((sizes < 2).sum()):
        notes.append(
            f"{single} of {len(sizes)} prompts have one response only, which leaves nothing to"
            " choose"
        )
    if sizes.min() != sizes.max():
        notes.append(
            f"pools have {sizes.min()} to {sizes.max()} responses: at large n other prompts are"
            " averaged than at small n, so compare n's only where the number of prompts is the"
            " same"
        )
    return notes


def _names_apart(parts: Sequence[tuple[Path, Study]]) -> Callable[[Path, str], str]:
    """Return what a proxy of a folder is called: folder/name where several have its name."""
    seen: dict[tuple[str, str], int] = {}
    for _, s in parts:
        seen[s.proxy, s.gold] = seen.get((s.proxy, s.gold), 0) + 1
    twice = {proxy for (proxy, _), count in seen.items() if count > 1}

    def name(folder: Path, proxy: str) -> str:
        return f"{folder.name}/{proxy}" if proxy in twice else proxy

    return name


def _renamed(one: Study, proxy: str) -> Study:
    points = tuple(dataclasses.replace(point, proxy=proxy) for point in one.points)
    return dataclasses.replace(one, proxy=proxy, points=points)


def _curve(one: Study) -> list[str]:
    """Return the points of a study as the lines of a table."""
    from rich.table import Table

    from assay.console.tables import text
    from assay.stats.numbers import beside as shown

    table = Table("n", "KL", "gold", "proxy", "", box=None, padding=(0, 1))
    for p in one.points:
        n = "" if p.n is None else f"{p.n:,}"
        few = "" if p.gold_mean.n == one.points[0].gold_mean.n else f"{p.gold_mean.n:,} prompts"
        remarks = ", ".join(filter(None, ("" if p.trusted else "n > N/8", few)))
        table.add_row(n, f"{p.kl_best:.3f}", shown(p.gold_mean), shown(p.proxy_mean), remarks)
    return [text(table)]
