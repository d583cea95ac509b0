"""Protocols against numbers by hand, another library's fit and planted truths."""

import json
from pathlib import Path

import numpy as np
import pytest

from assay.arena.layouts import read
from assay.arena.protocols import alpaca_eval, arena_hard, mt_bench, round_robin
from assay.arena.votes import Outcome, votes
from assay.errors import ConfigError, DataError


def test_a_win_rate_by_hand() -> None:
    found = alpaca_eval.win_rate([1.0, 0.5, 0.0, 0.75, np.nan])
    assert found.win_rate.value == pytest.approx(56.25)
    assert found.win_rate.unscored == 1
    assert (found.n_wins, found.n_wins_base, found.n_draws) == (2, 1, 1)
    assert found.discrete_win_rate == pytest.approx(62.5)
    assert found.standard_error == pytest.approx(100 * np.std([1, 0.5, 0, 0.75], ddof=1) / 2)
    with pytest.raises(DataError, match="no preference"):
        alpaca_eval.win_rate([np.nan])
    with pytest.raises(DataError, match="from 0 to 1"):
        alpaca_eval.win_rate([1.5])


def test_columns_of_annotations() -> None:
    rows = [
        {"instruction": "i", "output_1": "abcd", "output_2": "ab", "preference": 1.75},
        {"instruction": "j", "output_1": "", "output_2": "ab", "preference": 0.0},
        {"instruction": "k", "output_1": "", "output_2": "", "preference": None},
    ]
    y, delta, instructions = alpaca_eval.columns(rows)
    np.testing.assert_array_equal(y, [0.75, 0.5, np.nan])
    assert delta.tolist() == [2, -2, 0]
    assert instructions == ["i", "j", "k"]
    assert alpaca_eval.length_balanced(y, delta) == 62.5
    assert np.isnan(alpaca_eval.length_balanced([1.0], [3.0]))


def annotated() -> tuple[np.ndarray, np.ndarray, np.ndarray, alpaca_eval.Gamed]:
    rng = np.random.default_rng(5)
    n = 200
    delta, gamma = np.round(rng.normal(-300, 600, n)), rng.normal(0, 1, n)
    z = 0.8 * np.tanh(delta / delta.std(ddof=1)) + 0.5 * gamma - 0.6
    y = np.clip(1 / (1 + np.exp(-z)) + rng.normal(0, 0.15, n), 0, 1)
    far = np.concatenate([rng.normal(0, 0.2, n) - 1.2, 0.9 + rng.normal(0, 0.2, n)])
    believed = np.clip(np.where(far < 0, 0.42, 0.55) + rng.normal(0, 0.05, 2 * n), 0, 1)
    gamed = alpaca_eval.Gamed(
        preference=believed, delta=far, difficulty=np.concatenate([gamma, gamma])
    )
    return y, delta, gamma, gamed


def test_the_length_controlled_fit_is_that_of_scikit_learn() -> None:
    """LogisticRegression of scikit-learn 1.9.1 on rows weighted y and 1 - y, without a penalty."""
    y, delta, gamma, gamed = annotated()
    plain = alpaca_eval.length_controlled(y, delta, gamma)
    weights = (plain.length, plain.difficulty, plain.model)
    np.testing.assert_allclose(weights, (0.81201146, 0.4595739, -0.55412499), atol=1e-6)
    assert plain.win_rate.value == pytest.approx(36.67014566, abs=1e-5)
    assert plain.standard_error == pytest.approx(0.69637193, abs=1e-6)
    held = alpaca_eval.length_controlled(y, delta, gamma, gamed=gamed)
    weights = (held.length, held.difficulty, held.model)
    np.testing.assert_allclose(weights, (0.67949444, 0.36929822, -0.58181423), atol=1e-6)
    assert held.win_rate.value == pytest.approx(35.92607444, abs=1e-5)
    back = alpaca_eval.length_controlled(1 - y, -delta, -gamma)
    mean = 100 / (1 + np.exp(-(2 * plain.model + 2 * plain.difficulty * gamma)))
    assert alpaca_eval.between(plain, plain) == 50
    assert plain.model == pytest.approx(-back.model, abs=1e-6)
    flipped = alpaca_eval.LengthControlled(
        win_rate=back.win_rate, standard_error=0, length=0, difficulty=-plain.difficulty,
        model=-plain.model, warning="",
    )  # fmt: skip
    assert alpaca_eval.between(plain, flipped, gamma) == pytest.approx(mean.mean())


