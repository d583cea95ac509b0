"""Data: files of many layouts in, validated records out; checked, split by prompt, written back.

`sources` gives raw rows with their location, `io` turns them into records by one of `formats`,
`dedupe`, `check` and `split` work on records. Everything streams: memory does not grow with the
file, but for hashes a record in `check`.
"""

from assay.data.io import Counts, read, scan, write

__all__ = ["Counts", "read", "scan", "write"]
