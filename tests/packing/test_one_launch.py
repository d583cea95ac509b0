"""One launch for a row's attention sees what the sequences see, by FlexAttention and by varlen.

On a CPU torch runs FlexAttention without compiling it, and its gradient only behind its own check
of the device; varlen it does not run at all, so that here its kernel is written out.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.nn.attention import flex_attention as of_torch
from torch.nn.attention import varlen as of_torch_varlen

from assay.errors import BackendError
from assay.packing import flex, packed, plain, trial, varlen
from assay.packing.attention import Piece, pieces_of
from assay.packing.engine import Engine, hidden
from assay.packing.incremental import Memory
from assay.packing.tree import Tree, grow
from tests.models import tiny
from tests.packing.test_cascade import dense, random_tree, seen


def kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Tensor,
    keys: Tensor,
    longest_query: int,
    longest_key: int,
    *,
    scale: float,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> Tensor:
    """Flash attention of variable lengths as its documentation has it: (T, H, D)."""
    assert enable_gqa == (query.shape[1] != key.shape[1])
    assert window_size[1] == 0
    assert int(queries.diff().max()) == longest_query
    assert int(keys.diff().max()) == longest_key
    found = []
    q_ends, k_ends = queries.tolist(), keys.tolist()
    for i in range(len(q_ends) - 1):
        q, (k, v) = (
            query[q_ends[i] : q_ends[i + 1]].transpose(0, 1),
            (x[k_ends[i] : k_ends[i + 1]].transpose(0, 1) for x in (key, value)),
        )
        at = torch.arange(q.shape[1])[:, None] + k.shape[1] - q.shape[1]
        back = at - torch.arange(k.shape[1])
        mask = (back >= 0) & ((window_size[0] < 0) | (back <= window_size[0]))
        found.append(dense(q, k, v, mask, scale).transpose(0, 1))
    return torch.cat(found)


@pytest.fixture(autouse=True, scope="module")
def on_a_cpu() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_torch, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
        patch.setattr(of_torch, "_validate_device", lambda *_: None)
        patch.setattr(of_torch_varlen, "varlen_attn", kernel)
        yield


def by_flex(
    q: Tensor, k: Tensor, v: Tensor, tree: Tree, window: int | None, scale: float
) -> Tensor:
    size = flex.bucket(len(tree.ids_T))
    padding = size - len(tree.ids_T)
    depths = torch.nn.functional.pad(torch.from_numpy(tree.depths_T), (0, padding))
    found = torch.from_numpy(
        flex.ranges(pieces_of(tree), len(tree.ids_T), len(tree.ids_T), padding)
    )
    padded = (torch.nn.functional.pad(x, (0, 0, 0, padding)) for x in (q, k, v))
    mask = flex.mask_of(found, depths, depths, window)
    return flex.attend(*padded, mask, scale=scale)[:, : len(tree.ids_T)]


def by_varlen(
    q: Tensor, k: Tensor, v: Tensor, tree: Tree, window: int | None, scale: float
) -> Tensor:
    paths = varlen.paths_of(pieces_of(tree), q.device)
    return varlen.attend(q, k, v, paths, window, scale=scale)


@pytest.mark.parametrize("attend", [by_flex, by_varlen])
@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([None, 1, 5, 17, 100]),
    st.sampled_from([(2, 2), (4, 2), (3, 1)]),
)
def test_it_is_masked_attention(
    attend: Any, seed: int, window: int | None, heads: tuple[int, int]
) -> None:
    tree = random_tree(np.random.default_rng(seed))
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (
        torch.randn(
            h, len(tree.ids_T), 8, dtype=torch.float64, generator=generator, requires_grad=True
        )
        for h in (heads[0], heads[1], heads[1])
    )
    ours, expected = attend(q, k, v, tree, window, 0.3), dense(q, k, v, seen(tree, window), 0.3)
    assert torch.allclose(ours, expected, rtol=1e-10, atol=1e-12)
    direction = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    for a, b in zip(
        *(torch.autograd.grad(x, (q, k, v), direction) for x in (ours, expected)), strict=True
    ):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-11)


def long_tree(rng: np.random.Generator) -> Tree:
    """A prompt and answers of some blocks of 128."""
    prompt, stem = rng.integers(0, 90, rng.integers(1, 400)), rng.integers(0, 90, 150)
    rows = [np.concatenate([prompt, rng.integers(0, 90, rng.integers(1, 300))]) for _ in range(3)]
    rows += [
        np.concatenate([prompt, stem, rng.integers(0, 90, rng.integers(1, 90))]) for _ in range(2)
    ]
    return grow(rows)


@pytest.mark.parametrize("window", [None, 40, 200, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_are_left_out_or_taken_whole_only_where_they_may_be(
    seed: int, window: int | None
) -> None:
    tree = long_tree(np.random.default_rng(seed))
    count = len(tree.ids_T)
    padding = flex.bucket(count) - count
    pad = torch.nn.functional.pad
    depths = pad(torch.from_numpy(tree.depths_T), (0, padding))
    ranges = torch.from_numpy(flex.ranges(pieces_of(tree), count, count, padding))
    mask = flex.mask_of(ranges, depths, depths, window)
    every = torch.arange(count + padding)
    # Padding sees something, lest a row of the softmax be empty.
    by_rule = mask.mask_mod(torch.tensor(0), torch.tensor(0), every[:, None], every[None])
    assert by_rule.any(1).all()
    expected = seen(tree, window)
    assert torch.equal(by_rule[:count, :count], expected)
    blocks = by_rule.view(-1, 128, len(every) // 128, 128).transpose(1, 2).flatten(2)
    found = {}
    for name, counts, index in (
        ("part", mask.kv_num_blocks, mask.kv_indices),
        ("whole", mask.full_kv_num_blocks, mask.full_kv_indices),
    ):
        found[name] = torch.zeros(blocks.shape[:2], dtype=torch.bool)
        for q, (n, order) in enumerate(zip(counts[0, 0].tolist(), index[0, 0], strict=True)):
            found[name][q, order[:n].long()] = True
    assert not (found["part"] & found["whole"]).any()
    assert blocks[found["whole"]].all(), "a block that is taken whole is seen whole"
    assert not blocks[~(found["part"] | found["whole"])].any(), "nothing seen is left out"
    if window is None:
        assert torch.equal(found["whole"], blocks.all(-1))
        assert torch.equal(found["part"], blocks.any(-1) & ~blocks.all(-1))
    else:
        assert (
            window > 400 or (~(found["part"] | found["whole"])).sum() > (~blocks.any(-1)).sum() / 2
        )


def test_rows_have_few_lengths() -> None:
    lengths = {flex.bucket(n) for n in range(1, 16_385)}
    assert all(n % 128 == 0 for n in lengths)
    assert len(lengths) == 8 + 4 * 8
    assert all(n <= flex.bucket(n) < n + max(128, n / 8) for n in range(1, 16_385))


def test_a_kernel_is_compiled_for_a_few_shapes_of_many_trees() -> None:
    """With a window and without, twice each: other lengths and windows compile nothing."""
    compiled = CompileCounter()
    torch._dynamo.reset()
    attend = torch.compile(of_torch.flex_attention, backend=compiled)
    rng = np.random.default_rng(0)
    for i in range(8):
        tree = long_tree(rng)
        count = len(tree.ids_T)
        padding = flex.bucket(count) - count
        depths = torch.nn.functional.pad(torch.from_numpy(tree.depths_T), (0, padding))
        ranges = torch.from_numpy(flex.ranges(pieces_of(tree), count, count, padding))
        mask = flex.mask_of(ranges, depths, depths, [None, 10, 300][i % 3])
        query, key = torch.randn(1, 4, count + padding, 16), torch.randn(1, 2, count + padding, 16)
        attend(query, key, key, block_mask=mask, enable_gqa=True)
    assert compiled.frame_count <= 4


def test_a_key_with_queries_apart_is_refused() -> None:
    pieces = [Piece(0, 4, 6, 10, True), Piece(0, 1, 0, 6, False), Piece(2, 4, 0, 6, False)]
    with pytest.raises(BackendError, match="side by side"):
        flex.ranges(pieces, 4, 10)
    together = [Piece(0, 2, 6, 8, True), Piece(0, 2, 0, 6, False)]
    assert flex.ranges(together, 2, 9).tolist() == [[0] * 6 + [0, 1, 0], [2] * 6 + [2, 2, 0]]


ATTENTIONS: list[packed.Attention] = ["flex", "varlen"]


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("architecture", ["llama", "mistral", "gemma3_text", "gpt2"])
def test_a_model_passes_the_trial_with_gradients(
    architecture: str, attention: packed.Attention
) -> None:
    changes = {"sliding_window": 8} if architecture in ("mistral", "gemma3_text") else {}
    model = tiny.network(architecture, **changes).base_model
    engine = Engine("packed", "", 1.0, attention=attention)
    for train in (False, True):
        path = partial(hidden, engine=engine)
        assert trial.fault(path, model.train(train), blocks=attention == "flex") is None


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_wrong_mask_is_refused(
    attention: packed.Attention, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.network("llama").base_model.eval()
    path = partial(hidden, engine=Engine("packed", "", 1.0, attention=attention))
    ranges, paths_of = flex.ranges, varlen.paths_of
    monkeypatch.setattr(flex, "ranges", lambda p, *rest: ranges([x for x in p if x.causal], *rest))
    monkeypatch.setattr(
        varlen, "paths_of", lambda p, device: paths_of([x for x in p if x.causal], device)
    )
    assert "differ from plain" in str(trial.fault(path, model, blocks=True))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_what_is_remembered_is_what_is_computed_at_once(attention: packed.Attention) -> None:
    """Branches behind blocks that several of them share, at different tokens of them."""
    model = tiny.network("mistral", sliding_window=8).base_model.eval()
    memory, rng = Memory(2000), np.random.default_rng(0)
    kept: list[np.ndarray] = [rng.integers(3, 300, 20)]
    for _ in range(4):
        stems = [
            kept[i][: rng.integers(1, len(kept[i]) + 1)] for i in rng.integers(0, len(kept), 5)
        ]
        rows = [np.concatenate([stem, rng.integers(3, 300, rng.integers(1, 9))]) for stem in stems]
        found = memory.hidden(model, rows, attention=attention)
        for row, states in zip(rows, found, strict=True):
            with torch.no_grad():
                alone = plain.forward(model, grow([row]))
            torch.testing.assert_close(states, alone, rtol=1e-4, atol=1e-5)
        kept += rows
    assert memory.spared
