"""Questions in words, and verdicts read back."""

import pytest

from assay.answerers.phrasing import asked, critique, labels, verdict
from assay.errors import ConfigError, DataError
from assay.questions import Option, Question
from assay.types import Message, Prompt

BETTER = Question.choice("Which is better?", {"first": "The first.", "second": ""})
RIGHT = Question.predicate("Is it right?")
GAME = Question.choice("", ["A", "B", "C"]).model_copy(update={"form": "[[{}]]"})


@pytest.mark.parametrize(
    ("question", "style", "expected"),
    [
        (RIGHT, "auto", ("yes", "no")),
        (BETTER, "auto", ("A", "B")),
        (BETTER, "words", ("first", "second")),
        (Question.score("How good?", ["bad", "fair", "good"]), "auto", ("0", "1", "2")),
        (Question.score("How good?", [str(i) for i in range(1, 6)]), "auto", tuple("12345")),
        (Question.score("How good?", [str(i) for i in range(1, 11)]), "auto", tuple("ABCDEFGHIJ")),
        (Question.score("How good?", [f"level {i}" for i in range(11)]), "auto", (*"ABCDEFGHIJK",)),
        (Question.choice("Which?", ["B", "A"]), "auto", ("B", "A")),
        (GAME, "auto", ("A", "B", "C")),
        (Question.choice("", ["A>>B", "B>>A"]), "auto", ("A>>B", "B>>A")),
        (Question.choice("Which?", [True, "true"]), "auto", ("A", "B")),
        (
            Question.choice("Where?", [f"step {i}" for i in range(30)]),
            "auto",
            tuple(str(i) for i in range(1, 31)),
        ),
    ],
)
def test_labels(question, style, expected):
    assert labels(question, style) == expected


@pytest.mark.parametrize("names", [[True, "true"], ["a b", "a  b"], ["", "x"]])
def test_labels_that_cannot_be_told_apart_are_refused(names):
    with pytest.raises(ConfigError, match="told apart"):
        labels(Question.choice("Which?", names), "words")


def test_the_question_stands_behind_what_is_judged():
    text = "{question} %s {0} {{ x }} [[A]]"
    prompt = asked(Prompt.of(text), BETTER)
    assert prompt.messages[-1].content == (
        f"{text}\n\nWhich is better?\nA: first - The first.\nB: second\n"
        "Answer with A or B and nothing else."
    )


def test_a_predicate_says_its_answers_once():
    said = asked(Prompt.of("x"), RIGHT, how="reason").messages[-1].content
    assert said.startswith("x\n\nIs it right?\nGive your reasons first.")
    assert said.endswith('a line of its own, "Verdict:" and behind it yes or no.')


def test_what_asks_already_stays_as_it_is():
    prompt = Prompt.of("Write [[A]], [[B]] or [[C]].")
    assert asked(prompt, GAME, how="reason") is prompt


def test_pictures_stay_and_the_question_is_read_with_them():
    parts = ({"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "see"})
    message = Message(role="user", content="see", parts=parts)
    last = asked(Prompt(messages=(message,)), RIGHT).messages[-1]
    assert last.parts[:2] == parts
    assert last.content == "see" + last.parts[2]["text"]


@pytest.mark.parametrize("messages", [(), (Message(role="assistant", content="x"),)])
def test_what_no_user_said_last_is_refused(messages):
    with pytest.raises(DataError, match="ends with a message from"):
        asked(Prompt(messages=messages), RIGHT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Because.\nVerdict: A", 0),
        ("Because.\n**Verdict:** B.", 1),
        ("Because.\n**Verdict: `b`**", 1),
        ("verdict : (A)", 0),
        ("**Verdict:**\n\nB", 1),
        ("**Verdict**: B", 1),
        ("### Verdict: B", 1),
        ("Verdict: A\nNo, wait.\nFinal verdict: B", 1),
        ("Verdict: A\nVerdict: neither", None),
        ("Verdict: A\nVerdict:", None),
        ("Verdict: A or B", None),
        ("Verdict: C", None),
        ("Verdict: first", None),
        ("A", None),
        ("", None),
        ("<think>Verdict: A</think>Verdict: B", 1),
        ("Verdict: A</think>\nVerdict: B", 1),
        ("Verdict: A</think>\nno idea", None),
        ("Verdict: A\n<think>hm", None),
        ("<think>they say </think> Verdict: A</think>Verdict: B", 1),
        ("<THINK>a</THINK><think>Verdict: A", None),
    ],
)
def test_the_last_verdict_counts(text, expected):
    assert verdict(text, BETTER) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[A]] is what they write. [[B]]", 1),
        ("[[A]] and then [[D]]", None),
        ("[[A]] and then [[B", None),
        ("[[ c ]]", 2),
        ("A", None),
    ],
)
def test_the_form_that_the_state_tells(text, expected):
    assert verdict(text, GAME) == expected


