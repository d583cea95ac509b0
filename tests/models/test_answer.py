"""The one token that an answer may consist of."""

import pytest

from assay.errors import ConfigError
from assay.models.answer import Answering
from tests import tiny_models
from tests.models import tiny


def test_labels_are_tokens_with_and_without_a_space_and_in_other_case() -> None:
    tokenizer = tiny_models.byte_level((), unk_token=None)
    tokenizer.chat_template = tiny.CHATML
    tokenizer.add_tokens(["yes", "no", "Yes", "NO", " Yes"])
    answering = Answering(tokenizer, {})
    found = [tokenizer.convert_ids_to_tokens(list(x)) for x in answering.labels(["yes", "no"])]
    assert [sorted(each) for each in found] == [[" Yes", "Yes", "yes"], ["NO", "no"]]
    # Two labels that differ in case are each what they are.
    found = [tokenizer.convert_ids_to_tokens(list(x)) for x in answering.labels(["yes", "Yes"])]
    assert [sorted(each) for each in found] == [["yes"], [" Yes", "Yes"]]
    # One letter is taken as it is: "a" is a word.
    assert [len(each) for each in answering.labels("AB")] == [1, 1]
    with pytest.raises(
        ConfigError, match=r"'maybe' is not one token .* \['m', 'a', 'y', 'b', 'e'\]"
    ):
        answering.labels(["yes", "maybe"])
