"""Read what a chat server says of the one token that it was asked for.

What is kept is JSON: {"written": [token, its log-probability], "top": [[token, ...], ...]}, or
{"ended": why there is no such token}. Another way of reading it needs no request.
"""

from collections.abc import Mapping
from typing import Any, Final

from assay.answerers.ledger import Usage
from assay.answerers.token_logs import token_logs
from assay.errors import BackendError, DataError

__all__ = ["kept"]

BROKEN_OFF: Final = ("abort", "error")
"""Reasons to finish that are the server's trouble, and may pass."""
THOUGHTS: Final = ("<think", "<thought", "[think]", "<|channel", "<seed:think", "◁think▷")
"""What reasoning begins with."""


def kept(payload: Any, *, url: str, alone: bool) -> tuple[Any, Usage]:
    """Return what is kept of a chat's answer, and what it cost.

    alone: no answer had log-probabilities yet: what this one lacks, all will. Raises `DataError`
    where another try may help, and `BackendError` where none will.
    """
    found = payload.get("choices") if isinstance(payload, Mapping) else None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], Mapping):
        raise DataError(f"{payload!r} has not one choice")
    message, reason = found[0].get("message"), found[0].get("finish_reason")
    if not isinstance(message, Mapping) or not isinstance(reason, str) or reason in BROKEN_OFF:
        raise DataError(f"no message, or one broken off, in {found[0]!r}")
    usage = _usage(payload.get("usage"))
    if message.get("refusal") or reason not in ("stop", "length"):
        said = message.get("refusal") or f"the server ended with finish_reason {reason!r}"
        return {"ended": f"refused: {said}"}, usage
    tokens = token_logs(found[0])
    if tokens is None:
        lacks = f"{url} ignores the request for log-probabilities: its answer has none"
        if alone:
            raise BackendError(
                f"{lacks}; read the verdict in a text (reads=text, or `TextAnswerer`)"
            )
        raise DataError(lacks)
    token, log = tokens[0].written if tokens else ("", None)
    if _thinks(message, token):
        if alone:
            raise BackendError(
                f"the model at {url} thinks before it answers: its first token is no verdict; turn"
                " that off by the `extra` settings, such as chat_template_kwargs, or read the"
                " verdict in a text (reads=text, or `TextAnswerer`)"
            )
        return {"ended": "the model thinks before it answers"}, usage
    if not tokens:
        return {"ended": "the model ends its answer before a label"}, usage
    return {"written": [token, log], "top": [list(pair) for pair in tokens[0].top]}, usage


def _thinks(message: Mapping[str, Any], token: str) -> bool:
    apart = any(message.get(name) for name in ("reasoning_content", "reasoning"))
    said = (token, message.get("content") or "")
    return apart or any(text.strip().lower().startswith(THOUGHTS) for text in said)


def _usage(usage: Any) -> Usage:
    """Return the tokens, as far as the server counts them."""
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details")
    counts = (
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        details.get("cached_tokens") if isinstance(details, Mapping) else None,
    )
    read, written, cached = (n if isinstance(n, int) and n >= 0 else None for n in counts)
    return Usage(tokens_in=read, tokens_out=written, tokens_cached=cached)
