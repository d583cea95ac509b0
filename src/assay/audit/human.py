"""What people say of responses or pairs: labels to hold a judge against."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from assay.data import conversations, fields, io, sources
from assay.data.lines import Bad, Row
from assay.data.records import cluster_key, digest
from assay.errors import DataError
from assay.types import Group, Preference, Prompt, Ranking, Record, Response, StepLabels

__all__ = ["Case", "Label", "cases_of", "read_labels"]

COLUMNS: Final = ("verdict", "verdicts")
PAIR: Final = {"first": 1.0, "a": 1.0, "second": 0.0, "b": 0.0, "tie": 0.5}
POINT: Final = {"yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class Label:
    """What people say of a response, or of which of two is better."""

    votes: tuple[float, ...]
    """1 for yes, or for the first of two; 0 for no, or for the second; 0.5 for a tie."""
    place: int = 0
    """Of the response in its group; 0 of a pair."""
    criterion: str = ""
    """Id of a rubric's criterion; empty = the response as a whole."""
    subset: str = ""
    probability: float | None = None
    """With which it was selected; None = as all others."""

    @property
    def human(self) -> bool | None:
        """What most votes say; None where they are split, or tie."""
        mean = sum(self.votes) / len(self.votes) if self.votes else 0.5
        return None if mean == 0.5 else mean > 0.5


@dataclass(frozen=True)
class Case:
    """What a judge is asked at once, a pair or the responses to a prompt, with its labels."""

    group: Group
    labels: tuple[Label, ...] = field(repr=False)
    pair: bool = False

    @property
    def key(self) -> str:
        """What is resampled together."""
        return cluster_key(self.group)


@dataclass
class _Cases:
    """Labels as they are read, by prompt, response and criterion."""

    pairs: bool | None = None
    prompts: dict[str, tuple[Prompt, dict[Any, Response]]] = field(default_factory=dict)
    labels: dict[tuple[Any, ...], Label] = field(default_factory=dict)
    raters: set[tuple[Any, ...]] = field(default_factory=set)

    def add(
        self, prompt: Prompt, responses: tuple[Response, ...], label: Label, rater: object = None
    ) -> None:
        """Take a label. Raises `DataError` where it contradicts another one."""
        pair = len(responses) == 2
        if self.pairs not in (None, pair):
            raise DataError("some labels are of pairs and others of single responses; gate each"
                            " kind by itself")  # fmt: skip
        self.pairs = pair
        if pair and digest(prompt.text, responses[1].text) < digest(prompt.text, responses[0].text):
            # Files have the chosen one first: a judge of the first place would always agree.
            responses = responses[::-1]
            label = replace(label, votes=tuple(1 - vote for vote in label.votes))
        key = prompt.model_dump_json(exclude={"id"})
        if pair:
            key += repr([one.steps for one in responses])
        _, there = self.prompts.setdefault(key, (prompt, {}))
        for place, one in enumerate(responses):
            there.setdefault((one.steps, one.turns, place if pair else 0), one)
        place = 0 if pair else [*there].index((responses[0].steps, responses[0].turns, 0))
        name = (key, place, label.criterion)
        if rater is not None and (*name, repr(rater)) in self.raters:
            raise DataError(f"rater {rater!r} labels one item twice; keep one of the two labels")
        self.raters.add((*name, repr(rater)))
        before = self.labels.get(name)
        if before and (before.subset, before.probability) != (label.subset, label.probability):
            raise DataError("two labels of one item differ in subset or probability")
        votes = (*(before.votes if before else ()), *label.votes)
        self.labels[name] = Label(votes, place, label.criterion, label.subset, label.probability)

    def cases(self) -> list[Case]:
        """Return what is labelled, prompt by prompt."""
        by_key: dict[str, list[Label]] = {}
        for (key, *_), label in self.labels.items():
            by_key.setdefault(key, []).append(label)
        return [
            Case(
                Group(prompt=prompt, responses=tuple(there.values())),
                tuple(by_key[key]),
                bool(self.pairs),
            )
            for key, (prompt, there) in self.prompts.items()
        ]


def cases_of(labels: Iterable[tuple[Prompt, tuple[Response, ...], Label, str]]) -> list[Case]:
    """Join labels of one item by several raters: prompt, one response or two, label and rater each.

    Raises `DataError` for contradictions.
    """
    found = _Cases()
    for prompt, responses, label, rater in labels:
        found.add(prompt, responses, label, rater)
    return found.cases()


