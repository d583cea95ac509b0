"""vLLM's pooling server (`vllm serve MODEL --runner pooling`; 0.33), as verl asks it.

POST /classify {"model"?, "input": text | [text] | ids | [ids], or "messages": [...],
"use_activation"?} -> {"data": [{"index", "label", "probs", "num_classes"}], ...}.
POST /pooling takes "task": "classify" | "token_classify" besides, and "encoding_format"; the answer
has `data` of one row of numbers per input, or one row per step.

Three things differ from vLLM, so that no number is taken for another. Logits come as they are
unless `use_activation` is true (vLLM: a sigmoid unless it is false), and "activation" in the answer
names what the numbers went through. Nothing is truncated. A text gets one beginning-of-sequence
token where the model's layout has one, and never a second, whatever `add_special_tokens` says: send
token ids for anything else.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import conversation, flag, inputs, known, laid_out, text
from assay.server.dialects.numbers import encoded, ids, of_responses, of_steps, usage
from assay.types import Group, Prompt

__all__ = ["CLASSIFY", "POOLING"]

FIELDS: Final = (
    "model input messages use_activation add_special_tokens return_token_ids user request_id"
    " priority cache_salt truncation_side"
).split()
TEMPLATE: Final = "a conversation is laid out as the model was trained; leave it out"
REFUSED: Final = {
    "truncate_prompt_tokens": "nothing is truncated; a text that is too long is an error",
    "padding": "there is no padding; leave it out",
    "mm_processor_kwargs": "texts only",
    "media_io_kwargs": "texts only",
    "dimensions": "scores have no dimensions",
    "normalize": "was removed from vLLM; use_activation stands in its place",
    "add_generation_prompt": TEMPLATE,
    "continue_final_message": TEMPLATE,
    "chat_template": TEMPLATE,
    "chat_template_kwargs": TEMPLATE,
}
CODED: Final = ("task", "encoding_format", "embed_dtype", "endianness")
STEPS: Final = "token_classify"


def _read(body: Mapping[str, Any]) -> Asked:
    known(body, FIELDS, REFUSED)
    return _asked(body, {})


def _read_pooling(body: Mapping[str, Any]) -> Asked:
    known(body, (*FIELDS, *CODED), REFUSED)
    settings = {
        "task": _one_of(body, "task", (None, "classify", STEPS)),
        "form": _one_of(body, "encoding_format", ("float", "base64")),
        "dtype": _one_of(body, "embed_dtype", ("float32", "float16")),
        "endianness": _one_of(body, "endianness", ("native", "little", "big")),
    }
    return _asked(body, settings)


def _asked(body: Mapping[str, Any], settings: Mapping[str, Any]) -> Asked:
    if ("input" in body) == ("messages" in body):
        raise Refused("input", "must be given, or messages in its place")
    if "messages" in body:
        asked, response = conversation(body["messages"], "messages")
        groups: tuple[Group, ...] = (Group(prompt=Prompt(messages=asked), responses=(response,)),)
    else:
        groups = tuple(map(laid_out, inputs(body["input"], "input")))
    flag(body, "add_special_tokens")
    how = {
        "activate": flag(body, "use_activation"),
        "ids": flag(body, "return_token_ids"),
        "items": "input[{}]" if "input" in body else "messages",
    }
    model = text(body.get("model") or "", "model")
    return Asked(groups=groups, model=model, settings={**settings, **how})


def _one_of(body: Mapping[str, Any], field: str, there: tuple[str | None, ...]) -> str | None:
    """A field that is one of a few words; the first where it is not given."""
    value = body.get(field)
    if value is None:
        return there[0]
    if value not in there:
        words = ", ".join(str(word) for word in there if word)
        raise Refused(field, f"must be one of {words}, got {value!r}")
    return str(value)


def _write(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    activate = asked.settings["activate"]
    rows, activation = of_responses(asked, scores, about, activate=activate, field="use_activation")
    data = [
        {"label": f"LABEL_{row.index(max(row))}", "probs": row, "num_classes": len(row)}
        for row in rows
    ]
    return _answer("classify", data, activation, asked, about)


def _write_pooling(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    how = asked.settings
    by_step = how["task"] == STEPS
    if how["task"] is None and about.readout is not None:
        by_step = about.readout.at == "step_tag"
    read = of_steps if by_step else of_responses
    rows, activation = read(asked, scores, about, activate=how["activate"], field="use_activation")
    data = [
        {"object": "pooling", "data": encoded(row, how["form"], how["dtype"], how["endianness"])}
        for row in rows
    ]
    return _answer("pooling", data, activation, asked, about)


def _answer(
    kind: str, data: list[dict[str, Any]], activation: str, asked: Asked, about: About
) -> dict[str, Any]:
    rows = [{"index": i, **row} for i, row in enumerate(data)]
    if asked.settings["ids"]:
        tokens = ids(about, "return_token_ids")
        rows = [{**row, "token_ids": own} for row, own in zip(rows, tokens, strict=True)]
    return {
        "id": f"{kind}-{about.id}",
        "object": "list",
        "created": about.created,
        "model": about.name,
        "data": rows,
        "usage": usage(about),
        "activation": activation,
    }


CLASSIFY: Final = Dialect(
    "/classify", "vLLM: score texts, token ids or a chat.", _read, _write, ("input",)
)
POOLING: Final = Dialect(
    "/pooling", "vLLM: score texts, token ids or a chat, whole or by step.", _read_pooling,
    _write_pooling, ("input",),
)  # fmt: skip
