from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from assay.engines import prefill as module
from assay.engines.prefill import Buffer, batch_order, can_share, plan, prefill
from tests.models import tiny

SHARING = {"llama", "qwen2", "qwen3", "gpt2", "gpt_neox", "phi"}
WINDOWED = {"mistral", "gemma2", "gemma3_text"}


def small(architecture: str, **changes: Any) -> Any:
    """In float64; but for Gemma 2, whose eager attention is in float32 all the same and makes
    padding NaN then."""
    model = tiny.causal(architecture, initializer_range=0.3, **changes)
    return model if architecture == "gemma2" else model.double()


def words(seed: int, count: int) -> tuple[int, ...]:
    return tuple(
        torch.randint(2, 300, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    )


def test_every_architecture_is_known() -> None:
    assert set(tiny.ARCHITECTURES) == SHARING | WINDOWED


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_only_full_attention_is_shared(architecture: str) -> None:
    changes = {"sliding_window": 8} if architecture in WINDOWED else {}
    assert can_share(small(architecture, **changes)) == (architecture in SHARING)


def test_positions_that_change_with_the_length_are_not_shared() -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    assert not can_share(small("llama", rope_parameters=rope))


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=7), min_size=1, max_size=12))
def test_a_plan_runs_every_distinct_token_once(sequences: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LEAST", 1)
        runs, hosts = plan(sequences)
    for sequence, host in zip(sequences, hosts, strict=True):
        assert list(runs[host].ids[: len(sequence)]) == sequence
    for i, run in enumerate(runs):
        assert (run.parent < 0) == (run.shared == 0) == (run.level == 0)
        if run.parent >= 0:
            parent = runs[run.parent]
            assert run.ids[: run.shared] == parent.ids[: run.shared]
            assert (run.level, run.family) == (parent.level + 1, parent.family)
        else:
            assert run.family == i
    distinct = {tuple(s[: n + 1]) for s in sequences for n in range(len(s))}
    assert sum(len(run.ids) - run.shared for run in runs) == len(distinct)


def test_siblings_make_one_level_and_little_in_common_is_not_shared() -> None:
    prompt = words(0, 30)
    answers = [(*prompt, *words(i, 5)) for i in range(1, 5)]
    runs, _ = plan([*answers, words(9, 40), (*words(9, 10), *words(10, 30))])
    assert sorted(run.level for run in runs) == [0, 0, 0, 1, 1, 1]
    assert sorted(run.shared for run in runs) == [0, 0, 0, 30, 30, 30]


def test_batches_keep_families_together() -> None:
    long, short = words(0, 60), words(1, 20)
    prompts = [(*long, 5), short, (*long, 7, 8), (*short, 9), long]
    assert batch_order(prompts, share=True) == [1, 3, 4, 0, 2]
    assert batch_order(prompts, share=False) == [1, 3, 4, 0, 2]
    assert batch_order([(*long, 5), words(2, 61), (*long, 6)], share=True) in ([0, 2, 1], [1, 0, 2])
    assert batch_order([], share=True) == []


def through(model: Any) -> list[Tensor]:
    """Collects the ids that pass through the model."""
    seen: list[Tensor] = []
    model.get_input_embeddings().register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    return seen


TREE = [
    words(0, 40),
    (*words(0, 40), *words(1, 9)),
    (*words(0, 40), *words(1, 9), *words(2, 4)),
    (*words(0, 40), *words(3, 12)),
    (*words(0, 40), *words(3, 12), *words(4, 20)),
    (*words(0, 40), *words(3, 12), *words(5, 3)),
    (*words(0, 40), *words(3, 8), 301, 302),
    words(6, 25),
    words(7, 2),
]


@pytest.mark.parametrize(("architecture", "budget"), tiny.crossed((8192, 30)))
@torch.inference_mode()
def test_scores_are_those_of_each_prompt_alone(
    architecture: str, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PASS_TOKENS", budget)
    model = small(architecture, **({"sliding_window": 8} if architecture in WINDOWED else {}))
    share, tolerance = can_share(model), 1e-9 if model.dtype == torch.float64 else 1e-4
    done = prefill(model, TREE, share=share)
    assert done.mask_P_T.sum(-1).tolist() == list(map(len, TREE))
    # One more token from the cache tells whether its keys and values are right, too.
    after = model(
        input_ids=torch.full((len(TREE), 1), 77),
        attention_mask=torch.nn.functional.pad(done.mask_P_T, (0, 1), value=1),
        position_ids=done.mask_P_T.sum(-1, keepdim=True),
        past_key_values=done.cache,
    ).logits[:, -1]
    for i, prompt in enumerate(TREE):
        alone = model(input_ids=torch.tensor([[*prompt, 77]])).logits[0]
        torch.testing.assert_close(done.scores_P_V[i], alone[-2], rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(after[i], alone[-1], rtol=tolerance, atol=tolerance)


def test_a_chain_runs_once() -> None:
    model = small("llama")
    solution = words(0, 100)
    chain = [solution[:n] for n in range(30, 101, 10)]
    seen = through(model)
    prefill(model, chain, share=True)
    # The longest but its last token, then every prefix's last token.
    assert [tuple(x.shape) for x in seen] == [(1, 99), (len(chain), 1)]


def test_branches_run_what_is_theirs() -> None:
    model = small("llama")
    seen = through(model)
    prefill(model, [(*words(0, 50), *words(i, 10)) for i in range(1, 5)], share=True)
    assert [tuple(x.shape) for x in seen] == [(1, 59), (3, 9), (4, 1)]


def test_a_buffer_is_a_plain_cache_layer() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    keys, values = draw(3, 2, 5, 4), draw(3, 2, 5, 4)
    buffer = Buffer(keys.clone(), values.clone())
    steps: list[Any] = [1, 1, [0, 0, 2, 1, 1], 1, 70, [0, 4, 2], 2, [0, 1], 200, [1], 1]
    for step in steps:
        if isinstance(step, list):
            index = torch.tensor(step)
            buffer.batch_select_indices(index)
            keys, values = keys[index], values[index]
        else:
            new = draw(len(keys), 2, step, 4), draw(len(keys), 2, step, 4)
            found = buffer.update(*new)
            keys, values = torch.cat([keys, new[0]], 2), torch.cat([values, new[1]], 2)
            assert torch.equal(found[0], keys)
            assert torch.equal(found[1], values)
        assert torch.equal(buffer.keys, keys)
        assert torch.equal(buffer.values, values)
        assert buffer.get_seq_length() == keys.shape[2]
