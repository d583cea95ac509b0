"""Find components by name. A component is one module in its kind's package, and its name is the
module's.

A module holds exactly one frozen dataclass in `__all__`: the fields are the settings, the
docstrings the help. Others' components are found through entry points (group `assay.<kind>`, e.g.
`assay.losses`) or written `package.module:Class`.
"""

import functools
import importlib
import pkgutil
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from assay.errors import ConfigError
from assay.renamed import current

__all__ = ["KINDS", "load", "name_of", "names"]

KINDS = {
    "benchmarks": "assay.benchmarks",
    "formats": "assay.data.formats",
    "losses": "assay.losses",
    "search": "assay.search",
}
"""Kind -> the package that holds its modules."""


def names(kind: str) -> list[str]:
    """The names on offer, without importing any of them."""
    package = importlib.import_module(KINDS[kind])
    ours = {
        m.name.replace("_", "-")
        for m in pkgutil.iter_modules(package.__path__)
        if not m.name.startswith("_")
    }
    return sorted(ours | _installed(kind).keys())


@functools.cache
def _installed(kind: str) -> dict[str, EntryPoint]:
    """Components of other distributions, by name; kept, since finding them reads every one's
    metadata."""
    return {entry.name: entry for entry in entry_points(group=f"assay.{kind}")}


def load(kind: str, name: str) -> type[Any]:
    """The class behind a name, or behind a `package.module:Class` path."""
    if ":" in name:
        module, attribute = current(name).split(":", 1)
        try:
            return cast(type[Any], getattr(importlib.import_module(module), attribute))
        except Exception as error:
            raise ConfigError(
                f"{name!r} cannot be imported ({type(error).__name__}: {error}); give"
                " importable.module:Class"
            ) from error
    if (entry := _installed(kind).get(name)) is not None:
        return cast(type[Any], entry.load())
    if name not in names(kind):
        there = ", ".join(names(kind))
        raise ConfigError(
            f"no {kind} component is called {name!r}; there is {there}, or give"
            " package.module:Class"
        )
    module_ = importlib.import_module(f"{KINDS[kind]}.{name.replace('-', '_')}")
    (public,) = module_.__all__
    return cast(type[Any], getattr(module_, public))


def name_of(cls: type) -> str:
    """The `kind/name` that finds a component class again; "any/package.module:Class" from
    outside."""
    package, _, module = cls.__module__.rpartition(".")
    for kind, home in KINDS.items():
        if package == home:
            return f"{kind}/{module.replace('_', '-')}"
    return f"any/{cls.__module__}:{cls.__qualname__}"
