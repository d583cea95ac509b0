import json
import re
from typing import Any

import numpy as np
import pytest
import torch

from assay.chat import openai
from assay.errors import DataError
from assay.types import Message, Prompt, Response, ToolCall
from assay.worlds.calculator.demonstrations import demonstrate, trajectories
from assay.worlds.calculator.environment import Calculator, compute, judge, label
from assay.worlds.calculator.policy import sequences, train_policy
from assay.worlds.calculator.task import (
    Problem,
    boxed,
    call,
    problem_of,
    prompt_of,
    some_problems,
    written,
)
from assay.worlds.calculator.tokenizer import EOS, PAD, make_tokenizer
from assay.worlds.threads import threads

PROBLEM = Problem(23, 47, 19)
PROMPT = prompt_of(PROBLEM)


def test_texts_by_hand() -> None:
    assert PROMPT.text == "23*47+19="
    assert PROMPT.reference == "1100"
    assert problem_of(PROMPT) == PROBLEM
    assert call("add", 1081, 19).text == 'add({"a":1081,"b":19})'
    assert boxed(1100).text == r"\boxed{1100}"
    with pytest.raises(DataError, match="no problem of this world"):
        problem_of(Prompt.of("3*47+19="))


def test_problems_differ_and_cover_all_there_are() -> None:
    assert len({*some_problems(5000, 3)}) == 5000
    assert some_problems(50, 3) == some_problems(50, 3) != some_problems(50, 4)
    numbers = np.array(some_problems(5000))
    assert (numbers.min(0), numbers.max(0)) == (pytest.approx(10), pytest.approx(99))


@pytest.mark.parametrize("turn", [call("multiply", 23, 47), call("add", 1, 2), boxed(7)])
def test_what_is_written_is_read_again(turn: Message) -> None:
    assert written(turn.text) == turn


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("multiply", '{"a":23,"b":47}', 1081),
        ("add", '{"b":19,"a":1081}', 1100),
        ("divide", '{"a":4,"b":2}', None),
        ("add", '{"a":1}', None),
        ("add", '{"a":1,"b":2,"c":3}', None),
        ("add", '{"a":1.5,"b":2}', None),
        ("add", '{"a":true,"b":2}', None),
        ("add", '{"a":07,"b":2}', None),
        ("add", "[1,2]", None),
        ("add", "", None),
        ("multiply", '{"a":1000001,"b":2}', None),
    ],
)
def test_calls_by_hand(name: str, arguments: str, result: int | None) -> None:
    assert compute(ToolCall(name=name, arguments=arguments)) == result


@pytest.mark.parametrize(
    ("turns", "verdicts"),
    [
        ([call("multiply", 23, 47), call("add", 1081, 19), boxed(1100)], [1, 1, 1]),
        ([call("multiply", 47, 23), call("add", 19, 1081), boxed(1100)], [1, 1, 1]),
        ([boxed(1100)], [1]),
        ([boxed(1101)], [0]),
        ([call("multiply", 23, 47), boxed(1081)], [1, 0]),
        # The second product is not needed, and neither is a sum before the product is known.
        ([call("multiply", 23, 47), call("multiply", 23, 47), boxed(1100)], [1, 0, 1]),
        ([call("add", 1081, 19), call("multiply", 23, 47), boxed(1100)], [0, 1, 1]),
        # What follows from a slip is of no use, and a slip can be made good.
        ([call("multiply", 24, 47), call("add", 1128, 19), boxed(1147)], [0, 0, 0]),
        ([call("multiply", 24, 47), call("multiply", 23, 47)], [0, 1]),
        ([call("add", 23, 47), written("add()"), written("47")], [0, 0, 0]),
    ],
)
def test_turns_are_judged_by_hand(turns: list[Message], verdicts: list[int]) -> None:
    between = [one for turn in turns for one in (turn, Message(role="tool", content="?"))]
    assert [*judge(PROBLEM, between)] == [bool(v) for v in verdicts]


def test_a_square_needs_one_number_twice() -> None:
    assert judge(Problem(30, 30, 5), [call("multiply", 30, 30)]) == (True,)
    assert judge(Problem(30, 31, 5), [call("multiply", 30, 30)]) == (False,)


def said(text: str) -> Message:
    return Message(role="assistant", content=text)


