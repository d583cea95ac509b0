"""Over-optimization: how much gold a proxy buys, where it turns, and when to stop.

Pure functions from arrays to numbers with intervals; no model is run here. A pool of responses
scored by proxies and golds becomes curves (`sweep_best_of_n`), curves become fits with peaks
(`fit_forms`), a place to stop (`recommend_stop`) and a strength of selection (`hedge_tune`);
`diagnose`, `tail_index` and `laidlaw_bound` tell the kind of Goodhart and bound what is left of
gold; `ensembles` combines several reward models; `GaussianGoodhart` is a world in which all of
it is known in closed form. After Gao, Schulman and Hilton, arXiv:2210.10760.
"""

from assay.overopt import ensembles
from assay.overopt.falls import Fall, largest_fall
from assay.overopt.fit import (
    FORMS,
    Band,
    Fit,
    Fits,
    Form,
    Peak,
    fit_form,
    fit_forms,
    predict,
)
from assay.overopt.gaussian import GaussianGoodhart
from assay.overopt.goodhart import (
    Diagnosis,
    TailIndex,
    base_correlation,
    diagnose,
    gaussian_shrinkage,
    laidlaw_bound,
    laidlaw_lambda,
    tail_index,
)
from assay.overopt.hedge import METHODS, Hedge, hedge_tune
from assay.overopt.kl import (
    best_of_n_chi2,
    best_of_n_from_kl,
    best_of_n_kl,
    best_of_poisson_kl,
    discrete_kl,
    empirical_kl,
    pool_kl,
    tilt_kl,
    trusted,
)
from assay.overopt.scaling import Scaling, scaling
from assay.overopt.stop import Stop, recommend_stop
from assay.overopt.sweep import (
    Curve,
    Point,
    Sweep,
    default_ns,
    read_points,
    sweep_best_of_n,
    write_points,
)

__all__ = [
    "FORMS",
    "METHODS",
    "Band",
    "Curve",
    "Diagnosis",
    "Fall",
    "Fit",
    "Fits",
    "Form",
    "GaussianGoodhart",
    "Hedge",
    "Peak",
    "Point",
    "Scaling",
    "Stop",
    "Sweep",
    "TailIndex",
    "base_correlation",
    "best_of_n_chi2",
    "best_of_n_from_kl",
    "best_of_n_kl",
    "best_of_poisson_kl",
    "default_ns",
    "diagnose",
    "discrete_kl",
    "empirical_kl",
    "ensembles",
    "fit_form",
    "fit_forms",
    "gaussian_shrinkage",
    "hedge_tune",
    "laidlaw_bound",
    "laidlaw_lambda",
    "largest_fall",
    "pool_kl",
    "predict",
    "read_points",
    "recommend_stop",
    "scaling",
    "sweep_best_of_n",
    "tail_index",
    "tilt_kl",
    "trusted",
    "write_points",
]
