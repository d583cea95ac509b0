import math
from dataclasses import replace

import pytest

from assay.errors import ConfigError
from assay.labelling.ledger import Rollout
from assay.labelling.rollouts import Tally
from assay.labelling.search import State, Tree, TreeSearch
from assay.protocols import Prefix
from assay.types import Response, Score, Unscored
from tests.labelling.planted import PROMPT, Coin, LastWord, first_error, rollouts


class Walk(Coin):
    """From a prefix without error a rollout errs at its second step where its number is odd; then
    it is wrong."""

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        bad = first_error(prefix.steps)
        new = (
            "+ ",
            "- " if number % 2 else "+ ",
            f"{number} ",
            "so 1" if bad or number % 2 else "so 11",
        )
        return Response(steps=(*prefix.steps, *new), meta={"tokens": 10 + number})


def walk() -> Walk:
    return Walk(lambda steps: 0.5)


def test_first_errors_are_found_and_every_state_is_labelled_once() -> None:
    made = rollouts(walk())
    (tree,) = TreeSearch(rollouts=4, searches=5)([PROMPT], made)
    assert len(tree.searched) == 5
    for steps, state in tree.states.items():
        assert state.tally == (Tally(0, 4) if first_error(steps) else Tally(2, 4))
    for steps in tree.searched:
        lost = next(i for i, step in enumerate(steps) if step.startswith("-"))
        # The last prefix without error and the first with it were tried, so the place is known.
        assert steps[: lost + 1] in tree.states
        assert steps[:lost] in tree.states
    records = tree.records("soft")
    labelled = [
        r.response.steps[: i + 1]
        for r in records
        for i, y in enumerate(r.labels[:-1])
        if y is not None
    ]
    assert sorted(labelled) == sorted(steps for steps in tree.states if steps)
    assert all(r.labels[-1] == 0 and r.rollouts[-1] == 1 for r in records)
    assert {y for r in records for y in r.labels} == {0.5, 0.0, None}
    assert {y for r in tree.records("hard") for y in r.labels} == {1.0, 0.0, None}


def test_rollouts_are_shared_and_the_budget_holds() -> None:
    made = rollouts(coin := walk())
    (tree,) = TreeSearch(rollouts=4, searches=99, budget=40)([PROMPT], made)
    assert len({steps for steps, _, _ in coin.asked}) == len(coin.asked) == len(tree.states)
    # The search under way when the budget is reached is finished: two prefixes more at most.
    assert 40 <= made.cost.rollouts <= 40 + 2 * 4


def test_a_prompt_that_is_never_or_always_right_is_not_searched() -> None:
    for value in (0.0, 1.0):
        (tree,) = TreeSearch(rollouts=4)([PROMPT], rollouts(Coin(lambda steps, value=value: value)))  # type: ignore[misc]
        assert list(tree.states) == [()]
        assert tree.records("soft") == []


class Silent(Walk):
    """As it does, but every fourth rollout is over at once: it adds no step, and is wrong or what
    the prefix was."""

    def one(self, prefix: Prefix, seed: int, number: int) -> Response:
        return (
            Response(steps=prefix.steps) if number % 4 == 3 else super().one(prefix, seed, number)
        )


class Silence(LastWord):
    """What says nothing is wrong."""

    def verify(self, text: str, reference: str) -> Score | Unscored:
        found = super().verify(text, reference)
        return found if isinstance(found, Score) else Score(value=0.0)


def test_a_rollout_without_a_step_goes_wrong_nowhere() -> None:
    made = replace(rollouts(Silent(lambda steps: 0.5)), verifier=Silence())
    (tree,) = TreeSearch(rollouts=4, searches=6)([PROMPT], made)
    assert tree.searched
    assert all(tree.searched)
    assert tree.states[()].tally == Tally(2, 4)
    # A prefix from which something is right is never the wrong solution itself.
    assert not {*tree.searched} & {
        steps for steps, state in tree.states.items() if state.tally.right
    }
    assert all(record.labels[-1] == 0 for record in tree.records("soft"))
    assert made.cost.empty == len(tree.states)


def test_the_selection_by_hand() -> None:
    def wrong(tokens: int) -> Rollout:
        return Rollout(steps=("x",), right=False, tokens=tokens)

    tree = Tree(PROMPT)
    tree.states[()] = State(Tally(1, 4), [wrong(500)], visits=3)
    tree.states["a",] = State(Tally(3, 4), [wrong(1500), wrong(1000)], visits=0)
    tree.states["b",] = State(Tally(4, 4), [], visits=0)
    tree.states["c",] = State(Tally(0, 4), [wrong(1)], visits=0)
    root = 0.5**0.75 * 0.9 + 0.125 * math.sqrt(3) / 4
    best = 0.5**0.25 * 0.9**2 + 0.125 * math.sqrt(3) / 1
    assert best > root
    assert TreeSearch()._select(tree) == (("a",), wrong(1000))
    tree.states["a",].wrong.clear()
    assert TreeSearch()._select(tree) == ((), wrong(500))
    tree.states[()].wrong.clear()
    assert TreeSearch()._select(tree) is None


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError):
        TreeSearch(alpha=0)
    with pytest.raises(ConfigError):
        TreeSearch(budget=0)
