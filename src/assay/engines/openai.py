"""Generate on any server that speaks OpenAI's HTTP interface: vLLM, SGLang, llama.cpp,
`transformers serve`, OpenAI.

Many requests are under way at once, and a prefix is handed over as soon as its samples are there.
What may pass is asked for again (`retry`). What does not pass makes its prefix `Unscored`: a failed
sample is never an empty response, and a prefix has all its samples or none.

How servers continue the steps of a prefix, which are sent as a last, unfinished message of the
assistant (`api="chat"`), and what they make of `OpenAI.continuation`:

* vLLM: continues it when told by both settings; it refuses `continue_final_message` alone.
* SGLang: continues it when told by `continue_final_message`, and ignores the other.
* llama.cpp's `llama-server`: continues it when told by both, or by neither; older ones always
  continue it, unless started with `--no-prefill-assistant`. What it gives back begins with the
  steps (`OpenAI.echoes`).
* `transformers serve`: refuses the settings, and begins a new message without: use
`api="completions"`.
* llama-cpp-python's server: ignores the settings and, without a word, begins a new message: use
`api="completions"`.
* OpenAI: has nothing like it; ask it for prefixes without steps.

vLLM lays the message out with the model's chat template. Some templates (Llama 3's) strip a
message's ends: a newline after the last step is lost, and the model writes it anew.
`api="completions"` sends the text as it is. A chat model then needs its template, which only its
tokenizer knows::

    def render(prompt: Prompt) -> str:
        messages = [openai(message) for message in prompt.messages]
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    OpenAI(base_url=..., model=..., api="completions", render=render,
           extra={"add_special_tokens": False})

The extra setting is vLLM's, and keeps it from doubling a template's beginning-of-sequence token.

A server may add settings of its own to how it samples: llama.cpp takes top_k 40 and min_p 0.05
where nothing is said, vLLM and SGLang what the model's generation settings say. extra={"top_k": 0,
"min_p": 0} turns llama.cpp's off.

`transformers serve` heeds temperature and seed only where the model's generation settings sample;
else every sample is the greedy one. extra={"generation_config": '{"do_sample": true, "top_k": 0}'}
makes it sample. Its seeds hold for requests one at a time (`concurrency=1`). SGLang heeds seeds
when started with `--enable-deterministic-inference`.

A response's `meta` holds "tokens" that were written for it and "prompt_tokens" that were read,
where the server counts them.

Left out: streamed tokens, tools, images, and log-probabilities, which `assay.answerers.labels` asks
for.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal
from urllib.parse import urlsplit

from assay.chat import openai
from assay.data.splitting import AlreadySplit
from assay.engines.choices import Choice, choices
from assay.engines.schedule import Put, Schedule
from assay.errors import BackendError, ConfigError
from assay.fingerprint import fingerprint
from assay.http.background import iterate
from assay.http.client import Client, Failure, Pace
from assay.protocols import Prefix, Sampling, Splitter
from assay.types import Prompt, Response, Unscored

__all__ = ["OpenAI", "plain"]


PROBE = "Qx7vk3-zzj0 wq9!"
"""Steps that no model would write."""


WHOLE = AlreadySplit()


def plain(prompt: Prompt) -> str:
    """The prompt's text and a blank line: for models without a chat template."""
    return f"{prompt.text}\n\n"


def _continue_final_message() -> Mapping[str, Any]:
    return {"continue_final_message": True, "add_generation_prompt": False}


