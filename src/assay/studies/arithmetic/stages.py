"""The record of which stages are done, by which a stopped run resumes."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.renamed import current
from assay.runs.settings import to_json, write_atomic
from assay.studies.arithmetic.world import World

__all__ = ["Stages"]

WORLD, STAGES = "world.json", "stages.json"


@dataclass
class Stages:
    """The stages of a run's folder, and the seconds that each took."""

    out: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def open(self, world: World) -> None:
        """Take up the folder's run.

        Raises `ConfigError` where it is a run with other settings: sizes are settings too, so that
        no artefact of another size is ever resumed from.
        """
        settings, path = to_json(world), self.out / WORLD
        # How many processes share the work changes nothing that a stage leaves.
        settings.pop("workers", None)
        if path.is_file():
            _refuse_others(self.out, _settings(path), settings)
        write_atomic(path, json.dumps(settings, indent=2) + "\n")
        if (self.out / STAGES).is_file():
            self.seconds = json.loads((self.out / STAGES).read_text())

    def run(self, name: str, artefacts: Sequence[Path], work: Callable[[], None]) -> None:
        """Do a stage unless it is done; what follows one that is done again is done again."""
        if name in self.seconds and all(path.exists() for path in artefacts):
            return
        names = list(self.seconds)
        if name in names:
            self.seconds = {n: self.seconds[n] for n in names[: names.index(name)]}
        began = time.monotonic()
        work()
        self.seconds[name] = round(time.monotonic() - began, 1)
        write_atomic(self.out / STAGES, json.dumps(self.seconds, indent=2) + "\n")


def _settings(path: Path) -> dict[str, Any]:
    """Read a folder's settings, its world by the name that it has today."""
    settings: dict[str, Any] = json.loads(path.read_text())
    kind, _, name = str(settings.get("component")).partition("/")
    return settings | {"component": f"{kind}/{current(name)}"}


def _refuse_others(out: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise `ConfigError` naming the settings in which two runs differ."""
    names = dict.fromkeys([*there, *asked])
    different = [name for name in names if there.get(name) != asked.get(name)]
    if different:
        values = ", ".join(f"{n} {there.get(n)} there, {asked.get(n)} here" for n in different)
        raise ConfigError(
            f"{out} holds a run with other settings ({values}); delete it, or give another folder"
            " with --out"
        )
