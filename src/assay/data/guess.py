"""Columns that a row probably means, from their names: the line of `--columns` that would read it.

Nothing is read by a guess: it is shown to whoever gave the rows.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from assay.data import paths as at
from assay.data.columns import Columns
from assay.data.conversations import is_context
from assay.data.winners import winner
from assay.errors import AssayError, DataError

__all__ = ["columns_option"]

NAMES: Final = {
    "messages": "messages conversations conversation dialog dialogue dialogs chat turns",
    "prompt": "prompt question instruction query problem userprompt userquery userinput post input"
    " context history request prompttext questiontext inputtext promptname task",
    "chosen": "chosen preferred chosenresponse chosenanswer preferredresponse better betterresponse"
    " winner accepted positive pos good best chosentext preferredoutput",
    "rejected": "rejected dispreferred rejectedresponse rejectedanswer dispreferredresponse worse"
    " worseresponse loser negative neg bad worst rejectedtext nonpreferredoutput",
    "responses": "responses completions candidates answers outputs generations samples replies",
    "response": "response completion output generation modelanswer modelresponse modeloutput"
    " assistant reply generatedtext prediction completiontext responsetext outputtext answertext"
    " text",
    "steps": "steps reasoningsteps modelsteps processsteps",
    "labels": "labels steplabels stepcorrectness ratings",
    "label": "label correct iscorrect correctness verdict passed success",
    "scores": "scores rewards ratings grades",
    "ranks": "ranks ranking rankings",
    "score": "score reward rating grade quality",
    "margin": "margin scoredifference",
    "input": "input context passage document article",
    "system": "system sys systemprompt systemmessage",
    "tools": "tools functions",
    "reference": "reference answer groundtruth gold target expectedanswer finalanswer goldanswer"
    " correctanswer solution",
    "id": "id uniqueid uid promptid questionid",
}
"""Part -> names of its column, without case and punctuation, the likeliest first."""
VERDICTS: Final = {
    "winner": "winner winnerid preference preferred verdict choice label better",
    "strength": "overallpreference preferencestrength",
}
"""The same for which of two answers is better."""
KINDS: Final = tuple(
    kind.split()
    for kind in (
        "first second winner",
        "first second strength",
        "right wrong",
        "chosen rejected margin?",
        "responses scores",
        "responses ranks",
        "responses",
        "steps labels",
        "response label",
        "response score",
        "response",
        "reference",
    )
)
"""Parts beside the prompt that make a record, the fullest first."""
ALONE: Final[list[list[str]]] = [["rejected"], ["label"], []]
"""Parts beside messages that hold the answer."""
JUDGES: Final = frozenset(("label", "ranks", "rejected", "scores"))
"""Parts that judge responses."""
WORSE: Final = {
    "good": "bad",
    "win": "lose",
    "winner": "loser",
    "winning": "losing",
    "better": "worse",
    "best": "worst",
    "chosen": "rejected reject",
    "preferred": "dispreferred nonpreferred unpreferred rejected",
    "positive": "negative",
    "pos": "neg",
    "accepted": "refused rejected",
    "accept": "reject refuse",
    "correct": "incorrect wrong",
    "right": "wrong",
    "upvoted": "downvoted",
}
"""Words in the names of two answers: of the better one, and of the worse."""
ANSWERS: Final = "chosen rejected first second response responses right wrong".split()
FIRST: Final = {"a": "b", "1": "2", "0": "1", "one": "two", "first": "second", "left": "right"}
"""How columns of two answers end."""


def columns_option(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return `--columns prompt=...` that reads these rows; None where no names are familiar."""
    found, note = _found(rows[0])
    for asked in ("messages", "prompt"):
        kinds = [*KINDS, *ALONE] if asked == "messages" else KINDS
        for kind in kinds if asked in found else ():
            needed = [part for part in kind if not part.endswith("?")]
            if not found.keys() >= {*needed}:
                continue
            if kind in (["response"], ["responses"], []) and not JUDGES.isdisjoint(found):
                continue  # what is judged is not shown without its judgement
            extra = [part.strip("?") for part in kind if part.endswith("?")]
            parts = [asked, *needed, *(p for p in (*extra, *ALWAYS) if p in found)]
            answers = [found[part] for part in parts if part in ANSWERS]
            text = ",".join(f"{part}={found[part]}" for part in dict.fromkeys(parts))
            named = [found[part] for part in parts]
            if _reads(text, rows) and not _left_over(rows[0], named, answers):
                told = note if "chosen" in needed else ""
                return f"--columns {shlex.quote(text)}{told}"
    return None


ALWAYS: Final = ("input", "system", "tools", "reference", "id")
"""Parts of any record."""


