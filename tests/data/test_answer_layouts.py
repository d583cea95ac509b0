"""Layouts of prompts, single answers, step labels and pools that a table of columns reads: told
apart, read as written out here by hand, and back."""

import contextlib
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from assay.data import layouts, solutions
from assay.data.columns import Columns
from assay.data.formats.math_shepherd import MathShepherd
from assay.data.formats.plain import Plain
from assay.data.formats.rlhflow_prm import RlhflowPrm
from assay.data.formats.step_ratings import StepRatings
from assay.data.formats.trl_stepwise import TrlStepwise
from assay.data.io import Counts, read
from assay.data.steps import cut
from assay.errors import DataError
from assay.types import Group, Message, Prompt, Ranking, Record, Response, StepLabels, ToolCall

USER, SAID = {"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}
SUM = Prompt.of("2+3?")


def about(**fields: Any) -> Prompt:
    return SUM.model_copy(update=fields)


def one(prompt: Prompt, text: str = "5") -> Group:
    return Group(prompt=prompt, responses=(Response.of(text),))


SYSTEM = Message(role="system", content="Be brief.")
TALK = (
    Message(role="user", content="Hi"),
    Message(role="assistant", content="Hello"),
    Message(role="user", content="2+3?"),
)
WORKED = {"solution": r"It is $\boxed{5}$."}

ROWS: list[tuple[str, dict[str, Any], Record]] = [
    ("math-problems", {"problem": "2+3?", "answer": "5"}, about(reference="5")),
    ("math-problems", {"question": "2+3?", "final_answer": ["5"]}, about(reference="5")),
    ("math-problems", {"prompt": "2+3?", "answer": "5", "id": 3}, about(reference="5", id="3")),
    (
        "math-problems",
        {"ID": "2024-I-1", "Problem": "2+3?", "Solution": "Add.", "Answer": 204},
        about(reference="204", id="2024-I-1", meta={"solution": "Add."}),
    ),
    (
        "math-problems",
        {"problem": "2+3?", "answer": "5", "level": 2, "unique_id": "a/1", **WORKED},
        about(reference="5", id="a/1", meta={"level": 2, **WORKED}),
    ),
    (
        "math-problems",
        {"problem": "2+3?", "answer": "proof", "problem_type": "Algebra"},
        about(meta={"answer": "proof", "problem_type": "Algebra"}),
    ),
    (
        "boxed-solutions",
        {"problem": "2+3?", "level": "Level 1", "type": "Algebra", **WORKED},
        about(reference="5", meta={"level": "Level 1", "type": "Algebra", **WORKED}),
    ),
    (
        "verl",
        {
            "data_source": "sums",
            "prompt": [USER],
            "reward_model": {"style": "rule", "ground_truth": 5},
            "extra_info": {"index": 0},
        },
        about(
            reference="5",
            meta={
                "data_source": "sums",
                "reward_model": {"style": "rule"},
                "extra_info": {"index": 0},
            },
        ),
    ),
    (
        "openrlhf-prompts",
        {"dataset": "x", "context": "", "context_messages": [USER], "id": "7"},
        about(id="7", meta={"dataset": "x", "context": ""}),
    ),
    (
        "messages-with-reference",
        {"messages": [USER], "ground_truth": "5", "dataset": "x"},
        about(reference="5", meta={"dataset": "x"}),
    ),
    ("alpaca", {"instruction": "2+3?", "input": "", "output": "5"}, one(SUM)),
    (
        "alpaca",
        {
            "instruction": "2+3?",
            "input": "In words.",
            "output": "five",
            "system": "Be brief.",
            "history": [["Hi", "Hello"]],
        },
        one(
            Prompt(messages=(SYSTEM, *TALK[:2], Message(role="user", content="2+3?\nIn words."))),
            "five",
        ),
    ),
    ("alpaca", {"query": "2+3?", "response": "5", "type": "x"}, one(about(meta={"type": "x"}))),
    (
        "alpaca",
        {"problem": "2+3?", "generated_solution": "5", "expected_answer": "5"},
        one(about(reference="5")),
    ),
    (
        "labelled-responses",
        {"question": "2+3?", "response": "6", "label": 0, "answer": "5"},
        StepLabels.outcome(about(reference="5"), Response.of("6"), 0),
    ),
    ("input-output", {"input": "2+3?", "output": "5"}, one(SUM)),
    ("trl-prompt-completion", {"prompt": "2+3?", "completion": "5"}, one(SUM)),
    ("trl-prompt-completion", {"prompt": [USER], "completion": [SAID]}, one(SUM)),
    ("plain", {"prompt": [USER]}, SUM),
    ("plain", {"prompt": "2+3?", "reference": 5}, about(reference="5")),
    ("plain", {"prompt": "2+3?", "response": "5", "reference": ["5"]}, one(about(reference="5"))),
    ("plain", {"prompt": [USER], "response": [SAID]}, one(SUM)),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "human", "value": "Hi"},
                {"from": "gpt", "value": "Hello"},
                {"from": "human", "value": "2+3?"},
                {"from": "gpt", "value": "5"},
            ],
            "system": "Be brief.",
            "tools": '[{"name": "add"}]',
        },
        one(Prompt(messages=(SYSTEM, *TALK), tools=({"name": "add"},))),
    ),
    (
        "sharegpt",
        {
            "conversations": [
                {"from": "human", "value": "Hi"},
                {"from": "function_call", "value": '[{"name": "greet", "arguments": {}}]'},
                {"from": "observation", "value": "Hello"},
                {"from": "gpt", "value": "Hello!"},
                {"from": "human", "value": "2+3?"},
                {"from": "gpt", "value": "5"},
            ],
        },
        Group(
            prompt=Prompt(messages=TALK[:1]),
            responses=(
                Response.trajectory(
                    (
                        Message(role="assistant", content="", tool_calls=(ToolCall(name="greet"),)),
                        Message(role="tool", content="Hello"),
                        Message(role="assistant", content="Hello!"),
                        Message(role="user", content="2+3?"),
                        Message(role="assistant", content="5"),
                    )
                ),
            ),
        ),
    ),
    (
        "qwen-math-outputs",
        {
            "idx": 4,
            "question": "2+3?",
            "gt_cot": "Add.",
            "gt": "5",
            "answer": "5.0",
            "code": ["5", "6"],
            "pred": ["5", "6"],
            "report": [None, "Timeout"],
            "score": [True, False],
        },
        Ranking(
            prompt=about(reference="5", id="4", meta={"answer": "5.0", "solution": "Add."}),
            responses=(
                Response(steps=("5",), meta={"pred": "5", "report": None}),
                Response(steps=("6",), meta={"pred": "6", "report": "Timeout"}),
            ),
            grades=(1, 0),
        ),
    ),
    (
        "openr1-math",
        {
            "problem": "2+3?",
            "answer": "5",
            "solution": "Add.",
            "uuid": "u",
            "generations": ["5", "<think>Hm"],
            "correctness_math_verify": [True, False],
            "is_reasoning_complete": [True, False],
            "finish_reasons": ["stop", "length"],
        },
        Ranking(
            prompt=about(reference="5", id="u", meta={"solution": "Add."}),
            responses=(
                Response(steps=("5",), stop="stop"),
                Response(steps=("<think>Hm",), finished=False, stop="length"),
            ),
            grades=(1, 0),
        ),
    ),
    (
        "pools",
        {"problem": "2+3?", "generations": ["5", "6"], "answer": "5"},
        Group(prompt=about(reference="5"), responses=(Response.of("5"), Response.of("6"))),
    ),
    (
        "judged-pools",
        {"question": "2+3?", "responses": ["5", "6"], "correct": [True, False]},
        Ranking(prompt=SUM, responses=(Response.of("5"), Response.of("6")), grades=(1, 0)),
    ),
    (
        "step-ratings",
        {
            "problem": "2+3?",
            "labeler": "x",
            "steps": [{"step": "a", "rating": 1}, {"step": "b", "rating": -1}],
        },
        StepLabels(
            prompt=about(meta={"labeler": "x"}),
            response=Response(steps=("a\n", "b")),
            labels=(1, 0),
        ),
    ),
    (
        "scored-completions",
        {
            "problem": "2+3?",
            "answer": "5",
            "completions": ["5", "6"],
            "scores": [[0.5, 0.9], [0.25]],
            "agg_scores": [0.9, 0.25],
            "pred": "5",
        },
        Group(
            prompt=about(reference="5", meta={"pred": "5"}),
            responses=(
                Response(steps=("5",), meta={"scores": [0.5, 0.9], "agg_scores": 0.9}),
                Response(steps=("6",), meta={"scores": [0.25], "agg_scores": 0.25}),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("name", "row", "record"), ROWS)
def test_a_row_is_told_read_and_written_again(
    name: str, row: dict[str, Any], record: Record, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row))
    assert list(read(path, counts=(counts := Counts()))) == [record]
    assert counts.formats == {name}
    (again,) = layouts.resolve(name).write([record])
    path.write_text(json.dumps(again))
    assert list(read(path, counts=(counts := Counts()))) == [record]
    assert counts.formats == {name}


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("boxed-solutions", {"problem": "p", "solution": "It is 5."}, r"'solution': no \\boxed"),
        ("boxed-solutions", {"problem": "p", "solution": r"\boxed{5"}, r"'solution': no \\boxed"),
        ("boxed-solutions", {"problem": "p", "solution": r"\boxed{ }"}, r"'solution': no \\boxed"),
        ("math-problems", {"problem": "p", "answer": ["1", "2"]}, "one answer"),
        ("plain", {"prompt": "p", "response": "r", "reference": {"a": "1"}}, "one answer"),
        ("math-problems", {"problem": "p", "answer": {"value": 1}}, "one answer"),
        ("math-problems", {"problem": "p", "answer": " "}, "'reference': it is empty"),
        ("math-problems", {"problem": "p", "answer": 1, "images": ["a.png"]}, "'images' looks"),
        ("math-problems", {"Question": "p", "Answer": 1, "Body": "b"}, "'Body' looks"),
        ("math-problems", {"question": "p", "answer": 1, "choices": ["a"]}, "'choices' looks like"),
        ("math-problems", {"problem": "p", "question": "q", "answer": "1"}, "'question' could be"),
        ("alpaca", {"instruction": "p", "output": "r", "history": ["q"]}, "history.*pairs"),
        ("sharegpt", {"conversations": [{"from": "gpt", "value": "5"}]}, "no message of a user"),
        (
            "openr1-math",
            {
                "problem": "p",
                "answer": "1",
                "generations": ["1"],
                "correctness_math_verify": [None],
            },
            "scores.0.*None",
        ),
        (
            "openr1-math",
            {
                "problem": "p",
                "answer": "1",
                "generations": ["1"],
                "correctness_math_verify": [1],
                "finish_reasons": ["stop", "stop"],
            },
            "'stop': expected a list with one for each of 1",
        ),
    ],
)
def test_what_cannot_be_read_whole_is_refused_by_name(
    name: str, row: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        list(layouts.resolve(name).read(row))


@pytest.mark.parametrize(("name", "row", "record"), ROWS)
def test_a_damaged_row_is_read_or_refused(name: str, row: dict[str, Any], record: Record) -> None:
    layout = layouts.resolve(name)
    for column in row:
        for value in (None, 17, "x", [], {}, [None], [17], {"a": 1}, [[["a"]]], [{"from": "gpt"}]):
            with contextlib.suppress(DataError):
                assert all(isinstance(each, Record) for each in layout.read({**row, column: value}))
        with contextlib.suppress(DataError):
            list(layout.read({key: each for key, each in row.items() if key != column}))


@pytest.mark.parametrize(
    "row",
    [
        {"question": "p", "answer": "r", "chosen": "a", "rejected": "b"},
        {"instruction": "p", "output": "r", "label": 0.5, "rejected": "b"},
        {"problem": "p", "answer": "1", "candidates": ["a"]},
        {"question": "p", "answer": "Add.\n#### 5"},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "+"}]},
    ],
)
def test_rows_with_more_than_a_layout_reads_are_not_its_own(row: dict[str, Any]) -> None:
    names = ("math-problems", "alpaca", "input-output", "sharegpt", "boxed-solutions")
    assert not any(layouts.resolve(name).matches(row) for name in names)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"\boxed{1} is not it, but \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"so $\fbox {\text{a \} b}}$", r"\text{a \} b}"),
        (r"$\boxed{\boxed{3}}$", r"\boxed{3}"),
        (r"Then $\boxed{2}$ and $\boxed{3}$.", r"\boxed{2}$ and $\boxed{3}"),
        (r"\boxed{4}, and \boxed{5", "4"),
        (r"So $x = \boxed 12 $ for $y = 2$.", "12"),
        (r"$\boxed{1}$, $\boxed{2}$ or \boxed{3}", r"\boxed{1}$, $\boxed{2}$ or \boxed{3}"),
    ],
)
def test_the_answer_of_a_solution_is_its_last_box(solution: str, answer: str) -> None:
    assert solutions.stated(solution, "solution") == answer


