"""Which text each simulation continues, against the formula worked out anew from the bare list of
values."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.search import Steps, run
from assay.search.mcts import Mcts
from assay.testing import FakeScorer
from assay.types import Prompt, Response
from tests.search.toys import Drawn, Tree, prompts

Values = Callable[[Steps], float]


def expected(settings: Mcts, values: Values, branching: int, depth: int) -> list[Steps]:
    """The texts that are continued, in order."""
    seen: dict[Steps, float] = {}
    done: list[Steps] = []

    def below(steps: Steps) -> list[float]:
        """All values at and below a text; the prompt has none of its own."""
        return [value for other, value in seen.items() if other[: len(steps)] == steps]

    def open_(steps: Steps) -> bool:
        """Whether there is something to continue at or below a text."""
        if len(steps) == depth:
            return False
        return steps not in done or any(open_((*steps, f"{i} ")) for i in range(branching))

    def worth(steps: Steps) -> float:
        low, high = min(seen.values()), max(seen.values())
        mine = below(steps)
        q = max(mine) if settings.backup == "max" else sum(mine) / len(mine)
        siblings = [seen[(*steps[:-1], f"{i} ")] for i in range(branching)]
        shares = [math.exp(value) for value in siblings]
        prior = math.exp(seen[steps]) / sum(shares) if settings.prior == "value" else 1 / branching
        bonus = settings.exploration * prior * math.sqrt(len(below(steps[:-1]))) / (1 + len(mine))
        return (q - low) / (high - low) + bonus

    while open_(()) and len(done) < settings.simulations:
        at: Steps = ()
        while at in done:
            at = max((child for i in range(branching) if open_(child := (*at, f"{i} "))), key=worth)
        done.append(at)
        seen |= {(*at, f"{i} "): values((*at, f"{i} ")) for i in range(branching)}
    return done


def wild(prompt: Prompt, steps: Steps) -> float:
    return random.Random(f"{prompt.text} {steps}").uniform(-3, 9)


@pytest.mark.parametrize("backup", ["mean", "max"])
@pytest.mark.parametrize("prior", ["uniform", "value"])
@pytest.mark.parametrize("exploration", [0.0, 0.5, 3.0])
def test_it_goes_where_the_formula_says(backup: Any, prior: Any, exploration: float) -> None:
    for branching, depth, simulations in ((2, 4, 15), (3, 3, 9), (3, 3, 13)):
        settings = Mcts(
            each=branching,
            simulations=simulations,
            backup=backup,
            prior=prior,
            exploration=exploration,
        )
        scorer = FakeScorer(rule=lambda prompt, response: wild(prompt, response.steps))
        for prompt in prompts(2):
            tree = Tree(branching=branching, depth=depth)
            run(settings, [prompt], tree, scorer)
            went = [steps for _, steps, number, _ in tree.asked if number == 0]
            assert went == expected(
                settings, lambda steps, p=prompt: wild(p, steps), branching, depth
            )  # type: ignore[misc]


def test_by_hand() -> None:
    """Children of the prompt: 0 is worth 1, 1 is worth 0. Below 0 there is nothing but 0, below 1
    there is 10.

    Mean, exploration 1, uniform. Continued: the prompt; then 0 (Q 1 against 0); then, with Q(0) =
    1/3 and three visits, child 0 has 1/3 + .5 sqrt(4)/4 = .583 and child 1 has 0 + .5 sqrt(4)/2 =
    .5: 0 again, at its first child by the larger value .1. Then Q(0) = 1.1/5 = .22 and five visits:
    .22 + .5 sqrt(6)/6 = .424 against .5 sqrt(6)/2 = .612: 1.
    """
    values = {("0 ",): 1.0, ("1 ",): 0.0, ("0 ", "0 "): 0.1, ("1 ", "0 "): 10.0}

    def rule(_: Prompt, response: Response) -> float:
        return values.get(response.steps, 0.0)

    tree = Tree(branching=2, depth=3)
    run(Mcts(each=2, simulations=4, exploration=1.0), prompts(1), tree, FakeScorer(rule=rule))
    assert [steps for _, steps, number, _ in tree.asked if number == 0] == [
        (),
        ("0 ",),
        ("0 ", "0 "),
        ("1 ",),
    ]


def test_what_is_unscored_is_visited_last_and_not_chosen() -> None:
    """All scores are far below 0: what has none must not seem better."""
    rule = {("0 ",): None, ("1 ",): -9.0, ("2 ",): -5.0}

    def said(_: Prompt, response: Response) -> float | None:
        return rule.get(response.steps[:1])

    tree = Tree(branching=3, depth=2)
    (result,) = run(
        Mcts(each=3, simulations=4, exploration=0.0), prompts(1), tree, FakeScorer(rule=said)
    )
    order = [steps for _, steps, number, _ in tree.asked if number == 0]
    assert order[:2] == [(), ("2 ",)]
    assert set(order[2:]) == {("0 ",), ("1 ",)}
    assert result.response is not None
    assert result.response.steps[0] == "2 "

    def nothing_below(_: Prompt, response: Response) -> float | None:
        """Below the best child nothing is scored."""
        if response.steps[0] == "2 " and len(response.steps) == 2:
            return None
        return rule[response.steps[:1]] or -20.0

    tree = Tree(branching=3, depth=3)
    run(
        Mcts(each=3, simulations=3, exploration=0.0, backup="mean"),
        prompts(1),
        tree,
        FakeScorer(rule=nothing_below),
    )
    order = [steps for _, steps, number, _ in tree.asked if number == 0]
    assert order[:2] == [(), ("2 ",)]
    assert order[2] == ("1 ",)  # (-5 - 20 * 3) / 4 is worse than -9


def test_it_ends_where_nothing_is_left() -> None:
    """Every text is finished at once: one expansion, whatever was allowed."""
    policy = Drawn(texts=("a", "b", "b", "c"))
    (result,) = run(Mcts(simulations=50, each=4), prompts(1), policy, FakeScorer())
    assert len(policy.asked) == 4
    assert [r.text for r in result.group.responses] == ["a", "b", "c"]


def test_a_text_has_so_many_steps_at_most() -> None:
    tree = Tree(branching=2, depth=9)
    (result,) = run(Mcts(simulations=50, each=2, max_steps=2), prompts(1), tree, FakeScorer())
    assert {len(r.steps) for r in result.group.responses} == {2}
    assert len(tree.asked) == 2 + 4
    assert not result.response.finished  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "bad", [{"simulations": 0}, {"each": 0}, {"max_steps": 0}, {"exploration": -0.1}]
)
def test_settings_that_cannot_work_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Mcts(**bad)  # type: ignore[arg-type]
