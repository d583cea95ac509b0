"""`assay rl RECIPE`: train a policy against a reward, and watch the gold while the proxy climbs."""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import tyro

from assay.cli.records import Sides, sides
from assay.data.splitting import SPLITTERS
from assay.errors import ConfigError, DataError, MissingExtra, RefusedRecords
from assay.rl.settings import RECIPES, Settings
from assay.runs.outputs import check_run
from assay.runs.settings import write_run
from assay.specs.generators import splitter
from assay.specs.rewards import GRAMMAR, reward
from assay.specs.scorers import named
from assay.stats import Estimate, bracket
from assay.types import Group, Prompt, Record, Response, StepLabels

if TYPE_CHECKING:
    from assay.rl.loop import Optimised
    from assay.rl.policy import Policy
    from assay.rl.prime import ImplicitProcess

__all__ = ["Command"]

PRIME_RATE = 1e-6

if not TYPE_CHECKING:
    Recipes = Union[  # noqa: UP007
        tuple(
            Annotated[Settings, tyro.conf.subcommand(name, default=settings, prefix_name=False)]
            for name, settings in RECIPES.items()
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Train a policy against a reward.

    Recipes are settings of one loop, and every one of them may be changed: rloo, grpo, dr-grpo,
    dapo, ppo (with a value head), reinforce++, grpo-process, pure and pav (which pay steps).
    """

    if TYPE_CHECKING:
        settings: Settings
    else:
        settings: tyro.conf.OmitArgPrefixes[Recipes]
        """How to train."""

    policy: str
    """Folder or hub name of a causal language model; "smol" is SmolLM2-135M-Instruct, which comes
    with a wheel."""

    prompts: str
    """File, folder or data set; of records with responses, their prompts are taken."""

    reward: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="SCORER[,KEY=VALUE] ...", help=GRAMMAR)
    ]

    out: Path
    """Folder of the run: the trained policy in `policy/`, as it was at the gold's peak in `peak/`,
    run.json, metrics.jsonl, samples.jsonl, report.html. The same command again goes on where it
    was."""

    gold: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[NAME=]SCORER ...")] = ()
    """Scorers that are asked about held-out prompts and never learned from: a verifier, a larger
    reward model. The first says where the peak is."""

    held_out: float | Path | None = None
    """A file of other prompts to look at, or the share of the prompts to hold out, by a hash that
    `assay data split` does not use; 0 = none. By default 0.1, or nothing, said aloud, where no
    prompt of a small file falls into it."""

    prime: float = 0.0
    """Weight of an implicit process reward that is learned along (PRIME); with recipe pure, and a
    first reward that pays whole responses in [0, 1]. 0 = none."""

    prime_learning_rate: float = PRIME_RATE
    """Learning rate of the implicit process model."""

    lora: int = 0
    """Rank of LoRA adapters to train; the reference is then the policy with adapters off. 0 trains
    every parameter."""

    format: str | None = None
    """Format of the prompts, where it is not told by their columns."""

    set_aside: bool = False
    """Put malformed rows, and prompts that the policy's template refuses, into `set_aside.jsonl`
    (`set_aside_held_out.jsonl`) in `out` instead of stopping."""

    limit: int | None = None
    """Take so many prompts at most."""

    template: Literal["chat", "plain"] = "chat"
    """How a prompt is laid out: by the tokenizer's chat template, or as bare text."""

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
        from assay.rl.loop import optimise

        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        self._check()
        check_run(self.out, "rl", start=self.policy)
        if self.threads:
            torch.set_num_threads(self.threads)
        device = device_of(self.device)
        parts = [reward(words, device=device) for words in self.reward]
        golds = named(self.gold, device=device)
        found = self._prompts()
        self._check_gold(found.held)
        policy = self._policy(device)
        try:
            _check_layout(found, policy)
        except RefusedRecords as refused:
            found = found.without(refused)
        files = [Path(self.prompts), *([self.held_out] if isinstance(self.held_out, Path) else [])]
        if not (self.out / "rl.json").exists() and not (self.out / "checkpoint").exists():
            # A run that is there keeps its settings: this one may be refused for being another.
            write_run(self.out, self, files)
        done = optimise(
            policy,
            found.train,
            parts,
            settings=self.settings,
            out=self.out,
            held_out=found.held,
            golds=golds,
            prime=self._prime(policy) if self.prime else None,
            resume=self.resume,
        )
        write_run(self.out, self, files)
        self._report(done)

    def _check(self) -> None:
        """Raise `ConfigError` for what cannot be, or would do nothing, before anything is
        loaded."""
        if not self.reward:
            raise ConfigError(f"there is no reward; give --reward {GRAMMAR.partition(':')[0]}")
        if self.join != "\n" and self.template == "chat":
            raise ConfigError(
                "join stands between prompt and response of the plain template; leave it out of a"
                " chat"
            )
        if not 0 <= self.prime < math.inf:
            raise ConfigError(f"prime is {self.prime}; give a weight above 0, or 0 for none")
        if not self.prime and self.prime_learning_rate != PRIME_RATE:
            raise ConfigError(
                f"prime_learning_rate {self.prime_learning_rate} does nothing without PRIME; give"
                " --prime a weight, or leave it out"
            )
        if self.lora < 0:
            raise ConfigError(
                f"lora is {self.lora}; give a rank above 0, or 0 to train every parameter"
            )
        for name in ("limit", "threads", "max_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        fresh = {f.name: f.default for f in fields(Settings)}
        looks = [
            name
            for name in ("watch_every", "watch_prompts", "watch_samples")
            if self._given(name, fresh)
        ]
        if not isinstance(self.held_out, Path) and self.held_out == 0 and looks:
            raise ConfigError(
                f"{', '.join(looks)} does nothing where no prompts are held out; give --held-out a"
                " share"
            )
        if self.held_out == 0:
            self._check_gold([])

    def _check_gold(self, held: Sequence[Prompt]) -> None:
        if self.gold and not held:
            raise ConfigError(
                "a gold scorer is asked about held-out prompts, and there are none; give --held-out"
                " a larger share or a file of other prompts, or leave out --gold"
            )

    def _given(self, name: str, fresh: Mapping[str, Any]) -> bool:
        return bool(getattr(self.settings, name) != fresh[name])

    def _prompts(self) -> Sides[Prompt]:
        """Prompts to train on, and others to look at."""
        return sides(
            self.prompts,
            self.held_out,
            self._unique,
            default=0.1,
            seed=self.settings.seed,
            format=self.format,
            aside=self.out if self.set_aside else None,
        )

    def _unique(self, records: Iterator[Record]) -> Iterator[Prompt]:
        """The records' prompts, each once, as many as `limit` says."""
        seen: set[str] = set()
        for record in records:
            prompt = _prompt(record)
            # A scorer may read the reference and the columns in `meta`.
            key = prompt.model_dump_json(exclude={"id"})
            if key not in seen:
                seen.add(key)
                yield prompt
            if self.limit is not None and len(seen) == self.limit:
                break

    def _policy(self, device: str) -> "Policy":
        from assay.models.layout import Layout
        from assay.models.policy import open_policy
        from assay.rl.policy import Policy

        model, tokenizer, _ = open_policy(self.policy, dtype=self.dtype, device=device, trains=True)
        return Policy(
            model,
            tokenizer,
            layout=Layout(template=self.template, join=self.join, max_length=self.max_length),
            split=splitter(self.split, self.setting),
            adapters=self.lora,
            critic=self.settings.advantage == "gae",
            seed=self.settings.seed,
        )

    def _prime(self, policy: "Policy") -> "ImplicitProcess":
        import copy

        from assay.models.checkpoint import wrap_implicit
        from assay.models.readout import OUTCOME
        from assay.rl.prime import ImplicitProcess

        if self.lora:
            raise ConfigError("PRIME trains a copy of the whole policy; leave out --lora")
        model = wrap_implicit(
            copy.deepcopy(policy.model),
            policy.tokenizer,
            layout=policy.generator.encoder.layout,
            readout=OUTCOME.model_copy(update={"steps": "difference"}),
            beta=0.05,
        )
        return ImplicitProcess(
            model,
            weight=self.prime,
            learning_rate=self.prime_learning_rate,
            bf16_update=self.settings.bf16_update,
            seed=self.settings.seed,
        )

    def _report(self, done: "Optimised") -> None:
        """Say what came of the run, and draw it in report.html."""
        from assay.pages.rl import reinforcement_report
        from assay.report import write_report
        from assay.runs.evaluations import eval_of

        evals: list[Any] = [row for row in done.rows if eval_of(row) is not None]
        print(
            f"{self.out}: {done.steps} rounds{f', stopped: {done.stopped}' if done.stopped else ''}"
        )
        for row in {row["step"]: row for row in (*evals[:1], *evals[-1:])}.values():
            watch = eval_of(row)
            golds = "".join(f", {name} {_said(e)}" for name, e in watch["gold"].items())
            print(
                f"round {row['step']}: proxy {_said(watch['proxy'])}{golds}, KL"
                f" {_said(watch['kl'])} nats"
            )
        for name, least in eval_of(evals[-1]).get("gold_bound", {}).items() if evals else ():
            chi2 = eval_of(evals[-1])["chi2"]
            print(
                f"{name} is at least {least:.3g} by the lower end of its correlation with the proxy"
                f" before training (χ² {chi2:.3g}, arXiv:2403.03185)"
            )
        if done.peak is not None:
            print(
                f"the first gold is highest at round {done.peak}: {self.out / 'peak'} holds the"
                " policy as it was then"
            )
        for row in done.rows:
            if "alarm" in row:
                print(
                    f"alarm at round {row['step']}: {row['alarm']}: {row['text']}", file=sys.stderr
                )
        samples = [
            json.loads(line) for line in (self.out / "samples.jsonl").read_text().splitlines()
        ]
        try:
            run = json.loads((self.out / "run.json").read_text())
            sections = reinforcement_report(run, done.rows, samples, peak=done.peak)
            write_report(self.out / "report.html", f"RL of {self.out.name}", sections)
        except MissingExtra as error:
            # The policy is trained and saved; a plot is no reason to end with an error.
            print(f"no report.html: {error}")
            return
        print(f"wrote {self.out / 'report.html'}")


def _check_layout(found: Sides[Prompt], policy: "Policy") -> None:
    """Raise `RefusedRecords` for the prompts that the policy's template refuses."""
    from assay.models.laid_out import laid_out

    refused: dict[str, str] = {}
    for prompts in (found.train, found.held):
        made = laid_out(
            [[(prompt, Response(steps=()))] for prompt in prompts], policy.generator.encoder
        )
        for prompt, reason in zip(prompts, made, strict=True):
            if isinstance(reason, str):
                refused[found.places[id(prompt)]] = reason
    if refused:
        raise RefusedRecords(refused)


def _prompt(record: Record) -> Prompt:
    if isinstance(record, Prompt):
        return record
    if isinstance(record, Group | StepLabels):
        return record.prompt
    raise DataError(f"a {type(record).__name__} has no prompt")


def _said(e: list[float]) -> str:
    value, low, high, n, unscored = e
    if math.isnan(value):
        return f"not scored (none of {unscored:.0f} responses)"
    return f"{value:.3f} {bracket(Estimate(value=value, low=low, high=high, n=int(n)))}"
