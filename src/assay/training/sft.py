"""Supervised fine-tuning: a language model learns good responses, before a reward model and RL
(arXiv:2203.02155).

The loss of a batch is the mean cross-entropy of its responses' tokens, each weighing the same, the
one that ends a response among them; what stands before a response is read and not learned. Of a
trajectory every turn of the assistant is learned, and what tools answer between is read. Prompts
and responses become tokens as `engines.hf.HuggingFace` reads and writes them, so that what is
learned is what is sampled: tokens that a chat template puts after the end are never sampled, and
are left out.

A run's folder holds the stock model and its tokenizer, `metrics.jsonl` (a row a step, a row an
evaluation), `sft.json` (the summary, written last) and, until it is finished, `checkpoint/`.
"""

import math
import sys
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from assay.errors import ConfigError, DataError, RefusedRecords
from assay.fingerprint import fingerprint
from assay.models import lora
from assay.models.laid_out import laid_out
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.loading import load_network
from assay.models.log_probabilities import log_probabilities
from assay.models.policy import end_ids, policy_encoder, save_policy
from assay.packing.budget import Budget
from assay.packing.engine import engine_of
from assay.runs.metrics import METRICS
from assay.training import optimization as descent
from assay.training import resume as resuming
from assay.training.collate import (
    CHUNK,
    HOLD_OUT,
    IDENTICAL,
    Dropped,
    Example,
    both,
    count_dropped,
    portions,
    say_dropped,
)
from assay.training.fit import Run, check_folder, fit, losses_of
from assay.training.parallel import ALONE, World
from assay.training.settings import Settings
from assay.types import Group, Preference, Prompt, Ranking, Record, Response, StepLabels

__all__ = [
    "SUMMARY",
    "Demonstrations",
    "FineTuned",
    "Part",
    "accumulate",
    "cut",
    "demonstrations",
    "encode",
    "fine_tune",
]

SUMMARY = "sft.json"
NO_TARGET = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Demonstrations:
    """What records have to show."""

    items: tuple[tuple[Prompt, Response], ...]
    """Good responses, each with its prompt."""
    records: int
    """Records that have one."""
    passed_over: Mapping[str, int]
    """Records that have none, by the reason."""
    of: tuple[Record, ...] = ()
    """The record of each item."""

    def said(self) -> str:
        """How many were taken of how many, in a line."""
        of = self.records + sum(self.passed_over.values())
        why = ", ".join(f"{count} {reason}" for reason, count in self.passed_over.items())
        return f"{len(self.items)} responses of {self.records} records, out of {of}" + (
            f" ({why})" if why else ""
        )


def demonstrations(records: Sequence[Record]) -> Demonstrations:
    """The good responses of records of any kind, and what was passed over.

    Of a preference the better one, of a ranking those of the highest grade, of step labels the
    response that ends right (whose last label is at least 1/2 or, where that is missing, all that
    there are), of any other group all.
    """
    items: list[tuple[Prompt, Response]] = []
    of: list[Record] = []
    taken, passed = 0, Counter[str]()
    for record in records:
        good = _good(record)
        if isinstance(good, str):
            passed[good] += 1
        else:
            taken += 1
            items += good
            of += [record] * len(good)
    return Demonstrations(tuple(items), taken, dict(passed), tuple(of))


def _good(record: Record) -> list[tuple[Prompt, Response]] | str:
    """The good responses of a record with its prompt, or why it has none."""
    good: Sequence[Response]
    if isinstance(record, Preference):
        if record.prefer == 0.5:
            return "ties"
        first, second = record.responses
        if (first.text, first.turns) == (second.text, second.turns):
            return IDENTICAL
        good = [record.responses[record.prefer < 0.5]]
    elif isinstance(record, Ranking):
        best = max(record.grades, default=0.0)
        # As a pool of wrong answers has; nothing says that the best of them is good.
        if best <= 0 and len({*record.grades}) == 1:
            return "without a grade above 0"
        good = [
            r for r, grade in zip(record.responses, record.grades, strict=True) if grade == best
        ]
    elif isinstance(record, StepLabels):
        given = [label for label in record.labels if label is not None]
        if not given:
            return "without a label"
        decide = given if record.labels[-1] is None else given[-1:]
        if min(decide) < 0.5:
            return "with a wrong response"
        good = [record.response]
    else:
        good = record.responses if isinstance(record, Group) else ()
    assert isinstance(record, (Group, StepLabels, Prompt))
    if not good or isinstance(record, Prompt):
        return "without a response"
    return [(record.prompt, response) for response in good]


