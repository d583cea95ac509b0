"""SGLang's server of reward models (`python -m sglang.launch_server --is-embedding`; 0.5.23).

POST /classify {"text": text | [text]} or {"input_ids": ids | [ids]} -> [{"embedding": [logit],
"meta_info": {...}}], or the object alone where one was asked for.
POST /v1/embeddings {"model", "input", "encoding_format"?} -> {"data": [{"embedding": [logit]}]},
which is what verl asks SGLang for rewards.
POST /v1/score {"query", "items", "item_first"?, "score_extraction_token"?} -> {"scores":
[[logit]]}, or with the token that the model reads its steps at one matrix per item, [[logit of a
step], ...].

SGLang's /v1/classify is left out: there a softmax over one logit makes every score 1.0.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.server.dialects import About, Asked, Dialect, Refused, Scores
from assay.server.dialects.fields import Given, flag, inputs, known, laid_out, said, text
from assay.server.dialects.numbers import encoded, ids, of_responses, of_steps, usage
from assay.types import Group, Message, Prompt, Response

__all__ = ["CLASSIFY", "EMBEDDINGS", "NATIVE", "SGLANG_SCORE"]

NATIVE: Final = ("text", "input_ids")
"""Fields by which a body is SGLang's, on a path that vLLM has too."""
IGNORED: Final = ("rid", "priority", "user", "routing_key", "log_metrics", "background")
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


def _read(body: Mapping[str, Any]) -> Asked:
    known(body, (*NATIVE, "return_prompt_token_ids", *IGNORED), PLAIN)
    if ("text" in body) == ("input_ids" in body):
        raise Refused("text", "must be given, or input_ids in its place")
    field = "text" if "text" in body else "input_ids"
    given = inputs(body[field], field)
    if any(isinstance(one, str) != (field == "text") for one in given):
        raise Refused(field, "text holds texts, and input_ids token ids")
    value = body[field]
    settings = {
        "items": f"{field}[{{}}]",
        "one": isinstance(value, str) or (bool(value) and isinstance(value[0], int)),
        "ids": flag(body, "return_prompt_token_ids"),
    }
    return Asked(groups=tuple(map(laid_out, given)), settings=settings)


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
    known(body, ("model", "input", "encoding_format", *IGNORED), PLAIN)
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Refused("encoding_format", f"must be float or base64, got {form!r}")
    groups = tuple(map(laid_out, inputs(body.get("input"), "input")))
    model = text(body.get("model") or "", "model")
    return Asked(groups=groups, model=model, settings={"items": "input[{}]", "form": form})


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
    fields = "query items item_first score_extraction_token apply_softmax temperature model"
    known(body, (*fields.split(), *IGNORED), SCORING)
    if body.get("temperature") not in (None, 1, 1.0):
        raise Refused("temperature", "is of a softmax over labels; leave it out")
    first, given = flag(body, "item_first"), body.get("items")
    items = inputs(given, "items") if given is not None else []
    if given is None or (items and isinstance(given, list) and isinstance(given[0], int)):
        raise Refused("items", "must be a text, a list of texts, or a list of lists of token ids")
    query = _query(body.get("query"), items)
    token = body.get("score_extraction_token")
    settings = {
        "items": "items[{}]",
        "token": None if token is None else text(token, "score_extraction_token"),
        "activate": flag(body, "apply_softmax"),
    }
    responses = tuple(_joined(query, item, first) for item in items)
    question = (Message(role="user", content=query),) if isinstance(query, str) and query else ()
    group = Group(prompt=Prompt(messages=question), responses=responses)
    return Asked(groups=(group,), model=text(body.get("model") or "", "model"), settings=settings)


def _query(value: Any, items: list[Given]) -> Given:
    """The query, of the kind of the items."""
    in_ids = bool(items) and isinstance(items[0], tuple)
    if value is None or value == []:
        return () if in_ids else ""
    (query,) = inputs(value, "query") if not isinstance(value, list) else inputs([value], "query")
    if isinstance(query, tuple) != in_ids:
        raise Refused("query", "must be a text where items are, and token ids where they are")
    return query


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


CLASSIFY: Final = Dialect("/classify", "SGLang: score texts or token ids.", _read, _write, NATIVE)
EMBEDDINGS: Final = Dialect(
    "/v1/embeddings", "SGLang: scores in place of embeddings.", _read_embeddings, _write_embeddings,
    ("input",),
)  # fmt: skip
SGLANG_SCORE: Final = Dialect(
    "/v1/score", "SGLang: score items behind a query.", _read_score, _write_score, ("items",)
)
