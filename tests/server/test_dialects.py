"""Every dialect in its stack's own shapes: what is asked for, and what comes back."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from assay.server.app import DIALECTS
from assay.server.dialects import About, Refused
from assay.server.dialects.fields import laid_out, said
from assay.server.together import work_of
from tests.server.running import post, running
from tests.server.scorers import MODEL, STEPS, Characters

GOLDEN = Path(__file__).parent / "golden"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(GOLDEN.glob("*.json"))
    for case in json.loads(file.read_text())
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    scorers = {"model": MODEL, "steps": STEPS, "text": Characters(parts=True)}
    with running(scorers, wait_s=0.0) as url:
        yield url


def alike(found: Any, wanted: Any) -> Any:
    """What was found, with "*" wherever that is wanted."""
    if wanted == "*":
        return "*"
    if isinstance(wanted, dict) and isinstance(found, dict):
        return {key: alike(value, wanted.get(key)) for key, value in found.items()}
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [alike(*pair) for pair in zip(found, wanted, strict=True)]
    return pytest.approx(found) if isinstance(found, float) else found


@pytest.mark.parametrize("case", CASES)
def test_golden(url: str, case: dict[str, Any]) -> None:
    answer = post(f"{url}/models/{case['model']}{case['path']}", case["request"])
    assert answer.status_code == case.get("status", 200), answer.text
    assert alike(answer.json(), case["answer"]) == case["answer"]


CHAT = [{"role": "user", "content": "q"}]
SAID = {"output": [{"type": "message", "role": "assistant", "content": "a"}]}


@pytest.mark.parametrize(
    ("model", "path", "body", "status", "field"),
    [
        ("model", "/get_reward", {}, 400, "query"),
        ("model", "/get_reward", {"query": ["a", 1]}, 400, "query[1]"),
        ("model", "/get_reward", {"query": ["a"], "labels": []}, 400, "labels"),
        ("model", "/get_reward", {"query": ["a"], "labels": [{}]}, 400, "labels[0]"),
        ("model", "/get_reward", {"query": ["a"], "prompts": [1]}, 400, "prompts[0]"),
        ("model", "/classify", {}, 400, "input"),
        ("model", "/classify", {"input": "a", "messages": CHAT}, 400, "input"),
        ("model", "/classify", {"input": [1, True]}, 400, "input[1]"),
        ("model", "/classify", {"input": [[1], [-1]]}, 400, "input[1][0]"),
        ("model", "/classify", {"input": ["a", [1]]}, 400, "input[1]"),
        ("model", "/classify", {"messages": CHAT}, 400, "messages"),
        ("model", "/classify", {"messages": [1]}, 400, "messages[0]"),
        ("model", "/classify", {"input": "a", "use_activation": "no"}, 400, "use_activation"),
        ("model", "/classify", {"input": "a", "truncate_prompt_tokens": 5}, 400,
         "truncate_prompt_tokens"),
        ("model", "/classify", {"input": "a", "chat_template": "x"}, 400, "chat_template"),
        ("model", "/classify", {"input": "a", "softmax": True}, 400, "softmax"),
        ("text", "/classify", {"input": "a", "use_activation": True}, 400, "use_activation"),
        ("text", "/classify", {"input": [1, 2]}, 422, ""),
        ("text", "/classify", {"input": "a", "return_token_ids": True}, 400, "return_token_ids"),
        ("model", "/pooling", {"input": "a", "task": "embed"}, 400, "task"),
        ("model", "/pooling", {"input": "a", "encoding_format": "bytes"}, 400, "encoding_format"),
        ("text", "/pooling", {"input": "a", "task": "token_classify"}, 422, "input[0]"),
        ("model", "/classify", {"text": "a", "input_ids": [1]}, 400, "text"),
        ("model", "/classify", {"text": [["a", "b"]]}, 400, "text[0]"),
        ("model", "/classify", {"text": "a", "lora_path": "x"}, 400, "lora_path"),
        ("model", "/v1/embeddings", {"input": "a", "dimensions": 5}, 400, "dimensions"),
        ("model", "/v1/score", {"query": "a"}, 400, "items"),
        ("model", "/v1/score", {"query": "a", "items": [1]}, 400, "items"),
        ("model", "/v1/score", {"query": [1], "items": ["a"]}, 400, "query"),
        ("model", "/v1/score", {"query": "a", "items": ["b"], "label_token_ids": [1]}, 400,
         "label_token_ids"),
        ("model", "/v1/score", {"query": "a", "items": ["b"], "apply_softmax": True}, 400,
         "apply_softmax"),
        ("model", "/v1/score", {"query": "a", "items": ["#"], "score_extraction_token": "#"}, 400,
         "score_extraction_token"),
        ("steps", "/v1/score", {"query": "a", "items": ["#"], "score_extraction_token": "$"}, 400,
         "score_extraction_token"),
        ("model", "/slime", {"prompt": "a"}, 400, "response"),
        ("model", "/slime", {"prompt": 1, "response": "a"}, 400, "prompt"),
        ("model", "/v1/score/evaluation", {"messages": []}, 400, "messages"),
        ("text", "/v1/score/evaluation", {"messages": ["a"], "max_length": 5}, 400, "max_length"),
        ("model", "/verify", {"response": SAID}, 400, "responses_create_params"),
        ("model", "/verify", {"responses_create_params": {"input": []}, "response": SAID}, 400,
         "responses_create_params.input"),
        ("model", "/verify", {"responses_create_params": {"input": "q"}}, 400, "response"),
        ("model", "/verify", {"responses_create_params": {"input": "q"},
         "response": {"output": [{"type": "odd"}]}}, 400, "response.output"),
        ("model", "/compare", {"conversation_history": CHAT, "response_objs": [SAID],
         "principle": "be kind"}, 400, "principle"),
        ("model", "/predict", {"inputs": ["a", "b", "c"]}, 400, "inputs"),
        ("model", "/predict", {"inputs": "a", "truncate": True}, 400, "truncate"),
        ("text", "/predict", {"inputs": "a"}, 400, "raw_scores"),
    ],
)  # fmt: skip
def test_a_bad_request_names_the_field(
    url: str, model: str, path: str, body: Any, status: int, field: str
) -> None:
    answer = post(f"{url}/models/{model}{path}", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["field"] == field


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na b<|im_end|>\n", "a b"),
        ("<s>[INST] q [/INST] a</s>", " a"),
        ("<bos><start_of_turn>user\nq<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n", "a"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nfirst<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\nlast<|eot_id|>", "last"),
        ("q\na <|b|> c", "q\na <|b|> c"),
        ("a \n", "a \n"),
        ("a \n<|end|> </s>\n", "a \n"),
        ("</s>", ""),
        ("<｜User｜>q<｜Assistant｜>a<｜end▁of▁sentence｜>", "a"),
    ],
)  # fmt: skip
def test_scorers_of_texts_get_what_the_assistant_said_last(text: str, response: str) -> None:
    group = laid_out(text)
    assert group.responses[0].text == response
    assert group.responses[0].rendered == text


def test_many_special_tokens_take_no_time() -> None:
    many = "</s> " * 200_000
    assert said(f"x{many}") == "x"
    assert said(f"x{many}y{' ' * 200_000}") == f"x{many}y{' ' * 200_000}"


def test_texts_share_a_batch_where_they_share_a_prompt_and_no_other() -> None:
    begun = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
    first, second, other = (work_of(laid_out(t)).key for t in (begun + "a", begun + "b", "q a"))
    assert first == second != other
    assert other != work_of(laid_out("q b")).key
    assert work_of(laid_out((1, 2))).key != work_of(laid_out((1, 3))).key


def test_where_there_are_several_the_model_is_named(url: str) -> None:
    answer = post(f"{url}/get_reward", {"query": ["a"]})
    assert answer.status_code == 404
    assert "model, steps, text" in answer.json()["error"]["message"]


JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", [], [None], [[]], [[None]], [[[1]]], {}, {"a": 1},
    [{}], ["x", 1], [{"role": "user"}], [{"role": "odd", "content": "x"}],
    [{"role": 1, "content": []}],
    [{"role": "assistant", "content": None}], [{"type": "function_call"}], {"output": [1]},
    {"input": [{}]}, {"input": "q", "tools": [{"type": 1}], "instructions": {}},
]  # fmt: skip
BY_PATH = {dialect.path: dialect for dialect in DIALECTS}


@pytest.mark.parametrize("case", CASES)
def test_junk_in_any_field_is_refused_or_scored(case: dict[str, Any]) -> None:
    dialect = BY_PATH[case["path"]]
    for field in case["request"]:
        for junk in JUNK:
            with suppress(Refused):
                asked = dialect.read({**case["request"], field: junk})
                readings = MODEL.readings(asked.groups)
                scores = [[one.score for one in row] for row in readings]
                about = About(
                    name="m", fingerprint="f", id="1", created=0, readout=MODEL.readout,
                    readings=readings,
                )  # fmt: skip
                json.dumps(dialect.write(asked, scores, about), allow_nan=False)