def test_length_control_finds_the_win_rate_at_equal_lengths_and_says_how_sure_it_is() -> None:
    """300 sets of 400 instructions: its interval holds the truth, the published error does not."""
    rng = np.random.default_rng(1)
    n, held, published = 400, [], []
    gamma = rng.normal(0, 1, n)
    truth = 100 * np.mean(1 / (1 + np.exp(0.4 - 0.6 * gamma)))
    for _ in range(300):
        delta = rng.normal(-400, 500, n)
        z = 0.9 * np.tanh(delta / delta.std(ddof=1)) + 0.6 * gamma - 0.4
        y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(float)
        found = alpaca_eval.length_controlled(y, delta, gamma)
        held.append(found.win_rate.low < truth < found.win_rate.high)
        published.append(abs(found.win_rate.value - truth) < 1.96 * found.standard_error)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    assert np.mean(published) < 0.8


def test_length_control_warns_and_refuses() -> None:
    delta = np.linspace(-500, -100, 60) * np.tile([1, 1.5], 30)
    y = np.clip(0.9 + 0.0004 * (delta + 300), 0, 1)
    found = alpaca_eval.length_controlled(y, delta)
    assert found.difficulty == 0
    assert "length control moves the win rate" in found.warning
    with pytest.raises(DataError, match="never differ"):
        alpaca_eval.length_controlled(y, np.zeros(60))
    with pytest.raises(DataError, match="no finite maximum"):
        alpaca_eval.length_controlled([1.0, 1.0, 0.0, 0.0], [9.0, 8.0, -9.0, -8.0])


def test_rates_of_mt_bench_by_hand() -> None:
    made = votes(["a", "b", "a", "b"], ["b", "a", "b", "a"], [0, 0, 2, 3], cluster=[1, 1, 2, 2])
    found = mt_bench.rates(made)
    assert found["a"].win_rate.value == 0.25
    assert found["a"].adjusted.value == 0.5
    assert found["a"].win_rate.n == 2


def test_grades_and_the_votes_that_they_are() -> None:
    rows = [
        {"question_id": q, "model": model, "judge": "j", "score": score, "turn": 1}
        for q, model, score in [(1, "a", 8), (1, "b", 7.95), (2, "a", 5), (2, "b", 9),
                                (3, "a", 4), (3, "b", -1)]
    ]  # fmt: skip
    found = mt_bench.grades(rows)
    assert found["b"].value == pytest.approx(8.475)
    assert (found["b"].unscored, found["a"].unscored) == (1, 0)
    made = mt_bench.votes_of_grades(rows)
    assert made.outcome.tolist() == [Outcome.TIE, Outcome.SECOND]
    assert made.left_out == {"the outcome is not known": 1}


def test_agreement_by_hand() -> None:
    def human(q: int, a: str, b: str, winner: str) -> dict:
        return {"question_id": q, "model_a": a, "model_b": b, "winner": winner, "turn": 1}

    people = [human(1, "x", "y", "model_a"), human(1, "y", "x", "model_b"),
              human(1, "x", "y", "tie"), human(2, "x", "y", "tie (inconsistent)")]  # fmt: skip
    judge = [{"question_id": q, "model_1": "y", "model_2": "x", "g1_winner": w, "g2_winner": w,
              "turn": 1} for q, w in ((1, "model_2"), (2, "tie"), (3, "error"))]  # fmt: skip
    found = mt_bench.agreement(people, judge)
    assert (found.value, found.n, found.unscored) == (0.75, 2, 1)
    assert mt_bench.agreement(people, judge, setup="S2").value == 1.0
    # Among themselves: one of three pairs on question 1.
    assert mt_bench.agreement(people).value == pytest.approx(1 / 3)


def hard_rows(said: list[tuple[str, str]]) -> list[dict]:
    return [
        {"uid": str(i), "category": "hard_prompt", "judge": "j", "model": "m",
         "games": [{"score": one}, {"score": other}]}
        for i, (one, other) in enumerate(said)
    ]  # fmt: skip


