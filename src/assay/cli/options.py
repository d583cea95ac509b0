"""Options that mean the same in every command that has them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

if TYPE_CHECKING:
    from assay.stats import Estimate

__all__ = [
    "Aside",
    "Data",
    "Device",
    "Dtype",
    "Executor",
    "FailOn",
    "Format",
    "Gates",
    "Overwrite",
    "Threads",
    "Track",
    "check_conditions",
    "end_where",
]

Data = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
"""File, folder or Hugging Face data set."""

BY_HAND: Final = (
    "Or name the columns: --columns prompt=question,chosen=answer_a,rejected=answer_b (PART=COLUMN"
    " or PART=column.key, ? behind it where rows may lack it, PART=1 for a constant)."
)
Format = Annotated[
    str | None,
    tyro.conf.arg(help=f"Layout of the rows, where their columns do not say it. {BY_HAND}"),
]

Aside = Annotated[
    Path | bool | None,
    tyro.conf.arg(
        metavar="FILE",
        help="File for malformed rows; without it the first one is an error.",
        help_behavior_hint="(default: none)",  # false is no file
    ),
]

Device = Annotated[
    str, tyro.conf.arg(help="Device of the models: cpu, cuda, cuda:1, or auto, a GPU if any.")
]

Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"] | None,
    tyro.conf.arg(
        metavar="{auto,float32,bfloat16}",
        help="Precision of the parameters; auto = as saved, and float32 where they are trained.",
    ),
]

Threads = Annotated[
    int | None,
    tyro.conf.arg(
        help="CPU threads; one is often fastest for models of under a million parameters."
    ),
]

Executor = Annotated[
    str,
    tyro.conf.arg(
        metavar="{local,ray,ray:HOST:PORT}",
        help=(
            "Where rows are worked on: here, or by actors of a Ray cluster, with the settings"
            " actors, cpus and gpus behind it, as in ray,actors=8,gpus=1."
        ),
    ),
]

Overwrite = Annotated[
    bool,
    tyro.conf.arg(
        help=(
            "Replacement of the finished work that the folder holds; files that no run wrote stay."
        )
    ),
]

Track = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        metavar="TRACKER ...",
        help=(
            "Trackers that get the rows of metrics.jsonl as they are written: wandb, mlflow,"
            " tensorboard, trackio, each with :PROJECT behind it where it is not assay."
        ),
    ),
]

FailOn = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        metavar="CONDITION ...",
        help=(
            "Conditions on which the command ends with 1, for pipelines: 'accuracy<0.7' is on the"
            " value, 'accuracy.low<0.7' on the lower end of its 95 % interval."
        ),
    ),
]

Gates = Annotated[
    tuple[Path, ...],
    tyro.conf.arg(
        metavar="GATE.json ...",
        help=(
            "Gates of the judges among the scorers, by `assay audit gate`. With any, a judge"
            " without one is refused, as is one that differs from what was measured or has drifted."
        ),
    ),
]


def check_conditions(conditions: Sequence[str]) -> None:
    """Refuse conditions of `--fail-on` that have another form, before any work is done."""
    # Not above: statistics need numpy, and help does not.
    from assay.stats.conditions import check

    check(conditions)


def end_where(command: str, conditions: Sequence[str], estimates: Mapping[str, "Estimate"]) -> None:
    """Exit with 1 and a line on standard error where conditions of `--fail-on` hold."""
    from assay.stats.conditions import met

    if held := met(conditions, estimates):
        print(f"assay {command}: {', '.join(held)} (--fail-on)", file=sys.stderr)
        raise SystemExit(1)
