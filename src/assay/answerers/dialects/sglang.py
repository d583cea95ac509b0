"""Questions as SGLang's own `POST /v1/decisions` takes them, which is not OpenAI's.

After sglang 0.5.23 (entrypoints/openai/protocol.py): other fields are refused.
"""

from collections.abc import Mapping
from typing import Any

from assay.answerers.dialects.words import described, instructions
from assay.questions import Option, Question

__all__ = ["questions"]


def questions(asked: Mapping[str, Question]) -> list[dict[str, Any]]:
    """Write questions with their ids."""
    return [_question(id, question) for id, question in asked.items()]


def _question(id: str, question: Question) -> dict[str, Any]:
    head = {"id": id, "question": instructions(question)}
    if question.kind == "choice":
        return {**head, "type": "choice", "options": [_option(o) for o in question.options]}
    if question.kind == "score":
        return {**head, "type": "score", "levels": [described(o) for o in question.options]}
    answers = zip(("yes", "no"), question.options, strict=True)
    means = {answer: option.description for answer, option in answers if option.description}
    return {**head, "type": "yes_no", **means}


def _option(option: Option) -> dict[str, str]:
    means = {"description": option.description} if option.description else {}
    return {"name": option.text, **means}
