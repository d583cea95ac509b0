"""Programs that check a final answer: no model, no torch, and never an `eval` of what a model
wrote."""

from assay.verifiers.answers.math import Math
from assay.verifiers.answers.numeric import Numeric

__all__ = ["Math", "Numeric"]
