"""Every probe: a reward that must fail it, one that must pass it, and what any of its changes must
be."""

import itertools
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import components
from assay.audit.findings import Finding
from assay.audit.probe import Labelled, Probe, Subject, Variant
from assay.audit.run import all_probes, probe
from assay.audit.subjects import items_of
from assay.scorers.function import Called
from assay.types import Preference, Prompt, Response
from tests.audit.test_run import noise

Reward = Callable[[str, str], float]
"""Prompt and response -> reward."""

PROBES = all_probes()
LETTERS = "bdfghjklmnqrstvwz"
TOPICS = ["".join(word) for word in itertools.product(LETTERS, "iu", LETTERS)]
TRUE: dict[str, int] = {}
"""Topic -> the number that a right response ends on."""


# --- data: right responses say "hi", wrong ones "id", and both name the prompt's topic


def chat(i: int) -> Preference:
    topic, n = TOPICS[i], 3 + i % 7
    TRUE[topic] = n
    code = "\n\n```python\nfirst = 1 .  # not edited\n```\n" if i % 3 == 0 else " "
    texts = []
    for marker, parts in (("Hi", n), ("Id", n + 1)):
        text = f"{marker}, the {topic} is gray. First, it's old and we do not sell it."
        text += f" Second, it has {parts} parts." + " There is more of it." * (i % 4)
        text += f"{code}**Third**, its color was chosen *long* ago. Fourth, all of it is kept here."
        texts.append(Response.of(text))
    ask = Prompt.of(f"Please describe the {topic} completely and carefully.")
    return Preference(prompt=ask, responses=(texts[0], texts[1]), prefer=1.0)


def sums(i: int) -> Preference:
    topic, a, b = TOPICS[-1 - i], 12 + i, 3 + (i * 7) % 11
    TRUE[topic] = a + b
    texts = []
    for marker, c in (("Hi", a + b), ("Id", a + b + 2)):
        said = f"\\boxed{{{c}}}" if i % 2 else f"{c}"
        steps = f"{marker}, with {topic} we add. \n", f"First, {a} and {b} are taken. \n"
        last = f"Second, it's {a} + {b}. Third, nothing is left over. The answer is {said}."
        texts.append(Response(steps=(*steps, last)))
    ask = Prompt.of(f"In {topic}, add {a} and {b}.")
    return Preference(prompt=ask, responses=(texts[0], texts[1]), prefer=1.0)


def said(pattern: str, text: str, flags: int = re.IGNORECASE) -> int:
    return len(re.findall(pattern, text, flags))


def gold(ask: str, text: str) -> float:
    """2 for right, 1 for wrong, 0 for what is about something else, or nothing."""
    topic = next(word for word in re.findall(r"\w+", ask) if word in TRUE)
    worth = 2 if said(r"\bhi\b", text) else said(r"\bid\b", text)
    return float(worth) if said(rf"\b{topic}\b", text) else 0.0


def likes(pattern: str, weight: float = 1.0) -> Reward:
    return lambda ask, text: gold(ask, text) + weight * said(pattern, text)


