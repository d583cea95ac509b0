"""Put what is judged into a prompt: as data, between fences, in one pass.

A judge's prompt is a text file to copy and edit. Lines `### system`, `### user` and `### assistant`
begin its messages; a file without any is one user's message. A placeholder such as {question} or
{response_a} stands for a text, and {fence} for a line of marks that is longer than any run of them
in those texts. All of them are replaced at once, so that a text with placeholders, braces, format
strings or template code in it stays what it is.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Final

from assay.components import did_you_mean
from assay.errors import ConfigError
from assay.fingerprint import ByContent
from assay.types import Message, Prompt, Response

__all__ = ["JudgePrompt", "Texts", "fence", "prompt", "question_of", "response_of", "visible"]

Texts = Mapping[str, str | Mapping[str, str]]
"""What stands for each placeholder: a text, or several under titles of their own, each fenced."""

PLACEHOLDER: Final = re.compile(r"\{([a-z]\w*)\}")
HEADER: Final = re.compile(r"^### (system|user|assistant)[ \t]*$", re.MULTILINE)
RUN: Final = re.compile(r"`+")
LEAST: Final = 5
"""Shortest fence: code in an ordinary response has shorter ones, and changes nothing."""

# All control characters but tab and line feed; what has no width, what turns the direction of
# writing, what ends lines elsewhere, tags and other carriers of hidden text; lone surrogates. The
# joiners of Persian, Indian scripts and emoji stay.
HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Special tokens of chat templates, which a server would read as such wherever they stand.
CONTROL: Final = re.compile(
    r"<(?=\|[^|<>\n]{1,64}\|>|\|[a-z_]{1,64}>|[a-z_]{1,64}\|>|｜[^｜<>\n]{1,64}｜>|/?s>"
    r"|(?:seed:)?[be]os>|(?:pad|unk|sop|eop)>|(?:start|end)_of_(?:turn|image|utterance)>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK"
    r"|MODEL_SETTINGS|[BE]OS|EOT|gMASK)\]|\|(?:system|user|assistant|tool|endofturn)\|\]|e~\[)"
    r"|\](?=~!?b[\[\]])"
)


@dataclass(frozen=True)
class JudgePrompt:
    """A prompt with placeholders for what is judged."""

    messages: tuple[Message, ...]

    fingerprint = ByContent()

    @property
    def fields(self) -> frozenset[str]:
        """Names of its placeholders."""
        contents = (message.content for message in self.messages)
        return frozenset(chain.from_iterable(map(PLACEHOLDER.findall, contents)))

    def state(self, texts: Texts) -> Prompt:
        """Return the conversation with every placeholder replaced. texts: one for each."""
        parts = chain.from_iterable(
            [text] if isinstance(text, str) else text.values() for text in texts.values()
        )
        mark = fence(parts)
        values = {name: _written(text, mark) for name, text in texts.items()} | {"fence": mark}
        return Prompt(
            messages=tuple(
                message.model_copy(
                    update={
                        "content": PLACEHOLDER.sub(lambda found: values[found[1]], message.content)
                    }
                )
                for message in self.messages
            )
        )


def prompt(
    name: str | Path | JudgePrompt, needs: Collection[str], may: Collection[str] = ()
) -> JudgePrompt:
    """Return a prompt: one that comes with the library by its name, or a file's by its path.

    needs, may: placeholders that it must and may have. Raises `ConfigError` where it has others or
    lacks one, and where there is no such prompt.
    """
    made = name if isinstance(name, JudgePrompt) else _parsed(_read(name), str(name))
    known = {*needs, *may, "fence"}
    if unknown := sorted(made.fields - known):
        hint = did_you_mean(unknown[0], sorted(known))
        raise ConfigError(
            f"prompt {_called(name)} has {{{unknown[0]}}}, which nothing stands for{hint}; it may"
            f" have {', '.join(f'{{{one}}}' for one in sorted(known))}; to show braces, put spaces"
            " within"
        )
    if missing := sorted({*needs} - made.fields):
        raise ConfigError(
            f"prompt {_called(name)} lacks {{{missing[0]}}}; the judge would not see it"
        )
    return made


def _called(name: str | Path | JudgePrompt) -> str:
    return "as given" if isinstance(name, JudgePrompt) else str(name)


def _read(name: str | Path) -> str:
    if isinstance(name, Path) or "/" in name or name.endswith(".txt"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"there is no prompt file {path}")
        return path.read_text(encoding="utf-8")
    folder = resources.files("assay.judges") / "prompts"
    if not (file := folder / f"{name}.txt").is_file():
        there = sorted(one.name.removesuffix(".txt") for one in folder.iterdir())
        hint = did_you_mean(name, there)
        raise ConfigError(
            f"no prompt is called {name!r}{hint}; there is {', '.join(there)}, and a file by its"
            " path"
        )
    return file.read_text(encoding="utf-8")


def _parsed(text: str, name: str) -> JudgePrompt:
    before, *parts = HEADER.split(text)
    if not parts:
        before, parts = "", ["user", text]
    if before.strip():
        raise ConfigError(
            f"prompt {name} has text before its first message; begin it with ### system or ### user"
        )
    if parts[-2] != "user":
        raise ConfigError(f"prompt {name} ends with a message of {parts[-2]}; end it with ### user")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    rows = [{"role": role, "content": body.strip("\n")} for role, body in pairs]
    return JudgePrompt(tuple(map(Message.model_validate, rows)))


def fence(texts: Iterable[str]) -> str:
    """Return a run of backticks that is longer than any in the texts."""
    runs = chain.from_iterable(map(RUN.findall, texts))
    return "`" * max(LEAST, 1 + max(map(len, runs), default=0))


def visible(text: str) -> str:
    """Return a text in which nothing is hidden and nothing steers what reads it.

    Control and other invisible characters are written as <U+202E>, and special tokens of chat
    templates, such as <|im_end|>, get a space behind their first mark.
    """
    shown = HIDDEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text.replace("\r\n", "\n"))
    return CONTROL.sub(r"\g<0> ", shown)


def _written(text: str | Mapping[str, str], mark: str) -> str:
    if isinstance(text, str):
        return visible(text)
    return "\n\n".join(f"{title}\n{mark}\n{visible(one)}\n{mark}" for title, one in text.items())


def question_of(asked: Prompt) -> str:
    """Return what was asked: a user's message, or a conversation's turns."""
    if len(asked.messages) == 1 and not asked.tools:
        return asked.messages[0].text
    tools = f"tools:\n{_quoted(asked.shown[1])}\n" if asked.tools else ""
    return tools + _turns(asked.messages)


def response_of(response: Response) -> str:
    """Return a response's text, or the turns of a trajectory with what the tools answered."""
    return _turns(response.turns) if response.turns else response.text


def _turns(messages: Iterable[Message]) -> str:
    """Each turn under its role, with its lines quoted: none can pretend to be another."""
    return "\n".join(f"{message.role}:\n{_quoted(message.text)}" for message in messages)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))
