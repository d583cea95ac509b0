import time

import pytest

from assay.verifiers.code.program import Extraction, program

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
        ("  ```python\n  x\n  ```", "x\n"),
    ],
)
def test_fences(text: str, expected: str | None) -> None:
    assert code(text, "fence") == expected


def test_without_a_fence_the_text_or_what_continues_the_stub() -> None:
    assert code("def f(x): return x") == "def f(x): return x"
    assert code("    return x", stub=STUB) == STUB + "    return x\n"
    # a whole function gets the imports and helpers of the stub, not its beginning
    assert (
        code("def f(x): return x", stub=STUB)
        == "import math\n\ndef helper(x):\n    return x\n\ndef f(x): return x"
    )
    assert code("```python\ndef f(x): return x\n```", stub=STUB).startswith("import math\n")  # type: ignore[union-attr]
    assert code(" \n ") is None


@pytest.mark.parametrize(
    "after", ["\ndef g(): pass", "\nclass A: pass", "\nif True: pass", "\nprint(1)", "\n# and now"]
)
def test_a_completion_ends_at_the_next_statement_at_the_margin(after: str) -> None:
    assert (
        code("    y = 1\n    return y" + after, "completion", stub=STUB)
        == STUB + "    y = 1\n    return y\n"
    )


def test_a_stub_without_a_function_stands_before_every_program() -> None:
    for how in ("auto", "text"):
        assert (
            code("print(sqrt(4))", how, "", "from math import *\n")
            == "from math import *\nprint(sqrt(4))"
        )  # type: ignore[arg-type]
    assert code("```\nprint(1)\n```", "auto", "", "import math\n") == "import math\nprint(1)\n"


def test_a_method_is_asked_for_by_its_class() -> None:
    assert code(
        "class S:\n  def f(self): pass", entry="S.f", stub="class S:\n    def f(self):\n"
    ).startswith("class S:")  # type: ignore[union-attr]
    assert code("f = lambda x: x", stub=STUB).endswith("f = lambda x: x")  # type: ignore[union-attr]


ADD = "def add(a, b):\n    return a + b\n"
DRAFT = "def add(a, b):\n    return a - b\n"
MAIN = "a, b = map(int, input().split())\nprint(a + b)\n"
MAIN_DRAFT = "a, b = map(int, input().split())\nprint(a - b)\n"
BODY = "    return a + b\n"
IMPORTS = "from typing import List\n\n"
BEGUN = f'{IMPORTS}def add(a: int, b: int) -> int:\n    """Add."""\n'


def fenced(code: str, info: str = "python", marks: str = "```") -> str:
    return f"{marks}{info}\n{code}{marks}\n"


def prefixed(text: str, prefix: str) -> str:
    return "".join(
        prefix + line if line.strip() else line for line in text.splitlines(keepends=True)
    )


WHERE_IT_IS = {
    "in a list": "1. Code:\n\n" + prefixed(fenced(ADD), "   "),
    "on the line of a list": "1. ```python\n" + prefixed(ADD, "   ") + "   ```\n",
    "in a list of a list": "1. a\n   - b\n\n" + prefixed(fenced(ADD), "      "),
    "in a list, indented by tabs": "* a\n\n" + prefixed(fenced(ADD), "\t"),
    "in a list, its end at the margin": (
        "1. Code:\n\n   ```python\n" + prefixed(ADD, "   ") + "```\n"
    ),
    "in a quotation": prefixed(fenced(ADD), "> "),
    "in a quotation of a quotation": prefixed(fenced(ADD), "> > "),
    "indented as a whole": fenced(prefixed(ADD, "    ")),
    "in tildes": fenced(ADD, "python", "~~~"),
    "in many backticks": fenced(ADD, "python", "`````"),
    "in an answer that is fenced as a whole": fenced(
        "# Answer\n" + fenced(ADD), "markdown", "````"
    ),
    "behind a word": "Here: ```python\n" + ADD + "```\n",
    "before a word at its end": "```python\n" + ADD.rstrip() + "```\nThis adds.\n",
    "before a tag": "<answer>```python\n" + ADD + "```</answer>",
    "before a token": "```python\n" + ADD + "```<|im_end|>",
    "cut off": "```python\n" + ADD,
    "with lines of Windows": ("Here\n" + fenced(ADD) + "ok\n").replace("\n", "\r\n"),
    "behind a mark of byte order": "\ufeff" + fenced(ADD),
    **{
        f"labelled {label}": fenced(ADD, label)
        for label in (
            "Python3",
            "PY",
            'py title="a.py"',
            "{.python .numberLines}",
            "python:a.py",
            "a.py",
            " python ",
        )
    },
}


