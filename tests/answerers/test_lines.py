"""All questions of a state in one text: what is asked, and what is read of the lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from assay.answerers.ledger import Ledger
from assay.answerers.lines import LinesAnswerer, listed, places
from assay.errors import ConfigError, DataError
from assay.protocols import Prefix, Sampling
from assay.questions import Distribution, Question
from assay.types import Message, Prompt, Response, Unscored

WORDS = ["met", "unmet", "cannot assess"]
THREE = [Question.choice(f"Has it {name}?", WORDS, name=name) for name in "abc"]
STATE = Prompt.of("Here it is.")


@dataclass
class Writer:
    texts: list[str]
    finished: bool = True
    asked: list[Prompt] = field(default_factory=list)

    fingerprint = "writer"

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        self.asked += [prefix.prompt for prefix in prefixes]
        return [
            [
                Response(steps=(self.text(prefix.first + k),), finished=self.finished)
                for k in range(sampling.n)
            ]
            for prefix in prefixes
        ]

    def text(self, number: int) -> str:
        return self.texts[number % len(self.texts)]


def read(text: str) -> list[int | str]:
    return places(text, THREE)[1]


@pytest.mark.parametrize(
    "text",
    [
        "Because.\nVerdicts:\n1: met\n2: unmet\n3: cannot assess",
        "Verdicts:\n3: Cannot assess.\n1. met\n2) UNMET",
        "**Verdicts:**\n\n- 1: **met**\n- 2: **unmet**\n- 3: cannot assess\n\nThat is all.",
        "Verdicts:\n1: unmet\nNo.\nVerdicts:\n1: met\n2: unmet\n3: cannot assess",
        "<think>Verdicts:\n1: unmet</think>So.\n## Verdicts\n1: met\n2: unmet\n3: cannot assess",
    ],
)
def test_lines_below_the_last_mark_are_the_verdicts(text: str) -> None:
    assert read(text) == [0, 1, 2]


def test_reasons_before_the_mark_are_no_verdicts() -> None:
    assert read("1: met\n2: met\nVerdicts:\n1: unmet\n2: unmet\n3: unmet") == [1, 1, 1]


def test_missing_double_and_strange_verdicts_are_none() -> None:
    found = read("Verdicts:\n1: met\n1: met\n3: partly")
    assert [isinstance(one, str) for one in found] == [True, True, True]
    assert "2 verdicts" in str(found[0])
    assert "0 verdicts" in str(found[1])
    assert "'partly' is no answer" in str(found[2])
    assert read("Verdicts:\n1: met\n2:\n3: unmet")[0] == 0
    assert isinstance(read("Verdicts:\n1: met\n2:\n3: unmet")[1], str)


@pytest.mark.parametrize("text", ["0: met\n1: met\n2: met", "1: met\n2: met\n3: met\n4: met"])
def test_another_numbering_spoils_all(text: str) -> None:
    assert all("was" in str(one) or "number" in str(one) for one in read(f"Verdicts:\n{text}"))


@pytest.mark.parametrize("text", ["", "1: met\n2: met\n3: met", "<think>Verdicts:\n1: met"])
def test_no_mark_no_verdicts(text: str) -> None:
    assert all(isinstance(one, str) for one in read(text))


def test_one_text_per_state_with_all_questions() -> None:
    writer = Writer(["It is.\nVerdicts:\n1: met\n2: unmet\n3: met"])
    answerer = LinesAnswerer(writer)
    rows = answerer.answer([STATE, Prompt.of("Other.")], [THREE, THREE])
    assert len(writer.asked) == 2
    asked = writer.asked[0].messages[-1].content
    assert asked.startswith("Here it is.\n\n1. Has it a?\nAnswers: met, unmet, cannot assess")
    assert "3. Has it c?" in asked
    tops = [[one.top for one in row if isinstance(one, Distribution)] for row in rows]
    assert tops == [[0, 1, 0]] * 2
    assert isinstance(rows[0][0], Distribution)
    assert rows[0][0].critiques == ("It is.",)


def test_repeats_are_shares_of_the_verdicts() -> None:
    texts = [f"Verdicts:\n1: {word}\n2: met\n3: x" for word in ("met", "unmet", "met", "met")]
    (row,) = LinesAnswerer(Writer(texts), repeats=4).answer([STATE], [THREE])
    first, second, third = row
    assert isinstance(first, Distribution)
    assert isinstance(second, Distribution)
    assert first.probabilities == (0.75, 0.25, 0.0)
    assert second.verdicts == 4
    assert isinstance(third, Unscored)


def test_texts_cut_off_have_no_verdict_and_kept_texts_are_not_asked_again() -> None:
    whole = "Verdicts:\n1: met\n2: met\n3: met"
    (row,) = LinesAnswerer(Writer([whole], finished=False)).answer([STATE], [THREE])
    assert all(isinstance(one, Unscored) and "cut off" in one.reason for one in row)
    ledger, writer = Ledger(), Writer([whole])
    for _ in range(2):
        LinesAnswerer(writer, ledger=ledger).answer([STATE], [THREE])
    assert len(writer.asked) == 1


def test_predicates_are_yes_and_no() -> None:
    one = Question.predicate("Is it?", true="all of it")
    assert "Answers: yes, no (yes: all of it)" in listed(STATE, [one]).messages[-1].content
    assert places("Verdicts:\n1: No.", [one])[1] == [1]


def test_what_cannot_be_asked_is_refused() -> None:
    said = Prompt(messages=(Message(role="assistant", content="x"),))
    for state, questions in ((said, THREE), (STATE, [Question.choice("", WORDS)])):
        with pytest.raises(DataError):
            listed(state, questions)
    wrong: list[dict[str, Any]] = [{"repeats": 0}, {"repeats": 2, "temperature": 0.0}]
    for settings in wrong:
        with pytest.raises(ConfigError):
            LinesAnswerer(Writer([""]), **settings)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("1: -1", 0), ("1. -1", 0), ("**1:** **-1**", 0), ("1 - 1", 2), ("1: 1", 2), ("- 1) 0", 1)],
)
def test_the_sign_of_a_level_is_no_separator(line: str, expected: int) -> None:
    levels = Question.score("How good?", ["-1", "0", "1"])
    assert places(f"Verdicts:\n{line}", [levels])[1] == [expected]


@pytest.mark.parametrize("line", ["1: >1", "1: .1", "1: +1", "1: !1", "1.1: 0"])
def test_what_is_nearly_a_level_is_none(line: str) -> None:
    levels = Question.score("How good?", ["-1", "0", "1"])
    assert isinstance(places(f"Verdicts:\n{line}", [levels])[1][0], str)


def test_lines_within_reasoning_of_any_kind_count_for_nothing() -> None:
    for tag in ("thinking", "thought", "seed:think"):
        [found, *_] = read(f"<{tag}>\nVerdicts:\n1: met\n2: met\n3: met\n</{tag}>\nWell.")
        assert isinstance(found, str)
