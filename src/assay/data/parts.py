"""Records with parts left out, or cut into other steps."""

from collections.abc import Callable
from typing import Any, Literal

from assay.data.records import prompt_of
from assay.data.splitting import AlreadySplit, resplit
from assay.errors import DataError
from assay.types import Group, Preference, Prompt, Record, Response, RolloutLabels, StepLabels

__all__ = ["Part", "cut_anew", "without"]

Part = Literal["meta", "id", "reference", "margin", "finished", "steps", "rollouts", "meaning"]


def without(record: Record, parts: tuple[Part, ...]) -> Record:
    """Return the record with these parts at their defaults.

    "steps" joins them into one (not of a trajectory, whose steps are its turns), "rollouts" keeps
    the labels alone, "meaning" forgets that they were made by rollouts.
    """
    if not parts:
        return record
    fresh: dict[str, Any] = {"meta": {}, "id": "", "reference": None, "finished": True}
    for_prompt: dict[str, Any] = {
        name: fresh[name] for name in parts if name in Prompt.model_fields
    }
    for_response: dict[str, Any] = {
        name: fresh[name] for name in parts if name in ("meta", "finished")
    }
    prompt = prompt_of(record).model_copy(update=for_prompt)
    if isinstance(record, Prompt):
        return prompt

    def bare(response: Response) -> Response:
        if "steps" in parts and response.turns:
            raise DataError(
                f"a response to {prompt.text[:40]!r} is a trajectory: its steps are its turns, and"
                " cannot be joined"
            )
        joined = {"steps": (response.text,)} if "steps" in parts else {}
        return response.model_copy(update=for_response | joined)

    if isinstance(record, RolloutLabels) and {"rollouts", "steps"} & {*parts}:
        record = record.plain()
    if isinstance(record, StepLabels):
        labels = record.labels[-1:] if "steps" in parts else record.labels
        meaning = "correctness" if "meaning" in parts else record.meaning
        changes = {
            "prompt": prompt,
            "response": bare(record.response),
            "labels": labels,
            "meaning": meaning,
        }
        return record.model_copy(update=changes)
    assert isinstance(record, Group)
    margin = {"margin": None} if isinstance(record, Preference) and "margin" in parts else {}
    return record.model_copy(
        update={"prompt": prompt, "responses": tuple(map(bare, record.responses)), **margin}
    )


def cut_anew(record: Record, split: Callable[[str], tuple[str, ...]]) -> Record:
    """Return the record with its responses cut anew by a policy.

    A label of the outcome stays on the last step, and a trajectory in its turns. Raises `DataError`
    for labels on the steps, which belong to nothing once they are cut anew.
    """
    if isinstance(split, AlreadySplit):
        return record
    if isinstance(record, StepLabels):
        if record.response.turns:
            return record
        if any(label is not None for label in record.labels[:-1]):
            raise DataError(
                f"a response to {prompt_of(record).text[:40]!r} has labels on its steps, and cut"
                " anew they belong to nothing; `assay data convert --without steps` keeps the"
                " outcome alone"
            )
        response = resplit(record.response, split)
        # An empty response has no step to carry its label.
        if not response.steps:
            return record
        labels = (*(None,) * (len(response.steps) - 1), *record.labels[-1:])
        return record.model_copy(update={"response": response, "labels": labels})
    if isinstance(record, Group):
        return record.model_copy(
            update={"responses": tuple(resplit(r, split) for r in record.responses)}
        )
    return record