def read_labels(data: str | Path | Iterable[Record], *, format: str | None = None) -> list[Case]:
    """Read labels: rows of {prompt, response or responses, verdict or verdicts, rater?, criterion?,
    subset?, probability?}, or any records with labels.

    verdict: yes or no (true, false, 1, 0) of a response; first, second or tie of two responses;
    null where the rater cannot say. Several rows of one item are several raters. probability: with
    which the item was selected, of all rows or of none. Of records, preferences say which is
    better, step labels what the last step's label says, and grades of 0 to 1 are labels. Which of a
    pair stands first is drawn by a hash of its texts.

    Raises `DataError`, with file and line, for rows that are neither, and for contradictions.
    """
    found = _Cases()
    if isinstance(data, (str, Path)):
        rows = sources.rows(data)
        first = next(rows, None)
        if format is None and isinstance(first, Row) and not first.value.keys().isdisjoint(COLUMNS):
            for row in chain([first], rows):
                _take(found, row)
        else:
            data = io.read(data, format=format)
    if not isinstance(data, (str, Path)):
        for record in data:
            for prompt, responses, label in _labelled(record):
                found.add(prompt, responses, label)
    labels = [*found.labels.values()]
    if not labels:
        raise DataError(
            "there are no labels; give rows of prompt, response and verdict, or records with labels"
        )
    if len({label.probability is None for label in labels}) > 1:
        raise DataError("some rows have a selection probability and others have none; give it to"
                        " all, 1 where an item was certain to be taken")  # fmt: skip
    return found.cases()


def _take(found: _Cases, row: Row | Bad) -> None:
    if isinstance(row, Bad):
        with row.raw:
            raise DataError(f"{row.where}: {row.error}")
    try:
        found.add(*_row(row.value), rater=row.value.get("rater"))
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error


def _row(row: Mapping[str, Any]) -> tuple[Prompt, tuple[Response, ...], Label]:
    turns, row = conversations.asked(row, "prompt")
    given = row["responses"] if "responses" in row else [fields.value(row, "response")]
    if not isinstance(given, list) or ("responses" in row and len(given) != 2):
        raise fields.wrong("responses", "two responses, or one in `response`", given)
    responses = tuple(conversations.reply(one, turns, "response") for one in given)
    known = {key: row[key] for key in ("id", "reference", "rubric", "tools") if key in row}
    words = PAIR if len(responses) == 2 else POINT
    said = row["verdicts"] if "verdicts" in row else [fields.value(row, "verdict")]
    if not isinstance(said, list):
        raise fields.wrong("verdicts", "a list", said)
    votes = tuple(_vote(one, words) for one in said if one is not None)
    share = row.get("probability")
    if share is not None and not 0 < (share := fields.share(share, "probability")) <= 1:
        raise fields.wrong("probability", "a number above 0, to 1", share)
    criterion, subset = (str(row.get(key) or "") for key in ("criterion", "subset"))
    label = Label(votes, 0, criterion, subset, share)
    return fields.prompt(turns, known), responses, label


def _vote(said: object, words: Mapping[str, float]) -> float:
    if isinstance(said, str) and said.lower() in words:
        return words[said.lower()]
    if isinstance(said, str) or words is PAIR:
        raise fields.wrong("verdict", " or ".join(words), said)
    return fields.yes_no(said, "verdict")


def _labelled(record: Record) -> Iterator[tuple[Prompt, tuple[Response, ...], Label]]:
    """Labels of a record; none of one without."""
    if isinstance(record, Preference):
        yield record.prompt, record.responses, Label((record.prefer,))
    elif isinstance(record, StepLabels):
        # Votes of several raters, where the layout keeps them.
        kept = record.prompt.meta.get("binary_labels")
        votes = tuple(map(float, kept)) if isinstance(kept, list) else ()
        last = record.labels[-1] if record.labels else None
        if last is not None:
            yield record.prompt, (record.response,), Label(votes or (last,))
    elif isinstance(record, Ranking):
        if not all(0 <= grade <= 1 for grade in record.grades):
            raise DataError(
                f"grades of {record.prompt.id or record.prompt.text[:60]!r} are not from 0 to 1, so"
                " they are no yes or no; give rows with a verdict"
            )
        for response, grade in zip(record.responses, record.grades, strict=True):
            yield record.prompt, (response,), Label((grade,))
