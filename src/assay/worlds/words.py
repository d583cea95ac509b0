"""Tokenizers of the worlds: every word one token, every text of a world cut into its words."""

from collections.abc import Sequence
from typing import Any

__all__ = ["SPECIAL", "word_tokenizer"]

SPECIAL = ("<unk>", "<pad>", "<bos>", "<eos>")
"""They follow the words, in this order. They are no words, so that no text is ever read as one of
them."""


def word_tokenizer(words: Sequence[str], pattern: str) -> Any:
    """A word-level `PreTrainedTokenizerFast`: a word's id is its place, and what is no word is
    unknown.

    pattern: a regular expression that finds the words in a text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    unknown, pad, bos, eos = SPECIAL
    core = Tokenizer(
        models.WordLevel({token: i for i, token in enumerate([*words, unknown])}, unk_token=unknown)
    )
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    core.decoder = decoders.Fuse()
    core.add_special_tokens([pad, bos, eos])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        unk_token=unknown,
        clean_up_tokenization_spaces=False,
    )
