"""`assay plan JOB`: memory, time, disk and money of a job before anything runs."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

from assay.errors import ConfigError
from assay.workflows.plan import Label, Rl, Score, Train, plan

__all__ = ["COMMANDS", "like"]


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


def like(run: Any) -> Any:
    """Return the job of a training run's settings, `run.json`'s; other settings as they are.

    Records are counted where the data is a file; sequences are taken to be as long as they may be.
    """
    from assay.cli.train import Command
    from assay.data import io

    if not isinstance(run, Command):
        return run
    own = {field.name for field in dataclasses.fields(Train)}
    given = {name: value for name, value in vars(run.settings).items() if name in own}
    if Path(run.data).exists():
        given["records"] = sum(1 for _ in io.read(run.data, format=run.format))
    print(
        f"note: sequences are planned as long as the run allows, {run.max_length} tokens, half of"
        " them prompt; --prompt and --response say better",
        file=sys.stderr,
    )
    return COMMANDS["train"](
        # The shape of the model that the word names.
        model="135m" if run.backbone == "smol" else run.backbone,
        dtype="bfloat16" if run.dtype == "bfloat16" else "float32",
        prompt=run.max_length // 2,
        response=run.max_length - run.max_length // 2,
        **given,
    )
