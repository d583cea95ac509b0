"""The scorer shares what may be shared, and says the same as one that shares nothing."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from assay.models.layout import Layout
from assay.models.reward_model import RewardModel
from assay.packing.engine import Engine
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.training import planted

SHARED = Engine("packed", "", token_cost=1e12, piece_cost=1.0)
"""Finds everything worth sharing, also on tiny models."""

PLAIN = replace(SHARED, path="plain")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def model(engine: Engine, trains: Any = "process") -> RewardModel:
    if trains == "implicit":
        found = planted.learned(planted.implicit("outcome", max_length=96))
    else:
        found = planted.model(trains, max_length=96)
    found.forced = engine
    return found


def groups(finished: bool = True) -> list[Group]:
    """Prompts of several lengths; responses that share steps with each other, repeat, or hold
    nothing."""
    steps = ("one ", "two two ", "three ", "four four four ")
    return [
        Group(
            prompt=Prompt.of("question " * (i + 1)),
            responses=tuple(
                Response(steps=(*steps[:j], *last), finished=finished)
                for j in range(4)
                for last in [("end",), (f"{j}{i}", "x"), ("end",)]
            ),
        )
        for i in range(4)
    ]


def values(scorer: LocalScorer, asked: list[Group]) -> list[float]:
    found = [x for group in scorer.score(asked) for x in group]
    assert all(isinstance(x, Score) for x in found)
    return [v for x in found if isinstance(x, Score) for v in (x.value, *x.steps)]


def tokens_run(model: RewardModel, run: Callable[[], Any]) -> int:
    """Tokens that go through the backbone meanwhile."""
    count = 0

    def note(_: Any, __: Any, settings: dict[str, Any]) -> None:
        nonlocal count
        count += settings["input_ids"].numel()

    hook = model.backbone.register_forward_pre_hook(note, with_kwargs=True)
    run()
    hook.remove()
    return count


@pytest.mark.parametrize("trains", ["preference", "process", "implicit"])
@pytest.mark.parametrize(
    ("path", "micro_tokens", "finished"),
    [
        ("packed", 1, True),
        ("packed", 30, False),
        ("packed", 8192, True),
        ("expand", 30, True),
        ("expand", 200, False),
    ],
)
def test_sharing_changes_no_score(
    trains: Any, path: Any, micro_tokens: int, finished: bool
) -> None:
    expected = values(LocalScorer(model(PLAIN, trains)), groups(finished))
    shared = LocalScorer(model(replace(SHARED, path=path), trains), micro_tokens=micro_tokens)
    assert values(shared, groups(finished)) == pytest.approx(expected, abs=1e-5)


def test_a_prompt_goes_through_the_model_once_even_in_parts() -> None:
    asked = groups()[-1:]
    for micro_tokens in (40, 8192):
        shared = LocalScorer(model(SHARED), micro_tokens=micro_tokens)
        sequences = shared.model.encoder.encode([(asked[0].prompt, r) for r in asked[0].responses])
        run = tokens_run(shared.model, lambda s=shared: s.score(asked))
        longest = max(len(s.ids) for s in sequences)
        assert run < longest + sum(len(s.ids) - s.start for s in sequences)
    plain = LocalScorer(model(PLAIN))
    assert tokens_run(plain.model, lambda: plain.score(asked)) > 2 * run


def test_an_implicit_model_runs_a_prompt_once_too() -> None:
    asked = groups()[-1:]
    shared, plain = (LocalScorer(model(engine, "implicit")) for engine in (SHARED, PLAIN))
    shared.score(asked)  # How its logits are made is tried once.
    sequences = shared.model.encoder.encode([(asked[0].prompt, r) for r in asked[0].responses])
    run = tokens_run(shared.model, lambda: shared.score(asked))
    assert run < max(len(s.ids) for s in sequences) + sum(len(s.ids) - s.start for s in sequences)
    assert tokens_run(plain.model, lambda: plain.score(asked)) > 2 * run


def test_a_search_pays_for_its_new_tokens_only() -> None:
    scorer = LocalScorer(model(SHARED))
    plain = LocalScorer(model(PLAIN))
    prompt, steps = (
        Prompt.of("a long question that is asked once"),
        ["first ", "second ", "third ", "fourth "],
    )
    for depth in range(1, 5):
        group = Group(
            prompt=prompt,
            responses=tuple(
                Response(steps=(*steps[: depth - 1], last), finished=False)
                for last in ("bad ", steps[depth - 1])
            ),
        )
        expected = values(plain, [group])
        sequences = scorer.model.encoder.encode([(prompt, r) for r in group.responses])
        run = tokens_run(scorer.model, lambda g=group: values(scorer, [g]))
        new = sum(len(r.steps[-1]) for r in group.responses)
        assert run <= new + (sequences[0].start if depth == 1 else 0)
        assert values(scorer, [group]) == pytest.approx(expected, abs=1e-5)
        assert tokens_run(scorer.model, lambda g=group: scorer.score([g])) == 0


def test_what_is_remembered_is_forgotten_when_the_model_learns() -> None:
    scorer, group = LocalScorer(model(SHARED)), groups(finished=False)[0]
    before = values(scorer, [group])
    with torch.no_grad():
        next(scorer.model.backbone.parameters()).add_(0.5)
    fresh = values(LocalScorer(scorer.model), [group])
    assert values(scorer, [group]) == pytest.approx(fresh, abs=1e-6)
    assert fresh != pytest.approx(before, abs=1e-3)


@pytest.mark.parametrize("how", ["fused", "data", "autocast"])
def test_changes_that_leave_no_version_are_seen(how: str) -> None:
    """A fused optimiser and a write to `.data` do not raise a tensor's version."""
    scorer, group = LocalScorer(model(SHARED)), groups(finished=False)[0]
    before = values(scorer, [group])
    weights = list(scorer.model.backbone.parameters())
    if how == "fused":
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        torch.optim.AdamW(weights, lr=0.05, fused=True).step()
    elif how == "data":
        weights[0].data.add_(0.5)
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        fresh = values(LocalScorer(scorer.model), [group])
        assert values(scorer, [group]) == pytest.approx(fresh, abs=1e-6)
    assert fresh != pytest.approx(before, abs=1e-6)


