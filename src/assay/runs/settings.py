"""A run's settings as JSON: written by every run into `run.json`, read back by `--from`.

JSON has no number that is not finite: among results it is null (`dumps`), among settings its name
("inf").
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_type_hints

from assay import components, renamed
from assay.errors import AssayError, ConfigError
from assay.files import whole, write_atomic

__all__ = [
    "changed_data",
    "differences",
    "dumps",
    "finite",
    "read_body",
    "read_run",
    "run_body",
    "to_json",
    "write_atomic",
    "write_run",
]

T = TypeVar("T")
VERSIONS_OF = ("assay", "numpy", "torch", "transformers", "peft", "tokenizers", "math-verify")
NEUTRAL: Final = frozenset(
    "checkpoint_every chunk device executor fail_on gate micro_tokens out overwrite resume threads"
    " together track".split()
)
"""Settings that say how or where, and change no result."""


def to_json(settings: Any) -> Any:
    """Plain JSON data of a settings dataclass; components carry the name they are found by."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        body = {f.name: to_json(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
        return {"component": components.name_of(type(settings)), **body}
    if isinstance(settings, Path):
        return str(settings)
    if isinstance(settings, (list, tuple)):
        return [to_json(x) for x in settings]
    if isinstance(settings, Mapping):
        return {str(k): to_json(v) for k, v in settings.items()}
    if isinstance(settings, float) and not math.isfinite(settings):
        # null would be read back as a setting left out.
        return str(settings)
    return settings


def dumps(body: Any, indent: int | None = None) -> str:
    """Plain data as JSON that every reader takes: a number that is not finite becomes null."""
    return json.dumps(finite(body), indent=indent, allow_nan=False)


def write_run(folder: Path, settings: object, data: Iterable[Path] = (), **more: Any) -> Path:
    """Write `folder/run.json`: the settings, the seed inside them, package versions and a hash of
    each data file."""
    target = folder / "run.json"
    write_atomic(target, dumps({**run_body(settings, data), **more}, indent=2) + "\n")
    return target


def run_body(
    settings: object, data: Iterable[Path] = (), command: str | None = None
) -> dict[str, Any]:
    """What a `run.json` holds as a run begins.

    command: the command's name, where the settings are a mapping and so do not name it.
    """
    body = to_json(settings)
    module = str(body.get("component", "")).partition("/")[2].partition(":")[0]
    return {
        "run": command or module.removeprefix("assay.cli."),
        "settings": body,
        # A call from Python has no command line of this program.
        "command": sys.argv[1:] if module.startswith("assay.cli.") else [],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": None,
        "versions": {"python": platform.python_version(), **_versions()},
        "data": {str(path): _sha256(path) for path in map(whole, data) if path.is_file()},
        "files": [],
    }


def read_body(path: Path) -> dict[str, Any]:
    """What a `run.json` holds. Raises `ConfigError` where it is none."""
    path = path / "run.json" if path.is_dir() else path
    try:
        body = json.loads(path.read_bytes())
        body["settings"]  # Only a run's file has them.
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist; give a run's folder or its run.json") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a run.json ({error}); give one that a run wrote"
        ) from error
    return cast(dict[str, Any], body)


def changed_data(body: Mapping[str, Any]) -> list[str]:
    """What to say of each data file of a `run.json` that is not what it was."""
    notes = []
    for name, known in body.get("data", {}).items():
        if not Path(name).is_file():
            notes.append(f"{name} is gone; the run read it")
        elif _sha256(Path(name)) != known:
            notes.append(f"{name} has changed since the run read it (its hash is in run.json)")
    return notes


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The settings, by name, and the data files that differ between two `run.json` bodies, but for
    settings that change no result."""
    old, new = (dict(_flat(_today(body["settings"]))) for body in (there, here))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    changed = [
        name
        for name, known in here["data"].items()
        if there.get("data", {}).get(name, known) != known
    ]
    return names + changed


def _today(settings: Any) -> Any:
    """Settings of an earlier version with today's names and defaults; unchanged where they cannot
    be read."""
    try:
        return to_json(_build(settings, "run.json"))
    except (AssayError, AttributeError, TypeError, ValueError):
        return settings


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    of = str(value.get("component", ""))
    for key, below in value.items():
        if key not in NEUTRAL:
            below = renamed.same_value(of, key, below)
            # Both say that nothing is given.
            below = None if below is False or below == "auto" else below
            yield from _flat(below, f"{name}.{key}" if name else key)


def read_run(path: Path, into: type[T]) -> T:
    """The settings saved in a `run.json`, as the dataclass they came from."""
    path = path / "run.json" if path.is_dir() else path
    body = read_body(path)["settings"]
    value = _build(body, where=str(path))
    if not isinstance(value, into):
        raise ConfigError(
            f"{path} holds the settings of {type(value).__name__}, not of {into.__name__}"
        )
    return value


def made(cls: Any, name: str, settings: tuple[str, ...]) -> Any:
    """A component with settings written as KEY=VALUE. Raises `ConfigError` for one it does not have
    or cannot take."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(cls)
    known = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in known:
            raise ConfigError(
                f"{name} has no setting {setting!r}; there is {', '.join(known) or 'none'}, as"
                " KEY=VALUE"
            )
        try:
            values[key] = TypeAdapter(known[key]).validate_python(value)
        except ValidationError as error:
            raise ConfigError(
                f"{name}: {key} cannot be {value!r} ({error.errors()[0]['msg']})"
            ) from error
    return cls(**values)


def _build(body: Any, where: str) -> Any:
    if isinstance(body, list):
        return tuple(_build(x, where) for x in body)
    if not isinstance(body, dict) or "component" not in body:
        return body
    values = dict(body)
    cls = components.load(*values.pop("component").split("/", 1))
    values = {renamed.field(cls, name): value for name, value in values.items()}
    known = {f.name for f in dataclasses.fields(cls)}
    if extra := values.keys() - known:
        raise ConfigError(
            f"{where}: unknown setting {', '.join(sorted(extra))}; {cls.__name__} has"
            f" {', '.join(known)}"
        )
    hints = get_type_hints(cls)
    for name, value in values.items():
        place = f"{where}: {name}"
        values[name] = _typed(_build(value, place), hints[name], place)
    return cls(**values)


def finite(value: Any) -> Any:
    """Return plain data with None for every number that JSON cannot hold, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _typed(value: Any, hint: Any, where: str) -> Any:
    """A value of a field as its type has it: JSON knows no paths, tuples and infinity."""
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    parts = value if isinstance(value, tuple) else (value,)
    if value is None or any(map(dataclasses.is_dataclass, parts)):
        # Components are built already.
        return value
    try:
        typed = TypeAdapter(hint).validate_python(value)
    except PydanticUserError:
        # A type that pydantic knows nothing of.
        return value
    except ValidationError as error:
        raise ConfigError(f"{where} cannot be {value!r} ({error.errors()[0]['msg']})") from error
    # 1 stays 1 where a field is a float: fingerprints tell it from 1.0.
    return value if typed == value else typed


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONS_OF:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
