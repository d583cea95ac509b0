"""JSON schemas of requests and answers, as values, and the check of a request against its own."""

import re
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, Final

from assay.server.dialects import Refused, Schema

__all__ = [
    "ACTIVATION", "ANY", "COUNT", "FLAG", "IDS", "INPUTS", "MESSAGES", "NUMBER", "NUMBERS",
    "OBJECT", "REFERENCE", "TEXT", "TEXTS", "USAGE", "branches", "by_name", "check", "either",
    "extended", "many", "named", "nullable", "one_of", "record", "refusing", "request", "taken",
    "words",
]  # fmt: skip

TYPES: Final[Mapping[str, set[type]]] = {
    "string": {str}, "boolean": {bool}, "integer": {int}, "number": {int, float},
    "array": {list}, "object": {dict}, "null": {NoneType},
}  # fmt: skip
WORDS: Final = {
    "string": "text", "boolean": "true or false", "integer": "whole number", "number": "number",
    "array": "list", "object": "object", "null": "",
}  # fmt: skip
UNUSED: Final = [None, False]
"""Values that a field which cannot be honoured may have all the same."""


def many(items: Schema, least: int = 0) -> Schema:
    """Return the schema of a list. least: how many it must hold."""
    return {"type": "array", "items": items, "minItems": least}


def by_name(values: Schema) -> Schema:
    """Return the schema of an object of any names."""
    return {"type": "object", "additionalProperties": values}


def either(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several: the first of its kind, where it is checked."""
    return {"anyOf": [*schemas]}


def nullable(schema: Schema) -> Schema:
    """Return a schema that takes null besides."""
    return either(schema, {"type": "null"}) if schema else schema


def one_of(*values: str) -> Schema:
    """Return the schema of one of a few texts."""
    return {"type": "string", "enum": [*values]}


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
    return {**schema, "additionalProperties": ANY}


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


def taken(body: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """Return the fields of a request that are not null. Raises `Refused` as `check` does."""
    check(body, schema)
    return {key: value for key, value in body.items() if value is not None}


def check(value: Any, schema: Schema, at: str = "") -> None:
    """Raise `Refused` naming the place where a value does not fit a schema.

    at: the value's own place, such as "questions[0]"; "" is the body.
    """
    if "anyOf" in schema:
        schema = _meant(value, schema, at)
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        # True is 1 to Python.
        if not any(value == one and type(value) in (type(one), float) for one in values):
            raise Refused(at, schema.get("description", f"must be {words(schema)}, got {value!r}"))
    elif not _is_of({type(value)}, schema) or _is_less(value, schema):
        raise Refused(at, f"must be {words(schema)}, got {value!r:.40}")
    elif isinstance(value, list):
        _check_items(value, schema.get("items", ANY), at)
    elif isinstance(value, dict):
        _check_fields(value, schema, f"{at}." * bool(at))


def _check_items(values: Sequence[Any], items: Schema, at: str) -> None:
    # Of millions of tokens, what kinds there are and the least of them say enough.
    plain = {*items} <= {"type", "minimum"} and _is_of({*map(type, values)}, items)
    if plain and not (values and "minimum" in items and _is_less(min(values), items)):
        return
    for i, value in enumerate(values):
        check(value, items, f"{at}[{i}]")


def _check_fields(value: Mapping[str, Any], schema: Schema, before: str) -> None:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties", ANY)
    for key in schema.get("required", ()):
        if key not in value:
            raise Refused(f"{before}{key}", f"is not there; it must be {words(fields[key])}")
    for key, one in value.items():
        if key not in fields and others is False:
            raise Refused(f"{before}{key}", f"is no field; there is {', '.join(sorted(fields))}")
        check(one, fields.get(key, others), f"{before}{key}")


def _meant(value: Any, schema: Schema, at: str) -> Schema:
    """The one of several schemas that a value is meant for, by its type and what it begins with."""
    every = [one for one in branches(schema) if _is_of({type(value)}, one)]
    if len(every) > 1:
        every, of_its_type = [one for one in every if _looks_like(value, one)], every
        if not every and all(map(_mark, of_its_type)):
            kinds = [one["properties"]["type"]["const"] for one in of_its_type]
            raise Refused(f"{at}.type", f"must be one of {', '.join(kinds)}")
    if not every:
        raise Refused(at, f"must be {words(schema)}, got {value!r:.40}")
    return every[0]


def _looks_like(value: Any, schema: Schema) -> bool:
    if isinstance(value, list) and value and "items" in schema:
        return any(_looks_like(value[0], one) for one in branches(schema["items"]))
    if isinstance(value, dict) and _mark(schema):
        return bool(value.get("type") == schema["properties"]["type"]["const"])
    return _is_of({type(value)}, schema)


def _mark(schema: Schema) -> bool:
    """Whether objects say by their type that they are of this schema."""
    return "const" in schema.get("properties", {}).get("type", ANY)


def _is_of(types: set[type], schema: Schema) -> bool:
    kind = schema.get("type", "object" if "$ref" in schema else "")
    return kind == "" or types <= TYPES[kind]


def _is_less(value: Any, schema: Schema) -> bool:
    size = len(value) if isinstance(value, list) else value
    least = schema.get("minItems", schema.get("minimum"))
    return least is not None and bool(size < least)


def branches(schema: Schema) -> list[Schema]:
    """Return the schemas that one is made of, one of which must fit."""
    if "anyOf" not in schema:
        return [schema]
    return [one for each in schema["anyOf"] for one in branches(each)]


def words(schema: Schema) -> str:
    """Return what a schema takes, in words: "text or list of texts"."""
    if schema.get("enum") == UNUSED:
        return f"not taken: {schema['description']}"
    if "anyOf" in schema:
        return " or ".join(filter(None, dict.fromkeys(map(words, branches(schema)))))
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", [schema.get("const")])))
    if "$ref" in schema:
        return WORDS["object"]
    if "items" not in schema:
        return WORDS.get(schema.get("type", ""), "anything")
    inner = words(schema["items"])
    if " or " in inner:
        return f"list of ({inner})"
    plural = re.sub("(whole number|text|number|object|list)", r"\1s", inner, count=1)
    least = schema.get("minItems")
    return f"list of {least} or more {plural}" if least else f"list of {plural}"
