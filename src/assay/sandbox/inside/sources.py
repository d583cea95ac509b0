"""What can be read off the source of a test: the names it uses, whether its `check` waits to be
called."""

import ast
from collections.abc import Iterable
from typing import NamedTuple

__all__ = [
    "CAUGHT",
    "ENDS_ITSELF",
    "NEVER_ASKED",
    "RESERVED",
    "Names",
    "future_first",
    "imported",
    "names",
    "skips",
    "takes_candidate",
    "watched",
]

NEVER_ASKED = "the tests pass without asking the program for anything"
"""Why nothing can be said of a program that the tests do not use."""
ENDS_ITSELF = "the tests end the process that they run in (SystemExit)"
RESERVED = "__assay_"
"""How the names begin that rewritten tests use."""
CAUGHT = f"{RESERVED}caught__"
"""The name by which a rewritten test says that it has caught an error."""


class Names(NamedTuple):
    """Names in a source, wherever they stand."""

    read: frozenset[str]
    made: frozenset[str]
    """Defined, imported or assigned."""
    owners: dict[str, frozenset[str]]
    """Names of which only attributes are used, and which."""


def names(tree: ast.AST) -> Names:
    """The names that a source reads, and those that it defines or imports anywhere."""
    read, made, bare = set[str](), set[str](), set[str]()
    attributes: dict[str, set[str]] = {}
    owners = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.setdefault(node.value.id, set()).add(node.attr)
            owners.add(id(node.value))
        elif isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
            if id(node) not in owners:
                bare.add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    alone = {name: frozenset(used) for name, used in attributes.items() if name not in bare}
    return Names(frozenset(read), frozenset(made), alone)


def takes_candidate(tree: ast.Module) -> bool:
    """Return whether it defines a `check(candidate)` that it does not call itself, as HumanEval's
    tests do."""
    checks = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "check"
    ]
    if not checks or not (checks[-1].args.posonlyargs or checks[-1].args.args):
        return False
    inside = {id(node) for node in ast.walk(checks[-1])}
    return not any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "check"
        and id(node) not in inside
        for node in ast.walk(tree)
    )


def watched(tree: ast.Module) -> ast.Module:
    """The source with a word in every `except` that its error was caught; changes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            word = ast.Expr(ast.Call(ast.Name(CAUGHT, ast.Load()), [], []))
            node.body.insert(0, ast.copy_location(word, node.body[0]))
    return ast.fix_missing_locations(tree)


def future_first(before: str, source: str) -> str:
    """Helpers and a source as one file, its `from __future__` lines at its head."""
    lines = source.split("\n")
    head = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                head.append(lines[number])
                lines[number] = ""
    return "\n".join([*head, before, *lines])


def imported(source: str) -> set[str]:
    """The modules that a source imports anywhere, by their whole names."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def skips(sources: Iterable[str]) -> bool:
    """Return whether any of the sources may skip a test, or expect it to fail."""
    return any(
        word in source.lower()
        for source in sources
        for word in ("skip", "xfail", "expectedfailure")
    )
