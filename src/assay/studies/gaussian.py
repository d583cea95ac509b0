"""A pool in which the truth is known in closed form: three proxies of one gold, which likes some of
a feature; they like all of it, with more and more noise."""

import numpy as np

from assay.overopt import GaussianGoodhart
from assay.overopt.scored import ScoredPool

__all__ = ["gaussian_pool"]


def gaussian_pool(seed: int = 0) -> ScoredPool:
    """Draw 60 prompts of 512 responses, with the truth of each proxy in the notes."""
    proxies, notes, gold = {}, [], np.empty((0, 0))
    for tau in (0.0, 0.5, 1.0):
        world = GaussianGoodhart(1.0, 0.3, tau)
        pools = world.pools(60, 512, seed=seed)
        name = f"noise {tau:g}"
        proxies[name], gold = pools.proxy_P_N, pools.gold_P_N
        notes.append(
            f"{name}, the truth for a tilted policy: alpha {world.alpha:.3f}, beta"
            f" {world.beta:.3f}, peak {world.peak_gold:.3f} at KL {world.peak_d**2:.2f}; best-of-n"
            " comes near it"
        )
    return ScoredPool(proxies=proxies, golds={"gold": gold}, notes=notes)
