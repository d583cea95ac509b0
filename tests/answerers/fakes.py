"""Servers of several dialects in front of a planted distribution of the next token, as scripts of
the fake server. They refuse what the real ones refuse, and ignore what those ignore."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.engines.fake_server import Asked, Reply, Script

Model = Callable[[str], Mapping[str, float]]
"""The next token's probabilities, by the text of the last user's message."""

KNOWN = {
    "model", "messages", "max_tokens", "temperature", "logprobs", "top_logprobs", "seed", "top_p",
    "max_completion_tokens",
}  # fmt: skip
"""What OpenAI's own server takes; it refuses the rest."""


def padded(some: Mapping[str, float], size: int = 60) -> dict[str, float]:
    """Some tokens' probabilities, and what they leave on others, the first of them likeliest."""
    rest = 1 - math.fsum(some.values())
    weights = [0.8**i for i in range(size)]
    others = {f"~{i}": rest * w / sum(weights) for i, w in enumerate(weights)}
    return {**some, **others}


class Vocabulary:
    """Longest match of known words; every other character is a token."""

    def __init__(self, words: list[str]) -> None:
        self.words = [*words, *(chr(i) for i in range(10, 127))]
        self.ids = {word: i for i, word in reversed([*enumerate(self.words)])}
        self.pattern = re.compile(
            "|".join(map(re.escape, sorted(self.ids, key=len, reverse=True))), re.DOTALL
        )

    def encode(self, text: str) -> list[int]:
        return [self.ids[word] for word in self.pattern.findall(text)]


def chat(
    given: list[tuple[str, float]], top: list[tuple[str, float]], **message: Any
) -> dict[str, Any]:
    """A chat's answer of one token: all that may be written, and what the server tells of it."""
    token, p = max(given, key=lambda pair: pair[1])

    def pair(token: str, p: float) -> dict[str, Any]:
        return {"token": token, "logprob": math.log(p) if p else -9999.0, "bytes": None}

    content = [{**pair(token, p), "top_logprobs": [pair(*one) for one in top]}]
    return {
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": token, **message},
                "logprobs": {"content": content},
                "finish_reason": "length",
            }
        ],
        "usage": {
            "prompt_tokens": 30,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 20},
        },
    }


def _refused(message: str) -> Reply:
    return Reply(400, {"error": {"message": message, "type": "invalid_request_error"}})


def _likeliest(model: Model, asked: Asked) -> list[tuple[str, float]]:
    text = [m["content"] for m in asked.body["messages"] if m["role"] == "user"][-1]
    return sorted(model(text).items(), key=lambda pair: -pair[1])


NO_PAGE = Reply(404, {"detail": "Not Found"})


def openai(model: Model, most: int = 20) -> Script:
    """The likeliest tokens, 20 at most; unknown settings are refused."""

    def script(asked: Asked) -> Reply:
        if asked.path != "/v1/chat/completions":
            return NO_PAGE
        if unknown := set(asked.body) - KNOWN:
            return _refused(f"Unrecognized request arguments supplied: {unknown}")
        if (k := asked.body["top_logprobs"]) > most:
            return _refused(f"Invalid 'top_logprobs': {k} is more than {most}")
        tokens = _likeliest(model, asked)
        return Reply(body=chat(tokens, tokens[:k]))

    return script


def vllm(model: Model, vocabulary: Vocabulary, *, old: bool = False, absent: str = "") -> Script:
    """The tokens asked for beside the one written, as a new one does, or as an old one the
    likeliest; absent: a token whose value it does not have."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/tokenize":
            ids = vocabulary.encode(asked.body["prompt"])
            return Reply(body={"count": len(ids), "max_model_len": 4096, "tokens": ids})
        tokens = _likeliest(model, asked)
        ids = asked.body.get("logprob_token_ids")
        if ids is None or old:
            told = tokens[: asked.body["top_logprobs"]]
        elif len(ids) > 128:
            return _refused("logprob_token_ids: at most 128")
        else:
            among = dict(tokens)
            words = [vocabulary.words[id] for id in ids]
            told = [tokens[0]] + [(w, among.get(w, 1e-12)) for w in words if w != tokens[0][0]]
        told = [(word, 0.0 if word == absent else p) for word, p in told]
        if asked.body.get("return_tokens_as_token_ids"):

            def named(pairs: list[tuple[str, float]]) -> list[tuple[str, float]]:
                return [(f"token_id:{vocabulary.ids.get(word, 9999)}", p) for word, p in pairs]

            return Reply(body=chat(named(tokens), named(told)))
        return Reply(body=chat(tokens, told))

    return script


def sglang(model: Model, vocabulary: Vocabulary) -> Script:
    """The likeliest tokens, as many as asked for; unknown settings are ignored, and above
    temperature 0 values are those after temperature."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/tokenize":
            ids = vocabulary.encode(asked.body["prompt"])
            return Reply(body={"count": len(ids), "max_model_len": 4096, "tokens": ids})
        tokens, heat = _likeliest(model, asked), asked.body["temperature"] or 1.0
        total = math.fsum(p ** (1 / heat) for _, p in tokens)
        tokens = [(token, p ** (1 / heat) / total) for token, p in tokens]
        return Reply(body=chat(tokens, tokens[: asked.body["top_logprobs"]]))

    return script


def llama_server(model: Model, vocabulary: Vocabulary) -> Script:
    """The likeliest tokens, as many as asked for; `/tokenize` has the text in content and counts
    nothing."""

    def script(asked: Asked) -> Reply:
        if asked.path == "/tokenize":
            return Reply(body={"tokens": vocabulary.encode(asked.body.get("content", ""))})
        tokens = _likeliest(model, asked)
        return Reply(body=chat(tokens, tokens[: asked.body["top_logprobs"]]))

    return script


def ignoring(asked: Asked) -> Reply:
    """A server that writes a token and says nothing of it, as `transformers serve` does."""
    if asked.path != "/v1/chat/completions":
        return NO_PAGE
    return Reply(body={**(body := chat([("yes", 0.9)], [])), "choices": [
        {**body["choices"][0], "logprobs": None}
    ]})  # fmt: skip


def thinking(model: Model, apart: bool) -> Script:
    """A model that thinks first: in a field of its own, or in its text."""

    def script(asked: Asked) -> Reply:
        if asked.path != "/v1/chat/completions":
            return NO_PAGE
        if apart:
            tokens = [("Okay", 0.9), *_likeliest(model, asked)]
            return Reply(body=chat(tokens, tokens[:5], content=None, reasoning_content="Okay"))
        tokens = [("<think>", 0.99), *_likeliest(model, asked)]
        return Reply(body=chat(tokens, tokens[:5]))

    return script


def but(word: str, reply: Reply, script: Script) -> Script:
    """Questions about a word get the reply, others what the script says."""
    return lambda asked: reply if word in str(asked.body.get("messages")) else script(asked)


def first(reply: Reply, script: Script) -> Script:
    """Each request gets the reply the first time that it is made, and then what the script says."""
    return lambda asked: reply if asked.same == 0 else script(asked)
