"""Labels by people out of a store and into one, as files, and the report on them."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal, get_args

from assay.annotate import exports, imports
from assay.annotate.agreement import quality
from assay.annotate.exports import Decide, Neutral
from assay.annotate.gating import gate_rows
from assay.annotate.records import Given
from assay.annotate.store import Store
from assay.annotate.tasks import StepMode, Task
from assay.audit.gate import Gate
from assay.data import io, layouts, sources
from assay.data.lines import Bad, Row
from assay.data.parts import Part, without
from assay.errors import ConfigError, DataError
from assay.files import write_atomic
from assay.stats.estimate import summarise
from assay.types import Ranking, Record, StepLabels
from assay.workflows.annotate import open_store, records_of, store_at

__all__ = ["Exports", "agreement_rows", "annotation_report", "export_labels", "import_labels"]

Exports = Literal["raw", "decisions", "gate"]
"""What is written besides the layouts of records: every label, answers to questions, and verdicts
for `assay audit gate`."""
SEPARATED: Final = ("prm800k", "trl-stepwise")
"""Layouts that put a line break between steps, unless told otherwise."""
KEEPS_OPEN: Final = ("assay", "prm800k")
"""Layouts in which a step may have no label."""


def export_labels(
    store: str | Path | Store,
    out: str | Path,
    *,
    to: str = "",
    set_to: Sequence[str] = (),
    decide: Decide | Literal["auto"] = "auto",
    neutral: Neutral | Literal["auto"] = "auto",
    without_parts: tuple[Part, ...] = (),
    gold: bool = False,
) -> str:
    """Write what people said; return what was written and left out, in words.

    to: a layout of `data`, or raw, decisions or gate (`Exports`); by default ours, and decisions
    where all tasks are questions. decide: auto is votes for our layout and majorities for others,
    which hold no shares. neutral: what a neutral step is worth; auto keeps it in PRM800K's own
    layout and is right (as in the paper) in others. gold: with gold items. Raises `DataError`
    where there is nothing to write, or a layout cannot hold it.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    tasks, given, path = opened.tasks(), opened.given(), Path(out)
    to = to or ("decisions" if {task.kind for task in tasks} == {"questions"} else "assay")
    soft, notes = _posteriors(tasks, given) if decide == "dawid-skene" else ({}, "")
    rows: list[dict[str, Any]]
    if to in get_args(Exports):
        left = ""
        if to == "decisions":
            rows, out_of = exports.decision_rows(tasks, given, soft=soft, gold=gold)
            left = "".join(f", left out: {n} {why}" for why, n in sorted(out_of.items()))
        else:
            asked = [task for task in tasks if gold or task.gold is None]
            rows = exports.raw_rows(tasks, given) if to == "raw" else [*gate_rows(asked, given)]
        _check_rows(rows, path, to)
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return f"{path}: {len(rows)} rows of {to}{left}{notes}"
    ours = to == "assay"
    if decide == "auto":
        decide = "votes" if ours else "majority"
    settings = [*set_to]
    if neutral == "auto":
        neutral = "half" if to == "prm800k" else "positive"
    if to == "prm800k" and not any(one.startswith("neutral=") for one in settings):
        settings.append(f"neutral={neutral}")
    found = exports.export(tasks, given, decide=decide, neutral=neutral, soft=soft, gold=gold)
    if not found.records:
        raise DataError(f"there is nothing to write as {to}: {found}")
    chosen = any(one.startswith("separator=") for one in settings)
    if to in SEPARATED and not chosen and not _by_line(found.records):
        settings.append("separator=")
        notes += "; steps keep their own breaks, so that separator= reads them back"
    layout = layouts.configured(to, tuple(settings))
    assert layout is not None
    try:
        count = io.write((without(one, without_parts) for one in found.records), path, layout)
    except DataError as error:
        raise DataError(f"{error}{_instead(found.records, to)}") from None
    return f"{path}: {count} rows of {to}; {found}{notes}"


def _by_line(records: Sequence[Record]) -> bool:
    """Whether every step but the last of its response ends its line."""
    steps = [one.response.steps for one in records if isinstance(one, StepLabels)]
    return all(step.endswith("\n") for each in steps for step in each[:-1])


def _instead(records: Sequence[Record], to: str) -> str:
    """What to do about records that a layout has no place for."""
    steps = [one for one in records if isinstance(one, StepLabels)]
    if to not in KEEPS_OPEN and any(None in one.labels for one in steps):
        return (
            "; a step without a label has a place in assay and prm800k alone, which `assay train"
            " prm` takes; with --decide votes a tie is a half"
        )
    if any(isinstance(one, Ranking) for one in records):
        return "; `--to assay` keeps rankings, for `assay train plackett-luce`"
    return ""


