import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from assay.errors import BackendError, ConfigError, DataError
from assay.rl.rewards import Array
from assay.rl.scoring import Part, Rewards, ask, differing, reward, whole_values
from assay.rl.transforms import (
    PAR,
    Centre,
    Clip,
    Gate,
    LengthPenalty,
    Overlong,
    Standardise,
    Statistics,
)
from assay.types import Group, Prompt, Response, Score, Unscored


@dataclass
class Table:
    """Scores by text."""

    scores: Mapping[str, Any]
    calls: list[int] = field(default_factory=list)

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.calls.append(len(groups))
        return [[self.scores[r.text] for r in group.responses] for group in groups]


@dataclass
class Does:
    """Whatever a function does."""

    what: Callable[[Sequence[Group]], Any]

    def score(self, groups: Sequence[Group]) -> Any:
        return self.what(groups)


def response(*steps: str, finished: bool = True) -> Response:
    return Response(steps=steps, finished=finished)


# Of 5, 3, 2 and 4 tokens.
GROUPS = [
    Group(
        prompt=Prompt.of("one"), responses=(response("a", "b"), response("c"), response("d", "e"))
    ),
    Group(prompt=Prompt.of("two"), responses=(response("f", "g", "h", finished=False),)),
]
ENDS = [(1, 4), (2,), (0, 1), (0, 2, 3)]
TOKENS = [5, 3, 2, 4]
VALUES = Table(
    {
        "ab": Score(value=1.0),
        "c": Score(value=-1.0),
        "de": Unscored(reason="too long"),
        "fgh": Score(value=3.0),
    }
)
STEPS = Table(
    {
        "ab": Score(value=0.1, steps=(0.5, 0.25)),
        "c": Score(value=0.1, steps=(0.75,)),
        "de": Score(value=0.1, steps=(1.0, 0.0)),
        "fgh": Score(value=0.1, steps=(1.0, 0.5, 0.75)),
    }
)
KNOWN = {"values": Statistics(mean=1.0, std=2.0), "steps": Statistics(mean=0.25, std=0.5)}


def rewards(*parts: Part, statistics: Mapping[str, Statistics] = {}, **settings: Any) -> Rewards:
    return reward(parts, GROUPS, ENDS, TOKENS, statistics=statistics, **settings)


def outcome(**settings: Any) -> Part:
    return Part(**({"name": "values", "scorer": VALUES} | settings))


def process(**settings: Any) -> Part:
    return Part(**({"name": "steps", "scorer": STEPS, "place": "every_step"} | settings))


def rows(*filled: dict[int, float]) -> list[list[float]]:
    return [[row.get(t, 0.0) for t in range(5)] for row in filled]


def test_whole_responses() -> None:
    found = rewards(outcome(weight=2.0))
    assert found.outcome_B.tolist() == [2, -2, 0, 6]
    assert not found.process_B_T.any()
    assert found.process_B_T.shape == found.ends_B_T.shape == (4, 5)
    assert [np.flatnonzero(row).tolist() for row in found.ends_B_T] == [
        [1, 4],
        [2],
        [0, 1],
        [0, 2, 3],
    ]
    assert found.scored_B.tolist() == [True, True, False, True]
    assert found.total_B == pytest.approx([2, -2, np.nan, 6], nan_ok=True)
    assert found.parts["values"] == pytest.approx([2, -2, np.nan, 6], nan_ok=True)
    assert dict(found.reasons) == {"values: too long": 1}
    assert found.scores["values"][2] == Unscored(reason="too long")
    assert found.statistics == {"values": Statistics(mean=1.0, std=pytest.approx(np.sqrt(8 / 3)))}


