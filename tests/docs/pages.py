"""Do what "start" and the how-tos say, to the letter, in an empty folder.

    python -m tests.docs.pages                # start, then each how-to in a copy of its folder
    python -m tests.docs.pages label-steps    # start and one how-to

What a page means by its blocks:

- ```sh is run, by one bash per page that stops at the first command that fails; what a page left
  running is stopped at its end.
- ```python title="FILE" is saved under that name.
- ```text after a ```sh is what it prints: its lines in this order, with other lines between them;
  any number stands for any other, and `...` for the rest of a line or for lines.
- `<!-- not run: WHY -->` before a block, and `<!-- instead of a person: ... -->` around blocks of
  the reader's part that no command can do.

Ports are exchanged for free ones, for other pages may be run beside this one.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
START: Final = DOCS / "start.md"
PORTS: Final = ("8765", "8123")
NUMBER: Final = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?|[-+]?\.\d+")
BLOCK: Final = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<file>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN: Final = re.compile(r"<!-- not run: [^>]+ -->\s*\Z")
LIMIT_S: Final = 600


@dataclass(frozen=True)
class Step:
    """Something that a page tells its reader to do."""

    line: int
    """Where it stands in the page."""
    script: str
    """What bash is given."""
    printed: str = ""
    """What the page says that it prints."""


class Fault(Exception):
    """Where a page is wrong, and how."""


def how_tos() -> list[Path]:
    """Pages that are run after start, each in a folder of its own."""
    return sorted(page for page in (DOCS / "how-to").glob("*.md") if page.stem != "index")


def steps(text: str) -> list[Step]:
    """Read what a page tells its reader to do."""
    found: list[Step] = []
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        if NOT_RUN.search(text[: block.start()]):
            continue
        language, file, body = block["language"], block["file"], block["text"]
        if language == "sh":
            found.append(Step(line, body))
        elif file:
            found.append(Step(line, f"cat > {file} <<'END OF {file}'\n{body}END OF {file}\n"))
        elif language == "text" and found and not found[-1].printed:
            last = found.pop()
            found.append(Step(last.line, last.script, body))
    return found


def missing(printed: str, output: str) -> str | None:
    """Return the first line that a page shows and the output lacks, or None."""
    lines = iter([_plain(line) for line in output.split("\n")])
    for shown in printed.split("\n"):
        wanted = _plain(shown)
        if wanted in ("", "..."):
            continue
        pattern = re.compile(_pattern(wanted))
        if not any(pattern.fullmatch(line) for line in lines):
            return shown
    return None


def _plain(line: str) -> str:
    return " ".join(line.split())


def _pattern(line: str) -> str:
    parts = []
    for part in line.split("..."):
        # Where nothing stands for the rest, its blanks are gone as well.
        part = part.strip() if "..." in line else part
        words = NUMBER.split(part)
        parts.append(f"(?:{NUMBER.pattern})".join(re.escape(word) for word in words))
    return ".*".join(f"(?:{part})" for part in parts)


def follow(page: Path, folder: Path) -> float:
    """Do what a page says in a folder and return its seconds of processor. Raises `Fault`."""
    text = page.read_text()
    for port in PORTS:
        text = text.replace(port, _free_port())
    todo = steps(text)
    with tempfile.TemporaryDirectory() as kept:
        script = ["set -eo pipefail"]
        for number, step in enumerate(todo):
            script.append(
                f"echo {number} > {kept}/at\n{{\n{step.script}\n}} > {kept}/{number} 2>&1"
            )
        began = os.times()
        code = _bash("\n".join(script), folder, Path(kept))
        spent = os.times()
        if todo and not (Path(kept) / "at").exists():
            raise Fault(f"{page.name}: {(Path(kept) / 'bash').read_text()}")
        at = int((Path(kept) / "at").read_text()) if todo else -1
        faults = []
        for number, step in enumerate(todo[: at + 1]):
            output = (Path(kept) / str(number)).read_text()
            what = f"ended with {code}" if code and number == at else ""
            lacks = None if what else missing(step.printed, output)
            what = what if lacks is None else f"does not print {lacks!r}"
            if what:
                faults.append(f"{page.name}:{step.line}: {what}; it printed\n{output[-3000:]}")
        if faults:
            raise Fault("\n".join(faults))
    user = spent.children_user - began.children_user
    return user + spent.children_system - began.children_system


def _bash(script: str, folder: Path, kept: Path) -> int:
    """Run a script and return its exit status; what it left running is asked to end."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (kept / "bash").open("wb") as errors:
        bash = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env={**os.environ, "PATH": path, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    try:
        return bash.wait(LIMIT_S)
    finally:
        # The session is its own group: nobody else's processes are in it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(bash.pid, signal.SIGTERM)
        bash.wait()


def _free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def main(names: Sequence[str]) -> int:
    """Follow start and the how-tos of these names, or all; return how many are wrong."""
    wrong = 0
    with tempfile.TemporaryDirectory() as room:
        started = Path(room) / "start"
        started.mkdir()
        for page in [START, *how_tos()]:
            if names and page != START and page.stem not in names:
                continue
            folder = started
            if page != START:
                folder = Path(room) / page.stem
                shutil.copytree(started, folder)
            began = time.monotonic()
            try:
                spent = follow(page, folder)
            except Fault as fault:
                wrong += 1
                print(fault, flush=True)
                if page == START:
                    return wrong
            else:
                wall = time.monotonic() - began
                print(f"{page.name}: {spent:.0f} s of processor, {wall:.0f} s", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
