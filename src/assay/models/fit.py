"""Which sequences a model must neither score nor be trained on."""

from typing import Literal

from assay.models.layout import Encoded, Layout
from assay.types import Response

__all__ = ["unfit"]


def unfit(layout: Layout, response: Response, sequence: Encoded) -> Literal["too long", "empty"] | None:
    """Why a sequence does not fit the model; None when it does. Nothing is ever truncated.

    An empty response fits where its closing tokens are read: a model may say what silence is worth.
    """
    if len(sequence.ids) > layout.max_length:
        return "too long"
    if not sequence.reads or (sequence.reads[-1] < sequence.start and not response.text):
        return "empty"
    return None
