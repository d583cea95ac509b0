import asyncio
import contextlib
import dataclasses
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from assay.engines.choices import Choice, choices, shares
from assay.engines.openai import OpenAI
from assay.errors import BackendError, ConfigError, DataError, MissingExtra
from assay.http.background import iterate
from assay.http.client import Pace, asked_wait, retry_after, shorten
from assay.protocols import Generator, Prefix, Sampling, Streaming
from assay.runs.settings import to_json
from assay.types import Message, Prompt, Response, Unscored
from tests.engines.fake_server import OK, Asked, FakeServer, Reply, Script, once, when

KEY = "sk-a-secret"
A, B, C = (Prefix(Prompt.of(text)) for text in ("alpha", "beta", "gamma"))
MANY = [Prefix(Prompt.of(f"question {i}.")) for i in range(12)]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def engine(server: FakeServer, **settings: Any) -> OpenAI:
    return OpenAI(
        **{
            "base_url": server.url,
            "model": "tiny",
            "backoff_s": 0.002,
            "tries": 4,
            "timeout_s": 5.0,
        }
        | settings
    )


def ask(
    script: Script, prefixes: list[Prefix], sampling: Sampling | None = None, **settings: Any
) -> tuple[Any, Any]:
    """What the stream hands over, by prefix, and what the server was asked."""
    with FakeServer(script) as server:
        found = list(engine(server, **settings).stream(prefixes, sampling or Sampling()))
    assert len({i for i, _ in found}) == len(found)
    return dict(found), server.asked


def texts(group: Any) -> list[str]:
    assert isinstance(group, list), group
    return [response.text for response in group]


# --- what is asked, and what comes back
# -----------------------------------------------------------------------------


def test_the_engine_streams_chats_and_sends_its_settings() -> None:
    with FakeServer() as server:
        generator = engine(server)
        assert isinstance(generator, Generator)
        assert isinstance(generator, Streaming)
        (a,), (b,) = generator.generate([A, B], Sampling(max_tokens=9, temperature=0.5, top_p=0.9))
    assert a.finished
    assert a.meta == {"tokens": 7, "prompt_tokens": 3}
    assert (a.text, b.text) == tuple(
        f"<{asked.body['seed']}>" for asked in sorted(server.asked, key=lambda q: q.text)
    )
    first = min(server.asked, key=lambda q: q.text)
    assert first.path == "/v1/chat/completions"
    assert {name: first.body[name] for name in first.body if name != "seed"} == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "alpha"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_steps_are_continued_and_kept() -> None:
    prefix = Prefix(A.prompt, ("One. ", "Two. "))
    found, (asked,) = ask(
        lambda _: Reply(choice={"text": "ab"}), [prefix], split=list, echoes=False
    )
    assert asked.body["messages"][-1] == {"role": "assistant", "content": "One. Two. "}
    assert asked.body["continue_final_message"] is True
    assert asked.body["add_generation_prompt"] is False
    assert found[0][0].steps == ("One. ", "Two. ", "a", "b")


def test_steps_that_come_back_are_noticed() -> None:
    prefixes = [A, Prefix(A.prompt, ("One. ", "Two. "))]

    def script(echo: bool) -> Script:
        return lambda asked: Reply(
            choice={"text": "One. Two. " if asked.body["max_tokens"] > 1 else "a"}, echo=echo
        )

    for echo in (True, False):
        with FakeServer(script(echo)) as server:
            generator = engine(server)
            for _ in range(2):
                (start,), (found,) = generator.generate(prefixes, Sampling())
                assert found.steps == ("One. ", "Two. ", "One. Two. ")
                assert start.steps == ("One. Two. ",)
            # It is asked once, for one token; and not where nothing is continued, or the text
            # itself is sent.
            assert [q.body["max_tokens"] for q in server.asked].count(1) == 1
            generator.generate([A], Sampling())
            engine(server, api="completions").generate(prefixes, Sampling())
            assert [q.body["max_tokens"] for q in server.asked].count(1) == 1
    found, _ = ask(script(False), prefixes, echoes=True)
    assert found[1][0].steps == ("One. ", "Two. ")  # Told wrongly: the echo is believed.
    found, _ = ask(lambda _: Reply(choice={"text": "Two"}), prefixes, echoes=True)
    assert isinstance(found[0], list)
    assert "does not begin with the steps" in found[1].reason


