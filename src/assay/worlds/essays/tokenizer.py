"""The world's tokens: one a word."""

from typing import Any

from assay.worlds.essays.task import TOPICS, WORDS

__all__ = ["BOS", "COLON", "EOS", "ESSAY", "PAD", "TOPIC", "VOCABULARY", "WORD", "make_tokenizer"]

WORD = 0
"""Id of word v is WORD + v."""
TOPIC = WORD + len(WORDS)
"""Id of topic k is TOPIC + k."""
ESSAY, COLON = range(TOPIC + len(TOPICS), TOPIC + len(TOPICS) + 2)
PAD, BOS, EOS = range(COLON + 2, COLON + 5)
"""After the unknown token. They are no words, so that no text is ever read as one of them."""

KNOWN = (*(f" {word}" for word in WORDS), *(f" {topic}" for topic in TOPICS), "Essay on", ":")
VOCABULARY = (*KNOWN, "<unk>", "<pad>", "<bos>", "<eos>")


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast`. Texts and tokens of the world correspond one to one; anything else is
    unknown."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({token: i for i, token in enumerate([*KNOWN, "<unk>"])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"Essay on|:| [a-z]+"), "isolated")
    words.decoder = decoders.Fuse()
    words.add_special_tokens(list(VOCABULARY[PAD:]))
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
