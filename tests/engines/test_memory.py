"""What a search asks of the engine, round by round: with memory, without, and what passes through
the model."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assay.engines.hf import HuggingFace, Sample
from assay.engines.memory import Memory
from assay.engines.prefill import prefill
from assay.errors import ConfigError
from assay.models.layout import Layout
from assay.protocols import Prefix, Sampling
from assay.types import Prompt
from tests.models import tiny

PROMPTS = [
    Prompt.of(t)
    for t in ("What is 2 + 2?", "A longer question, about nothing at all, that goes on and on.")
]

# --- the memory alone
# -----------------------------------------------------------------------------------------------

Word = tuple[int, ...]


def value(ids: Word, layer: int, side: int) -> list[float]:
    """Keys and values as a model would make them: of the last token and all before."""
    return [float(hash((ids, layer, side, d)) % 1000) for d in range(3)]


def cache(words: Sequence[Word]) -> Any:
    """A cache of two layers, one head, left-padded."""
    width = max(map(len, words))

    def tensor(layer: int, side: int) -> Tensor:
        x_B_H_T_D = torch.full((len(words), 1, width, 3), -1.0)
        for row, word in zip(x_B_H_T_D, words, strict=True):
            for i in range(len(word)):
                row[0, width - len(word) + i] = torch.tensor(value(word[: i + 1], layer, side))
        return x_B_H_T_D

    layers = [SimpleNamespace(keys=tensor(layer, 0), values=tensor(layer, 1)) for layer in range(2)]
    return SimpleNamespace(layers=layers, get_seq_length=lambda: width)


def hold(memory: Memory, *words: Word) -> None:
    memory.keep(cache(words), range(len(words)), words)


def beginnings(words: Sequence[Word]) -> set[Word]:
    return {word[: i + 1] for word in words for i in range(len(word))}


WORDS = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple), min_size=1, max_size=6
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(1, 60))
def test_what_is_held_is_right_and_bounded(calls: list[list[Word]], bound: int) -> None:
    memory = Memory(bound)
    for words in calls:
        memory.begin()
        hold(memory, *words)
        assert len(memory._users_S) <= bound
        assert all(len(side) <= bound for layer in memory._pool for side in layer)
        through = [slot for slots in memory._slots.values() for slot in slots]
        assert [
            through.count(slot) for slot in range(len(memory._users_S))
        ] == memory._users_S.tolist()
        assert memory._sorted == sorted(memory._slots)
        # Slots are shared as far as sequences are alike, and no further.
        assert len(set(through)) == len(beginnings([*memory._slots]))
        if len(beginnings(words)) <= bound:
            assert all(memory.known(word) == len(word) for word in words)
        for word in itertools.chain(*calls):
            known = word[: memory.known(word)]
            for i, layer in enumerate(memory.take(known)):
                for side, x_H_T_D in enumerate(layer):
                    assert x_H_T_D[0].tolist() == [
                        value(known[: n + 1], i, side) for n in range(len(known))
                    ]
    if len(beginnings([*itertools.chain(*calls)])) <= bound:
        assert all(memory.known(word) == len(word) for word in itertools.chain(*calls))


A, B, C, D = ((i,) * 4 for i in range(4))


def test_the_least_recently_used_goes_first() -> None:
    memory = Memory(12)
    hold(memory, A, B, C)
    memory.begin()
    hold(memory, A)
    memory.begin()
    hold(memory, D)
    assert [memory.known(word) for word in (A, B, C, D)] == [4, 0, 4, 4]


def test_a_branch_keeps_what_it_stands_on() -> None:
    memory = Memory(12)
    hold(memory, (*A, 5, 5, 5, 5))
    for i in range(6, 12):
        memory.begin()
        hold(memory, (*A, i, i, i, i))
    assert [memory.known((*A, i, i, i, i)) for i in (5, 9, 10, 11)] == [4, 4, 8, 8]


def test_a_call_that_is_too_large_leaves_what_there_is_room_for() -> None:
    memory = Memory(10)
    hold(memory, D)
    memory.begin()
    hold(memory, A, B)
    hold(memory, C)
    assert [memory.known(word) for word in (A, B, C, D)] == [4, 4, 2, 0]
    memory.begin()
    hold(memory, tuple(range(50)))
    assert memory.known(tuple(range(50))) == 10


# --- the engine
# --------------------------------------------------------------------------------------------------


def network(architecture: str, **changes: Any) -> Any:
    return tiny.causal(architecture, initializer_range=0.3, **changes).double()


def engine(model: Any, tokenizer: Any, **settings: Any) -> HuggingFace:
    return HuggingFace(model, tokenizer, layout=Layout(template="chat"), **settings)


def held(generator: HuggingFace) -> Memory:
    assert generator._memory is not None
    return generator._memory


def alike(found: list[list[Sample]], expected: list[list[Sample]]) -> None:
    for a, b in zip(itertools.chain(*found), itertools.chain(*expected), strict=True):
        assert (a.response, a.prefix_ids, a.ids) == (b.response, b.prefix_ids, b.ids)
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-9)


def ends_often(tokenizer: Any) -> Callable[[Tensor, Tensor], Tensor]:
    def grammar(_: Tensor, scores: Tensor) -> Tensor:
        return scores.index_add(
            1, torch.tensor([tokenizer.eos_token_id]), scores.amax(-1, keepdim=True) / 2
        )

    return grammar


def beam(
    generate: Callable[[list[Prefix], Sampling], list[list[Sample]]], rounds: int
) -> Iterator[list[Prefix]]:
    """Rounds of a search over both prompts: what goes on, what branches off anywhere, and what
    comes twice."""
    rng = random.Random(0)
    prefixes = [Prefix(prompt) for prompt in PROMPTS]
    written: list[tuple[Prompt, tuple[str, ...]]] = []
    for seed in range(rounds):
        yield prefixes
        sampling = Sampling(n=3, max_tokens=12, seed=seed, stop=("e", "t", "q1"), top_p=0.9)
        for prefix, samples in zip(prefixes, generate(prefixes, sampling), strict=True):
            written += [(prefix.prompt, s.response.steps) for s in samples if s.response.text]
        prefixes = [Prefix(prompt, steps) for prompt, steps in rng.sample(written[-18:], 4)]
        prompt, steps = rng.choice(written)
        cut = rng.randrange(len(steps[-1]))
        prefixes += [Prefix(prompt, (*steps[:-1], steps[-1][:cut])), prefixes[0]]


@pytest.mark.parametrize(
    ("architecture", "make", "settings"),
    [
        ("llama", tiny.tokenizer, {}),
        ("llama", tiny.bpe, {"rows": 4, "remember": 150}),
        ("qwen2", tiny.bpe, {"remember": 90}),
        ("gpt2", tiny.tokenizer, {"rows": 4}),
        ("gpt2", tiny.bpe, {}),
    ],
)
def test_a_search_gets_what_it_would_get_without_memory(
    architecture: str, make: Callable[[], Any], settings: dict[str, int]
) -> None:
    model, tokenizer = network(architecture), make()
    grammar = ends_often(tokenizer)
    remembering = engine(model, tokenizer, grammar=grammar, **settings)
    finished, lengths = 0, set()

    def generate(prefixes: list[Prefix], sampling: Sampling) -> list[list[Sample]]:
        nonlocal finished
        found = remembering.sample(prefixes, sampling)
        alike(
            found, engine(model, tokenizer, grammar=grammar, remember=0).sample(prefixes, sampling)
        )
        assert len(held(remembering)._users_S) <= remembering.remember
        finished += sum(sample.response.finished for sample in itertools.chain(*found))
        lengths.update(len(sample.ids) for sample in itertools.chain(*found))
        return found

    assert len(list(beam(generate, 8))) == 8
    # Rows left early, for every reason.
    assert finished > 5
    assert len(lengths) > 5


@contextmanager
def passing(model: Any) -> Iterator[list[tuple[int, ...]]]:
    """Collects the shapes of the ids that pass through the model."""
    seen: list[tuple[int, ...]] = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda _, inputs, __: seen.append(tuple(inputs[0].shape))
    )
    yield seen
    hook.remove()


def letters(tokenizer: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Nothing but letters: what is written is what is read."""
    allowed = torch.tensor(tokenizer("abcdefghijkl", add_special_tokens=False)["input_ids"])

    def grammar(_: Tensor, scores: Tensor) -> Tensor:
        return torch.full_like(scores, -torch.inf).index_copy(1, allowed, scores[:, allowed])

    return grammar


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_step_costs_its_new_tokens(architecture: str) -> None:
    model, tokenizer = network(architecture), tiny.tokenizer()
    generator = engine(model, tokenizer, grammar=letters(tokenizer))
    first = generator.sample([Prefix(PROMPTS[1])], Sampling(n=5, max_tokens=8))
    # One row that left early among them.
    first += generator.sample(
        [Prefix(PROMPTS[1])], Sampling(n=3, max_tokens=8, seed=1, stop=("a", "b", "c", "d"))
    )
    written = [sample.response.steps for sample in itertools.chain(*first)]
    assert len(set(map(len, itertools.chain(*written)))) > 1
    going_on = [Prefix(PROMPTS[1], steps) for steps in dict.fromkeys(written)]
    branches = [Prefix(PROMPTS[1], (steps[0][:5],)) for steps in written if len(steps[0]) > 5]
    for prefixes in (going_on, branches):
        with passing(model) as seen:
            generator.sample(prefixes, Sampling(n=2, max_tokens=4, seed=2))
        # The last token of each, and what is written.
        unique = len({prefix.steps for prefix in prefixes})
        assert seen == [(unique, 1), *[(2 * len(prefixes), 1)] * 3]
    with passing(model) as seen:
        generator.sample(
            [Prefix(PROMPTS[1], (*written[0], "what is new")), going_on[1]], Sampling(max_tokens=1)
        )
    assert seen == [(1, len("what is new") - 1), (2, 1)]


