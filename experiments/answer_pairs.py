r"""Responses and references whose truth is known: a value, a style, what was done to it, and where
it is stated.

`pairs` draws from the families of `answer_numbers`, `answer_amounts`, `answer_expressions` and
`answer_objects`. A true pair writes one value in two styles; a false one states another value, or
says of the value what makes it another answer. Half vary the spelling alone, the others the dress
that it wears (bold, dollars, full-width signs), or the sentence, or all of them.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.answer_amounts import AMOUNTS
from experiments.answer_expressions import EXPRESSIONS
from experiments.answer_numbers import NUMBERS, Item
from experiments.answer_objects import OBJECTS

__all__ = ["FAMILIES", "Pair", "pairs"]

FAMILIES = NUMBERS | AMOUNTS | EXPRESSIONS | OBJECTS
VARIED = ("spelling", "dress", "spelling", "sentence", "spelling", "all")
WIDE = str.maketrans("0123456789(),.+-=<>%", "０１２３４５６７８９（），．＋－＝＜＞％")
TRIES = 50
PLACE = re.compile("<[SDMN]>")


@dataclass(frozen=True)
class Pair:
    """A response, a reference, and whether the one answers with the other."""

    family: str
    true: bool
    reference: str
    text: str
    how: str
    """Style or change, dress and sentence."""
    verifiers: tuple[str, ...]
    """Who judges it."""


DRESSES = {
    "none": "{}",
    "spaces": " {} ",
    r"\, behind": r"{}\,",
    r"\! behind": r"{}\!",
    "displaystyle": r"\displaystyle {}",
    "bold": r"\mathbf{{{}}}",
    "boldsymbol": r"\boldsymbol{{{}}}",
    "bm": r"\bm{{{}}}",
    "period": "{}.",
    "dollars": "${}$",
    "double dollars": "$${}$$",
    "brackets of mathematics": r"\({}\)",
    "braces": "{{{}}}",
    "no-break space": "\u00a0{}",
    "byte-order mark": "\ufeff{}",
    "zero-width space": "{}\u200b",
}
"""For mathematics."""
IN_MATHEMATICS = ("dollars", "double dollars", "brackets of mathematics")
WORD_DRESSES = {
    "none": "{}",
    "spaces": " {} ",
    "text": r"\text{{{}}}",
    "textbf": r"\textbf{{{}}}",
    "stars": "**{}**",
    "period": "{}.",
    "no-break space": "\u00a0{}",
}
"""For words."""

BOXED = {
    "box": r"so \boxed{<S>}",
    "box in dollars": r"Therefore the result is $\boxed{<S>}$.",
    "box on a line": "Hence\n\\[\n\\boxed{<S>}\n\\]\nas was to be shown.",
    "box of a model": r"The final answer is: $\boxed{<S>}$. I hope it is correct.",
    "box, heading": "**Final Answer**\n\n$$\\boxed{<S>}$$",
    "fbox": r"so \fbox{<S>}",
    "a first box": (
        r"I first found \boxed{<D>}. But a check shows that this is wrong, and in fact \boxed{<S>}"
    ),
}
STATED = {
    "answer is": "Some work first. The answer is <M>.",
    "final answer": "The final answer is: <M>",
    "answer, colon": "We add up.\nAnswer: <M>",
    "answer, bold": "We add up.\n**Answer:** <M>",
    "answer, bold itself": "We add up.\n\nThe answer is **<M>**.",
    "hashes": "We add up.\n#### <S>",
    "display": "The answer is\n\n\\[\n<S>\n\\]",
    "display, dollars": "The final answer is\n$$\n<S>\n$$",
    "display, one line": "The answer is: $$<S>$$",
    "and why": "The answer is <M>, since both ways agree.",
    "corrected": "The answer is not <N>. It is <M>.",
    "corrected, short": "The answer isn't <N>, it's <M>.",
    "thought first": "<think>Perhaps \\boxed{<D>}?</think>\nThe answer is <M>.",
    "twice": "The answer is <N>. Wait, that is wrong. The answer is <M>.",
}
"""<S> is the answer and <D> another; <M> and <N> are the same between dollars, or bare where they
are words."""
WITHOUT_DOLLARS = (
    "box",
    "fbox",
    "answer is",
    "final answer",
    "answer, colon",
    "answer, bold",
    "and why",
)
SPRAYED = {
    "or": "The answer is <M> or <N>.",
    "or maybe": "The answer is <M>, or maybe <N>.",
    "either": "The answer is either <M> or <N>.",
    "denied": "The answer is not <M>.",
    "denied, then another": "The answer is not <M>. It is <N>.",
    "denied, after": "The answer is <N>, not <M>.",
    "boxed or": r"so \boxed{<S> \text{ or } <D>}",
    "boxed, or": r"so \boxed{<M> \text{, or } <N>}",
    "another box": r"I first found \boxed{<S>}, which is wrong. It is \boxed{<D>}",
    "thought first": "<think>Perhaps \\boxed{<S>}?</think>\nThe answer is <N>.",
    "answered, then corrected": "The answer is <M>. Wait, that is wrong. The answer is <N>.",
}
"""Here <S> and <M> are the reference's answer, which the text does not give."""


def pairs(count: int, seed: int = 0) -> list[Pair]:
    """Different pairs, half of them true, as many of each family as goes."""
    draw = random.Random(seed)
    found: dict[tuple[str, str], Pair] = {}
    turns = dict.fromkeys(FAMILIES, 0)
    while len(found) < count:
        for family in FAMILIES:
            for true in (True, False):
                pair = new_pair(family, true, turns[family], draw, found)
                found[pair.reference, pair.text] = pair
            turns[family] += 1
    return list(found.values())[:count]


