"""Rate players from votes, let them meet before judges, and say whose order is to be trusted.

What judges say is kept as it comes: a tournament that was stopped plans the same meetings again and
asks only for the rest.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from assay.answerers.ledger import Ledger
from assay.arena.bradley_terry import fit
from assay.arena.crowd import crowd
from assay.arena.design import decide, next_pairs
from assay.arena.intervals import Kind, covariance
from assay.arena.layouts import read as read_votes
from assay.arena.orders import compared
from assay.arena.standing import Standing, standing
from assay.arena.ties import Model
from assay.arena.tournament import PRIOR, How, pools
from assay.arena.votes import Votes
from assay.errors import ConfigError, DataError
from assay.protocols import Judge, Sampling, Scorer
from assay.specs.answerers import Asking, prices_of
from assay.specs.compute import Weights
from assay.specs.generators import generator
from assay.specs.words import parse
from assay.workflows._arena import VOTES, Arena, Next
from assay.workflows._data import Data, aside_in, name_of, named, read
from assay.workflows._folder import opened
from assay.workflows._judging import bill
from assay.workflows._meetings import Meetings
from assay.workflows._output import described
from assay.workflows._players import Entered, Given, entered
from assay.workflows.audit import open_reward
from assay.workflows.score import open_scorer

__all__ = ["Arena", "Next", "arena", "arena_compare", "arena_next", "arena_rate"]

LEDGER: Final = "ledger.sqlite"
PEOPLE: Final = "people"
Source = str | Path | Votes
"""Votes: a file in one of the layouts, a folder of an arena, or in memory."""
Judges = Sequence[str] | Mapping[str, Any]


def arena(
    players: Given,
    data: Data | None = None,
    *,
    judges: Judges,
    gold: str | Judge | Scorer | None = None,
    people: Source | None = None,
    out: str | Path | None = None,
    budget: int = 1000,
    design: How = "gain",
    until: Literal["budget", "order", "best"] = "budget",
    baseline: str | None = None,
    style: bool = False,
    checkpoints: int = 8,
    max_tokens: int = 512,
    temperature: float = 1.0,
    limit: int | None = None,
    ledger: str | Path | None = None,
    repeats: int | None = None,
    prices: str | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
    chunk: int = 128,
    overwrite: bool = False,
    settings: object = None,
) -> Arena:
    """Let players meet in pairs before judges, and rate them by what each judge says.

    players: `[NAME=]WORD` each, a file of responses, a run of `assay rl` (its checkpoints), a
    generator's word, or `pick:SCORER`, which picks from a pool; or objects by name. data: prompts
    to play on, or the pool. judges: words or objects of judges and scorers; all of them see the
    same meetings, and the first one's votes say which come next. gold: the judge that the others
    are held against. people: votes on the same players, to hold them against instead. budget: most
    meetings. design: which come next. until: also stop when the order, or the best, is known, at an
    error of 5 % over all looks. baseline: player for the rows of AlpacaEval and Arena-Hard. style:
    control for length and markup. checkpoints: most of an RL run. limit: most prompts. out: folder
    for votes.jsonl, arena.json, leaderboard.csv, report.html and run.json; what was stopped resumes
    there.

    Identical responses tie, and are not asked about. Raises `DataError` where players have no
    prompt in common, and where no judge says anything.
    """
    body = settings or described("arena", **locals())
    _check_numbers(budget, chunk, seed)
    files = named(*_files(players), *([] if data is None else [data]))
    with (
        opened(out, body, "arena", data=files, overwrite=overwrite) as run,
        Ledger(ledger or (None if run is None else run.folder / LEDGER)) as paid,
    ):
        asking = Asking(
            ledger=paid,
            repeats=repeats,
            prices=None if prices is None else prices_of(prices),
            device=device,
            dtype=dtype,
            weights=weights,
            micro_tokens=micro_tokens,
        )
        asked = _opened(judges, gold, asking)
        records = [] if data is None else read(data, format, aside_in(set_aside, out))[:limit]
        place = Entered(
            records=records,
            scorer=lambda word: open_scorer(word, device, dtype, weights, micro_tokens),
            generator=lambda word: generator(word, device=device, dtype=dtype, weights=weights),
            sampling=Sampling(max_tokens=max_tokens, temperature=temperature, seed=seed),
            ledger=paid,
            run=run,
            chunk=chunk,
            checkpoints=checkpoints,
        )
        by = None if people is None else _table(people, PEOPLE, style=style, seed=seed)
        there = pools(entered(players, place), place.prompts)
        _check_baseline(baseline, there.players)
        meetings = Meetings(
            pools=there, judges=asked, run=run, ledger=paid, chunk=chunk, seed=seed
        ).played(budget=budget, design=design, until=until)
        result = _concluded(
            meetings,
            gold=gold is not None,
            people=by,
            style=style,
            seed=seed,
            baseline=baseline,
            bill=bill([paid, *asking.opened]),
            settings=body,
        )
        return result.written_in(run)


def _check_numbers(budget: int, chunk: int, seed: int) -> None:
    if budget < 1 or chunk < 1:
        raise ConfigError(f"budget is {budget} and chunk {chunk}; they must be at least 1")
    if seed < 0:
        raise ConfigError(f"the seed is {seed}; give 0 or more")


def _check_baseline(baseline: str | None, players: Sequence[str]) -> None:
    if baseline is not None and baseline not in players:
        raise ConfigError(f"the baseline {baseline!r} is no player; there is {', '.join(players)}")


def _concluded(
    meetings: Meetings, *, gold: bool, people: Standing | None, style: bool, seed: int, **more: Any
) -> Arena:
    """The tables of what was played; gold: whether the last judge stands for it."""
    there, judges = meetings.pools, list(meetings.judges)
    found = {
        name: standing(
            name, meetings.votes(name), style=style, orders=meetings.ordered(name), seed=seed
        )
        for name in judges
    }
    if not any(len(each.votes) for each in found.values()):
        raise DataError(f"no judge said anything; {'; '.join(meetings.reasons())}")
    return _result(
        f"Arena of {len(there.players)} players",
        f"{len(there.prompts):,} prompts, {len(meetings.met):,} meetings",
        found,
        judges[-1] if gold else None,
        people,
        notes=(*there.notes, *meetings.notes()),
        agreement=meetings.agreement(),
        seed=seed,
        **more,
    )


def _files(players: Given) -> list[str]:
    """What may be files among the players' words."""
    words = list(players.values()) if isinstance(players, Mapping) else list(players)
    return [
        text.removeprefix(f"{parse(text).name}=") if parse(text).name else text
        for text in map(str, (word for word in words if isinstance(word, (str, Path))))
    ]


