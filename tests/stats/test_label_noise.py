import numpy as np
import pytest

from assay.errors import DataError
from assay.stats import wilson
from assay.stats.label_noise import (
    items_for_kappa,
    label_accuracy,
    observed_agreement,
    prediction_powered_mean,
    rogan_gladen,
)


@pytest.mark.parametrize(("agreement", "accuracy"), [(0.81, 0.8937), (0.7, 0.8162), (0.9, 0.9472)])
def test_label_accuracy_and_back(agreement, accuracy):
    found = label_accuracy(agreement)
    assert found == pytest.approx(accuracy, abs=5e-5)
    assert observed_agreement(found, found) == pytest.approx(agreement)
    with pytest.raises(DataError, match="less than one half"):
        label_accuracy(0.4)


def test_a_good_judge_against_noisy_labels():
    assert observed_agreement(0.9, label_accuracy(0.81)) == pytest.approx(0.815, abs=5e-5)


@pytest.mark.parametrize(
    ("kappa", "prevalence", "items"),
    [
        (0.4, 0.5, (144, 323, 1291)),
        (0.4, 0.3, (169, 379, 1516)),
        (0.4, 0.1, (377, 848, 3389)),
        (0.6, 0.5, (110, 246, 984)),
        (0.6, 0.1, (314, 705, 2820)),
        (0.8, 0.3, (74, 167, 666)),
        (0.8, 0.1, (179, 401, 1603)),
    ],
)
def test_items_for_kappa(kappa, prevalence, items):
    assert tuple(items_for_kappa(kappa, prevalence, h) for h in (0.15, 0.1, 0.05)) == items


def test_items_for_kappa_give_the_width_that_they_promise():
    # Kappa .6 at prevalence .3: yes/yes .216, off .084 each.
    n, rng = items_for_kappa(0.6, 0.3, 0.1), np.random.default_rng(0)
    tables = rng.multinomial(n, [0.216, 0.084, 0.084, 0.616], size=4000) / n
    yes, other = tables[:, 0] + tables[:, 1], tables[:, 0] + tables[:, 2]
    chance = yes * other + (1 - yes) * (1 - other)
    kappas = (tables[:, 0] + tables[:, 3] - chance) / (1 - chance)
    assert 1.96 * kappas.std() == pytest.approx(0.1, rel=0.05)


def test_rogan_gladen_by_hand_and_by_simulation():
    found = rogan_gladen(wilson(600, 1000), wilson(90, 100), wilson(80, 100))
    assert found.value == pytest.approx(0.4 / 0.7)
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        yes = rng.binomial(1000, 0.4 * 0.9 + 0.6 * 0.2)
        se, sp = rng.binomial(100, 0.9), rng.binomial(100, 0.8)
        one = rogan_gladen(wilson(yes, 1000), wilson(se, 100), wilson(sp, 100))
        held += one.low <= 0.4 <= one.high
    assert held / 300 > 0.91


def test_rogan_gladen_knows_when_it_knows_nothing():
    with pytest.raises(DataError, match="1 or less"):
        rogan_gladen(wilson(60, 100), wilson(50, 100), wilson(50, 100))
    weak = rogan_gladen(wilson(60, 100), wilson(14, 20), wilson(10, 20))
    assert (weak.low, weak.high) == (0, 1)


@pytest.mark.parametrize(
    ("correlation", "plain", "tuned"),
    [
        (0.3, 0.0424, 0.0338),
        (0.5, 0.0361, 0.0308),
        (0.7, 0.0283, 0.0257),
        (0.8, 0.0235, 0.0219),
        (0.9, 0.0173, 0.0166),
    ],
)
def test_prediction_powered_mean_has_the_error_of_its_formula(correlation, plain, tuned):
    rng = np.random.default_rng(2)
    half, centre, weighted = [], [], []
    for _ in range(150):
        f = rng.normal(size=5200) / 2
        y = correlation * f + np.sqrt(1 - correlation**2) / 2 * rng.normal(size=5200)
        found = prediction_powered_mean(y[:200], f[:200], f[200:])
        half.append((found.high - found.low) / 2 / 1.972)
        centre.append(found.value)
        whole = prediction_powered_mean(y[:200], f[:200], f[200:], weight=1)
        weighted.append((whole.high - whole.low) / 2 / 1.972)
    assert np.mean(half) == pytest.approx(tuned, rel=0.02)
    assert np.mean(weighted) == pytest.approx(plain, rel=0.02)
    assert np.std(centre) == pytest.approx(tuned, rel=0.2)


def test_useless_predictions_cost_nothing():
    rng = np.random.default_rng(3)
    y, f = rng.random(50), np.full(50, 0.3)
    assert prediction_powered_mean(y, f, np.full(100, 0.3)).value == pytest.approx(y.mean())


def test_prediction_powered_mean_as_ppi_python():
    ppi = pytest.importorskip("ppi_py", reason="ppi-python is not installed")
    rng = np.random.default_rng(4)
    f = rng.random(1200)
    y = (rng.random(200) < f[:200]).astype(float)
    found = prediction_powered_mean(y, f[:200], f[200:])
    low, high = ppi.ppi_mean_ci(y, f[:200], f[200:], alpha=0.05)
    assert found.value == pytest.approx(float(low + high) / 2, abs=2e-3)
    assert found.high - found.low == pytest.approx(float(high - low), rel=0.02)
