import time

import pytest

from assay.verifiers.program import Extraction, program

STUB = "import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    '''Doc.'''\n"


def code(text: str, how: Extraction = "auto", entry: str = "f", stub: str = "") -> str | None:
    found = program(text, how, entry, stub)
    return None if found is None else found.code


def test_the_last_fenced_block_of_python_counts() -> None:
    text = "Draft:\n```python\nold\n```\nBetter:\n```python\nnew\n```\nRun it:\n```bash\nls\n```\n"
    assert code(text) == code(text, "fence") == "new\n"
    found = program(text, "auto", "f", "")
    assert found is not None
    assert found.source == "fence"
    assert text[slice(*found.span)] == "new\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```\nx\n```", "x\n"),
        ("```py\nx", "x"),  # cut off: runs to the end
        ("```python\nx\n```\n```python\ny", "x\n"),  # but a whole one is preferred
        ("~~~python\nx\n~~~", "x\n"),
        ("````python\n```\nx\n```\n````", "```\nx\n```\n"),
        ("```json\n{}\n```", None),
        ("no code", None),
        ("  ```python\n  x\n  ```", "  x\n"),
    ],
)
def test_fences(text: str, expected: str | None) -> None:
    assert code(text, "fence") == expected


def test_without_a_fence_the_text_or_what_continues_the_stub() -> None:
    assert code("def f(x): return x") == "def f(x): return x"
    assert code("    return x", stub=STUB) == STUB + "    return x\n"
    # a whole function gets the imports and helpers of the stub, not its beginning
    assert code("def f(x): return x", stub=STUB) == "import math\n\ndef helper(x):\n    return x\n\ndef f(x): return x"
    assert code("```python\ndef f(x): return x\n```", stub=STUB).startswith("import math\n")  # type: ignore[union-attr]
    assert code(" \n ") is None


@pytest.mark.parametrize(
    "after", ["\ndef g(): pass", "\nclass A: pass", "\nif True: pass", "\nprint(1)", "\n# and now"]
)
def test_a_completion_ends_at_the_next_statement_at_the_margin(after: str) -> None:
    assert code("    y = 1\n    return y" + after, "completion", stub=STUB) == STUB + "    y = 1\n    return y\n"


def test_a_stub_without_a_function_stands_before_every_program() -> None:
    for how in ("auto", "text"):
        assert code("print(sqrt(4))", how, "", "from math import *\n") == "from math import *\nprint(sqrt(4))"  # type: ignore[arg-type]
    assert code("```\nprint(1)\n```", "auto", "", "import math\n") == "import math\nprint(1)\n"


def test_a_method_is_asked_for_by_its_class() -> None:
    assert code("class S:\n  def f(self): pass", entry="S.f", stub="class S:\n    def f(self):\n").startswith(
        "class S:"
    )  # type: ignore[union-attr]
    assert code("f = lambda x: x", stub=STUB).endswith("f = lambda x: x")  # type: ignore[union-attr]


@pytest.mark.parametrize("unit", ["```", "```\n", "`", "~~~\n", "def f", "\n"])
def test_it_is_linear(unit: str) -> None:
    start = time.perf_counter()
    program(unit * (200_000 // len(unit)), "auto", "f", STUB)
    assert time.perf_counter() - start < 2.0
