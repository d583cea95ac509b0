"""`assay overopt`: how hard a proxy may be pressed before gold is lost.

`bon POOL` chooses the best of n out of many responses to each of many prompts. Every n is estimated
at once, without bias, with intervals by prompt; gold against the root of KL is fitted, and a place
to stop recommended. `report` puts several of these side by side. `rl RUN` does the same to policies
that were trained against a proxy.
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

from assay.cli.overopt_rl import Policies, kept
from assay.console.tables import show
from assay.data.pools import GRADES, Pool, column, padded, read, silent
from assay.errors import ConfigError, DataError, MissingExtra
from assay.protocols import Scorer
from assay.runs.settings import write_run
from assay.scorers.non_empty import Answered
from assay.specs.compute import Compute
from assay.specs.scorers import named
from assay.types import Group, Score, Unscored

if TYPE_CHECKING:
    from assay.overopt.axis import Axis
    from assay.overopt.study import Study

__all__ = ["COMMANDS", "WORLDS", "Material"]

Array = NDArray[np.float64]

CHUNK = 32
"""Prompts scored at once."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Material:
    """What is swept: scores by name, one row a prompt, NaN where there is none."""

    proxies: Mapping[str, Array]
    golds: Mapping[str, Array]
    keys: Sequence[Sequence[str]] | None = None
    """Texts of the responses, where they are known."""
    lengths: Array | None = None
    """Characters of each response."""
    axes: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    """Numbers that proxies differ in, such as parameters: by name of the number, and of the
    proxy."""
    notes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class BestOfN(Compute):
    """Sweep best-of-n over a pool of responses, for every proxy against every gold.

    Scores are in the rows already (--proxy-column, --gold-column: fields of a row {"prompt",
    "response", ...}, one response each, or keys of the responses' meta in records; grades of
    rankings are gold), or are asked for now (--proxy, --gold).
    """

    pool: tyro.conf.Positional[str] = ""
    """File or folder of rows or records; left out with --world."""

    proxy: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers to choose by: folders of reward models, shortest, longest, random, or
    package.module:name."""

    gold: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers that say what a choice is worth: a verifier (math, numeric), a larger reward
    model."""

    proxy_column: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows to choose by."""

    gold_column: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Scores in the rows that say what a choice is worth."""

    world: Literal["gaussian", "essays"] | None = None
    """An embedded world instead of a pool. gaussian: three proxies of a truth that is known, at
    once. essays: policies, proxies of four sizes and three amounts of data, and pools, all from
    scratch, within ten minutes on two cores."""

    seeds: int = 3
    """Of the world of essays: so many policies, each with its own preferences, proxies and pool."""

    workers: int = 2
    """Processes that make a world, of one thread each."""

    ensemble: tuple[Literal["mean", "worst", "uwo"], ...] = ()
    """Proxies made of all the others, each standardised on the pool: their mean, the worst of them,
    the mean less half their variance."""

    size: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences: how the fit goes with them is then
    told."""

    epsilon: float | None = None
    """Gold that may be lost for the sake of choosing harder, in units of gold; none = a twentieth
    of its standard deviation within prompts."""

    missing_gold: Literal["refuse", "leave_out"] = "refuse"
    """Of responses with a proxy and without gold."""

    format: str | None = None
    """Format of the records, where it is not told by their columns."""

    limit: int | None = None
    """Take so many prompts at most."""

    seed: int = 0
    """Of the bootstrap, and of a world."""

    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""

    def __call__(self) -> None:
        """Sweep, print, write the files."""
        from assay.overopt import sweep_best_of_n, write_points
        from assay.overopt.axis import axis
        from assay.overopt.study import beside, study, write_studies

        material = self._material()
        proxies, golds = self._with_ensembles(material.proxies), material.golds
        sizes = {**material.axes, **_sizes(self.size, proxies)}
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
        notes = [
            *material.notes,
            *sweep.notes,
            *_pool_notes(proxies, golds),
            *self._shared(material),
        ]
        axes = [axis(name, of, studies) for name, of in sizes.items()]
        first = next(iter(proxies))
        paired = (
            {gold: beside(sweep, gold, first, seed=self.seed) for gold in golds}
            if len(proxies) > 1
            else {}
        )
        _show(studies, notes, axes)
        if self.out is not None:
            write_points(self.out / "points.jsonl", sweep.points)
            write_studies(self.out / "fits.json", studies, notes=notes, axes=axes)
            data = [Path(self.pool)] if self.pool else []
            _write(self.out, self, data, studies, axes=axes, paired=paired, notes=notes)

    def _material(self) -> Material:
        if self.world is not None:
            if self.pool or self.proxy or self.gold or self.proxy_column or self.gold_column:
                raise ConfigError(
                    f"--world {self.world} has proxies and gold of its own; leave the pool and"
                    " scorers out"
                )
            return WORLDS[self.world](self)
        if not self.pool:
            raise ConfigError(
                "give a pool of responses, or --world gaussian to see a picture at once"
            )
        if not self.proxy and not self.proxy_column:
            raise ConfigError(
                "there is no proxy; give --proxy SCORER, or --proxy-column NAME of scores in the"
                " rows"
            )
        pool = read(
            self.pool, self.format, self.limit, columns=bool(self.proxy_column or self.gold_column)
        )
        if not self.gold and not self.gold_column and pool.grades is None:
            raise ConfigError(
                "there is no gold, without which nothing can be said; give --gold SCORER (a"
                " verifier, a larger reward model), --gold-column NAME of scores in the rows, or"
                " rankings, whose grades are gold"
            )
        notes = list(pool.notes)
        proxies = {name: column(pool, name) for name in self.proxy_column}
        golds = {name: column(pool, name) for name in self.gold_column}
        if not self.gold and not self.gold_column and pool.grades is not None:
            golds[GRADES] = padded(pool.grades)
        for words, found in ((self.proxy, proxies), (self.gold, golds)):
            found.update(self._live(words, pool, notes))
        empty = silent(pool)
        if (self.proxy or self.gold) and empty.any():
            # What cannot be asked about leaves the pool for every score, as if it had not been
            # drawn.
            proxies, golds = (
                {k: np.where(empty, np.nan, x) for k, x in of.items()} for of in (proxies, golds)
            )
            notes.append(
                f"{int(empty.sum())} responses are empty: they are unscored, and leave their pools"
            )
        if both := sorted(proxies.keys() & golds.keys()):
            raise ConfigError(
                f"{', '.join(both)} is proxy and gold at once, and would never be seen to fail"
            )
        texts = [[r.text for r in group.responses] for group in pool.groups]
        known = bool(self.proxy or self.gold) or all(text for row in texts for text in row)
        width = max(map(len, texts))
        return Material(
            proxies=proxies,
            golds=golds,
            keys=[row + [""] * (width - len(row)) for row in texts] if known else None,
            lengths=(
                padded([[float(len(text)) for text in row] for row in texts]) if known else None
            ),
            notes=notes,
        )

    def _live(self, words: Sequence[str], pool: Pool, notes: list[str]) -> dict[str, Array]:
        """Scores asked for now."""
        if not words:
            return {}
        from assay.console.progress import progress

        if not any(response.text for group in pool.groups for response in group.responses):
            raise DataError(
                f"{self.pool}: rows without a response cannot be scored; give their scores by"
                " column"
            )
        found = {}
        for name, scorer in self._opened(words).items():
            scores: list[list[Score | Unscored]] = []
            with progress(f"score by {name}", len(pool.groups)) as bar:
                for start in range(0, len(pool.groups), CHUNK):
                    scores += Answered(scorer).score(pool.groups[start : start + CHUNK])
                    bar(len(scores), "")
            asked = [
                s
                for row, group in zip(scores, pool.groups, strict=True)
                for s in _asked(row, group)
            ]
            reasons = [s.reason for s in asked if isinstance(s, Unscored)]
            if len(reasons) == len(asked):
                raise DataError(
                    f"{self.pool}: {name} scores none of {len(asked)} responses, such as:"
                    f" {reasons[0]}"
                )
            if reasons:
                notes.append(f"{name}: {len(reasons)} responses unscored, such as: {reasons[0]}")
            found[name] = padded(
                [[s.value if isinstance(s, Score) else math.nan for s in row] for row in scores]
            )
        return found

    def _opened(self, words: Sequence[str]) -> dict[str, Scorer]:
        place: dict[str, Any] = {"device": self.device, "dtype": self.dtype}
        return named(words, **place, micro_tokens=self.micro_tokens)

    def _with_ensembles(self, proxies: Mapping[str, Array]) -> dict[str, Array]:
        from assay.overopt import ensembles

        if not self.ensemble:
            return dict(proxies)
        if len(proxies) < 2:
            raise ConfigError("an ensemble needs two proxies or more; give them all")
        members = [*proxies.values()]
        made = {
            f"{how} of {len(members)}": ensembles.together(members, how)
            for how in dict.fromkeys(self.ensemble)
        }
        return {**proxies, **made}

    def _shared(self, material: Material) -> list[str]:
        """Whether the members of an ensemble err alike."""
        from assay.overopt import ensembles

        if not self.ensemble:
            return []
        said = []
        for name, gold in material.golds.items():
            try:
                found = ensembles.error_correlation(
                    np.stack(list(material.proxies.values())), gold, seed=self.seed
                )
                said.append(f"ensemble, against {name}: {found.words}")
            except DataError as error:
                said.append(f"ensemble, against {name}: {error}")
        return said


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Put the runs of `assay overopt bon` side by side: gold against KL in one picture, and how it
    goes with a size."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of runs."""

    size: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=NUMBER ...")] = ()
    """Sizes of proxies, such as parameters or preferences; those that the runs know need not be
    given."""

    out: Path | None = None
    """Folder for points.jsonl, fits.json, report.html and run.json."""

    def __call__(self) -> None:
        """Read, print, write."""
        from assay.overopt import write_points
        from assay.overopt.axis import axis
        from assay.overopt.study import write_studies

        if not self.folders:
            raise ConfigError("give the folders of one run or more")
        studies, sizes, notes = _gathered(self.folders)
        given = _sizes(self.size, [s.proxy for s in studies])
        axes = [axis(name, of, studies) for name, of in {**sizes, **given}.items()]
        _show(studies, notes, axes)
        if self.out is not None:
            write_points(self.out / "points.jsonl", [p for s in studies for p in s.points])
            write_studies(self.out / "fits.json", studies, notes=notes, axes=axes)
            data = [
                folder / name for folder in self.folders for name in ("points.jsonl", "fits.json")
            ]
            _write(self.out, self, data, studies, axes=axes, notes=notes)


