"""What sequences share: a radix tree over token ids, laid out as one row of tokens.

Nodes stand in depth-first order, so that the descendants of a node are the tokens right after it:

    prompt, responses       row:  [prompt | a | b | b1 | b2]
      a                     node of `prompt`: start 0, end |prompt|, stop = end of the row
      b: b1, b2             a token sees its node's earlier tokens and all of its node's ancestors

Sharing is decided by the ids of the fully tokenised sequences, never by their texts; a shared
stretch becomes a node only when it saves `least` tokens, because every node costs the attention a
call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST", "Node", "Tree", "common", "grow"]

Ints = NDArray[np.integer[Any]]

LEAST = 8
"""Tokens that a node must save."""


@dataclass(frozen=True, slots=True)
class Node:
    """A stretch of tokens that follows its parent's."""

    start: int
    """Place of its first token in the row."""
    end: int
    """Place after its last token."""
    stop: int
    """Place after its last descendant's last token; `end` for a leaf."""
    depth: int
    """Tokens before it on the way from the root: its first token's position."""
    parent: int
    """Index of the parent among the tree's nodes; -1 for a root."""


@dataclass(frozen=True)
class Tree:
    """B sequences as T unique tokens."""

    ids_T: Ints
    depths_T: Ints
    """Position of each token in its sequences."""
    nodes: tuple[Node, ...]
    """In depth-first order."""
    leaves: tuple[int, ...]
    """The node in which each sequence ends."""
    lengths: tuple[int, ...]
    """Tokens of each sequence."""

    @property
    def ratio(self) -> float:
        """Tokens of the sequences over tokens of the tree: what sharing could save at best."""
        return sum(self.lengths) / max(1, len(self.ids_T))

    def path(self, sequence: int) -> list[Node]:
        """The nodes of a sequence, root first."""
        found, node = [], self.leaves[sequence]
        while node >= 0:
            found.append(self.nodes[node])
            node = self.nodes[node].parent
        return found[::-1]

    def places(self, sequence: int, positions: Ints) -> Ints:
        """Return where in the row the tokens at these positions of a sequence stand."""
        path = self.path(sequence)
        depths = np.array([node.depth for node in path])
        shifts = np.array([node.start - node.depth for node in path])
        found: Ints = positions + shifts[np.searchsorted(depths, positions, side="right") - 1]
        return found


def grow(sequences: Sequence[Ints], *, least: int = LEAST) -> Tree:
    """The tree of some sequences, none of them empty; `least` of 1 shares all there is."""
    rows = [np.asarray(row) for row in sequences]
    # Big-endian bytes sort as the ids do.
    order = sorted(range(len(rows)), key=lambda i: rows[i].astype(">u4").tobytes())
    ordered = [rows[i] for i in order]
    # shared_by[i]: how many tokens sequences i and i + 1 begin with.
    shared_by = [common(a, b) for a, b in pairwise(ordered)]
    ids: list[Ints] = []
    spans: list[tuple[int, int, int, int]] = []
    leaves = [-1] * len(sequences)
    row = 0
    # (first, last, depth, parent): sequences whose tokens before `depth` are the parent's and its
    # ancestors'.
    todo = [(0, len(ordered) - 1, 0, -1)] if ordered else []
    while todo:
        first, last, depth, node = todo.pop()
        inner = shared_by[first:last]
        shared = min(inner) if inner else len(ordered[first])
        if shared > depth and (not inner or (shared - depth) * len(inner) >= least):
            ids.append(ordered[first][depth:shared])
            spans.append((row, row + shared - depth, depth, node))
            node, row, depth = len(spans) - 1, row + shared - depth, shared
        if not inner:
            leaves[order[first]] = node
            continue
        cuts = [first, *(i + 1 for i in range(first, last) if shared_by[i] == shared), last + 1]
        # The last one pushed is taken first: descendants follow their node in the row.
        todo += [(a, b - 1, depth, node) for a, b in pairwise(cuts)][::-1]
    stops = [end for _, end, _, _ in spans]
    for i in range(len(spans) - 1, -1, -1):
        parent = spans[i][3]
        if parent >= 0:
            stops[parent] = max(stops[parent], stops[i])
    none = np.zeros(0, dtype=np.int64)
    return Tree(
        ids_T=np.concatenate([none, *ids]),
        depths_T=np.concatenate(
            [none, *(np.arange(d, d + end - start) for start, end, d, _ in spans)]
        ),
        nodes=tuple(
            Node(a, b, stop, d, parent)
            for (a, b, d, parent), stop in zip(spans, stops, strict=True)
        ),
        leaves=tuple(leaves),
        lengths=tuple(map(len, sequences)),
    )


def common(a: Ints, b: Ints) -> int:
    """Return how many tokens two sequences begin with."""
    size = min(len(a), len(b))
    different = np.flatnonzero(a[:size] != b[:size])
    return int(different[0]) if len(different) else size
