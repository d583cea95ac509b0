"""What may follow what: a mask over the next token, so that what is written is an essay. A good one
is the policy's."""

import torch
from torch import Tensor

from assay.worlds.essays.task import MAX_WORDS, WORDS
from assay.worlds.essays.tokenizer import COLON, EOS, VOCABULARY, WORD

__all__ = ["Grammar"]


class Grammar:
    """A transformers `LogitsProcessor`: a word, then words or the end; after the last word allowed,
    the end."""

    def __init__(self, words: int = MAX_WORDS) -> None:
        self.words = words
        own, size = slice(WORD, WORD + len(WORDS)), len(VOCABULARY)
        self.follows = torch.zeros(size, size, dtype=torch.bool)
        """Row: the last token; True at tokens that may come next."""
        self.follows[COLON, own] = True
        self.follows[own, own] = True
        self.follows[own, EOS] = True
        self.follows[EOS, EOS] = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) of the token after input_ids (B, T), -inf where it may not come."""
        allowed_B_V = self.follows.to(scores.device)[input_ids[:, -1]]
        is_word_B_T = (input_ids >= WORD) & (input_ids < WORD + len(WORDS))
        over_B = is_word_B_T.sum(-1) >= self.words
        allowed_B_V[over_B] = False
        allowed_B_V[over_B, EOS] = True
        return scores.masked_fill(~allowed_B_V, -torch.inf)
