"""How a reward model's outputs become scores: data saved beside the weights, never a class a
checkpoint.

Hidden state at a read position -> k head outputs -> one logit (their weighted sum) -> one score
(the link) for every step -> one score for the response (the aggregation).

| model                           | at         | weights | link     | aggregate |
|---------------------------------|------------|---------|----------|-----------|
| Bradley-Terry, Plackett-Luce    | last token | (1,)    | identity | last      |
| outcome                         | last token | (1,)    | sigmoid  | last      |
| process                         | last token | (1,)    | sigmoid  | product   |
| good/bad token pair at a tag    | step tag   | (-1, 1) | sigmoid  | min       |
| implicit, from outcomes         | last token | (1,)    | sigmoid  | last      |

With weights (-1, 1) over the outputs (bad, good), the sigmoid of the logit is the softmax of the
pair. The logit of an implicit model is the reward of all tokens so far, and its steps are scored by
what each adds (`steps="difference"`).
"""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from assay.aggregation import Aggregation
from assay.types import Record

__all__ = ["OUTCOME", "PREFERENCE", "PROCESS", "Readout", "in_words"]


class Readout(Record):
    """Where a model is read and how its outputs become a score."""

    at: Literal["last_token", "step_tag"] = "last_token"
    """Each step is read at its own last token, or at a tag token appended after it."""
    tag: str | None = None
    """Text of the tag; it must be one token and is appended as a token, never as text."""
    weights: tuple[FiniteFloat, ...] = (1.0,)
    """One weight a head output; the logit is the weighted sum."""
    offset: FiniteFloat = 0.0
    """Added to the logit: the bias of a head that was trained with one."""
    tokens: tuple[str, ...] = ()
    """Vocabulary tokens whose rows of the language-model head are the head, e.g. ("-", "+"); () = a
    head of its own."""
    link: Literal["identity", "sigmoid"] = "identity"
    """From logit to step score; "sigmoid" gives probabilities."""
    temperature: Annotated[FiniteFloat, Field(gt=0, exclude_if=lambda value: value == 1)] = 1.0
    """Divides what the sigmoid is taken of: of the weights' calibration, never saved with them."""
    steps: Literal["value", "difference"] = "value"
    """A step's score is that of its logit, or of what its logit adds to the one before (0 before
    the first): through the sigmoid, above a half where the step raises the reward. The aggregation
    "last" reads the last logit itself."""
    aggregate: Aggregation = "last"
    """From step scores to the response's score."""


PREFERENCE = Readout()
OUTCOME = Readout(link="sigmoid")
PROCESS = Readout(link="sigmoid", aggregate="product")


def in_words(readout: Readout) -> str:
    """The read-out as a sentence."""
    at = (
        f"the {readout.tag!r} token after each step"
        if readout.at == "step_tag"
        else "each step's last token"
    )
    outputs = (
        "one output"
        if readout.weights == (1.0,)
        else f"{len(readout.weights)} outputs weighted {readout.weights}"
    )
    head = f", rows {readout.tokens} of the language-model head" if readout.tokens else ""
    whole = {
        "last": "its last step's",
        "product": "the product of its steps'",
        "min": "its weakest step's",
        "mean": "its steps' mean",
        "log_sum": "the sum of its steps' logarithms",
        "geometric_mean": "its steps' geometric mean",
        "softmin": "its steps' soft minimum",
    }[readout.aggregate]
    if readout.steps == "difference":
        at += ", less the one before"
        whole = "that of the last, nothing taken off" if readout.aggregate == "last" else whole
    link = "as it is" if readout.link == "identity" else "through a sigmoid"
    if readout.link == "sigmoid" and readout.temperature != 1:
        link = f"divided by {readout.temperature:.4g} and {link}"
    return f"{outputs}{head}, read at {at}, {link}; a response's score is {whole}"