def test_a_form_that_is_the_label_alone_is_the_last_line():
    question = Question.choice("", ["m", "M"])
    assert verdict("m\nM\n\n", question) == 1
    assert verdict("M, since m is worse", question) is None
    arena = Question.choice("", ["A>>B", "A>B", "A=B"]).model_copy(update={"form": "[[{}]]"})
    assert verdict("So [[A>B]]", arena) == 1


def test_words_are_read_as_they_are_written():
    question = Question.choice("Which?", [Option(name="not_met"), Option(name="*")])
    assert verdict("Verdict: not_met", question, "words") == 0
    assert verdict("Verdict: *", question, "words") == 1


def test_labels_that_differ_by_case_alone_are_read_exactly():
    question = Question.choice("Which?", ["m", "M"])
    assert [verdict(f"Verdict: {one}", question) for one in ("m", "M")] == [0, 1]
    loose = Question.choice("Which?", ["ab", "AB"])
    assert verdict("Verdict: Ab", loose, "words") is None


def test_every_label_is_read_back():
    for question in (RIGHT, BETTER, Question.score("How?", [f"level {i}" for i in range(40)])):
        for style in ("auto", "words"):
            for place, label in enumerate(labels(question, style)):
                assert verdict(f"So.\nVerdict: {label}", question, style) == place


def test_the_critique_is_what_stands_before_the_verdict():
    assert (
        critique("<think>hm</think>\nBecause.\n\n**Verdict:** A", BETTER).strip("* \n")
        == "Because."
    )
    assert critique("Because [[A]] no. [[B]]", GAME) == "Because [[A]] no."
    assert critique("Nothing said.", BETTER) == "Nothing said."


@pytest.mark.parametrize(
    "said", [".5", ">5", "<5", "!5", "-5", "~5", "5-", "5%", "5/10", "5.5", "05"]
)
def test_what_is_nearly_a_rating_is_none(said):
    rating = Question.choice("", [str(n) for n in range(1, 11)]).model_copy(
        update={"form": "[[{}]]"}
    )
    assert verdict(f"Rating: [[{said}]]", rating) is None
    assert verdict(f'Rating: [[<5>]] of 10, "[[ {5}. ]]"', rating) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Verdict: A\nNo, wait.\nVerdict\uff1aB", 1),
        ("Verdict\uff1a **B**\u3002", 1),
        ("_Verdict:_ __B__", 1),
        ("__Verdict: B__", 1),
        ("[THINK]\nVerdict: A\n[/THINK]\nI cannot tell.", None),
        ("<thought>\nVerdict: A\n</thought>\nI cannot tell.", None),
        ("\u25c1think\u25b7\nVerdict: A\n\u25c1/think\u25b7\nVerdict: B", 1),
        ("<seed:think>\nVerdict: A\n", None),
        ("Verdict: !A", None),
    ],
)
def test_the_last_verdict_in_other_hands(text, expected):
    assert verdict(text, Question.choice("Which?", ["first", "second"])) == expected
