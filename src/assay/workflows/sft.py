"""Supervised fine-tuning of a policy on the good responses of some data (arXiv:2203.02155)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assay.data.sides import Sides, sides
from assay.errors import ConfigError, DataError
from assay.specs.compute import dtype_of
from assay.types import Prompt, Record
from assay.workflows._data import Data, named
from assay.workflows._output import described
from assay.workflows._together import together
from assay.workflows.train import HELD_OUT, training_settings

if TYPE_CHECKING:
    from assay.training.sft import FineTuned

__all__ = ["FineTuning", "sft", "sides_shown"]


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """A fine-tuned and saved policy."""

    out: Path
    """Folder of the run: the policy, run.json, metrics.jsonl, sft.json, report.html."""
    tuned: "FineTuned" = field(repr=False)
    """Policy in memory, losses, and what was passed over or dropped."""
    page: Path | None = field(default=None, repr=False)
    """Page of the run; None where its packages are absent."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: the run's summary."""
        summary: dict[str, Any] = json.loads((self.out / "sft.json").read_text())
        return {**summary, "out": str(self.out)}

    def __str__(self) -> str:
        """What was learned, from what, and the loss on held-out responses."""
        done = self.tuned
        of = done.records + sum(done.passed_over.values())
        lines = [
            f"{self.out}: {done.steps} steps on {done.responses} responses of {done.records}"
            f" records, out of {of}"
        ]
        if done.passed_over:
            passed = [f"{n} records {why}" for why, n in done.passed_over.items()]
            lines.append(f"passed over: {', '.join(passed)}")
        if done.dropped:
            dropped = [f"{n} responses {why}" for why, n in done.dropped_why.items()]
            lines.append(f"dropped: {', '.join(dropped)}")
        if done.held_out_loss is not None:
            lines.append(
                f"held out ({done.held_out_responses} responses): loss {done.held_out_loss:.4f}"
                f" nats per token, perplexity {done.held_out_perplexity:.3f} at step"
                f" {done.best_step}"
            )
        lines += [] if self.page is None else [f"wrote {self.page}"]
        return "\n".join(lines)


def sft(
    data: Data,
    *,
    policy: str | Path,
    out: str | Path,
    held_out: float | Data | None = None,
    format: str | None = None,
    set_aside: str | Path | bool | None = None,
    template: Literal["chat", "plain"] = "chat",
    join: str = "\n",
    max_length: int = 1024,
    dtype: Literal["auto", "float32", "bfloat16"] | None = "auto",
    device: str = "auto",
    threads: int | None = None,
    track: Sequence[str] = (),
    resume: bool = True,
    overwrite: bool = False,
    settings: object = None,
    **training: Any,
) -> FineTuning:
    """Teach a policy the good responses of the data, and save it to `out`.

    data: preferences, rankings, step or outcome labels, or groups of good responses. policy: folder
    or hub name of a causal language model. held_out: share of the prompts (0.05 where a small file
    allows), a file, or records; the weights with the lowest loss on them are kept. set_aside: file
    for malformed rows; True is set_aside.jsonl in `out`. settings: what `run.json` holds. training:
    fields of `training.settings.Settings`, where a record is a response. Others: as `assay sft
    --help` says.

    The same call resumes a run that was killed, and loads a finished one. Under torchrun all
    processes train one policy, which the leader's result has. Raises `ConfigError` for
    contradictions, `DataError` where the data shows no good response.
    """
    # Before the imports below, which are locals, too.
    body = settings or described("sft", **locals())
    from assay.models.layout import Layout
    from assay.models.policy import open_policy
    from assay.pages.evaluation import training_report
    from assay.training.sft import fine_tune

    out, how = Path(out), training_settings(training)
    _ready(template, join, device, threads)
    files = named(data, held_out)
    afresh = not resume
    opening: Any = {"data": files, "inputs": [policy], "restart": afresh, "overwrite": overwrite}
    opening |= {"command": "sft", "track": track}
    with together(device, out, body, set_aside, **opening) as (world, run, aside):
        found = sides_shown(data, held_out, seed=how.seed, format=format, aside=aside)
        precision, where = dtype_of(dtype) or "float32", device if world.size == 1 else "cpu"
        model, tokenizer, _ = open_policy(str(policy), dtype=precision, device=where, trains=True)
        layout = Layout(template=template, join=join, max_length=max_length)

        def fit(on: Sides[Record]) -> "FineTuned":
            more = {"places": on.places, "about": on.about, "resume": resume, "world": world}
            given: Any = {"layout": layout, "settings": how, "out": out, "held_out": on.held}
            return fine_tune(model, tokenizer, on.train, **given | more)

        done, found = found.fit(fit)
        page = run is not None and run.page(
            f"Fine-tuning of {out.name}",
            lambda: training_report(run.body, run.rows(), data=_counts(done, found.about)),
        )
    return FineTuning(out=out, tuned=done, page=out / "report.html" if page else None)


def _ready(template: str, join: str, device: str, threads: int | None) -> None:
    """Refuse what cannot be before any work is done."""
    import torch

    from assay.models.device import device_of

    device_of(device)
    if threads:
        torch.set_num_threads(threads)
    if join != "\n" and template == "chat":
        raise ConfigError(
            "join stands between prompt and response of the plain template; leave it out of a chat"
        )


def sides_shown(
    data: Data,
    held_out: float | Data | None,
    *,
    seed: int,
    format: str | None,
    aside: Path | None,
) -> Sides[Record]:
    """Records to learn from, and held-out ones of other prompts. Refuses data that shows no good
    response."""
    from assay.training.sft import demonstrations

    found = sides(data, held_out, iter, default=HELD_OUT, seed=seed, format=format, aside=aside)
    shown = demonstrations(found.train)
    if shown.items:
        return found
    why = f"no good response is left to learn: {shown.said()}"
    if all(isinstance(record, Prompt) for record in found.train):
        why = (
            f"its {len(found.train)} records are prompts without a response, so there is nothing to"
            " learn"
        )
    raise DataError(
        f"{found.sources[0]}: {why}; give preferences, rankings, step or outcome labels, or groups"
        " of good responses"
    )


def _counts(done: "FineTuned", about: Mapping[str, Any]) -> dict[str, float]:
    """What a page says of the data."""
    counts: dict[str, float] = {
        "records with a good response": done.records,
        **{f"records passed over, {why}": count for why, count in done.passed_over.items()},
        "responses learned": done.responses,
        **{f"responses dropped, {why}": count for why, count in done.dropped_why.items()},
        "responses held out, of other prompts": done.held_out_responses,
        **{name.replace("_", " "): count for name, count in about.items() if count},
    }
    if done.held_out_perplexity is not None:
        counts["held-out perplexity"] = round(done.held_out_perplexity, 4)
    return counts
