"""What who runs a server relies on: health, counts, logs, ids, time limits, an orderly end."""

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Timer
from typing import Any

import httpx2
import pytest
import torch
from uvicorn import Config

from assay.errors import BackendError
from assay.http.listener import Server
from assay.packing.engine import Engine
from assay.packing.incremental import Memory
from assay.scorers.ensemble import Ensemble, Standards
from assay.scorers.local import LocalScorer
from assay.server import selfcheck
from assay.server.app import Limits
from assay.server.logs import Json, log_to
from assay.server.metrics import REASONS, Metrics
from assay.types import Group, Score, Unscored
from tests.server.running import answer, connected, post, request, running
from tests.server.scorers import Characters
from tests.training import planted

BODY = {"prompt": "q", "responses": ["aaa"]}


class Held(Characters):
    """Counts what it scores, after a while; "crash" ends in an error."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "seen", [])

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        texts = [response.text for group in groups for response in group.responses]
        self.seen.extend(texts)  # type: ignore[attr-defined]
        time.sleep(self.seconds)  # type: ignore[attr-defined]
        if "crash" in texts:
            raise ValueError("a secret of somebody else")
        return super().score(groups)


class Gated:
    """Counts what it scores when it is let, and says that it was asked."""

    fingerprint = "gated"

    def __init__(self) -> None:
        self.begun, self.go = Event(), Event()
        self.seen: list[str] = []

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        self.seen += [response.text for group in groups for response in group.responses]
        self.begun.set()
        assert self.go.wait(60)
        return Characters().score(groups)


def until(there: Callable[[], bool]) -> None:
    """Wait for what comes of itself."""
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """What the server logs within the block, read back when it ends."""
    stream, rows = io.StringIO(), list[dict[str, Any]]()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    logger = logging.getLogger("assay.server")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield rows
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
        rows += map(json.loads, stream.getvalue().splitlines())


def metrics(url: str) -> dict[str, float]:
    lines = httpx2.get(f"{url}/metrics").text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def test_requests_are_counted_and_logged_by_their_ids() -> None:
    limits = Limits(slow_s=0.2)
    with logged() as rows, running({"rm": Held(0.3)}, limits=limits, wait_s=0.1) as url:
        given = post(f"{url}/v1/score", BODY, headers={"X-Request-Id": "mine-1"})
        bad = post(f"{url}/v1/score", b"{", headers={"X-Request-Id": "no\x09good"})
        odd = {"prompt": "q" * 300, "responses": ["one", "unscorable"]}
        post(f"{url}/v1/score", odd)
        httpx2.get(f"{url}/made/up")
        found = metrics(url)
        live, ready = (httpx2.get(f"{url}/health/{one}") for one in ("live", "ready"))
    assert (live.status_code, ready.status_code) == (200, 200)
    assert given.headers["x-request-id"] == given.json()["id"] == "mine-1"
    assert 300 <= float(given.headers["server-timing"].partition("dur=")[2]) < 20_000
    assert len(bad.headers["x-request-id"]) == 32
    assert found['assay_requests_total{path="/v1/score",status="200"}'] == 2
    assert found['assay_requests_total{path="/v1/score",status="400"}'] == 1
    assert found['assay_requests_total{path="other",status="404"}'] == 1
    assert found['assay_responses_total{model="rm"}'] == 3
    assert found['assay_unscored_total{model="rm",reason="cannot be scored"}'] == 1
    assert found['assay_batch_responses_count{model="rm"}'] == 2
    assert found['assay_batch_responses_sum{model="rm"}'] == 3
    assert found['assay_shared_tokens_total{model="rm"}'] == 101
    assert found['assay_queue_tokens{model="rm"}'] == 0
    assert found['assay_request_seconds_count{path="/v1/score"}'] == 3
    assert found["assay_requests_running"] == 1
    first = next(row for row in rows if row.get("request") == "mine-1")
    assert first["message"] == "slow request"
    assert first["level"] == "warning"
    assert (first["model"], first["responses"], first["status"]) == ("rm", 1, 200)
    assert first["ms"] >= 300


def test_texts_without_what_ends_a_response_are_counted_and_logged_once() -> None:
    scorer = LocalScorer(planted.model("outcome"))
    stream = io.StringIO()
    loggers = [logging.getLogger(one) for one in ("assay.server", "uvicorn", "py.warnings")]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log_to(stream, logging.WARNING)
        try:
            with running({"rm": scorer}) as url:
                texts = ["q a", "q b", "q a<|im_end|>"]
                got = [post(f"{url}/get_reward", {"query": [text]}) for text in texts]
                found = metrics(url)
        finally:
            logging.captureWarnings(False)
            for logger, kept in zip(loggers, before, strict=True):
                logger.handlers, logger.propagate, logger.level = kept
    short, _, whole = (one.json()["rewards"][0] for one in got)
    # The score is not mended in silence: what was sent is what was read.
    assert short != whole
    assert found['assay_model_texts_unended_total{model="rm"}'] == 2
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    said = [row for row in rows if row["logger"] == "py.warnings"]
    assert len(said) == 1
    assert "does not end with '<|im_end|>'" in said[0]["message"]


def test_what_a_model_read_and_was_spared_is_shown() -> None:
    scorer = LocalScorer(planted.model("outcome"))
    with running({"rm": scorer, "length": Characters()}) as url:
        post(f"{url}/v1/score", {"model": "rm", **BODY})
        found = metrics(url)
    assert found['assay_model_tokens_read_total{model="rm"}'] == scorer.tokens_read > 0
    assert found['assay_model_tokens_spared_total{model="rm"}'] == scorer.tokens_spared
    assert 'assay_model_tokens_read_total{model="length"}' not in found


def test_reasons_are_few_whatever_texts_they_quote() -> None:
    counts = Metrics()
    rows = [Unscored(reason=f"response {i} of 'text {i}' is too long") for i in range(100)]
    rows += [Unscored(reason=f"{'x' * i} went wrong") for i in range(1, 100)]
    counts.scored("rm", rows)
    family = next(one for one in counts.registry.collect() if one.name == "assay_unscored")
    found = {s.labels["reason"]: s.value for s in family.samples if s.name.endswith("_total")}
    assert found["response # of # is too long"] == 100
    assert len(found) == REASONS + 1
    assert sum(found.values()) == 199


def test_an_error_shows_its_id_and_nothing_of_the_inside() -> None:
    with logged() as rows, running({"rm": Held()}) as url:
        found = post(f"{url}/v1/score", {"prompt": "q", "responses": ["crash"]})
        assert post(f"{url}/v1/score", BODY).status_code == 200
    number = found.headers["x-request-id"]
    assert found.status_code == 500
    assert number in found.json()["error"]["message"]
    assert "secret" not in found.text
    assert "Traceback" not in found.text
    row = next(row for row in rows if "traceback" in row)
    assert row["request"] == number
    assert "secret of somebody" in row["traceback"]


def test_what_a_client_that_left_asked_for_is_not_scored() -> None:
    scorer = Gated()
    with logged() as rows, running({"rm": scorer}, batch_tokens=1, wait_s=0.0) as url:
        first, second = connected(url), connected(url)
        first.sendall(request(b'{"prompt": "1", "responses": ["first"]}'))
        assert scorer.begun.wait(60)
        second.sendall(request(b'{"prompt": "2", "responses": ["second"]}'))
        until(lambda: metrics(url)["assay_requests_running"] == 3)
        second.close()
        until(lambda: metrics(url)["assay_requests_running"] == 2)
        scorer.go.set()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        first.close()
        assert post(f"{url}/v1/score", BODY).status_code == 200
    assert scorer.seen == ["first", "aaa"]
    assert 499 in [row.get("status") for row in rows]


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with running({"rm": Held(1.0)}, limits=Limits(request_s=0.2)) as url:
        found = post(f"{url}/v1/score", BODY)
    assert found.status_code == 504


def test_bodies_have_so_much_room_together_and_give_it_back() -> None:
    limits = Limits(bodies_bytes=1000)
    body = {"prompt": "q", "responses": ["a" * 700]}
    scorer = Gated()
    with running({"rm": scorer}, limits=limits) as url, ThreadPoolExecutor(2) as pool:
        both = [pool.submit(post, f"{url}/v1/score", body) for _ in range(2)]
        assert next(as_completed(both, 60)).result().status_code == 429
        scorer.go.set()
        assert sorted(one.result().status_code for one in both) == [200, 429]
        assert [post(f"{url}/v1/score", body).status_code for _ in range(3)] == [200] * 3


def test_a_server_that_ends_is_not_ready_and_answers_what_it_took() -> None:
    scorer = Gated()
    with running({"rm": scorer}) as url:
        connection = connected(url)
        connection.sendall(request())
        assert scorer.begun.wait(60)
        Timer(0.3, scorer.go.set).start()
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()


def test_what_a_kept_connection_brings_while_the_server_ends_is_answered() -> None:
    with running({"rm": Characters()}) as url:
        connection = connected(url)
        connection.sendall(request())
        first = b""
        while not first.endswith(b"}]}"):
            first += connection.recv(65536)
        # The server is told to end when the block does; it looks every 0.1 s.
        Timer(0.5, connection.sendall, [request()]).start()
    found = answer(connection)
    connection.close()
    assert found.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in found


def test_a_model_is_checked_before_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = LocalScorer(planted.model("outcome"))
    found = selfcheck.self_check("rm", scorer)
    assert found is not None
    assert 0 <= found < 1e-4
    assert selfcheck.self_check("length", Characters()) is None
    pair = {"rm": scorer, "length": Characters()}
    assert selfcheck.self_check("both", Ensemble(pair, standards=Standards.none(2))) == found
    with monkeypatch.context() as changed:
        changed.setattr(selfcheck, "in_batches", lambda *_: 0.5)
        with pytest.raises(BackendError, match=r"rm is not served: its scores differ by 0\.5"):
            selfcheck.self_check("rm", scorer)
    with torch.no_grad():
        scorer.model.network.score.weight.fill_(torch.nan)
    with pytest.raises(BackendError, match="nan"):
        selfcheck.self_check("rm", scorer)


def test_kept_prompts_are_checked_before_they_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    model = planted.model("process")
    model.forced = Engine("packed", "", token_cost=1e12, piece_cost=1.0)
    scorer = LocalScorer(model, prompts=1000)
    found = selfcheck.self_check("rm", scorer)
    assert found is not None
    assert 0 < found < 1e-4
    assert scorer.tokens_read == scorer.tokens_spared == 0
    right = Memory.hidden

    def stale(memory: Memory, *asked: Any, **how: Any) -> list[torch.Tensor]:
        spared = memory.spared
        rows = right(memory, *asked, **how)
        # What is wrong where a prompt was kept, and nowhere else.
        return [row + float(memory.spared > spared) for row in rows]

    monkeypatch.setattr(Memory, "hidden", stale)
    with pytest.raises(BackendError, match=r"behind kept prompts.*--prompt-tokens 0"):
        selfcheck.self_check("rm", scorer)
    assert selfcheck.self_check("rm", LocalScorer(model)) is not None


def served(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "assay", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )


def test_the_command_says_where_it_is_and_loses_nothing_at_sigterm() -> None:
    server = served("slow=tests.server.test_operations:slow", "longest", "--port", "0")
    assert server.stdout is not None
    try:
        lines = [server.stdout.readline() for _ in range(4)]
        url = lines[0].split()[4].rstrip(";")
        assert "curl" in lines[2]
        assert f"{url}/metrics" in lines[3]
        bodies = [{"model": "slow", "prompt": f"{i}", "responses": ["a" * i]} for i in range(20)]
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(post, f"{url}/v1/score", body) for body in bodies]
            end = time.monotonic() + 90
            while arrived(metrics(url)) < 20 and time.monotonic() < end:
                time.sleep(0.05)
            server.send_signal(signal.SIGTERM)
            found = [one.result() for one in asked]
        assert [one.json()["scores"][0]["value"] for one in found] == list(range(20))
        assert server.communicate(timeout=90)[1] == ""
        assert server.returncode == 0
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_to_be_ended_is_how_it_ends(end: signal.Signals) -> None:
    with served("longest", "--port", "0") as server:
        assert server.stdout is not None
        assert "Ctrl-C ends it" in server.stdout.readline()
        server.send_signal(end)
        _, said = server.communicate(timeout=60)
    assert (server.returncode, said) == (0, "")


def arrived(counts: dict[str, float]) -> float:
    """Requests answered and under way, but for the one that asks."""
    done = counts.get('assay_requests_total{path="/v1/score",status="200"}', 0)
    return done + counts["assay_requests_running"] - 1


def slow(prompts: Sequence[str], completions: Sequence[str], **columns: Any) -> list[float]:
    """A scorer, by its place; it is called once a prompt."""
    time.sleep(0.2)
    return [float(len(text)) for text in completions]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing is served"),
        (["longest", "--host", "0.0.0.0"], "--open-to-all"),
        (["longest", "--keys", "/nowhere"], "/nowhere"),
        (["longest", "--port", "70000"], "--port 0"),
        (["longest", "--batch-tokens", "0"], "--batch-tokens is 0"),
        (["longest", "--request-s", "nan"], "--request-s is nan"),
        (["longest", "--wait-ms", "-1"], "--wait-ms is -1.0; give 0 or more"),
        (["longest", "--keys", sys.executable], "is not HASH NAME"),
    ],
)
def test_the_command_refuses_before_models_are_loaded(arguments: list[str], words: str) -> None:
    done = served(*arguments)
    try:
        _, errors = done.communicate(timeout=60)
    finally:
        done.kill()
    assert done.returncode == 2
    assert words in errors


def test_a_port_that_is_taken_is_named() -> None:
    from assay.errors import ConfigError
    from assay.server.connections import listening

    taken = listening("127.0.0.1", 0)
    taken.listen()
    with taken, pytest.raises(ConfigError, match="--port 0"):
        listening("127.0.0.1", taken.getsockname()[1])


def test_a_second_ctrl_c_still_ends_the_application(caplog: pytest.LogCaptureFixture) -> None:
    """It was left waiting for its end, and cut off with a traceback."""
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for word in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{word}"
            await send({"type": f"lifespan.{word}.complete"})
        ended.append(scope["type"])

    async def served() -> None:
        one = Server(Config(app, port=0, log_config=None))
        # What was taken is not raised again in this process.
        one.capture_signals = nullcontext  # type: ignore[assignment]
        running = asyncio.create_task(one.serve())
        while not one.started:
            await asyncio.sleep(0.01)
        for _ in range(2):
            one.handle_exit(signal.SIGINT, None)
        await running
        assert one.force_exit

    asyncio.run(served())
    assert ended == ["lifespan"]
    assert "Traceback" not in caplog.text
