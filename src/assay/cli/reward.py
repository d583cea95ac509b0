"""Rewards and gold scorers as words of a command line: a scorer, then settings. No command of its own."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, Literal

from assay.aggregation import AGGREGATIONS
from assay.errors import ConfigError
from assay.protocols import Scorer, Verifier
from assay.rl.rewards import PLACEMENTS
from assay.rl.scoring import Part
from assay.rl.transforms import PAR, Centre, Clip, Gate, LengthPenalty, Overlong, Standardise, Transform
from assay.scorers.called import Called
from assay.scorers.ensemble import Ensemble
from assay.scorers.lower_bound import LowerBound
from assay.scorers.rules import Longest, Random, Shortest
from assay.scorers.verified import Verified

__all__ = ["GRAMMAR", "named", "part", "scorer"]

GRAMMAR: Final = (
    "SCORER[,KEY=VALUE...]: a reward model's folder, a verifier (math, numeric), shortest, longest, random, "
    "package.module:name (a scorer, a verifier, or a function of prompts and completions), or an ensemble of these, "
    "mean:A+B+C, worst:A+B+C or uwo:A+B+C (the mean less the members' variance). Keys: weight; place "
    f"({', '.join(PLACEMENTS)}); aggregate (of the step scores, where placed at the end); threshold (of below); "
    "temperature (of softmin); prover (best of k); lower_bound (times an ensemble's spread); variance (its weight in "
    "uwo, 0.5 where not given); name. Transforms, in "
    "order: centre, standardise, clip=LOW:HIGH, par=REFERENCES, length=PRICE, overlong=LIMIT:BUFFER, gate=REGEX"
)

ENSEMBLES: Final[Mapping[str, Literal["mean", "worst", "uncertainty"]]] = {
    "mean": "mean",
    "worst": "worst",
    "uwo": "uncertainty",
}
RULES: Final[Mapping[str, Scorer]] = {"shortest": Shortest(), "longest": Longest(), "random": Random()}


def _numbers(text: str, count: int, key: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(":")]
    except ValueError:
        found = []
    if len(found) != count:
        raise ConfigError(f"{key}={text}: give {' : '.join(['a number'] * count)}")
    return found


TRANSFORMS: Final[Mapping[str, Callable[[str], Transform]]] = {
    "centre": lambda text: Centre(),
    "standardise": lambda text: Standardise(),
    "clip": lambda text: Clip(*_numbers(text, 2, "clip")),
    "par": lambda text: PAR(int(_numbers(text or "10", 1, "par")[0])),
    "length": lambda text: LengthPenalty(_numbers(text, 1, "length")[0]),
    "overlong": lambda text: Overlong(*(int(x) for x in _numbers(text, 2, "overlong"))),
    "gate": lambda text: Gate(pattern=text),
}


def part(words: str, device: str = "cpu") -> Part:
    """A part of the reward. Raises `ConfigError` naming the word that means nothing."""
    what, *rest = words.split(",")
    known = {f.name for f in fields(Part)} - {"scorer", "transforms"}
    settings: dict[str, Any] = {"name": Path(what).name or what}
    transforms: list[Transform] = []
    inner = scorer(what, device)
    for word in rest:
        key, _, value = word.partition("=")
        if key in TRANSFORMS:
            transforms.append(TRANSFORMS[key](value))
        elif key == "lower_bound":
            inner = LowerBound(inner, _numbers(value, 1, key)[0])
        elif key == "variance":
            if not isinstance(inner, Ensemble) or inner.how != "uncertainty":
                raise ConfigError(f"reward {words!r}: variance is weighed in uwo:A+B+C only")
            inner = replace(inner, weight=_numbers(value, 1, key)[0])
        elif key not in known:
            keys = sorted(known | {*TRANSFORMS, "lower_bound", "variance"})
            raise ConfigError(f"reward {words!r}: {key!r} is no key; there is {', '.join(keys)}")
        elif key in ("name", "place", "aggregate"):
            settings[key] = value
        else:
            settings[key] = _numbers(value, 1, key)[0]
    if (place := settings.get("place", "terminal")) not in PLACEMENTS:
        raise ConfigError(f"reward {words!r}: no placement is called {place!r}; there is {', '.join(PLACEMENTS)}")
    if (how := settings.get("aggregate")) is not None and how not in AGGREGATIONS:
        raise ConfigError(f"reward {words!r}: no aggregation is called {how!r}; there is {', '.join(AGGREGATIONS)}")
    if how is not None and place != "terminal":
        raise ConfigError(f"reward {words!r}: aggregate makes one score of all steps, and {place} pays each; drop one")
    return Part(scorer=inner, transforms=tuple(transforms), **settings)


def scorer(what: str, device: str = "cpu") -> Scorer:
    """What a word names. Raises `ConfigError` where it names nothing."""
    if what in RULES:
        return RULES[what]
    how, colon, members = what.partition(":")
    if colon and how in ENSEMBLES:
        names = members.split("+")
        if len(names) < 2:
            raise ConfigError(f"{what!r} has one member; give two or more, {how}:A+B")
        return Ensemble({f"{name}, {k}": scorer(name, device) for k, name in enumerate(names)}, how=ENSEMBLES[how])
    if (Path(what) / "reward_model.json").is_file():
        from assay.models import checkpoint
        from assay.scorers.local import LocalScorer

        return LocalScorer(checkpoint.load(what, device=device))
    if what in ("math", "numeric"):
        from assay.cli.label import verifier

        return Verified(verifier(what))
    module, colon, name = what.partition(":")
    if not colon or not module:
        raise ConfigError(
            f"{what!r} is no reward model's folder, and no scorer has that name; there is math, numeric, "
            f"{', '.join(RULES)}, package.module:name for your own, and mean:A+B, worst:A+B, uwo:A+B for several"
        )
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{what!r} cannot be had: {error}") from error
    if isinstance(found, type):
        found = found()
    if isinstance(found, Scorer):
        return found
    if isinstance(found, Verifier):
        return Verified(found)
    if callable(found):
        return Called(found)
    raise ConfigError(f"{what!r} is a {type(found).__name__}; it must score, verify, or be a function")


def named(words: Sequence[str], device: str = "cpu") -> dict[str, Scorer]:
    """Gold scorers by name: `NAME=SCORER`, or the scorer alone."""
    found: dict[str, Scorer] = {}
    for word in words:
        name, equals, what = word.partition("=")
        what = what if equals else name
        found[name if equals else Path(what).name] = scorer(what, device)
    return found
