"""Score the responses of a file, or open a scorer to ask oneself."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from assay.data.records import as_group
from assay.errors import ConfigError, DataError
from assay.files import whole
from assay.fingerprint import fingerprint
from assay.protocols import Scorer, Verifier
from assay.runs.outputs import check_file
from assay.runs.settings import write_atomic
from assay.scorers.texts import TextScorer
from assay.scorers.verifier import unstated
from assay.specs.compute import Weights, dtype_of
from assay.stats import Estimate, mean, summarise
from assay.types import Group, Score, Unscored
from assay.workflows._data import Data, named
from assay.workflows._executor import SpreadScorer, asked, spread
from assay.workflows._folder import opened
from assay.workflows._output import described, estimate_json
from assay.workflows._together import Asking, on_processes

__all__ = ["Scores", "identity", "in_parts", "load_scorer", "open_scorer", "score", "scorer_at"]

REASONS: Final = 5
"""Most frequent reasons shown of unscored responses."""
SCORES: Final = "scores.jsonl"


def load_scorer(
    scorer: str | Scorer,
    *,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
) -> TextScorer:
    """Open a scorer by its word: a reward model's folder, a published model's name, a verifier, a
    baseline, an ensemble, or `package.module:name`.

    The result is a `Scorer` that also scores plain texts: `load_scorer("runs/rm").score_texts("What
    is 12 * 3?", ["36", "38"])`. device, dtype, weights and micro_tokens are a local model's. Raises
    `ConfigError` where the word names nothing.
    """
    return TextScorer(open_scorer(scorer, device, dtype, weights, micro_tokens))


def open_scorer(
    scorer: str | Scorer,
    device: str,
    dtype: str | None,
    weights: Weights,
    micro_tokens: int,
    verifier: Verifier | None = None,
) -> Scorer:
    """Open a word; an object is returned as it is. verifier: what the word "verifier" names."""
    from assay.specs.scorers import scorer as scorer_of

    return scorer_of(
        scorer,
        device=device,
        dtype=dtype,
        weights=weights,
        micro_tokens=micro_tokens,
        verifier=verifier,
    )


@contextmanager
def scorer_at(
    executor: str,
    scorer: str | Scorer,
    device: str,
    dtype: str | None,
    weights: Weights,
    micro_tokens: int,
) -> Iterator[Scorer]:
    """Open a word here, or in the actors of an executor (see `_executor.spread`)."""
    make = partial(open_scorer, scorer, device, dtype, weights, micro_tokens)
    with spread(executor, make) as actors:
        yield make() if actors is None else SpreadScorer(actors)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of every response of some data."""

    mean: Estimate
    """Mean score, its interval by prompt."""
    scored: int
    """Responses with a score."""
    unscored: Mapping[str, int]
    """Responses without one, by the reason."""
    set_aside: int = 0
    """Malformed rows that were set aside."""
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    """One row per response, in order, with its `value` (and `steps`) or why it is `unscored`."""
    file: Path | None = None
    """File of the rows, where one was written."""
    notes: Sequence[str] = ()
    """What a reader has to know of what was scored in this call."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "mean": estimate_json(self.mean),
            "scored": self.scored,
            "unscored": dict(self.unscored),
            "set_aside": self.set_aside,
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    def __str__(self) -> str:
        """Count the responses, by what became of them."""
        where = "" if self.file is None else f"{self.file}: "
        lines = [f"{where}{self.scored} responses scored, {sum(self.unscored.values())} unscored"]
        if self.scored:
            lines.append(f"  mean score {summarise(self.mean)}")
        if self.set_aside:
            lines.append(f"  {self.set_aside} rows are malformed and set aside")
        ordered = sorted(self.unscored.items(), key=lambda item: -item[1])
        lines += [f"  {count} unscored: {reason}" for reason, count in ordered[:REASONS]]
        if self.file is not None and self.rows and not any(map(_named, self.rows)):
            lines.append(
                "  its rows name prompts by a hash alone, for the data has no ids; --texts adds the"
                " texts of prompts and responses"
            )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def score(
    data: Data,
    scorer: str | Scorer,
    *,
    out: str | Path | None = None,
    texts: bool = False,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    micro_tokens: int = 8192,
    dtype: str | None = "auto",
    weights: Weights = "saved",
    device: str = "auto",
    chunk: int = 256,
    executor: str = "local",
    overwrite: bool = False,
    settings: object = None,
) -> Scores:
    """Score every response of a data file, or of records, with any scorer.

    data: preferences, rankings, groups or step labels. scorer: a word (see `load_scorer`) or an
    object. out: folder of the run, which then holds scores.jsonl and run.json, or a file by its
    ending .jsonl; a run that was stopped resumes where it was. texts: write the texts of prompts
    and responses as well, so that the file is a pool. set_aside: file for malformed rows; True is
    one beside the scores. chunk: groups scored and written at once. executor: "local", or
    "ray" or "ray:ADDRESS" for a cluster (docs/explain/scale.md). settings: what `run.json` holds;
    None is this call. Under torchrun the matrices of a reward model lie in parts on its processes;
    rank 0 writes, and others return its result without rows.

    Raises `DataError` where records hold no responses, `ConfigError` where `out` cannot be written
    or holds other scores.
    """
    body = settings or described("score", **locals())
    if chunk < 1:
        raise ConfigError(f"chunk is {chunk}; it must be at least 1")
    folder, file = _place(out)
    bad = _aside(set_aside, file)
    inputs = named(data, scorer)
    for path in filter(None, (file, bad)):
        check_file(path, inputs)
    given = data if isinstance(data, (str, Path)) else list(data)
    make = partial(open_scorer, scorer, dtype=dtype, weights=weights, micro_tokens=micro_tokens)

    def work(place: str, asking: Asking) -> Scores:
        with (
            opened(folder, body, "score", data=named(data), overwrite=overwrite) as run,
            scorer_at(executor, scorer, place, dtype, weights, micro_tokens) as by,
            asking(by),
        ):
            source = _Source(given, format, bad)
            if file is None:
                some = _rows(by, source.groups(), chunk, texts)
                rows = [*chain.from_iterable(part for _, part in some)]
                return _result(rows, source.malformed, None, unstated(by))
            aside = bad is not None
            of = identity(by, given, format, dtype, device, set_aside=aside, texts=texts)
            _write(by, source.groups(), file if run is None else run.path(SCORES), of, chunk, texts)
        rows = [json.loads(line) for line in file.read_bytes().splitlines()]
        return _result(rows, source.malformed, file, unstated(by))

    return on_processes(
        device, executor, lambda place: make(device=place), work, lambda r: replace(r, rows=())
    )


def in_parts(
    scorer: Scorer,
    groups: Sequence[Group],
    size: int = 256,
    kept: Path | None = None,
    *,
    every_step: bool = False,
) -> list[list[Score | Unscored]]:
    """Score groups some at a time, showing progress on standard error.

    kept: journal of what actors score. every_step: refuse a scorer that does not score the steps of
    a response as soon as one shows it; the first group is asked alone, for the others may cost
    much. Raises `DataError` then.
    """
    from assay.console.progress import progress

    scores: list[list[Score | Unscored]] = []
    alone = 1 if every_step else 0
    parts = (asked(scorer, some, size, kept) for some in (groups[:alone], groups[alone:]) if some)
    with progress("score", len(groups)) as show:
        for some, rows in chain.from_iterable(parts):
            if every_step:
                _check_steps(some, rows)
            scores += rows
            show(len(scores), "")
    return scores


def _check_steps(groups: Sequence[Group], rows: Sequence[Sequence[Score | Unscored]]) -> None:
    """Raise `DataError` where a response has a score, and not one for each of its steps."""
    for group, row in zip(groups, rows, strict=True):
        for response, score in zip(group.responses, row, strict=True):
            if isinstance(score, Score) and len(score.steps) != len(response.steps):
                raise DataError(
                    f"a response to {group.prompt.text[:40]!r} has {len(score.steps)} step scores"
                    f" for {len(response.steps)} steps, and steps are measured here; use a scorer"
                    " that scores every step, such as a process model or steps:ANSWERER"
                )


class _Source:
    """Data of the scores, read anew each time."""

    def __init__(self, data: Data, format: str | None, bad: Path | None):
        from assay.data import io

        self.named = isinstance(data, (str, Path))
        if bad is not None and not self.named:
            raise ConfigError("records in memory have no malformed rows; leave out set_aside")
        self._data = data if isinstance(data, (str, Path)) else [*data]
        self._format, self._bad, self._counts = format, bad, io.Counts()

    @property
    def malformed(self) -> int:
        """Malformed rows read so far."""
        return self._counts.bad

    def groups(self) -> Iterator[Group]:
        """Read the records as groups."""
        from assay.data import io

        if not isinstance(self._data, (str, Path)):
            return map(as_group, self._data)
        if self._bad is not None:
            # A run that resumes reads the data again from the start.
            self._bad.unlink(missing_ok=True)
            self._bad.parent.mkdir(parents=True, exist_ok=True)
        read = io.read(
            str(self._data), format=self._format, set_aside=self._bad, counts=self._counts
        )
        return map(as_group, read)


def identity(
    scorer: Scorer,
    data: Data,
    format: str | None,
    dtype: str | None,
    device: str,
    *,
    set_aside: bool = False,
    texts: bool = False,
) -> dict[str, Any]:
    """Name everything that a file of scores depends on: a run resumes its own file only."""
    if not isinstance(data, (str, Path)):
        source = fingerprint(tuple(record.model_dump_json() for record in data))
    else:
        source = fingerprint(Path(data)) if whole(Path(data)).exists() else str(data)
    settings: list[Any] = [format, dtype_of(dtype), device, set_aside]
    if texts:
        settings.append("texts")
    return {"model": fingerprint(scorer), "data": source, "settings": settings}


def _place(out: str | Path | None) -> tuple[Path | None, Path | None]:
    """The run's folder and the file of scores; a name that ends in .jsonl is a file by itself."""
    if out is None:
        return None, None
    path = Path(out)
    if path.suffix == ".jsonl":
        return None, path
    return path, path / SCORES


