"""What messages hold beside plain text: parts of OpenAI's and Anthropic's forms, messages in a
string, dialogs in one text. What is read is there, and what is not is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.io import read
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Group, Message, Prompt, Record, ToolCall

ASKED = {"role": "user", "content": "2+3?"}
USED = {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 2}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "5"}
DIALOG = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: 2+3?\n\nAssistant:"


def records(folder: Path, row: dict[str, Any]) -> list[Record]:
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    return list(read(folder / "rows.jsonl"))


def answer(folder: Path, *parts: object) -> Group:
    (found,) = records(folder, {"messages": [ASKED, {"role": "assistant", "content": [*parts]}]})
    assert isinstance(found, Group)
    return found


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"type": "output_text", "text": "5", "annotations": None}], "5"),
        ([{"type": "refusal", "refusal": "No."}], "No."),
        ([{"type": "thinking", "thinking": "2, 3"}, {"type": "text", "text": "5"}], "2, 3 5"),
        ([{"type": "reasoning", "text": "2, 3"}, {"type": "output_text", "text": "5"}], "2, 3 5"),
    ],
)
def test_what_a_part_says_is_in_the_text(
    parts: list[dict[str, str]], text: str, tmp_path: Path
) -> None:
    said = answer(tmp_path, *parts).responses[0].text
    assert said.replace("<think>", "").replace("</think>\n", " ") == text


def test_the_question_may_be_input_text(tmp_path: Path) -> None:
    asked = {"role": "user", "content": [{"type": "input_text", "text": "2+3?"}]}
    assert records(tmp_path, {"messages": [asked]}) == [Prompt.of("2+3?")]


def test_the_signature_of_a_thought_is_kept(tmp_path: Path) -> None:
    thought = {"type": "thinking", "thinking": "2, 3", "signature": "s"}
    (turn,) = answer(tmp_path, thought, {"type": "text", "text": "5"}).responses[0].turns
    assert (turn.reasoning, turn.parts, turn.extra) == ("2, 3", (), {"signature": "s"})


def test_calls_and_results_of_anthropic_s_form_are_calls_and_results(tmp_path: Path) -> None:
    row = {
        "messages": [
            ASKED,
            {"role": "assistant", "content": [{"type": "text", "text": "I add."}, USED]},
            {"role": "user", "content": [RESULT]},
            {"role": "assistant", "content": "5"},
        ]
    }
    (found,) = records(tmp_path, row)
    assert isinstance(found, Group)
    call = ToolCall(name="add", arguments='{"a": 2}', id="t")
    assert found.responses[0].turns == (
        Message(role="assistant", content="I add.", tool_calls=(call,)),
        Message(role="tool", content="5", tool_call_id="t"),
        Message(role="assistant", content="5"),
    )


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([RESULT, {"type": "text", "text": "And 3+4?"}], "a tool's result beside other parts"),
        ([{"type": "markdown", "text": "**5**"}], "a part of type 'markdown' with a text"),
    ],
)
def test_a_part_that_says_something_else_is_refused(
    parts: list[dict[str, str]], why: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=why):
        answer(tmp_path, *parts)


def test_messages_may_be_json_in_a_string(tmp_path: Path) -> None:
    row = {"messages": json.dumps([ASKED, {"role": "assistant", "content": "5"}])}
    (found,) = records(tmp_path, row)
    assert isinstance(found, Group)
    assert (found.prompt, found.responses[0].text) == (Prompt.of("2+3?"), "5")


@pytest.mark.parametrize(
    "others", [{}, {"response": "5"}, {"completion": "5"}, {"responses": ["5", "6"]}]
)
def test_a_prompt_that_is_a_dialog_in_one_text_is_its_turns(
    others: dict[str, object], tmp_path: Path
) -> None:
    (found,) = records(tmp_path, {"prompt": DIALOG, **others})
    said = [(message.role, message.content) for message in prompt_of(found).messages]
    assert said == [("user", "Hi"), ("assistant", "Hello"), ("user", "2+3?")]


@pytest.mark.parametrize("text", ["Human: 2+3?", DIALOG + " five", "Say:" + DIALOG])
def test_another_text_stays_one_message(text: str, tmp_path: Path) -> None:
    assert records(tmp_path, {"prompt": text}) == [Prompt.of(text)]
