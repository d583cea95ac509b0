"""Trajectories: the policy writes a turn, the environment answers, and so on until it has no more
to say.

The policy goes on from the very tokens that it wrote, never from their text tokenised again. What
the environment answers is laid out by the chat template and marked as given: it is read, and not
learned from. Every turn of the assistant is a step, which ends with the turn's last token.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from assay.engines.hf import HuggingFace, Sample
from assay.errors import AssayError, BackendError, ConfigError
from assay.protocols import Environment, Prefix, Reaction, Sampling
from assay.types import Message, Prompt, Response

__all__ = ["Game", "play"]


@dataclass(frozen=True, kw_only=True)
class Game:
    """An environment, and how long it is played with."""

    environment: Environment
    turns: int = 8
    """Most turns of the assistant in a trajectory."""

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ConfigError(f"turns is {self.turns}; it must be at least 1")


@dataclass
class _Playing:
    """A trajectory in progress."""

    prompt: Prompt
    prefix_ids: tuple[int, ...]
    number: int
    """Number of the sample among those of its prompt: what its randomness depends on."""
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    given: list[tuple[int, int]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The last token of each turn."""
    turns: list[Message] = field(default_factory=list)
    rewards: list[float | None] = field(default_factory=list)
    stop: str = ""
    """Why it ended; empty while it goes on."""

    def write(self, sample: Sample) -> None:
        """Take what the policy wrote as a turn."""
        self.ids += sample.ids
        self.logprobs += sample.logprobs
        self.ends.append(len(self.ids) - 1)
        self.turns.append(Message(role="assistant", content=sample.response.text))
        self.rewards.append(None)

    def read(self, ids: Sequence[int]) -> None:
        """Take what the policy is given to read before its next turn."""
        self.given.append((len(self.ids), len(self.ids) + len(ids)))
        self.ids += ids
        self.logprobs += [0.0] * len(ids)

    def sample(self) -> Sample:
        """Return the trajectory with its tokens."""
        own = len(self.ids) - sum(end - start for start, end in self.given)
        response = Response.trajectory(
            self.turns,
            rewards=tuple(self.rewards),
            finished=self.stop == "done",
            stop=self.stop,
            meta={"tokens": own},
        )
        return Sample(
            response, self.prefix_ids, tuple(self.ids), tuple(self.logprobs), tuple(self.given)
        )


def play(
    generator: HuggingFace, prompts: Sequence[Prompt], sampling: Sampling, game: Game
) -> list[list[tuple[Sample, tuple[int, ...]]]]:
    """Play `sampling.n` trajectories for each prompt: each with the last token of every turn.

    `sampling.max_tokens` are those of a whole trajectory, answers included. One that has no room
    for its next turn, or has had its turns, is not finished. Its randomness is a function of the
    seed, of what stands before each turn and of its number.
    """
    stop = tuple(getattr(game.environment, "stop", ()))
    sampling = replace(sampling, stop=stop)
    every = _begun(generator, prompts, sampling)
    while playing := [one for one in every if not one.stop]:
        room = [sampling.max_tokens - len(one.ids) for one in playing]
        sequences = [(*one.prefix_ids, *one.ids) for one in playing]
        numbers = [one.number for one in playing]
        written = generator.extend(sequences, numbers, room, sampling)
        for one, sample in zip(playing, written, strict=True):
            one.write(sample)
            _answer(generator, one, sample, sampling, game)
    samples = [(one.sample(), tuple(one.ends)) for one in every]
    return [samples[i : i + sampling.n] for i in range(0, len(samples), sampling.n)]


def _begun(generator: HuggingFace, prompts: Sequence[Prompt], sampling: Sampling) -> list[_Playing]:
    """Return trajectories without any turn; a prompt that comes again counts on where it left
    off."""
    encoded = generator.encode([Prefix(prompt) for prompt in prompts])
    limit = generator.encoder.layout.max_length
    if (longest := max(map(len, encoded), default=0) + sampling.max_tokens) > limit:
        raise ConfigError(
            f"the longest prompt and max_tokens make {longest} tokens, above the layout's"
            f" max_length {limit}; raise it or ask for fewer"
        )
    before: Counter[tuple[int, ...]] = Counter()
    every = []
    for prompt, ids in zip(prompts, encoded, strict=True):
        for _ in range(sampling.n):
            every.append(_Playing(prompt, ids, before[ids]))
            before[ids] += 1
    return every


def _answer(
    generator: HuggingFace, one: _Playing, sample: Sample, sampling: Sampling, game: Game
) -> None:
    """Let the environment react to the turn just written, and see whether there is another."""
    if not sample.response.finished:
        # What was cut off is no turn that an environment could judge.
        one.stop = "length"
        return
    reaction = _react(game.environment, one.prompt, tuple(one.turns))
    one.turns[-1], one.rewards[-1] = reaction.turn, reaction.reward
    if not reaction.answers:
        one.stop = "done"
    elif len(one.ends) == game.turns:
        one.stop = "turns"
    else:
        ids = generator.encoder.between(one.prompt, one.turns, reaction.answers)
        # The template writes the end of the turn, which the policy may have written already.
        ids = ids[1:] if ids[:1] == [one.ids[-1]] else ids
        if len(one.ids) + len(ids) >= sampling.max_tokens:
            one.stop = "length"
        else:
            one.turns += reaction.answers
            one.read(ids)


def _react(environment: Environment, prompt: Prompt, turns: tuple[Message, ...]) -> Reaction:
    """Ask the environment. Raises `BackendError` where it fails or breaks its promise."""
    name = type(environment).__name__
    try:
        found = environment.react(prompt, turns)
    except AssayError:
        raise
    except Exception as error:
        raise BackendError(
            f"environment {name} failed on a turn: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Reaction):
        raise BackendError(
            f"environment {name} gave a {type(found).__name__}; it must give a `Reaction`"
        )
    wrong = [m.role for m in found.answers if m.role == "assistant"]
    if wrong or found.turn.role != "assistant":
        raise BackendError(
            f"environment {name} gave a turn of role {found.turn.role} and answers of roles"
            f" {', '.join(m.role for m in found.answers)}; the turn is the assistant's, and no"
            " answer is"
        )
    return found
