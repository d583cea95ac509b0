"""What works on this machine: versions, extras, devices, sandbox, hub, disk."""

import dataclasses

from assay.workflows.doctor import doctor

__all__ = ["Command"]


@dataclasses.dataclass(frozen=True)
class Command:
    """Try out what the commands need on this machine, and report what would make the rest work."""

    def __call__(self) -> None:
        """Print a line for each thing tried."""
        for line in doctor():
            print(line)
