"""What a person is asked: a prompt, the responses to it, and what to say about them.

Four kinds stand for all: a pair is compared, a list is ranked, a solution's steps are marked, and
questions are answered. A rubric's criteria, a score and typed questions are questions of the same
type that judges and decision models answer (`assay.questions`).
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from assay.annotate.labels import Label, fits
from assay.questions import Question
from assay.types import Group, Probability, Prompt, Record, Response, unless_empty

__all__ = ["KINDS", "Evidence", "Kind", "StepMode", "Task"]

Kind = Literal["pair", "ranking", "steps", "questions"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
StepMode = Literal["first-error", "every-step"]
"""Whether marking ends at the first wrong step (as most of PRM800K's did) or goes on."""


class Evidence(Record):
    """What a machine knows of one step or response, shown beside it and never as a label."""

    value: Probability
    """Such as the share of rollouts from after the step that ended right."""
    interval: tuple[Probability, Probability] | None = None
    """95 % interval; None where there is none."""
    source: str = ""
    """Which kind of machine says so: "rollouts", "ensemble"; no model's or judge's name."""


class Task(Group):
    """One item to label. What annotators may not see is in `hidden`."""

    kind: Kind
    questions: tuple[Question, ...] = ()
    """What is asked, of a task of kind questions; "can't tell" is always allowed."""
    mode: StepMode = "every-step"
    """How steps are marked."""
    evidence: tuple[Evidence | None, ...] = unless_empty(())
    """One per step, of a task of kind steps, or per response of any other; empty = none."""
    suggestion: Label | None = unless_empty(None)
    """A machine's label: shown as such where the project allows it, never accepted by default."""
    gold: Label | None = unless_empty(None)
    """The known label of a gold item or an attention check."""
    attention: bool = unless_empty(False)
    """Whether the gold is an attention check, which a careful reader cannot get wrong."""
    stratum: str = unless_empty("")
    """Which stratum of the pool it is from, such as a judge's verdict."""
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    """With which probability it was selected for labelling; estimates are weighted by 1/p."""
    hidden: Mapping[str, Any] = unless_empty({})
    """What must not be shown: generators, judges' verdicts, ids; it comes back in exports."""
    id: str = ""
    """Name by content; set when it is made without one."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        n, wanted = len(self.responses), {"pair": (2, 2), "ranking": (2, 26), "steps": (1, 1)}
        low, high = wanted.get(self.kind, (0, 26))
        if not low <= n <= high:
            raise ValueError(f"a task of kind {self.kind} holds {low} to {high} responses, got {n}")
        if bool(self.questions) != (self.kind == "questions"):
            raise ValueError(f"a task of kind {self.kind} has {len(self.questions)} questions")
        units = len(self.responses[0].steps) if self.kind == "steps" else n
        if self.evidence and len(self.evidence) != units:
            raise ValueError(f"{len(self.evidence)} pieces of evidence for {units}")
        for label in (self.gold, self.suggestion):
            if label and (wrong := fits(label, self.kind, n, self.steps, self.questions)):
                raise ValueError(f"a label of the task does not fit it: {wrong}")
        if not self.id:
            object.__setattr__(self, "id", self._name())
        return self

    @property
    def steps(self) -> int:
        """Number of steps of the one response, of a task of kind steps; 0 of any other."""
        return len(self.responses[0].steps) if self.kind == "steps" else 0

    def _name(self) -> str:
        """Sixteen hex digits of what is shown and asked; machines' hints change no name."""
        shown = self.model_dump_json(include={"kind", "prompt", "responses", "questions", "mode"})
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    @classmethod
    def pair(cls, prompt: Prompt, first: Response, second: Response, **others: Any) -> Self:
        """Two responses to compare."""
        return cls(kind="pair", prompt=prompt, responses=(first, second), **others)
