import numpy as np
import pytest
import torch
from torch import Tensor

from assay.engines import decoding
from assay.engines.decoding import choose
from assay.errors import ConfigError
from assay.protocols import Sampling


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def slowly(scores: Tensor, noise: float, temperature: float, top_p: float) -> tuple[int, float]:
    """One token by the definition."""
    probabilities = (scores.double() / temperature).softmax(-1)
    order = probabilities.argsort(descending=True)
    kept: list[int] = []
    for token in order.tolist():
        if probabilities[kept].sum() >= top_p:
            break
        kept.append(token)
    kept.sort()
    cumulative = probabilities[kept].cumsum(0)
    place = int((cumulative <= noise * cumulative[-1]).sum())
    return kept[place], float(probabilities[kept[place]].log())


@pytest.mark.parametrize("size", [5, 256, 700])
@pytest.mark.parametrize("temperature", [1.0, 0.3, 2.0])
@pytest.mark.parametrize("top_p", [1.0, 0.95, 0.3, 0.01])
def test_tokens_are_those_of_the_definition(size: int, temperature: float, top_p: float) -> None:
    scores, noise = (random(20, size) * 6 - 3), random(20, seed=1)
    tokens, logprobs = choose(scores, noise, Sampling(temperature=temperature, top_p=top_p))
    for i in range(20):
        token, logprob = slowly(scores[i], float(noise[i]), temperature, top_p)
        assert int(tokens[i]) == token
        assert float(logprobs[i]) == pytest.approx(logprob, abs=1e-12)


def test_tokens_come_as_often_as_their_probabilities_say() -> None:
    scores = torch.tensor([[0.5, 0.25, 0.125, 0.125, 0.0]]).log().double()
    noise = random(4000)
    rows = scores.expand(4000, -1)
    for sampling, expected in [
        (Sampling(), [0.5, 0.25, 0.125, 0.125, 0.0]),
        (Sampling(temperature=0.5), [x / 11 for x in (8, 2, 0.5, 0.5, 0)]),
        # The second token reaches the share of 0.7 and stays.
        (Sampling(top_p=0.7), [2 / 3, 1 / 3, 0, 0, 0]),
        (Sampling(top_p=0.5), [1, 0, 0, 0, 0]),
        (Sampling(temperature=0), [1, 0, 0, 0, 0]),
    ]:
        shares = torch.bincount(choose(rows, noise, sampling)[0], minlength=5) / 4000
        total = sum(expected)
        for share, p in zip(shares.tolist(), (x / total for x in expected), strict=True):
            assert abs(share - p) <= 4 * (p * (1 - p) / 4000) ** 0.5, (sampling, shares)


def test_the_likely_tokens_need_not_hold_the_share(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, noise = random(30, 700) * 3, random(30, seed=1)
    scores[::2, 3] = 20.0
    sampling = Sampling(top_p=0.9)
    expected = [slowly(s, float(u), 1.0, 0.9)[0] for s, u in zip(scores, noise, strict=True)]
    for likely in (1, 2, 50, 256, 1000):
        monkeypatch.setattr(decoding._threshold, "__defaults__", (likely,))
        assert choose(scores, noise, sampling)[0].tolist() == expected


def test_equals_at_the_edge_all_stay() -> None:
    scores = torch.tensor([[0.4, 0.2, 0.2, 0.2]]).log().expand(1000, -1)
    found = choose(scores, random(1000), Sampling(top_p=0.5))[0]
    assert set(found.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("noise", [0.0, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_impossible_tokens_never_come(noise: float, dtype: torch.dtype) -> None:
    scores = torch.full((2, 1000), -torch.inf, dtype=dtype)
    scores[0, [300, 301]] = torch.tensor([1.0, -3.0], dtype=dtype)
    scores[1, 999] = 0.0
    tokens, _ = choose(scores, torch.full((2,), noise, dtype=torch.float64), Sampling())
    assert tokens[0] in (300, 301)
    assert tokens[1] == 999


def test_cold_is_greedy() -> None:
    scores = random(4, 50) * 100
    for temperature in (1e-3, 1e-30):
        tokens, _ = choose(scores.float(), random(4, seed=1), Sampling(temperature=temperature))
        assert torch.equal(tokens, scores.argmax(-1))


@pytest.mark.parametrize("bad", [-torch.inf, torch.nan])
def test_no_token_is_an_error(bad: float) -> None:
    with pytest.raises(ConfigError, match="no token may come next"):
        choose(torch.full((1, 5), bad), random(1), Sampling())
