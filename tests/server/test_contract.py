"""Every dialect gives the scores that each kind of scorer gives without a server."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from assay.models.checkpoint import wrap
from assay.models.layout import Layout
from assay.models.readout import Readout
from assay.protocols import Scorer
from assay.scorers.baselines import Longest
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.local import LocalScorer
from assay.scorers.verifier import Verified
from assay.specs.scorers import scorer as opened
from assay.types import Group, Message, Prompt, Response, Score, Unscored
from assay.verifiers.answers.numeric import Numeric
from tests.models import tiny
from tests.server.running import post, running
from tests.training import planted

# Texts of every kind go to every kind of model here.
pytestmark = pytest.mark.filterwarnings("ignore:a text that was laid out elsewhere")

CHAT = Layout(template="chat", max_length=96)
TAGGED = Readout(at="step_tag", tag="<step>", link="sigmoid", weights=(-1.0, 1.0), aggregate="min")
QUESTION, ANSWER = "What is 6 times 7?", "It is 42.\nThe answer is 42."
USER = Message(role="user", content=QUESTION)
BEFORE = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
"""What the chat template of the tiny tokenizers writes before an answer."""
AFTER = "<|im_end|>\n"


class Nothing:
    """Scores nothing."""

    fingerprint = "nothing"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[Unscored(reason="out of order") for _ in group.responses] for group in groups]


def characters(prompts: list[str], completions: list[str], **others: Any) -> list[float]:
    return [float(len(completion)) for completion in completions]


def chat_model(seed: int = 0) -> LocalScorer:
    return LocalScorer(
        wrap(tiny.network(seed=seed), tiny.tokenizer(), layout=CHAT, readout=Readout(), seed=seed)
    )


def tagged() -> LocalScorer:
    layout = Layout(close=False, max_length=96)
    words = tiny.tokenizer(extra=("<step>",))
    return LocalScorer(wrap(tiny.network(), words, layout=layout, readout=TAGGED))


def kinds() -> dict[str, Scorer]:
    both = (chat_model(), chat_model(1))
    return {
        "reward": chat_model(),
        "outcome": LocalScorer(planted.model("outcome", max_length=96)),
        "process": LocalScorer(planted.model("process", max_length=96)),
        "tagged": tagged(),
        "implicit": LocalScorer(planted.learned(planted.implicit("outcome", max_length=96))),
        "ensemble": Ensemble(both, standards=Standards.none(2)),
        "verifier": Verified(Numeric()),
        "longest": Longest(),
        "function": opened(characters),
        "nothing": Nothing(),
    }


@dataclass(frozen=True)
class Way:
    """How a stack asks about one response, and where the number stands in what comes back."""

    path: str
    body: Mapping[str, Any]
    number: Callable[[Any], float]
    laid_out: bool
    """Whether prompt and response are sent as one text."""
    logit: bool = True
    """Whether the number is a model's logit, else its score."""


MESSAGES = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
ITEMS = [{"type": "message", "role": "assistant", "content": ANSWER}]
TEXT = BEFORE + ANSWER + AFTER
WAYS = {
    "assay": Way(
        "/v1/score", {"prompt": QUESTION, "responses": [ANSWER], "reference": "42"},
        lambda found: found["scores"][0]["value"], False, False,
    ),
    "vllm": Way("/classify", {"input": TEXT}, lambda found: found["data"][0]["probs"][-1], True),
    "vllm chat": Way(
        "/classify", {"messages": MESSAGES}, lambda found: found["data"][0]["probs"][-1], False
    ),
    "pooling": Way(
        "/pooling", {"messages": MESSAGES, "task": "classify"},
        lambda found: found["data"][0]["data"][-1], False,
    ),
    "sglang": Way("/classify", {"text": TEXT}, lambda found: found["embedding"][-1], True),
    "verl": Way(
        "/v1/embeddings", {"input": TEXT}, lambda found: found["data"][0]["embedding"][-1], True
    ),
    "sglang score": Way(
        "/v1/score", {"query": BEFORE, "items": [ANSWER + AFTER]},
        lambda found: found["scores"][0][-1], True,
    ),
    "llama factory": Way(
        "/v1/score/evaluation", {"messages": [TEXT]}, lambda found: found["scores"][0], True
    ),
    "openrlhf": Way(
        "/get_reward", {"query": [TEXT], "prompts": [BEFORE], "labels": ["42"]},
        lambda found: found["rewards"][0], True, False,
    ),
    "slime": Way(
        "/slime", {"prompt": BEFORE, "response": ANSWER + AFTER, "label": "42"},
        lambda found: found, True, False,
    ),
    "slime chat": Way(
        "/slime", {"prompt": MESSAGES[:1], "response": ANSWER + AFTER, "label": 42},
        lambda found: found, False, False,
    ),
    "nemo gym": Way(
        "/verify",
        {"responses_create_params": {"input": QUESTION}, "response": {"output": ITEMS},
         "expected_answer": "42"},
        lambda found: found["reward"], False, False,
    ),
    "nemo gym compare": Way(
        "/compare",
        {"conversation_history": MESSAGES[:1], "response_objs": [{"output": ITEMS}]},
        lambda found: found["rewards"][0], False, False,
    ),
    "tei": Way(
        "/predict", {"inputs": [QUESTION, ANSWER], "raw_scores": True},
        lambda found: found[0]["score"], False,
    ),
}  # fmt: skip
NO_REFERENCE = {"vllm", "vllm chat", "pooling", "sglang", "verl", "sglang score", "llama factory",
                "nemo gym compare", "tei"}  # fmt: skip
