import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from assay.engines.hf import HuggingFace, Sample
from assay.errors import BackendError, ConfigError
from assay.models.layout import Layout
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.types import Prompt, Response, Unscored
from assay.worlds.arithmetic.tokenizer import make_tokenizer
from tests.models import tiny
from tests.rl import small

PROMPTS = [
    Prefix(Prompt.of(t))
    for t in ("What is 2 + 2?", "Hi", "A longer question, about nothing at all")
]


@pytest.fixture(scope="module", params=["llama", "qwen2", "gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    # In float64, batching changes nothing that sampling could notice.
    return tiny.causal(request.param, initializer_range=0.3).double()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny.tokenizer()


def engine(model: Any, tokenizer: Any, **settings: Any) -> HuggingFace:
    return HuggingFace(
        model, tokenizer, layout=settings.pop("layout", Layout(template="chat")), **settings
    )


def texts(responses: list[list[Response]]) -> list[list[str]]:
    return [[r.text for r in group] for group in responses]


def greedy(model: Any, generator: HuggingFace, prefix: Prefix, count: int) -> tuple[str, bool]:
    """The text and whether it ended, by one plain forward pass a token."""
    (start,) = generator.encoder.encode(
        [(prefix.prompt, Response(steps=prefix.steps, finished=False))]
    )
    new: list[int] = []
    for _ in range(count):
        with torch.no_grad():
            new.append(int(model(torch.tensor([[*start.ids, *new]])).logits[0, -1].argmax()))
        if new[-1] in generator.ends:
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
    first, again, other = (
        generator.generate(PROMPTS, Sampling(n=3, max_tokens=6, seed=s)) for s in (1, 1, 2)
    )
    assert first == again
    assert texts(first) != texts(other)
    assert len({t for group in texts(first) for t in group}) == 9


def test_batching_and_company_change_nothing(model: Any, tokenizer: Any) -> None:
    sampling = Sampling(n=5, max_tokens=6, seed=4)
    together = engine(model, tokenizer).generate(PROMPTS, sampling)
    assert engine(model, tokenizer, rows=4).generate(PROMPTS, sampling) == together
    assert engine(model, tokenizer, tokens=150).generate(PROMPTS, sampling) == together
    assert engine(model, tokenizer, tokens=1).generate(PROMPTS, sampling) == together
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
    assert generator.generate([], Sampling(max_tokens=1)) == []


WINDOWED = ("mistral", "gemma2", "gemma3_text")

# Prefixes of one solution, two that branch off it, one of another prompt.
STEPS = (
    "First, we add two and two.\n",
    "That makes four.\n",
    "No.\n",
    "So it is 4.\n",
    "Is it?\n",
    "Yes!\n",
    "42\n",
    "End",
)
CHAIN = [Prefix(PROMPTS[0].prompt, STEPS[:count]) for count in range(8)]
TREE = [
    *CHAIN[1:4],
    Prefix(PROMPTS[0].prompt, (*STEPS[:2], "Or five?\n")),
    Prefix(PROMPTS[0].prompt, (*STEPS[:2], "Or five?\n", "No, four.\n")),
    Prefix(PROMPTS[1].prompt, STEPS[:1]),
    PROMPTS[2],
]


def network(architecture: str, **changes: Any) -> Any:
    """In float64; but for Gemma 2, whose eager attention is in float32 whatever it is asked."""
    model = tiny.causal(architecture, initializer_range=0.3, **changes)
    return model if architecture == "gemma2" else model.double()


def naive(model: Any, sample: Sample, count: int) -> list[int]:
    """Greedy tokens by transformers' own `generate`."""
    ids = torch.tensor([sample.prefix_ids])
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
    )
    return list(out[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize(
    ("architecture", "window", "prefixes"),
    [
        *((architecture, None, TREE) for architecture in tiny.ARCHITECTURES),
        *((architecture, 8, TREE) for architecture in WINDOWED),
        ("llama", None, CHAIN),
        ("mistral", 8, CHAIN),
    ],
)
def test_tokens_are_those_of_generate_for_each_prefix_alone(
    architecture: str, window: int | None, prefixes: list[Prefix], tokenizer: Any
) -> None:
    model = network(architecture, **({"sliding_window": window} if window else {}))
    for samples in engine(model, tokenizer).sample(
        prefixes, Sampling(n=2, max_tokens=12, temperature=0)
    ):
        assert samples[0] == samples[1]
        assert list(samples[0].ids) == naive(model, samples[0], 12)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mistral"])
def test_prefixes_of_a_solution_do_not_depend_on_their_company(
    architecture: str, tokenizer: Any
) -> None:
    model = network(architecture, **({"sliding_window": 8} if architecture == "mistral" else {}))
    sampling = Sampling(n=3, max_tokens=6, seed=3)
    generator = engine(model, tokenizer)
    together = generator.generate(TREE, sampling)
    assert [generator.generate([prefix], sampling)[0] for prefix in TREE] == together
    assert generator.generate(TREE[::-1], sampling) == together[::-1]
    assert engine(model, tokenizer, rows=4).generate(TREE, sampling) == together


def test_a_solution_passes_once(tokenizer: Any) -> None:
    model = network("llama")
    generator = engine(model, tokenizer, remember=0)
    lengths = [
        len(sample.prefix_ids) for (sample,) in generator.sample(CHAIN, Sampling(max_tokens=1))
    ]
    assert sum(lengths) > 4 * max(lengths)
    seen: list[int] = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0].numel())
    )
    generator.generate(CHAIN, Sampling(n=4, max_tokens=1))
    hook.remove()
    # Its last token, and every prefix's, goes with the first scores.
    assert sum(seen) == max(lengths) - 1 + len(CHAIN)


