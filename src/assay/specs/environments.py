"""Environments by word: `calculator`, or one of one's own, with settings behind."""

from collections.abc import Mapping
from typing import Any, Final

from assay import components
from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.protocols import Environment
from assay.specs.words import built, cut, parse, refuse_address
from assay.worlds.calculator.environment import Calculator

__all__ = ["ENVIRONMENTS", "environment"]

ENVIRONMENTS: Final[Mapping[str, type[Any]]] = {"calculator": Calculator}
"""Environments by name."""


def environment(word: str | Environment) -> Environment:
    """Open the environment that a word names. An environment is returned as it is.

    Raises `ConfigError` for a word that names none, with what there is.
    """
    if not isinstance(word, str):
        return word
    parsed = parse(word)
    name = parsed.plain
    if name in ENVIRONMENTS:
        known: Environment = built(ENVIRONMENTS[name], name, parsed.settings)
        return known
    refuse_address(name, "environment", "give calculator, or package.module:name")
    if not cut(parsed.what, ":")[1]:
        raise ConfigError(
            f"no environment is called {name!r}{did_you_mean(name, ENVIRONMENTS)}; there is"
            f" {', '.join(ENVIRONMENTS)}, or give package.module:name"
        )
    found: Any = components.imported(name)
    if isinstance(found, type):
        found = built(found, name, parsed.settings)
    elif parsed.settings:
        given = ", ".join(key for key, _ in parsed.settings)
        raise ConfigError(f"{word!r}: {given} is of no use, as {name} is made already")
    if not isinstance(found, Environment):
        raise ConfigError(f"{name} is no environment: it needs react(prompt, turns)")
    return found