def test_a_search_reads_its_prompt_once() -> None:
    model, tokenizer = network("llama"), tiny.tokenizer()
    generator = engine(model, tokenizer, grammar=letters(tokenizer))
    prefixes, width, rounds = [Prefix(PROMPTS[1])], 6, 10
    assert generator._shares
    with passing(model) as seen:
        for seed in range(rounds):
            n = width // len(prefixes)
            found = generator.sample(prefixes, Sampling(n=n, max_tokens=8, seed=seed))
            some = [sample for samples in found for sample in samples][::2]
            prefixes = [Prefix(PROMPTS[1], sample.response.steps) for sample in some]
    prompt = len(found[0][0].prefix_ids) - 8 * (rounds - 1)
    tokens = sum(rows * width for rows, width in seen)
    # Half of the branches go on, each from its last token.
    assert tokens == prompt + (rounds - 1) * width // 2 + rounds * width * 7


def write(model: Any) -> None:
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(
            torch.randn(model.get_input_embeddings().weight.shape) / 3
        )


def write_unseen(model: Any) -> None:
    model.get_input_embeddings().weight.data[::3] *= -1


@pytest.mark.parametrize("change", [write, write_unseen, lambda model: model.float().double()])
@pytest.mark.parametrize("join", ["\n", ""], ids=["prompts", "a prompt of one token"])
def test_another_model_gets_its_own_samples(change: Callable[[Any], None], join: str) -> None:
    model, tokenizer = network("llama"), tiny.tokenizer()
    layout = Layout(join=join)
    prefixes = [Prefix(Prompt.of("")), *map(Prefix, PROMPTS)]
    sampling = Sampling(n=2, max_tokens=6)
    generator = HuggingFace(model, tokenizer, layout=layout)
    generator.sample(prefixes, sampling)
    change(model)
    for _ in range(2):
        alike(
            generator.sample(prefixes, sampling),
            HuggingFace(model, tokenizer, layout=layout, remember=0).sample(prefixes, sampling),
        )
        prefixes = prefixes[1:]


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_adapters_are_noticed() -> None:
    peft = pytest.importorskip("peft")
    model, tokenizer = network("llama"), tiny.tokenizer()
    generator, prefixes, sampling = (
        engine(model, tokenizer),
        [*map(Prefix, PROMPTS)],
        Sampling(n=2, max_tokens=6),
    )
    lora = peft.LoraConfig(
        r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False
    )
    for name in ("one", "other"):
        peft.inject_adapter_in_model(lora, model, name)
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    model.double()
    found = []
    for active in ("one", "other", None, "one"):
        for layer in layers:
            layer.enable_adapters(active is not None)
            if active is not None:
                layer.set_adapter(active)
        found.append(generator.sample(prefixes, sampling))
        alike(found[-1], engine(model, tokenizer, remember=0).sample(prefixes, sampling))
    assert len({found[i][0][0].logprobs for i in range(3)}) == 3
    alike(found[3], found[0])


