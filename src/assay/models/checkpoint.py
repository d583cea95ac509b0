"""Make, save and load reward models in a form that other tools serve.

A folder holds a stock `...ForSequenceClassification` (one label, `problem_type="regression"`, so that servers apply no
activation), its tokenizer, and `reward_model.json`: read-out, layout, pad id, the scores' mean and spread on the
training set, and the parity that saving measured. Saving reloads what it wrote and refuses to keep a folder whose
scores differ. Stock pooling looks for the last token that is not padding, so the pad id saved is one that no sequence
ends with: where a tokenizer pads with its end-of-sequence token, another id is chosen.
"""

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from assay.config import write_atomic
from assay.errors import BackendError, ConfigError
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.readout import Readout
from assay.models.reward_model import RewardModel, Side, TrainScores
from assay.types import Prompt, Record, Response

__all__ = ["MANIFEST", "PROBES", "Manifest", "create", "load", "parity", "save", "wrap"]

MANIFEST = "reward_model.json"

Dtype = Literal["float32", "bfloat16"]

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
    scores: TrainScores | None = None
    parity_max_abs_diff: float | None = None
    """Largest difference between scores before saving and after, in every way of batching that was tried."""


def create(
    backbone: str | Path, *, layout: Layout, readout: Readout, dtype: Dtype = "float32", seed: int = 0
) -> RewardModel:
    """A reward model with a fresh head on a causal LM's folder (or hub name). Raises `ConfigError` if none is there."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(backbone))
        network = AutoModelForSequenceClassification.from_pretrained(
            str(backbone), num_labels=len(readout.weights), dtype=getattr(torch, dtype)
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"{backbone} cannot be loaded as a backbone: {_first_line(error)}") from error
    return wrap(network, tokenizer, layout=layout, readout=readout, seed=seed)


def wrap(network: Any, tokenizer: Any, *, layout: Layout, readout: Readout, seed: int = 0) -> RewardModel:
    """A reward model on a sequence-classification network made elsewhere; its head is drawn anew from `seed`."""
    pad_id = _pad_id(tokenizer, network)
    network.config.num_labels = len(readout.weights)
    network.config.problem_type = "regression"
    model = RewardModel(network, Encoder(tokenizer, layout, readout), pad_id=pad_id)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.score.parameters():
            # 1/sqrt(d) leaves the first scores of order one or below, whatever the width (arXiv:2009.01325).
            drawn = torch.randn(weight.shape, generator=generator) / math.sqrt(weight.shape[-1] + 1)
            weight.copy_(drawn.to(weight.dtype))
    return model


def save(
    model: RewardModel,
    folder: Path,
    *,
    probes: Sequence[tuple[Prompt, Response]] = PROBES,
    tolerance: float | None = None,
) -> float:
    """Write the model, reload it in every way it will be used, and return the largest difference between scores.

    Raises `BackendError`, and leaves what was at `folder` as it was, when a difference exceeds `tolerance` (1e-4 in
    fp32, 5e-2 in bf16, whose scores depend on the batch's shape).
    """
    head = model.network.score
    if not isinstance(head, nn.Linear) or getattr(head, "bias", None) is not None:
        raise ConfigError("only a bias-free linear head fits a stock sequence classifier; keep this model's own files")
    dtype = next(model.backbone.parameters()).dtype
    limit = tolerance if tolerance is not None else (1e-4 if dtype in (torch.float32, torch.float64) else 5e-2)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        manifest = Manifest(readout=model.readout, layout=model.layout, pad_id=model.pad_id, scores=model.scores)
        model.network.config.pad_token_id = model.pad_id
        model.network.save_pretrained(staging)
        model.encoder.tokenizer.save_pretrained(staging)
        write_atomic(staging / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        worst = parity(model, staging, probes)
        if not worst <= limit:
            raise BackendError(
                f"scores change by {worst:.3g} between the model and its saved copy (limit {limit:g}); not saved. "
                "Look for dropout left on, a tokenizer that does not round-trip, or a pad token inside the text"
            )
        manifest = manifest.model_copy(update={"parity_max_abs_diff": worst})
        write_atomic(staging / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
        staging.chmod(0o755)
        _replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return worst


def load(folder: str | Path, *, dtype: Dtype | None = None, device: str = "cpu") -> RewardModel:
    """A saved reward model. Raises `ConfigError` where the folder is not one."""
    path = Path(folder)
    if not (path / MANIFEST).is_file():
        raise ConfigError(
            f"{path} has no {MANIFEST}; give a folder that `assay train` saved, or name the preset of a published model"
        )
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{path / MANIFEST} is malformed: {error.errors()[0]['msg']}") from error
    tokenizer = AutoTokenizer.from_pretrained(path)
    network = AutoModelForSequenceClassification.from_pretrained(path, dtype=getattr(torch, dtype) if dtype else "auto")
    encoder = Encoder(tokenizer, manifest.layout, manifest.readout)
    model = RewardModel(network, encoder, pad_id=manifest.pad_id, scores=manifest.scores)
    return model.to(device).eval()


@torch.inference_mode()
def parity(model: RewardModel, folder: Path, probes: Sequence[tuple[Prompt, Response]] = PROBES) -> float:
    """Largest difference between the model's logits one by one and: a padded batch, either side, the saved copy
    reloaded, and the stock classifier that knows nothing of this library (last read position)."""
    training = model.training
    model.eval()
    sequences = model.encoder.encode(list(probes))
    alone = [model(model.collate([s]))[0].double().cpu() for s in sequences]
    device = str(next(model.parameters()).device)
    dtype: Dtype = "bfloat16" if next(model.backbone.parameters()).dtype == torch.bfloat16 else "float32"
    reloaded = load(folder, dtype=dtype, device=device)
    again = reloaded.encoder.encode(list(probes))
    if [s.ids for s in again] != [s.ids for s in sequences]:
        raise BackendError("the saved tokenizer gives other tokens than the one trained with; not saved")
    batches: list[tuple[RewardModel, Side]] = [(model, "right"), (model, "left"), (reloaded, "right")]
    differences = [
        abs(float(value - expected))
        for other, side in batches
        for row, expecteds, s in zip(other(other.collate(sequences, side=side)), alone, sequences, strict=True)
        for value, expected in zip(row[: len(s.reads)].double().cpu(), expecteds, strict=True)
    ]
    differences += [
        abs(value - float(expected[-1]))
        for value, expected, s in zip(_stock(reloaded, sequences), alone, sequences, strict=True)
        if s.reads and s.reads[-1] == len(s.ids) - 1
    ]
    model.train(training)
    return max(differences)


def _stock(model: RewardModel, sequences: Sequence[Encoded]) -> list[float]:
    """Logits by the stock classifier's own pooling over a padded batch."""
    batch = model.collate(sequences)
    head = model.network.score
    dtype = head.weight.dtype
    head.to(next(model.backbone.parameters()).dtype)
    logits = model.network(input_ids=batch.ids_B_T, attention_mask=batch.mask_B_T.long()).logits
    head.to(dtype)
    return [float(x) for x in (logits.float() * model.readout_weights).sum(-1)]


def _pad_id(tokenizer: Any, network: Any) -> int:
    """An id to pad with that cannot end a sequence; makes a new token where the tokenizer has none to spare."""
    ends = {tokenizer.eos_token_id, tokenizer.bos_token_id}
    for candidate in (tokenizer.pad_token_id, tokenizer.unk_token_id):
        if candidate is not None and candidate not in ends:
            return int(candidate)
    tokenizer.add_special_tokens({"pad_token": "<|assay_pad|>"})
    network.resize_token_embeddings(max(len(tokenizer), network.get_input_embeddings().num_embeddings))
    return int(tokenizer.pad_token_id)


def _replace(staging: Path, folder: Path) -> None:
    """Put a finished folder in place of another; what was there goes only when the new one is whole."""
    old = None
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / "was")
    staging.rename(folder)
    if old is not None:
        shutil.rmtree(old)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
