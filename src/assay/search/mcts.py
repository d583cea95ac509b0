"""Monte-Carlo tree search over steps, with a scorer's value in place of rollouts (AlphaZero's PUCT;
AlphaMath, arXiv:2405.03553).

A simulation walks down from the prompt: at each node to the child with the largest

    Q(child) + exploration * P(child) * sqrt(visits of the node) / (1 + visits of the child),

continues the text that it ends at in `each` ways, scores them, and gives their values to all nodes
above. Q is the mean (or the largest) value below a node, scaled to [0, 1] by the values seen so
far, so that any scorer will do; P is the softmax of the siblings' values, or uniform. A subtree in
which there is nothing left to continue is closed: with enough simulations the search is exhaustive.
"""

import math
import random
from dataclasses import dataclass, field
from typing import Literal

import assay.search as search
from assay.errors import ConfigError
from assay.types import Prompt
from assay.verifiers.answers.numeric import Numeric

__all__ = ["Mcts"]


@dataclass(frozen=True, kw_only=True)
class Mcts:
    """Continue the text that promises most or is least known, `simulations` times."""

    simulations: int = 32
    """Texts that are continued."""
    each: int = 4
    """Continuations of each."""
    exploration: float = 1.25
    """Weight of what is little known; 0 = always the best value."""
    backup: Literal["mean", "max"] = "mean"
    """Value of a node: the mean of all values below it, or the largest."""
    prior: Literal["uniform", "value"] = "uniform"
    """Prior of siblings that are not visited yet: uniform, or the softmax of their values."""
    max_steps: int = 40
    """Steps of a text at most."""
    pick: search.Pick = "best"
    """Choice among the finished texts."""
    seed: search.Seed = 0
    """Seed for breaking ties."""
    answers: search.Answers = field(default_factory=Numeric)
    """Finds the final answers and says which are the same, for votes."""

    def __post_init__(self) -> None:
        if min(self.simulations, self.each, self.max_steps) < 1 or self.exploration < 0:
            raise ConfigError(
                "simulations, each and max_steps must be at least 1, and exploration not negative"
            )
        search.check_pick(self.pick)

    def plan(self, prompt: Prompt, account: search.Account) -> search.Plan[search.Found]:
        """Simulate, and choose among all finished texts."""
        tree = _Tree(self, search.lot(self.seed, prompt, "walk"))
        stopped = ""
        for _ in range(self.simulations):
            if account.over:
                stopped = "budget"
                break
            path = tree.walk()
            if path is None:
                break
            (grown,) = yield from search.extend(search.Extend(path[-1].steps, self.each))
            scored = yield from search.score(search.distinct(grown))
            tree.expand(path, scored)
        return search.end(prompt, tree.leaves(), self.pick, self.answers, self.seed, stopped)


@dataclass(eq=False)
class _Node:
    """A text in the tree."""

    branch: search.Branch | None
    """None for the prompt."""
    prior: float = 1.0
    values: list[float] = field(default_factory=list)
    """All values at and below it: their number is its visits."""
    children: list["_Node"] = field(default_factory=list)
    closed: bool = False
    """Whether there is nothing left to continue below it."""

    @property
    def steps(self) -> search.Steps:
        """The text so far."""
        return self.branch.response.steps if self.branch else ()


class _Tree:
    """The statistics of one prompt's search."""

    def __init__(self, settings: Mcts, lot: random.Random) -> None:
        self.settings = settings
        self.lot = lot
        self.root = _Node(None)
        self.low, self.high = math.inf, -math.inf

    def walk(self) -> list[_Node] | None:
        """From the prompt to the text to continue next; None where nothing is left."""
        if self.root.closed:
            return None
        path = [self.root]
        while path[-1].children:
            open_ = [child for child in path[-1].children if not child.closed]
            worths = [self._worth(path[-1], child) for child in open_]
            top = max(worths)
            path.append(
                self.lot.choice([c for c, worth in zip(open_, worths, strict=True) if worth == top])
            )
        return path

    def expand(self, path: list[_Node], branches: list[search.Branch]) -> None:
        """Hang the continuations below the last node of a walk, and tell the nodes above."""
        node = path[-1]
        # An unscored text is worth nothing known: it is kept, and never visited before the others.
        finite = [b.value for b in branches if math.isfinite(b.value)]
        for value in finite:
            self.low, self.high = min(self.low, value), max(self.high, value)
        worst = self.low if math.isfinite(self.low) else 0.0
        shares = self._priors([b.value for b in branches])
        for branch, prior in zip(branches, shares, strict=True):
            value = branch.value if math.isfinite(branch.value) else worst
            over = branch.response.finished or len(branch.response.steps) >= self.settings.max_steps
            node.children.append(_Node(branch, prior, [value], closed=over))
            for above in path:
                above.values.append(value)
        for above in reversed(path):
            above.closed = all(child.closed for child in above.children)

    def leaves(self) -> list[search.Branch]:
        """Every text that was not continued."""
        found, left = [], [self.root]
        while left:
            node = left.pop(0)
            left = [*node.children, *left]
            if not node.children and node.branch:
                found.append(node.branch)
        return found

    def _worth(self, node: _Node, child: _Node) -> float:
        mean = (
            max(child.values)
            if self.settings.backup == "max"
            else math.fsum(child.values) / len(child.values)
        )
        span = self.high - self.low
        bonus = (
            self.settings.exploration
            * child.prior
            * math.sqrt(len(node.values))
            / (1 + len(child.values))
        )
        return ((mean - self.low) / span if span > 0 else 0.5) + bonus

    def _priors(self, values: list[float]) -> list[float]:
        if self.settings.prior == "uniform" or not any(map(math.isfinite, values)):
            return [1 / len(values) for _ in values]
        top = max(values)
        raw = [math.exp(value - top) for value in values]
        return [w / math.fsum(raw) for w in raw]
