"""`assay search STRATEGY PROMPTS`: spend samples and scores on each prompt, and choose; `assay
search compare` several.

Every sample and score is kept in record.jsonl as it is paid for: a search that was stopped goes on
where it was, and `--replay record.jsonl` (or a pool of responses) searches again without a policy.
"""

import dataclasses
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from assay import components
from assay.aggregation import Aggregation
from assay.data import io
from assay.errors import BackendError, ConfigError, DataError
from assay.evaluation import searches as measured
from assay.protocols import Generator, Sampling, Scorer, Verifier
from assay.runs.settings import dumps, made, write_atomic, write_run
from assay.search import Budget, Record, ReplayGenerator, Search, SearchResult, run
from assay.specs.generators import Policy
from assay.specs.scorers import KINDS
from assay.specs.scorers import scorer as open_scorer
from assay.specs.verifiers import verifier as verifier_of
from assay.stats import Estimate, summarise
from assay.types import Group, Prompt, Score, Unscored

__all__ = ["COMMANDS"]

REASONS = 5
"""Reasons of failed requests that are told, the most frequent ones."""

if not TYPE_CHECKING:
    NAMES = [
        *components.names("search"),
        *filter(re.compile(r"[\w.]+:\w+").fullmatch, sys.argv[1:3]),
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searching:
    """What every search shares."""

    prompts: tyro.conf.Positional[str]
    """File, folder or data set of prompts, or of records that have one. With reference answers,
    accuracy is told."""

    policy: tyro.conf.OmitArgPrefixes[Policy] = dataclasses.field(
        default_factory=lambda: Policy(policy="")
    )

    out: Path
    """Folder for record.jsonl, results.jsonl, report.html and run.json."""

    scorer: Annotated[
        str,
        tyro.conf.arg(
            help=(
                f"The scorer: {KINDS}; besides, verifier, the truth itself, as an upper bound,"
                " log-probability of the policy, or none, where the strategy asks for no scores."
            )
        ),
    ] = "none"

    aggregate: Aggregation | None = None
    """How step scores become one; none = as the reward model was saved."""

    lower_bound: float = 0.0
    """Take so many standard deviations off an ensemble's score."""

    verifier: str = "numeric"
    """Finds and checks answers, for votes and for the truth: numeric, math, or
    package.module:Class."""

    step_stop: tuple[str, ...] = (r"\n\n",)
    r"""Where a step ends; \n is a line break, \t a tab."""

    step_tokens: int = 256
    """Longest step, in tokens."""

    budget: tyro.conf.OmitArgPrefixes[Budget] = dataclasses.field(default_factory=Budget)

    replay: Path | None = None
    """Search in this record.jsonl, or in a pool of whole responses, instead of asking the
    policy."""

    limit: int | None = None
    """Search for so many prompts at most."""

    together: int = 64
    """Prompts under way at once."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    def steps(self) -> tuple[Sampling, Sampling]:
        """How whole responses and single steps are sampled."""
        stop = tuple(text.replace(r"\n", "\n").replace(r"\t", "\t") for text in self.step_stop)
        whole = self.policy.sampling()
        return whole, dataclasses.replace(
            whole, max_tokens=min(self.step_tokens, whole.max_tokens), stop=stop
        )

    def read(self) -> list[Prompt]:
        """The prompts, each once, whatever its id. Raises `DataError` where there is none."""
        found: dict[str, Prompt] = {}
        for record in io.read(self.prompts, format=self.format):
            prompt = record if isinstance(record, Prompt) else record.prompt  # type: ignore[attr-defined]
            # A scorer or a verifier may read the reference and the columns in `meta`.
            found.setdefault(prompt.model_dump_json(exclude={"id"}), prompt)
            if len(found) == self.limit:
                break
        if not found:
            raise DataError(
                f"{self.prompts} holds no record; give prompts, or records that have one"
            )
        return list(found.values())

    def open(self, verifier: Verifier) -> tuple[Generator, Scorer | None]:
        """Generator and scorer."""
        generator: Generator
        if self.replay is not None:
            generator = replayed(self.replay, self.format)
        elif self.policy.policy:
            generator, _ = self.policy.open()
        else:
            raise ConfigError(
                "nothing writes responses: give --policy, or --replay with what was written before"
            )
        scorer = self._scorer(generator, verifier)
        if scorer is not None and self.aggregate is not None:
            from assay.scorers.reaggregate import Aggregated

            scorer = Aggregated(scorer, self.aggregate)
        if scorer is not None and self.lower_bound:
            from assay.scorers.lower_bound import LowerBound

            scorer = LowerBound(scorer, self.lower_bound)
        return generator, scorer

    def _scorer(self, generator: Generator, verifier: Verifier) -> Scorer | None:
        if self.scorer == "none":
            return None
        return open_scorer(
            self.scorer,
            device=self.policy.device,
            dtype=self.policy.dtype,
            verifier=verifier,
            generator=generator,
        )


def searching(name: str) -> type[Any]:
    """The command of one strategy: its settings beside those that all share."""
    cls = components.load("search", name)

    def call(self: Any) -> None:
        search_with(self, self.strategy)

    omit: Any = tyro.conf.OmitArgPrefixes
    made = dataclasses.make_dataclass(
        f"Search{cls.__name__}",
        [("strategy", omit[cls], dataclasses.field(default_factory=cls))],
        bases=(Searching,),
        frozen=True,
        kw_only=True,
        namespace={"__call__": call},
    )
    made.__doc__ = cls.__doc__
    made.__module__ = __name__
    return made


def search_with(command: Searching, strategy: Search) -> None:
    """Search, write, report."""
    from assay.console.progress import progress

    verifier = verifier_of(command.verifier)
    strategy = with_shared(strategy, command.policy.seed, verifier)
    prompts = command.read()
    generator, scorer = command.open(verifier)
    whole, step = command.steps()
    if isinstance(generator, ReplayGenerator):
        whole, step = generator.sampling or whole, generator.step or step
    with (
        Record(command.out / "record.jsonl") as record,
        progress("prompts", len(prompts)) as show,
    ):
        results = run(
            strategy,
            prompts,
            generator,
            scorer,
            sampling=whole,
            step=step,
            budget=command.budget,
            record=record,
            together=command.together,
            show=show,
        )
    if not any(r.spent.samples for r in results) and any(r.spent.missing for r in results):
        failed = Counter(reason for result in results for reason in result.failed)
        raise nothing_was_had(len(prompts), failed, command.out)
    gold = judged(results, verifier)
    said = summary(results, gold)
    rows = [_row(result, score) for result, score in zip(results, gold, strict=True)]
    write_atomic(command.out / "results.jsonl", "".join(dumps(row) + "\n" for row in rows))
    kept = [
        Group(prompt=r.group.prompt, responses=tuple(r.group.responses[i] for i in r.kept))
        for r in results
        if r.kept
    ]
    if kept:
        io.write(kept, command.out / "kept.jsonl")
    write_run(command.out, command, [Path(command.prompts)], results=said)
    for key, value in said.items():
        print(f"{key}: {value}")
    _report(command.out, strategy, results, gold, said)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Searching):
    """Several strategies at several sizes: accuracy against the tokens that they generate, and at
    equal tokens.

    Samples are shared where the strategies draw the same ones, but each is charged for all that it
    uses.
    """

    strategies: tuple[str, ...] = ("best-of-n", "majority", "weighted-majority", "beam", "dvts")
    """Names, each with settings where they differ from the defaults: beam:width=2,lookahead=1."""

    ns: tuple[int, ...] = (1, 4, 16)
    """Sizes: each strategy's n."""

    def __call__(self) -> None:
        """Search with each, measure, draw."""
        from assay.console.progress import progress

        verifier = verifier_of(self.verifier)
        ways = {name: self._sizes(name, verifier) for name in self.strategies}
        prompts = self.read()
        if any(prompt.reference is None for prompt in prompts):
            raise DataError(
                "a prompt has no reference answer, and accuracy cannot be told; give one a prompt"
            )
        generator, scorer = self.open(verifier)
        whole, step = self.steps()
        if isinstance(generator, ReplayGenerator):
            whole, step = generator.sampling or whole, generator.step or step
        points: dict[str, list[measured.Point]] = {}
        every = [(way, n, strategy) for way, sizes in ways.items() for n, strategy in sizes.items()]
        record = Record(self.out / "record.jsonl")
        failed: Counter[str] = Counter()
        with record, progress("searches", len(every)) as show:
            for done, (way, n, strategy) in enumerate(every):
                show(done, f"{way}, n={n}")
                results = run(
                    strategy,
                    prompts,
                    generator,
                    scorer,
                    sampling=whole,
                    step=step,
                    budget=self.budget,
                    record=record,
                    together=self.together,
                )
                points.setdefault(way, []).append(
                    measured.point_of(n, results, judged(results, verifier))
                )
                failed.update(reason for result in results for reason in result.failed)
            show(len(every), "")
        if not any(p.samples for some in points.values() for p in some):
            raise nothing_was_had(len(prompts), failed, self.out)
        for reason, count in failed.most_common(REASONS):
            print(f"requests that failed: {count:,}: {reason}")
        self._tell(points)

    def _sizes(self, name: str, verifier: Verifier) -> dict[int, Search]:
        """The strategy at each size that it can have; one without an n has the size 0."""
        name, _, settings = (
            name.partition(":")
            if not re.match(r"[\w.]+:[A-Za-z_]\w*(:|$)", name)
            else (name, "", "")
        )
        cls = components.load("search", name)
        given = tuple(filter(None, settings.split(",")))
        if "n" not in {f.name for f in dataclasses.fields(cls)} or any(
            s.startswith("n=") for s in given
        ):
            whole = made(cls, name, given)
            return {getattr(whole, "n", 0): with_shared(whole, self.policy.seed, verifier)}
        found: dict[int, Search] = {}
        for n in self.ns:
            widths = {f.name for f in dataclasses.fields(cls)} & {"width"} - {
                s.split("=")[0] for s in given
            }
            # A beam cannot be wider than what is sampled.
            narrow = tuple(f"width={min(n, _default(cls, width))}" for width in widths)
            sized = made(cls, name, (*given, *narrow, f"n={n}"))
            found[n] = with_shared(sized, self.policy.seed, verifier)
        return found

    def _tell(self, points: Mapping[str, Sequence[measured.Point]]) -> None:
        budgets = measured.shared_budgets(list(points.values()))
        equal: dict[str, dict[int, Estimate]] = {}
        for way, some in points.items():
            equal[way] = {}
            for budget in budgets:
                if (right := measured.at_tokens(some, budget)) is not None:
                    equal[way][budget] = measured.mean_of(right)
        body = {
            "points": {
                way: [
                    {
                        "n": p.n,
                        "accuracy": _plain(p.accuracy),
                        "samples": p.samples,
                        "generated_tokens": p.tokens,
                        "scored_tokens": p.scored_tokens,
                    }
                    for p in some
                ]
                for way, some in points.items()
            },
            "at_equal_tokens": {
                way: {str(b): _plain(e) for b, e in row.items()} for way, row in equal.items()
            },
        }
        write_atomic(self.out / "compare.json", dumps(body, indent=1) + "\n")
        write_run(self.out, self, [Path(self.prompts)])
        for way, some in points.items():
            for p in some:
                cost = "tokens not counted" if p.tokens is None else f"{p.tokens:,.0f} tokens"
                print(f"{way} n={p.n}: {summarise(p.accuracy)}, {cost} a prompt")
        for way, row in equal.items():
            for budget, estimate in row.items():
                print(f"{way} at {budget:,} generated tokens a prompt: {summarise(estimate)}")
        _compare_report(self.out, points, equal)


def replayed(path: Path, format: str | None) -> ReplayGenerator:
    """What there is to search in: a search's record, or a pool."""
    with path.open("rb") as file:
        first = file.readline()
    if first.startswith(b"{") and b'"kind"' in first and b'"sha256"' in first:
        return ReplayGenerator.of_file(path)
    groups = [record for record in io.read(str(path), format=format) if isinstance(record, Group)]
    if not groups:
        raise DataError(
            f"{path} holds no groups of responses; give a pool, or the record.jsonl of a search"
        )
    return ReplayGenerator(groups)


def with_shared(strategy: Search, seed: int, verifier: Verifier) -> Search:
    """The strategy with the command's seed and verifier, where it has use for them."""
    fields = {field.name for field in dataclasses.fields(strategy)}  # type: ignore[arg-type]
    ours = {"seed": seed, "answers": verifier}
    shared = {key: value for key, value in ours.items() if key in fields}
    return dataclasses.replace(strategy, **shared)  # type: ignore[type-var]


def judged(results: Iterable[SearchResult], verifier: Verifier) -> list[Score | Unscored | None]:
    """The truth of each choice; None where nothing was chosen, or there is no reference."""
    from assay.scorers.verifier import Verified

    truth = Verified(verifier)
    found: list[Score | Unscored | None] = []
    for result in results:
        if result.response is None or result.group.prompt.reference is None:
            found.append(None)
            continue
        found.append(
            truth.score([Group(prompt=result.group.prompt, responses=(result.response,))])[0][0]
        )
    return found


def nothing_was_had(prompts: int, failed: Mapping[str, int], out: Path) -> BackendError:
    """The error of a search that got no sample of any prompt. failed: how often, by reason, the
    most frequent first."""
    why = "; ".join(
        f"{count:,} requests: {reason}" for reason, count in Counter(failed).most_common(REASONS)
    )
    return BackendError(
        f"no sample was had of any of the {prompts:,} prompts:"
        f" {why or 'what is searched in holds none of them'}. Nothing was found, and no result is"
        f" written in {out}; see to it, then run this again"
    )


def summary(
    results: Sequence[SearchResult], gold: Sequence[Score | Unscored | None]
) -> dict[str, Any]:
    """What was found and what it cost, in words and numbers."""
    found: dict[str, Any] = {
        "prompts": len(results),
        "without a choice": sum(r.choice is None for r in results),
    }
    if all(r.group.prompt.reference is not None for r in results):
        found["accuracy"] = summarise(measured.point_of(0, results, gold).accuracy)
    if kept := sum(len(r.kept) for r in results):
        found["responses kept"] = kept
    for name in ("samples", "generated_tokens", "scored_tokens"):
        amounts = [getattr(r.spent, name) for r in results]
        known = None not in amounts
        found[f"{name.replace('_', ' ')} a prompt"] = (
            f"{sum(amounts) / len(results):,.1f}" if known else "not counted"
        )
    for why in sorted({r.stopped for r in results if r.stopped}):
        found[f"ended early: {why}"] = sum(r.stopped == why for r in results)
    for name in ("saved", "missing"):
        if amount := sum(getattr(r.spent, name) for r in results):
            found[f"samples {name}"] = amount
    # Of these nothing is known: they are in no accuracy.
    nothing = Counter(why for r in results if (why := measured.nothing_had(r)))
    found |= {f"prompts unscored ({why})": count for why, count in nothing.most_common(REASONS)}
    failed = Counter(reason for r in results for reason in r.failed)
    return found | {
        f"requests that failed ({reason})": count for reason, count in failed.most_common(REASONS)
    }


def _row(result: SearchResult, gold: Score | Unscored | None) -> dict[str, Any]:
    score = None if result.choice is None else result.scores[result.choice]
    return {
        "id": result.group.prompt.id,
        "prompt": result.group.prompt.text,
        "choice": None if result.response is None else result.response.text,
        "finished": None if result.response is None else result.response.finished,
        "score": score.value if isinstance(score, Score) else None,
        "right": gold.value if isinstance(gold, Score) else None,
        "candidates": len(result.group.responses),
        "stopped": result.stopped,
        "failed": list(result.failed),
        "spent": dataclasses.asdict(result.spent),
    }


def _default(cls: type[Any], name: str) -> int:
    return int(getattr(cls(), name))


def _plain(estimate: Estimate) -> dict[str, Any]:
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    numbers = {key: None if math.isnan(x) else x for key, x in ends.items()}
    return {**numbers, "n": estimate.n, "unscored": estimate.unscored}


def _report(
    out: Path,
    strategy: Search,
    results: Sequence[SearchResult],
    gold: Sequence[Score | Unscored | None],
    said: Mapping[str, Any],
) -> None:
    """Draw report.html: the numbers, and some searches as trees."""
    from assay.pages.evaluation import run_section
    from assay.pages.search import search_section
    from assay.report import KeyValues, Section

    right = [score.value if isinstance(score, Score) else None for score in gold]
    name = components.name_of(type(strategy)).split("/", 1)[1]
    _write(
        out,
        f"Search: {name}",
        lambda: [
            Section("What was found", [KeyValues(said)]),
            search_section(results, right=right),
            run_section(json.loads((out / "run.json").read_text())),
        ],
    )


def _compare_report(
    out: Path,
    points: Mapping[str, Sequence[measured.Point]],
    equal: Mapping[str, Mapping[int, Estimate]],
) -> None:
    """Draw report.html: accuracy against tokens."""
    from assay.pages.compare import CostPoint, compare_report

    curves = {
        way: [
            CostPoint(p.n, p.tokens, p.accuracy, samples=p.samples, scored_tokens=p.scored_tokens)
            for p in some
        ]
        for way, some in points.items()
    }
    run_body = json.loads((out / "run.json").read_text())
    _write(
        out,
        "Searches, held against one another",
        lambda: compare_report(curves, equal=equal, run=run_body),
    )


def _write(out: Path, title: str, sections: Callable[[], Sequence[Any]]) -> None:
    from assay.errors import MissingExtra
    from assay.report import write_report

    try:
        write_report(out / "report.html", title, sections())
    except MissingExtra as error:
        print(f"no report.html: {error}", file=sys.stderr)
        return
    print(f"wrote {out / 'report.html'}")


if TYPE_CHECKING:
    COMMANDS: dict[str, Any] = {}
else:
    COMMANDS = {
        "compare": Compare,
        **{name: searching(name) for name in NAMES},
    }
