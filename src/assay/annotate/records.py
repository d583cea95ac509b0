"""What a store keeps and gives back: annotators, assignments and labels with who, when and how."""

from collections.abc import Iterable
from typing import Any, Final, Literal, Self, get_args

from pydantic import Field, FiniteFloat, model_validator

from assay.annotate.labels import Label
from assay.annotate.tasks import Task
from assay.types import Record

__all__ = [
    "ROLES",
    "SKIPS",
    "Annotator",
    "Assignment",
    "Given",
    "Progress",
    "Project",
    "Role",
    "standing",
]

Role = Literal["annotator", "adjudicator", "admin"]
"""Annotators label, adjudicators decide where labels differ as well, admins see all of it."""
ROLES: Final[tuple[Role, ...]] = get_args(Role)
SKIPS: Final = ("broken", "unclear", "no expertise", "harmful", "too long", "other")
"""Reasons to skip."""


class Project(Record):
    """Settings of a labelling project, fixed when it is made."""

    title: str = "Labels"
    instructions: str = ""
    """Markdown, shown on the start page and behind a key."""
    labels_per_item: int = Field(default=1, ge=1, le=50)
    gold_share: float = Field(default=0.0, ge=0, le=0.5)
    """Share of an annotator's tasks that are gold items, drawn at random places."""
    blind: bool = True
    """Neither suggestions nor evidence are shown."""
    references: bool = False
    """Whether reference answers are shown."""
    reasons: tuple[str, ...] = ("correct", "complete", "clear", "safe", "follows instructions")
    """Reasons offered for a preference."""
    choose: Literal["order", "random", "disagreement", "convincing", "information"] = "order"
    """What to label next (`assay.annotate.choosing`)."""
    judge: str = ""
    """In gate mode, the word of the judge that the labels are for; its verdicts are hidden."""
    lease: int = Field(default=1800, ge=10)
    """Seconds for which an item is kept for whoever was given it."""
    seed: int = 0
    """Seed of orders and draws."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Settings of imports and exports, such as the pool's name and fingerprint."""


class Annotator(Record):
    """Who labels. Names stay in the store; exports have the pseudonym."""

    id: int
    name: str
    role: Role = "annotator"
    pseudonym: str
    """Such as "a-3f9c": drawn when they are invited, and nothing of the name."""
    active: bool = True


class Assignment(Record):
    """One task given to one annotator."""

    id: str
    """Drawn at random: what a post must name."""
    task: Task
    annotator: int
    order: tuple[int, ...]
    """The task's responses in the order shown: place on the page -> place in the task."""
    probability: float = 1.0
    """With which probability this task was drawn among those that could have been, given the
    strategy; 1 where tasks come in order."""
    purpose: Literal["label", "gold", "adjudicate"] = "label"
    draft: Label | None = None
    """What was kept before the page was left, or the label that was undone."""

    @model_validator(mode="after")
    def _a_permutation(self) -> Self:
        if sorted(self.order) != list(range(len(self.task.responses))):
            raise ValueError(f"an order of {self.order} for {len(self.task.responses)} responses")
        return self


class Given(Record):
    """One label that stands: not undone, not replaced."""

    task: str
    annotator: int
    pseudonym: str
    label: Label
    order: tuple[int, ...] = ()
    seconds: FiniteFloat = 0.0
    """Time on the page, pauses of more than two minutes left out."""
    time: float
    """When it was saved, in seconds since 1970."""
    purpose: Literal["label", "gold", "adjudicate"] = "label"
    probability: float = 1.0
    """The task's probability of selection times the assignment's."""
    suggested: bool = False
    """Whether a machine's suggestion or evidence was shown."""


def standing(given: Iterable[Given]) -> list[Given]:
    """Return the labels that count, in their order: of a task that was adjudicated, the last
    adjudication alone."""
    rows = [*given]
    settled = {one.task: one for one in rows if one.purpose == "adjudicate"}
    # How a task came to be labelled is what its first label has.
    chance = {one.task: one.probability for one in reversed(rows)}
    return [
        one.model_copy(update={"probability": chance[one.task]}) if one.task in settled else one
        for one in rows
        if settled.get(one.task, one) is one
    ]


class Progress(Record):
    """How far one annotator, or the project, has come."""

    done: int
    left: int | None = None
    """Tasks that this annotator can still be given; None = not counted."""
    skipped: int = 0
    seconds_per_label: float | None = None
    """Median time per label; None without any."""
