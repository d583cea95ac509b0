"""`assay overopt bon POOL`: how hard a proxy may be pressed before gold is lost; `assay overopt report` several runs.

A pool is many responses to each of many prompts. Every n is estimated from it at once, without bias, with intervals by
prompt; gold against the root of KL is fitted, and a place to stop recommended.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from assay import config
from assay.errors import ConfigError, DataError, MissingExtra
from assay.types import Group, Prompt, Ranking, Response, Score, StepLabels, Unscored

if TYPE_CHECKING:
    from assay.overopt import Scaling
    from assay.overopt.study import Study

__all__ = ["COMMANDS", "WORLDS", "Material"]

Array = NDArray[np.float64]

CHUNK = 32
"""Prompts scored at once."""
GRADES: Final = "gold"
"""What the grades of rankings, and the last labels of step labels, are called."""
NOT_JSON: Final = "is not a number in JSON"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Material:
    """What is swept: scores by name, one row a prompt, NaN where there is none."""

    proxies: Mapping[str, Array]
    golds: Mapping[str, Array]
    keys: Sequence[Sequence[str]] | None = None
    """Texts of the responses, where they are known."""
    lengths: Array | None = None
    """Characters of each response."""
    sizes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Of proxies."""
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """Responses as they were read, with what was said of them."""

    groups: Sequence[Group]
    grades: Sequence[Sequence[float]] | None
    """Gold that the records hold; None where they hold none."""
    notes: Sequence[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestOfN:
    """Sweep best-of-n over a pool of responses, for every proxy against every gold.

    Scores are in the rows already (--proxy-column, --gold-column: fields of a row {"prompt", "response", ...}, one
    response each, or keys of the responses' meta in records; grades of rankings are gold), or are asked for now
    (--proxy, --gold).
    """

    pool: tyro.conf.Positional[str] = ""
    """File or folder of rows or records; left out with --world."""

    proxy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers to choose by: folders of reward models, shortest, longest, random, or package.module:name."""

    gold: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers that say what a choice is worth: a verifier (math, numeric), a larger reward model."""

    proxy_column: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows to choose by."""

    gold_column: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows that say what a choice is worth."""

    world: Literal["gaussian"] | None = None
    """An embedded world instead of a pool. gaussian: three proxies of a truth that is known, at once."""

    ensemble: tuple[Literal["mean", "worst", "uwo"], ...] = ()
    """Proxies made of all the others, each standardised on the pool: their mean, the worst of them, the mean less half
    their variance."""

    size: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences: how the fit goes with them is then told."""

    epsilon: float | None = None
    """Gold that may be lost for the sake of choosing harder, in units of gold; none = a twentieth of its standard
    deviation within prompts."""

    missing_gold: Literal["refuse", "leave_out"] = "refuse"
    """Of responses with a proxy and without gold."""

    format: str | None = None
    """Format of the records, where it is not told by their columns."""

    limit: int | None = None
    """Take so many prompts at most."""

    device: str = "cpu"
    """Where reward models score."""

    seed: int = 0
    """Of the bootstrap, and of a world."""

    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""

    def __call__(self) -> None:
        """Sweep, print, write the files."""
        from assay.overopt import sweep_best_of_n, write_points
        from assay.overopt.study import beside, study, write_studies

        material = self._material()
        proxies, golds = self._with_ensembles(material.proxies), material.golds
        sizes = {**material.sizes, **_sizes(self.size, proxies)}
        disagreement = _disagreement(material.proxies) if self.ensemble else None
        sweep = sweep_best_of_n(
            proxies,
            golds,
            keys=material.keys,
            lengths=material.lengths,
            disagreement=disagreement,
            missing_gold=self.missing_gold,
            seed=self.seed,
        )
        studies = study(sweep, proxies, golds, epsilon=self.epsilon, seed=self.seed)
        notes = [*material.notes, *sweep.notes, *_pool_notes(proxies, golds), *self._shared(material)]
        scalings = _scalings(studies, sizes)
        first = next(iter(proxies))
        paired = {gold: beside(sweep, gold, first, seed=self.seed) for gold in golds} if len(proxies) > 1 else {}
        _show(studies, notes, scalings)
        if self.out is not None:
            write_points(self.out / "points.jsonl", sweep.points)
            write_studies(self.out / "fits.json", studies, notes=notes, sizes=sizes, scalings=scalings)
            data = [Path(self.pool)] if self.pool else []
            _write(self.out, self, data, studies, sizes=sizes, scalings=scalings, paired=paired, notes=notes)

    def _material(self) -> Material:
        if self.world is not None:
            if self.pool or self.proxy or self.gold or self.proxy_column or self.gold_column:
                raise ConfigError(
                    f"--world {self.world} has proxies and gold of its own; leave the pool and scorers out"
                )
            return WORLDS[self.world](self.seed)
        if not self.pool:
            raise ConfigError("give a pool of responses, or --world gaussian to see a picture at once")
        if not self.proxy and not self.proxy_column:
            raise ConfigError("there is no proxy; give --proxy SCORER, or --proxy-column NAME of scores in the rows")
        pool = _read(self.pool, self.format, self.limit, columns=bool(self.proxy_column or self.gold_column))
        if not self.gold and not self.gold_column and pool.grades is None:
            raise ConfigError(
                "there is no gold, without which nothing can be said; give --gold SCORER (a verifier, a larger reward "
                "model), --gold-column NAME of scores in the rows, or rankings, whose grades are gold"
            )
        notes = list(pool.notes)
        proxies = {name: _column(pool, name) for name in self.proxy_column}
        golds = {name: _column(pool, name) for name in self.gold_column}
        if not self.gold and not self.gold_column and pool.grades is not None:
            golds[GRADES] = _padded(pool.grades)
        for words, found in ((self.proxy, proxies), (self.gold, golds)):
            found.update(self._live(words, pool, notes))
        if both := sorted(proxies.keys() & golds.keys()):
            raise ConfigError(f"{', '.join(both)} is proxy and gold at once, and would never be seen to fail")
        texts = [[r.text for r in group.responses] for group in pool.groups]
        known = all(text for row in texts for text in row)
        width = max(map(len, texts))
        return Material(
            proxies=proxies,
            golds=golds,
            keys=[row + [""] * (width - len(row)) for row in texts] if known else None,
            lengths=_padded([[float(len(text)) for text in row] for row in texts]) if known else None,
            notes=notes,
        )

    def _live(self, words: Sequence[str], pool: Pool, notes: list[str]) -> dict[str, Array]:
        """Scores asked for now."""
        if not words:
            return {}
        from assay.cli.reward import named
        from assay.training.progress import progress

        if any(not response.text for group in pool.groups for response in group.responses):
            raise DataError(f"{self.pool}: rows without a response cannot be scored; give their scores by column")
        found = {}
        for name, scorer in named(words, self.device).items():
            scores: list[list[Score | Unscored]] = []
            with progress(f"score by {name}", len(pool.groups)) as bar:
                for start in range(0, len(pool.groups), CHUNK):
                    scores += scorer.score(pool.groups[start : start + CHUNK])
                    bar(len(scores), "")
            reasons = [s.reason for row in scores for s in row if isinstance(s, Unscored)]
            if reasons:
                notes.append(f"{name}: {len(reasons)} responses unscored, such as: {reasons[0]}")
            found[name] = _padded([[s.value if isinstance(s, Score) else math.nan for s in row] for row in scores])
        return found

    def _with_ensembles(self, proxies: Mapping[str, Array]) -> dict[str, Array]:
        from assay.overopt import ensembles

        if not self.ensemble:
            return dict(proxies)
        if len(proxies) < 2:
            raise ConfigError("an ensemble needs two proxies or more; give them all")
        raw = np.stack(list(proxies.values()))
        members = ensembles.standardise(raw, raw)
        made = {
            "mean": lambda: ensembles.mean(members),
            "worst": lambda: ensembles.worst_case(members),
            "uwo": lambda: ensembles.uncertainty_weighted(members, 0.5),
        }
        return {**proxies, **{f"{how} of {len(members)}": made[how]() for how in dict.fromkeys(self.ensemble)}}

    def _shared(self, material: Material) -> list[str]:
        """Whether the members of an ensemble err alike."""
        from assay.overopt import ensembles

        if not self.ensemble:
            return []
        said = []
        for name, gold in material.golds.items():
            try:
                found = ensembles.error_correlation(np.stack(list(material.proxies.values())), gold, seed=self.seed)
                said.append(f"ensemble, against {name}: {found.words}")
            except DataError as error:
                said.append(f"ensemble, against {name}: {error}")
        return said


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Put the runs of `assay overopt bon` side by side: gold against KL in one picture, and how it goes with a size."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""

    size: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences; those that the runs know need not be given."""

    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""

    def __call__(self) -> None:
        """Read, print, write."""
        from assay.overopt import write_points
        from assay.overopt.study import write_studies

        if not self.folders:
            raise ConfigError("give the folders of one run or more")
        studies, sizes, notes = _gathered(self.folders)
        sizes |= _sizes(self.size, [s.proxy for s in studies])
        scalings = _scalings(studies, sizes)
        _show(studies, notes, scalings)
        if self.out is not None:
            write_points(self.out / "points.jsonl", [p for s in studies for p in s.points])
            write_studies(self.out / "fits.json", studies, notes=notes, sizes=sizes, scalings=scalings)
            data = [folder / name for folder in self.folders for name in ("points.jsonl", "fits.json")]
            _write(self.out, self, data, studies, sizes=sizes, scalings=scalings, notes=notes)


def _gaussian(seed: int) -> Material:
    """Three proxies of one gold, which likes some of a feature: they like all of it, with more and more noise."""
    from assay.overopt import GaussianGoodhart

    proxies, notes, gold = {}, [], np.empty((0, 0))
    for tau in (0.0, 0.5, 1.0):
        world = GaussianGoodhart(1.0, 0.3, tau)
        pools = world.pools(60, 512, seed=seed)
        name = f"noise {tau:g}"
        proxies[name], gold = pools.proxy_P_N, pools.gold_P_N
        notes.append(
            f"{name}, the truth for a tilted policy: alpha {world.alpha:.3f}, beta {world.beta:.3f}, peak "
            f"{world.peak_gold:.3f} at KL {world.peak_d**2:.2f}; best-of-n comes near it"
        )
    return Material(proxies=proxies, golds={"gold": gold}, notes=notes)


WORLDS: Final[Mapping[str, Callable[[int], Material]]] = {"gaussian": _gaussian}
"""Embedded worlds by name, made from a seed; the names are those of `BestOfN.world`."""


def _read(source: str, format: str | None, limit: int | None, *, columns: bool) -> Pool:
    """Groups of a source of rows or of records; raises `DataError` where it is neither."""
    from assay.data import io, sources
    from assay.data.formats.assay import KINDS
    from assay.data.lines import Bad

    first = next(sources.rows(source), None)
    if isinstance(first, Bad):
        first.raw.close()
    is_record = first is not None and not isinstance(first, Bad) and first.value.get("type") in KINDS
    if columns and format is None and not is_record:
        return _rows(source, limit)
    groups: list[Group] = []
    grades: list[list[float]] = []
    graded = True
    by_prompt: dict[str, int] = {}
    for record in io.read(source, format=format):
        match record:
            case Group():
                groups.append(record)
                grades.append(list(record.grades) if isinstance(record, Ranking) else [])
                graded &= isinstance(record, Ranking)
            case StepLabels():
                at = by_prompt.setdefault(record.prompt.text, len(groups))
                if at == len(groups):
                    groups.append(Group(prompt=record.prompt, responses=()))
                    grades.append([])
                groups[at] = groups[at].model_copy(update={"responses": (*groups[at].responses, record.response)})
                label = record.labels[-1] if record.labels else None
                grades[at].append(math.nan if label is None else label)
            case _:
                raise DataError(f"{source}: a {type(record).__name__} is no pool; give groups, rankings or step labels")
    return _pool(source, groups[:limit], grades[:limit] if graded else None, [])


def _rows(source: str, limit: int | None) -> Pool:
    """Rows {"prompt": id or text, "response": text, NAME: number, ...}, one a response."""
    from assay.data import sources
    from assay.data.lines import Bad

    found: dict[str, list[Response]] = {}
    prompts: dict[str, Prompt] = {}
    lax = 0
    for row in sources.rows(source):
        if isinstance(row, Bad):
            with row.raw:
                value, where = _lax(row), row.where
            lax += 1
        else:
            value, where = row.value, row.where
        prompt, text = value.get("prompt"), value.get("response", "")
        if isinstance(prompt, bool) or not isinstance(prompt, (str, int)) or not isinstance(text, str):
            raise DataError(
                f'{where}: a row is {{"prompt": an id or a text, "response": a text, NAME: a number, ...}}; prompt is '
                f"{prompt!r:.60}, response {text!r:.60}"
            )
        key = f"{prompt}"
        if key not in prompts:
            if limit is not None and len(prompts) == limit:
                continue
            reference = value.get("reference")
            prompts[key] = Prompt.of(key, reference=None if reference is None else str(reference))
        meta = {"": where, **{k: v for k, v in value.items() if k not in ("prompt", "response", "reference")}}
        found.setdefault(key, []).append(Response(steps=(text,), meta=meta))
    notes = [f"{lax} rows hold NaN, which is no JSON: such scores count as unscored"] if lax else []
    groups = [Group(prompt=prompts[key], responses=tuple(responses)) for key, responses in found.items()]
    return _pool(source, groups, None, notes)


def _lax(row: Any) -> dict[str, Any]:
    """A row with NaN in it, as Python writes them."""
    if NOT_JSON not in row.error:
        raise DataError(f"{row.where}: {row.error}")
    try:
        value = json.loads(row.raw.read())
    except ValueError:
        raise DataError(f"{row.where}: {row.error}") from None
    if not isinstance(value, dict):
        raise DataError(f"{row.where}: it is not an object")
    return value


def _pool(source: str, groups: Sequence[Group], grades: Sequence[Sequence[float]] | None, notes: list[str]) -> Pool:
    if not any(group.responses for group in groups):
        raise DataError(f"{source} holds no response")
    kept = [k for k, group in enumerate(groups) if group.responses]
    return Pool(
        groups=[groups[k] for k in kept], grades=None if grades is None else [grades[k] for k in kept], notes=notes
    )


def _column(pool: Pool, name: str) -> Array:
    """The scores of that name. Raises `DataError` where no response has it, or it is no number."""
    if pool.grades is not None and name == GRADES and not any(name in r.meta for g in pool.groups for r in g.responses):
        return _padded(pool.grades)
    rows, known = [], set[str]()
    for group in pool.groups:
        rows.append([_number(response, name) for response in group.responses])
        known |= {key for response in group.responses for key in response.meta if key}
    if all(math.isnan(x) for row in rows for x in row) and name not in known:
        there = ", ".join(sorted(known)) or "nothing"
        raise DataError(f"no response has {name!r}; there is {there}")
    return _padded(rows)


def _number(response: Response, name: str) -> float:
    value = response.meta.get(name)
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)):
        where = response.meta.get("", "a response's meta")
        raise DataError(f"{where}: {name!r} is {value!r:.60}; it must be a number, or null for unscored")
    return float(value)


