"""`assay bestof POOL`: what a scorer is worth as a selector, beside what costs nothing."""

import dataclasses
import functools
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro

from assay import components
from assay.errors import ConfigError, DataError
from assay.protocols import Scorer, Verifier
from assay.runs.outputs import check_run
from assay.runs.settings import dumps, write_atomic, write_run
from assay.scorers.non_empty import Answered
from assay.scorers.verifier import Verified
from assay.specs.compute import Compute
from assay.specs.scorers import BASELINES, KINDS
from assay.specs.scorers import scorer as open_scorer
from assay.specs.verifiers import verifier as verifier_of
from assay.types import (
    Group,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    Score,
    StepLabels,
    Unscored,
)

if TYPE_CHECKING:
    from assay.stats import CurvePoint

__all__ = ["Command", "Pools", "Population", "answer", "collect", "curves", "population", "replay"]

CHUNK = 32
"""Prompts scored at once."""
SHARE = 0.9
"""Of the prompts with any usable response, at least so many are in every point of a curve."""
RESAMPLES = 2000
"""Bootstrap resamples of the prompts."""


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Candidates with their gold reward, the answers they state, and what the scorer said; one row
    a prompt."""

    groups: Sequence[Group]
    gold: Sequence[Sequence[float]]
    """NaN where the verifier could not decide."""
    answers: Sequence[Sequence[str | None]]
    """Canonical keys; None where a text states no answer."""
    scores: Sequence[Sequence[Score | Unscored]] = ()

    @property
    def usable(self) -> list[int]:
        """Responses to each prompt that have a score and a gold reward."""
        proxy = [[_value(score) for score in row] for row in self.scores] or self.gold
        rows = zip(proxy, self.gold, strict=True)
        return [sum(not math.isnan(x + y) for x, y in zip(*row, strict=True)) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Population:
    """Prompts that have enough responses for every point of a curve: a curve over changing prompts
    tells of them."""

    prompts: Sequence[int]
    """Indices of the prompts."""
    ns: Sequence[int]
    """n = 1, 2, 4, ... and the largest, which all these prompts have."""
    note: str
    """Which prompts are left out and why; empty where none is."""


@dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Best-of-n and votes over a pool of responses, for n = 1, 2, 4, ..., beside their baselines.

    Every n is estimated from the one pool, without bias, with 95 % intervals bootstrapped by
    prompt. A response that is unscored or cannot be judged leaves the pool, for the scorer and all
    it stands beside, and is counted; it is never taken for a low score. All points of all curves
    are over the same prompts: those that have the largest n.
    """

    pool: tyro.conf.Positional[str]
    """File, folder or data set of groups (verified against the prompt's reference), rankings (the
    grades are the gold) or step labels (the last label is; responses to one prompt are put
    together)."""

    scorer: Annotated[str, tyro.conf.arg(help=f"The scorer: {KINDS}.")]

    verifier: str = "numeric"
    """Finds final answers, and says which are the same and which are right: numeric, math, or
    package.module:Class."""

    largest: int | None = None
    """Largest n; prompts with fewer responses that are scored and judged are left out. By default
    the largest that nine of ten prompts have."""

    transform: Literal["none", "sigmoid"] = "none"
    """sigmoid: make raw logits into probabilities before the weighted majority sums them."""

    search: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help_behavior_hint=(
                f"(any of {', '.join(components.names('search'))}, or package.module:Class)"
            )
        ),
    ] = ()
    """Searches to replay over random subsets of the pool besides."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    seed: int = 0
    """Seed of the bootstrap and of the draws."""

    out: Path | None = None
    """Folder for bestof.json and run.json."""

    def __call__(self) -> None:
        """Score the pool, print the table, write the files."""
        from assay.data import io

        if self.out is not None:
            check_run(self.out, "bestof", writes=())
        checker = verifier_of(self.verifier)
        verifier = _Memo(checker)
        searches = {
            name: _search(name, self.seed, verifier, self.transform) for name in self.search
        }
        scorer = self._scorer(checker)
        pools = collect(io.read(self.pool, format=self.format), verifier)
        if self.largest is not None:
            population(pools, self.largest)  # refused before anything is scored
        pools = dataclasses.replace(pools, scores=_score(scorer, pools.groups))
        over = population(pools, self.largest)
        found, notes = curves(pools, over, transform=self.transform, seed=self.seed)
        for name, make in searches.items():
            found[f"replay: {name}"] = replay(pools, over, make, seed=self.seed)
        _show(found, notes)
        if self.out is not None:
            counts = {"prompts": len(pools.groups), "prompts_in_curves": len(over.prompts)}
            body = {**counts, "curves": {k: [_plain(p) for p in v] for k, v in found.items()}}
            write_atomic(self.out / "bestof.json", dumps({**body, "notes": notes}, indent=2) + "\n")
            run = json.loads(write_run(self.out, self, data=[Path(self.pool)]).read_text())
            _report(self.out, found, run, notes, self.scorer)
            print(
                f"wrote {self.out / 'bestof.json'}, {self.out / 'report.html'} and"
                f" {self.out / 'run.json'}"
            )

    def _scorer(self, verifier: Verifier) -> Scorer:
        found = open_scorer(
            self.scorer,
            device=self.device,
            dtype=self.dtype,
            micro_tokens=self.micro_tokens,
            verifier=verifier,
        )
        # A baseline is asked of empty responses too, as those that it stands beside.
        return found if type(found) in BASELINES.values() else Answered(found)


def collect(records: Iterable[Record], verifier: Verifier) -> Pools:
    """Pools from groups, rankings or step labels; raises `DataError` where there is no gold to be
    had."""
    rows: list[tuple[Prompt, list[Response], list[float]]] = []
    by_prompt: dict[str, int] = {}
    for record in records:
        match record:
            case Preference():
                raise DataError(
                    "a preference is no pool: use `assay eval`, or give groups, rankings or step"
                    " labels"
                )
            case Ranking():
                rows.append((record.prompt, list(record.responses), list(record.grades)))
            case Group() if record.prompt.reference is None:
                raise DataError(
                    f"prompt {record.prompt.id or record.prompt.text[:60]!r} has no reference"
                    " answer to verify against; give one, or give rankings whose grades are the"
                    " gold"
                )
            case Group():
                verdicts = Verified(verifier).score([record])[0]
                rows.append(
                    (
                        record.prompt,
                        list(record.responses),
                        [_value(verdict) for verdict in verdicts],
                    )
                )
            case StepLabels():
                at = by_prompt.setdefault(record.prompt.text, len(rows))
                if at == len(rows):
                    rows.append((record.prompt, [], []))
                label = record.labels[-1] if record.labels else None
                rows[at][1].append(record.response)
                rows[at][2].append(math.nan if label is None else label)
            case _:
                raise DataError(
                    f"a {type(record).__name__} is no pool; give groups, rankings or step labels"
                )
    groups = [Group(prompt=prompt, responses=tuple(responses)) for prompt, responses, _ in rows]
    gold = [row for _, _, row in rows]
    if not any(gold):
        raise DataError("there is no response in the pool")
    if all(math.isnan(x) for row in gold for x in row):
        raise DataError(
            "no response could be verified; see whether --verifier fits the reference answers"
        )
    answers = [[answer(verifier, response) for response in group.responses] for group in groups]
    return Pools(groups=groups, gold=gold, answers=answers)


def population(pools: Pools, largest: int | None = None) -> Population:
    """The prompts that every point of a curve is over, and its n's.

    largest: the largest n; None is the largest that nine of ten prompts have, of those with any
    usable response. Raises `ConfigError` for an n below 1, `DataError` where no prompt has so many,
    or none has a usable response.
    """
    usable = pools.usable
    sizes = sorted(size for size in usable if size)
    if not sizes:
        reasons = [
            score.reason for row in pools.scores for score in row if isinstance(score, Unscored)
        ]
        raise DataError(
            f"none of the {sum(map(len, pools.gold))} responses has both a score and a gold reward"
            + (f"; unscored are {len(reasons)}, such as: {reasons[0]}" if reasons else "")
        )
    most = sizes[int((1 - SHARE) * len(sizes))] if largest is None else largest
    if most < 1:
        raise ConfigError(f"--largest is {most}; give 1 or more")
    if most > sizes[-1]:
        raise DataError(
            f"--largest is {most}, and no prompt has more than {sizes[-1]} responses scored and"
            " judged"
        )
    prompts = [i for i, size in enumerate(usable) if size >= most]
    note = ""
    if left_out := len(usable) - len(prompts):
        note = (
            f"all curves are over the same {len(prompts)} of {len(usable)} prompts at every n:"
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


def curves(
    pools: Pools, over: Population, *, transform: str, seed: int
) -> "tuple[dict[str, list[CurvePoint]], list[str]]":
    """Curves by name, the scorer's first and its baselines after; and what the reader has to
    know."""
    from assay.stats import best_of_n, curve, majority_curve, pad_pools, weighted_majority_curve

    proxy = pad_pools([[_value(score) for score in row] for row in pools.scores])
    unscored = sum(isinstance(score, Unscored) for row in pools.scores for score in row)
    chosen, ns = list(over.prompts), over.ns
    judged = pad_pools(pools.gold)[chosen]
    proxy = proxy[chosen]
    # What the scorer does not choose from, nothing that it is compared with may choose from.
    gold = np.where(np.isnan(proxy), np.nan, judged)
    answers = [
        [*pools.answers[i], *[None] * (gold.shape[1] - len(pools.answers[i]))] for i in chosen
    ]

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
    for name in ("shortest", "longest"):
        lengths = pad_pools(
            [[_value(s) for s in row] for row in BASELINES[name]().score(pools.groups)]
        )
        found[name] = best(lengths[chosen])
    return {**found, "oracle": best(gold)}, notes


def replay(
    pools: Pools, over: Population, make: Callable[[int], Any], *, draws: int = 16, seed: int = 0
) -> "list[CurvePoint]":
    """What a search gains on random subsets of the pools: `make(n)` is the search of n candidates.

    Subsets are drawn from the scored candidates with a gold reward. A search that chooses nothing
    gains 0.
    """
    from assay.stats import curve

    gains = np.full((len(over.prompts), len(over.ns)), np.nan)
    for row, i in enumerate(over.prompts):
        group, gold, scores = pools.groups[i], pools.gold[i], pools.scores[i]
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
    unscored = sum(isinstance(score, Unscored) for row in pools.scores for score in row)
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


def _score(scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(groups), CHUNK)
    console = Console(stderr=True)
    shown = track(
        starts, "scoring", console=console, disable=not console.is_terminal, transient=True
    )
    return [row for start in shown for row in scorer.score(groups[start : start + CHUNK])]


def answer(verifier: Verifier, response: Response) -> str | None:
    """The key of the final answer that a response votes for; None where it states none."""
    answer = verifier.extract(response.text)
    return None if answer is None else verifier.canonical(answer)


def _value(score: Score | Unscored) -> float:
    return score.value if isinstance(score, Score) else math.nan


def _notes(pools: Pools, over: Population) -> list[str]:
    """What was left out, in words."""
    total = sum(map(len, pools.gold))
    undecided = sum(map(math.isnan, (x for row in pools.gold for x in row)))
    silent = sum(answer is None for row in pools.answers for answer in row)
    unscored = [
        score.reason for row in pools.scores for score in row if isinstance(score, Unscored)
    ]
    said = [f"{len(pools.groups)} prompts, {total} responses"]
    if over.note:
        said.append(over.note)
    if undecided:
        said.append(f"{undecided} responses left out: whether they are right could not be decided")
    if silent:
        said.append(f"{silent} responses state no answer and have no vote")
    if unscored:
        said.append(f"{len(unscored)} responses unscored, such as: {unscored[0]}")
    return said


def _report(
    out: Path,
    found: "Mapping[str, Sequence[CurvePoint]]",
    run: Mapping[str, Any],
    notes: Sequence[str],
    scorer: str,
) -> None:
    """The curves as a page to look at."""
    from assay.pages.evaluation import BASELINES as ruled
    from assay.pages.evaluation import pool_report
    from assay.report import write_report

    baselines = {name: points for name, points in found.items() if name in ruled}
    chosen = {name: points for name, points in found.items() if name not in ruled}
    write_report(
        out / "report.html",
        f"Best-of-n by {Path(scorer).name}",
        pool_report(chosen, baselines, run=run, notes=notes),
    )


def _plain(point: "CurvePoint") -> dict[str, float | int | None]:
    estimate = point.estimate
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    numbers = {key: None if math.isnan(x) else x for key, x in ends.items()}
    return {"n": point.n, **numbers, "prompts": estimate.n, "unscored": estimate.unscored}


def _show(found: "Mapping[str, Sequence[CurvePoint]]", notes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "gold reward at n =", box=None, padding=(0, 1), caption="value, 95 % interval below it"
    )
    for point in next(iter(found.values())):
        table.add_column(str(point.n), justify="right")
    for name, points in found.items():
        table.add_row(name, *(_cell(point) for point in points))
    console = Console()
    width = console.measure(table).maximum
    Console(width=max(width, console.width)).print(table)
    for note in notes:
        print(note)


def _cell(point: "CurvePoint") -> str:
    e = point.estimate
    ends = "no interval" if math.isnan(e.low) else f"{e.low:.3f}-{e.high:.3f}"
    return "" if math.isnan(e.value) else f"{e.value:.3f}\n{ends}"
