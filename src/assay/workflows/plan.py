"""Memory, time, disk and money of a job before anything runs.

Parameters are counted on the meta device and the memory of a pass is traced
(`training.footprint`); both are of the code that will run. Time is a throughput that the user has
measured, or operations over a stated share of what the GPU's data sheet says: 2 operations per
parameter and token forward, twice as many back (half of that for adapters, whose frozen weights
need no gradient), once more forward where activations are recomputed, and 2 L D T for causal
attention over T tokens. Writing is bound by memory: each token reads the weights and the keys and
values of all rows that are written together.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.models.gpus import GPUS, Gpu
from assay.models.lowbit import BYTES as QUANTISED
from assay.workflows._jobs import Job, Label, Rl, Score, Train, Training

if TYPE_CHECKING:
    from assay.models.shapes import Counts
    from assay.training.footprint import Footprint, Use

__all__ = ["Job", "Label", "Part", "Plan", "Rl", "Score", "Train", "plan"]

USABLE = 0.9
"""Share of a GPU's memory that a job can have: the rest is CUDA's, the allocator's and NCCL's."""
BYTES = {"float32": 4, "bfloat16": 2}
LOGITS = 3 * 4 * 2**27
"""Bytes of a policy's logits on a GPU while log-probabilities are read
(`models.log_probabilities`)."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a job's time."""

    what: str
    tokens: float
    """Tokens that are read or written, over all GPUs."""
    seconds: float
    """On all GPUs together."""
    source: str
    """Where the speed comes from."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a job takes."""

    job: Job
    counts: "Counts"
    memory: "Footprint"
    """Of one GPU."""
    others: float = 0.0
    """Bytes of one GPU for a reference, a reward model, and keys and values of what is written."""
    together: int = 1
    """GPUs that hold one copy of the model."""
    parts: tuple[Part, ...] = ()
    disk: float = 0.0
    """Bytes written."""
    remedies: tuple[str, ...] = ()
    """What would fit, where this does not."""

    @property
    def bytes(self) -> float:
        """What one GPU holds at its peak."""
        return self.memory.total + self.others

    @property
    def room(self) -> float:
        """What one GPU has for it."""
        return USABLE * _gpu(self.job).memory

    @property
    def fits(self) -> bool:
        """Whether it fits."""
        return self.bytes <= self.room

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs."""
        return sum(part.seconds for part in self.parts) * self.job.gpus / 3600

    def __str__(self) -> str:
        """All of it in lines."""
        return "\n".join(_lines(self))


def plan(job: Job) -> Plan:
    """Plan a job: what each GPU holds, how long it takes, what it writes and costs.

    Raises `ConfigError` for a GPU or shape that there is none of, numbers that are none of a job,
    and an architecture whose passes cannot be traced.
    """
    from assay.models.shapes import config_of, counts_of

    _check(job)
    config = config_of(job.model)
    counts = counts_of(config)
    if isinstance(job, Training):
        return _train(job, config, counts)
    if isinstance(job, (Score, Label)):
        return _infer(job, config, counts)
    raise ConfigError(f"{type(job).__name__} is no job; there is Train, Score, Label, Rl")


def _check(job: Job) -> None:
    for name in ("gpus", "micro_tokens", "utilisation"):
        # Rollouts are read in passes of the generator's own.
        if not getattr(job, name, 1) > 0:
            raise ConfigError(f"{name} is {getattr(job, name)}; it must be above 0")
    numbers = ("records", "prompt", "response", "responses", "steps", "rollouts", "epochs")
    for name in (*numbers, "rl_steps", "tokens_per_second", "price", "bandwidth"):
        value = getattr(job, name, None)
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}; it must be above 0")
    for name in ("utilisation", "bandwidth"):
        if getattr(job, name, 0.0) > 1:
            raise ConfigError(f"{name} is {getattr(job, name)}, a share: 0.4 is 40 % of the peak")
    _gpu(job)


def _gpu(job: Job) -> Gpu:
    if job.gpu not in GPUS:
        raise ConfigError(
            f"no GPU is called {job.gpu!r}{did_you_mean(job.gpu, GPUS)}; there is {', '.join(GPUS)}"
        )
    return GPUS[job.gpu]


def _use(job: Job, *, trains: bool, ranks: int = 1) -> "Use":
    from assay.engines.prefill import PASS_TOKENS
    from assay.training.footprint import Use

    names = ("bf16_update", "gradient_checkpointing", "lora") if trains else ()
    group = _unique(job)
    passes: int = getattr(job, "micro_tokens", PASS_TOKENS)
    return Use(
        trains=trains,
        dtype=job.dtype,
        # A record is not cut: it is one pass where it is longer than a pass may be.
        tokens=max(passes, group) if trains else passes,
        length=_length(job),
        ranks=ranks,
        autocast=getattr(job, "autocast", False),
        **{name: getattr(job, name) for name in names},
    )


def _length(job: Any) -> int:
    return int(job.prompt + job.response)


def _unique(job: Any) -> int:
    """Tokens of a record, a shared prompt counted once where it is computed once."""
    if isinstance(job, Training) and job.gpus > 1:
        # Weights in parts are not shared over (`training.sharding`).
        return job.responses * _length(job)
    return int(job.prompt + getattr(job, "responses", 1) * job.response)


def _operations(counts: "Counts", length: float) -> float:
    """Operations of a token forward, in a sequence of some length."""
    return 2 * counts.products + 2 * counts.layers * counts.width * length


def _pass(
    job: Job, counts: "Counts", what: str, tokens: float, times: float = 1.0, together: int = 1
) -> Part:
    """The time of reading tokens.

    times: passes forward that it is worth; together: GPUs that hold one copy.
    """
    low = job.dtype == "bfloat16" or getattr(job, "autocast", False)
    peak = _gpu(job).bf16 if low else _gpu(job).fp32
    given = getattr(job, "tokens_per_second", None)
    if given is not None and what in ("training", "scoring"):
        speed, source = given, f"{given:,.0f} tokens/s a GPU, given"
    else:
        speed = peak * job.utilisation / (times * _operations(counts, _length(job)))
        source = (
            f"{speed:,.0f} tokens/s a GPU, from {job.utilisation:.0%} of {job.gpu}'s"
            f" {peak / 1e12:,.0f} TFLOP/s, assumed"
        )
    seconds = tokens / speed / _busy(job, together)
    return Part(what=what, tokens=tokens, seconds=seconds, source=source)


def _busy(job: Job, together: int) -> int:
    """GPUs that whole copies have; the others stand idle."""
    return job.gpus // together * together


def _writing(job: Label | Rl, counts: "Counts", tokens: float, rows: float, together: int) -> Part:
    """The time of writing tokens; rows: responses under way at once, per GPU of a copy."""
    gpu, size = _gpu(job), BYTES[job.dtype]
    kept = rows * (job.prompt + job.response / 2) * counts.kept * size
    less = 0.0
    if isinstance(job, Label) and job.weights != "saved":
        less = counts.matrices * (size - QUANTISED[job.weights])
    read = ((counts.products + counts.head) * size - less) / together + kept
    step = max(
        read / (gpu.bandwidth * job.bandwidth),
        rows * _operations(counts, job.prompt) / (gpu.bf16 * job.utilisation),
    )
    speed = rows / step
    source = (
        f"{speed:,.0f} tokens/s a GPU with {rows:,.0f} rows on each, from {job.bandwidth:.0%} of"
        f" {job.gpu}'s {gpu.bandwidth / 1e12:.2f} TB/s, assumed"
    )
    seconds = tokens / speed / _busy(job, together)
    return Part(what="writing", tokens=tokens, seconds=seconds, source=source)


def _train(job: Training, config: Any, counts: "Counts") -> Plan:
    found = _trained(job, config, counts)
    if found.fits:
        return found
    return replace(found, remedies=tuple(_for_training(job, config, counts)))


def _trained(job: Training, config: Any, counts: "Counts") -> Plan:
    """The plan of a training, whether or not it fits."""
    from assay.training.footprint import footprint

    memory = footprint(config, _use(job, trains=True, ranks=job.gpus))
    times = (2.0 if job.lora else 3.0) + job.gradient_checkpointing
    steps = job.rl_steps if isinstance(job, Rl) else 1
    tokens = job.records * job.epochs * _unique(job) * steps
    parts = [_pass(job, counts, "training", tokens, times)]
    others = 0.0
    if isinstance(job, Rl):
        others, more = _rl(job, counts, memory)
        parts = [*more, *parts]
    # Weights and state of the last checkpoint, the best weights, and the model.
    whole = job.gpus * (memory.weights + memory.gradients + memory.optimiser)
    return Plan(
        job=job,
        counts=counts,
        memory=memory,
        others=others,
        together=job.gpus,
        parts=tuple(parts),
        disk=whole + job.gpus * memory.weights,
    )


def _rl(job: Rl, counts: "Counts", memory: "Footprint") -> tuple[float, list[Part]]:
    """What a policy's training holds beside its own, and the time of what comes before a step."""
    from assay.models.shapes import config_of, counts_of

    responses = job.records * job.responses
    written = job.rl_steps * responses * job.response
    rows = max(1.0, responses / job.gpus)
    kept = rows * _length(job) * counts.kept * BYTES[job.dtype]
    read = job.rl_steps * job.records * _unique(job)
    parts = [_writing(job, counts, written, rows, 1)]
    parts.append(_pass(job, counts, "reading under policy and reference", 2 * read))
    # Keys and values, and the weights that are gathered to write, go before a pass begins.
    gathered = memory.weights * job.gpus if job.gpus > 1 else 0.0
    held = max(0.0, kept + LOGITS + gathered - memory.activations - memory.gathered)
    # A policy has a head of its own, and so has its reference.
    held += counts.head * BYTES[job.dtype] / job.gpus
    held += 0.0 if job.lora else memory.weights
    if job.reward is not None:
        reward = counts_of(config_of(job.reward))
        held += reward.parameters * BYTES[job.dtype]
        parts.append(_pass(job, reward, "rewards", read))
    return held, parts


