"""TRL's stepwise supervision: a prompt, a list of steps, a label a step.

The steps stand without what separates them; the separator is put back between them, so that they
join to a text. The
-100 that the trainer masks with is not a label: cast to the column's boolean it becomes true (TRL
pull request 2127).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.steps import joined, parted
from assay.errors import DataError
from assay.types import LabelMeaning, Record, Response, StepLabels

__all__ = ["TrlStepwise"]


@dataclass(frozen=True, kw_only=True)
class TrlStepwise:
    """{prompt, completions: [step, ...], labels: [true, false or probability, ...]}."""

    separator: str = "\n"
    """Text between two steps; empty when the steps bring their own."""
    meaning: LabelMeaning = "correctness"
    """What the labels were made from, which no row says."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The three columns."""
        return {"prompt", "completions", "labels"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record with a label a step."""
        asked, row = conversations.asked(row, "prompt")
        steps = fields.texts(row, "completions")
        labels = fields.parsed(row.get("labels"))
        if not steps or not isinstance(labels, list) or len(labels) != len(steps):
            got = len(labels) if isinstance(labels, list) else 0
            raise DataError(
                f"field 'labels': expected a label for each of the completions, got {got} for"
                f" {len(steps)}"
            )
        yield fields.make(
            StepLabels,
            prompt=fields.prompt(asked, row, "prompt", "completions", "labels"),
            response=fields.make(Response, steps=joined(steps, self.separator)),
            labels=tuple(fields.share(label, f"labels.{i}") for i, label in enumerate(labels)),
            meaning=self.meaning,
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Fully labelled steps."""
        return fields.written(self, records, StepLabels, self._row)

    def _row(self, record: StepLabels) -> dict[str, Any]:
        return {
            "prompt": conversations.column(record.prompt.messages),
            "completions": parted(record.response.steps, self.separator),
            "labels": [bool(label) if label in (0, 1) else label for label in record.labels],
            **fields.columns(record.prompt),
        }
