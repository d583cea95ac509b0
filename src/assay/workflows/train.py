"""Train a reward model on a file of preferences, rankings, outcomes or step labels."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from assay import components
from assay.aggregation import Aggregation, caution
from assay.data.sides import Sides, sides
from assay.errors import ConfigError, DataError
from assay.evaluation import Report
from assay.protocols import Loss
from assay.runs.run import Run
from assay.specs.compute import dtype_of
from assay.stats import summarise
from assay.training.settings import Settings
from assay.types import Group, Record, StepLabels
from assay.workflows._data import Data, named
from assay.workflows._output import described
from assay.workflows._together import together
from assay.workflows.evaluate import measure, table

if TYPE_CHECKING:
    from assay.report.html import Section
    from assay.scorers.texts import TextScorer
    from assay.training.loop import Trained

__all__ = ["LOSSES", "TrainingResult", "loss_of", "sides_for", "train", "training_settings"]

LOSSES: Final[Mapping[str, str]] = {"rm": "bradley-terry", "orm": "outcome", "prm": "step-bce"}
"""Kind of model -> its usual loss."""

COUNTED: Final = (
    "contradicting",
    "identical_ties",
    "held_out_share",
    "held_out_prompts_trained_on",
    "set_aside",
)
"""What a page says of the data beside what is dropped, where there is any."""
HELD_OUT: Final = 0.05
"""Share of the prompts held out where none is asked for."""


CARD: Final = "README.md"
FEW: Final = 20
"""Held-out records below which the choice of a step by them is mostly chance."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A trained and saved reward model."""

    out: Path
    """Folder of the run: the model, run.json, metrics.jsonl, report.html."""
    trained: "Trained" = field(repr=False)
    """Model in memory, losses, and what was dropped."""
    held_out: Sequence[Record] = field(repr=False)
    """Held-out records."""
    evaluation: Report | None = field(repr=False)
    """Evaluation on the held-out records; None without any, or where none decides anything."""
    notes: Sequence[str] = ()
    """What the numbers do not say."""
    page: Path | None = field(default=None, repr=False)
    """Page of the run; None where its packages are absent."""

    @property
    def scorer(self) -> "TextScorer":
        """The model as a scorer of groups and of plain texts."""
        from assay.scorers.local import LocalScorer
        from assay.scorers.texts import TextScorer

        return TextScorer(LocalScorer(self.trained.model))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: the run's summary, and the evaluation."""
        summary: dict[str, Any] = json.loads((self.out / "training.json").read_text())
        evaluation = None if self.evaluation is None else self.evaluation.to_json()
        return {**summary, "out": str(self.out), "evaluation": evaluation}

    def __str__(self) -> str:
        """What was trained, on what, and how good it is on held-out records."""
        trained = self.trained
        lines = [
            f"{self.out}: {trained.steps} steps on {trained.records} records"
            f" ({trained.dropped} dropped)"
        ]
        if trained.held_out_loss is not None:
            of = "" if (a := trained.held_out_accuracy) is None else f", accuracy {a:.3f}"
            few = trained.held_out_records
            left_out = f", {n} dropped" if (n := len(self.held_out) - few) else ""
            lines += [
                f"held out ({few} records{left_out}): loss {trained.held_out_loss:.4f}{of} at"
                f" step {trained.best_step}, whose weights are kept",
                "`assay eval` measures it with intervals, calibration and baselines",
            ]
        if trained.held_out_loss is not None and trained.held_out_records < FEW:
            lines.append(
                f"note: {trained.held_out_records} held-out records say little of which step is the"
                " best; give --held-out a larger share, or a file"
            )
        lines += [f"note: {note}" for note in self.notes]
        parity = f"{trained.parity:.2g}"
        lines.append(f"scores differ from those of the saved copy by at most {parity}")
        if self.evaluation is not None:
            lines.append(table(self.evaluation))
        lines += [] if self.page is None else [f"wrote {self.page}"]
        return "\n".join(lines)