def test_a_splitter_that_changes_the_text_is_refused() -> None:
    with pytest.raises(BackendError, match="the splitter changed the text"):
        ask(lambda _: Reply(choice={"text": "a b"}), [A], split=str.split)


def test_completions_send_the_text_itself() -> None:
    talk = Prompt(
        messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    )
    found, asked = ask(lambda _: OK, [Prefix(talk, ("Hel", "lo"))], api="completions", tries=1)
    assert texts(found[0])[0].startswith("Hello<")
    assert asked[0].body["prompt"] == "Be brief.\n\nHi\n\nHello"
    assert asked[0].path == "/v1/completions"
    assert not asked[0].body.keys() & {"messages", "continue_final_message", "n", "stop"}
    _, asked = ask(lambda _: OK, [A], api="completions", render=lambda prompt: f"[{prompt.text}]")
    assert asked[0].body["prompt"] == "[alpha]"


def test_extra_settings_have_the_last_word() -> None:
    _, asked = ask(
        lambda _: OK,
        [A],
        extra={"max_tokens": None, "max_completion_tokens": 5, "temperature": 0.1},
    )
    assert "max_tokens" not in asked[0].body
    assert (asked[0].body["max_completion_tokens"], asked[0].body["temperature"]) == (5, 0.1)


def test_prefixes_of_a_prompt_go_together() -> None:
    prefixes = [
        Prefix(p.prompt, steps) for steps in [("x", "y"), ("z",), (), ("x",)] for p in (A, B)
    ]
    _, asked = ask(lambda _: OK, prefixes, concurrency=1, echoes=False)
    order = ["", "x", "xy", "z"]
    assert [q.text for q in asked] == [p.prompt.text + steps for p in (A, B) for steps in order]


# --- seeds
# --------------------------------------------------------------------------------------------------


def test_a_sample_is_a_function_of_seed_prefix_and_number() -> None:
    def sampled(prefixes: list[Prefix], n: int, seed: int = 3, **settings: Any) -> list[list[str]]:
        found, _ = ask(lambda _: OK, prefixes, Sampling(n=n, seed=seed), **settings)
        return [texts(found[i]) for i in range(len(prefixes))]

    steps = Prefix(A.prompt, ("a", "b"))
    whole = sampled([A, B, steps], 6)
    assert len({text for group in whole for text in group}) == 18
    assert sampled([A, B, steps], 6) == whole
    assert sampled([A, B, steps], 6, concurrency=1, n_per_request=4) == whole
    assert sampled([A], 6, seed=4) != whole[:1]
    assert sampled([dataclasses.replace(A, first=2)], 4) == [whole[0][2:]]
    # The same prefix twice in one call: two groups of other samples. Steps are told apart by where
    # they are cut.
    assert sampled([A, A], 3) == [whole[0][:3], whole[0][3:]]
    assert sampled([Prefix(A.prompt, ("ab",))], 1)[0][0] != whole[2][0]


def test_every_seed_fits_into_32_signed_bits() -> None:
    _, asked = ask(lambda _: OK, MANY, Sampling(n=3))
    seeds = [q.body["seed"] for q in asked]
    assert len(set(seeds)) == 36
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert max(seeds) > 2**28


def test_a_server_that_does_not_sample_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    def greedy(_: Asked) -> Reply:
        return Reply(choice={"text": "same"})

    ask(greedy, MANY, Sampling(n=2, temperature=0))
    ask(greedy, MANY[:4], Sampling(n=2))
    ask(lambda asked: OK if asked.number < 2 else greedy(asked), MANY, Sampling(n=2), concurrency=1)
    assert not caplog.messages
    ask(greedy, MANY, Sampling(n=2))
    (line,) = caplog.messages
    assert "all 2 samples of each of the first 5 prefixes are the same" in line


