"""Make, save and load reward models in a form that other tools serve.

A folder holds a stock `...ForSequenceClassification` (one label, `problem_type="regression"`, so
that servers apply no activation), its tokenizer, and `reward_model.json`: read-out, layout, pad id,
the scores' mean and spread on the training set, and the parity that saving measured. Saving reloads
what it wrote and refuses to keep a folder whose scores differ. Stock pooling looks for the last
token that is not padding, so model and tokenizer are saved with a pad token that no sequence ends
with: where a tokenizer pads with its end-of-sequence token, another is chosen.

An implicit model's folder holds a stock `...ForCausalLM`, the policy, and below it in `reference/`
another, which it is compared with. Nothing pools, so the tokenizer pads as it did.
"""

import copy
import math
import shutil
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, FiniteFloat, ValidationError, model_validator
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assay.errors import AssayError, BackendError, ConfigError
from assay.models.calibration import read_calibration
from assay.models.device import device_of
from assay.models.generic import classifier_of, has_stock_classifier
from assay.models.head import head_of
from assay.models.heads import HeadChoice, existing_head
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.loading import (
    fetch,
    first_line,
    home_of,
    load_config,
    load_network,
    load_tokenizer,
    quiet,
    read_tensors,
    say,
)
from assay.models.lowbit import Weights
from assay.models.padding import pad_id_of
from assay.models.parity import differences, measured, one_by_one, tolerance_of
from assay.models.placing import MAP, settled
from assay.models.readout import Readout
from assay.models.reward_model import RewardModel, TrainScores
from assay.runs.settings import write_atomic
from assay.types import Prompt, Record, Response

__all__ = [
    "MANIFEST",
    "PROBES",
    "REFERENCE",
    "Dtype",
    "Manifest",
    "create",
    "create_implicit",
    "load",
    "parity",
    "publish",
    "read_manifest",
    "rehearse",
    "save",
    "wrap",
    "wrap_implicit",
]

MANIFEST = "reward_model.json"

REFERENCE = "reference"
"""Folder, within an implicit model's, of the model it is compared with."""

LAYERS = tuple(f"score.{layer}.{kind}" for layer, kind in product((0, 2), ("weight", "bias")))
"""Tensors of a head of two layers, which stock classifiers have no place for: only this library
loads it."""

Dtype = Literal["float32", "bfloat16"]

REHEARSED = 2 << 30
"""Bytes of weights up to which a rehearsal writes and reads them all: some seconds."""

REHEARSAL = ".rehearsal."
"""How folders begin that a rehearsal writes to and takes away."""

PROBES = tuple(
    (Prompt.of(question), Response(steps=steps))
    for question, steps in [
        ("What is 2 + 2?", ("Two and two ", "make 4.")),
        ("Name a colour.", ("Blue",)),
        ("What is 12 * 3, and is it even?", ("12 * 3 = 36.\n", "36 = 2 * 18, ", "so it is even.")),
        ("1 2 3", ("6",)),
    ]
)
"""What parity is measured on where nothing closer to the training data is given."""


class Manifest(Record):
    """What `reward_model.json` holds."""

    format: Literal["assay.reward_model/1"] = "assay.reward_model/1"
    readout: Readout
    layout: Layout
    pad_id: int
    implicit_beta: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """β of an implicit model; None for a model with a head."""
    scores: TrainScores | None = None
    parity_max_abs_diff: float | None = None
    """Largest difference between scores before saving and after, in every way of batching that was
    tried."""

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_version(cls, data: Any) -> Any:
        """Layouts that do not say whether they are whole are of models that were trained when none
        was."""
        if isinstance(data, dict) and isinstance(layout := data.get("layout"), dict):
            return data | {"layout": {"whole": False} | layout}
        return data


def create(
    backbone: str | Path,
    *,
    layout: Layout,
    readout: Readout,
    dtype: Dtype = "float32",
    seed: int = 0,
    head: HeadChoice = "auto",
) -> RewardModel:
    """A reward model on the folder (or hub name) of a causal LM, of an adapter of one, or of a
    reward model.

    head: "keep" goes on with the head that the folder brings, "new" draws one from `seed`, "auto"
    keeps one that is there. Raises `ConfigError` where the folder cannot be loaded or trained, or
    brings a head of another kind.
    """
    folder = fetch(backbone)
    tokenizer = load_tokenizer(folder)
    config = load_config(folder)
    _check_reads_forward(folder, config)
    home = home_of(folder)
    network = load_network(
        AutoModelForSequenceClassification,
        folder,
        may_miss=["score."],
        trains=True,
        num_labels=len(readout.weights),
        dtype=getattr(torch, dtype),
    )
    manifest = read_manifest(home) if (home / MANIFEST).is_file() else None
    kept = existing_head(folder, config, readout, layout, head, manifest)
    if not has_stock_classifier(config):
        say(
            f"{type(network).__name__} is made here: transformers has none, so only this library"
            " will load the head"
        )
    model = wrap(network, tokenizer, layout=layout, readout=readout, seed=seed, head=kept)
    if model.layout.max_length < layout.max_length:
        say(
            f"{folder} has positions for {model.layout.max_length} tokens; longer sequences are"
            " left out and counted"
        )
    return model


