"""From prompt and steps to token ids, with the positions at which each step is read.

Pieces are tokenised apart and concatenated: the prompt's prefix, every step, the closing tokens. So the ids of a step
never depend on what follows it, a search that extends a response keeps its tokens, and a tag is a token wherever the
tokenizer would have merged it. Steps are tokenised with special tokens split: model text cannot forge a turn. A space
between two pieces goes with the second, whose first token carries it wherever a tokenizer marks words by their space.

Nothing is ever truncated: a sequence longer than `max_length` is the caller's to drop aloud or to leave `Unscored`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import ConfigError, DataError
from assay.models.readout import Readout
from assay.types import Message, Prompt, Record, Response

__all__ = ["Encoded", "Encoder", "Layout", "single_token"]

SENTINEL = "\u2063response\u2063"
"""Stands for the response while a chat template is rendered; templates leave it alone."""

_FIXED_DATE = "{%- macro strftime_now(format) -%}{{ date_string }}{%- endmacro -%}"
"""Put before a template that asks for today's date, so that it gets the layout's."""

ANCHOR = "☺"
"""Stands before a piece that continues a text, so that no tokenizer takes it for a text's start."""


class Layout(Record):
    """How conversations are laid out as tokens."""

    template: Literal["chat", "plain", "turns"] = "plain"
    """The tokenizer's chat template; the bare texts; or a chat in which every step is a user turn."""
    join: str = "\n"
    """Plain only: text between the prompt and the response."""
    system: str | None = None
    """System message of a chat whose prompt brings none; None leaves that to the template."""
    strip: str = ""
    """Characters taken off both ends of every step, where the layout brings the steps' separators itself."""
    between: str = ""
    """Text before every step but the first."""
    separator: str = ""
    """Text whose tokens follow every step, before the tag if there is one."""
    bos: bool = True
    """Start with the tokenizer's beginning-of-sequence token, if it has one; a template's own is never doubled."""
    close: bool = True
    """End a finished response: with the template's end of turn, or with the end-of-sequence token when plain.
    Process models leave it out, so that a step reads the same whether or not it is the last."""
    max_length: int = 1024
    """Longest sequence, in tokens."""
    chat_template_sha256: str | None = None
    """Hash of the chat template the model was trained with; another one is refused."""
    date: str = "26 Jul 2024"
    """Given to templates that would otherwise write today's date into every prompt."""


@dataclass(frozen=True)
class Encoded:
    """One sequence: token ids, where the response starts, and one read position a step."""

    ids: tuple[int, ...]
    start: int
    """Index of the response's first token."""
    reads: tuple[int, ...]
    """Index of the token at which each step is read."""


@dataclass(frozen=True)
class _Frame:
    """What stands around the steps of one prompt: prefix, step, after, between, step, after, ..., closing."""

    prefix: list[int]
    after: list[int]
    between: list[int]
    closing: list[int]
    leads: tuple[str, str]
    """Text tokenised together with the first step, and with every other one."""


