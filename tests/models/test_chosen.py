"""The head's product and softmax in one operation: values and gradients of all logits at once."""

import itertools
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from assay.models.chosen import chosen, plain_head
from assay.models.logits import Formula

PLACES, WIDTH, WORDS = 37, 12, 50


def parts(dtype: torch.dtype = torch.float64, bias: bool = True) -> tuple[nn.Linear, Any]:
    torch.manual_seed(0)
    head = nn.Linear(WIDTH, WORDS, bias=bias, dtype=dtype)
    hidden = torch.randn(PLACES, WIDTH, dtype=dtype).requires_grad_()
    # Some places own several targets, the same among them, and some own none.
    owners = torch.randint(PLACES, (60,)).sort().values
    targets = torch.randint(5, (60,))
    return head, (hidden, owners, targets)


def ours(head: nn.Linear, formula: Formula, given: Any, step: int, temperature: float) -> Tensor:
    hidden, owners, targets = given
    ends = [*range(0, PLACES, step), PLACES]
    cuts = torch.searchsorted(owners, torch.tensor(ends)).tolist()
    bounds = list(itertools.pairwise(cuts))
    return chosen(
        head, formula, hidden, owners, targets, bounds, step=step, temperature=temperature
    )


def plain(head: nn.Linear, formula: Formula, given: Any, temperature: float) -> Tensor:
    hidden, owners, targets = given
    return (formula(head, hidden) / temperature).log_softmax(-1)[owners, targets]


@pytest.mark.parametrize("step", [1, 7, PLACES, 5 * PLACES])
@pytest.mark.parametrize(
    ("formula", "temperature"),
    [(Formula(), 1.0), (Formula(scale=0.3), 0.5), (Formula(scale=2.0, cap=1.5), 0.7)],
)
def test_values_and_gradients(step: int, formula: Formula, temperature: float) -> None:
    head, given = parts()
    weights = torch.randn(60, dtype=torch.float64)
    found = []
    for value in (
        ours(head, formula, given, step, temperature),
        plain(head, formula, given, temperature),
    ):
        wanted = (given[0], head.weight, head.bias)
        slopes = torch.autograd.grad((value * weights).sum(), wanted, retain_graph=True)
        again = torch.autograd.grad((value * weights).sum(), wanted)
        assert all(map(torch.equal, slopes, again)), "the backward pass changes nothing it needs"
        found.append((value.detach(), *slopes))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


def test_in_fp32_it_is_plain_to_a_rounding() -> None:
    head, given = parts(torch.float32, bias=False)
    a, b = ours(head, Formula(), given, 5, 1.0), plain(head, Formula(), given, 1.0)
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    for x, y in zip(
        *(torch.autograd.grad(value.sum(), (given[0], head.weight)) for value in (a, b)),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-6)


def test_a_heads_gradient_in_bf16_does_not_lose_small_chunks() -> None:
    head, given = parts(torch.bfloat16, bias=False)
    precise = nn.Linear(WIDTH, WORDS, bias=False, dtype=torch.float64)
    precise.weight.data.copy_(head.weight)
    exact = plain(precise, Formula(), (given[0].double(), *given[1:]), 1.0)
    (expected,) = torch.autograd.grad(exact.sum(), precise.weight)
    found = []
    for step in (1, PLACES):
        value = ours(head, Formula(), given, step, 1.0)
        (slope,) = torch.autograd.grad(value.sum(), head.weight)
        assert slope.dtype == torch.bfloat16
        found.append(float((slope.double() - expected).norm() / expected.norm()))
    assert max(found) < 0.01


def test_autocast_and_frozen_heads() -> None:
    head, given = parts(torch.float32)
    head.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        a, b = ours(head, Formula(), given, 5, 1.0), plain(head, Formula(), given, 1.0)
    assert a.dtype == torch.float32
    torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)
    (slope,), (expected,) = (torch.autograd.grad(x.sum(), given[0]) for x in (a, b))
    assert slope.dtype == torch.float32
    assert float((slope - expected).norm() / expected.norm()) < 0.02


class Largest(TorchDispatchMode):
    """The most elements that are alive at once in what operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known:
                    self.known.add(storage._cdata)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
                    self.most = max(self.most, self.now)
        return result

    def gone(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size


def test_places_by_vocabulary_is_never_held() -> None:
    head = nn.Linear(4, 1000, bias=False)
    hidden, owners = torch.randn(400, 4).requires_grad_(), torch.arange(400)
    bounds = [(at, at + 10) for at in range(0, 400, 10)]
    with Largest() as seen:
        chosen(head, Formula(), hidden, owners, owners, bounds, step=10).sum().backward()
    # A few chunks of 10 x 1000, and the head's gradient, in fp32.
    assert seen.most < 4 * (4 * 10 * 1000 + 3 * 4 * 1000)
    with Largest() as seen:
        plain(head, Formula(), (hidden, owners, owners), 1.0).sum().backward()
    assert seen.most > 4 * 400 * 1000


def test_what_is_no_plain_matrix_is_left_to_its_own_forward_pass() -> None:
    assert plain_head(nn.Linear(3, 4))
    assert not plain_head(nn.Sequential(nn.Linear(3, 4)))
    hooked = nn.Linear(3, 4)
    hooked.register_forward_hook(lambda *_: None)
    assert not plain_head(hooked)
