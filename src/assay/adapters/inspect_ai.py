"""A scorer for evaluations with Inspect (inspect-ai 0.3)."""

from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from assay.types import Unscored
from assay.workflows.paying import payer, prompt_of

__all__ = ["reward"]


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator]
def reward(word: str | list[str], split: str = "newline", reference: bool = True) -> Scorer:
    """Score a sample's conversation, after its input, with any scorer; the target's text is the
    reference answer unless `reference` is False. A list is a word that `-T` cut at its commas.

    A sample that cannot be scored is `Score.unscored` with the reason, which metrics leave out.
    """
    pays = payer(word if isinstance(word, str) else ",".join(word), split=split)

    async def score(state: TaskState, target: Target) -> Score:
        rows = [_row(message) for message in state.messages]
        # A sample's input may hold answers, as examples.
        given = [] if isinstance(state.input, str) else state.input
        shown = sum(message.role == "assistant" for message in given)
        answers = [i for i, row in enumerate(rows) if row["role"] == "assistant"][shown:]
        if not answers:
            return Score.unscored(reason="no_response", explanation="the model said nothing")
        first = answers[0]
        wanted = target.text if reference and target.text else None
        stop = state.output.stop_reason
        said = pays.said(rows[first:], finished=stop not in ("max_tokens", "model_length"))
        paid = await pays.pay_one(prompt_of(rows[:first], wanted), said)
        answer = state.output.completion
        if isinstance(paid, Unscored):
            return Score.unscored(reason="scoring_failed", answer=answer, explanation=paid.reason)
        return Score(
            value=paid.total,
            answer=answer,
            metadata={"steps": list(paid.steps), "parts": dict(paid.score.parts)},
        )

    return score


def _row(message: Any) -> dict[str, Any]:
    """Write a message as OpenAI's chat has it."""
    row: dict[str, Any] = {"role": message.role, "content": message.text}
    if calls := getattr(message, "tool_calls", None):
        row["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function, "arguments": call.arguments},
            }
            for call in calls
        ]
    if (asked := getattr(message, "tool_call_id", None)) is not None:
        row["tool_call_id"] = asked
    return row