def train(
    data: Data,
    *,
    backbone: str | Path,
    out: str | Path,
    loss: str | Loss = "bradley-terry",
    held_out: float | Data | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    implicit_beta: float | None = None,
    head: Literal["auto", "keep", "new"] = "auto",
    aggregate: Literal["auto"] | Aggregation = "auto",
    template: Literal["plain", "chat"] = "plain",
    max_length: int = 1024,
    dtype: Literal["auto", "float32", "bfloat16"] | None = "auto",
    device: str = "auto",
    threads: int | None = None,
    track: Sequence[str] = (),
    resume: bool = True,
    overwrite: bool = False,
    settings: object = None,
    **training: Any,
) -> TrainingResult:
    """Train a reward model and save it to `out`, where other tools load it.

    data: preferences, rankings, outcomes or step labels. backbone: folder or hub name of a causal
    language model, of an adapter (PEFT), or of a reward model. loss: a name (also rm, orm, prm) or
    a `Loss`; layout, read-out and aggregation follow from it. held_out: share of the prompts (0.05
    where a small file allows), a file, or records. set_aside: file for malformed rows; True is
    set_aside.jsonl in `out`. implicit_beta: no head, but β times the log-ratio to a frozen copy.
    settings: what `run.json` holds. training: fields of `training.settings.Settings`, such as
    epochs=2, learning_rate=1e-3, seed=1. Others: as `assay train --help` says.

    The same call resumes a run that was killed, bit for bit, and loads a finished one. Under
    torchrun all processes train one model; the leader's result has it, evaluated. Raises
    `ConfigError` for contradictions, `DataError` where no record is left to train on.
    """
    # Before the imports below, which are locals, too.
    body = settings or described("train", **locals())
    from assay.training import loop
    from assay.training.backbone import model_for

    out, learned, how = Path(out), loss_of(loss), training_settings(training)
    device = _ready(learned, implicit_beta, device, threads)
    files = named(data, held_out)
    afresh = not resume
    opening: Any = {"data": files, "inputs": [backbone], "restart": afresh, "overwrite": overwrite}
    opening |= {"command": "train", "track": track}
    with together(device, out, body, set_aside, **opening) as (world, run, aside):
        found = sides_for(learned, data, held_out, seed=how.seed, format=format, aside=aside)
        if told := last_steps_only(learned, found.train):
            print(f"note: {told}", file=sys.stderr)
        model = model_for(
            learned,
            local_backbone(backbone),
            found.train,
            aggregate=aggregate,
            implicit_beta=implicit_beta,
            head=head,
            template=template,
            max_length=max_length,
            dtype=dtype_of(dtype) or "float32",
            seed=how.seed,
        )
        if world.size == 1:
            model = model.to(device)

        def fit(on: Sides[Record]) -> "Trained":
            more: Any = {"places": on.places, "about": on.about, "resume": resume, "world": world}
            return loop.train(
                model, on.train, loss=learned, settings=how, out=out, held_out=on.held, **more
            )

        trained, found = found.fit(fit)
        if run is None:
            return TrainingResult(out=out, trained=trained, held_out=found.held, evaluation=None)
        return _result(run, trained, found.held)


def last_steps_only(loss: Loss, records: Sequence[Record]) -> str:
    """Say that a process model would learn from outcomes alone; "" where it does not."""
    if not components.name_of(type(loss)).startswith("losses/step-"):
        return ""
    for record in records:
        if not isinstance(record, StepLabels) or any(y is not None for y in record.labels[:-1]):
            return ""
    return (
        "no step but each response's last has a label, so only that one is supervised: these are"
        " outcomes, for which the loss outcome (orm) is made; step labels have one per step"
    )


def loss_of(word: str | Loss) -> Loss:
    """The loss of a name (of a kind of model: rm, orm, prm) with its default settings; a loss is
    returned as it is."""
    if not isinstance(word, str):
        return word
    made: Loss = components.load("losses", LOSSES.get(word, word))()
    return made