@pytest.mark.parametrize("name", WHERE_IT_IS)
def test_a_block_is_taken_out_of_what_it_is_in(name: str) -> None:
    text = WHERE_IT_IS[name]
    found = program(text, "auto", "add", "")
    assert found is not None
    assert found.source == "fence"
    assert found.code.replace("\r", "").rstrip("\n") == ADD.rstrip("\n")
    assert "return a + b" in text[slice(*found.span)]


IN_STRINGS = [
    (
        'def add(a, b):\n    """Adds.\n\n    ```\n    >>> add(1, 2)\n    3\n    ```\n    """\n   '
        " return a + b\n"
    ),
    '"""Module.\n\n```\n>>> add(1, 2)\n```\n"""\n' + ADD,
    '"""Module.\n\n```python\nadd(1, 2)\n```\n"""\n' + ADD,
    "MARK = '''\n```\n'''\n" + ADD,
    '# it\'s """\n' + ADD,
    'x = "it\'s"  # ```\n' + ADD,
]


@pytest.mark.parametrize("source", IN_STRINGS)
@pytest.mark.parametrize(
    "after", ["", "It prints:\n" + fenced("3\n", ""), "It's done.\n" + fenced("'\n", "text")]
)
def test_a_fence_in_a_string_does_not_end_the_program(source: str, after: str) -> None:
    assert code(fenced(source) + after, entry="add") == source


def test_a_program_that_does_not_parse_ends_at_the_first_fence() -> None:
    broken = 'def add(a, b:\n    """\n'
    assert code(fenced(broken) + "and\n" + fenced(broken), "fence", "sub") == broken


