"""Hashes of parts, of files and of folders."""

import functools
import hashlib
from pathlib import Path
from typing import Final

from assay.files import whole

__all__ = ["hash_of", "of_path"]


SKIPPED_SUFFIXES: Final = frozenset({".html", ".md", ".lock", ".part", ".tmp"})


SKIPPED_NAMES: Final = frozenset(
    {
        "run.json",
        "training.json",
        "metrics.jsonl",
        "samples.jsonl",
        "checkpoint",
        "logs",
        "LICENSE",
        "__pycache__",
    }
)
"""Files and folders in a model's folder that say how it was made; nothing that it computes depends
on them."""


def hash_of(*parts: str | bytes | memoryview) -> bytes:
    """Hash of parts, each with its length, so that no two lists of parts read alike."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        size = content.nbytes if isinstance(content, memoryview) else len(content)
        digest.update(size.to_bytes(8, "little"))
        digest.update(content)
    return digest.digest()


def of_path(path: Path) -> bytes:
    """Hash of a file or of a folder's files; of a path where nothing is, its name.

    A part of either (`folder?split=test`) has the hash of the whole, with what is asked of it.
    """
    if path.is_file():
        return hash_of("file", _of_file(path))
    if not path.is_dir():
        if (of := whole(path)) != path:
            return hash_of("part", str(path).partition("?")[2], of_path(of))
        return hash_of("path", str(path))
    parts: list[str | bytes] = []
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        hidden = any(part.startswith(".") or part in SKIPPED_NAMES for part in inside.parts)
        if file.is_file() and not hidden and file.suffix not in SKIPPED_SUFFIXES:
            parts += [inside.as_posix(), _of_file(file)]
    return hash_of("folder", *parts)


def _of_file(path: Path) -> bytes:
    stat = path.stat()
    return _of_bytes(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(maxsize=4096)
def _of_bytes(path: str, *_stat: int) -> bytes:
    """Hash of a file, computed once while size, time and inode stay what they were."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
