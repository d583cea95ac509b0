"""Run the examples and write each as a page with its output.

    python -m tests.docs.render                     # all of them, in full size: many minutes
    python -m tests.docs.render first_reward_model  # one

`# %%` starts a cell and `# %% [markdown]` a cell of text; each code cell stands before what it
printed. An example without cells is one. Pages go to docs/examples; the site offers each as a
notebook with the same output (`notebook_of`, by docs/hooks.py).
"""

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = REPOSITORY / "examples"
PAGES: Final = REPOSITORY / "docs" / "examples"
MARK: Final = "\x1e"
"""Printed by a run between two cells."""
NEXT: Final = "Next: [is my reward model good?](../how-to/is-it-good.md)"


@dataclass(frozen=True)
class Cell:
    """A part of an example."""

    kind: str
    """markdown or code."""
    text: str
    output: str = ""
    """What it printed."""


def cells(source: str) -> list[Cell]:
    """Cut an example: its docstring, and what `# %%` begins."""
    opening = re.match(r'""".*?"""\n', source, re.DOTALL)
    found = [Cell("markdown", ast.literal_eval(opening[0]).strip())] if opening else []
    rest = source[opening.end() :] if opening else source
    for number, part in enumerate(re.split(r"^# %%", rest, flags=re.MULTILINE)):
        first, _, text = part.partition("\n") if number else ("", "", part)
        if not text.strip():
            continue
        if "[markdown]" in first:
            lines = [line.removeprefix("#").removeprefix(" ") for line in text.strip().split("\n")]
            found.append(Cell("markdown", "\n".join(lines)))
        else:
            found.append(Cell("code", text.strip()))
    return found


def run(example: Path, parts: Sequence[Cell], arguments: Sequence[str], folder: Path) -> list[Cell]:
    """Run an example in a folder and return its cells with what they printed.

    Raises `RuntimeError` with its errors where it fails.
    """
    code = [part.text for part in parts if part.kind == "code"]
    # An example without cells is run as it is, for what it does may hang on its own file.
    path = example
    if len(code) > 1:
        path = folder / example.name
        path.write_text(f"\nprint({MARK!r}, flush=True)\n".join(code))
    paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "100", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{example.name} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    outputs = iter([text.strip("\n") for text in done.stdout.split(f"{MARK}\n")])
    return [
        Cell(part.kind, part.text, next(outputs) if part.kind == "code" else "") for part in parts
    ]


def indented_as_code(text: str) -> str:
    """Fence what a docstring indents."""
    fenced = re.sub(r"((?:^ {4}.*\n?)+)", lambda m: _fence(m[1]), text + "\n", flags=re.MULTILINE)
    return fenced.strip()


def _fence(block: str) -> str:
    lines = "\n".join(line[4:] for line in block.rstrip("\n").split("\n"))
    return f"```text\n{lines}\n```\n"


def page(name: str, parts: Sequence[Cell]) -> str:
    """Write an example as Markdown that renders on GitHub as well."""
    # As the site's list of pages has it: a file's name is no title.
    listed = re.search(
        rf'"Example: (.+)": examples/{name}\.md', (REPOSITORY / "mkdocs.yml").read_text()
    )
    words = listed[1] if listed else name.replace("_", " ")
    title = words[0].upper() + words[1:]
    link = f"[examples/{name}.py](../../examples/{name}.py)"
    blocks = [f"# {title}", f"<!-- Made by tests/docs/render.py from examples/{name}.py. -->"]
    for number, part in enumerate(parts):
        if part.kind == "markdown":
            blocks.append(indented_as_code(part.text))
            if number == 0:
                said = f"The file is {link}; what it printed stands below its code."
                blocks.append(f"{said} The site offers it as a notebook, output included.")
            continue
        blocks.append(f"```python\n{part.text}\n```")
        if part.output.strip():
            blocks.append(f"```text\n{part.output}\n```")
    return "\n\n".join([*blocks, NEXT]) + "\n"


def notebook_of(name: str, source: str, shown: str) -> dict[str, Any]:
    """Write an example as a notebook, with the output that its page shows.

    Raises `ValueError` where the page was made from other code.
    """
    parts, place = [], 0
    for part in cells(source):
        output = ""
        if part.kind == "code":
            code = f"```python\n{part.text}\n```\n"
            place = shown.index(code, place) + len(code)
            if printed := re.match(r"\n```text\n(.*?)\n```\n", shown[place:], re.DOTALL):
                output = printed[1]
        parts.append(Cell(part.kind, part.text, output))
    return notebook(name, parts)


def notebook(name: str, parts: Sequence[Cell]) -> dict[str, Any]:
    """Write an example as a notebook (nbformat 4.5)."""
    arguments = Cell("code", f"import sys\n\nsys.argv = [{name + '.py'!r}]")
    whole = [part for part in parts if part.kind == "code"]
    shown = [parts[0], arguments, *parts[1:]] if len(whole) == 1 else [*parts]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "cells": [_notebook_cell(number, part) for number, part in enumerate(shown)],
    }


def _notebook_cell(number: int, part: Cell) -> dict[str, Any]:
    text = indented_as_code(part.text) if part.kind == "markdown" else part.text
    common = {
        "id": f"cell-{number}",
        "cell_type": part.kind,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    if part.kind == "markdown":
        return common
    stream = {
        "output_type": "stream",
        "name": "stdout",
        "text": part.output.splitlines(keepends=True),
    }
    return {**common, "execution_count": None, "outputs": [stream] if part.output else []}


def main(names: Sequence[str]) -> None:
    """Render the examples of these names, or all."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for example in sorted(EXAMPLES.glob("*.py")):
        if names and example.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            parts = run(example, cells(example.read_text()), (), Path(folder))
        (PAGES / f"{example.stem}.md").write_text(page(example.stem, parts))
        print(f"wrote docs/examples/{example.stem}.md", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
