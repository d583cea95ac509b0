"""The world's tokens: two a step, so that a step's last token is its result."""

from typing import Any

from assay.worlds.arithmetic.task import ANSWER

__all__ = ["BOS", "COLON", "DIGIT", "EOS", "OP", "PAD", "RESULT", "SUM", "VOCABULARY", "make_tokenizer"]

# Special tokens first; pad differs from eos, so that neither is ever taken for the other.
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
PAD, BOS, EOS = range(3)
SUM, COLON = 4, 5
DIGIT = COLON
"""Id of the problem's digit d is DIGIT + d, for d from 1 to 9."""
OP = DIGIT + 10
"""Id of operation o is OP + o: 0 to 9 add a digit, `ANSWER` answers."""
RESULT = OP + ANSWER + 1
"""Id of result r is RESULT + r."""

VOCABULARY = (
    *SPECIAL,
    "Sum",
    ":",
    *(f" {d}" for d in range(1, 10)),
    *(f" +{d}" for d in range(10)),
    " ans",
    *(f"={d}" for d in range(10)),
)


def make_tokenizer() -> Any:
    """A word-level `PreTrainedTokenizerFast`. Texts and tokens of the world correspond one to one; anything else is
    unknown. Steps tokenised apart give the tokens of the whole."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({token: i for i, token in enumerate(VOCABULARY)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"Sum|:| ans| \+[0-9]| [1-9]|=[0-9]"), "isolated")
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )
