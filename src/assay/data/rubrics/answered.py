"""Prompts with a rubric whose rows have what was said to them, too."""

from collections.abc import Mapping
from typing import Any, Final

from assay.data import conversations, fields
from assay.types import Group, Prompt

__all__ = ["SAID", "answered"]

SAID: Final = ("response", "responses", "completion", "completions")
"""Columns that hold one answer, or with an s a list of them."""


def answered(prompt: Prompt, row: Mapping[str, Any]) -> Prompt | Group:
    """Return the group of a prompt's responses; the prompt where the row has none.

    Raises `DataError` where a row has answers under two names, or no list under a plural.
    """
    there = [name for name in SAID if row.get(name) is not None]
    if not there:
        return prompt
    if len(there) > 1:
        raise fields.wrong(there[1], f"nothing beside {there[0]!r}", row[there[1]])
    (name,) = there
    found = fields.parsed(row[name]) if name.endswith("s") else [row[name]]
    if not isinstance(found, list) or not found:
        raise fields.wrong(name, "a list of responses", found)
    responses = tuple(conversations.reply(each, prompt.messages, name) for each in found)
    return fields.make(Group, prompt=prompt, responses=responses)
