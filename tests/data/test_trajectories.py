"""Trajectories in others' layouts: every row is written back as it was, and what ends, rewards and
labels an answer is where it belongs."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay import components
from assay.data import trajectories
from assay.data.check import check
from assay.data.dedupe import unique
from assay.data.formats.atif import Atif
from assay.data.formats.inspect_sample import InspectSample
from assay.data.formats.messages import Messages
from assay.data.formats.nemo_gym import NemoGym
from assay.data.formats.openai_responses import OpenaiResponses
from assay.data.formats.tau_bench import TauBench
from assay.data.formats.verifiers_trace import VerifiersTrace
from assay.data.io import read, write
from assay.data.parts import cut_anew, without
from assay.data.records import prompt_of, responses_of
from assay.data.splitting import Newline
from assay.errors import DataError
from assay.pages.examples import mistakes
from assay.pages.solutions import solution
from assay.scorers.baselines import Longest
from assay.scorers.verifier import Verified
from assay.types import Group, Message, Prompt, Ranking, Response, Score, StepLabels, ToolCall
from assay.verifiers import Math

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LAYOUTS = (
    "messages tau-bench swe-rebench verifiers verifiers-trace inspect-sample atif openai-responses"
    " nemo-gym"
).split()
MORE_THAN_ONE = {("verifiers-trace", 1), ("verifiers-trace", 2), ("inspect-sample", 2)}
"""Rows of several records, and, of tau-bench, one of none."""


def rows_of(name: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / f"{name.replace('-', '_')}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def filled(value: Any) -> Any:
    """A value without what tables fill with nulls, and null and empty contents as one."""
    if isinstance(value, dict):
        return {k: filled(v) for k, v in value.items() if v not in (None, "", [])}
    return [filled(x) for x in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_row_is_written_back_as_it_was(name: str) -> None:
    layout = components.load("formats", name)()
    for number, row in enumerate(rows_of(name)):
        records = list(layout.read(row))
        if records and (name, number) not in MORE_THAN_ONE:
            assert filled(list(layout.write(records))) == [filled(row)]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "messages"])
def test_a_row_survives_another_layout_and_is_told_from_its_own(name: str) -> None:
    layout, other = components.load("formats", name)(), Messages(answer="all")
    for row in rows_of(name):
        for record in layout.read(row):
            if isinstance(record, Prompt) or not responses_of(record)[0].steps:
                continue
            if any(each.role == "assistant" for each in prompt_of(record).messages):
                continue  # which the other layout takes for the answer
            (written,) = other.write([record])
            assert list(other.read(written)) == [record]
            matching = (n for n in LAYOUTS if components.load("formats", n)().matches(written))
            assert list(matching) == ["messages"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_projects_own_layout_holds_trajectories(name: str, tmp_path: Path) -> None:
    records = list(read(GOLDEN / f"{name.replace('-', '_')}.jsonl"))
    write(records, tmp_path / "all.jsonl", "assay")
    assert list(read(tmp_path / "all.jsonl")) == records


def conversation(*arguments: Any) -> list[dict[str, Any]]:
    """A question, one call for each of the arguments, and the answer."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": "Q"}]
    for i, each in enumerate(arguments):
        function = {"name": "f", "arguments": each}
        call = {"id": f"c{i}", "type": "function", "function": function}
        turns += [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{i}", "content": f"r{i}"},
        ]
    return [*turns, {"role": "assistant", "content": "A"}]


def test_arguments_are_kept_to_the_byte() -> None:
    texts = ['{"a":  1 }', '{"b": "\\u00e9"}', '{"broken": ', "", "[1,2]"]
    row = {"messages": conversation(*texts)}
    (record,) = Messages().read(row)
    assert list(Messages().write([record])) == [row]
    (response,) = responses_of(record)
    calls = [call for turn in response.turns for call in turn.tool_calls]
    assert [call.arguments for call in calls] == texts
    assert response.answer == "A"


def test_no_ids_are_invented_and_objects_are_written_on_demand() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    turns = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "f", "content": "r"},
        {"role": "assistant", "content": "A"},
    ]
    (record,) = Messages().read({"messages": turns})
    assert list(Messages().write([record])) == [{"messages": turns}]
    (raw,) = Messages().read({"messages": conversation('{"a": 1}')})
    (row,) = Messages(arguments="parsed").write([raw])
    assert row["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"a": 1}


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        ({"reward": 0}, StepLabels, (None, 0.0)),
        ({"reward": True}, StepLabels, (None, 1.0)),
        ({"label": 0.25}, StepLabels, (None, 0.25)),
        ({"reward": 3}, Ranking, (3.0,)),
        ({"reward": None}, Group, None),
        ({}, Group, None),
        ({"labels": [None, 1]}, StepLabels, (None, 1.0)),
    ],
)
def test_what_a_reward_makes_of_a_row(row: dict[str, Any], kind: Any, said: Any) -> None:
    (record,) = Messages().read({"messages": conversation("{}"), **row})
    assert type(record) is kind
    assert getattr(record, "labels", getattr(record, "grades", None)) == said