def _found(row: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """The columns of the parts, as `--columns` takes them, and what to say of them."""
    paths = dict(reversed([(_plain(path[-1]), path) for path in _paths(row)]))
    found: dict[str, str] = {}
    taken: set[tuple[str, ...]] = set()
    for part, names in NAMES.items():
        there = (n for n in names.split() if n in paths and paths[n] not in taken)
        path = next((paths[n] for n in there if n != "task" or _asks(row, paths[n])), None)
        if path is not None:
            taken.add(path)
            found[part] = _written(path)
    # A list of texts is several responses.
    if "responses" not in found and isinstance(at.found(row, found.get("response", "")), list):
        found["responses"] = found.pop("response")
    if "responses" in found and "labels" in found and "scores" not in found:
        found["scores"] = found["labels"]
    if "chosen" in found and "rejected" in found:
        return found, ""
    if (pair := _judged(row)) is not None:
        chosen, rejected = map(_written, pair)
        found = {part: path for part, path in found.items() if path not in (chosen, rejected)}
        several = isinstance(at.found(row, rejected), list)
        one, other = ("right", "wrong") if several else ("chosen", "rejected")
        return {**found, one: chosen, other: rejected}, ""
    if (pair := _two(paths, row)) is None:
        return found, ""
    found |= {"first": _written(pair[0]), "second": _written(pair[1])}
    for part, names in VERDICTS.items():
        if said := next((paths[n] for n in names.split() if n in paths), None):
            found[part] = _written(said)
    if not found.keys() & VERDICTS.keys() and (said := _voted(row, pair)):
        found["winner"] = _written(said)
    found |= {"chosen": found["first"], "rejected": found["second"]}
    return found, f" (if {pair[0][-1]} is the better one in every row)"


def _two(
    paths: Mapping[str, tuple[str, ...]], row: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The columns of two answers: names that end in a and b, 1 and 2, and the like; of several
    pairs, the one that says most."""
    pairs = []
    for name, path in paths.items():
        for one, other in FIRST.items():
            second = paths.get(name.removesuffix(one) + other)
            if name.endswith(one) and name != one and second and not name.startswith("model"):
                pairs.append((path, second))
    return max(pairs, key=lambda pair: len(str(at.found(row, _written(pair[0])))), default=None)


def _voted(
    row: Mapping[str, Any], pair: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[str, ...] | None:
    """The column whose text says which of two is better, whatever it is called: left, response2,
    or the columns' own names."""
    for path in _paths(row):
        value = at.found(row, _written(path))
        if path not in pair and isinstance(value, (str, list)) and not _is_number(value):
            try:
                winner(value, path[-1])
            except DataError:
                continue
            return path
    return None


def _is_number(value: Any) -> bool:
    """A number, or several: an id or a count, which would also read as a place."""
    values = value if isinstance(value, list) else [value]
    return any(not isinstance(one, str) or one.strip().isdecimal() for one in values)


def _judged(row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The columns of two answers whose names say which is better; of several, the two that say
    most."""
    paths = {".".join(map(_plain, path)): path for path in _paths(row)}
    pairs = [
        (path, paths[second])
        for (name, path), (better, words) in product(paths.items(), WORSE.items())
        for second in (name.replace(better, worse, 1) for worse in words.split())
        if second != name and second in paths and _is_answer(at.found(row, _written(path)))
    ]
    return max(pairs, key=lambda pair: len(str(at.found(row, _written(pair[0])))), default=None)


def _is_answer(value: Any) -> bool:
    """A text, messages, or a list of them; no number, and no object that holds one."""
    return isinstance(value, (str, list)) or (isinstance(value, dict) and "content" in value)


def _asks(row: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """A task is a question where it is more than the name of one."""
    value = at.found(row, _written(path))
    return not isinstance(value, str) or " " in value.strip()


def _left_over(row: Mapping[str, Any], named: Sequence[str], answers: Sequence[str]) -> bool:
    """A column that no part is for looks like one of the answers."""
    shapes = {
        shape for path in _paths(row) if _written(path) in answers for shape in _shapes(row, path)
    }
    return any(
        not shapes.isdisjoint(_shapes(row, path))
        for path in _paths(row)
        if {_written(path), _written(path[:1])}.isdisjoint(named)
    )


def _shapes(row: Mapping[str, Any], path: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """What the columns of several answers have in common: the key inside of a column, or the name
    without its number, or without its first word."""
    kind = type(at.found(row, _written(path))), len(path)
    words = re.findall(r"[A-Z]?[a-z]+|\d+", path[-1])
    stem = re.sub(r"(?:\d+|[\W_][A-Za-z])$", "", path[-1])
    shared = {(*kind, "", path[-1].lower())} if len(path) > 1 else set()
    if stem != path[-1]:
        shared.add((*kind, "numbered", stem.lower()))
    elif len(words) > 1:
        shared.add((*kind, "", words[-1].lower()))
    return shared


def _paths(row: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The columns, and then the keys inside of them."""
    yield from ((name,) for name in row)
    for name, value in row.items():
        if isinstance(value, dict) and not is_context(name):
            yield from ((name, key) for key in value)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _written(path: tuple[str, ...]) -> str:
    return ".".join(re.sub(r"([,=\\])", r"\\\1", key) for key in path)


def _reads(text: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    try:
        format = Columns.of(text)
        return all(list(format.read(row)) for row in rows)
    except AssayError:
        return False
