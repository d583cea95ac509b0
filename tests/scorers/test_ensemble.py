"""Ensembles by hand: values, steps, disagreement, and what they are standardised by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from assay.errors import ConfigError, DataError
from assay.overopt import ensembles
from assay.scorers.ensemble import Agreement, Ensemble, Standard, Standards, agreement, standards
from assay.scorers.lower_bound import LowerBound
from assay.types import Group, Prompt, Response, Score, Unscored


@dataclass
class Says:
    """The number in the response's meta, or what the member makes of it."""

    rule: Callable[[Response], float | None]
    steps: Callable[[Response], tuple[float, ...]] = lambda _: ()
    tokens_read: int | None = 5

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[self._one(response) for response in group.responses] for group in groups]

    def _one(self, response: Response) -> Score | Unscored:
        value = self.rule(response)
        return (
            Unscored(reason="too long")
            if value is None
            else Score(value=value, steps=self.steps(response))
        )


def column(i: int) -> Says:
    return Says(
        lambda response: response.meta["x"][i],
        lambda response: response.meta.get("steps", ((),) * 3)[i],
    )


def group(*rows: Sequence[float | None], name: str = "q") -> Group:
    responses = tuple(
        Response(steps=(f"r{i}",), meta={"x": tuple(row)}) for i, row in enumerate(rows)
    )
    return Group(prompt=Prompt.of(name), responses=responses)


PAIR = {"a": column(0), "b": column(1)}
RAW = Standards.none(2)
GROUP = group((1.0, 3.0), (4.0, 2.0))


def values(of: Ensemble, what: Group = GROUP) -> list[float]:
    return [score.value for score in of.score([what])[0] if isinstance(score, Score)]


def test_by_hand() -> None:
    assert values(Ensemble(PAIR, "mean", standards=RAW)) == [2.0, 3.0]
    assert values(Ensemble(PAIR, "worst", standards=RAW)) == [1.0, 2.0]
    # Deviations of 1 either way: variance 1 with ddof 0, and 2 with ddof 1.
    assert values(Ensemble(PAIR, "uncertainty", 0.5, standards=RAW)) == [1.5, 2.5]
    (row,) = Ensemble(PAIR, standards=RAW).score([GROUP])
    assert [score.std for score in row if isinstance(score, Score)] == [1.0, 1.0]


@pytest.mark.parametrize("how", ["mean", "worst", "uncertainty"])
def test_it_is_what_the_array_functions_say(how: Any) -> None:
    rng = np.random.default_rng(0)
    rows, reference = rng.normal(size=(20, 3)), rng.normal(2.0, 3.0, size=(50, 3))
    members = [column(i) for i in range(3)]
    found = Ensemble(members, how, 0.3, standards=standards(members, [group(*reference.tolist())]))
    z_M = ensembles.standardise(rows.T, reference.T)
    expected = {
        "mean": ensembles.mean(z_M),
        "worst": ensembles.worst_case(z_M),
        "uncertainty": ensembles.uncertainty_weighted(z_M, 0.3),
    }[how]
    np.testing.assert_allclose(values(found, group(*rows.tolist())), expected, rtol=1e-12)


def test_no_weight_is_the_mean_exactly() -> None:
    rows = np.random.default_rng(1).normal(size=(50, 2)).tolist()
    plain, none = Ensemble(PAIR, standards=RAW), Ensemble(PAIR, "uncertainty", 0.0, standards=RAW)
    assert values(plain, group(*rows)) == values(none, group(*rows))


def test_the_scale_of_a_member_does_not_matter() -> None:
    reference = group((0.0, 0.0), (2.0, 200.0))
    found = standards(PAIR, [reference])
    assert found.of == (Standard(mean=1.0, std=1.0, n=2), Standard(mean=100.0, std=100.0, n=2))
    assert found.source == "reference samples"
    # z is (0, 0) and (3, -1).
    assert values(Ensemble(PAIR, "worst", standards=found), group((1.0, 100.0), (4.0, 0.0))) == [
        0.0,
        -1.0,
    ]


def test_steps_are_put_together_where_all_members_have_them() -> None:
    response = Response(steps=("x", "y"), meta={"x": (2.0, 0.0), "steps": ((1.0, 2.0), (3.0, 0.0))})
    both = Group(prompt=Prompt.of("q"), responses=(response,))
    assert Ensemble(PAIR, "worst", standards=RAW).score([both]) == [
        [Score(value=0.0, steps=(1.0, 0.0), std=1.0)]
    ]
    one = {"a": PAIR["a"], "b": Says(lambda r: r.meta["x"][1])}
    assert Ensemble(one, "worst", standards=RAW).score([both]) == [[Score(value=0.0, std=1.0)]]
    # Steps have a scale of their own: of a, 1.5 and 0.5.
    more = Response(steps=("x", "y"), meta={"x": (0.0, 4.0), "steps": ((2.0, 1.0), (3.0, 0.0))})
    found = standards(PAIR, [Group(prompt=Prompt.of("q"), responses=(response, more))])
    assert found.of[0] == Standard(mean=1.0, std=1.0, n=2, step_mean=1.5, step_std=0.5)
    (score,) = Ensemble(PAIR, standards=found).score([both])[0]
    assert isinstance(score, Score)
    assert score.steps == pytest.approx((0.0, 0.0))