def test_a_reward_can_be_read_as_a_grade_or_as_success() -> None:
    row = {"messages": conversation(), "reward": 0.5}
    (record,) = Messages(reward="grade").read(row)
    assert isinstance(record, Ranking)
    with pytest.raises(DataError, match="no chance of success; it is a grade"):
        list(Messages(reward="success").read({**row, "reward": 1.5}))


def test_rewards_of_turns_keep_their_nulls_and_are_counted() -> None:
    row = {"messages": conversation("{}"), "rewards": [None, 0]}
    (record,) = Messages().read(row)
    assert responses_of(record)[0].rewards == (None, 0.0)
    with pytest.raises(DataError, match="3 rewards for 2 steps"):
        list(Messages().read({**row, "rewards": [0, 0, 0]}))


def test_a_chat_is_answered_by_its_last_turn_and_an_agent_from_the_first_on() -> None:
    chat = [
        {"role": "user", "content": "1"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "3"},
        {"role": "assistant", "content": "4"},
    ]
    (record,) = Messages().read({"messages": chat})
    assert isinstance(record, Group)
    assert (record.prompt.text, record.responses) == ("1\n\n2\n\n3", (Response.of("4"),))
    (record,) = Messages(answer="all").read({"messages": chat})
    assert responses_of(record)[0].steps == ("2", "4")
    (record,) = Messages().read({"messages": chat[:3]})
    assert isinstance(record, Prompt)
    with pytest.raises(DataError, match="begins with the answer"):
        list(Messages().read({"messages": chat[1:2]}))


@pytest.mark.parametrize("stop", ["length", "max_tokens", "token_limit", "truncated"])
def test_what_was_cut_off_is_not_finished(stop: str) -> None:
    (record,) = Messages().read({"messages": conversation(), "finish_reason": stop})
    (response,) = responses_of(record)
    assert (response.stop, response.finished) == (stop, False)
    (whole,) = Messages().read({"messages": conversation(), "finish_reason": "stop"})
    assert responses_of(whole)[0].finished


def test_success_of_tau_bench_may_be_off_by_rounding() -> None:
    row = rows_of("tau-bench")[0]
    for reward, label in ((1 - 1e-9, 1.0), (1 + 1e-9, 1.0), (0.5, 0.5)):
        (record,) = TauBench().read({**row, "reward": reward})
        assert isinstance(record, StepLabels)
        assert record.labels[-1] == label
        (again,) = TauBench().write([record])
        assert again["reward"] == reward


def test_every_path_of_a_graph_is_a_record_and_a_missing_reward_is_not_0() -> None:
    row = rows_of("verifiers-trace")[1]
    records = list(VerifiersTrace().read(row))
    assert [responses_of(r)[0].text for r in records] == ["6", "fi"]
    assert [responses_of(r)[0].finished for r in records] == [True, False]
    assert all(type(r) is Group for r in records)
    again = list(VerifiersTrace().write(records))
    assert all(each["rewards"]["right"] is None for each in again)
    row["rewards"]["right"] = {"score": 0.0, "weight": 1.0}
    assert {type(r) for r in VerifiersTrace().read(row)} == {StepLabels}
    row["nodes"][0]["parent"] = 2
    with pytest.raises(DataError, match=r"nodes.0.parent.*no earlier node 2"):
        list(VerifiersTrace().read(row))


def test_a_message_that_no_model_wrote_is_part_of_the_question() -> None:
    row = rows_of("verifiers-trace")[0]
    example = {"parent": None, "message": {"role": "user", "content": "1+1?"}}
    shown = {"parent": 0, "message": {"role": "assistant", "content": "2"}, "sampled": False}
    moved = [{**node, "parent": i + 1} for i, node in enumerate(row["nodes"])]
    (record,) = VerifiersTrace().read({**row, "nodes": [example, shown, *moved], "calls": []})
    assert isinstance(record, StepLabels)
    assert [m.role for m in record.prompt.messages] == ["user", "assistant", "system", "user"]
    assert len(record.response.steps) == 2


