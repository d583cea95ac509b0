from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from assay.engines.hf import HuggingFace, _choose
from assay.errors import BackendError, ConfigError
from assay.models.layout import Layout
from assay.protocols import Generator, Prefix, Sampling
from assay.types import Prompt, Response
from tests.models import tiny

PROMPTS = [Prefix(Prompt.of(t)) for t in ("What is 2 + 2?", "Hi", "A longer question, about nothing at all")]


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    # In float64, batching changes nothing that sampling could notice.
    return tiny.causal(request.param, initializer_range=0.3).double()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny.tokenizer()


def engine(model: Any, tokenizer: Any, **settings: Any) -> HuggingFace:
    return HuggingFace(model, tokenizer, layout=settings.pop("layout", Layout(template="chat")), **settings)


def texts(responses: list[list[Response]]) -> list[list[str]]:
    return [[r.text for r in group] for group in responses]


def greedy(model: Any, generator: HuggingFace, prefix: Prefix, count: int) -> tuple[str, bool]:
    """The text and whether it ended, by one plain forward pass a token."""
    (start,) = generator.encoder.encode([(prefix.prompt, Response(steps=prefix.steps, finished=False))])
    new: list[int] = []
    for _ in range(count):
        with torch.no_grad():
            new.append(int(model(torch.tensor([[*start.ids, *new]])).logits[0, -1].argmax()))
        if new[-1] in generator.stops:
            return generator.encoder.tokenizer.decode(new[:-1], skip_special_tokens=True), True
    return generator.encoder.tokenizer.decode(new, skip_special_tokens=True), False


def test_greedy_is_the_argmax_of_plain_forward_passes(model: Any, tokenizer: Any) -> None:
    generator = engine(model, tokenizer)
    assert isinstance(generator, Generator)
    found = generator.generate(PROMPTS, Sampling(max_tokens=8, temperature=0))
    expected = [greedy(model, generator, prefix, 8) for prefix in PROMPTS]
    assert [(r.text, r.finished) for (r,) in found] == expected
    assert len({text for text, _ in expected}) > 1


def test_seeds_decide(model: Any, tokenizer: Any) -> None:
    generator = engine(model, tokenizer)
    first, again, other = (generator.generate(PROMPTS, Sampling(n=3, max_tokens=6, seed=s)) for s in (1, 1, 2))
    assert first == again
    assert texts(first) != texts(other)
    assert len({t for group in texts(first) for t in group}) == 9


def test_batching_and_company_change_nothing(model: Any, tokenizer: Any) -> None:
    sampling = Sampling(n=5, max_tokens=6, seed=4)
    together = engine(model, tokenizer).generate(PROMPTS, sampling)
    assert engine(model, tokenizer, rows=4).generate(PROMPTS, sampling) == together
    assert engine(model, tokenizer).generate(PROMPTS[::-1], sampling) == together[::-1]
    assert [engine(model, tokenizer).generate([p], sampling)[0] for p in PROMPTS] == together
    fewer = engine(model, tokenizer).generate(PROMPTS, Sampling(n=2, max_tokens=6, seed=4))
    assert fewer == [group[:2] for group in together]


def test_a_prefix_given_twice_gets_other_samples(model: Any, tokenizer: Any) -> None:
    generator = engine(model, tokenizer)
    first, second = generator.generate([PROMPTS[0]] * 2, Sampling(n=2, max_tokens=6, seed=0))
    (both,) = generator.generate(PROMPTS[:1], Sampling(n=4, max_tokens=6, seed=0))
    assert [*first, *second] == both
    assert len(set(texts([both])[0])) == 4


def test_prefix_steps_are_kept_and_continued(model: Any, tokenizer: Any) -> None:
    prefix = Prefix(PROMPTS[0].prompt, ("Two and two ", "make "))
    generator = engine(model, tokenizer, split=list)
    ((response,),) = generator.generate([prefix], Sampling(max_tokens=5, temperature=0))
    assert response.steps[:2] == prefix.steps
    assert all(len(step) == 1 for step in response.steps[2:])
    assert "".join(response.steps[2:]) == greedy(model, generator, prefix, 5)[0]


def test_the_grammar_has_the_last_word(model: Any, tokenizer: Any) -> None:
    letter, end = tokenizer("a", add_special_tokens=False)["input_ids"][0], tokenizer.eos_token_id

    def grammar(ids: Tensor, scores: Tensor) -> Tensor:
        """Three letters, then the end."""
        done = (ids[:, -3:] == letter).all(-1)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter(1, torch.where(done, end, letter)[:, None], 0.0)

    generator = engine(model, tokenizer, grammar=grammar)
    for group in generator.generate(PROMPTS, Sampling(n=2, max_tokens=8)):
        assert [(r.text, r.finished) for r in group] == [("aaa", True)] * 2
    ((cut,),) = generator.generate(PROMPTS[:1], Sampling(max_tokens=3))
    assert (cut.text, cut.finished) == ("aaa", False)
    with pytest.raises(ConfigError, match="no token may come next"):
        engine(model, tokenizer, grammar=lambda _, s: s * -torch.inf).generate(PROMPTS, Sampling())


def test_tokens_come_as_often_as_their_probabilities_say() -> None:
    scores = torch.tensor([[0.5, 0.25, 0.125, 0.125, 0.0]]).log().double()
    noise = torch.from_numpy(np.random.default_rng(0).random(4000))
    rows = scores.expand(4000, -1)
    for sampling, expected in [
        (Sampling(), [0.5, 0.25, 0.125, 0.125, 0.0]),
        (Sampling(temperature=0.5), [x / 11 for x in (8, 2, 0.5, 0.5, 0)]),
        # The second token reaches the share of 0.7 and stays.
        (Sampling(top_p=0.7), [2 / 3, 1 / 3, 0, 0, 0]),
        (Sampling(top_p=0.5), [1, 0, 0, 0, 0]),
        (Sampling(temperature=0), [1, 0, 0, 0, 0]),
    ]:
        shares = torch.bincount(_choose(rows, noise, sampling), minlength=5) / 4000
        total = sum(expected)
        for share, p in zip(shares.tolist(), (x / total for x in expected), strict=True):
            assert abs(share - p) <= 4 * (p * (1 - p) / 4000) ** 0.5, (sampling, shares)


def test_a_splitter_must_keep_the_text(model: Any, tokenizer: Any) -> None:
    def lossy(text: str) -> Sequence[str]:
        return [text, "!"]

    with pytest.raises(BackendError, match="splitter"):
        engine(model, tokenizer, split=lossy).generate(PROMPTS, Sampling(max_tokens=4))


def test_settings_that_cannot_work_are_refused(model: Any, tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="between steps"):
        engine(model, tokenizer, layout=Layout(separator="\n"))
    generator = engine(model, tokenizer, layout=Layout(max_length=20))
    with pytest.raises(ConfigError, match="max_length 20"):
        generator.generate(PROMPTS, Sampling(max_tokens=10))
    for bad in (Sampling(n=0), Sampling(max_tokens=0), Sampling(temperature=-1), Sampling(top_p=0), Sampling(top_p=2)):
        with pytest.raises(ConfigError):
            generator.generate(PROMPTS[:1], bad)
    assert generator.generate([], Sampling(max_tokens=1)) == []
