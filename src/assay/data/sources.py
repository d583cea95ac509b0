"""Where rows come from: files, folders of files, and data sets of the Hugging Face hub."""

import gzip
import json
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from assay.data import splits, tables
from assay.data.lines import DAMAGE, Bad, Row, json_array, json_lines, json_whole, reason
from assay.data.unread import why_not
from assay.errors import ConfigError, DataError, MissingExtra
from assay.http.reach import hub_unreachable, offline

__all__ = ["READ", "WRITTEN", "parts", "rows"]

WRITTEN: Final = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".parquet")
"""Kinds of files that can be written."""
PACKED: Final = ("", ".gz", ".zst")
KINDS: Final = (
    *(
        kind + packed
        for kind in (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
        for packed in PACKED
    ),
    ".parquet",
    ".arrow",
)
READ: Final = ".jsonl, .ndjson, .json, .csv or .tsv, as it is or in .gz or .zst; .parquet, .arrow"
"""Kinds of files that can be read."""
SUFFIX: Final = re.compile("({})$".format("|".join(map(re.escape, KINDS))), re.IGNORECASE)
SIDE: Final = frozenset(("dataset_dict.json", "dataset_info.json", "dataset_infos.json"))
"""What stands beside the data in folders of Hugging Face data sets."""
RESULTS = ("labels.jsonl", "kept.jsonl", "scores.jsonl")
"""Files of records in the folder of a run, beside what it keeps for itself."""
CHUNK = 2**20


def rows(source: str | Path) -> Iterator[Row | Bad]:
    """The rows of a source in order, good and bad. Raises as `parts` does."""
    return chain.from_iterable(part for _, part in parts(source))


def parts(source: str | Path, *, as_one: bool = False) -> list[tuple[str, Iterator[Row | Bad]]]:
    """Name and rows of each file that a source consists of.

    as_one: a folder is one set, whatever its files' names say of splits, such as a benchmark's.

    A source is a file (`READ`), a run's folder (its labels, kept solutions or scores), what
    `datasets` saved to disk, another folder (all its data files, sorted), a split of a folder or of
    a JSON object (`folder?split=test`), several (`folder?split=train+test`), or a data set of the
    hub: `hf:owner/name`, `hf:owner/name?config=main&split=test`, or `owner/name` where no such path
    exists. Raises `DataError` when there is no such thing or it holds several splits and none is
    chosen, `ConfigError` when the hub does not give it, `MissingExtra` for an absent reader.
    """
    path = Path(source)
    name = str(source)
    if name.startswith("hf:"):
        return [(name, _hub(name))]
    if (path / "run.json").is_file() and (result := _result(path)) is not None:
        return [(str(result), _file(result))]
    if path.is_dir():
        if not as_one:
            _check_one_split(path)
        return [(str(p), _file(p)) for p in _files(path)]
    if path.is_file():
        return [(name, _file(path))]
    whole, _, query = name.partition("?")
    if query and Path(whole).exists():
        chosen = splits.wanted(whole, query)
        if Path(whole).is_file():
            return [(name, _file(Path(whole), chosen))]
        return [(str(p), _file(p)) for p in _split(Path(whole), chosen)]
    if (
        isinstance(source, str)
        and re.fullmatch(r"[\w.-]+/[\w.-]+", name)
        and not name.lower().endswith(KINDS)
    ):
        return [(name, _hub(f"hf:{name}"))]
    if path.exists():
        raise DataError(
            f"{name} is a pipe or a device, which cannot be read twice; write it to a file first"
        )
    raise DataError(
        f"{name} does not exist; give a file, a folder, or hf:owner/name for a data set of the hub"
    )


def _files(folder: Path) -> list[Path]:
    """The data files of a folder, sorted; those that `datasets` saved, in their order."""
    if names := _saved(folder):
        return list(chain.from_iterable(_files(folder / name) for name in names))
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        saved = json.loads((folder / "state.json").read_text())["_data_files"]
        return [folder / entry["filename"] for entry in saved]
    found = sorted(p for p in folder.rglob("*") if _is_data(p, folder))
    if not found:
        raise DataError(f"{folder} holds no data files; there should be {READ}")
    return found


def _saved(folder: Path) -> list[str]:
    """The splits of a `DatasetDict` that `datasets` saved; none of another folder."""
    path = folder / "dataset_dict.json"
    return list(json.loads(path.read_text())["splits"]) if path.is_file() else []


def _check_one_split(folder: Path) -> None:
    """Refuse a folder whose files say that they are of several splits."""
    if names := _saved(folder):
        splits.check_one(str(folder), {name: name for name in names})
    else:
        every = (str(path.relative_to(folder)) for path in _files(folder))
        splits.check_one(str(folder), splits.by_path(every))


def _split(folder: Path, wanted: tuple[str, ...]) -> list[Path]:
    """The files of a folder that belong to splits."""
    if names := _saved(folder):  # Each by its whole name: train is not train_sft.
        if absent := next((name for name in wanted if name not in names), None):
            raise splits.missing(str(folder), absent, names)
        return list(chain.from_iterable(_files(folder / n) for n in names if n in wanted))
    every = _files(folder)
    within = [str(path.relative_to(folder)) for path in every]
    bare = [SUFFIX.sub("", path) for path in within]
    found: set[int] = set()
    for name in wanted:
        if not (there := {i for i, path in enumerate(bare) if splits.belongs(path, name)}):
            raise splits.missing(str(folder), name, within[:9])
        # A part's number, or a subject, may be in the names of train and test alike.
        if not splits.by_path([name]):
            splits.check_one(str(folder), splits.by_path(within[i] for i in sorted(there)))
        found |= there
    return [every[i] for i in sorted(found)]


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
    known = path.name.lower().endswith(KINDS) and path.name not in SIDE
    return known and not hidden and path.is_file()


def _file(path: Path, wanted: tuple[str, ...] = ()) -> Iterator[Row | Bad]:
    """The rows of a file. wanted: splits, which only one JSON object has."""
    name = str(path)
    kind = next((kind for kind in KINDS if name.lower().endswith(kind)), "")
    if said := why_not(path, kind):
        raise DataError(f"{path} is {said}; what is read is {READ}")
    if wanted and not re.fullmatch(r"\.json(\.\w+)?", kind):
        raise splits.missing(name, wanted[0], ())
    if kind == ".parquet":
        return tables.parquet(path)
    if kind == ".arrow":
        return tables.arrow(path)
    if kind.startswith((".jsonl", ".ndjson")):
        return json_lines(_chunks(path), name)
    if kind.startswith(".json"):
        return _json(path, wanted)
    if kind.startswith((".csv", ".tsv")):
        return tables.separated(_chunks(path), name, "\t" if kind.startswith(".tsv") else ",")
    raise DataError(f"{path} has no known suffix; there is {READ}")


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed."""
    packed = path.suffix.lower()
    if packed == ".zst":
        yield from _zstandard(path)
    elif packed == ".gz":
        with gzip.open(path, "rb") as file:
            # read1 returns what it has before it raises, so nothing before a break is lost.
            while chunk := file.read1(CHUNK):
                yield chunk
    else:
        with path.open("rb") as plain:
            while chunk := plain.read(CHUNK):
                yield chunk


def _zstandard(path: Path) -> Iterator[bytes]:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "parquet") from error
    with pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _json(path: Path, wanted: tuple[str, ...]) -> Iterator[Row | Bad]:
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
    if start == b"[" and wanted:
        raise splits.missing(str(path), wanted[0], ())
    if start == b"[":
        return json_array(chain(head, chunks), str(path))
    return json_whole(chain(head, chunks), str(path), wanted) if start else iter(())


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
            yield Row(tables.values(value, nulls=True), f"{name}[{index}]")
    except (
        Exception
    ) as error:  # the hub's client raises dozens of kinds, its own and its HTTP library's
        raise ConfigError(
            f"{name} cannot be read from the hub ({type(error).__name__}: {error}); check its name,"
            " config and split, and the network; or download it and give the file"
        ) from error
