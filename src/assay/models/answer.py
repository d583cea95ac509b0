"""Where a chat model's answer begins: a conversation's tokens up to there, and the one token that
an answer may consist of.

Both are found out on the chat template itself. A text that spells out a special token is text: what
is judged cannot forge a turn.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from assay.errors import ConfigError, DataError
from assay.models import pieces, rendering
from assay.models.layout import Layout
from assay.models.left_out import LeftOut
from assay.models.rendering import SENTINEL
from assay.types import Message, Prompt

__all__ = ["Answering"]

Ints = NDArray[np.integer[Any]]

OFF: Final = {"enable_thinking": False}
"""What templates that know it take for a wish to answer at once; others do not look at it."""
THOUGHTS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
PROBE: Final = (Message(role="user", content=SENTINEL),)


@dataclass(frozen=True)
class Answering:
    """A tokenizer's chat template, with its settings.

    Raises `ConfigError` where there is no template, where it does not write what the user says, and
    where it leaves a block of reasoning open, behind which the first token is no answer.
    """

    tokenizer: Any
    settings: Mapping[str, Any]
    """Given to the template, such as `reasoning_effort`; reasoning is off unless they say else."""
    date: str = Layout().date

    def __post_init__(self) -> None:
        if not self.tokenizer.chat_template:
            raise ConfigError(
                "the tokenizer has no chat template, as those of base models; questions are asked"
                " in a chat: give a model that was trained for it, or set the tokenizer's"
                " `chat_template`"
            )
        _, said, opened = self._show(PROBE).rpartition(SENTINEL)
        if not said:
            raise ConfigError(
                "the chat template does not write what the user says; give a tokenizer whose"
                " template does"
            )
        for begin, end in THOUGHTS:
            if opened.rfind(begin) > opened.rfind(end):
                raise ConfigError(
                    f"the chat template leaves a block of reasoning open ({begin}) where an answer"
                    " begins: the next token is no verdict; turn it off by `template_kwargs`, or"
                    " let the model reason first (reads=text, or `TextAnswerer`)"
                )

    def ids(self, prompts: Sequence[Prompt], begin: str = "") -> list[Ints]:
        """Return the tokens of conversations up to where the assistant's answer goes on behind the
        text `begin`.

        Raises `DataError` or `ConfigError` where the template refuses one, or leaves out what
        counts.
        """
        cuts = [self._pieces(prompt, begin) for prompt in prompts]
        whole = [cut[0].text for cut in cuts if len(cut) == 1]
        found = iter(self._tokens(whole) if whole else ())
        return [
            np.array(
                next(found)
                if len(cut) == 1
                else pieces.tokenise(self.tokenizer, cut, self._anchor).ids
            )
            for cut in cuts
        ]

    def labels(self, labels: Sequence[str], begin: str = "") -> tuple[tuple[int, ...], ...]:
        """Return the tokens that each label may be, behind `begin`: with a space before it or
        without, and labels of two letters or more in other case where no other label is meant.

        Raises `ConfigError` unless each label, as it is told, is a single token of its own.
        """
        (text,) = [cut.text for cut in self._pieces(Prompt(messages=PROBE), begin)]
        exact = [self._behind(text, [label]) for label in labels]
        for label, tokens in zip(labels, exact, strict=True):
            if not tokens:
                made = self.tokenizer.convert_ids_to_tokens(self._tokens([label])[0])
                raise ConfigError(
                    f"the label {label!r} is not one token where this chat template has the answer"
                    f" begin ({begin!r} before it), but {made}; give labels that are (letters are,"
                    " by labels='auto'), or read the verdict in a text"
                    " (reads=text, or `TextAnswerer`)"
                )
        if shared := [i for i, n in Counter(chain.from_iterable(exact)).items() if n > 1]:
            raise ConfigError(
                f"two of the labels {list(labels)} are the same token"
                f" {self.tokenizer.convert_ids_to_tokens(shared)}; give others"
            )
        alike = [self._behind(text, _spellings(label)) - set().union(*exact) for label in labels]
        claims = Counter(chain.from_iterable(alike))
        return tuple(
            tuple(sorted(own | {i for i in more if claims[i] == 1}))
            for own, more in zip(exact, alike, strict=True)
        )

    def _behind(self, text: str, labels: Sequence[str]) -> set[int]:
        """Return the tokens by which the text grows where one of the labels comes next, of those
        by which it grows by one."""
        spelt = [text + space + label for label in labels for space in ("", " ")]
        before, *after = self._tokens([text, *spelt])
        unknown = self.tokenizer.unk_token_id
        return {
            ids[-1]
            for ids in after
            if len(ids) == len(before) + 1 and ids[:-1] == before and ids[-1] != unknown
        }

    def _pieces(self, prompt: Prompt, begin: str) -> list[pieces.Piece]:
        """Return a conversation as text, cut around what spells out special tokens."""
        if warning := self._left_out.check(prompt.messages, prompt.tools):
            warnings.warn(warning, stacklevel=2)
        hidden = pieces.hide(prompt.messages, self._special)
        text = self._show(hidden.messages, prompt.tools) + self._lead + begin
        # A space between two words goes with the second.
        return pieces.cut(text.rstrip(" "), (), hidden)

    def _show(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        return self._render(messages, tools=tools, begin=True)

    @cached_property
    def _render(self) -> Callable[..., str]:
        parts = rendering.takes_parts(self.tokenizer, self.date)
        settings = {**OFF, **self.settings}
        return partial(
            rendering.render, self.tokenizer, date=self.date, parts=parts, settings=settings
        )

    @cached_property
    def _lead(self) -> str:
        """What the template itself writes before an answer and does not have a model go on from,
        such as a channel's name, or a block of reasoning that is empty."""
        try:
            head = rendering.surroundings(self._render, PROBE).head
        except (ConfigError, DataError):
            return ""
        begun = self._show(PROBE)
        more = head[len(begun) :] if head.startswith(begun) else ""
        # A template that writes an answer twice has it in its own surroundings.
        return more if more.strip() and SENTINEL not in more else ""

    @cached_property
    def _left_out(self) -> LeftOut:
        parts = rendering.takes_parts(self.tokenizer, self.date)
        return LeftOut(self.tokenizer, self.date, parts)

    @cached_property
    def _special(self) -> re.Pattern[str]:
        ids = {int(i) for i in self.tokenizer.all_special_ids}
        added = self.tokenizer.added_tokens_decoder.items()
        ids |= {int(i) for i, token in added if token.special}
        return pieces.pattern(self.tokenizer.convert_ids_to_tokens(sorted(ids)))

    @cached_property
    def _anchor(self) -> tuple[str, int]:
        return pieces.anchor(self.tokenizer)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(
            [*texts], add_special_tokens=False, return_attention_mask=False
        )["input_ids"]
        return found


def _spellings(label: str) -> list[str]:
    """The label in other case; one letter alone is none: "a" is a word."""
    return [label.lower(), label.upper(), label.capitalize()] if len(label) > 1 else []
