"""Steps join to the text exactly, whatever it holds, and end where the policy says."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.splitting import (
    SPLITTERS,
    AlreadySplit,
    BlankLine,
    Latex,
    Newline,
    Numbered,
    Pattern,
    Sentence,
    Tokens,
    Words,
    report,
    resplit,
)
from assay.errors import ConfigError
from assay.types import Response

TEXTS = st.text(alphabet="ab1. \n\t!?$\\[]{}eginStep2:é", max_size=60) | st.lists(
    st.sampled_from(
        [
            "Step 1: ",
            "\n\n",
            "\n",
            "3.14 ",
            "e.g. ",
            "$$",
            r"\[",
            r"\]",
            r"\begin{a}",
            r"\end{a}",
            "So. ",
            " ",
        ]
    )
).map("".join)


@pytest.mark.parametrize("name", SPLITTERS)
@given(text=TEXTS)
def test_steps_join_to_the_text_and_none_is_blank(name: str, text: str) -> None:
    steps = SPLITTERS[name]()(text)
    assert "".join(steps) == text
    assert all(step.strip() for step in steps) or not text.strip()
    assert SPLITTERS[name]()(text) == steps
    assert all(steps)


@pytest.mark.parametrize(
    ("policy", "text", "expected"),
    [
        (AlreadySplit(), "a\n\nb", ("a\n\nb",)),
        (BlankLine(), "one\nmore\n\n \n two\n\n", ("one\nmore\n\n \n ", "two\n\n")),
        (BlankLine(), "\n\nfirst\n\nsecond", ("\n\nfirst\n\n", "second")),
        (Newline(), "one\n\ntwo\nthree", ("one\n\n", "two\n", "three")),
        (
            Numbered(),
            "Sure!\nStep 1: add.\n**Step 2.** done",
            ("Sure!\n", "Step 1: add.\n", "**Step 2.** done"),
        ),
        (Numbered(), "In step 1 we add.", ("In step 1 we add.",)),
        (
            Numbered(word="Schritt"),
            "Schritt 1: a\nSchritt 2: b",
            ("Schritt 1: a\n", "Schritt 2: b"),
        ),
        (
            Sentence(),
            "Pi is 3.14. So e.g. two pi is 6.28! Yes?",
            ("Pi is 3.14. ", "So e.g. two pi is 6.28! ", "Yes?"),
        ),
        (Sentence(), "1. Add 2 and 3.\n2. It is 5.", ("1. Add 2 and 3.\n", "2. It is 5.")),
        (Sentence(), "It costs 5. Then we stop.", ("It costs 5. ", "Then we stop.")),
        (Sentence(), 'He said "go." Then he went.', ('He said "go." ', "Then he went.")),
        (
            Latex(),
            "We have\n\n\\[ a\n\n b \\]\n\nso c.",
            ("We have\n\n", "\\[ a\n\n b \\]\n\n", "so c."),
        ),
        (Latex(), "$$x\n\ny$$\n\nz", ("$$x\n\ny$$\n\n", "z")),
        (
            Latex(),
            "\\begin{align}a\n\n\\begin{cases}b\\end{cases}\n\nc\\end{align}\n\nd",
            ("\\begin{align}a\n\n\\begin{cases}b\\end{cases}\n\nc\\end{align}\n\n", "d"),
        ),
        (Latex(), "\\[ never closed\n\nnext", ("\\[ never closed\n\n", "next")),
        (
            Latex(),
            "a \\\\[4pt] b\n\nSo\n\n\\[ x \\]\n\nend",
            ("a \\\\[4pt] b\n\n", "So\n\n", "\\[ x \\]\n\n", "end"),
        ),
        (
            Latex(),
            "\\[ open\n\nnext\n\n\\[ x\n\ny \\]",
            ("\\[ open\n\n", "next\n\n", "\\[ x\n\ny \\]"),
        ),
        (Latex(), "$a$$b$ one\n\ntwo $c$$d$", ("$a$$b$ one\n\n", "two $c$$d$")),
        (Latex(), "5\\$$x$\n\nor $5.\n\n$$y\n\nz$$", ("5\\$$x$\n\n", "or $5.\n\n", "$$y\n\nz$$")),
        (
            Numbered(),
            "Step 1: a\nStep 1 gives 3.\n## Step 2 b",
            ("Step 1: a\nStep 1 gives 3.\n", "## Step 2 b"),
        ),
        (Sentence(), "No. 5 is no. Then 6.", ("No. 5 is no. ", "Then 6.")),
        (
            Sentence(),
            "So $x=3.$ George W. Bush, etc. He.",
            ("So $x=3.$ ", "George W. Bush, etc. ", "He."),
        ),
        (Sentence(), "By lines a.m. or w.r.t. C. Then.", ("By lines a.m. or w.r.t. C. ", "Then.")),
        (Pattern(pattern=r"Step", begins=True), "Step a Step b", ("Step a ", "Step b")),
        (Pattern(pattern=r";\s*"), "a; b;c", ("a; ", "b;", "c")),
        (Pattern(pattern=r"x*"), "abc", ("abc",)),
        (Words(count=2), " one two three  four five", (" one two ", "three  four ", "five")),
    ],
)
def test_where_steps_end(policy: Any, text: str, expected: tuple[str, ...]) -> None:
    assert policy(text) == expected


def test_an_empty_text_has_no_step() -> None:
    for policy in SPLITTERS.values():
        assert policy()("") == ()


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="not a regular expression"):
        Pattern(pattern="(")
    with pytest.raises(ConfigError, match="count is 0"):
        Words(count=0)


@given(TEXTS, st.integers(1, 5))
def test_tokens_are_counted(text: str, count: int) -> None:
    steps = Tokens(starts=lambda text: range(len(text)), count=count)(text)
    assert "".join(steps) == text
    assert all(len(step.strip()) <= count for step in steps)


@pytest.mark.parametrize("name", SPLITTERS)
@pytest.mark.parametrize(
    "piece", [".", r"\[", r"\begin{a}", "$", " ", " \n", "*", "A. ", "\\[a\\]\n\n", '."']
)
def test_time_grows_with_the_text_only(name: str, piece: str) -> None:
    start = time.perf_counter()
    SPLITTERS[name]()(piece * 50_000)
    assert time.perf_counter() - start < 5  # Quadratic policies take minutes.


def test_what_is_split_already_and_what_is_empty_stay() -> None:
    done = Response(steps=("a\n", "b"))
    assert resplit(done, AlreadySplit()) == done
    assert resplit(Response.of(""), Newline()) == Response.of("")


def test_the_report_by_hand() -> None:
    responses = [resplit(Response.of(text), Newline()) for text in ("a\nb\nccc", "a", "a\nb", "")]
    found = report(responses)
    assert (found.responses, found.one_step, found.mean, found.longest) == (3, 1, 2.0, 3)
    assert (found.quantiles[0], found.quantiles[2], found.quantiles[4]) == (1, 2, 3)
    assert report([]).responses == 0