def test_a_window_is_not_remembered() -> None:
    model, tokenizer = network("mistral", sliding_window=8), tiny.tokenizer()
    generator = engine(model, tokenizer)

    def generate(prefixes: list[Prefix], sampling: Sampling) -> list[list[Sample]]:
        found = generator.sample(prefixes, sampling)
        alike(found, engine(model, tokenizer, remember=0).sample(prefixes, sampling))
        return found

    list(beam(generate, 3))
    assert generator._memory is None


def test_remembering_can_be_left_out() -> None:
    model, tokenizer = network("llama"), tiny.tokenizer()
    generator = engine(model, tokenizer, remember=0)
    generator.generate([*map(Prefix, PROMPTS)], Sampling(max_tokens=2))
    assert generator._memory is None
    with pytest.raises(ConfigError, match="remember is -1"):
        engine(model, tokenizer, remember=-1)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("out of memory"), KeyboardInterrupt()])
def test_what_was_not_copied_is_not_known(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = network("llama"), tiny.tokenizer()
    generator, prefixes, sampling = (
        engine(model, tokenizer),
        [*map(Prefix, PROMPTS)],
        Sampling(n=3, max_tokens=6),
    )

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_fill", fail)
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                generator.sample(prefixes, sampling)
        else:
            # No room to remember is no reason to fail.
            alike(
                generator.sample(prefixes, sampling),
                engine(model, tokenizer).sample(prefixes, sampling),
            )
    assert not held(generator)._slots
    alike(generator.sample(prefixes, sampling), engine(model, tokenizer).sample(prefixes, sampling))


def test_what_is_read_is_run_once() -> None:
    model = network("gpt2")
    prompts = [tuple(range(5, 5 + n)) for n in (30, 45, 60)]
    memory = Memory(1000)
    with passing(model) as seen:
        done = prefill(model, prompts, share=True, memory=memory)
        memory.keep(done.cache, range(3), prompts)
        longer = [
            *((*prompts[2][:n], 3, n) for n in range(20, 55, 5)),
            (*prompts[2], 7),
            (*[4] * 50, 2),
        ]
        again = prefill(model, longer, share=True, memory=memory)
    # What adds a token to what is known is not padded to a new prompt's length, and the rest is
    # known.
    assert seen == [(1, 59), (3, 1), (7, 1), (1, 50), (9, 1)]
    plain = prefill(model, longer, share=True)
    torch.testing.assert_close(again.scores_P_V, plain.scores_P_V, rtol=1e-9, atol=1e-9)
