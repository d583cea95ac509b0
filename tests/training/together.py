"""What the tests of several processes run in each of them: tiny trainings whose truth is that of
one process."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from assay import cli
from assay.errors import BackendError
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.losses.step_bce import StepBCE
from assay.models.layout import Layout
from assay.protocols import Loss
from assay.training import optimization, sft
from assay.training.adamw import AdamW
from assay.training.loop import train
from assay.training.parallel import World, joined
from assay.training.settings import Settings
from assay.training.sharding import like
from tests.models import tiny
from tests.training import planted

HOW = Settings(
    epochs=2.5,
    batch_size=8,
    micro_tokens=256,
    # Slow enough that no loss gets near 0, where AdamW makes steps of rounding.
    learning_rate=3e-4,
    eval_every=7,
    checkpoint_every=5,
    seed=3,
)
"""20 steps on 64 records."""
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 8}


def soft(count: int, seed: int = 0) -> list[Any]:
    """Steps of unequal numbers, whose labels lie anywhere between wrong and right."""
    found = []
    for i, record in enumerate(planted.steps(count, seed)):
        labels = tuple(None if y is None else abs(y - 0.07 * (i % 5)) for y in record.labels)
        if any(y is not None for y in labels):
            found.append(record.model_copy(update={"labels": labels}))
    return found


def _reward(
    loss: Loss, records: Callable[..., list[Any]], **more: Any
) -> Callable[[Path, World], None]:
    def run(out: Path, world: World) -> None:
        model = planted.model(loss.trains, **more.get("shape", {}))
        if more.get("dtype"):
            model.network.to(more["dtype"])
            model.network.score.float()
        train(
            model,
            records(64),
            loss=loss,
            settings=replace(HOW, **more.get("settings", {})),
            out=out,
            held_out=records(13, seed=1),
            progress=False,
            world=world,
        )

    return run


def _implicit(out: Path, world: World) -> None:
    train(
        planted.implicit("outcome"),
        planted.outcomes(64),
        loss=Outcome(),
        settings=HOW,
        out=out,
        progress=False,
        world=world,
    )


def _sft(out: Path, world: World) -> None:
    sft.fine_tune(
        tiny.causal(**SHAPE),
        tiny.tokenizer(),
        planted.preferences(64),
        layout=Layout(max_length=64),
        settings=HOW,
        out=out,
        held_out=planted.preferences(13, seed=1),
        progress=False,
        world=world,
    )


RUNS: dict[str, Callable[[Path, World], None]] = {
    "pairs": _reward(BradleyTerry(), planted.preferences),
    "outcomes": _reward(Outcome(), planted.outcomes),
    "steps": _reward(StepBCE(), soft),
    "checkpointed": _reward(
        StepBCE(), soft, settings={"gradient_checkpointing": True, "offload": True}
    ),
    "lora": _reward(BradleyTerry(), planted.preferences, settings={"lora": 4}),
    "stochastic": _reward(
        BradleyTerry(),
        planted.preferences,
        settings={"bf16_update": "stochastic"},
        dtype=torch.bfloat16,
    ),
    "master": _reward(BradleyTerry(), planted.preferences, dtype=torch.bfloat16),
    "implicit": _implicit,
    "sft": _sft,
    "rounded": lambda out, world: rounded(out, world),
}


def stopped(name: str, out: Path, world: World, at: int) -> None:
    """A run that ends with an error at a step, everywhere."""
    with patched("take_step", lambda step, *_: _broken(step, at)):
        RUNS[name](out, world)


def _broken(step: int, at: int) -> None:
    if step == at:
        raise BackendError("stopped on purpose")


@contextmanager
def patched(name: str, before: Callable[..., None]) -> Iterator[None]:
    """Do something before each call of a function of the loop; it is given the step."""
    of = getattr(optimization, name)

    def instead(*given: Any) -> Any:
        before(given[3])
        return of(*given)

    setattr(optimization, name, instead)
    try:
        yield
    finally:
        setattr(optimization, name, of)


def out_of_memory(name: str, out: Path, world: World) -> None:
    """A run in which memory runs out on rank 1 in its fourth part."""
    from assay.training import loop

    of, calls = loop.hits, [0]

    def instead(*given: Any) -> Any:
        calls[0] += 1
        if world.rank == 1 and calls[0] == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return of(*given)

    loop.hits = instead
    RUNS[name](out, world)


def rounded(out: Path, world: World) -> None:
    """Whether stochastic rounding of a weight in parts is, bit for bit, that of the whole one."""
    generator = torch.Generator().manual_seed(0)
    whole = nn.Parameter(torch.randn(7, 5, generator=generator).bfloat16())
    mesh = init_device_mesh("cpu", (world.size,))
    part = nn.Parameter(distribute_tensor(whole.detach().clone(), mesh, [Shard(0)]))
    made = [AdamW([p], lr=1e-2, bf16_update="stochastic", seed=5) for p in (whole, part)]
    for _ in range(5):
        whole.grad = torch.randn(7, 5, generator=generator).bfloat16()
        part.grad = like(part, whole.grad)
        for optimiser in made:
            optimiser.step()
    same = torch.equal(whole.detach(), part.detach().full_tensor())
    (out.parent / f"rounded.{world.rank}").write_text(str(same))


def main(folder: Path, words: list[str]) -> None:
    """Do what each word says: [FOLDER=]NAME, NAME@STEP for a run that is stopped, or NAME! for one
    that runs out of memory."""
    torch.set_num_threads(1)
    os.fsync = lambda _: None
    with joined("cpu") as world:
        for word in words:
            name, _, at = word.split("=")[-1].rstrip("!").partition("@")
            out = folder / word.split("=")[0].rstrip("!").partition("@")[0]
            if word.endswith("!"):
                out_of_memory(name, out, world)
            elif at:
                with suppress(BackendError):
                    stopped(name, out, world, int(at))
            else:
                RUNS[name](out, world)


def rows(out: Path) -> list[dict[str, Any]]:
    """The steps and evaluations of a run."""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[1:]]


def work(told: dict[str, str], call: Sequence[str], said: Path) -> None:
    """What a process does: a command of `assay`, or what a module's `main` does with a folder and
    words, this one's where none is named. told: by torchrun."""
    os.environ.update(told)
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = open(os.devnull, "w"), open(2, "w", closefd=False)  # noqa: SIM115
    if call[0] == "assay":
        cli.main(call[1:])
    elif call[0].startswith("tests."):
        import_module(call[0]).main(Path(call[1]), list(call[2:]))
    else:
        main(Path(call[0]), list(call[1:]))