def _aside(set_aside: str | Path | bool | None, file: Path | None) -> Path | None:
    """The file for malformed rows."""
    if set_aside is None or set_aside is False:
        return None
    if set_aside is not True:
        return Path(set_aside)
    if file is None:
        raise ConfigError("set_aside is True, and nothing is written; give out, or a file")
    return file.with_name(f"{file.name}.set_aside")


def _named(row: Mapping[str, Any]) -> bool:
    """Return whether a reader can tell what a row is of: by an id, or by texts, beside an index."""
    return bool(row["id"]) or "index" in row


def _result(
    rows: Sequence[Mapping[str, Any]], set_aside: int, file: Path | None, notes: Sequence[str]
) -> Scores:
    """Summarise the rows."""
    there = [row for row in rows if "value" in row]
    unscored = Counter(row["unscored"] for row in rows if "value" not in row)
    clusters = [row["prompt"] for row in there]
    return Scores(
        mean=mean([row["value"] for row in there], clusters=clusters, unscored=unscored.total()),
        scored=len(there),
        unscored=dict(unscored),
        set_aside=set_aside,
        rows=rows,
        file=file,
        notes=notes,
    )


def _rows(
    scorer: Scorer,
    groups: Iterator[Group],
    chunk: int,
    texts: bool,
    first: int = 0,
    kept: Path | None = None,
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield one row per response, of some groups at a time, after how many groups there are by
    then. first: number of the first group."""
    number = first
    for some, scores in asked(scorer, groups, chunk, kept):
        rows = []
        for group, row in zip(some, scores, strict=True):
            rows += [_row(group, number, j, one, texts) for j, one in enumerate(row)]
            number += 1
        yield number, rows


def _write(
    scorer: Scorer,
    groups: Iterator[Group],
    out: Path,
    of: Mapping[str, Any],
    chunk: int,
    texts: bool,
) -> None:
    """Write a row per response; the file appears when all are there. of: what they depend on."""
    from assay.console.progress import progress

    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    note, kept = part.with_name(f"{part.name}.json"), part.with_name(f"{part.name}.kept")
    counts: Counter[str] = Counter()
    done = _resume(part, note, counts, of)
    for _ in islice(groups, done):
        pass
    with part.open("ab") as file, progress("score", None, start=counts.total()) as show:
        for total, rows in _rows(scorer, groups, chunk, texts, done, kept):
            counts.update(row.get("unscored", "") for row in rows)
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
            file.flush()
            known = {"of": of, "groups": total, "bytes": file.tell(), "counts": counts}
            write_atomic(note, json.dumps(known))
            show(counts.total(), f"{counts.total() - counts['']} unscored")
    part.replace(out)
    for left in (note, kept):
        left.unlink(missing_ok=True)


def _resume(part: Path, note: Path, counts: Counter[str], of: Mapping[str, Any]) -> int:
    """Cut the partial output to what is known to be whole; return how many groups it holds."""
    if not (part.is_file() and note.is_file()):
        part.unlink(missing_ok=True)
        return 0
    known = json.loads(note.read_text())
    different = [name for name, value in of.items() if known["of"].get(name) != value]
    if different:
        raise ConfigError(
            f"{part} is of other {', '.join(different)}; delete it, or give another --out"
        )
    with part.open("r+b") as file:
        file.truncate(known["bytes"])
    counts.update(known["counts"])
    return int(known["groups"])


def _row(group: Group, i: int, j: int, score: Score | Unscored, texts: bool) -> dict[str, Any]:
    """The row of response j to prompt i. With texts it is a row of a pool."""
    row: dict[str, Any] = {"id": group.prompt.id}
    if texts:
        row |= {"prompt": group.prompt.text, "response": group.responses[j].text}
        if group.prompt.reference is not None:
            row["reference"] = group.prompt.reference
        row |= {"group": i, "index": j}
    else:
        text = hashlib.sha256(group.prompt.text.encode()).hexdigest()[:16]
        row |= {"prompt": text, "group": i, "response": j}
    if isinstance(score, Unscored):
        return row | {"unscored": score.reason}
    row["value"] = score.value
    # One step whose score is the response's says nothing more.
    return row | {"steps": score.steps} if score.steps not in ((), (score.value,)) else row