def test_tiny_models_do_not_remember() -> None:
    scorer = LocalScorer(model(replace(SHARED, token_cost=1e3, piece_cost=4e6)))
    scorer.score(groups(finished=False))
    assert not scorer.memory._known


def test_memory_is_bounded() -> None:
    scorer = LocalScorer(model(SHARED), remember=150)
    for group in groups(finished=False) * 2:
        scorer.score([group])
        held = {id(b): len(b.hidden_U_D) for known in scorer.memory._known for b, _ in known.path}
        assert sum(held.values()) <= 150


def test_out_of_memory_splits_a_group(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scorer, asked = LocalScorer(model(SHARED)), groups()
    expected = values(scorer, asked)
    backbone = type(scorer.model.backbone)
    forward = backbone.forward

    def small(self: Any, input_ids: torch.Tensor, **settings: Any) -> Any:
        if input_ids.numel() > 50:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, input_ids=input_ids, **settings)

    monkeypatch.setattr(backbone, "forward", small)
    with caplog.at_level(logging.WARNING):
        assert values(scorer, asked) == pytest.approx(expected, abs=1e-5)
    assert "going on with micro_tokens" in caplog.text
    assert scorer.budget.micro_tokens < 8192


def test_one_group_that_does_not_fit_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scorer = LocalScorer(model(SHARED))
    small = groups()
    expected = values(scorer, small)
    large = Group(
        prompt=Prompt.of("q"), responses=(Response.of("a" * 90), Response.of("b"), Response.of("c"))
    )
    forward = type(scorer.model.backbone).forward
    token = scorer.model.encoder.tokenizer("a").input_ids[-1]

    def limited(self: Any, input_ids: torch.Tensor, **settings: Any) -> Any:
        if (input_ids == token).sum() > 60:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, input_ids=input_ids, **settings)

    monkeypatch.setattr(type(scorer.model.backbone), "forward", limited)
    (found, *others) = scorer.score([large, *small])
    assert isinstance(found[0], Unscored)
    assert all(isinstance(score, Score) for score in found[1:])
    assert all(isinstance(score, Score) for row in others for score in row)
    assert values(scorer, small) == pytest.approx(expected, abs=1e-5)
    assert scorer.budget.micro_tokens > 64


def test_one_too_long_response_leaves_the_others_shared() -> None:
    scorer = LocalScorer(model(SHARED))
    group = Group(
        prompt=Prompt.of("q"),
        responses=(Response.of("a" * 200), Response.of("b"), Response.of("c")),
    )
    (found,) = scorer.score([group])
    assert isinstance(found[0], Unscored)
    assert all(isinstance(x, Score) for x in found[1:])


def test_the_layout_keeps_the_tokens_of_what_is_extended() -> None:
    """Else nothing could be remembered: the ids of a branch begin those of its extensions."""
    for layout in (Layout(close=True), Layout(template="chat", close=True)):
        encoder = planted.model().encoder
        encoder = type(encoder)(encoder.tokenizer, layout, encoder.readout)
        short, long = encoder.encode(
            [(Prompt.of("q"), Response(steps=s, finished=False)) for s in (("a ",), ("a ", "b"))]
        )
        assert long.ids[: len(short.ids)] == short.ids
