"""What may follow what: a mask over the next token, so that every step parses. Right or wrong is
the policy's."""

import torch
from torch import Tensor

from assay.worlds.arithmetic.task import ANSWER, MAX_STEPS
from assay.worlds.arithmetic.tokenizer import COLON, EOS, OP, RESULT, VOCABULARY

__all__ = ["Grammar"]


class Grammar:
    """A transformers `LogitsProcessor`: steps of operation and result; after the answer, or the
    last step, the end."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.steps = steps
        size = len(VOCABULARY)
        self.follows = torch.zeros(size, size, dtype=torch.bool)
        """Row: the last token; True at tokens that may come next."""
        operations, results = slice(OP, OP + ANSWER + 1), slice(RESULT, RESULT + 10)
        self.follows[COLON, operations] = True
        self.follows[results, operations] = True
        self.follows[operations, results] = True
        self.follows[EOS, EOS] = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) of the token after input_ids (B, T), -inf where it may not come."""
        allowed_B_V = self.follows.to(scores.device)[input_ids[:, -1]]
        is_result_B_T = (input_ids >= RESULT) & (input_ids < RESULT + 10)
        over_B = (input_ids[:, -2] == OP + ANSWER) | (is_result_B_T.sum(-1) >= self.steps)
        allowed_B_V[over_B] = False
        allowed_B_V[over_B, EOS] = True
        return scores.masked_fill(~allowed_B_V, -torch.inf)
