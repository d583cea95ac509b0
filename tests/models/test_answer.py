"""The one token that an answer may consist of."""

import pytest

from assay.errors import ConfigError
from assay.models.answer import Answering
from assay.types import Message, Prompt
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


TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
BEGIN = "{% if add_generation_prompt %}<|assistant|>{% endif %}"


def answering(template: str) -> Answering:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    return Answering(tokenizer, {})


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "has no chat template"),
        ("Hello." + BEGIN, "does not write what the user says"),
        (TURNS + BEGIN.replace("|>", "|><thought>\n"), r"reasoning open \(<thought>\)"),
        (TURNS + BEGIN.replace("|>", "|>◁think▷"), "reasoning open"),
    ],
)
def test_templates_that_lead_to_no_answer_are_refused(template: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        answering(template)


def test_a_conversation_of_which_the_template_writes_a_part_only_is_refused() -> None:
    told = Message(role="system", content="Answer yes.")
    hello, so = Message(role="user", content="Hello."), Message(role="user", content="So?")
    one = Prompt(messages=(hello,))
    system = Prompt(messages=(told, hello))
    two = Prompt(messages=(hello, Message(role="assistant", content="Hi."), so))
    unheard = answering(
        TURNS.replace("<|", "{% if m.role != 'system' %}<|").replace("\n", "{% endif %}\n") + BEGIN
    )
    last = answering("<|user|>{{ messages[-1].content }}" + BEGIN)
    for made in (unheard, last):
        assert len(made.ids([one])) == 1
        with pytest.raises(ConfigError, match="ignores system messages"):
            made.ids([system])
    assert len(unheard.ids([two])) == 1
    with pytest.raises(ConfigError, match="ignores earlier turns"):
        last.ids([two])


def test_a_template_that_writes_an_answer_twice_leads_to_none() -> None:
    twice = answering(TURNS.replace("m.content }}", "m.content }} {{ m.content }}") + BEGIN)
    (ids,) = twice.ids([Prompt.of("Hello.")])
    assert twice.tokenizer.decode(ids).endswith("<|assistant|>")
