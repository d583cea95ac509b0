"""The world's tokens: a digit is one, and so is each piece of a call between the numbers."""

from typing import Any, Final

from assay.worlds.words import SPECIAL, word_tokenizer

__all__ = ["BOS", "EOS", "PAD", "PATTERN", "VOCABULARY", "make_tokenizer"]

WORDS: Final = (
    *map(str, range(10)),
    *"*+=",
    'multiply({"a":',
    'add({"a":',
    ',"b":',
    "})",
    "\\boxed{",
    "}",
    "error",
)
VOCABULARY: Final = (*WORDS, *SPECIAL)
PAD, BOS, EOS = range(len(WORDS) + 1, len(WORDS) + 4)

PATTERN: Final = r'[a-z]+\(\{"a":|,"b":|\}\)|\\boxed\{|\}|error|[0-9]|[*+=]'
"""Finds the words in a text."""

TEMPLATE: Final = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'tool' %}={% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ call.function.name }}("
    "{% if call.function.arguments is string %}{{ call.function.arguments }}"
    "{% else %}{{ call.function.arguments | tojson(separators=(',', ':')) }}{% endif %})"
    "{% endfor %}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)
"""Turns of the assistant end with the end token, and results begin with an equals sign."""


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast` with a chat template. Texts and tokens of the world
    correspond one to one; anything else is unknown."""
    tokenizer = word_tokenizer(WORDS, PATTERN)
    tokenizer.chat_template = TEMPLATE
    return tokenizer
