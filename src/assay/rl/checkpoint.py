"""Where a run stands, written whole or not at all, and refused by a run that differs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from assay.config import to_json
from assay.protocols import Scorer
from assay.rl.policy import Policy
from assay.rl.prime import ImplicitProcess
from assay.rl.scoring import Part, Statistics
from assay.rl.settings import Settings
from assay.training import resume
from assay.types import Prompt

__all__ = ["State", "fingerprint", "keep_best", "load", "put", "read_best", "save"]


@dataclass
class State:
    """Where a run stands."""

    step: int = 0
    position: int = 0
    """Prompts drawn."""
    beta: float = 0.0
    statistics: dict[str, Statistics] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    """Look and value of the highest first gold."""
    metrics_bytes: int = 0
    samples_bytes: int = 0
    empty: int = 0
    """Rounds in a row without a scored response."""
    stopped: str = ""
    warned: list[str] = field(default_factory=list)


def fingerprint(
    policy: Policy,
    prompts: Sequence[Prompt],
    parts: Sequence[Part],
    settings: Settings,
    held_out: Sequence[Prompt],
    golds: Mapping[str, Scorer],
) -> dict[str, str]:
    """Hashes of what decides how a run goes, as far as can be told: of scorers, their names and how they are placed."""
    body = {k: v for k, v in to_json(settings).items() if k != "checkpoint_every"}
    placed = [
        {**{k: v for k, v in vars(part).items() if k not in ("scorer", "transforms")}, "t": repr(part.transforms)}
        for part in parts
    ]
    return {
        "settings": resume.of_json(body),
        "reward": resume.of_json(placed),
        "gold scorers": resume.of_json([*golds]),
        "policy": resume.of_weights(policy.model),
        "prompts": resume.of_json([p.model_dump(mode="json") for p in prompts]),
        "held-out prompts": resume.of_json([p.model_dump(mode="json") for p in held_out]),
    }


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
    kept["statistics"] = {name: Statistics(**s) for name, s in kept["statistics"].items()}
    kept["best"] = None if kept["best"] is None else tuple(kept["best"])
    return State(**kept)


def keep_best(folder: Path, step: int, policy: Policy) -> None:
    """Keep the present weights as those of a look; older ones go when the next checkpoint no longer needs them."""
    resume.write(folder / f"best-{step}.pt", policy.parameters())


def read_best(folder: Path, step: int) -> dict[str, Tensor]:
    """The weights kept."""
    found: dict[str, Tensor] = torch.load(folder / f"best-{step}.pt", map_location="cpu", weights_only=True)
    return found


def put(policy: Policy, values: Mapping[str, Tensor]) -> None:
    """Give the policy other weights."""
    with torch.no_grad():
        for name, parameter in policy.parameters().items():
            parameter.copy_(values[name])
