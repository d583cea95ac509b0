"""SGLang's server of reward models (`python -m sglang.launch_server --is-embedding`; 0.5.23).

POST /classify is answered with an object alone where one text was asked for. POST /v1/embeddings is
what verl asks SGLang for rewards. POST /v1/score gives a logit per item, or with the token that the
model reads its steps at one matrix per item, [[logit of a step], ...]. SGLang's /v1/classify is
left out: there a softmax over one logit makes every score 1.0.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Schema, Scores
from assay.server.dialects import schemas as s
from assay.server.dialects.fields import Given, inputs, laid_out, said
from assay.server.dialects.numbers import encoded, ids, of_responses, of_steps, usage
from assay.types import Group, Message, Prompt, Response

__all__ = ["CLASSIFY", "EMBEDDINGS", "NATIVE", "SGLANG_SCORE"]

NATIVE: Final = ("text", "input_ids")
"""Fields by which a body is SGLang's, on a path that vLLM has too."""
IGNORED: Final[Mapping[str, Schema]] = dict.fromkeys(
    "rid priority user routing_key log_metrics background".split(), s.ANY
)
"""Fields that change no score."""
NO_HIDDEN: Final = "states of the model are not given out"
TEXTS: Final = "texts and token ids only"
PLAIN: Final = {
    "embed_override_token_id": TEXTS,
    "embed_overrides": TEXTS,
    "image_data": TEXTS,
    "video_data": TEXTS,
    "audio_data": TEXTS,
    "input_embeds": TEXTS,
    "lora_path": "there are no adapters; each model has a name",
    "dimensions": "scores have no dimensions",
    "is_cross_encoder_request": TEXTS,
    "return_pooled_hidden_states": NO_HIDDEN,
}
SCORING: Final = {
    "label_token_ids": "this is no language model that is read at labels; leave it out",
    "embed_override_token_id": TEXTS,
    "query_embed_overrides": TEXTS,
    "item_embed_overrides": TEXTS,
    "return_pooled_hidden_states": NO_HIDDEN,
    "return_token_logprobs": "this is no language model; leave it out",
}
ASKED: Final = s.refusing(
    s.request(
        text=s.either(s.TEXT, s.TEXTS),
        input_ids=s.either(s.IDS, s.many(s.IDS)),
        return_prompt_token_ids=s.FLAG,
        **IGNORED,
    ),
    PLAIN,
)
EMBEDDED: Final = s.refusing(
    s.request(
        "input",
        model=s.TEXT,
        input=s.INPUTS,
        encoding_format=s.one_of("float", "base64"),
        **IGNORED,
    ),
    PLAIN,
)
SCORED: Final = s.refusing(
    s.request(
        "items",
        query=s.either(s.TEXT, s.IDS),
        items=s.either(s.TEXT, s.TEXTS, s.many(s.IDS)),
        item_first=s.FLAG,
        score_extraction_token=s.TEXT,
        apply_softmax=s.FLAG,
        temperature={
            "type": "number",
            "const": 1,
            "description": "is of a softmax over labels; leave it out",
        },
        model=s.TEXT,
        **IGNORED,
    ),
    SCORING,
)


def _read(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, ASKED)
    if ("text" in body) == ("input_ids" in body):
        raise Refused("text", "must be given, or input_ids in its place")
    field = "text" if "text" in body else "input_ids"
    value = body[field]
    settings = {
        "items": f"{field}[{{}}]",
        "one": isinstance(value, str) or (bool(value) and isinstance(value[0], int)),
        "ids": body.get("return_prompt_token_ids", False),
    }
    return Asked(groups=tuple(map(laid_out, inputs(value))), settings=settings)


def _write(asked: Asked, scores: Scores, about: About) -> Any:
    rows, activation = of_responses(asked, scores, about, activate=False, field="")
    counts: list[int | None] = [None] * len(rows)
    if about.readout is not None:
        counts = [len(own) for own in ids(about, "")]
    found: list[dict[str, Any]] = []
    for row, count in zip(rows, counts, strict=True):
        meta = {"id": about.id, "prompt_tokens": count, "activation": activation}
        found.append({"embedding": row, "meta_info": meta})
    if asked.settings["ids"]:
        tokens = ids(about, "return_prompt_token_ids")
        found = [{**one, "prompt_token_ids": own} for one, own in zip(found, tokens, strict=True)]
    return found[0] if asked.settings["one"] else found


