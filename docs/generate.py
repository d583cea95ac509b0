"""Write what the documentation takes from elsewhere.

`docs/reference/cli/`, a page per command, is what `--help` prints; pages take tables from the log
(`docs/marked.py`), and figures are drawn from those (`docs/plots.py`).

`python docs/generate.py` writes them; `tests/docs` fails where a committed one differs. All
commands are asked in one process, on the widest terminal that tyro fills with one column.
"""

import contextlib
import io
import itertools
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parent / "reference/cli"
WIDE: Final = "129"
FROM: Final = "--from RUN, a run's folder or its run.json, makes that run's settings the defaults."
RULE: Final = re.compile(r" -{20,}")
NAMED: Final = re.compile(r"  (-{1,2}[a-z]|[A-Z][A-Z0-9_-]+\b(?! [a-z])|\[[A-Z])")
TICKS: Final = re.compile(r"(`[^`\n]+`)")
DOCS: Final = re.compile(r"docs/explain/([a-z-]+)\.md")


@dataclass(frozen=True)
class Option:
    """One argument: how it is written, what it means, and what stands without it."""

    names: str
    help: str
    default: str


@dataclass(frozen=True)
class Help:
    """One `--help`, taken apart."""

    usage: str
    about: str
    options: tuple[Option, ...]


def pages() -> dict[str, str]:
    """Return file name -> Markdown, for every command and the overview."""
    from assay.cli import COMMANDS
    from assay.cli.arguments import LOSSES, words_below
    from assay.rl.settings import RECIPES

    written = {"index.md": _overview(COMMANDS)}
    for name, summary in COMMANDS.items():
        words = [word for word in words_below(name) if word not in LOSSES]
        words += RECIPES if name == "rl" else ()
        helps = {f"assay {name}": _asked(name)}
        helps |= {f"assay {name} {word}": _asked(name, word) for word in words}
        written[f"{name}.md"] = _page(name, summary, helps)
    return written


def _asked(*words: str) -> Help:
    from assay.cli import main

    said = io.StringIO()
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDE
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([*words, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return _parsed(said.getvalue())


def _parsed(text: str) -> Help:
    """Split what tyro prints: usage, a description, and sections of arguments, each with a title
    and a rule below it."""
    lines = [line.rstrip() for line in text.splitlines()]
    rules = [at for at, line in enumerate(lines) if RULE.fullmatch(line)]
    first = rules[0] - 1 if rules else len(lines)
    usage, _, about = "\n".join(lines[:first]).partition("\n\n")
    usage = usage.removeprefix("usage: ").strip()
    usage = usage.replace("[-h] ", "").replace(" [-h]", "")
    options: list[Option] = []
    for at, after in itertools.pairwise([*rules, len(lines) + 1]):
        title, body = lines[at - 1].strip(), lines[at + 1 : after - 1]
        if title != "subcommands":
            options += _section(body)
    options = [option for option in options if "--help" not in option.names]
    return Help(usage, about.replace(FROM, "").strip("\n"), tuple(options))


def _section(lines: Iterable[str]) -> Iterable[Option]:
    """Yield a section's arguments: a name stands at the left, its help behind two spaces or below
    it."""
    items: list[list[str]] = []
    for line in lines:
        if NAMED.match(line):
            items.append(re.split(r"\s{2,}", line.strip(), maxsplit=1))
        elif items and line.startswith("   "):
            items[-1].append(line.strip())
        elif items and line:
            # Choices that did not fit behind the name.
            items[-1][0] += line.strip()
    for names, *lines in items:
        # A line may break behind a comma within a setting, where no space was.
        said = re.sub(r"(\S=\S*,) ", r"\1", " ".join(line for line in lines if line))
        body, _, last = said.rpartition("(")
        default = last.removesuffix(")").strip()
        if default == "required":
            yield Option(names, body.strip(), "required")
        elif default.startswith("default:"):
            yield Option(names, body.strip(), default.removeprefix("default:").strip())
        else:
            yield Option(names, said, "")


def _page(name: str, summary: str, helps: Mapping[str, Help]) -> str:
    """Write one command: what all of its forms share comes first, once."""
    parts = [f"# assay {name}", f"{summary[0].upper()}{summary[1:]}."]
    lists = [one.options for one in helps.values() if one.options]
    shared: list[Option] = []
    if len(lists) > 1:
        shared = [option for option in lists[0] if all(option in rest for rest in lists[1:])]
    for title, one in helps.items():
        own = [option for option in one.options if option not in shared]
        parts += [f"## {title} {{ #{_anchor(title)} }}", f"```text\n{one.usage}\n```"]
        parts += [_prose(one.about)] if one.about else []
        parts += [_listed(own)] if own else []
    if shared:
        at = 2
        parts[at:at] = [f"## Options of every `assay {name}` {{ #shared }}", _listed(shared)]
    parts.append(
        "Next: [all commands](index.md), [words that name scorers](../../explain/words.md)."
    )
    return "\n\n".join(parts) + "\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _listed(options: Iterable[Option]) -> str:
    lines = []
    for one in options:
        default = {"required": ", required", "": ""}.get(one.default, f", default `{one.default}`")
        default = default.replace("\\n", "⏎")
        lines.append(f"- `{one.names}`{default}: {_escaped(one.help)}")
    return "\n".join(lines)


def _prose(text: str) -> str:
    """Keep paragraphs and set-off formulas; escape the rest."""
    lines = [line if line.startswith("    ") else _escaped(line) for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _escaped(text: str) -> str:
    """Escape Markdown outside of code, and link the pages that help names."""
    pieces = TICKS.split(text)
    pieces[::2] = [re.sub(r"([\\*_<>\[\]])", r"\\\1", piece) for piece in pieces[::2]]
    return DOCS.sub(r"[\1](../../explain/\1.md)", "".join(pieces))


def _overview(commands: Mapping[str, str]) -> str:
    rows = "\n".join(f"| [`assay {name}`]({name}.md) | {text} |" for name, text in commands.items())
    return f"""# Commands

These pages are what `assay COMMAND --help` prints, written by `python docs/generate.py`.

| command | what it does |
|---|---|
{rows}

The data comes first, `--out` is the folder of the run. {_escaped(FROM)} `assay help COMMAND` is
`assay COMMAND --help`; `assay --print-completion bash` (or `zsh`) prints a script that completes
the names of commands.

Exit codes: 0, done; 1, done and a condition of `--fail-on` holds, a gate is closed, or a bug (with
its traceback); 2, refused, with one line that says what is wrong, where, and what would work.

Next: [start in five minutes](../../start.md), [troubleshooting](../../troubleshooting.md).
"""


def main() -> None:
    """Write what changed, and delete the pages and figures that are no more."""
    sys.path.insert(0, str(PAGES.parents[2]))
    from docs import marked, plots

    due = {PAGES / name: text for name, text in pages().items()}
    due |= plots.drawn()
    due |= marked.filled()
    for path in (*PAGES.glob("*.md"), *plots.FOLDER.glob("*.svg")):
        if path not in due:
            path.unlink()
    for path, text in due.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    main()