@pytest.mark.parametrize(
    ("value", "label"),
    [("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), (True, 1.0), ("yes", 1.0), (0.25, 0.25)],
)
def test_values_of_inspect(value: Any, label: float) -> None:
    row = {**rows_of("inspect-sample")[0], "scores": {"s": {"value": value}}}
    (record,) = InspectSample().read(row)
    assert isinstance(record, StepLabels)
    assert record.labels[-1] == label


def test_unscored_and_many_scores_of_inspect() -> None:
    row = rows_of("inspect-sample")[0]
    for scores in ({"s": {"value": float("nan")}}, {"s": {"value": None}}, {}, None):
        (record,) = InspectSample().read({**row, "scores": scores})
        assert type(record) is Group
    two = {"a": {"value": "C"}, "b": {"value": {"x": 2, "y": 0}}}
    with pytest.raises(DataError, match="there are a, b; say which"):
        list(InspectSample().read({**row, "scores": two}))
    (record,) = InspectSample(scorer="b.x").read({**row, "scores": two})
    assert isinstance(record, Ranking)
    assert record.grades == (2.0,)
    with pytest.raises(DataError, match=r"scores\.s\.value"):
        list(InspectSample().read({**row, "scores": {"s": {"value": "good"}}}))


@pytest.mark.parametrize("format", [None, "inspect-sample"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "log.json"])
def test_nan_in_a_log_of_inspect_is_no_score(name: str, format: str | None, tmp_path: Path) -> None:
    row = {**rows_of("inspect-sample")[0], "scores": {"s": {"value": float("nan")}}}
    whole = {"eval": {}, "samples": [row]} if name == "log.json" else row
    (tmp_path / name).write_text(json.dumps(whole))
    assert [type(record) for record in read(tmp_path / name, format=format)] == [Group]


def test_nan_in_another_layout_is_refused(tmp_path: Path) -> None:
    row = {**rows_of("tau-bench")[0], "reward": float("nan")}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match="NaN is not a number in JSON"):
        list(read(tmp_path / "a.jsonl"))


def test_samples_of_one_task_have_one_prompt_whatever_ids_their_messages_have() -> None:
    row = rows_of("inspect-sample")[0]
    other = json.loads(json.dumps(row).replace('"m1"', '"z1"'))
    (first,), (second,) = InspectSample().read(row), InspectSample().read(other)
    assert isinstance(first, StepLabels)
    assert isinstance(second, StepLabels)
    assert first.prompt == second.prompt


def test_a_rollout_of_nemo_gym_is_told_whatever_columns_its_data_has(tmp_path: Path) -> None:
    more = {"prompt": "Name two.", "instruction_id_list": [], "kwargs": [], "key": 1}
    (tmp_path / "a.jsonl").write_text(json.dumps({**rows_of("nemo-gym")[0], **more}))
    (record,) = read(tmp_path / "a.jsonl")
    assert isinstance(record, StepLabels)
    assert responses_of(record)[0].meta["kwargs"] == []


def test_a_rollout_that_failed_has_no_reward() -> None:
    row = rows_of("nemo-gym")[0]
    (record,) = NemoGym().read({**row, "mask_sample": True})
    assert type(record) is Group
    (again,) = NemoGym().write([record])
    assert again["reward"] == 1.0


def test_items_of_one_turn_are_one_message() -> None:
    output = rows_of("openai-responses")[0]["output"]
    (record,) = OpenaiResponses().read({"input": "Q", "output": output})
    (response,) = responses_of(record)
    assert [turn.role for turn in response.turns] == ["assistant", "tool", "tool", "assistant"]
    assert [call.id for call in response.turns[0].tool_calls] == ["c1", "c2"]
    assert response.turns[0].reasoning == "Add."
    with pytest.raises(DataError, match=r"output.0.*web_search_call"):
        list(OpenaiResponses().read({"input": "Q", "output": [{"type": "web_search_call"}]}))


def test_every_version_1_of_atif_is_read_and_no_other() -> None:
    row = rows_of("atif")[1]
    for minor in range(9):
        assert list(Atif().read({**row, "schema_version": f"ATIF-v1.{minor}"}))
    with pytest.raises(DataError, match=r"ATIF-v2\.0"):
        list(Atif().read({**row, "schema_version": "ATIF-v2.0"}))


def trajectory(arguments: str = '{"a": 1}') -> Group:
    """A trajectory that comes from no file."""
    call = ToolCall(name="f", arguments=arguments, id="c0")
    turns = (
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="r", tool_call_id="c0", name="f"),
        Message(role="assistant", content="A"),
    )
    return Group(prompt=Prompt.of("Q"), responses=(Response.trajectory(turns),))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_trajectory_of_another_source_is_written_and_read_again(name: str) -> None:
    layout = components.load("formats", name)()
    rows = list(layout.write([trajectory()]))
    assert all(layout.matches(row) for row in rows)
    assert [record for row in rows for record in layout.read(row)] == [trajectory()]


