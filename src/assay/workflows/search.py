"""Spend samples and scores on each prompt, and choose an answer.

Every sample and score is kept in `record.jsonl` as it is paid for: a search that was stopped is
resumed by the same call, and a record (or a pool of responses) is searched again without a
generator.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from assay import components
from assay.aggregation import Aggregation
from assay.console.progress import progress
from assay.data import io
from assay.data.records import prompt_of
from assay.errors import BackendError, ConfigError, DataError
from assay.evaluation import searches as measured
from assay.protocols import Generator, Sampling, Scorer, Verifier
from assay.runs.run import Run
from assay.runs.settings import made
from assay.search import SHARED, STEP, Budget, Record, ReplayGenerator, Search, SearchResult, run
from assay.specs.compute import Weights
from assay.specs.generators import Policy
from assay.stats import Estimate, summarise
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.types import Record as DataRecord
from assay.workflows._folder import opened, write_into
from assay.workflows._output import described, estimate_json
from assay.workflows.gate import admitted

__all__ = [
    "OPENING",
    "SearchAnswers",
    "Setup",
    "judged",
    "no_samples",
    "record_in",
    "search",
    "strategy_of",
    "with_shared",
]

REASONS: Final = 5
"""Reasons of failed requests that are reported, the most frequent ones."""

OPENING: Final = tuple(
    "generator scorer verifier replay aggregate lower_bound sampling step gate limit format device"
    " dtype weights micro_tokens seed".split()
)
"""Arguments that say what to search with."""

Prompts = str | Path | Iterable[str | Prompt | DataRecord]
"""File, folder or data set; or prompts, their texts, or records that have one."""


@dataclass(frozen=True, kw_only=True)
class SearchAnswers:
    """The chosen answers, what each search tried, and what it cost."""

    strategy: str
    """Name of the strategy."""
    results: tuple[SearchResult, ...]
    """One per prompt, in order."""
    gold: tuple[Score | Unscored | None, ...]
    """Whether each choice is right; None where nothing was chosen or no reference is known."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @property
    def responses(self) -> tuple[Response | None, ...]:
        """The chosen response to each prompt; None where none could be chosen."""
        return tuple(result.response for result in self.results)

    @property
    def texts(self) -> tuple[str | None, ...]:
        """The text of each choice."""
        return tuple(None if chosen is None else chosen.text for chosen in self.responses)

    @property
    def accuracy(self) -> Estimate | None:
        """Share of right choices, by prompt; None where a prompt has no reference."""
        if any(result.group.prompt.reference is None for result in self.results):
            return None
        return measured.point_of(0, self.results, self.gold).accuracy

    @property
    def summary(self) -> dict[str, Any]:
        """What was chosen and what it cost, for people."""
        results = self.results
        found: dict[str, Any] = {
            "prompts": len(results),
            "without a choice": sum(r.choice is None for r in results),
        }
        if self.accuracy is not None:
            found["accuracy"] = summarise(self.accuracy)
        if kept := sum(len(r.kept) for r in results):
            found["responses kept"] = kept
        for name in ("samples", "generated_tokens", "scored_tokens"):
            amounts = [getattr(r.spent, name) for r in results]
            known = None not in amounts
            found[f"{name.replace('_', ' ')} per prompt"] = (
                f"{sum(amounts) / len(results):,.1f}" if known else "not counted"
            )
        for why in sorted({r.stopped for r in results if r.stopped}):
            found[f"ended early: {why}"] = sum(r.stopped == why for r in results)
        for name in ("saved", "missing"):
            if amount := sum(getattr(r.spent, name) for r in results):
                found[f"samples {name}"] = amount
        # Nothing is known of these: they are in no accuracy.
        nothing = Counter(why for r in results if (why := measured.nothing_had(r)))
        failed = Counter(reason for r in results for reason in r.failed)
        for what, reasons in (
            ("prompts unscored", nothing),
            ("requests that failed", failed),
        ):
            for reason, count in reasons.most_common(REASONS):
                found[f"{what} ({reason})"] = count
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the results as plain data, a row per prompt."""
        pairs = zip(self.results, self.gold, strict=True)
        accuracy = self.accuracy
        return {
            "strategy": self.strategy,
            "accuracy": None if accuracy is None else estimate_json(accuracy),
            "results": [_row(result, gold) for result, gold in pairs],
        }

    def report(self, out: str | Path) -> list[Path]:
        """Write `results.jsonl`, `report.html` and `run.json` into a folder; return the files.

        A strategy that keeps several candidates writes them to `kept.jsonl`, as training data.
        """
        return write_into(out, self.write, self.settings, "search", data=self.data)

    def write(self, run: Run) -> None:
        """Write the results and the page into an open folder."""
        from assay.pages.evaluation import run_section
        from assay.pages.search import search_section
        from assay.report.html import KeyValues, Section

        run.save("results.jsonl", self.to_json()["results"])
        kept = [
            Group(prompt=r.group.prompt, responses=tuple(r.group.responses[i] for i in r.kept))
            for r in self.results
            if r.kept
        ]
        if kept:
            io.write(kept, run.path("kept.jsonl"))
        right = [score.value if isinstance(score, Score) else None for score in self.gold]
        run.note(results=self.summary)
        run.page(
            f"Search: {self.strategy}",
            lambda: [
                Section("Result", [KeyValues(self.summary)]),
                search_section(self.results, right=right),
                run_section(run.body),
            ],
        )

    def __str__(self) -> str:
        """Return the summary for a terminal, a number per line."""
        return "\n".join(f"{key}: {value}" for key, value in self.summary.items())


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every search runs over."""

    prompts: Sequence[Prompt]
    generator: Generator
    scorer: Scorer | None
    verifier: Verifier
    sampling: Sampling
    step: Sampling
    gates: Mapping[str, Mapping[str, str]]
    """Gates by which judges score, as `run.json` has them."""

    @classmethod
    def open(
        cls,
        prompts: Prompts,
        *,
        generator: str | Path | Generator | Policy | None,
        scorer: str | Scorer | None,
        verifier: str | Verifier,
        replay: str | Path | None,
        aggregate: Aggregation | None,
        lower_bound: float,
        sampling: Sampling | None,
        step: Sampling | None,
        gate: Sequence[str | Path],
        limit: int | None,
        format: str | None,
        device: str,
        dtype: str | None,
        weights: Weights,
        micro_tokens: int,
        seed: int,
        need_reference: bool = False,
    ) -> "Setup":
        """Read the prompts and open what words name; see `search` for the arguments."""
        from assay.specs.verifiers import verifier as open_verifier

        chosen = read_prompts(prompts, limit=limit, format=format)
        if need_reference and any(prompt.reference is None for prompt in chosen):
            raise DataError(
                "a prompt has no reference answer, and accuracy cannot be told; give one a prompt"
            )
        checks = open_verifier(verifier)
        compute = {
            "device": device,
            "dtype": dtype,
            "weights": weights,
            "micro_tokens": micro_tokens,
        }
        writes = _generator(generator, replay, format, device, dtype, weights)
        whole = sampling or Sampling(max_tokens=512, seed=seed)
        one = step or replace(whole, stop=STEP)
        if isinstance(writes, ReplayGenerator):
            whole, one = writes.sampling or whole, writes.step or one
        judges = _scorer(scorer, writes, checks, aggregate, lower_bound, compute)
        return cls(
            prompts=chosen,
            generator=writes,
            scorer=judges,
            gates=admitted(gate, {} if judges is None else {str(scorer): judges}),
            verifier=checks,
            sampling=whole,
            step=one,
        )

    def run(self, strategy: Search, record: Record | None, **how: Any) -> list[SearchResult]:
        """Search for every prompt with a strategy."""
        return run(
            strategy,
            self.prompts,
            self.generator,
            self.scorer,
            sampling=self.sampling,
            step=self.step,
            record=record,
            **how,
        )


