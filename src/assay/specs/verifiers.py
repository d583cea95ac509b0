"""Verifiers by word: `numeric`, `math`, or a class of one's own, with settings behind them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from assay import components
from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.protocols import Verifier
from assay.scorers.opened import BatchVerifier, OpenedVerifier
from assay.scorers.rule_checks import Rule, Ruled
from assay.specs.words import Word, built, cut, parse, refuse_address
from assay.verifiers import Math, Numeric
from assay.verifiers.rules import checks

__all__ = ["VERIFIERS", "Rules", "opened", "schema_of", "verifier", "verifier_of"]

VERIFIERS: Final[Mapping[str, type[Any]]] = {"math": Math, "numeric": Numeric}
"""Verifiers of final answers by name."""
_SCORERS_ONLY: Final = ("code", "rules")


def verifier(word: str | Verifier) -> Verifier:
    """Open the verifier that a word names; it has a `fingerprint`. A verifier is returned as it is.

    Raises `ConfigError` for a word that names none, with what there is.
    """
    return word if not isinstance(word, str) else verifier_of(parse(word))


def verifier_of(word: Word) -> Verifier:
    """Open the verifier of a word that is taken apart."""
    name = word.plain
    if name in VERIFIERS:
        known: Verifier = built(VERIFIERS[name], name, word.settings)
        return known
    refuse_address(name, "verifier", "give math, numeric, or package.module:Class")
    if name in _SCORERS_ONLY:
        raise ConfigError(
            f"{name} checks whole responses and finds no final answer to compare or vote by; give"
            f" math, numeric or package.module:Class here, and {name} where a scorer is asked for"
        )
    if cut(word.what, ":")[0] == "column":
        raise ConfigError(
            f"{name} is a column of scores, and no verifier; make it the grades of rankings"
            " (--columns prompt=PROMPT,responses=RESPONSES,scores=NAME), which are the gold of"
            " `assay best-of-n`, or sweep by `assay overopt bon --gold-column NAME`"
        )
    if not cut(word.what, ":")[1]:
        hint = did_you_mean(name, VERIFIERS)
        raise ConfigError(
            f"no verifier is called {name!r}{hint}; there is numeric, math, or give"
            " package.module:Class"
        )
    found: Any = components.imported(name)
    if callable(found) and not isinstance(found, Verifier | type):
        raise ConfigError(
            f"{name} is a function; a verifier is an object or a class with extract, canonical and"
            " verify"
        )
    if isinstance(found, type):
        found = built(found, name, word.settings)
    if not isinstance(found, Verifier):
        raise ConfigError(f"{name} is no verifier: it needs extract, canonical and verify")
    return opened(found, name)


def opened(found: Verifier, name: str) -> Verifier:
    """Return a verifier that was given by name: what fails in it is an error that names it."""
    return (BatchVerifier if hasattr(found, "check_all") else OpenedVerifier)(found, name)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules that a response has to keep, beside the instructions that its prompt gives."""

    r1: bool = False
    """DeepSeek-R1's format: <think>...</think> and <answer>...</answer>, each once and in order,
    nothing outside."""

    at_least: int | None = None
    """Fewest units of length."""

    at_most: int | None = None
    """Most units of length."""

    unit: Literal["words", "characters", "lines", "sentences"] = "words"
    """Unit of length."""

    language: str | None = None
    """ISO 639-1 code of the language to write in, such as en."""

    pattern: tuple[str, ...] = ()
    """Regular expressions that have to match somewhere."""

    without: tuple[str, ...] = ()
    """Regular expressions that must not match anywhere."""

    json_schema: Path | None = None
    """File of the JSON schema that the last fenced block of JSON, or else the whole text, has to
    satisfy."""

    credit: Literal["all", "share"] = "all"
    """all: right only where every rule holds. share: a wrong one's score is the share of rules that
    hold."""

    mode: Literal["strict", "loose"] = "strict"
    """Strictness of instructions. loose: a first or last line and stars may be left out (IFEval's
    second way to count)."""

    outside: tuple[str, ...] = ()
    """Instructions of others that prompts may give, each as package.module:Class."""

    def ruled(self) -> Ruled:
        """The scorer that checks them."""
        given: list[Rule] = []
        if self.r1:
            given.append(checks.Format())
        if self.at_least is not None or self.at_most is not None:
            given.append(checks.Length(unit=self.unit, min=self.at_least, max=self.at_most))
        if self.language is not None:
            given.append(checks.Language(language=self.language))
        given += [checks.Pattern(pattern=pattern) for pattern in self.pattern]
        given += [checks.Pattern(pattern=pattern, wanted=False) for pattern in self.without]
        if self.json_schema is not None:
            given.append(checks.JsonSchema(schema=schema_of(self.json_schema)))
        return Ruled(rules=tuple(given), credit=self.credit, mode=self.mode, outside=self.outside)


def schema_of(path: Path) -> dict[str, Any]:
    """Return the JSON schema in a file. Raises `ConfigError` where it holds none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} holds no JSON schema: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON schema but {type(found).__name__}; give an object")
    return found
