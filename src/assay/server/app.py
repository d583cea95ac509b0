"""The application: every dialect's paths over the models that are served."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.protocols import Answerer, Scorer
from assay.scorers.reading import Reader, Reading
from assay.server import openapi
from assay.server.answering import answering, inquiry_work
from assay.server.batcher import Batcher, Full, Stopped
from assay.server.body import Room, aside, parsed, read_body
from assay.server.dialects import About, Asked, Dialect, Refused, sglang, told_apart, vllm
from assay.server.dialects.decisions import DECISIONS
from assay.server.dialects.llama_factory import LLAMA_FACTORY
from assay.server.dialects.nemo_gym import COMPARE, VERIFY
from assay.server.dialects.openrlhf import OPENRLHF
from assay.server.dialects.score import SCORE
from assay.server.dialects.slime import SLIME, SLIME_PARTS
from assay.server.dialects.systemone import SYSTEM_ONE
from assay.server.dialects.tei import PREDICT
from assay.server.dialects.typed import Inquiry, TypedDialect
from assay.server.door import Door
from assay.server.keys import Access, Key
from assay.server.metrics import Metrics
from assay.server.together import of_its_own, scoring, work_of
from assay.types import Group

__all__ = ["DIALECTS", "Limits", "Model", "application"]

log = logging.getLogger(__name__)

T = TypeVar("T")

DIALECTS: Final[Sequence[Dialect | TypedDialect]] = (
    told_apart(SCORE, sglang.SGLANG_SCORE, ("query", "items")),
    OPENRLHF,
    told_apart(vllm.CLASSIFY, sglang.CLASSIFY, sglang.NATIVE),
    vllm.POOLING,
    sglang.EMBEDDINGS,
    SLIME,
    SLIME_PARTS,
    LLAMA_FACTORY,
    VERIFY,
    COMPARE,
    PREDICT,
    DECISIONS,
    SYSTEM_ONE,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may be."""

    body_bytes: int = 32 * 2**20
    """Largest body, in bytes."""
    body_s: float = 30.0
    """Longest time for a body to arrive, in seconds."""
    responses: int = 4096
    """Most responses per request."""
    request_s: float = 600.0
    """Longest time for an answer, in seconds."""
    bodies_bytes: int = 2**30
    """Largest sum of the bodies of all requests under way, in bytes."""
    slow_s: float = 30.0
    """Time from which a request is logged as slow, in seconds."""


@dataclass(frozen=True)
class Model:
    """A scorer or an answerer under the name by which requests ask for it."""

    name: str
    scorer: Scorer | None
    batcher: Batcher
    fingerprint: str
    answerer: Answerer | None = None
    together: bool = False
    """Whether responses of several requests may be scored as one group."""

    @property
    def description(self) -> str:
        """What it does."""
        return "answers typed questions" if self.answerer else "scores responses to prompts"


def _in_ids(groups: Sequence[Group]) -> bool:
    """Whether a response is given as token ids."""
    return any(isinstance(one.rendered, tuple) for group in groups for one in group.responses)