def _opened(judges: Judges, gold: Any, asking: Asking) -> dict[str, Judge | Scorer]:
    """The judges by name, gold the last."""
    given: list[tuple[str, Any]] = []
    if isinstance(judges, Mapping):
        given = list(judges.items())
    else:
        given = [_called(word) for word in judges]
    if gold is not None:
        given.append(_called(gold) if isinstance(gold, str) else ("gold", gold))
    if not given:
        raise ConfigError("an arena needs a judge; give --judge WORD, or --gold WORD")
    found: dict[str, Judge | Scorer] = {}
    for name, what in given:
        if name in found:
            raise ConfigError(f"two judges are called {name!r}; name them: NAME=WORD")
        found[name] = open_reward(what, asking)
    return found


def _called(word: str) -> tuple[str, str]:
    parsed = parse(word)
    return parsed.called, word.removeprefix(f"{parsed.name}=") if parsed.name else word


def arena_rate(
    source: Source,
    *,
    layout: str = "",
    columns: Mapping[str, str] | None = None,
    covariates: Sequence[str] = (),
    by_judge: bool = False,
    abilities: bool = False,
    model: Model = "bradley_terry",
    intervals: Kind = "cluster",
    style: bool = False,
    ridge: float = 0.0,
    regularised: float = 0.0,
    anchor: str | None = None,
    baseline: str | None = None,
    people: Source | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    settings: object = None,
) -> Arena:
    """Rate the players of votes: a table with intervals, ranks, and what speaks for and against it.

    source: votes in one of the layouts (`docs/explain/arena.md`), or an arena's folder. by_judge: a
    table per judge; abilities: how far each can be relied on (Crowd-BT), without
    intervals, which `arena.crowd` makes by refits. anchor: NAME or
    NAME=RATING. people: other votes on the same players, to compare with. The rest is that of
    `arena.ratings.rate` and `arena`. Players who cannot be compared are named, and no error.
    """
    body = settings or described("arena_rate", **locals())
    given = (source, *([] if people is None else [people]))
    with opened(out, body, "arena", data=named(*given), overwrite=overwrite) as run:
        votes = _votes(source, layout, columns, tuple(covariates))
        name = name_of(source) if not isinstance(source, Votes) else "votes"
        _check_baseline(baseline, votes.players)
        options: dict[str, Any] = {
            "model": model,
            "kind": intervals,
            "style": style,
            "ridge": ridge,
            "regularised": regularised,
            "anchor": None if anchor is None else _anchor(anchor),
            "seed": seed,
        }
        parts = _by_judge(votes) if by_judge else {Path(name).name: votes}
        found = {key: standing(key, part, **options) for key, part in parts.items()}
        result = _result(
            f"Ratings from {Path(name).name}",
            name,
            found,
            None,
            None if people is None else _table(people, PEOPLE, seed=seed),
            baseline=baseline,
            abilities=crowd(votes).abilities if abilities else {},
            settings=body,
            seed=seed,
        )
        return result.written_in(run)