CHOSEN = {
    "an output without a label": fenced(ADD) + fenced("3\n", ""),
    "an output after a program without a label": fenced(ADD, "") + fenced("3\n", ""),
    "an output with a label": fenced(ADD) + fenced("3\n", "text"),
    "how it is used": fenced(ADD) + fenced("print(add(1, 2))\n"),
    "how it is used, cut off": fenced(ADD) + "```python\nprint(add(1",
    "a transcript": fenced(ADD) + fenced(">>> add(1, 2)\n3\n") + fenced(">>> add(1, 2)\n", "pycon"),
    "a draft": fenced(DRAFT) + fenced(ADD),
    "a draft that is not closed": "```python\n" + DRAFT + "\n" + fenced(ADD),
    "a draft and a final one, both without a label": fenced(DRAFT, "") + fenced(ADD, ""),
    "a final one that is cut off": fenced(ADD) + "```python\ndef add(a, b):\n    return",
    "a shell before and after": (
        fenced("pip install x\n", "bash") + fenced(ADD) + fenced("python a.py\n", "")
    ),
    "another language": (
        fenced("int add(int a, int b);\n", "c") + fenced(ADD) + fenced("{}\n", "json")
    ),
    "a name for it": fenced("from operator import sub\n") + fenced(ADD) + fenced("x = add(1, 2)\n"),
    "an unknown label": fenced("3\n", "") + fenced(ADD, "plaintext"),
    "thoughts": "<think>\n" + fenced(DRAFT) + "</think>\n" + fenced(ADD, ""),
    "thoughts without a beginning": fenced(DRAFT) + "</think>\n\n" + fenced(ADD, ""),
    "thoughts with a fence that is not closed": (
        "<think>\n```python\n" + DRAFT + "</think>\n" + fenced(ADD, "")
    ),
    "a fence right behind thoughts": "<think>So.</think>" + fenced(ADD),
    "a fence right before and behind the end of thoughts": (
        "<think>" + fenced(DRAFT).rstrip() + "</think>" + fenced(ADD)
    ),
    "a fence behind thoughts and a word": "<think>So.</think> Here: " + fenced(ADD),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_the_block_that_defines_what_is_asked_for_counts(name: str) -> None:
    assert code(CHOSEN[name], entry="add") == ADD


def test_a_quotation_without_spaces_takes_one_from_what_is_indented() -> None:
    assert code(prefixed(fenced(ADD), ">"), entry="add") == "def add(a, b):\n   return a + b\n"


def test_the_last_definition_counts_also_where_it_is_worse() -> None:
    assert code(fenced(ADD) + fenced(DRAFT), entry="add") == DRAFT
    assert code("<think>\n" + fenced(ADD) + "</think>\nDone.", "fence", "add") is None
    tag = "END = '</think>'\n" + ADD
    assert code(fenced(DRAFT) + fenced(tag), entry="add") == tag


WHOLE = {
    "an output": fenced(MAIN) + fenced("3\n", ""),
    "an output after a program without a label": fenced(MAIN, "") + fenced("3\n", ""),
    "an input and an output": (
        fenced(MAIN) + "Input:\n" + fenced("1 2\n", "") + "Output:\n" + fenced("3\n", "")
    ),
    "a test": fenced(MAIN) + fenced("assert 1 + 2 == 3\n"),
    "a line of it": fenced(MAIN) + fenced("print(1 + 2)\n"),
    "a command": (
        fenced(MAIN, "") + fenced("python main.py\n", "") + fenced("pip install x\n", "sh")
    ),
    "a transcript": fenced(MAIN) + fenced("$ python main.py\n1 2\n3\n"),
    "a draft": fenced(MAIN_DRAFT) + fenced(MAIN),
    "prose": "Read two numbers, print their sum.\n\n" + MAIN + "\nThat's all.\n",
}


@pytest.mark.parametrize("name", WHOLE)
def test_of_whole_programs_the_last_that_reads_counts(name: str) -> None:
    assert (code(WHOLE[name], entry="") or "").strip() == MAIN.strip()


def test_a_whole_program_need_not_read() -> None:
    assert code(fenced("print(5)\n") + fenced("input\n", ""), entry="") == "print(5)\n"
    assert code(fenced("print(5)\n", "") + fenced("5\n", ""), entry="") == "print(5)\n"


def test_helpers_of_other_blocks_come_along() -> None:
    helper, user = (
        "def plus(x, y):\n    return ONE * x + y\n",
        "def add(a, b):\n    return plus(a, b)\n",
    )
    for text in (
        fenced("ONE = 1\n" + helper) + fenced(user),
        fenced(user) + fenced("ONE = 1\n") + fenced(helper),
    ):
        assert code(text, entry="add") == "ONE = 1\n" + helper + user
    # nothing that computes, prints or is not asked for
    other = "import math\nn = int(input())\nprint(n)\nplus = len([])\nprint(add(1, 2))\n"
    assert code(fenced(other) + fenced(user), entry="add") == user
    assert (
        code(fenced(helper) + fenced("plus = max\n" + user), entry="add") == "plus = max\n" + user
    )
    typed = "def add(a: List, b: List):\n    return a + b\n"
    assert (
        code(fenced("import os\n" + IMPORTS.strip() + "\n") + fenced(typed), entry="add")
        == IMPORTS.strip() + "\n" + typed
    )
    assert (
        code(
            fenced("import os\n" + IMPORTS.strip() + "\n") + fenced(typed), entry="add", stub=BEGUN
        )
        == IMPORTS + typed
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Here is the function:\n\n", "\nThis works because it adds. It's easy.\n"),
        ("Sure!\n", ""),
        ("", "\nComplexity: O(1)\nDone\nIt is fast.\n"),
        ("We import nothing.\nfor example, import x would fail\n", "\nNote: don't forget.\n"),
        ("<answer>\n", "</answer>\n"),
        ("from here on, code\n", "Thanks"),
    ],
)
def test_prose_around_a_program_without_fences_is_left_out(before: str, after: str) -> None:
    for source in (ADD, "import math\n\n" + ADD, "X = [\n    1,\n]\n" + ADD):
        if before or not after.startswith("Thanks"):
            assert (code(before + source + after, entry="add") or "").strip() == source.strip()
    indented = before.replace("from here on, code", "So") + "\n" + prefixed(ADD, "    ") + after
    assert (code(indented, entry="add") or "").strip() == ADD.strip()


