"""On trees small enough to list: what a search finds when it may look everywhere, and when it may
not."""

import random
from collections.abc import Callable

import pytest

from assay.search import Account, Extend, Found, Plan, Search, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.dvts import Dvts
from assay.search.mcts import Mcts
from assay.search.step_rejection import StepRejection
from assay.testing import FakeScorer
from assay.types import Prompt
from tests.search.toys import Tree, prompts, text

PROMPTS = prompts(5)
SIZES = [(2, 3), (2, 4), (3, 3)]
"""Branching and depth."""


def leaf_value(prompt: Prompt, leaf: str) -> float:
    return random.Random(f"leaf {prompt.text} {leaf}").random()


def best_below(tree: Tree, prompt: Prompt, start: str = "") -> float:
    return max(leaf_value(prompt, leaf) for leaf in tree.leaves() if leaf.startswith(start))


def best_leaf(tree: Tree, prompt: Prompt) -> str:
    return max(tree.leaves(), key=lambda leaf: leaf_value(prompt, leaf))


def true_max(tree: Tree) -> FakeScorer:
    """What is there to be found below a text."""
    return FakeScorer(rule=lambda prompt, response: best_below(tree, prompt, response.text))


def misleading(tree: Tree) -> FakeScorer:
    """Right about leaves, and wild about everything else."""

    def rule(prompt: Prompt, response: object) -> float:
        if response.finished:  # type: ignore[attr-defined]
            return leaf_value(prompt, response.text)  # type: ignore[attr-defined]
        return random.Random(f"inner {prompt.text} {response.text}").uniform(-5, 5)  # type: ignore[attr-defined]

    return FakeScorer(rule=rule)


def everywhere(branching: int, depth: int) -> dict[str, Search]:
    """Searches that may look at every text of the tree."""
    tree = Tree(branching=branching, depth=depth)
    leaves = branching**depth
    found: dict[str, Search] = {
        "beam": Beam(n=leaves, width=leaves),
        "beam, looking ahead": Beam(n=leaves, width=leaves, lookahead=2),
        "best-first": BestFirst(each=branching, expansions=tree.inner, finished=leaves + 1),
    }
    for backup in ("mean", "max"):
        for prior in ("uniform", "value"):
            found[f"mcts {backup} {prior}"] = Mcts(
                each=branching,
                simulations=tree.inner,
                backup=backup,
                prior=prior,  # type: ignore[arg-type]
            )
    return found


@pytest.mark.parametrize("guide", [true_max, misleading])
@pytest.mark.parametrize(("branching", "depth"), SIZES)
def test_a_search_that_looks_everywhere_finds_the_best(
    branching: int, depth: int, guide: Callable[[Tree], FakeScorer]
) -> None:
    for name, search in everywhere(branching, depth).items():
        tree = Tree(branching=branching, depth=depth)
        results = run(search, PROMPTS, tree, guide(tree))
        assert [text(r) for r in results] == [best_leaf(tree, prompt) for prompt in PROMPTS], name
        written = {(r.group.prompt.text, leaf.text) for r in results for leaf in r.group.responses}
        assert len(written) == len(PROMPTS) * branching**depth, name


@pytest.mark.parametrize(("branching", "depth"), SIZES)
def test_one_simulation_or_expansion_too_few_leaves_something_unseen(
    branching: int, depth: int
) -> None:
    tree = Tree(branching=branching, depth=depth)
    for search in (
        BestFirst(each=branching, expansions=tree.inner - 1, finished=10**6),
        Mcts(each=branching, simulations=tree.inner - 1),
        Mcts(each=branching, simulations=tree.inner - 1, backup="max", prior="value"),
    ):
        (result,) = run(search, PROMPTS[:1], tree, misleading(tree))
        assert sum(r.finished for r in result.group.responses) == branching**depth - branching


@pytest.mark.parametrize(("branching", "depth"), SIZES)
def test_a_true_guide_needs_no_more_than_the_way_down(branching: int, depth: int) -> None:
    for search in (
        BestFirst(each=branching, expansions=depth, finished=1),
        Mcts(each=branching, simulations=depth, exploration=0.0, backup="max"),
        Beam(n=branching, width=1),
        Dvts(n=branching, width=branching),
    ):
        tree = Tree(branching=branching, depth=depth)
        results = run(search, PROMPTS, tree, true_max(tree))
        assert [text(r) for r in results] == [best_leaf(tree, prompt) for prompt in PROMPTS]
        assert len(tree.asked) == len(PROMPTS) * depth * branching


