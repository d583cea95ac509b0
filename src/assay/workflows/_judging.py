"""Ask a judge about records, some at a time, and keep what it said."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from assay.answerers.ledger import Ledger, Usage
from assay.questions import Comparison
from assay.runs.run import Run
from assay.types import Record, Unscored
from assay.workflows._executor import key_of

__all__ = ["FLOORED", "alike", "ask_kept", "bill", "spent"]

T = TypeVar("T", bound=Record)
A = TypeVar("A")

KEPT: Final = "kept.jsonl"
VARIES: Final = re.compile(r"\".*\"|(?<!\w)'.*'|\d+(\.\d+)?")
"""What differs between reasons of one kind: quotes and numbers."""
FLOORED: Final = re.compile("the labels have .* of the probability")
"""Reasons of answers below the floor."""


def ask_kept(
    run: Run | None,
    by: str,
    items: Sequence[T],
    ask: Callable[[Sequence[T]], Sequence[A]],
    kind: Any,
    *,
    chunk: int,
    ledger: Ledger,
    what: str = "judge",
    final: bool = False,
    kept: str = KEPT,
    quiet: bool = False,
    each: Callable[[Iterable[tuple[int, Sequence[T]]]], Iterator[tuple[int, Any]]] | None = None,
) -> list[A]:
    """Return what is said of each item, in order; what is kept in the run is not asked again.

    by: name of the judge, under which it is kept. kind: type of what is said, for reading it back;
    what is of another type is kept in another file, `kept`. quiet: say nothing of what was kept.
    each: instead of `ask`, yields the place of each part of the items and what is said of it, in
    any order.
    What is `Unscored`, or has a part that is, is not kept, and the next run asks again; unless it
    is `final`: what would be said again.
    """
    from assay.console.progress import progress

    of: TypeAdapter[A] = TypeAdapter(kind)
    keys = [key_of(by, item) for item in items]
    todo = dict(zip(keys, items, strict=True))
    found: dict[str, A] = {}

    def take(body: dict[str, Any]) -> None:
        found[body["key"]] = of.validate_python(body["said"])

    opened = nullcontext() if run is None else closing(run.journal(kept, take))
    with opened as journal, progress(what, len(todo)) as show:
        missing = [key for key in todo if key not in found]
        if len(missing) < len(todo) and not quiet:
            before = f"{len(todo) - len(missing):,} of {len(todo):,}"
            print(f"{before} were asked before, and are kept in {kept}", file=sys.stderr)
        starts = range(0, len(missing), chunk)
        parts = [missing[start : start + chunk] for start in starts]
        shown = enumerate([todo[key] for key in some] for some in parts)
        asked = ((i, ask(some)) for i, some in shown) if each is None else each(shown)
        for place, answers in asked:
            said = dict(zip(parts[place], answers, strict=True))
            found |= said
            if journal is not None:
                good = [(key, one) for key, one in said.items() if final or not _unscored(one)]
                # One wait for the disk.
                journal.append(
                    *({"key": key, "said": of.dump_python(one, mode="json")} for key, one in good)
                )
            paid = ledger.paid.requests
            show(len(found.keys() & todo.keys()), f"{paid:,} requests" if paid else "")
    return [found[key] for key in keys]


def _unscored(said: Any) -> bool:
    """Whether an answer, or a part of it such as a panel's member, is missing."""
    if isinstance(said, Comparison):
        return any(game.unscored for game in said.games)
    each = said if isinstance(said, (list, tuple)) else [said]
    return any(isinstance(one, Unscored) or getattr(one, "failures", ()) for one in each)


def alike(reasons: Sequence[str]) -> list[tuple[str, int]]:
    """Return the first of reasons that differ by numbers and quotes only, with their counts, most
    first."""
    kinds: dict[str, list[str]] = {}
    for reason in reasons:
        kinds.setdefault(VARIES.sub("0", reason), []).append(reason)
    return sorted(((some[0], len(some)) for some in kinds.values()), key=lambda pair: -pair[1])


def bill(ledgers: Sequence[Ledger]) -> Mapping[str, Usage | str]:
    """Return what answers cost in this run, what those cost that the ledgers had, and all that is
    in them, of earlier runs too; and how many texts without a verdict were asked for again."""
    files = {one.path and one.path.resolve(): one for one in ledgers}
    costs: dict[str, Usage | str] = {
        "paid": sum((one.paid for one in ledgers), Usage()),
        "saved by the ledger": sum((one.saved for one in ledgers), Usage()),
        "in the ledger": sum((one.total() for one in files.values()), Usage()),
    }
    again = sum(one.retried for one in ledgers)
    return costs | ({"texts asked for again, without a verdict": f"{again:,}"} if again else {})


def spent(usage: Usage | str) -> str:
    """Return what answers cost, in words; what is not known is left out, or says why itself."""
    if isinstance(usage, str):
        return usage
    said = [f"{usage.requests:,} request{'s' * (usage.requests != 1)}"]
    if usage.tokens_in is not None:
        cached = f" ({usage.tokens_cached:,} cached)" if usage.tokens_cached else ""
        said.append(f"{usage.tokens_in:,} tokens read{cached}")
    if usage.tokens_out is not None:
        said.append(f"{usage.tokens_out:,} tokens written")
    if usage.money is not None:
        said.append(f"{usage.money:.4g} (in the prices' currency)")
    return ", ".join(said) if usage.requests else "nothing"