def test_steps_earn_at_their_last_tokens() -> None:
    found = rewards(process(weight=2.0))
    expected = rows({1: 1.0, 4: 0.5}, {2: 1.5}, {0: 2.0, 1: 0.0}, {0: 2.0, 2: 1.0, 3: 1.5})
    assert found.process_B_T.tolist() == expected
    assert not found.outcome_B.any()
    assert found.parts["steps"].tolist() == found.total_B.tolist() == [1.5, 1.5, 2, 4.5]
    found = rewards(process(place="difference"))
    assert found.process_B_T.tolist() == rows(
        {1: 0.5, 4: -0.25}, {2: 0.75}, {0: 1.0, 1: -1.0}, {0: 1.0, 2: -0.5, 3: 0.25}
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"place": "below", "threshold": 0.5}, [-0.25, 0, -0.5, 0]),
        ({"place": "difference", "prover": 2.0}, [0.4375, 0.9375, 0, 0.9375]),
        ({"place": "softmin", "temperature": 1e-3}, [-0.5, 0.5, -1, 0]),
        ({"place": "terminal", "aggregate": "product"}, [0.125, 0.75, 0, 0.375]),
        ({"place": "terminal", "aggregate": "last"}, [0.25, 0.75, 0, 0.75]),
        ({"place": "terminal"}, [0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_a_part_hands_its_settings_on(settings: dict[str, Any], expected: list[float]) -> None:
    found = rewards(process(**settings))
    assert found.total_B == pytest.approx(expected, abs=1e-9)
    whole = settings["place"] == "terminal"
    assert (found.outcome_B if whole else found.process_B_T.sum(1)) == pytest.approx(
        expected, abs=1e-9
    )


def test_parts_add_up_and_a_response_that_one_could_not_score_is_out() -> None:
    found = rewards(
        outcome(weight=0.5), process(weight=-1.0), process(name="again", place="minus_one")
    )
    assert found.outcome_B.tolist() == [0.5, -0.5, 0, 1.5]
    assert found.process_B_T == pytest.approx(
        np.array(
            rows(
                {1: -0.5 - 0.5, 4: -0.25 - 0.75},
                {2: -0.75 - 0.25},
                {},
                {0: -1.0, 2: -0.5 - 0.5, 3: -0.75 - 0.25},
            )
        )
    )
    assert found.total_B == pytest.approx([-1.5, -1.5, np.nan, -1.5], nan_ok=True)
    # What the others said of it is still told.
    assert found.parts["steps"].tolist() == [-0.75, -0.75, -1, -2.25]
    assert {*found.parts} == {*found.scores} == {*found.statistics} == {"values", "steps", "again"}


def test_reasons_are_counted_and_nothing_unscored_is_zero() -> None:
    none = Does(lambda groups: [[Unscored(reason="down") for _ in g.responses] for g in groups])
    found = rewards(Part(name="dead", scorer=none), outcome(), process())
    assert dict(found.reasons) == {"dead: down": 4, "values: too long": 1}
    assert np.isnan(found.total_B).all()
    assert np.isnan(found.parts["dead"]).all()
    assert not found.scored_B.any()
    assert not found.outcome_B.any()
    assert not found.process_B_T.any()
    assert "dead" not in found.statistics
    silent = Does(lambda groups: [[Unscored(reason="") for _ in g.responses] for g in groups])
    assert dict(rewards(Part(name="dead", scorer=silent)).reasons) == {"dead: unscored": 4}


def test_two_steps_that_end_with_one_token_both_pay() -> None:
    group = Group(prompt=Prompt.of("p"), responses=(response("x", "y", "z"),))
    scorer = Table({"xyz": Score(value=0, steps=(0.5, 0.25, 1.0))})
    part = Part(name="steps", scorer=scorer, place="every_step")
    found = reward([part], [group], [(1, 1, 2)], [3], statistics={})
    assert found.process_B_T.tolist() == [[0, 0.75, 1]]
    assert found.total_B.tolist() == found.parts["steps"].tolist() == [1.75]


def test_a_response_without_steps_has_nothing_to_pay_at() -> None:
    groups = [Group(prompt=Prompt.of("p"), responses=(response(), response("x")))]
    scorer = Table({"": Score(value=0.0), "x": Score(value=1.0, steps=(0.5,))})
    parts = [Part(name="steps", scorer=scorer, place="every_step")]
    found = reward(parts, groups, [(), (2,)], [1, 3], statistics={})
    assert found.total_B == pytest.approx([np.nan, 0.5], nan_ok=True)
    assert dict(found.reasons) == {"steps: the response has no steps": 1}
    assert reward(
        [Part(name="w", scorer=scorer)], groups, [(), (2,)], [1, 3], statistics={}
    ).total_B.tolist() == [0, 1]


def test_nothing_to_score() -> None:
    found = reward([outcome(), process(transforms=(PAR(2),))], [], [], [], statistics={})
    assert found.total_B.shape == (0,)
    assert found.process_B_T.shape == (0, 0)
    assert found.statistics == {}


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            outcome(place="difference"),
            "part 'values' is placed by 'difference', which needs step scores, and its scorer",
        ),
        (
            outcome(aggregate="min"),
            "part 'values' is placed by 'terminal' of min, which needs step scores",
        ),
    ],
)
def test_a_part_that_needs_steps_says_so(part: Part, said: str) -> None:
    with pytest.raises(
        ConfigError,
        match=f"{said}.*gives none; use terminal without an aggregate, or a process model",
    ):
        rewards(part)