def search(
    strategy: str | Search,
    prompts: Prompts,
    *,
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
    **options: Any,
) -> SearchAnswers:
    """Search for an answer to every prompt.

    strategy: a name ("best-of-n", "beam", ...) with its settings as options (`n=16`), or an object;
    its seed and its verifier are those of this call. generator: folder of a causal LM, a server's
    address, or an object; or replay: a search's `record.jsonl`, or a pool of whole responses.
    scorer: a word or an object; "verifier" is the truth, an upper bound; "log-probability" is the
    generator's own; None where the strategy asks for no scores. verifier: finds and checks answers,
    for votes and for the accuracy. aggregate: how step scores become one; None = as saved.
    lower_bound: standard deviations taken off an ensemble's score. sampling, step: how whole
    responses and single steps are sampled; a step ends at a blank line by default. budget: of each
    prompt. gate: files by which judges may score. limit: prompts searched at most. together:
    prompts under way at once. out: folder for the record, the results and the page; overwrite:
    replaces other finished work there. settings: what `run.json` holds; None is this call.

    Raises `BackendError` where not one sample was had, `ConfigError` for what cannot be searched.
    """
    given = locals()
    call = described("search", **given)
    how = strategy_of(strategy, options)
    data = [Path(prompts)] if isinstance(prompts, str | Path) else []
    with opened(out, settings or call, "search", data=data, overwrite=overwrite) as folder:
        setup = Setup.open(prompts, **{name: given[name] for name in OPENING})
        if folder is not None:
            folder.note(**setup.gates)
        how = with_shared(how, seed, setup.verifier)
        with (
            record_in(folder) as record,
            progress("prompts", len(setup.prompts)) as show,
        ):
            results = setup.run(how, record, budget=budget, together=together, show=show)
        if not any(r.spent.samples for r in results) and any(r.spent.missing for r in results):
            failed = Counter(chain.from_iterable(result.failed for result in results))
            raise no_samples(len(setup.prompts), failed)
        answers = SearchAnswers(
            strategy=components.name_of(type(how)).split("/", 1)[1],
            results=tuple(results),
            gold=tuple(judged(results, setup.verifier)),
            settings=settings or call,
            data=data,
        )
        if folder is not None:
            answers.write(folder)
    if why := nothing_scored(results):
        raise unscored("no response", len(results), why)
    return answers


