"""The reference has a place for every public name, and its messages are those of the source."""

import ast
import importlib.util
import inspect
import re

import assay
from tests.docs.test_pages import DOCS, ROOT
from tests.docs.test_truth import loaded

SHOWN = re.compile(r"^::: ([\w.]+)", re.MULTILINE)


def shown() -> set[str]:
    """Modules and objects that the pages of the reference show."""
    pages = (DOCS / "reference/api").glob("*.md")
    return {name for page in pages for name in SHOWN.findall(page.read_text())}


def public(module: str) -> dict[str, str]:
    """Public classes and functions of a module -> where each is defined, read without an import."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin) as source:
        tree = ast.parse(source.read())
    homes = {
        alias.asname or alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return {name: homes.get(name, module) for name in listed if name in own | homes.keys()}


def test_every_public_name_has_a_place_in_the_reference() -> None:
    there = shown()
    for name, home in public("assay").items():
        assert f"{home}.{name}" in there or home in there, f"assay.{name} is on no page"
    for module in ("assay.protocols", "assay.types", "assay.errors", "assay.questions"):
        assert module in there


def test_what_a_job_returns_has_a_place_in_the_reference() -> None:
    there = shown()
    for name in assay.__all__:
        job = getattr(assay, name)
        if callable(job) and not inspect.isclass(job):
            made = inspect.signature(job).return_annotation
            assert f"{made.__module__}.{made.__qualname__}" in there, f"what assay.{name} returns"


def test_a_name_that_its_own_module_hides_has_a_place_of_its_own() -> None:
    # `assay.stats.selective` is a function and a module: the page of `assay.stats` shows neither.
    there = shown()
    for package in ("assay.stats", "assay.overopt"):
        for name, home in public(package).items():
            if home == f"{package}.{name}":
                assert {f"{home}.{name}", home} & there, f"{package}.{name} is on no page"


def test_messages_are_read_whole_with_gaps_for_what_differs(tmp_path, monkeypatch) -> None:
    module = loaded(DOCS / "messages.py")
    (tmp_path / "one.py").write_text(
        '"""What it\ndoes. More.\n\nRest."""\n'
        "class Odd(DataError): pass\n"
        "class DataError(AssayError): pass\n"
        "def f(x, n):\n"
        "    if x: raise Odd(f'{x} has {n}{n} rows; ' 'give one')\n"
        "    if n: raise MissingExtra('reading a page', 'report')\n"
        "    if x: raise ValueError('of somebody else')\n"
        "    a = Unscored(('no text' if x else 'no answer') + '!')\n"
        "    raise DataError(f'{x}: {n}')\n"
        "class MissingExtra(AssayError): pass\n"
    )
    monkeypatch.setattr(module, "SOURCE", tmp_path)
    assert module.messages() == {
        "one": (
            "What it does. More.",
            [
                "… has … rows; give one",
                "reading a page needs the … extra: pip install 'assay[…]'",
                "no text!",
                "no answer!",
            ],
        )
    }


def test_the_page_of_messages_explains_every_package_by_a_page_that_is_there() -> None:
    module = loaded(DOCS / "messages.py")
    text = module.listed()
    titles = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(titles) >= 20
    assert text.count("\n### ") > 400
    assert module.HERE in (DOCS / "reference/messages.md").read_text()
    assert text.count("\n#### ``` ") >= 1400
    for target in module.EXPLAINED.values():
        assert (DOCS / "reference" / target).exists(), target
    packages = {path.stem for path in (ROOT / "src/assay").iterdir()}
    assert module.EXPLAINED.keys() <= packages
