"""One type a column: prompts and answers of a file are texts in all rows, or messages in all rows.

Whoever loads a table (`datasets`, TRL) takes a column's type from its first rows.
"""

from collections.abc import Mapping
from typing import Any

from assay.errors import DataError
from assay.protocols import Format

__all__ = ["as_messages", "note", "roles"]


def note(row: Mapping[str, Any], seen: dict[str, set[str]]) -> None:
    """Remember which columns hold texts, and which hold messages and whose come first."""
    for name, value in row.items():
        if isinstance(value, str):
            seen.setdefault(name, set()).add("text")
        elif isinstance(value, list) and value and _is_message(value[0]):
            kind = "assistant" if value[0]["role"] == "assistant" else "user"
            parts = any(isinstance(each.get("content"), list) for each in value)
            seen.setdefault(name, set()).update((kind, "parts") if parts else (kind,))


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def roles(seen: Mapping[str, set[str]]) -> dict[str, str]:
    """Return the columns to be written as messages, and who says a text there; none where every
    column has one type already."""
    chats = {name for name, kinds in seen.items() if not {"user", "assistant"}.isdisjoint(kinds)}
    mixed = {name for name in chats if "text" in seen[name] or "parts" in seen[name]}
    if mixed & seen.keys() and "prompt" in seen:
        # Beside answers that are messages, a prompt is messages, too.
        mixed.add("prompt")
    return {
        name: "assistant" if "assistant" in seen[name] and "user" not in seen[name] else "user"
        for name in mixed
    }


def as_messages(
    row: dict[str, Any], roles: Mapping[str, str], seen: Mapping[str, set[str]], format: Format
) -> dict[str, Any]:
    """Return the row with these columns as messages, where it is still read as the same records."""
    wide = dict(row)
    for name, role in roles.items():
        value = row.get(name)
        if isinstance(value, str):
            value = [{"role": role, "content": value}]
        if isinstance(value, list) and "parts" in seen[name]:
            value = [_in_parts(message) for message in value]
        if name in row:
            wide[name] = value
    try:
        same = wide != row and tuple(format.read(wide)) == tuple(format.read(row))
    except DataError:
        same = False
    return wide if same else row


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, str):
        return message
    return {**message, "content": [{"type": "text", "text": content}]}
