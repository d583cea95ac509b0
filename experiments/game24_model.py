"""A process model of the Game of 24, from scratch: which numbers left can still make 24.

It reads the numbers left after every operation, ascending, a token a number, and learns from random
games that are not in the log, labelled by the exact solver. What is left of other games is often
what is left of the log's: with `unseen="games"` a model may remember the very states that it is
tested on, with `unseen="states"` no three numbers that are left anywhere in the log are left in
training.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import torch
from experiments.game24_log import Game, Numbers, makes_24_of, shown, successors

from assay.losses.step_bce import StepBCE
from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import PROCESS
from assay.models.reward_model import RewardModel
from assay.scorers.local import LocalScorer
from assay.training.loop import train
from assay.training.settings import Settings
from assay.types import Group, Prompt, Response, Score, StepLabels, Unscored

Unseen = Literal["games", "states"]
RARE = ("-rare", "rare")
"""Stand for numbers that are large or no simple fractions, by their sign."""


def fit(
    games: Sequence[Game], unseen: Unseen, out: Path, *, records: int, steps: int, seed: int
) -> "Reads":
    """Train it, or load it from where it was left, as a scorer of the log's texts."""
    data = list(itertools.islice(trajectories(games, unseen, seed), records))
    settings = Settings(
        epochs=steps * 128 / records,
        batch_size=128,
        bucket=32,
        learning_rate=3e-3,
        final_learning_rate_share=0.0,
        warmup=0.04,
        weight_decay=0.01,
        checkpoint_every=steps,
        seed=seed,
    )
    train(model(seed), data, loss=StepBCE(), settings=settings, out=out, progress=False)
    trained_on = {line for record in data for line in record.response.steps}
    return Reads(LocalScorer(out), frozenset(trained_on))


def trajectories(games: Sequence[Game], unseen: Unseen, seed: int) -> Iterator[StepLabels]:
    """Three operations on four numbers, again and again: half of them any, half of them such that
    24 can be made."""
    rng = random.Random(seed)
    held_out = {tuple(sorted(map(int, game.numbers.split()))) for game in games}
    starts = [
        four
        for four in itertools.combinations_with_replacement(range(1, 14), 4)
        if four not in held_out
    ]
    logged = [_read(text) for game in games for step in game.steps for text in step.proposals]
    avoid = (
        {state for state in logged if state and len(state) == 3} if unseen == "states" else set()
    )
    while True:
        four = tuple(map(Fraction, rng.choice(starts)))
        state, states = four, []
        for _ in range(3):
            after = [s for s in successors(state) if s not in avoid]
            good = [s for s in after if makes_24_of(s)] if rng.random() < 0.5 else []
            state = rng.choice(good or after)
            states.append(state)
        yield StepLabels(
            prompt=Prompt.of(words(four)),
            response=Response(steps=tuple(words(s, after=1) for s in states), finished=False),
            labels=tuple(float(makes_24_of(s)) for s in states),
        )


def words(numbers: Numbers, after: int = 0) -> str:
    """Numbers as the model reads them; after an operation, a mark at which they are judged."""
    simple = [str(n) if str(n) in WORDS else RARE[n > 0] for n in numbers]
    return " ".join([*simple, ";"] if after else simple)


LARGEST = 13
"""Denominator: what one division of two numbers of a game leaves."""
FRACTIONS = [
    Fraction(n, d)
    for d in range(2, LARGEST + 1)
    for n in range(-20 * d, 20 * d)
    if math.gcd(n, d) == 1
]
VOCABULARY = (
    "<unk>",
    "<pad>",
    "<bos>",
    "<eos>",
    ";",
    *RARE,
    *map(str, range(-200, 201)),
    *map(str, FRACTIONS),
)
WORDS = frozenset(VOCABULARY)


def model(seed: int) -> RewardModel:
    """Two layers, 64 wide, and a tokenizer of numbers."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(VOCABULARY)}, unk_token="<unk>")
    )
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
    )
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=32,
        tie_word_embeddings=True,
        initializer_range=0.1,
        num_labels=1,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=3,
    )
    torch.manual_seed(seed)
    layout = Layout(join=" ", close=False, max_length=32)
    # A state's own chance is what a search wants, not the product of those on the way to it.
    readout = PROCESS.model_copy(update={"aggregate": "last"})
    return wrap(
        LlamaForSequenceClassification(config), tokenizer, layout=layout, readout=readout, seed=seed
    )


@dataclass
class Reads:
    """Scores the log's texts by a model that reads numbers alone; unscored where there are more or
    fewer numbers than operations leave. What was scored is remembered."""

    model: LocalScorer
    trained_on: frozenset[str]
    """The states that it was trained on, in its words."""
    known: dict[tuple[str, str], Score | Unscored] = field(default_factory=dict)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response."""
        wanted = {
            (g.prompt.text, r.text): view(g.prompt.text, r.text)
            for g in groups
            for r in g.responses
        }
        new = {key: seen for key, seen in wanted.items() if key not in self.known}
        self.known |= {
            key: Unscored(reason="not the numbers that are left")
            for key, seen in new.items()
            if not seen
        }
        readable = {key: seen for key, seen in new.items() if seen}
        if readable:
            by_prompt = _grouped(readable)
            scores = self.model.score([group for _, group in by_prompt])
            self.known |= {
                key: score
                for (keys, _), row in zip(by_prompt, scores, strict=True)
                for key, score in zip(keys, row, strict=True)
            }
        return [[self.known[g.prompt.text, r.text] for r in g.responses] for g in groups]


def view(numbers: str, text: str) -> tuple[str, ...]:
    """The game and every state on the way, in the model's words; nothing where a line cannot be
    read."""
    lines = text.splitlines()[:3]
    states = [_read(line) for line in lines]
    if any(state is None or len(state) != 3 - i for i, state in enumerate(states)):
        return ()
    return (
        words(tuple(sorted(map(Fraction, numbers.split())))),
        *(words(state or (), after=1) for state in states),
    )


def _read(text: str) -> Numbers | None:
    """The numbers that a text says are left, decimals taken for the simple fractions that they
    round."""
    if "left: " not in text.strip().split("\n")[-1]:
        return None
    try:
        read = [
            Fraction(word.strip("()")).limit_denominator(LARGEST)
            for word in shown(text, "").split()
        ]
    except (ValueError, ZeroDivisionError):
        return None
    return tuple(sorted(read))


def _grouped(
    views: Mapping[tuple[str, str], tuple[str, ...]],
) -> list[tuple[list[tuple[str, str]], Group]]:
    by_game: dict[str, list[tuple[str, str]]] = {}
    for key in views:
        by_game.setdefault(key[0], []).append(key)
    return [
        (
            keys,
            Group(
                prompt=Prompt.of(views[keys[0]][0]),
                responses=tuple(Response(steps=views[key][1:], finished=False) for key in keys),
            ),
        )
        for keys in by_game.values()
    ]
