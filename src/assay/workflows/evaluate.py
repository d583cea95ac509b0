"""Measure a scorer on labelled records: accuracy, calibration and best-of-n, with intervals and
baselines."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay.data.records import as_group, as_groups
from assay.data.scores import file_of, read_scores
from assay.errors import ConfigError, DataError
from assay.evaluation import Report
from assay.judges.adapters import pair_temperature
from assay.protocols import Scorer, Verifier
from assay.runs.run import Run
from assay.scorers.verifier import unstated
from assay.specs.compute import Weights
from assay.stats import Estimate
from assay.types import Group, Prompt, Ranking, Record, Score, StepLabels, Unscored
from assay.workflows._data import Data, aside_in, check_column, name_of, named, read
from assay.workflows._folder import opened
from assay.workflows._output import described
from assay.workflows.score import in_parts, open_scorer

if TYPE_CHECKING:
    from assay.report.html import Section

__all__ = ["Evaluation", "evaluate", "measure", "table"]

SHOWN: Final = 3
"""Reasons shown of what is unscored."""


def _none() -> "list[Section]":
    return []


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A scorer measured on records or on a benchmark."""

    name: str
    """Title of the page."""
    of: str
    """Data or scorer that was measured, in words."""
    measured: Report
    """Everything that was measured."""
    job: Literal["eval", "benchmark"] = "eval"
    """Command, which the file of numbers is named after."""
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""
    more: "Callable[[], list[Section]]" = field(default=_none, repr=False)
    """Makes further sections of the page."""
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
        return self.measured.to_json()

    def report(self, out: str | Path, *, overwrite: bool = False) -> "Evaluation":
        """Write the numbers, `report.html` and `run.json` into a folder."""
        with opened(out, self.settings, self.job, data=self.data, overwrite=overwrite) as run:
            return self.written_in(run)

    def written_in(self, run: Run | None) -> "Evaluation":
        """Write the files of a run; nothing where there is no folder."""
        from assay.pages.evaluation import evaluation_sections, run_section

        if run is None:
            return self
        run.save(f"{self.job}.json", self.to_json())
        run.page(
            self.name,
            lambda: [*evaluation_sections(self.measured), *self.more(), run_section(run.body)],
            subtitle=self.of,
        )
        return dataclasses.replace(self, written=run.written())

    def __str__(self) -> str:
        """A table of every metric, its baselines below it."""
        return "\n".join(filter(None, [table(self.measured), self.written]))


def evaluate(
    data: Data,
    scorer: str | Scorer | None = None,
    *,
    scores: str | Path | None = None,
    probabilities: bool = False,
    out: str | Path | None = None,
    verifier: str | Verifier | None = "numeric",
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    settings: object = None,
) -> Evaluation:
    """Measure a scorer on labelled records, beside baselines that need no model.

    data: preferences, rankings (pools of graded responses), outcomes or step labels. scorer: a word
    (see `load_scorer`) or an object; or scores: a file of scores that exist (see
    `assay.data.score_rows`). probabilities: scores of a file or a column are probabilities, so that
    steps are right from 0.5 on, and not from 0; of a model it is known. out: folder for eval.json,
    report.html and run.json. verifier: finds the final answers that majority votes count, where the
    records are pools; None counts no votes. set_aside: file for malformed rows; True is
    set_aside.jsonl in `out`. seed: of the bootstrap. settings: what `run.json` holds; None is this
    call.

    Unscored responses are counted, never taken for low scores. Raises `DataError` where kinds of
    records are mixed or nothing can be measured.
    """
    body = settings or described("evaluate", **locals())
    if (scorer is None) == (scores is None):
        raise ConfigError(
            "give a scorer (--scorer WORD) or a file of scores (--scores FILE), one of the two"
        )
    judge = _verifier(verifier)
    files = named(data, scores and file_of(scores))
    with opened(out, body, "eval", data=files, overwrite=overwrite) as run:
        temperature = 1.0
        if scorer is not None:
            asked = open_scorer(scorer, device, dtype, weights, micro_tokens, judge)
            temperature = pair_temperature(asked)
            probabilities = probabilities or gives_probabilities(asked)
        records = labelled(data, format, aside_in(set_aside, out))
        if scorer is not None:
            check_column(asked, records, data)
        found = (
            read_scores(scores, [r if isinstance(r, Group) else as_group(r) for r in records])
            if scores is not None
            else in_parts(asked, as_groups(records), every_step=_of_steps(records))
        )
        measured = _measured(records, found, probabilities, judge, seed, temperature=temperature)
        if scorer is not None:
            measured.notes.extend(unstated(asked))
        return Evaluation(
            name=f"Evaluation of {_name(scorer or scores)}",
            of=str(data) if isinstance(data, (str, Path)) else f"{len(records)} records",
            measured=measured,
            more=lambda: _mistakes(records, found),
            settings=body,
            data=files,
        ).written_in(run)


def _name(scorer: object) -> str:
    return Path(scorer).name if isinstance(scorer, (str, Path)) else type(scorer).__name__


def _of_steps(records: Sequence[Record]) -> bool:
    """Tell whether step scores are measured here, and not those of whole responses."""
    labels = [record.labels[:-1] for record in records if isinstance(record, StepLabels)]
    judged = any(label is not None for label in chain.from_iterable(labels))
    return judged and len(labels) == len(records)


