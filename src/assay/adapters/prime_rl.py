"""Credit by step for prime-rl: advantages of tokens, from the step rewards of a group's traces.

prime-rl takes algorithms as classes of its own; one that learns from steps has

    async def score_group(self, episodes):
        await assign(episodes, self.pays, self.tokenizer, reference="answer")

A trace of one reply is cut into steps; of several, each reply is a step.
"""

import asyncio
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from assay.adapters.verifiers import rollout
from assay.errors import DataError
from assay.types import Response
from assay.workflows.paying import Paid, Payer
from assay.workflows.token_rewards import credited, token_ends

__all__ = ["assign"]


async def assign(
    episodes: Sequence[Any], pays: Payer, tokenizer: Any, *, reference: str = ""
) -> None:
    """Set `advantages` of the sampled tokens of a group: process supervision of GRPO
    (arXiv:2402.03300), which normalises the rewards of all steps and adds up what is to come.

    A trace that cannot be scored is left without, which is not an advantage of 0. Raises
    `DataError` for a trace with several branches, whose tokens are no one sequence.
    """
    traces = [one for episode in episodes for one in episode.traces if one.agent.trainable]
    wanted = [getattr(one.task.data, reference) if reference else None for one in traces]
    pairs = [rollout(pays, *each) for each in zip(traces, wanted, strict=True)]
    paid = await asyncio.to_thread(pays.pay, pairs)
    scored = [
        (_nodes(trace), one.steps, _ends(trace, answer, tokenizer))
        for trace, one, (_, answer) in zip(traces, paid, pairs, strict=True)
        if isinstance(one, Paid)
    ]
    counts = [sum(sum(node.mask) for node in nodes) for nodes, _, _ in scored]
    rows = [(steps, ends, count) for (_, steps, ends), count in zip(scored, counts, strict=True)]
    for credit_T, (nodes, _, _) in zip(credited(rows), scored, strict=True):
        rest = iter(credit_T)
        for node in nodes:
            node.advantages = [next(rest) for _ in range(sum(node.mask))]


def _nodes(trace: Any) -> list[Any]:
    if len(trace.branches) != 1:
        raise DataError(f"trace {trace.id}: {len(trace.branches)} branches; give traces of one")
    return [node for node in trace.branches[0].nodes if any(node.mask)]


def _ends(trace: Any, answer: Response, tokenizer: Any) -> list[int]:
    """The last token of each step, among the trace's sampled tokens."""
    nodes = _nodes(trace)
    if not answer.turns and len(nodes) == 1:
        ids = [id for id, own in zip(nodes[0].token_ids, nodes[0].mask, strict=True) if own]
        return token_ends(ids, answer.steps, tokenizer)
    if len(nodes) != len(answer.steps):
        raise DataError(
            f"trace {trace.id}: {len(answer.steps)} replies, and {len(nodes)} of them with sampled"
            " tokens; give traces whose replies the policy wrote"
        )
    return [end - 1 for end in accumulate(sum(node.mask) for node in nodes)]
