"""JSON Schema, checked with `jsonschema` so that no text can hang it and no schema can reach the
network.

Stock jsonschema matches a schema's patterns with Python's `re`, without a limit, compares unique
items pair by pair, follows a schema that branches into itself for as long as that takes, and
fetches a `$ref` that it does not know. Here one check has one second for its patterns and
references, unique items are counted by a key, and what is not in the schema (or one of the
published meta-schemas) is not there. `format` is not checked, as is the standard's default.
`unevaluatedProperties` is refused: its patterns cannot be bounded.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from assay.errors import ConfigError, MissingExtra
from assay.types import Verdict
from assay.verifiers.rules.texts.judged import judged, shown

__all__ = ["Schema"]

SECONDS: Final = 1.0
"""For one check."""

_deadline: ContextVar[float] = ContextVar("deadline")

UNBOUNDED: Final = ("unevaluatedProperties", "unevaluatedItems")
LATEST: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]
"""(validator, the keyword's value, the value to check, the schema) -> errors, as jsonschema has
them."""


@dataclass(frozen=True)
class Schema:
    """A schema, ready to check values."""

    validator: Any

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> "Schema":
        """Return the validator of the draft that `$schema` names, 2020-12 where it names none.

        Raises `ConfigError` where it is no schema, `MissingExtra` where jsonschema is not
        installed.
        """
        try:
            import regex  # type: ignore[import-untyped]  # noqa: F401
            from jsonschema import validators  # type: ignore[import-untyped]
            from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
            from referencing import Registry
        except ImportError as error:
            raise MissingExtra("checking a JSON schema", "rules") from error
        try:
            plain = json.loads(json.dumps(dict(schema), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"not a JSON schema: {error}") from error
        if used := sorted(set(UNBOUNDED) & set(_keys(plain))):
            raise ConfigError(
                f"the schema uses {used[0]}, which is not checked here; say it with"
                " additionalProperties"
            )
        named = plain.get("$schema", LATEST)
        draft = (
            validators.validator_for({"$schema": named}, default=None)
            if isinstance(named, str)
            else None
        )
        if draft is None:
            raise ConfigError(
                f"$schema is {named!r}, which is no draft that is known; leave it out for {LATEST}"
            )
        try:
            draft.check_schema(plain)
        except SchemaError as error:
            raise ConfigError(
                f"not a JSON schema: {error.message}, at {error.json_path}"
            ) from error
        bounded = {
            "pattern": _pattern,
            "patternProperties": _pattern_properties,
            "additionalProperties": _additional_properties,
            "uniqueItems": _unique_items,
        }
        refs = {
            name: _timed(draft.VALIDATORS[name]) for name in REFERENCES if name in draft.VALIDATORS
        }
        return cls(validators.extend(draft, bounded | refs)(plain, registry=Registry()))

    def check(self, stage: str, value: Any, span: tuple[int, int]) -> Verdict:
        """Right where the value is as the schema says, else the first place where it is not."""
        import regex
        from referencing.exceptions import Unresolvable

        token = _deadline.set(time.monotonic() + SECONDS)
        try:
            error = next(self.validator.iter_errors(value), None)
        except TimeoutError:
            reason = f"not checked within {SECONDS:g} s"
        except Unresolvable as unknown:
            reason = (
                f"the schema refers to {shown(str(unknown.ref))}, which is not in it, and nothing"
                " is fetched"
            )
        except regex.error as flaw:
            reason = f"a pattern of the schema cannot be matched: {flaw}"
        except RecursionError:
            reason = "the schema refers to itself without end, or too deep"
        else:
            if error is None:
                return judged(stage, True, "as the schema says")
            return judged(stage, False, f"{error.json_path}: {shown(error.message, 200)}", span)
        finally:
            _deadline.reset(token)
        return Verdict(outcome="undecided", reason=reason, stage=stage)


def _keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema
    for part in (
        schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    ):
        yield from _keys(part)


def _found(pattern: str, text: str) -> bool:
    import regex

    return regex.search(pattern, text, timeout=_left()) is not None


def _left() -> float:
    """Seconds until the deadline. Raises `TimeoutError` after it."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _timed(keyword: Keyword) -> Keyword:
    # Whatever goes on for ever comes through a reference again and again.
    def timed(validator: Any, reference: Any, value: Any, schema: Any) -> Iterator[Any]:
        _left()
        yield from keyword(validator, reference, value, schema) or ()

    return timed


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, str) and not _found(pattern, value):
        yield _error(f"{shown(value)} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for pattern, part in patterns.items():
            for key, item in value.items():
                if _found(pattern, key):
                    yield from validator.descend(item, part, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in schema.get("properties", ()) or any(
                _found(p, key) for p in schema.get("patternProperties", ())
            ):
                continue
            if allowed is False:
                yield _error(f"{shown(key)} is not one of its properties")
            else:
                yield from validator.descend(item, allowed, path=key)


def _unique_items(validator: Any, unique: bool, value: Any, schema: Any) -> Iterator[Any]:
    if unique and isinstance(value, list):
        seen = set()
        for i, item in enumerate(value):
            if (key := _key(item)) in seen:
                yield _error(f"item {i} stands there twice")
            seen.add(key)


def _key(value: Any) -> Any:
    """Equal for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool):
        return ("truth", value)
    if isinstance(value, list):
        return ("list", tuple(map(_key, value)))
    if isinstance(value, dict):
        return ("object", frozenset((name, _key(item)) for name, item in value.items()))
    return value
