"""Which language a text is in, by `langdetect`, made deterministic.

langdetect samples n-grams: unseeded, it may answer differently each time. Here it has a fixed seed,
profiles loaded in a fixed order, and an object of its own, so that nobody else's use of the library
is changed. It reads the first 10,000 characters. Chinese it takes for Korean now and then: what has
no letter of Hangul is not Korean here, and what has no kana not Japanese.
"""

import functools
import re
from pathlib import Path
from typing import Any, Final

from assay.errors import ConfigError, MissingExtra
from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged

__all__ = ["MIN_CONFIDENCE", "MIN_LETTERS", "check_language", "known", "probabilities"]

MIN_LETTERS: Final = 20
"""Texts with fewer letters are too short to tell."""

MIN_CONFIDENCE: Final = 0.8
LIMIT: Final = 10_000
SCRIPTS: Final = {
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]"),
    "ja": re.compile("[\u3040-\u30ff]"),
}


def check_language(
    stage: str,
    text: str,
    language: str,
    *,
    min_letters: int = MIN_LETTERS,
    min_confidence: float = MIN_CONFIDENCE,
) -> Verdict:
    """Right if the language has at least this probability, wrong if it has at most 1 minus that,
    else undecided."""
    letters = sum(map(str.isalpha, text[:LIMIT]))
    found = probabilities(text[:LIMIT]) if letters >= min_letters else {}
    if not found:
        reason = f"too short to tell the language: {letters} letters, {min_letters} needed"
        return Verdict(outcome="undecided", reason=reason, stage=stage)
    chance = sum(
        p for name, p in found.items() if name == language or name.startswith(f"{language}-")
    )
    best = max(found, key=lambda name: found[name])
    reason = f"it reads as {best} with probability {found[best]:.2f}; {language} asked for"
    if 1 - min_confidence < chance < min_confidence:
        return Verdict(outcome="undecided", reason=f"{reason} ({chance:.2f})", stage=stage)
    return judged(stage, chance >= min_confidence, reason)


def known(language: str) -> str:
    """The code, if langdetect tells the language; "zh" is both zh-cn and zh-tw. Raises
    `ConfigError` if it does not."""
    codes = sorted(_factory().langlist)
    if language not in {*codes, *(code.partition("-")[0] for code in codes)}:
        raise ConfigError(f"language {language!r} cannot be told; there is {', '.join(codes)}")
    return language


@functools.lru_cache(maxsize=256)
def probabilities(text: str) -> dict[str, float]:
    """Language -> probability; empty where the text has nothing to go by."""
    from langdetect.lang_detect_exception import LangDetectException  # type: ignore[import-untyped]

    detector = _factory().create()
    detector.append(text)
    try:
        detector.get_probabilities()
    except LangDetectException:
        return {}
    found = dict(zip(detector.langlist, detector.langprob, strict=True))
    possible = {
        name: p for name, p in found.items() if name not in SCRIPTS or SCRIPTS[name].search(text)
    }
    whole = sum(possible.values())
    return {name: p / whole for name, p in possible.items()} if whole > 0 else {}


@functools.cache
def _factory() -> Any:
    try:
        from langdetect import detector_factory  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("telling a text's language", "rules") from error
    factory = detector_factory.DetectorFactory()
    # The order of the files decides the order of the sums, and a folder's order differs between
    # machines.
    files = sorted(
        path for path in Path(detector_factory.PROFILES_DIRECTORY).iterdir() if path.is_file()
    )
    factory.load_json_profile(
        [path.read_text("utf-8") for path in files if not path.name.startswith(".")]
    )
    factory.set_seed(0)
    return factory