def record_in(folder: Run | None) -> AbstractContextManager[Record | None]:
    """Open the file in which a run keeps its samples and scores; None where there is no folder."""
    return nullcontext() if folder is None else Record(folder.folder / "record.jsonl")


def strategy_of(strategy: str | Search, options: Mapping[str, Any]) -> Search:
    """Make a strategy of a name and its settings; an object is taken as it is."""
    if not isinstance(strategy, str):
        if options:
            raise ConfigError(
                f"{', '.join(options)}: settings are those of the object; give the strategy's name"
                " with settings, or an object without"
            )
        return strategy
    cls = components.load("search", strategy)
    words = tuple(f"{name}={value}" for name, value in options.items())
    found: Search = made(cls, strategy, words)
    return found


def with_shared(strategy: Search, seed: int, verifier: Verifier) -> Search:
    """Set a strategy's seed and verifier, where it has use for them."""
    ours = dict(zip(SHARED, (seed, verifier), strict=True))
    known = {f.name for f in dataclasses.fields(strategy)}  # type: ignore[arg-type]
    shared = {name: value for name, value in ours.items() if name in known}
    return replace(strategy, **shared)  # type: ignore[type-var]


def read_prompts(prompts: Prompts, *, limit: int | None, format: str | None) -> list[Prompt]:
    """Read prompts, each once, whatever its id. Raises `DataError` where there is none."""
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}; it must be 1 or more")
    where = "the prompts"
    source: Iterable[str | Prompt | DataRecord]
    if isinstance(prompts, str | Path):
        where, source = str(prompts), io.read(str(prompts), format=format)
    else:
        source = prompts
    found: dict[str, Prompt] = {}
    for record in source:
        prompt = _prompt(record)
        # A scorer or a verifier may read the reference and the columns in `meta`.
        found.setdefault(prompt.model_dump_json(exclude={"id"}), prompt)
        if len(found) == limit:
            break
    if not found:
        raise DataError(f"{where} holds no record; give prompts, or records that have one")
    return list(found.values())