@pytest.mark.parametrize(
    ("header", "cells", "record"),
    [
        ("question,answer", ["2+3?", "05"], about(reference="05")),
        (
            "question,response,label",
            ["2+3?", "5", "0.5"],
            StepLabels.outcome(SUM, Response.of("5"), 0.5),
        ),
        (
            "problem,steps,labels",
            ["2+3?", '["a", "b"]', "[1, 0.5]"],
            StepLabels(prompt=SUM, response=Response(steps=("a\n", "b")), labels=(1, 0.5)),
        ),
        (
            "problem,answer,generations,correctness_math_verify,is_reasoning_complete",
            ["2+3?", "5", '["5"]', "[true]", "[false]"],
            Ranking(
                prompt=about(reference="5"),
                responses=(Response(steps=("5",), finished=False),),
                grades=(1,),
            ),
        ),
    ],
)
def test_cells_of_a_table_are_read_as_what_they_hold(
    header: str, cells: list[str], record: Record, tmp_path: Path
) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), cells])
    assert list(read(tmp_path / "a.csv")) == [record]


def test_a_refusal_names_the_alternative_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "2+3?", "unique_id": "a", "gold": "5"}')
    with pytest.raises(DataError, match=r"math-problems .*: has question, unique_id; lacks ground"):
        list(read(tmp_path / "a.jsonl"))


