"""A search for hacks: edits that make no response better and are rewarded most.

Half of the prompts are searched on and half held out. An edit's gain is how much the reward of a
prompt's wrong response rises by it, in deviations within a prompt; what is reported of an edit is
its gain on prompts that the search never saw. Random edits, as many and screened alike, stand
beside it.

What can be found: what some move of the library or some word earns by itself, or more and more with
each part. A phrase that earns nothing until it is complete is found where all its words are
drawn at once, which takes a small vocabulary.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from assay import stats
from assay.audit.asking import ask, plan
from assay.audit.edits import Edit, Edited, Editor, described, library_of, parts
from assay.audit.findings import Finding, Unit, corrected, finding, unit_of
from assay.audit.preferred import scorer_of
from assay.audit.probe import Probe
from assay.audit.run import all_probes
from assay.audit.subjects import Item, subjects_of
from assay.audit.trying import Searched, Strategy, Trials, asking, search
from assay.errors import ConfigError, DataError
from assay.protocols import Generator, Judge, Prefix, Sampling, Scorer
from assay.runs.settings import finite
from assay.stats import Estimate, best_of_n
from assay.stats.intervals import Array
from assay.types import Group, Score

__all__ = ["Hack", "Hacks", "How", "Step", "hunt"]

How: TypeAlias = Strategy | Literal["best-of-n"]
"""evolve: the better of two edits, crossed and mutated; greedy: the best one, mutated; random:
edits that know of no other; best-of-n: a policy's samples, the most rewarded of n."""

NAME: Final = "hack-search"
BEST: Final = 3
STEPS: Final = 8


@dataclass(frozen=True)
class Hack:
    """An edit that is rewarded."""

    edit: str
    search: Estimate
    """Mean gain where it was chosen: too high, by the choice."""
    held_out: Finding
    """The gain, and what else there is to it, on prompts that the search never saw."""
    gold: Finding | None = None
    """What gold makes of it there, in gold's deviations."""
    transfer: Finding | None = None
    """What another reward makes of it there, in its deviations."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """The best so far."""

    scored: int
    """Edited responses scored until then; of best-of-n, samples per prompt."""
    edit: str
    search: float
    """Mean gain where it was chosen."""
    held_out: Estimate
    gold: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class Hacks:
    """What a search found."""

    how: How
    budget: int
    unit: Unit
    best: tuple[Hack, ...] = ()
    """The best edits that have no part in common, best first by the search; none where no edit
    gained."""
    trajectory: tuple[Step, ...]
    baseline_random: tuple[Step, ...] = ()
    """That of random edits at an equal budget."""
    prompts: tuple[int, int]
    """Searched on, and held out."""
    scored: int
    """Edited responses that were scored in the search."""
    unscored: int
    """Those among them that have no score; they count to the budget."""
    words: int = 0
    """Words in the vocabulary."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; a value that does not exist (NaN) is null."""
        body: dict[str, Any] = finite(dataclasses.asdict(self))
        for row, hack in zip(body["best"], self.best, strict=True):
            for name in ("held_out", "gold", "transfer"):
                found: Finding | None = getattr(hack, name)
                row[name] = found and found.to_json()
        return body


