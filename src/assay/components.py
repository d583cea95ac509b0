"""Find components by name. A component is one module in its kind's package, and its name is the
module's.

A module holds exactly one frozen dataclass in `__all__`: the fields are the settings, the
docstrings the help. Others' components are found through entry points (group `assay.<kind>`, e.g.
`assay.losses`) or written `package.module:Class`.
"""

import functools
import importlib
import pkgutil
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from assay.errors import ConfigError, did_you_mean, place_of
from assay.renamed import current

__all__ = ["KINDS", "did_you_mean", "imported", "load", "name_of", "names", "unknown"]

KINDS = {
    "benchmarks": "assay.benchmarks",
    "formats": "assay.data.formats",
    "losses": "assay.losses",
    "probes": "assay.audit.probes",
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
        return cast(type[Any], imported(name))
    if (entry := _installed(kind).get(name)) is not None:
        return cast(type[Any], entry.load())
    if name not in names(kind):
        raise unknown(kind, name, names(kind))
    module_ = importlib.import_module(f"{KINDS[kind]}.{name.replace('-', '_')}")
    (public,) = module_.__all__
    return cast(type[Any], getattr(module_, public))


def unknown(kind: str, name: str, there: Iterable[str]) -> ConfigError:
    """Return the error of a name that nothing has, with those that there are."""
    there = list(there)
    return ConfigError(
        f"no {kind} component is called {name!r}{did_you_mean(name, there)}; there is"
        f" {', '.join(there)}, or give package.module:Class"
    )


def imported(name: str) -> Any:
    """Return what a `package.module:name` path names; the working folder is searched last.

    Raises `ConfigError` where it cannot be imported, for whatever reason.
    """
    module, _, attribute = current(name).partition(":")
    if "" not in sys.path:
        # A console script's path begins with the script's folder. Last, so that nothing of the
        # working folder hides an installed module.
        sys.path.append("")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except SystemExit as error:  # A script: it would end the command as if all were done.
        raise ConfigError(
            f"{name!r} cannot be imported: it ends the program (sys.exit){place_of(error)}; put"
            " what a script does under `if __name__ == '__main__':`"
        ) from error
    except Exception as error:
        if inside := place_of(error):
            raise ConfigError(
                f"{name!r} cannot be imported: {type(error).__name__}: {error}{inside}; mend that"
                " line, or install what it needs"
            ) from error
        dotted = module.removesuffix(".py").removeprefix("./").replace("/", ".")
        hint = f"; did you mean {dotted}:{attribute}?" if module.endswith(".py") else ";"
        raise ConfigError(
            f"{name!r} cannot be imported ({type(error).__name__}: {error}){hint} give"
            " importable.module:name, of an installed package or of the working folder"
        ) from error
    return found


def name_of(cls: type) -> str:
    """The `kind/name` that finds a component class again; "any/package.module:Class" from
    outside."""
    package, _, module = cls.__module__.rpartition(".")
    for kind, home in KINDS.items():
        # Modules with an underscore hold what components are made of.
        if package == home and not module.startswith("_"):
            return f"{kind}/{module.replace('_', '-')}"
    return f"any/{cls.__module__}:{cls.__qualname__}"
