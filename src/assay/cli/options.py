"""Options that mean the same in every command that has them."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

__all__ = ["Aside", "Data", "Device", "Dtype", "FailOn", "Format", "Overwrite", "Threads"]

Data = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
"""File, folder or Hugging Face data set."""

Format = Annotated[
    str | None, tyro.conf.arg(help="Format of the data, where its columns do not say it.")
]

Aside = Annotated[
    Path | bool | None,
    tyro.conf.arg(
        metavar="FILE",
        help="File for malformed rows; without it the first one is an error.",
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

FailOn = Annotated[
    tuple[str, ...],
    tyro.conf.arg(
        metavar="METRIC<NUMBER ...",
        help="Conditions that make the command exit with 1: accuracy<0.7, accuracy.low<0.6.",
    ),
]

Threads = Annotated[
    int | None,
    tyro.conf.arg(
        help="CPU threads; one is often fastest for models of under a million parameters."
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