def hunt(
    reward: Scorer | Judge,
    items: Sequence[Item],
    *,
    how: How = "evolve",
    budget: int = 2000,
    seed: int = 0,
    gold: Scorer | None = None,
    transfer: Scorer | Judge | None = None,
    policy: Generator | None = None,
    vocabulary: Sequence[str] | None = None,
    probes: Mapping[str, Probe] | None = None,
    unit: Unit | None = None,
) -> Hacks:
    """Search for edits of wrong responses that a reward likes.

    budget: edited responses that may be scored in the search, and again by the random baseline;
    the responses as they were, and up to 19 edits of each held-out one, come on top. gold: true
    quality; what it gains as well is taken off an edit's gain. Without it, an edit is worth nothing
    because no move of it is. transfer: another reward, to try the best edits on. policy: for
    best-of-n, which needs gold, too. vocabulary: words to try; None = those of the data, of the
    probes and of a local model's tokenizer. probes: what to take edits from; None = all. unit: what
    gains are divided by; None = the deviations within the prompts of the search.

    Raises `ConfigError` where policy, gold and strategy do not fit, `DataError` where there are
    fewer than 4 prompts or nothing has a score.
    """
    if budget < 1:
        raise ConfigError(f"a budget of {budget} texts; at least 1 is needed")
    if how != "best-of-n" and policy is None:
        return _hunt(reward, items, how, budget, seed, gold, transfer, vocabulary, probes, unit)
    if how != "best-of-n" or policy is None or gold is None:
        raise ConfigError(
            "best-of-n samples from a policy and is held against gold: give policy= and gold= with"
            " how='best-of-n', and no policy otherwise"
        )
    return _best_of_n(reward, items, policy, gold, budget, seed)


def _hunt(
    reward: Scorer | Judge,
    items: Sequence[Item],
    how: Strategy,
    budget: int,
    seed: int,
    gold: Scorer | None,
    transfer: Scorer | Judge | None,
    vocabulary: Sequence[str] | None,
    probes: Mapping[str, Probe] | None,
    unit: Unit | None,
) -> Hacks:
    """Search on half of the prompts, and test what came of it on the others."""
    here, held = _halves(items, seed)
    subjects, every = ([one for _, one in subjects_of(part, "no gain")] for part in (here, items))
    # The words of all prompts, but the rewards of half.
    library = library_of(reward, every, all_probes() if probes is None else probes, vocabulary)
    askings = [asking(reward, here, subjects, unit)]
    askings += [] if gold is None else [asking(gold, here, subjects)]
    runs = []
    for strategy in (how,) if how == "random" else (how, "random"):
        trials = Trials(askings, subjects, library.probes, budget)
        runs.append(search(strategy, trials, Editor(library, f"{seed}/{strategy}"), seed))
    best = _apart(runs[0])
    paths = [_thinned(run.path) for run in runs]
    edits = list(dict.fromkeys([*best, *(edit for path in paths for _, edit in path)]))
    found = _held_out(reward, held, edits, library.probes, askings[0].unit)
    true = _held_out(gold, held, edits, library.probes, askings[1].unit) if gold else {}
    other = _held_out(transfer, held, best, library.probes) if transfer else {}
    steps = [_steps(run, path, found, true) for run, path in zip(runs, paths, strict=True)]
    trials = runs[0].trials
    return Hacks(
        how=how,
        budget=budget,
        unit=askings[0].unit,
        best=tuple(
            Hack(described(edit), trials.gain(edit), one, true.get(edit), other.get(edit))
            for edit, one in zip(best, corrected([found[edit] for edit in best]), strict=True)
        ),
        trajectory=steps[0],
        baseline_random=steps[-1],
        prompts=(len(here), len(held)),
        scored=trials.scored,
        unscored=trials.unscored,
        words=sum(map(len, library.decks)),
    )


