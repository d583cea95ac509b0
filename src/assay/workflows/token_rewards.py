"""Put rewards of steps on the tokens of a policy, whose tokenizer is not the reward model's.

A step is a span of characters, and earns its reward at the token with which its text is whole. The
tokens are those that the policy sampled; a text is never tokenised anew, which may give others.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np

from assay.errors import DataError
from assay.rl.advantages import grpo_process

__all__ = ["credited", "spread", "text_of", "token_ends"]

BYTES: Final = 4
"""Tokens of a character, at most."""


def text_of(ids: Sequence[int], tokenizer: Any) -> str:
    """Return what tokens say: without special tokens, with every space that the policy wrote."""
    return str(
        tokenizer.decode([*ids], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    )


def token_ends(ids: Sequence[int], steps: Sequence[str], tokenizer: Any) -> list[int]:
    """Return the index of each step's last token among `ids`, the T sampled ones; what ends the
    response, such as an end token, belongs to its last step.

    steps: their concatenation is the text that was scored. Raises `DataError` where that is not
    what the tokens say, but for white space around it, which some frameworks strip.
    """
    whole, scored = text_of(ids, tokenizer), "".join(steps)
    before = len(whole) - len(whole.lstrip())
    shift = 0 if whole.startswith(scored) else before
    if not ids or not whole.startswith(scored, shift) or whole[shift + len(scored) :].strip():
        same = _same(whole[shift:], scored)
        raise DataError(
            f"the policy's tokens say another text than what was scored, from character {same} on:"
            f" {whole[shift + same :][:40]!r}, and scored was {scored[same:][:40]!r}; give the text"
            " that the tokenizer decodes, without special tokens"
        )

    # Mostly tokens say the same alone; where several make a character, only together.
    alone = [text_of([id], tokenizer) for id in ids]
    lengths = [0, *accumulate(map(len, alone))] if "".join(alone) == whole else None

    def there(count: int) -> int:
        """Characters of the whole that the first tokens settle: half a character is none."""
        return lengths[count] if lengths else _same(text_of(ids[:count], tokenizer), whole)

    ends: list[int] = []
    for end in (shift + end for end in accumulate(map(len, steps[:-1]))):
        low = ends[-1] + 1 if ends else 1
        count = bisect_left(range(len(ids) + 1), end, lo=low, key=there)
        # Where bytes are tokens, half a character may undo the whole ones before it.
        while early := [n for n in range(max(low, count - BYTES), count) if there(n) >= end]:
            count = early[0]
        ends.append(min(count, len(ids)) - 1)
    return [*ends, len(ids) - 1] if steps else []


def spread(rewards: Sequence[float], ends: Sequence[int], length: int) -> list[float]:
    """Put each step's reward at its last token: `length` numbers, 0 elsewhere. Two steps may end
    with one token, which then earns both."""
    placed = [0.0] * length
    for reward, end in zip(rewards, ends, strict=True):
        placed[end] += reward
    return placed


def credited(rows: Sequence[tuple[Sequence[float], Sequence[int], int]]) -> list[list[float]]:
    """Return the advantage of each token of a group's responses, by GRPO's process supervision
    (arXiv:2402.03300): the rewards of all steps are normalised, and a token has the sum of those
    of the steps that end with it or later.

    rows: of each response the rewards of its steps, the tokens that they end with, and its length.
    """
    shape = len(rows), max((length for _, _, length in rows), default=0)
    rewards_B_T, ends_B_T = np.zeros(shape), np.zeros(shape, bool)
    for b, (rewards, ends, _) in enumerate(rows):
        np.add.at(rewards_B_T[b], ends, rewards)
        ends_B_T[b, ends] = True
    lengths_B = np.array([length for _, _, length in rows], int)
    mask_B_T = np.arange(shape[1]) < lengths_B[:, None]
    credit_B_T = grpo_process(rewards_B_T, ends_B_T, mask_B_T, np.zeros(shape[0], int))
    return [row[:length].tolist() for row, length in zip(credit_B_T, lengths_B, strict=True)]


def _same(left: str, right: str) -> int:
    """How many characters two texts share at their beginning."""
    if right.startswith(left):
        return len(left)
    pairs = enumerate(zip(left, right, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(left), len(right)))
