"""vLLM's pooling server (`vllm serve MODEL --runner pooling`; 0.33), as verl asks it.

Three things differ from vLLM, so that no number is taken for another. Logits come as they are
unless `use_activation` is true (vLLM: a sigmoid unless it is false), and "activation" in the answer
names what the numbers went through. Nothing is truncated. A text gets one beginning-of-sequence
token where the model's layout has one, and never a second, whatever `add_special_tokens` says: send
token ids for anything else.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Schema, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import conversation, inputs, laid_out
from assay.server.dialects.numbers import encoded, ids, of_responses, of_steps, usage
from assay.types import Group, Prompt

__all__ = ["CLASSIFY", "POOLING"]

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
STEPS: Final = "token_classify"
FIELDS: Final[Mapping[str, Schema]] = {
    "model": s.TEXT,
    "input": s.INPUTS,
    "messages": s.MESSAGES,
    **dict.fromkeys(("use_activation", "add_special_tokens", "return_token_ids"), s.FLAG),
    **dict.fromkeys("user request_id priority cache_salt truncation_side".split(), s.ANY),
}
ASKED: Final = s.refusing(s.request(**FIELDS), REFUSED)
POOLED: Final = s.refusing(
    s.request(
        **FIELDS,
        task=s.one_of("classify", STEPS),
        encoding_format=s.one_of("float", "base64"),
        embed_dtype=s.one_of("float32", "float16"),
        endianness=s.one_of("native", "little", "big"),
    ),
    REFUSED,
)


def _read(body: Mapping[str, Any]) -> Asked:
    return _asked(s.taken(body, ASKED), {})


def _read_pooling(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, POOLED)
    form = [
        body.get("encoding_format", "float"),
        body.get("embed_dtype", "float32"),
        body.get("endianness", "native"),
    ]
    return _asked(body, {"task": body.get("task"), "form": form})


def _asked(body: Mapping[str, Any], settings: Mapping[str, Any]) -> Asked:
    if ("input" in body) == ("messages" in body):
        raise Refused("input", "must be given, or messages in its place")
    if "messages" in body:
        asked, response = conversation(body["messages"], "messages")
        groups: tuple[Group, ...] = (Group(prompt=Prompt(messages=asked), responses=(response,)),)
    else:
        groups = tuple(map(laid_out, inputs(body["input"])))
    how = {
        "activate": body.get("use_activation", False),
        "ids": body.get("return_token_ids", False),
        "items": "input[{}]" if "input" in body else "messages",
    }
    return Asked(groups=groups, model=body.get("model", ""), settings={**settings, **how})


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
    data = [{"object": "pooling", "data": encoded(row, *how["form"])} for row in rows]
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


def _answered(**row: Schema) -> Schema:
    return s.record(
        "data",
        **dict.fromkeys(("id", "object", "model"), s.TEXT),
        created=s.COUNT,
        data=s.many(s.record("index", index=s.COUNT, token_ids=s.IDS, **row)),
        usage=s.USAGE,
        activation=s.ACTIVATION,
    )


CLASSIFY: Final = Dialect(
    "/classify",
    "vLLM: score texts, token ids or a chat.",
    _read,
    _write,
    ASKED,
    _answered(label=s.TEXT, probs=s.NUMBERS, num_classes=s.COUNT),
    lists=("input",),
)
POOLING: Final = Dialect(
    "/pooling",
    "vLLM: score texts, token ids or a chat, whole or by step.",
    _read_pooling,
    _write_pooling,
    POOLED,
    _answered(object=s.TEXT, data=s.either(s.TEXT, s.NUMBERS, s.many(s.NUMBERS))),
    lists=("input",),
)
