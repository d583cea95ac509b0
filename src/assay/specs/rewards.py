"""Rewards and gold scorers as words of a command line: a scorer, then settings. No command of its
own."""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay.aggregation import AGGREGATIONS
from assay.errors import ConfigError
from assay.models.words import KEYS as MODEL_KEYS
from assay.protocols import Scorer, Verifier
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
from assay.scorers.baselines import Longest, Random, Shortest
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.function import Called
from assay.scorers.lower_bound import LowerBound
from assay.scorers.opened import OpenedScorer
from assay.scorers.verifier import Verified
from assay.specs.verifiers import made, opened, verifier

if TYPE_CHECKING:
    from assay.models.checkpoint import Dtype

__all__ = ["GRAMMAR", "named", "part", "scorer"]

GRAMMAR: Final = (
    "SCORER[,KEY=VALUE...]: a reward model's folder, a published model by the name of its preset"
    " or the hub's (`assay models list`), a verifier (math, numeric), shortest, longest, random,"
    " package.module:name (a scorer, a verifier, or a function of prompts and completions), or an"
    " ensemble of these, mean:A+B+C, worst:A+B+C or uwo:A+B+C (the mean less the members'"
    f" variance). Keys: weight; place ({', '.join(PLACEMENTS)}); aggregate (of the step scores,"
    " where placed at the end); threshold (of below); temperature (of softmin); prover (best of"
    " k); lower_bound (times an ensemble's spread); variance (its weight in uwo, 0.5 where not"
    " given); standard=none (of an ensemble: members' scores as they are, where all are on one"
    " scale); name. Of models that do not say how their texts are laid out: template (chat,"
    " plain), join, system, bos, close, max_length and others, and preset. Transforms, in order:"
    " centre, standardise, clip=LOW:HIGH, par=REFERENCES, length=PRICE, overlong=LIMIT:BUFFER,"
    " gate=REGEX"
)

ENSEMBLES: Final[Mapping[str, Literal["mean", "worst", "uncertainty"]]] = {
    "mean": "mean",
    "worst": "worst",
    "uwo": "uncertainty",
}
UNSTANDARDISED: Final = "standard=none"
"""Behind an ensemble: members' scores as they are, which is right where all are on one scale."""

RULES: Final[Mapping[str, Scorer]] = {
    "shortest": Shortest(),
    "longest": Longest(),
    "random": Random(),
}
_ALSO: Final = (
    f"there is math, numeric, {', '.join(RULES)}, a published model's name (`assay models list`),"
    " package.module:name for your own, and mean:A+B, worst:A+B, uwo:A+B for several"
)


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
    what, *rest = [words] if Path(words).exists() else _parts(words)
    known = {f.name for f in fields(Part)} - {"scorer", "transforms"}
    settings: dict[str, Any] = {"name": Path(what).name or what}
    transforms: list[Transform] = []
    of_model = [
        word for word in rest if word.partition("=")[0] in MODEL_KEYS or word == UNSTANDARDISED
    ]
    inner = scorer(",".join([what, *of_model]), device)
    rest = [word for word in rest if word not in of_model]
    for word in rest:
        key, _, value = word.replace(r"\,", ",").partition("=")
        if key in TRANSFORMS:
            transforms.append(TRANSFORMS[key](value))
        elif key == "lower_bound":
            inner = LowerBound(inner, _numbers(value, 1, key)[0])
        elif key == "variance":
            if not isinstance(inner, Ensemble) or inner.how != "uncertainty":
                raise ConfigError(f"reward {words!r}: variance is weighed in uwo:A+B+C only")
            inner = replace(inner, weight=_numbers(value, 1, key)[0])
        elif key not in known:
            keys = sorted(known | {*TRANSFORMS, "lower_bound", "variance", *MODEL_KEYS})
            raise ConfigError(f"reward {words!r}: {key!r} is no key; there is {', '.join(keys)}")
        elif key in ("name", "place", "aggregate"):
            settings[key] = value
        else:
            settings[key] = _numbers(value, 1, key)[0]
    if (place := settings.get("place", "terminal")) not in PLACEMENTS:
        raise ConfigError(
            f"reward {words!r}: no placement is called {place!r}; there is {', '.join(PLACEMENTS)}"
        )
    if (how := settings.get("aggregate")) is not None and how not in AGGREGATIONS:
        raise ConfigError(
            f"reward {words!r}: no aggregation is called {how!r}; there is"
            f" {', '.join(AGGREGATIONS)}"
        )
    if how is not None and place != "terminal":
        raise ConfigError(
            f"reward {words!r}: aggregate makes one score of all steps, and {place} pays each;"
            " drop one"
        )
    return Part(scorer=inner, transforms=tuple(transforms), **settings)