def _infer(job: Score | Label, config: Any, counts: "Counts") -> Plan:
    """Copies of the model on as few GPUs each as hold it, side by side."""
    from assay.training.footprint import footprint

    whole = _quantised(job, counts, footprint(config, _use(job, trains=False)))
    room, size = USABLE * _gpu(job).memory, BYTES[job.dtype]
    writes = isinstance(job, Label)
    a_row = _length(job) * counts.kept * size if writes else 0
    own = whole.weights + (counts.head * size if writes else 0)
    # At least 16 rows, or writing reads the weights for almost nothing.
    needed = own + whole.activations + 16 * a_row
    together = _copy(needed, job.gpu)
    memory = replace(whole, weights=own / together, activations=whole.activations / together)
    if together > job.gpus:
        remedies = _for_inference(job, needed, together)
        memory = replace(memory, weights=own / job.gpus, activations=whole.activations / job.gpus)
        return Plan(
            job=job,
            counts=counts,
            memory=memory,
            together=job.gpus,
            remedies=tuple(remedies),
            others=16 * a_row / job.gpus,
        )
    if isinstance(job, Score):
        tokens = job.records * _unique(job)
        parts = [_pass(job, counts, "scoring", tokens, together=together)]
        return Plan(
            job=job,
            counts=counts,
            memory=memory,
            together=together,
            parts=tuple(parts),
            disk=job.records * job.responses * 150,
        )
    rows = min(1024.0, (room - memory.total) * together / a_row) / together
    made = job.records * (job.steps - 1) * job.rollouts
    written = made * job.response / 2
    read = job.records * _length(job)
    parts = [
        _pass(job, counts, "reading prefixes, each once", read, together=together),
        _writing(job, counts, written, rows, together),
    ]
    return Plan(
        job=job,
        counts=counts,
        memory=memory,
        together=together,
        parts=tuple(parts),
        others=rows * a_row,
        disk=written * 5,
    )


