import pytest
import torch

from assay.models.layout import Layout
from assay.scorers.log_probability import LogProbability
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.models import tiny

TEXTS = ("it is even.", "so", "so the answer: it is odd", "")


@pytest.fixture(scope="module")
def scorer() -> LogProbability:
    torch.manual_seed(0)
    return LogProbability(
        tiny.causal("llama").double(), tiny.tokenizer(), layout=Layout(template="plain", join=" ")
    )


def by_hand(scorer: LogProbability, prompt: Prompt, response: Response) -> torch.Tensor:
    (encoded,) = scorer.encoder.encode([(prompt, response)])
    ids = torch.tensor([encoded.ids])
    with torch.inference_mode():
        logprobs = scorer.model(input_ids=ids).logits.log_softmax(-1)[0, :-1]
    return logprobs.gather(-1, ids[0, 1:, None])[encoded.start - 1 :, 0]


@pytest.mark.parametrize("mean", [True, False])
def test_it_is_what_the_model_says(scorer: LogProbability, mean: bool) -> None:
    scorer.mean = mean
    group = Group(prompt=Prompt.of("What is the sum?"), responses=tuple(map(Response.of, TEXTS)))
    before = scorer.tokens_read
    (found,) = scorer.score([group])
    assert found[3] == Unscored(reason="empty response")
    for response, score in zip(group.responses[:3], found, strict=False):
        assert isinstance(score, Score)
        said = by_hand(scorer, group.prompt, response)
        assert score.value == pytest.approx(float(said.mean() if mean else said.sum()), abs=1e-9)
    encoded = scorer.encoder.encode([(group.prompt, response) for response in group.responses[:3]])
    assert scorer.tokens_read - before == encoded[0].start + sum(
        len(e.ids) - e.start for e in encoded
    )


def test_what_is_too_long_is_unscored() -> None:
    layout = Layout(template="plain", join=" ", max_length=16)
    scorer = LogProbability(tiny.causal("llama"), tiny.tokenizer(), layout=layout)
    ((short, long),) = scorer.score(
        [Group(prompt=Prompt.of("Sum?"), responses=(Response.of("so"), Response.of("so " * 20)))]
    )
    assert isinstance(short, Score)
    assert isinstance(long, Unscored)
    assert "> max_length 16" in long.reason
