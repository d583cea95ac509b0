"""One rubric in a file: JSON, YAML or TOML."""

import json
import tomllib
from pathlib import Path
from typing import Any

from assay.data import fields
from assay.data.lines import STRICT
from assay.data.rubrics.layouts import rubric_from
from assay.data.rubrics.nested import autorubric_of
from assay.data.rubrics.record import Normaliser, Rubric
from assay.errors import ConfigError, DataError, MissingExtra
from assay.files import write_atomic

__all__ = ["read_rubric", "write_rubric"]

SUFFIXES = ".json .yaml .yml .toml"


def read_rubric(path: str | Path, *, normaliser: Normaliser | None = None) -> Rubric:
    """Read a rubric in any layout of `layouts`; its formula is its layout's unless one is given.

    Raises `DataError` naming the file where it holds no rubric, `ConfigError` for another kind of
    file, `MissingExtra` for YAML without pyyaml.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES.split():
        raise ConfigError(
            f"{path} is no file of one rubric, which ends in {SUFFIXES.replace(' ', ', ')}; a data"
            " set with a rubric per prompt is read as records"
        )
    try:
        rubric = rubric_from(
            _parsed(path.read_text("utf-8-sig"), suffix, path.name), source=path.name
        )
        if normaliser is None:
            return rubric
        return fields.make(Rubric, **rubric.model_dump() | {"normaliser": normaliser})
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from error


def _parsed(text: str, suffix: str, name: str) -> Any:
    try:
        if suffix == ".json":
            return STRICT.decode(text)
        if suffix == ".toml":
            return tomllib.loads(text)
    except ValueError as error:
        raise DataError(f"not {suffix[1:].upper()}: {error}") from error
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"reading {name}", "yaml") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"not YAML: {error}") from error


def write_rubric(rubric: Rubric, path: Path, *, layout: str = "assay") -> None:
    """Write a rubric as JSON: assay holds all of it, autorubric what that reads.

    Raises `DataError` where the layout cannot hold it.
    """
    if path.suffix.lower() != ".json" or layout not in ("assay", "autorubric"):
        raise ConfigError(f"{path} as {layout}: give a .json file, and assay or autorubric")
    row = rubric.model_dump(mode="json") if layout == "assay" else autorubric_of(rubric)
    write_atomic(path, json.dumps(row, indent=2, ensure_ascii=False) + "\n")
