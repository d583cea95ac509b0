"""What a text states in words: announcements, denials, corrections, hedges, reasons, languages,
reasoning in tags."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.verifiers import Math, Numeric
from assay.verifiers.answers.answer import find
from assay.verifiers.reasoning import outside_reasoning

NUMERIC, MATH = Numeric(), Math(timeout=20.0, workers=1)

ANNOUNCED = [
    "The answer is 18",
    "the answer is: 18.",
    "The answer: 18",
    "ANSWER: 18",
    "Answer = 18",
    "Ans. 18",
    "Ans: 18",
    "A: 18",
    "The answer would be 18.",
    "So the answer must be 18",
    "The answer equals 18",
    "The answer comes out to 18.",
    "The answer to the question is 18.",
    "The final answer, therefore, is 18.",
    "The answer is thus 18",
    "My answer is 18",
    "Answer (in dollars): 18",
    "The answer is exactly 18.",
    "the answer is 18.The end",
    "The answer is as follows: 18",
    # headings, fences, bullets, tags, fields
    "## Final Answer\n\n18",
    "**Final Answer**\n\n$18$",
    "**Answer:** 18",
    "Answer:\n- 18",
    "Answer:\n```text\n18\n```",
    "The answer is `18`.",
    'The answer is "18".',
    "The answer is “18”.",
    "<answer>18</answer>",
    "<answer>\n$18$\n</answer>",
    "<answer>The answer is 18.</answer>",
    '{"answer": "18"}',
    # mathematics in delimiters
    "The answer is $18$.",
    r"The answer is \(18\).",
    "The answer is\n$$\n18\n$$",
    "The answer is:\n\n\\[\n18\n\\]",
    r"The answer is \begin{equation}18\end{equation}",
    "The answer is **18** eggs.",
    "The answer is $x = 18$.",
    # other languages and forms
    "Antwort: 18",
    "Die Antwort lautet 18.",
    "La respuesta es 18.",
    "Réponse : 18",
    "La réponse est 18.",
    "La risposta è 18",
    "A resposta é 18.",
    "答案：18",
    "答案是18。",
    "正确答案为 $18$。",
    "答えは18です",
    "정답: 18",
    "정답은 18입니다",
    "Ответ: 18.",
    "उत्तर: 18",
    "คำตอบ: 18",
    "الإجابة: 18",
    "Jawaban: 18",
    "Jibu: 18",
    "Đáp án: 18",
    "The answer is １８．",
    # what explains or remarks
    "The answer is 18 because 9+9 = 18 and 2 = 2",
    "The answer is 18, since 36/2 = 18 and 1+1 = 2.",
    "The answer is 18, as 3*6 = 18, which is 17+1.",
    "The answer is 18 (3 * 6 = 18, 20 - 2 = 18)",
    "The answer is 18 for 3 days",
    "The answer is 18, not 20.",
    "The answer is 18 rather than 20",
    "The answer is 18. 5 left.",
    # denials and corrections
    "The answer is not 20. It is 18.",
    "The answer isn't 20, it's 18",
    "The answer is not 20 but 18.",
    "The answer is no longer 20; it is 18",
    "The answer cannot be 20. It must be 18.",
    "The answer is **not** 20. It is **18**.",
    "The answer is neither 20 nor 21. It is 18.",
    "The answer is 20. Wait, no, the answer is 18.",
    "The answer is 20. Wait, no, it's 18.",
    "The answer is 20... no, 18.",
    "The answer is 20. Correction: 18.",
    "Answer: 20\n\nHmm, wait. The answer should be 18.",
    "The answer is 20. Sorry, I mean 18.",
    "It is not 20 but 18.",
    "20 is not the answer. The answer is 18",
    "Die Antwort ist nicht 20. Die Antwort ist 18.",
    "The answer is 18. Actually, 2 of them are left.",
    "The answer is 18; 20 would be wrong",
    "The answer is not obvious. It is 18",
    "It does not matter. So the answer is 18",
    "The answer is 18. Suppose the answer is 20: then no.",
    # the same value twice is no hedge
    "The answer is 18 or 18.0.",
    r"\boxed{18} or \boxed{18}",
    "The answer is 18 dollars or 1800 cents",
    # reasoning is not the answer
    "<think>The answer is 20</think>The answer is 18",
    "<think>\\boxed{20}</think>\n18",
    "\\boxed{20}</think>\n\\boxed{18}",
    "<reasoning>x = 20</reasoning><answer>18</answer>",
    "The answer is 18 <think>or 20",
    "<think>a</think> 18 <think>20</think>",
    # no announcement
    "So we get 18.",
    "Thus we have 9 + 9 = 18",
    "Rs.18",
    "The answer is Rs. 18",
]
HEDGED = [
    "The answer is 18 or 20.",
    "The answer is either 18 or 20",
    "The answer is $18$ or $20$.",
    "The answer is 18, or maybe 20.",
    "The answer is 18 (or 20)",
    "The answer is 18, perhaps 20",
    "The answer is between 18 and 20",
    "The answer is 18 and 20",
    "The answer is 18, 20",
    "The answer is both 18 and 20.",
    "The answer is 18 apples or 20 apples",
    "The answer is 18-20",
    "The answer is 18 to 20",
    "The answer is **18** or **20**.",
    r"The answer is \(18\) or \(20\)",
    "#### 18 or 20",
    "It is 18 or 20.",
    "It is 20, or maybe 18.",
    r"\boxed{18} or \boxed{20}",
    r"\boxed{20} or \boxed{18}",
    r"\boxed{18}, \boxed{20}",
    r"$\boxed{20}$ and $\boxed{18}$",
    r"\boxed{18 or 20}",
    "The answer is\n$$18$$\nor\n$$20$$",
    "Answer: 18? 20?",
    "The answer is ten or 18",
    "The answer is 18 or twenty",
    "The answer is 18 vs 20",
    "The answer is 17, 18 or 19",
    r"The answer is 18 \text{ or } 20",
    "The answer might be 18 or 20.",
]
DENIED = [
    "The answer is not 18.",
    "The answer isn't 18.",
    "18 is not the answer.",
    "It is not 18.",
    "#### not 18",
    r"The answer is not \boxed{18}.",
    "The answer cannot be 18",
    "I don't think the answer is 18.",
    "It is not true that the answer is 18",
    "The answer is 18. Wait, that's wrong.",
    "The answer is 18. No, the answer is not 18.",
    "<think>The answer is 18</think>",
    r"<think>\boxed{18}</think> I do not know.",
    "<think>The answer is 18",
]
ANOTHER = [  # a number, and what makes another of it
    "The answer is 18x",
    "The answer is x^18",
    "The answer is 18^2",
    "The answer is 18 + 20",
    "The answer is 20 - 18",
    r"The answer is 18\sqrt{2}",
    r"The answer is \sqrt{18}",
    "The answer is 18π",
    "The answer is 18 squared",
    "The answer is half of 18",
    "The answer is negative 18",
    "The answer is - 18",
    "The answer is 18 million",
    "The answer is that it is 18 thousand",
    "The answer is 18 divided by 2",
    "The answer is >18",
    "The answer is a_18",
]


@pytest.mark.parametrize("text", ANNOUNCED)
def test_what_is_announced_is_found(text: str) -> None:
    assert NUMERIC.check(text, "18").outcome == "right"
    assert NUMERIC.check(text, "20").outcome == "wrong"


@pytest.mark.parametrize("text", HEDGED + DENIED + ANOTHER)
def test_what_is_hedged_denied_or_changed_is_not_the_answer(text: str) -> None:
    assert NUMERIC.check(text, "18").outcome == "wrong"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"The answer is $\frac{1}{2}$ of the cake.", r"\frac{1}{2}"),
        ("The answer is $x+1$, where $x>0$.", "x+1"),
        ("The answer is $x+1$ because it is.", "x+1"),
        ("The answer is $5$ cm.", "$5$ cm"),  # a unit says something
        ("The answer is $2$ or $3$.", "$2$ or $3$"),
        ("The answer is Monday, because it is.", "Monday"),
        ("The answer is f'", "f'"),
        ("The answer is $x$. Wait, no, it's $x+1$.", "x+1"),
        ("Final Answer: The final answer is $x$. I hope it is correct.", "x"),
        ("Therefore, $x = 5$.", "x = 5"),
        ("The solutions are $1$ and $2$.", "$1$ and $2$"),
        ("so $x=5$. But it depends.", None),
        ("The answer can be found by adding.", None),
        ("If the answer is 5, so be it", None),
        ("The answer is not 5.", None),
    ],
)
def test_the_place_of_a_statement(text: str, answer: str | None) -> None:
    found = find(text, ("phrase",))
    assert (found.text if found else None) == answer
    if found:
        assert text[slice(*found.span)] == found.text


def test_boxes_that_are_joined_are_one_answer() -> None:
    found = find(r"so $\boxed{3}$, \boxed{5} and \boxed{7}.", ("boxed",))
    assert found is not None
    assert (found.text, found.earlier) == ("3, 5, 7", ())
    for text, reference, outcome in [
        (r"\boxed{1} and \boxed{2}", "1,2", "right"),
        (r"\boxed{1} and \boxed{2}", "2", "wrong"),
        (r"\boxed{3}, \boxed{5}, \boxed{7}", "3,5,7", "right"),
        (r"\boxed{3} or \boxed{5}", "5", "wrong"),
        (r"\boxed{3}, or maybe \boxed{5}", "3,5", "wrong"),  # a doubt is no list
        (r"\boxed{3}. Then \boxed{5}", "5", "right"),  # two answers, of which the last counts
        (r"not \boxed{3} but \boxed{5}", "5", "right"),
        (r"\boxed{5} is wrong", "5", "wrong"),
    ]:
        assert MATH.check(text, reference).outcome == outcome, text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a", "a"),
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),  # the prompt opened it
        ("a<think>b", "a"),  # cut off
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<Thinking>a</Thinking>b", "b"),
        ("1 < 2", "1 < 2"),
        ("", ""),
    ],
)
def test_reasoning_is_left_out_where_it_stands(text: str, left: str) -> None:
    outside = outside_reasoning(text)
    assert len(outside) == len(text)
    assert outside.replace("\n", "") == left


def test_a_statement_that_is_in_doubt_or_taken_back_has_a_stage_and_no_vote() -> None:
    for text, stage in (
        ("The answer is 5. Wait, that's wrong.", "withdrawn"),
        ("The answer is 5, maybe 6.", "several"),
    ):
        for verifier in (NUMERIC, MATH):
            verdict = verifier.check(text, "5")
            assert (verdict.outcome, verdict.stage) == ("wrong", stage)
            assert verifier.extract(text) is None


NUMBERS = st.integers(2, 999)
MARKS = st.sampled_from(["{}", "${}$", r"\({}\)", "**{}**", "{} apples", "{}.0"])
FRAMES = st.sampled_from(
    [
        "The answer is {}.",
        "Answer: {}",
        "So the final answer is {}",
        "<answer>{}</answer>",
        "## Answer\n\n{}",
        "Antwort: {}",
    ]
)
JOINS = st.sampled_from(
    [
        " or ",
        ", or maybe ",
        " (or ",
        ", perhaps ",
        " or even ",
        " vs ",
        ", possibly ",
        " or it is ",
        " and/or ",
    ]
)


@settings(deadline=None, max_examples=60)
@given(FRAMES, MARKS, JOINS, NUMBERS, NUMBERS, st.sampled_from(["", "either "]))
def test_a_hedge_is_right_for_none(
    frame: str, mark: str, join: str, one: int, other: int, before: str
) -> None:
    assume(one != other)
    close = ")" if "(" in join else ""
    text = frame.format(before + mark.format(one) + join + mark.format(other) + close)
    for reference in (str(one), str(other)):
        assert NUMERIC.check(text, reference).outcome == "wrong", text


@settings(deadline=None, max_examples=60)
@given(
    FRAMES,
    MARKS,
    NUMBERS,
    NUMBERS,
    st.sampled_from([", since {0} = {0}", " because {0} + 1 > {0}", " ({0} - 1)", ""]),
)
def test_how_an_answer_is_dressed_and_explained_does_not_count(
    frame: str, mark: str, one: int, other: int, why: str
) -> None:
    assume(one != other)
    text = frame.format(mark.format(one) + why.format(other))
    assert NUMERIC.check(text, str(one)).outcome == "right", text
    assert NUMERIC.check(f"<think>{frame.format(other)}</think>{text}", str(one)).outcome == "right"


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(
        [
            "The answer is not {}. It is {}.",
            "The answer isn't {}, it's {}",
            "The answer is {}. Wait, no, it's {}.",
            "The answer is not {} but {}",
            "{} is not the answer. The answer is {}.",
            "The answer is {}. No, {}.",
        ]
    ),
    MARKS,
    NUMBERS,
    NUMBERS,
)
def test_the_correction_counts(frame: str, mark: str, one: int, other: int) -> None:
    assume(one != other)
    text = frame.format(mark.format(one), mark.format(other))
    assert NUMERIC.check(text, str(one)).outcome == "wrong", text
    assert NUMERIC.check(text, str(other)).outcome == "right", text