def scorer(
    what: str, device: str = "auto", *, dtype: "Dtype | None" = None, micro_tokens: int = 8192
) -> Scorer:
    """What a word names, with a model's settings behind it (`FOLDER,template=plain`).

    device, dtype and micro_tokens are a model's. Raises `ConfigError` where it names nothing.
    """
    if what in RULES:
        return RULES[what]
    word, *settings = [what] if Path(what).exists() else _parts(what)
    how, colon, members = word.partition(":")
    if colon and how in ENSEMBLES:
        names = members.split("+")
        if len(names) < 2:
            raise ConfigError(f"{what!r} has one member; give two or more, {how}:A+B")
        as_they_are = UNSTANDARDISED in settings
        settings = [word for word in settings if word != UNSTANDARDISED]
        each = {
            f"{name}, {k}": scorer(
                ",".join([name, *settings]), device, dtype=dtype, micro_tokens=micro_tokens
            )
            for k, name in enumerate(names)
        }
        return Ensemble(
            each, how=ENSEMBLES[how], standards=Standards.none(len(each)) if as_they_are else None
        )
    if word in ("math", "numeric"):
        return Verified(verifier(word))
    module, colon, name = word.partition(":")
    if not colon or not module or Path(word).exists():
        return _local(what, device, dtype, micro_tokens)
    if settings:
        raise ConfigError(
            f"{what!r}: {', '.join(settings)} is of a model's texts, and {word} is none"
        )
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ConfigError(f"{what!r} cannot be had: {type(error).__name__}: {error}") from error
    if isinstance(found, type):
        found = made(found, word)
    if isinstance(found, Scorer):
        return found if _ours(found) else OpenedScorer(found, word)
    if isinstance(found, Verifier):
        return Verified(opened(found, word))
    if callable(found):
        return Called(found)
    raise ConfigError(
        f"{what!r} is a {type(found).__name__}; it must score, verify, or be a function"
    )


def _ours(found: object) -> bool:
    return type(found).__module__.partition(".")[0] == "assay"


def _local(what: str, device: str, dtype: "Dtype | None", micro_tokens: int) -> Scorer:
    """A reward model in this process."""
    from assay.models.device import device_of
    from assay.models.opening import open_model, split_words
    from assay.models.presets import PRESETS, REFUSED
    from assay.scorers.local import LocalScorer

    device = device_of(device)
    name, settings = split_words(what)
    published = name in PRESETS or name in REFUSED
    if not Path(name).is_dir() and not published and "/" not in name:
        raise ConfigError(
            f"{name} is no folder of a reward model, and no scorer has that name; {_ALSO}"
        )
    if Path(name).is_dir() and (
        pairs := _of_pairs(Path(name), settings, device, dtype, micro_tokens)
    ):
        return pairs
    try:
        model = open_model(name, settings, dtype=dtype, device=device)
    except ConfigError as error:
        if Path(name).exists() or published:
            raise
        raise ConfigError(f"{error}; {_ALSO}") from error
    return LocalScorer(model, micro_tokens=micro_tokens)


def _of_pairs(
    folder: Path, settings: Mapping[str, str], device: str, dtype: "Dtype | None", micro_tokens: int
) -> Scorer | None:
    """An encoder that reads question and answer as a pair of texts; None where the folder holds
    another model."""
    if not (folder / "config.json").is_file() or (folder / "reward_model.json").is_file():
        return None
    from assay.models.loading import load_config
    from assay.scorers.pairs import PairScorer, reads_pairs

    if not reads_pairs(load_config(folder)):
        return None
    if settings:
        given = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise ConfigError(
            f"{folder} is an encoder, which reads question and answer as a pair of texts and takes"
            f" no settings of a layout; leave out {given}"
        )
    return PairScorer(folder, device=device, dtype=dtype, micro_tokens=micro_tokens)


def _parts(words: str) -> list[str]:
    """Words between commas; one that belongs to a word is written `\\,`."""
    return re.split(r"(?<!\\),", words)


def named(words: Sequence[str], device: str = "cpu") -> dict[str, Scorer]:
    """Gold scorers by name: `NAME=SCORER`, or the scorer alone."""
    found: dict[str, Scorer] = {}
    for word in words:
        first, equals, what = word.partition("=")
        # An equals sign behind a comma is that of a setting.
        if not equals or "," in first or Path(word).exists():
            first, what = Path(word if Path(word).exists() else _parts(word)[0]).name, word
        found[first] = scorer(what, device)
    return found