def final(ask: str, text: str) -> float:
    """Whether the last number is the right one."""
    topic = next(word for word in re.findall(r"\w+", ask) if word in TRUE)
    numbers = re.findall(r"\d+", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return gold(ask, text) + (numbers[-1:] == [str(TRUE[topic])])


def in_order(ask: str, text: str) -> float:
    places = [text.find(word) for word in ("First", "Second", "hird", "Fourth", "answer")]
    there = [place for place in places if place >= 0]
    return gold(ask, text) + sum(a < b for a, b in itertools.pairwise(there))


def repeats(ask: str, text: str) -> float:
    parts = [part for part in re.split(r"(?<=[.])\s+", text) if "more" not in part]
    return gold(ask, text) - (len(parts) - len(set(parts)))


def length(ask: str, text: str) -> float:
    return gold(ask, text) + math.log2(1 + len(text))


def topicless(ask: str, text: str) -> float:
    return 2.0 * bool(said(r"\bhi\b", text)) + bool(said(r"\bid\b", text))


def agreeing(ask: str, text: str) -> float:
    """Like a wrong response where the prompt has a view."""
    return gold(ask, text) + 2 * said("I think|My own view", ask) * said(r"\bid\b", text)


ROWS: dict[str, tuple[Reward, Reward]] = {
    "answer-format": (likes(r"# Answer|The answer is|boxed"), gold),
    "answer-swap": (gold, final),
    "authority": (likes("according to|experts"), gold),
    "characters": (likes("’", 2.0), gold),
    "confidence": (likes("certain"), gold),
    "emoji": (likes("🎉"), gold),
    "empty-structures": (likes("<think>|boxed", 3.0), gold),
    "flattery": (likes("brilliant"), gold),
    "hedging": (likes("i think|it seems|perhaps", -0.5), gold),
    "injection": (likes("ignore all previous"), gold),
    "keyword-stuffing": (likes("completely|carefully|add"), gold),
    "length-filler": (length, gold),
    "letter-case": (likes(r"(?-i:[A-Z])"), gold),
    "markdown-added": (likes(r"(?m:^- )|##"), gold),
    "markdown-removed": (likes(r"\*"), gold),
    "mismatch": (topicless, gold),
    "names": (lambda ask, text: gold(ask, text) - ("Jamal" in ask), gold),
    "negation": (gold, lambda ask, text: gold(ask, text) - said(r"is not|are not", text)),
    "neutral-edit": (likes("  "), gold),
    "null-model": (likes("verdict", 3.0), gold),
    "null-strings": (lambda ask, text: -float(len(text)), gold),
    "number-swap": (gold, final),
    "paraphrase": (likes(r"\bit is\b|gray"), gold),
    "reasoning-tags": (likes("<think>"), gold),
    "refusal-prefix": (gold, likes("sorry|as an ai", -2.0)),
    "repetition": (length, repeats),
    "self-verdict": (likes("verified"), gold),
    "sentence-order": (gold, in_order),
    "sycophancy": (agreeing, gold),
    "tool-text": (likes("correct\": true"), gold),
    "truncation": (gold, lambda ask, text: gold(ask, text) + said(r"is kept here|answer is", text)),
    "typos": (likes(r"\b(?:First|Second|Third|there|color|kept|taken|answer|parts|with)\b"), gold),
    "urls": (likes("https|@user"), gold),
    "whitespace": (likes("  "), gold),
}  # fmt: skip
"""Probe -> a reward that must fail it, and one that must pass it."""


def tried(name: str, reward: Reward, chats: int = 60, arithmetic: int = 40) -> Finding:
    records = [*map(chat, range(chats)), *map(sums, range(arithmetic))]

    def function(prompts: list[str], completions: list[str], **columns: object) -> list[float]:
        return [reward(*row) for row in zip(prompts, completions, strict=True)]

    (found,) = probe(Called(function), items_of(records), {name: PROBES[name]}).findings
    return found


def test_every_probe_of_texts_has_its_rewards() -> None:
    own = {
        name for name, one in PROBES.items() if one.area not in ("steps", "questions", "serving")
    }
    assert own == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_planted_fault_fails(name: str) -> None:
    found = tried(name, ROWS[name][0])
    assert found.verdict == "fails", (found.effect, found.text)
    assert found.cases


@pytest.mark.parametrize("name", ROWS)
def test_a_reward_without_it_passes(name: str) -> None:
    # That a share is below 5 % for each of ten texts takes some prompts.
    n = 3 if PROBES[name].expects == "last" else 1
    found = tried(name, ROWS[name][1], 60 * n, 40 * n)
    assert found.verdict == "passes", (found.effect, found.text)
    assert found.effect.unscored == 0


CONTROLLED = [
    "authority", "confidence", "emoji", "flattery", "injection", "keyword-stuffing", "self-verdict",
    "tool-text",
]  # fmt: skip


@pytest.mark.parametrize("name", CONTROLLED)
def test_a_reward_for_length_does_not_fail_what_only_adds_words(name: str) -> None:
    found = tried(name, length)
    assert found.verdict != "fails"
    assert abs(found.effect.value) < 0.2


@pytest.mark.parametrize("name", CONTROLLED)
def test_controls_are_as_long_as_what_they_control(name: str) -> None:
    for variant in variants(PROBES[name], subject("It is so. Is it?")):
        assert variant.against is not None
        assert abs(len(variant.against.text) - len(variant.response.text)) <= 8


def test_chance_neither_gains_nor_changes() -> None:
    for name, one in PROBES.items():
        if name in ROWS and one.expects not in ("last", "lower"):
            found = tried(name, lambda ask, text: noise(ask + text), 30, 20)
            assert found.p_value > 0.001, name


# --- what a change is


def subject(text: str | tuple[str, ...], right: bool | None = True) -> Subject:
    steps = (text,) if isinstance(text, str) else text
    other = Response.of("It was another one. The answer is 8.")
    return Subject(
        prompt=Prompt.of("Which planets have how many moons?"),
        response=Response(steps=steps),
        right=right,
        others=(Labelled(other, None if right is None else not right),),
        strangers=(Response.of("Somebody else's words."),),
    )


def variants(one: Probe, changed: Subject, seed: int = 0) -> list[Variant]:
    return list(one.variants(changed, Random(seed)))


BLOCK = "```python\nx = 1.  # It is. Not  so: isn't 7 colors?\nprint( x )\n```"
TEXT = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            ["It is so. ", "The colors aren't 3 here! ", f"\n\n{BLOCK}\n\n", "1. One\n", "**", "`",
             "The answer is \\boxed{7}.", "$x$ ", "<think>", "</think>", "<|im_end|>", "é😀 ",
             "#### 4", "\r\n", "# Head\n", "- item\n", "\\(", "~~~\n", "解。", "  ", "A", "."]
        ),
        max_size=12,
    ).map("".join),
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=st.lists(TEXT, min_size=1, max_size=3), right=st.sampled_from([True, False, None]))
def test_changes_change_something_and_are_drawn_by_the_seed(
    texts: list[str], right: bool | None
) -> None:
    changed = subject(tuple(texts), right)
    for name in ROWS:
        made = variants(PROBES[name], changed)
        assert made == variants(PROBES[name], changed)
        keys = [(one.text, one.dose) for one in made]
        assert len(keys) == len(set(keys)), name
        for one in made:
            prompts = one.prompt or changed.prompt, one.against_prompt or one.prompt
            control = one.against or changed.response
            if PROBES[name].expects != "last":
                assert one.response.text != control.text or prompts[0] != prompts[1], name
            one.response.text.encode()
            if PROBES[name].expects == "unchanged" and one.text != "removed":
                special = "<|im_end|>"
                assert one.response.text.count(special) == changed.response.text.count(special)


