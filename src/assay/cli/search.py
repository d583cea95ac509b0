"""`assay search STRATEGY PROMPTS`: spend samples and scores on each prompt, and choose an answer.

Every sample and score is kept in record.jsonl as it is paid for: a search that was stopped is
resumed by the same command, and `--replay record.jsonl` (or a pool of responses) searches again
without a policy.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import tyro

from assay.aggregation import Aggregation
from assay.cli.choices import choices
from assay.cli.options import Data, Format, Gates, Overwrite
from assay.search import SHARED, Budget, Search
from assay.specs.generators import Policy
from assay.specs.scorer_kinds import KINDS

__all__ = ["Command", "Searching", "command"]

S = TypeVar("S", bound=Search)


@dataclass(frozen=True, kw_only=True)
class Searching:
    """Settings that all searches share."""

    prompts: Data
    """File, folder or data set of prompts, or of records that have one. With reference answers,
    the accuracy is reported."""
    policy: tyro.conf.OmitArgPrefixes[Policy] = dataclasses.field(
        default_factory=lambda: Policy(policy="")
    )

    out: Path
    """Folder for record.jsonl, results, report.html and run.json."""
    overwrite: Overwrite = False

    scorer: Annotated[
        str,
        tyro.conf.arg(
            help=(
                f"The scorer: {KINDS}; besides, verifier, the truth itself, as an upper bound,"
                " log-probability of the policy, or none, where the strategy asks for no scores."
            )
        ),
    ] = "none"

    aggregate: Aggregation | None = None
    """Aggregation of step scores; none = as the reward model was saved."""
    lower_bound: float = 0.0
    """Standard deviations subtracted from an ensemble's score."""
    gate: Gates = ()
    verifier: str = "numeric"
    """Verifier of answers, for votes and for the accuracy: numeric, math, or
    package.module:Class."""
    step_stop: tuple[str, ...] = (r"\n\n",)
    r"""Texts that end a step; \n is a line break, \t a tab."""
    step_tokens: int = 256
    """Longest step, in tokens, where the strategy goes by steps; --generated-tokens bounds the sum
    per prompt."""
    budget: tyro.conf.OmitArgPrefixes[Budget] = dataclasses.field(default_factory=Budget)

    replay: Path | None = None
    """A record.jsonl, or a pool of whole responses, to search in instead of asking the policy."""
    limit: int | None = None
    """Most prompts to search for."""
    together: int = 64
    """Prompts under way at once."""
    format: Format = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the job that all searches share."""
        same = (
            "out overwrite scorer aggregate lower_bound gate verifier budget replay limit together"
        )
        stop = tuple(text.replace(r"\n", "\n").replace(r"\t", "\t") for text in self.step_stop)
        whole = self.policy.sampling()
        most = min(self.step_tokens, whole.max_tokens)
        return {
            **{name: getattr(self, name) for name in same.split()},
            "generator": self.policy if self.policy.policy else None,
            "format": self.format,
            "sampling": whole,
            "step": dataclasses.replace(whole, max_tokens=most, stop=stop),
            "device": self.policy.device,
            "dtype": self.policy.dtype,
            "weights": self.policy.weights,
            "seed": self.policy.seed,
            "settings": self,
        }


@dataclass(frozen=True, kw_only=True)
class Command(Searching, Generic[S]):
    """Spend samples and scores on each prompt, and choose an answer."""

    strategy: tyro.conf.OmitArgPrefixes[S]
    """Strategy of the search."""

    def __call__(self) -> None:
        """Search, write, print the summary."""
        from assay.workflows.search import search

        answers = search(self.strategy, self.prompts, **self.arguments())
        print(answers)
        print(f"wrote results.jsonl, report.html and run.json in {self.out}")


def command(arguments: Sequence[str]) -> Any:
    """Return the command with all strategies, and one of the user's own where it is named."""
    generic: Any = Command
    return generic[choices("search", arguments, hidden=SHARED)]
