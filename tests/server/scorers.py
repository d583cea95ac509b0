"""Scorers whose numbers can be counted by hand: characters that are read."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.models.readout import PREFERENCE, Readout
from assay.scorers.reading import Reading
from assay.types import Group, Prompt, Response, Score, Unscored


def shown(prompt: Prompt, response: Response) -> str:
    """All that a model reads, a character a token."""
    if isinstance(response.rendered, tuple):
        return "".join(map(chr, response.rendered))
    if response.rendered is not None:
        return response.rendered
    turns = "".join(f"{turn.role[0]}:{turn.text}|" for turn in response.turns)
    return "".join(f"{m.content}|" for m in prompt.messages) + (turns or response.text)


@dataclass(frozen=True)
class Characters:
    """What a response says, in characters; "unscorable" cannot be scored. A label "L" adds 100."""

    parts: bool = False
    fingerprint: str = "characters"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[self._one(group.prompt, r) for r in group.responses] for group in groups]

    def _one(self, prompt: Prompt, response: Response) -> Score | Unscored:
        if "unscorable" in response.answer:
            return Unscored(reason="cannot be scored")
        value = len(response.text) + 100.0 * (prompt.reference == "L")
        return Score(value=value, parts={"half": value / 2} if self.parts else {})


@dataclass(frozen=True)
class Model:
    """A logit of a tenth of the characters that are read, up to the end or to every "#"."""

    readout: Readout = PREFERENCE
    fingerprint: str = "model"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[reading.score for reading in row] for row in self.readings(groups)]

    def readings(self, groups: Sequence[Group]) -> list[list[Reading]]:
        return [[self._one(shown(g.prompt, r)) for r in g.responses] for g in groups]

    def _one(self, text: str) -> Reading:
        ids = tuple(map(ord, text))
        if "unscorable" in text:
            return Reading(score=Unscored(reason="cannot be scored"), ids=ids)
        ends = [i + 1 for i, c in enumerate(text) if c == "#"]
        if self.readout.at == "last_token":
            ends = [len(text)]
        logits = tuple(end / 10 for end in ends)
        return Reading(score=Score(value=logits[-1], steps=logits), logits=logits, ids=ids)


MODEL = Model()
STEPS = Model(Readout(at="step_tag", tag="#", weights=(-1.0, 1.0)))
