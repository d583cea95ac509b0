"""Try a path on random groups before it is trusted: hidden states and gradients must be those of plain batches."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from assay.packing import plain
from assay.packing.tree import Tree, grow

__all__ = ["fault"]

TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest relative difference; a wrong mask or position makes it about 1. Norms round to fp32 in every precision."""


def fault(path: Callable[[nn.Module, Tree], Tensor], backbone: nn.Module) -> str | None:
    """What is wrong with a path for a model as it stands; None when nothing is. Gradients only where it trains."""
    rng = np.random.default_rng(0)
    first = next(backbone.parameters())
    vocabulary = int(backbone.config.vocab_size)  # type: ignore[union-attr,arg-type]
    weights = [p for p in backbone.parameters() if p.requires_grad and p.ndim > 1][:1] if backbone.training else []
    for _ in range(3):
        prompt = rng.integers(0, vocabulary, rng.integers(5, 20))
        rows = [np.concatenate([prompt, rng.integers(0, vocabulary, n)]) for n in rng.integers(1, 12, 3)]
        tree = grow(rows, least=1)
        places = np.concatenate([tree.places(i, np.arange(len(row))) for i, row in enumerate(rows)])
        try:
            with torch.inference_mode(False), torch.set_grad_enabled(bool(weights)):
                ours = path(backbone, tree)[torch.from_numpy(places)]
                alone = torch.cat([plain.forward(backbone, grow([row])) for row in rows])
                found = [("hidden states", ours.detach(), alone.detach())]
                if weights:
                    direction = torch.randn(alone.shape, generator=torch.Generator().manual_seed(0)).to(alone)
                    slopes = [torch.autograd.grad((h * direction).sum(), weights)[0] for h in (ours, alone)]
                    found.append(("gradients", slopes[0], slopes[1]))
        # Whatever an architecture does on a path that it was not made for: it is not served by it.
        except Exception as error:  # noqa: BLE001
            return f"{type(error).__name__}: {error}"
        for what, a, b in found:
            off = float((a - b).norm() / b.norm().clamp(min=1e-12))
            if not off <= TOLERANCE[first.dtype]:
                return f"{what} differ from plain ones by {off:.1e}, more than {TOLERANCE[first.dtype]:.0e}"
    return None
