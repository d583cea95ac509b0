"""`assay rl RECIPE`: train a policy against a reward, and watch the gold while the proxy climbs."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Union

import tyro

from assay.cli.options import Aside, Data, Device, Format, Gates, Overwrite, Threads, Track
from assay.data.splitting import SPLITTERS
from assay.rl.settings import RECIPES, Settings
from assay.specs.reward_kinds import GRAMMAR

__all__ = ["Command"]

PRIME_RATE = 1e-6

if not TYPE_CHECKING:
    Recipes = Union[  # noqa: UP007
        tuple(
            Annotated[
                Settings,
                tyro.conf.subcommand(
                    name,
                    default=settings,
                    description=f"Train a policy by {name}; the defaults are the recipe's.",
                    prefix_name=False,
                ),
            ]
            for name, settings in RECIPES.items()
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train a policy against a reward: assay rl RECIPE DATA --policy MODEL ..., the recipe first.

    Recipes are settings of one loop, and every one of them may be changed: rloo, grpo, gdpo (for
    several rewards), dr-grpo, dapo, ppo (with a value head), reinforce++, grpo-process, pure and
    pav (which pay steps). The settings that all of them share (steps, groups, samples, learning
    rate, KL and others) are in `assay rl RECIPE --help`, with the recipe's values.
    """

    if TYPE_CHECKING:
        settings: Settings
    else:
        settings: tyro.conf.OmitArgPrefixes[Recipes]
        """How to train."""
    prompts: Data
    """File, folder or data set; of records with responses, their prompts are taken."""
    policy: str
    """Folder or hub name of a causal language model; "smol" is SmolLM2-135M-Instruct, which comes
    with a wheel."""
    reward: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="SCORER[,KEY=VALUE] ...", help=GRAMMAR)
    ]

    out: Path
    """Folder of the run: the trained policy in `policy/`, as it was at the gold's peak in `peak/`,
    run.json, metrics.jsonl, samples.jsonl, report.html. The same command again resumes it."""
    gold: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers that are evaluated on held-out prompts and never learned from: a verifier, a larger
    reward model. The first decides where the peak is."""
    held_out: float | Path | None = None
    """A file of other prompts to evaluate on, or the share of the prompts to hold out, by a hash
    that `assay data split` does not use; 0 = none. By default 0.1, or nothing, with a note, where
    no prompt of a small file falls into it."""
    prime: float = 0.0
    """Weight of an implicit process reward that is learned along (PRIME); with recipe pure, and a
    first reward of whole responses in [0, 1]. 0 = none."""
    prime_learning_rate: float = PRIME_RATE
    """Learning rate of the implicit process model."""
    environment: Annotated[str | None, tyro.conf.arg(metavar="WORD")] = None
    """What answers the policy's turns: calculator, or package.module:name of an object with
    react(prompt, turns). Its answers are read and not learned from; the reward word "environment"
    is what it gives per turn, and verifiers judge the last turn."""
    turns: int = 8
    """Most turns of the policy in a trajectory."""
    lora: int = 0
    """Rank of LoRA adapters to train; the reference is then the policy with adapters off. 0 trains
    every parameter."""
    gate: Gates = ()
    format: Format = None

    set_aside: Aside = False
    """File for malformed rows, and for prompts that the policy's template refuses (those of a
    held-out file go into a file beside it); without it the first one is an error."""
    limit: int | None = None
    """Most prompts to take."""
    template: Literal["chat", "plain"] = "chat"
    """Layout of a prompt: by the tokenizer's chat template, or as bare text."""
    join: str = "\n"
    """Text between prompt and response, where the template is plain."""
    split: Annotated[
        str, tyro.conf.arg(metavar="POLICY", help=f"Where steps end: {', '.join(SPLITTERS)}.")
    ] = "newline"

    setting: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    """Settings of the splitting policy."""
    max_length: int = 2048
    """Longest sequence, prompt and all, in tokens; prompts that leave no room for max_tokens are
    refused."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the parameters, auto = float32; bf16_update says how those in bfloat16 are
    updated."""
    device: Device = "auto"
    threads: Threads = None
    track: Track = ()

    resume: bool = True
    """Resumption of what `out` holds; without it, start afresh."""
    overwrite: Overwrite = False

    def __call__(self) -> None:
        """Train, save, report."""
        from assay.training.parallel import leads
        from assay.workflows.rl import rl

        if leads():
            logging.basicConfig(level=logging.WARNING, format="%(message)s")
        options = {name: value for name, value in vars(self).items() if name != "settings"}
        result = rl(**options, recipe=self.settings, settings=self)
        if not leads():
            return
        print(result)
        for alarm in result.alarms:
            print(alarm, file=sys.stderr)
        if (page := self.out / "report.html").exists():
            print(f"wrote {page}")