def _check_reads_forward(folder: Path, config: Any) -> None:
    """Raise `ConfigError` where a network is no language model that reads texts forward."""
    name = (config.architectures or [type(config).__name__])[0]
    kind: Any = classifier_of(config)
    with torch.device("meta"), quiet():
        try:
            network = (
                kind.from_config(config)
                if kind is AutoModelForSequenceClassification
                else kind(config)
            )
        except Exception as error:
            raise ConfigError(
                f"{folder}: no {name} can be made of its config.json: {first_line(error)}"
            ) from error
    if config.is_encoder_decoder or not isinstance(getattr(network, "score", None), nn.Linear):
        raise ConfigError(
            f"{folder} is a {name}, which does not read forward to a last token as a causal"
            " language model does; give a causal one to train"
        )


def wrap(
    network: Any,
    tokenizer: Any,
    *,
    layout: Layout,
    readout: Readout,
    seed: int = 0,
    head: Tensor | None = None,
) -> RewardModel:
    """A reward model on a sequence-classification network made elsewhere; its head is drawn anew
    from `seed`.

    head: weights (outputs, width) to go on with instead.
    """
    outputs = len(readout.weights)
    encoder = Encoder(tokenizer, layout, readout)
    pad_id = pad_id_of(encoder, network, seed)
    # A padding row gets no gradient: it must not be that of a token which is read.
    if getattr(network.get_input_embeddings(), "padding_idx", None) is not None:
        network.get_input_embeddings().padding_idx = pad_id
    network.config.num_labels = outputs
    network.config.problem_type = "regression"
    width = network.score.weight.shape[-1]
    if head is None:
        generator = torch.Generator().manual_seed(seed)
        # 1/sqrt(d) leaves the first scores of order one or below, whatever the width
        # (arXiv:2009.01325).
        head = torch.randn((outputs, width), generator=generator) / math.sqrt(width + 1)
    if tuple(head.shape) != (outputs, width):
        raise ConfigError(
            f"the head is {tuple(head.shape)}, and this backbone and read-out need"
            f" {(outputs, width)}"
        )
    network.score = nn.Linear(width, outputs, bias=False)
    network.score.weight = nn.Parameter(head.float())
    model = RewardModel(network, encoder, pad_id=pad_id)
    model.to(network.get_input_embeddings().weight.device)
    return model


def create_implicit(
    backbone: str | Path, *, layout: Layout, readout: Readout, beta: float, dtype: Dtype = "float32"
) -> ImplicitRewardModel:
    """An implicit reward model whose policy and reference are both the causal LM of a folder (or
    hub name).

    Raises `ConfigError` if none is there.
    """
    folder = fetch(backbone)
    tokenizer = load_tokenizer(folder)
    network = load_network(AutoModelForCausalLM, folder, trains=True, dtype=getattr(torch, dtype))
    return wrap_implicit(network, tokenizer, layout=layout, readout=readout, beta=beta)


