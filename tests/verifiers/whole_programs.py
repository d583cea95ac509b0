"""Whole programs that do nothing wrong: `python program.py` reads the input, prints the output and
ends with status 0.

`RIGHT` maps what is special about one to the program, its input and its output. `WRONG` are near
misses, which a plain Python fails too: another output, a status that is not 0, or no end. Most are
in `programs/`, each below its name, and add the two numbers that they read.
"""

import re
from pathlib import Path
from typing import Final

__all__ = ["RIGHT", "WRONG"]

SUM: Final = "a, b = map(int, input().split())\nprint(a + b)\n"
FOLDER: Final = Path(__file__).parent / "programs"
Case = tuple[str, str, str]


def _read(*names: str) -> dict[str, Case]:
    text = "\n".join((FOLDER / f"{name}.txt").read_text(encoding="utf-8") for name in names)
    _, *parts = re.split(r"^#### (.*)\n", text, flags=re.MULTILINE)
    return {
        name: (code, "2 40\n", "42\n") for name, code in zip(parts[::2], parts[1::2], strict=True)
    }


_AS_TEXT: Final = {
    "a byte order mark": "\ufeff" + SUM,
    "lines that end as on Windows": SUM.replace("\n", "\r\n"),
    "tabs and a form feed": "\f\nif True:\n\t" + SUM.replace("\n", "\n\t"),
}
_TRIANGLE: Final = (
    "n = int(input())\nfor i in range(n): print(' ' * (n - i - 1) + '*' * (2 * i + 1))"
)
_OTHERWISE: Final[dict[str, Case]] = {
    "letters of every kind": (
        "print(input()[::-1])",
        "h\u00e9llo 世界 🎉\n",
        "🎉 界世 oll\u00e9h\n",
    ),
    "a line without an end": ("print(len(input()))", "abc", "3"),
    "nothing to read": ("try: input()\nexcept EOFError: print('nothing')", "", "nothing\n"),
    "nothing to print": ("input()", "abc\n", ""),
    "an input from Windows": (
        "import sys\nprint([len(x) for x in sys.stdin])",
        "ab\r\nc\r\n",
        "[4, 3]",
    ),
    "a byte order mark in the input": ("print(ord(input()[0]))", "\ufeffab\n", "65279\n"),
    "empty lines": ("import sys\nprint(len(sys.stdin.read().split('\\n')))", "\n\na\n\n", "5\n"),
    "a picture": (_TRIANGLE, "3\n", "  *\n ***\n*****\n"),
    "many digits": (
        "import sys\nsys.set_int_max_str_digits(0)\nprint(len(str(7 ** int(input()))))",
        "10000\n",
        "8451\n",
    ),
    "a zero byte": ("import sys\nprint(sys.stdin.buffer.read().count(0))", "a\0b\0", "2\n"),
    "what is no letter": (
        "print(ascii(input()))",
        "\x1b[0m\x7f\u2028x\n",
        "'\\x1b[0m\\x7f\\u2028x'\n",
    ),
}

RIGHT: Final = {
    **_read("reading", "ending", "writing", "surroundings"),
    **{name: (code, "2 40\n", "42\n") for name, code in _AS_TEXT.items()},
    **_OTHERWISE,
}
WRONG: Final = _read("wrong")
