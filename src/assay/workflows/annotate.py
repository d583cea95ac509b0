"""Let people label: make a project of a pool, or open one."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from assay.annotate import imports
from assay.annotate.choosing import prepared
from assay.annotate.imports import Auto, Scores
from assay.annotate.records import Annotator, Project, Role
from assay.annotate.schema import NoStore
from assay.annotate.store import Store
from assay.annotate.tasks import StepMode, Task
from assay.data import sources
from assay.data.decisions import is_typed, read_decisions
from assay.data.fields import explain
from assay.data.lines import Row
from assay.data.records import as_group
from assay.data.rubrics import read_rubric
from assay.errors import ConfigError, DataError
from assay.questions import Question
from assay.scorers.non_empty import Answered
from assay.specs.compute import Weights
from assay.specs.generators import splitter
from assay.types import Record
from assay.workflows._data import Data, aside_in, read
from assay.workflows.annotate_gate import gate_tasks

__all__ = ["Annotation", "Choose", "annotate", "invite", "open_store", "records_of", "store_at"]

STORE: Final = "labels.db"
LINKS: Final = "links.txt"
CHUNK: Final = 32
"""Prompts scored at once."""
Choose = Literal["order", "random", "disagreement", "convincing", "information"]
Scorers = Sequence[str] | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A project that people can label."""

    store: Store = field(repr=False)
    where: str
    """Folder, file or URL of the store."""
    tokens: Mapping[str, str] = field(repr=False)
    """Secrets of invitation links that are known here, by name; the store keeps their hashes."""
    tasks: int
    added: int
    """Tasks that are new."""
    notes: Sequence[str] = ()
    """What of the pool is no task."""

    def __str__(self) -> str:
        """What there is to label, and how far it is."""
        done = self.store.progress().done
        new = f", {self.added} of them new" if 0 < self.added < self.tasks else ""
        words = f"{self.where}: {_of(self.tasks, 'task')}{new}, {_of(done, 'label')}"
        return "; ".join([words, *self.notes])


