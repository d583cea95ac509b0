"""Which sequences a model must neither score nor be trained on."""

import re
from typing import Any, Literal

from torch import nn

from assay.models.layout import Encoded, Layout
from assay.types import Response

__all__ = ["fitted", "most_tokens", "unfit"]


def most_tokens(network: Any) -> int | None:
    """Longest sequence, in tokens, that a network has positions for; None where positions are
    computed (rotary)."""
    embedding = network.get_input_embeddings()
    tables = (
        module
        for name, module in network.named_modules()
        if isinstance(module, nn.Embedding)
        and module is not embedding
        and re.search(r"wpe|pos", name)
    )
    table = next(tables, None)
    if table is None:
        return None
    config = network.config.get_text_config()
    most = getattr(config, "n_positions", None) or getattr(config, "max_position_embeddings", None)
    # Where padding has a position of its own (RoBERTa), the first token's is the one behind it.
    before = 0 if table.padding_idx is None else table.padding_idx + 1
    return None if most is None else int(most) - before


def fitted(layout: Layout, network: Any) -> Layout:
    """The layout, whose longest sequence is no longer than the network has positions for."""
    most = most_tokens(network)
    return (
        layout
        if most is None or most >= layout.max_length
        else layout.model_copy(update={"max_length": most})
    )


def unfit(
    layout: Layout, response: Response, sequence: Encoded
) -> Literal["too long", "empty"] | None:
    """Why a sequence does not fit the model; None when it does. Nothing is ever truncated.

    An empty response fits where its closing tokens are read: a model may say what silence is worth.
    """
    if len(sequence.ids) > layout.max_length:
        return "too long"
    if not sequence.reads or (sequence.reads[-1] < sequence.start and not response.text):
        return "empty"
    return None
