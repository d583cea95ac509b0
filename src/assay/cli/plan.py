"""`assay plan JOB`: memory, time, disk and money of a job before anything runs."""

from typing import Any

from assay.errors import ConfigError
from assay.workflows.plan import Label, Rl, Score, Train, plan

__all__ = ["COMMANDS"]


def _show(job: Any) -> None:
    """Print the plan. Raises `ConfigError` where the job does not fit."""
    found = plan(job)
    print(found)
    if not found.fits:
        raise ConfigError(
            f"a GPU has {found.room / 1e9:,.1f} GB for what takes {found.bytes / 1e9:,.1f}"
        )


COMMANDS: dict[str, Any] = {
    job.__name__.lower(): type(
        f"Plan{job.__name__}",
        (job,),
        {"__call__": _show, "__doc__": job.__doc__, "__module__": __name__},
    )
    for job in (Train, Score, Label, Rl)
}
