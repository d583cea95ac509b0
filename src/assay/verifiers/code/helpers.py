"""What a program of several blocks takes from the others: an answer may give a helper, or its
imports, apart."""

import ast
import builtins
from collections.abc import Sequence, Set
from itertools import chain
from typing import Final

from assay.syntax import UNREADABLE, tree

__all__ = ["defined", "helpers_for"]

MAX_CODE: Final = 200_000
"""Longest block that is looked into."""
_GIVEN: Final = frozenset({*dir(builtins), "__file__"})


def defined(code: str) -> set[str]:
    """The names of the functions, classes, imports and variables that a source has at its
    margin."""
    tree = _parsed(code)
    return set[str]().union(*(_bound_by(node) for node in tree.body)) if tree else set()


def helpers_for(code: str, others: Sequence[str], given: str, named: Set[str]) -> str:
    """The functions, classes, imports and constants of other blocks that a program uses, or that
    are named by its tests, and neither it nor what it is given defines, in their order; of several
    of a name the last."""
    program = _parsed(code)
    if program is None:
        return ""
    parts, by_name = list[tuple[str, ast.stmt]](), dict[str, int]()
    for other in others:
        tree, lines = _parsed(other), other.split("\n")
        for node in tree.body if tree else ():
            if not _computes(node):
                by_name.update(dict.fromkeys(_bound_by(node), len(parts)))
                parts.append((_source(lines, node), node))
    read, known = _names(program)
    known |= _GIVEN | (_names(tree)[1] if (tree := _parsed(given)) else set())
    wanted, taken = sorted((read | (by_name.keys() & named)) - known), set[int]()
    while wanted:
        name = wanted.pop()
        if name in by_name and name not in known:
            taken.add(by_name[name])
            node = parts[by_name[name]][1]
            known |= _bound_by(node)
            wanted += sorted(_names(node)[0] - known)
    return "".join(f"{parts[place][0]}\n" for place in sorted(taken))


def _parsed(code: str) -> ast.Module | None:
    try:
        return tree(code) if len(code) <= MAX_CODE else None
    except UNREADABLE:
        return None


def _computes(node: ast.stmt) -> bool:
    """Return whether it is more than a constant: what another block computes, it may compute from
    an input, or print."""
    return isinstance(node, ast.Assign) and any(
        isinstance(part, ast.Call) for part in ast.walk(node.value)
    )


def _source(lines: Sequence[str], node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _bound_by(node: ast.stmt) -> set[str]:
    """The names that a statement at the margin defines; none where it is no definition."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {each.asname or each.name.split(".")[0] for each in names}
        case ast.Assign(targets=targets):
            parts = chain.from_iterable(map(ast.walk, targets))
            return {part.id for part in parts if isinstance(part, ast.Name)}
        case _:
            return set()


def _names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The names that are read, and those that are given a meaning anywhere."""
    read, bound = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.split(".")[0])
    return read, bound
