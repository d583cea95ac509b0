"""Times of day: "3:30 pm" is "3:30", and neither "3:30 am" nor "3:31"."""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Clock", "read_clock"]

_TIME: Final = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?\s*(?:\\text\s*\{\s*)?"
    r"(?P<half>[ap]\.?\s?m\b\.?)?\s*\}?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, and the half of the day where it is told."""

    seconds: int
    """Since midnight or noon; since midnight where the hour is above twelve."""
    half: str = ""
    """"a", "p", or "" where it is not told."""

    def is_same(self, other: "Clock") -> bool:
        """Return whether it is the same time; a side that does not tell the half of the day takes
        the other's."""
        return self.seconds == other.seconds and (
            self.half == other.half or not (self.half and other.half)
        )


def read_clock(text: str) -> Clock | None:
    """A normalised text that is a time: with a colon, or with am or pm; None for any other."""
    match = _TIME.fullmatch(text)
    if match is None or not (match["minute"] or match["half"]):
        return None
    hour, half = int(match["hour"]), (match["half"] or "")[:1].lower()
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    if hour > 12:  # 15:30 is 3:30 pm
        hour, half = hour - 12, "p"
    seconds = hour % 12 * 3600 + int(match["minute"] or 0) * 60 + int(match["second"] or 0)
    return Clock(seconds, half)
