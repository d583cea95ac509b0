"""What every loss must do, whoever wrote it: gradients, masks, order, and weights that add up."""

import pytest
import torch
from torch import Tensor

from assay import components
from assay.protocols import Loss
from assay.types import Preference, Ranking

NAMES = components.names("losses")


def batch(loss: Loss, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Five groups in float64, of unlike numbers of responses and positions."""
    g = torch.Generator().manual_seed(seed)
    responses = (
        2
        if issubclass(loss.consumes, Preference)
        else 4
        if issubclass(loss.consumes, Ranking)
        else 1
    )
    values = torch.randn(5, responses, 3, generator=g, dtype=torch.float64)
    counts = torch.randint(1, 4, (5, responses), generator=g)
    if issubclass(loss.consumes, Ranking):
        counts[1, 3] = counts[2, 2] = counts[2, 3] = 0
    mask = torch.arange(3) < counts[..., None]
    if issubclass(loss.consumes, Preference):
        targets = torch.rand(5, 2, generator=g, dtype=torch.float64)
    elif issubclass(loss.consumes, Ranking):
        targets = torch.randint(0, 3, (5, 4), generator=g).double()
        targets[~mask.any(-1)] = torch.nan
    else:
        targets = torch.rand(5, 1, 3, generator=g, dtype=torch.float64).masked_fill(
            ~mask, torch.nan
        )
        targets[3, 0] = torch.nan
    return values, targets, mask


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss:
    def test_is_complete(self, name: str) -> None:
        loss = components.load("losses", name)()
        assert loss.trains in ("preference", "outcome", "process")
        assert loss.reads in ("steps", "tokens")

    def test_gradient_is_right(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        assert torch.autograd.gradcheck(lambda v: loss(v, targets, mask), values.requires_grad_())

    def test_positions_that_do_not_exist_do_not_matter(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        values.requires_grad_()
        whole = loss(values, targets, mask)
        whole.backward()
        assert (values.grad[~mask] == 0).all()
        assert torch.equal(loss(values.detach().masked_fill(~mask, 1e6), targets, mask), whole)

    def test_padding_changes_nothing(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        wide = torch.cat([values, torch.full_like(values, 7.0)], dim=-1)
        wide_mask = torch.cat([mask, torch.zeros_like(mask)], dim=-1)
        wide_targets = (
            torch.cat([targets, torch.full_like(targets, torch.nan)], -1)
            if targets.ndim == 3
            else targets
        )
        assert loss(wide, wide_targets, wide_mask) == pytest.approx(
            float(loss(values, targets, mask)), abs=1e-12
        )

    def test_order_of_the_groups_does_not_matter(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        order = torch.tensor([3, 0, 4, 2, 1])
        assert loss(values[order], targets[order], mask[order]) == pytest.approx(
            float(loss(values, targets, mask))
        )

    def test_parts_weighted_by_their_terms_add_up(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        parts = [slice(0, 2), slice(2, 4), slice(4, 5)]
        terms = [loss.terms(targets[p], mask[p]) for p in parts]
        assert sum(terms) == loss.terms(targets, mask)
        added = sum(
            loss(values[p], targets[p], mask[p]) * n for p, n in zip(parts, terms, strict=True)
        ) / sum(terms)
        assert added == pytest.approx(float(loss(values, targets, mask)), abs=1e-12)

    def test_extreme_values_stay_finite(self, name: str) -> None:
        loss = components.load("losses", name)()
        values, targets, mask = batch(loss)
        values = (1e4 * values).requires_grad_()
        value = loss(values, targets, mask)
        value.backward()
        assert value.isfinite()
        assert values.grad.isfinite().all()
