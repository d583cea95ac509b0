"""Planted faults of servers are found and named; an honest server is said to be one."""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
import torch

from assay.cli import main
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PREFERENCE, Readout
from assay.scorers.local import LocalScorer
from assay.types import Group, Preference, Prompt, Response, Score
from assay.workflows.serve_check import ServeCheck, serve_check
from tests.models import tiny
from tests.server.answering import answering
from tests.server.running import running

Ids = list[int]


@pytest.fixture(scope="module")
def local() -> LocalScorer:
    return made(PREFERENCE)


def made(readout: Readout) -> LocalScorer:
    extra = (readout.tag,) if readout.tag else ()
    tokenizer = tiny.tokenizer(extra=extra, chat_template=tiny.CHATML)
    layout = Layout(template="chat", max_length=350)
    model = checkpoint.wrap(tiny.network(), tokenizer, layout=layout, readout=readout, seed=3)
    return LocalScorer(model)


class Fake:
    """vLLM's and SGLang's /classify and vLLM's /pooling over a model, with a fault in it."""

    def __init__(
        self,
        local: LocalScorer,
        *,
        of_ids: Callable[[Ids], Ids] = lambda ids: ids,
        of_texts: Callable[[Ids], Ids] = lambda ids: ids,
        of_logits: Callable[[list[float]], list[float]] = lambda row: row,
        template: str | None = None,
        counts: bool = True,
    ) -> None:
        self.local, self.of_ids, self.of_texts = local, of_ids, of_texts
        self.of_logits, self.template, self.counts = of_logits, template, counts
        self.lock = Lock()

    def __call__(self, body: Any) -> tuple[int, Any]:
        with self.lock:
            ids = self.of_ids(self.ids(body))
            made = Response(steps=("",), rendered=tuple(ids))
            (row,) = self.local.logits([Group(prompt=Prompt.of(""), responses=(made,))])
        assert isinstance(row[0], tuple), row
        numbers = self.of_logits(list(row[0]))
        usage = {"prompt_tokens": len(ids)} if self.counts else {}
        if body.get("task") == "token_classify":
            return 200, {"data": [{"data": [[x] for x in numbers]}], "usage": usage}
        if "input_ids" in body or "text" in body:
            return 200, [{"embedding": [numbers[-1]], "meta_info": usage}]
        if "query" in body:
            return 200, {"rewards": [numbers[-1]], "scores": [0.5], "extra_logs": {}}
        return 200, {"data": [{"probs": [numbers[-1]], "num_classes": 1}], "usage": usage}

    def ids(self, body: Any) -> Ids:
        tokenizer = self.local.model.encoder.tokenizer
        if "messages" in body:
            text = tokenizer.apply_chat_template(
                body["messages"], tokenize=False, chat_template=self.template
            )
            return self.of_texts(tokenizer(text, add_special_tokens=False)["input_ids"])
        given = body.get("input_ids") or body.get("input") or body.get("text") or body["query"][0]
        if isinstance(given, str):
            return self.of_texts(tokenizer(given, add_special_tokens=False)["input_ids"])
        return list(given)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def found(
    local: LocalScorer, dialect: str = "vllm", send: Sequence[str] = (), **fault: Any
) -> ServeCheck:
    with answering(Fake(local, **fault)) as url:
        return serve_check(url, model=local, dialect=dialect, send=send)


def findings(check: ServeCheck) -> dict[str, str]:
    return {way.way: " ".join(way.findings) for way in check.ways}


@pytest.mark.parametrize("dialect", ["vllm", "sglang", "openrlhf"])
def test_an_honest_server_is_said_to_be_one(local: LocalScorer, dialect: str) -> None:
    check = found(local, dialect)
    assert check.same, str(check)
    assert all(way.compared >= 12 and way.flips == way.tied == 0 for way in check.ways)
    assert "scores as the model here does" in str(check)


def test_steps_of_an_honest_server_are_compared_too() -> None:
    local = made(Readout(at="step_tag", tag="<|step|>", link="sigmoid", aggregate="min"))
    assert found(local, "vllm-steps").same
    check = found(local, "vllm-steps", of_logits=lambda row: [sigmoid(x) for x in row])
    assert all("sigmoid" in words for words in findings(check).values())
    check = found(local, "vllm-steps", of_logits=lambda row: row[1:] or row)
    assert "steps" in findings(check)["ids"]


