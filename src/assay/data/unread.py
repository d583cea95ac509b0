"""Why a file cannot be read as what its name says, and what would work: workbooks, archives, other
packings, UTF-16, and files that are called something else than they are."""

from pathlib import Path
from typing import Final

__all__ = ["why_not"]

SHEET: Final = "a workbook; save its sheet as CSV UTF-8 and give the .csv"
ARCHIVE: Final = "an archive; unpack it, and give the file or the folder that was in it"
PACKED: Final = "packed in a way that is not read; unpack it, or pack it as .gz or .zst"
SUFFIXES: Final = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods", ".numbers"), SHEET),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".tar.gz", ".tar.zst"), ARCHIVE),
    **dict.fromkeys((".bz2", ".xz", ".lz4"), PACKED),
    ".pkl": "a pickle, which could run code as it is read; write rows as .jsonl or .parquet",
    ".pickle": "a pickle, which could run code as it is read; write rows as .jsonl or .parquet",
    ".yaml": "YAML; write the same list of rows as .json",
    ".yml": "YAML; write the same list of rows as .json",
    ".feather": "an Arrow file; rename it to .arrow",
}
"""What a file is by the end of its name."""
STARTS: Final = (
    (b"\xff\xfe", "UTF-16, as Excel's Unicode text is; save it as UTF-8 (CSV UTF-8 in Excel)"),
    (b"\xfe\xff", "UTF-16, as Excel's Unicode text is; save it as UTF-8 (CSV UTF-8 in Excel)"),
    (b"\x1f\x8b", "packed by gzip; put .gz behind its name"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard; put .zst behind its name"),
    (b"BZh", PACKED),
    (b"\xfd7zXZ", PACKED),
    (b"PK\x03\x04", "a workbook or an archive; save the sheet as CSV UTF-8, or unpack it"),
    (b"PAR1", "a Parquet file; rename it to .parquet"),
    (b"ARROW1", "an Arrow file; rename it to .arrow"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself (`git lfs pull`)"),
    (b"<!DOCTYPE", "a page of HTML, not the data; get the file itself (the hub's: /resolve/)"),
    (b"<html", "a page of HTML, not the data; get the file itself (the hub's: /resolve/)"),
)
"""What a file is by its first bytes, whatever its name."""
UNNAMED: Final = (
    (b"{", "JSON; rename it to .jsonl if it has an object a line, else to .json"),
    (b"[", "JSON; rename it to .json"),
)
"""The same for files without a suffix, which are nothing to begin with."""


def why_not(path: Path, kind: str) -> str | None:
    """Return what a file is instead of a readable one, and what would work; None where nothing is
    known against it.

    kind: the suffix by which it would be read; "" where it has none that is known.
    """
    name = path.name.lower()
    said = next((SUFFIXES[end] for end in SUFFIXES if name.endswith(end)), None)
    if said and (not kind or ".tar." in name):
        return said
    # What is read of a pipe is gone.
    if kind.endswith((".gz", ".zst", ".parquet", ".arrow")) or not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    signs = STARTS if kind else (*STARTS, *UNNAMED)
    return next((said for sign, said in signs if start.startswith(sign)), None)
