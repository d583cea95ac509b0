"""Where rows come from: files, folders of files, and data sets of the Hugging Face hub."""

import gzip
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from assay.data.lines import DAMAGE, Bad, Row, json_array, json_lines, json_whole, reason
from assay.errors import ConfigError, DataError, MissingExtra
from assay.http.reach import hub_unreachable, offline

__all__ = ["SUFFIXES", "parts", "rows", "without_nulls"]

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
"""What can be read and written."""
RESULTS = ("labels.jsonl", "kept.jsonl", "scores.jsonl")
"""Files of records in the folder of a run, beside what it keeps for itself."""
CHUNK = 2**20


def rows(source: str | Path) -> Iterator[Row | Bad]:
    """The rows of a source in order, good and bad. Raises as `parts` does."""
    return chain.from_iterable(part for _, part in parts(source))


def parts(source: str | Path) -> list[tuple[str, Iterator[Row | Bad]]]:
    """Name and rows of each file that a source consists of.

    A source is a file (`SUFFIXES`), a run's folder (its labels, kept solutions or scores), another
    folder (all its data files, sorted), or a data set of the
    hub: `hf:owner/name`, `hf:owner/name?config=main&split=test`, or `owner/name` where no such path
    exists. Raises `DataError` when there is no such thing, `ConfigError` when the hub does not give
    it, `MissingExtra` for an absent reader.
    """
    path = Path(source)
    name = str(source)
    if name.startswith("hf:"):
        return [(name, _hub(name))]
    if (path / "run.json").is_file() and (result := _result(path)) is not None:
        return [(str(result), _file(result))]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if _is_data(p, path))
        if not found:
            raise DataError(f"{path} holds no data files; there should be {', '.join(SUFFIXES)}")
        return [(str(p), _file(p)) for p in found]
    if path.is_file():
        return [(name, _file(path))]
    if (
        isinstance(source, str)
        and re.fullmatch(r"[\w.-]+/[\w.-]+", name)
        and not name.endswith(SUFFIXES)
    ):
        return [(name, _hub(f"hf:{name}"))]
    raise DataError(
        f"{name} does not exist; give a file, a folder, or hf:owner/name for a data set of the hub"
    )


def _result(run: Path) -> Path | None:
    """What a run's folder holds for others to read; None where it is a folder like any other."""
    found = next((path for name in RESULTS if (path := run / name).is_file()), None)
    if found is None and (run / "verdicts.jsonl").is_file():
        raise DataError(
            f"{run} holds verdicts, and no records; verify again with a file to write"
            " (`assay verify ... --write FILE`), which holds the responses labelled"
        )
    return found


def _is_data(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.is_file() and path.name.endswith(SUFFIXES) and not hidden


def _file(path: Path) -> Iterator[Row | Bad]:
    name = str(path)
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith((".jsonl", ".jsonl.gz")):
        return json_lines(_chunks(path), name)
    if name.endswith((".json", ".json.gz")):
        return _json(path)
    raise DataError(f"{path} has no known suffix; there is {', '.join(SUFFIXES)}")


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed."""
    if not path.name.endswith(".gz"):
        with path.open("rb") as plain:
            while chunk := plain.read(CHUNK):
                yield chunk
        return
    with gzip.open(path, "rb") as packed:
        # read1 returns what it has before it raises, so nothing before a break is lost.
        while chunk := packed.read1(CHUNK):
            yield chunk


def _json(path: Path) -> Iterator[Row | Bad]:
    """An array of rows, or one object; the first character tells."""
    chunks = _chunks(path)
    head: list[bytes] = []
    start = b""
    try:
        for chunk in chunks:
            head.append(chunk)
            start = b"".join(head).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            if start:
                break
    except DAMAGE as error:
        return iter([Bad(str(path), reason(error), BytesIO(b"".join(head)))])
    read = json_array if start == b"[" else json_whole
    return read(chain(head, chunks), str(path)) if start else iter(())


def _parquet(path: Path) -> Iterator[Row | Bad]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "parquet") from error
    try:
        with parquet.ParquetFile(path) as file:
            index = 0
            for batch in file.iter_batches(batch_size=1024):
                for value in batch.to_pylist():
                    yield Row(without_nulls(value), f"{path}[{index}]")
                    index += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a readable parquet file ({error}); get it again") from error


def without_nulls(value: Any) -> Any:
    """Parquet fills absent fields with nulls: an absent and a null field are the same there. Lists
    keep their nulls."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(x) for x in value]
    return value


def _hub(name: str) -> Iterator[Row | Bad]:
    """Rows of a data set, streamed."""
    address, _, query = name.removeprefix("hf:").partition("?")
    options = {key: values[-1] for key, values in parse_qs(query).items()}
    if unknown := options.keys() - {"config", "split"}:
        raise ConfigError(
            f"{name}: no option is called {', '.join(sorted(unknown))}; there is config and split"
        )
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(f"reading {name} from the hub", "hub") from error
    if not offline() and (why := hub_unreachable()):
        raise ConfigError(
            f"{name} cannot be read, for the hub cannot be reached ({why}); give a file, or set"
            " HF_HUB_OFFLINE=1 to read what was downloaded before"
        )
    try:
        found = datasets.load_dataset(
            address, options.get("config"), split=options.get("split", "train"), streaming=True
        )
        for index, value in enumerate(found):
            yield Row(dict(value), f"{name}[{index}]")
    except (
        Exception
    ) as error:  # the hub's client raises dozens of kinds, its own and its HTTP library's
        raise ConfigError(
            f"{name} cannot be read from the hub ({type(error).__name__}: {error}); check its name,"
            " config and split, and the network; or download it and give the file"
        ) from error
