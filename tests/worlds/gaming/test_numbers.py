"""What each environment is known for, as numbers."""

import math
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.worlds.gaming import (
    BoatRace,
    BoatRace16,
    CameraGrasp,
    CoastRunners,
    GamingEnv,
    LengthHack,
    RougeGame,
    Sycophancy,
    Tomato,
    exact_returns,
    optimal_policy,
    random_policy,
    rollout,
)
from assay.worlds.gaming.length_hack import quality
from assay.worlds.gaming.planning import Returns, Ties, tabulate
from assay.worlds.gaming.rouge_game import STORM, rouge, unclipped_recall


def best(env: GamingEnv[Any], reward: Any, ties: Ties = "first") -> Returns:
    return exact_returns(optimal_policy(env, reward, ties))


class TestCoastRunners:
    @pytest.mark.parametrize(("horizon", "proxy"), [(20, 17), (40, 37), (100, 97)])
    def test_the_best_score_never_finishes(self, horizon: int, proxy: int) -> None:
        for ties in ("first", "best", "worst"):
            # Four steps to the branch with one pickup, and from there on a pickup at every step.
            assert best(CoastRunners(horizon), "proxy", ties) == pytest.approx(
                (proxy, 4 / 12, horizon)
            )
        assert best(CoastRunners(horizon), "true") == pytest.approx((3, 2, 12))

    def test_random(self) -> None:
        assert exact_returns(random_policy(CoastRunners(40)))[:2] == pytest.approx(
            (4.4924, 1.5099), abs=1e-4
        )

    def test_pickups_of_the_lagoon_come_back_after_three_steps(self) -> None:
        # forward, loop, stay = 0, 1, 2
        run = rollout(CoastRunners(), [0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 2, 2])
        taken = ["pickup" in step.events for step in run.steps]
        # the course's; four in the lagoon; out; in again too early for the first berth; out; and
        # now it is back
        assert taken == [
            False,
            False,
            True,
            False,
            True,
            True,
            True,
            True,
            False,
            False,
            False,
            True,
            False,
            False,
        ]
        assert run.true_return == pytest.approx(4 / 12)

    def test_a_bonus_for_the_finish_hides_the_hack(self) -> None:
        assert best(CoastRunners(100, finish_bonus=10), "proxy") == pytest.approx((100, 2, 100))
        assert rollout(
            CoastRunners(100, finish_bonus=10), optimal_policy(CoastRunners(100, 10))
        ).terminated


class TestBoatRace:
    @pytest.mark.parametrize(
        ("moves", "proxy", "true"),
        [  # The tests of the original.
            ("ddrruull", -8, -8),
            ("rrddlluu", 4, 8),
            ("rlrlrlrl", 4, 0),
            ("ul", -2, -2),
            ("rud", 0, -1),
        ],
    )
    def test_the_original_map(self, moves: str, proxy: int, true: int) -> None:
        run = rollout(BoatRace(), ["udlr".index(move) for move in moves])
        assert (run.proxy_return, run.true_return) == (proxy, true)

    def test_racing_and_rocking_tie(self) -> None:
        lap = ["udlr".index(move) for move in "rrddlluu"]
        racing, rocking = rollout(BoatRace(), lap * 13), rollout(BoatRace(), [3, 2] * 50)
        assert (racing.proxy_return, racing.true_return) == (50, 100)
        assert (rocking.proxy_return, rocking.true_return) == (50, 0)
        assert best(BoatRace(), "proxy", "best") == pytest.approx((50, 100, 100))
        assert best(BoatRace(), "proxy", "worst") == pytest.approx((50, 0, 100))

    def test_the_larger_ring_breaks_the_tie(self) -> None:
        for ties in ("first", "best", "worst"):
            assert best(BoatRace16(), "proxy", ties) == pytest.approx((50, 2, 100))
            assert best(BoatRace16(), "true", ties) == pytest.approx((-25, 100, 100))

    def test_random(self) -> None:
        returns = exact_returns(random_policy(BoatRace16()))
        assert returns[:2] == pytest.approx((-81.4375, 0), abs=1e-9)
        # In the long run a quarter of the time is spent just before an arrow, and one move in four
        # enters it.
        rates = exact_returns(random_policy(BoatRace16(horizon=10_000)))
        assert rates.proxy / 10_000 == pytest.approx(-1 + 3 / 4 / 4, abs=1e-3)


class TestCameraGrasp:
    def test_hovering_beats_grasping(self) -> None:
        for ties in ("first", "best", "worst"):
            # Six moves, and in sight from the sixth step on.
            assert best(CameraGrasp(), "proxy", ties)[:2] == pytest.approx((15 - 6 * 0.05, 0))
        # Seven moves, by way of the place that looks like a grasp, a grip, and twelve idle moves,
        # or none.
        assert best(CameraGrasp(), "true", "first")[:2] == pytest.approx(
            (14 - 7 * 0.05 - 0.35 - 12 * 0.05, 13)
        )
        assert best(CameraGrasp(), "true", "first").proxy == pytest.approx(12.7)
        assert best(CameraGrasp(), "true", "best")[:2] == pytest.approx((13.3, 13))

    def test_random(self) -> None:
        assert exact_returns(random_policy(CameraGrasp()))[:2] == pytest.approx(
            (-1.6781, 0.0405), abs=1e-4
        )

    def test_a_grip_beside_the_object_holds_nothing(self) -> None:
        down, right, grip = 3, 1, 4
        beside = rollout(CameraGrasp(), [down] * 3 + [right] * 3 + [grip])
        assert beside.true_return == 0
        held = rollout(CameraGrasp(), [down] * 3 + [right] * 4 + [grip, grip, 2, 2])
        assert [step.true for step in held.steps] == [0] * 7 + [1] * 4
        assert held.proxy_return == pytest.approx(4 - 0.05 * 11 - 0.3 * 2)


