"""Many checks at once: each different pair is judged once, and its verdict told as soon as it is
reached."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from assay.errors import DataError
from assay.types import Prompt, Verdict
from assay.verifiers.answers.quantities import quantity

__all__ = ["check_all", "never_asked", "validate"]

Pair = tuple[str, str]
"""A text and the reference for its final answer."""

Q = TypeVar("Q")
"""What has to be asked where nothing is decided at once."""

NOBODY: Final = "-98765.4321"
"""A number that is nobody's answer."""


def check_all(
    pairs: Sequence[Pair],
    at_once: Callable[[str, str], Verdict | Q],
    asked: Callable[[Iterable[tuple[Pair, Q]]], Generator[tuple[Pair, Verdict], None, None]],
    show: Callable[[int], None],
    reached: Callable[[int, Verdict], None],
) -> list[Verdict]:
    """One verdict a pair, in order. `at_once` decides, or says what has to be asked; `asked` gives
    those verdicts.

    `reached` is told the place of each verdict as soon as there is one, `show` how many there are.
    """
    places: dict[Pair, list[int]] = {}
    for place, pair in enumerate(pairs):
        places.setdefault(pair, []).append(place)
    found: dict[int, Verdict] = {}

    def take(pair: Pair, verdict: Verdict) -> None:
        for place in places[pair]:
            found[place] = verdict
            reached(place, verdict)
            show(len(found))

    def open_questions() -> Iterator[tuple[Pair, Q]]:
        for pair in places:
            verdict = at_once(*pair)
            if isinstance(verdict, Verdict):
                take(pair, verdict)
            else:
                yield pair, verdict

    # Closed, not left: what is still being computed ends when an interrupt ends the loop.
    with contextlib.closing(asked(open_questions())) as verdicts:
        for pair, verdict in verdicts:
            take(pair, verdict)
    return [found[place] for place in range(len(pairs))]


def never_asked(questions: Iterable[tuple[Pair, Q]]) -> Generator[tuple[Pair, Verdict], None, None]:
    """For a verifier that decides everything at once."""
    for _ in questions:
        raise AssertionError
    yield from ()


def validate(
    records: Iterable[str | Prompt],
    check_all: Callable[[Sequence[Pair]], list[Verdict]],
    stated: Callable[[str], str | None],
) -> dict[str, int]:
    """Each reference in a box is right against itself; planted wrong answers are not.

    Planted are, of a number, the next one and the one of the other sign; of everything, another
    record's number and one that nobody has. What only its own spelling would pass for, because it
    cannot be read, fails too. `stated` gives a reference's answer. Returns counts; raises
    `DataError` that lists the first records that fail.
    """
    references = [r if isinstance(r, str) else r.reference for r in records]
    answers = [None if reference is None else stated(reference) for reference in references]
    known = [
        (i, r, a) for i, (r, a) in enumerate(zip(references, answers, strict=True)) if r is not None
    ]
    if not known:
        raise DataError("there is no record with a reference to validate on")
    gold = [(rf"\boxed{{{answer}}}", reference) for _, reference, answer in known]
    planted = []
    for place, (index, reference, answer) in enumerate(known):
        wrongs = _wrong(answer, known[(place + 1) % len(known)][2])
        planted += [(index, (rf"\boxed{{{wrong}}}", reference)) for wrong in wrongs]
    verdicts = check_all([*gold, *(pair for _, pair in planted)])
    faults = [
        f"record {index}: the reference {reference[:60]!r} is {verdict.outcome} against itself:"
        f" {verdict.reason}"
        for (index, reference, _), verdict in zip(known, verdicts[: len(known)], strict=True)
        if verdict.outcome != "right"
    ]
    for (index, (text, reference)), verdict in zip(planted, verdicts[len(known) :], strict=True):
        if verdict.outcome == "right":
            faults.append(f"record {index}: {text} passes for {reference[:60]!r}")
        elif verdict.stage == "reference" and text == rf"\boxed{{{NOBODY}}}":
            faults.append(f"record {index}: {verdict.reason}")
    if faults:
        raise DataError(f"{len(faults)} of {len(verdicts)} checks fail: " + "; ".join(faults[:5]))
    without = sum(reference is None for reference in references)
    return {"references": len(known), "planted": len(planted), "without a reference": without}


def _wrong(answer: str | None, neighbour: str | None) -> list[str]:
    value, other = (
        None if text is None else quantity(text, units="marked") for text in (answer, neighbour)
    )
    found = [NOBODY] if other is None or other == value else [NOBODY, str(other)]
    if value is not None:
        found += [str(value + 1), *([str(-value)] if value else [])]
    return found
