"""Rewards in the environments of Prime Intellect's verifiers (0.4): a function, and a judge.

A function is for a task's own rewards:

    pay = reward("remote:http://host:8765,model=prm,place=every_step", reference="answer")

    class MyTask(vf.Task[MyData]):
        @vf.reward
        async def right(self, trace: vf.Trace) -> float:
            return await pay(self.data, trace)

and for `taskset.task.rewards`, whose entry's `fn` is its place, "my_module:pay". A judge is for
`taskset.task.judges`: a module that has `ScorerJudge` in its `__all__` is its `id`.
"""

from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

import verifiers.v1 as vf

from assay.types import Prompt, Response
from assay.workflows.paying import Payer, payer, prompt_of, total_of

__all__ = ["ScorerJudge", "reward", "rollout"]


def rollout(pays: Payer, trace: Any, reference: Any = None) -> tuple[Prompt, Response]:
    """Read the trace's last branch: what came before the first sampled message, and the rest."""
    nodes = trace.branches[-1].nodes
    first = next((i for i, node in enumerate(nodes) if node.sampled), len(nodes))
    rows = [node.message.model_dump(exclude_none=True) for node in nodes]
    return prompt_of(rows[:first], reference), pays.said(rows[first:])


def reward(
    word: Any, *, reference: str = "", **settings: Any
) -> Callable[[Any, Any], Awaitable[float]]:
    """Return f(task, trace) -> the reward. What cannot be scored raises, which errors the rollout.

    reference: the field of the task's data with the reference answer.
    """
    pays = payer(word, **settings)

    async def pay(task: Any, trace: Any) -> float:
        wanted = getattr(task, reference) if reference else None
        return total_of(await pays.pay_one(*rollout(pays, trace, wanted)))

    return pay


class _Config(vf.JudgeConfig):  # type: ignore[misc]
    scorer: str = ""
    """The reward's word."""
    reference: str = ""
    """Field of the task's data with the reference answer."""
    split: str = "newline"


class ScorerJudge(vf.Judge[float, _Config]):  # type: ignore[misc]
    """A judge that is any scorer: its config has `scorer`, `reference` and `split`."""

    @cached_property
    def _pay(self) -> Callable[[Any, Any], Awaitable[float]]:
        own = self.config
        return reward(own.scorer, reference=own.reference, split=own.split)

    async def score(self, task: Any, trace: Any) -> float:
        """Return the reward of a rollout."""
        return await self._pay(task, trace)