def test_paths_have_alternatives_and_named_columns_are_each_response_s() -> None:
    layout = Columns.of("prompt=a|b,responses=r,each.x=x")
    row = {"a": None, "b": "2+3?", "r": ["5", ""], "x": [1, None]}
    assert list(layout.read(row)) == [
        Group(
            prompt=about(meta={"a": None}),
            responses=(Response(steps=("5",), meta={"x": 1}), Response(steps=(), meta={"x": None})),
        )
    ]
    assert list(
        Columns.of("prompt=q,reference=a").read({"q": "2+3?", "a": 1.5, "choices": "x"})
    ) == [about(reference="1.5", meta={"choices": "x"})]


def test_soft_labels_are_probabilities_and_mean_what_is_said() -> None:
    row = {"prompt": "2+3?", "completions": ["a", "b"], "labels": [0.75, 0]}
    for format in (TrlStepwise(), TrlStepwise(meaning="monte_carlo")):
        (record,) = format.read(row)
        assert record == StepLabels(
            prompt=SUM,
            response=Response(steps=("a\n", "b")),
            labels=(0.75, 0),
            meaning=format.meaning,
        )
        assert list(format.write([record])) == [{**row, "labels": [0.75, False]}]
    with pytest.raises(DataError, match=r"labels\.0.*from 0 to 1, got 1\.5"):
        list(TrlStepwise().read({**row, "labels": [1.5, 0]}))