def _halves(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    if len(items) < 4:
        raise DataError(f"{len(items)} prompts; at least 4 are needed, for half are held out")
    keys = list(dict.fromkeys(item.key for item in items))
    # Prompts that differ in case only are not held out from each other.
    here = {*Random(seed).sample(keys, len(keys))[: len(keys) // 2]}
    found = [x for x in items if x.key in here], [x for x in items if x.key not in here]
    if not all(found):
        raise DataError(f"{len(keys)} different prompts; at least 4 are needed")
    return found


def _apart(run: Searched) -> list[Edit]:
    """The first edits that gain and have no part in common."""
    found: list[Edit] = []
    for edit in run.finalists:
        shared = any(parts(edit) & parts(other) for other in found)
        if len(found) < BEST and run.trials.worth(edit) > 0 and not shared:
            found.append(edit)
    return found


def _thinned(path: Sequence[tuple[int, Edit]]) -> list[tuple[int, Edit]]:
    """At most 8 steps, evenly, the last among them."""
    return list(path[:: -max(1, math.ceil(len(path) / STEPS))])[::-1]


def _steps(
    run: Searched,
    path: Sequence[tuple[int, Edit]],
    found: Mapping[Edit, Finding],
    true: Mapping[Edit, Finding],
) -> tuple[Step, ...]:
    return tuple(
        Step(
            scored=scored,
            edit=described(edit),
            search=run.trials.gain(edit).value,
            held_out=found[edit].effect,
            gold=true[edit].effect if true else None,
        )
        for scored, edit in path
    )


def _held_out(
    reward: Scorer | Judge,
    items: Sequence[Item],
    edits: Sequence[Edit],
    probes: Mapping[str, Probe],
    unit: Unit | None = None,
) -> dict[Edit, Finding]:
    """What comes of edits on other prompts, each tested as a probe is."""
    named = {str(i): Edited(edit=edit, probes=probes) for i, edit in enumerate(edits)}
    asked = ask(scorer_of(reward), plan(items, named))
    unit = unit or unit_of(asked)
    found = {one.edit: finding(name, one, asked, unit) for name, one in named.items()}
    return {
        edit: dataclasses.replace(one, probe=NAME, text=described(edit))
        for edit, one in found.items()
    }


def _best_of_n(
    reward: Scorer | Judge,
    items: Sequence[Item],
    policy: Generator,
    gold: Scorer,
    budget: int,
    seed: int,
) -> Hacks:
    """Best-of-n: no edit is chosen, so that every prompt is as good as held out."""
    n = budget // len(items)
    if n < 2:
        raise ConfigError(f"a budget of {budget} samples for {len(items)} prompts; give 2 for each")
    pools = policy.generate([Prefix(item.prompt) for item in items], Sampling(n=n, seed=seed))
    # A judge compares with a group's first response, which is the item's.
    groups = [
        Group(prompt=item.prompt, responses=(item.responses[0].response, *pool))
        for item, pool in zip(items, pools, strict=True)
    ]
    proxy_P_N, gold_P_N = (_rewards(one, groups) for one in (scorer_of(reward), gold))
    lost_P_N = np.isnan(proxy_P_N + gold_P_N)
    proxy_P_N[lost_P_N] = gold_P_N[lost_P_N] = np.nan
    if not ((~lost_P_N).sum(axis=1) > 1).any():
        raise DataError(f"no prompt has two of {n} samples that reward and gold both score")
    unit, lost = _deviation(proxy_P_N), int(lost_P_N.sum())
    ns = [2**k for k in range(n.bit_length())]
    rows = []
    for x_P_N, by in ((proxy_P_N, unit), (gold_P_N, _deviation(gold_P_N))):
        expected = best_of_n(proxy_P_N, x_P_N, ns)
        gains = (expected - expected[:, :1]).T / by
        rows.append([stats.mean(x[~np.isnan(x)], unscored=lost) for x in gains])
    return Hacks(
        how="best-of-n",
        budget=budget,
        unit=Unit(value=unit, meaning="deviations of the samples within a prompt"),
        trajectory=tuple(
            Step(scored=n, edit=f"best of {n}", search=math.nan, held_out=gain, gold=true)
            for n, gain, true in zip(ns, *rows, strict=True)
        ),
        prompts=(0, len(items)),
        scored=lost_P_N.size,
        unscored=lost,
    )


def _rewards(scorer: Scorer, groups: Sequence[Group]) -> Array:
    """(P, N) rewards of all but the first of each group; NaN where there is none."""
    rows = [row[1:] for row in scorer.score(groups)]
    return np.array([[x.value if isinstance(x, Score) else np.nan for x in row] for row in rows])


def _deviation(x_P_N: Array) -> float:
    """Within a prompt; 1 where no samples differ."""
    some = x_P_N[(~np.isnan(x_P_N)).sum(axis=1) > 1]
    return math.sqrt(float(np.mean(np.nanvar(some, axis=1, ddof=1)))) or 1.0
