"""Adapters against what each framework passes, recorded where the package is not there.

The packages that install anywhere (trl, verifiers, inspect-ai, openenv) are used themselves.
"""

import asyncio
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from assay.adapters import nemo_gym, open_instruct, openrlhf, slime, trl, verl
from assay.errors import DataError
from tests import tiny_models
from tests.adapters.scored import Planted, worth

ASKED = [{"role": "user", "content": "2 + 2?"}]
SAID = "xx\nx"
SUM, LEAST = worth("xx\n") + worth("x"), min(worth("xx\n"), worth("x"))


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a stand-in where a framework's module would be."""

    def put(name: str, **members: Any) -> None:
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            at = ".".join(parts[:count])
            if at not in sys.modules:
                monkeypatch.setitem(sys.modules, at, ModuleType(at))
        for key, value in members.items():
            setattr(sys.modules[name], key, value)

    return put


def stepwise() -> Any:
    from dataclasses import replace

    from assay.specs.rewards import reward

    return replace(reward(Planted()), place="every_step")


def test_trl_gets_a_number_or_none_a_completion() -> None:
    logged: dict[str, float] = {}
    reward = trl.reward_function(stepwise(), reference="answer", ends=[9])
    got = reward(
        prompts=[ASKED] * 3,
        completions=[[{"role": "assistant", "content": text}] for text in (SAID, "why?", "4")],
        completion_ids=[[1, 9], [1, 9], [1, 2]],
        trainer_state=None,
        log_extra=lambda *_: None,
        log_metric=lambda name, value: logged.update({name: value}),
        answer=["4"] * 3,
    )
    assert got == [pytest.approx(SUM), None, pytest.approx(worth("4") + 100)]
    assert logged == {"unscored/Planted": pytest.approx(1 / 3)}
    assert reward.__name__ == "Planted"
    texts = trl.reward_function(Planted())(prompts=["q"], completions=[SAID])
    assert texts == [pytest.approx(LEAST)]


def test_trl_tells_a_completion_that_was_cut_off() -> None:
    planted = Planted()
    trl.reward_function(planted, ends=[9])(
        prompts=["q"] * 3, completions=["a", "b", "c"], completion_ids=[[1, 9], [9, 1], []]
    )
    assert [one.finished for one in planted.groups[0].responses] == [True, False, True]


def test_verl_scores_a_text_or_raises() -> None:
    given: dict[str, Any] = {"data_source": "d", "ground_truth": "4", "word": stepwise()}
    run = asyncio.run
    score = verl.compute_score(solution_str=SAID, extra_info={"question": ASKED}, **given)
    assert run(score) == {"score": pytest.approx(SUM)}
    with pytest.raises(DataError, match="unscored: it asks"):
        run(verl.compute_score(solution_str="why?", extra_info={"question": "q"}, **given))
    with pytest.raises(DataError, match="no 'question'"):
        run(verl.compute_score(solution_str="x", extra_info={}, **given))


