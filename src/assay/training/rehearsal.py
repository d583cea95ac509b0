"""Before the first step: what could not be saved in the end is not trained, and what cannot learn
is said.

A run finds out at its start what it would otherwise find out at its end, when all its time is
spent.
"""

import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from torch import nn

from assay.errors import ConfigError, DataError
from assay.models import checkpoint
from assay.models.reward_model import RewardModel
from assay.models.unread import MOST_UNREAD, UNREAD, told, unread
from assay.training.collate import Example
from assay.types import Prompt, Response

__all__ = ["PROBED", "check_examples", "check_trainable", "rehearse"]

PROBED = 32
"""Sequences of the records among which the shortest are taken to compare scores on."""


def check_examples(
    examples: Sequence[Example], network: Any, tokenizer: Any, *, aloud: bool = True
) -> None:
    """Raise where the network has no embedding for a token, the tokenizer cannot read the texts, or
    all sequences are the same. aloud: warn where it reads much of them not.

    `ConfigError`: a tokenizer of another model, or of other texts. `DataError`: nothing tells one
    response from another.
    """
    rows = int(network.get_input_embeddings().weight.shape[0])
    sequences = list(chain.from_iterable(example.ids for example in examples))
    highest = max((int(ids.max()) for ids in sequences), default=0)
    if highest >= rows:
        raise ConfigError(
            f"the tokenizer makes token {highest} ({tokenizer.convert_ids_to_tokens(highest)!r}) of"
            f" the data, and the model's embedding has {rows} rows: the tokenizer is another"
            " model's or was given tokens since; use the model's own, or resize the embedding"
            " (resize_token_embeddings) and save both"
        )
    check_read(sequences, tokenizer, "--backbone (of a policy: a --policy)", aloud=aloud)
    if len(sequences) > 1 and len({ids.tobytes() for ids in sequences}) == 1:
        raise DataError(
            f"all {len(sequences)} sequences are the same {len(sequences[0])} tokens, so nothing"
            " can be learned from what tells them apart; look at the tokenizer and the chat"
            " template"
        )


def check_read(
    sequences: Sequence[Any], tokenizer: Any, option: str, *, aloud: bool = True
) -> None:
    """Raise `ConfigError` where most of what is to be learned from is the unknown token; aloud:
    warn where much of it is. option: what gives another tokenizer."""
    share = unread(sequences, tokenizer)
    if share <= UNREAD:
        return
    what = told(
        share,
        tokenizer,
        "the tokenizer does not know what these texts are written in, and the model cannot tell"
        f" apart what differs there; give a {option} whose tokenizer reads them",
    )
    if share > MOST_UNREAD:
        raise ConfigError(what)
    if aloud:
        warnings.warn(what, stacklevel=2)


def check_trainable(model: nn.Module) -> None:
    """Raise `ConfigError` where every parameter is frozen."""
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError(
            "every parameter of the model is frozen, so nothing can be learned; set requires_grad"
        )


def rehearse(model: RewardModel, items: Sequence[tuple[Prompt, Response]], out: Path) -> float:
    """Save the model as it will be saved, to nowhere (`checkpoint.rehearse`), on the shortest of
    some sequences.

    Returns the largest difference between scores. Raises `BackendError` where training would end
    without a model.
    """
    some = list(items[:PROBED])
    lengths = [len(sequence.ids) for sequence in model.encoder.encode(some)]
    shortest = sorted(range(len(some)), key=lengths.__getitem__)[:4]
    return checkpoint.rehearse(model, out, [some[i] for i in shortest] or checkpoint.PROBES)
