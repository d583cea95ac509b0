"""Rotary embeddings that change with the length: no sequence changes another's, whatever was run
with it or before."""

from pathlib import Path
from typing import Any

import pytest
import torch

from assay.engines.hf import HuggingFace
from assay.errors import ConfigError
from assay.models import checkpoint
from assay.models.implicit import ImplicitRewardModel
from assay.models.layout import Encoded, Encoder, Layout
from assay.models.log_probabilities import log_probabilities
from assay.models.readout import OUTCOME, PREFERENCE
from assay.models.reward_model import RewardModel
from assay.packing import rotary
from assay.packing.engine import engine_of
from assay.protocols import Prefix, Sampling
from assay.scorers.local import LocalScorer
from assay.types import Group, Prompt, Response, Score, Unscored
from tests.models import tiny

LIMIT = 24
"""Tokens up to which the embeddings are as they were trained."""

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0, 1.0],
    "long_factor": [3.0, 7.0],
    "original_max_position_embeddings": LIMIT,
    "factor": 8.0,
}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}
LONG = {
    "max_position_embeddings": 8 * LIMIT,
    "original_max_position_embeddings": LIMIT,
    "num_key_value_heads": 2,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamic": ("llama", {"max_position_embeddings": LIMIT, "rope_parameters": DYNAMIC}),
    "dynamic in some layers": (
        "gemma3_text",
        {
            "max_position_embeddings": LIMIT,
            "layer_types": ["full_attention", "sliding_attention"],
            "sliding_window": 512,
            "rope_parameters": {
                "full_attention": DYNAMIC,
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            },
        },
    ),
    "longrope": ("phi3", {**LONG, "rope_parameters": LONGROPE}),
    "longrope by its own code": (
        "phimoe",
        {
            **LONG,
            "num_local_experts": 2,
            "num_experts_per_tok": 2,
            "rope_parameters": {**LONGROPE, "short_mscale": 1.0, "long_mscale": 1.5},
        },
    ),
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def reward_model(kind: str) -> RewardModel:
    architecture, changes = KINDS[kind]
    network = tiny.network(architecture, initializer_range=0.3, **changes)
    return checkpoint.wrap(
        network, tiny.tokenizer(), layout=Layout(max_length=400), readout=PREFERENCE
    ).eval()


def causal(kind: str) -> Any:
    architecture, changes = KINDS[kind]
    return tiny.causal(architecture, initializer_range=0.3, **changes)


def group(question: str, *answers: str) -> Group:
    return Group(prompt=Prompt.of(question), responses=tuple(map(Response.of, answers)))


GROUPS = [
    group("2+2?", "4", "It is 4."),
    # Below the limit, just above it, and twice far above.
    group("What is the sum of two and two?", "Four.", "It is four, and here is why that is so."),
    group("a" * 90, "ok"),
    group("b" * 70, "no", "no, that is not what I meant by it"),
]


def values(scores: list[list[Score | Unscored]]) -> list[float]:
    found = [s for row in scores for s in row]
    assert all(isinstance(s, Score) for s in found)
    return [s.value for s in found if isinstance(s, Score)]


def stock(kind: str, sequences: list[Encoded]) -> list[float]:
    """Plain transformers: each sequence through a model that has seen nothing before."""
    found = []
    for sequence in sequences:
        fresh = reward_model(kind)
        fresh.network.config.pad_token_id = fresh.pad_id
        with torch.no_grad():
            found.append(float(fresh.network(input_ids=torch.tensor([sequence.ids])).logits))
    return found


@pytest.mark.owed
@pytest.mark.parametrize("kind", KINDS)
def test_scores_do_not_depend_on_what_else_is_scored(kind: str) -> None:
    model = reward_model(kind)
    assert rotary.changes(model.backbone)
    sequences = model.encoder.encode([(g.prompt, r) for g in GROUPS for r in g.responses])
    expected = stock(kind, sequences)
    scorer, name = LocalScorer(model), model.fingerprint
    together = values(scorer.score(GROUPS))
    with torch.no_grad():
        model.backbone(input_ids=torch.tensor([max((s.ids for s in sequences), key=len)]))
    assert model.fingerprint == name
    assert together == pytest.approx(expected, abs=1e-5)
    # One by one in the same process, where long ones came before short ones.
    one_by_one = [value for g in reversed(GROUPS) for value in reversed(values(scorer.score([g])))]
    assert one_by_one[::-1] == pytest.approx(expected, abs=1e-5)
    assert values(LocalScorer(model, micro_tokens=1).score(GROUPS)) == pytest.approx(
        expected, abs=1e-5
    )
    # The test can fail: a padded batch of stock transformers gives the short ones other scores.
    batch = model.collate(sequences)
    positions = (batch.mask_B_T.long().cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        hidden = model.backbone(
            input_ids=batch.ids_B_T,
            attention_mask=batch.mask_B_T.long(),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        naive = model.read(
            hidden.gather(1, batch.reads_B_S[..., None].expand(-1, -1, hidden.shape[-1]))
        )
    assert abs(float(naive[0, -1]) - expected[0]) > 2e-4


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_do_not_depend_on_the_batch(kind: str) -> None:
    model = reward_model(kind)
    sequences = model.encoder.encode([(g.prompt, r) for g in GROUPS for r in g.responses])
    found = []
    for parts in ([sequences], [[s] for s in sequences], [[s] for s in reversed(sequences)]):
        model.zero_grad()
        for part in parts:
            model(model.collate(part)).sum().backward()
        # Between, as an evaluation does.
        with torch.inference_mode():
            model(model.collate(sequences))
        found.append(
            torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        )
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_scores_the_same(kind: str, tmp_path: Path) -> None:
    model = reward_model(kind)
    probes = [(g.prompt, r) for g in GROUPS for r in g.responses]
    assert checkpoint.save(model, tmp_path / "rm", probes=probes) < 1e-4


@pytest.mark.parametrize("kind", ["dynamic", "longrope"])
def test_a_model_without_a_head_is_saved_too(kind: str, tmp_path: Path) -> None:
    policy, reference = causal(kind), causal(kind)
    with torch.no_grad():
        for p in policy.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) / 20)
    readout = OUTCOME.model_copy(update={"steps": "difference"})
    encoder = Encoder(tiny.tokenizer(), Layout(max_length=400), readout)
    model = ImplicitRewardModel(policy, reference, encoder, beta=0.5, pad_id=1).eval()
    probes = [(g.prompt, r) for g in GROUPS for r in g.responses]
    assert checkpoint.save(model, tmp_path / "rm", probes=probes) < 1e-4
    scorer = LocalScorer(model)
    alone = [value for g in GROUPS for value in values(scorer.score([g]))]
    assert values(scorer.score(GROUPS)) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_each_sequence_alone(kind: str) -> None:
    model = causal(kind)
    rng = torch.Generator().manual_seed(0)
    sequences = [
        torch.randint(3, 300, (n,), generator=rng).tolist() for n in (8, LIMIT, LIMIT + 1, 60, 90)
    ]
    found = log_probabilities(model, sequences, [4] * len(sequences)).values_B_R.detach()
    for row, ids in zip(found, sequences, strict=True):
        with torch.no_grad():
            logits = causal(kind)(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        expected = logits[3:-1].gather(-1, torch.tensor(ids[4:])[:, None]).squeeze(-1)
        torch.testing.assert_close(row[: len(expected)], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_depend_on_the_batch_and_no_sample_crosses_the_change(kind: str) -> None:
    model = causal(kind)
    engine = HuggingFace(model, tiny.tokenizer(), layout=Layout(template="plain", max_length=400))
    sampling = Sampling(n=3, max_tokens=4, seed=5)
    short, longer, long = (Prefix(Prompt.of("a" * n)) for n in (4, 14, 70))
    alone = engine.sample([short], sampling)[0]
    assert (
        len(engine.encoder.encode([(short.prompt, Response(steps=(), finished=False))])[0].ids)
        < LIMIT - 4
    )
    beside = [longer, short]
    if "longrope" in kind:
        # All of its tokens are beyond the change.
        beside.insert(0, long)
        assert [s.ids for s in engine.sample([long], sampling)[0]] == [
            s.ids for s in engine.sample(beside, sampling)[0]
        ]
    else:
        log_probabilities(model, [list(range(3, 80))], [4])
        with pytest.raises(ConfigError, match="dynamic"):
            engine.sample([long], sampling)
    again = engine.sample(beside, sampling)[-1]
    assert [s.ids for s in again] == [s.ids for s in alone]
    torch.testing.assert_close(
        torch.tensor([s.logprobs[0] for s in again]),
        torch.tensor([s.logprobs[0] for s in alone]),
        rtol=0,
        atol=1e-5,
    )
    with pytest.raises(ConfigError, match=r"rotary embeddings .* change"):
        engine.sample([short], Sampling(n=1, max_tokens=60, seed=5))
    (_, refused), *_ = engine.stream([short], Sampling(n=1, max_tokens=60, seed=5))
    assert isinstance(refused, Unscored)


@pytest.mark.parametrize(
    "parameters",
    [
        {"rope_type": "default", "rope_theta": 1e4},
        {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0},
        {
            "rope_type": "yarn",
            "rope_theta": 1e4,
            "factor": 4.0,
            "original_max_position_embeddings": LIMIT,
        },
    ],
)
def test_embeddings_that_stay_as_they_are_keep_sharing(parameters: dict[str, Any]) -> None:
    backbone = tiny.network(rope_parameters=parameters).base_model
    assert not rotary.changes(backbone)
    assert rotary.batches(backbone, [3, 400, 5]) == [[0, 1, 2]]
    assert engine_of(backbone).path == "packed"
