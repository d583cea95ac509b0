"""The world's tokens: two a step, so that a step's last token is its result."""

from typing import Any

from assay.worlds.arithmetic.task import ANSWER

__all__ = ["BOS", "COLON", "DIGIT", "EOS", "OP", "PAD", "RESULT", "SUM", "VOCABULARY", "make_tokenizer"]

SUM, COLON = 0, 1
DIGIT = COLON
"""Id of the problem's digit d is DIGIT + d, for d from 1 to 9."""
OP = DIGIT + 10
"""Id of operation o is OP + o: 0 to 9 add a digit, `ANSWER` answers."""
RESULT = OP + ANSWER + 1
"""Id of result r is RESULT + r."""
PAD, BOS, EOS = range(RESULT + 11, RESULT + 14)
"""After the unknown token. They are no words, so that no text is ever read as one of them."""

WORDS = (
    "Sum",
    ":",
    *(f" {d}" for d in range(1, 10)),
    *(f" +{d}" for d in range(10)),
    " ans",
    *(f"={d}" for d in range(10)),
)
VOCABULARY = (*WORDS, "<unk>", "<pad>", "<bos>", "<eos>")


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast`. Texts and tokens of the world correspond one to one; anything else is
    unknown. Steps tokenised apart give the tokens of the whole."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({token: i for i, token in enumerate([*WORDS, "<unk>"])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"Sum|:| ans| \+[0-9]| [1-9]|=[0-9]"), "isolated")
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
