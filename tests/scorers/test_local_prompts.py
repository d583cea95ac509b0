"""Samples of one prompt that come in several calls run it once, and score as if they came alone."""

import random
from functools import partial
from typing import Any

import pytest
import torch

from assay.errors import ConfigError
from assay.packing.engine import Engine
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.scorers.test_local_shared import PLAIN, SHARED, groups, model, tokens_run, values


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def one_by_one(asked: list[Group]) -> list[Group]:
    """Every response in a group of its own, in random order."""
    singles = [Group(prompt=g.prompt, responses=(r,)) for g in asked for r in g.responses]
    random.Random(0).shuffle(singles)
    return singles


def scored(row: list[Score | Unscored]) -> list[Score]:
    assert all(isinstance(score, Score) for score in row)
    return [score for score in row if isinstance(score, Score)]


def as_given(scorer: LocalScorer, asked: list[Group]) -> list[Group]:
    """The same token ids, of which nobody says where the prompt ends."""
    pairs = [(group.prompt, r) for group in asked for r in group.responses]
    return [
        Group(prompt=Prompt(messages=()), responses=(Response(steps=(), rendered=made.ids),))
        for made in scorer.model.encoder.encode(pairs)
    ]


@pytest.mark.parametrize("trains", ["preference", "process", "implicit"])
@pytest.mark.parametrize("prompts", [0, 60, 10_000])
@pytest.mark.parametrize("at_once", [1, 7])
def test_no_score_depends_on_what_is_remembered(trains: Any, prompts: int, at_once: int) -> None:
    singles = one_by_one(groups())
    expected = values(LocalScorer(model(PLAIN, trains)), singles)
    scorer = LocalScorer(model(SHARED, trains), prompts=prompts)
    found = []
    for start in range(0, len(singles), at_once):
        found += values(scorer, singles[start : start + at_once])
    assert found == pytest.approx(expected, abs=1e-5)
    assert bool(scorer.tokens_spared) == (prompts > 0 and trains != "implicit")


def test_a_prompt_is_run_once_over_all_calls() -> None:
    asked = groups()
    scorer = LocalScorer(model(SHARED), prompts=10_000)
    encode = scorer.model.encoder.encode
    sequences = encode([(group.prompt, r) for group in asked for r in group.responses])
    run = 0
    for single in one_by_one(asked):
        run += tokens_run(scorer.model, partial(scorer.score, [single]))
    prompts = sum({s.ids[: s.start]: s.start for s in sequences}.values())
    own = sum(len(s.ids) - s.start for s in sequences)
    # Prompts share their own beginnings, too.
    assert own < run <= own + prompts
    assert scorer.tokens_read == run
    assert run + scorer.tokens_spared == sum(len(s.ids) for s in sequences)


def test_texts_that_do_not_say_where_the_prompt_ends_share_it_too() -> None:
    scorer = LocalScorer(model(SHARED, "preference"), prompts=10_000)
    asked = groups()
    plain = LocalScorer(model(PLAIN, "preference"))
    expected = [score.value for row in plain.score(asked) for score in scored(row)]
    given = as_given(scorer, asked)
    found = [scored(scorer.score([group])[0])[0].value for group in given]
    assert found == pytest.approx(expected, abs=1e-5)
    sizes = sum(len(group.responses[0].rendered or ()) for group in given)
    assert scorer.tokens_read < sizes / 2
    again = tokens_run(scorer.model, lambda: scorer.score(given))
    assert again == 0


def test_no_more_tokens_are_held_than_asked_for_and_no_responses() -> None:
    scorer = LocalScorer(model(SHARED), prompts=90)
    for single in one_by_one(groups()):
        scorer.score([single])
        held = {id(b): len(b.hidden_U_D) for known in scorer.prompts._known for b, _ in known.path}
        assert 0 < sum(held.values()) <= 90
        starts = scorer.model.encoder.encode([(single.prompt, single.responses[0])])[0].start
        assert any(len(known.ids) == starts for known in scorer.prompts._known)


def test_a_changed_model_forgets_its_prompts() -> None:
    scorer, group = LocalScorer(model(SHARED), prompts=10_000), groups()[0]
    before = values(scorer, [group])
    with torch.no_grad():
        next(scorer.model.backbone.parameters()).add_(0.5)
    fresh = values(LocalScorer(scorer.model), [group])
    assert values(scorer, [group]) == pytest.approx(fresh, abs=1e-6)
    assert fresh != pytest.approx(before, abs=1e-3)


@pytest.mark.parametrize("engine", [PLAIN, Engine("packed", "", token_cost=1e3, piece_cost=4e6)])
def test_nothing_is_remembered_where_it_does_not_pay(engine: Engine) -> None:
    scorer = LocalScorer(model(engine), prompts=10_000)
    scorer.score(groups())
    assert not scorer.prompts._known


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="prompts -1"):
        LocalScorer(model(PLAIN), prompts=-1)


def test_memory_that_runs_out_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, asked = LocalScorer(model(SHARED), prompts=10_000), groups()
    expected = values(scorer, asked)
    backbone = type(scorer.model.backbone)
    forward, full = backbone.forward, [True]

    def once(self: Any, input_ids: torch.Tensor, **settings: Any) -> Any:
        if full.pop():
            full.append(False)
            raise torch.OutOfMemoryError("out of memory")
        assert not scorer.prompts._known
        monkeypatch.setattr(backbone, "forward", forward)
        return forward(self, input_ids=input_ids, **settings)

    monkeypatch.setattr(backbone, "forward", once)
    assert values(scorer, asked) == pytest.approx(expected, abs=1e-5)