def test_transforms_see_each_steps_own_response() -> None:
    found = rewards(process(transforms=(LengthPenalty(0.1),)))
    assert found.process_B_T == pytest.approx(
        np.array(rows({1: 0.0, 4: -0.25}, {2: 0.45}, {0: 0.8, 1: -0.2}, {0: 0.6, 2: 0.1, 3: 0.35}))
    )
    # An unscored response before others moves nobody's steps.
    scores = dict(STEPS.scores) | {"ab": Unscored(reason="no")}
    found = rewards(process(scorer=Table(scores), transforms=(LengthPenalty(0.1),)))
    assert found.process_B_T == pytest.approx(
        np.array(rows({}, {2: 0.45}, {0: 0.8, 1: -0.2}, {0: 0.6, 2: 0.1, 3: 0.35}))
    )
    scores = dict(VALUES.scores) | {"ab": Unscored(reason="no"), "de": Score(value=7.0)}
    found = rewards(outcome(scorer=Table(scores), transforms=(LengthPenalty(0.1),)))
    assert found.total_B == pytest.approx([np.nan, -1.3, 6.8, 2.6], nan_ok=True)


def test_transforms_come_before_placing_and_after_aggregating() -> None:
    clip = (Clip(0.4, 0.6),)
    found = rewards(process(place="difference", transforms=clip))
    assert found.process_B_T[3].tolist() == pytest.approx([0.6, 0, -0.1, 0.1, 0])
    assert found.figures["steps/clip_changed"] == pytest.approx(6 / 8)
    found = rewards(process(place="terminal", aggregate="product", transforms=clip))
    assert found.outcome_B.tolist() == [0.4, 0.6, 0.4, 0.4]
    with pytest.raises(ConfigError, match="minus_one needs probabilities"):
        rewards(process(place="minus_one", transforms=(Centre(),)))


def test_statistics_are_of_the_first_batch() -> None:
    standard = (Standardise(),)
    assert rewards(outcome(transforms=standard), statistics=KNOWN).total_B == pytest.approx(
        [0, -1, np.nan, 1], nan_ok=True
    )
    found = rewards(outcome(transforms=standard), statistics={"other": KNOWN["steps"]})
    assert found.total_B == pytest.approx(
        np.array([0, -2, np.nan, 2]) / np.sqrt(8 / 3), nan_ok=True
    )
    assert found.statistics["other"] == KNOWN["steps"]
    found = rewards(process(transforms=(Centre(),)), statistics=KNOWN)
    assert found.total_B == pytest.approx([0.25, 0.5, 0.5, 1.5])
    assert found.statistics == KNOWN
    # Before any transform, of every step, whatever the weight.
    found = rewards(process(weight=3.0, transforms=(Centre(),)))
    assert found.statistics["steps"].mean == pytest.approx(4.75 / 8)


