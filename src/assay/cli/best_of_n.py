"""`assay best-of-n POOL`: what a scorer is worth as a selector, beside what costs nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from assay import components
from assay.cli.options import Data, FailOn, Format, Gates, Overwrite, check_conditions, end_where
from assay.specs.compute import Compute
from assay.specs.scorer_kinds import KINDS

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Best-of-n and votes over a pool of responses, for n = 1, 2, 4, ..., beside their baselines.

    Every n is estimated from the one pool, without bias, with 95 % intervals bootstrapped by
    prompt. A response that is unscored or cannot be judged leaves the pool, for the scorer and all
    it stands beside, and is counted; it is never taken for a low score. All points of all curves
    are over the same prompts: those that have the largest n.
    """

    pool: Data
    """File, folder or data set of groups or rows {"prompt", "response", "reference"}, as
    `assay score --texts` writes them (verified against the reference), rankings (the grades are the
    gold) or step labels (the last label is; responses to one prompt are put together)."""
    scorer: Annotated[str | None, tyro.conf.arg(help=f"The scorer: {KINDS}.")] = None

    gate: Gates = ()
    scores: Path | None = None
    """Instead of a scorer: file of scores that exist, matched by texts, by id or by the data's
    order."""
    gold: Annotated[str | None, tyro.conf.arg(aliases=["--verifier"])] = None
    """Verifier that finds final answers and decides which are the same and which are right:
    numeric, math, or package.module:Class. Named, it decides wherever there is a reference,
    whatever grades the data has; none = numeric, and grades where there are any."""
    largest: int | None = None
    """Largest n; prompts with fewer responses that are scored and judged are left out. By default
    the largest that nine of ten prompts have."""
    transform: Literal["none", "sigmoid"] = "none"
    """sigmoid: make raw logits into probabilities before the weighted majority sums them."""
    replay: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            aliases=["--search"],
            help_behavior_hint=(
                f"(any of {', '.join(components.names('search'))}, or package.module:Class)"
            ),
        ),
    ] = ()
    """Searches to replay over random subsets of the pool besides."""
    format: Format = None

    seed: int = 0
    """Seed of the bootstrap and of the draws."""
    out: Path | None = None
    """Folder for bestof.json, report.html and run.json."""
    fail_on: FailOn = ()

    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Measure, print the table, write the files."""
        from assay.workflows.best_of_n import best_of_n

        given = dict(vars(self))
        check_conditions(given.pop("fail_on"))
        result = best_of_n(**given, settings=self)
        print(result)
        if self.out is not None:
            print(f"wrote bestof.json, report.html and run.json in {self.out}")
        end_where("best-of-n", self.fail_on, result.metrics)
