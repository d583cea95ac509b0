"""Rules as a scorer: rewards of what a program can check, and what is counted as unscored."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from assay.errors import ConfigError, DataError
from assay.protocols import Scorer
from assay.scorers.rule_checks import Ruled, together
from assay.types import Group, Prompt, Response, Score, Unscored, Verdict
from assay.verifiers.rules.checks import Format, Language, Length, Pattern

NO_COMMA = {"id": "punctuation:no_comma", "kwargs": {}}
THREE_WORDS = {
    "id": "length_constraints:number_words",
    "kwargs": {"num_words": 3, "relation": "at least"},
}


def prompt(*listed: dict[str, Any]) -> Prompt:
    meta = {"instructions": list(listed)} if listed else {}
    return Prompt.of("p", id="7").model_copy(update={"meta": meta})


def group(texts: list[str], *listed: dict[str, Any]) -> Group:
    return Group(prompt=prompt(*listed), responses=tuple(map(Response.of, texts)))


def values(scores: list[list[Score | Unscored]]) -> list[list[float | None]]:
    return [[score.value if isinstance(score, Score) else None for score in row] for row in scores]


def test_it_is_a_scorer() -> None:
    assert isinstance(Ruled(), Scorer)
    assert Ruled().score([]) == []


def test_all_or_the_share() -> None:
    texts = ["a b c", "a b", "a, b c", "a,"]
    groups = [group(texts, NO_COMMA, THREE_WORDS), group(texts, NO_COMMA)]
    assert values(Ruled().score(groups)) == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert values(Ruled(credit="share").score(groups)) == [[1, 0.5, 0.5, 0], [1, 1, 0, 0]]
    short = Length(unit="characters", max=3)
    assert values(Ruled(rules=(short,)).score(groups)) == [[0, 0, 0, 0], [0, 1, 0, 0]]
    assert values(Ruled(rules=(short,), credit="share").score(groups[:1])) == [
        [2 / 3, 2 / 3, 1 / 3, 1 / 3]
    ]


def test_verdicts_of_the_response_and_of_each_rule() -> None:
    ruled = Ruled(rules=(Length(max=3), Format()))
    groups = [group(["a, b", "<think>a</think><answer>b</answer>"], NO_COMMA), group(["a"])]
    checks = ruled.checks(groups)
    assert [[[v.stage for v in checks] for checks in row] for row in checks] == [
        [["length", "format", "punctuation:no_comma"]] * 2,
        [["length", "format"]],
    ]
    assert [v.outcome for v in checks[0][0]] == ["right", "wrong", "wrong"]
    first, second = ruled.verdicts(groups)[0]
    assert (first.outcome, first.stage) == ("wrong", "format")
    assert first.reason == "format: <think> is missing; punctuation:no_comma: 1 comma"
    assert (second.outcome, second.stage, second.reason) == (
        "wrong",
        "length",
        "length: 6 words, more than 3",
    )


def test_undecided_is_never_zero() -> None:
    english = Ruled(rules=(Language(language="en"),))
    (scores,) = english.score([group(["Hi.", "This is written in English, as it should be."])])
    assert scores[0] == Unscored(
        reason="language: too short to tell the language: 2 letters, 20 needed"
    )
    assert scores[1] == Score(value=1)
    both = (Language(language="en"), Pattern(pattern="!"))
    assert values(Ruled(rules=both).score([group(["Hi!", "Hi"])])) == [
        [None, 0]
    ]  # the second fails whatever it is
    assert values(Ruled(rules=both, credit="share").score([group(["Hi!", "Hi"])])) == [[None, None]]


def test_nothing_to_check_is_unscored() -> None:
    assert Ruled().score([group(["a"])]) == [
        [Unscored(reason="there is no rule, and the prompt gives no instruction")]
    ]


@pytest.mark.parametrize(
    ("outcomes", "credit", "outcome", "score"),
    [
        ("rr", "all", "right", 1),
        ("rw", "all", "wrong", 0),
        ("ru", "all", "undecided", None),
        ("wu", "all", "wrong", 0),
        ("rw", "share", "wrong", 0.5),
        ("rrrw", "share", "wrong", 0.75),
        ("wu", "share", "undecided", None),
        ("w", "share", "wrong", 0),
        ("", "all", "undecided", None),
        ("", "share", "undecided", None),
    ],
)
def test_verdicts_together(
    outcomes: str, credit: Literal["all", "share"], outcome: str, score: float | None
) -> None:
    whole: dict[str, Literal["right", "wrong", "undecided"]] = {
        "r": "right",
        "w": "wrong",
        "u": "undecided",
    }
    found = together([Verdict(outcome=whole[o], stage=o, reason=o) for o in outcomes], credit)
    assert found.outcome == outcome
    assert found.score.value == score if isinstance(found.score, Score) else score is None


def test_loose_is_of_instructions_alone() -> None:
    text = "Sure, here:\na b c"
    assert values(Ruled(mode="loose").score([group([text], NO_COMMA)])) == [[1]]
    assert values(Ruled().score([group([text], NO_COMMA)])) == [[0]]
    assert values(
        Ruled(mode="loose", rules=(Pattern(pattern=",", wanted=False),)).score([group([text])])
    ) == [[0]]


def test_batches_may_be_cut_anywhere() -> None:
    groups = [group(["a", "b, c", "a b c"], NO_COMMA), group(["x"], THREE_WORDS), group([])]
    ruled = Ruled(rules=(Length(max=2),), credit="share")
    assert ruled.score(groups) == [row for one in groups for row in ruled.score([one])]


def test_an_unknown_instruction_is_refused_before_anything_is_scored() -> None:
    @dataclass(frozen=True)
    class Never:
        def check(self, text: str) -> Verdict:
            raise AssertionError("a response was looked at")

    bad = group(["a"], {"id": "keywords:exists", "kwargs": {}})
    with pytest.raises(ConfigError, match="prompt '7': no instruction is called 'keywords:exists'"):
        Ruled(rules=(Never(),)).score([group(["a"]), bad])


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="is no rule"):
        Ruled(rules=("no commas",))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be imported"):
        Ruled(outside=("nowhere.at:All",))


def test_instructions_from_outside() -> None:
    ruled = Ruled(outside=("tests.verifiers.test_instructions:Shouts",))
    assert values(ruled.score([group(["a!", "a"], {"id": "mine:shouts", "kwargs": {}})])) == [
        [1, 0]
    ]


def test_validate_takes_what_tells_its_examples_apart() -> None:
    ruled = Ruled(rules=(Format(), Format(tags=("a",), opened=True), Length(min=2, max=9)))
    ruled.validate([prompt(NO_COMMA, THREE_WORDS), prompt()])
    Ruled(rules=(Pattern(pattern=r"\d"), Length(max=2))).validate(
        good=["1", "a 1"], bad=["a", "1 2 3"]
    )
    with pytest.raises(DataError, match="'a' should be right, but is wrong: pattern: "):
        Ruled(rules=(Pattern(pattern=r"\d"),)).validate(good=["a"])
    with pytest.raises(DataError, match="'1' should be wrong, but is right"):
        Ruled(rules=(Pattern(pattern=r"\d"),)).validate(bad=["1"])
    with pytest.raises(DataError, match="should be right, but is undecided"):
        Ruled(rules=(Language(language="en"),)).validate(good=["Hi"])


def test_validate_finds_a_check_that_is_broken() -> None:
    listed = {"id": "mine:wrong", "kwargs": {}}
    with pytest.raises(DataError, match="'!!!' should be wrong, but is right"):
        Ruled(outside=("tests.verifiers.test_instructions:Wrong",)).validate([prompt(listed)])

    @dataclass(frozen=True)
    class Lenient:
        def check(self, text: str) -> Verdict:
            return Verdict(outcome="right")

        def counterexample(self) -> str:
            return "x"

    with pytest.raises(DataError, match="'x' should be wrong, but is right"):
        Ruled(rules=(Lenient(),)).validate()