def _read_embeddings(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, EMBEDDED)
    settings = {"items": "input[{}]", "form": body.get("encoding_format", "float")}
    groups = tuple(map(laid_out, inputs(body["input"])))
    return Asked(groups=groups, model=body.get("model", ""), settings=settings)


def _write_embeddings(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    rows, activation = of_responses(asked, scores, about, activate=False, field="")
    data = [
        {"embedding": encoded(row, asked.settings["form"]), "index": i, "object": "embedding"}
        for i, row in enumerate(rows)
    ]
    return {
        "data": data,
        "model": about.name,
        "object": "list",
        "usage": usage(about),
        "activation": activation,
    }


def _read_score(body: Mapping[str, Any]) -> Asked:
    body = s.taken(body, SCORED)
    items = inputs(body["items"])
    query = _query(body.get("query") or "", items)
    settings = {
        "items": "items[{}]",
        "token": body.get("score_extraction_token"),
        "activate": body.get("apply_softmax", False),
    }
    responses = tuple(_joined(query, item, body.get("item_first", False)) for item in items)
    question = (Message(role="user", content=query),) if isinstance(query, str) and query else ()
    group = Group(prompt=Prompt(messages=question), responses=responses)
    return Asked(groups=(group,), model=body.get("model", ""), settings=settings)


def _query(value: str | list[int], items: list[Given]) -> Given:
    """The query, of the kind of the items."""
    in_ids = bool(items) and isinstance(items[0], tuple)
    if not value:
        return () if in_ids else ""
    if isinstance(value, list) != in_ids:
        raise Refused("query", "must be a text where items are, and token ids where they are")
    return value if isinstance(value, str) else tuple(value)


def _joined(query: Any, item: Any, first: bool) -> Response:
    """A response that is laid out as query and item, one behind the other."""
    steps = (said(item),) if isinstance(item, str) else ()
    return Response(steps=steps, rendered=item + query if first else query + item)


def _write_score(asked: Asked, scores: Scores, about: About) -> dict[str, Any]:
    token, activate = asked.settings["token"], asked.settings["activate"]
    read = of_responses if token is None else of_steps
    if token is not None:
        tag = about.readout.tag if about.readout and about.readout.at == "step_tag" else None
        if token != tag:
            where = f"{about.name} reads its steps at {tag!r}" if tag else f"{about.name} has none"
            raise Refused("score_extraction_token", f"{where}; it cannot be read at {token!r}")
    rows, activation = read(asked, scores, about, activate=activate, field="apply_softmax")
    if activate and activation != "softmax":
        reason = f"{about.name} has one output, of which a softmax is always 1; leave it out"
        raise Refused("apply_softmax", reason)
    return {
        "scores": rows,
        "pooled_hidden_states": None,
        "token_logprobs": None,
        "model": about.name,
        "usage": usage(about),
        "object": "scoring",
        "activation": activation,
    }


ROW: Final = s.record(
    "embedding meta_info",
    embedding=s.NUMBERS,
    meta_info=s.record(id=s.TEXT, prompt_tokens=s.nullable(s.COUNT), activation=s.ACTIVATION),
    prompt_token_ids=s.IDS,
)
SAID: Final[Mapping[str, Schema]] = {
    "model": s.TEXT, "object": s.TEXT, "usage": s.USAGE, "activation": s.ACTIVATION
}  # fmt: skip
CLASSIFY: Final = Dialect(
    "/classify",
    "SGLang: score texts or token ids.",
    _read,
    _write,
    ASKED,
    s.either(ROW, s.many(ROW)),
    lists=NATIVE,
)
EMBEDDINGS: Final = Dialect(
    "/v1/embeddings",
    "SGLang: scores in place of embeddings.",
    _read_embeddings,
    _write_embeddings,
    EMBEDDED,
    s.record(
        "data",
        data=s.many(s.record(embedding=s.either(s.TEXT, s.NUMBERS), index=s.COUNT, object=s.TEXT)),
        **SAID,
    ),
    lists=("input",),
)
SGLANG_SCORE: Final = Dialect(
    "/v1/score",
    "SGLang: score items behind a query.",
    _read_score,
    _write_score,
    SCORED,
    s.record(
        "scores",
        scores=s.many(s.either(s.NUMBERS, s.many(s.NUMBERS))),
        pooled_hidden_states=s.ANY,
        token_logprobs=s.ANY,
        **SAID,
    ),
    lists=("items",),
)