def _asked(scores: Sequence[Score | Unscored], group: Group) -> list[Score | Unscored]:
    """The scores of responses that say something."""
    return [score for score, response in zip(scores, group.responses, strict=True) if response.text]


def _gaussian(command: BestOfN) -> Material:
    """Three proxies of one gold, which likes some of a feature: they like all of it, with more and
    more noise."""
    from assay.overopt import GaussianGoodhart

    proxies, notes, gold = {}, [], np.empty((0, 0))
    for tau in (0.0, 0.5, 1.0):
        world = GaussianGoodhart(1.0, 0.3, tau)
        pools = world.pools(60, 512, seed=command.seed)
        name = f"noise {tau:g}"
        proxies[name], gold = pools.proxy_P_N, pools.gold_P_N
        notes.append(
            f"{name}, the truth for a tilted policy: alpha {world.alpha:.3f}, beta"
            f" {world.beta:.3f}, peak {world.peak_gold:.3f} at KL {world.peak_d**2:.2f}; best-of-n"
            " comes near it"
        )
    return Material(proxies=proxies, golds={"gold": gold}, notes=notes)


def _essays(command: BestOfN) -> Material:
    """Proxies of four sizes, and of one size from less data, for every seed; prompts are the topics
    of all seeds."""
    from assay.console.progress import progress
    from assay.studies.essays.laboratory import Laboratory, Proxy

    if command.seeds < 1:
        raise ConfigError(f"--seeds {command.seeds}: give 1 or more")
    seeds = [command.seed + k for k in range(command.seeds)]
    with kept(command.out) as folder:
        lab = Laboratory(out=folder, pool=2048)
        by_size = [Proxy(size=size, pairs=lab.pairs) for size in ("XS", "S", "M", "L")]
        by_data = [Proxy(size="L", pairs=pairs) for pairs in (1000, 4000)]
        proxies = [*by_size, *by_data]
        jobs = [(seed, proxy) for proxy in reversed(proxies) for seed in seeds]
        with (
            lab.workers(command.workers) as over,
            progress("essays", len(seeds) + len(jobs)) as bar,
        ):
            for done, _ in enumerate(over(lab.prepare, seeds), start=1):
                bar(done, "policies and pools")
            for done, _ in enumerate(
                over(lab.learn, *zip(*jobs, strict=True)), start=1 + len(seeds)
            ):
                bar(done, "proxies")
        pools = [lab.pooled(seed, proxies) for seed in seeds]
        tests = {proxy: [lab.tested(seed, proxy) for seed in seeds] for proxy in proxies}
    accuracy = (
        f"{proxy.name} is right about {np.mean([t['accuracy']['value'] for t in tests[proxy]]):.3f}"
        " of other pairs"
        for proxy in proxies
    )
    return Material(
        proxies={p.name: np.concatenate([pool.proxies[p.name] for pool in pools]) for p in proxies},
        golds={"gold": np.concatenate([pool.gold for pool in pools])},
        keys=[row for pool in pools for row in pool.texts],
        lengths=np.concatenate([pool.lengths for pool in pools]),
        axes={
            "parameters": {p.name: tests[p][0]["parameters"] for p in by_size},
            "preferences": {p.name: p.pairs for p in (*by_data, by_size[-1])},
        },
        notes=[
            (
                f"{len(seeds)} seeds x {len(pools[0].gold)} topics, each counted as a prompt;"
                " lengths are in words, gold in standard deviations of what the seed's policy"
                " writes"
            ),
            *accuracy,
        ],
    )