# --- what may pass is asked for again
# -------------------------------------------------------------------------------

PASSING = {
    **{
        str(status): Reply(status, {"error": {"message": "later"}})
        for status in (408, 409, 425, 429, 500, 502, 503)
    },
    "429 with seconds": Reply(429, headers={"Retry-After": "0"}),
    "429 with milliseconds": Reply(429, headers={"retry-after-ms": "1.5", "Retry-After": "900"}),
    "429 with a date": Reply(429, headers={"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}),
    "429 with nonsense": Reply(429, headers={"Retry-After": "soon"}),
    "closed": Reply(broken="closed"),
    "cut": Reply(broken="cut"),
    "late": Reply(wait=threading.Event()),
    "cut JSON": Reply(body=b'{"choices": [{"text": "hal'),
    "no JSON": Reply(body=b"<html>Bad gateway</html>"),
    "deep JSON": Reply(body=b"[" * 100_000),
    "not UTF-8": Reply(body=b'{"choices": "\xff"}'),
    "null": Reply(body=b"null"),
    "an error with status 200": Reply(body={"error": {"message": "overloaded"}}),
    "no choices": Reply(choices=0),
    "too many choices": Reply(choices=2),
    "choices of another form": Reply(body={"choices": ["text"]}),
    "no text": Reply(body={"choices": [{"finish_reason": "stop"}]}),
    "text of another form": Reply(choice={"text": ["a"]}),
    "half a character": Reply(choice={"text": "\ud83d"}),
    "no reason": Reply(choice={"finish_reason": None}),
    "broken off": Reply(choice={"finish_reason": "abort"}),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_asked_for_again(name: str) -> None:
    found, asked = ask(
        once(PASSING[name]), [A], Sampling(n=2), timeout_s=0.4 if name == "late" else 5.0
    )
    assert texts(found[0]) == [f"<{seed}>" for seed in sorted({q.body["seed"] for q in asked})]
    assert len(asked) == 4
    assert [q.same for q in asked].count(1) == 2


@pytest.mark.parametrize("name", PASSING)
def test_what_does_not_pass_is_no_response(name: str) -> None:
    found, asked = ask(
        when("beta", PASSING[name]),
        [A, B, C],
        Sampling(n=2),
        timeout_s=0.3 if name == "late" else 5.0,
        tries=3,
    )
    assert [len(texts(found[i])) for i in (0, 2)] == [2, 2]
    assert isinstance(found[1], Unscored)
    assert "(3 tries)" in found[1].reason
    assert {q.same for q in asked if q.text == "beta"} == {0, 1, 2}
    assert all(q.same == 0 for q in asked if q.text != "beta")


def test_generate_names_the_first_prefix_without_responses() -> None:
    with FakeServer(when("a", Reply(500, {"error": "out of memory"}))) as server:
        prefixes = [Prefix(Prompt.of(text)) for text in ("x", "a", "y", "ab")]
        with pytest.raises(
            BackendError,
            match=r"2 of 4 prefixes have no responses; prefix 1: 500 .*: out of memory",
        ):
            engine(server, concurrency=1).generate(prefixes, Sampling())


def test_a_server_that_ignores_n_is_asked_for_the_rest() -> None:
    found, asked = ask(lambda _: Reply(choices=1), [A], Sampling(n=5), n_per_request=3)
    assert len(set(texts(found[0]))) == 5
    assert sorted(q.body.get("n", 1) for q in asked) == [1, 1, 2, 2, 3]
    assert [r.meta["tokens"] for r in found[0]] == [7] * 5
    assert [r.meta["prompt_tokens"] for r in found[0]] == [3] * 5


def test_the_prompt_of_several_samples_is_counted_once() -> None:
    found, asked = ask(lambda _: OK, [A], Sampling(n=4), n_per_request=2)
    assert len(asked) == 2
    assert sorted(r.meta["prompt_tokens"] for r in found[0]) == [1, 1, 2, 2]


def test_retry_after_holds_back_every_request() -> None:
    def script(asked: Asked) -> Reply:
        if asked.number == 0:
            return Reply(429, headers={"Retry-After": "0.4"})
        return Reply(wait=0.2) if asked.number < 3 else OK  # Under way while the first is answered.

    with FakeServer(script) as server:
        engine(server, concurrency=3).generate(MANY, Sampling())
    limited, *rest = server.asked
    assert len(rest) == len(MANY)
    assert min(q.start - limited.end for q in rest[2:]) >= 0.39


def test_another_failure_holds_back_nobody_else() -> None:
    with FakeServer(
        lambda q: Reply(500, headers={"Retry-After": "0.4"}) if q.number == 0 else OK
    ) as server:
        found = engine(server, concurrency=2).stream([A, B, C], Sampling())
        last = [next(found)[0] for _ in range(3)][-1]
    assert server.asked[0].text == [A, B, C][last].prompt.text
    assert server.asked[-1].start - server.asked[0].end >= 0.39


def test_the_rate_limit_holds_within_calls_and_between() -> None:
    with FakeServer() as server:
        generator = engine(server, requests_per_minute=60 * 40)
        for _ in range(2):
            generator.generate(MANY[:5], Sampling())
    starts = sorted(q.start for q in server.asked)
    assert starts[-1] - starts[0] >= 9 * 0.025 - 0.01


def test_so_many_requests_at_once_and_no_more() -> None:
    with FakeServer(lambda _: Reply(wait=0.03)) as server:
        engine(server, concurrency=3).generate(MANY, Sampling())
    assert server.most_at_once == 3
    assert len(server.asked) == 12


# --- what does not pass
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_prefix_is_unscored_at_once(status: int) -> None:
    message = "This model's maximum context length is 2048 tokens.\n" + "x" * 500
    found, asked = ask(
        when("beta", Reply(status, {"error": {"message": message}})), [A, B, C], Sampling(n=2)
    )
    assert found[1].reason.startswith(f"refused: {status}")
    assert "maximum context length is 2048 tokens. xxx" in found[1].reason
    assert len(found[1].reason) < 300
    assert len(texts(found[0])) == len(texts(found[2])) == 2
    assert all(q.same == 0 for q in asked)


def test_a_filtered_sample_leaves_its_prefix_without_responses() -> None:
    def script(asked: Asked) -> Reply:
        return Reply(choice={"finish_reason": "content_filter"}) if asked.number == 1 else OK

    found, asked = ask(script, [A], Sampling(n=4), concurrency=1)
    assert found == {
        0: Unscored(reason="the server ended a sample with finish_reason 'content_filter'")
    }
    assert len(asked) == 2  # The rest would have been for nothing.


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}),
            "OPENAI_API_KEY",
        ),
        (Reply(403, {"error": "no"}), "OPENAI_API_KEY"),
        (Reply(404, {"detail": "Not Found"}), "model's name and the address"),
        (Reply(501, {"error": {"message": "no"}}), "cannot do this with the model"),
        (Reply(400, {"error": {"message": "no", "code": "model_not_found"}}), "model's name"),
        (Reply(429, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota"),
        (Reply(429, headers={"Retry-After": "3600"}), "asks to wait 3,600 s"),
        (
            Reply(307, headers={"Location": "http://elsewhere/{0.__class__}/v1"}),
            "http://elsewhere/{0.__class__}/v1",
        ),
    ],
)
def test_what_no_request_would_survive_ends_all(reply: Reply, message: str) -> None:
    with FakeServer(lambda q: reply if q.number == 2 else OK) as server:
        found = engine(server, concurrency=1).stream(MANY, Sampling())
        assert [next(found)[0], next(found)[0]] == [0, 1]
        with pytest.raises(BackendError) as caught:
            next(found)
    assert message in str(caught.value)
    assert server.url in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.asked) == 3


