"""Antiderivatives with their constant: x^2 + C is x^2 + K and x^2 + 1 + C, and is not x^2."""

from typing import Any, Final

__all__ = ["without_constants"]

CONSTANTS: Final = frozenset({"c", "C", "k", "K", "c_1", "C_1"})
"""Names by which constants of integration go."""


def without_constants(one: Any, other: Any) -> tuple[Any, Any] | None:
    """The derivatives of two expressions that each end in "+ C"; None where they are not both
    so."""
    first, second = _constant(one), _constant(other)
    if first is None or second is None:
        return None
    variables = (one.free_symbols - {first}) | (other.free_symbols - {second})
    if len(variables) != 1 or not {str(first), str(second)} & {"c", "C"}:
        return None
    (variable,) = variables
    return (one - first).diff(variable), (other - second).diff(variable)


def _constant(expression: Any) -> Any | None:
    """The symbol that is added to it and stands nowhere else in it."""
    if not expression.is_Add:
        return None
    found = [part for part in expression.args if part.is_Symbol and str(part) in CONSTANTS]
    alone = [name for name in found if not (expression - name).has(name)]
    return alone[0] if len(alone) == 1 else None
