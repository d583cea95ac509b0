"""Reads text files in which a line that begins with `%%` tells what the lines below it are."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["Block", "blocks", "text"]

Block = tuple[str, str, list[str]]
"""The first word of a marked line, the rest of it, and the lines below."""
MARK = "%%"


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a file, in its order."""
    block: Block | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(MARK):
            assert block is not None, f"{path.name} begins without a mark"
            block[2].append(line)
            continue
        if block is not None:
            yield block
        word, _, rest = line.removeprefix(MARK).strip().partition(" ")
        block = (word, rest, [])
    if block is not None:
        yield block


def text(lines: list[str]) -> str:
    """A block's lines as a source."""
    return "\n".join(lines).strip("\n") + "\n"
