"""Decision servers on the loopback, one a dialect: they refuse what the real ones refuse, and
answer in their shapes.

An option is believed by its name and, where `slope` is not 0, by its place: log p = belief(name) +
slope place. Predicates are believed by their instructions.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.answerers.dialects.table import DIALECTS
from tests.engines.fake_server import Asked, Reply

Payload = dict[str, Any]
MASS = 0.9


def belief(text: object) -> float:
    """A number in [0, 2) that a text always gets."""
    digest = hashlib.sha256(json.dumps(text).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**31


def shares(names: Sequence[object], slope: float = 0.0) -> list[float]:
    """The probability of each option."""
    weights = [math.exp(belief(name) + slope * place) for place, name in enumerate(names)]
    return [weight / math.fsum(weights) for weight in weights]


def yes(instructions: str) -> float:
    """The probability that a predicate is believed with."""
    return belief(instructions) / 2


class Wrong(Exception):
    """A request that a real server refuses."""


def serve(
    dialect: str,
    *,
    slope: float = 0.0,
    mass: float = MASS,
    change: Callable[[Asked, Payload], Any] = lambda _, payload: payload,
) -> Callable[[Asked], Reply]:
    """A script for `FakeServer`. change: what becomes of a good payload, or a `Reply` instead."""
    speak = {"input": _sglang if dialect == "sglang" else _openai, "state": _systemone}

    def script(asked: Asked) -> Reply:
        try:
            _same(asked.path, f"/v1/{DIALECTS[dialect].path}".replace("{model}", "m"))
            payload = speak[DIALECTS[dialect].state](dialect, asked.body, slope, mass)
        except Wrong as error:
            return Reply(400, {"detail": [{"loc": ["body"], "msg": str(error), "type": "value"}]})
        changed = change(asked, payload)
        return changed if isinstance(changed, Reply) else Reply(body=changed)

    return script


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"{found!r} where {wanted!r} is right")


def _only(given: Mapping[str, Any], needed: set[str], allowed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    if needed - given.keys() or given.keys() - needed - allowed:
        raise Wrong(f"fields {sorted(given)}; needed {sorted(needed)}, allowed {sorted(allowed)}")


def _openai(dialect: str, body: Payload, slope: float, mass: float) -> Payload:
    _only(body, {"model", "input", "questions"}, {"safety_identifier"})
    if not isinstance(body["input"], str):
        if dialect != "openai":
            raise Wrong("input is no text")
        _check_items(body["input"])
    answers = []
    for question in body["questions"]:
        options = {"choice": {"choices"}, "score": {"levels"}}.get(question["type"], set())
        _only(question, {"type", "instructions", "name"} | options)
        head = {"type": question["type"], "name": question["name"]}
        if question["type"] == "predicate":
            answers.append({**head, "probability": yes(question["instructions"])})
        elif question["type"] == "choice":
            values = [choice["value"] for choice in question["choices"]]
            p = shares(values, slope)
            pairs = [{"value": v, "probability": x} for v, x in zip(values, p, strict=True)]
            top = values[p.index(max(p))]
            answers.append(
                {**head, "choice": top, "probabilities": pairs, "confidence": max(p) * mass}
            )
        else:
            labels = [level["label"] for level in question["levels"]]
            p = shares(labels)
            rows = [
                {"value": i, "label": label, "probability": x}
                for i, (label, x) in enumerate(zip(labels, p, strict=True))
            ]
            mean = sum(i * x for i, x in enumerate(p))
            answers.append({**head, "score": mean, "probabilities": rows, "confidence": 0.5})
    details = {"cached_tokens": 4, "cache_write_tokens": 0}
    usage = {"input_tokens": 10, "input_tokens_details": details, "output_tokens": 0}
    return {"model": body["model"], "answers": answers, "usage": {**usage, "total_tokens": 10}}


def _check_items(items: Sequence[Payload]) -> None:
    called = set()
    for item in items:
        if item["type"] == "message":
            _only(item, {"type", "role", "content"})
        elif item["type"] in ("function_call", "custom_tool_call"):
            given = "arguments" if item["type"] == "function_call" else "input"
            _only(item, {"type", "call_id", "name", given})
            called.add(item["call_id"])
        elif item["type"] in ("function_call_output", "custom_tool_call_output"):
            _only(item, {"type", "call_id", "output"})
            if item["call_id"] not in called:
                raise Wrong(f"no call {item['call_id']}")
        else:
            raise Wrong(f"an item of type {item['type']}")


def _systemone(dialect: str, body: Payload, slope: float, mass: float) -> Payload:
    row = DIALECTS[dialect]
    lead = {"instructions"} if row.system == "instructions" else set()
    _only(body, {"state", "questions"} | ({"model"} if row.names_model else set()), lead)
    answers: Payload = {}
    for id, question in body["questions"].items():
        _only(question, {"type", "instructions"}, {"criteria"})
        kind, criteria = question["type"], question.get("criteria")
        answers[id] = {"type": kind}
        if kind == "noul":
            key = "probability" if dialect == "databricks" else "noul"
            answers[id][key] = yes(question["instructions"])
            continue
        names = list(criteria) if kind == "choice" else [str(i) for i in range(len(criteria))]
        p = shares(list(criteria), slope if kind == "choice" else 0.0)
        answers[id] |= {"probabilities": dict(zip(names, p, strict=True)), "confidence": 0.5}
        if kind == "choice":
            answers[id]["choice"] = names[p.index(max(p))]
        else:
            answers[id] |= {"score": 1.0, "legend": dict(zip(names, criteria, strict=True))}
    if dialect == "sglang-systemone":
        for answer in answers.values():
            answer["x_label_mass"] = mass
    payload = {"model": body.get("model", "?"), "answers": answers}
    payload["usage"] = {"input_tokens": 10, "output_tokens": 2}
    if dialect == "vllm-systemone":
        one = {"label_mass": mass, "argmax_is_label": True}
        payload |= {"object": "structured_decision", "diagnostics": dict.fromkeys(answers, one)}
    wrapper = {"databricks": "response", "cloudflare": "result"}.get(dialect)
    return {wrapper: payload, "success": True} if wrapper else payload


def _sglang(dialect: str, body: Payload, slope: float, mass: float) -> Payload:
    _only(body, {"model", "input", "questions", "prompt_format_version"})
    answers: Payload = {}
    for question in body["questions"]:
        kinds = {"choice": {"options"}, "score": {"levels"}}
        meanings = {"yes", "no"} if question["type"] == "yes_no" else set()
        _only(question, {"id", "type", "question"} | kinds.get(question["type"], set()), meanings)
        if question["type"] == "yes_no":
            p = [yes(question["question"]), 1 - yes(question["question"])]
            found = {"probabilities": dict(zip(("yes", "no"), p, strict=True))}
        elif question["type"] == "choice":
            names = [option["name"] for option in question["options"]]
            p = shares(names, slope)
            found = {"probabilities": dict(zip(names, p, strict=True)), "choice": names[0]}
        else:
            p = shares(question["levels"])
            found = {"probabilities": {str(i): x for i, x in enumerate(p)}, "score": 1.0}
        answers[question["id"]] = {"type": question["type"], **found, "label_mass": mass}
    usage = {"prompt_tokens": 10, "total_tokens": 10}
    head = {"object": "decisions", "model": body["model"], "prompt_format_version": 1}
    return {**head, "answers": answers, "usage": usage}
