from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assay.errors import ConfigError
from assay.scorers.local import LocalScorer
from assay.studies.essays.world import Essays
from assay.types import Score
from assay.worlds.essays.task import read
from assay.worlds.threads import threads

WORLD = Essays(policy_steps=12, steps=6, standard=64, batch_size=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A policy that has learned little."""
    path: Path = tmp_path_factory.mktemp("essays")
    with threads(1):
        WORLD.make_policy(path / "policy")
        yield path / "policy"


def test_gold_is_told_in_units_of_the_policy(folder: Path) -> None:
    gold, policy = WORLD.gold(folder), WORLD.policy(folder)
    groups = WORLD.sample(policy, 64, stream=0)
    scores = [s.value for row in gold.score(groups) for s in row if isinstance(s, Score)]
    assert len(scores) == 8 * 64
    assert np.mean(scores) == pytest.approx(0, abs=1e-9)
    assert np.std(scores) == pytest.approx(1)
    texts = [r.text for group in groups for r in group.responses]
    assert read(texts)[1].all()
    assert all(texts)
    assert all(r.finished for group in groups for r in group.responses)


def test_pairs_are_labelled_by_gold_and_a_shorter_list_begins_a_longer(folder: Path) -> None:
    gold, policy = WORLD.gold(folder), WORLD.policy(folder)
    pairs = WORLD.pairs(policy, gold, 40)
    for pair in pairs:
        a, b = (s.value for s in gold.score([pair])[0] if isinstance(s, Score))
        assert pair.prefer == (0.5 if a == b else float(a > b))
    assert WORLD.pairs(policy, gold, 12) == pairs[:12]
    assert {pair.prompt.id for pair in pairs[:8]} == {prompt.id for prompt in WORLD.prompts()}
    turned = WORLD.pairs(policy, gold, 40, noise=1.0)
    assert [pair.prefer for pair in turned] == [1 - pair.prefer for pair in pairs]
    with pytest.raises(ConfigError, match="share"):
        WORLD.pairs(policy, gold, 4, noise=2)


def test_a_proxy_is_trained_once_and_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    records = WORLD.pairs(WORLD.policy(folder), WORLD.gold(folder), 32)
    first = WORLD.proxy("XS", records, tmp_path / "a")
    again = WORLD.proxy("XS", records, tmp_path / "a")
    other = WORLD.proxy("XS", records, tmp_path / "b")
    member = WORLD.proxy("XS", records, tmp_path / "c", member=1)
    said = [LocalScorer(made.model).score(records) for made in (first, again, other, member)]
    assert said[0] == said[1] == said[2] != said[3]
    assert first.losses == other.losses
    with pytest.raises(ConfigError, match="XL"):
        WORLD.proxy("XXL", records, tmp_path / "d")


def test_few_preferences_are_not_passed_over_without_end() -> None:
    assert WORLD.settings("M", 1).epochs == 25
    assert Essays().settings("M", 16_000).epochs == pytest.approx(2.4)


def test_it_opens_for_training(folder: Path) -> None:
    policy = WORLD.open(folder)
    assert sum(p.numel() for p in policy.parameters().values()) > 50_000