def test_references_are_of_each_responses_prompt() -> None:
    asked: list[tuple[str, int]] = []

    def references(part: Part, groups: Sequence[Group]) -> Array:
        asked.append((part.name, len(groups)))
        return np.array([[1.0, np.nan], [-1.0, np.nan], [0.0, 0.0], [np.nan, np.nan]])

    found = rewards(outcome(transforms=(PAR(2),)), process(), references=references)
    assert asked == [("values", 2)]
    # Compared with nothing, the last has no score.
    assert found.outcome_B.tolist() == [0.5, 0.5, 0, 0]
    assert found.scored_B.tolist() == [True, True, False, False]
    assert dict(found.reasons) == {
        "values: too long": 1,
        "values: no reference response has a score": 1,
    }
    assert np.isfinite([*found.figures.values()]).all()
    with pytest.raises(ConfigError, match="needs scores of reference responses"):
        rewards(outcome(transforms=(PAR(2),)))
    assert (outcome(transforms=(PAR(2), PAR(5), Centre())).references, outcome().references) == (
        5,
        0,
    )


def one(score: Any) -> Does:
    return Does(lambda groups: [[score for _ in group.responses] for group in groups])


@pytest.mark.parametrize(
    ("scorer", "said"),
    [
        (
            Does(lambda groups: [[Score(value=0)] * 2, [Score(value=0)]]),
            r"gave \[2, 1\] scores for groups of \[3, 1\]",
        ),
        (Does(lambda groups: [[Score(value=0)] * 3]), r"gave \[3\] scores for groups of \[3, 1\]"),
        (Does(lambda groups: []), "it must give one each"),
        (Does(lambda groups: None), "failed: TypeError"),
        (Does(lambda groups: [1.0, 2.0]), "failed: TypeError"),
        (one(1.0), "gave a float; it must give `Score` or `Unscored`"),
        (
            one(Score.model_construct(value=float("nan"), steps=())),
            "gave nan and steps .*a failure is `Unscored`",
        ),
        (one(Score.model_construct(value=float("inf"), steps=())), "gave inf"),
        (one(Score.model_construct(value=0.0, steps=(0.5, float("nan")))), r"steps \(0.5, nan\)"),
        (one(Score(value=0, steps=(0.5, 0.5))), "gave 2 step scores for 1 steps"),
        (Does(lambda groups: Score(value=float("nan"))), "failed: ValidationError"),
        (Does(lambda groups: 1 / 0), "failed: ZeroDivisionError: division by zero"),
    ],
)
@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_broken_promise_ends_the_run_with_the_scorers_name(
    scorer: Does, said: str, timeout: float | None
) -> None:
    with pytest.raises(BackendError, match=f"scorer 'judge' {said}|scorer 'judge' .*{said}"):
        ask(scorer, "judge", GROUPS, timeout)
    with pytest.raises(BackendError, match="scorer 'judge'"):
        rewards(Part(name="judge", scorer=scorer), timeout=timeout)


def test_a_hanging_scorer_ends_the_run_with_its_name() -> None:
    began, ended = time.monotonic(), threading.Event()
    with pytest.raises(
        BackendError, match=r"scorer 'judge' gave no answer within 0.2 s; .*score_timeout"
    ):
        ask(Does(lambda groups: ended.wait(60)), "judge", GROUPS, 0.2)
    assert time.monotonic() - began < 30
    ended.set()


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_errors_that_explain_themselves_and_interruptions_pass(timeout: float | None) -> None:
    def refuse(groups: Sequence[Group]) -> Any:
        raise DataError("row 3 is malformed")

    def interrupt(groups: Sequence[Group]) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(DataError, match=r"^row 3 is malformed$"):
        ask(Does(refuse), "judge", GROUPS, timeout)
    with pytest.raises(KeyboardInterrupt):
        ask(Does(interrupt), "judge", GROUPS, timeout)


def test_all_groups_are_asked_about_at_once_and_answers_keep_their_order() -> None:
    table = Table({text: Score(value=float(len(text))) for text in ("ab", "c", "de", "fgh")})
    assert [s.value for s in ask(table, "table", GROUPS, 30.0) if isinstance(s, Score)] == [
        2,
        1,
        2,
        3,
    ]
    assert table.calls == [2]


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": 0.5},
        {"temperature": 0.5, "place": "below"},
        {"prover": 4.0},
        {"aggregate": "min", "place": "log"},
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(settings: dict[str, Any]) -> None:
    name = next(iter(settings))
    with pytest.raises(ConfigError, match=f"{name} does nothing"):
        Part(name="a", scorer=None, **settings)  # type: ignore[arg-type]