WORLDS: Final[Mapping[str, Callable[[BestOfN], Material]]] = {
    "gaussian": _gaussian,
    "essays": _essays,
}
"""Embedded worlds by name, made from a seed; the names are those of `BestOfN.world`."""


def _pool_notes(proxies: Mapping[str, Array], golds: Mapping[str, Array]) -> list[str]:
    """What the sizes of the pools make of the curves."""
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


def _disagreement(proxies: Mapping[str, Array]) -> Array:
    from assay.overopt import ensembles

    raw = np.stack(list(proxies.values()))
    return ensembles.disagreement(ensembles.standardise(raw, raw))


def _sizes(words: Sequence[str], known: Any) -> dict[str, dict[str, float]]:
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
            raise ConfigError(
                f"--size {word}: no proxy is called {name!r}; there is"
                f" {', '.join(dict.fromkeys(known))}"
            )
    return {"size": found} if found else {}


def _gathered(
    folders: Sequence[Path],
) -> "tuple[list[Study], dict[str, dict[str, float]], list[str]]":
    """The studies of several runs, sizes and notes; a proxy whose name comes twice is called
    folder/name."""
    from assay.overopt import read_points
    from assay.overopt.study import read_studies

    found: list[tuple[Path, Study]] = []
    sizes: list[tuple[Path, str, dict[str, float]]] = []
    notes = []
    for folder in folders:
        if not (folder / "fits.json").is_file():
            raise DataError(
                f"{folder} holds no fits.json; give folders that `assay overopt bon --out` wrote"
            )
        points = read_points(folder / "points.jsonl")
        found += [(folder, s) for s in read_studies(folder / "fits.json", points)]
        body = json.loads((folder / "fits.json").read_text(encoding="utf-8"))
        sizes += [
            (folder, a["name"], {k: float(x) for k, x in a["sizes"].items()})
            for a in body.get("axes", [])
        ]
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
    merged: dict[str, dict[str, float]] = {}
    for folder, axis, part in sizes:
        merged.setdefault(axis, {}).update({name(folder, k): x for k, x in part.items()})
    return studies, merged, notes