def wrap_implicit(
    network: Any, tokenizer: Any, *, layout: Layout, readout: Readout, beta: float
) -> ImplicitRewardModel:
    """An implicit reward model on a causal language model made elsewhere; the reference is a copy
    of it."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    pad_id = next(int(id) for id in known if id is not None)
    encoder = Encoder(tokenizer, layout, readout)
    return ImplicitRewardModel(network, copy.deepcopy(network), encoder, beta=beta, pad_id=pad_id)


def save(
    model: RewardModel,
    folder: Path,
    *,
    probes: Sequence[tuple[Prompt, Response]] = PROBES,
    tolerance: float | None = None,
) -> float:
    """Write the model, reload it in every way it will be used, and return the largest difference
    between scores.

    Raises `BackendError`, and leaves what was at `folder` as it was, when a difference exceeds
    `tolerance` (by default `tolerance_of` the model's precision); `ConfigError` when the model is
    not a stock one.
    """
    beta = model.beta if isinstance(model, ImplicitRewardModel) else None
    _check_kind(model)
    limit = tolerance if tolerance is not None else tolerance_of(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        manifest = Manifest(
            # A calibration is of the weights in its own folder, and stays there.
            readout=model.readout.model_copy(update={"temperature": 1.0}),
            layout=model.layout,
            pad_id=model.pad_id,
            implicit_beta=beta,
            scores=model.scores,
        )
        _save_settings(model, staging)
        with quiet():
            model.network.save_pretrained(staging)
            if isinstance(model, ImplicitRewardModel):
                model.reference.save_pretrained(staging / REFERENCE)
        write_atomic(staging / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        worst = parity(model, staging, probes)
        if not worst <= limit:
            raise BackendError(
                f"scores change by {worst:.3g} between the model and its saved copy (limit"
                f" {limit:g}); not saved. Look for dropout left on, a tokenizer that does not"
                " round-trip, or a pad token inside the text"
            )
        manifest = manifest.model_copy(update={"parity_max_abs_diff": worst})
        write_atomic(staging / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        publish(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return worst


def _check_kind(model: RewardModel) -> None:
    """Raise `ConfigError` where a model is none that a stock class is made from."""
    head = getattr(model.network, "score", None)
    headless = isinstance(model, ImplicitRewardModel)
    linear = isinstance(head, nn.Linear) and head.bias is None
    layers = (
        {f"score.{name}" for name, _ in head.named_parameters()}
        if isinstance(head, nn.Sequential)
        else set()
    )
    if not headless and not linear and layers != {*LAYERS}:
        raise ConfigError(
            "only a bias-free linear head fits a stock sequence classifier, and this library reads"
            " one of two layers beside; put a bias into the read-out"
            " (assay.models.importing.unbiased), or keep this model's own files"
        )
    if any("lora_" in name for name, _ in model.named_parameters()):
        raise ConfigError(
            "the model still carries LoRA adapters; merge them first (assay.models.lora.merge_lora)"
        )


def _save_settings(model: RewardModel, folder: Path) -> None:
    """Write the tokenizer and the configuration, both with the token that pads."""
    tokenizer = model.encoder.tokenizer
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(model.pad_id)
    tokenizer.padding_side = "right"
    tokenizer.save_pretrained(folder)
    model.network.config.pad_token_id = model.pad_id
    model.network.config.save_pretrained(folder)


def read_manifest(folder: str | Path) -> Manifest:
    """Return what a saved folder says of itself. Raises `ConfigError` where the folder is not a
    saved reward model."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ConfigError(
            f"{folder} has no {MANIFEST}; give a folder that `assay train` saved, or name a"
            " published model's preset"
        )
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the file"
        raise ConfigError(f"{path} is malformed at {where}: {error.errors()[0]['msg']}") from error


def load(
    folder: str | Path,
    *,
    dtype: Dtype | None = None,
    device: str = "cpu",
    calibrated: bool = True,
    weights: Weights = "saved",
) -> RewardModel:
    """A saved reward model, its probabilities by the temperature that was fitted for it, if any.

    calibrated: False leaves the temperature out. weights: what matrices are kept in. Raises
    `ConfigError` where the folder is not one, or not whole, or its calibration is of other weights.
    """
    path, device = Path(folder), device_of(device, spread=True)
    manifest = read_manifest(path)
    calibration = read_calibration(path) if calibrated else None
    model = _loaded(path, manifest, dtype, device, weights)
    if calibration is not None:
        update = {"temperature": calibration.of("step")}
        model.encoder.readout = model.readout.model_copy(update=update)
        model.pair_temperature = calibration.of("pair")
    return model


def _loaded(
    path: Path, manifest: Manifest, dtype: Dtype | None, device: str, weights: Weights
) -> RewardModel:
    beta, pad_id, scores = manifest.implicit_beta, manifest.pad_id, manifest.scores
    settings: dict[str, Any] = {"may_hold": [], "weights": weights, "device": device}
    settings["dtype"] = getattr(torch, dtype) if dtype else "auto"
    encoder = Encoder(load_tokenizer(path), manifest.layout, manifest.readout)
    if beta is not None:
        network, reference = (
            load_network(AutoModelForCausalLM, folder, **settings)
            for folder in (path, path / REFERENCE)
        )
        implicit = ImplicitRewardModel(
            network, reference, encoder, beta=beta, pad_id=pad_id, scores=scores
        )
        return settled(implicit, device).eval()
    layers = read_tensors(path, LAYERS)
    if layers:
        settings |= {"may_hold": LAYERS, "may_miss": ["score."]}
    network = load_network(AutoModelForSequenceClassification, path, **settings)
    # The head was saved in fp32; the backbone's precision has rounded it on the way in.
    if layers:
        network.score = head_of([layers[name] for name in LAYERS])
    elif device == MAP:
        # Another module: one that is mapped brings its own weights when it is called.
        network.score = head_of([read_tensors(path, ["score.weight"])["score.weight"]])
    else:
        network.score.weight = nn.Parameter(read_tensors(path, ["score.weight"])["score.weight"])
    model = RewardModel(network, encoder, pad_id=pad_id, scores=scores)
    return settled(model, device).eval()


