"""The application: who may see and post what, and the paths.

An invitation's link sets a cookie with the annotator's token; every post must come from our own
page (Origin), with a word that only the page of that annotator holds (CSRF). What a person saves is
answered after the store has it for good, and the answer is the next task: a label takes one round
trip.
"""

import asyncio
import hashlib
import hmac
import json
import math
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.annotate.records import SKIPS, Annotator, Assignment
from assay.annotate.store import Late, NotYours, Store
from assay.annotate_app.forms import Fields, label_of, one
from assay.annotate_app.pages import (
    PART,
    progress_words,
    static,
    task_page,
    template,
    texts,
    words_of,
)
from assay.errors import BackendError, ConfigError, DataError

__all__ = ["LARGEST", "Quality", "make_app"]

Quality = Callable[[], Sequence[tuple[str, str]]]
"""What is known of the labels so far, such as their agreement: names and values."""
LARGEST: Final = 2**20
"""Bytes of a post."""
LONGEST_SITTING: Final = 86_400.0
"""Seconds that one label can take."""
SLOWEST: Final = 60.0
"""Seconds for which the rest of a post is waited for."""
FIELDS: Final = 50_000
DISPUTES: Final = 100
"""Disputed tasks on one page."""
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(
    store: Store,
    *,
    secret: bytes | None = None,
    public_url: str = "",
    hosts: Sequence[str] = (),
    quality: Quality | None = None,
) -> FastAPI:
    """Return the labelling page of a store.

    secret: mixed into the words that posts must bring; None = those depend on the token alone.
    public_url: where browsers reach the page, such as "https://labels.example.org" of a proxy.
    hosts: the only names that requests may ask for; empty = any. Raises `ConfigError` for an
    address that is none.
    """
    url = urlsplit(public_url)
    if public_url and (
        url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/")
    ):
        raise ConfigError(f"{public_url!r} is no address; give https://NAME without a path")
    origin = f"{url.scheme}://{url.netloc}" if public_url else ""
    site = _Site(store, secret or b"", origin, quality)
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(_Door, hosts=frozenset(hosts))
    for status in (_Refused, HTTPException, NotYours, Late, DataError, BackendError):
        app.add_exception_handler(status, _refusal)
    app.add_exception_handler(Exception, _failure)
    gets: dict[str, Callable[..., Any]] = {
        "/": site.start,
        "/i/{token}": site.invitation,
        "/task": site.task,
        "/part": site.part,
        "/disputed": site.disputed,
        "/progress": site.progress,
        "/healthz": _healthy,
        "/static/{name}": _static,
    }
    for path, shown in gets.items():
        app.add_api_route(path, shown, methods=["GET"], response_model=None)
    posts = {
        "/save": site.save,
        "/skip": site.skip,
        "/undo": site.undo,
        "/draft": site.draft,
    }
    for path, action in posts.items():
        app.add_api_route(path, site.posted(action), methods=["POST"], response_model=None)
    return app


