"""The application: every dialect's paths over the models that are served."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from assay.errors import DataError
from assay.fingerprint import fingerprint
from assay.protocols import Scorer
from assay.scorers.reading import Reader, Reading
from assay.server.batcher import Batcher, Full, Stopped, Work
from assay.server.body import Room, read_body
from assay.server.dialects import About, Asked, Dialect, Refused, sglang, told_apart, vllm
from assay.server.dialects.llama_factory import LLAMA_FACTORY
from assay.server.dialects.nemo_gym import COMPARE, VERIFY
from assay.server.dialects.openrlhf import OPENRLHF
from assay.server.dialects.score import SCORE
from assay.server.dialects.slime import SLIME, SLIME_PARTS
from assay.server.dialects.tei import PREDICT
from assay.server.door import Door
from assay.server.keys import Access, Key
from assay.server.metrics import Metrics
from assay.types import Group, Prompt
from assay.types import Response as Answer

__all__ = ["DIALECTS", "Limits", "Model", "application", "scoring"]

log = logging.getLogger(__name__)

T = TypeVar("T")

DIALECTS: Final[Sequence[Dialect]] = (
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
)
CHARACTERS: Final = 3
"""Characters per token, to estimate a request's size: the model's own budget bounds its memory."""


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
    """A scorer under the name by which requests ask for it."""

    name: str
    scorer: Scorer
    batcher: Batcher
    fingerprint: str


def scoring(
    scorer: Scorer, saved: Callable[[float], None] = lambda tokens: None
) -> Callable[[Sequence[Sequence[Any]]], list[list[Reading]]]:
    """Return what a batcher runs: items are pairs of prompt and response, one key a prompt.

    saved: told how many tokens, estimated, of prompts are there for more than one response.
    """

    def run(items: Sequence[Sequence[tuple[Prompt, Answer]]]) -> list[list[Reading]]:
        groups = [
            Group(prompt=row[0][0], responses=tuple(response for _, response in row))
            for row in items
        ]
        saved(sum(_size(g.prompt.text) * (len(g.responses) - 1) for g in groups))
        if isinstance(scorer, Reader):
            return scorer.readings(groups)
        return [[Reading(score=score) for score in row] for row in scorer.score(groups)]

    return run


def work_of(group: Group) -> Work:
    """Return a group as work: its key is all of the prompt that a scorer may look at."""
    prompt, responses = group.prompt, group.responses
    # Texts of unknown prompts have nothing in common: under one key each would wait for all.
    alone = "" if prompt.messages else repr([response.rendered for response in responses])
    key = hashlib.sha256((prompt.model_dump_json() + alone).encode()).hexdigest()
    size = _size(prompt.text) + sum(_length(response) for response in responses)
    items = tuple((prompt, response) for response in responses)
    return Work(key=key, items=items, tokens=size)


def _length(response: Answer) -> int:
    given = response.rendered
    return len(given) if isinstance(given, tuple) else _size(given or response.text)


def _in_ids(groups: Sequence[Group]) -> bool:
    """Whether a response is given as token ids."""
    return any(isinstance(one.rendered, tuple) for group in groups for one in group.responses)


def _size(text: str) -> int:
    return 1 + len(text) // CHARACTERS


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

    def model(self, name: str) -> Model:
        """The model of a name, or the only one."""
        if not name and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name not in self.models:
            there = ", ".join(self.models)
            raise Refused("model", f"no model is called {name!r}; there is {there}", status=404)
        return self.models[name]

    async def answer(self, dialect: Dialect, request: Request) -> JSONResponse:
        """Answer one request of a dialect."""
        limits = self.limits
        try:
            with self.room.part() as part:
                body = await read_body(
                    request, most=limits.body_bytes, seconds=limits.body_s, part=part
                )
                asked = dialect.read(body)
                model = self.model(request.path_params.get("name") or asked.model)
                work = self._readings(model, asked, request.state.client)
                readings = await wanted(request, limits.request_s, work)
            scores = [[reading.score for reading in row] for row in readings]
            flat = [score for row in scores for score in row]
            self.metrics.scored(model.name, flat)
            request.state.model, request.state.responses = model.name, len(flat)
            about = About(
                name=model.name,
                fingerprint=model.fingerprint,
                id=request.state.id,
                created=int(time.time()),
                readout=model.scorer.readout if isinstance(model.scorer, Reader) else None,
                readings=readings,
            )
            return JSONResponse(dialect.write(asked, scores, about))
        except Full as error:
            detail, headers = {"message": str(error)}, {"Retry-After": f"{error.seconds:.0f}"}
            return JSONResponse({"error": detail}, 429, headers)
        except Stopped:
            return JSONResponse({"error": {"message": "the server ends"}}, 503)
        except Refused:
            raise
        except DataError as error:
            # About what was asked: other errors may tell what is nobody's business.
            raise Refused("", str(error), status=422) from error

    async def _readings(self, model: Model, asked: Asked, client: str) -> list[Sequence[Reading]]:
        count = sum(len(group.responses) for group in asked.groups)
        if count > self.limits.responses:
            reason = f"{count} responses, and {self.limits.responses} are allowed"
            raise Refused("responses", reason, status=413)
        if not isinstance(model.scorer, Reader) and _in_ids(asked.groups):
            reason = f"{model.name} reads texts, and token ids are words of one model; send texts"
            raise Refused("", reason, status=422)
        full = [group for group in asked.groups if group.responses]
        found = iter(await model.batcher.ask([work_of(group) for group in full], client))
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
    *,
    dialects: Sequence[Dialect] = DIALECTS,
    limits: Limits | None = None,
    keys: Sequence[Key] = (),
    batch_tokens: int = 32_768,
    wait_s: float = 0.005,
    queue_tokens: int = 4_000_000,
) -> FastAPI:
    """Return the application that serves scorers by name, to who has one of the keys, if any."""
    limits, metrics = limits or Limits(), Metrics()
    settings: dict[str, Any] = {
        "batch_tokens": batch_tokens, "wait_s": wait_s, "queue_tokens": queue_tokens
    }  # fmt: skip
    models = {name: _model(name, scorer, metrics, settings) for name, scorer in scorers.items()}
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
    app = FastAPI(
        title="Assay reward server", lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,
    )  # fmt: skip
    app.add_middleware(Door, access=Access(keys), metrics=metrics, slow_s=limits.slow_s)
    app.state.serving = serving
    for dialect in dialects:
        # Most stacks' requests name no model: where there are several, the path does.
        for path in (dialect.path, "/models/{name}" + dialect.path):
            app.add_api_route(
                path, _endpoint(serving, dialect), methods=["POST"], summary=dialect.summary
            )

    app.include_router(_about(serving))
    return app


def _model(name: str, scorer: Scorer, metrics: Metrics, settings: Mapping[str, Any]) -> Model:
    run = scoring(scorer, metrics.shared.labels(name).inc)
    batcher = Batcher(run, watch=metrics.watch(name), **settings)
    metrics.queue(name, batcher)
    metrics.counts(name, scorer)
    return Model(name, scorer, batcher, fingerprint(scorer))


def _about(serving: _Serving) -> APIRouter:
    """The paths that say how the server is."""
    router = APIRouter()

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
        return {"object": "list", "data": rows}

    return router


def _endpoint(serving: _Serving, dialect: Dialect) -> Any:
    async def endpoint(request: Request) -> JSONResponse:
        return await serving.answer(dialect, request)

    return endpoint
