"""The nouns: frozen, validated records that round-trip through JSONL.

A response is a tuple of steps, and an answer that nobody split is one step. A scalar reward model
is therefore a step scorer read at the last step, and an outcome label is a step label on the last
step alone; nothing below distinguishes "reward models" from "process reward models".
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from assay.errors import DataError

__all__ = [
    "Group",
    "LabelMeaning",
    "Message",
    "Preference",
    "Probability",
    "Prompt",
    "Ranking",
    "Record",
    "Response",
    "RolloutLabels",
    "Score",
    "StepLabels",
    "ToolCall",
    "Unscored",
    "Verdict",
]

LabelMeaning = Literal["correctness", "monte_carlo"]
"""What a step's label says: that the step is right, or how well a policy finishes from after it."""

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


def unless_empty(default: Any) -> Any:
    """A field that is written only where it holds something: plain records stay as they were."""
    made: dict[str, Any] = {"default_factory": dict} if default == {} else {"default": default}
    return Field(**made, exclude_if=lambda value: not value and value != "")


class Record(BaseModel):
    """Base of every record: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Record):
    """One call of a tool by the assistant, as it was written."""

    name: str
    arguments: str = "{}"
    """The raw text, JSON or not: `parsed` reads it."""
    id: str | None = unless_empty(None)
    """What the tool's answer refers to; None where the source gives none."""
    extra: Mapping[str, Any] = unless_empty({})
    """What else the source says of it."""

    def parsed(self) -> Any:
        """Return the arguments as JSON. Raises `DataError` where they are none."""
        try:
            return json.loads(self.arguments)
        except ValueError as error:
            raise DataError(
                f"the arguments of a call of {self.name} are no JSON: {error}"
            ) from error


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    """The text; of a list of parts, the text parts joined."""
    reasoning: str | None = unless_empty(None)
    """What an assistant thought, where the source keeps it apart from the content."""
    tool_calls: tuple[ToolCall, ...] = unless_empty(())
    tool_call_id: str | None = unless_empty(None)
    """Which call a tool's message answers."""
    name: str | None = unless_empty(None)
    """Who speaks, such as the tool's name."""
    parts: tuple[Mapping[str, Any], ...] = unless_empty(())
    """The content as the source has it, where it is more than one text: images are references."""
    extra: Mapping[str, Any] = unless_empty({})
    """Keys of the source that nothing here stands for."""

    def __hash__(self) -> int:
        """Hash what all messages have: equal messages are equal in it."""
        return hash((self.role, self.content))

    @property
    def text(self) -> str:
        """All that was said, for reading and counting: reasoning, content and calls."""
        thought = [] if self.reasoning is None else [f"<think>{self.reasoning}</think>"]
        calls = [f"{call.name}({call.arguments})" for call in self.tool_calls]
        return "\n".join([*thought, *([self.content] if self.content else []), *calls])


