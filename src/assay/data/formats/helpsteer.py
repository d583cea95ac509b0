r"""HelpSteer 1 and 2 (arXiv:2311.09528, 2406.08673): responses graded from 0 to 4 in five respects,
and HelpSteer2's preferences (arXiv:2410.01257), from -3, the first is much better, to 3.

A prompt of several turns marks those after the first in its text: "...\n<extra_id_1>Assistant\n...
\n<extra_id_1>User\n...". Rows of one prompt are records of their own; `assay best-of-n` takes them
as one pool.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.data import fields, winners
from assay.errors import DataError
from assay.types import Message, Preference, Ranking, Record, Response

__all__ = ["Helpsteer"]

ATTRIBUTES: Final = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
MARK: Final = re.compile(r"\n<extra_id_1>(User|Assistant)\n")
PAIR: Final = ("response_1", "response_2")


@dataclass(frozen=True, kw_only=True)
class Helpsteer:
    """{prompt, response, helpfulness, correctness, coherence, complexity, verbosity} or {prompt,
    response_1, response_2, preference_strength}."""

    grade: Literal["helpfulness", "correctness", "coherence", "complexity", "verbosity", "mean"] = (
        "helpfulness"
    )
    """Attribute that is a response's grade, or the mean of all five."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """A graded response, or two with a strength."""
        return {"prompt", "response", *ATTRIBUTES} <= row.keys() or {
            "prompt",
            *PAIR,
            "preference_strength",
        } <= row.keys()

    def read(self, row: Mapping[str, Any]) -> Iterable[Record]:
        """A ranking of one response, whose other attributes are its `meta`; or a preference whose
        margin is the strength."""
        turns = _turns(fields.text(row, "prompt"))
        if "response" not in row:
            prefer, margin = _strength(row)
            yield fields.make(
                Preference,
                prompt=fields.prompt(turns, row, "prompt", *PAIR, "preference_strength"),
                responses=tuple(_response(fields.text(row, name)) for name in PAIR),
                prefer=prefer,
                margin=margin,
            )
            return
        there = {name: fields.number(row.get(name), name) for name in ATTRIBUTES}
        grade = sum(there.values()) / len(there) if self.grade == "mean" else there[self.grade]
        meta = {name: row[name] for name in ATTRIBUTES if name != self.grade}
        yield fields.make(
            Ranking,
            prompt=fields.prompt(turns, row, "prompt", "response", *ATTRIBUTES),
            responses=(_response(fields.text(row, "response"), meta),),
            grades=(grade,),
        )

    def write(self, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """Rankings of one response with all attributes, and preferences with a margin."""
        for record in records:
            if isinstance(record, Preference):
                yield from fields.written(self, [record], Preference, _pair)
            else:
                yield from fields.written(self, [record], Ranking, self._graded)

    def _graded(self, record: Ranking) -> dict[str, Any]:
        """A graded response's row; several have none."""
        if len(record.responses) != 1:
            raise DataError(f"helpsteer has one response per row, not {len(record.responses)}")
        own: dict[str, Any] = {} if self.grade == "mean" else {self.grade: record.grades[0]}
        return {
            "prompt": _text(record.prompt.messages),
            "response": record.responses[0].text,
            **record.responses[0].meta,
            **own,
            **fields.columns(record.prompt),
        }


def _turns(text: str) -> tuple[Message, ...]:
    """The turns of a prompt, the user's first."""
    first, *parts = MARK.split(text)
    roles = ["user", *(role.lower() for role in parts[::2])]
    if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        raise DataError("field 'prompt': its marked turns do not alternate, or end with an answer")
    said = zip(roles, [first, *parts[1::2]], strict=True)
    return tuple(fields.make(Message, role=role, content=content) for role, content in said)


def _text(turns: Sequence[Message]) -> str:
    """A prompt's text, read back by `_turns`."""
    marked = [f"<extra_id_1>{turn.role.title()}\n{turn.content}" for turn in turns[1:]]
    return "\n".join([*(turn.content for turn in turns[:1]), *marked])


def _strength(row: Mapping[str, Any]) -> tuple[float, float]:
    value = fields.value(row, "preference_strength")
    if value is None:
        raise winners.undecided("preference_strength")
    strength = fields.amount(value, "preference_strength")
    if not -3 <= strength <= 3:
        raise fields.wrong("preference_strength", "a strength from -3 to 3", value)
    return winners.signed(strength)


def _response(text: str, meta: Mapping[str, Any] | None = None) -> Response:
    return fields.make(Response, steps=(text,) if text else (), meta=meta or {})


def _pair(record: Preference) -> dict[str, Any]:
    said = winners.said(record.prefer, record.margin)
    return {
        "prompt": _text(record.prompt.messages),
        **dict(zip(PAIR, (each.text for each in record.responses), strict=True)),
        "preference_strength": said.get("strength"),
        **fields.columns(record.prompt),
    }