def test_a_server_that_is_down_is_given_up_soon() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        stream = OpenAI(base_url=url, model="m", tries=2, backoff_s=0.001, concurrency=2).stream(
            MANY, Sampling()
        )
        found: list[Any] = []
        with pytest.raises(
            BackendError,
            match=r"[34] requests in a row got nothing .*ConnectError.*Is the server running",
        ):
            found.extend(stream)
    assert 3 <= len(found) <= 4
    assert all(isinstance(answer, Unscored) for _, answer in found)


def test_a_server_that_goes_down_is_given_up_too() -> None:
    found: list[Any] = []
    with FakeServer(lambda q: OK if q.number < 2 else Reply(broken="closed")) as server:
        stream = engine(server, tries=2, concurrency=4).stream(MANY, Sampling())
        with pytest.raises(BackendError, match=r"[4-7] requests in a row"):
            found.extend(stream)
    assert [isinstance(answer, list) for _, answer in found[:3]] == [True, True, False]
    assert len(server.asked) < 2 + 2 * 8


def test_one_prefix_is_enough_where_nothing_answers() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(
            BackendError, match=r"A request got nothing .*ConnectError.*\(4 tries\)"
        ):
            list(OpenAI(base_url=url, model="m", tries=9, backoff_s=0.001).stream([A], Sampling()))


