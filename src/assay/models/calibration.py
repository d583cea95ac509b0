"""The temperatures of a saved model's probabilities: `calibration.json`, data beside its weights.

Servers of other libraries do not know the file. It is read with the weights that it was fitted for
and with no others.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat, ValidationError

from assay.errors import ConfigError
from assay.files import write_atomic
from assay.fingerprint import fingerprint
from assay.models.loading import home_of
from assay.types import Record

__all__ = ["CALIBRATION", "Calibration", "Fitted", "read_calibration", "write_calibration"]

CALIBRATION: Final = "calibration.json"

NAMED: Final = (
    "config.json",
    "adapter_config.json",
    "reward_model.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""Files beside the weights that change an output."""


class Fitted(Record):
    """One temperature, with what it changed on prompts that it was not fitted on."""

    temperature: Annotated[FiniteFloat, Field(gt=0)]
    data: str
    """Fingerprint of the records."""
    measured: Mapping[str, Any]
    """Its interval, and metrics before and after (`evaluation.temperature.Rescaled`)."""


class Calibration(Record):
    """What `calibration.json` holds."""

    format: Literal["assay.calibration/1"] = "assay.calibration/1"
    method: Literal["temperature"] = "temperature"
    model: str
    """Fingerprint of the folder's weights, configuration and tokenizer."""
    temperatures: Mapping[str, Fitted]
    """By what is divided: "pair", a difference of two scores, "step", a step's logit, or the logits
    of a question's options, by its kind."""

    def of(self, what: str) -> float:
        """Return the temperature of something; 1 where none was fitted."""
        return self.temperatures[what].temperature if what in self.temperatures else 1.0


def read_calibration(folder: str | Path) -> Calibration | None:
    """Return the calibration of a folder's weights; None where there is none.

    Raises `ConfigError` where the file is malformed or was fitted for other weights.
    """
    path = Path(folder) / CALIBRATION
    if not path.is_file():
        return None
    way_out = "calibrate again (`assay models calibrate`), or remove the file"
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the file"
        raise ConfigError(f"{path} is malformed at {where}; {way_out}") from error
    if found.model != _model_print(path.parent):
        raise ConfigError(f"{path} was fitted for other weights than those beside it; {way_out}")
    return found


def write_calibration(folder: str | Path, fitted: Mapping[str, Fitted]) -> Path:
    """Write temperatures beside the weights; those of other things that hold for the same weights
    stay. Returns the file's path."""
    path = Path(folder) / CALIBRATION
    try:
        there = read_calibration(folder)
    except ConfigError:
        there = None
    kept = dict(there.temperatures) if there else {}
    whole = Calibration(model=_model_print(path.parent), temperatures=kept | dict(fitted))
    write_atomic(path, whole.model_dump_json(indent=2) + "\n")
    return path


def _model_print(folder: Path) -> str:
    """Name a folder by what its outputs depend on, and an adapter's by its base, too."""
    places = dict.fromkeys((folder, home_of(folder)))
    files = [
        sorted(
            (path.relative_to(place).as_posix(), path)
            for path in place.rglob("*")
            if path.name in NAMED or path.suffix in (".safetensors", ".bin")
        )
        for place in places
    ]
    return fingerprint(files)
