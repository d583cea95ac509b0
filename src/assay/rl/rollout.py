"""A round's samples: prompts in an order that is a function of the seed, a group of responses to
each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from assay.data.records import all_responses
from assay.engines.hf import HuggingFace, Sample
from assay.protocols import Prefix, Sampling
from assay.rl.advantages import Bools, Ints
from assay.rl.policy import Policy
from assay.rl.rewards import Array
from assay.rl.trajectories import Game, play
from assay.training.parallel import World, deal, spread
from assay.types import Group, Prompt

__all__ = ["Rollout", "passes", "portions", "prompt_order", "sample", "sample_reference"]


@dataclass(frozen=True)
class Rollout:
    """B responses in groups of one prompt each, at most T tokens."""

    groups: tuple[Group, ...]
    samples: tuple[Sample, ...]
    ends: tuple[tuple[int, ...], ...]
    """The last token of each step of each response."""

    @cached_property
    def group_B(self) -> Ints:
        """The group of each response."""
        return np.repeat(
            np.arange(len(self.groups)), [len(group.responses) for group in self.groups]
        )

    @cached_property
    def lengths_B(self) -> Ints:
        """New tokens that the policy wrote of each response."""
        return np.asarray(self.mask_B_T.sum(1), dtype=np.int64)

    @cached_property
    def lasts_B(self) -> Ints:
        """The last token of each response."""
        return np.array([len(sample.ids) - 1 for sample in self.samples], dtype=np.int64)

    @cached_property
    def mask_B_T(self) -> Bools:
        """True at a response's tokens that the policy wrote."""
        width = int(self.lasts_B.max(initial=-1)) + 1
        mask_B_T = np.asarray(np.arange(width) <= self.lasts_B[:, None])
        for row, sample in zip(mask_B_T, self.samples, strict=True):
            for start, end in sample.given:
                row[start:end] = False
        return mask_B_T

    @cached_property
    def logprobs_B_T(self) -> Array:
        """Log-probabilities of the tokens when they were drawn; 0 outside the mask."""
        logprobs_B_T = np.zeros(self.mask_B_T.shape)
        for row, sample in zip(logprobs_B_T, self.samples, strict=True):
            row[: len(sample.logprobs)] = sample.logprobs
        return logprobs_B_T

    @cached_property
    def again_B(self) -> Bools:
        """True where a response's text equals another one's in its group."""
        texts = [[response.text for response in group.responses] for group in self.groups]
        return np.array([own.count(text) > 1 for own in texts for text in own], dtype=bool)

    @cached_property
    def elsewhere_B(self) -> Bools:
        """True where a response's text equals one to another prompt."""
        prompts: dict[str, set[str]] = {}
        for group in self.groups:
            for response in group.responses:
                prompts.setdefault(response.text, set()).add(group.prompt.text)
        twice = [len(prompts[response.text]) > 1 for response in all_responses(self.groups)]
        return np.array(twice, dtype=bool)

    def chosen(self, groups: Sequence[int]) -> "Rollout":
        """Some of the groups."""
        starts = np.cumsum([0, *(len(group.responses) for group in self.groups)])
        members = list(chain.from_iterable(range(starts[g], starts[g + 1]) for g in groups))
        return Rollout(
            tuple(self.groups[g] for g in groups),
            tuple(self.samples[b] for b in members),
            tuple(self.ends[b] for b in members),
        )

    def __add__(self, other: "Rollout") -> "Rollout":
        return Rollout(
            self.groups + other.groups, self.samples + other.samples, self.ends + other.ends
        )


def sample(
    policy: Policy, prompts: Sequence[Prompt], sampling: Sampling, game: Game | None = None
) -> Rollout:
    """`sampling.n` responses of the policy to each prompt; trajectories where there is a game.

    Of several processes each writes those of its prompts, and all have all.
    """
    with policy.as_it_is() as generator:
        drawn = _drawn(generator, prompts, sampling, game, policy.world)
    groups = [
        Group(prompt=prompt, responses=tuple(s.response for s, _ in samples))
        for prompt, samples in zip(prompts, drawn, strict=True)
    ]
    every = list(chain.from_iterable(drawn))
    return Rollout(tuple(groups), tuple(s for s, _ in every), tuple(ends for _, ends in every))


def sample_reference(
    policy: Policy, prompts: Sequence[Prompt], sampling: Sampling, game: Game | None = None
) -> list[Group]:
    """Responses of the policy as it was."""
    with policy.as_it_was() as generator:
        drawn = _drawn(generator, prompts, sampling, game, policy.world)
    return [
        Group(prompt=prompt, responses=tuple(s.response for s, _ in samples))
        for prompt, samples in zip(prompts, drawn, strict=True)
    ]


def _drawn(
    generator: HuggingFace,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    game: Game | None,
    world: World,
) -> list[list[tuple[Sample, tuple[int, ...]]]]:
    """Samples of each prompt, with the last token of each step, whichever process wrote them."""

    def write(own: Sequence[Prompt]) -> list[list[tuple[Sample, tuple[int, ...]]]]:
        if game is not None:
            return play(generator, own, sampling, game)
        return [
            [(s, tuple(generator.step_ends(s))) for s in samples]
            for samples in generator.sample([Prefix(prompt) for prompt in own], sampling)
        ]

    # A prompt that comes again goes on with the numbers of its samples.
    return spread(
        world, prompts, lambda: generator.encode([Prefix(prompt) for prompt in prompts]), write
    )


def passes(
    samples: Sequence[Sample], chosen: Ints, micro_tokens: int, world: World
) -> tuple[list[list[int]], int]:
    """The portions of the chosen samples that this process takes, and how many of them, the last
    ones, are idle: all processes make as many passes.

    Samples of one prompt stay on one process.
    """
    if world.size == 1:
        return portions(samples, chosen, micro_tokens), 0
    costs = [len(samples[i].prefix_ids) + len(samples[i].ids) for i in chosen]
    own = deal(costs, [samples[i].prefix_ids for i in chosen], world.size)[world.rank]
    return world.even(
        portions(samples, chosen[own], micro_tokens), lambda: [int(chosen[int(np.argmin(costs))])]
    )


def portions(samples: Sequence[Sample], chosen: Ints, micro_tokens: int) -> list[list[int]]:
    """The chosen samples' indices, in their order, in portions of at most so many tokens, or of one
    sample."""
    parts: list[list[int]] = []
    size = 0
    for i in chosen.tolist():
        length = len(samples[i].prefix_ids) + len(samples[i].ids)
        if not parts or size + length > micro_tokens:
            parts.append([])
            size = 0
        parts[-1].append(i)
        size += length
    return parts


def prompt_order(count: int, seed: int, start: int) -> Iterator[int]:
    """Indices of prompts without end, from the `start`th on: every prompt once, then all again in
    another order."""
    epoch, place = divmod(start, count)
    while True:
        for i in np.random.default_rng([seed, epoch]).permutation(count)[place:]:
            yield int(i)
        epoch, place = epoch + 1, 0
