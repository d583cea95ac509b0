"""Log-probabilities of chosen tokens from last hidden states: a head's product, its softmax and
their gradient in one operation that never holds tokens x vocabulary.

Logits are made for a chunk of places at a time, and made again in the backward pass. With y the
logits after a scale s, a cap c and a temperature t, and g the gradient of log p(v) at a place,

    y = c tanh(s z / c) / t,   log p = log softmax y
    dz = s / t (1 - tanh²) (Σ g onehot(v) - softmax(y) Σ g)

A head's gradient is summed over chunks in fp32.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from assay.models.logits import Formula, precise

__all__ = ["chosen", "plain_head"]


def plain_head(head: nn.Module) -> bool:
    """Return whether a head is a matrix and nothing more: no adapter, hook or quantisation."""
    hooks = (
        head._forward_hooks,
        head._forward_pre_hooks,
        head._backward_hooks,
        head._backward_pre_hooks,
    )
    return (
        type(head) is nn.Linear
        and type(head.weight) is nn.Parameter
        and head.weight.is_floating_point()
        and not any(hooks)
    )


def chosen(
    head: nn.Linear,
    formula: Formula,
    hidden_U_D: Tensor,
    owners_P: Tensor,
    targets_P: Tensor,
    bounds: list[tuple[int, int]],
    *,
    step: int,
    temperature: float = 1.0,
) -> Tensor:
    """(P,) log-probability of each target at the place that owns it, in nats; fp32, or float64 for
    a head in float64.

    owners_P: ascending places among the U. bounds: of each chunk of `step` places, which targets
    are theirs: known to the caller, who then waits for no device.
    """
    found: Tensor = _Chosen.apply(  # type: ignore[no-untyped-call]
        hidden_U_D,
        head.weight,
        head.bias,
        owners_P,
        targets_P,
        (formula, temperature, step, bounds),
    )
    return found


def _made(hidden: Tensor, weight: Tensor, bias: Tensor | None, of: tuple[Any, ...]) -> Tensor:
    """Logits of a chunk, scaled, capped and at their temperature."""
    formula, temperature = of[:2]
    logits = precise(nn.functional.linear(hidden, weight, bias))
    if formula.scale != 1:
        logits.mul_(formula.scale)
    if formula.cap is not None:
        logits.div_(formula.cap).tanh_().mul_(formula.cap)
    return logits if temperature == 1 else logits.div_(temperature)


class _Chosen(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        owners: Tensor,
        targets: Tensor,
        of: tuple[Any, ...],
    ) -> Tensor:
        _, _, step, bounds = of
        kind = weight.device.type
        autocast = torch.is_autocast_enabled(kind)
        ctx.dtype = torch.get_autocast_dtype(kind) if autocast else weight.dtype
        ctx.of, ctx.kept = of, None
        values = []
        with torch.autocast(kind, enabled=False):
            h, w, b = _cast((hidden, weight, bias), ctx.dtype)
            for i, (first, last) in enumerate(bounds):
                logits = _made(h[i * step : (i + 1) * step], w, b, of)
                rows, columns = owners[first:last] - i * step, targets[first:last]
                values.append(logits.log_softmax(-1)[rows, columns])
                # Where one chunk holds all there is, its logits are small enough to keep.
                if any(ctx.needs_input_grad) and len(h) <= step // 4:
                    ctx.kept = logits
        ctx.save_for_backward(hidden, weight, bias, owners, targets)
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_P: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, owners, targets = ctx.saved_tensors
        formula, temperature, step, bounds = ctx.of
        wants_hidden, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        h, w, b = _cast((hidden, weight, bias), ctx.dtype)
        of_hidden = torch.empty_like(h) if wants_hidden else None
        of_weight = of_bias = None
        for i, (first, last) in enumerate(bounds):
            part = slice(i * step, (i + 1) * step)
            logits = _made(h[part], w, b, ctx.of) if ctx.kept is None else ctx.kept
            slope = _slope_of_cap(logits, formula, temperature)
            g, rows = gradient_P[first:last], owners[first:last] - i * step
            total = g.new_zeros(len(logits)).index_add_(0, rows, g)
            d = logits.softmax(-1).mul_(-total[:, None])
            d.index_put_((rows, targets[first:last]), g, accumulate=True)
            d = (d if slope is None else d.mul_(slope)).to(ctx.dtype)
            if of_hidden is not None:
                torch.mm(d, w, out=of_hidden[part])
            if wants_weight:
                of_weight = _added(of_weight, d, h[part], len(bounds))
            if wants_bias:
                some = precise(d).sum(0)
                of_bias = some if of_bias is None else of_bias.add_(some)
        return (
            of_hidden.to(hidden.dtype) if of_hidden is not None else None,
            of_weight.to(weight.dtype) if of_weight is not None else None,
            of_bias.to(weight.dtype) if of_bias is not None else None,
            *(None,) * 3,
        )


def _cast(tensors: tuple[Tensor | None, ...], dtype: torch.dtype) -> Any:
    return tuple(None if x is None else x.to(dtype) for x in tensors)


def _slope_of_cap(logits: Tensor, formula: Formula, temperature: float) -> Tensor | float | None:
    """What a scale, a cap and a temperature multiply a gradient by; None where that is 1."""
    slope = formula.scale / temperature
    if formula.cap is None:
        return None if slope == 1 else slope
    return (logits * (temperature / formula.cap)).square_().neg_().add_(1).mul_(slope)


def _added(total: Tensor | None, d: Tensor, hidden: Tensor, chunks: int) -> Tensor:
    """A head's gradient with that of another chunk, in fp32 where there are several."""
    if total is None:
        found = d.t() @ hidden
        return precise(found) if chunks > 1 else found
    if total.dtype == d.dtype:
        return total.addmm_(d.t(), hidden)
    return total.add_(d.t() @ hidden)
