"""Let a judge say what it thinks of responses, and measure it against labels.

What a judge says is kept as it comes, and so is what was paid for it: a run that was stopped
resumes where it was, and another reading of the same answers costs nothing.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay.answerers.ledger import Ledger, Usage
from assay.data.records import as_group, cluster_key
from assay.errors import ConfigError, DataError
from assay.evaluation import comparisons
from assay.evaluation.report import Report
from assay.fingerprint import fingerprint
from assay.judges.answers import answers_of
from assay.protocols import Answerer, Judge, Scorer
from assay.questions import Comparison, Distribution
from assay.runs.run import Run
from assay.specs.answerers import Asking, answerer, prices_of
from assay.specs.compute import Weights
from assay.stats import Estimate, mean, summarise
from assay.types import Group, Prompt, Record, Score, StepLabels, Unscored
from assay.workflows._data import Data, aside_in, name_of, named, read
from assay.workflows._executor import SpreadJudge, spread_judge
from assay.workflows._folder import opened
from assay.workflows._judging import FLOORED, alike, ask_kept, bill, spent
from assay.workflows._output import described
from assay.workflows._verdicts import Row, decision_row, pair_row, point_row
from assay.workflows.evaluate import measure, table

if TYPE_CHECKING:
    from assay.evaluation.judges import JudgeAudit
    from assay.evaluation.rubrics import CriterionFigures
    from assay.report.html import Section

__all__ = ["How", "Judged", "judge"]

How = Literal["pairs", "points", "rubric", "steps", "decide"]
"""What is judged: pairs; responses, by any scorer, by a rubric, or step by step; or typed
questions."""

LEDGER: Final = "ledger.sqlite"
VERDICTS: Final = "verdicts.jsonl"
SHOWN: Final = 3
"""Reasons shown of what is unscored."""

OWN_BILL: Final = {"paid": "not known: the judge was given as an object, with a ledger of its own"}


def _none() -> "list[Section]":
    return []


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a judge said of some data, measured."""

    name: str
    """Title of the page."""
    of: str
    """Name of the data."""
    measured: Report
    """How far it agrees with labels and with itself, beside baselines."""
    rows: Sequence[Row] = field(repr=False)
    """One row per pair, response or question, with what was said or why it is `unscored`."""
    bill: Mapping[str, Usage | str]
    """What was paid, what the ledger saved, and all that it holds; why it is not known."""
    audit: "JudgeAudit | None" = field(default=None, repr=False)
    """Its biases, each tested."""
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    examples: "Callable[[], list[Section]]" = field(default=_none, repr=False)
    """Makes the sections of examples."""
    written: str = field(default="", repr=False)
    """Files that were written, in words."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """Every metric, with its interval."""
        return self.measured.metrics

    @property
    def baselines(self) -> Mapping[str, Estimate]:
        """The same metrics of what needs no model, as "metric/baseline"."""
        return self.measured.baselines

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        bill = {
            name: cost if isinstance(cost, str) else cost.model_dump(mode="json")
            for name, cost in self.bill.items()
        }
        found = self.measured.to_json() | {"bill": bill}
        return found if self.audit is None else found | {"audit": self.audit.to_json()}

    def written_in(self, run: Run | None) -> "Judged":
        """Write the files of a run; nothing where there is no folder."""
        from assay.pages.judge import judge_sections

        if run is None:
            return self
        bills = {name: spent(cost) for name, cost in self.bill.items()}
        run.save(VERDICTS, self.rows)
        run.save("judge.json", self.to_json())
        run.page(
            self.name,
            lambda: judge_sections(self.measured, self.examples(), bills, self.audit, run.body),
            subtitle=self.of,
        )
        return dataclasses.replace(self, written=run.written())

    def __str__(self) -> str:
        """A table of every metric, what was found to be biased, and the bill."""
        rows = [] if self.audit is None else self.audit.rows
        biases = [
            f"biased: {row.name} {summarise(row.effect)}, {row.meaning}"
            for row in rows
            if row.verdict == "biased"
        ]
        bills = [f"{what}: {spent(cost)}" for what, cost in self.bill.items()]
        return "\n".join(filter(None, [table(self.measured), *biases, *bills, self.written]))


def judge(
    data: Data,
    judge: str | Judge | Scorer | Answerer,
    *,
    how: How | None = None,
    out: str | Path | None = None,
    ledger: str | Path | None = None,
    repeats: int | None = None,
    prices: str | None = None,
    limit: int | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
    chunk: int = 128,
    executor: str = "local",
    overwrite: bool = False,
    settings: object = None,
) -> Judged:
    """Judge pairs, responses, steps or typed questions, and measure the judge against labels.

    data: pairs (preferences, or groups of two), responses, step labels, or for "decide" typed
    questions. judge: a word (KIND:ANSWERER, see docs/explain/words.md; for "decide" an answerer's)
    or an object. how: None is what the judge does, pairs or points. out: folder for verdicts.jsonl,
    judge.json, report.html and run.json; a run that was stopped resumes there. ledger: file of paid
    answers, which several runs may share; None is one in `out`. repeats: texts per question.
    prices: IN:OUT, money per million tokens read and written. limit: most records. chunk: records
    judged at once. executor: as for `score`. seed: of the intervals. settings: what `run.json`
    holds; None is this call.

    What has no verdict is counted, never taken for a tie or a zero. Raises `DataError` where
    records do not fit, and where nothing has a verdict.
    """
    body = settings or described("judge", **locals())
    if chunk < 1 or (limit is not None and limit < 1):
        raise ConfigError(f"chunk is {chunk} and limit {limit}; they must be at least 1")
    with opened(out, body, "judge", data=named(data), overwrite=overwrite) as run:
        place = ledger or (None if run is None else run.folder / LEDGER)
        given: dict[str, Any] = {
            "repeats": repeats,
            "prices": None if prices is None else prices_of(prices),
            "device": device,
            "dtype": dtype,
            "weights": weights,
            "micro_tokens": micro_tokens,
        }
        make = partial(_opened, judge, how, given)
        with Ledger(place) as paid, spread_judge(executor, make, paid) as far:
            asking = Asking(ledger=paid, **given)
            work = _Work(
                run=run,
                ledger=paid,
                chunk=chunk,
                seed=seed,
                of=name_of(data),
                opened=asking.opened,
                far=far,
            )
            if how == "decide":
                result = _decide(data, judge, asking, work, limit)
            else:
                records = _records(data, format, aside_in(set_aside, out))[:limit]
                result = _judged(records, judge, asking, work, how)
        if not isinstance(judge, (str, Path)):
            result = dataclasses.replace(result, bill=OWN_BILL)
        return dataclasses.replace(result, settings=body).written_in(run)


def _opened(word: Any, how: How | None, given: Mapping[str, Any], ledger: Any) -> object:
    """The judge or answerer of a word, for an actor."""
    from assay.specs.judges import judge as judge_of

    asking = Asking(ledger=ledger, **given)
    return answerer(word, asking) if how == "decide" else judge_of(word, asking)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Where the judging is done."""

    run: Run | None
    ledger: Ledger
    opened: Sequence[Ledger]
    """Those that words named."""
    chunk: int
    seed: int
    of: str
    far: SpreadJudge | None
    """What is asked instead of the judge of this process."""

    def check(self, found: object) -> None:
        """Refuse actors that hold another judge, or keep what they pay for elsewhere."""
        if self.far is not None:
            if self.opened:
                raise ConfigError("ledger=FILE is of one machine; give the file as ledger, for all")
            self.far.actors.check(fingerprint(found))

    def asked(self, by: Any, items: Sequence[Any], ask: Any, kind: Any) -> list[Any]:
        """What is said of each item, kept as it comes. ask: takes the judge and some items."""
        each = None if self.far is None else partial(self.far.each, ask)
        return ask_kept(
            self.run,
            fingerprint(by),
            items,
            partial(ask, by),
            kind,
            chunk=self.chunk,
            ledger=self.ledger,
            each=each,
        )

    def result(self, measured: Report, rows: Sequence[Row], **more: Any) -> Judged:
        """The result, with the reasons of what is unscored among its notes."""
        reasons = [str(row["unscored"]) for row in rows if row.get("unscored")]
        notes = [f"{n} unscored: {reason}" for reason, n in alike(reasons)[:SHOWN]]
        if any(map(FLOORED.match, reasons)):
            notes.append("floor=0.1 behind the answerer takes less probable labels; reads=text asks"
                         " for reasons first")  # fmt: skip
        if rows and len(reasons) == len(rows):
            if self.run is not None:
                notes.append(f"all rows are in {self.run.save(VERDICTS, rows)}")
            raise DataError(f"nothing of {self.of} has a verdict; {'; '.join(notes)}")
        measured = dataclasses.replace(measured, notes=[*measured.notes, *notes])
        name = f"What a judge says of {Path(self.of).name}"
        return Judged(
            name=name,
            of=self.of,
            measured=measured,
            rows=rows,
            bill=bill([self.ledger, *self.opened]),
            **more,
        )


def _records(data: Data, format: str | None, set_aside: Path | None) -> list[Record]:
    """The records with responses."""
    every = read(data, format, set_aside)
    records = [record for record in every if not isinstance(record, Prompt)]
    if not records:
        raise DataError(
            f"{name_of(data)} holds {len(every)} prompts and no response to judge; give pairs or"
            " responses"
        )
    return records


def _judged(
    records: Sequence[Record], word: Any, asking: Asking, work: _Work, how: How | None
) -> Judged:
    from assay.specs.judges import comparing
    from assay.specs.judges import judge as judge_of

    found = judge_of(word, asking)
    work.check(found)
    if how is None:
        how = "pairs" if isinstance(found, Judge) else "points"
    if how == "pairs":
        return _pairs(records, comparing(found), work)
    if isinstance(found, Judge):
        raise ConfigError(
            f"{word} compares two responses, and `judge {how}` scores single ones; take `judge"
            " pairs`, or pointwise:ANSWERER"
        )
    return _points(records, found, work, how)


def _pairs(records: Sequence[Record], judge: Judge, work: _Work) -> Judged:
    from assay.evaluation.judges import audit
    from assay.pages.judge import pair_examples
    from assay.specs.judges import comparing

    pairs = [record for record in records if isinstance(record, Group)]
    if len(pairs) < len(records) or any(len(pair.responses) != 2 for pair in pairs):
        raise DataError(
            f"{work.of} holds records that are no pairs; give preferences or groups of two"
            " responses, or take `judge points`"
        )
    # What is judged: with labels of another person they would be asked again.
    shown = [Group(prompt=pair.prompt, responses=pair.responses) for pair in pairs]
    said = work.asked(
        judge, shown, lambda by, some: comparing(by).compare(some), Comparison | Unscored
    )
    return work.result(
        comparisons.evaluate(pairs, said, seed=work.seed),
        [pair_row(i, *pair) for i, pair in enumerate(zip(pairs, said, strict=True))],
        audit=_unless_empty(lambda: audit(pairs, said)),
        examples=lambda: pair_examples(pairs, said),
    )


def _unless_empty(make: Callable[[], "JudgeAudit"]) -> "JudgeAudit | None":
    """The audit; None where there is nothing to audit, which the result says itself."""
    try:
        return make()
    except DataError:
        return None


def _points(records: Sequence[Record], judge: Scorer, work: _Work, how: How) -> Judged:
    from assay.evaluation.judges import audit_points
    from assay.pages.judge import criteria_sections, point_examples

    if how == "steps":
        _refuse_without_steps(records, judge, work)
    groups = [as_group(record) for record in records]
    shown = [Group(prompt=group.prompt, responses=group.responses) for group in groups]
    if how == "rubric":
        scores, criteria, figures = _by_rubric(judge, shown, work)
    else:
        criteria, figures = [], {}
        scores = work.asked(judge, shown, lambda by, some: by.score(some), list[Score | Unscored])
    rows = [
        point_row(record, number, j, score)
        for number, (record, row) in enumerate(zip(records, scores, strict=True))
        for j, score in enumerate(row)
    ]
    measured = _measured(judge, records, scores)
    return work.result(
        dataclasses.replace(measured, metrics={**measured.metrics, **figures}),
        rows,
        audit=_unless_empty(lambda: audit_points(records, scores)),
        examples=lambda: [*point_examples(records, scores), *criteria_sections(criteria)],
    )


def _refuse_without_steps(records: Sequence[Record], judge: Scorer, work: _Work) -> None:
    """Refuse records and judges without steps, before anything is paid for."""
    from assay.judges.genrm import GenRM
    from assay.judges.pointwise import Pointwise
    from assay.judges.rubric import RubricScorer
    from assay.scorers.function import Called

    if not all(isinstance(record, StepLabels) for record in records):
        raise DataError(f"{work.of} holds records without step labels; take `judge points`")
    if isinstance(judge, (Called, GenRM, Pointwise, RubricScorer)):
        raise ConfigError(
            "the judge scores whole responses, and no step of them; take steps:ANSWERER, or"
            " `judge points`"
        )


def _by_rubric(
    judge: Scorer, groups: Sequence[Group], work: _Work
) -> "tuple[list[list[Score | Unscored]], list[CriterionFigures], dict[str, Estimate]]":
    """Scores, the figures of each criterion, and what is told of the rubric as a whole."""
    from assay.data.rubrics.normalisers import Judged as Verdicts
    from assay.evaluation.rubrics import by_tag, criteria, weights_against_uniform
    from assay.judges.rubric import RubricScorer

    if not isinstance(judge, RubricScorer):
        raise ConfigError("the judge has no criteria; take rubric:FILE@ANSWERER")
    said = work.asked(judge, groups, lambda by, some: by.judge(some), list[Verdicts | Unscored])
    each = [one for row in said for one in row]
    clusters = [cluster_key(group) for group in groups for _ in group.responses]
    figures = {f"tag/{tag}": found for tag, found in by_tag(each, clusters=clusters).items()}
    against = weights_against_uniform(each, clusters=clusters, least=judge.least)
    if math.isfinite(against.value):
        figures["weights_vs_uniform"] = against
    return [[judge.score_of(one) for one in row] for row in said], criteria(each), figures


def _measured(
    judge: Scorer, records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> Report:
    """Scores against labels; their mean alone, where there are none."""
    if all(any(isinstance(one, Unscored) for one in row) for row in scores):
        return Report(kind="score", metrics={}, baselines={})
    if not any(type(record) is Group for record in records):
        return measure(judge, records, scores=scores)
    values = [
        (group.prompt.text, score.value)
        for group, row in zip(map(as_group, records), scores, strict=True)
        for score in row
        if isinstance(score, Score)
    ]
    missing = sum(map(len, scores)) - len(values)
    clusters = [text for text, _ in values]
    found = mean([value for _, value in values], clusters=clusters, unscored=missing)
    return Report(kind="score", metrics={"mean_score": found}, baselines={})


def _decide(data: Data, word: Any, asking: Asking, work: _Work, limit: int | None) -> Judged:
    from assay.data.decisions import Decisions, read_decisions
    from assay.evaluation.decisions import evaluate
    from assay.pages.judge import decision_examples

    if isinstance(data, (str, Path)):
        records = read_decisions(str(data))[:limit]
    else:
        records = [record for record in data if isinstance(record, Decisions)][:limit]
    if not records:
        raise DataError(f"{work.of} holds no typed questions; give rows of states with questions")
    asked = answerer(word, asking)
    work.check(asked)

    def ask(by: Answerer, some: Sequence[Decisions]) -> list[list[Distribution | Unscored]]:
        return answers_of(by, [one.prompt for one in some], [one.questions for one in some])

    # The gold is no part of what is asked.
    shown = [one.model_copy(update={"gold": (None,) * len(one.gold)}) for one in records]
    found = work.asked(asked, shown, ask, list[Distribution | Unscored])
    rows = [
        decision_row(record, number, j, answer)
        for number, (record, row) in enumerate(zip(records, found, strict=True))
        for j, answer in enumerate(row)
    ]
    return work.result(
        evaluate(records, found), rows, examples=lambda: decision_examples(records, found)
    )
