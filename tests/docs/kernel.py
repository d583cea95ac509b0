"""Run a notebook's code as a kernel would, without Jupyter: `python -m tests.docs.kernel FILE`.

Cells are compiled one by one and run in one namespace, so that a cell that was cut in the middle of
a block fails; the value of a last expression is shown.
"""

import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = ["code_of", "execute"]


def code_of(notebook: Path) -> list[str]:
    """The code cells of a notebook."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def execute(cells: Sequence[str]) -> None:
    """Run cells in order, in a new `__main__`. An error names the cell in its traceback."""
    # Classes of a cell are looked up in their module.
    sys.modules["__main__"] = main = ModuleType("__main__")
    for number, source in enumerate(cells, 1):
        name = f"<cell {number}>"
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), main.__dict__)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), name, "eval"), main.__dict__)
            sys.displayhook(shown)


if __name__ == "__main__":
    code = code_of(Path(sys.argv[1]))
    # What a kernel is started with: no example may take it for its own.
    sys.argv = ["ipykernel_launcher.py", "-f", "connection.json"]
    execute(code)