def _check_rows(rows: Sequence[Any], path: Path, to: str) -> None:
    if path.suffix != ".jsonl":
        raise ConfigError(f"{to} is written as lines of JSON; give a .jsonl file, not {path}")
    if not rows:
        raise DataError(f"there is nothing to write as {to}: no task of its kind has a label")


def _posteriors(
    tasks: Sequence[Task], given: Sequence[Given]
) -> tuple[dict[tuple[str, str], Sequence[float]], str]:
    """Dawid and Skene's soft labels of every decision, by task and unit, and what speaks against
    them."""
    measured = quality(tasks, given, resamples=0)
    found: dict[tuple[str, str], Sequence[float]] = {}
    notes = []
    for name, fit in measured.fits.items():
        units = measured.decisions[name].units
        found |= dict(zip(units, fit.soft_I_C.tolist(), strict=True))
        notes += [f"\nDawid-Skene of {name}: {caveat}" for caveat in fit.caveats]
    return found, "".join(notes)


def agreement_rows(store: Store) -> list[tuple[str, str]]:
    """Return how far annotators agree so far: names and values, for the page of an admin."""
    measured = quality(store.tasks(), store.given(), store.skips(), resamples=0)
    return [
        (f"{decision}: {coefficient}", summarise(value))
        for decision, row in measured.agreement.items()
        for coefficient, value in row.items()
    ]


def annotation_report(
    store: str | Path | Store, out: str | Path | None = None, *, gate: Gate | None = None
) -> str:
    """Write a page on labels: agreement, annotators, gold, hard items, what to do next; return its
    name.

    out: by default report.html beside the store. gate: what a judge may do by the labels, above the
    rest. Raises `ConfigError` where out is needed.
    """
    from assay.pages.annotate import annotate_report
    from assay.report.html import Section, Text, write_report

    if out is None:
        place = None if isinstance(store, Store) else store_at(store)
        if not isinstance(place, Path):
            raise ConfigError("give out, a file for the page: the store is no file")
        out = place.parent / "report.html"
    opened = store if isinstance(store, Store) else open_store(store)
    tasks, given, project = opened.tasks(), opened.given(), opened.project
    sections = annotate_report(tasks, given, opened.skips(), project, opened.annotators())
    if gate is not None:
        verdict = "May not score" if gate.reasons else "May score"
        sections.insert(0, Section(f"{verdict}: {gate.judge.word}", [Text(str(gate))]))
    write_report(Path(out), project.title, sections)
    return str(out)


def import_labels(
    source: str | Path,
    store: str | Path | Store,
    *,
    name: str = "",
    format: str | None = None,
    mode: StepMode = "every-step",
) -> str:
    """Bring labels of a file into a store, with their tasks; return what came in, in words.

    source: rows that `export_labels` wrote as raw, or any records with labels. They become those
    of annotators called import:NAME (with the pseudonym behind it, of raw rows). The same file
    again changes nothing. Raises `DataError` for a row without a label.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    called = f"import:{name or Path(source).name.partition('.')[0]}"
    by_name: dict[str, list[Given]] = {}
    tasks: list[Task] = []
    for who, task, given in _labelled(source, format, mode):
        tasks.append(task)
        by_name.setdefault(f"{called}:{who}" if who else called, []).append(given)
    added, count = opened.add(tasks), 0
    there = {one.name: one for one in opened.annotators()}
    for who, rows in by_name.items():
        annotator = there[who] if who in there else opened.invite(who)[0]
        count += opened.bring(annotator, rows)
    people = f"{len(by_name)} annotator{'s' * (len(by_name) != 1)}"
    every = sum(map(len, by_name.values()))
    return f"{count} labels of {every} are new, by {people}; {added} tasks are new"


def _labelled(
    source: str | Path, format: str | None, mode: StepMode
) -> Iterable[tuple[str, Task, Given]]:
    """Pseudonym, task and label of each label in a file."""
    rows = sources.rows(source)
    first = next(rows, None)
    if not (isinstance(first, Row) and {"label", "pseudonym", "task"} <= first.value.keys()):
        for record in records_of(source, format):
            for task in imports.tasks_of(record, gold=True, mode=mode):
                assert task.gold is not None
                bare = task.model_copy(update={"gold": None, "attention": False})
                yield "", bare, Given(task=task.id, annotator=0, pseudonym="", label=task.gold,
                                      time=0.0)  # fmt: skip
        return
    for row in chain([first], rows):
        if isinstance(row, Bad):
            with row.raw:
                raise DataError(f"{row.where}: {row.error}")
        try:
            task = Task.model_validate(row.value["task"])
            body = dict(row.value) | {"task": task.id, "annotator": 0}
            given = Given.model_validate(body)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{row.where}: no label as it is exported: {error}") from error
        yield given.pseudonym, task, given