class Prompt(Record):
    """What is answered: a conversation and, where it is known, what a right answer looks like."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = unless_empty(())
    """Definitions of the tools that may be called, each as its source has it."""
    reference: str | None = None
    """Reference answer for a verifier; None for open-ended prompts."""
    id: str = ""
    meta: Mapping[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, text: str, *, reference: str | None = None, id: str = "") -> Self:
        """A prompt of one user message."""
        return cls(messages=(Message(role="user", content=text),), reference=reference, id=id)

    @property
    def text(self) -> str:
        """The messages' contents, joined by blank lines: for reading, hashing and rules, not for a
        model."""
        return "\n\n".join(m.content for m in self.messages)

    @property
    def shown(self) -> tuple[tuple[Message, ...], str]:
        """What a model is shown, to key on: the messages, and the tools as JSON."""
        return self.messages, json.dumps(self.tools, sort_keys=True) if self.tools else ""


class Response(Record):
    """An assistant's answer as a tuple of steps; the text is exactly their concatenation.

    A trajectory is an answer of several turns, with calls of tools and what the environment
    answers between them: there every assistant turn is a step.
    """

    steps: tuple[str, ...]
    finished: bool = True
    """False when it was cut off by a length limit or is a search's unfinished branch."""
    turns: tuple[Message, ...] = unless_empty(())
    """The messages of a trajectory; the assistant's, in order, are the steps."""
    rewards: tuple[FiniteFloat | None, ...] = unless_empty(())
    """A trajectory's reward per step; None = none was given, which is not 0."""
    stop: str | None = unless_empty(None)
    """Why it ended, as the source says."""
    rendered: str | tuple[int, ...] | None = unless_empty(None)
    """Prompt and response as others laid them out: one text with its special tokens, or token ids.
    A model reads it as it is, in place of the messages and steps."""
    meta: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _a_step_per_turn(self) -> Self:
        if self.turns and self.steps != _steps(self.turns):
            raise ValueError(
                "the steps of a trajectory are the texts of its assistant turns; make it by"
                " Response.trajectory(turns)"
            )
        if self.rewards and len(self.rewards) != len(self.steps):
            raise ValueError(f"{len(self.rewards)} rewards for {len(self.steps)} steps")
        return self

    @classmethod
    def of(cls, text: str) -> Self:
        """A response of one step."""
        return cls(steps=(text,))

    @classmethod
    def trajectory(cls, turns: Iterable[Message], **others: Any) -> Self:
        """A response of several turns: every assistant turn is a step."""
        turns = tuple(turns)
        return cls(steps=_steps(turns), turns=turns, **others)

    @property
    def text(self) -> str:
        """The steps, concatenated."""
        return "".join(self.steps)

    @property
    def answer(self) -> str:
        """What a verifier judges: the text, or the content of a trajectory's last assistant
        turn."""
        if not self.turns:
            return self.text
        said = [turn.content for turn in self.turns if turn.role == "assistant"]
        return said[-1] if said else ""


def _steps(turns: Iterable[Message]) -> tuple[str, ...]:
    return tuple(turn.text for turn in turns if turn.role == "assistant")


class Group(Record):
    """Several responses to one prompt: the unit of scoring, so that the shared prompt is computed
    once."""

    prompt: Prompt
    responses: tuple[Response, ...]


class Preference(Group):
    """Two responses and the probability that the first is better."""

    prefer: Probability
    """1 = first chosen, second rejected; 0.5 = tie; 0.7 = seven votes to three."""
    margin: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    """How much better the preferred one is, in reward units (Llama 2, arXiv:2307.09288); None = not
    stated."""

    @model_validator(mode="after")
    def _two(self) -> Self:
        if len(self.responses) != 2:
            raise ValueError(f"a preference holds 2 responses, got {len(self.responses)}")
        return self

    def swap(self) -> "Preference":
        """The same preference with the responses in the other order."""
        first, second = self.responses
        return self.model_copy(update={"responses": (second, first), "prefer": 1.0 - self.prefer})


class Ranking(Group):
    """N responses, each with a grade: higher is better, equal grades are ties.

    It holds K-wise comparisons (only the order matters to the Plackett-Luce loss) and best-of-N
    pools, where the grade is the gold reward, e.g. 1 for a correct answer and 0 for a wrong one.
    """

    grades: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if len(self.grades) != len(self.responses):
            raise ValueError(f"{len(self.grades)} grades for {len(self.responses)} responses")
        return self


class StepLabels(Record):
    """One response with a label a step; an outcome label is a label on the last step alone."""

    prompt: Prompt
    response: Response
    labels: tuple[Probability | None, ...]
    """1 = right, 0 = wrong, between = probability; None = not supervised."""
    meaning: LabelMeaning = "correctness"
    """What the labels were made from; see `aggregation.caution`."""

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if len(self.labels) != len(self.response.steps):
            raise ValueError(f"{len(self.labels)} labels for {len(self.response.steps)} steps")
        return self

    @classmethod
    def outcome(cls, prompt: Prompt, response: Response, label: float) -> Self:
        """The final answer's correctness: a label on the last step alone."""
        return cls(
            prompt=prompt, response=response, labels=(*(None,) * (len(response.steps) - 1), label)
        )


