"""Verifiers by name: `numeric`, `math`, or a class of one's own as `package.module:Class`."""

from collections.abc import Callable
from typing import Any

from assay import components
from assay.errors import ConfigError
from assay.protocols import Verifier
from assay.scorers.opened import BatchVerifier, OpenedVerifier

__all__ = ["made", "opened", "verifier"]


def verifier(name: str) -> Verifier:
    """The verifier of a name."""
    if name in ("numeric", "math"):
        from assay.verifiers import Math, Numeric

        return Numeric() if name == "numeric" else Math()
    if ":" not in name:
        raise ConfigError(
            f"no verifier is called {name!r}; there is numeric, math, or give package.module:Class"
        )
    found = made(components.load("verifiers", name), name)
    if not isinstance(found, Verifier):
        raise ConfigError(f"{name} is no verifier: it needs extract, canonical and verify")
    return opened(found, name)


def made(cls: Callable[[], Any], name: str) -> Any:
    """An object of a class that was given by name. Raises `ConfigError` where it takes more than
    its name."""
    try:
        return cls()
    except Exception as error:
        raise ConfigError(
            f"{name} cannot be made without arguments: {type(error).__name__}: {error}"
        ) from error


def opened(found: Verifier, name: str) -> Verifier:
    """A verifier that was given by name: what fails in it is an error that names it."""
    return (BatchVerifier if hasattr(found, "check_all") else OpenedVerifier)(found, name)