def test_prefixes_that_are_too_much_for_a_server_do_not_bring_it_down() -> None:
    """However many there are in a row, it still answers what it answered before."""
    with FakeServer(when("heavy", Reply(status=500))) as server:
        made = engine(server, tries=2, concurrency=2)
        heavy = [Prefix(Prompt.of(f"heavy {i}")) for i in range(9)]
        found = dict(made.stream([A, *heavy, B], Sampling()))
        assert [isinstance(found[i], Unscored) for i in range(11)] == [False, *[True] * 9, False]
        assert all(isinstance(answer, Unscored) for _, answer in made.stream(heavy[:1], Sampling()))
        server.script = lambda _: Reply(status=500)
        with pytest.raises(BackendError, match="A request got nothing"):
            list(made.stream(heavy[:1], Sampling()))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtra, match=r"assay\[openai\]"):
        OpenAI(base_url="http://localhost:1/v1", model="m").generate([A], Sampling())


# --- streaming
# --------------------------------------------------------------------------------------------------


def test_a_prefix_is_handed_over_while_others_are_under_way() -> None:
    release = threading.Event()
    with FakeServer(when("alpha", Reply(wait=release))) as server:
        found = engine(server).stream([A, B, C], Sampling(n=2))
        assert {next(found)[0], next(found)[0]} == {1, 2}
        assert server.at_once == 2
        release.set()
        assert next(found)[0] == 0
        with pytest.raises(StopIteration):
            next(found)


def test_closing_early_cancels_the_rest() -> None:
    with FakeServer(when("question", Reply(wait=threading.Event()))) as server:
        found = engine(server, concurrency=4).stream([A, *MANY], Sampling())
        assert next(found)[0] == 0
        before = time.monotonic()
        assert isinstance(found, Iterator)
        found.close()  # type: ignore[attr-defined]
        assert time.monotonic() - before < 1
        assert not [thread for thread in threading.enumerate() if thread.name == "assay-requests"]
        assert len(server.asked) <= 5


def test_it_works_inside_a_running_loop() -> None:
    async def main(server: FakeServer) -> list[list[Response]]:
        return engine(server).generate([A, B], Sampling(n=2))

    with FakeServer() as server:
        assert [len(group) for group in asyncio.run(main(server))] == [2, 2]


def test_nothing_asked_is_nothing_done() -> None:
    assert OpenAI(base_url="http://localhost:1/v1", model="m").generate([], Sampling()) == []


def test_items_come_before_the_error() -> None:
    async def produce(put: Any) -> None:
        put(1)
        await asyncio.sleep(0)
        put(2)
        raise DataError("done")

    items = iterate(produce)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(DataError, match="done"):
        next(items)