class RolloutLabels(StepLabels):
    """Labels made by rollouts: complete solutions that a policy wrote from after each step, checked
    by a verifier."""

    meaning: LabelMeaning = "monte_carlo"
    right: tuple[int, ...]
    """Rollouts from after each step that ended right. Of a finished one's last step: the response
    itself."""
    rollouts: tuple[int, ...]
    """Those that could be checked; 0 where none was needed, or none was to be had."""
    intervals: tuple[tuple[Probability, Probability], ...]
    """95 % credible interval of what each label states: the policy's chance to end right from after
    the step, or, where the meaning is "correctness", the chance that no step so far is wrong. That
    of a label of 0 or 1 is open to its
    side: no label lies outside its own."""

    @model_validator(mode="after")
    def _counted(self) -> Self:
        counts = {len(self.labels), len(self.right), len(self.rollouts), len(self.intervals)}
        if len(counts) > 1 or not all(
            0 <= r <= n for r, n in zip(self.right, self.rollouts, strict=True)
        ):
            raise ValueError(
                f"{len(self.labels)} labels with {len(self.rollouts)} counts of rollouts,"
                f" {len(self.right)} of right ones and {len(self.intervals)} intervals; give one of"
                " each a step, right <= rollouts"
            )
        return self

    def plain(self) -> StepLabels:
        """The labels without what they rest on."""
        return StepLabels(
            prompt=self.prompt, response=self.response, labels=self.labels, meaning=self.meaning
        )


class Score(Record):
    """What a scorer says of one response; higher is better."""

    value: FiniteFloat
    steps: tuple[FiniteFloat, ...] = ()
    """A score a step, where the scorer has them."""
    std: float | None = None
    """Disagreement of an ensemble's members, where there are any; of a judge, what it is unsure
    of."""
    parts: Mapping[str, FiniteFloat | None] = unless_empty({})
    """What it is made of, by name: criteria, components of a mixture, heads; None = that part could
    not be scored."""
    weights: Mapping[str, FiniteFloat] = unless_empty({})
    """What a unit of each part adds to the value, below 0 for a fault; a part without one adds
    nothing. Empty = not known."""
    critique: str | None = unless_empty(None)
    """What a judge wrote before its verdicts; None = nothing."""

    def __hash__(self) -> int:
        """Hash what all scores have: equal scores are equal in it."""
        return hash((self.value, self.steps))


class Unscored(Record):
    """A response that could not be scored, and why: never 0, never a tie, counted in every
    report."""

    reason: str


class Verdict(Record):
    """What a program that checks says of one response, and how it came to say it."""

    outcome: Literal["right", "wrong", "undecided"]
    """undecided: the check was refused, ran out of time or failed; it is no verdict on the
    response."""
    reason: str = ""
    """Why it is wrong or undecided, for a reader."""
    stage: str = ""
    """The check that decided, in one word: what a report counts."""
    answer: str | None = None
    """What was judged, as the response has it; None where the response states nothing to judge."""
    source: str = ""
    """The policy that found it, such as "boxed"."""
    span: tuple[int, int] | None = None
    """Its place in what was judged, the response's `answer`, in characters."""
    credit: Probability | None = None
    """Share of the tests passed, where part of the credit is given."""

    @property
    def score(self) -> Score | Unscored:
        """1 for right, 0 or the credit for wrong; `Unscored` for undecided."""
        if self.outcome == "undecided":
            return Unscored(reason=self.reason)
        return Score(value=1.0 if self.outcome == "right" else self.credit or 0.0)
