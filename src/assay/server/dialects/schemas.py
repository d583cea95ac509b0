"""JSON schemas of requests and answers, as values."""

from collections.abc import Mapping
from typing import Final

from assay.server.dialects import Schema

__all__ = [
    "ACTIVATION", "ANY", "COUNT", "FLAG", "IDS", "INPUTS", "MESSAGES", "NUMBER", "NUMBERS",
    "OBJECT", "REFERENCE", "TEXT", "TEXTS", "UNUSED", "USAGE", "either", "extended", "many",
    "named", "nullable", "one_of", "record", "refusing", "request",
]  # fmt: skip

UNUSED: Final = [None, False]
"""Values that a field which cannot be honoured may have all the same."""


def many(items: Schema, least: int = 0) -> Schema:
    """Return the schema of a list. least: how many it must hold."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def either(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several."""
    return {"anyOf": [*schemas]}


def nullable(schema: Schema) -> Schema:
    """Return a schema that takes null besides."""
    return either(schema, {"type": "null"}) if schema else schema


def one_of(*values: str | bool) -> Schema:
    """Return the schema of one of a few values."""
    return {"enum": [*values]}


def named(model: type) -> Schema:
    """Return a reference to the schema of one of this library's records."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def record(required: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of an object that has no other fields. required: names of those that it
    must have."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def request(required: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of what is asked, in which null is the same as no field."""
    needed = required.split()
    return record(
        required,
        **{key: one if key in needed else nullable(one) for key, one in properties.items()},
    )


def extended(schema: Schema) -> Schema:
    """Return the schema of an object that may have other fields, too."""
    return {**schema, "additionalProperties": True}


def refusing(schema: Schema, reasons: Mapping[str, str]) -> Schema:
    """Return a schema with fields that cannot be honoured, each with the reason."""
    fields = {key: {"enum": UNUSED, "description": why} for key, why in reasons.items()}
    return {**schema, "properties": {**schema["properties"], **fields}}


ANY: Final[Schema] = {}
TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
OBJECT: Final[Schema] = {"type": "object"}
TEXTS, NUMBERS, IDS = many(TEXT), many(NUMBER), many(COUNT)
REFERENCE: Final = either(TEXT, NUMBER)
INPUTS: Final = either(TEXT, TEXTS, IDS, many(IDS))
"""Texts that are laid out already, or token ids."""
MESSAGES: Final = many(extended(record(role=TEXT, content=ANY)), least=1)
"""As OpenAI's chat has them."""
USAGE: Final = nullable(record(prompt_tokens=COUNT, total_tokens=COUNT, completion_tokens=COUNT))
ACTIVATION: Final = one_of("none", "sigmoid", "softmax")
