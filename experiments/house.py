"""The size and style of the source, in numbers: `docs/explain/design.md` quotes them.

    python -m experiments.house             # a table in Markdown
    python -m experiments.house --json

Tokens are those of Python's tokenizer without comments, docstrings, line ends and indentation; a
code line is a line that holds at least one. A circle is two packages that import each other, types
included; an arrow that runs up is an import that the layers in pyproject.toml forbid.
"""

import argparse
import ast
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

SOURCE: Final = Path(__file__).parent.parent / "src" / "assay"
LAYOUT: Final = frozenset(
    {
        *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT),
        *(tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER),
    }
)
RELATIVE: Final = re.compile(r"(What|Whether|Where|How|Of)\b")
"""Openers of a docstring that make a clause of it instead of a sentence or a noun phrase."""


def house(source: Path = SOURCE) -> dict[str, Any]:
    """Return every number of the table by name."""
    files = {path: path.read_text() for path in sorted(source.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in files.items()}
    tokens, lines = 0, 0
    for path, text in files.items():
        count, code = tokens_and_lines(text, trees[path])
        tokens, lines = tokens + count, lines + code
    functions = [node for tree in trees.values() for node in _functions(tree)]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    docstrings = [text for tree in trees.values() for text in _docstrings(tree)]
    relative = sum(RELATIVE.match(text) is not None for text in docstrings)
    arrows = _arrows(trees, source)
    return {
        "files": len(files),
        "lines": sum(text.count("\n") for text in files.values()),
        "lines of the longest file": max(text.count("\n") for text in files.values()),
        "lines of cli/": _lines_in(files, source / "cli"),
        "lines of report/": _lines_in(files, source / "report"),
        "lines of the longest function": max(lengths),
        "tokens per code line": round(tokens / lines, 2),
        "docstrings that open with What, Whether, Where, How or Of, %": round(
            100 * relative / len(docstrings), 1
        ),
        '"ruler"': sum(
            len(re.findall(r"(?<!\.)ruler", text, re.IGNORECASE)) for text in files.values()
        ),
        "circles": sum((b, a) in arrows for a, b in arrows) // 2,
        "arrows that run up": len(_upward(arrows)),
    }


def tokens_and_lines(text: str, tree: ast.Module) -> tuple[int, int]:
    """Return how many tokens of code a file has, and on how many lines."""
    prose: set[int] = set()
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            prose.update(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    count, lines = 0, set[int]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT and token.start[0] not in prose:
            count += 1
            lines.update(range(token.start[0], token.end[0] + 1))
    return count, len(lines)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a file's functions."""
    for node in _functions(tree):
        if text := ast.get_docstring(node):
            yield text


def _lines_in(files: dict[Path, str], folder: Path) -> int:
    return sum(text.count("\n") for path, text in files.items() if folder in path.parents)


def _arrows(trees: dict[Path, ast.Module], source: Path) -> set[tuple[str, str]]:
    """Return which package below `assay` imports which, imports for type checking included."""
    found: set[tuple[str, str]] = set()
    for path, tree in trees.items():
        own = path.relative_to(source).parts[0].removesuffix(".py")
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module == "assay":
                names = [f"assay.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = name.split(".")
                if parts[0] == "assay" and len(parts) > 1 and parts[1] != own and own != "__init__":
                    found.add((own, parts[1]))
    return found


def _upward(arrows: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the arrows that the layers forbid."""
    project = tomllib.loads((SOURCE.parent.parent / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers")
    height = {name.strip(): -i for i, layer in enumerate(layers) for name in layer.split("|")}
    known = [(a, b) for a, b in arrows if a in height and b in height]
    return sorted((a, b) for a, b in known if height[a] <= height[b])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    numbers = house()
    if parser.parse_args().json:
        print(json.dumps(numbers, indent=2))
        return
    print("| | |\n|---|---:|")
    for name, value in numbers.items():
        print(f"| {name} | {value:,} |")


if __name__ == "__main__":
    main()