def arena_next(
    source: Source,
    *,
    count: int = 10,
    goal: Literal["order", "best"] = "order",
    look: int = 1,
    error: float = 0.05,
    layout: str = "",
    columns: Mapping[str, str] | None = None,
) -> Next:
    """Say which pairs to vote on next, and whether enough is known to stop.

    count: pairs, each given that those before it are asked. goal, look, error: as in
    `arena.design.decide`. Where somebody has no rating yet, pairs are chosen by regularised
    ratings, and nothing is decided.
    """
    if count < 0:
        raise ConfigError(f"count is {count}; give 0 or more")
    votes = _votes(source, layout, columns, ())
    try:
        made = fit(votes)
        spread = covariance(made, votes)
    except DataError as why:
        made = fit(votes, regularised=PRIOR)
        asked = next_pairs(made, covariance(made, votes, "model"), count)
        return Next(proposals=tuple(asked), decision=None, why=str(why))
    return Next(
        proposals=tuple(next_pairs(made, spread, count)),
        decision=decide(made, spread, votes, goal=goal, look=look, error=error),
        why="",
    )


def arena_compare(
    one: Source,
    other: Source,
    *,
    judge: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    settings: object = None,
) -> Arena:
    """Hold the order of one arena against another's: Kendall's tau, pairs surely reversed.

    one, other: folders of arenas, or files of votes on the same players. judge: whose votes, where
    a source has several judges'. The second stands for gold.
    """
    body = settings or described("arena_compare", **locals())
    with opened(out, body, "arena", data=named(one, other), overwrite=overwrite) as run:
        names = ["one", "other"]
        for i, each in enumerate((one, other)):
            if not isinstance(each, Votes):
                names[i] = Path(each).name
        if names[0] == names[1]:
            names = [str(one), str(other)] if str(one) != str(other) else ["one", "other"]
        found = {
            name: _table(each, name, judge=judge, seed=seed)
            for name, each in zip(names, (one, other), strict=True)
        }
        result = _result(
            f"{names[0]} against {names[1]}", "", found, names[1], None, settings=body, seed=seed
        )
        return result.written_in(run)


def _result(
    name: str,
    of: str,
    found: dict[str, Standing],
    reference: str | None,
    people: Standing | None,
    *,
    notes: Sequence[str] = (),
    seed: int = 0,
    **more: Any,
) -> Arena:
    """The result, with every judge's order held against the reference's, or the first's."""
    said = list(notes)
    if people is not None:
        found, reference = {**found, people.name: people}, people.name
    by = reference or next(iter(found))
    orders = {}
    gold = found[by].ratings
    if gold is None and len(found) > 1:
        said.append(f"no order is held against {by}, which has no joint table")
    for judge, each in found.items():
        if judge == by or each.ratings is None or gold is None:
            continue
        try:
            orders[judge] = compared(each.ratings, gold, seed=seed)
        except ConfigError as error:
            said.append(f"{judge} against {by}: {error}")
    return Arena(
        name=name,
        of=of,
        standings=found,
        reference=reference,
        orders=orders,
        notes=tuple(said),
        **more,
    )


def _votes(
    source: Source,
    layout: str = "",
    columns: Mapping[str, str] | None = None,
    covariates: tuple[str, ...] = (),
) -> Votes:
    if isinstance(source, Votes):
        return source
    kept = Path(source) / VOTES
    return read_votes(
        kept if kept.is_file() else source, layout, columns=columns, covariates=covariates
    )


def _table(
    source: Source, name: str, *, judge: str | None = None, style: bool = False, seed: int = 0
) -> Standing:
    """One source's table."""
    votes = _votes(source)
    if judge is not None:
        parts = _by_judge(votes)
        if judge not in parts:
            raise ConfigError(f"{name}: no judge is called {judge!r}; there is {', '.join(parts)}")
        votes = parts[judge]
    elif len(tables := _tables(source)) > 1:
        raise ConfigError(f"{name} has tables of {', '.join(tables)}; name one with --judge")
    return standing(name, votes, style=style, seed=seed)


def _tables(source: Source) -> list[str]:
    """Names of the tables of an arena's folder: many may have voted for one."""
    file = None if isinstance(source, Votes) else Path(source) / "arena.json"
    if file is None or not file.is_file():
        return []
    return [each["name"] for each in json.loads(file.read_text())["judges"]]


def _by_judge(votes: Votes) -> dict[str, Votes]:
    if votes.judge is None:
        raise ConfigError("the votes say nothing of who voted; leave out by_judge and judge")
    return {name: votes.where(votes.judge == i) for i, name in enumerate(votes.judges)}


def _anchor(word: str) -> tuple[str, float]:
    name, equals, rating = word.rpartition("=")
    if not equals:
        return word, 1000.0
    try:
        value = float(rating)
    except ValueError:
        return word, 1000.0
    if not math.isfinite(value):
        raise ConfigError(f"the anchor's rating is {rating}; give a number")
    return name, value
