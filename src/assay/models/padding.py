"""The token to pad with: one that no sequence holds, so that whoever looks for a sequence's end by
it finds it.

Stock classifiers read at the last token that is not padding. A tokenizer that pads with its
end-of-sequence token, or with the one that closes a chat's turns, hides that end, and another token
must pad: one that was reserved and never used, or one that is added, with a row of its own in the
embedding.
"""

import contextlib
import re
from typing import Any, Final

import torch

from assay.errors import ConfigError, DataError
from assay.models.layout import Encoder
from assay.types import Message, Prompt, Response

__all__ = ["pad_id_of"]

SPARE: Final = re.compile(
    r"pad|reserved|unused|placeholder|place▁holder|extra_(id_)?\d|control_\d", re.IGNORECASE
)
"""Names of special tokens that texts are not made of."""

ADDED: Final = "<|assay_pad|>"

_TALK: Final = (
    (Prompt.of("What is 2 + 2? Grüße, 好 🙂"), Response.of("4 🙂")),
    (
        Prompt(
            messages=(
                Message(role="user", content="Hi"),
                Message(role="assistant", content="Yes?"),
                Message(role="user", content="Why?"),
            )
        ),
        Response(steps=("So.\n", "So it is.")),
    ),
)
"""Texts whose tokens, those that a layout puts around them among them, are not free to pad with."""


def pad_id_of(encoder: Encoder, network: Any, seed: int = 0) -> int:
    """An id to pad with that no sequence ends with or holds: the tokenizer's, a spare one, or that
    of a new token.

    A new token's row is drawn from `seed`, so that the same settings make the same model. Raises
    `ConfigError` where tokens of texts lack rows, too, which would be drawn with it.
    """
    tokenizer = encoder.tokenizer
    rows = network.get_input_embeddings().num_embeddings
    taken = {tokenizer.eos_token_id, tokenizer.bos_token_id}
    for item in _TALK:
        # A template that refuses such a conversation puts no tokens around it.
        with contextlib.suppress(DataError):
            taken.update(encoder.encode([item])[0].ids)
    spare = sorted(
        i for i, token in tokenizer.added_tokens_decoder.items() if SPARE.search(token.content)
    )
    for candidate in (tokenizer.pad_token_id, tokenizer.unk_token_id, *spare):
        if candidate is not None and candidate not in taken and candidate < rows:
            return int(candidate)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id in taken:
        tokenizer.add_special_tokens({"pad_token": ADDED})
    own = int(tokenizer.pad_token_id)
    if own >= rows:
        # Rows are drawn for what texts are not made of, and for nothing else.
        rowless = sorted(i for i in tokenizer.get_vocab().values() if i >= rows and i != own)
        if rowless:
            raise ConfigError(
                f"the tokenizer has {tokenizer.convert_ids_to_tokens(rowless[0])!r} (token"
                f" {rowless[0]}), and the model's embedding has {rows} rows, without one to pad"
                " with: the tokenizer is another model's or was given tokens since; use the"
                " model's own, or resize the embedding (resize_token_embeddings) and save both"
            )
        _grow(network, own + 1, seed)
    return own


def _grow(network: Any, rows: int, seed: int) -> None:
    """Rows for tokens that the embedding lacks: drawn from the seed, as large as the others are."""
    old = network.get_input_embeddings().num_embeddings
    # Transformers would draw them from the global generator, after a covariance of the whole
    # vocabulary.
    with torch.random.fork_rng(devices=[]):
        network.resize_token_embeddings(rows, mean_resizing=False)
    weight = network.get_input_embeddings().weight
    drawn = torch.randn(
        (rows - old, weight.shape[1]), generator=torch.Generator().manual_seed(seed)
    )
    with torch.no_grad():
        weight[old:] = (drawn * weight[:old].float().std().cpu()).to(weight)
