"""Scores are the model's, whatever the batches; what cannot be scored says why."""

import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from assay.errors import ConfigError
from assay.models.checkpoint import save
from assay.models.reward_model import Batch
from assay.protocols import Scorer
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.training import planted


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def groups() -> list[Group]:
    """Responses of unlike lengths and numbers of steps."""
    return [
        Group(
            prompt=Prompt.of("q" * (1 + 3 * i)),
            responses=tuple(
                Response(steps=tuple("ab" * (1 + k) for k in range(j + 1))) for j in range(i + 1)
            ),
        )
        for i in range(4)
    ]


def scored(found: list[list[Score | Unscored]]) -> list[Score]:
    """All scores in a row; fails where one is missing."""
    flat = [score for group in found for score in group]
    assert all(isinstance(s, Score) for s in flat)
    return [s for s in flat if isinstance(s, Score)]


def test_is_a_scorer() -> None:
    assert isinstance(LocalScorer(planted.model()), Scorer)
    assert LocalScorer(planted.model()).score([]) == []


def test_texts_that_the_tokenizer_does_not_know_are_said_once() -> None:
    model = planted.model()
    model.encoder.tokenizer.unk_token = "a"
    scorer = LocalScorer(model)
    known, unknown = (
        [Group(prompt=Prompt.of("q"), responses=(Response.of(text),))] for text in ("b", "a" * 60)
    )
    scorer.score(known)
    with pytest.warns(UserWarning, match="of the tokens are 'a', the unknown token"):
        scorer.score(unknown)
    scorer.score(unknown)


@pytest.mark.parametrize("trains", ["preference", "outcome", "process", "implicit"])
def test_scores_do_not_depend_on_the_batches_or_the_order(trains: Any) -> None:
    model = (
        planted.learned(planted.implicit("outcome"))
        if trains == "implicit"
        else planted.model(trains)
    )
    expected = scored(LocalScorer(model).score(groups()))
    assert [len(s.steps) for s in expected] == [1, 1, 2, 1, 2, 3, 1, 2, 3, 4]
    for micro_tokens in (1, 40, 97):
        for a, b in zip(
            scored(LocalScorer(model, micro_tokens=micro_tokens).score(groups())),
            expected,
            strict=True,
        ):
            assert a.steps == pytest.approx(b.steps, abs=1e-6)
            assert a.value == pytest.approx(b.value, abs=1e-6)
    backwards = scored(LocalScorer(model).score(groups()[::-1]))
    assert sorted(s.value for s in backwards) == pytest.approx(
        sorted(s.value for s in expected), abs=1e-6
    )


def test_read_outs_by_hand() -> None:
    model = planted.model("process")
    group = Group(prompt=Prompt.of("q"), responses=(Response(steps=("a", "b")),))
    ((logits,),) = LocalScorer(model).logits([group])
    assert not isinstance(logits, Unscored)
    ((score,),) = LocalScorer(model).score([group])
    assert isinstance(score, Score)
    steps = [1 / (1 + math.exp(-x)) for x in logits]
    assert score.steps == pytest.approx(steps)
    assert score.value == pytest.approx(steps[0] * steps[1])
    ((raw,),) = LocalScorer(planted.model()).logits([group])
    ((score,),) = LocalScorer(planted.model()).score([group])
    assert isinstance(score, Score)
    assert not isinstance(raw, Unscored)
    assert score.value == raw[-1]


@pytest.mark.parametrize("link", ["sigmoid", "identity"])
def test_steps_scored_by_what_they_add_by_hand(link: Any) -> None:
    model = planted.learned(planted.implicit("outcome" if link == "sigmoid" else "preference"))
    group = Group(prompt=Prompt.of("q"), responses=(Response(steps=("a", "bc", "d")),))
    ((logits,),) = LocalScorer(model).logits([group])
    ((score,),) = LocalScorer(model).score([group])
    assert not isinstance(logits, Unscored)
    assert isinstance(score, Score)
    q1, q2, q3 = logits
    assert len({q1, q2, q3, 0.0}) == 4
    of = (lambda x: 1 / (1 + math.exp(-x))) if link == "sigmoid" else float
    assert score.steps == pytest.approx([of(q1), of(q2 - q1), of(q3 - q2)], abs=1e-12)
    assert score.value == pytest.approx(of(q3), abs=1e-12)
    # Any other aggregation is over the steps' own scores.
    readout = model.readout.model_copy(update={"aggregate": "min"})
    model.encoder = type(model.encoder)(model.encoder.tokenizer, model.layout, readout)
    ((score,),) = LocalScorer(model).score([group])
    assert isinstance(score, Score)
    assert score.value == min(score.steps)


