"""Which letter of a multiple choice a text takes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.verifiers import Math
from assay.verifiers.answers.answer import find

CHOICE = Math(find=("choice",))

TAKES_B = [
    "Answer: B",
    "answer: b",
    "Answer: (B)",
    "Answer: [B]",
    "**Answer: B**",
    "ANSWER IS B. A is incorrect.",
    "Answer: B. Paris",
    "Answer: B) Paris",
    "The answer is B, not A.",
    "The answer is B - Paris",
    "answer is (b) since so.",
    "The answer is $B$",
    r"The answer is \(\textbf{B}\)",
    "The answer is option B",
    "Answer: 'B'",
    '{"answer": "B"}',
    "The best answer is B because it fits.",
    "Final Answer: The final answer is (B). I hope it is correct.",
    "## Answer\n\nB",
    "**Answer**\nB",
    "Answer:\n\n**B**",
    "Answer B",
    "Answer: B\n\nA is wrong, C is wrong.",
    "Answer: B, A is wrong",
    "The answer is B.\nOption A: too small. Option C: too large.",
    # denials, corrections, reasoning
    "The answer is not A. It is B.",
    "The answer isn't A, it's B.",
    "The answer is A. Wait, no, B.",
    "The answer is A. Wait, it's B.",
    "I don't think the answer is A. The answer is B",
    "<think>Answer: A</think>B",
    "If the answer is C, then 1 = 2. The answer is B",
    # other languages and forms
    "答案：B",
    "答案是 B。",
    "正确答案是B，因为A不对",
    "答案：（B）",
    "答案：Ｂ",
    "答案选B",
    "故选：B。",
    "Antwort: B",
    "Antwort:\n\nAntwort: B",
    "Die Antwort ist B.",
    "Respuesta: B",
    "Réponse : B",
    "정답: B",
    "Ответ: B",
    "答え：B",
    "<answer>B</answer>",
    "<answer>B. Paris</answer>",
    # verbs and subjects
    "Choose B.",
    "I choose B",
    "I would choose (B), not (A)",
    "I'd go with B",
    "Option B is correct.",
    "The correct option is B",
    "B is the correct answer",
    "(B) is correct.",
    "A is true but B is the best answer.",
    "A and C are wrong. So B.",
    # letters alone
    "B",
    "**B**",
    "(B)",
    "B.",
    "b)",
    "B) because it is",
    "B\n\nExplanation: so it is.",
    "Paris.\nB",
    # boxes
    r"\boxed{B}",
    r"\boxed{\text{B}}",
    r"\boxed{\textbf{(B)}}",
    r"\boxed{\textbf{(B) }12}",
    r"\boxed{B. Paris}",
]
NOT_B = [
    "Answer: B or C",
    "Answer: B, C",
    "Answer: B/C",
    "Answer: B and C",
    "Answer: C or B",
    "Answer: either B or C",
    "Answer: B, or maybe C",
    "Answer: B (or C)",
    "The answer is **B** or **C**",
    r"\boxed{B} or \boxed{C}",
    r"\boxed{B, C}",
    r"\boxed{BC}",
    r"\boxed{B \text{ or } C}",
    "B or C",
    "It is (C) or (B).",
    "Answer: B. Or C.",
    "答案：B或C",
    "答案：B、C",
    "Antwort: B oder C",
    "Choose B or C.",
    "<answer>B or C</answer>",
    "Answer: A, B, C, D",
    "The answer is not B.",
    "The answer isn't B",
    "B is not the answer",
    "B is incorrect.",
    "Answer: not B",
    "Not B",
    "The answer cannot be B",
    "The answer is B. Wait, that's wrong.",
    "neither (B) nor (C)",
    "I would not choose B",
    "I don't think the answer is B.",
    "<think>Answer: B</think> I am not sure.",
    "<think>B</think>",
    "Answer: B = 3 is what we need",
    "Answer: Because",
    "Answer: BC",
    "Answer: C",
]


@pytest.mark.parametrize("text", TAKES_B)
def test_the_letter_that_is_taken(text: str) -> None:
    assert CHOICE.check(text, "B").outcome == "right"
    assert CHOICE.check(text, "C").outcome == "wrong"


@pytest.mark.parametrize("text", NOT_B)
def test_a_letter_among_others_or_denied_is_not_taken(text: str) -> None:
    assert CHOICE.check(text, "B").outcome == "wrong"


def test_words_that_are_letters_are_taken_only_where_they_can_be_no_words() -> None:
    for text, letter in [
        ("Answer: A", "A"),
        ("Answer: A because", "A"),
        ("Answer: I", "I"),
        ("Answer: A.", "A"),
    ]:
        assert CHOICE.check(text, letter).outcome == "right", text
    for text in (
        "Answer: A dog",
        "Answer: I think so",
        "A dog",
        "the answer is x",
        "the answering machine",
    ):
        assert find(text, ("choice",)) is None, text


def test_several_letters_answer_a_question_that_has_several() -> None:
    for text in ("Answer: B, C", "Answer: C and B", r"\boxed{BC}", r"\boxed{C}, \boxed{B}"):
        assert CHOICE.check(text, "B, C").outcome == "right", text
    for text in ("Answer: B", "Answer: B or C", "Answer: B, D"):
        assert CHOICE.check(text, "B, C").outcome == "wrong", text


LETTERS = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
FRAMES = st.sampled_from(
    [
        "Answer: {}",
        "The answer is {}.",
        "<answer>{}</answer>",
        "答案：{}",
        "The correct option is {}",
        "I choose {}.",
        "{}",
    ]
)
MARKS = st.sampled_from(["{}", "({})", "**{}**", "${}$", r"\text{{{}}}", '"{}"'])


@settings(deadline=None, max_examples=150)
@given(FRAMES, MARKS, LETTERS, LETTERS)
def test_every_letter_in_every_dress(frame: str, mark: str, one: str, other: str) -> None:
    text = frame.format(mark.format(one))
    assert (CHOICE.check(text, other).outcome == "right") == (one == other), text


@settings(deadline=None, max_examples=150)
@given(
    FRAMES,
    MARKS,
    LETTERS,
    LETTERS,
    st.sampled_from([" or ", "/", ", or maybe ", " and ", ", ", " or possibly "]),
)
def test_two_letters_are_neither(frame: str, mark: str, one: str, other: str, join: str) -> None:
    text = frame.format(mark.format(one) + join + mark.format(other))
    for letter in (one, other):
        assert (CHOICE.check(text, letter).outcome == "right") == (one == other), text
