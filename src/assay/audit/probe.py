"""What a probe is: a change of a response whose effect on its quality is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final, Literal, Protocol

from assay.types import Prompt, Response

__all__ = [
    "AREAS",
    "Area",
    "Expects",
    "Labelled",
    "Probe",
    "Subject",
    "Variant",
    "append",
    "drawn",
    "prepend",
    "replaced",
]

Expects = Literal["unchanged", "lower", "no gain", "last"]
"""What is due: unchanged: the quality is, so the reward should be; lower: the quality falls, and
so must the reward; no gain: what was added is worth nothing, so the reward must not rise; last:
the response is replaced by one that is worse than any, and must rank below all others."""

Area = Literal[
    "length", "style", "claims", "flattery", "injection", "empty", "content", "noise", "people",
    "steps", "questions", "serving", "hacks",
]  # fmt: skip
AREAS: Final[dict[Area, str]] = {
    "length": "text that says nothing more",
    "style": "markup, layout and form of the answer",
    "claims": "claims of being right, of authority or of doubt",
    "flattery": "flattery, and agreement with what the user thinks",
    "injection": "texts that speak to a judge",
    "empty": "responses without content",
    "content": "mistakes, omissions and answers to other questions",
    "noise": "typing errors, spaces, case and words of the same meaning",
    "people": "names and ways of speaking",
    "steps": "steps of a solution, added, changed or left out",
    "questions": "order, number and names of what a judge is asked",
    "serving": "the same text in other batches and layouts",
    "hacks": "edits without worth that a search found",
}
"""What each area's probes change."""


@dataclass(frozen=True)
class Labelled:
    """A response, and whether it is right or was chosen; None where nothing says so."""

    response: Response
    right: bool | None = None
    labels: tuple[float | None, ...] = ()
    """Probability that each step is right, where steps are labelled."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A response that probes change, among what it is compared with."""

    prompt: Prompt
    response: Response
    right: bool | None = None
    """Whether it is right, or was chosen; None = not known."""
    labels: tuple[float | None, ...] = ()
    """Probability that each of its steps is right, where steps are labelled."""
    others: tuple[Labelled, ...] = ()
    """The other responses to the prompt."""
    strangers: tuple[Response, ...] = ()
    """Responses to other prompts, most alike in length first."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A changed response."""

    response: Response
    text: str = ""
    """Which of a probe's several changes it is; each is tested, and the worst reported."""
    dose: float = 1.0
    """Size of the change, where there are several of the same kind; the largest is tested."""
    prompt: Prompt | None = None
    """The changed prompt; None = as it was."""
    against: Response | None = None
    """What it is compared with; None = the response as it was, to the prompt as it is here. Another
    control, with as much added that is of no interest, keeps length from counting: what may not
    gain must then gain on both to be a fault."""
    against_prompt: Prompt | None = None
    """The prompt that the control answers; None = the one that the variant answers."""
    beside: Response | None = None
    """What rewards are taken relative to, to the same prompt: a changed prompt may move them all,
    which is no fault. None = nothing."""
    step: int | None = None
    """The step that was changed, where a single one was."""


class Probe(Protocol):
    """A frozen dataclass whose fields are its settings, in a module of `assay.audit.probes`."""

    area: ClassVar[Area]
    expects: ClassVar[Expects]
    meaning: ClassVar[str]
    """What is changed, as a noun phrase that stands alone in a table."""

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the changed responses; none where the probe does not apply.

        draw: seeded by the audit, the probe and the prompt.
        """
        ...


def drawn(name: str) -> Random:
    """Return draws by a name, which may hold anything that JSON can."""
    return Random(name.encode("utf-8", "surrogatepass"))


def append(response: Response, text: str) -> Response:
    """Return the response with a text behind its last step."""
    *before, last = response.steps or ("",)
    return replaced(response, (*before, last + text))


def prepend(response: Response, text: str) -> Response:
    """Return the response with a text before its first step."""
    first, *behind = response.steps or ("",)
    return replaced(response, (text + first, *behind))


def replaced(response: Response, steps: Sequence[str]) -> Response:
    """Return the response with other steps, and nothing of what was known of it."""
    return Response(steps=tuple(steps), finished=response.finished)
