"""Steps of characters on tokens: by brute force, over tokenizers of three kinds."""

from itertools import accumulate
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from assay.errors import DataError
from assay.workflows.token_rewards import credited, spread, token_ends
from tests import tiny_models

TEXT = "Erst 12 ÷ 3 = 4.\n\nDann  naïve 🙂🙂 Schritte, 東京!\nAnswer: 4"
STEPS = ("Erst 12 ÷ 3 = 4.\n\n", "Dann  naïve 🙂", "🙂 Schritte, 東京!\n", "Answer: 4")


def merging() -> Any:
    """A byte-level BPE whose tokens cross step ends and split characters."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([TEXT, "\n\nDann 12 🙂🙂🙂"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<end>")


TOKENIZERS = {
    "bytes": lambda: tiny_models.tokenizer("qwen3"),
    "sentencepiece": lambda: tiny_models.tokenizer("mistral"),
    "merges": merging,
}


def text(tok: Any, ids: list[int]) -> str:
    given: str = tok.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return given


@pytest.mark.parametrize("written", [TEXT, "A plain  text.\n\nIts end, and the last of it."])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_step_ends_at_the_first_token_with_which_its_text_is_whole(
    kind: str, written: str
) -> None:
    tok = TOKENIZERS[kind]()
    ids = [*tok(written, add_special_tokens=False)["input_ids"], tok.eos_token_id]
    whole = text(tok, ids)
    steps = STEPS if whole == TEXT else (whole[:7], whole[7:20], whole[20:])
    ends = [*accumulate(map(len, steps))][:-1]
    brute = [
        next(n for n in range(len(ids)) if text(tok, ids[: n + 1]).startswith(whole[:end]))
        for end in ends
    ]
    assert token_ends(ids, steps, tok) == [*brute, len(ids) - 1]
    # White space around the text may have been stripped.
    stripped = (steps[0].lstrip(), *steps[1:-1], steps[-1].rstrip())
    assert token_ends(ids, stripped, tok) == [*brute, len(ids) - 1]


def test_the_tokens_that_were_sampled_count_not_those_of_the_text() -> None:
    tok = merging()
    again = tok(TEXT, add_special_tokens=False)["input_ids"]
    alone = [id for char in TEXT for id in tok(char, add_special_tokens=False)["input_ids"]]
    assert len(alone) > len(again)
    ends = token_ends(alone, STEPS, tok)
    places = [*accumulate(len(tok(char, add_special_tokens=False)["input_ids"]) for char in TEXT)]
    assert ends == [places[end - 1] - 1 for end in accumulate(map(len, STEPS))]


def test_another_text_is_refused_and_never_shifted() -> None:
    tok = merging()
    ids = tok("one two\nthree", add_special_tokens=False)["input_ids"]
    for steps in (("one  two\n", "three"), ("ne two\n", "three"), ("one two\n", "thre")):
        with pytest.raises(DataError, match="another text"):
            token_ends(ids, steps, tok)
    with pytest.raises(DataError, match="from character 4 on: 'two"):
        token_ends(ids, ("one  two\n", "three"), tok)
    with pytest.raises(DataError, match="another text"):
        token_ends([], ("a",), tok)


def test_rewards_are_kept_where_steps_share_a_token() -> None:
    assert spread([1.0, 2.0, 4.0], [1, 1, 3], 5) == [0.0, 3.0, 0.0, 4.0, 0.0]


def test_a_token_is_credited_with_what_is_to_come() -> None:
    first, second, none = credited([([1.0, 0.0], [1, 3], 5), ([1.0], [0], 2), ([], [], 1)])
    # The rewards 1, 0 and 1 have mean 2/3; what is to come is added up.
    up, down = first[0] - first[2], first[2]
    assert up == pytest.approx(-down / 2, rel=1e-4)
    assert first == pytest.approx([up + down, up + down, down, down, 0.0])
    assert second == pytest.approx([up, 0.0])
    assert none == [0.0]
    assert credited([]) == []