class Encoder:
    """A tokenizer, a layout and a read-out: everything between text and tensors."""

    def __init__(self, tokenizer: Any, layout: Layout, readout: Readout) -> None:
        if layout.template != "plain":
            layout = _with_template_hash(tokenizer, layout)
        if layout.template == "turns" and not readout.tokens:
            raise ConfigError("a layout in turns needs the read-out's tokens: they are the assistant's answers")
        self.tokenizer = tokenizer
        self.layout = layout
        self.readout = readout
        self._anchor = _anchor(tokenizer)
        self._after = self._tokens([layout.separator])[0] if layout.separator else []
        if readout.at == "step_tag":
            if not readout.tag:
                raise ConfigError("a read-out at a step tag needs the tag's text")
            self._after.append(single_token(tokenizer, readout.tag))

    def encode(self, items: Sequence[tuple[Prompt, Response]]) -> list[Encoded]:
        """One `Encoded` an item; prompts and steps are tokenised in one call."""
        build = self._turns if self.layout.template == "turns" else self._frame
        frames: dict[int, _Frame] = {}
        for prompt, _ in items:
            if id(prompt) not in frames:
                frames[id(prompt)] = build(prompt)
        texts = [
            frames[id(prompt)].leads[i > 0] + step.strip(self.layout.strip)
            for prompt, response in items
            for i, step in enumerate(response.steps)
        ]
        pieces = iter(self._tokens(texts))
        encoded = []
        for prompt, response in items:
            frame = frames[id(prompt)]
            ids, reads = list(frame.prefix), []
            for i in range(len(response.steps)):
                if i:
                    ids += frame.between
                ids += next(pieces)
                ids += frame.after
                reads.append(len(ids) - 1)
            if self.layout.close and response.finished:
                ids += frame.closing
                if reads and self.readout.at == "last_token":
                    reads[-1] = len(ids) - 1
            if not ids:
                raise ConfigError("an empty prompt and an empty response make no tokens; drop the record")
            encoded.append(Encoded(tuple(ids), len(frame.prefix), tuple(max(r, 0) for r in reads)))
        return encoded

    def _frame(self, prompt: Prompt) -> _Frame:
        """One response after the prompt, bare or in a chat."""
        between = self.layout.between
        if self.layout.template == "plain":
            bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
            text = _plain(prompt.messages) + self.layout.join
            head = text.rstrip(" ")
            prefix = self._tokens([head], first=True)[0]
            if self.layout.bos and bos is not None:
                prefix = [bos, *prefix]
            closing = [eos] if eos is not None else []
            return _Frame(prefix, self._after, [], closing, (text[len(head) :], between))
        text = self.render([*self._messages(prompt), Message(role="assistant", content=SENTINEL)])
        text, tail = text.rsplit(SENTINEL, 1)
        head = text.rstrip(" ")
        closing = self._tokens([tail], special=True)[0]
        return _Frame(self._start(head), self._after, [], closing, (text[len(head) :], between))

    def _turns(self, prompt: Prompt) -> _Frame:
        """Every step a user turn, answered by the good token; read where that token is predicted."""
        if not prompt.messages:
            raise ConfigError("a layout in turns needs a prompt of at least one message")
        *before, question = self._messages(prompt)
        step, answer = Message(role="user", content=SENTINEL), Message(role="assistant", content=SENTINEL)
        opening = Message(role="user", content=f"{question.content} {SENTINEL}")
        text, after, again, after_too, _ = self.render([*before, opening, answer, step, answer]).rsplit(SENTINEL, 4)
        if after != after_too:
            raise ConfigError("the chat template renders the last turn unlike the others; steps cannot be turns of it")
        good = single_token(self.tokenizer, self.readout.tokens[-1])
        heads = text.rstrip(" "), again.rstrip(" ")
        after_ids, again_ids = self._tokens([after, heads[1]], special=True)
        leads = text[len(heads[0]) :], again[len(heads[1]) :]
        return _Frame(self._start(heads[0]), after_ids, [good, *again_ids], [], leads)

    def _messages(self, prompt: Prompt) -> tuple[Message, ...]:
        """The prompt's messages, after the layout's system message where they bring none."""
        if self.layout.system is None or any(m.role == "system" for m in prompt.messages):
            return prompt.messages
        return (Message(role="system", content=self.layout.system), *prompt.messages)

    def _start(self, head: str) -> list[int]:
        """A rendered template's ids, with one bos where the layout wants one."""
        ids = self._tokens([head], special=True, first=True)[0]
        bos = self.tokenizer.bos_token_id
        return [bos, *ids] if self.layout.bos and bos is not None and ids[:1] != [bos] else ids

    def render(self, messages: Sequence[Message]) -> str:
        """The chat template's text for a conversation. Raises `DataError` when the template refuses its roles."""
        from jinja2 import TemplateError

        turns = [{"role": m.role, "content": m.content} for m in messages]
        template = self.tokenizer.chat_template
        try:
            text = self.tokenizer.apply_chat_template(
                turns,
                # A dict of templates is left to the tokenizer, which knows which of them is meant.
                chat_template=_FIXED_DATE + template if "strftime_now" in template else None,
                tokenize=False,
                date_string=self.layout.date,
            )
        except TemplateError as error:
            roles = ", ".join(m.role for m in messages)
            raise DataError(
                f"the chat template refuses a conversation of {roles}: {error}; use the plain template"
            ) from error
        if not isinstance(text, str):
            raise ConfigError("the chat template gives no text; use template='plain'")
        return text

    def _tokens(self, texts: list[str], *, special: bool = False, first: bool = False) -> list[list[int]]:
        """Ids of each text; `special`: special tokens in it are tokens; `first`: it begins the sequence."""
        if not texts:
            return []
        anchor, cut = ("", 0) if first else self._anchor
        out = self.tokenizer(
            [anchor + text for text in texts],
            add_special_tokens=False,
            split_special_tokens=not special,
            return_attention_mask=False,
        )
        return [ids[cut:] for ids in out["input_ids"]]


def _plain(messages: Sequence[Message]) -> str:
    """One message is its bare text; several carry their roles."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{m.role.capitalize()}: {m.content}" for m in messages) + "\n\nAssistant:"


def single_token(tokenizer: Any, text: str) -> int:
    """The one token of a text that stands alone. Raises `ConfigError` where the tokenizer makes more of it."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    # SentencePiece tokenizers put a bare "▁" before a text; the token itself is what follows.
    if len(ids) > 1 and tokenizer.convert_ids_to_tokens(ids[0]) == "▁":
        ids = ids[1:]
    if len(ids) != 1:
        raise ConfigError(f"{text!r} is {len(ids)} tokens here; choose a text that is a single token")
    return int(ids[0])


def _anchor(tokenizer: Any) -> tuple[str, int]:
    """Text to put before a piece that continues a text, and how many tokens it makes.

    SentencePiece tokenizers begin every text with a "▁" that is not in it; a piece in mid-text must not have one.
    """
    probe = tokenizer.convert_ids_to_tokens(tokenizer("a", add_special_tokens=False)["input_ids"])
    if not probe or not probe[0].startswith("▁"):
        return "", 0
    ids = tokenizer(ANCHOR, add_special_tokens=False)["input_ids"]
    for piece in ("a", " a", "\n"):
        if tokenizer(ANCHOR + piece, add_special_tokens=False)["input_ids"][: len(ids)] != ids:
            raise ConfigError("this tokenizer joins words to what stands before them; its steps cannot be told apart")
    return ANCHOR, len(ids)


def _with_template_hash(tokenizer: Any, layout: Layout) -> Layout:
    template = tokenizer.chat_template
    if template is None:
        raise ConfigError("the tokenizer has no chat template; use template='plain' or a tokenizer that has one")
    found = hashlib.sha256(str(template).encode()).hexdigest()
    if layout.chat_template_sha256 not in (None, found):
        raise ConfigError(
            f"the chat template's hash is {found[:12]}, but the model was trained with "
            f"{str(layout.chat_template_sha256)[:12]}: scores would drift; restore the tokenizer saved with the model"
        )
    return layout.model_copy(update={"chat_template_sha256": found})