# --- keys, settings, log
# --------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with FakeServer(once(Reply(500, {"error": {"message": f"bad key {KEY}"}}))) as server:
        generator = engine(server)
        generator.generate([A], Sampling())
        assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
        assert "bad key ***" in caplog.text
        settings = dataclasses.replace(generator, render=str, split=str)
        assert (
            KEY
            not in f"{generator!r}{vars(generator)}{to_json([settings.base_url, settings.extra])}{caplog.text}"  # noqa: E501
        )
        monkeypatch.delenv("OPENAI_API_KEY")
        generator.generate([B], Sampling())
        assert "Authorization" not in server.asked[-1].headers
        monkeypatch.setenv("OTHER_KEY", "another\nkey")
        with pytest.raises(ConfigError, match="OTHER_KEY") as caught:
            engine(server, key_variable="OTHER_KEY").generate([A], Sampling())
        assert "another" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "localhost:8000/v1"},
        {"base_url": "http://me:secret@localhost/v1"},
        {"base_url": "http://localhost/v1?key=secret"},
        {"base_url": "http://[::1/v1"},
        {"base_url": "http://localhost:99999/v1"},
        {"api": "responses"},
        {"concurrency": 0},
        {"tries": 0},
        {"n_per_request": 0},
        {"requests_per_minute": 0},
        {"timeout_s": 0.0},
        {"backoff_s": -1.0},
    ],
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAI(**{"base_url": "http://localhost/v1", "model": "m"} | settings)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "sampling", [{"n": 0}, {"max_tokens": 0}, {"stop": ("",)}, {"temperature": -1}, {"top_p": 0}]
)
def test_sampling_is_checked(sampling: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        OpenAI(base_url="http://localhost/v1", model="m").generate([A], Sampling(**sampling))


def test_one_line_a_minute_of_each_kind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(asked: Asked) -> Reply:
        return [Reply(500, {"error": "a\x1b[31m\nb"}), Reply(429), OK][asked.same]

    ask(script, MANY, Sampling())
    assert sorted(line.split(": ")[1].split("; ")[0] for line in caplog.messages) == [
        "429 Too Many Requests",
        "500 Internal Server Error",
    ]
    assert "a [31m b" in caplog.text
    caplog.clear()
    pace, now = Pace(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for now[0] in (0.0, 1.0, 59.0, 61.0, 62.0):
        pace.say("500", "line")
    assert caplog.messages == ["line", "line (2 more like it before)"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", None),
        ("inf", None),
        ("later", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0.0),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10.0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1"}, None),
        ({"retry-after-ms": "inf", "retry-after": "2"}, 2.0),
        ({}, None),
    ],
)
def test_asked_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, datetime.now(UTC)) == seconds


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too long"}},
        {"error": "too long"},
        {"message": "too long"},
        {"detail": "too long"},
        {"detail": {"error_type": "invalid_request", "message": "too long"}},
        {"success": False, "errors": [{"code": 5, "message": "too long"}], "result": None},
        b"too long",
    ],
)
def test_the_message_of_an_error_in_every_form(body: object) -> None:
    found, _ = ask(lambda _: Reply(400, body), [A], Sampling())
    assert found[0].reason == "refused: 400 Bad Request: too long"


def test_the_fields_that_a_server_finds_wrong_are_named() -> None:
    wrong = [{"loc": ["body", "state"], "msg": "Field required", "type": "missing"}]
    found, _ = ask(lambda _: Reply(422, {"detail": wrong}), [A], Sampling())
    assert found[0].reason.endswith(": body.state: Field required")


def test_shorten() -> None:
    assert shorten(" a\n\tb\x00c ") == "a b c"
    assert shorten("x" * 300, 10) == "xxxxxxx..."


# --- choices
# --------------------------------------------------------------------------------------------------


def answer(*found: dict[str, Any], tokens: Any = None) -> dict[str, Any]:
    return {"choices": list(found), "usage": {"completion_tokens": tokens}}


def one(text: Any = "a", reason: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"text": text, "finish_reason": reason, **more}