BOS = 0
FAULTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "sigmoid": (
        {"of_logits": lambda row: [sigmoid(x) for x in row]},
        {"ids": "sigmoid of the logit", "text": "sigmoid of the logit"},
    ),
    "softmax": (
        {"of_logits": lambda row: [1.0 for _ in row]},
        {"ids": "softmax over one output", "text": "softmax over one output"},
    ),
    "affine": (
        {"of_logits": lambda row: [2 * x - 0.5 for x in row]},
        {"ids": "2 x -0.5 of the logit"},
    ),
    "sigmoid of a shifted logit": (
        {"of_logits": lambda row: [sigmoid((x - 0.3) / 0.5) for x in row]},
        {"ids": "2 x -0.6 of the logit"},
    ),
    "bos twice where texts are sent": (
        {"of_texts": lambda ids: [BOS, *ids]},
        {"ids": "", "text": "two beginning-of-sequence tokens", "messages": "two beginning-of"},
    ),
    "bos twice always, and a sigmoid": (
        {
            "of_ids": lambda ids: [BOS, *ids],
            "of_logits": lambda row: [sigmoid(x) for x in row],
            "counts": False,
        },
        {"ids": "two beginning-of-sequence tokens"},
    ),
    "no end": ({"of_texts": lambda ids: ids[:-1]}, {"ids": "", "text": "no last token"}),
    "cut off, counted": ({"of_ids": lambda ids: ids[:200]}, {"ids": "first 200 tokens"}),
    "cut off on the left": (
        {"of_ids": lambda ids: ids[-256:], "counts": False},
        {"ids": "last 256 tokens"},
    ),
    "cut off anywhere": (
        {"of_ids": lambda ids: ids[:222], "counts": False},
        {"ids": "long ones are cut off"},
    ),
    "another template": (
        {
            "template": "{% for m in messages %}<|im_start|>[{{ m.role }}]: {{ m.content }}"
            "<|im_end|>\n{% endfor %}"
        },
        {"ids": "", "text": "", "messages": "laid out by another template"},
    ),
    "other weights": (
        {"of_logits": lambda row: [math.sin(1e4 * x) for x in row]},
        {"ids": "other weights"},
    ),
}


@pytest.mark.filterwarnings("ignore:a text that was laid out elsewhere")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_where_it_is(local: LocalScorer, fault: str) -> None:
    planted, expected = FAULTS[fault]
    check = found(local, send=[*expected], **planted)
    words = findings(check)
    for way, said in expected.items():
        assert (said in words[way]) if said else not words[way], f"{way}: {words}"
    assert not check.same


def test_another_precision_is_noise_of_a_size(local: LocalScorer) -> None:
    rounded = LocalScorer(copy.deepcopy(local.model).to(torch.bfloat16))
    with answering(Fake(rounded)) as url:
        check = serve_check(url, model=local, dialect="vllm")
        assert all("another precision" in words for words in findings(check).values()), str(check)
        assert 1e-4 < check.ways[0].largest < 0.2
        assert serve_check(url, model=local, dialect="vllm", tolerance=0.2).same


def test_refusals_are_counted_with_their_reason(local: LocalScorer) -> None:
    fake = Fake(local)

    def answer(body: Any) -> tuple[int, Any]:
        if "input" in body and len(fake.ids(body)) > 200:
            return 400, {"error": {"message": "longer than the model's 200 tokens"}}
        return fake(body)

    with answering(answer) as url:
        check = serve_check(url, model=local, dialect="vllm", send=["ids"])
    (way,) = check.ways
    assert "have no score: refused: 400" in way.findings[0]
    assert way.compared >= 10
    assert way.largest < 1e-4


@pytest.mark.filterwarnings("ignore:a text that was laid out elsewhere")
def test_our_own_server_is_checked_with_its_tokens(
    local: LocalScorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(local.model, tmp_path / "rm")
    with running({"rm": local}) as url:
        assert serve_check(url, model=str(tmp_path / "rm"), data=[preference()], limit=2).same
        main(["serve", "check", url, "--model", str(tmp_path / "rm")])
    other = LocalScorer(
        checkpoint.wrap(
            copy.deepcopy(local.model.network),
            local.model.encoder.tokenizer,
            layout=Layout(template="plain", max_length=350),
            readout=PREFERENCE,
            head=local.model.network.score.weight.detach(),
        )
    )
    with running({"rm": other}) as url:
        check = serve_check(url, model=local)
        words = findings(check)["conversation"]
        assert "without the chat template" in words
        assert "read as other tokens" in words
        with pytest.raises(SystemExit) as ended:
            main(["serve", "check", url, "--model", str(tmp_path / "rm")])
        assert ended.value.code == 1
        assert "without the chat template" in capsys.readouterr().out


def preference() -> Preference:
    responses = (Response.of("yes"), Response.of("no"))
    return Preference(prompt=Prompt.of("Is it?"), responses=responses, prefer=1.0)


def test_a_model_read_through_a_sigmoid_knows_logits_from_shares() -> None:
    class Logits:
        def __init__(self, inner: LocalScorer) -> None:
            self.inner = inner

        def score(self, groups: Any) -> list[list[Score]]:
            return [[Score(value=row[0][-1])] for row in self.inner.logits(groups)]

    local = made(Readout(link="sigmoid"))
    with running({"rm": local}) as url:
        assert serve_check(url, model=local).same
    with running({"rm": Logits(local)}) as url:
        assert (
            "the model's scores are probabilities"
            in findings(serve_check(url, model=local))["conversation"]
        )
