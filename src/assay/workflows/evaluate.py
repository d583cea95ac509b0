"""Measure a scorer on labelled records: accuracy, calibration and best-of-n, with intervals and
baselines."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assay.errors import DataError
from assay.evaluation import Report
from assay.protocols import Scorer, Verifier
from assay.runs.outputs import check_run
from assay.runs.settings import dumps, write_atomic
from assay.stats import Estimate
from assay.types import Group, Prompt, Ranking, Record, Unscored
from assay.workflows._data import Data, aside_in, named, read
from assay.workflows._output import described, write_page
from assay.workflows.score import in_parts, open_scorer

if TYPE_CHECKING:
    from assay.report import Section

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
    scorer: str
    """Scorer that was measured, in words."""
    measured: Report
    """Everything that was measured."""
    file: str = "eval.json"
    """Name of the file that the numbers are written to."""
    settings: object = field(default=None, repr=False)
    """What `run.json` holds."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""
    more: "Callable[[], list[Section]]" = field(default=_none, repr=False)
    """Makes further sections of the page."""

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

    def report(self, out: str | Path) -> list[Path]:
        """Write the numbers, `report.html` and `run.json` into a folder; return the files."""
        from assay.pages.evaluation import evaluation_sections, run_section

        numbers = Path(out) / self.file
        write_atomic(numbers, dumps(self.to_json(), indent=2) + "\n")
        pages = write_page(
            Path(out),
            self.name,
            lambda run: [*evaluation_sections(self.measured), *self.more(), run_section(run)],
            settings=self.settings,
            data=self.data,
            subtitle=self.scorer,
        )
        return [numbers, *pages]

    def __str__(self) -> str:
        """A table of every metric, its baselines below it."""
        return table(self.measured)


def evaluate(
    data: Data,
    scorer: str | Scorer,
    *,
    out: str | Path | None = None,
    verifier: str | Verifier | None = "numeric",
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    device: str = "auto",
    seed: int = 0,
    settings: object = None,
) -> Evaluation:
    """Measure a scorer on labelled records, beside baselines that need no model.

    data: preferences, rankings (pools of graded responses), outcomes or step labels. scorer: a word
    (see `load_scorer`) or an object. out: folder for eval.json, report.html and run.json. verifier:
    finds the final answers that majority votes count, where the records are pools; None counts no
    votes. set_aside: file for malformed rows; True is set_aside.jsonl in `out`. seed: of the
    bootstrap. settings: what `run.json` holds; None is this call.

    Unscored responses are counted, never taken for low scores. Raises `DataError` where kinds of
    records are mixed or nothing can be measured.
    """
    if out is not None:
        check_run(Path(out), "eval", writes=())
    opened = open_scorer(scorer, device, dtype, micro_tokens)
    records = labelled(data, format, aside_in(set_aside, out))
    measured = measure(opened, records, verifier=verifier, seed=seed)
    title = Path(scorer).name if isinstance(scorer, str) else type(scorer).__name__
    result = Evaluation(
        name=f"Evaluation of {title}",
        scorer=str(data) if isinstance(data, (str, Path)) else f"{len(records)} records",
        measured=measured,
        settings=settings
        or described("evaluate", data=data, scorer=scorer, device=device, dtype=dtype, seed=seed),
        data=named(data),
    )
    if out is not None:
        result.report(out)
    return result


def labelled(data: Data, format: str | None, set_aside: Path | None) -> list[Record]:
    """The records of some data, without prompts that have no response."""
    every = read(data, format, set_aside)
    records = [record for record in every if not isinstance(record, Prompt)]
    if not records:
        name = data if isinstance(data, (str, Path)) else "the data"
        raise DataError(
            f"{name} holds {len(every)} prompts and no labelled response; give preferences or"
            " labels"
        )
    return records


def measure(
    scorer: Scorer,
    records: Sequence[Record],
    *,
    verifier: str | Verifier | None = None,
    seed: int = 0,
) -> Report:
    """Score the records and evaluate.

    Raises `DataError` where kinds are mixed, and, with the most frequent reasons, where nothing
    could be measured.
    """
    from assay.evaluation import evaluate as evaluation_of
    from assay.evaluation import groups_of

    groups = groups_of(records)
    scores = in_parts(scorer, groups)
    answers = None
    ranked = all(isinstance(record, Ranking) for record in records)
    if ranked and verifier is not None and verifier != "none":
        answers = _answers(verifier, groups)
    measured = evaluation_of(
        records, scores, probabilities=gives_probabilities(scorer), answers=answers, seed=seed
    )
    unscored = Counter(s.reason for row in scores for s in row if isinstance(s, Unscored))
    notes = [f"{n} responses unscored: {reason}" for reason, n in unscored.most_common(SHOWN)]
    if not any(estimate.n for estimate in measured.metrics.values()):
        raise DataError(
            f"nothing can be measured on {len(records)} records:"
            f" {'; '.join(notes or measured.notes[:1])}"
        )
    return dataclasses.replace(measured, notes=[*measured.notes, *notes])


def gives_probabilities(scorer: Scorer) -> bool:
    """Whether scores are probabilities: those of a reward model whose link is a sigmoid."""
    inner = getattr(scorer, "scorer", scorer)
    readout = getattr(getattr(inner, "model", None), "readout", None)
    return getattr(readout, "link", None) == "sigmoid"


def _answers(verifier: str | Verifier, groups: Sequence[Group]) -> list[list[str | None]]:
    """The key of the final answer that each response votes for; None where it states none."""
    from assay.specs.verifiers import verifier as opened

    judge = opened(verifier) if isinstance(verifier, str) else verifier

    def key(text: str) -> str | None:
        answer = judge.extract(text)
        return None if answer is None else judge.canonical(answer)

    return [[key(response.text) for response in group.responses] for group in groups]


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
