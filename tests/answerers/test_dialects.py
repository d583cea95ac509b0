"""Golden requests and answers of every dialect, written by hand after the servers' schemas."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.answerers.dialects import openai, sglang, systemone
from assay.answerers.dialects.reading import distributions, kept, usage
from assay.answerers.dialects.table import DIALECTS
from assay.answerers.ledger import Usage
from assay.errors import DataError
from assay.questions import Distribution, Option, Question
from assay.types import Unscored

ASKED = {
    "q0": Question.predicate("Is it spam?", true="unasked for", false="a letter"),
    "q1": Question.choice("Which?", [Option(name="true"), Option(name=True, description="yes")]),
    "q2": Question.score("How good?", {"bad": "wrong", "good": ""}),
}
PLAIN = {**ASKED, "q1": Question.choice("Which?", {"a": "first", "b": ""})}

GOLDEN: dict[str, tuple[Any, Any]] = {
    "openai": (
        openai.questions(ASKED),
        [
            {
                "type": "predicate",
                "name": "q0",
                "instructions": "Is it spam?\nTrue: unasked for\nFalse: a letter",
            },
            {
                "type": "choice",
                "name": "q1",
                "instructions": "Which?",
                "choices": [{"value": "true"}, {"value": True, "description": "yes"}],
            },
            {
                "type": "score",
                "name": "q2",
                "instructions": "How good?",
                "levels": [{"label": "bad", "description": "wrong"}, {"label": "good"}],
            },
        ],
    ),
    "systemone": (
        systemone.questions(PLAIN),
        {
            "q0": {
                "type": "noul",
                "instructions": "Is it spam?",
                "criteria": {"true": "unasked for", "false": "a letter"},
            },
            "q1": {
                "type": "choice",
                "instructions": "Which?",
                "criteria": {"a": "first", "b": None},
            },
            "q2": {
                "type": "score",
                "instructions": "How good?",
                "criteria": ["bad: wrong", "good"],
            },
        },
    ),
    "sglang": (
        sglang.questions(PLAIN),
        [
            {
                "id": "q0",
                "question": "Is it spam?",
                "type": "yes_no",
                "yes": "unasked for",
                "no": "a letter",
            },
            {
                "id": "q1",
                "question": "Which?",
                "type": "choice",
                "options": [{"name": "a", "description": "first"}, {"name": "b"}],
            },
            {
                "id": "q2",
                "question": "How good?",
                "type": "score",
                "levels": ["bad: wrong", "good"],
            },
        ],
    ),
}


@pytest.mark.parametrize("dialect", GOLDEN)
def test_questions_are_written_as_the_schema_has_them(dialect: str) -> None:
    written, golden = GOLDEN[dialect]
    assert written == golden


SCORE = {"type": "score", "score": 0.6, "confidence": 0.4}
CHOICE = {"type": "choice", "choice": "a", "confidence": 0.8}
LEVELS = {"0": 0.4, "1": 0.6}
SYSTEMONE = {
    "q0": {"type": "noul", "noul": 0.25},
    "q1": {**CHOICE, "probabilities": {"a": 0.9, "b": 0.1}},
    "q2": {**SCORE, "legend": {"0": "bad: wrong", "1": "good"}, "probabilities": LEVELS},
}
PAYLOADS: dict[str, Any] = {
    "openai": {
        "model": "gpt-6-luna",
        "answers": [
            {"type": "predicate", "name": "q0", "probability": 0.25},
            {
                **CHOICE,
                "name": "q1",
                "probabilities": [
                    {"value": "a", "probability": 0.9},
                    {"value": "b", "probability": 0.1},
                ],
            },
            {
                **SCORE,
                "name": "q2",
                "probabilities": [
                    {"value": 0, "label": "bad", "probability": 0.4},
                    {"value": 1, "label": "good", "probability": 0.6},
                ],
            },
        ],
        "usage": {
            "input_tokens": 120,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 123,
        },
    },
    "systemone": {
        "model": "jev-1.13",
        "answers": SYSTEMONE,
        "usage": {"input_tokens": 120, "output_tokens": 3},
    },
    "sglang": {
        "object": "decisions",
        "model": "m",
        "prompt_format_version": 1,
        "answers": {
            "q0": {"type": "yes_no", "probabilities": {"yes": 0.25, "no": 0.75}, "label_mass": 0.9},
            "q1": {
                "type": "choice",
                "probabilities": {"a": 0.9, "b": 0.1},
                "label_mass": 0.9,
                "choice": "a",
                "score": None,
            },
            "q2": {"type": "score", "probabilities": LEVELS, "label_mass": 0.9, "score": 0.6},
        },
        "usage": {"prompt_tokens": 120, "total_tokens": 120},
    },
    "vllm-systemone": {
        "id": "decision-1",
        "object": "structured_decision",
        "created": 1,
        "model": "m",
        "answers": {
            **SYSTEMONE,
            "q0": {**SYSTEMONE["q0"], "probabilities": {"yes": 0.25, "no": 0.75}},
        },
        "usage": {"input_tokens": 120, "output_tokens": 3},
        "diagnostics": {
            id: {"label_mass": 0.9, "argmax_is_label": True} for id in ("q0", "q1", "q2")
        },
    },
    "databricks": {
        "response": {
            "answers": {**SYSTEMONE, "q0": {"type": "noul", "probability": 0.25}},
            "usage": {"input_tokens": 120, "output_tokens": 3},
        }
    },
    "cloudflare": {
        "result": {
            "answers": SYSTEMONE,
            "usage": {"prompt_tokens": 120, "completion_tokens": 3, "total_tokens": 123},
        },
        "success": True,
        "errors": [],
    },
}


@pytest.mark.parametrize("dialect", PAYLOADS)
def test_answers_are_read_as_the_schema_has_them(dialect: str) -> None:
    found, cost = kept(PAYLOADS[dialect], DIALECTS[dialect])
    read = distributions(found, PLAIN)
    assert all(isinstance(one, Distribution) for one in read)
    shares = [one.probabilities for one in read if isinstance(one, Distribution)]
    assert [x for one in shares for x in one] == pytest.approx([0.25, 0.75, 0.9, 0.1, 0.4, 0.6])
    masses = {one.mass for one in read if isinstance(one, Distribution)}
    assert masses == ({0.9} if DIALECTS[dialect].mass else {None})
    assert cost.tokens_in == 120


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        (None, Usage(requests=1)),
        ([1], Usage(requests=1)),
        ({"input_tokens": "many"}, Usage(requests=1)),
        ({"inputTokens": 7, "outputTokens": 0}, Usage(requests=1, tokens_in=7, tokens_out=0)),
        (
            {"input_tokens": 7, "cached_input_tokens": 5},
            Usage(requests=1, tokens_in=7, tokens_cached=5),
        ),
        (
            {"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 5}},
            Usage(requests=1, tokens_in=7, tokens_cached=5),
        ),
    ],
)
def test_usage_by_any_name(said: object, cost: Usage) -> None:
    assert usage({"usage": said}) == cost


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["q0", "a", "0", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["q0", "q1", "a", "0", "type", "name", "value"]), inner)
        | st.fixed_dictionaries({"type": st.just("choice"), "probabilities": inner})
        | st.fixed_dictionaries({"value": inner, "probability": inner})
    ),
    max_leaves=12,
)


@given(answers=JSON, diagnostics=JSON, wrapped=st.booleans(), cost=JSON)
@settings(max_examples=300, deadline=None)
def test_nothing_that_a_server_may_send_is_an_error_of_ours(
    answers: Any, diagnostics: Any, wrapped: bool, cost: Any
) -> None:
    payload: Any = {"answers": answers, "diagnostics": diagnostics, "usage": cost}
    try:
        found, _ = kept({"result": payload} if wrapped else payload, DIALECTS["openai"])
    except DataError:
        return
    for one in distributions(found, PLAIN):
        assert isinstance(one, Unscored) or sum(one.probabilities) == pytest.approx(1)


def test_a_label_that_is_a_number_is_not_its_place():
    falling = Question.score("How bad?", ["2", "1", "0"])
    levels = [
        {"label": name, "probability": p} for name, p in zip("012", (0.7, 0.2, 0.1), strict=True)
    ]
    answers = {"answers": [{"type": "score", "name": "q0", "probabilities": levels}]}
    [found] = distributions(answers, {"q0": falling})
    assert isinstance(found, Distribution)
    assert found.probabilities == pytest.approx((0.1, 0.2, 0.7))
