"""What the pages say is so: commands have these options, the log these figures, the source these
messages, and the examples run."""

import ast
import importlib.util
import io
import re
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.test_pages import DOCS, PAGES, ROOT

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d[\d,]*)?\.?\d+(?![\w])")


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_the_pages_of_commands_are_what_help_prints() -> None:
    there = {page.name: page.read_text() for page in (DOCS / "reference/cli").glob("*.md")}
    due = loaded(DOCS / "generate.py").pages()
    stale = sorted(name for name in due.keys() | there.keys() if due.get(name) != there.get(name))
    assert not stale, f"run `python docs/generate.py`: {', '.join(stale)} differ from --help"


def commands(page: Path) -> list[str]:
    """Lines of blocks that call assay, with what a backslash continues."""
    blocks = [body for language, body in BLOCK.findall(page.read_text()) if language != "text"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [match[1] for line in lines if (match := re.match(r"(?:\$ )?assay ([a-z].*)", line))]


@pytest.mark.parametrize(
    "page", [one for one in [*PAGES, ROOT / "README.md"] if commands(one)], ids=lambda p: p.stem
)
def test_commands_have_the_options_that_pages_give_them(page: Path) -> None:
    for line in commands(page):
        name, *_ = line.split()
        name = {"bestof": "best-of-n"}.get(name, name)
        known = (DOCS / f"reference/cli/{name}.md").read_text()
        given = re.sub(r"'[^']*'|\"[^\"]*\"", "X", line.partition("#")[0])
        for flag in re.findall(r"(?<=\s)(--[a-z][a-z0-9-]*)", given):
            everywhere = flag in ("--from", "--help", "--columns")
            assert everywhere or re.search(rf"[`\s,]{flag}[`\s,=]", known), f"{line}: no {flag}"


def plain(text: str) -> set[str]:
    """The numbers in a text, however they are written: .5 is 0.5, 1,000 is 1000."""
    found = (one.replace(",", "").lstrip("+").rstrip(".") for one in NUMBER.findall(text))
    return {re.sub(r"^(-?)0(?=\.)", r"\1", one) for one in found}


@cache
def worlds() -> str:
    from assay.cli import main

    said = io.StringIO()
    with redirect_stdout(said):
        main(["worlds", "list"])
    return said.getvalue()


@pytest.mark.parametrize("page", ["field-guide", "speed"])
def test_every_figure_stands_on_the_page_of_the_log_that_it_names(page: str) -> None:
    text = (DOCS / f"{page}.md").read_text()
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        named = sorted(set(re.findall(r"log/(2[\w-]+\.md)", section)))
        sources = "\n".join((DOCS / "log" / one).read_text() for one in named)
        # What it takes from there is told by its marker, whose numbers are no figures.
        section = re.sub(r"<!--.*?-->", "", section, flags=re.DOTALL)
        if "assay worlds list" in section:
            sources += worlds()
        if page == "speed":
            rows = re.findall(r"^\|[^|]*\|([^|]*\|[^|]*)\|", section, re.MULTILINE)
            figures = "\n".join(rows)
        else:
            figures = section.partition("**Figure.**")[2]
        figures = re.sub(r"\([^)]*\.md[^)]*\)|arXiv:[\d.]+|`[^`]*`", "", figures)
        missing = plain(figures.partition("\nNext:")[0]) - plain(sources)
        assert not missing, f"{section.splitlines()[0]}: {sorted(missing)} not in {named}"


@cache
def literals() -> str:
    """Every text of the source; what is put in at run time is a gap."""
    said: list[str] = []
    for path in (ROOT / "src/assay").rglob("*.py"):
        constants = (
            n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)
        )
        said += (one.value for one in constants if isinstance(one.value, str))
    return "\n".join(said)


def test_messages_of_the_page_are_those_of_the_source() -> None:
    titles = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert len(titles) >= 20
    for title in titles:
        for part in (piece.strip(" ()'.:;") for piece in title.split("…")):
            if len(part) > 2:
                assert part in literals(), f"{title}: no message holds {part!r}"


@pytest.mark.parametrize("page", sorted((DOCS / "extend").glob("*.md")), ids=lambda p: p.stem)
def test_whole_examples_run(page: Path, tmp_path: Path) -> None:
    if page.stem in ("loss", "extend"):
        pytest.importorskip("torch")
    for at, (language, body) in enumerate(BLOCK.findall(page.read_text())):
        # A dialect's shape is an excerpt.
        if language == "python" and page.stem != "dialect":
            path = tmp_path / f"example_{page.stem}_{at}.py"
            path.write_text(body)
            loaded(path)
