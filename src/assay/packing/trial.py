"""Try a path on random groups before it is trusted: hidden states and gradients must be those of
plain batches."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from assay.packing import plain
from assay.packing.budget import out_of_memory
from assay.packing.tree import Tree, grow

__all__ = ["fault"]

TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest relative difference; a wrong mask or position makes it about 1. Norms round to fp32 in
every precision."""
GRADIENTS = TOLERANCE | {torch.float32: 1e-3}
"""The same of gradients, whose sums are longer."""
LONG = 400
"""Tokens of a prompt by which some blocks of 128 are seen whole, some in part and some not."""
MATRICES = 8
"""Weights whose gradients are compared: of fresh adapters only every other one's is not zero."""


class Path(Protocol):
    """A way to run a tree."""

    def __call__(self, backbone: nn.Module, tree: Tree, *, micro_tokens: int) -> Tensor:
        """(T, D) last hidden states."""
        ...


def fault(path: Path, backbone: nn.Module, *, blocks: bool = False) -> str | None:
    """Return what is wrong with a path for a model as it stands; None when nothing is. Gradients
    only where it trains.

    blocks: the first group is of several hundred tokens, for an attention that goes by blocks.
    Raises the error where memory runs out: that says nothing of the path.
    """
    first = next(backbone.parameters())
    # A model with noise of its own must not use up the caller's.
    with (
        torch.random.fork_rng(devices=[first.device] if first.is_cuda else []),
        torch.autocast(first.device.type, enabled=False),
    ):
        return _fault(path, backbone, first, blocks)


def _fault(path: Path, backbone: nn.Module, first: Tensor, blocks: bool) -> str | None:
    rng = np.random.default_rng(0)
    vocabulary = int(backbone.config.vocab_size)  # type: ignore[union-attr,arg-type]
    trained = (
        [p for p in backbone.parameters() if p.requires_grad and p.ndim > 1]
        if backbone.training
        else []
    )
    weights = trained[:MATRICES]
    for i in range(3):
        prompt = rng.integers(0, vocabulary, rng.integers(5, 20))
        if blocks and i == 0:
            config: Any = backbone.config
            positions = int(getattr(config, "max_position_embeddings", None) or LONG + 40)
            prompt = rng.integers(0, vocabulary, min(LONG, positions - 40))
        branch = np.concatenate([prompt, rng.integers(0, vocabulary, 6)])
        starts = zip((branch, branch, prompt, prompt), rng.integers(1, 12, 4), strict=True)
        rows = [np.concatenate([start, rng.integers(0, vocabulary, n)]) for start, n in starts]
        tree = grow(rows, least=1)
        places = np.concatenate([tree.places(i, np.arange(len(row))) for i, row in enumerate(rows)])
        try:
            with torch.inference_mode(False), torch.set_grad_enabled(bool(weights)):
                ours = path(backbone, tree, micro_tokens=1 << 30)[torch.from_numpy(places)]
                alone = torch.cat([plain.forward(backbone, grow([row])) for row in rows])
                found = [("hidden states", ours.detach(), alone.detach())]
                if weights:
                    direction = torch.randn(
                        alone.shape, generator=torch.Generator().manual_seed(0)
                    ).to(alone)
                    slopes = [_slope((h * direction).sum(), weights) for h in (ours, alone)]
                    found.append(("gradients", slopes[0], slopes[1]))
            with torch.inference_mode(False), torch.no_grad():
                parts = path(backbone, tree, micro_tokens=len(prompt) + 8)[torch.from_numpy(places)]
                found.append(("hidden states in parts", parts, alone.detach()))
        # Whatever an architecture does on a path that it was not made for: it is not served by it.
        except Exception as error:
            if out_of_memory(error):
                raise
            return f"{type(error).__name__}: {error}"
        for what, a, b in found:
            off = float((a - b).norm() / b.norm().clamp(min=1e-12))
            most = (GRADIENTS if what == "gradients" else TOLERANCE)[first.dtype]
            if not off <= most:
                return f"{what} differ from plain ones by {off:.1e}, more than {most:.0e}"
    return None


def _slope(value: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The gradients of all weights in a row; zero for those that are not used."""
    found = torch.autograd.grad(value, weights, allow_unused=True)
    return torch.cat(
        [
            torch.zeros_like(w).flatten() if g is None else g.flatten()
            for g, w in zip(found, weights, strict=True)
        ]
    )