def test_scores_of_arena_hard_by_hand() -> None:
    rows = hard_rows([("A>>B", "A>B"), ("B>A", "A=B"), ("A=B", "B>>A")])
    base = arena_hard.BASELINES["hard_prompt"]
    made = arena_hard.votes_of([*rows, {**rows[0], "category": "creative_writing"}], "hard_prompt")
    assert len(made) == 6
    (found,) = arena_hard.scores(made, base).values()
    # The model's points: lost thrice, won; won, tie; tie, lost thrice.
    assert found.value == pytest.approx((0 * 3 + 1 + 1 + 0.5 + 0.5 + 0 * 3) / 10)
    assert found.n == 3
    with pytest.raises(DataError, match="nobody met the baseline 'x'"):
        arena_hard.scores(made, "x")


def test_style_is_taken_out_of_scores() -> None:
    """A judge who likes length alone, of a model that writes longer than the baseline."""
    rng = np.random.default_rng(0)
    base, rows, answers = arena_hard.BASELINES["hard_prompt"], [], []
    for i in range(400):
        lengths = {"m": rng.uniform(200, 900), base: rng.uniform(100, 700)}
        gap = (lengths["m"] - lengths[base]) / (lengths["m"] + lengths[base])
        won = rng.random(2) < 1 / (1 + np.exp(-4 * gap))
        scores = ["B>A" if won[0] else "A>B", "A>B" if won[1] else "B>A"]
        rows.append({"uid": str(i), "category": "hard_prompt", "judge": "j", "model": "m",
                     "games": [{"score": each} for each in scores]})  # fmt: skip
        answers += [
            {"uid": str(i), "model": model,
             "metadata": {"token_len": length, "header_count": {"h1": int(rng.integers(3))},
                          "list_count": {"ordered": 0}, "bold_count": {"**": 1}}}
            for model, length in lengths.items()
        ]  # fmt: skip
    measures = arena_hard.measures_of(answers)
    made = arena_hard.votes_of(rows, "hard_prompt", measures)
    (plain,) = arena_hard.scores(made, base).values()
    assert plain.low > 0.55
    (equal,) = arena_hard.style_controlled(made, base).values()
    assert equal.low < plain.low
    del measures["0", "m"]
    assert arena_hard.votes_of(rows, "hard_prompt", measures).left_out == {
        "a covariate or measure is NaN, infinite or beyond 1e100": 2
    }
    (counts,) = arena_hard.measures_of(
        [{"uid": 1, "model": "m", "messages": [{"content": {"answer": "# a\n**b**"}}]}]
    ).values()
    assert counts == (9, 1, 0, 1)


def test_a_round_robin_is_even() -> None:
    games = round_robin.schedule("abcd", 5)
    assert len(games) == len(set(games)) == 4 * 3 * 5
    part = round_robin.schedule("abcd", 5, games=24)
    met = [tuple(sorted((game.first, game.second))) for game in part]
    counts = [met.count(pair) for pair in set(met)]
    assert (len(part), set(counts)) == (24, {4})
    for one, other in zip(part[::2], part[1::2], strict=True):
        assert (one.first, one.second, one.prompt) == (other.second, other.first, other.prompt)
    with pytest.raises(ConfigError, match="two players"):
        round_robin.schedule("aa", 1)


def test_orders_that_contradict_each_other_are_a_tie() -> None:
    made = votes(["a", "b", "a", "b", "a"], ["b", "a", "b", "a", "b"], [0, 1, 0, 0, 1],
                 cluster=[1, 1, 2, 2, 3])  # fmt: skip
    whole, differ = round_robin.merged(made)
    assert differ == 1
    assert whole.outcome.tolist() == [Outcome.FIRST, Outcome.TIE, Outcome.SECOND]
    (share,) = round_robin.pairs(whole).values()
    assert share.value == 0.5
    assert share.n == 3


def test_the_first_arena_hard_has_one_baseline(tmp_path: Path) -> None:
    row = {"question_id": "q", "model": "m", "judge": "gpt-4", "games": [
        {"user_prompt": "", "judgment": "[[B>A]]", "score": "B>A"}, {"score": "A>>B"}]}  # fmt: skip
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(row))
    assert read(path).players == ("gpt-4-0314", "m")
    path.write_text(json.dumps({**row, "category": "poems"}))
    with pytest.raises(DataError, match=r"m\.jsonl:1: the row names no baseline"):
        read(path)
