"""GPT-4's tree search on 100 Games of 24, as a log to search again: its proposals, its values, and
their truth.

The log (arXiv:2305.10601's own, beam of five) holds every proposal, every value and the five states
kept at each of four steps: three operations, and the answer written out. What stands here is what
its program did, so that the same prompt is known for the same prompt:

* A proposal prompt shows the numbers left and nothing else, unless 24 alone is left: then it shows
  the steps, and asks for the answer.
* A value prompt shows the numbers left, or the answer. Its value was kept and given again wherever
  the same numbers were left, in all games.
* A fourth line that is no answer is worth 0 unasked, and that 0 was kept as the value of its
numbers too.
"""

import ast
import gzip
import itertools
import json
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, Literal

from experiments.real_prm import DATA, GAME24, makes_24

from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response

FOLDER = DATA / "search" / "game24"
NAIVE = {
    "IO": FOLDER / "gpt-4_0.7_naive_standard_sample_100_start900_end1000.json.gz",
    "CoT": FOLDER / "gpt-4_0.7_naive_cot_sample_100_start900_end1000.json.gz",
}
Numbers = tuple[Fraction, ...]
"""Ascending."""
Share = Literal["text", "game", "log"]
"""Whose proposals a state has: its own text's alone; those of any state of its game that was shown
to GPT-4 by the same prompt; those of any state of the log that was."""


