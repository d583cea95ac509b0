"""The run's reward models as proxies of the truth: how hard each may be pressed by best-of-n before
truth is lost."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.data.pools import value_of
from assay.overopt import sweep_best_of_n, write_points
from assay.overopt.study import Study, beside, study, write_studies
from assay.pages.overopt import overoptimization_report
from assay.report import write_report
from assay.stats import pad_pools
from assay.studies.arithmetic.models import read_scores
from assay.studies.arithmetic.records import read_pools
from assay.studies.arithmetic.world import World

__all__ = ["press"]

GOLD = "truth"


def press(world: World, out: Path) -> tuple[Study, ...]:
    """A study of every reward model on the test pool; its points and fits, and a page of its own,
    are left in `out`.

    Raises `MissingExtra` where there is nothing to draw the page with.
    """
    pools = read_pools(out / "data" / "test_pool.jsonl")
    golds = {GOLD: pad_pools([pool.grades for pool in pools])}
    proxies: dict[str, NDArray[np.float64]] = {}
    for kind in world.kinds:
        scores, _ = read_scores(out / "scores" / f"{kind}.json")
        proxies[kind] = pad_pools([[value_of(score) for score in row] for row in scores])
    # Every pool is of `world.pool` responses.
    keys = [[response.text for response in pool.responses] for pool in pools]
    sweep = sweep_best_of_n(proxies, golds, keys=keys, resamples=1000, seed=world.seed)
    studies = study(sweep, proxies, golds, resamples=1000, seed=world.seed)
    write_points(out / "overopt" / "points.jsonl", sweep.points)
    write_studies(out / "overopt" / "fits.json", studies, notes=sweep.notes)
    paired = {GOLD: beside(sweep, GOLD, next(iter(proxies)))}
    sections = overoptimization_report(studies, paired=paired, notes=sweep.notes)
    title = "How hard may the reward models be pressed?"
    write_report(
        out / "overoptimization.html", title, sections, subtitle="Best of n from the test pool"
    )
    return studies
