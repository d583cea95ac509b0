"""Checkpoints of a run: written whole or not at all, and refused by a run that differs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from assay.errors import ConfigError
from assay.fingerprint import fingerprint as of_content
from assay.protocols import Scorer
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part
from assay.rl.settings import Settings
from assay.rl.trajectories import Game
from assay.rl.transforms import Statistics
from assay.training import parts as in_parts
from assay.training import resume
from assay.training.sharding import gathered, like
from assay.types import Prompt

__all__ = ["State", "fingerprints", "keep_best", "load", "put", "read_best", "save"]


STATE: Final = "state.pt"
ADDED: Final = frozenset(
    {"combine", "spread_floor", "shrinkage", "missing", "must_pass", "factor", "each_part"}
    | {"gradient_checkpointing"}
)
"""Fields that earlier runs did not have: at their defaults they are none of a fingerprint's, so
that those runs resume."""


@dataclass
class State:
    """The state of a run between two rounds."""

    step: int = 0
    position: int = 0
    """Prompts drawn so far."""
    beta: float = 0.0
    statistics: dict[str, Statistics] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    """Step and value of the highest first gold."""
    metrics_bytes: int = 0
    samples_bytes: int = 0
    empty: int = 0
    """Rounds in a row without a scored response."""
    stopped: str = ""
    warned: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    """Warnings about the scores, by name; each becomes an alarm once."""


def fingerprints(
    policy: Policy,
    prompts: Sequence[Prompt],
    parts: Sequence[Part],
    settings: Settings,
    held_out: Sequence[Prompt],
    golds: Mapping[str, Scorer],
    prime: ImplicitProcess | None,
    *,
    game: Game | None = None,
    unknown: str | None = None,
) -> dict[str, str]:
    """Fingerprint everything that decides a run, by name.

    unknown: name of a scorer that cannot be told from another, which no other run has. Raises
    `ConfigError` for such a scorer where there is none, as the run is to be resumed.
    """
    encoder = policy.generator.encoder
    reference = policy.reference.model
    learned = None
    if prime is not None:
        model = prime.model
        body = [
            model.network,
            model.reference,
            model.encoder.layout,
            model.beta,
            model.encoder.readout,
        ]
        learned = [*body, prime.weight, prime.learning_rate, prime.clip]
    placed = [
        {name: value for name, value in _settings_of(part).items() if name != "scorer"}
        for part in parts
    ]
    scorers = {part.name: part.scorer for part in parts}
    content = {
        "settings": _settings_of(settings),
        "reward": [
            placed,
            {name: _of_scorer(name, scorer, unknown) for name, scorer in scorers.items()},
        ],
        "gold scorers": [
            (name, _of_scorer(name, scorer, unknown)) for name, scorer in golds.items()
        ],
        "policy": [policy.model, policy.critic],
        "reference policy": None if reference is policy.model else reference,
        "tokenizer": policy.tokenizer,
        "layout": [encoder.layout, policy.generator.ends],
        "splitter": policy.generator.split,
        "grammar": policy.grammar,
        "PRIME": learned,
        "prompts": [prompt.model_dump_json() for prompt in prompts],
        "held-out prompts": [prompt.model_dump_json() for prompt in held_out],
    }
    if game is not None:
        content["environment"] = [_of_game(game, unknown), game.turns]
    return {name: of_content(thing) for name, thing in content.items()}


def _settings_of(thing: Settings | Part) -> dict[str, Any]:
    """The fields of settings or a part, but those that are new and at their defaults."""
    return {
        one.name: value
        for one in fields(thing)
        if (value := getattr(thing, one.name)) != one.default or one.name not in ADDED
    }


def _of_scorer(name: str, scorer: object, unknown: str | None, kind: str = "scorer") -> str:
    try:
        return of_content(scorer)
    except ConfigError as error:
        if unknown is not None:
            return unknown
        raise ConfigError(
            f"{kind} {name!r} cannot be told from another one, so an interrupted run could be"
            f" resumed with another {'reward' if kind == 'scorer' else kind}: {error}. Give the"
            f" {kind} an attribute or method `fingerprint` (a function cannot have one: make it a"
            f" class with a method `{'score' if kind == 'scorer' else 'react'}`),"
            " or run without resuming"
        ) from error


def _of_game(game: Game, unknown: str | None) -> str:
    name = type(game.environment).__name__
    return _of_scorer(name, game.environment, unknown, kind="environment")


def save(
    folder: Path,
    state: State,
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    prime: ImplicitProcess | None,
    of: Mapping[str, str],
) -> None:
    """Write a checkpoint in place of the last one."""
    body: dict[str, Any] = {"state": asdict(state), "fingerprint": dict(of)}
    if policy.world.size > 1:
        trained, optimisers = _trained(policy, optimiser, prime)
        in_parts.save(folder, body, trained, optimisers, policy.world)
        if not policy.world.leader:
            return
        (folder / STATE).unlink(missing_ok=True)
    else:
        body["parameters"] = dict(policy.parameters())
        body["optimiser"] = optimiser.state_dict()
        body["prime"] = None if prime is None else prime.state()
        resume.write(folder / STATE, body)
        in_parts.remove(folder)
    for path in folder.glob("best-*.pt"):
        if state.best is None or path.name != f"best-{state.best[0]}.pt":
            path.unlink()


def load(
    folder: Path,
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    prime: ImplicitProcess | None,
    of: Mapping[str, str],
) -> State:
    """Put the checkpoint back. Raises `ConfigError` where it is of another run."""
    if (last := in_parts.last(folder)) is not None:
        body = in_parts.body_of(last)
        resume.check(body["fingerprint"], of, folder)
        in_parts.load(last, *_trained(policy, optimiser, prime))
    else:
        body = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        resume.check(body["fingerprint"], of, folder)
        put(policy, body["parameters"])
        in_parts.put_whole(optimiser, body["optimiser"])
        if prime is not None:
            prime.restore(body["prime"])
    kept = body["state"]
    kept["statistics"] = {name: _statistics(s) for name, s in kept["statistics"].items()}
    if "told" in kept:  # the name of `warnings` in earlier checkpoints
        kept["warnings"] = kept.pop("told")
    kept["best"] = None if kept["best"] is None else tuple(kept["best"])
    return State(**kept)


def _trained(
    policy: Policy, optimiser: torch.optim.Optimizer, prime: ImplicitProcess | None
) -> tuple[dict[str, nn.Parameter], list[torch.optim.Optimizer]]:
    """All that learns, by name, and its optimisers; the value head has none."""
    if prime is None:
        return policy.parameters(), [optimiser]
    learned = {f"prime.{name}": p for name, p in prime.parameters().items()}
    return policy.parameters() | learned, [optimiser, prime.optimiser]


def keep_best(folder: Path, step: int, policy: Policy) -> None:
    """Keep the present weights as those of an evaluation; older ones go when the next checkpoint
    no longer needs them."""
    values: Mapping[str, Tensor] = policy.parameters()
    if policy.world.size > 1:
        values = {**values, **gathered(policy.model, policy.world)}
    if policy.world.leader:
        resume.write(folder / f"best-{step}.pt", values)


def read_best(folder: Path, step: int) -> dict[str, Tensor]:
    """The weights kept."""
    result: dict[str, Tensor] = torch.load(
        folder / f"best-{step}.pt", map_location="cpu", weights_only=True
    )
    return result


def put(policy: Policy, values: Mapping[str, Tensor]) -> None:
    """Give the policy other weights."""
    with torch.no_grad():
        for name, parameter in policy.parameters().items():
            parameter.copy_(like(parameter, values[name]))


def _statistics(kept: Mapping[str, Any]) -> Statistics:
    return Statistics(kept["mean"], kept["std"], tuple(_statistics(s) for s in kept["after"]))
