"""A rubric of OpenEnv (openenv-core 0.3) that is any scorer."""

import asyncio
from collections.abc import Callable
from typing import Any

from openenv.core.rubrics import Rubric

from assay.workflows.paying import payer, prompt_of, total_of

__all__ = ["ScorerRubric"]


class ScorerRubric(Rubric):  # type: ignore[misc]
    """The reward of what an action says.

    read: (action, observation) -> the prompt, the completion (texts or messages, as OpenAI's chat
    has them) and the reference answer or None. What cannot be scored raises `DataError`: a rubric
    has no value for it but a number.
    """

    def __init__(
        self, word: Any, read: Callable[[Any, Any], tuple[Any, Any, Any]], **settings: Any
    ) -> None:
        super().__init__()
        self._read, self._pays = read, payer(word, **settings)

    async def forward(self, action: Any, observation: Any) -> float:
        """Return the reward."""
        prompt, completion, reference = self._read(action, observation)
        pair = prompt_of(prompt, reference), self._pays.said(completion)
        (paid,) = await asyncio.to_thread(self._pays.pay, [pair])
        return total_of(paid)
