"""Over-optimization of the run's reward models by best-of-n: gold against n, and where to stop."""

from pathlib import Path

from assay.overopt import sweep_best_of_n, write_points
from assay.overopt.study import Study, beside, study, write_studies
from assay.pages.overopt import overoptimization_report
from assay.report.html import write_report
from assay.stats import pad_pools
from assay.studies.arithmetic.scored import Scored
from assay.studies.arithmetic.world import World

__all__ = ["overoptimization"]

GOLD = "truth"


def overoptimization(world: World, scored: Scored, out: Path) -> tuple[Study, ...]:
    """Study every reward model on the test pool; write points, fits and a page of their own.

    Raises `MissingExtra` where there is nothing to draw the page with.
    """
    golds = {GOLD: pad_pools([pool.grades for pool in scored.pools])}
    proxies = {str(kind): pad_pools(scored.values(kind)) for kind in world.kinds}
    # Every pool is of `world.pool` responses.
    keys = [[response.text for response in pool.responses] for pool in scored.pools]
    sweep = sweep_best_of_n(proxies, golds, keys=keys, resamples=1000, seed=world.seed)
    studies = study(sweep, proxies, golds, resamples=1000, seed=world.seed)
    write_points(out / "overopt" / "points.jsonl", sweep.points)
    write_studies(out / "overopt" / "fits.json", studies, notes=sweep.notes)
    paired = {GOLD: beside(sweep, GOLD, next(iter(proxies)))}
    sections = overoptimization_report(studies, paired=paired, notes=sweep.notes)
    write_report(
        out / "overoptimization.html",
        "Over-optimization of the reward models",
        sections,
        subtitle="Best of n from the test pool",
    )
    return studies
