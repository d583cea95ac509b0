r"""What words, lines and sentences of a text are. One linear pass each, whatever the text.

* word: a longest run of letters, digits and underscores, so that "don't" is two. It is what IFEval
counts.
* line: a line that is not blank.
* sentence: what ends with a run of `.`, `!`, `?` or `…` (and closing quotes and brackets) before
  white space or the end of the text, or with a full stop of Chinese, Japanese or Hindi; what is
  left at the end is one too. A line break ends none. A period behind a title ("Dr."), an initial
  ("J.") or a number that opens a line ("1.") ends none, and one behind "etc.", "Inc." or "U.S."
  only before a capital letter. What holds no letter and no digit is no sentence.

IFEval splits sentences with NLTK's punkt, whose abbreviations are learned from newspapers. The two
differ where punkt does not know an abbreviation or takes a rare word for one, on numbered lists
(punkt counts "1." as a sentence where a capital letter follows), on pieces without a word ("* *
*.") and on scripts whose full stop punkt does not know. On 1,794 answers of language models they
counted the same in 95 %, and within one in 97 %.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal

__all__ = ["Span", "Unit", "sentences", "spans"]

Unit = Literal["words", "characters", "lines", "sentences"]
Span = tuple[int, int]

_WORD: Final = re.compile(r"\w+")
_LINE: Final = re.compile(r"[^\n]+")
# The look-behind lets a match start at a run's first mark only, and ++ never gives back: "...."
# costs one pass.
_END: Final = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]}*_]*+(?=\s|\Z)|[。！？।]++["'”’」』）]*+"""
)
_TITLES: Final = re.compile(
    r"mrs?|ms|dr|prof|st|rev|gen|col|capt|lt|sgt|sen|rep|gov|hon|vs|e\.g|i\.e|cf|fig|vol|pp", re.I
)
_TRAILING: Final = re.compile(r"etc|inc|ltd|co|corp|jr|sr|dept|est|al|\w(?:\.\w)+", re.I)
_LOOK: Final = 16
"""How far an abbreviation, or what follows a period, is looked for, in characters."""


def spans(text: str, unit: Unit) -> list[Span]:
    """Return where each word, character, line or sentence of the text is."""
    if unit == "characters":
        return [(i, i + 1) for i in range(len(text))]
    if unit == "sentences":
        return list(_sentences(text))
    if unit == "lines":
        return [match.span() for match in _LINE.finditer(text) if not match[0].isspace()]
    return [match.span() for match in _WORD.finditer(text)]


def sentences(text: str) -> list[str]:
    """The sentences, without the white space around them."""
    return [text[start:end] for start, end in _sentences(text)]


def _sentences(text: str) -> Iterator[Span]:
    start = 0
    for end in [*(match.end() for match in _END.finditer(text) if _ends(text, match)), len(text)]:
        if _WORD.search(text, start, end):
            piece = text[start:end]
            yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        start = end


def _ends(text: str, match: re.Match[str]) -> bool:
    mark = match.start()
    if text[mark] != "." or text[mark + 1 : match.end()].startswith((".", "!", "?", "…")):
        return True
    before = text[max(0, mark - _LOOK) : mark]
    line = before.rpartition("\n")
    if line[2].strip().isdecimal() and (line[1] or mark <= _LOOK):
        return False
    word = (
        before.split()[-1].lstrip("\"'“‘«([{*_")
        if before.split() and not before[-1].isspace()
        else ""
    )
    if _TITLES.fullmatch(word) or (len(word) == 1 and word.isupper() and word != "I"):
        return False
    if _TRAILING.fullmatch(word):
        follows = text[match.end() : match.end() + _LOOK].lstrip().lstrip("\"'“‘«([{*_")
        return not follows or follows[0].isupper()
    return True
