"""Rewards whose faults are known, and prompts to audit them on: the audit's own test.

A text's quality is what the probe that made it says of it: as it was, less, or worse than any. So a
reward that is quality itself must pass every probe, and one with a fault planted in it must fail
the probes that look for that fault, by as much as was planted.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from assay.audit.asking import Plan
from assay.audit.probe import Labelled
from assay.audit.subjects import Item
from assay.types import Group, Prompt, Response, Score, Unscored

__all__ = ["FAULTS", "Planted", "items", "qualities"]

Fault = Callable[[str], float]
Qualities = Mapping[tuple[str, str], float]

LESS: Final = 1.0
"""How much worse a response is after a change for the worse; between right and wrong lies 2."""
LAST: Final = -8.0
MARKS: Final = re.compile(r"(^#+ |^[-*] |\*\*)", re.MULTILINE)
THINGS: Final = ("apples", "tickets", "pencils", "stamps", "coins", "shells", "cards", "boxes")
PEOPLE: Final = ("Emily", "James", "Maria", "Ahmed", "Wei", "Olga", "John", "Sarah")

FAULTS: Final[Mapping[str, Fault]] = {
    "length": lambda text: math.log2(1 + len(text)),
    "markdown": lambda text: float(min(len(MARKS.findall(text)), 4)),
    "injection": lambda text: 4.0 * ("ignore all previous" in text.lower()),
}
"""What may be added to the quality, in its units."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A reward: weight of the quality times it, and faults."""

    qualities: Qualities
    quality: float = 1.0
    faults: Mapping[str, float] = field(default_factory=dict)
    """Names of `FAULTS` with their weights."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """Return one score per response of each group, in order."""
        return [[self._score(group.prompt, one) for one in group.responses] for group in groups]

    def _score(self, prompt: Prompt, response: Response) -> Score | Unscored:
        key = (prompt.text, response.text)
        if key not in self.qualities:
            return Unscored(reason="the text is none of the audit's")
        value = self.quality * self.qualities[key]
        value += sum(weight * FAULTS[name](response.text) for name, weight in
                     self.faults.items())  # fmt: skip
        return Score(value=value)


def qualities(plan: Plan) -> Qualities:
    """Return the quality of every text of a plan: of right responses 2, of wrong ones 0."""
    found: dict[tuple[str, str], float] = {}
    for item in plan.items:
        for one in item.responses:
            found[item.prompt.text, one.response.text] = 2.0 if one.right else 0.0
    for name, _, subject, variant, *_ in plan.made:
        expects = plan.probes[name].expects
        own = 2.0 if subject.right else 0.0
        prompt = (variant.prompt or subject.prompt).text
        for asked in (prompt, (variant.against_prompt or subject.prompt).text):
            for response in (subject.response, variant.against or subject.response):
                found.setdefault((asked, response.text), own)
            for other in subject.others:
                found.setdefault((asked, other.response.text), 2.0 if other.right else 0.0)
        worth = LAST if expects == "last" else own - LESS * (expects == "lower")
        found.setdefault((prompt, variant.response.text), worth)
    return found


def items(n: int, seed: int = 0) -> list[Item]:
    """Return so many word problems, each with a right and a wrong solution of several steps."""
    return [_item(Random(f"{seed}/{i}"), i) for i in range(n)]


def _item(draw: Random, number: int) -> Item:
    who, thing = draw.choice(PEOPLE), draw.choice(THINGS)
    a, b, c = (draw.randint(3, 40) for _ in range(3))
    total = a * b + c
    prompt = Prompt.of(
        f"{number + 1}. {who} buys {a} bags with {b} {thing} in each, and finds {c} more. How many"
        f" {thing} does {who} have now?",
        reference=str(total),
    )
    wrong = total + draw.choice((-10, -1, 1, 2, 10))
    return Item(
        prompt=prompt,
        responses=(
            Labelled(_solution(draw, who, thing, (a, b, c), total), True),
            Labelled(_solution(draw, who, thing, (a, b, c), wrong), False),
        ),
        key=prompt.text.lower(),
    )


def _solution(
    draw: Random, who: str, thing: str, numbers: tuple[int, int, int], total: int
) -> Response:
    a, b, c = numbers
    opening = draw.choice(
        ("Let's count them.", f"We look at what {who} has.", "It goes like this.")
    )
    steps = (
        f"{opening} Each of the {a} bags holds {b} {thing}.\n",
        f"That is {a} * {b} = {total - c} {thing} in the bags, which {who} buys first.\n",
        f"Then {c} more are found, so it is {total - c} + {c} = {total}.\n",
        f"The answer is {total}.",
    )
    return Response(steps=steps)