def test_a_rating_of_0_needs_to_be_told() -> None:
    row = {"question": "2+3?", "steps": ["a", "b"], "ratings": [1, 0]}
    with pytest.raises(DataError, match=r"ratings\.1.*neutral in some data and wrong in other"):
        list(StepRatings().read(row))
    (record,) = StepRatings(neutral="negative").read(row)
    assert isinstance(record, StepLabels)
    assert record.labels == (1, 0)
    with pytest.raises(DataError, match="one for each of the 2 steps"):
        list(StepRatings().read({**row, "ratings": [1]}))


def test_steps_keep_the_white_space_of_the_response() -> None:
    assert cut(" a\n\n b \tc\n", ["a", "b", "c"]) == (" a\n\n ", "b \t", "c\n")
    assert cut("ab", ["a", "b"]) == ("a", "b")
    assert cut("a x b", ["a", "b"]) is None
    assert cut("a b x", ["a", "b"]) is None
    assert cut("aa", ["a"]) is None
    (record,) = StepRatings().read(
        {"problem": "2+3?", "response": "a then b", "steps": ["a", "b"], "labels": ["+", "-"]}
    )
    assert isinstance(record, StepLabels)
    assert (record.response.steps, record.labels) == (("a\n", "b"), (1, 0))
    assert record.response.meta == {"response": "a then b"}


