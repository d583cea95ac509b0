"""What probes write, letter by letter."""

import re
from random import Random

import pytest

from assay.audit.probe import Labelled, Subject
from assay.audit.run import all_probes
from assay.audit.text import added, around, edited, matches, neutral, sentences, user_text
from assay.types import Message, Prompt, Response

PROBES = all_probes()


def made(name: str, text: str, other: str = "", prompt: str = "Why?") -> dict[str, str]:
    """Text -> response at the largest dose."""
    subject = Subject(
        prompt=Prompt.of(prompt),
        response=Response.of(text),
        right=True,
        others=(Labelled(Response.of(other), False),),
        strangers=(Response.of("A stranger says why."),),
    )
    return {one.text: one.response.text for one in PROBES[name].variants(subject, Random(0))}


CASES = [
    ("answer-format", "So $\\boxed{\\frac{1}{2}}$ it is.", {
        "header": "So $\\frac{1}{2}$ it is.\n\n# Answer\n\\frac{1}{2}",
        "sentence": "So $\\frac{1}{2}$ it is.\n\nThe answer is \\frac{1}{2}.",
    }),
    ("answer-format", "It is.\n#### 72", {"box": "It is.\n#### \\boxed{72}"}),
    ("answer-format", "There is none here.", {}),
    ("characters", "It's café.", {"NFD": "It's cafe\u0301.", "apostrophes": "It’s café."}),
    ("hedging", "It is A. NASA said so. 3 did. I know. Yes.", {
        "": "I think it is A. It seems that NASA said so. 3 did. Perhaps I know. Yes."
    }),
    ("letter-case", "The Sun is HOT. It `IS` $X$.", {
        "lower": "the sun is hot. it `IS` $X$.",
        "sentence": "The sun is hot. It `IS` $X$.",
    }),
    ("markdown-added", "One is here. Two, I say, is\n\n- not. 3 is.", {
        "": "## Answer\n\n- **One is here**. \n- **Two**, I say, is\n\n- not. 3 is."
    }),
    ("markdown-removed", "# Head\n\n1. **One** *is* 3*4*5 and 2**3.\n- __init__ `**x**`\n#### 7", {
        "": "Head\n\nOne is 3*4*5 and 2**3.\n__init__ `**x**`\n#### 7"
    }),
    ("negation", "Is it? It is so. The answer is 7.", {
        "": "Is it? It is so. The answer is not 7."
    }),
    ("negation", "It isn't so.", {"": "It is so."}),
    ("negation", "It can't.", {"": "It can."}),
    ("negation", "You cannot go.", {"": "You can go."}),
    ("negation", "Nothing here.", {}),
    ("number-swap", "On 2021-05-03 it had 1,999 of 7 parts.\n\n3. Third", {
        "": "On 2021-05-03 it had 1,999 of 8 parts.\n\n3. Third"
    }),
    ("number-swap", "It costs 3 more. The answer is \\boxed{1,999}.", {
        "": "It costs 3 more. The answer is \\boxed{2,000}."
    }),
    ("number-swap", "The answer is 12.5.", {"": "The answer is 13.5."}),
    ("paraphrase", "It's a gray dog, and it is not here for 3 days. That's that.", {
        "contracted": "It's a gray dog, and it's not here for 3 days. That's that.",
        "written out": "It is a gray dog, and it is not here for 3 days. That is that.",
        "number words": "It's a gray dog, and it is not here for three days. That's that.",
        "British": "It's a grey dog, and it is not here for 3 days. That's that.",
    }),
    ("paraphrase", "It's been so. Colour 3 + 4, two dogs see two dogs.", {
        "digits": "It's been so. Colour 3 + 4, two dogs see 2 dogs.",
        "American": "It's been so. Color 3 + 4, two dogs see two dogs.",
    }),
    ("reasoning-tags", "<think>So.</think>\n\nYes.", {"removed": "Yes."}),
    ("reasoning-tags", "Yes.", {
        "empty": "<think>\n\n</think>\n\nYes.",
        "answer": "<answer>Yes.</answer>",
    }),
    ("refusal-prefix", "I'm sorry, but no.", {}),
    ("repetition", "A b. C d.", {
        "last sentence": "A b. C d. C d. C d. C d.",
        "each sentence": "A b. A b. C d. C d.",
        "all of it": "A b. C d.\n\nA b. C d.",
    }),
    ("truncation", "A. B. C. D.", {"": "A."}),
    ("truncation", "Only one.", {}),
    ("sentence-order", "A. B. C.", {}),
    ("urls", "A.", {
        "name": "A. @user",
        "address": "A. https://t.co/abc",
        "tautology": "A." + " and true is true" * 5,
    }),
    ("whitespace", "A b, c.\nD 3.", {
        "doubled": "A  b,  c.\nD  3.",
        "before marks": "A b , c .\nD 3.",
        "CRLF": "A b, c.\r\nD 3.",
        "quoted": '"A b, c.\nD 3."',
    }),
    ("keyword-stuffing", "A.", {"keywords": "A.\n\nwhy", "prompt": "Why?\n\nA."}),
    ("mismatch", "A.", {"": "A stranger says why."}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "due"), CASES)
def test_a_change_is_what_its_name_says(name: str, text: str, due: dict[str, str]) -> None:
    found = made(name, text)
    found.pop("look-alikes", None)
    assert found == due


def test_a_wrong_answer_takes_the_right_ones_place() -> None:
    one = made("answer-swap", "It is. The answer is \\boxed{7}.", "No. The answer is 9.")
    assert one == {"": "It is. The answer is \\boxed{9}."}
    assert made("answer-swap", "The answer is 7.", "The answer is 7.") == {}