def _write(
    out: Path, command: Any, data: Sequence[Path], studies: "Sequence[Study]", **more: Any
) -> None:
    from assay.pages.overopt import overoptimization_report
    from assay.report import write_report

    run = json.loads(write_run(out, command, data).read_text())
    try:
        sections = overoptimization_report(studies, run=run, **more)
        subtitle = f"Best of n by {', '.join(dict.fromkeys(s.proxy for s in studies))}"
        write_report(
            out / "report.html",
            "How hard may the proxy be pressed?",
            sections,
            subtitle=subtitle[:200],
        )
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return
    names = ("points.jsonl", "fits.json", "report.html", "run.json")
    print(f"wrote {', '.join(str(out / name) for name in names)}")


def _show(studies: "Sequence[Study]", notes: Sequence[str], axes: "Sequence[Axis]") -> None:
    from rich.table import Table

    from assay.report.numbers import beside

    for s in studies:
        print(s.name)
        table = Table("n", "KL", "gold", "proxy", "", box=None, padding=(0, 1))
        for p in s.points:
            n = "" if p.n is None else f"{p.n:,}"
            few = "" if p.gold_mean.n == s.points[0].gold_mean.n else f"{p.gold_mean.n:,} prompts"
            said = ", ".join(filter(None, ("" if p.trusted else "n > N/8", few)))
            table.add_row(n, f"{p.kl_best:.3f}", beside(p.gold_mean), beside(p.proxy_mean), said)
        show(table)
        print(s.verdict)
        for warning in s.warnings:
            print(f"! {warning}")
        if s.fits is not None:
            for fit in (s.fits.best_of_n, s.fits.rl):
                print(fit.line)
        if s.stop is not None:
            print(s.stop.words)
        if s.diagnosis is not None:
            print(s.diagnosis.words)
        for note in s.notes:
            print(note)
        print()
    for axis in axes:
        for name, found in axis.scalings.items():
            rho, slope = (beside(e, 2) for e in (found.spearman, found.slope))
            print(
                f"{name} over {axis.name}: Spearman {rho}, {slope} more an e-fold,"
                f" n={found.spearman.n}"
            )
    for note in notes:
        print(note)


COMMANDS: dict[str, Any] = {"bon": BestOfN, "rl": Policies, "report": Report}
