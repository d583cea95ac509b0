"""Preference pairs of every public layout: told apart, read as written out here by hand, written
back; and refused, by name, where a row does not say what was asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data import layouts
from assay.data.check import check
from assay.data.io import read, write
from assay.data.transcripts import closed, transcript
from assay.errors import DataError
from assay.types import Message, Preference, Prompt, Ranking, Record, Response, StepLabels


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


SYSTEM = {"role": "system", "content": "Be brief."}
CALL = said("", tool_calls=[{"id": "c", "type": "function", "function": {"name": "f"}}])
RESULT = {"role": "tool", "tool_call_id": "c", "content": "7"}
TEXTS = {"chosen": "The 7", "rejected": "The 8"}
CHAT = {"chosen": [said("The 7")], "rejected": [said("The 8")]}
WHOLE = {key: [user("Prime?"), *value] for key, value in CHAT.items()}
CHATML = "<|im_start|>user\nPrime?<|im_end|>\n<|im_start|>assistant\n"
CALLED = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nPrime? [/INST]"
LLAMA3 = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nPrime?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)


def around(before: str, after: str = "") -> dict[str, str]:
    return {key: f"{before}{text}{after}" for key, text in TEXTS.items()}


ASKED = [("user", "Prime?")]
BRIEF = [("system", "Be brief."), *ASKED]
SEEN = [*ASKED, ("assistant", ""), ("tool", "7")]
"""What a model is shown: role and content of each message."""


@pytest.mark.parametrize(
    ("layout", "row", "prompt"),
    [
        ("orca-pairs", {"system": "Be brief.", "question": "Prime?", **TEXTS}, BRIEF),
        ("orca-pairs", {"system": "", "question": "Prime?", **TEXTS}, ASKED),
        ("orca-pairs", {"question": "Prime?", **TEXTS}, ASKED),
        ("orca-pairs", {"query": "Prime?", **CHAT}, ASKED),
        ("orca-pairs", {"post": "Prime?", "question": "Prime?", **TEXTS}, ASKED),
        ("input-pairs", {"system": "", "input": "Prime?", **TEXTS, "rating": [9, 7]}, ASKED),
        ("alpaca-pairs", {"instruction": "Prime?", "input": "", **TEXTS}, ASKED),
        (
            "alpaca-pairs",
            {"instruction": "Which?", "input": "7, 8", **TEXTS},
            [("user", "Which?\n7, 8")],
        ),
        (
            "alpaca-pairs",
            {"instruction": "Prime?", "history": [["Hi", "Ho"]], "system": "Be brief.", **TEXTS},
            [BRIEF[0], ("user", "Hi"), ("assistant", "Ho"), *ASKED],
        ),
        (
            "instruction-responses",
            {"instruction": "Prime?", "chosen_response": "The 7", "rejected_response": "The 8"},
            ASKED,
        ),
        ("input-pairs", {"input": "Prime?", "accepted": "The 7", "rejected": "The 8"}, ASKED),
        (
            "sharegpt-pairs",
            {
                "conversations": [human("Prime?")],
                "chosen": gpt("The 7"),
                "rejected": gpt("The 8"),
                "system": "Be brief.",
            },
            BRIEF,
        ),
        ("sharegpt-pairs", {"conversations": [human("Prime?")], **TEXTS}, ASKED),
        ("sharegpt-pairs", {"conversations": [human("Prime?"), gpt("The 7")], **TEXTS}, ASKED),
        (
            "messages-pairs",
            {"messages": [user("Prime?")], "chosen": said("The 7"), "rejected": said("The 8")},
            ASKED,
        ),
        ("messages-pairs", {"messages": [*WHOLE["chosen"]], **WHOLE}, ASKED),
        (
            "swift-response",
            {"messages": [SYSTEM, *WHOLE["chosen"]], "rejected_response": "The 8"},
            BRIEF,
        ),
        (
            "swift-response",
            {
                "messages": [user("Prime?"), CALL, RESULT, said("The 7")],
                "rejected_response": "The 8",
            },
            SEEN,
        ),
        (
            "swift-messages",
            {"messages": WHOLE["chosen"], "rejected_messages": WHOLE["rejected"]},
            ASKED,
        ),
        (
            "swift-query",
            {"query": "Prime?", "response": "The 7", "rejected_response": "The 8"},
            ASKED,
        ),
        ("openrlhf-pairs", {**WHOLE, "chosen_score": 4.5, "rejected_score": 1}, ASKED),
        (
            "openrlhf-pairs",
            {"prompt": "Prime?", **TEXTS, "chosen_score": 4.5, "rejected_score": 1},
            ASKED,
        ),
        (
            "ultrainteract-pairs",
            {"trajectory": [{"from": "user", "value": "Prime?"}], **TEXTS, "task": "Math"},
            ASKED,
        ),
        (
            "openai-preferences",
            {
                "input": {"messages": [SYSTEM, user("Prime?")], "parallel_tool_calls": True},
                "preferred_output": CHAT["chosen"],
                "non_preferred_output": CHAT["rejected"],
            },
            BRIEF,
        ),
        (
            "stack-exchange-pairs",
            {"question": "Prime?", "response_j": "The 7", "response_k": "The 8"},
            ASKED,
        ),
        ("trl-preference", {"prompt": "Prime?", **TEXTS}, ASKED),
        ("trl-preference", {"prompt": "Prime?", "question": "Prime?", **WHOLE}, ASKED),
        ("trl-preference", {"prompt": [user("Prime?")], **WHOLE}, ASKED),
        ("trl-preference", {"prompt": user("Prime?"), **TEXTS, "context": ""}, ASKED),
        ("trl-preference", {"prompt": "Prime?", "messages": WHOLE["chosen"], **WHOLE}, ASKED),
        ("trl-preference", {"system": "Be brief.", "prompt": "Prime?", **TEXTS}, BRIEF),
        ("trl-preference", {"system": "Be brief.", **WHOLE}, BRIEF),
        ("trl-preference", {"prompt": [SYSTEM, user("Prime?")], **WHOLE}, BRIEF),
        (
            "trl-preference",
            {
                "prompt": [user("Prime?")],
                **{key: [SYSTEM, *turns] for key, turns in WHOLE.items()},
            },
            BRIEF,
        ),
        ("trl-preference", {"prompt": [user("Prime?"), CALL, RESULT], **CHAT}, SEEN),
        (
            "trl-preference",
            {key: [user("Prime?"), CALL, RESULT, *turns] for key, turns in CHAT.items()},
            SEEN,
        ),
        (
            "trl-preference",
            {"prompt": json.dumps([user("Prime?")]), **{k: json.dumps(v) for k, v in CHAT.items()}},
            ASKED,
        ),
        ("trl-preference", {k: json.dumps(v) for k, v in WHOLE.items()}, ASKED),
        ("trl-preference", {"prompt": "\n\nHuman: Prime?\n\nAssistant:", **TEXTS}, ASKED),
        (
            "trl-preference",
            {
                "prompt": "\n\nHuman: Prime?\n\nAssistant:",
                **around("\n\nHuman: Prime?\n\nAssistant: "),
            },
            ASKED,
        ),
        (
            "trl-preference",
            {"prompt": "\n\nHuman: Prime?", **around("\n\nAssistant: ")},
            ASKED,
        ),
        ("hh-rlhf", around("\r\n\r\nHuman: Prime?\r\n\r\nAssistant: "), ASKED),
        ("hh-rlhf", around("Human: Prime?\n\nAssistant: "), ASKED),
        (
            "trl-preference",
            {"prompt": [user("Prime?")], **around("Human: Prime?\n\nAssistant: ")},
            ASKED,
        ),
        ("trl-preference", {"prompt": "Prime?", **around(CHATML)}, ASKED),
        ("trl-preference", around(f"<s>{CHATML}", "<|im_end|>\n<|endoftext|>"), ASKED),
        ("trl-preference", around("<｜begin▁of▁sentence｜><｜User｜>Prime?<｜Assistant｜>"), ASKED),
        ("trl-preference", around(CHATML, "<|im_end|>\n"), ASKED),
        ("trl-preference", {"prompt": CHATML, **around("", "<|im_end|>")}, ASKED),
        ("trl-preference", around(LLAMA3, "<|eot_id|>"), ASKED),
        (
            "trl-preference",
            around("<bos><start_of_turn>user\nPrime?<end_of_turn>\n<start_of_turn>model\n"),
            ASKED,
        ),
        ("trl-preference", around(f"{CALLED} ", " </s>"), BRIEF),
        ("trl-preference", around("<|user|>\nPrime?</s>\n<|assistant|>\n", "</s>"), ASKED),
        ("trl-preference", around("<|user|>\nPrime?\n<|assistant|>\n"), ASKED),
    ],
)
def test_a_pair_is_told_apart_read_and_written(
    layout: str, row: dict[str, Any], prompt: list[tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (record,) = read(path)
    assert isinstance(record, Preference)
    assert [(message.role, message.content) for message in record.prompt.messages] == prompt
    assert [response.text for response in record.responses] == ["The 7", "The 8"]
    assert record.prefer == 1
    assert list(read(path, format=layout)) == [record]
    again = tmp_path / "again.jsonl"
    write([record], again, layout)
    assert list(read(again)) == list(read(again, format=layout)) == [record]


def records_of(tmp_path: Path, *rows: dict[str, Any], format: str | None = None) -> list[Record]:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read(path, format=format))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (TEXTS, "no prompt beside the text in 'chosen'; add a 'prompt' column.*trl-implicit"),
        ({**TEXTS, "prompt": None}, "no prompt beside the text"),
        ({**TEXTS, "request": "Q"}, "column 'request' looks like it: --columns prompt=request,"),
        ({**TEXTS, "Problem": "Q"}, "column 'Problem' looks like it"),
        ({**CHAT, "user": "Q"}, "column 'user' looks like it"),
        ({**TEXTS, "question": "Q", "problem": "P"}, "'problem' looks like a part of the prompt"),
        ({**TEXTS, "question": "Q", "image": "a.png"}, "'image' looks like a part of the prompt"),
        (CHAT, "answers without a prompt"),
        (around("Human: Prime?\nAssistant: "), "expected a dialog"),
        (around("User: Prime?\n\nAssistant: "), "no prompt beside"),
        ({"chosen": WHOLE["chosen"], "rejected": []}, "field 'rejected': there is no message"),
        ({"chosen": "a", "rejected": None, "prompt": "p"}, "field 'rejected'"),
        (
            {"chosen": [SYSTEM, *WHOLE["chosen"]], "rejected": WHOLE["rejected"]},
            "'chosen' begins with a system message, 'rejected' with a user message",
        ),
        ({**WHOLE, "rejected": [user("No?"), said("8")]}, "first messages differ, both of the"),
        ({**WHOLE, "rejected": [user("Prime?")]}, "no answer in 'rejected'"),
        ({**WHOLE, "rejected": [*WHOLE["rejected"], user("?")]}, "'rejected'.* ends with a user"),
        ({**WHOLE, "prompt": "Other"}, "'prompt' is not part of the conversations"),
        ({**WHOLE, "prompt": [user("Other")]}, "'prompt' is not part of the conversations"),
        ({**WHOLE, "system": "A", "prompt": [SYSTEM, user("Prime?")]}, "'system' differs"),
        ({**TEXTS, "prompt": "\n\nHuman: a\n\nAssistant: b"}, "within the assistant's turn"),
        ({"prompt": "Other?", **around(CHATML)}, "'prompt' is not part of the conversations"),
        ({**TEXTS, "messages": [*WHOLE["chosen"][:1], said("Other")]}, "ends with the assistant's"),
        ({"prompt": "p", **{k: str(v) for k, v in WHOLE.items()}}, "as Python prints them"),
        (
            {"prompt": "Say it.", "input": "7, 8", **TEXTS},
            "'input' looks like a part of the prompt",
        ),
        ({"prompt": "7", "instruction": "Double.", **TEXTS}, "'instruction' looks like a part of"),
        ({"prompt": "p", "history": [["a", "b"]], **TEXTS}, "--columns prompt=...,history=history"),
        ({"question": "Who?", "context": "Ann.", **TEXTS}, "'context' looks like a part of the"),
        ({"prompt": "Say 7.", **around("Say 7. ")}, "repeat the whole prompt"),
        ({"question": "Say 7.", **around("Say 7. ")}, "repeat the whole prompt"),
        (
            {"messages": [user("Prime?"), said("7"), user("No?")], "rejected_response": "8"},
            "'chosen'.* begins with a user message.*'chosen' is the last of messages, 'rejected'",
        ),
        ({"prompt": "p", **TEXTS, "chosen_score": 1, "rejected_score": 2}, "'rejected_score'"),
    ],
)
def test_a_pair_that_does_not_say_what_was_asked_is_refused(
    row: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=complaint):
        records_of(tmp_path, row)


def test_json_that_is_no_message_is_a_text(tmp_path: Path) -> None:
    (record,) = records_of(
        tmp_path, {"prompt": "[1]", "chosen": '{"value": 5}', "rejected": "[{}]"}
    )
    assert isinstance(record, Preference)
    assert record.prompt.text == "[1]"
    assert [response.text for response in record.responses] == ['{"value": 5}', "[{}]"]


def test_columns_named_by_hand_are_read_as_they_are(tmp_path: Path) -> None:
    row = {"question": "Say 7.", "context": "Ann.", **around("Say 7. ")}
    by_hand = "columns:prompt=question,chosen=chosen,rejected=rejected"
    (record,) = records_of(tmp_path, row, format=by_hand)
    assert isinstance(record, Preference)
    assert [each.text for each in record.responses] == ["Say 7. The 7", "Say 7. The 8"]
    assert record.prompt.meta == {"context": "Ann."}


def test_scores_are_kept_and_differ_by_the_margin(tmp_path: Path) -> None:
    row = {"prompt": "p", **TEXTS, "chosen_score": 4.5, "rejected_score": -1}
    (record,) = records_of(tmp_path, row)
    assert isinstance(record, Preference)
    assert record.margin == 5.5
    assert [response.meta for response in record.responses] == [{"score": 4.5}, {"score": -1}]


def test_steps_before_an_answer_belong_to_both(tmp_path: Path) -> None:
    row = {"prompt": "p", "initial_reason_steps": "Step 1: a\nStep 2:", "answer": "4"}
    (record,) = records_of(tmp_path, {**row, "chosen": " b", "rejected": " c"})
    assert isinstance(record, Preference)
    assert [each.steps for each in record.responses] == [
        ("Step 1: a\nStep 2:", " b"),
        ("Step 1: a\nStep 2:", " c"),
    ]
    assert record.prompt.reference == "4"
    write([record], tmp_path / "again.jsonl", "step-dpo")
    assert list(read(tmp_path / "again.jsonl")) == [record]


def test_a_list_of_two_outputs_is_ranked(tmp_path: Path) -> None:
    (record,) = records_of(tmp_path, {"instruction": "Prime?", "output": ["The 7", "The 8"]})
    assert isinstance(record, Preference)
    assert record.prompt.text == "Prime?"
    assert [response.text for response in record.responses] == ["The 7", "The 8"]


def test_an_unwanted_answer_to_a_transcript_is_an_outcome(tmp_path: Path) -> None:
    row = {"prompt": CHATML, "completion": "8<|im_end|>", "label": False}
    assert records_of(tmp_path, row) == [
        StepLabels.outcome(Prompt.of("Prime?"), Response.of("8"), 0.0)
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [human("Prime?"), gpt("7")], "kto_tag": True},
        {"messages": [user("Prime?"), said("7")], "label": True},
        {"instruction": "Prime?", "input": "", "output": "7", "kto_tag": True},
        {"conversation": [human("Prime?"), gpt("7")], "label": 1},
        {"prompt": "Prime?", "response": "7", "kto_tag": True},
        {"prompt": [user("Prime?")], "completion": [said("7")], "label": True},
    ],
)
def test_a_wanted_answer_of_kto_is_an_outcome(row: dict[str, Any], tmp_path: Path) -> None:
    (record,) = records_of(tmp_path, row)
    prompt = Prompt.of("Prime?")
    assert record == StepLabels.outcome(prompt, Response.of("7"), 1.0)


def test_answers_that_part_early_are_trajectories(tmp_path: Path) -> None:
    row = {
        "chosen": [user("Prime?"), CALL, RESULT, said("7")],
        "rejected": [user("Prime?"), said("", reasoning_content="Guess.")],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    (record,) = records_of(tmp_path, row)
    assert isinstance(record, Preference)
    chosen, rejected = record.responses
    assert [turn.role for turn in chosen.turns] == ["assistant", "tool", "assistant"]
    assert chosen.answer == "7"
    assert rejected.turns == (Message(role="assistant", content="", reasoning="Guess."),)
    assert [tool["function"]["name"] for tool in record.prompt.tools] == ["f"]


def test_a_ranking_of_three_and_a_tie_are_no_preference(tmp_path: Path) -> None:
    several = [{"rank": rank, "completion": [said(str(rank))]} for rank in (2, 0, 1)]
    three, tie = records_of(
        tmp_path,
        {"context": [user("p")], "completions": several},
        {"context": [user("p")], "completions": [several[0], several[0]]},
    )
    assert isinstance(three, Ranking)
    assert isinstance(tie, Ranking)
    assert (three.grades, tie.grades) == ((-2, 0, -1), (-2, -2))


def test_equal_answers_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": "a"}, {"prompt": "p", **TEXTS}]
    assert check(records_of(tmp_path, *rows)).same_responses == 1


@pytest.mark.parametrize(
    ("first", "second", "chat"),
    [(TEXTS, TEXTS, False), (TEXTS, WHOLE, False), (TEXTS, {**CHAT, "prompt": [SYSTEM]}, True)],
)
def test_a_file_is_of_one_style(
    first: dict[str, Any], second: dict[str, Any], chat: bool, tmp_path: Path
) -> None:
    records = records_of(tmp_path, {"prompt": "Prime?", **first}, {"prompt": "Prime?", **second})
    write(records, tmp_path / "out.jsonl", "trl-preference")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [isinstance(row[key], list) for row in rows for key in row] == [chat] * 6
    assert list(read(tmp_path / "out.jsonl")) == records


def test_other_readers_load_what_is_written(tmp_path: Path) -> None:
    """By Arrow, as `datasets` does: one type a column."""
    pytest.importorskip("pyarrow")
    from pyarrow import json as arrow
    from pyarrow import parquet

    calls = [said("", tool_calls=[{"function": {"name": "f", "arguments": '{"x":1}'}}])]
    records = records_of(
        tmp_path,
        {"prompt": "Prime?", **TEXTS},
        {"prompt": "Prime?", **CHAT, "chosen": calls, "margin": 1.5},
    )
    for suffix, load in ((".jsonl", arrow.read_json), (".parquet", parquet.read_table)):
        path = tmp_path / f"out{suffix}"
        write(records, path, "trl-preference")
        loaded = load(path).to_pylist()
        assert [row["rejected"][0]["content"] for row in loaded] == ["The 8", "The 8"]
        assert [row["margin"] for row in loaded] == [None, 1.5]
        call = loaded[1]["chosen"][0]["tool_calls"][0]["function"]
        assert call == {"name": "f", "arguments": {"x": 1}}


def test_conversations_are_written_as_sharegpt_has_them(tmp_path: Path) -> None:
    (pair,) = records_of(tmp_path, {"prompt": [SYSTEM, user("Prime?")], **TEXTS})
    (row,) = layouts.resolve("sharegpt-pairs").write([pair])
    assert row == {
        "system": "Be brief.",
        "conversations": [human("Prime?")],
        "chosen": gpt("The 7"),
        "rejected": gpt("The 8"),
    }


def test_the_style_is_a_setting(tmp_path: Path) -> None:
    (plain,) = records_of(tmp_path, {"prompt": "Prime?", **TEXTS})
    (chat,) = records_of(tmp_path, {"prompt": [SYSTEM, user("Prime?")], **TEXTS})
    format = layouts.resolve("trl-preference")
    as_chat, as_text = (type(format)(style=style) for style in ("chat", "text"))  # type: ignore[call-arg]
    (row,) = as_chat.write([plain])
    assert row == {"prompt": [user("Prime?")], **CHAT}
    with pytest.raises(DataError, match="would change prompt"):
        list(as_text.write([chat]))


def test_the_rule_of_trl_is_asked_for_by_name(tmp_path: Path) -> None:
    (record,) = records_of(tmp_path, TEXTS, format="trl-implicit")
    assert isinstance(record, Preference)
    assert record.prompt.text == "The"
    assert layouts.name_of(layouts.resolve("trl-implicit")) == "trl-implicit"
    assert "trl-implicit" not in layouts.names()


@pytest.mark.parametrize(
    "text",
    [
        "A dialog:\n\nHuman: a\n\nAssistant: b",
        "Human: are we alone?",
        "<|im_start|>user\na<|im_end|> and more <|im_start|>assistant\nb",
        "<|im_start|>poet\na<|im_end|>",
        "[1] a source",
        "",
    ],
)
def test_a_text_that_holds_more_than_turns_is_no_transcript(text: str) -> None:
    assert transcript(text) is None
    assert closed("a<|im_end|>", text) == "a<|im_end|>"


def test_turns_of_a_transcript_keep_their_white_space() -> None:
    found = transcript("<|im_start|>user\n a \n<|im_end|>\n<|im_start|>assistant\n b ")
    assert found == (
        Message(role="user", content=" a \n"),
        Message(role="assistant", content=" b "),
    )