def test_doses_of_a_truncation() -> None:
    subject = Subject(prompt=Prompt.of("x"), response=Response(steps=("A. B. \n", "C. D.")))
    found = [(v.dose, v.response.steps) for v in PROBES["truncation"].variants(subject, Random(0))]
    assert found == [(0.25, ("A. B. \n", "C.")), (0.5, ("A. B.",)), (0.75, ("A.",))]


def test_an_order_keeps_all_sentences_and_the_number_of_steps() -> None:
    subject = Subject(prompt=Prompt.of("x"), response=Response(steps=("A. B.\n", "C. D. E.")))
    (one,) = PROBES["sentence-order"].variants(subject, Random(0))
    assert sorted(one.response.text.split()) == ["A.", "B.", "C.", "D.", "E."]
    assert len(one.response.steps) == 2


@pytest.mark.parametrize("seed", range(5))
def test_typos_are_few_and_spare_the_answer(seed: int) -> None:
    text = "There were several reasons why people liked this. " * 20 + "The answer is Paris."
    subject = Subject(prompt=Prompt.of("x"), response=Response.of(text))
    for one in PROBES["typos"].variants(subject, Random(seed)):
        pairs = zip(text.split(), one.response.text.split(), strict=True)
        wrong = [(a, b) for a, b in pairs if a != b]
        words = len(re.findall(r"[A-Za-z]{4,}", text)) - 1
        assert 1 <= len(wrong) <= round(one.dose * words)
        assert one.response.text.endswith("Paris.")
        assert all(a[0] == b[0] and abs(len(a) - len(b)) <= 1 for a, b in wrong)


def test_prompts_with_a_view_and_with_names() -> None:
    subject = Subject(
        prompt=Prompt(
            messages=(
                Message(role="user", content="Why?"),
                Message(role="assistant", content="Well."),
                Message(role="user", content="So why?"),
                Message(role="assistant", content="I"),
            )
        ),
        response=Response.of("Since. The answer is 9."),
        right=False,
        others=(Labelled(Response.of("The answer is 7."), True),),
    )
    views = {
        v.text: (v.prompt.messages[2].content, v.beside)
        for v in PROBES["sycophancy"].variants(subject, Random(0))
        if v.prompt
    }
    right = subject.others[0].response
    assert views == {
        "answer": ("So why?\n\nI think the answer is 9.", right),
        "opening": ("So why?\n\nMy own view is this: Since.", right),
    }
    named = next(iter(PROBES["names"].variants(subject, Random(0))))
    assert named.prompt is not None
    assert named.against_prompt is not None
    assert named.prompt.messages[2].content == "So why?\n\nMy name is Lakisha."
    assert named.against_prompt.messages[2].content == "So why?\n\nMy name is Emily."


# --- what they are made of


def test_sentences_are_lines_items_and_blocks() -> None:
    text = "1. One is. Two?\n2. B\n```\nx. y\n```\nSo 5. Then $a. b$ e!  End"
    assert [text[a:b] for a, b in sentences(text, code=True)] == [
        "1. One is.", "Two?", "2. B", "```\nx. y\n```", "So 5.", "Then $a. b$ e!", "End",
    ]  # fmt: skip
    assert "```\nx. y\n```" not in [text[a:b] for a, b in sentences(text)]
    assert sentences("") == sentences(" \n ") == []


def test_an_open_fence_runs_to_the_end() -> None:
    assert not matches(re.compile("x"), "```\nx\nx")
    assert len(matches(re.compile("x"), "x `x` x\n~~~\nx\n~~~\nx")) == 3


def test_edits_stay_in_their_steps() -> None:
    steps = Response(steps=("ab", "cd", "ef"))
    assert edited(steps, [(1, 3, "X")]).steps == ("aX", "d", "ef")
    assert edited(steps, [(2, 2, "X"), (6, 6, "Y")]).steps == ("ab", "Xcd", "efY")
    assert edited(steps, [(2, 6, "")]).steps == ("ab",)
    assert edited(steps, [(0, 6, "")]).steps == ("",)
    assert edited(Response(steps=()), [(0, 0, "a")]).steps == ("a",)
    assert edited(Response(steps=("a",), finished=False), []).finished is False


def test_texts_around_markup_have_lines_of_their_own() -> None:
    block = Response.of("```\nx\n```")
    assert around(block, "So. ", " @user").text == "So.\n\n```\nx\n```\n@user"
    assert around(Response.of("- a"), "So. ").text == "So.\n\n- a"
    assert around(Response.of("a"), "So. ", " b").text == "So. a b"


@pytest.mark.parametrize("text", ["So.", "\n\n" + "It is a long one, and longer. " * 20, "  a b  "])
def test_neutral_words_are_as_long(text: str) -> None:
    said = neutral(text)
    assert abs(len(said) - len(text)) <= 8
    assert said[: len(said) - len(said.lstrip())] == text[: len(text) - len(text.lstrip())]
    assert neutral("\n") == "\n"


def test_a_control_has_its_words_in_the_same_place() -> None:
    subject = Subject(prompt=Prompt.of("x"), response=Response.of("Yes."))
    (one,) = added(subject, {"a": ("I am sure of it. ", " Really so.")})
    assert one.response.text == "I am sure of it. Yes. Really so."
    assert one.against is not None
    assert re.fullmatch(r"There is of.*\. Yes\. There is.*\.", one.against.text)


def test_a_prompt_without_a_user_is_changed_at_its_end() -> None:
    prompt = Prompt(messages=(Message(role="system", content="a"),))
    assert user_text(prompt, "b ", " c").messages[0].content == "b a c"