def _quantised(job: Score | Label, counts: "Counts", memory: "Footprint") -> "Footprint":
    """The same with matrices in fewer bits; a product makes one of them whole for the moment."""
    if job.weights == "saved":
        return memory
    size = BYTES[job.dtype]
    less = counts.matrices * (size - QUANTISED[job.weights])
    return replace(
        memory,
        weights=memory.weights - less,
        activations=memory.activations + counts.matrix * size,
    )


def _copy(needed: float, gpu: str) -> int:
    """GPUs of a kind that hold one copy: a power of two, as attention's heads are cut."""
    return 1 << max(0, math.ceil(math.log2(needed / (USABLE * GPUS[gpu].memory))))


def _for_training(job: Training, config: Any, counts: "Counts") -> Iterator[str]:
    """What would fit, one change at a time and two together, with what it takes."""
    again: dict[str, Any] = {"gradient_checkpointing": True}
    low = "" if job.dtype == "bfloat16" else "--dtype bfloat16 "
    ranks = [job.gpus * 2**k for k in range(1, 8)]
    fewer = [("--gradient-checkpointing", again)]
    fewer += [(f"--gradient-checkpointing --gpus {n}", {**again, "gpus": n}) for n in ranks]
    more = [(f"--gpus {n}", {"gpus": n}) for n in ranks]
    ways: list[tuple[str, dict[str, Any]]] = [
        (f"--micro-tokens {job.micro_tokens // 4}", {"micro_tokens": job.micro_tokens // 4}),
        ("--dtype bfloat16", {"dtype": "bfloat16"}),
        (f"{low}--bf16-update stochastic", {"dtype": "bfloat16", "bf16_update": "stochastic"}),
        ("--lora 16", {"lora": 16}),
        ("--lora 16 --gradient-checkpointing", {"lora": 16, **again}),
    ]
    # Of numbers of GPUs the least that fits is said; recomputation is no news where it is on.
    for series in ([] if job.gradient_checkpointing else fewer, *([way] for way in ways), more):
        for words, change in series:
            tried = replace(job, **change)
            if tried != job and (found := _trained(tried, config, counts)).fits:
                yield f"{words}: {found.bytes / 1e9:,.1f} GB a GPU"
                break


def _for_inference(job: Job, needed: float, together: int) -> Iterator[str]:
    if getattr(job, "weights", "") == "saved":
        yield "--weights int8 or nf4: plan it with that, and measure what it does to scores"
    yield f"--gpus {together}: a copy on {together}, {needed / together / 1e9:,.1f} GB each"
    for name, gpu in GPUS.items():
        if _copy(needed, name) <= job.gpus and name != job.gpu:
            yield f"--gpu {name}: {gpu.memory / 1e9:.0f} GB each"


def _form(job: Job) -> str:
    weights = getattr(job, "weights", "saved")
    return job.dtype if weights == "saved" else f"matrices in {weights}, the rest in {job.dtype}"


def _lines(found: Plan) -> Iterator[str]:
    job, counts, memory = found.job, found.counts, found.memory
    yield (
        f"{job.model}: {counts.parameters / 1e9:,.2f} billion parameters, {counts.layers} layers,"
        f" width {counts.width}; {_form(job)}, on {job.gpus} x {job.gpu}"
    )
    copies = job.gpus // found.together
    if not isinstance(job, Training) and found.fits:
        yield f"copies of the model: {copies}; GPUs of each: {found.together}" + (
            f"; GPUs without one: {idle}" if (idle := job.gpus % found.together) else ""
        )
        if found.together > 1:
            yield "`assay` loads a model on one GPU: a copy on several is a server's (vLLM, SGLang)"
    yield f"memory a GPU: {found.bytes / 1e9:,.1f} GB of {found.room / 1e9:,.1f} usable" + (
        "" if found.fits else ", DOES NOT FIT"
    )
    for name, size in (*vars(memory).items(), ("others", found.others)):
        if size:
            yield f"  {name:<12}{size / 1e9:10,.2f} GB"
    if not found.fits:
        yield "what would fit:" if found.remedies else "nothing that was tried fits"
        yield from (f"  {remedy}" for remedy in found.remedies)
        return
    if isinstance(job, Rl) and job.gpus > 1:
        yield "to write, each GPU gathers the whole policy; scorers of this machine are on each GPU"
    for part in found.parts:
        hours = part.seconds / 3600
        yield f"{part.what}: {part.tokens:,.0f} tokens, {hours:,.2f} h ({part.source})"
    yield f"disk: {found.disk / 1e9:,.1f} GB"
    price = job.price
    cost = "not known without --price" if price is None else f"{found.gpu_hours * price:,.2f}"
    yield f"GPU hours: {found.gpu_hours:,.1f}; money: {cost}"
