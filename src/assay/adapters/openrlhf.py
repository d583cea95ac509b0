"""Rewards in OpenRLHF (0.11): a function for `--reward.remote_url FILE.py`, and an agent.

    reward_func = reward_function("runs/rm")          # in FILE.py
    AgentExecutor = agent_executor("runs/prm")        # in the file of --train.agent_func_path

A server needs neither: `--reward.remote_url http://host:8765/get_reward`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from assay.types import Prompt, Response
from assay.workflows.paying import Payer, laid_out, payer, prompt_of, total_of

__all__ = ["agent_executor", "reward_function"]

Read = Callable[[str], Any]
"""What makes a prompt (a text, or messages) of the text that the policy's template laid out."""


def reward_function(
    word: Any, *, read: Read | None = None, end: str = "", **settings: Any
) -> Callable[..., dict[str, Any]]:
    """Return f(queries, prompts, labels) -> {"rewards", "scores", "extra_logs"}, tensors.

    read: None lets models read the queries as they are. end: the policy's end token, which is no
    part of what was said. What cannot be scored raises: OpenRLHF logs it, and its reward is None.
    """
    pays = payer(word, **settings)

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
    ) -> dict[str, Any]:
        import torch

        rows = zip(queries, prompts, labels, strict=True)
        paid = pays.pay([_pair(pays, *row, read, end) for row in rows])
        totals = torch.tensor([total_of(one) for one in paid])
        return {"rewards": totals, "scores": totals, "extra_logs": {pays.part.name: totals}}

    return reward_func


def agent_executor(word: Any, *, read: Read | None = None, end: str = "", **settings: Any) -> type:
    """Return the executor of an agent of one turn, whose reward is the response's."""
    import torch
    from openrlhf.utils.agent import AgentInstanceBase, MultiTurnAgentExecutor

    pays = payer(word, **settings)

    class Agent(AgentInstanceBase):  # type: ignore[misc]
        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def step(self, state_dict: Any, **_: Any) -> dict[str, Any]:
            asked, said = state_dict["observation_text"], state_dict["action_text"]
            pair = _pair(pays, asked + said, asked, state_dict["label"], read, end)
            total = torch.tensor(total_of(await pays.pay_one(*pair)))
            return {"rewards": total, "scores": total, "environment_feedback": "", "done": True}

    class AgentExecutor(MultiTurnAgentExecutor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(Agent)

    return AgentExecutor


def _pair(
    pays: Payer, query: str, prompt: str, label: Any, read: Read | None, end: str
) -> tuple[Prompt, Response]:
    said = query.removeprefix(prompt).removesuffix(end)
    if read is None:
        return laid_out(prompt, query, said, label)
    return prompt_of(read(prompt), label), pays.said(said)
