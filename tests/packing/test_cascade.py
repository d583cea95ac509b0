"""The cascade of flash attentions is masked attention, values and gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assay.packing.attention import Piece, attend, pieces_of, within
from assay.packing.tree import Tree, grow


def random_tree(rng: np.random.Generator) -> Tree:
    """Sequences over three letters, so that they share a lot."""
    prompt = rng.integers(0, 3, rng.integers(1, 30))
    rows = [
        np.concatenate([prompt, rng.integers(0, 3, rng.integers(0, 25))])
        for _ in range(rng.integers(1, 8))
    ]
    rows += [rng.integers(3, 6, rng.integers(1, 20)) for _ in range(rng.integers(0, 3))]
    return grow(rows, least=int(rng.integers(1, 10)))


def seen(tree: Tree, window: int | None) -> Tensor:
    """(T, T): whether a token sees another, from the sequences alone."""
    mask = torch.zeros(len(tree.ids_T), len(tree.ids_T), dtype=torch.bool)
    for i, length in enumerate(tree.lengths):
        at = tree.places(i, np.arange(length))
        for p in range(length):
            mask[at[p], at[max(0, p + 1 - window) if window else 0 : p + 1]] = True
    return mask


def dense(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: float) -> Tensor:
    k, v = (x.repeat_interleave(len(q) // len(x), 0) for x in (k, v))
    scores = (q @ k.transpose(-1, -2) * scale).masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ v


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 2, 5, 17, 100]),
    st.sampled_from([(2, 2), (4, 2), (3, 1)]),
)
def test_it_is_masked_attention(seed: int, window: int | None, heads: tuple[int, int]) -> None:
    tree = random_tree(np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (
        torch.randn(
            h, len(tree.ids_T), 8, dtype=torch.float64, generator=generator, requires_grad=True
        )
        for h in (heads[0], heads[1], heads[1])
    )
    depths = torch.from_numpy(tree.depths_T)
    ours = attend(q, k, v, within(pieces_of(tree), window, depths, depths, q.dtype), scale=0.3)
    expected = dense(q, k, v, seen(tree, window), 0.3)
    assert torch.allclose(ours, expected, rtol=1e-10, atol=1e-12)
    direction = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    for a, b in zip(
        *(torch.autograd.grad(x, (q, k, v), direction) for x in (ours, expected)), strict=True
    ):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


def test_keys_may_lie_before_the_row() -> None:
    """The last 4 of 10 tokens, run against the first 6, of which a window may hide some."""
    q, k, v = (torch.randn(2, 10, 8, dtype=torch.float64) for _ in range(3))
    depths = torch.arange(10)
    pieces = [Piece(0, 4, 6, 10, True), Piece(0, 4, 0, 6, False)]
    for window in (None, 3, 7):
        ours = attend(
            q[:, 6:], k, v, within(pieces, window, depths[6:], depths, q.dtype), scale=0.3
        )
        mask = (depths[:, None] >= depths) & (depths[:, None] - depths < (window or 10))
        assert torch.allclose(ours, dense(q, k, v, mask, 0.3)[:, 6:], atol=1e-12)


def test_a_piece_that_a_window_hides_whole_is_left_out() -> None:
    tree = grow([np.arange(40), np.concatenate([np.arange(20), np.arange(50, 90)])])
    depths = torch.from_numpy(tree.depths_T)
    assert len(within(pieces_of(tree), None, depths, depths, torch.float32)) == 4
    assert len(within(pieces_of(tree), 1, depths, depths, torch.float32)) == 3


def test_gradients_by_finite_differences() -> None:
    tree = grow([np.array([1, 2, 3, 4]), np.array([1, 2, 5]), np.array([1, 2, 3, 6])], least=1)
    depths = torch.from_numpy(tree.depths_T)
    inputs = [
        torch.randn(2, len(tree.ids_T), 4, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    ]
    pieces = within(pieces_of(tree), 3, depths, depths, torch.float64)
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, pieces, scale=0.5), inputs)


@pytest.mark.parametrize("window", [None, 5])
def test_bf16_is_as_good_as_its_precision(window: int | None) -> None:
    tree = random_tree(np.random.default_rng(3))
    depths = torch.from_numpy(tree.depths_T)
    q, k, v = (torch.randn(h, len(tree.ids_T), 16).bfloat16() for h in (4, 2, 2))
    ours = attend(q, k, v, within(pieces_of(tree), window, depths, depths, q.dtype), scale=0.3)
    expected = dense(q.double(), k.double(), v.double(), seen(tree, window), 0.3)
    assert (ours.double() - expected).abs().max() < 0.03