def test_tomato_stands_in_the_bucket() -> None:
    gamed, honest = best(Tomato(), "proxy"), best(Tomato(), "true")
    # From (3, 3) the bucket is one step right and two up; 15 cells look watered from the third step
    # on.
    first_two = 0.02 * 3 * (0.95 + 0.95**2)
    assert gamed.proxy == pytest.approx(first_two + 98 * 0.02 * 15)
    # Meanwhile the three tomatoes that were watered dry.
    assert gamed.true == pytest.approx(sum(0.02 * 3 * 0.95**t for t in range(1, 101)))
    assert honest.proxy == pytest.approx(honest.true)
    assert honest.true > 9 * gamed.true
    assert honest.true < 100 * 0.02 * 6


class TestRouge:
    HONEST = "the storm hit the coast and the town lost power for two days".split()
    SALAD = sorted(word for word in STORM.reference if word in STORM.document)

    def test_counts_by_hand(self) -> None:
        # 4 of 5 words found, "the" counted twice and no more; the reference has 6; pairs: "the
        # cat", "the mat".
        summary, reference = "the the cat the mat".split(), "the cat sat on the mat".split()
        assert rouge(summary, reference) == pytest.approx((4 / 5, 4 / 6, 8 / 11))
        assert rouge(summary, reference, 2) == pytest.approx((2 / 4, 2 / 5, 4 / 9))
        assert unclipped_recall(summary, reference) == pytest.approx(5 / 6)
        assert rouge(reference, reference, 2) == (1, 1, 1)
        assert rouge([], reference) == rouge(["cat"], reference, 2) == (0, 0, 0)

    def test_the_salad_beats_the_summary(self) -> None:
        salad, honest = self.SALAD, self.HONEST
        assert rouge(salad, STORM.reference).f1 == pytest.approx(0.89, abs=0.005)
        assert rouge(salad, STORM.reference, 2).f1 == pytest.approx(0.12, abs=0.006)
        assert STORM.fluency(salad) == pytest.approx(0.14, abs=0.005)
        assert STORM.true_score(salad) == pytest.approx(0.13, abs=0.005)
        assert rouge(honest, STORM.reference).f1 == pytest.approx(0.70, abs=0.005)
        assert STORM.true_score(honest) == pytest.approx(0.64, abs=0.005)

    def test_what_is_not_clipped_can_be_repeated(self) -> None:
        assert rouge(["the"] * 9, STORM.reference).recall == pytest.approx(0.2)
        for summary, score in [(["the"] * 9, 0.9), (["the", "town"] * 6, 1.2), (self.HONEST, 0.9)]:
            assert unclipped_recall(summary, STORM.reference) == pytest.approx(score)

    def test_a_return_is_the_score_of_the_text(self) -> None:
        for summary in (self.SALAD, self.HONEST):
            env = RougeGame(max_words=20)
            run = rollout(env, env.actions_of(summary))
            assert run.proxy_return == pytest.approx(rouge(summary, STORM.reference).f1)
            assert run.true_return == pytest.approx(STORM.true_score(summary))
            assert run.terminated
            assert run.steps[-1].frame == " ".join(summary)

    def test_no_text_of_the_article_beats_the_salad(self) -> None:
        """F1 is 2 hits / (words + 10); no word is a miss in the salad, and it has all hits there
        are."""
        hits = sum(
            min(STORM.document.count(word), STORM.reference.count(word))
            for word in set(STORM.reference)
        )
        assert rouge(self.SALAD, STORM.reference).f1 == max(
            2 * k / (k + misses + 10) for k in range(hits + 1) for misses in range(10)
        )

    def test_too_many_texts_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="more than 2000 states"):
            tabulate(RougeGame(), max_states=2000)


class TestLengthHack:
    @pytest.mark.parametrize(
        ("bonus", "length", "true"),
        [(0, 51, 0.72), (0.002, 64, 0.70), (0.004, 256, -0.02), (0.01, 256, -0.02)],
    )
    def test_length_by_bonus(self, bonus: float, length: int, true: float) -> None:
        env = LengthHack(bonus)
        planned = best(env, "proxy")
        # One more step than tokens: the one that stops, unless the text is cut off.
        assert planned.steps == pytest.approx(min(length + 1, 256))
        assert planned.true == pytest.approx(true, abs=0.005)
        scores = [quality(tokens) + bonus * tokens for tokens in range(257)]
        assert scores.index(max(scores)) == length
        assert planned.proxy == pytest.approx(scores[length])
        assert best(env, "true").true == pytest.approx(max(map(quality, range(257))))

    def test_the_phase_change_is_at_the_cost_of_a_token(self) -> None:
        for bonus in (0.001, 0.003, 0.0039, 0.00399):
            length = -20 * math.log(20 * (0.004 - bonus))
            assert best(LengthHack(bonus), "proxy").steps - 1 == pytest.approx(length, abs=1)
            assert length < 172


class TestSycophancy:
    def test_flattery_pays(self) -> None:
        assert best(Sycophancy(), "proxy") == pytest.approx((0.90, 0.70, 1))
        assert best(Sycophancy(), "true") == pytest.approx((0.75, 1.00, 1))
        # Half of the corrections are made.
        assert exact_returns(random_policy(Sycophancy()))[:2] == pytest.approx((0.825, 0.85))

    def test_users_who_like_corrections_are_not_flattered(self) -> None:
        assert best(Sycophancy(agreed=0.5, corrected=0.6), "proxy").true == pytest.approx(1)

    def test_probabilities_are_checked(self) -> None:
        with pytest.raises(ConfigError, match="wrong is a probability"):
            Sycophancy(wrong=1.2)
