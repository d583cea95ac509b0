"""The tree holds every sequence, shares what is worth it, and keeps descendants together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.packing.tree import Tree, grow


def arrays(rows: list[list[int]]) -> list[np.ndarray]:
    return [np.array(row) for row in rows]


def rebuilt(tree: Tree, sequence: int) -> list[int]:
    return [int(x) for node in tree.path(sequence) for x in tree.ids_T[node.start : node.end]]


FAMILIES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12)


@given(FAMILIES, st.integers(1, 9))
def test_every_sequence_is_a_path(rows: list[list[int]], least: int) -> None:
    tree = grow(arrays(rows), least=least)
    for i, row in enumerate(rows):
        assert rebuilt(tree, i) == row
        places = tree.places(i, np.arange(len(row)))
        assert tree.ids_T[places].tolist() == row
        assert tree.depths_T[places].tolist() == list(range(len(row)))
    assert tree.lengths == tuple(map(len, rows))


@given(FAMILIES, st.integers(1, 9))
def test_nodes_are_in_depth_first_order(rows: list[list[int]], least: int) -> None:
    tree = grow(arrays(rows), least=least)
    ends = [node.end for node in tree.nodes]
    assert [node.start for node in tree.nodes] == [0, *ends[:-1]]
    assert ends[-1] == len(tree.ids_T)
    for i, node in enumerate(tree.nodes):
        below = [n for j, n in enumerate(tree.nodes) if i in ancestors(tree, j)]
        assert node.stop == max([node.end, *(n.end for n in below)])
        assert all(node.end <= n.start < node.stop for n in below)
        assert node.depth == (
            0 if node.parent < 0 else tree.nodes[node.parent].depth + size(tree, node.parent)
        )


@given(FAMILIES)
def test_with_least_one_the_tree_is_as_small_as_a_trie(rows: list[list[int]]) -> None:
    tree = grow(arrays(rows), least=1)
    assert len(tree.ids_T) == len({tuple(row[: i + 1]) for row in rows for i in range(len(row))})


@given(FAMILIES, st.integers(1, 9))
def test_a_shared_node_saves_at_least_what_is_asked(rows: list[list[int]], least: int) -> None:
    tree = grow(arrays(rows), least=least)
    for i in range(len(tree.nodes)):
        through = sum(
            i in {tree.leaves[s], *ancestors(tree, tree.leaves[s])} for s in range(len(rows))
        )
        children = sum(n.parent == i for n in tree.nodes)
        assert through == 1 or not children or size(tree, i) * (through - 1) >= least


def ancestors(tree: Tree, node: int) -> set[int]:
    parent = tree.nodes[node].parent
    return set() if parent < 0 else {parent, *ancestors(tree, parent)}


def size(tree: Tree, node: int) -> int:
    return tree.nodes[node].end - tree.nodes[node].start


def test_a_prompt_with_three_responses_by_hand() -> None:
    prompt = [5, 6, 7, 8]
    tree = grow(arrays([[*prompt, 1, 2], [*prompt, 3], [*prompt, 1, 2]]), least=2)
    assert tree.ids_T.tolist() == [5, 6, 7, 8, 1, 2, 3]
    assert tree.depths_T.tolist() == [0, 1, 2, 3, 4, 5, 4]
    assert [(n.start, n.end, n.stop, n.parent) for n in tree.nodes] == [
        (0, 4, 7, -1),
        (4, 6, 6, 0),
        (6, 7, 7, 0),
    ]
    assert tree.leaves == (1, 2, 1)
    assert tree.ratio == pytest.approx(17 / 7)


def test_many_nested_prefixes_do_not_recurse() -> None:
    rows = [list(range(n)) for n in range(1, 1500)]
    tree = grow(arrays(rows), least=1)
    assert len(tree.ids_T) == 1499
    assert rebuilt(tree, 700) == rows[700]


def test_nothing_shared_is_one_node_a_sequence() -> None:
    tree = grow(arrays([[1, 2], [3, 4]]))
    assert tree.ratio == 1
    assert all(node.parent == -1 for node in tree.nodes)
