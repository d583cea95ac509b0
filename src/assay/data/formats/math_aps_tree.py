"""Trees of steps with their Monte-Carlo values (openreasoner/openr, OmegaPRM: arXiv:2406.06592).

The root is the question, its value the problem's solve rate. Each path to a leaf is a solution; a
step that several paths share is labelled in the first of them only, so that every value is used
once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from assay.data import fields
from assay.data.steps import joined
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["MathApsTree"]

LEFT_OUT: Final = frozenset({"question_id"})
"""Columns of the public file that are left out."""


@dataclass(frozen=True, kw_only=True)
class MathApsTree:
    """{question, final_answer, reasoning_steps: {text, mc_value, children: [...]}}."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A tree of steps."""
        return "question" in row and isinstance(row.get("reasoning_steps"), dict)

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """One record a leaf."""
        root = fields.mapping(row, "reasoning_steps")
        message = fields.make(Message, role="user", content=fields.text(row, "question"))
        meta = fields.rest(row, "question", "final_answer", "reasoning_steps", *LEFT_OUT)
        meta["solve_rate"] = root.get("mc_value")
        prompt = fields.make(
            Prompt, messages=(message,), reference=row.get("final_answer"), meta=meta
        )
        for steps, labels in _paths(root):
            response = fields.make(Response, steps=joined(steps))
            yield fields.make(
                StepLabels, prompt=prompt, response=response, labels=labels, meaning="monte_carlo"
            )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)


def _paths(root: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], tuple[float | None, ...]]]:
    """Texts and labels from below the root to each leaf, first child first."""
    stack: list[tuple[dict[str, Any], tuple[str, ...], tuple[float | None, ...]]]
    stack = [(node, (), ()) for node in reversed(fields.mappings(root, "children"))]
    while stack:
        node, above, labels = stack.pop()
        texts = (*above, fields.text(node, "text"))
        labels = (*labels, fields.number(node.get("mc_value"), "reasoning_steps.mc_value"))
        children = fields.mappings(node, "children")
        if not children:
            yield texts, labels
        unlabelled = (None,) * len(labels)
        stack += [
            (child, texts, labels if child is children[0] else unlabelled)
            for child in reversed(children)
        ]
