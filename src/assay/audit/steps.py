"""Steps of a response as probes change them: its own, or the lines of a text in one piece.

White space around a step stays where it is, so that what is put in, moved or left out looks like
the rest.
"""

from collections.abc import Sequence

from assay.audit.probe import replaced
from assay.data.splitting import Newline
from assay.types import Response

__all__ = ["inserted", "ordered", "parted", "place_of", "rebuilt", "steps_of"]

LINES = Newline()


def steps_of(response: Response) -> tuple[str, ...]:
    """Return a response's steps, or the lines of one in one piece."""
    return response.steps if len(response.steps) > 1 else LINES(response.text)


def rebuilt(response: Response, steps: Sequence[str]) -> Response:
    """Return the response with other steps; one in one piece stays in one."""
    return replaced(response, steps if len(response.steps) > 1 else ("".join(steps),))


def place_of(response: Response, place: int) -> int | None:
    """Return the place of a step as the response has it; None in one piece."""
    return place if len(response.steps) > 1 else None


def parted(step: str) -> tuple[str, str, str]:
    """Return a step's text, with the white space before and behind it apart."""
    text = step.strip()
    before, _, behind = step.partition(text) if text else (step, "", "")
    return before, text, behind


def inserted(steps: Sequence[str], place: int, *texts: str) -> tuple[str, ...]:
    """Return steps with texts between two of them, before the one at `place`, from 1 on."""
    before, behind = parted(steps[place])[0], parted(steps[place - 1])[2]
    return (*steps[:place], *(before + text + behind for text in texts), *steps[place:])


def ordered(steps: Sequence[str], order: Sequence[int]) -> tuple[str, ...]:
    """Return steps in another order."""
    parts = [parted(step) for step in steps]
    return tuple(
        before + parts[other][1] + behind
        for (before, _, behind), other in zip(parts, order, strict=True)
    )
