"""Train a policy against a reward, and watch the gold while the proxy climbs."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay.data.records import prompt_of
from assay.data.sides import Sides, sides
from assay.errors import ConfigError, RefusedRecords
from assay.protocols import Environment, Scorer
from assay.rl.scoring import Part
from assay.rl.settings import RECIPES, Settings
from assay.runs.evaluations import EvalPoint, eval_points
from assay.runs.run import Run
from assay.scorers.environment import EnvironmentRewards
from assay.stats import Estimate
from assay.types import Prompt, Record, Response
from assay.workflows._data import named
from assay.workflows._folder import write_into
from assay.workflows._output import described, estimate_json
from assay.workflows._together import together
from assay.workflows.gate import admitted

if TYPE_CHECKING:
    from assay.rl.loop import Optimised
    from assay.rl.policy import Policy
    from assay.rl.prime import ImplicitProcess
    from assay.rl.trajectories import Game
    from assay.training.parallel import World

__all__ = ["PRIME_RATE", "PolicyTraining", "rl"]

PRIME_RATE: Final = 1e-6
"""Learning rate of the implicit process model where none is given."""
TURNS: Final = 8
"""Most turns of a trajectory where none is given."""

Reward = str | Scorer | Part | Callable[..., Any]
"""A word with its settings (`runs/prm,place=difference`), a scorer, a part, or a function of
prompts and completions."""
Prompts = str | Path | Iterable[str | Prompt | Record]


@dataclass(frozen=True, kw_only=True)
class PolicyTraining:
    """A trained and saved policy."""

    out: Path
    """Folder of the run: `policy/`, `peak/`, run.json, metrics.jsonl, samples.jsonl, rl.json."""
    steps: int
    """Rounds done."""
    stopped: str
    """Why it ended early; empty where it did not."""
    peak: int | None
    """Step at which the first gold was highest; None without a gold."""
    rows: tuple[Mapping[str, Any], ...] = field(repr=False)
    """Rows of `metrics.jsonl`."""
    settings: Any = field(default=None, repr=False)
    """Settings for `run.json`."""
    data: Sequence[Path] = field(default=(), repr=False)
    """Files that were read."""

    @classmethod
    def of(cls, done: "Optimised", **run: Any) -> "PolicyTraining":
        """Take what came of the loop. run: the folder, its settings and data."""
        return cls(steps=done.steps, stopped=done.stopped, peak=done.peak, rows=done.rows, **run)

    @property
    def policy(self) -> Path:
        """Folder of the trained policy: the one at the gold's peak, where there is a gold."""
        return self.out / ("policy" if self.peak is None else "peak")

    @property
    def evaluations(self) -> tuple[EvalPoint, ...]:
        """What held-out prompts showed, step by step."""
        return tuple(eval_points(self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        points = [
            {
                "step": point.step,
                "proxy": point.proxy and estimate_json(point.proxy),
                "gold": {name: estimate_json(e) for name, e in (point.gold or {}).items()},
                "kl": point.kl and estimate_json(point.kl),
            }
            for point in self.evaluations
        ]
        counts = {"steps": self.steps, "stopped": self.stopped, "peak": self.peak}
        return {"out": str(self.out), **counts, "evaluations": points}

    def report(self, out: str | Path | None = None) -> list[Path]:
        """Write `report.html` and `run.json` into a folder, the run's own by default; return the
        files."""
        return write_into(out or self.out, self.page, self.settings, "rl", data=self.data)

    def page(self, run: Run) -> None:
        """Write the page of an open run."""
        from assay.pages.rl import reinforcement_report

        lines = (self.out / "samples.jsonl").read_text().splitlines()
        samples = [json.loads(line) for line in lines]
        run.page(
            f"RL of {self.out.name}",
            lambda: reinforcement_report(run.body, self.rows, samples, peak=self.peak),
        )

    def __str__(self) -> str:
        """Return the first and the last evaluation, and where the gold is highest."""
        why = f", stopped: {self.stopped}" if self.stopped else ""
        lines = [f"{self.out}: {self.steps} rounds{why}"]
        points = {point.step: point for point in self.evaluations}
        ends = [*points.values()][:1] + [*points.values()][1:][-1:]
        for point in ends:
            golds = "".join(f", {name} {_shown(e)}" for name, e in (point.gold or {}).items())
            lines.append(
                f"round {point.step}: proxy {_shown(point.proxy)}{golds}, KL {_shown(point.kl)}"
                " nats"
            )
        last = self.evaluations[-1] if self.evaluations else EvalPoint(step=0)
        for name, least in last.gold_bound.items():
            lines.append(
                f"{name} is at least {least:.3g} by the lower end of its correlation with the proxy"
                f" before training (χ² {last.chi2:.3g}, arXiv:2403.03185)"
            )
        if self.peak is not None:
            lines.append(
                f"the first gold is highest at round {self.peak}: {self.out / 'peak'} holds the"
                " policy as it was then"
            )
        return "\n".join(lines)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Alarms of the run, with their rounds."""
        return tuple(
            f"alarm at round {row['step']}: {row['alarm']}: {row['text']}"
            for row in self.rows
            if "alarm" in row
        )


def rl(
    prompts: Prompts,
    *,
    policy: "str | Path | Policy",
    reward: Reward | Sequence[Reward],
    out: str | Path,
    gold: str | Scorer | Sequence[str] | Mapping[str, str | Scorer] = (),
    recipe: str | Settings = "grpo",
    held_out: float | Prompts | None = None,
    prime: float = 0.0,
    prime_learning_rate: float = PRIME_RATE,
    environment: str | Environment | None = None,
    turns: int = TURNS,
    lora: int = 0,
    gate: Sequence[str | Path] = (),
    format: str | None = None,
    set_aside: str | Path | bool = False,
    limit: int | None = None,
    template: Literal["chat", "plain"] = "chat",
    join: str = "\n",
    split: str = "newline",
    setting: Sequence[str] = (),
    max_length: int = 2048,
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    device: str = "auto",
    threads: int | None = None,
    track: Sequence[str] = (),
    resume: bool = True,
    overwrite: bool = False,
    settings: object = None,
    **changes: Any,
) -> PolicyTraining:
    """Train a policy against a reward, and save it to `out`.

    prompts: file, folder or data set; or prompts, their texts, or records that have one.
    policy: folder or hub name of a causal language model, or a `rl.policy.Policy`. reward: one
    or several, put together as `combine` says. gold: scorers that are evaluated on held-out
    prompts and never learned from; the first says where the peak is. recipe: a name of
    `rl.settings.RECIPES` (grpo, rloo, ppo ...) or settings; changes: of its fields, such as
    `steps=50`. held_out: share of the prompts (0.1 where a small file allows), a file, or
    prompts. prime: weight of an implicit process reward that is learned along (PRIME).
    environment: what answers the policy's turns, of which a trajectory has `turns` at most.
    gate: files by which judges may score. lora: rank of adapters; 0 trains every parameter.
    set_aside: file for malformed rows; True is set_aside.jsonl in `out`. limit: most prompts.
    template, join, max_length: layout of the texts. split, setting: where steps end. overwrite:
    replaces other finished work in `out`. settings: what `run.json` holds; None is this call.
    track: trackers, as `runs.tracking` names them.

    The same call resumes a run that was killed, and returns a finished one. Under torchrun all
    processes train one policy, and the leader writes. Raises `ConfigError` for what contradicts
    itself, `DataError` for prompts that cannot be used.
    """
    call = described("rl", **locals())
    from assay.rl.loop import optimise

    out, how, rewards = Path(out), settings_of(recipe, changes), _listed(reward)
    _check(rewards, template=template, join=join, prime=prime, rate=prime_learning_rate)
    _check_sizes(lora=lora, limit=limit, threads=threads, max_length=max_length, turns=turns)
    _check_held_out(how, held_out, gold)
    game = _game(environment, turns, (split, tuple(setting)))
    where = _ready(device, threads)
    files, body = named(prompts, held_out), settings or call
    opening: Any = {"data": files, "inputs": _folder_of(policy), "command": "rl"}
    opening |= {"restart": not resume, "overwrite": overwrite, "track": track}
    with together(where, out, body, set_aside, **opening) as (world, run, aside):
        parts, golds = _parts(rewards, world.device), _golds(gold, world.device)
        judges = admitted(gate, {**{part.name: part.scorer for part in parts}, **golds})
        if run is not None:
            run.note(**judges)
        _check_environment(game, [*(part.scorer for part in parts), *golds.values()])
        reading: Any = {"seed": how.seed, "limit": limit, "format": format, "aside": aside}
        found = _sides(prompts, held_out, **reading, tools=_tools(game))
        _check_gold(golds, found.held)
        layout = {"template": template, "join": join, "max_length": max_length}
        policy = _policy(policy, layout, split, setting, lora, dtype, world, how)
        found = _laid_out(found, policy)
        learner = _prime(policy, prime, prime_learning_rate, lora, how) if prime else None
        asked: Any = {"held_out": found.held, "golds": golds, "prime": learner, "game": game}
        run_as: Any = {"settings": how, "out": out, "resume": resume, "world": world}
        done = optimise(policy, found.train, parts, **asked, **run_as)
        result = PolicyTraining.of(done, out=out, settings=body, data=files)
        if run is not None:
            result.page(run)
    return result


def _tools(game: "Game | None") -> tuple[Mapping[str, Any], ...]:
    """Definitions of the tools that an environment answers."""
    return () if game is None else tuple(getattr(game.environment, "tools", ()))


def settings_of(recipe: str | Settings, changes: Mapping[str, Any]) -> Settings:
    """Return a recipe's settings with some of them changed. Raises `ConfigError` for a name that is
    none."""
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ConfigError(f"no recipe is called {recipe!r}; there is {', '.join(RECIPES)}")
        recipe = RECIPES[recipe]
    known = {one.name for one in fields(Settings)}
    if unknown := changes.keys() - known:
        raise ConfigError(
            f"{', '.join(sorted(unknown))}: no setting of the training has that name; there is"
            f" {', '.join(sorted(known))}"
        )
    return replace(recipe, **changes)


def _folder_of(policy: Any) -> list[str | Path]:
    """The folder of a policy that is named; none of one that is given."""
    return [policy] if isinstance(policy, str | Path) else []


def _listed(reward: Any) -> list[Reward]:
    one = isinstance(reward, str | Part | Scorer) or callable(reward)
    return [reward] if one else list(reward)


def _check(
    rewards: Sequence[Reward],
    *,
    template: str,
    join: str,
    prime: float,
    rate: float,
) -> None:
    """Raise `ConfigError` for what cannot be, or would do nothing, before anything is loaded."""
    from assay.specs.reward_kinds import GRAMMAR

    if not rewards:
        raise ConfigError(f"there is no reward; give --reward {GRAMMAR.partition(':')[0]}")
    if join != "\n" and template == "chat":
        raise ConfigError(
            "join stands between prompt and response of the plain template; leave it out of a chat"
        )
    if not 0 <= prime < math.inf:
        raise ConfigError(f"prime is {prime}; give a weight above 0, or 0 for none")
    if not prime and rate != PRIME_RATE:
        raise ConfigError(
            f"prime_learning_rate {rate} does nothing without PRIME; give --prime a weight, or"
            " leave it out"
        )


def _game(
    environment: str | Environment | None, turns: int, cuts: tuple[str, tuple[str, ...]]
) -> "Game | None":
    """Open the environment. Raises `ConfigError` for settings that would do nothing."""
    from assay.rl.trajectories import Game
    from assay.specs.environments import environment as opened

    if environment is None:
        if turns != TURNS:
            raise ConfigError(
                f"turns {turns} does nothing without an environment; give --environment, or leave"
                " it out"
            )
        return None
    if cuts != ("newline", ()):
        raise ConfigError(
            "split does nothing with an environment, where every turn is a step; leave it out"
        )
    return Game(environment=opened(environment), turns=turns)


def _check_environment(game: "Game | None", scorers: Sequence[Scorer]) -> None:
    if game is None and any(isinstance(one, EnvironmentRewards) for one in scorers):
        raise ConfigError(
            "the rewards of an environment are asked for, and there is none; give --environment"
        )


def _check_sizes(*, lora: int, **sizes: int | None) -> None:
    if lora < 0:
        raise ConfigError(f"lora is {lora}; give a rank above 0, or 0 to train every parameter")
    for name, value in sizes.items():
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1")


def _check_held_out(how: Settings, held_out: Any, gold: Any) -> None:
    """Refuse what is asked of held-out prompts where there are to be none."""
    if not isinstance(held_out, int | float) or held_out != 0:
        return
    fresh = {one.name: one.default for one in fields(Settings)}
    idle = [
        name
        for name in ("watch_every", "watch_prompts", "watch_samples")
        if getattr(how, name) != fresh[name]
    ]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} does nothing where no prompts are held out; give --held-out a share"
        )
    _check_gold(gold, [])


def _check_gold(golds: Any, held: Sequence[Prompt]) -> None:
    if golds and not held:
        raise ConfigError(
            "a gold scorer is asked about held-out prompts, and there are none; give --held-out a"
            " larger share or a file of other prompts, or leave out --gold"
        )


def _sides(
    prompts: Any,
    held_out: Any,
    *,
    seed: int,
    limit: int | None,
    format: str | None,
    aside: Path | None,
    tools: tuple[Mapping[str, Any], ...] = (),
) -> Sides[Prompt]:
    """Read the prompts to train on, and those to evaluate on."""
    return sides(
        _records(prompts),
        _records(held_out),
        lambda records: _unique(records, limit, tools),
        default=0.1,
        seed=seed,
        format=format,
        aside=aside,
    )


def _ready(device: str, threads: int | None) -> str:
    """Set the threads and return the device."""
    import torch

    from assay.models.device import device_of

    if threads:
        torch.set_num_threads(threads)
    return device_of(device)


def _parts(rewards: Sequence[Reward], device: str) -> list[Part]:
    """Open the parts of the reward."""
    from assay.specs.rewards import reward

    return [reward(one, device=device) for one in rewards]


def _golds(
    gold: str | Scorer | Sequence[str] | Mapping[str, str | Scorer], device: str
) -> dict[str, Scorer]:
    """Open gold scorers, by name."""
    from assay.specs.scorers import named as opened

    if isinstance(gold, Scorer):
        return {type(gold).__name__: gold}
    return opened([gold] if isinstance(gold, str) else gold, device=device)


def _unique(
    records: Iterator[Any], limit: int | None, tools: tuple[Mapping[str, Any], ...]
) -> Iterator[Prompt]:
    """Yield the records' prompts, each once, as many as `limit` says; tools are those of prompts
    that define none."""
    seen: set[str] = set()
    for record in records:
        prompt = prompt_of(record)
        if tools and not prompt.tools:
            prompt = prompt.model_copy(update={"tools": tools})
        # A scorer may read the reference and the columns in `meta`.
        key = prompt.model_dump_json(exclude={"id"})
        if key not in seen:
            seen.add(key)
            yield prompt
        if limit is not None and len(seen) == limit:
            break


def _records(given: Any) -> Any:
    """What is named or a number as it is; of what is given, texts are prompts."""
    if given is None or isinstance(given, str | Path | float | int):
        return given
    return [Prompt.of(each) if isinstance(each, str) else each for each in given]


def _policy(
    given: "str | Path | Policy",
    layout: Mapping[str, Any],
    split: str,
    setting: Sequence[str],
    lora: int,
    dtype: Literal["auto", "float32", "bfloat16"],
    world: "World",
    how: Settings,
) -> "Policy":
    """Load a policy to train, unless it is one."""
    if not isinstance(given, str | Path):
        return given
    from assay.models.layout import Layout
    from assay.models.policy import open_policy
    from assay.rl.policy import Policy
    from assay.specs.generators import splitter

    precision = "float32" if dtype == "auto" else dtype
    # Several processes split a policy that is whole on the CPU.
    device = world.device if world.size == 1 else "cpu"
    model, tokenizer, _ = open_policy(str(given), dtype=precision, device=device, trains=True)
    return Policy(
        model,
        tokenizer,
        layout=Layout(**layout),
        split=splitter(split, tuple(setting)),
        adapters=lora,
        critic=how.advantage == "gae",
        seed=how.seed,
    )


def _prime(
    policy: "Policy", weight: float, rate: float, lora: int, how: Settings
) -> "ImplicitProcess":
    """Make an implicit process reward of a copy of the policy."""
    import copy

    from assay.models.checkpoint import wrap_implicit
    from assay.models.readout import OUTCOME
    from assay.rl.prime import ImplicitProcess

    if lora:
        raise ConfigError("PRIME trains a copy of the whole policy; leave out --lora")
    model = wrap_implicit(
        copy.deepcopy(policy.model),
        policy.tokenizer,
        layout=policy.generator.encoder.layout,
        readout=OUTCOME.model_copy(update={"steps": "difference"}),
        beta=0.05,
    )
    return ImplicitProcess(
        model, weight=weight, learning_rate=rate, bf16_update=how.bf16_update, seed=how.seed
    )


def _laid_out(found: Sides[Prompt], policy: "Policy") -> Sides[Prompt]:
    """Set aside the prompts that the policy's template refuses; raise `RefusedRecords` for them
    where nothing is to be set aside, `ConfigError` where its tokenizer does not know the texts."""
    from assay.models.laid_out import laid_out
    from assay.training.rehearsal import check_read

    refused: dict[str, str] = {}
    read: list[Sequence[int]] = []
    encoder = policy.generator.encoder
    for prompts in (found.train, found.held):
        texts = [[(prompt, Response(steps=()))] for prompt in prompts]
        for prompt, made in zip(prompts, laid_out(texts, encoder), strict=True):
            if isinstance(made, str):
                refused[found.places[id(prompt)]] = made
            else:
                read.append(made[0].ids)
    check_read(read, encoder.tokenizer, "--policy", aloud=policy.world.leader)
    return found.without(RefusedRecords(refused)) if refused else found


def _shown(e: Estimate | None) -> str:
    if e is None:
        return "absent"
    if math.isnan(e.value):
        return f"not scored (none of {e.unscored:.0f} responses)"
    return f"{e:.3f}"