def _padded(rows: Sequence[Sequence[float]]) -> Array:
    from assay.stats import pad_pools

    return pad_pools(rows)


def _pool_notes(proxies: Mapping[str, Array], golds: Mapping[str, Array]) -> list[str]:
    """What the sizes of the pools make of the curves."""
    there = ~np.isnan(np.stack([*proxies.values(), *golds.values()])).all(axis=0)
    sizes = there.sum(axis=1)
    notes = [f"{len(sizes):,} prompts, {int(sizes.sum()):,} responses"]
    if single := int((sizes < 2).sum()):
        notes.append(f"{single} of {len(sizes)} prompts have one response only, which leaves nothing to choose")
    if sizes.min() != sizes.max():
        notes.append(
            f"pools have {sizes.min()} to {sizes.max()} responses: at large n other prompts are averaged than at small "
            "n, so compare n's only where the number of prompts is the same"
        )
    return notes


def _disagreement(proxies: Mapping[str, Array]) -> Array:
    from assay.overopt import ensembles

    raw = np.stack(list(proxies.values()))
    return ensembles.disagreement(ensembles.standardise(raw, raw))


def _sizes(words: Sequence[str], known: Any) -> dict[str, float]:
    """NAME=NUMBER. Raises `ConfigError` for a name that no proxy has."""
    found = {}
    for word in words:
        name, equals, number = word.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not found[name] > 0:
            raise ConfigError(f"--size {word}: give NAME=NUMBER, the number above 0")
        if name not in known:
            raise ConfigError(f"--size {word}: no proxy is called {name!r}; there is {', '.join(dict.fromkeys(known))}")
    return found


