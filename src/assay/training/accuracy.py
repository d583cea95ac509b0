"""How often the model's order or side agrees with the labels: a curve to watch, not a result to
report."""

from torch import Tensor, stack

from assay.losses import last, supervised
from assay.protocols import Loss
from assay.types import Preference, StepLabels

__all__ = ["hits"]


def hits(loss: Loss, values: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """[how many are right, how many are decided], shape (2,); shapes as in `protocols.Loss`.

    Preferences and rankings: pairs of different grade, in the right order (an equal reward is half
    right). Step labels: labels other than 1/2, on the right side of it, as the loss takes them
    (hardened, up to the first error); only the last one where the loss trains outcomes.
    """
    if issubclass(loss.consumes, StepLabels):
        if loss.trains == "outcome":
            values, targets, mask = last(values, mask), last(targets, mask), mask.any(-1)
        first_error, threshold = (
            getattr(loss, "first_error", False),
            getattr(loss, "threshold", None),
        )
        targets, labelled = supervised(targets, mask, first_error=first_error, threshold=threshold)
        decided = labelled & (targets != 0.5)
        right = ((values > 0) == (targets > 0.5)).float()
    else:
        prefer = targets[:, 0]
        grades = (
            stack([prefer, 1 - prefer], dim=-1)
            if issubclass(loss.consumes, Preference)
            else targets
        )
        rewards, present = last(values, mask), mask.any(-1)
        difference = rewards[:, :, None] - rewards[:, None, :]
        decided = (
            (grades[:, :, None] > grades[:, None, :]) & present[:, :, None] & present[:, None, :]
        )
        right = (difference > 0).float() + 0.5 * (difference == 0).float()
    return stack([(right * decided).sum(), decided.sum()])
