import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.models.layout import Encoder, Layout
from assay.models.readout import PREFERENCE
from assay.types import Response
from assay.worlds.arithmetic.task import ANSWER, prompt_of, step_text
from assay.worlds.arithmetic.tokenizer import (
    BOS,
    COLON,
    DIGIT,
    EOS,
    OP,
    PAD,
    RESULT,
    SUM,
    VOCABULARY,
    make_tokenizer,
)

TOKENIZER = make_tokenizer()
STEPS = st.lists(st.builds(step_text, st.integers(0, ANSWER), st.integers(0, 9)), max_size=12)
PROBLEM = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def test_ids_by_hand() -> None:
    ids = TOKENIZER("Sum 3 5: +3=3 +0=3 ans=8", add_special_tokens=False)["input_ids"]
    expected = [
        SUM,
        DIGIT + 3,
        DIGIT + 5,
        COLON,
        OP + 3,
        RESULT + 3,
        OP,
        RESULT + 3,
        OP + ANSWER,
        RESULT + 8,
    ]
    assert ids == expected
    assert TOKENIZER.convert_ids_to_tokens(range(len(TOKENIZER))) == list(VOCABULARY)


def test_special_tokens_are_distinct() -> None:
    tok = TOKENIZER
    assert (tok.pad_token_id, tok.bos_token_id, tok.eos_token_id) == (PAD, BOS, EOS)
    assert len({tok.pad_token_id, tok.bos_token_id, tok.eos_token_id, tok.unk_token_id}) == 4


@given(PROBLEM, STEPS)
def test_text_and_tokens_correspond(digits: list[int], steps: list[str]) -> None:
    text = prompt_of(digits).text + "".join(steps)
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.unk_token_id not in ids
    assert TOKENIZER.decode(ids) == text
    assert len(ids) == len(digits) + 2 + 2 * len(steps)


@given(PROBLEM, STEPS)
def test_steps_apart_are_the_tokens_of_the_whole(digits: list[int], steps: list[str]) -> None:
    encoder = Encoder(TOKENIZER, Layout(join=""), PREFERENCE)
    prompt = prompt_of(digits)
    (encoded,) = encoder.encode([(prompt, Response(steps=tuple(steps)))])
    whole = TOKENIZER(prompt.text + "".join(steps), add_special_tokens=False)["input_ids"]
    assert list(encoded.ids) == [BOS, *whole, EOS]


@pytest.mark.parametrize("text", [" +3=3 please", "<eos>", " +12=3", "x"])
def test_anything_else_is_unknown(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert TOKENIZER.unk_token_id in ids
    assert EOS not in ids