def test_the_calculator_answers_and_pays_by_hand() -> None:
    calculator = Calculator(credit=0.5)
    first = calculator.react(PROMPT, [said('multiply({"a":23,"b":47})')])
    assert first.turn == call("multiply", 23, 47)
    assert [(m.role, m.content) for m in first.answers] == [("tool", "1081")]
    assert first.reward == 0.5
    useless = calculator.react(PROMPT, [first.turn, *first.answers, said('add({"a":1,"b":2})')])
    assert (useless.answers[0].content, useless.reward) == ("3", None)
    broken = calculator.react(PROMPT, [said('add({"a":,"b":2})')])
    assert (broken.answers[0].content, broken.reward) == ("error", None)
    for text, reward in ((r"\boxed{1100}", 1.0), (r"\boxed{1099}", 0.0), ("", 0.0), ("1100", 0.0)):
        last = calculator.react(PROMPT, [said(text)])
        assert (last.turn.content, last.answers, last.reward) == (text, (), reward)


def test_labels_of_demonstrations_are_the_truth() -> None:
    problems = some_problems(400, 5)
    records = trajectories(problems, broken=0)
    assert records == trajectories(problems, broken=0) != trajectories(problems, 1, broken=0)
    assert records == [label(r.prompt, r.response) for r in records]
    kinds = set()
    for record in records:
        a, b, c = map(int, re.findall("[0-9]+", record.prompt.text))
        turns = [t for t in record.response.turns if t.role == "assistant"]
        found = re.fullmatch(r"\\boxed\{(\d+)\}", turns[-1].content)
        assert found
        right = int(found[1]) == a * b + c
        assert record.labels[-1] == float(right)
        if len(turns) == 3 and right:
            # Nothing but the right calls leads to the right answer, but for slips that cancel.
            calls = [json.loads(t.tool_calls[0].arguments) for t in turns[:2]]
            if calls == [{"a": a, "b": b}, {"a": a * b, "b": c}]:
                assert record.labels == (1.0, 1.0, 1.0)
        kinds.add((len(turns), record.labels[0], right))
    assert {(1, 0.0, False), (2, 1.0, False), (3, 1.0, True), (3, 0.0, False)} <= kinds
    outcomes = trajectories(problems, outcome=True, broken=0)
    assert [r.labels[-1] for r in outcomes] == [r.labels[-1] for r in records]
    assert all(x is None for r in outcomes for x in r.labels[:-1])


def test_broken_turns_are_among_those_to_judge() -> None:
    records = trajectories(some_problems(200, 5))
    tokenizer = make_tokenizer()
    ended = errors = 0
    for record in records:
        assert record == label(record.prompt, record.response)
        *_, last = record.response.turns
        ended += re.fullmatch(r"\\boxed\{\d+\}", last.content) is None
        errors += any(t.content == "error" for t in record.response.turns)
        assert record.labels[-1] == float(last.content == f"\\boxed{{{record.prompt.reference}}}")
        ids = tokenizer(record.response.text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
    assert min(ended, errors) > 5


def test_the_template_writes_what_the_policy_learns_from() -> None:
    problems = some_problems(40)
    responses = demonstrate(problems, np.random.default_rng(0))
    tokenizer = make_tokenizer()
    ids_N_T, learned_N_T = sequences([prompt_of(p) for p in problems], responses)
    for problem, response, ids, learned in zip(
        problems, responses, ids_N_T.tolist(), learned_N_T.tolist(), strict=True
    ):
        messages = [*prompt_of(problem).messages, *response.turns]
        for arguments in ("raw", "parsed"):
            rows: list[Any] = [openai(m, arguments=arguments) for m in messages]
            text = tokenizer.apply_chat_template(rows, tokenize=False)
            laid = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert ids[: len(laid)] == laid
            assert {*ids[len(laid) :]} <= {PAD}
        assert tokenizer.unk_token_id not in ids
        own = [i for i in learned if i != PAD]
        assert [*map(int, own)].count(EOS) == len(response.steps)
        said = tokenizer.decode([i for i in own if i != EOS])
        assert said == response.text


def test_training_is_reproducible_and_lowers_the_loss() -> None:
    losses: list[list[float]] = [[], []]
    with threads(1):
        for run in losses:
            model = train_policy(
                some_problems(100), steps=20, batch=8, learning_rate=5e-3,
                show=lambda _, note, run=run: run.append(float(note.split()[1])),
            )  # fmt: skip
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.8 * losses[0][0]
    assert 90_000 < sum(p.numel() for p in model.parameters()) < 120_000
    assert isinstance(model.lm_head.weight, torch.nn.Parameter)


def test_a_trajectory_can_be_written_in_full() -> None:
    [response] = demonstrate([PROBLEM], np.random.default_rng(1), alone=0, hasty=0, slip=0)
    assert response == Response.trajectory(
        [
            call("multiply", 23, 47),
            Message(role="tool", content="1081", name="multiply"),
            call("add", 1081, 19),
            Message(role="tool", content="1100", name="add"),
            boxed(1100),
        ],
        rewards=(0.25, 0.25, 1.0),
    )
