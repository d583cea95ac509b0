"""What servers of reward models are sent and what they answer, one dialect each.

* vllm: POST /classify, `use_activation` false, for vLLM takes a sigmoid of one logit otherwise.
* vllm-steps: POST /pooling, the task token_classify: a row per step token, or per token.
* sglang: POST /classify, which gives logits; /v1/classify would give a softmax over one.
* openrlhf: POST /get_reward. llama-factory: POST /v1/score/evaluation. Both take texts alone.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from assay.errors import DataError

__all__ = ["WIRES", "Answer", "Sent", "Way", "Wire"]

Way = Literal["ids", "text", "messages"]
"""How a conversation is sent: laid out as token ids or as a text, or as it is."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One conversation, in the way that it is sent."""

    ids: tuple[int, ...] | None = None
    text: str | None = None
    """With its special tokens."""
    messages: tuple[Mapping[str, Any], ...] = ()
    """As OpenAI's chat has them, the response last."""
    prompt: str = ""
    """The part of the text before the response, where it is known."""
    label: str = ""
    """The reference answer, where there is one."""


@dataclass(frozen=True)
class Answer:
    """What a server gives for one conversation."""

    rows: tuple[tuple[float, ...], ...]
    """The head's outputs at each place that was read."""
    tokens: int | None = None
    """How many tokens were read, where the server says it."""
    activation: str = ""
    """What the outputs went through, where the server says it."""

    @property
    def finite(self) -> bool:
        """Whether every output is a finite number."""
        return all(math.isfinite(x) for row in self.rows for x in row)


@dataclass(frozen=True)
class Wire:
    """One dialect: where requests go, what they hold, how answers are read."""

    path: str
    takes: tuple[Way, ...]
    """Ways in which a conversation can be sent, the one that leaves least to the server first."""
    body: Callable[[str, Sent], dict[str, Any]]
    read: Callable[[Any], Answer]
    by_step: bool = False
    """Whether each step is answered, rather than the end alone."""


def _vllm(model: str, sent: Sent) -> dict[str, Any]:
    body: dict[str, Any] = {"use_activation": False}
    if model:
        body["model"] = model
    if sent.messages:
        return {**body, "messages": list(sent.messages), "add_generation_prompt": False}
    return {**body, "input": sent.text if sent.ids is None else list(sent.ids)}


def _vllm_steps(model: str, sent: Sent) -> dict[str, Any]:
    return {**_vllm(model, sent), "task": "token_classify", "encoding_format": "float"}


def _read_vllm(answer: Any) -> Answer:
    row = _one(_field(answer, "data"), "data")
    return _answer((_numbers(_field(row, "probs"), "data[0].probs"),), answer)


def _read_vllm_steps(answer: Any) -> Answer:
    rows = _field(_one(_field(answer, "data"), "data"), "data")
    if not isinstance(rows, list):
        raise DataError("data[0].data is no list")
    numbers = tuple(
        _numbers(row if isinstance(row, list) else [row], f"data[0].data[{i}]")
        for i, row in enumerate(rows)
    )
    return _answer(numbers, answer)


def _sglang(model: str, sent: Sent) -> dict[str, Any]:
    return {"text": sent.text} if sent.ids is None else {"input_ids": list(sent.ids)}


def _read_sglang(answer: Any) -> Answer:
    row = _one(answer, "the answer") if isinstance(answer, list) else answer
    numbers = _numbers(_field(row, "embedding"), "embedding")
    return _answer((numbers,), row.get("meta_info"))


def _openrlhf(model: str, sent: Sent) -> dict[str, Any]:
    return {"query": [sent.text], "prompts": [sent.prompt], "labels": [sent.label]}


def _read_openrlhf(answer: Any) -> Answer:
    reward = _one(_field(answer, "rewards"), "rewards")
    return Answer((_numbers(reward if isinstance(reward, list) else [reward], "rewards[0]"),))


def _llama_factory(model: str, sent: Sent) -> dict[str, Any]:
    return {"model": model, "messages": [sent.text]}


def _read_llama_factory(answer: Any) -> Answer:
    numbers = _numbers([_one(_field(answer, "scores"), "scores")], "scores")
    return _answer((numbers,), answer)


def _answer(rows: tuple[tuple[float, ...], ...], about: Any) -> Answer:
    """The numbers with what is said beside them: tokens as OpenAI or SGLang counts them."""
    said = about if isinstance(about, Mapping) else {}
    usage = said.get("usage")
    counted = (usage if isinstance(usage, Mapping) else said).get("prompt_tokens")
    activation = said.get("activation")
    return Answer(
        rows,
        counted if type(counted) is int else None,
        activation if isinstance(activation, str) else "",
    )


def _field(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise DataError(f"the answer has no {name}")
    return value[name]


def _one(value: Any, name: str) -> Any:
    if not isinstance(value, list) or len(value) != 1:
        raise DataError(f"{name} is no list of one, as one conversation was sent")
    return value[0]


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    """A list of numbers. None among them is a missing score, and no number."""
    if not isinstance(value, list) or not value:
        raise DataError(f"{name} is no list of numbers")
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise DataError(f"{name} holds {one!r}, which is no number")
    return tuple(map(float, value))


WIRES: Final[Mapping[str, Wire]] = {
    "vllm": Wire("classify", ("ids", "text", "messages"), _vllm, _read_vllm),
    "vllm-steps": Wire(
        "pooling", ("ids", "text", "messages"), _vllm_steps, _read_vllm_steps, by_step=True
    ),
    "sglang": Wire("classify", ("ids", "text"), _sglang, _read_sglang),
    "openrlhf": Wire("get_reward", ("text",), _openrlhf, _read_openrlhf),
    "llama-factory": Wire("v1/score/evaluation", ("text",), _llama_factory, _read_llama_factory),
}
"""Dialects by word."""