def _scalings(studies: "Sequence[Study]", sizes: Mapping[str, float]) -> "dict[str, Scaling]":
    """How alpha and beta go with the size; nothing where fewer than two sizes are known, or there are two golds."""
    from assay.overopt import scaling

    used = [s for s in studies if s.proxy in sizes and s.fits is not None]
    if len({sizes[s.proxy] for s in used}) < 2 or len({s.gold for s in used}) > 1:
        return {}
    fits = [s.fits.best_of_n for s in used if s.fits is not None]
    found = {}
    for k, name in enumerate(("alpha", "beta")):
        drawn = all(len(fit.draws_R_2) for fit in fits)
        draws = np.stack([fit.draws_R_2[:, k] for fit in fits], axis=1) if drawn else None
        found[name] = scaling([sizes[s.proxy] for s in used], [getattr(f, name).value for f in fits], draws)
    return found


def _gathered(folders: Sequence[Path]) -> "tuple[list[Study], dict[str, float], list[str]]":
    """The studies of several runs, sizes and notes; a proxy whose name comes twice is called folder/name."""
    from assay.overopt import read_points
    from assay.overopt.study import read_studies

    found: list[tuple[Path, Study]] = []
    sizes: list[tuple[Path, dict[str, float]]] = []
    notes = []
    for folder in folders:
        if not (folder / "fits.json").is_file():
            raise DataError(f"{folder} holds no fits.json; give folders that `assay overopt bon --out` wrote")
        points = read_points(folder / "points.jsonl")
        found += [(folder, s) for s in read_studies(folder / "fits.json", points)]
        body = json.loads((folder / "fits.json").read_text(encoding="utf-8"))
        sizes.append((folder, {name: float(x) for name, x in body.get("sizes", {}).items()}))
        notes += [f"{folder.name}: {note}" for note in body.get("notes", [])]
    seen: dict[tuple[str, str], int] = {}
    for _, s in found:
        seen[s.proxy, s.gold] = seen.get((s.proxy, s.gold), 0) + 1
    twice = {proxy for (proxy, _), count in seen.items() if count > 1}

    def name(folder: Path, proxy: str) -> str:
        return f"{folder.name}/{proxy}" if proxy in twice else proxy

    studies = []
    for folder, s in found:
        called = name(folder, s.proxy)
        points_ = tuple(dataclasses.replace(p, proxy=called) for p in s.points)
        studies.append(dataclasses.replace(s, proxy=called, points=points_))
    return studies, {name(folder, k): x for folder, part in sizes for k, x in part.items()}, notes


