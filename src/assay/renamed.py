"""Old names of modules, so that yesterday's `run.json`, checkpoints and ledgers are still read.

A module that moves gets a line here. `current` is used where a name is read, `original` where a
name goes into a fingerprint: work that was kept before the move is found after it.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["current", "field", "original", "same_value"]

_ANSWERS: Final = """
    announcements answer antiderivatives boxes characters choices clock closeness equivalence
    latex latex_objects lists math measures naming nouns numberwords numerals numeric options
    phrases places plain_latex points prepare quantities refusals relations roman setalgebra
    settle spelling statements units worker
""".split()
_CODE: Final = """
    blocks compare helpers needs planted program raised room suites unfenced
""".split()

_SEARCHES: Final = """
    Beam BestFirst BestOfN BestOfPoisson Dvts Majority Mcts Pessimism RegularisedBestOfN Rejection
    SoftBestOfN StepRejection WeightedMajority
""".split()

MOVED: Final[dict[str, str]] = {
    "training.progress": "console.progress",
    "cli.tables": "console.tables",
    "config": "runs.settings",
    "journal": "runs.journal",
    "training.metrics": "runs.metrics",
    "outputs": "runs.outputs",
    "data.syntax": "syntax",
    "engines.retry": "http.client",
    "engines.background": "http.background",
    "report.sections": "pages.evaluation",
    "report.reinforcement": "pages.rl",
    "report.policy": "pages.rl_plots",
    "report.policies": "pages.overopt_rl",
    "report.searches": "pages.search",
    "report.comparison": "pages.compare",
    "report.overoptimization": "pages.overopt",
    "report.sweep": "pages.overopt_plots",
    "report.fits": "pages.overopt_fits",
    "report.solutions": "pages.solutions",
    "report.verdicts": "pages.verdicts",
    "quickstart.laboratory": "studies.essays.laboratory",
    "quickstart.essays": "studies.essays.world",
    "quickstart": "studies.arithmetic",
    "quickstart.world": "studies.arithmetic.running_sums",
    "verifiers.code": "verifiers.code.verifier",
    "verifiers.rules": "verifiers.rules.checks",
    "verifiers.instructions": "verifiers.rules.instructions",
    "verifiers.texts": "verifiers.rules.texts",
    "verifiers.side_by_side": "sandbox.side_by_side",
    "verifiers.sandbox": "sandbox",
    "scorers.ruled": "scorers.rule_checks",
    "scorers.rules": "scorers.baselines",
    "scorers.called": "scorers.function",
    "scorers.executed": "scorers.code",
    "scorers.verified": "scorers.verifier",
    "scorers.aggregated": "scorers.reaggregate",
    "scorers.remembered": "scorers.cache",
    "scorers.answered": "scorers.non_empty",
    "training.descent": "training.optimization",
    "rl.look": "rl.evaluation",
    "cli.pools": "data.pools",
    "cli.bestof": "cli.best_of_n",
    "cli.policy": "specs.generators",
    "cli.reward": "specs.rewards",
    **{f"verifiers.{name}": f"verifiers.answers.{name}" for name in _ANSWERS},
    **{f"verifiers.{name}": f"verifiers.code.{name}" for name in _CODE},
}
"""Old name -> name today, both below `assay`, of modules and of packages with all in them."""

_SINGLE: Final[dict[str, str]] = {
    **{
        f"protocols:{name}": f"search._plan:{name}"
        for name in ("Budget", "Node", "SearchResult", "Spent")
    },
    "cli.search:Compare": "cli.compare:Command",
    **{f"cli.search:Search{name}": "cli.search:Command" for name in _SEARCHES},
}
"""Old `module:name` -> the one today, of what left a module that stayed."""

FIELDS: Final[dict[str, dict[str, str]]] = {
    "cli.benchmark:Command": {"model": "scorer"},
    "cli.eval:Command": {"model": "scorer"},
    "cli.score:Command": {"model": "scorer"},
    "cli.best_of_n:Command": {"verifier": "gold", "search": "replay"},
}
"""Old name -> name today of the fields of settings, by today's `module:name` below `assay`."""

VALUES: Final[dict[str, dict[str, dict[Any, Any]]]] = {
    "specs.generators:Policy": {"dtype": {"float32": "auto"}},
    "cli.rl:Command": {"dtype": {"float32": "auto"}},
}
"""Value -> another that means the same, by field and class: auto is float32 where texts are written
or a policy is trained. Runs with either are the same run."""

_BACK: Final = {new: old for old, new in (MOVED | _SINGLE).items()}


def current(name: str) -> str:
    """Return today's name of a module, or of a `module:attribute`, that may have moved."""
    names = MOVED | _SINGLE
    # A module that became a package has today's names below its old one.
    if name.partition(":")[0].removeprefix("assay.") in names.values():
        return name
    return _renamed(name, names)


def original(name: str) -> str:
    """Return the name that a module, or a `module:name`, of today had at first."""
    return _renamed(name, _BACK)


def same_value(component: str, name: str, given: Any) -> Any:
    """Return the value that means the same as a given one, of a field of `kind/module:name`."""
    key = component.partition("/")[2].removeprefix("assay.")
    known = VALUES.get(key, {}).get(name, {})
    return known.get(given, given) if isinstance(given, str) else given


def field(cls: type, name: str) -> str:
    """Return today's name of a field of a settings class."""
    key = f"{cls.__module__.removeprefix('assay.')}:{cls.__qualname__}"
    return FIELDS.get(key, {}).get(name, name)


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """Replace the longest beginning of a name that is in the table."""
    if name.removeprefix("assay.") in names and ":" in name:
        return f"assay.{names[name.removeprefix('assay.')]}"
    module, colon, attribute = name.partition(":")
    parts = module.split(".")
    if parts[0] != "assay":
        return name
    for end in range(len(parts), 1, -1):
        new = names.get(".".join(parts[1:end]))
        if new is not None:
            return ".".join(["assay", new, *parts[end:]]) + colon + attribute
    return name