class _Refused(Exception):
    """What is answered with a status of 4xx and a sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class _Door:
    """The outermost layer: which names are asked for, and what every answer forbids a browser.

    A page elsewhere whose name was made to mean this machine (DNS rebinding) asks for that name.
    """

    app: ASGIApp
    hosts: frozenset[str] = field(default_factory=frozenset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        host = Headers(scope=scope).get("host", "")
        name = _hostname(host)
        if (host and not name) or (self.hosts and name not in self.hosts):
            refused = PlainTextResponse("this server has another name", 421)
            await refused(scope, receive, sending)
            return
        await self.app(scope, receive, sending)


def _hostname(host: str) -> str:
    try:
        asked = urlsplit(f"//{host}")
        # Raises for a port that is none: it would become part of a cookie's name.
        _ = asked.port
        return asked.hostname or ""
    except ValueError:
        return ""


@dataclass(frozen=True)
class _Site:
    """What the paths share."""

    store: Store
    secret: bytes
    origin: str
    quality: Quality | None

    # Who asks.

    def _cookie(self, request: Request) -> str:
        """Cookies know no ports, and two projects may be served by one machine."""
        host = request.headers.get("host", "")
        return f"assay-annotate-{host.rpartition(':')[2] if ':' in host else 'web'}"

    def _who(self, request: Request) -> tuple[Annotator, str]:
        """The annotator and their CSRF word."""
        token = request.cookies.get(self._cookie(request), "")
        annotator = self.store.annotator(token) if token else None
        if annotator is None:
            raise _Refused(401, "Open the invitation link that you were given.")
        word = hmac.new(token.encode(), b"csrf" + self.secret, hashlib.sha256).hexdigest()
        return annotator, word

    def _with_role(self, request: Request, *roles: str) -> tuple[Annotator, str]:
        annotator, word = self._who(request)
        if annotator.role not in roles:
            raise _Refused(403, f"This page is for {' and '.join(f'{r}s' for r in roles)}.")
        return annotator, word

    def _our_own(self, request: Request) -> bool:
        """Whether a post comes from a page of ours."""
        origin = request.headers.get("origin", "null")
        if origin == "null":
            # Forms of pages without a referrer send no other origin.
            return request.headers.get("sec-fetch-site") == "same-origin"
        if self.origin:
            return origin == self.origin
        return urlsplit(origin).netloc == request.headers.get("host", "")

    # Pages.

    def _page(self, request: Request, name: str, status: int = 200, **given: Any) -> HTMLResponse:
        return HTMLResponse(_page(request, name, project=self.store.project, **given), status)

    def invitation(self, request: Request, token: str) -> Response:
        """Let the holder of a token in, under a cookie.

        The page goes on by itself. A redirect would count as the other site's whose link was
        followed, and the browser would not send along the cookie that it has just been given.
        """
        if self.store.annotator(token) is None:
            raise _Refused(404, "This invitation is not known, or was taken back.")
        response = self._page(request, "entered.html")
        response.set_cookie(
            self._cookie(request),
            token,
            max_age=90 * 86_400,
            httponly=True,
            samesite="strict",
            secure=self.origin.startswith("https:"),
        )
        return response

    def start(self, request: Request) -> Response:
        """Instructions, progress and keys."""
        annotator, _ = self._who(request)
        progress = self.store.progress(annotator)
        return self._page(request, "start.html", annotator=annotator, progress=progress)

    def task(self, request: Request) -> Response:
        """The task that is open, or the next."""
        annotator, word = self._who(request)
        given = self._given(annotator, self.store.next(annotator))
        return self._page(request, "task.html", annotator=annotator, csrf=word, **given)

    def _given(self, annotator: Annotator, assignment: Assignment | None) -> dict[str, Any]:
        """What both the page of a task and its part that is replaced are given."""
        # Drawn for each page: what is posted twice has the same.
        progress = " · ".join(progress_words(self.store.progress(annotator)))
        about = {"progress": progress, "key": secrets.token_urlsafe(18)}
        if assignment is None:
            return {"task": None, **about}
        others = []
        if assignment.purpose == "adjudicate":
            about["progress"] = f"{len(self.store.disputed()):,} disputed"
            said = self.store.given([assignment.task.id])
            others = [(g.pseudonym, g.label) for g in said if g.annotator != annotator.id]
        return {"task": task_page(assignment, self.store.project, others), **about}

    def part(self, request: Request, assignment: str, at: str, start: int = 0) -> Response:
        """A piece of a long text as it was written. start: characters before it."""
        annotator, _ = self._who(request)
        text = texts(self.store.assignment(assignment, annotator), self.store.project).get(at)
        if text is None or start < 0:
            raise _Refused(404, "There is no such text.")
        end = start + PART
        left = max(0, len(text) - end)
        return JSONResponse({"text": text[start:end], "end": min(end, len(text)), "left": left})

    def disputed(self, request: Request) -> Response:
        """Tasks whose labels differ, with what was said."""
        annotator, _ = self._with_role(request, "adjudicator", "admin")
        ids = self.store.disputed()
        rows: dict[str, Any] = {}
        for task in self.store.tasks(ids[:DISPUTES]):
            # The letters are those that this annotator will see.
            order = self.store.order(task, annotator)
            as_shown = Assignment(id="", task=task, annotator=annotator.id, order=order)
            rows[task.id] = {"prompt": task.prompt.text[:300], "said": [], "as": as_shown}
        for given in self.store.given([*rows]):
            row = rows[given.task]
            row["said"].append((given.pseudonym, words_of(given.label, row["as"])))
        return self._page(
            request, "disputed.html", annotator=annotator, count=len(ids), rows=[*rows.values()]
        )

    def progress(self, request: Request) -> Response:
        """Counts, pace and quality, of all and of each."""
        annotator, _ = self._with_role(request, "admin")
        rows = [(who, self.store.progress(who)) for who in self.store.annotators()]
        return self._page(
            request,
            "progress.html",
            annotator=annotator,
            whole=self.store.progress(),
            rows=rows,
            disputed=len(self.store.disputed()),
            quality=list(self.quality()) if self.quality else [],
        )

    # Posts. An action returns what it says and the assignment that comes next.

    def posted(self, action: "_Action") -> Callable[..., Any]:
        """The endpoint of an action: of our page's script in JSON, of a plain form else."""

        async def endpoint(request: Request) -> Response:
            fields = await _fields(request)
            return await run_in_threadpool(self._act, request, fields, action)

        return endpoint

    def _act(self, request: Request, fields: Fields, action: "_Action") -> Response:
        annotator, word = self._who(request)
        brought = request.headers.get("x-csrf", "") or one(fields, "csrf")
        if not self._our_own(request) or not hmac.compare_digest(brought.encode(), word.encode()):
            raise _Refused(403, "This did not come from a page of ours: load the page again.")
        said, following = action(annotator, fields)
        if not _in_json(request):
            return RedirectResponse("/task", 303)
        if following is None:
            return JSONResponse({"said": said})
        given = self._given(annotator, following())
        markup = template("_task.html", csrf=word, annotator=annotator, **given).decode()
        return JSONResponse({"said": said, "html": markup})

    def save(self, annotator: Annotator, fields: Fields) -> "_Answer":
        """Keep a label."""
        id = one(fields, "assignment")
        label = label_of(fields, self.store.assignment(id, annotator))
        seconds = _seconds(one(fields, "seconds"))
        fresh = self.store.save(id, annotator, label, key=_key(fields), seconds=seconds)
        return "Saved." if fresh else "Saved before.", lambda: self.store.next(annotator)

    def skip(self, annotator: Annotator, fields: Fields) -> "_Answer":
        """Give a task up."""
        reason = one(fields, "reason")
        if reason not in SKIPS:
            raise _Refused(422, f"A skip needs a reason: {', '.join(SKIPS)}.")
        comment = one(fields, "skip-comment")
        id = one(fields, "assignment")
        self.store.skip(id, annotator, reason, key=f"{_key(fields)}-skip", comment=comment)
        return "Skipped.", lambda: self.store.next(annotator)

    def undo(self, annotator: Annotator, fields: Fields) -> "_Answer":
        """Take the last label or skip back."""
        opened = self.store.undo(annotator, key=f"{_key(fields)}-undo")
        if opened is None:
            raise _Refused(409, "There is nothing to take back.")
        return "Taken back: change it and save it again.", lambda: opened

    def draft(self, annotator: Annotator, fields: Fields) -> "_Answer":
        """Keep what is a label already; the browser keeps the rest for a reload."""
        id = one(fields, "assignment")
        assignment = self.store.assignment(id, annotator)
        try:
            self.store.draft(id, annotator, label_of(fields, assignment))
        except (DataError, Late):
            return "not yet", None
        return "kept", None


