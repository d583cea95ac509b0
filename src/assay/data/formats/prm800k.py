"""PRM800K (arXiv:2305.20050, openai/prm800k), both phases.

A row is one solution as a labeller saw it: at each step one completion (phase 2) or several
alternatives (phase 1), of which one was chosen, or the labeller wrote a step. The chosen ones make
the solution; the others are not sequential, so each gives a record of its own: the solution so far
and then the alternative, of which only the last is labelled. So every rating is used exactly once.
Where nothing was chosen, e.g. because labelling stopped at the first error, the first completion
goes on. Dropped: quality controls, rows given up or found bad, labels without a rating.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay.data import conversations, fields
from assay.data.steps import Neutral, joined, parted, rating
from assay.errors import DataError
from assay.types import Prompt, Record, Response, StepLabels

__all__ = ["Prm800k"]

LEFT_OUT: Final = frozenset(
    "labeler timestamp generation is_quality_control_question is_initial_screening_question"
    " ground_truth_solution pre_generated_steps pre_generated_answer pre_generated_verifier_score"
    " total_time finish_reason source flagged".split()
)
"""Keys of the public files that are left out, of rows, questions, labels and completions."""


@dataclass(frozen=True, kw_only=True)
class Prm800k:
    """{question: {problem, ...}, label: {steps: [{completions, chosen_completion, ...}],
    finish_reason}}."""

    neutral: Neutral = "positive"
    """What becomes of a rating of 0; "positive" is the paper's better choice."""
    separator: str = "\n"
    """Text between two steps."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A label with steps, about a question with a problem."""
        question, label = row.get("question"), row.get("label")
        return (
            isinstance(question, dict)
            and "problem" in question
            and isinstance(label, dict)
            and "steps" in label
        )

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """The alternatives, and then the solution, where anything is rated."""
        label, question = fields.mapping(row, "label"), fields.mapping(row, "question")
        if row.get("is_quality_control_question") or label.get("finish_reason") in (
            "give_up",
            "bad_problem",
        ):
            return
        problem = fields.text(question, "problem")
        prompt = fields.make(
            Prompt,
            messages=conversations.turns({"problem": problem}, "problem"),
            reference=question.get("ground_truth_answer"),
            meta={
                **fields.rest(label, "steps", *LEFT_OUT),
                **fields.rest(question, "problem", "ground_truth_answer", *LEFT_OUT),
                **fields.rest(row, "question", "label", *LEFT_OUT),
            },
        )
        steps: list[str] = []
        labels: list[float | None] = []
        for i, step in enumerate(fields.mappings(label, "steps")):
            rated = [
                (
                    fields.text(c, "text"),
                    rating(c.get("rating"), f"label.steps.{i}.completions.rating", self.neutral),
                )
                for c in fields.mappings(
                    {"completions": step.get("completions") or []}, "completions"
                )
            ]
            if step.get("chosen_completion") is None and step.get("human_completion") is not None:
                onward: tuple[str, float | None] = (
                    fields.text(fields.mapping(step, "human_completion"), "text"),
                    None,
                )
            else:
                at = fields.index(
                    step.get("chosen_completion") or 0, f"label.steps.{i}.chosen_completion"
                )
                if not 0 <= at < len(rated):
                    raise DataError(
                        f"field 'label.steps.{i}': there is no completion {at} among {len(rated)}"
                    )
                onward = rated.pop(at)
            for text, value in rated:
                if value is not None:
                    yield self._record(prompt, [*steps, text], (*(None,) * len(steps), value))
            steps.append(onward[0])
            labels.append(onward[1])
        if any(value is not None for value in labels):
            yield self._record(prompt, steps, tuple(labels))

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """One solution a row, each step with its only completion, as in phase 2."""
        return fields.written(self, records, StepLabels, self._row)

    def _record(
        self, prompt: Prompt, steps: Sequence[str], labels: tuple[float | None, ...]
    ) -> StepLabels:
        return fields.make(
            StepLabels,
            prompt=prompt,
            response=Response(steps=joined(steps, self.separator)),
            labels=labels,
        )

    def _row(self, record: StepLabels) -> dict[str, Any]:
        known = (0, 0.5, 1) if self.neutral == "half" else (0, 1)
        ratings = [int(2 * y - 1) if y is not None and y in known else y for y in record.labels]
        steps = [
            {
                "completions": [{"text": text, "rating": value, "flagged": False}],
                "human_completion": None,
                "chosen_completion": 0,
            }
            for text, value in zip(
                parted(record.response.steps, self.separator), ratings, strict=True
            )
        ]
        return {
            **record.prompt.meta,
            "is_quality_control_question": False,
            "question": {
                "problem": record.prompt.text,
                "ground_truth_answer": record.prompt.reference,
            },
            "label": {
                "steps": steps,
                "finish_reason": "found_error" if ratings[-1:] == [-1] else "solution",
            },
        }
