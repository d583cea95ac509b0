"""From prompt and steps to token ids, with the positions at which each step is read.

Pieces are tokenised apart and concatenated: the prompt's prefix, every step, the closing tokens. So the ids of a step
never depend on what follows it, a search that extends a response keeps its tokens, and a tag is a token wherever the
tokenizer would have merged it. Steps are tokenised with special tokens split: model text cannot forge a turn.

Nothing is ever truncated: a sequence longer than `max_length` is the caller's to drop aloud or to leave `Unscored`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import ConfigError
from assay.models.readout import Readout
from assay.types import Message, Prompt, Record, Response

__all__ = ["Encoded", "Encoder", "Layout"]

SENTINEL = "\u2063response\u2063"
"""Stands for the response while a chat template is rendered; templates leave it alone."""


class Layout(Record):
    """How conversations are laid out as tokens."""

    template: Literal["chat", "plain", "turns"] = "plain"
    """The tokenizer's chat template; the bare texts; or a chat in which every step is a user turn."""
    join: str = "\n"
    """Plain only: text between the prompt and the response."""
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


class Encoder:
    """A tokenizer, a layout and a read-out: everything between text and tensors."""

    def __init__(self, tokenizer: Any, layout: Layout, readout: Readout) -> None:
        if layout.template != "plain":
            layout = _with_template_hash(tokenizer, layout)
        self.tokenizer = tokenizer
        self.layout = layout
        self.readout = readout
        self._tag = _tag_id(tokenizer, readout)
        self._separator = self._tokens([layout.separator])[0] if layout.separator else []

    def encode(self, items: Sequence[tuple[Prompt, Response]]) -> list[Encoded]:
        """One `Encoded` an item; prompts and steps are tokenised in one call."""
        if self.layout.template == "turns":
            return [self._turns(prompt, response) for prompt, response in items]
        frames: dict[int, tuple[list[int], str, list[int]]] = {}
        for prompt, _ in items:
            if id(prompt) not in frames:
                frames[id(prompt)] = self._frame(prompt)
        texts = []
        for prompt, response in items:
            lead = frames[id(prompt)][1]
            texts += [lead + step if i == 0 else step for i, step in enumerate(response.steps)]
        pieces = iter(self._tokens(texts))
        encoded = []
        for prompt, response in items:
            prefix, _, closing = frames[id(prompt)]
            ids, reads = list(prefix), []
            for _ in response.steps:
                ids += next(pieces)
                ids += self._separator
                if self._tag is not None:
                    ids.append(self._tag)
                reads.append(len(ids) - 1)
            if self.layout.close and response.finished:
                ids += closing
                if self._tag is None and reads:
                    reads[-1] = len(ids) - 1
            if not ids:
                raise ConfigError("an empty prompt and an empty response make no tokens; drop the record")
            encoded.append(Encoded(tuple(ids), len(prefix), tuple(max(r, 0) for r in reads)))
        return encoded

    def _frame(self, prompt: Prompt) -> tuple[list[int], str, list[int]]:
        """The prefix's ids, text that must be tokenised with the first step, and the closing ids."""
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        if self.layout.template == "plain":
            body = self._tokens([_plain(prompt.messages) + self.layout.join])[0]
            start = [bos] if self.layout.bos and bos is not None else []
            return start + body, "", [eos] if eos is not None else []
        head, tail = self.render([*prompt.messages, Message(role="assistant", content=SENTINEL)]).split(SENTINEL)
        # A space before the response belongs to its first token in every tokenizer that marks words by their space.
        stripped = head.rstrip(" ")
        ids = self._tokens([stripped], special=True)[0]
        if self.layout.bos and bos is not None and ids[:1] != [bos]:
            ids = [bos, *ids]
        return ids, head[len(stripped) :], self._tokens([tail], special=True)[0]

    def _turns(self, prompt: Prompt, response: Response) -> Encoded:
        """Every step a user turn, answered by the good token; read where that token is predicted."""
        good = self.readout.tokens[-1]
        ids: list[int] = []
        reads = []
        start = 0
        turns = list(prompt.messages)
        for i, step in enumerate(response.steps):
            if i == 0:
                question = turns.pop().content
                turns.append(Message(role="user", content=f"{question} {step}"))
            else:
                turns.append(Message(role="user", content=step))
            turns.append(Message(role="assistant", content=SENTINEL))
            head, tail = self.render(turns).rsplit(SENTINEL, 1)
            ids = self._tokens([head.replace(SENTINEL, good)], special=True)[0]
            start = start or len(ids)
            reads.append(len(ids) - 1)
            ids += self._tokens([good + tail], special=True)[0]
        return Encoded(tuple(ids), start, tuple(reads))

    def render(self, messages: Sequence[Message]) -> str:
        """The chat template's text for a conversation."""
        turns = [{"role": m.role, "content": m.content} for m in messages]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, date_string=self.layout.date)
        if not isinstance(text, str):
            raise ConfigError("the chat template gives no text; use template='plain'")
        return text

    def _tokens(self, texts: list[str], *, special: bool = False) -> list[list[int]]:
        if not texts:
            return []
        out = self.tokenizer(
            texts, add_special_tokens=False, split_special_tokens=not special, return_attention_mask=False
        )
        return list(out["input_ids"])


def _plain(messages: Sequence[Message]) -> str:
    """One message is its bare text; several carry their roles."""
    if len(messages) == 1:
        return messages[0].content
    return "\n\n".join(f"{m.role.capitalize()}: {m.content}" for m in messages) + "\n\nAssistant:"


def _tag_id(tokenizer: Any, readout: Readout) -> int | None:
    if readout.at != "step_tag":
        return None
    if not readout.tag:
        raise ConfigError("a read-out at a step tag needs the tag's text")
    ids = tokenizer(readout.tag, add_special_tokens=False)["input_ids"]
    # SentencePiece tokenizers put a bare "▁" before a word at the start of a text; the tag itself is what follows.
    if len(ids) > 1 and tokenizer.convert_ids_to_tokens(ids[0]) == "▁":
        ids = ids[1:]
    if len(ids) != 1:
        raise ConfigError(f"the step tag {readout.tag!r} is {len(ids)} tokens here; choose one that is a single token")
    return int(ids[0])


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