@pytest.mark.owed
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["weight", "threshold", "temperature", "prover"])
def test_a_setting_that_is_no_number_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"part 'a': {name} is"):
        Part(name="a", scorer=None, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.0, "place": "softmin"}, {"prover": 0.5, "place": "difference"}]
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="temperature must be above 0, and prover at least 1"):
        Part(name="a", scorer=None, **settings)  # type: ignore[arg-type]


@pytest.mark.owed
@pytest.mark.parametrize(
    "shaped", [(Overlong(4, 3),), (LengthPenalty(0.1),), (LengthPenalty(0.1), Centre())]
)
def test_equal_scores_are_equal_before_they_are_shaped(shaped: Any) -> None:
    """A group in which all are wrong teaches nothing, however its lengths are priced."""
    wrong = Does(lambda groups: [[Score(value=0.0) for _ in g.responses] for g in groups])
    found = rewards(Part(name="right", scorer=wrong, transforms=shaped))
    group_B = np.array([0, 0, 0, 1])
    assert differing(found, group_B) == [0]
    assert differing(found, group_B, "raw") == []
    # With another part that tells them apart they are not alike; and a group of one never is.
    found = rewards(Part(name="right", scorer=wrong, transforms=shaped), outcome())
    assert differing(found, group_B, "raw") == [0]
    # Scores that differ and come to the same are told apart before, and not after.
    found = rewards(outcome(transforms=(Gate(pattern="nowhere"),)))
    assert differing(found, group_B) == []
    assert differing(found, group_B, "raw") == [0]


def test_steps_may_differ_where_totals_do_not() -> None:
    group = Group(prompt=Prompt.of("p"), responses=(response("x", "y"), response("y", "x")))
    scorer = Table({"xy": Score(value=0, steps=(0.0, 1.0)), "yx": Score(value=0, steps=(1.0, 0.0))})
    part = Part(name="steps", scorer=scorer, place="every_step")
    found = reward([part], [group], [(0, 1), (0, 1)], [2, 2], statistics={})
    assert differing(found, np.array([0, 0])) == []
    assert differing(found, np.array([0, 0]), "steps") == [0]


@pytest.mark.owed
def test_scores_that_are_there_are_not_asked_for_again() -> None:
    table = Table(VALUES.scores)
    part = Part(name="values", scorer=table, transforms=(Standardise(),))
    given = {"values": ask(table, "values", GROUPS, None)}
    assert rewards(part, given=given).total_B == pytest.approx(
        rewards(outcome(transforms=(Standardise(),))).total_B, nan_ok=True
    )
    assert table.calls == [2]


@pytest.mark.owed
def test_a_part_without_spread_is_told_of() -> None:
    zero = Does(lambda groups: [[Score(value=0.0) for _ in g.responses] for g in groups])
    found = rewards(
        Part(name="rare", scorer=zero, transforms=(Standardise(),)),
        outcome(transforms=(Standardise(),)),
    )
    assert [*found.warnings] == ["no spread to divide by: rare"]
    one = Does(lambda groups: [[Score(value=1.0) for _ in g.responses] for g in groups])
    later = rewards(
        Part(name="rare", scorer=one, transforms=(Standardise(),)), statistics=found.statistics
    )
    assert later.total_B.tolist() == [1, 1, 1, 1]


@pytest.mark.owed
def test_references_are_read_as_responses_are() -> None:
    """By the aggregate that is paid, where one is."""
    scores = [STEPS.scores["ab"], Unscored(reason="no"), STEPS.scores["de"]]
    responses = [*GROUPS[0].responses]
    whole, least, steps = outcome(), process(place="terminal", aggregate="min"), process()
    assert whole_values(whole, scores, responses) == pytest.approx([0.1, np.nan, 0.1], nan_ok=True)
    assert whole_values(least, scores, responses) == pytest.approx([0.25, np.nan, 0.0], nan_ok=True)
    assert whole_values(steps, scores, responses) == pytest.approx([0.1, np.nan, 0.1], nan_ok=True)