def encode(
    items: Sequence[tuple[Prompt, Response]],
    encoder: Encoder,
    ends: Sequence[int],
    of: Sequence[Record] = (),
    places: Mapping[int, str] | None = None,
) -> tuple[list[Example], Dropped]:
    """Examples, and how many responses were dropped for which reason. Nothing is ever truncated.

    ends: tokens that end a response. An example's `reads` are the places of the tokens that it
    learns. of: the record of each item, and places: where each record stands, by `id(record)`.
    Raises `ConfigError` where the layout puts no end after a response, for what learns that would
    never stop, `RefusedRecords` for what the layout refuses.
    """
    if not encoder.layout.close:
        raise ConfigError(
            "this layout leaves responses open, and a policy has to learn where they end; use"
            " close=True"
        )
    examples: list[Example] = []
    reasons: list[tuple[str, Record]] = []
    refused: dict[str, str] = {}
    prompts = dict[Hashable, int]()
    records = of or [prompt for prompt, _ in items]
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        # The same prompt without a response says how many of the tokens close one.
        sequences = laid_out([((p, r), (p, Response(steps=()))) for p, r in chunk], encoder)
        for i, ((prompt, response), found) in enumerate(zip(chunk, sequences, strict=True), start):
            if isinstance(found, str):
                refused[(places or {}).get(id(records[i]), f"response {i}")] = found
                continue
            example = _example(
                response, found, encoder, ends, prompts.setdefault(prompt.shown, len(prompts))
            )
            if isinstance(example, str):
                reasons.append((example, records[i]))
            else:
                examples.append(example)
    if refused:
        raise RefusedRecords(refused)
    return examples, count_dropped(reasons, places)


def _example(
    response: Response,
    sequences: Sequence[Encoded],
    encoder: Encoder,
    ends: Sequence[int],
    prompt: int,
) -> Example | str:
    """What a response teaches, from its tokens and its prompt's alone; or why it teaches
    nothing."""
    whole, closing = sequences
    if not response.finished:
        return "unfinished"
    if not response.text:
        return "empty"
    first = max(whole.start, len(whole.ids) - (len(closing.ids) - closing.start))
    # Where each turn may end: behind the words of a text, or anywhere among those of a turn, which
    # spell out no token that ends one.
    turns = [(a, a, b) for a, b in whole.spans] or [(whole.start, first, len(whole.ids))]
    reads: list[int] = []
    for start, may_end, stop in turns:
        end = next((i for i in range(may_end, stop) if whole.ids[i] in ends), None)
        if end is None:
            raise ConfigError(_endless(encoder, whole.ids[max(may_end, stop - 8) : stop], ends))
        reads += range(start, end + 1)
    if not whole.start:
        return "with no token before them"
    if reads[-1] >= encoder.layout.max_length:
        return f"longer than {encoder.layout.max_length} tokens"
    ids = np.array(whole.ids[: reads[-1] + 1], dtype=np.int32)
    learned = np.array(reads, dtype=np.int32)
    return Example((ids,), (learned,), (whole.start,), NO_TARGET, prompt)


def _endless(encoder: Encoder, said: Sequence[int], ends: Sequence[int]) -> str:
    """Say that nothing ends a response, where its layout puts these tokens."""
    return (
        f"no token after a response ends it: the {encoder.layout.template} layout puts"
        f" {encoder.tokenizer.decode(said)!r} there, and generation stops at"
        f" {encoder.tokenizer.convert_ids_to_tokens([*ends])}; name the template's end in the"
        " tokenizer (eos_token) or in generation_config.json, or use the other template"
    )


@dataclass(frozen=True)
class Part:
    """What one forward pass takes: responses with their prompts."""

    examples: Sequence[Example]
    shared: bool
    """Whether what they begin with is computed once."""

    @property
    def tokens(self) -> int:
        """Tokens of all its sequences."""
        return sum(e.length for e in self.examples)

    @property
    def computed(self) -> int:
        """Tokens that go through the model, or a few more: padding, unless prefixes are shared."""
        return (
            self.tokens
            if self.shared
            else len(self.examples) * max(e.length for e in self.examples)
        )

    @property
    def learned(self) -> int:
        """Tokens that are learned."""
        return sum(len(e.reads[0]) for e in self.examples)


