"""What a scorer is worth as a selector: best-of-n and votes over pools of responses, beside their
baselines."""

import dataclasses
import functools
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from assay import components
from assay.data.pools import GOLD, Pool, matrix_of, pool_of, read_pool
from assay.data.scores import file_of
from assay.errors import ConfigError, DataError
from assay.protocols import Scorer, Verifier
from assay.runs.run import Run
from assay.scorers.non_empty import Answered
from assay.scorers.verifier import Verified
from assay.specs.compute import Weights
from assay.specs.scorers import BASELINES
from assay.specs.scorers import scorer as open_scorer
from assay.specs.verifiers import verifier as open_verifier
from assay.types import (
    Group,
    Ranking,
    Record,
    Response,
    Score,
    Unscored,
)
from assay.workflows._data import check_column, named
from assay.workflows._folder import opened, write_into
from assay.workflows._output import described, estimate_json
from assay.workflows.gate import admitted

if TYPE_CHECKING:
    from assay.report.html import Section
    from assay.stats import CurvePoint, Estimate

__all__ = [
    "BestOfNCurves",
    "Population",
    "answer",
    "best_of_n",
    "collect",
    "curves_of",
    "population",
    "replay_over",
    "usable",
]

CHUNK: Final = 32
"""Prompts scored at once."""
SHARE: Final = 0.9
"""Of the prompts with any usable response, at least so many are in every point of a curve."""
RESAMPLES: Final = 2000
"""Bootstrap resamples of the prompts."""
SCORER: Final = "scorer"
"""Name of the scorer's scores in a pool."""
LENGTHS: Final = ("shortest", "longest")
"""Baselines by length."""
CHOSEN: Final[Sequence[str]] = ("best-of-n", "weighted majority")
"""Curves that the scorer decides; the others are baselines."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """Prompts that have enough responses for every point of a curve: points over different
    prompts could not be compared."""

    prompts: Sequence[int]
    """Indices of the prompts."""
    ns: Sequence[int]
    """n = 1, 2, 4, ... and the largest, which all these prompts have."""
    note: str
    """Which prompts are left out and why; empty where none is."""


@dataclass(frozen=True, kw_only=True)
class BestOfNCurves:
    """Expected gold reward of the chosen response at n = 1, 2, 4, ..., by who chooses."""

    scorer: str
    """Name of the scorer."""
    curves: "Mapping[str, Sequence[CurvePoint]]"
    """Choices by the scorer: best-of-n, weighted majority, and searches that were replayed."""
    baselines: "Mapping[str, Sequence[CurvePoint]]"
    """Choices without it: majority, random, shortest, longest, and the oracle."""
    prompts: int
    """Prompts in the pool."""
    prompts_in_curves: int
    """Prompts that every point is over."""
    notes: Sequence[str]
    """What was left out, in words."""
    pools: Pool | None = field(default=None, repr=False)
    """Responses and scores that the curves are of, for examples on the page."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @property
    def all_curves(self) -> "dict[str, Sequence[CurvePoint]]":
        """All curves by name, those of the scorer before their baselines."""
        first = {name: self.curves[name] for name in CHOSEN if name in self.curves}
        return {**first, **self.baselines, **self.curves}

    @property
    def metrics(self) -> "Mapping[str, Estimate]":
        """Every point as "curve@n", and each curve's last one by the curve's name."""
        points = {name: list(points) for name, points in self.all_curves.items() if points}
        ends = {name: row[-1].estimate for name, row in points.items()}
        each = [(f"{name}@{point.n}", point.estimate) for name in points for point in points[name]]
        return {**ends, **dict(each)}

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain data."""
        curves = {
            name: [_point_json(point) for point in points]
            for name, points in self.all_curves.items()
        }
        counts = {"prompts": self.prompts, "prompts_in_curves": self.prompts_in_curves}
        return {**counts, "curves": curves, "notes": list(self.notes)}

    def report(self, out: str | Path) -> list[Path]:
        """Write `bestof.json`, `report.html` and `run.json` into a folder; return the files."""
        return write_into(out, self.write, self.settings, "best_of_n", data=self.data)

    def write(self, run: Run) -> None:
        """Write the numbers and the page into an open folder."""
        run.save("bestof.json", self.to_json())
        run.page(f"Best-of-n by {self.scorer}", lambda: self._sections(run))

    def _sections(self, run: Run) -> "list[Section]":
        from assay.pages.evaluation import pool_report
        from assay.pages.examples import winners

        chosen: list[Section] = []
        if self.pools is not None and self.pools.scores:
            chosen = winners(self.pools.groups, _scored(self.pools), self.pools.grades)
        return pool_report(
            self.curves, self.baselines, run=run.body, notes=self.notes, examples=chosen
        )

    def __str__(self) -> str:
        """Return a table of the curves, one row per way to choose, and the notes."""
        from rich.table import Table

        from assay.console.tables import text

        caption = "value, 95 % interval below it"
        table = Table("gold reward at n =", box=None, padding=(0, 1), caption=caption)
        for point in next(iter(self.curves.values())):
            table.add_column(str(point.n), justify="right")
        for name, points in self.all_curves.items():
            table.add_row(name, *map(_cell, points))
        return "\n".join([text(table), *self.notes])


def best_of_n(
    pool: str | Path | Iterable[Record],
    *,
    scorer: str | Scorer | None = None,
    scores: str | Path | None = None,
    gold: str | Verifier | None = None,
    largest: int | None = None,
    transform: Literal["none", "sigmoid"] = "none",
    replay: Sequence[str] = (),
    gate: Sequence[str | Path] = (),
    format: str | None = None,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    settings: object = None,
) -> BestOfNCurves:
    """Estimate best-of-n and votes by a scorer over pools of responses, for n = 1, 2, 4, ....

    pool: file, folder or data set, or records: groups (judged against the prompt's reference),
    rankings (grades are the gold) or step labels (the last label is). scorer: a word or an object;
    or scores: a file of scores that exist (see `assay.data.scores`). gold: verifier that finds the
    final answers, says which are the same, and judges groups; named, also what is graded and has a
    reference; None is numeric. largest: largest n; None is the largest that nine of ten prompts
    have. transform: "sigmoid" turns logits into probabilities before the weighted majority sums
    them. replay: searches to run over random subsets of the pool
    besides. gate: files by which judges may score. device, dtype, weights, micro_tokens: of a local
    scorer. seed: of the bootstrap and of draws. out: folder to write the result into; overwrite:
    replaces other finished work there. settings: what `run.json` holds; None is this call.

    Every n is estimated from the one pool without bias, with 95 % intervals bootstrapped by prompt.
    A response that is unscored or cannot be judged leaves the pool, for the scorer and for its
    baselines, and is counted; it is never taken for a low score. All points are over the same
    prompts. Raises `DataError` for what is no pool, `ConfigError` for settings that cannot be.
    """
    call = described("best_of_n", **locals())
    if (scorer is None) == (scores is None):
        raise ConfigError(
            "give a scorer (--scorer WORD) or a file of scores (--scores FILE), one of the two"
        )
    files = named(pool, scores and file_of(scores))
    checks = open_verifier("numeric" if gold is None else gold)
    verifier = _Memo(checks)
    searches = {name: _search(name, seed, verifier, transform) for name in replay}
    with opened(out, settings or call, "best_of_n", data=files, overwrite=overwrite) as run:
        compute = {
            "device": device,
            "dtype": dtype,
            "weights": weights,
            "micro_tokens": micro_tokens,
        }
        chooses = _opened(scorer, checks, compute)
        gates = admitted(gate, {} if chooses is None else {str(scorer): chooses})
        if run is not None:
            run.note(**gates)
        pools = _pool(pool, format, {} if scores is None else {SCORER: scores})
        pools = collect(pools if gold is None else _regraded(pools), verifier)
        if chooses is not None:
            check_column(chooses, pools.groups, pool)
            population(pools, largest)  # refused before anything is scored
            pools = pools.with_scores(SCORER, _score(chooses, pools.groups))
        over = population(pools, largest)
        found, notes = curves_of(pools, over, transform=transform, seed=seed)
        curves: dict[str, Sequence[CurvePoint]] = {
            name: found.pop(name) for name in CHOSEN if name in found
        }
        for name, make in searches.items():
            curves[f"replay: {name}"] = replay_over(pools, over, make, seed=seed)
        result = BestOfNCurves(
            scorer=_name(scores if scorer is None else scorer),
            curves=curves,
            baselines=found,
            prompts=len(pools.groups),
            prompts_in_curves=len(over.prompts),
            notes=notes,
            pools=pools,
            settings=settings or call,
            data=files,
        )
        if run is not None:
            result.write(run)
    return result


def _pool(
    pool: str | Path | Iterable[Record], format: str | None, files: Mapping[str, str | Path]
) -> Pool:
    if isinstance(pool, str | Path):
        return read_pool(str(pool), format=format, files=files)
    return pool_of(pool, files=files)


def _regraded(pool: Pool) -> Pool:
    """Return the pool without the grades of what the named gold can judge."""
    groups, gold = list(pool.groups), list(pool.gold)
    for i, group in enumerate(groups):
        if group.prompt.reference is not None:
            groups[i] = Group(prompt=group.prompt, responses=group.responses)
            gold[i] = None
    return replace(pool, groups=groups, gold=gold)


def collect(records: Pool | Iterable[Record], verifier: Verifier) -> Pool:
    """Have a pool's groups judged, and find the answers that responses vote for.

    Raises `DataError` where there is no gold to be had.
    """
    pool = records if isinstance(records, Pool) else pool_of(records)
    unjudged = [group for group, gold in zip(pool.groups, pool.gold, strict=True) if gold is None]
    if bare := next((group for group in unjudged if group.prompt.reference is None), None):
        raise DataError(
            f"prompt {bare.prompt.id or bare.prompt.text[:60]!r} has no reference answer to verify"
            " against; give one, or give rankings whose grades are the gold"
        )
    pool = pool.judged(Verified(verifier).score(unjudged))
    if all(math.isnan(x) for row in pool.grades for x in row):
        raise DataError(
            "no response could be verified; see whether --verifier fits the reference answers"
        )
    answers = [
        [answer(verifier, response) for response in group.responses] for group in pool.groups
    ]
    return replace(pool, answers=answers)


def usable(pool: Pool) -> list[int]:
    """Count the responses to each prompt that have a gold reward and, once scored, a score."""
    there = ~np.isnan(pool.matrix(GOLD))
    if SCORER in pool.scores:
        there &= ~np.isnan(pool.matrix(SCORER))
    return [int(count) for count in there.sum(axis=1)]


def population(pools: Pool, largest: int | None = None) -> Population:
    """The prompts that every point of a curve is over, and its n's.

    largest: the largest n; None is the largest that nine of ten prompts have, of those with any
    usable response. Raises `ConfigError` for an n below 1, `DataError` where no prompt has so many,
    or none has a usable response.
    """
    counts = usable(pools)
    sizes = sorted(size for size in counts if size)
    if not sizes:
        reasons = _unscored(pools)
        raise DataError(
            f"none of the {sum(map(len, pools.grades))} responses has both a score and a gold"
            " reward" + (f"; unscored are {len(reasons)}, such as: {reasons[0]}" if reasons else "")
        )
    if sizes[-1] == 1:
        raise DataError(
            "no prompt has two responses that can be chosen from, so every choice is the same; give"
            " a pool of several responses to each prompt, with the prompt's text, or id, the same"
            " in all their rows"
        )
    most = sizes[int((1 - SHARE) * len(sizes))] if largest is None else largest
    if most < 1:
        raise ConfigError(f"--largest is {most}; give 1 or more")
    if most > sizes[-1]:
        raise DataError(
            f"--largest is {most}, and no prompt has more than {sizes[-1]} responses scored and"
            " judged"
        )
    prompts = [i for i, size in enumerate(counts) if size >= most]
    note = ""
    if left_out := len(counts) - len(prompts):
        note = (
            f"all curves are over the same {len(prompts)} of {len(counts)} prompts at every n:"
            f" {left_out} with fewer than {most} responses scored and judged are left out (the"
            f" largest pool has {sizes[-1]}; see --largest)"
        )
    elif most < max(sizes):
        note = (
            f"pools are of unequal size: curves end at n = {most}, which all prompts have, and not"
            f" at {sizes[-1]}"
        )
    return Population(
        prompts=prompts, ns=sorted({2**k for k in range(most.bit_length())} | {most}), note=note
    )


def curves_of(
    pools: Pool, over: Population, *, transform: str, seed: int
) -> "tuple[dict[str, list[CurvePoint]], list[str]]":
    """Curves by name, the scorer's first and its baselines after; and what the reader has to
    know."""
    from assay.stats import best_of_n, curve, majority_curve, weighted_majority_curve

    proxy = pools.matrix(SCORER)
    unscored = len(_unscored(pools))
    chosen, ns = list(over.prompts), over.ns
    judged = pools.matrix(GOLD)[chosen]
    proxy = proxy[chosen]
    # What the scorer does not choose from, nothing that it is compared with may choose from.
    gold = np.where(np.isnan(proxy), np.nan, judged)
    stated = [list(pools.answers[i]) for i in chosen] if pools.answers else []
    answers = [[*row, *[None] * (gold.shape[1] - len(row))] for row in stated]

    def best(choice: Any) -> "list[CurvePoint]":
        expected = best_of_n(choice, gold, ns)
        return curve(
            expected, ns, resamples=RESAMPLES, seed=seed, confidence=0.95, unscored=unscored
        )

    def stamped(points: "Sequence[CurvePoint]") -> "list[CurvePoint]":
        return [
            replace(point, estimate=replace(point.estimate, unscored=unscored)) for point in points
        ]

    notes = _notes(pools, over)
    found = {"best-of-n": best(proxy)}
    votes = 1 / (1 + np.exp(-np.clip(proxy, -700, 700))) if transform == "sigmoid" else proxy
    if (votes < 0).any():
        notes.append(
            "no weighted majority: there are negative scores, and sums of raw logits are not votes;"
            " give --transform sigmoid where they are logits"
        )
    else:
        found["weighted majority"] = stamped(
            weighted_majority_curve(answers, gold, votes, ns, seed=seed)
        )
    found["majority"] = stamped(majority_curve(answers, gold, ns, seed=seed))
    # Nothing but ties is a choice at random, in expectation: the mean.
    found["random"] = best(np.zeros_like(gold))
    for name in LENGTHS:
        lengths = matrix_of(BASELINES[name]().score(pools.groups))
        found[name] = best(lengths[chosen])
    return {**found, "oracle": best(gold)}, notes


def replay_over(
    pools: Pool, over: Population, make: Callable[[int], Any], *, draws: int = 16, seed: int = 0
) -> "list[CurvePoint]":
    """What a search gains on random subsets of the pools: `make(n)` is the search of n candidates.

    Subsets are drawn from the scored candidates with a gold reward. A search that chooses nothing
    gains 0.
    """
    from assay.stats import curve

    gains = np.full((len(over.prompts), len(over.ns)), np.nan)
    for row, i in enumerate(over.prompts):
        group, gold, scores = pools.groups[i], pools.grades[i], _scored(pools)[i]
        usable = [
            k
            for k, score in enumerate(scores)
            if isinstance(score, Score) and not math.isnan(gold[k])
        ]
        for j, n in enumerate(over.ns):
            total = 0.0
            for draw in range(draws):
                drawn = random.Random(f"{seed} {i} {draw} {n}").sample(usable, n)
                subset = Group(
                    prompt=group.prompt, responses=tuple(group.responses[k] for k in drawn)
                )
                choice = make(n).choose(subset, [scores[k] for k in drawn])
                total += 0.0 if choice is None else gold[drawn[choice]]
            gains[row, j] = total / draws
    unscored = len(_unscored(pools))
    return curve(gains, over.ns, resamples=RESAMPLES, seed=seed, confidence=0.95, unscored=unscored)


class _Memo:
    """A verifier that reads each text once: a replay shows it the same texts over and over."""

    def __init__(self, verifier: Verifier) -> None:
        self.extract = functools.cache(verifier.extract)
        self.canonical = functools.cache(verifier.canonical)
        self.verify = verifier.verify


def _search(name: str, seed: int, verifier: Verifier, transform: str) -> Callable[[int], Any]:
    """How to make the search of that name with n candidates: the settings that it has, of those we
    have."""
    cls = components.load("search", name)
    fields = {field.name for field in dataclasses.fields(cls)}
    if "n" not in fields or not hasattr(cls, "choose"):
        raise ConfigError(
            f"{name} cannot be replayed over subsets of a pool: only searches that draw n whole"
            " responses and choose one can; use `assay search` for the others"
        )
    ours: dict[str, Any] = {"seed": seed, "answers": verifier, "transform": transform}
    known = {key: value for key, value in ours.items() if key in fields}
    return lambda n: cls(n=n, **known)


def _opened(
    scorer: str | Scorer | None, verifier: Verifier, compute: Mapping[str, Any]
) -> Scorer | None:
    """Open a scorer; only baselines are asked about empty responses, whose length they know."""
    if scorer is None:
        return None
    found = open_scorer(scorer, verifier=verifier, **compute)
    return found if type(found) in BASELINES.values() else Answered(found)


def _name(scorer: object) -> str:
    """Name a scorer for people."""
    if isinstance(scorer, str | Path):
        return Path(scorer).name
    return type(scorer).__name__


def _score(scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(groups), CHUNK)
    console = Console(stderr=True)
    shown = track(
        starts, "scoring", console=console, disable=not console.is_terminal, transient=True
    )
    return list(chain.from_iterable(scorer.score(groups[k : k + CHUNK]) for k in shown))


def answer(verifier: Verifier, response: Response) -> str | None:
    """The key of the final answer that a response votes for; None where it states none."""
    answer = verifier.extract(response.answer)
    return None if answer is None else verifier.canonical(answer)


def _scored(pool: Pool) -> Sequence[Sequence[Score | Unscored]]:
    return pool.scores.get(SCORER, ())


def _unscored(pool: Pool) -> list[str]:
    """Why responses have no score."""
    scores = chain.from_iterable(_scored(pool))
    return [score.reason for score in scores if isinstance(score, Unscored)]


def _notes(pools: Pool, over: Population) -> list[str]:
    """What was left out, in words."""
    total = sum(map(len, pools.grades))
    undecided = sum(map(math.isnan, (x for row in pools.grades for x in row)))
    silent = sum(answer is None for row in pools.answers or () for answer in row)
    unscored = _unscored(pools)
    said = [f"{len(pools.groups)} prompts, {total} responses"]
    if over.note:
        said.append(over.note)
    graded = [g for g in pools.groups if isinstance(g, Ranking) and g.prompt.reference is not None]
    if graded:
        said.append(
            f"the gold of {len(graded)} prompts is the grades in the data; their references are not"
            " used (--gold VERIFIER uses them)"
        )
    if undecided:
        said.append(f"{undecided} responses left out: whether they are right could not be decided")
    if silent:
        said.append(f"{silent} responses state no answer and have no vote")
    if unscored:
        said.append(f"{len(unscored)} responses unscored, such as: {unscored[0]}")
    return said


def _cell(point: "CurvePoint") -> str:
    e = point.estimate
    ends = "no interval" if math.isnan(e.low) else f"[{e.low:.3f}, {e.high:.3f}]"
    return "" if math.isnan(e.value) else f"{e.value:.3f}\n{ends}"


def _point_json(point: "CurvePoint") -> dict[str, Any]:
    body = estimate_json(point.estimate)
    return {"n": point.n, "prompts": body.pop("n"), **body}