class Batch:
    """verl's DataProto, as far as a reward manager looks at it."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.batch = {"responses": torch.stack([one.batch["responses"] for one in items])}

    def __getitem__(self, at: Any) -> Any:
        return Batch(self.items[at]) if isinstance(at, slice) else self.items[at]

    def __len__(self) -> int:
        return len(self.items)


class Base:
    """Of verl.experimental.reward_loop.reward_manager.base.RewardManagerBase."""

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any = None) -> None:
        self.config, self.tokenizer, self.compute_score = config, tokenizer, compute_score


def test_verl_pays_each_step_at_its_token(modules: Any) -> None:
    modules("verl.experimental.reward_loop.reward_manager.base", RewardManagerBase=Base)
    tok = tiny_models.tokenizer("qwen3")
    items = []
    for text in (SAID, "y\n\nxx\n."):
        ids = [*tok(text, add_special_tokens=False)["input_ids"], tok.eos_token_id]
        padded = torch.tensor(ids + [tok.pad_token_id] * (12 - len(ids)))
        mask = torch.tensor([0, 1] + [1] * len(ids) + [0] * (12 - len(ids)))
        items.append(
            SimpleNamespace(
                batch={"responses": padded, "attention_mask": mask},
                non_tensor_batch={
                    "raw_prompt": np.array(ASKED, dtype=object),
                    "reward_model": {"ground_truth": "5"},
                },
            )
        )
    data = Batch(items)
    managed = verl.manager(stepwise())(config=None, tokenizer=tok, compute_score=None)
    found = [asyncio.run(managed.run_single(data[i : i + 1])) for i in range(2)]
    rewards = type(managed).assemble_rm_scores(data, [one["reward_score"] for one in found])
    # A token a byte: steps end at characters, and what ends the response is the last step's.
    wanted = torch.zeros(2, 12)
    wanted[0, 2], wanted[0, 4] = worth("xx\n"), worth("x")
    wanted[1, 2], wanted[1, 5], wanted[1, 7] = worth("y\n\n"), worth("xx\n"), worth(".")
    torch.testing.assert_close(rewards, wanted)
    assert found[0]["reward_extra_info"] == {"acc": pytest.approx(SUM)}
    items[0].batch["response_mask"] = torch.tensor([1, 0] + [1] * 10)
    with pytest.raises(DataError, match="did not write"):
        asyncio.run(managed.run_single(data[:1]))


def test_openrlhf_reads_what_the_template_laid_out_or_messages() -> None:
    planted = Planted()
    query = {"queries": ["<u>q<a>4<end>"], "prompts": ["<u>q<a>"], "labels": ["4"]}
    got = openrlhf.reward_function(planted, end="<end>")(**query)
    assert got.keys() == {"rewards", "scores", "extra_logs"}
    assert got["rewards"].tolist() == pytest.approx([worth("4") + 100])
    assert planted.groups[0].responses[0].rendered == "<u>q<a>4<end>"
    openrlhf.reward_function(planted, read=lambda text: text[3:4], end="<end>")(**query)
    assert planted.groups[1].prompt.text == "q"
    assert planted.groups[1].responses[0].rendered is None
    with pytest.raises(DataError, match="it asks"):
        openrlhf.reward_function(planted)(queries=["q?"], prompts=["q"], labels=[None])


class Executor:
    """Of openrlhf.utils.agent.MultiTurnAgentExecutor."""

    def __init__(self, agent_instance_cls: type) -> None:
        self.agent_instance_cls = agent_instance_cls


def test_openrlhf_agent_ends_with_the_reward(modules: Any) -> None:
    modules(
        "openrlhf.utils.agent",
        AgentInstanceBase=type("AgentInstanceBase", (), {}),
        MultiTurnAgentExecutor=Executor,
    )
    agent = openrlhf.agent_executor(stepwise(), read=str)().agent_instance_cls()
    state = {"observation_text": "q: ", "action_text": SAID, "label": None}
    result = asyncio.run(agent.step(state))
    assert result["rewards"].item() == pytest.approx(SUM)
    assert result["done"] is True
    assert result["environment_feedback"] == ""


def sample(**fields: Any) -> Any:
    status = SimpleNamespace(name=fields.pop("status", "COMPLETED"))
    return SimpleNamespace(**{"label": None, "metadata": {}, "status": status, **fields})


def test_slime_gets_a_number_or_one_a_sample() -> None:
    planted = Planted()
    one = sample(prompt=ASKED, response=SAID)
    rewarded = slime.reward(stepwise())
    assert asyncio.run(rewarded(None, one)) == pytest.approx(SUM)
    assert asyncio.run(rewarded(None, [one, one], evaluation=True)) == pytest.approx([SUM] * 2)
    laid = sample(prompt="<u>q<a>", response="x", metadata={"m": ASKED}, status="TRUNCATED")
    asyncio.run(slime.reward(planted)(None, laid))
    asyncio.run(slime.reward(planted, messages="m")(None, laid))
    first, second = (group.responses[0] for group in planted.groups)
    assert first.rendered == "<u>q<a>x"
    assert (second.rendered, second.finished) == (None, False)
    with pytest.raises(DataError, match="it asks"):
        asyncio.run(rewarded(None, sample(prompt="q", response="?")))


def test_nemo_gym_is_answered_with_its_request_and_the_reward(modules: Any) -> None:
    from fastapi import HTTPException
    from pydantic import BaseModel, ConfigDict

    class Request(BaseModel):
        responses_create_params: dict[str, Any]
        response: dict[str, Any]

    class Answer(Request):
        model_config = ConfigDict(extra="allow")
        reward: float

    modules(
        "nemo_gym.base_resources_server",
        BaseVerifyRequest=Request,
        BaseVerifyResponse=Answer,
        SimpleResourcesServer=object,
    )
    server = nemo_gym.resources_server(stepwise(), reference="expected_answer")
    asked = server.verify.__annotations__["body"]

    def body(text: str) -> Any:
        item = {"type": "message", "role": "assistant"}
        item |= {"content": [{"type": "output_text", "text": text}]}
        return asked(
            responses_create_params={"input": ASKED},
            response={"output": [item]},
            expected_answer="4",
        )

    answer = asyncio.run(server().verify(body(SAID)))
    assert (answer.reward, answer.expected_answer) == (pytest.approx(SUM), "4")
    with pytest.raises(HTTPException, match="it asks") as error:
        asyncio.run(server().verify(body("?")))
    assert error.value.status_code == 422


class VerifierFunction:
    """Of open_instruct.ground_truth_utils."""

    def __init__(self, name: str, weight: float = 1.0, verifier_config: Any = None) -> None:
        self.name, self.weight = name, weight


def test_open_instruct_finds_a_verifier_by_its_name(modules: Any) -> None:
    modules(
        "open_instruct.ground_truth_utils",
        VerifierFunction=VerifierFunction,
        VerificationResult=SimpleNamespace,
    )
    made = open_instruct.verifier("mine", stepwise(), weight=2.0)
    (found,) = [one for one in VerifierFunction.__subclasses__() if one is made]
    one = found(verifier_config=None)
    assert (one.name, one.weight) == ("mine", 2.0)
    assert one([1], SAID, label="4", query="2 + 2?").score == pytest.approx(SUM)
    with pytest.raises(DataError, match="it asks"):
        one([1], "?", label="4")