def cut(model: Any, examples: Sequence[Example], micro_tokens: int) -> list[Part]:
    """The examples in parts of at most so many tokens, a shared prompt counted once, or of one
    example."""
    engine = engine_of(model.base_model)
    return [
        Part(found, engine.tree([e.ids[0] for e in found]) is not None)
        for found in portions(examples, micro_tokens, engine)
    ]


def accumulate(
    model: Any,
    parts: Sequence[Part],
    *,
    autocast: bool = False,
    world: World = ALONE,
    idle: int = 0,
) -> float:
    """Mean cross-entropy, in nats, of the learned tokens of all parts of all processes together.

    Adds this process's share of the gradient of that mean to the parameters', unless gradients are
    off. idle: how many of the parts, the last ones, weigh nothing.
    """
    device = model.device
    counted = len(parts) - idle
    total = world.total(sum(part.learned for part in parts[:counted]))
    value: Tensor = torch.zeros((), device=device)

    def of(part: Part) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            rows, starts = [e.ids[0] for e in part.examples], [e.starts[0] for e in part.examples]
            found = log_probabilities(model, rows, starts, micro_tokens=1 << 30)
        learned_B_R = _learned(part.examples).to(device)
        return -(found.values_B_R * learned_B_R).sum() / total

    for i, part in enumerate(parts):
        share = world.run(partial(of, part))
        share = share if i < counted else share * 0.0
        if torch.is_grad_enabled():
            share.backward()  # type: ignore[no-untyped-call]
        value = value + share.detach()
    return float(world.summed(value[None]))


