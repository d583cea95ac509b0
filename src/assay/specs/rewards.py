"""Rewards by word: a scorer's word, and behind it how its scores are paid."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from assay.aggregation import AGGREGATIONS
from assay.errors import ConfigError
from assay.protocols import Scorer
from assay.rl.rewards import PLACEMENTS
from assay.rl.scoring import Part
from assay.rl.transforms import (
    PAR,
    Centre,
    Clip,
    Gate,
    LengthPenalty,
    Overlong,
    Standardise,
    Transform,
)
from assay.specs.compute import Weights
from assay.specs.scorers import named, open_word, scorer
from assay.specs.words import UnknownKey, Word, parse

__all__ = ["named", "part", "reward", "scorer"]

TRANSFORMS: Final[Mapping[str, Callable[[str], Transform]]] = {
    "centre": lambda text: Centre(),
    "standardise": lambda text: Standardise(),
    "clip": lambda text: Clip(*_numbers(text, 2, "clip")),
    "par": lambda text: PAR(int(_numbers(text or "10", 1, "par")[0])),
    "length": lambda text: LengthPenalty(_numbers(text, 1, "length")[0]),
    "overlong": lambda text: Overlong(*(int(x) for x in _numbers(text, 2, "overlong"))),
    "gate": lambda text: Gate(pattern=text),
}
TEXTS: Final = ("name", "place", "aggregate")
FLAGS: Final = ("factor", "each_part")
NUMBERS: Final = tuple(
    field.name
    for field in fields(Part)
    if field.name not in (*TEXTS, *FLAGS, "scorer", "transforms")
)


def reward(
    word: str | Part | Scorer | Callable[..., Any],
    device: str = "auto",
    *,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
) -> Part:
    """Open a part of the reward: a scorer, and how its scores are paid.

    A part is returned as it is, and a scorer or a function is paid at the end of the response.
    Raises `ConfigError` naming the word that means nothing.
    """
    if isinstance(word, Part):
        return word
    place: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "weights": weights,
        "micro_tokens": micro_tokens,
    }
    if not isinstance(word, str):
        name = getattr(word, "__name__", type(word).__name__)
        return Part(name=name, scorer=scorer(word, **place))
    parsed = parse(word)
    settings: dict[str, Any] = {"name": parsed.called}
    transforms: list[Transform] = []
    for key, value in parsed.settings:
        if key in TRANSFORMS:
            transforms.append(TRANSFORMS[key](value or ""))
        elif key in TEXTS:
            settings[key] = value
        elif key in FLAGS:
            if value is not None:
                raise ConfigError(f"{key}={value}: {key} stands alone, without a value")
            settings[key] = True
        elif key in NUMBERS:
            settings[key] = _numbers(value or "", 1, key)[0]
    _check(parsed, settings)
    ours = (*TRANSFORMS, *TEXTS, *FLAGS, *NUMBERS)
    try:
        inner = open_word(parsed.without(ours), **place)
    except UnknownKey as error:
        raise UnknownKey(word, error.key, sorted({*ours, *error.known})) from error
    return Part(scorer=inner, transforms=tuple(transforms), **settings)


def _check(word: Word, settings: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for a placement or an aggregation that there is not, before a model is
    loaded."""
    if (place := settings.get("place", "terminal")) not in PLACEMENTS:
        raise ConfigError(
            f"reward {word.text!r}: no placement is called {place!r}; there is"
            f" {', '.join(PLACEMENTS)}"
        )
    if (how := settings.get("aggregate")) is not None and how not in AGGREGATIONS:
        raise ConfigError(
            f"reward {word.text!r}: no aggregation is called {how!r}; there is"
            f" {', '.join(AGGREGATIONS)}"
        )
    if how is not None and place != "terminal":
        raise ConfigError(
            f"reward {word.text!r}: aggregate makes one score of all steps, and {place} pays each;"
            " drop one"
        )


def _numbers(text: str, count: int, key: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(":")]
    except ValueError:
        found = []
    if len(found) != count:
        raise ConfigError(f"{key}={text}: give {' : '.join(['a number'] * count)}")
    return found


part = reward
"""The old name."""
