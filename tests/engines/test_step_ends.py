"""Where steps end among the tokens, against every prefix decoded."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.data.splitting import BlankLine
from assay.engines.hf import HuggingFace, Sample
from assay.models.layout import Layout
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Response
from tests.models import tiny

TOKENIZERS: dict[str, Callable[[], Any]] = {
    "bytes": tiny.tokenizer,
    "merges": tiny.bpe,
    "sentencepiece": tiny.sentencepiece,
}


@cache
def engine(name: str) -> HuggingFace:
    layout = Layout(join="\n") if name == "sentencepiece" else Layout(template="chat")
    model = tiny.causal("llama", vocab=400, initializer_range=0.3)
    return HuggingFace(model, TOKENIZERS[name](), layout=layout, split=BlankLine())


@cache
def read(name: str, prompt: str = "What is 2 + 2?") -> tuple[int, ...]:
    (sequence,) = engine(name).encoder.encode(
        [(Prompt.of(prompt), Response(steps=(), finished=False))]
    )
    return tuple(sequence.ids)


def tokens(name: str, text: str) -> list[int]:
    return list(engine(name).encoder.tokenizer(text, add_special_tokens=False)["input_ids"])


def texts(name: str, ids: Sequence[int]) -> list[str]:
    """What is there to read after each token."""
    tokenizer = engine(name).encoder.tokenizer
    before = [read(name)[-1]]

    def decoded(some: list[int]) -> str:
        return str(
            tokenizer.decode(some, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    return [decoded([*before, *ids[: k + 1]])[len(decoded(before)) :] for k in range(len(ids))]


def written(
    name: str, ids: Sequence[int], steps: Sequence[str], before: Sequence[str] = ()
) -> Sample:
    response = Response(steps=(*before, *steps))
    return Sample(response, read(name), tuple(ids), (0.0,) * len(ids))


def brute(name: str, ids: Sequence[int], steps: Sequence[str]) -> list[int]:
    """The first token after which a step's text is there; the last token for the last step."""
    said = texts(name, ids)
    ends = [
        next(k for k, text in enumerate(said) if text.startswith("".join(steps[: s + 1])))
        for s in range(len(steps))
    ]
    return [*ends[:-1], len(ids) - 1]


@pytest.mark.parametrize(("steps", "ends"), [
    (["ab\n", "c"], [2, 4]),
    # Four bytes, of which the first already reads as one character.
    (["a🙂", "b"], [4, 6]),
    (["é", "é", "é"], [1, 3, 6]),
    (["a🙂\n", "🙃b\n", "c"], [5, 11, 13]),
    (["abc"], [3]),
    ([], []),
])  # fmt: skip
def test_by_hand_with_a_token_a_byte(steps: list[str], ends: list[int]) -> None:
    """And one that ends the response."""
    generator = engine("bytes")
    ids = [*tokens("bytes", "".join(steps)), generator.encoder.tokenizer.eos_token_id]
    assert generator.step_ends(written("bytes", ids, steps)) == ends


@pytest.mark.parametrize(("steps", "ends"), [
    # so, the, answer, :, it, is, even, .
    (["so the", " answer:", " it is even."], [1, 3, 8]),
    # Ends inside " answer" and inside " even".
    (["so the ans", "wer: it is ev", "en."], [2, 6, 8]),
    # Two ends in one token.
    (["so the a", "ns", "wer", ": it is even."], [2, 2, 2, 8]),
])  # fmt: skip
def test_by_hand_with_a_token_a_word(steps: list[str], ends: list[int]) -> None:
    ids = [
        *tokens("merges", "so the answer: it is even."),
        engine("merges").encoder.tokenizer.eos_token_id,
    ]
    assert len(ids) == 9
    assert engine("merges").step_ends(written("merges", ids, steps)) == ends


LETTERS = st.text(alphabet="ab 🙂é€к\n", max_size=8)
WORDS = st.sampled_from(
    ["so the answer", " it is even.", "The sum is 42", " Step", "ки", "\n\n", "🙂🙂", ""]
)
CASES = given(
    pieces=st.lists(st.one_of(LETTERS, WORDS), min_size=1, max_size=4),
    lost=st.integers(0, 3),
    ended=st.booleans(),
    places=st.lists(st.integers(0, 60), max_size=5),
)


@pytest.mark.parametrize("name", TOKENIZERS)
@CASES
def test_ends_are_those_found_by_decoding_every_prefix(
    name: str, pieces: list[str], lost: int, ended: bool, places: list[int]
) -> None:
    ids = tokens(name, "".join(pieces))
    # Cut off anywhere, inside a character too.
    ids = ids[: len(ids) - lost]
    text = texts(name, ids)[-1] if ids else ""
    if ended or not ids:
        ids.append(engine(name).encoder.tokenizer.eos_token_id)
    cuts = sorted({place for place in places if 0 < place < len(text)})
    steps = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)] if text else []
    expected = brute(name, ids, steps) if steps else []
    for before in ((), ("Before.\n\n", "Step "), ("Before.\n\n", "~")):
        assert engine(name).step_ends(written(name, ids, steps, before)) == expected


@pytest.mark.parametrize("name", TOKENIZERS)
@CASES
def test_a_stop_inside_the_last_token_ends_the_last_step(
    name: str, pieces: list[str], lost: int, ended: bool, places: list[int]
) -> None:
    ids = tokens(name, "So" + "".join(pieces))
    said = texts(name, ids)
    # The stop's end lies somewhere in what the last token brought.
    kept = said[-1][: max(len(said[-2]) + 1, len(said[-1]) - lost)] if len(ids) > 1 else said[-1]
    cuts = sorted({place for place in places if 0 < place < len(kept)})
    steps = [kept[a:b] for a, b in zip([0, *cuts], [*cuts, len(kept)], strict=True)]
    for before in ((), ("Before.\n\n", "Step "), ("Before.\n\n", "~")):
        assert engine(name).step_ends(written(name, ids, steps, before)) == brute(name, ids, steps)


def test_an_empty_response_has_no_steps() -> None:
    generator = engine("merges")
    end = generator.encoder.tokenizer.eos_token_id
    for before in ((), ("Before.",)):
        assert generator.step_ends(written("merges", [end], [], before)) == []


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("stop", [(), ("a",), ("\n",)])
def test_of_samples_that_the_engine_wrote(name: str, stop: tuple[str, ...]) -> None:
    # Every character a step.
    shared = engine(name)
    generator = HuggingFace(
        shared.model, shared.encoder.tokenizer, layout=shared.encoder.layout, split=list
    )
    prefix = Prefix(Prompt.of("What is 2 + 2?"))
    counts = []
    for sample in generator.sample([prefix], Sampling(n=12, max_tokens=12, seed=2, stop=stop))[0]:
        steps = sample.response.steps
        assert sample.prefix_ids == read(name)
        assert generator.step_ends(sample) == (brute(name, sample.ids, steps) if steps else [])
        counts.append(len(steps))
    assert max(counts) > 3
