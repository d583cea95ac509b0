from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.data.splitting import Newline
from assay.engines.hf import Sample
from assay.models.layout import Layout
from assay.protocols import Sampling
from assay.rl.policy import Policy
from assay.rl.rollout import Rollout, prompt_order, sample
from assay.types import Group, Prompt, Response
from tests.models import tiny


@given(st.integers(1, 12), st.integers(0, 5), st.integers(0, 40))
def test_every_epoch_has_every_prompt_once_and_any_start_goes_on(
    count: int, seed: int, start: int
) -> None:
    whole = [*islice(prompt_order(count, seed, 0), 60)]
    for epoch in range(60 // count):
        assert sorted(whole[epoch * count : (epoch + 1) * count]) == [*range(count)]
    assert [*islice(prompt_order(count, seed, start), 60 - start)] == whole[start:]


def test_epochs_and_seeds_differ() -> None:
    first, second = (lambda ids: (ids[:20], ids[20:]))([*islice(prompt_order(20, 0, 0), 40)])
    assert first != second
    assert first != [*islice(prompt_order(20, 1, 0), 20)]
    assert first != [*range(20)]


def test_every_order_is_as_likely() -> None:
    seen = Counter(tuple(islice(prompt_order(3, seed, 0), 3)) for seed in range(600))
    assert len(seen) == 6
    # 100 each, within four standard errors.
    assert all(abs(n - 100) < 4 * np.sqrt(600 / 6 * 5 / 6) for n in seen.values())


def rollout(*groups: tuple[str, ...]) -> Rollout:
    """A token a character, of log-probability -1, -2, ..."""
    texts = [text for group in groups for text in group]
    samples = [
        Sample(
            Response(steps=(text,) if text else ()),
            (7,),
            tuple(map(ord, text)),
            tuple(-1.0 - t for t in range(len(text))),
        )
        for text in texts
    ]
    made = iter(samples)
    return Rollout(
        tuple(
            Group(
                prompt=Prompt.of(f"prompt {i}"), responses=tuple(next(made).response for _ in group)
            )
            for i, group in enumerate(groups)
        ),
        tuple(samples),
        tuple((len(text) - 1,) if text else () for text in texts),
    )


def texts(of: Rollout) -> list[list[str]]:
    return [[response.text for response in group.responses] for group in of.groups]


def test_arrays_by_hand() -> None:
    found = rollout(("abc", "d"), ("ef",))
    assert found.group_B.tolist() == [0, 0, 1]
    assert found.lengths_B.tolist() == [3, 1, 2]
    assert found.mask_B_T.tolist() == [
        [True, True, True],
        [True, False, False],
        [True, True, False],
    ]
    assert found.logprobs_B_T.tolist() == [[-1, -2, -3], [-1, 0, 0], [-1, -2, 0]]


def test_a_rollout_of_nothing() -> None:
    nothing = Rollout((), (), ())
    assert nothing.group_B.shape == nothing.lengths_B.shape == (0,)
    assert nothing.mask_B_T.shape == nothing.logprobs_B_T.shape == (0, 0)
    assert nothing.again_B.shape == (0,)
    assert nothing.again_B.dtype == bool
    assert nothing + rollout(("a",)) == rollout(("a",))
    assert rollout(("a",)).chosen([]) == nothing


def test_duplicates_by_hand() -> None:
    # The same words to another prompt are no duplicate.
    found = rollout(("a", "b", "a", ""), ("a",), ("", "b", ""), ("c", "c"))
    assert found.again_B.tolist() == [
        True,
        False,
        True,
        False,
        False,
        True,
        False,
        True,
        True,
        True,
    ]


def test_the_same_elsewhere_by_hand() -> None:
    found = rollout(("a", "b", "b"), ("a",), ("c", "c"))
    assert found.elsewhere_B.tolist() == [True, False, False, True, False, False]


def test_chosen_groups_keep_their_own_samples() -> None:
    found = rollout(("abc", "d"), ("ef",), ("g", "hi", "jkl"))
    some = found.chosen([2, 0])
    assert texts(some) == [["g", "hi", "jkl"], ["abc", "d"]]
    assert [s.response.text for s in some.samples] == ["g", "hi", "jkl", "abc", "d"]
    assert some.ends == ((0,), (1,), (2,), (2,), (0,))
    assert some.group_B.tolist() == [0, 0, 0, 1, 1]
    assert found.chosen([0, 1, 2]) == found
    assert found.chosen([0]) + found.chosen([1, 2]) == found
    assert (found.chosen([1]) + found.chosen([0])).lengths_B.tolist() == [2, 3, 1]


def test_sampling_puts_a_group_to_each_prompt() -> None:
    model: Any = tiny.causal("llama", initializer_range=0.3).double()
    policy = Policy(model, tiny.tokenizer(), layout=Layout(template="chat"), split=Newline())
    prompts = [Prompt.of("What is 2 + 2?"), Prompt.of("Hi")]
    found = sample(policy, prompts, Sampling(n=3, max_tokens=6, seed=1))
    assert [group.prompt for group in found.groups] == prompts
    assert found.group_B.tolist() == [0, 0, 0, 1, 1, 1]
    assert [r for group in found.groups for r in group.responses] == [
        s.response for s in found.samples
    ]
    assert found.ends == tuple(tuple(policy.generator.step_ends(s)) for s in found.samples)
    for one, ends, row, there in zip(
        found.samples, found.ends, found.logprobs_B_T, found.mask_B_T, strict=True
    ):
        assert len(ends) == len(one.response.steps)
        assert row[there].tolist() == list(one.logprobs)
        assert not row[~there].any()
    assert (found.logprobs_B_T[found.mask_B_T] < 0).all()
