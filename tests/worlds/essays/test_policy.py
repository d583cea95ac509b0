import numpy as np
import torch

from assay.models.layout import Encoder, Layout
from assay.models.readout import PREFERENCE
from assay.types import Response
from assay.worlds.essays.corpus import habits, ordinary
from assay.worlds.essays.grammar import Grammar
from assay.worlds.essays.policy import llama_config, sequences, train_policy
from assay.worlds.essays.proxies import SIZES, network
from assay.worlds.essays.task import NONE, TOPICS, prompt_of, text_of
from assay.worlds.essays.tokenizer import COLON, EOS, PAD, VOCABULARY, make_tokenizer
from assay.worlds.threads import threads


def test_ordinary_essays_follow_the_habits() -> None:
    topics = np.full(40_000, 3)
    ids = ordinary(topics, np.random.default_rng(0))
    assert (ids[:, 0] != NONE).all()
    ended = ids == NONE
    assert (ended[:, 1:] >= ended[:, :-1]).all()
    of_topic, after_word = habits()
    share = np.bincount(ids[:, 0], minlength=16) / len(ids)
    assert np.abs(share - of_topic[3]).max() < 4 * 0.5 / 200
    first = int(share.argmax())
    second = ids[(ids[:, 0] == first) & (ids[:, 1] != NONE), 1]
    expected = of_topic[3] * after_word[first]
    expected /= expected.sum()
    assert (
        np.abs(np.bincount(second, minlength=16) / len(second) - expected).max()
        < 4 * 0.5 / len(second) ** 0.5
    )
    assert abs((ids[:, 1] == NONE).mean() - 0.05) < 0.005
    assert np.array_equal(ids, ordinary(topics, np.random.default_rng(0)))


def test_it_learns_from_the_tokens_that_a_reward_model_reads() -> None:
    rng = np.random.default_rng(0)
    topics = rng.integers(0, len(TOPICS), 50)
    ids = ordinary(topics, rng)
    encoder = Encoder(make_tokenizer(), Layout(join=""), PREFERENCE)
    texts = [text_of(row) for row in ids.tolist()]
    items = [
        (prompt_of(k), Response.of(text)) for k, text in zip(topics.tolist(), texts, strict=True)
    ]
    tokenizer = make_tokenizer()
    for row, encoded, text in zip(
        sequences(topics, ids).tolist(), encoder.encode(items), texts, strict=True
    ):
        assert row[: len(encoded.ids)] == list(encoded.ids)
        assert set(row[len(encoded.ids) :]) <= {PAD}
        assert tokenizer.decode(encoded.ids[encoded.start : -1]) == text


def test_training_is_reproducible_and_lowers_the_loss() -> None:
    losses: list[str] = []
    with threads(1):
        made = [
            train_policy(
                seed=3,
                essays=500,
                steps=15,
                batch=32,
                learning_rate=5e-3,
                show=lambda _, note: losses.append(note),
            )
            for _ in range(2)
        ]
    model, again = made
    assert losses[:15] == losses[15:]
    assert torch.equal(model.lm_head.weight, again.lm_head.weight)
    assert float(losses[14].split()[1]) < 0.9 * float(losses[0].split()[1])
    assert 55_000 < sum(p.numel() for p in model.parameters()) < 65_000
    assert model.config.vocab_size == len(VOCABULARY) == llama_config().vocab_size


def test_the_grammar_lets_nothing_but_essays_through() -> None:
    grammar = Grammar(3)
    ids = torch.tensor([[COLON, COLON, COLON], [COLON, 4, 5], [4, 5, 6], [4, 5, EOS]])
    allowed = grammar(ids, torch.zeros(4, len(VOCABULARY))).isfinite()
    assert allowed[0].nonzero().flatten().tolist() == list(range(16))
    assert allowed[1].nonzero().flatten().tolist() == [*range(16), EOS]
    assert allowed[2].nonzero().flatten().tolist() == [EOS]
    assert allowed[3].nonzero().flatten().tolist() == [EOS]


def test_proxies_have_five_sizes_and_the_seed_decides() -> None:
    counts = [sum(p.numel() for p in network(size).parameters()) for size in SIZES]
    for count, about in zip(counts, (500, 1300, 4000, 28_000, 100_000), strict=True):
        assert 0.9 * about < count < 1.1 * about
    one, same, other = (network("XS", seed).model.embed_tokens.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
