"""Checkpoints of a run: written whole or not at all, and refused by a run that differs."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from assay.errors import ConfigError
from assay.fingerprint import fingerprint as of_content
from assay.protocols import Scorer
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part
from assay.rl.settings import Settings
from assay.rl.trajectories import Game
from assay.rl.transforms import Statistics
from assay.training import resume
from assay.types import Prompt

__all__ = ["State", "fingerprints", "keep_best", "load", "put", "read_best", "save"]


ADDED: Final = frozenset(
    {"combine", "spread_floor", "shrinkage", "missing", "must_pass", "factor", "each_part"}
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
    resume: bool = True,
) -> dict[str, str]:
    """Fingerprint everything that decides a run, by name.

    Raises `ConfigError` for a scorer that cannot be told from another, where the run is to be
    resumed; where it is not, such a scorer gets a name that no other run has.
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
            {name: _of_scorer(name, scorer, resume) for name, scorer in scorers.items()},
        ],
        "gold scorers": [
            (name, _of_scorer(name, scorer, resume)) for name, scorer in golds.items()
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
        content["environment"] = [_of_game(game, resume), game.turns]
    return {name: of_content(thing) for name, thing in content.items()}


def _settings_of(thing: Settings | Part) -> dict[str, Any]:
    """The fields of settings or a part, but those that are new and at their defaults."""
    return {
        one.name: value
        for one in fields(thing)
        if (value := getattr(thing, one.name)) != one.default or one.name not in ADDED
    }


def _of_scorer(name: str, scorer: object, resume: bool, kind: str = "scorer") -> str:
    try:
        return of_content(scorer)
    except ConfigError as error:
        if not resume:
            return f"unknown {uuid.uuid4()}"
        raise ConfigError(
            f"{kind} {name!r} cannot be told from another one, so an interrupted run could be"
            f" resumed with another {'reward' if kind == 'scorer' else kind}: {error}. Give the"
            f" {kind} an attribute or method `fingerprint` (a function cannot have one: make it a"
            f" class with a method `{'score' if kind == 'scorer' else 'react'}`),"
            " or run without resuming"
        ) from error


def _of_game(game: Game, resume: bool) -> str:
    name = type(game.environment).__name__
    return _of_scorer(name, game.environment, resume, kind="environment")


def save(
    folder: Path,
    state: State,
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    prime: ImplicitProcess | None,
    of: Mapping[str, str],
) -> None:
    """Write a checkpoint in place of the last one."""
    body = {
        "state": asdict(state),
        "parameters": dict(policy.parameters()),
        "optimiser": optimiser.state_dict(),
        "prime": None if prime is None else prime.state(),
        "fingerprint": dict(of),
    }
    resume.write(folder / "state.pt", body)
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
    body = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    resume.check(body["fingerprint"], of, folder)
    put(policy, body["parameters"])
    optimiser.load_state_dict(body["optimiser"])
    if prime is not None:
        prime.restore(body["prime"])
    kept = body["state"]
    kept["statistics"] = {name: _statistics(s) for name, s in kept["statistics"].items()}
    if "told" in kept:  # the name of `warnings` in earlier checkpoints
        kept["warnings"] = kept.pop("told")
    kept["best"] = None if kept["best"] is None else tuple(kept["best"])
    return State(**kept)


def keep_best(folder: Path, step: int, policy: Policy) -> None:
    """Keep the present weights as those of an evaluation; older ones go when the next checkpoint
    no longer needs them."""
    resume.write(folder / f"best-{step}.pt", policy.parameters())


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
            parameter.copy_(values[name])


def _statistics(kept: Mapping[str, Any]) -> Statistics:
    return Statistics(kept["mean"], kept["std"], tuple(_statistics(s) for s in kept["after"]))
