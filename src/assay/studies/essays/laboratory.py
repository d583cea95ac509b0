"""The over-optimization laboratory: the artefacts of a study of the world of essays.

A folder holds, for each seed,

| artefact                        | made by    | contents                                          |
|---------------------------------|------------|---------------------------------------------------|
| `policy/`                       | `prepare`  | the policy that learned ordinary essays, and the  |
|                                 |            | unit of gold                                      |
| `pairs-N.jsonl`, `test-N.jsonl` | `prepare`  | preferences by gold, to learn from and to test on |
| `pool-N.jsonl`, `gold-N.npy`    | `prepare`  | N responses per topic, and the gold of each       |
| `proxies/NAME/`                 | `learn`    | a reward model, `test.json` and its scores of the |
|                                 |            | pool                                              |
| `rl/ARM/`                       | `optimise` | a policy optimised against proxies, gold measured |

so that a study that was killed resumes, and one with more proxies or arms adds only these.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from assay.data import io
from assay.data.augment import flip
from assay.data.pools import value_of
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.rl.loop import Optimised, optimise
from assay.rl.scoring import Part
from assay.rl.settings import Settings
from assay.rl.transforms import Standardise
from assay.runs.settings import write_atomic
from assay.scorers.ensemble import Ensemble, standards
from assay.scorers.local import LocalScorer
from assay.stats import mean, proportion
from assay.studies.essays.world import Essays
from assay.types import Score, Unscored
from assay.worlds.essays.proxies import SIZES
from assay.worlds.threads import threads

__all__ = ["ARMS", "RL", "WEAK", "Arm", "Laboratory", "Pool", "Proxy"]

Array = NDArray[np.float64]

TEST: Final = 2000
"""Test preferences for a proxy's accuracy."""
STANDARD: Final = 512
"""Essays per topic whose standard deviation is the unit of an ensemble's members."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A reward model of the laboratory."""

    size: str
    """One of `worlds.essays.proxies.SIZES`."""
    pairs: int
    """Preferences it learns from; fewer are the beginning of more."""
    noise: float = 0.0
    """Share of preferences whose label is flipped."""
    member: int = 0
    """Which of several that differ in initial weights and order."""

    @property
    def name(self) -> str:
        """Name such as L-4000, or L-4000-flipped0.25-1 for the second member of noisy ones."""
        noisy = f"-flipped{self.noise:g}" if self.noise else ""
        return f"{self.size}-{self.pairs}{noisy}" + (f"-{self.member}" if self.member else "")


WEAK: Final = Proxy(size="M", pairs=250)
"""Proxy that policies are optimised against: learned from so little that it is wrong soon."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to train a policy."""

    name: str
    proxy: Proxy = WEAK
    """Proxy that the policy is optimised against, or the first member of an ensemble."""
    members: int = 1
    how: Literal["mean", "worst", "uncertainty"] = "mean"
    weight: float = 0.5
    """Weight of the members' variance, where `how` is "uncertainty"."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ from `RL`."""


RL: Final = Settings(
    groups=16,
    samples=8,
    max_tokens=Essays().max_tokens,
    learning_rate=6e-4,
    clip=10.0,
    reduction="sum",
    whiten="scale",
    watch_every=5,
    watch_prompts=8,
    watch_samples=64,
    checkpoint_every=1000,
)
"""Leave-one-out baseline; nothing holds a policy back but the reward."""

ARMS: Final[Mapping[str, Arm]] = {
    arm.name: arm
    for arm in (
        Arm(name="single"),
        Arm(name="single, KL .02", settings={"kl": 0.02}),
        Arm(name="single, KL .1", settings={"kl": 0.1}),
        Arm(name="mean of 4", members=4),
        Arm(name="worst of 4", members=4, how="worst"),
        Arm(name="uwo of 4", members=4, how="uncertainty"),
        *(Arm(name=size, proxy=Proxy(size=size, pairs=16_000)) for size in SIZES),
    )
}
"""Ways to train against the weak proxy, and single better proxies, named by their size."""