def test_a_prompt_of_one_token(tokenizer: Any) -> None:
    model = network("llama")
    generator = engine(model, tokenizer, layout=Layout(join=""))
    prefixes = [Prefix(Prompt.of("")), *(Prefix(p.prompt) for p in PROMPTS)]
    for samples in generator.sample(prefixes, Sampling(max_tokens=6, temperature=0)):
        assert list(samples[0].ids) == naive(model, samples[0], 6)
    assert len(samples[0].prefix_ids) > 1


@pytest.mark.parametrize("sampling", [
    Sampling(n=2, max_tokens=10, temperature=0),
    Sampling(n=3, max_tokens=10),
    Sampling(n=3, max_tokens=10, temperature=0.7, top_p=0.6),
])  # fmt: skip
@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_logprobs_are_those_of_a_plain_forward_pass(
    architecture: str, sampling: Sampling, tokenizer: Any
) -> None:
    model = network(
        architecture, **({"sliding_window": 8} if architecture == "gemma3_text" else {})
    )
    generator = engine(model, tokenizer)
    for prefix, samples in zip(TREE, generator.sample(TREE, sampling), strict=True):
        (start,) = generator.encoder.encode(
            [(prefix.prompt, Response(steps=prefix.steps, finished=False))]
        )
        for sample in samples:
            assert sample.prefix_ids == start.ids
            with torch.no_grad():
                logits = model(torch.tensor([[*sample.prefix_ids, *sample.ids]])).logits[
                    0, len(start.ids) - 1 : -1
                ]
            logprobs = (logits / (sampling.temperature or 1)).log_softmax(-1)
            expected = logprobs.gather(-1, torch.tensor(sample.ids)[:, None]).squeeze(-1)
            torch.testing.assert_close(
                torch.tensor(sample.logprobs, dtype=expected.dtype), expected
            )


def test_logprobs_are_within_the_grammar(tokenizer: Any) -> None:
    letters = torch.tensor(tokenizer("abc", add_special_tokens=False)["input_ids"])

    def grammar(_: Tensor, scores: Tensor) -> Tensor:
        """a, b and c, each twice as likely as the next."""
        return torch.full_like(scores, -torch.inf).index_copy(
            1, letters, torch.tensor([4.0, 2.0, 1.0]).double().log().expand(len(scores), -1)
        )

    generator = engine(network("llama"), tokenizer, grammar=grammar)
    ((sample,),) = generator.sample(PROMPTS[:1], Sampling(max_tokens=20))
    assert len(set(sample.ids)) > 1
    expected = {int(i): np.log(p / 7) for i, p in zip(letters, (4, 2, 1), strict=True)}
    assert sample.logprobs == pytest.approx([expected[i] for i in sample.ids])


def script(text: str, tokenizer: Any, prefix: int) -> Any:
    """A grammar under which nothing but this text comes, then the end."""
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], *[tokenizer.eos_token_id] * 50]

    def grammar(so_far: Tensor, scores: Tensor) -> Tensor:
        return torch.full_like(scores, -torch.inf).index_fill(
            1, torch.tensor(ids[so_far.shape[1] - prefix]), 0.0
        )

    return grammar