_Answer = tuple[str, Callable[[], Assignment | None] | None]
_Action = Callable[[Annotator, Fields], _Answer]


async def _fields(request: Request) -> Fields:
    """Read a post's fields."""
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST):
            async for data in request.stream():
                body += data
                if len(body) > LARGEST:
                    raise _Refused(413, f"More than {LARGEST:,} bytes are not taken.")
    except TimeoutError:
        raise _Refused(408, "The post did not come to its end.") from None
    try:
        if _in_json(request):
            given = json.loads(body)
        else:
            given = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FIELDS)
    except (ValueError, RecursionError):
        raise _Refused(400, "The post cannot be read.") from None
    if not isinstance(given, Mapping):
        raise _Refused(400, "The post is no object.")
    return {
        key: [_text(each) for each in (value if isinstance(value, list) else [value])]
        for key, value in given.items()
    }


def _text(value: object) -> str:
    """A value as a text that every store can keep: no half of a character, and no NUL."""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode()


def _in_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


def _key(fields: Fields) -> str:
    key = one(fields, "key")
    if not 8 <= len(key) <= 100:
        raise _Refused(422, "The post has no key: load the page again.")
    return key


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = 0.0
    return min(max(seconds, 0.0), LONGEST_SITTING) if math.isfinite(seconds) else 0.0


def _page(request: Request, name: str, **given: Any) -> bytes:
    theme = request.cookies.get("theme", "")
    return template(name, theme=theme if theme in ("light", "dark") else "", **given)


async def _refusal(request: Request, error: Exception) -> Response:
    """Answer an error: for our page's script, or as a plain page."""
    status, words = 422, str(error)
    if isinstance(error, _Refused):
        status = error.status
    elif isinstance(error, HTTPException):
        status, words = error.status_code, "There is no such page."
    elif isinstance(error, NotYours):
        status, words = 404, "This task is not yours, or is none."
    elif isinstance(error, BackendError):
        print(error, file=sys.stderr, flush=True)
        status, words = 503, "The store cannot be reached, or is full: try again."
    elif isinstance(error, Late):
        status, words = 409, "This task was closed before: it was saved elsewhere, or given on."
    if _in_json(request) or request.url.path == "/part":
        return JSONResponse({"error": words}, status)
    return HTMLResponse(_page(request, "message.html", words=words, status=status), status)


async def _failure(request: Request, error: Exception) -> Response:
    """Answer what should not be. This is outside of all layers: they cannot add headers."""
    words = "The server failed: load the page again, and tell who runs it."
    answer: Response = PlainTextResponse(words, 500, HEADERS)
    return JSONResponse({"error": words}, 500, HEADERS) if _in_json(request) else answer


async def _healthy() -> Response:
    return PlainTextResponse("ok")


def _static(request: Request, name: str) -> Response:
    found = static(name)
    if found is None:
        raise _Refused(404, "There is no such file.")
    data, kind, version = found
    kept = "public, max-age=31536000, immutable" if request.url.query == version else "no-cache"
    return Response(data, media_type=kind, headers={"Cache-Control": kept})
