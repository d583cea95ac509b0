import numpy as np
import pytest

from assay.errors import DataError
from assay.types import Prompt
from assay.worlds.essays.task import (
    KEYWORDS_K_V,
    MAX_WORDS,
    NONE,
    TOPICS,
    WORDS,
    all_prompts,
    prompt_of,
    read,
    text_of,
    topic_of,
)


def test_words_and_texts_are_one_to_one() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, MAX_WORDS + 1, 200)
    ids = rng.integers(0, len(WORDS), (200, MAX_WORDS))
    ids[np.arange(MAX_WORDS) >= lengths[:, None]] = NONE
    texts = [text_of(row) for row in ids.tolist()]
    assert [text.count(" ") for text in texts] == lengths.tolist()
    again, valid = read(texts)
    assert valid.all()
    assert np.array_equal(again, ids)


@pytest.mark.parametrize(
    "text",
    [
        "wave",
        " wave ",
        " Wave",
        " wave  salt",
        " waves",
        " " + "wave " * 3,
        " wave" * 25,
        " ",
        " wave\n",
    ],
)
def test_what_is_no_essay_is_told(text: str) -> None:
    ids, valid = read([" wave salt", text, ""])
    assert valid.tolist() == [True, False, True]
    assert ids[0, :3].tolist() == [0, 1, NONE]
    assert (ids[1:] == NONE).all()


def test_nothing_to_read() -> None:
    ids, valid = read([])
    assert ids.shape == (0, MAX_WORDS)
    assert valid.shape == (0,)


def test_one_prompt_a_topic() -> None:
    prompts = all_prompts()
    assert [topic_of(prompt) for prompt in prompts] == list(range(8))
    assert prompts[0] == prompt_of(0) == Prompt.of("Essay on sea:", id="sea")
    assert len({prompt.id for prompt in prompts}) == len(TOPICS)
    with pytest.raises(DataError, match="Essay on sea"):
        topic_of(Prompt.of("Essay on love:"))


def test_every_topic_has_four_keywords_and_every_word_is_one() -> None:
    assert len(set(WORDS)) == 16
    assert not {*WORDS} & {*TOPICS}
    assert KEYWORDS_K_V.sum(1).tolist() == [4] * 8
    assert KEYWORDS_K_V.any(0).all()
