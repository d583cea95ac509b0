"""The report card of what answers typed questions: a decision model, or any answerer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.audit.asking import Asked
from assay.audit.findings import Unit, corrected
from assay.audit.questions import questions
from assay.audit.run import Probed, grades
from assay.audit.subjects import sampled
from assay.data import sources
from assay.data.decisions import Decisions, is_typed, read_decisions
from assay.data.lines import Row
from assay.errors import DataError
from assay.evaluation.decisions import evaluate
from assay.evaluation.report import Report
from assay.judges.answers import answers_of
from assay.protocols import Answerer
from assay.types import Unscored

__all__ = ["asked_questions", "typed"]


def typed(data: object, format: str | None, *, prompts: int, seed: int) -> list[Decisions]:
    """Return the typed questions of some data, of so many states; none where it holds others."""
    if isinstance(data, (str, Path)):
        row = None if format else next(sources.rows(str(data)), None)
        if not isinstance(row, Row) or not is_typed(row.value):
            return []
        records = read_decisions(str(data))
    else:
        given: Any = data
        records = [one for one in given if isinstance(one, Decisions)]
    return sampled(records, prompts, seed)


def asked_questions(answerer: Answerer, records: Sequence[Decisions]) -> tuple[Probed, Report]:
    """Ask the questions as they are and in every other way, and measure the answers.

    Raises `DataError` where none is answered.
    """
    said = answers_of(
        answerer, [record.prompt for record in records], [record.questions for record in records]
    )
    lost = [one.reason for row in said for one in row if isinstance(one, Unscored)]
    if len(lost) == sum(map(len, said)):
        raise DataError(f"none of {len(lost)} questions has an answer: {lost[0]}")
    findings = corrected(questions(answerer, records, said))
    probed = Probed(
        unit=Unit(value=1.0, meaning="shares of verdicts"),
        findings=findings,
        grades=grades(findings),
        asked=Asked(items=(), base=(), answers={}, inapplicable={}),
        notes=(f"{len(lost)} questions without an answer, such as: {lost[0]}",) if lost else (),
    )
    return probed, evaluate(records, said)
