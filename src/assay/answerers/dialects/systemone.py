"""Questions as TypeSafe's `POST /v1/systemone` takes them: an object by name; a choice's options
are the keys of another, so their order is that of its keys and their names are texts.

After typesafe-sdk 0.7.5 (api.typesafe.ai/openapi.json) and the servers of vLLM and SGLang.
"""

from collections.abc import Mapping
from typing import Any

from assay.answerers.dialects.words import described, instructions
from assay.questions import Question

__all__ = ["questions"]

KINDS = {"predicate": "noul", "choice": "choice", "score": "score"}


def questions(asked: Mapping[str, Question]) -> dict[str, dict[str, Any]]:
    """Write questions under their names."""
    return {id: _question(question) for id, question in asked.items()}


def _question(question: Question) -> dict[str, Any]:
    head = {"type": KINDS[question.kind], "instructions": instructions(question)}
    if question.kind == "score":
        return {**head, "criteria": [described(option) for option in question.options]}
    means = {option.text: option.description or None for option in question.options}
    if question.kind == "predicate":
        given = {key: text for key, text in means.items() if text}
        return {**head, "criteria": given} if given else head
    return {**head, "criteria": means}
