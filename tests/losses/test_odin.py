"""By hand: correlations of two heads with a feature, and the angle between them."""

import pytest
import torch

from assay.errors import ConfigError, DataError
from assay.losses import pearson
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.odin import ODIN
from assay.protocols import AuxiliaryHeadLoss
from assay.types import Prompt, Response

Q = Prompt.of("q")


def test_correlation_by_hand() -> None:
    # Centred: (-1, 0, 1) and (0, -1, 1), so 1 / 2.
    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 4.0, 6.0])
    assert float(pearson(x, y)) == pytest.approx(0.5)
    assert float(pearson(x, -2 * x + 7)) == pytest.approx(-1)
    constant = torch.ones(3, requires_grad=True)
    pearson(x, constant).backward()
    assert pearson(x, constant).item() == 0
    assert constant.grad is not None
    assert constant.grad.isfinite().all()


def test_what_is_beside_the_mean_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(16, 1)
    # The reward goes against the feature, the other head half with it: of (1, 2, 3, 4), (0, 1, 0,
    # 1) is 1 / sqrt 5.
    rewards = torch.stack([-3 * features, torch.tensor([[0.0, 1.0], [0.0, 1.0]]).repeat(16, 1)])
    heads = torch.tensor([[3.0, 0.0], [-4.0, 3.0]])
    half = 5**-0.5
    assert float(ODIN().regularizer(rewards, features, heads)) == pytest.approx(1 - half + 0.8)
    assert float(
        ODIN(correlation=2.0, orthogonality=0.5).regularizer(rewards, features, heads)
    ) == pytest.approx(2 * (1 - half) + 0.4)
    # The heads' lengths are no way out.
    assert float(ODIN().regularizer(rewards, features, heads * 0.01)) == pytest.approx(
        1 - half + 0.8
    )
    with pytest.raises(ConfigError, match="over 31 records is mostly chance"):
        ODIN().regularizer(rewards[:, :31], features[:31], heads)


def test_its_value_is_bradley_terry_of_the_sum() -> None:
    values, mask = torch.randn(6, 2, 3), torch.ones(6, 2, 3, dtype=torch.bool)
    targets = torch.rand(6, 2)
    wide = torch.cat([targets, 100 * torch.rand(6, 2)], dim=-1)
    assert (
        ODIN()(values, wide, mask)
        == ODIN()(values, targets, mask)
        == BradleyTerry()(values, targets, mask)
    )


def long_words(prompt: Prompt, response: Response) -> float:
    """A feature from outside."""
    return (
        sum(len(word) > 3 for word in response.text.split()) / len(prompt.text)
        if response.text
        else float("nan")
    )


def test_features() -> None:
    response = Response(steps=("one two\n", "three"))
    assert [ODIN(feature=f).feature_of(Q, response) for f in ("characters", "words", "lines")] == [
        13,
        3,
        2,
    ]
    own = ODIN(feature="tests.losses.test_odin:long_words")
    assert own.feature_of(Q, response) == 1
    with pytest.raises(DataError, match="long_words is nan of ''"):
        own.feature_of(Q, Response.of(""))


def test_settings_are_checked() -> None:
    assert isinstance(ODIN(), AuxiliaryHeadLoss)
    assert not isinstance(BradleyTerry(), AuxiliaryHeadLoss)
    with pytest.raises(ConfigError, match="no feature is called 'length'; there is characters"):
        ODIN(feature="length")
    with pytest.raises(ConfigError, match="correlation >= 0"):
        ODIN(correlation=-1.0)