@pytest.mark.parametrize("trains", ["preference", "outcome"])
def test_equals_the_stock_classifier_on_the_saved_folder(trains: Any, tmp_path: Path) -> None:
    model = planted.model(trains)
    save(model, tmp_path / "rm")
    ours = [s.value for s in scored(LocalScorer(tmp_path / "rm").score(groups()))]
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    for value, encoded in zip(
        ours,
        model.encoder.encode([(g.prompt, r) for g in groups() for r in g.responses]),
        strict=True,
    ):
        with torch.inference_mode():
            theirs = stock(torch.tensor([encoded.ids])).logits.squeeze()
        theirs = theirs.sigmoid() if trains == "outcome" else theirs
        assert value == pytest.approx(theirs.item(), abs=1e-5)


def test_too_long_is_unscored_and_never_truncated() -> None:
    group = Group(prompt=Prompt.of("q"), responses=(Response.of("ok"), Response.of("x" * 100)))
    ((short, long),) = LocalScorer(planted.model(max_length=20)).score([group])
    assert isinstance(short, Score)
    assert long == Unscored(reason="104 tokens > max_length 20")


def test_an_empty_response_is_scored_only_where_its_end_is_read() -> None:
    group = Group(prompt=Prompt.of("q"), responses=(Response.of(""), Response(steps=())))
    ((silent, none),) = LocalScorer(planted.model()).score([group])
    assert isinstance(silent, Score), "the end-of-sequence token is read"
    assert none == Unscored(reason="empty response")
    ((silent, _),) = LocalScorer(planted.model("process")).score([group])
    assert silent == Unscored(reason="empty response"), "only the prompt would be read"


def test_what_is_not_finite_is_unscored() -> None:
    model = planted.model()
    torch.nn.init.constant_(model.network.score.weight, float("inf"))
    ((score,),) = LocalScorer(model).score(
        [Group(prompt=Prompt.of("q"), responses=(Response.of("a"),))]
    )
    assert isinstance(score, Unscored)
    assert "not finite" in score.reason


def test_out_of_memory_halves_the_batch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = planted.model()
    expected = [s.value for s in scored(LocalScorer(model).score(groups()))]
    forward = type(model).forward

    def small(self: Any, batch: Batch, **settings: Any) -> torch.Tensor:
        if batch.ids_B_T.numel() > 60:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, batch, **settings)

    monkeypatch.setattr(type(model), "forward", small)
    with caplog.at_level(logging.WARNING):
        found = [s.value for s in scored(LocalScorer(model).score(groups()))]
    assert found == pytest.approx(expected, abs=1e-6)
    assert "going on with micro_tokens" in caplog.text


def test_a_sequence_that_does_not_fit_alone_is_unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("out of memory")

    model = planted.model()
    monkeypatch.setattr(type(model), "forward", never)
    found = LocalScorer(model).score(groups())
    assert all(
        isinstance(s, Unscored) and s.reason.startswith("out of memory at")
        for group in found
        for s in group
    )


def test_other_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("shapes differ")

    model = planted.model()
    monkeypatch.setattr(type(model), "forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        LocalScorer(model).score(groups())


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="micro_tokens is 0"):
        LocalScorer(planted.model(), micro_tokens=0)


def test_threads_that_share_a_scorer_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Branches of a search are remembered: two calls at once would read each other's."""
    scorer, running, most = LocalScorer(planted.model()), threading.Semaphore(0), []

    def run(groups: list[Group]) -> list[Any]:
        running.release()
        time.sleep(0.02)
        most.append(running._value)
        running.acquire()
        return [[] for _ in groups]

    monkeypatch.setattr(scorer, "_run", run)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(scorer.score, [[group] for group in groups()] * 2))
    assert most == [1] * 8