@dataclass(frozen=True, kw_only=True)
class OpenAI:
    """A `Generator` and `Streaming` on an OpenAI-compatible server.

    Samples are functions of seed, prefix and number as far as the server honours `seed`. Of several
    samples in one request, vLLM and llama.cpp give each its own seed, one more than that of the one
    before, as is done here between
    requests: there, a sample does not depend on `n_per_request` either.
    """

    base_url: str
    """Address that the interface's paths are under, e.g. http://localhost:8000/v1."""

    model: str
    """Name that the server knows the model by."""

    api: Literal["chat", "completions"] = "chat"
    """Send messages, laid out by the server; or the text itself, which suits base models and exact
    continuation."""

    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the API key; none is sent where it is not set."""

    concurrency: int = 16
    """Requests under way at once."""

    requests_per_minute: int | None = None
    """At most so many requests, evenly spaced; None = no limit of ours."""

    tries: int = 8
    """How often a request is made before its prefix is given up."""

    timeout_s: float = 600.0
    """Seconds that a request may take, all its samples written."""

    backoff_s: float = 0.5
    """Longest wait before the second try, in seconds; it doubles with every try, up to a minute."""

    n_per_request: int = 1
    """Samples a request. With 1, each has its own count of tokens, and every server will do; one
    that ignores `n` is asked again for what is missing. With more, an answer's count is shared out;
    `llama-server` counts one sample alone.
    """

    keeps_stop: bool = False
    """Whether the server leaves the stop in the text: `transformers serve` does; vLLM with the
    extra setting include_stop_str_in_output, SGLang with no_stop_trim."""

    continuation: Mapping[str, Any] = field(default_factory=_continue_final_message)
    """Settings that make a chat server continue the steps of a prefix; sent where there are any."""

    echoes: bool | None = None
    """Whether a chat server repeats the steps at the head of what it wrote, as `llama-server` does.
    None: find out, by one request for one token, when there are steps to continue."""

    render: Callable[[Prompt], str] = plain
    """The text of a prompt, for `api="completions"`; the steps follow it directly."""

    split: Splitter = WHOLE
    """Cuts what was generated into steps."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """More settings for every request, over those made here; one that is None is left out, e.g.
    {"max_tokens": None, "max_completion_tokens": 512} for OpenAI's reasoning models."""

    @property
    def fingerprint(self) -> str:
        """Name by address, model and what is sent. A server that serves other weights under the
        same name is the same
        here: give it another name."""
        where = self.base_url.rstrip("/"), self.model, self.api
        asked = (*where, self.extra, self.n_per_request)
        return fingerprint(
            (*asked, self.keeps_stop, self.continuation, self.echoes, self.render, self.split)
        )

    def __post_init__(self) -> None:
        if not _is_address(self.base_url):
            raise ConfigError(
                "base_url must be an address such as http://localhost:8000/v1, without a password"
                " or a query in it; a key belongs in the environment variable that key_variable"
                " names"
            )
        if self.api not in ("chat", "completions"):
            raise ConfigError(f"api is {self.api!r}; it must be 'chat' or 'completions'")
        least = min(self.concurrency, self.tries, self.n_per_request, self.requests_per_minute or 1)
        if (
            least < 1
            or self.requests_per_minute == 0
            or not self.timeout_s > 0
            or not self.backoff_s >= 0
        ):
            raise ConfigError(
                f"concurrency is {self.concurrency}, tries {self.tries}, n_per_request"
                f" {self.n_per_request}, requests_per_minute {self.requests_per_minute}, timeout_s"
                f" {self.timeout_s} and backoff_s {self.backoff_s}; they must be at least 1, the"
                " last two above 0 and at least 0"
            )

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        """`sampling.n` responses a prefix, in order. One that reaches `max_tokens` or a stop is not
        finished.

        A prefix given k times in one call gets k times n different samples. Raises `BackendError`
        where a prefix has none, and where `stream` does.
        """
        found: dict[int, list[Response]] = {}
        failed: dict[int, str] = {}
        for i, answer in self.stream(prefixes, sampling):
            if isinstance(answer, Unscored):
                failed[i] = answer.reason
            else:
                found[i] = answer
        if failed:
            first = min(failed)
            raise BackendError(
                f"{len(failed)} of {len(prefixes)} prefixes have no responses; prefix {first}:"
                f" {failed[first]}. `stream` hands over the others"
            )
        return [found[i] for i in range(len(prefixes))]

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        """Return what `generate` does, each prefix as soon as its samples are there; one that has
        none is `Unscored`.

        Closing the iterator cancels what is under way. Raises `BackendError` where going on is of
        no use: a wrong key or model, or a server that is down.
        """
        if prefixes:
            yield from iterate(partial(self._produce, prefixes, sampling))

    @cached_property
    def _learnt(self) -> dict[str, bool]:
        """Return what was found out about the server."""
        return {}

    @cached_property
    def _pace(self) -> Pace:
        return Pace(self.requests_per_minute)

    async def _produce(self, prefixes: Sequence[Prefix], sampling: Sampling, put: Put) -> None:
        path = "chat/completions" if self.api == "chat" else "completions"
        client = Client(
            f"{self.base_url.rstrip('/')}/{path}",
            self._pace,
            key=_key(self.key_variable),
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            tries=self.tries,
            timeout_s=self.timeout_s,
            backoff_s=self.backoff_s,
        )
        async with client:
            echoes = await self._finds_echo(client, prefixes)

            def read(prefix: Prefix, count: int, payload: Any) -> list[Choice | Unscored]:
                head = "".join(prefix.steps) if echoes else ""
                return choices(
                    payload, count=count, stop=sampling.stop, keeps_stop=self.keeps_stop, head=head
                )

            await Schedule(
                prefixes,
                sampling.n,
                client=client,
                concurrency=self.concurrency,
                per_request=self.n_per_request,
                request=lambda prefix, number, count: self._body(prefix, sampling, number, count),
                read=read,
                response=self._response,
                put=put,
                varied=sampling.n > 1 and sampling.temperature > 0,
            ).run()

    async def _finds_echo(self, client: Client, prefixes: Sequence[Prefix]) -> bool:
        """Return whether the server repeats steps. What follows them may well begin as they do, but
        for steps that no model would write, and none could write as one token."""
        prompt = next((prefix.prompt for prefix in prefixes if prefix.steps), None)
        if self.api == "completions" or prompt is None or self.echoes is not None:
            return self.api == "chat" and bool(self.echoes)
        if "echoes" not in self._learnt:
            body = self._body(Prefix(prompt, (PROBE,)), Sampling(max_tokens=1, temperature=0), 0, 1)
            answer = await client.ask(body, partial(choices, count=1))
            if isinstance(answer, Failure):
                return False  # The steps will fare no better, and say so.
            self._learnt["echoes"] = isinstance(answer[0], Choice) and answer[0].text.startswith(
                PROBE
            )
        return self._learnt["echoes"]

    def _body(self, prefix: Prefix, sampling: Sampling, number: int, count: int) -> dict[str, Any]:
        """The request for samples `number` to `number + count - 1`."""
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": _seed(prefix, sampling.seed) + number,
        }
        if count > 1:
            body["n"] = count
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if self.api == "completions":
            body["prompt"] = self.render(prefix.prompt) + "".join(prefix.steps)
        else:
            body["messages"] = [openai(message) for message in prefix.prompt.messages]
            if prefix.prompt.tools:
                body["tools"] = [dict(tool) for tool in prefix.prompt.tools]
            if prefix.steps:
                body["messages"].append({"role": "assistant", "content": "".join(prefix.steps)})
                body |= self.continuation
        return {
            name: value for name, value in (body | dict(self.extra)).items() if value is not None
        }

    def _response(self, prefix: Prefix, choice: Choice) -> Response:
        steps = tuple(self.split(choice.text)) if choice.text else ()
        if "".join(steps) != choice.text:
            raise BackendError(
                f"the splitter changed the text: {choice.text!r} became {steps!r}; steps must join"
                " to the text"
            )
        counts = {"tokens": choice.tokens, "prompt_tokens": choice.prompt_tokens}
        meta = {name: count for name, count in counts.items() if count is not None}
        return Response(steps=(*prefix.steps, *steps), finished=choice.finished, meta=meta)


def _is_address(text: str) -> bool:
    """Return whether it is an address of HTTP, with nothing secret in it."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    plain_host = url.hostname is not None and "@" not in url.netloc and port != 0
    return url.scheme in ("http", "https") and plain_host and not url.query and not url.fragment


def _seed(prefix: Prefix, seed: int) -> int:
    """Seed of a prefix's sample 0, below 2^30: some servers hold seeds in 32 signed bits."""
    messages: list[Any] = [openai(message) for message in prefix.prompt.messages]
    if prefix.prompt.tools:
        messages.append({"tools": prefix.prompt.tools})
    digest = hashlib.sha256(json.dumps([seed, messages, prefix.steps]).encode()).digest()
    return int.from_bytes(digest[:4]) >> 2


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"the environment variable {variable} holds characters that no API key has; set it anew"
        )
    return key
