"""Verdicts of a real server of llama.cpp: read at the labels and in texts, killed, resumed.

ASSAY_LLAMA_SERVER is the address of one that serves SmolLM2-135M-Instruct, or a python that has
llama_cpp with its server or xllamacpp; by default this one. No other test needs it.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError, URLError

import pytest

from assay.answerers.asking import Server
from assay.answerers.labels import LabelAnswerer
from assay.questions import Distribution, Question
from assay.types import Prompt
from tests.answerers.killed import kill_and_resume
from tests.engines.fake_server import Asked, Reply

GIVEN = os.environ.get("ASSAY_LLAMA_SERVER", "")
HERE = any(importlib.util.find_spec(name) for name in ("llama_cpp", "xllamacpp"))
pytestmark = pytest.mark.skipif(
    not GIVEN and not HERE,
    reason="set ASSAY_LLAMA_SERVER to the address of a llama.cpp server of SmolLM2-135M-Instruct,"
    " or to a python that has llama_cpp with its server or xllamacpp",
)

START = """
import os, sys, threading, time
file, port = sys.argv[1:]
# It ends with the test, however that ends.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
try:
    import xllamacpp
except ImportError:
    import runpy
    sys.argv = ["server", "--model", file, "--host", "127.0.0.1", "--port", port]
    sys.argv += ["--logits_all", "true", "--n_threads", "1", "--n_ctx", "2048"]
    runpy.run_module("llama_cpp.server", run_name="__main__")
else:
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.hostnames, settings.port = file, ["127.0.0.1"], int(port)
    settings.n_ctx, settings.n_parallel = 8192, 4
    # Threads that wait for each other on a busy machine take all its time.
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    time.sleep(3600)
"""
SETTINGS = '{"floor": 0.01, "slack": 1.0}'
"""Of so small a model the labels have little of the probability."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that serves; its address without /v1."""
    if GIVEN.startswith("http"):
        yield GIVEN.rstrip("/").removesuffix("/v1")
        return
    smol = pytest.importorskip("assay.models.smol")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [GIVEN or sys.executable, "-c", START, str(smol._gguf_file()[0]), port]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=null, stderr=null) as process:
        try:
            for _ in range(240):
                assert process.poll() is None, "the server ended"
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models").close()
                except (URLError, ConnectionError):
                    time.sleep(0.25)
                else:
                    break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def forwarded(url: str, asked: Asked) -> Reply:
    """What the real server says."""
    request = urllib.request.Request(
        url + asked.path, json.dumps(asked.body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return Reply(body=response.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, error.read())


def test_the_labels_have_what_the_same_model_has_here(url: str) -> None:
    """The server computes with numbers of 8 bits: alike, and not the same."""
    transformers = pytest.importorskip("transformers")
    from assay.answerers.local import LocalAnswerer
    from assay.models.smol import smol_folder

    folder = smol_folder()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    here = LocalAnswerer(model, transformers.AutoTokenizer.from_pretrained(folder), floor=0)
    there = LabelAnswerer(Server(base_url=f"{url}/v1"), "judge", floor=0, slack=1)
    texts = ("The sun rises in the east.", "I hate this film; it was dull.", "What a lovely day!")
    states = [Prompt.of(f"Text: {text}") for text in texts]
    questions = [
        Question.predicate("Is the text about weather or the sky?"),
        Question.choice("What is its mood?", {"good": "pleasant", "bad": "unpleasant"}),
        Question.score("How happy is it?", ["sad", "neutral", "happy"]),
    ]
    answers = zip(
        here.answer(states, [questions] * 3), there.answer(states, [questions] * 3), strict=True
    )
    for mine, theirs in answers:
        for a, b in zip(mine, theirs, strict=True):
            assert isinstance(a, Distribution)
            assert isinstance(b, Distribution)
            for p, q, (low, high) in zip(a.probabilities, b.probabilities, b.bounds, strict=True):
                assert low - 1e-9 <= q <= high + 1e-9
                assert p == pytest.approx(q, abs=0.06)


@pytest.mark.parametrize(("kind", "count"), [("labels", 500), ("text", 60)])
def test_a_run_that_is_killed_pays_nothing_twice(url, kind, count, tmp_path) -> None:
    cut = kill_and_resume(
        lambda asked: forwarded(url, asked), kind, tmp_path / "paid.sqlite", count, SETTINGS
    )
    assert 0 < cut.kept <= cut.before < count
    # Eight are under way at once.
    assert cut.before - cut.kept <= 32
    assert cut.after == cut.ended["paid"] == count - cut.kept
    assert cut.ended["saved"] == cut.kept
    if kind == "labels":
        assert all(0 <= p <= 1 for p in cut.ended["p"])
