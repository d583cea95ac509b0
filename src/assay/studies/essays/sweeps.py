"""Studies in the world of essays: a pool with proxies of several sizes, and policies trained
against proxies. What a folder holds already is not made again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from assay.console.progress import progress
from assay.errors import ConfigError
from assay.overopt.scored import ScoredPool
from assay.studies.essays.laboratory import ARMS, Laboratory, Proxy

__all__ = ["essay_policies", "essay_pool", "kept"]


def essay_pool(
    out: Path | None = None, *, seeds: int = 3, seed: int = 0, workers: int = 2
) -> ScoredPool:
    """Make proxies of four sizes, and of one size from less data, for every seed; the prompts are
    the topics of all seeds."""
    if seeds < 1:
        raise ConfigError(f"--seeds {seeds}: give 1 or more")
    each = [seed + k for k in range(seeds)]
    with kept(out) as folder:
        lab = Laboratory(out=folder, pool=2048)
        by_size = [Proxy(size=size, pairs=lab.pairs) for size in ("XS", "S", "M", "L")]
        by_data = [Proxy(size="L", pairs=pairs) for pairs in (1000, 4000)]
        proxies = [*by_size, *by_data]
        jobs = [(s, proxy) for proxy, s in product(reversed(proxies), each)]
        with lab.workers(workers) as over, progress("essays", len(each) + len(jobs)) as bar:
            for done, _ in enumerate(over(lab.prepare, each), start=1):
                bar(done, "policies and pools")
            learned = over(lab.learn, *zip(*jobs, strict=True))
            for done, _ in enumerate(learned, start=1 + len(each)):
                bar(done, "proxies")
        pools = [lab.pooled(s, proxies) for s in each]
        tests = {proxy: [lab.tested(s, proxy) for s in each] for proxy in proxies}
    accuracy = (
        f"{proxy.name} is right about {np.mean([t['accuracy']['value'] for t in tests[proxy]]):.3f}"
        " of other pairs"
        for proxy in proxies
    )
    return ScoredPool(
        proxies={p.name: np.concatenate([pool.proxies[p.name] for pool in pools]) for p in proxies},
        golds={"gold": np.concatenate([pool.gold for pool in pools])},
        keys=[row for pool in pools for row in pool.texts],
        lengths=np.concatenate([pool.lengths for pool in pools]),
        axes={
            "parameters": {p.name: tests[p][0]["parameters"] for p in by_size},
            "preferences": {p.name: p.pairs for p in (*by_data, by_size[-1])},
        },
        notes=[
            (
                f"{seeds} seeds x {len(pools[0].gold)} topics, each counted as a prompt;"
                " lengths are in words, gold in standard deviations of what the seed's policy"
                " writes"
            ),
            *accuracy,
        ],
    )


def essay_policies(
    folder: Path, names: Sequence[str], *, seeds: int, seed: int, steps: int, workers: int
) -> dict[str, list[Path]]:
    """Train policies against proxies, by the names of `laboratory.ARMS`, where they are not trained
    yet; return the folders of their runs."""
    if unknown := [name for name in names if name not in ARMS]:
        raise ConfigError(f"no arm is called {unknown[0]!r}; there is {'; '.join(ARMS)}")
    if seeds < 1 or not names:
        raise ConfigError("give --seeds 1 or more, and an arm")
    lab, each = Laboratory(out=folder), [seed + k for k in range(seeds)]
    names = list(dict.fromkeys(names))
    jobs = [(s, ARMS[name], steps) for name, s in product(names, each)]
    with lab.workers(workers) as over, progress("essays", len(each) + len(jobs)) as bar:
        ready = over(lab.ready, each, [[ARMS[name] for name in names]] * len(each))
        for done, _ in enumerate(ready, start=1):
            bar(done, "policies and proxies")
        trained = over(lab.optimise, *zip(*jobs, strict=True))
        for done, _ in enumerate(trained, start=1 + len(each)):
            bar(done, "runs")
    return {name: [lab.run(s, ARMS[name]) for s in each] for name in names}


@contextmanager
def kept(out: Path | None) -> Iterator[Path]:
    """Choose where a world is made: in the run's folder, so that a run that was stopped is resumed;
    otherwise for this once."""
    if out is not None:
        yield out / "world"
        return
    with TemporaryDirectory(prefix="assay-") as folder:
        yield Path(folder)
