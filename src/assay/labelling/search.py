"""Grow a tree of prefixes from a prompt, and look for first errors where they are likely: OmegaPRM
(arXiv:2406.06592).

A state is a prefix with k rollouts, of which a share MC is right. A wrong rollout of a state with 0
< MC < 1 goes wrong somewhere between the two, and binary search finds where, with k rollouts from
each prefix it tries; those with MC > 0 become states whose wrong rollouts may be searched next.
Which one comes next:

    Q(s, r) = alpha^(1 - MC(s)) beta^(len(r) / L)
    U(s) = c_puct sqrt(sum of N over all states) / (1 + N(s))

the largest Q + U, N(s) being how often a rollout of s was searched: short wrong rollouts of
promising states, and states not yet tried. Rollouts are shared by all searches of the tree. What is
right is what the verifier calls right, and no step is labelled without rollouts of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from assay.errors import ConfigError
from assay.labelling.ledger import Rollout
from assay.labelling.montecarlo import label_of, record_of
from assay.labelling.rollouts import Ask, Plan, Rollouts, Tally, need_references, run_plans
from assay.protocols import Prefix
from assay.types import Prompt, Response, RolloutLabels

__all__ = ["State", "Tree", "TreeSearch"]

Steps = tuple[str, ...]


@dataclass
class State:
    """A prefix and what its rollouts say."""

    tally: Tally
    wrong: list[Rollout]
    """Wrong rollouts that were not searched yet, in their order."""
    visits: int = 0
    """How many were."""

    @property
    def share(self) -> float:
        """MC: the share of right rollouts; 0 where none could be judged."""
        return self.tally.right / max(self.tally.judged, 1)


@dataclass(frozen=True)
class Tree:
    """What is known of one prompt's solutions."""

    prompt: Prompt
    states: dict[Steps, State] = field(default_factory=dict)
    """Prefixes that have rollouts, the prompt's own first."""
    searched: list[Steps] = field(default_factory=list)
    """Wrong solutions whose first error was looked for."""

    def records(
        self, label: Literal["hard", "soft"], threshold: float = 0.0
    ) -> list[RolloutLabels]:
        """One record a solution searched: each state's label once, in the first that goes through
        it, and its last step wrong; steps nobody tried have None."""
        found, told = [], set[Steps]()
        for steps in self.searched:
            tallies = [Tally(0, 0)] * len(steps)
            for t in range(1, len(steps) + 1):
                state = self.states.get(steps[:t])
                if state is not None and steps[:t] not in told:
                    tallies[t - 1] = state.tally
                    told.add(steps[:t])
            tallies[-1] = Tally(0, 1)
            labels = [label_of(t, label, threshold) for t in tallies]
            found.append(record_of(self.prompt, Response(steps=steps), labels, tallies))
        return found


@dataclass(frozen=True, kw_only=True)
class TreeSearch:
    """A tree of prefixes from every prompt, its first errors found by binary search."""

    rollouts: int = 8
    """Rollouts from each prefix that is tried."""

    searches: int = 20
    """Maximum wrong rollouts searched per prompt."""

    budget: int = 200
    """Rollouts per prompt after which no search is started."""

    alpha: float = 0.5
    """How much less a state is worth the fewer of its rollouts are right."""

    beta: float = 0.9
    """Discount of a wrong rollout's value per `length`."""

    length: int = 500
    """Tokens that beta is for; words, where the generator does not count tokens."""

    exploration: float = 0.125
    """c_puct: how much states not yet tried are preferred."""

    label: Literal["hard", "soft"] = "soft"
    """soft: the share of right rollouts; hard: whether there is any."""

    def __post_init__(self) -> None:
        if min(self.rollouts, self.searches, self.budget, self.length) < 1:
            raise ConfigError("rollouts, searches, budget and length must be at least 1")
        if not (0 < self.alpha <= 1 and 0 < self.beta <= 1 and self.exploration >= 0):
            raise ConfigError("alpha and beta must be in (0, 1], exploration at least 0")

    def __call__(self, prompts: Sequence[Prompt], rollouts: Rollouts) -> list[Tree]:
        """Grow one tree per prompt, in order; all of them grow together. Raises `DataError` where
        one has no reference."""
        need_references(prompts)
        return run_plans([self._grow(prompt, rollouts) for prompt in prompts], rollouts)

    def _grow(self, prompt: Prompt, rollouts: Rollouts) -> Plan[Tree]:
        tree = Tree(prompt)
        yield from self._try((), tree, rollouts)
        while len(tree.searched) < self.searches and len(tree.states) * self.rollouts < self.budget:
            chosen = self._select(tree)
            if chosen is None:
                break
            steps, rollout = chosen
            tree.states[steps].wrong.remove(rollout)
            tree.states[steps].visits += 1
            whole = (*steps, *rollout.steps)
            tree.searched.append(whole)
            # Something right comes after the first `low` steps, nothing after the first `high`.
            low, high = len(steps), len(whole)
            while high - low > 1:
                middle = (low + high) // 2
                yield from self._try(whole[:middle], tree, rollouts)
                tally = tree.states[whole[:middle]].tally
                if not tally.judged:
                    break
                low, high = (middle, high) if tally.right else (low, middle)
        return tree

    def _try(self, steps: Steps, tree: Tree, rollouts: Rollouts) -> Plan[None]:
        """Make a prefix a state."""
        if steps in tree.states:
            return
        prefix = Prefix(tree.prompt, steps)
        ask: Ask = [(prefix, self.rollouts)]
        yield ask
        found = rollouts.of(prefix, self.rollouts)
        # One that was cut off went wrong nowhere in particular, and one without a step has no place
        # to go wrong in.
        wrong = [
            r for r in found if rollouts.verdict(prefix, r) is False and r.finished and r.steps
        ]
        tree.states[steps] = State(rollouts.tally(prefix, self.rollouts), wrong)

    def _select(self, tree: Tree) -> tuple[Steps, Rollout] | None:
        """The wrong rollout to search next; the first of equals."""
        visits = sum(state.visits for state in tree.states.values())
        best: tuple[float, Steps, Rollout] | None = None
        for steps, state in tree.states.items():
            if not 0 < state.share < 1:
                continue
            bonus = self.exploration * math.sqrt(visits) / (1 + state.visits)
            for rollout in state.wrong:
                length = rollout.tokens if rollout.tokens is not None else len(rollout.text.split())
                worth = (
                    self.alpha ** (1 - state.share) * self.beta ** (length / self.length) + bonus
                )
                if best is None or worth > best[0]:
                    best = worth, steps, rollout
        return None if best is None else best[1:]