def test_math_shepherd_keeps_line_breaks_of_two_characters() -> None:
    row = {
        "input": "q Step 1: a ки\r\nStep 2: b ки\nStep 3: c ки",
        "label": "q Step 1: a +\r\nStep 2: b -\nStep 3: c +",
    }
    (record,) = MathShepherd().read(row)
    assert isinstance(record, StepLabels)
    assert record.response.steps == ("Step 1: a\r\n", "Step 2: b\n", "Step 3: c")
    assert record.labels == (1, 0, 1)
    assert list(MathShepherd().write([record])) == [row]


def test_a_conversation_of_labels_needs_a_first_step_and_labels() -> None:
    turns = [USER, {"role": "assistant", "content": "+"}]
    with pytest.raises(DataError, match=r"no 'Step 1:'.*--set marker"):
        list(RlhflowPrm().read({"conversations": turns}))
    (record,) = RlhflowPrm(marker="3?").read({"conversations": turns})
    assert isinstance(record, StepLabels)
    assert (record.prompt.text, record.response.steps, record.labels) == ("2+", ("3?",), (1,))
    with pytest.raises(DataError, match="then the assistant's label"):
        list(RlhflowPrm().read({"conversations": turns[:1]}))


@pytest.mark.parametrize("name", layouts.names())
def test_records_of_nothing_are_held_or_refused(name: str) -> None:
    bare = Prompt(messages=())
    nothing: list[Record] = [
        StepLabels(prompt=prompt, response=Response(steps=()), labels=()) for prompt in (bare, SUM)
    ]
    nothing += [
        bare,
        Group(prompt=bare, responses=()),
        Ranking(prompt=SUM, responses=(), grades=()),
    ]
    nothing += [StepLabels(prompt=bare, response=Response.of("a"), labels=(1.0,)), one(bare, "")]
    for record in nothing:
        with contextlib.suppress(DataError):
            list(layouts.resolve(name).write([record]))


def test_plain_responses_may_be_messages_that_repeat_the_prompt() -> None:
    row = {"prompt": [USER], "responses": [[USER, SAID], "6"], "grades": [1, 0]}
    (record,) = Plain().read(row)
    assert record == Ranking(
        prompt=SUM, responses=(Response.of("5"), Response.of("6")), grades=(1, 0)
    )