@dataclass
class _Serving:
    """What the paths share."""

    models: Mapping[str, Model]
    limits: Limits
    metrics: Metrics
    room: Room
    ready: bool = False

    @property
    def alive(self) -> bool:
        """Whether the models' threads run."""
        return all(model.batcher.alive for model in self.models.values())

    def model(self, name: str, dialect: Dialect | TypedDialect) -> Model:
        """The model of a name, or the only one that a dialect can ask."""
        typed = isinstance(dialect, TypedDialect)
        fit = {name: m for name, m in self.models.items() if (m.answerer is not None) == typed}
        if name not in self.models and isinstance(dialect, TypedDialect) and name == dialect.alias:
            name = ""
        if not name and len(fit) == 1:
            return next(iter(fit.values()))
        if name in fit:
            return fit[name]
        if name in self.models:
            does = self.models[name].description
            raise Refused("model", f"{name} {does}, which {dialect.path} does not", status=404)
        there = ", ".join(fit) or "none that this path asks"
        wrong = (
            f"no model is called {name!r}" if name else "none is named, and one of several is asked"
        )
        raise Refused("model", f"{wrong}; there is {there}", status=404)

    async def answer(self, dialect: Dialect | TypedDialect, request: Request) -> JSONResponse:
        """Answer one request of a dialect."""
        limits = self.limits
        try:
            with self.room.part() as part:
                body = await read_body(
                    request, most=limits.body_bytes, seconds=limits.body_s, part=part
                )
                asked = await aside(len(body), self._asked, dialect, body)
                model = self.model(request.path_params.get("name") or asked.model, dialect)
                doing = self._written(dialect, model, asked, request)
                return JSONResponse(await wanted(request, limits.request_s, doing))
        except Full as error:
            detail, headers = {"message": str(error)}, {"Retry-After": f"{error.seconds:.0f}"}
            return JSONResponse({"error": detail}, 429, headers)
        except Stopped:
            return JSONResponse({"error": {"message": "the server ends"}}, 503)
        except Refused:
            raise
        except (ConfigError, DataError) as error:
            # About what was asked, so it would fail again; other errors may tell what is nobody's
            # business.
            raise Refused("", str(error), status=422) from error

    def _asked(self, dialect: Dialect | TypedDialect, body: bytes) -> Asked | Inquiry:
        """What a body asks for."""
        given = parsed(body)
        if isinstance(dialect, Dialect):
            given = dialect.bounded(given, self.limits.responses)
        return dialect.read(given)

    async def _written(
        self,
        dialect: Dialect | TypedDialect,
        model: Model,
        asked: Asked | Inquiry,
        request: Request,
    ) -> Any:
        """The answer to what was asked, as its dialect writes it."""
        found: Any
        about = About(
            name=model.name,
            fingerprint=model.fingerprint,
            id=request.state.id,
            created=int(time.time()),
        )
        if isinstance(asked, Inquiry):
            assert isinstance(dialect, TypedDialect)
            assert model.answerer is not None
            work = inquiry_work(asked, model.answerer)
            ((found,),) = await model.batcher.ask([work], request.state.client)
            self._count(model, [one.answer for one in found], request)
            return dialect.write(asked, found, about)
        assert isinstance(dialect, Dialect)
        readings = await self._readings(model, asked, request.state.client)
        scores = [[reading.score for reading in row] for row in readings]
        self._count(model, [score for row in scores for score in row], request)
        readout = model.scorer.readout if isinstance(model.scorer, Reader) else None
        return dialect.write(asked, scores, replace(about, readout=readout, readings=readings))

    def _count(self, model: Model, found: Sequence[object], request: Request) -> None:
        """Count what was found out, and note it for the log."""
        self.metrics.scored(model.name, found)
        request.state.model, request.state.responses = model.name, len(found)

    async def _readings(self, model: Model, asked: Asked, client: str) -> list[Sequence[Reading]]:
        count = sum(len(group.responses) for group in asked.groups)
        if count > self.limits.responses:
            reason = f"{count} responses, and {self.limits.responses} are allowed"
            raise Refused("responses", reason, status=413)
        if not isinstance(model.scorer, Reader) and _in_ids(asked.groups):
            reason = f"{model.name} reads texts, and token ids are words of one model; send texts"
            raise Refused("", reason, status=422)
        full = [group for group in asked.groups if group.responses]
        works = [work_of(group, together=model.together) for group in full]
        found = iter(await model.batcher.ask(works, client))
        return [next(found) if group.responses else [] for group in asked.groups]


