"""VersaPRM's layout of step labels (arXiv:2502.06737): chains of thought, and other steps tried
after some of them.

`labels` are -1, 0 or 1 as in PRM800K. An entry of `augs` is an alternative to the step at
`aug_idx`: as in PRM800K it is a record of its own, the chain so far and then the alternative, of
which only the last is labelled.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.data import fields
from assay.data.steps import Neutral, joined, rating
from assay.errors import DataError
from assay.types import Message, Prompt, Record, Response, StepLabels

__all__ = ["Versaprm"]


@dataclass(frozen=True, kw_only=True)
class Versaprm:
    """{question, answer, chain_of_thoughts: [{steps, labels, augs: [{aug_step, aug_idx,
    aug_type}]}]}."""

    neutral: Neutral = "positive"
    """What becomes of a label of 0."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """The two columns."""
        return {"question", "chain_of_thoughts"} <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """Each chain, and each alternative."""
        question = fields.make(Message, role="user", content=fields.text(row, "question"))
        meta = fields.rest(row, "question", "chain_of_thoughts")
        prompt = fields.make(Prompt, messages=(question,), meta=meta)
        for chain in fields.mappings(row, "chain_of_thoughts"):
            steps = fields.texts(chain, "steps")
            given = chain.get("labels", [])
            if not isinstance(given, list):
                raise fields.wrong("chain_of_thoughts.labels", "a list of ratings", given)
            labels = tuple(rating(x, "chain_of_thoughts.labels", self.neutral) for x in given)
            about = fields.rest(chain, "steps", "labels", "augs")
            response = fields.make(Response, steps=joined(steps), meta=about)
            yield fields.make(StepLabels, prompt=prompt, response=response, labels=labels)
            for other in fields.mappings({"augs": [], **chain}, "augs"):
                at = fields.index(other.get("aug_idx"), "chain_of_thoughts.augs.aug_idx")
                if not 0 <= at <= len(steps):
                    raise DataError(
                        f"field 'chain_of_thoughts.augs.aug_idx': there is no step {at} among"
                        f" {len(steps)}"
                    )
                text = fields.text(other, "aug_step")
                label = rating(
                    other.get("aug_type"), "chain_of_thoughts.augs.aug_type", self.neutral
                )
                about = fields.rest(other, "aug_step", "aug_idx", "aug_type")
                response = fields.make(Response, steps=joined([*steps[:at], text]), meta=about)
                if label is not None:
                    yield StepLabels.outcome(prompt, response, label)

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Not offered."""
        raise fields.read_only(self)
