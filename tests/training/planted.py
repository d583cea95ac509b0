"""Records with a truth that a tiny model can learn in seconds: what is asked for should be what is
said."""

import random
from pathlib import Path
from typing import Any, Literal

import torch

from assay.models.checkpoint import wrap, wrap_implicit
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Layout
from assay.models.log_probabilities import log_probabilities
from assay.models.reward_model import RewardModel
from assay.training.loop import READOUTS
from assay.types import Preference, Prompt, Ranking, Response, StepLabels
from tests.models import tiny


def model(
    trains: Literal["preference", "outcome", "process"] = "preference",
    *,
    max_length: int = 64,
    **shape: Any,
) -> RewardModel:
    """Two layers, 32 wide; the same weights every time."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 8} | shape
    layout = Layout(max_length=max_length, close=trains != "process")
    return wrap(tiny.network(**shape), tiny.tokenizer(), layout=layout, readout=READOUTS[trains])


def implicit(
    trains: Literal["preference", "outcome"] = "preference",
    *,
    beta: float = 0.1,
    network: Any = None,
    max_length: int = 64,
    **shape: Any,
) -> ImplicitRewardModel:
    """The same size without a head; steps are scored by what they add."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 8} | shape
    readout = READOUTS[trains].model_copy(update={"steps": "difference"})
    network = tiny.causal(**shape) if network is None else network
    return wrap_implicit(
        network, tiny.tokenizer(), layout=Layout(max_length=max_length), readout=readout, beta=beta
    )


def learned(model: ImplicitRewardModel) -> ImplicitRewardModel:
    """As if its policy had been trained, else every value is 0."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) / 4)
    return model


def preferences(count: int, seed: int = 0) -> list[Preference]:
    """The better response ends in "yes"."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        word = "".join(rng.choices("abcd", k=rng.randint(1, 8)))
        better, worse = (
            Response.of(f"{word} yes"),
            Response.of(f"{word} no{'o' * rng.randint(0, 4)}"),
        )
        pair = Preference(prompt=Prompt.of(f"q {word}"), responses=(better, worse), prefer=1.0)
        found.append(pair if rng.random() < 0.5 else pair.swap())
    return found


def steps(count: int, seed: int = 0) -> list[StepLabels]:
    """A step is right when it holds a "y"; every seventh has no label."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        right = [rng.random() < 0.5 for _ in range(rng.randint(1, 4))]
        texts = tuple(("yyy" if r else "nnn")[: rng.randint(1, 3)] + "\n" for r in right)
        labels = tuple(None if rng.random() < 1 / 7 else float(r) for r in right)
        found.append(
            StepLabels(prompt=Prompt.of("go"), response=Response(steps=texts), labels=labels)
        )
    return found


def outcomes(count: int, seed: int = 0) -> list[StepLabels]:
    """Half of the responses are right; in every other one there is a "z", anywhere. Nothing is said
    of the steps."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        texts = [
            "".join(rng.choices("abcd", k=rng.randint(2, 5))) + "\n"
            for _ in range(rng.randint(3, 5))
        ]
        if i % 2:
            step = rng.randrange(len(texts))
            letter = rng.randrange(len(texts[step]) - 1)
            texts[step] = texts[step][:letter] + "z" + texts[step][letter + 1 :]
        found.append(
            StepLabels.outcome(Prompt.of("go"), Response(steps=tuple(texts)), float(i % 2 == 0))
        )
    return found


def writer(records: list[StepLabels]) -> Any:
    """A language model that learned to write such responses, right and wrong."""
    network = tiny.causal(hidden_size=32, intermediate_size=64, head_dim=8)
    sequences = implicit(network=network).encoder.encode([(r.prompt, r.response) for r in records])
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(6):
        for i in range(0, len(sequences), 32):
            part = sequences[i : i + 32]
            found = log_probabilities(network, [s.ids for s in part], [s.start for s in part])
            optimiser.zero_grad()
            (-found.values_B_R.sum() / found.mask_B_R.sum()).backward()
            optimiser.step()
    return network


def rankings(count: int, seed: int = 0) -> list[Ranking]:
    """Two to four responses; more "y" is better."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        grades = tuple(float(rng.randint(0, 3)) for _ in range(rng.randint(2, 4)))
        responses = tuple(Response.of("n" * (4 - int(g)) + "y" * int(g)) for g in grades)
        found.append(Ranking(prompt=Prompt.of("rank"), responses=responses, grades=grades))
    return found


def killed_then_resumed(out: Path, without_head: bool = False) -> None:
    """What the test of exact resume runs in a process of its own."""
    from assay.losses.bradley_terry import BradleyTerry
    from assay.training.loop import Settings, train

    torch.set_num_threads(1)
    settings = Settings(
        epochs=3,
        batch_size=8,
        learning_rate=1e-3,
        eval_every=7,
        checkpoint_every=5,
        micro_tokens=256,
        seed=4,
    )
    train(
        (implicit if without_head else model)(hidden_act="silu", attention_dropout=0.1),
        preferences(80),
        loss=BradleyTerry(center=0.01),
        settings=settings,
        out=out,
        held_out=preferences(16, seed=1),
    )


def policy_killed_then_resumed(out: Path) -> None:
    """The same of a policy."""
    from assay.training.settings import Settings
    from assay.training.sft import fine_tune

    torch.set_num_threads(1)
    fine_tune(
        tiny.causal(
            hidden_size=32,
            intermediate_size=64,
            head_dim=8,
            hidden_act="silu",
            attention_dropout=0.1,
        ),
        tiny.tokenizer(),
        preferences(64),
        layout=Layout(max_length=64),
        settings=Settings(
            epochs=3,
            batch_size=8,
            learning_rate=1e-3,
            eval_every=7,
            checkpoint_every=5,
            micro_tokens=128,
            seed=4,
        ),
        out=out,
        held_out=preferences(16, seed=1),
    )
