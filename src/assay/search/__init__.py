"""Test-time strategies: from several candidates to one.

One strategy a module: a frozen dataclass of settings with a `plan`, a generator function that asks
for continuations and scores and returns what it found. `run` takes the plans of many prompts
forward together over any `Generator` and any `Scorer`, under a `Budget`, with a `Record` of all
that was paid for.

    results = run(Beam(n=16, width=4), prompts, generator, scorer,
                  sampling=Sampling(max_tokens=512))

Strategies that draw whole responses have a pure `choose(group, scores)`, too, so that a pool which
was made elsewhere is chosen from by the same code.
"""

from assay.search._choose import (
    Answers,
    Pick,
    Seed,
    ballots_of,
    best,
    best_at,
    check_pick,
    lot,
    pick,
    values_of,
    vote,
    weight,
)
from assay.search._plan import (
    SHARED,
    Account,
    Budget,
    Extend,
    Found,
    Node,
    Plan,
    Rate,
    Rated,
    Request,
    Scored,
    Search,
    SearchResult,
    Spent,
    Steps,
    best_of_drawn,
    distinct,
    draw,
    extend,
    rate,
)
from assay.search._record import Record, ReplayGenerator
from assay.search._run import STEP, run
from assay.search._steps import Branch, end, ranked, score

__all__ = [
    "SHARED",
    "STEP",
    "Account",
    "Answers",
    "Branch",
    "Budget",
    "Extend",
    "Found",
    "Node",
    "Pick",
    "Plan",
    "Rate",
    "Rated",
    "Record",
    "ReplayGenerator",
    "Request",
    "Scored",
    "Search",
    "SearchResult",
    "Seed",
    "Spent",
    "Steps",
    "ballots_of",
    "best",
    "best_at",
    "best_of_drawn",
    "check_pick",
    "distinct",
    "draw",
    "end",
    "extend",
    "lot",
    "pick",
    "ranked",
    "rate",
    "run",
    "score",
    "values_of",
    "vote",
    "weight",
]
