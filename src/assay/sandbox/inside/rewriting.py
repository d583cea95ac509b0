"""Tests rewritten so that what they compare, combine and pass on is looked at (`comparing`), in one
process."""

import ast
from typing import Final

from .sources import RESERVED

__all__ = ["COMBINE", "COMPARE", "MEET", "guarded"]

COMPARE, COMBINE, MEET = f"{RESERVED}compare__", f"{RESERVED}combine__", f"{RESERVED}meet__"
"""The names by which tests call what looks at their values."""

_COMPARISONS: Final[dict[type, str]] = {
    ast.Eq: "__eq__",
    ast.NotEq: "__ne__",
    ast.Lt: "__lt__",
    ast.LtE: "__le__",
    ast.Gt: "__gt__",
    ast.GtE: "__ge__",
    ast.In: "__contains__",
    ast.NotIn: "not __contains__",
    ast.Is: "is",
    ast.IsNot: "not is",
}
_COMBINED: Final[dict[type, str]] = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Div: "__truediv__",
    ast.FloorDiv: "__floordiv__",
    ast.Mod: "__mod__",
}


def guarded(tree: ast.Module) -> ast.Module:
    """A test in which comparisons, sums, differences and the arguments of calls are looked at;
    changes the tree."""
    changed: ast.Module = _Rewrite().visit(tree)
    return ast.fix_missing_locations(changed)


class _Rewrite(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        names = ast.Tuple([ast.Constant(_COMPARISONS[type(op)]) for op in node.ops], ast.Load())
        return ast.copy_location(_call(COMPARE, names, node.left, *node.comparators), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = _COMBINED.get(type(node.op))
        return (
            ast.copy_location(_call(COMBINE, ast.Constant(name), node.left, node.right), node)
            if name
            else node
        )

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        looked_at = (ast.Starred, ast.Constant, ast.GeneratorExp)
        node.args = [
            arg if isinstance(arg, looked_at) else ast.copy_location(_call(MEET, arg), arg)
            for arg in node.args
        ]
        for keyword in node.keywords:
            if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
                keyword.value = ast.copy_location(_call(MEET, keyword.value), keyword.value)
        return node


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
