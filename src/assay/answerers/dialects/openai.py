"""Questions as OpenAI's `POST /v1/decisions` takes them: a list, choices by typed values.

After openai 3.57 (types/decision_create_params.py) and vLLM (entrypoints/openai/decisions), which
refuses any other field.
"""

from collections.abc import Mapping
from typing import Any

from assay.answerers.dialects.words import instructions
from assay.questions import Option, Question

__all__ = ["questions"]


def questions(asked: Mapping[str, Question]) -> list[dict[str, Any]]:
    """Write questions under their names. A predicate's meanings stand in its instructions: there
    is no other place for them."""
    return [_question(id, question) for id, question in asked.items()]


def _question(id: str, question: Question) -> dict[str, Any]:
    head = {"type": question.kind, "name": id, "instructions": instructions(question)}
    if question.kind == "predicate":
        means = [f"{one.name}: {one.description}" for one in question.options if one.description]
        return {**head, "instructions": "\n".join([head["instructions"], *means])}
    if question.kind == "choice":
        return {**head, "choices": [{"value": o.name, **_means(o)} for o in question.options]}
    return {**head, "levels": [{"label": o.text, **_means(o)} for o in question.options]}


def _means(option: Option) -> dict[str, str]:
    return {"description": option.description} if option.description else {}