def _write(out: Path, command: Any, data: Sequence[Path], studies: "Sequence[Study]", **more: Any) -> None:
    from assay.report import overoptimization_report, write_report

    run = json.loads(config.write_run(out, command, data).read_text())
    try:
        sections = overoptimization_report(studies, run=run, **more)
        subtitle = f"Best of n by {', '.join(dict.fromkeys(s.proxy for s in studies))}"
        write_report(out / "report.html", "How hard may the proxy be pressed?", sections, subtitle=subtitle[:200])
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return
    print(f"wrote {', '.join(str(out / name) for name in ('points.jsonl', 'fits.json', 'report.html', 'run.json'))}")


def _show(studies: "Sequence[Study]", notes: Sequence[str], scalings: "Mapping[str, Scaling]") -> None:
    from rich.console import Console
    from rich.table import Table

    for s in studies:
        print(s.name)
        table = Table("n", "KL", "gold", "proxy", "", box=None, padding=(0, 1))
        for p in s.points:
            n = "" if p.n is None else f"{p.n:,}"
            told = (f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in (p.gold_mean, p.proxy_mean))
            table.add_row(n, f"{p.kl_best:.3f}", *told, "" if p.trusted else "n > N/8")
        console = Console()
        Console(width=max(Console(width=200).measure(table).maximum, console.width)).print(table)
        print(s.verdict)
        for warning in s.warnings:
            print(f"! {warning}")
        if s.fits is not None:
            for fit in (s.fits.best_of_n, s.fits.rl):
                a, b = (f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in (fit.alpha, fit.beta))
                print(f"fit {fit.form}: alpha {a}, beta {b}, R2 {fit.r2.value:.3f}; {fit.words}")
        if s.stop is not None:
            print(s.stop.words)
        if s.diagnosis is not None:
            print(s.diagnosis.words)
        for note in s.notes:
            print(note)
        print()
    for name, found in scalings.items():
        rho, slope = found.spearman, found.slope
        print(
            f"{name} over size: Spearman {rho.value:.2f} [{rho.low:.2f}, {rho.high:.2f}], {slope.value:+.3f} "
            f"[{slope.low:+.3f}, {slope.high:+.3f}] an e-fold, n={rho.n}"
        )
    for note in notes:
        print(note)


COMMANDS: dict[str, Any] = {"bon": BestOfN, "report": Report}
