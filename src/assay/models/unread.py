"""How much of some texts a tokenizer does not know."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

__all__ = ["MOST_UNREAD", "UNREAD", "say_unread", "unread"]

UNREAD: Final = 0.1
"""Share of unknown tokens from which it is said that the tokenizer does not read the texts."""
MOST_UNREAD: Final = 0.5
"""Share above which nothing is trained, and scores are doubted: most of what differs is lost."""


def unread(sequences: Iterable[Any], tokenizer: Any) -> tuple[int, int]:
    """Return how many of the tokens are the unknown one, and how many stand for text, which special
    tokens do not; none is unknown where that token has another meaning, too, such as the end of a
    text."""
    unknown = tokenizer.unk_token_id
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    if unknown is None or unknown in others:
        return 0, 0
    special = [i for i in tokenizer.all_special_ids if i != unknown]
    found = total = 0
    for ids in sequences:
        found += int((np.asarray(ids) == unknown).sum())
        total += int((~np.isin(ids, special)).sum())
    return found, total


def say_unread(sequences: Sequence[Any], tokenizer: Any, then: str) -> bool:
    """Warn where the tokenizer does not know most of the texts, and of what follows from it; return
    whether that was to be said."""
    found, total = unread(sequences, tokenizer)
    if found <= MOST_UNREAD * total:
        return False
    share = f"{found / total:.0%} of the tokens are {tokenizer.unk_token!r}, the unknown token"
    warnings.warn(f"{share}: {then}", stacklevel=2)
    return True