"""Dialects that have no place for a reference answer."""


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, dict[str, Scorer]]]:
    torch.set_num_threads(1)
    scorers = kinds()
    with running(scorers, wait_s=0.0) as url:
        yield url, kinds()


def expected(way: str, scorer: Scorer) -> float | str:
    """The number without a server, or why there is none."""
    asked = WAYS[way]
    right = None if way in NO_REFERENCE else "42"
    response = Response(steps=(ANSWER,), rendered=TEXT if asked.laid_out else None)
    group = Group(prompt=Prompt(messages=(USER,), reference=right), responses=(response,))
    (score,) = scorer.score([group])[0]
    if isinstance(score, Unscored):
        return score.reason
    if isinstance(scorer, LocalScorer) and asked.logit and scorer.readout.aggregate == "last":
        logits = scorer.logits([group])[0][0]
        assert not isinstance(logits, Unscored)
        return logits[-1]
    return score.value


@pytest.mark.parametrize("way", WAYS)
def test_a_dialect_gives_what_every_scorer_gives(
    served: tuple[str, dict[str, Scorer]], way: str
) -> None:
    url, scorers = served
    asked = WAYS[way]
    for name, scorer in scorers.items():
        answer = post(f"{url}/models/{name}{asked.path}", asked.body)
        wanted = expected(way, scorer)
        if isinstance(wanted, str) and way == "assay":
            assert answer.json()["scores"] == [{"unscored": wanted}], name
        elif isinstance(wanted, str):
            assert answer.status_code == 422, (name, answer.text)
            assert wanted in answer.json()["error"]["message"]
        else:
            assert answer.status_code == 200, (name, answer.text)
            assert asked.number(answer.json()) == pytest.approx(wanted, abs=1e-5), name


def test_what_each_scorer_refuses_is_what_it_should(
    served: tuple[str, dict[str, Scorer]],
) -> None:
    _, scorers = served
    refused = {
        name: {way for way in WAYS if isinstance(expected(way, scorer), str)}
        for name, scorer in scorers.items()
    }
    laid_out = {way for way, asked in WAYS.items() if asked.laid_out}
    assert refused == {
        "reward": set(),
        "outcome": set(),
        "process": set(),
        "tagged": laid_out,  # the text holds no step tag
        "implicit": laid_out,  # it has to know where the response starts
        "ensemble": set(),
        "verifier": NO_REFERENCE,
        "longest": set(),
        "function": set(),
        "nothing": set(WAYS),
    }


def test_a_text_a_chat_and_token_ids_are_one(served: tuple[str, dict[str, Scorer]]) -> None:
    url, _ = served
    at = f"{url}/models/reward/classify"
    text = post(at, {"input": TEXT, "return_token_ids": True}).json()["data"][0]
    chat = post(at, {"messages": MESSAGES, "return_token_ids": True}).json()["data"][0]
    ids = post(at, {"input": text["token_ids"], "return_token_ids": True}).json()["data"][0]
    assert text == chat == ids
    twice = post(at, {"input": "<|im_start|>" + TEXT, "return_token_ids": True}).json()
    assert twice["data"][0]["token_ids"] == [text["token_ids"][0], *text["token_ids"]]


def test_token_ids_are_read_by_models_alone(served: tuple[str, dict[str, Scorer]]) -> None:
    url, scorers = served
    for name in scorers:
        status = post(f"{url}/models/{name}/classify", {"input": [1, 5, 3]}).status_code
        assert (status == 200) == (name in ("reward", "outcome", "process")), name
    unknown = post(f"{url}/models/reward/classify", {"input": [1, 100_000]})
    assert unknown.status_code == 422
    assert "no row" in unknown.json()["error"]["message"]


def test_step_scores_are_the_models(served: tuple[str, dict[str, Scorer]]) -> None:
    url, scorers = served
    text = f"{QUESTION}\nOne.<step> Two.<step>"
    response = Response(steps=("",), rendered=text)
    (score,) = scorers["tagged"].score([Group(prompt=Prompt.of(""), responses=(response,))])[0]
    assert isinstance(score, Score)
    assert len(score.steps) == 2
    body = {"input": text, "use_activation": True}
    rows = post(f"{url}/models/tagged/pooling", body).json()["data"][0]["data"]
    assert [row[1] for row in rows] == pytest.approx(score.steps, abs=1e-5)
    assert [sum(row) for row in rows] == pytest.approx([1, 1])
    body = {"query": f"{QUESTION}\n", "items": ["One.<step> Two.<step>", "One.<step>"]}
    found = post(
        f"{url}/models/tagged/v1/score", {**body, "score_extraction_token": "<step>"}
    ).json()["scores"]
    assert [1 / (1 + math.exp(-row[0])) for row in found[0]] == pytest.approx(score.steps, abs=1e-5)
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)


def test_samples_that_come_one_by_one_are_scored_as_one_group(
    served: tuple[str, dict[str, Scorer]],
) -> None:
    url, scorers = served
    answers = [f"{ANSWER}{'!' * i}" for i in range(16)]
    responses = tuple(Response(steps=(a,), rendered=BEFORE + a + AFTER) for a in answers)
    group = Group(prompt=Prompt(messages=(USER,)), responses=responses)
    wanted = [score.value for score in scorers["reward"].score([group])[0] if score]
    bodies = [{"query": [BEFORE + a + AFTER], "prompts": [BEFORE]} for a in answers]
    with ThreadPoolExecutor(16) as pool:
        at = f"{url}/models/reward/get_reward"
        found = list(pool.map(lambda body: post(at, body).json()["rewards"][0], bodies))
    assert found == pytest.approx(wanted, abs=1e-5)