def greedy_leaf(tree: Tree, prompt: Prompt, scorer: FakeScorer) -> str:
    """Down the tree, always to the child with the highest score."""
    from assay.types import Response

    steps: tuple[str, ...] = ()
    for depth in range(1, tree.depth + 1):
        children = [(*steps, f"{i} ") for i in range(tree.branching)]
        steps = max(
            children,
            key=lambda child: (
                scorer.rule(prompt, Response(steps=child, finished=depth == tree.depth)) or 0.0
            ),
        )
    return "".join(steps)


@pytest.mark.parametrize(("branching", "depth"), SIZES)
def test_what_keeps_one_branch_is_greedy_by_score(branching: int, depth: int) -> None:
    for search in (
        Dvts(n=branching, width=branching),
        Beam(n=branching, width=1),
        StepRejection(n=1, tries=branching, threshold=99.0),
        BestFirst(each=branching, expansions=99, finished=1),
    ):
        tree = Tree(branching=branching, depth=depth)
        scorer = misleading(tree)
        if isinstance(search, BestFirst):  # greedy where no rival is ever more promising
            scorer = FakeScorer(rule=lambda p, r, s=scorer: 100.0 * len(r.steps) + s.rule(p, r))  # type: ignore[misc]
        results = run(search, PROMPTS, tree, scorer)
        assert [text(r) for r in results] == [
            greedy_leaf(tree, prompt, scorer) for prompt in PROMPTS
        ]


def test_a_beam_is_the_textbook_one() -> None:
    """All children of the beams, the best `width` of them go on: by a plain loop over sets of
    texts."""
    tree = Tree(branching=3, depth=4)
    scorer = misleading(tree)
    for width in (1, 2, 3, 5):
        results = run(Beam(n=3 * width, width=width), PROMPTS, tree, scorer)
        for prompt, result in zip(PROMPTS, results, strict=True):
            beams: list[tuple[str, ...]] = [()]
            for depth in range(1, 5):
                scored = {}
                for beam in beams:
                    for i in range(3):
                        child = (*beam, f"{i} ")
                        leaf = leaf_value(prompt, "".join(child))
                        wild = random.Random(f"inner {prompt.text} {''.join(child)}").uniform(-5, 5)
                        scored[child] = leaf if depth == 4 else wild
                beams = sorted(scored, key=scored.__getitem__, reverse=True)[:width]
            assert text(result) == "".join(beams[0])
            assert {r.text for r in result.group.responses} == {"".join(beam) for beam in beams}


def test_a_text_that_was_looked_ahead_at_and_written_is_written() -> None:
    class Both:
        """Writes the prompt's children, then looks ahead from it and from its child 1, then goes on
        from there."""

        def plan(self, prompt: Prompt, account: Account) -> Plan[Found]:
            yield (Extend((), 2),)
            yield (
                Extend((), how="greedy"),
                Extend(("1 ",), how="greedy"),
                Extend(("0 ",), how="greedy"),
            )
            yield (Extend(("1 ",), 2),)
            return Found(candidates=(), scores=(), choice=None)

    (result,) = run(Both(), PROMPTS[:1], Tree(branching=2, depth=3))
    nodes = [
        (node.parent, node.text, node.count, node.lookahead, node.expanded) for node in result.nodes
    ]
    assert nodes == [
        (-1, "0 ", 2, False, False),
        (-1, "1 ", 1, False, True),
        (1, "0 ", 2, False, False),
        (0, "0 ", 1, True, False),
        (1, "1 ", 1, False, False),
    ]


def test_the_tree_of_a_search_is_what_was_written() -> None:
    tree = Tree(branching=2, depth=3)
    (result,) = run(Beam(n=4, width=2), PROMPTS[:1], tree, true_max(tree))
    nodes = result.nodes
    places = {-1: ""}
    for i, node in enumerate(nodes):
        assert node.parent < i
        places[i] = places[node.parent] + node.text
    # Two children of the prompt, then two children of each of two beams, twice; each asked for
    # twice at first.
    assert [len(places[i].split()) for i in range(len(nodes))] == [1] * 2 + [2] * 4 + [3] * 4
    assert [node.count for node in nodes] == [2, 2] + [1] * 8
    assert [node.finished for node in nodes] == [False] * 6 + [True] * 4
    assert [node.expanded for node in nodes[:2]] == [True, True]
    assert sum(node.expanded for node in nodes[2:6]) == 2
    assert not any(node.expanded for node in nodes[6:])
    for i, node in enumerate(nodes):
        assert node.score is not None
        assert node.score.value == best_below(tree, PROMPTS[0], places[i])  # type: ignore[union-attr]
    assert not any(node.lookahead for node in nodes)