@dataclass(frozen=True)
class Step:
    """One round of the log's search."""

    expanded: tuple[str, ...]
    proposals: tuple[str, ...]
    """Whole texts, each its state's text and a line more."""
    values: tuple[float, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Game:
    """One game of the log; `numbers` is what identifies it."""

    numbers: str
    steps: tuple[Step, ...]
    right: tuple[bool, ...]
    """Of the outputs, which are the last step's `kept`."""

    @property
    def prompt(self) -> Prompt:
        """What a search is asked."""
        return Prompt.of(self.numbers)


def games() -> list[Game]:
    """The log."""
    return [
        Game(
            numbers=row["steps"][0]["x"],
            steps=tuple(
                Step(
                    tuple(s["ys"]),
                    tuple(s["new_ys"]),
                    tuple(map(float, s["values"])),
                    tuple(s["select_new_ys"]),
                )
                for s in row["steps"]
            ),
            right=tuple(info["r"] == 1 for info in row["infos"]),
        )
        for row in read(GAME24)
    ]


def read(path: Any) -> list[dict[str, Any]]:
    """The rows of one of the logs."""
    rows: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return rows


def shown(text: str, numbers: str) -> str:
    """The numbers left, as GPT-4 was shown them; nonsense where its line does not say, as there."""
    return text.strip().split("\n")[-1].split("left: ")[-1].split(")")[0] if text else numbers


def valued(text: str, numbers: str) -> tuple[str, ...]:
    """What GPT-4 was asked the value of: numbers left, or a game and an answer to it."""
    last = text.strip().split("\n")[-1]
    return (
        (shown(text, numbers),)
        if "left: " in last
        else (numbers, last.lower().replace("answer: ", ""))
    )


@dataclass
class Log:
    """Proposals and values, to be asked for."""

    games: Sequence[Game] = field(default_factory=games)

    @cached_property
    def _proposals(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        """Lines by game and text, by game and prompt, by prompt; the first where there are several
        draws."""
        found: dict[tuple[str, ...], tuple[str, ...]] = {}
        for game in self.games:
            for step in game.steps:
                for text in step.expanded:
                    lines = tuple(
                        new[len(text) :] for new in step.proposals if new.startswith(text)
                    )
                    found[game.numbers, "text", text] = lines
                    if (prompt := shown(text, game.numbers)) != "24":
                        found.setdefault((game.numbers, "left", prompt), lines)
                        found.setdefault((prompt,), lines)
        return found

    @cached_property
    def _values(self) -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for game in self.games:
            for step in game.steps:
                # A text's second proposal in a step is worth 0: the first is the value.
                for text, value in zip(step.proposals, step.values, strict=True):
                    found.setdefault(valued(text, game.numbers), value)
        return found

    def proposals(self, numbers: str, text: str, share: Share) -> tuple[str, ...] | None:
        """The lines that GPT-4 proposed after a text, in its order; None where it was not asked.

        Draws for one prompt are exchangeable, so that another state's are as good as fresh ones;
        what that costs is the independence of the games that share them. Nothing is taken for the
        same that was shown otherwise: not the same numbers in another order, and no answer of other
        steps to 24.
        """
        prompt = shown(text, numbers)
        keys: list[tuple[str, ...]] = [(numbers, "text", text)]
        keys += [(numbers, "left", prompt)] if share != "text" else []
        keys += [(prompt,)] if share == "log" else []
        return next((self._proposals[key] for key in keys if key in self._proposals), None)

    def value(self, numbers: str, text: str) -> float | None:
        """What GPT-4 said of a text, or would have been taken to say; None where it was not
        asked."""
        fourth_line_without_answer = (
            len(text.strip().split("\n")) == 4 and "answer" not in text.lower()
        )
        return self._values.get(valued(text, numbers), 0.0 if fourth_line_without_answer else None)


@dataclass(frozen=True)
class Tree:
    """Which part of the log is searched, and what counts as the end."""

    name: str
    lines: int
    """Of a finished text: four are the log's own, three leave out the answer, which the log has for
    few states."""
    share: Share
    closed: bool = False
    """Whether proposals are left out from which the log does not reach the end, so that no search
    can get lost."""


LOGGED = Tree("logged", 4, "text")
OPEN = Tree("open", 3, "log")
CLOSED = Tree("closed", 3, "log", closed=True)


@dataclass
class Replay:
    """A generator whose samples are the log's proposals.

    It counts the states that the log did not expand: what a search asked for and did not get
    (`Spent.missing`) is mostly proposals that there never were, for strategies ask for more than a
    state has, so as to have all."""

    log: Log
    tree: Tree
    asked: Counter[str] = field(default_factory=Counter)
    """By game: states that were asked for."""
    missing: Counter[str] = field(default_factory=Counter)
    """By game: those that the log has not expanded."""

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` proposals a state, or as many as there are; none for a state that was not
        expanded."""
        return [self._of(prefix)[prefix.first : prefix.first + sampling.n] for prefix in prefixes]

    def _of(self, prefix: Prefix) -> list[Response]:
        numbers, text = prefix.prompt.text, "".join(prefix.steps)
        lines = self.lines(numbers, text)
        self.asked[numbers] += 1
        self.missing[numbers] += lines is None
        over = text.count("\n") + 1 >= self.tree.lines
        return [Response(steps=(*prefix.steps, line), finished=over) for line in lines or ()]

    def lines(self, numbers: str, text: str) -> tuple[str, ...] | None:
        """What can be proposed after a text; None where the log does not say."""
        lines = self.log.proposals(numbers, text, self.tree.share)
        if lines is None or not self.tree.closed:
            return lines
        return tuple(line for line in lines if self.ends(numbers, text + line))

    def ends(self, numbers: str, text: str) -> bool:
        """Whether the log goes from a text to the end."""
        return text.count("\n") >= self.tree.lines or bool(self.lines(numbers, text))

    def leaves(self, numbers: str, text: str = "") -> Iterator[str]:
        """Every finished text that can be reached."""
        if text.count("\n") >= self.tree.lines:
            yield text
            return
        for line in dict.fromkeys(self.lines(numbers, text) or ()):
            yield from self.leaves(numbers, text + line)


@cache
def right(numbers: str, text: str, lines: int) -> bool:
    """Whether a finished text is a solution: its answer is, or where it has three lines, its steps
    make 24."""
    if lines == 4:
        return right_answer(numbers, text)
    return shown(text, numbers) == "24" and (Fraction(24),) in left(numbers, text)


def winnable(numbers: str, text: str) -> bool:
    """Whether 24 can be made of what is left, and the steps so far are possible ones."""
    return any(map(makes_24_of, left(numbers, text)))


@cache
def makes_24_of(numbers: Numbers) -> bool:
    """The exact solver, remembered."""
    return makes_24(numbers)


def right_answer(numbers: str, text: str) -> bool:
    """Whether the last line is an expression worth 24 in which every number is used once: the log's
    own check, exact and without sympy."""
    expression = text.strip().split("\n")[-1].lower().replace("answer: ", "").split("=")[0]
    if sorted(re.findall(r"\d+", expression)) != sorted(re.findall(r"\d+", numbers)):
        return False
    return worth(expression) == 24


OPERATORS: Mapping[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worth(expression: str) -> Fraction | None:
    """The exact value of an expression of whole numbers, + - * / and brackets; None of anything
    else."""

    def of(node: ast.expr) -> Fraction:
        match node:
            case ast.BinOp(a, op, b) if type(op) in OPERATORS:
                value: Fraction = OPERATORS[type(op)](of(a), of(b))
                return value
            case ast.UnaryOp(ast.USub(), a):
                return -of(a)
            case ast.Constant(int(whole)):
                return Fraction(whole)
        raise ValueError

    if not re.fullmatch(r"[\d+\-*/() ]{1,100}", expression):
        return None
    try:
        return of(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return None


@cache
def left(numbers: str, text: str) -> frozenset[Numbers]:
    """What is exactly left, if every line's numbers left are what one operation leaves of those
    before; else nothing.

    Only the numbers left are read, not the operation as it is written. A decimal stands for every
    exact result that it rounds, so that there can be several.
    """
    if not text:
        return frozenset({tuple(sorted(map(Fraction, numbers.split())))})
    before, _, line = text.rstrip("\n").rpartition("\n")
    if "left: " not in line:
        return frozenset()
    written = shown(line, numbers).split()
    above = left(numbers, f"{before}\n" if before else "")
    return frozenset(
        after for one in above for after in successors(one) if _is_written(after, written)
    )


@cache
def successors(numbers: Numbers) -> tuple[Numbers, ...]:
    """Everything that one operation leaves."""
    found: dict[Numbers, None] = {}
    for i, j in itertools.combinations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = [n for k, n in enumerate(numbers) if k not in (i, j)]
        made = [a + b, a - b, b - a, a * b, *([a / b] if b else []), *([b / a] if a else [])]
        found |= {tuple(sorted([*rest, n])): None for n in made}
    return tuple(found)


def _is_written(numbers: Iterable[Fraction], words: Sequence[str]) -> bool:
    """Whether the words are these numbers, decimals rounded or cut."""
    exact = sorted(numbers)
    try:
        pairs = sorted((Fraction(word.strip("()")), word) for word in words)
    except (ValueError, ZeroDivisionError):
        return False
    return len(pairs) == len(exact) and all(
        abs(value - n)
        <= (
            max(Fraction(1, 10 ** len(word.split(".")[1].strip("()"))), abs(n) / 100)
            if "." in word
            else 0
        )
        for (value, word), n in zip(pairs, exact, strict=True)
    )
