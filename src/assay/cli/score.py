"""`assay score MODEL DATA`: a line of JSON a response."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.runs.outputs import check_file
from assay.runs.settings import write_atomic
from assay.specs.compute import Compute, dtype_of
from assay.specs.scorers import KINDS, scorer
from assay.types import Group, Record, Score, StepLabels, Unscored

if TYPE_CHECKING:
    from assay.protocols import Scorer

__all__ = ["Command"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Compute):
    """Score every response of a data file with a reward model.

    Each line of the output holds the prompt's id and hash, the group's and the response's index,
    and either `value` (with `steps` where there are several) or `unscored`, the reason. A run that
    was stopped goes on where it was.
    """

    model: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="SCORER", help=f"The scorer: {KINDS}.")
    ]

    data: tyro.conf.Positional[str]
    """File, folder or Hugging Face data set of preferences, rankings, groups or step labels."""

    out: Path
    """Where the scores go, as JSONL; it appears when all are there."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: bool = False
    """Put malformed rows into a file beside `out`, named like it with `.set_aside`, instead of
    stopping."""

    chunk: int = 256
    """Groups scored and written at once."""

    def __call__(self) -> None:
        """Score, and say how many could not be."""
        from assay.data import io

        bad = self.out.with_name(f"{self.out.name}.set_aside") if self.set_aside else None
        for path in (self.out, *([] if bad is None else [bad])):
            check_file(path, [self.data, self.model])
        if self.chunk < 1:
            raise ConfigError(f"chunk is {self.chunk}; it must be at least 1")
        found = scorer(
            self.model, device=self.device, dtype=self.dtype, micro_tokens=self.micro_tokens
        )
        if bad is not None:
            # A run that goes on reads the data again from the start.
            bad.unlink(missing_ok=True)
            bad.parent.mkdir(parents=True, exist_ok=True)
        read = io.Counts()
        counts = self._write(
            found, map(_group, io.read(self.data, format=self.format, set_aside=bad, counts=read))
        )
        unscored = {reason: n for reason, n in counts.items() if reason}
        print(f"{self.out}: {counts['']} responses scored, {sum(unscored.values())} unscored")
        if read.bad:
            print(f"  {read.bad} of {read.rows} rows are malformed and set aside in {bad}")
        for reason, n in sorted(unscored.items(), key=lambda item: -item[1])[:5]:
            print(f"  {n} unscored: {reason}")

    def _write(self, scorer: "Scorer", groups: Iterator[Group]) -> Counter[str]:
        """Write a line a response; counts by reason, "" for those that are scored."""
        from assay.console.progress import progress

        self.out.parent.mkdir(parents=True, exist_ok=True)
        part = self.out.with_name(f".{self.out.name}.part")
        note = part.with_name(f"{part.name}.json")
        counts: Counter[str] = Counter()
        of = self._of(scorer)
        done = self._resume(part, note, counts, of)
        for _ in islice(groups, done):
            pass
        with part.open("ab") as file, progress("score", None, start=counts.total()) as show:
            while chunk := list(islice(groups, self.chunk)):
                lines = []
                for group, scores in zip(chunk, scorer.score(chunk), strict=True):
                    lines += [_line(group, done, j, score) for j, score in enumerate(scores)]
                    counts.update(s.reason if isinstance(s, Unscored) else "" for s in scores)
                    done += 1
                file.write("".join(lines).encode())
                file.flush()
                write_atomic(
                    note,
                    json.dumps({"of": of, "groups": done, "bytes": file.tell(), "counts": counts}),
                )
                show(counts.total(), f"{counts.total() - counts['']} unscored")
        part.replace(self.out)
        note.unlink(missing_ok=True)
        return counts

    def _resume(self, part: Path, note: Path, counts: Counter[str], of: Mapping[str, Any]) -> int:
        """Cut the partial output to what is known to be whole; how many groups it holds."""
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

    def _of(self, scorer: "Scorer") -> dict[str, Any]:
        """What the scores depend on, and where they stand in the file."""
        return {
            "model": fingerprint(scorer),
            "data": fingerprint(data) if (data := Path(self.data)).exists() else self.data,
            "settings": [self.format, dtype_of(self.dtype), self.device, self.set_aside],
        }


def _group(record: Record) -> Group:
    if isinstance(record, Group):
        return record
    if isinstance(record, StepLabels):
        return Group(prompt=record.prompt, responses=(record.response,))
    raise DataError(
        f"a {type(record).__name__} record holds no responses to score; give preferences, rankings"
        " or groups"
    )


def _line(group: Group, i: int, j: int, score: Score | Unscored) -> str:
    text = hashlib.sha256(group.prompt.text.encode()).hexdigest()[:16]
    row: dict[str, Any] = {"id": group.prompt.id, "prompt": text, "group": i, "response": j}
    if isinstance(score, Unscored):
        row["unscored"] = score.reason
    else:
        row["value"] = score.value
        if len(score.steps) > 1:
            row["steps"] = score.steps
    return json.dumps(row) + "\n"