def labelled(
    data: Data, format: str | None, set_aside: Path | None, *, bare: bool = False
) -> list[Record]:
    """The records of some data, without prompts that have no response.

    bare: whether responses without a label will do.
    """
    every = read(data, format, set_aside)
    records = [record for record in every if not isinstance(record, Prompt)]
    if not records:
        raise DataError(
            f"{name_of(data)} holds {len(every)} prompts and no labelled response; give"
            " preferences or labels"
        )
    if not bare and any(type(record) is Group for record in records):
        raise DataError(_unlabelled(name_of(data), records))
    return records


def _unlabelled(name: str, records: Sequence[Record]) -> str:
    """Say that responses have no label, and what would give them one."""
    bare = [record for record in records if type(record) is Group]
    if any(record.prompt.reference is not None for record in bare):
        route = (
            f"have a program check them against the references, `assay verify numeric {name}"
            " --write labelled.jsonl`, and give labelled.jsonl"
        )
    else:
        route = "give preferences, grades or labels"
    return f"{name}: the responses of {len(bare)} of {len(records)} records have no label; {route}"


def measure(
    scorer: Scorer,
    records: Sequence[Record],
    *,
    scores: Sequence[Sequence[Score | Unscored]] | None = None,
    verifier: Verifier | None = None,
    seed: int = 0,
) -> Report:
    """Score the records and evaluate. scores: those that the scorer gave already.

    Raises `DataError` where kinds are mixed, and, with the most frequent reasons, where nothing
    could be measured.
    """
    found = scores
    if found is None:
        found = in_parts(scorer, as_groups(records), every_step=_of_steps(records))
    return _measured(
        records,
        found,
        gives_probabilities(scorer),
        verifier,
        seed,
        temperature=pair_temperature(scorer),
    )


def _measured(
    records: Sequence[Record],
    scores: Sequence[Sequence[Score | Unscored]],
    probabilities: bool,
    verifier: Verifier | None,
    seed: int,
    temperature: float = 1.0,
) -> Report:
    from assay.evaluation import evaluate as evaluation_of

    groups = as_groups(records)
    answers = None
    ranked = all(isinstance(record, Ranking) for record in records)
    if ranked and verifier is not None:
        answers = _answers(verifier, groups)
    measured = evaluation_of(
        records,
        scores,
        probabilities=probabilities,
        answers=answers,
        seed=seed,
        temperature=temperature,
    )
    unscored = Counter(
        score.reason for score in chain.from_iterable(scores) if isinstance(score, Unscored)
    )
    notes = [f"{n} responses unscored: {reason}" for reason, n in unscored.most_common(SHOWN)]
    if measured.kind == "process" and not probabilities and _within_one(scores):
        notes.append(
            "all step scores lie in [0, 1], and a step counts as right from 0 on: give"
            " --probabilities where they are probabilities"
        )
    if not any(estimate.n for estimate in measured.metrics.values()):
        raise DataError(
            f"nothing can be measured on {len(records)} records:"
            f" {'; '.join(notes or measured.notes[:1])}"
        )
    return dataclasses.replace(measured, notes=[*measured.notes, *notes])


def _within_one(scores: Sequence[Sequence[Score | Unscored]]) -> bool:
    there = [score for score in chain.from_iterable(scores) if isinstance(score, Score)]
    return all(0 <= x <= 1 for score in there for x in score.steps)


def _mistakes(
    records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> "list[Section]":
    from assay.pages.examples import mistakes

    return mistakes(records, scores)


def gives_probabilities(scorer: Scorer) -> bool:
    """Whether scores are probabilities: those of a reward model whose link is a sigmoid, and of
    judges that are asked whether something is right."""
    from assay.judges.genrm import GenRM
    from assay.judges.steps import StepCritic

    inner = getattr(scorer, "scorer", scorer)
    if isinstance(inner, (GenRM, StepCritic)):
        return True
    readout = getattr(getattr(inner, "model", None), "readout", None)
    return getattr(readout, "link", None) == "sigmoid"


def _verifier(verifier: str | Verifier | None) -> Verifier | None:
    """The verifier of a word; of "none" there is none."""
    from assay.specs.verifiers import verifier as verifier_of

    return None if verifier is None or verifier == "none" else verifier_of(verifier)


def _answers(judge: Verifier, groups: Sequence[Group]) -> list[list[str | None]]:
    """The key of the final answer that each response votes for; None where it states none."""

    def key(text: str) -> str | None:
        answer = judge.extract(text)
        return None if answer is None else judge.canonical(answer)

    return [[key(response.answer) for response in group.responses] for group in groups]


def table(measured: Report) -> str:
    """Every metric of an evaluation in a line, its baselines below it, then the notes."""
    from rich.table import Table

    from assay.console.tables import text
    from assay.stats import bracket

    rows = Table(box=None, padding=(0, 1))
    for name in ("metric", "value", "95 % interval", "n", "unscored"):
        rows.add_column(name, justify="left" if name == "metric" else "right")
    for name, estimate in measured.metrics.items():
        baselines = {k: e for k, e in measured.baselines.items() if k.startswith(f"{name}/")}
        for key, e in ({name: estimate} | baselines).items():
            label = key if key == name else f"  {key.removeprefix(f'{name}/')}"
            rows.add_row(label, f"{e.value:.3f}", bracket(e), str(e.n), str(e.unscored))
    return "\n".join([text(rows), *measured.notes])
