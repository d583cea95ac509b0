"""Reward models: make them, use them, and measure when they stop being gold.

The jobs are functions that take names or objects: `train`, `sft`, `load_scorer`, `score`,
`evaluate`, `benchmark`, `audit`, `best_of_n`, `search`, `compare`, `judge`, `arena`, `label`,
`annotate`, `verify`, `rl` and `overoptimization`. Everything is imported when it is first asked
for.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.types import (
        Group,
        Message,
        Preference,
        Prompt,
        Ranking,
        Response,
        Score,
        StepLabels,
        Unscored,
        Verdict,
    )
    from assay.workflows.annotate import annotate
    from assay.workflows.arena import arena
    from assay.workflows.audit import audit
    from assay.workflows.benchmark import benchmark
    from assay.workflows.best_of_n import best_of_n
    from assay.workflows.compare import compare
    from assay.workflows.evaluate import evaluate
    from assay.workflows.judge import judge
    from assay.workflows.label import label
    from assay.workflows.overoptimization import overoptimization
    from assay.workflows.rl import rl
    from assay.workflows.score import load_scorer, score
    from assay.workflows.search import search
    from assay.workflows.sft import sft
    from assay.workflows.train import train
    from assay.workflows.verify import verify

    __version__: str

__all__ = [
    "Group",
    "Message",
    "Preference",
    "Prompt",
    "Ranking",
    "Response",
    "Score",
    "StepLabels",
    "Unscored",
    "Verdict",
    "__version__",
    "annotate",
    "arena",
    "audit",
    "benchmark",
    "best_of_n",
    "compare",
    "evaluate",
    "judge",
    "label",
    "load_scorer",
    "overoptimization",
    "rl",
    "score",
    "search",
    "sft",
    "train",
    "verify",
]

_HOMES = {"load_scorer": "assay.workflows.score"}
"""Function -> its module, where that is not of the same name."""
_PACKAGES = frozenset({"annotate", "arena", "audit", "rl", "search"})
"""Jobs that share their name with a sub-package."""


def __getattr__(name: str) -> Any:
    """Import what is asked for first."""
    if name == "__version__":
        from importlib.metadata import version

        return version("assay")
    if name in _PACKAGES:
        return importlib.import_module(f"assay.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    home = "assay.types" if name[0].isupper() else _HOMES.get(name, f"assay.workflows.{name}")
    public = getattr(importlib.import_module(home), name)
    globals()[name] = public
    return public


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)


class _Job(ModuleType):
    """A sub-package that is called as the job of its name: `assay.search(...)`."""

    def __call__(self, *given: Any, **settings: Any) -> Any:
        return self._function(*given, **settings)

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(self._function)

    @property
    def _function(self) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(f"assay.workflows.{name}"), name)


class _Assay(ModuleType):
    """This module: sub-packages that are jobs too can be called, whoever imports them first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _PACKAGES and type(value) is ModuleType:
            value.__class__ = _Job
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Assay
