import numpy as np
import torch

from assay.worlds.arithmetic.checker import Checker
from assay.worlds.arithmetic.grammar import Grammar
from assay.worlds.arithmetic.task import ANSWER, split_steps, step_text
from assay.worlds.arithmetic.tokenizer import (
    BOS,
    COLON,
    DIGIT,
    EOS,
    OP,
    RESULT,
    SUM,
    VOCABULARY,
    make_tokenizer,
)

EVERY_STEP = {step_text(op, result) for op in range(ANSWER + 1) for result in range(10)}


def _walk(count: int, seed: int, steps: int, no_answer: bool = False) -> list[list[int]]:
    """Random walks that the grammar allows."""
    rng, grammar = np.random.default_rng(seed), Grammar(steps)
    ids = torch.tensor([[BOS, SUM, DIGIT + 3, DIGIT + 5, COLON]] * count)
    for _ in range(2 * steps + 1):
        scores = torch.zeros(count, len(VOCABULARY))
        if no_answer:
            scores[:, OP + ANSWER] = -torch.inf
        weights = grammar(ids, scores).exp().numpy()
        token = [rng.choice(len(VOCABULARY), p=row / row.sum()) for row in weights]
        ids = torch.cat([ids, torch.tensor(token)[:, None]], dim=1)
    return ids[:, 5:].tolist()


def test_whatever_is_sampled_parses() -> None:
    tokenizer = make_tokenizer()
    for ids in _walk(300, seed=0, steps=12):
        text = tokenizer.decode(ids, skip_special_tokens=True)
        steps = split_steps(text)
        assert set(steps) <= EVERY_STEP
        assert 1 <= len(steps) <= 12
        assert ids[2 * len(steps) :] == [EOS] * (25 - 2 * len(steps))
        assert Checker().extract(text) is not None or len(steps) == 12


def test_without_an_answer_the_last_step_is_the_end() -> None:
    for ids in _walk(20, seed=1, steps=3, no_answer=True):
        assert ids[6] == EOS
        assert all(RESULT <= i < RESULT + 10 for i in ids[1:6:2])


def test_allowed_scores_stay_as_they_are() -> None:
    scores = torch.randn(1, len(VOCABULARY))
    after = Grammar()(torch.tensor([[COLON, OP + 3]]), scores)
    results = slice(RESULT, RESULT + 10)
    assert torch.equal(after[:, results], scores[:, results])
    after[:, results] = -torch.inf
    assert (after == -torch.inf).all()