def written(
    text: str, stop: tuple[str, ...], tokenizer: Any, *, max_tokens: int = 300
) -> tuple[Sample, int]:
    """A sample of this text, and how many tokens its prefix has."""
    layout = Layout(template="chat")
    prefix = Prefix(PROMPTS[0].prompt, ("before\n\nthe é|",))
    model = network("llama")
    ((probe,),) = HuggingFace(model, tokenizer, layout=layout).sample(
        [prefix], Sampling(max_tokens=1)
    )
    grammar = script(text, tokenizer, len(probe.prefix_ids))
    generator = HuggingFace(model, tokenizer, layout=layout, grammar=grammar)
    ((sample,),) = generator.sample([prefix], Sampling(max_tokens=max_tokens, stop=stop))
    assert sample.response.steps[0] == "before\n\nthe é|"
    return sample, len(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize(("text", "stop", "kept"), [
    ("So it is.\n\nAnd more", ("\n\n",), "So it is.\n\n"),
    ("\n\nAnd more", ("\n\n",), "\n\n"),
    ("Un café, un thé", ("é",), "Un café"),
    ("Un ê, un é, deux", ("é", "deux"), "Un ê, un é"),
    ("🙂🙃🙂", ("🙃",), "🙂🙃"),
    ("ab abc", ("abc", "ab"), "ab"),
    ("x" * 120 + "stop here", ("stop",), "x" * 120 + "stop"),
    ("é" * 60 + "\n" + "é" * 60, ("é\n",), "é" * 60 + "\n"),
])  # fmt: skip
def test_a_sample_ends_at_a_stop(
    text: str, stop: tuple[str, ...], kept: str, tokenizer: Any
) -> None:
    sample, _ = written(text, stop, tokenizer)
    assert (sample.response.steps[1], sample.response.finished) == (kept, False)
    # A byte a token: nothing overshoots.
    assert len(sample.ids) == len(sample.logprobs) == len(kept.encode())


def test_without_its_stop_a_sample_ends_as_ever(tokenizer: Any) -> None:
    sample, tokens = written("Nothing here.", ("\n\n", "é|"), tokenizer)
    assert (sample.response.text, sample.response.finished) == (
        "before\n\nthe é|Nothing here.",
        True,
    )
    assert len(sample.ids) == tokens + 1
    sample, _ = written("Cut at\n\n", ("\n\n",), tokenizer, max_tokens=8)
    assert (sample.response.steps[1], sample.response.finished) == ("Cut at\n\n", False)


def test_what_a_token_brings_after_a_stop_is_cut() -> None:
    tokenizer = tiny.bpe()
    (token,) = tokenizer(" answer", add_special_tokens=False)["input_ids"]
    sample, _ = written("the answer is", (" ans",), tokenizer)
    assert sample.response.steps[1] == "the ans"
    assert sample.ids[-1] == token


def test_rows_that_stop_leave_the_others_alone(model: Any, tokenizer: Any) -> None:
    generator = engine(model, tokenizer)
    whole = generator.sample(PROMPTS, Sampling(n=6, max_tokens=40, seed=5))
    letters = "abcdefghijklmnopqrst"
    found = generator.sample(PROMPTS, Sampling(n=6, max_tokens=40, seed=5, stop=tuple(letters)))
    stopped = 0
    for before, after in zip(
        [s for g in whole for s in g], [s for g in found for s in g], strict=True
    ):
        text = before.response.text
        end = min((i + 1 for i, c in enumerate(text) if c in letters), default=None)
        assert after.response.text == text[:end]
        assert after.ids == before.ids[: len(after.ids)]
        stopped += end is not None
    assert stopped > 3


def test_a_sample_is_a_function_of_its_prefix_and_its_number(model: Any, tokenizer: Any) -> None:
    generator = engine(model, tokenizer)
    sampling = Sampling(n=6, max_tokens=8, seed=3)
    (every,) = generator.generate(PROMPTS[:1], sampling)
    later = [dataclasses.replace(PROMPTS[0], first=k) for k in (4, 0, 2)]
    found = generator.generate(later, dataclasses.replace(sampling, n=2))
    assert found == [every[4:], every[:2], every[2:4]]


def test_a_stream_hands_over_each_prefix_once_and_says_which_do_not_fit(
    model: Any, tokenizer: Any
) -> None:
    generator = engine(model, tokenizer)
    sampling = Sampling(n=3, max_tokens=8)
    long = Prefix(Prompt.of("word " * generator.encoder.layout.max_length))
    assert isinstance(generator, Streaming)
    found = dict(generator.stream([PROMPTS[0], long, PROMPTS[1]], sampling))
    assert isinstance(found.pop(1), Unscored)
    assert [found[0], found[2]] == generator.generate(PROMPTS[:2], sampling)
    (one, _, _) = generator.generate(PROMPTS[:1], sampling)[0]
    assert one.meta["tokens"] == len(generator.sample(PROMPTS[:1], sampling)[0][0].ids)


def test_prompts_that_the_tokenizer_does_not_know_are_said_once() -> None:
    """Special tokens are no text: they make none of it known."""
    generator = HuggingFace(small.model(), make_tokenizer(), layout=Layout(join=""))
    known, unknown = Prefix(small.PROMPTS[0]), Prefix(Prompt.of("how much is it"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator.generate([known], Sampling(max_tokens=1))
    with pytest.warns(UserWarning, match="100% of the tokens are '<unk>'.*give a --policy"):
        generator.generate([unknown], Sampling(max_tokens=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generator.generate([unknown], Sampling(max_tokens=1))
