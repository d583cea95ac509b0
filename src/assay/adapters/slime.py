"""A reward for slime's `--custom-rm-path my_module.custom_rm`, where that is `reward(WORD)`.

A server needs none: `--rm-type remote_rm --rm-url http://host:8765/slime`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from assay.types import Prompt, Response
from assay.workflows.paying import Payer, laid_out, payer, prompt_of, total_of

__all__ = ["reward"]


def reward(
    word: Any, *, messages: str = "", **settings: Any
) -> Callable[..., Awaitable[float | list[float]]]:
    """Return f(args, sample) -> the reward, or with `--group-rm` f(args, samples) -> a list.

    messages: key of the sample's metadata that has the prompt's messages, where
    `--apply-chat-template` makes its prompt a text; without it models read that text as it is. What
    cannot be scored raises, and so ends the rollout.
    """
    pays = payer(word, **settings)

    async def custom_rm(args: Any, sample: Any, **_: Any) -> float | list[float]:
        samples = sample if isinstance(sample, list) else [sample]
        pairs = [_pair(pays, one, messages) for one in samples]
        totals = [total_of(paid) for paid in await asyncio.to_thread(pays.pay, pairs)]
        return totals if isinstance(sample, list) else totals[0]

    return custom_rm


def _pair(pays: Payer, sample: Any, messages: str) -> tuple[Prompt, Response]:
    asked = sample.metadata[messages] if messages else sample.prompt
    if isinstance(asked, str):
        return laid_out(asked, asked + sample.response, sample.response, sample.label)
    cut = getattr(getattr(sample, "status", None), "name", "") == "TRUNCATED"
    return prompt_of(asked, sample.label), pays.said(sample.response, finished=not cut)
