"""`assay arena run|rate|next|compare`: who is better, by whose word, and whether to believe it."""

import dataclasses
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tyro

from assay.cli.options import Aside, FailOn, Format, Overwrite, check_conditions, end_where
from assay.specs.compute import Compute
from assay.specs.judges import GRAMMAR

__all__ = ["COMMANDS"]

Votes = Annotated[
    str,
    tyro.conf.Positional,
    tyro.conf.arg(
        metavar="VOTES",
        help="File of votes, a row for each: who met whom and who won, as first, second and outcome"
        " (or model_a, model_b, winner), or as AlpacaEval, Arena-Hard, MT-Bench, LMArena or"
        " JudgeArena have it; or an arena's folder.",
    ),
]
Layout = Annotated[
    str, tyro.conf.arg(help="Layout of the rows, where their columns do not say it.")
]
Columns = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        metavar="PART=COLUMN ...",
        help="Columns of a plain table (first, second, outcome, cluster, judge, weight): first=x.",
    ),
]
People = Annotated[
    Path | None,
    tyro.conf.arg(help="Votes of people on the same players, to hold the others against."),
]
Baseline = Annotated[
    str | None,
    tyro.conf.arg(
        help="Player for the rows of AlpacaEval and Arena-Hard (alpaca_eval.csv, arena_hard.csv)."
    ),
]
Style = Annotated[bool, tyro.conf.arg(help="Control for length, headers, lists and bold.")]
Out = Annotated[Path | None, tyro.conf.arg(help="Folder of the run, for the page and the tables.")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArenaRun(Compute):
    """Let players meet in pairs before judges, and rate them by what each judge says.

    All judges see the same meetings, so their orders can be compared: which one is over-optimized
    against gold? What is paid for is kept as it comes, and a run that was stopped resumes.
    """

    players: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME=]PLAYER ...")
    ]
    """Players: files of responses, runs of `assay rl` (their checkpoints), generators' words, or
    pick:SCORER, which picks from the pool in --data."""
    data: str | None = None
    """Prompts to play on, or a pool to pick from: file, folder or data set."""
    judges: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            name="judge",
            metavar="[NAME=]JUDGE ...",
            help=f"Scorers, or judges: {GRAMMAR}.",
        ),
    ] = ()
    gold: str | None = None
    """Judge or scorer of true quality, against which the others are held."""
    people: People = None
    out: Path
    """Folder of the run, for votes.jsonl, arena.json, leaderboard.csv, report.html and run.json."""
    budget: int = 1000
    """Most meetings; every judge is asked about each."""
    design: Literal["gain", "even"] = "gain"
    """What is asked next: what tells most by the first judge's votes, or every pair equally."""
    until: Literal["budget", "order", "best"] = "budget"
    """What ends it before the budget: the order, or the best, being known (5 % error in all)."""
    baseline: Baseline = None
    style: Style = False
    checkpoints: int = 8
    """Most checkpoints of an RL run."""
    max_tokens: int = 512
    """Longest response of a generator, in tokens."""
    temperature: float = 1.0
    """Temperature of generators."""
    limit: int | None = None
    """Most prompts."""
    ledger: Path | None = None
    """File of paid answers, which several runs may share; without it, one in the run's folder."""
    repeats: int | None = None
    """Texts per question, whose verdicts are counted."""
    prices: str | None = None
    """Money per million tokens read and written, IN:OUT or IN:OUT:CACHED, for the bill."""
    format: Format = None
    set_aside: Aside = None
    seed: int = 0
    """Seed of schedule, samples and intervals."""
    chunk: int = 128
    """Meetings judged and kept at once."""
    overwrite: Overwrite = False
    fail_on: FailOn = ()

    def __call__(self) -> None:
        """Play, print, and write the files."""
        from assay.workflows.arena import arena

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = arena(given.pop("players"), given.pop("data"), **given, settings=self)
        print(result)
        end_where("arena run", self.fail_on, result.metrics)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArenaRate:
    """Rate players from votes: a table with intervals and ranks, and what speaks against it.

    Who cannot be compared is named, with the reason.
    """

    source: Votes
    layout: Layout = ""
    columns: Columns = ()
    covariates: tuple[str, ...] = ()
    """Further columns of a plain table, first less second, to control for."""
    by_judge: bool = False
    """A table per judge."""
    abilities: bool = False
    """How far each judge can be relied on (Crowd-BT)."""
    model: Literal["bradley_terry", "davidson", "rao_kupper"] = "bradley_terry"
    """What a tie is: half a win of each, or an outcome of its own."""
    intervals: Literal["cluster", "sandwich", "model"] = "cluster"
    """What is taken to be independent: clusters, votes, or votes and the model."""
    style: Style = False
    ridge: float = 0.0
    """Penalty on the covariates' coefficients; with it they have no intervals."""
    regularised: float = 0.0
    """Lambda of prior wins, with which who only wins has a number, but nobody an interval."""
    anchor: str | None = None
    """Player whose rating is fixed, NAME or NAME=RATING."""
    baseline: Baseline = None
    people: People = None
    out: Out = None
    seed: int = 0
    """Seed of the rank intervals."""
    overwrite: Overwrite = False
    fail_on: FailOn = ()

    def __call__(self) -> None:
        """Rate, print, and write the files."""
        from assay.workflows.arena import arena_rate

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        given["columns"] = _columns(self.columns)
        result = arena_rate(given.pop("source"), **given, settings=self)
        print(result)
        end_where("arena rate", self.fail_on, result.metrics)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArenaNext:
    """Say which pairs to vote on next, and whether enough is known to stop."""

    source: Votes
    count: int = 10
    """Pairs to propose."""
    goal: Literal["order", "best"] = "order"
    """What is to be known."""
    look: int = 1
    """How often one has looked, this time included; looks share the error."""
    error: float = 0.05
    """Chance, over all looks, of calling some difference with the wrong sign."""
    layout: Layout = ""
    columns: Columns = ()

    def __call__(self) -> None:
        """Choose and print."""
        from assay.workflows.arena import arena_next

        given = {**vars(self), "columns": _columns(self.columns)}
        print(arena_next(given.pop("source"), **given))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArenaCompare:
    """Hold the order of one arena against another's, which stands for gold.

    Reported are Kendall's tau with its interval, the pairs that are surely reversed, and what is
    lost by choosing the first one's best.
    """

    one: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ONE")]
    """Folder of an arena, or a file of votes."""
    other: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OTHER")]
    """The other one."""
    judge: str | None = None
    """Whose votes, where there are several judges'."""
    out: Out = None
    seed: int = 0
    """Seed of the intervals."""
    overwrite: Overwrite = False
    fail_on: FailOn = ()

    def __call__(self) -> None:
        """Compare, print, and write the files."""
        from assay.workflows.arena import arena_compare

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = arena_compare(given.pop("one"), given.pop("other"), **given, settings=self)
        print(result)
        end_where("arena compare", self.fail_on, result.metrics)


def _columns(words: tuple[str, ...]) -> dict[str, str] | None:
    from assay.data.paths import named

    return dict(chain.from_iterable(map(named, words))) or None


COMMANDS: Final[dict[str, Any]] = {
    "run": ArenaRun,
    "rate": ArenaRate,
    "next": ArenaNext,
    "compare": ArenaCompare,
}
