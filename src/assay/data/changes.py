"""What a row cannot hold of a record, told from the record that is read back."""

import re
from collections.abc import Sequence
from typing import Any, Final, get_args

from assay.data.parts import Part
from assay.data.records import responses_of
from assay.types import Group, Prompt, Record, StepLabels

__all__ = ["change", "short"]

JUDGED: Final = {
    "labels": "labels",
    "rollouts": "counts of rollouts",
    "grades": "grades",
    "prefer": "verdict",
    "margin": "margin",
}
"""Field of a record -> what it is called where it has no place."""
FIELD: Final = re.compile(r"(?:prompt\.|response\.|responses\[\d+\]\.)?(\w+)")
"""A field of a record, of its prompt or of its responses, at the head of a path."""
WIDTH: Final = 60
"""Characters of a value that are shown."""


def change(record: Record, back: Record) -> str:
    """Return where a record first differs from what is read back, and what could be left out."""
    if type(record) is not type(back):
        lost = [
            word
            for field, word in JUDGED.items()
            if getattr(record, field, None) is not None and not hasattr(back, field)
        ]
        if isinstance(back, Prompt) and not isinstance(record, Prompt):
            lost.append("answers")
        there_is = f": there is no place for its {' and '.join(lost)}" if lost else ""
        return f"it into a {type(back).__name__}{there_is}"
    path, values = _difference(record.model_dump(), back.model_dump(), "")
    found = FIELD.match(path)
    part = found[1] if found else ""
    judged = responses_of(record) if isinstance(record, (Group, StepLabels)) else ()
    if part not in get_args(Part) or (part == "steps" and any(each.turns for each in judged)):
        return f"{path} {values}"
    return f"{path} {values}; `assay data convert --without {part}` leaves that out"


def short(value: object) -> str:
    """Return a value as Python writes it, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= WIDTH else f"{shown[:50]}... ({type(value).__name__})"


def _difference(record: Any, back: Any, path: str) -> tuple[str, str]:
    """The path at which two dumped records first differ, and how."""
    if isinstance(record, dict) and isinstance(back, dict):
        for key in record:
            if key in back and record[key] != back[key]:
                return _difference(record[key], back[key], f"{path}.{key}" if path else key)
        gone, new = ([k for k in a if k not in b] for a, b in ((record, back), (back, record)))
        names = [f"{path}.{key}" if path else str(key) for key in (*gone, *new)]
        if len(names) == 1:
            ends = (short(record[gone[0]]), "nothing") if gone else ("nothing", short(back[new[0]]))
            return names[0], "from {} to {}".format(*ends)
        said = ("without " + ", ".join(map(str, gone))) * bool(gone)
        added = ("with " + ", ".join(map(str, new))) * bool(new)
        return path or "it", f"({'; '.join(filter(None, (said, added)))})"
    if isinstance(record, (list, tuple)) and isinstance(back, (list, tuple)):
        for i, (one, other) in enumerate(zip(record, back, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{i}]")
        return path, f"from {len(record)} entries to {len(back)}"
    if isinstance(record, str) and isinstance(back, str):
        return path, "from {} to {}".format(*_apart(record, back))
    return path, f"from {short(record)} to {short(back)}"


def _apart(one: str, other: str) -> Sequence[str]:
    """Two texts, from shortly before they part where they are long."""
    same = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = max(0, same - 10) if max(len(one), len(other)) > WIDTH - 2 else 0
    return ["..." * bool(start) + short(text[start:]) for text in (one, other)]