async def wanted(request: Request, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do work for a client that waits: it is cancelled when the client leaves, or after so long.

    Raises `Refused` then, with 499 or 504.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        done, _ = await asyncio.wait(
            {doing, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if doing in done:
            return doing.result()
        if done:
            raise Refused("", "the client left", status=499)
        raise Refused("", f"no answer after {seconds:g} s", status=504)
    finally:
        doing.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    """Return when the client has left. After the body nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def application(
    scorers: Mapping[str, Scorer],
    answerers: Mapping[str, Answerer] | None = None,
    *,
    dialects: Sequence[Dialect | TypedDialect] = DIALECTS,
    limits: Limits | None = None,
    keys: Sequence[Key] = (),
    batch_tokens: int = 32_768,
    wait_s: float = 0.005,
    queue_tokens: int = 4_000_000,
) -> FastAPI:
    """Return the application that serves scorers and answerers by name, to who has one of the keys,
    if any.

    Raises `ConfigError` where a scorer and an answerer have one name.
    """
    limits, metrics = limits or Limits(), Metrics()
    settings: dict[str, Any] = {
        "batch_tokens": batch_tokens, "wait_s": wait_s, "queue_tokens": queue_tokens
    }  # fmt: skip
    models = {name: _model(name, scorer, metrics, settings) for name, scorer in scorers.items()}
    for name, answerer in (answerers or {}).items():
        if name in models:
            raise ConfigError(f"a scorer and an answerer are called {name!r}; give NAME=WORD")
        batcher = Batcher(answering(answerer), watch=metrics.watch(name), **settings)
        metrics.show(name, batcher, answerer)
        models[name] = Model(name, None, batcher, fingerprint(answerer), answerer)
    serving = _Serving(models, limits, metrics, Room(limits.bodies_bytes))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        serving.ready = True
        yield
        serving.ready = False
        for model in models.values():
            await model.batcher.drain()
        log.info("drained")

    # No pages that load scripts from elsewhere, no redirects to wherever a header says.
    app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    shapes = {one.path: one.refused for one in dialects if isinstance(one, TypedDialect)}
    app.add_middleware(
        Door, access=Access(keys), metrics=metrics, slow_s=limits.slow_s, shapes=shapes
    )
    app.add_exception_handler(HTTPException, _no_path)
    app.state.serving = serving
    for dialect in dialects:
        # Most stacks' requests name no model: where there are several, the path does.
        for path in (dialect.path, "/models/{name}" + dialect.path):
            app.add_api_route(
                path, _endpoint(serving, dialect), methods=["POST"], include_in_schema=False
            )
    app.include_router(_about(serving, dialects))
    return app


def _model(name: str, scorer: Scorer, metrics: Metrics, settings: Mapping[str, Any]) -> Model:
    run = scoring(scorer, metrics.shared.labels(name).inc)
    batcher = Batcher(run, watch=metrics.watch(name), **settings)
    metrics.show(name, batcher, scorer)
    return Model(name, scorer, batcher, fingerprint(scorer), together=of_its_own(scorer))


def _about(serving: _Serving, dialects: Sequence[Dialect | TypedDialect]) -> APIRouter:
    """The paths that say how the server is, and what it takes."""
    router = APIRouter()
    described = cache(lambda: openapi.document(router.routes, dialects))
    shown = cache(lambda: openapi.page(described()))

    @router.get("/health/live", summary="Whether the models' threads run.")
    async def live() -> JSONResponse:
        return JSONResponse({"live": serving.alive}, 200 if serving.alive else 503)

    @router.get("/health", summary="Whether requests are taken.")
    @router.get("/health/ready", summary="Whether requests are taken.")
    async def ready() -> JSONResponse:
        fit = serving.ready and serving.alive
        return JSONResponse({"ready": serving.ready, "live": serving.alive}, 200 if fit else 503)

    @router.get("/metrics", summary="Counts and times, for Prometheus.")
    async def metrics() -> Response:
        return Response(generate_latest(serving.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/models", summary="Names and fingerprints.")
    async def listed() -> dict[str, Any]:
        rows = [
            {"id": model.name, "object": "model", "fingerprint": model.fingerprint}
            for model in serving.models.values()
        ]
        # TypeSafe's clients look here, for a date as well, which nobody knows.
        also = [
            {"name": model.name, "description": model.description, "release_date": ""}
            for model in serving.models.values()
        ]
        return {"object": "list", "data": rows, "models": also}

    @router.get("/openapi.json", summary="What each path takes and answers.")
    async def document() -> JSONResponse:
        return JSONResponse(described())

    @router.get("/docs", summary="The same as a page.")
    async def page() -> HTMLResponse:
        return HTMLResponse(shown())

    return router


async def _no_path(request: Request, error: Exception) -> JSONResponse:
    """What is answered where there is no such path, or not for this method."""
    assert isinstance(error, HTTPException)
    words = "there is no such path; /docs lists those that there are"
    if error.status_code == 405:
        words = f"this path takes {(error.headers or {}).get('Allow', 'another method')}"
    detail = {"message": words, "field": "path"}
    return JSONResponse({"error": detail}, error.status_code, error.headers)


def _endpoint(serving: _Serving, dialect: Dialect | TypedDialect) -> Any:
    async def endpoint(request: Request) -> JSONResponse:
        return await serving.answer(dialect, request)

    return endpoint
