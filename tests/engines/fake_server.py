"""A real HTTP server on the loopback that speaks OpenAI's interface, and fails as it is told to.

By default, choice j of a request says the seed it would be sampled with, `seed + j`, as vLLM and
llama.cpp do: what comes back tells what was asked. What is asked is recorded.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self


@dataclass
class Asked:
    """One request, as it was seen."""

    body: dict[str, Any]
    path: str
    headers: Mapping[str, str]
    number: int
    """How many requests came before."""
    same: int
    """How many requests with the same body came before."""
    start: float
    end: float = 0.0

    @property
    def text(self) -> str:
        """The prompt and what stands after it."""
        if "prompt" in self.body:
            return str(self.body["prompt"])
        return "".join(message["content"] for message in self.body["messages"])


@dataclass(frozen=True)
class Reply:
    """What to answer: by default what was asked for."""

    status: int = 200
    body: Any = None
    """JSON; bytes are sent as they are; None for choices."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float | threading.Event = 0.0
    """Seconds, or until when."""
    broken: Literal["", "closed", "cut"] = ""
    """Close the connection before the answer, or in its middle."""
    choices: int | None = None
    """How many, whatever was asked for."""
    choice: Mapping[str, Any] = field(default_factory=dict)
    """Fields of every choice, over the usual ones; "text" is put where it belongs."""
    tokens: int | None = 7
    echo: bool = False
    """Whether the last message, if it is the assistant's, comes back before what is new."""


Script = Callable[[Asked], Reply]
OK = Reply()


def once(reply: Reply) -> Script:
    """Each body gets the reply the first time that it is asked, and a good one after."""
    return lambda asked: reply if asked.same == 0 else OK


def when(word: str, reply: Reply) -> Script:
    """Requests whose text has the word get the reply, others a good one."""
    return lambda asked: reply if word in asked.text else OK


class FakeServer(ThreadingHTTPServer):
    """Listens within a `with`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script = lambda _: OK) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.asked: list[Asked] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._seen: Counter[str] = Counter()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def begin(self, handler: "_Handler", content: bytes) -> Asked:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            key = content.decode()
            number, same = len(self.asked), self._seen[key]
            self._seen[key] += 1
            asked = Asked(
                json.loads(content), handler.path, handler.headers, number, same, time.monotonic()
            )
            self.asked.append(asked)
            return asked

    def finish(self, asked: Asked) -> None:
        with self.lock:
            self.at_once -= 1
            asked.end = time.monotonic()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FakeServer

    def do_POST(self) -> None:
        asked = self.server.begin(self, self.rfile.read(int(self.headers["Content-Length"])))
        try:
            reply = self.server.script(asked)
            self._wait(reply.wait)
        finally:
            # Before the answer: the client may ask anew as soon as it has it.
            self.server.finish(asked)
        with suppress(ConnectionError):
            self._send(asked, reply)

    def _wait(self, wait: float | threading.Event) -> None:
        end = time.monotonic() + (30.0 if isinstance(wait, threading.Event) else wait)
        while time.monotonic() < end and not self.server.closing.is_set():
            if isinstance(wait, threading.Event) and wait.is_set():
                return
            self.server.closing.wait(min(0.005, max(0.0, end - time.monotonic())))

    def _send(self, asked: Asked, reply: Reply) -> None:
        if reply.broken == "closed":
            self.close_connection = True
            return
        body = reply.body if reply.body is not None else _answer(asked.body, reply)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.broken == "cut":
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def _answer(body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    count = body.get("n", 1) if reply.choices is None else reply.choices
    last = body.get("messages", [{"role": "user"}])[-1]
    head = last["content"] if reply.echo and last["role"] == "assistant" else ""
    choices = []
    for j in range(count):
        fields = {
            "text": f"<{body['seed'] + j}>",
            "finish_reason": "stop",
            "index": j,
            **reply.choice,
        }
        if "messages" in body:
            fields["message"] = {"role": "assistant", "content": _plus(head, fields.pop("text"))}
        choices.append(fields)
    usage = (
        {}
        if reply.tokens is None
        else {"usage": {"prompt_tokens": 3, "completion_tokens": reply.tokens * count}}
    )
    return {"object": "answer", "choices": choices, **usage}


def _plus(head: str, text: Any) -> Any:
    return head + text if isinstance(text, str) else text