def _of(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def annotate(
    pool: Data | None = None,
    *,
    out: str | Path | None = None,
    store: str | Path | None = None,
    kind: Auto = "auto",
    questions: Sequence[str | Question] = (),
    rubric: str | Path | None = None,
    mode: StepMode = "every-step",
    split: str | None = None,
    gold: Data | None = None,
    gold_share: float | None = None,
    per_item: int = 1,
    choose: Choose = "order",
    scorers: Scorers = (),
    rollouts: Data | None = None,
    judge: str | None = None,
    gate: int = 50,
    show_evidence: bool = False,
    show_reference: bool = False,
    annotators: int = 0,
    title: str = "",
    instructions: str = "",
    limit: int | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    device: str = "auto",
    dtype: str | None = "auto",
    weights: Weights = "saved",
    micro_tokens: int = 8192,
    seed: int = 0,
) -> Annotation:
    """Make a project of a pool, or open the one that is there and add what is new in the pool.

    pool: any records, or rows of typed questions; None opens a project. out: folder, for labels.db
    and links.txt; store: a file, or a URL of PostgreSQL, instead. kind, mode, split: as in
    `annotate.imports.tasks_of`. questions: predicates as texts, or questions, asked of every
    response; rubric: a file, whose criteria are asked. gold: records whose labels are known, mixed
    in as `gold_share` (a tenth) of what is given. per_item: labels by different people. choose:
    what is labelled next (`annotate.choosing`); scorers: whose scores that needs. rollouts: step
    labels by rollouts, beside the steps with show_evidence. judge: a judge's word, for which `gate`
    blind labels are collected. annotators: how many to invite besides the admin. Raises
    `ConfigError` where there is no pool and no project, or one with other settings.
    """
    place = _place(pool, out, store)
    there = _is_there(place)
    if pool is None and not there:
        raise ConfigError(f"{place}: there is no project to open; give a pool of records")
    if annotators < 0:
        raise ConfigError(f"annotators is {annotators}; it must be 0 or more")
    project = _project(
        title=title or _title(pool),
        instructions=_text_of(instructions),
        labels_per_item=per_item,
        gold_share=(0.1 if gold is not None else 0.0) if gold_share is None else gold_share,
        blind=not show_evidence,
        references=show_reference,
        choose=choose,
        judge=judge or "",
        seed=seed,
    )
    tasks, notes = list[Task](), list[str]()
    if pool is not None:
        compute: Any = {"device": device, "dtype": dtype, "weights": weights}
        compute["micro_tokens"] = micro_tokens
        records = records_of(pool, format, _aside(set_aside, place))[:limit]
        asked = _questions(questions, rubric)
        how: Any = {"kind": kind, "questions": asked, "mode": mode, "reference": show_reference}
        cut = None if split is None else splitter(split)
        make: Any = partial(imports.tasks_of, split=cut, seed=seed, **how)
        if not judge:
            make = partial(make, rollouts=imports.by_texts([*records, *records_of(rollouts)]))
            new = _unknown(records, make, place) if there and scorers else records
            tasks = _scored(new, make, scorers, compute)
        elif not there:
            # Once: the judge's verdicts choose the items, and may have been paid for.
            tasks = gate_tasks(records, judge, gate, questions=asked, seed=seed, **compute)
        right = chain.from_iterable(make(record, gold=True) for record in records_of(gold))
        tasks, notes = _distinct([*right, *tasks])
        tasks = prepared(project, tasks)
    opened, added = _opened(place, there, project, tasks, fresh=pool is not None)
    where = place.parent if isinstance(place, Path) and store is None else opened.where
    return Annotation(
        store=opened, where=str(where), tokens=_invited(opened, place, annotators),
        tasks=len(opened.known()), added=added, notes=notes,
    )  # fmt: skip


def _project(**settings: Any) -> Project:
    """The project of some settings. Raises `ConfigError` for one that cannot be."""
    try:
        return Project(**settings)
    except ValidationError as error:
        raise ConfigError(f"{explain(error)}; give another value") from error


def _title(pool: Data | None) -> str:
    return f"Labels for {Path(pool).name}" if isinstance(pool, (str, Path)) else "Labels"


def _aside(set_aside: str | Path | bool | None, place: str | Path) -> Path | None:
    return aside_in(set_aside, place.parent if isinstance(place, Path) else None)


def _scored(
    records: Sequence[Record],
    make: Callable[..., list[Task]],
    scorers: Scorers,
    compute: Mapping[str, Any],
) -> list[Task]:
    """The tasks of records, with what each scorer says of their responses."""
    rows = zip(records, _scores(records, scorers, compute), strict=True)
    return [task for record, scores in rows for task in make(record, scores=scores)]


def _unknown(
    records: Sequence[Record], make: Callable[..., list[Task]], place: str | Path
) -> list[Record]:
    """Records that a store has not all tasks of: others were scored before."""
    store = Store.open(place)
    known = store.known()
    store.close()
    return [one for one in records if not known.issuperset(task.id for task in make(one))]


def _distinct(tasks: Sequence[Task]) -> tuple[list[Task], list[str]]:
    """Leave out what cannot be marked and what looks like an earlier task; say how much.

    Gold comes first: what is gold and in the pool as well is gold.
    """
    there = [task for task in tasks if task.kind != "steps" or task.responses[0].text.strip()]
    found: dict[str, Task] = {}
    for task in there:
        found.setdefault(task.id, task)
    notes = []
    if empty := len(tasks) - len(there):
        notes.append(f"{empty} responses without text are left out")
    if same := len(there) - len(found):
        notes.append(f"{same} look like others and are asked once")
    return [*found.values()], notes


def _text_of(instructions: str) -> str:
    """A text, or that of a Markdown file."""
    if instructions.endswith(".md"):
        return Path(instructions).read_text("utf-8")
    return instructions


def _place(pool: object, out: str | Path | None, store: str | Path | None) -> str | Path:
    if out is not None and store is not None:
        raise ConfigError("give out, a folder, or store, a file or URL; not both")
    if store is not None:
        return store_at(store)
    if out is None:
        name = Path(pool).name.partition(".")[0] if isinstance(pool, (str, Path)) else ""
        if not name:
            raise ConfigError("give out, a folder for the project, or store, a file or URL")
        out = Path("runs") / f"annotate-{name}"
    return Path(out) / STORE


def store_at(where: str | Path) -> str | Path:
    """Return the store that a folder, a file or a URL means."""
    if "://" in str(where):
        return str(where)
    path = Path(where)
    return path / STORE if path.is_dir() else path


def open_store(where: str | Path) -> Store:
    """Open the store of a folder, a file or a URL. Raises `DataError` where there is none."""
    return Store.open(store_at(where))


def _is_there(place: str | Path) -> bool:
    # A file without a store is what is left where making one was cut short.
    try:
        Store.open(place).close()
    except NoStore:
        return False
    return True


def _opened(
    place: str | Path, there: bool, project: Project, tasks: Sequence[Task], *, fresh: bool
) -> tuple[Store, int]:
    """Make a store, or open one; with how many tasks are new."""
    if not there:
        if all(task.gold is not None for task in tasks):
            raise DataError(
                "the pool holds nothing to label" + (" but gold items" if tasks else "")
            )
        store = Store.create(place, project, tasks)
        return store, len(store.tasks())
    store = Store.open(place)
    if not fresh:
        return store, 0
    kept, wanted = store.project.model_dump(), project.model_dump()
    if other := [f"{key}={kept[key]!r}" for key in kept if kept[key] != wanted[key]]:
        store.close()
        raise ConfigError(
            f"{place} was made with {', '.join(other)}; give the same settings, no pool, or"
            " another folder"
        )
    return store, store.add(tasks)


def _invited(store: Store, place: str | Path, annotators: int) -> dict[str, str]:
    """Invite the admin and so many annotators that were not before; the tokens that are known.

    They are kept in a file that only its owner can read.
    """
    known = _links(place)
    links = {name: token for name, token in known.items() if store.annotator(token)}
    there = {one.name for one in store.annotators() if one.active}
    wanted: list[tuple[str, Role]] = [("admin", "admin")]
    wanted += [(f"annotator {i + 1}", "annotator") for i in range(annotators)]
    for name, role in wanted:
        if name not in there:
            links[name] = store.invite(name, role)[1]
    if links != known:
        keep_links(place, links)
    return links


def _links_of(place: str | Path) -> Path:
    """The file of a store's links: two stores in a folder have one each, and a database a folder
    that is called as it is."""
    if isinstance(place, Path):
        return place.with_name(LINKS if place.name == STORE else f"{place.name}.{LINKS}")
    url = urlsplit(place)
    words = f"{url.hostname or 'localhost'}-{url.path.strip('/')}"
    return Path("runs") / f"annotate-{re.sub('[^A-Za-z0-9._-]', '_', words)}" / LINKS


def _links(place: str | Path) -> dict[str, str]:
    path = _links_of(place)
    if not path.is_file():
        return {}
    rows = (line.rsplit("\t", 1) for line in path.read_text("utf-8").splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def keep_links(place: str | Path, links: Mapping[str, str]) -> None:
    """Keep tokens, for their owner alone."""
    path = _links_of(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{name}\t{token}\n" for name, token in links.items())
        file.flush()
        os.fsync(file.fileno())


def invite(where: str | Path, name: str, role: Role = "annotator") -> tuple[Annotator, str]:
    """Invite somebody to a store; return them and their token, which is kept nowhere but in
    links.txt."""
    place = store_at(where)
    store = Store.open(place)
    found = store.invite(name, role)
    keep_links(place, _links(place) | {found[0].name: found[1]})
    store.close()
    return found


# What is asked


def _questions(given: Sequence[str | Question], rubric: str | Path | None) -> tuple[Question, ...]:
    if given and rubric is not None:
        raise ConfigError("give questions or a rubric, not both: they are asked in its words")
    if rubric is not None:
        return imports.questions_of(read_rubric(rubric))
    return tuple(Question.predicate(one) if isinstance(one, str) else one for one in given)


def records_of(
    data: Data | None, format: str | None = None, aside: Path | None = None
) -> list[Record]:
    """Return the records of some data, or its typed questions; none of None."""
    if data is None:
        return []
    if isinstance(data, (str, Path)) and not format:
        row = next(sources.rows(str(data)), None)
        if isinstance(row, Row) and is_typed(row.value):
            return [*read_decisions(str(data))]
    return read(data, format, aside)


def _scores(
    records: Sequence[Record], scorers: Scorers, compute: Mapping[str, Any]
) -> list[Scores | None]:
    """What each scorer says of each record's responses."""
    if not scorers:
        return [None] * len(records)
    from assay.console.progress import progress
    from assay.specs.scorers import named

    groups = [as_group(record) for record in records]
    found: list[dict[str, Any]] = [{} for _ in groups]
    for name, scorer in named(scorers, **compute).items():
        with progress(f"score by {name}", len(groups)) as bar:
            for start in range(0, len(groups), CHUNK):
                rows = Answered(scorer).score(groups[start : start + CHUNK])
                for place, row in enumerate(rows, start):
                    found[place][name] = row
                bar(start + len(rows), "")
    return [*found]