def test_what_a_member_cannot_score_is_unscored_with_its_name() -> None:
    assert Ensemble(PAIR, standards=RAW).score([group((None, 1.0), (None, None))]) == [
        [Unscored(reason="a: too long"), Unscored(reason="a: too long; b: too long")]
    ]
    unnamed = Ensemble([column(0), column(1)], standards=RAW).score([group((1.0, None))])
    assert unnamed == [[Unscored(reason="member 1 (Says): too long")]]


def test_training_scores_serve_where_nothing_better_is_given() -> None:
    def learned(i: int, mean: float, std: float, aggregate: str = "last") -> Any:
        model = SimpleNamespace(
            scores=SimpleNamespace(mean=mean, std=std, n=9),
            readout=SimpleNamespace(aggregate=aggregate, steps="value"),
        )
        scorer: Any = column(i)
        scorer.model = model
        return scorer

    found = Ensemble([learned(0, 1.0, 2.0), learned(1, 0.0, 1.0, "product")])
    assert found.standards is not None
    assert found.standards.source == "training records"
    assert found.standards.of[1] == Standard(mean=0.0, std=1.0, n=9)
    assert values(found) == [1.5, 1.75]
    with pytest.raises(
        ConfigError, match=r"b carries no mean and spread.*standards\(members, groups\)"
    ):
        Ensemble({"a": learned(0, 1.0, 2.0), "b": column(1)})


def test_it_counts_what_is_read_and_can_be_bounded() -> None:
    assert Ensemble(PAIR, standards=RAW).tokens_read == 10
    assert (
        Ensemble(
            {"a": PAIR["a"], "b": Says(lambda _: 0.0, tokens_read=None)}, standards=RAW
        ).tokens_read
        is None
    )
    (row,) = LowerBound(Ensemble(PAIR, standards=RAW), k=2.0).score([GROUP])
    assert [score.value for score in row if isinstance(score, Score)] == [0.0, 1.0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="ensemble of 1"):
        Ensemble([column(0)], standards=Standards.none(1))
    with pytest.raises(ConfigError, match="2 standards for 3"):
        Ensemble([column(0)] * 3, standards=RAW)
    with pytest.raises(ConfigError, match="'median'"):
        Ensemble(PAIR, "median", standards=RAW)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="weight is -1"):
        Ensemble(PAIR, "uncertainty", -1.0, standards=RAW)
    with pytest.raises(DataError, match="b scores all 2 reference samples alike"):
        standards(PAIR, [group((1.0, 5.0), (2.0, 5.0))])
    with pytest.raises(DataError, match="a has no score"):
        standards(PAIR, [group((None, 5.0))])


def planted(shared: float, prompts: int = 60) -> list[Group]:
    """Two members who see gold, each with an error that they share in part; the last column is
    gold."""
    rng = np.random.default_rng(2)
    found = []
    for p in range(prompts):
        gold, common, own = rng.normal(size=8), rng.normal(size=8), rng.normal(size=(2, 8))
        seen = gold + shared**0.5 * common + (1 - shared) ** 0.5 * own
        found.append(group(*zip(*seen.tolist(), gold.tolist(), strict=True), name=f"q{p}"))
    return found


def test_errors_correlate_as_planted() -> None:
    groups = planted(0.5)
    found = agreement(PAIR, groups, column(2), resamples=200)
    assert found.of == "errors"
    assert found.mean.low < 0.5 < found.mean.high
    assert found.mean.n == 60
    assert found.pairs[("a", "b")].value == found.mean.value
    table = np.array([[[r.meta["x"][i] for r in g.responses] for g in groups] for i in range(3)])
    same = ensembles.error_correlation(table[:2], table[2], resamples=10)
    assert found.mean.value == pytest.approx(same.mean.value, abs=1e-12)


def test_scores_correlate_where_there_is_no_gold() -> None:
    # Centred: (-1, 0, 1) and (0, -1, 1), so 1 / 2.
    found = agreement(PAIR, [group((1.0, 5.0), (2.0, 4.0), (3.0, 6.0))])
    assert found.of == "scores"
    assert found.mean.value == pytest.approx(0.5)
    assert np.isnan(found.mean.low)


def test_members_who_err_alike_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="err alike"):
        assert agreement(PAIR, planted(0.99), column(2), resamples=50).alike
    with pytest.warns(UserWarning, match="right or wrong"):
        agreement(PAIR, planted(1.0, 5), resamples=50)


def test_what_was_not_scored_is_left_out_and_counted() -> None:
    rows = group((1.0, 5.0), (2.0, 4.0), (3.0, 6.0), (None, 7.0))
    found: Agreement = agreement(PAIR, [rows, group((1.0, 1.0), (None, 2.0))])
    assert (found.mean.n, found.mean.unscored) == (1, 2)
    assert found.mean.value == pytest.approx(0.5)
    with pytest.raises(DataError, match="no prompt has two responses"):
        agreement(PAIR, [group((1.0, 1.0))])
    with pytest.raises(DataError, match="b scores the responses to each prompt alike"):
        agreement(PAIR, [group((1.0, 1.0), (2.0, 1.0))])
