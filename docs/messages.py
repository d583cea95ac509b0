"""Write the page of all messages, from the source: whoever pastes one into the search finds where
it comes from, and what explains it."""

import ast
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[1] / "src/assay"
GAP: Final = "…"
EXPLAINED: Final = {
    "adapters": "../how-to/rewards-for-trainers.md",
    "annotate": "../explain/annotate.md",
    "annotate_app": "../explain/annotate.md",
    "answerers": "../explain/judges.md",
    "arena": "../explain/arena.md",
    "audit": "../explain/audit.md",
    "benchmarks": "../explain/benchmarks.md",
    "cli": "cli/index.md",
    "cluster": "../explain/scale.md",
    "components": "../extend/index.md",
    "data": "../explain/data.md",
    "engines": "../explain/loading.md",
    "evaluation": "../explain/benchmarks.md",
    "http": "../explain/judges.md",
    "judges": "../explain/judges.md",
    "labelling": "../explain/labels.md",
    "losses": "../explain/training.md",
    "models": "../explain/loading.md",
    "overopt": "../explain/overopt.md",
    "protocols": "api/components.md",
    "questions": "../explain/judges.md",
    "report": "files.md",
    "rl": "../explain/rl.md",
    "runs": "files.md",
    "sandbox": "../explain/verifiers.md",
    "scorers": "../explain/words.md",
    "search": "api/search.md",
    "server": "../explain/serving.md",
    "specs": "../explain/words.md",
    "stats": "../explain/intervals.md",
    "training": "../explain/training.md",
    "verifiers": "../explain/verifiers.md",
    "workflows": "cli/index.md",
}
"""Package -> the page that explains it."""
MARKS: Final = re.compile(r"(`[^`]*`)|([\\*_<>\[\]])")
HERE: Final = "The site has them here: `make docs` takes them from the source.\n"
"""Stands in the page for the messages."""


def messages() -> dict[str, tuple[str, list[str]]]:
    """Return module -> its docstring's first paragraph and its messages, in the source's order."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    kinds = _kinds(trees.values())
    found = {}
    for path, tree in trees.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
        calls.sort(key=lambda call: (call.lineno, call.col_offset))
        said = [text for call in calls if _name(call.func) in kinds for text in _said(call)]
        said = [text for text in dict.fromkeys(said) if re.search(r"[a-z]{3}", text)]
        if said:
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            about = " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())
            found[name.removesuffix(".__init__")] = (about, said)
    return found


def listed() -> str:
    """Return what stands in the page, as Markdown."""
    parts = []
    modules = messages().items()
    for package, group in itertools.groupby(modules, lambda item: item[0].partition(".")[0]):
        parts.append(f"## {package} {{ #{package} }}")
        if package in EXPLAINED:
            parts.append(f"Explained in [{_title(EXPLAINED[package])}]({EXPLAINED[package]}).")
        for name, (about, said) in group:
            # A module of a package's own name has a heading too: none is left out on the way to 4.
            anchor = name.replace(".", "-") if name != package else f"{name}-itself"
            parts.append(f"### {name} {{ #{anchor} }}")
            parts.append(MARKS.sub(lambda match: match[1] or f"\\{match[2]}", about))
            # A heading each, for the search knows places by headings.
            parts += [f"#### ``` {text} ```" for text in said]
    return "\n\n".join(parts) + "\n"


def _kinds(trees: Iterable[ast.Module]) -> set[str]:
    """Names of what carries a message: the library's errors, and `Unscored`."""
    classes = [
        (node.name, {_name(base) for base in node.bases})
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    known = {"AssayError", "Unscored"}
    while more := {name for name, bases in classes if bases & known} - known:
        known |= more
    return known


def _said(call: ast.Call) -> Iterator[str]:
    for text in _texts(call.args[0]):
        if _name(call.func) == "MissingExtra":
            text = f"{text} needs the {GAP} extra: pip install 'assay[{GAP}]'"
        yield re.sub(rf"{GAP}+", GAP, " ".join(text.split()))


def _texts(node: ast.expr) -> list[str]:
    """Return what an expression may say; what is put in at run time is a gap."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            parts = [_texts(value) for value in values]
            return ["".join(one) for one in itertools.product(*parts)]
        case ast.FormattedValue(value=ast.IfExp() as choice):
            texts = _texts(choice)
            # An ending such as a plural's is no message of its own.
            return texts if max(map(len, texts)) > 8 else [GAP]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a, b in itertools.product(_texts(left), _texts(right))]
        case ast.IfExp(body=body, orelse=other):
            return _texts(body) + _texts(other)
    return [GAP]


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _title(target: str) -> str:
    """Return the title of a page."""
    return (SOURCE.parents[1] / "docs/reference" / target).read_text().partition("\n")[0][2:]
