"""Edits that make no response better: words put in, changes of probes, repetition, and all of these
one after another. What a search for hacks tries.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from operator import itemgetter
from random import Random
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from assay.audit.asking import encoder_of
from assay.audit.probe import (
    Area,
    Expects,
    Probe,
    Subject,
    Variant,
    append,
    drawn,
    prepend,
    replaced,
)
from assay.protocols import Judge, Scorer
from assay.types import Response

__all__ = [
    "Edit",
    "Edited",
    "Editor",
    "Library",
    "described",
    "library_of",
    "parts",
    "size",
    "smaller",
]

MARKS: Final = ("\n#", "\n-", "\n1.", "\n>", "**", "`", "\n```", "|", "$", "\\boxed{}", "!", ":")
"""Markup, in place of words."""
MOVES: Final = 4
"""Most moves of an edit."""
SIZES: Final = (1, 4, 16, 64)
WORDS: Final = max(SIZES)
"""Most words of a move."""
LONGEST: Final = 4000
"""Characters that an edited response may have beyond four times its own."""

Kind = Literal["behind", "before", "inside", "times", "probe"]


@dataclass(frozen=True)
class Move:
    """One change of a response."""

    kind: Kind
    words: tuple[str, ...] = ()
    """What is put behind the response, before it or into its middle."""
    dose: float = 1.0
    """Of a probe's change; how many times the response is said."""
    probe: str = ""
    text: str = ""
    """Which of the probe's changes it is."""


Edit: TypeAlias = tuple[Move, ...]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Edited:
    """An edit as a probe, so that it is tested as one."""

    edit: Edit
    probes: Mapping[str, Probe]

    area: ClassVar[Area] = "hacks"
    expects: ClassVar[Expects] = "no gain"
    meaning: ClassVar[str] = "edits that a search found to be rewarded most"

    def variants(self, subject: Subject, draw: Random) -> Iterable[Variant]:
        """Return the edited response, where there is one."""
        response = self.response(subject)
        return [] if response is None else [Variant(response=response)]

    def response(self, subject: Subject) -> Response | None:
        """Return the edited response; None where a move does not apply, it grows too long, or
        nothing is changed."""
        now = subject
        for move in self.edit:
            after = self._moved(now, move)
            if after is None:
                return None
            # What is known of the steps is of those that were there.
            now = replace(now, response=after, labels=())
        response = now.response
        text = subject.response.text
        fits = len(response.text) <= 4 * len(text) + LONGEST
        return response if fits and response.text != text else None

    def _moved(self, subject: Subject, move: Move) -> Response | None:
        response = subject.response
        if move.kind == "times":
            return replaced(response, response.steps * int(move.dose))
        if move.words:
            return _put(response, move.kind, " ".join(move.words))
        # One text per prompt and move, whatever else is tried.
        draw = drawn(f"{subject.prompt.text}/{move}")
        for variant in self.probes[move.probe].variants(subject, draw):
            if (variant.text, variant.dose) == (move.text, move.dose) and variant.prompt is None:
                return variant.response
        return None