@pytest.mark.parametrize(
    "broken",
    [
        ADD + "\ndef other(:\n    pass\n",
        ADD + "x = (\n",
        "def add(a, b)\n    return a + b\n",
        ADD + "  x = 1\n",
    ],
)
def test_a_program_that_breaks_off_is_not_cut_to_what_parses(broken: str) -> None:
    assert code(broken, entry="add") == broken


def test_what_continues_a_stub_may_be_fenced_and_be_followed_by_prose() -> None:
    whole = BEGUN + BODY
    assert code(fenced(BODY), entry="add", stub=BEGUN) == whole
    assert code(fenced(BODY) + fenced("print(add(1, 2))\n"), entry="add", stub=BEGUN) == whole
    assert (
        code(BODY + "\nThis adds the two.\n", entry="add", stub=BEGUN) or ""
    ).strip() == whole.strip()
    assert code(BODY + "\nThis adds.", "completion", "add", BEGUN) == whole + "\nThis adds.\n"


def test_what_has_to_stand_first_in_a_file_stands_first() -> None:
    future = "from __future__ import annotations\n"
    assert code(fenced(future + ADD), entry="add", stub=BEGUN) == future + IMPORTS + ADD
    assert code(fenced("\ufeff" + ADD), entry="add", stub=BEGUN) == IMPORTS + ADD
    assert code("\ufeff" + MAIN, entry="") == code("\ufeff" + MAIN, "text", "") == MAIN


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "```",
            "```\n",
            "`",
            "~~~\n",
            "def f",
            "\n",
            "```python\n'''\n```\n",
            "```python\nx x\n```\n",
            "'''",
            "> ",
        ),
        *(
            "1. ",
            "- - ",
            "</think>",
            "def f(:\n",
            "x = 1\nfoo bar\n",
            "def f(x):\n return x\nprose here\n",
            "(",
            "\\",
        ),
        *(
            "```python\ndef g(x): return f(x)\n```\n",
            "x = ```python\n",
            "from __future__ import x\n",
            '"\\',
            "``` ",
        ),
    ],
)
@pytest.mark.parametrize("entry", ["f", ""])
def test_it_is_linear(unit: str, entry: str) -> None:
    seconds = []
    while len(seconds) < 3 and (not seconds or seconds[-1] >= 1.0):
        start = time.process_time()
        program(unit * (100_000 // len(unit)), "auto", entry, STUB)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1.0


def test_without_an_entry_what_the_tests_name_is_asked_for() -> None:
    tests = "from solution import add\nassert add(Point(1, 2)) == 3"
    text = fenced("print('demo')\nx = input()\n") + fenced(ADD) + fenced("print(add(1, 2))\n")
    found = program(text, "auto", "", "", tests)
    assert found is not None
    assert found.code == ADD
    # and comes along from another block
    apart = fenced("class Point:\n    pass\nclass Unused:\n    pass\n") + fenced(ADD)
    for entry in ("", "add"):
        found = program(apart, "auto", entry, "", tests)
        assert found is not None
        assert found.code == "class Point:\n    pass\n" + ADD