STOPS = ("\n", "END")


@pytest.mark.parametrize(
    ("choice", "stop", "expected"),
    [
        (one(), (), ("a", True)),
        (one(""), (), ("", True)),
        (one(reason="length"), (), ("a", False)),
        (one(reason="length"), STOPS, ("a", False)),
        # vLLM and SGLang tell which; null, a token's id and another text are the model's own end.
        (one(stop_reason="END"), STOPS, ("aEND", False)),
        (one(stop_reason=None), STOPS, ("a", True)),
        (one(stop_reason=2), STOPS, ("a", True)),
        (one(matched_stop="\n"), STOPS, ("a\n", False)),
        (one(matched_stop="</s>"), STOPS, ("a", True)),
        (one(matched_stop=151645), STOPS, ("a", True)),
        # Others do not.
        (one(), ("END",), ("aEND", False)),
        # It is there already, and perhaps more after it.
        (one("aEND"), STOPS, ("aEND", False)),
        (one("aENDb\n", "length"), STOPS, ("aEND", False)),
        (one("a\n", stop_reason="\n"), STOPS, ("a\n", False)),
    ],
)
def test_ends_and_stops(
    choice: dict[str, Any], stop: tuple[str, ...], expected: tuple[str, bool]
) -> None:
    assert choices(answer(choice), count=1, stop=stop) == [Choice(*expected, None)]


def test_a_server_that_keeps_stops_ends_by_itself_without_one() -> None:
    assert choices(answer(one()), count=1, stop=STOPS, keeps_stop=True) == [Choice("a", True, None)]
    assert choices(answer(one("a\n")), count=1, stop=STOPS, keeps_stop=True) == [
        Choice("a\n", False, None)
    ]


def test_what_cannot_be_known_is_not_guessed() -> None:
    (found,) = choices(answer(one()), count=1, stop=STOPS)
    assert isinstance(found, Unscored)
    assert "which of several stops" in found.reason
    chat = {"message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "length"}
    (found,) = choices(answer(chat), count=1)
    assert isinstance(found, Unscored)
    with pytest.raises(DataError, match="no text"):
        choices(answer({"message": {"content": 3}, "finish_reason": "stop"}), count=1)


def test_choices_come_in_the_order_of_their_numbers() -> None:
    found = choices(answer(one("b", index=1), one("a", index=0)), count=2)
    assert found == [Choice("a", True, None), Choice("b", True, None)]


def test_tokens_are_shared_by_length() -> None:
    found = choices(answer(one("aaaa"), one("b"), one("")), count=3)
    assert all(isinstance(c, Choice) and c.tokens is None for c in found)
    found = choices(answer(one("aaaa"), one("b"), one(""), tokens=12), count=3)
    assert [c.tokens for c in found if isinstance(c, Choice)] == [10, 2, 0]
    assert shares(10, [1, 1, 1]) == [4, 3, 3]
    assert shares(2, [0, 0]) == [1, 1]
    assert shares(0, [5, 5]) == [0, 0]
    for total in range(30):
        assert sum(shares(total, [3, 1, 7, 0])) == total


def test_unfinished_and_stopped_samples_through_the_server() -> None:
    script = when("alpha", Reply(choice={"text": "one", "finish_reason": "length"}))
    found, asked = ask(script, [A, B], Sampling(stop=("\n\n",), max_tokens=3))
    assert [(r.text, r.finished) for r in found[0]] == [("one", False)]
    assert found[1][0].text.endswith(">\n\n")
    assert not found[1][0].finished
    assert asked[0].body["stop"] == ["\n\n"]


def test_bodies_are_plain_ascii_json() -> None:
    with (
        FakeServer() as server,
        contextlib.closing(
            engine(server).stream([Prefix(Prompt.of("π 🙂 \x00"))], Sampling())
        ) as found,
    ):
        assert isinstance(next(found)[1], list)
    assert json.loads(json.dumps(server.asked[0].body))["messages"][0]["content"] == "π 🙂 \x00"