def parity(
    model: RewardModel, folder: Path, probes: Sequence[tuple[Prompt, Response]] = PROBES
) -> float:
    """Largest difference between the model's logits one by one and: a padded batch, either side, a
    batch that shares what the probes begin with, the saved copy reloaded, and the stock models that
    know nothing of this library (last read position)."""
    sequences = model.encoder.encode(list(probes))
    with measured(model):
        alone = one_by_one(model, sequences)
        if not all(bool(logits.isfinite().all()) for logits in alone):
            return math.nan
        device = str(next(model.parameters()).device)
        dtype: Dtype = (
            "bfloat16" if next(model.backbone.parameters()).dtype == torch.bfloat16 else "float32"
        )
        reloaded = load(folder, dtype=dtype, device=device)
        _check_tokenizer(reloaded.encoder, probes, sequences)
        return differences(model, reloaded, sequences, alone)


def rehearse(
    model: RewardModel, near: Path, probes: Sequence[tuple[Prompt, Response]] = PROBES
) -> float:
    """Do on a model that is not trained yet what `save` will do, and keep nothing; returns the
    difference measured.

    Costs a few short passes, and up to `REHEARSED` bytes the weights written once below `near` and
    read again. Larger models are compared with themselves, their tokenizer alone written and read.
    Raises what `save` would raise.
    """
    _check_kind(model)
    with measured(model):
        alone = one_by_one(model, model.encoder.encode(list(probes)))
    if not all(bool(logits.isfinite().all()) for logits in alone):
        raise BackendError(
            "not trained: the model's scores are no finite numbers before the first step; its"
            " weights, or their precision, are broken (try --dtype float32)"
        )
    spread = max(1.0, float(torch.cat(alone).std(correction=0)))
    limit = tolerance_of(model) * spread
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    near.mkdir(parents=True, exist_ok=True)
    for left in near.glob(f"{REHEARSAL}*"):
        # Of a run that was killed while it rehearsed.
        shutil.rmtree(left, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(dir=near, prefix=REHEARSAL) as nowhere:
            if size <= REHEARSED:
                return save(model, Path(nowhere) / "model", probes=probes, tolerance=limit)
            return _rehearse_in_memory(model, Path(nowhere), probes, limit)
    except (AssayError, OSError, RuntimeError, ValueError) as error:
        # Of transformers, safetensors and torch, too, which will not write or read what they were
        # given.
        raise BackendError(
            f"not trained, for it could not be saved in the end: {first_line(error)}"
        ) from error


def _rehearse_in_memory(
    model: RewardModel, nowhere: Path, probes: Sequence[tuple[Prompt, Response]], limit: float
) -> float:
    _save_settings(model, nowhere)
    sequences = model.encoder.encode(list(probes))
    again = Encoder(load_tokenizer(nowhere), model.layout, model.readout)
    _check_tokenizer(again, probes, sequences)
    with measured(model):
        worst = differences(model, model, sequences, one_by_one(model, sequences))
    if not worst <= limit:
        raise BackendError(
            f"scores differ by {worst:.3g} between ways of batching (limit {limit:g})"
        )
    return worst


def _check_tokenizer(
    again: Encoder, probes: Sequence[tuple[Prompt, Response]], sequences: Sequence[Encoded]
) -> None:
    if [s.ids for s in again.encode(list(probes))] != [s.ids for s in sequences]:
        raise BackendError(
            "the saved tokenizer gives other tokens than the one trained with; not saved"
        )


def publish(staging: Path, folder: Path) -> None:
    """Put a finished folder in place of another; what was there goes only when the new one is
    whole."""
    # Temporary folders, and safetensors files, are their owner's alone; a server may run as
    # somebody else.
    staging.chmod(0o755)
    for path in staging.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    old = None
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / "was")
    staging.rename(folder)
    if old is not None:
        shutil.rmtree(old)