def judged(results: Iterable[SearchResult], verifier: Verifier) -> list[Score | Unscored | None]:
    """Judge each choice; None where nothing was chosen, or there is no reference."""
    from assay.scorers.verifier import Verified

    results = list(results)
    asked = [
        Group(prompt=result.group.prompt, responses=(result.response,))
        for result in results
        if result.response is not None and result.group.prompt.reference is not None
    ]
    said = iter(Verified(verifier).score(asked))
    return [
        None if result.response is None or result.group.prompt.reference is None else next(said)[0]
        for result in results
    ]


def no_samples(prompts: int, failed: Mapping[str, int]) -> BackendError:
    """Return the error of a search that got no sample of any prompt.

    failed: requests by the reason of their failure.
    """
    why = "; ".join(
        f"{count:,} requests: {reason}" for reason, count in Counter(failed).most_common(REASONS)
    )
    return BackendError(
        f"no sample was had of any of the {prompts:,} prompts:"
        f" {why or 'what is searched in holds none of them'}. No result is written; mend this, then"
        " run the search again"
    )


def nothing_scored(results: Sequence[SearchResult]) -> str:
    """Return why not one of the responses that were to be scored has a score, so that nothing was
    chosen for any prompt; "" where one has, or none was to have one."""
    scores = [score for result in results for score in result.scores if score is not None]
    why = next((score.reason for score in scores if isinstance(score, Unscored)), "")
    chosen = any(result.choice is not None for result in results)
    return "" if chosen or any(isinstance(score, Score) for score in scores) else why


def unscored(what: str, prompts: int, why: str) -> BackendError:
    """Return the error of a search in which nothing was scored: its choices are none, not wrong."""
    return BackendError(
        f"{what} to any of the {prompts:,} prompts could be scored, and so none is chosen: {why};"
        " look at the scorer"
    )


def _prompt(record: Any) -> Prompt:
    return Prompt.of(record) if isinstance(record, str) else prompt_of(record)


def _generator(
    generator: str | Path | Generator | Policy | None,
    replay: str | Path | None,
    format: str | None,
    device: str,
    dtype: str | None,
    weights: Weights,
) -> Generator:
    from assay.specs.generators import generator as open_generator

    if replay is not None:
        return _replayed(Path(replay), format)
    if generator is None or generator == "":
        raise ConfigError(
            "nothing writes responses: give --policy, or --replay with what was written before"
        )
    if isinstance(generator, Policy):
        return generator.open()[0]
    return open_generator(generator, device=device, dtype=dtype, weights=weights)


def _replayed(path: Path, format: str | None) -> ReplayGenerator:
    """Open what is searched in: a search's record, or a pool."""
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


def _scorer(
    scorer: str | Scorer | None,
    generator: Generator,
    verifier: Verifier,
    aggregate: Aggregation | None,
    lower_bound: float,
    compute: Mapping[str, Any],
) -> Scorer | None:
    from assay.scorers.lower_bound import LowerBound
    from assay.scorers.reaggregate import Aggregated
    from assay.specs.scorers import scorer as open_scorer

    if scorer is None or scorer == "none":
        return None
    found = open_scorer(scorer, verifier=verifier, generator=generator, **compute)
    if aggregate is not None:
        found = Aggregated(found, aggregate)
    return LowerBound(found, lower_bound) if lower_bound else found


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