def test_what_atif_cannot_hold_is_refused() -> None:
    for arguments, complaint in (("{", "no JSON"), ("[1]", "by name")):
        with pytest.raises(DataError, match=complaint):
            list(Atif().write([trajectory(arguments)]))
    picture = {"type": "image_url", "image_url": {"url": "a.png"}}
    asked = Message(role="user", content="Q", parts=({"type": "text", "text": "Q"}, picture))
    shown = trajectory().model_copy(update={"prompt": Prompt(messages=(asked,))})
    with pytest.raises(DataError, match="not image_url"):
        list(Atif().write([shown]))


def test_atif_keeps_the_text_of_arguments_beside_them() -> None:
    compact = trajectory('{"a":1}')
    (row,) = Atif().write([compact])
    (call,) = row["steps"][1]["tool_calls"]
    assert (call["arguments"], call["extra"]) == ({"a": 1}, {"arguments": '{"a":1}'})
    assert list(Atif().read(row)) == [compact]
    call["arguments"] = {"a": 2}  # somebody has changed them
    (changed,) = Atif().read(row)
    assert responses_of(changed)[0].turns[0].tool_calls[0].parsed() == {"a": 2}


@pytest.mark.parametrize(
    ("default", "source"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3, "c": {"d": None}}),
        ({"a": [{"x": 1}, {"y": 2}]}, {"a": [{"x": 1, "z": 0}, {"y": 2}]}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({"a": {}}, {"a": {"n": None}}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}),
        ({"a": {"b": 1}}, {"a": {}}),
    ],
)
def test_differences_are_restored(default: Any, source: Any) -> None:
    assert trajectories.restored(default, trajectories.differences(default, source)) == source


def with_results(*results: str) -> Group:
    """The same calls, answered otherwise."""
    (response,) = trajectory().responses
    turns = [
        turn.model_copy(update={"content": results[0]}) if turn.role == "tool" else turn
        for turn in response.turns
    ]
    return trajectory().model_copy(update={"responses": (Response.trajectory(turns),)})


def test_trajectories_that_tools_answered_otherwise_are_no_duplicates() -> None:
    records = [with_results("1"), with_results("2"), with_results("1")]
    assert list(unique(records)) == records[:2]
    assert check(records).exact_duplicates == 1


def test_prompts_with_other_pictures_or_tools_are_no_duplicates() -> None:
    def asked(picture: str, tool: str) -> Prompt:
        parts = ({"type": "text", "text": "Q"}, {"type": "image_url", "image_url": picture})
        messages = (Message(role="user", content="Q", parts=parts),)
        return Prompt(messages=messages, tools=({"name": tool},))

    records = [asked("a.png", "f"), asked("b.png", "f"), asked("a.png", "g"), asked("a.png", "f")]
    assert list(unique(records)) == records[:3]


def test_the_check_counts_turns_and_calls() -> None:
    found = check([trajectory(), trajectory("{"), Group(prompt=Prompt.of("Q"), responses=())])
    assert (found.trajectories, found.turns, found.calls, found.bad_calls) == (2, 4, 2, 1)


def test_a_trajectory_keeps_its_steps() -> None:
    whole = StepLabels.outcome(trajectory().prompt, trajectory().responses[0], 1.0)
    assert cut_anew(whole, Newline()) == whole
    assert cut_anew(trajectory(), Newline()) == trajectory()
    rated = whole.model_copy(update={"labels": (0.0, 1.0)})
    assert cut_anew(rated, Newline()) == rated
    with pytest.raises(DataError, match="steps are its turns"):
        without(whole, ("steps",))
    assert without(whole, ("meta", "finished")) == whole


def test_a_verifier_judges_the_last_answer_and_a_baseline_of_length_reads_all() -> None:
    (response,) = trajectory('{"n": "The answer is 7"}').responses
    turns = (*response.turns[:-1], Message(role="assistant", content="The answer is 5"))
    prompt = Prompt.of("2+3?", reference="5")
    group = Group(prompt=prompt, responses=(Response.trajectory(turns),))
    ((verdict,),) = Verified(Math()).verdicts([group])
    assert (verdict.outcome, verdict.answer) == ("right", "5")
    assert verdict.span is not None
    start, end = verdict.span
    assert group.responses[0].answer[start:end] == "5"
    ((score,),) = Longest().score([group])
    assert isinstance(score, Score)
    assert score.value == len(group.responses[0].text) > len(group.responses[0].answer)


def test_a_page_shows_who_speaks_what_is_called_and_what_comes_back() -> None:
    record = StepLabels.outcome(trajectory().prompt, trajectory().responses[0], 0.0)
    steps = solution(record).steps
    assert [step.text for step in steps] == [
        '[assistant] f({"a": 1})',
        "[tool f] r",
        "[assistant] A",
    ]
    assert [step.shade for step in steps] == [None, None, 0.0]
    (section,) = mistakes([record], [[Score(value=0.9)]])
    shown = repr(section)
    assert '[assistant] f({"a": 1})' in shown
    assert "[tool f] r" in shown
