"""How much of some texts a tokenizer does not know."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

__all__ = ["MOST_UNREAD", "UNREAD", "say_unread", "told", "unread"]

UNREAD: Final = 0.1
"""Share of unknown tokens from which it is said that the tokenizer does not read the texts."""
MOST_UNREAD: Final = 0.5
"""Share above which nothing is trained, and scores are doubted: most of what differs is lost."""


def unread(sequences: Sequence[Any], tokenizer: Any) -> float:
    """Return the share of the unknown token among those that stand for text, which special tokens
    do not; 0 where that token has another meaning, too, such as the end of a text."""
    unknown = tokenizer.unk_token_id
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    if unknown is None or unknown in others or not sequences:
        return 0.0
    ids = np.concatenate([np.asarray(one, dtype=np.int64) for one in sequences])
    special = [i for i in tokenizer.all_special_ids if i != unknown]
    return float((ids == unknown).sum() / max(1, (~np.isin(ids, special)).sum()))


def told(share: float, tokenizer: Any, then: str) -> str:
    """Return what is said of a share of unknown tokens, and what follows from it."""
    return f"{share:.0%} of the tokens are {tokenizer.unk_token!r}, the unknown token: {then}"


def say_unread(sequences: Sequence[Any], tokenizer: Any, then: str) -> bool:
    """Warn where the tokenizer does not know most of the texts, and of what follows from it; return
    whether that was to be said."""
    share = unread(sequences, tokenizer)
    if share > MOST_UNREAD:
        warnings.warn(told(share, tokenizer, then), stacklevel=2)
    return share > MOST_UNREAD