def new_pair(
    family: str, true: bool, turn: int, draw: random.Random, seen: dict[tuple[str, str], Pair]
) -> Pair:
    """One that is not among those seen."""
    for _ in range(TRIES):
        item = FAMILIES[family](draw)
        pair = true_pair(family, item, turn, draw) if true else false_pair(family, item, turn, draw)
        if pair is not None and (pair.reference, pair.text) not in seen:
            return pair
    raise AssertionError(f"{TRIES} values of {family!r} gave nothing new")


def true_pair(family: str, item: Item, turn: int, draw: random.Random) -> Pair | None:
    """The value in two styles, or in one style in other dress or another sentence; None where it is
    twice the same."""
    varied = VARIED[turn % len(VARIED)]
    styles = list(item.same)
    gold = style = styles[0]
    if varied in ("spelling", "all"):
        style = styles[turn // 2 % len(styles)] if varied == "spelling" else draw.choice(styles)
        others = [name for name in styles if name not in item.unitless]
        gold = draw.choice([styles[0], *others]) if style not in item.unitless else styles[0]
        if draw.random() < 0.25:
            gold, style = style, gold
        both_named = gold.startswith("named") and style.startswith("named")
        if item.same[gold] == item.same[style] or both_named:
            return None
    other = draw.choice(answers_of_their_own(item))
    sentences = BOXED | STATED if varied in ("sentence", "all") else {"box": BOXED["box"]}
    sentence = drawn_sentence(sentences, item.same[style], style in item.words, draw)
    answer, dress = dressed(item.same[style], style in item.words, sentence, varied, draw)
    text = said(
        sentences[sentence], answer, style in item.words, item.different[other], other in item.words
    )
    judges = tuple(
        judge for judge in who(item, gold, style) if judge != "choice" or sentence != "hashes"
    )
    return Pair(
        family, True, item.same[gold], text, f"{gold} / {style}; {dress}; {sentence}", judges
    )


def false_pair(family: str, item: Item, turn: int, draw: random.Random) -> Pair:
    """Another value; or the value in a sentence that does not give it as the answer."""
    varied = VARIED[turn % len(VARIED)]
    plain, names = next(iter(item.same)), list(item.different)
    change = names[turn // 2 % len(names)] if varied == "spelling" else draw.choice(names)
    golds = [name for name in item.same if name not in item.unitless and name != "named"]
    gold = plain if change in item.plain_only or draw.random() < 0.5 else draw.choice(golds)
    if varied == "sentence" and item.several:
        change, sentence = draw.choice(answers_of_their_own(item)), draw.choice(list(SPRAYED))
        right, other = item.same[plain], item.different[change]
        text = said(SPRAYED[sentence], right, plain in item.words, other, change in item.words)
        how = f"{gold} / {change}; none; {sentence}"
        return Pair(family, False, item.same[gold], text, how, who(item, gold, plain))
    sentences = BOXED | STATED if varied == "all" else {"box": BOXED["box"]}
    sentences = {
        name: text for name, text in sentences.items() if "<D>" not in text and "<N>" not in text
    }
    sentence = drawn_sentence(sentences, item.different[change], change in item.words, draw)
    answer, dress = dressed(item.different[change], change in item.words, sentence, varied, draw)
    text = said(sentences[sentence], answer, change in item.words, "", False)
    how = f"{gold} / {change}; {dress}; {sentence}"
    return Pair(family, False, item.same[gold], text, how, who(item, gold, change))


def answers_of_their_own(item: Item) -> list[str]:
    """Changes that give a plain other answer, to stand beside the right one: the first three."""
    return list(item.different)[:3]


def who(item: Item, *names: str) -> tuple[str, ...]:
    """Who judges it: not `Numeric` where its policy does not look at such a style or change."""
    skipped = any(name in item.by_math for name in names)
    return tuple(verifier for verifier in item.verifiers if verifier != "numeric" or not skipped)


def drawn_sentence(
    sentences: Mapping[str, str], answer: str, is_words: bool, draw: random.Random
) -> str:
    """The name of one that suits the answer: words are not displayed, nor is an amount in bare
    dollars."""
    names = list(sentences)
    if is_words:
        names = [name for name in names if not name.startswith(("display", "hashes"))]
    if is_words and "$" in answer:
        names = [name for name in names if name in WITHOUT_DOLLARS]
    return draw.choice(names)


def dressed(
    answer: str, is_words: bool, sentence: str, varied: str, draw: random.Random
) -> tuple[str, str]:
    """The answer in a dress, and the dress's name. Dollars and a period are put inside a box in
    plain text alone."""
    if varied not in ("dress", "all"):
        return answer, "none"
    dresses = dict(WORD_DRESSES if is_words else DRESSES)
    if "$" in answer or sentence not in ("box", "fbox"):
        dresses = {
            name: dress
            for name, dress in dresses.items()
            if name not in ("period", *IN_MATHEMATICS)
        }
    if "$" in answer and is_words:
        dresses = {"none": "{}", "spaces": " {} "}
    if not is_words and not any(sign in answer for sign in "\\{}^_'"):
        dresses["full width"] = ""
    name = draw.choice(list(dresses))
    return (
        (answer.translate(WIDE), name)
        if name == "full width"
        else (dresses[name].format(answer), name)
    )


def said(sentence: str, answer: str, is_words: bool, other: str, other_is_words: bool) -> str:
    """The sentence with the answer and another in it."""

    def between_dollars(text: str, bare: bool) -> str:
        return text if bare else f"${text}$"

    mathematics, another = between_dollars(answer, is_words), between_dollars(other, other_is_words)
    parts = {"<S>": answer, "<D>": other, "<M>": mathematics, "<N>": another}
    return PLACE.sub(lambda place: parts[place[0]], sentence)