@dataclass(frozen=True)
class Pool:
    """Responses of a policy with gold and proxy scores; arrays are (topics, N)."""

    texts: Sequence[Sequence[str]]
    gold: Array
    proxies: Mapping[str, Array]

    @property
    def lengths(self) -> Array:
        """Words of each response."""
        return np.array([[float(len(text.split())) for text in row] for row in self.texts])


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """A folder of studies; it is sent to other processes as it is."""

    out: Path
    pairs: int = 16_000
    """Preferences per seed."""
    pool: int = 8192
    """Responses per topic in each seed's pool."""
    policy_width: int = Essays().policy_width
    """Width of the policy."""

    def world(self, seed: int) -> Essays:
        """Return the world of a seed: its own policy, preferences, proxies and samples of one
        language."""
        return Essays(seed=seed, policy_width=self.policy_width)

    def folder(self, seed: int) -> Path:
        """Return the folder of a seed."""
        return self.out / f"seed{seed}"

    @contextmanager
    def workers(self, count: int) -> Iterator[Callable[..., Iterator[Any]]]:
        """Open a `map` over so many processes of one thread each; one is this process itself.

        Networks of this size are no faster on more threads.
        """
        if count == 1:
            yield map
            return
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            yield pool.map

    def prepare(self, seed: int, *, pooled: bool = True) -> None:
        """Make the policy, its preferences, their test set and, if `pooled`, a pool with gold."""
        folder, world = self.folder(seed), self.world(seed)
        folder.mkdir(parents=True, exist_ok=True)
        with threads(1):
            if not (folder / "policy").is_dir():
                world.make_policy(folder / "policy")
            width = json.loads((folder / "policy" / "config.json").read_text())["hidden_size"]
            if width != world.policy_width:
                raise ConfigError(
                    f"{folder} holds a policy of width {width}, not {world.policy_width}; give"
                    " another folder"
                )
            policy, gold = world.policy(folder / "policy"), world.gold(folder / "policy")
            for stream, (name, count) in enumerate(
                (("pairs", self.pairs), ("test", TEST)), start=1
            ):
                path = folder / f"{name}-{count}.jsonl"
                if not path.is_file():
                    io.write(world.pairs(policy, gold, count, stream=stream), path)
            path = folder / f"pool-{self.pool}.jsonl"
            if pooled and not path.is_file():
                groups = world.sample(policy, self.pool, stream=3)
                np.save(folder / f"gold-{self.pool}.npy", _values(gold.score(groups)))
                io.write(groups, path)

    def learn(self, seed: int, proxy: Proxy, *, pooled: bool = True) -> None:
        """Train a proxy, test it, and score the pool with it."""
        folder, target = self.folder(seed), self._proxy(seed, proxy)
        scores = target / f"pool-{self.pool}.npy"
        if (target / "test.json").is_file() and (scores.is_file() or not pooled):
            return
        with threads(1):
            began = time.monotonic()
            records = _read(folder / f"pairs-{self.pairs}.jsonl")[: proxy.pairs]
            made = self.world(seed).proxy(
                proxy.size, flip(records, proxy.noise, seed), target, member=proxy.member
            )
            seconds = time.monotonic() - began
            scorer = LocalScorer(made.model)
            if pooled:
                np.save(scores, _values(scorer.score(_read(folder / f"pool-{self.pool}.jsonl"))))
            if (target / "test.json").is_file():
                return
            test = [
                record for record in _read(folder / f"test-{TEST}.jsonl") if record.prefer != 0.5
            ]
            values = _values(scorer.score(test))
            margin = (values[:, 0] - values[:, 1]) * np.array(
                [1.0 if r.prefer == 1 else -1.0 for r in test]
            )
            body = {
                "parameters": sum(p.numel() for p in made.model.parameters()),
                "accuracy": asdict(proportion(margin > 0)),
                "loss": asdict(mean(np.logaddexp(0, -margin))),
                "seconds": round(seconds, 1),
            }
            # Last of all: where it is, the rest is there.
            write_atomic(target / "test.json", json.dumps(body))

    def tested(self, seed: int, proxy: Proxy) -> Mapping[str, Any]:
        """Read a proxy's parameters, accuracy and loss on the test set, and seconds of training."""
        body: Mapping[str, Any] = json.loads((self._proxy(seed, proxy) / "test.json").read_text())
        return body

    def pooled(self, seed: int, proxies: Sequence[Proxy]) -> Pool:
        """Read the pool of a seed with the proxies' scores."""
        folder = self.folder(seed)
        return Pool(
            texts=[
                [r.text for r in group.responses]
                for group in _read(folder / f"pool-{self.pool}.jsonl")
            ],
            gold=np.load(folder / f"gold-{self.pool}.npy"),
            proxies={
                p.name: np.load(self._proxy(seed, p) / f"pool-{self.pool}.npy") for p in proxies
            },
        )

    def members(self, arm: Arm) -> list[Proxy]:
        """Return the proxies that an arm uses."""
        return [replace(arm.proxy, member=member) for member in range(arm.members)]

    def ready(self, seed: int, arms: Sequence[Arm]) -> None:
        """Make what arms need of a seed: the policy and the proxies, without a pool."""
        self.prepare(seed, pooled=False)
        for proxy in dict.fromkeys(chain.from_iterable(map(self.members, arms))):
            self.learn(seed, proxy, pooled=False)

    def run(self, seed: int, arm: Arm) -> Path:
        """Return the folder of an arm's run."""
        known = ARMS.get(arm.name)
        name = (
            arm.name
            if known is not None and known.proxy == arm.proxy
            else f"{arm.name} {arm.proxy.name}"
        )
        return (
            self.folder(seed) / "rl" / name.replace(", ", "-").replace(" ", "-").replace(".", "0.")
        )

    def optimise(self, seed: int, arm: Arm, steps: int) -> Optimised:
        """Optimise the policy against the arm's proxies, or resume it."""
        folder, world = self.folder(seed), self.world(seed)
        with threads(1):
            scorers = tuple(
                LocalScorer(checkpoint.load(self._proxy(seed, p))) for p in self.members(arm)
            )
            if arm.members == 1:
                part = Part(name="proxy", scorer=scorers[0], transforms=(Standardise(),))
            else:
                writes = world.sample(world.policy(folder / "policy"), STANDARD, stream=4)
                of = standards(scorers, writes)
                part = Part(
                    name="proxy",
                    scorer=Ensemble(scorers, how=arm.how, weight=arm.weight, standards=of),
                )
            return optimise(
                world.open(folder / "policy"),
                world.prompts(),
                [part],
                settings=replace(RL, seed=seed, steps=steps, **arm.settings),
                out=self.run(seed, arm),
                held_out=world.prompts(),
                golds={"gold": world.gold(folder / "policy")},
                progress=False,
            )

    def _proxy(self, seed: int, proxy: Proxy) -> Path:
        return self.folder(seed) / "proxies" / proxy.name


def _values(scores: Sequence[Sequence[Score | Unscored]]) -> Array:
    return np.array([[value_of(score) for score in row] for row in scores])


@cache
def _read(path: Path) -> list[Any]:
    return [*io.read(path)]