def _learned(examples: Sequence[Example]) -> Tensor:
    """True (B, R) at what is learned of each response, from its first token on."""
    learned_B_R = np.zeros((len(examples), max(e.length - e.starts[0] for e in examples)), bool)
    for row, example in zip(learned_B_R, examples, strict=True):
        row[example.reads[0] - example.starts[0]] = True
    return torch.from_numpy(learned_B_R)


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A finished run."""

    model: Any
    """The policy, adapters merged."""
    steps: int
    """Optimiser steps taken."""
    losses: tuple[float, ...] = field(repr=False)
    """Training loss of every step."""
    held_out_loss: float | None
    """Nats a token, of the weights kept; None without held-out responses."""
    held_out_perplexity: float | None
    """Its exponential."""
    best_step: int
    """The step whose weights are kept."""
    records: int
    """Records with a good response."""
    passed_over: Mapping[str, int]
    """Records without one, by the reason."""
    responses: int
    """Responses trained on."""
    held_out_responses: int
    """Responses held out."""
    dropped: int
    """Good responses left out of training."""
    dropped_why: Mapping[str, int]


def fine_tune(
    model: Any,
    tokenizer: Any,
    records: Sequence[Record],
    *,
    layout: Layout,
    settings: Settings,
    out: Path,
    held_out: Sequence[Record] = (),
    places: Mapping[int, str] | None = None,
    about: Mapping[str, Any] | None = None,
    progress: bool = True,
    resume: bool = True,
    world: World = ALONE,
) -> FineTuned:
    """Teach a stock causal LM the good responses of the records (`demonstrations`), in place, and
    save it to `out`.

    A record of `settings` is one response here. With held-out records the weights with the lowest
    held-out loss are kept. A run that was killed goes on where it was, and a finished one is
    loaded, when `resume` is true and nothing has changed; `ConfigError` says what has. Raises
    `DataError` when there is nothing to learn or to evaluate on, `RefusedRecords` naming those that
    the layout refuses, `BackendError` when the loss is no longer finite.

    places: where each record stands, by `id(record)`, for what is said of it. about: what
    `sft.json` says besides. world: the processes that train together, each of which calls this with
    the same, the model whole on the CPU; it is the leader's model that has learned in the end.
    """
    check_folder(out)
    if (
        (out / METRICS).exists()
        and not (out / SUMMARY).exists()
        and (out / "training.json").exists()
    ):
        raise ConfigError(f"{out} holds a reward model's run; give another folder")
    encoder, ends = policy_encoder(tokenizer, layout), end_ids(model, tokenizer)
    shown, shown_held = demonstrations(records), demonstrations(held_out)
    (examples, dropped), (held, held_dropped) = both(
        lambda side: encode(side.items, encoder, ends, side.of, places), shown, shown_held
    )
    if progress:
        print(f"learning from {shown.said()}", file=sys.stderr)
    say_dropped("training", len(shown.items), dropped, aloud=progress, of_what="responses")
    say_dropped(
        "held-out", len(shown_held.items), held_dropped, aloud=progress, of_what="responses"
    )
    if not examples:
        why = f"; of the responses, {dropped.why}" if dropped.counts else ""
        raise DataError(f"no good response is left to learn: {shown.said()}{why}")
    if held_out and not held:
        why = f"; of the responses, {held_dropped.why}" if held_dropped.counts else ""
        raise DataError(
            f"no good response is left to evaluate on: held out are {shown_held.said()}{why};"
            f" {HOLD_OUT}"
        )
    # The token that pads may be the one that ends a text, and is then learned as any other.
    model.get_input_embeddings().padding_idx = None
    run = Run(
        model=model,
        network=model,
        tokenizer=tokenizer,
        examples=examples,
        held_out=held,
        summary=SUMMARY,
        prints=lambda: _prints((model, tokenizer, layout), settings, examples, held),
        about={
            "records": shown.records,
            "passed_over": shown.passed_over,
            "responses": len(examples),
            "dropped": dropped.counts,
            "held_out_responses": len(held),
            "held_out_dropped": held_dropped.counts,
            **(about or {}),
        },
        prepare=lambda new: _adapt(model, settings),
        task=lambda trained: _task(trained, examples, held, settings),
        publish=lambda best: _publish(model, tokenizer, out, settings, best),
        reopen=lambda: _reopen(model, out),
    )
    return _fine_tuned(
        model, out, fit(run, out, settings, resume=resume, progress=progress, world=world)
    )


def _prints(
    of: tuple[Any, Any, Layout],
    settings: Settings,
    examples: Sequence[Example],
    held_out: Sequence[Example],
) -> dict[str, str]:
    """Hashes of everything that decides how a run goes. of: model, tokenizer and layout."""
    return {
        "settings": resuming.of_settings(settings),
        "model": fingerprint(of),
        "records": resuming.of_examples(examples),
        "held-out records": resuming.of_examples(held_out),
    }


def _fine_tuned(model: Any, out: Path, summary: Mapping[str, Any]) -> FineTuned:
    """The finished run of a summary."""
    kept = (
        *("steps", "held_out_loss", "held_out_perplexity", "best_step"),
        *("records", "passed_over", "responses", "held_out_responses"),
    )
    return FineTuned(
        model=model.eval(),
        losses=losses_of(out),
        dropped=sum(summary["dropped"].values()),
        dropped_why=summary["dropped"],
        **{name: summary[name] for name in kept},
    )


def _reopen(model: Any, out: Path) -> None:
    """Put the weights of a finished run into the model."""
    saved = load_network(AutoModelForCausalLM, out, dtype=model.dtype)
    model.load_state_dict(saved.state_dict())


def _adapt(model: Any, settings: Settings) -> None:
    """Put adapters into the model, where they are what is trained."""
    if settings.lora:
        torch.manual_seed(settings.seed)
        lora.adapt(model, settings.lora, 2 * settings.lora)


def _task(
    model: Any, examples: Sequence[Example], held: Sequence[Example], settings: Settings
) -> descent.Task[Part]:
    """What the run descends on."""

    def figures(parts: Sequence[Part], world: World, idle: int) -> dict[str, float | None]:
        loss = accumulate(model, parts, autocast=settings.autocast, world=world, idle=idle)
        return {"loss": loss, "perplexity": _perplexity(loss)}

    model.eval()
    return descent.Task(
        model=model,
        network=model,
        examples=examples,
        cut=partial(cut, model),
        accumulate=figures,
        settings=settings,
        budget=Budget(settings.micro_tokens),
        checks=cut(model, held, settings.micro_tokens) if held else [],
        held_out=len(held),
    )


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))


def _publish(
    model: Any, tokenizer: Any, out: Path, settings: Settings, best: resuming.Best
) -> dict[str, Any]:
    """Save the model among the run's other files; returns its held-out perplexity.

    config.json goes last, for without it nobody takes the folder for a model.
    """
    if settings.lora:
        lora.merge(model)
    staging = out / "model"
    save_policy(model, tokenizer, staging)
    (out / "config.json").unlink(missing_ok=True)
    for path in sorted(staging.iterdir(), key=lambda p: p.name == "config.json"):
        path.replace(out / path.name)
    staging.rmdir()
    perplexity = None if best.loss is None else _perplexity(best.loss)
    return {"held_out_perplexity": perplexity}
