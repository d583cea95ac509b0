"""Modules: whose they are, where they lie, which version they have, and what code imports."""

import dis
import functools
import importlib.metadata
import importlib.util
import sys
import sysconfig
import types
from itertools import product
from pathlib import Path

from assay.fingerprint.hashing import hash_of
from assay.renamed import original
from assay.revisions import REVISIONS

__all__ = [
    "imported",
    "imports",
    "installed",
    "names_of",
    "ours",
    "package_of",
    "places_of",
    "revision_of",
    "version_of",
]


def names_of(code: types.CodeType) -> list[str]:
    """Global names that code uses, those of functions inside it too."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    found = dict.fromkeys(code.co_names)
    for each in inner:
        found |= dict.fromkeys(names_of(each))
    return list(found)


def imported(code: types.CodeType, package: str) -> list[str]:
    """Names of modules that code imports, at its top or in functions inside it; of what is imported
    from a package, too, where it is a module."""
    found: set[str] = set()
    lines = list(dis.get_instructions(code))
    for level, names, instruction in zip(lines, lines[1:], lines[2:], strict=False):
        if instruction.opname != "IMPORT_NAME":
            continue
        try:
            name = importlib.util.resolve_name("." * level.argval + instruction.argval, package)
        except ImportError:
            continue
        inner = [f"{name}.{each}" for each in names.argval or ()]
        found |= {each for each in (name, *inner) if ours(each) or places_of(each)}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= set(imported(constant, package))
    return sorted(found)


def imports(source: bytes, file: str, package: str) -> list[str]:
    """Names of modules that a module's source imports; none where it is no Python."""
    try:
        return imported(compile(source, file, "exec", dont_inherit=True), package)
    except (SyntaxError, ValueError):
        return []


def package_of(module: str) -> str:
    """The package that a module's relative imports start from."""
    found = sys.modules.get(module)
    package = getattr(found, "__package__", None)
    if isinstance(package, str):
        return package
    return (
        module
        if any(not place.endswith(".py") for place in places_of(module))
        else module.rpartition(".")[0]
    )


def ours(module: str) -> bool:
    """Tell whether a module is of this library."""
    return module == "assay" or module.startswith("assay.")


def revision_of(name: str) -> str:
    """Return the revision of the package that a `module` or `module:name` of ours came from.

    A package without one is named by its source.
    """
    _, _, inside = original(name).partition(".")
    package = inside.partition(":")[0].partition(".")[0]
    if package in REVISIONS:
        return REVISIONS[package]
    return _source_of(".".join(name.partition(":")[0].split(".")[:2]))


@functools.cache
def _source_of(room: str) -> str:
    """Hash of a package's or a module's source."""
    files: list[Path] = []
    for place in map(Path, places_of(room)):
        package = place.is_dir() or (place.name == "__init__.py" and room != "assay")
        folder = place if place.is_dir() else place.parent
        files += sorted(folder.rglob("*.py")) if package else [place]
    parts: list[str | bytes] = []
    for file in files:
        parts += [file.name, file.read_bytes()]
    return hash_of(*parts).hex()


@functools.cache
def installed(module: str) -> bool:
    """Whether a module is the standard library's or an installed library's, and not a user's
    own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    places = places_of(top) or places_of(module)
    homes = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    found = [Path(place).resolve() for place in places]
    return any(place.is_relative_to(home) for place, home in product(found, homes))


def places_of(module: str) -> list[str]:
    """The file or the folders of a module, imported or not."""
    found = sys.modules.get(module)
    if found is not None:
        file = getattr(found, "__file__", None)
        return [file] if file else list(getattr(found, "__path__", ()))
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())


@functools.cache
def _distributions() -> dict[str, str]:
    """The first distribution that brings each top-level module."""
    return {
        module: names[0] for module, names in importlib.metadata.packages_distributions().items()
    }


@functools.cache
def version_of(module: str) -> str:
    """Version of the library that a module is of; the hash of its source where it has none."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:2]))
    version = getattr(sys.modules.get(top), "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return importlib.metadata.version(_distributions().get(top, top))
    except importlib.metadata.PackageNotFoundError:
        return _source_of(top) if places_of(top) else ""