def training_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from keyword arguments. Raises `ConfigError` for one that there is not."""
    known = [f.name for f in fields(Settings)]
    if extra := given.keys() - known:
        raise ConfigError(
            f"training has no setting {', '.join(sorted(extra))}; there is {', '.join(known)}"
        )
    return Settings(**given)


def local_backbone(word: str | Path) -> str | Path:
    """The folder of "smol"; other words are folders or names of the hub."""
    if word != "smol":
        return word
    from assay.models.smol import smol_folder

    return smol_folder()


def _ready(loss: Loss, implicit_beta: float | None, device: str, threads: int | None) -> str:
    """Refuse what cannot be before any work is done; return the device."""
    import torch

    from assay.models.device import device_of
    from assay.models.implicit import check_loss

    if implicit_beta is not None:
        check_loss(loss)
    device = device_of(device)
    if threads:
        torch.set_num_threads(threads)
    return device


def sides_for(
    loss: Loss,
    data: Data,
    held_out: float | Data | None,
    *,
    seed: int,
    format: str | None,
    aside: Path | None,
) -> Sides[Record]:
    """Records to train on, and held-out ones of other prompts, of the kind that the loss takes."""
    from assay.training.kinds import as_consumed

    def take(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            yield from as_consumed(record, loss)

    return sides(data, held_out, take, default=HELD_OUT, seed=seed, format=format, aside=aside)


def _result(run: Run, trained: "Trained", held: Sequence[Record]) -> TrainingResult:
    """Evaluate on the held-out records, and write the page."""
    from assay.scorers.local import LocalScorer

    notes: list[str] = []
    scores = trained.model.scores
    if doubt := caution(
        trained.model.readout.aggregate, scores.labels if scores else "correctness"
    ):
        notes.append(doubt)
    evaluation = None
    if held:
        try:
            evaluation = measure(LocalScorer(trained.model), held)
        except DataError as error:
            # The model is trained and saved; pairs that all tie are no reason to end with an error.
            notes.append(f"held-out records are not evaluated: {error}")

    def sections() -> "list[Section]":
        from assay.pages.evaluation import training_report

        counts = _counts(run.folder, trained, held)
        made = training_report(run.body, run.rows(), data=counts, evaluation=evaluation)
        return [*made[:-1], *_solutions(trained, held), made[-1]]

    _write_card(run, evaluation, notes)
    page = run.page(f"Training of {run.folder.name}", sections)
    return TrainingResult(
        out=run.folder,
        trained=trained,
        held_out=held,
        evaluation=evaluation,
        notes=notes,
        page=run.folder / "report.html" if page else None,
    )


def _write_card(run: Run, evaluation: Report | None, notes: Sequence[str]) -> None:
    """Write the model's card beside its weights, but for one that somebody else wrote."""
    from assay.models.serving import card
    from assay.models.summary import summary

    if (run.folder / CARD).exists() and CARD not in run.body["files"]:
        return
    found = evaluation.metrics if evaluation else {}
    metrics = {name: summarise(estimate) for name, estimate in found.items()}
    # `assay models push` makes a card for the hub of them.
    run.note(measured=metrics, notes=list(notes))
    text = card(
        run.folder,
        about=summary(run.folder),
        data=run.body["data"],
        metrics=metrics,
        notes=tuple(notes),
    )
    run.save(CARD, text)


def _counts(out: Path, trained: "Trained", held: Sequence[Record]) -> dict[str, float]:
    """What a page says of the data."""
    summary = json.loads((out / "training.json").read_text())
    return {
        "training records": trained.records,
        "held-out records, of other prompts": trained.held_out_records,
        "dropped": trained.dropped,
        **{f"dropped: {why}": count for why, count in trained.dropped_why.items()},
        **{name.replace("_", " "): summary[name] for name in COUNTED if summary.get(name)},
    }


def _solutions(trained: "Trained", held: Sequence[Record]) -> "list[Section]":
    """Held-out solutions as a process model sees them."""
    from assay.pages.solutions import solutions_section, telling
    from assay.scorers.local import LocalScorer

    records = [r for r in held if isinstance(r, StepLabels) and len(r.labels) > 1]
    if not records:
        return []
    shown = [records[i] for i in telling(records)]
    groups = [Group(prompt=r.prompt, responses=(r.response,)) for r in shown]
    scores = [row[0] for row in LocalScorer(trained.model).score(groups)]
    return [solutions_section(shown, scores, title="Held-out solutions, step by step")]