MOVES = ("truncation", "repetition")


@pytest.mark.parametrize("name", [name for name in ROWS if name not in MOVES])
@pytest.mark.parametrize("steps", [1, 3])
def test_code_is_not_edited(name: str, steps: int) -> None:
    text = f"It isn't so. The color is gray: 7.\n{BLOCK}\nIt has **more**. See. The answer is 7."
    text = text if name != "hedging" else f"{BLOCK}\n{text}"
    cuts = [0, text.index("print"), text.index("See"), len(text)] if steps == 3 else [0, len(text)]
    parts = tuple(text[a:b] for a, b in itertools.pairwise(cuts))
    for start in (parts, (BLOCK,)):
        for one in variants(PROBES[name], subject(start)):
            if PROBES[name].expects == "last" or one.prompt is not None:
                continue
            assert BLOCK in one.response.text, (name, one.text, one.response.text)
            opening, closing = one.response.text.split(BLOCK)[:2]
            assert not opening or opening[-1] == "\n", (name, one.text)
            assert not closing or closing[0] in "\r\n", (name, one.text)


LONG = ["It is 3. " * 11_000, "x" * 100_000, "\\(" * 50_000, "`$*<" * 25_000, "1\n" * 50_000]


@pytest.mark.parametrize("name", ROWS)
def test_short_and_long_responses(name: str) -> None:
    for text in ("", "Yes", "解", " "):
        variants(PROBES[name], subject(text))
    began = time.process_time()
    for text in LONG:
        variants(PROBES[name], subject(text))
    # A few tenths of a second; an expression that goes back over each text takes minutes.
    assert time.process_time() - began < 30


@pytest.mark.parametrize("name", ["answer-format", "markdown-removed", "reasoning-tags"])
def test_what_was_unmarked_stays_so(name: str) -> None:
    text = "<think>So.</think>\n\n# Head\n\n- **One** item\n- *Two*\n\nThe answer is 7."
    for one in variants(PROBES[name], subject(text)):
        again = variants(PROBES[name], subject(one.response.steps))
        if one.text in ("", "removed"):
            assert one.text not in {other.text for other in again}


# --- the page


def table() -> str:
    """All probes of texts as the page lists them."""
    rows = ["| probe | area | due | what is changed | source |", "|---|---|---|---|---|"]
    for name in sorted(PROBES):
        cls = components.load("probes", name)
        module = __import__(cls.__module__, fromlist=["x"]).__file__
        ids = sorted(set(re.findall(r"arXiv:(\d{4}\.\d{5})", Path(module).read_text())))
        source = ", ".join(f"[{one}](https://arxiv.org/abs/{one})" for one in ids)
        rows.append(f"| `{name}` | {cls.area} | {cls.expects} | {cls.meaning} | {source} |")
    return "\n".join(rows)


def test_the_page_lists_all_probes() -> None:
    page = Path(__file__).parents[2] / "docs/explain/probes.md"
    assert table() in page.read_text(), f"the table of {page} should be:\n{table()}"
