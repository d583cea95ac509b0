"""What can be read off assertions before they run: how many tests there are at least, and what two
processes lack.

Tests that replace, write or look into what they share with the program need one process with it.
Where such tests fail in two, that says nothing of the program.
"""

import ast
import functools
from collections.abc import Iterable, Iterator
from typing import Final

from assay.syntax import UNREADABLE, tree
from assay.verifiers.code.suites import Assertions

__all__ = ["least_tests", "needs", "unreadable"]

_KINDS: Final = (
    (
        "replace parts of the program or of Python",
        "monkeypatch mocker patch mock MagicMock Mock unittest.mock",
    ),
    (
        "share files with the program",
        (
            "open tmp_path tmpdir tmp_path_factory tempfile shutil glob os.remove os.unlink"
            " os.listdir os.mkdir os.makedirs os.chdir os.getcwd os.rename os.stat os.walk"
            " os.environ os.getenv os.putenv os.path.exists os.path.isfile"
        ),
    ),
    (
        "look into the program's objects",
        (
            "inspect.isabstract inspect.getsource inspect.getsourcelines inspect.getfile"
            " inspect.getmodule inspect.getmembers inspect.ismethod inspect.isroutine inspect.stack"
            " dataclasses.asdict dataclasses.astuple dataclasses.fields dataclasses.replace"
            " dataclasses.is_dataclass gc weakref pickle ctypes importlib.reload threading"
            " concurrent.futures.ThreadPoolExecutor tracemalloc signal multiprocessing"
            " typing.get_type_hints"
        ),
    ),
    (
        "listen to what the program logs or warns of",
        (
            "caplog capfd recwarn logging warnings self.assertLogs self.assertNoLogs"
            " self.assertWarns pytest.warns pytest.deprecated_call"
        ),
    ),
)
_OF_PATHS: Final = frozenset(
    "write_text write_bytes read_text read_bytes exists mkdir touch iterdir unlink is_file".split()
)


def unreadable(suite: Assertions) -> str:
    """Why the sources cannot be run by anything; "" where they can be read."""
    return _unreadable(suite.before, suite.tests)


@functools.lru_cache(maxsize=1024)  # the same tests are asked about many programs
def _unreadable(before: str, tests: tuple[str, ...]) -> str:
    for where, source in (("before", before), *((f"test {i}", s) for i, s in enumerate(tests, 1))):
        try:
            tree(source)
        except UNREADABLE as error:
            return f"{where} of the suite cannot be read: {error}"
    return ""


def needs(suite: Assertions) -> str:
    """Why tests that fail in two processes might pass in one; "" where nothing in their sources
    would."""
    return _needs((suite.before, *suite.tests), suite.module)


@functools.lru_cache(maxsize=1024)
def _needs(sources: tuple[str, ...], module: str) -> str:
    for source in sources:
        parsed = tree(source)
        used = set(_used(parsed))
        for what, kind in _KINDS:
            if found := sorted(used.intersection(kind.split())):
                return f"the tests {what} ({found[0]})"
        if changed := next(_changed(parsed, module), ""):
            return f"the tests change {changed}, which the program in another process does not see"
    return ""


def least_tests(sources: Iterable[str]) -> int:
    """Return how many tests a runner of pytest's must find in sources: those that nothing decides
    on."""
    return sum(_tests_of(tree(source).body, "") for source in sources)


def _tests_of(body: list[ast.stmt], owner: str) -> int:
    found = set[str]()
    count = 0
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef) and not owner and _is_collected(node):
            count += _tests_of(node.body, node.name)
    return count + len(found)


def _is_collected(node: ast.ClassDef) -> bool:
    """Return whether it is a class of tests by itself, and not a base or a helper of others."""
    bases = {
        base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        for base in node.bases
    }
    has_init = any(
        isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body
    )
    return bases == {"TestCase"} or (not bases and node.name.startswith("Test") and not has_init)


def _used(tree: ast.AST) -> Iterator[str]:
    """Names that a source reads or asks for as fixtures, `name.attribute`, and `open` for what
    paths do to files."""
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)
            if node.attr in _OF_PATHS and named & {"Path", "pathlib"}:
                yield "open"
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _changed(tree: ast.AST, module: str) -> Iterator[str]:
    """Attributes and items of modules that a source assigns to, but for the program's and for what
    it prints to."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = list(node.targets)
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        for target in targets:
            root: ast.expr = target
            while isinstance(root, (ast.Attribute, ast.Subscript)):
                root = root.value
            written = ast.unparse(target)
            of_module = (
                root is not target and isinstance(root, ast.Name) and root.id in modules - {module}
            )
            if of_module and written not in ("sys.stdout", "sys.stderr"):
                yield written
