"""HealthBench's meta-evaluation (arXiv:2505.08775): a completion, one criterion, and whether each
of several physicians finds it met.

A record is the completion with the share of them that do; the prompt's rubric is the criterion. All
votes stay in `meta["binary_labels"]`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import conversations, fields
from assay.data.rubrics.layouts import KEY, rubric_from, stored
from assay.errors import DataError
from assay.types import Prompt, Record, StepLabels

__all__ = ["HealthbenchMeta"]


@dataclass(frozen=True, kw_only=True)
class HealthbenchMeta:
    """{prompt, completion, rubric, category, binary_labels: [true], anonymized_physician_ids,
    prompt_id?}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A completion with a criterion and votes."""
        return {"prompt", "completion", "rubric", "binary_labels"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One label."""
        votes = fields.value(row, "binary_labels")
        if not isinstance(votes, list) or not votes:
            raise fields.wrong("binary_labels", "a vote or more", votes)
        share = sum(fields.yes_no(vote, "binary_labels") for vote in votes) / len(votes)
        rubric = rubric_from([{"criterion": fields.text(row, "rubric"), "points": 1}])
        more = fields.rest(row, "prompt", "completion", "rubric", "prompt_id")
        prompt = fields.make(
            Prompt,
            messages=conversations.turns(row, "prompt"),
            id=str(row.get("prompt_id") or ""),
            meta={**more, KEY: stored(rubric)},
        )
        response = conversations.reply(
            fields.value(row, "completion"), prompt.messages, "completion"
        )
        if not response.steps:
            raise DataError("field 'completion': it is empty, and a label needs a response")
        yield StepLabels.outcome(prompt, response, share)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