def _put(response: Response, place: Kind, text: str) -> Response:
    """The response with a text in a place, set off by a space."""
    if place == "behind":
        return append(response, " " + text)
    if place == "before":
        return prepend(response, text + " ")
    steps = list(response.steps) or [""]
    middle = len(steps) // 2
    step = steps[middle]
    space = step.find(" ", len(step) // 2)
    cut = space if space >= 0 else len(step)
    steps[middle] = step[:cut] + " " + text + step[cut:]
    return replaced(response, steps)


def described(edit: Edit) -> str:
    """Return the edit in words, for people."""
    return ", then ".join(map(_said, edit))


def _said(move: Move) -> str:
    if move.words:
        return f"{' '.join(move.words)!r} {move.kind}"
    if move.kind == "times":
        return f"{move.dose:g} times"
    dose = f" x {move.dose:g}" if move.dose != 1 else ""
    return f"{move.probe}{dose}" + (f": {move.text}" if move.text else "")


def size(edit: Edit) -> int:
    """Return how much there is to an edit; of equally rewarded ones the smaller tells more."""
    return sum(1 + len(move.words) for move in edit)


def parts(edit: Edit) -> set[object]:
    """Return the words and the other moves of an edit."""
    return {part for move in edit for part in move.words or (move,)}


def smaller(edit: Edit, share: int) -> Iterator[Edit]:
    """Yield the edit without each of so many equal shares of its words and other moves."""
    atoms = [(at, word) for at, move in enumerate(edit) for word in move.words or ("",)]
    n = len(atoms)
    for low, high in pairwise(n * i // share for i in range(share + 1)):
        if low < high < low + n:
            kept = groupby(atoms[:low] + atoms[high:], key=itemgetter(0))
            words = {at: tuple(word for _, word in rows if word) for at, rows in kept}
            yield tuple(replace(edit[at], words=those) for at, those in words.items())


@dataclass(frozen=True, kw_only=True)
class Library:
    """What edits are made of."""

    probes: Mapping[str, Probe] = field(repr=False)
    moves: tuple[Move, ...]
    """Changes of probes, and repetition."""
    decks: tuple[tuple[str, ...], ...]
    """Sets of words; larger ones are drawn from more often."""


def library_of(
    reward: Scorer | Judge,
    subjects: Sequence[Subject],
    probes: Mapping[str, Probe],
    vocabulary: Sequence[str] | None = None,
) -> Library:
    """Return the moves of all probes that leave the prompt and make no response better, and the
    words of the prompts and responses, of the probes' texts, and of a local model's tokenizer.

    vocabulary: words to try in place of these.
    """
    kept = {name: one for name, one in probes.items() if one.expects != "lower"}
    moves: dict[Move, None] = dict.fromkeys(Move("times", dose=times) for times in (2, 4))
    data: dict[str, None] = {}
    made = dict.fromkeys(MARKS)
    for subject in subjects:
        data |= dict.fromkeys(_words(f"{subject.prompt.text} {subject.response.text}"))
        data |= dict.fromkeys(word for one in subject.others for word in _words(one.response.text))
    for subject in subjects[:4]:
        for name, probe in kept.items():
            for variant in probe.variants(subject, Random(name)):
                if variant.prompt is None:
                    move = Move("probe", (), variant.dose, name, variant.text)
                    moves[move] = None
                    made |= dict.fromkeys(_words(variant.response.text))
    decks = [tuple(data | made), _tokens(reward)] if vocabulary is None else [tuple(vocabulary)]
    return Library(probes=kept, moves=tuple(moves), decks=tuple(deck for deck in decks if deck))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['’-]\w+)*", text)


def _tokens(reward: Any) -> tuple[str, ...]:
    """The texts of a local model's tokens, special ones left out; none of any other reward."""
    tokenizer = getattr(encoder_of(reward), "tokenizer", None)
    if tokenizer is None:
        return ()
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids = [[i] for i in range(len(tokenizer)) if i not in special]
    texts = (text.strip() for text in tokenizer.batch_decode(ids))
    # A character that is not whole is decoded as a mark of its own.
    kept = (text for text in texts if text and text.isprintable() and "\ufffd" not in text)
    return tuple(dict.fromkeys(kept))


class Editor:
    """Draws edits, and makes new ones out of others, by one seed."""

    def __init__(self, library: Library, seed: str) -> None:
        self._draw = Random(seed)
        self._moves = library.moves
        self._untried = _shuffled(library.moves, self._draw)
        self._decks = [_shuffled(deck, self._draw) for deck in library.decks]
        self._weights = [min(len(deck), 1000) ** 0.5 for deck in library.decks]

    def fresh(self) -> Edit:
        """Return an edit of one move, sometimes of several. Each move and each word comes once
        before it comes again."""
        moves = [self._move()]
        while len(moves) < MOVES and self.chance(0.2):
            moves.append(self._move())
        return tuple(moves)

    def _move(self) -> Move:
        if not self._decks or self.chance(0.3):
            return next(self._untried)
        place: Kind = self._draw.choices(("behind", "before", "inside"), (6, 2, 1))[0]
        deck = self._deck()
        # Many words at once are tested at once: what is rewarded among others is cut out later.
        return Move(place, tuple(next(deck) for _ in range(self._draw.choice(SIZES))))

    def _deck(self) -> Iterator[str]:
        return self._draw.choices(self._decks, self._weights)[0]

    def _mutated(self, edit: Edit) -> Edit:
        """Return the edit with one move more, less or changed."""
        if len(edit) < MOVES and self.chance(0.3):
            return (*edit, self._move())
        at = self._draw.randrange(len(edit))
        if len(edit) > 1 and self.chance(0.3):
            return edit[:at] + edit[at + 1 :]
        move = edit[at]
        changed = self._varied(move) if move.words else self._move()
        return (*edit[:at], changed, *edit[at + 1 :])

    def _varied(self, move: Move) -> Move:
        """Fewer, other or more words, mostly fewer."""
        words, n = move.words, len(move.words)
        at = self._draw.randrange(n)
        other = next(self._deck())
        ways = [
            words[: n // 2] or words * 2,
            words[n // 2 :],
            (*words[:at], *words[at + 1 :]) or words * 2,
            (*words[:at], other, *words[at + 1 :]),
            (*words, other)[-WORDS:],
        ]
        return replace(move, words=self._draw.choice(ways))

    def child(self, ranked: Sequence[Edit]) -> Edit:
        """Return a mutant of one edit, or of two crossed; the better of two drawn is taken.

        ranked: best first.
        """
        one, other = (min(self._draw.choices(range(len(ranked)), k=2)) for _ in range(2))
        edit = ranked[one]
        if one != other and self.chance(0.2):
            mine, yours = (self._draw.randint(0, len(ranked[i])) for i in (one, other))
            edit = (*edit[:mine], *ranked[other][yours:])[:MOVES] or edit
        return self._mutated(edit)

    def chance(self, p: float) -> bool:
        """Return true with this probability."""
        return self._draw.random() < p


def _shuffled(things: Sequence[T], draw: Random) -> Iterator[T]:
    """All of them in a random order, again and again."""
    while True:
        yield from draw.sample(things, len(things))
