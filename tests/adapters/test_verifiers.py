"""Rewards and judges inside verifiers itself, and prime-rl's credit on its traces."""

import asyncio
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

vf = pytest.importorskip("verifiers.v1", reason="the package verifiers (0.4) is not installed")

from assay.adapters import prime_rl, verifiers  # noqa: E402
from assay.errors import DataError  # noqa: E402
from assay.rl.advantages import grpo_process  # noqa: E402
from assay.specs.rewards import reward  # noqa: E402
from assay.workflows.paying import payer  # noqa: E402
from tests import tiny_models  # noqa: E402
from tests.adapters.scored import Planted, worth  # noqa: E402

SAID = "xx\nx"
SUM = worth("xx\n") + worth("x")
STEPWISE = replace(reward(Planted()), place="every_step")
PAY = verifiers.reward(STEPWISE, reference="answer")


class Data(vf.TaskData):  # type: ignore[misc, name-defined]
    answer: str = "4"


class Sum(vf.Task[Data, vf.State, vf.TaskConfig]):  # type: ignore[misc, name-defined]
    @vf.reward(weight=2.0)  # type: ignore[untyped-decorator]
    async def steps(self, trace: Any) -> float:
        return await PAY(self.data, trace)


def traced(task: Any, *turns: Any, tok: Any = None) -> Any:
    """A trace of a question and what was sampled, each turn's tokens with a scaffold before."""
    nodes = [vf.MessageNode(message=vf.UserMessage(content="2 + 2?"))]
    for i, text in enumerate(turns):
        ids = [] if tok is None else [*tok(text, add_special_tokens=False)["input_ids"]]
        node = vf.MessageNode(parent=i, message=vf.AssistantMessage(content=text), sampled=True)
        if ids:
            node.token_ids = [0, *ids, tok.eos_token_id]
            node.mask = [False, *(True for _ in ids), True]
        nodes.append(node)
    info = vf.TraceTask(type=type(task).__name__, data=task.data)
    return vf.Trace(task=info, agent=vf.AgentInfo(config=vf.AgentConfig()), nodes=nodes)


def test_a_task_is_rewarded() -> None:
    task = Sum(Data(prompt="2 + 2?"))
    trace = traced(task, SAID)
    asyncio.run(task.score(trace))
    assert trace.rewards["steps"].score == pytest.approx(SUM)
    assert trace.reward == pytest.approx(2 * SUM)
    right = traced(task, "4")
    asyncio.run(task.score(right))
    assert right.rewards["steps"].score == pytest.approx(worth("4") + 100)


def test_what_cannot_be_scored_errors_the_rollout_and_is_no_zero() -> None:
    task = Sum(Data(prompt="2 + 2?"))
    trace = traced(task, "why?")
    with pytest.raises(vf.TaskError, match="it asks"):
        asyncio.run(task.score(trace))
    assert trace.rewards["steps"] is None


def test_functions_and_judges_are_plugged_by_config(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ModuleType("assay_judge_of_a_test")
    own.__dict__.update(ScorerJudge=verifiers.ScorerJudge, pay=PAY, __all__=["ScorerJudge"])
    own.__spec__ = SimpleNamespace(name=own.__name__)  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, own.__name__, own)
    config = vf.TaskConfig(
        rewards={"planted": {"fn": f"{own.__name__}:pay", "weight": 0.5}},
        judges=[{"id": own.__name__, "name": "length", "scorer": "longest,weight=2"}],
    )
    task = vf.Task(Data(prompt="2 + 2?"), config)
    trace = traced(task, SAID)
    asyncio.run(task.score(trace))
    assert trace.rewards["planted"].value == pytest.approx(SUM / 2)
    assert trace.rewards["length"].score == pytest.approx(2 * len(SAID))


def test_prime_rl_gets_an_advantage_a_sampled_token() -> None:
    tok = tiny_models.tokenizer("qwen3")
    task = Sum(Data(prompt="2 + 2?"))
    traces = [traced(task, text, tok=tok) for text in (SAID, "y\n\nxx", "?", "x")]
    episodes = [SimpleNamespace(traces=[trace]) for trace in traces]
    asyncio.run(prime_rl.assign(episodes, payer(STEPWISE), tok, reference="answer"))
    # Tokens are bytes, and the end token is the last step's.
    ends = [[2, 4], [2, 5], [1]]
    steps = [["xx\n", "x"], ["y\n\n", "xx"], ["x"]]
    counts = [5, 6, 2]
    paid, at = np.zeros((3, 6)), np.zeros((3, 6), bool)
    for b in range(3):
        paid[b, ends[b]], at[b, ends[b]] = [worth(one) for one in steps[b]], True
    mask = np.arange(6) < np.array(counts)[:, None]
    wanted = grpo_process(paid, at, mask, np.zeros(3, int))
    for row, count, trace in zip(wanted, counts, [traces[i] for i in (0, 1, 3)], strict=True):
        assert trace.nodes[1].advantages == pytest.approx(row[:count].tolist())
        assert trace.branches[0].advantages is not None
    assert traces[2].nodes[1].advantages is None


def test_prime_rl_pays_each_turn_of_several() -> None:
    tok = tiny_models.tokenizer("qwen3")
    task = Sum(Data(prompt="2 + 2?"))
    trace = traced(task, "xx", "x\n1", tok=tok)
    # What the tokens of a call say is not the call's text, and need not be.
    call = vf.ToolCall(id="1", name="f", arguments="{}")
    trace.nodes[1].message = vf.AssistantMessage(content="xx", tool_calls=[call])
    asyncio.run(prime_rl.assign([SimpleNamespace(traces=[trace])], payer(STEPWISE), tok))
    first, second = (node.advantages for node in trace.nodes[1:])
    assert len(first) == 3
    assert len(second) == 4
    assert len({*first}) == len({*second}) == 1
    assert first[0] == pytest.approx(0, abs=1e-9)
    assert second[0] < 0
    trace.nodes[1].mask = [False] * 4
    with pytest.raises(DataError, match="2 replies, and 1 of them"):
        asyncio.run(prime_rl.assign([SimpleNamespace(traces=[trace])], payer(STEPWISE), tok))
