"""The application: every dialect's paths over the models that are served."""

import hashlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from assay.errors import AssayError
from assay.fingerprint import fingerprint
from assay.protocols import Scorer
from assay.scorers.reading import Reader, Reading
from assay.server.batcher import Batcher, Full, Stopped, Work
from assay.server.body import read_body
from assay.server.dialects import About, Asked, Dialect, Refused, sglang, told_apart, vllm
from assay.server.dialects.llama_factory import LLAMA_FACTORY
from assay.server.dialects.nemo_gym import COMPARE, VERIFY
from assay.server.dialects.openrlhf import OPENRLHF
from assay.server.dialects.score import SCORE
from assay.server.dialects.slime import SLIME, SLIME_PARTS
from assay.server.dialects.tei import PREDICT
from assay.types import Group, Prompt, Response

__all__ = ["DIALECTS", "Limits", "Model", "application", "scoring"]

log = logging.getLogger(__name__)

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


@dataclass(frozen=True)
class Model:
    """A scorer under the name by which requests ask for it."""

    name: str
    scorer: Scorer
    batcher: Batcher
    fingerprint: str


def scoring(scorer: Scorer) -> Callable[[Sequence[Sequence[Any]]], list[list[Reading]]]:
    """Return what a batcher runs: items are pairs of prompt and response, one key a prompt."""

    def run(items: Sequence[Sequence[tuple[Prompt, Response]]]) -> list[list[Reading]]:
        groups = [
            Group(prompt=row[0][0], responses=tuple(response for _, response in row))
            for row in items
        ]
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


def _length(response: Response) -> int:
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
    ready: bool = False
    started: float = field(default_factory=time.time)

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
        number = request.headers.get("x-request-id") or uuid.uuid4().hex
        headers: dict[str, str] = {}
        try:
            body = await read_body(request, most=self.limits.body_bytes, seconds=self.limits.body_s)
            asked = dialect.read(body)
            model = self.model(request.path_params.get("name") or asked.model)
            readings = await self._readings(model, asked, _client(request))
            scores = [[reading.score for reading in row] for row in readings]
            about = About(
                name=model.name,
                fingerprint=model.fingerprint,
                id=number,
                created=int(time.time()),
                readout=model.scorer.readout if isinstance(model.scorer, Reader) else None,
                readings=readings,
            )
            content, status = dialect.write(asked, scores, about), 200
        except Refused as error:
            detail = {"message": str(error), "field": error.field}
            content, status = {"error": detail}, error.status
        except Full as error:
            detail = {"message": str(error)}
            content, status = {"error": detail}, 429
            headers = {"Retry-After": f"{error.seconds:.0f}"}
        except Stopped:
            content, status = {"error": {"message": "the server ends"}}, 503
        except AssayError as error:
            log.warning("request %s failed: %s", number, error)
            content, status = {"error": {"message": str(error)}}, 500
        return JSONResponse(content, status, {**headers, "X-Request-Id": number})

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


def _client(request: Request) -> str:
    """Who asks, for turns: the key, or the address."""
    return request.headers.get("authorization") or (request.client.host if request.client else "")


def application(
    scorers: Mapping[str, Scorer],
    *,
    dialects: Sequence[Dialect] = DIALECTS,
    limits: Limits | None = None,
    batch_tokens: int = 32_768,
    wait_s: float = 0.005,
    queue_tokens: int = 4_000_000,
) -> FastAPI:
    """Return the application that serves scorers by name."""
    settings: dict[str, Any] = {
        "batch_tokens": batch_tokens, "wait_s": wait_s, "queue_tokens": queue_tokens
    }  # fmt: skip
    models = {
        name: Model(name, scorer, Batcher(scoring(scorer), **settings), fingerprint(scorer))
        for name, scorer in scorers.items()
    }
    serving = _Serving(models, limits or Limits())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        serving.ready = True
        yield
        serving.ready = False
        for model in models.values():
            await model.batcher.drain()

    app = FastAPI(title="Assay reward server", lifespan=lifespan)
    app.state.serving = serving
    for dialect in dialects:
        # Most stacks' requests name no model: where there are several, the path does.
        for path in (dialect.path, "/models/{name}" + dialect.path):
            app.add_api_route(
                path, _endpoint(serving, dialect), methods=["POST"], summary=dialect.summary
            )

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = all(model.batcher.alive for model in models.values())
        status = 200 if serving.ready and alive else 503
        return JSONResponse({"ready": serving.ready, "live": alive}, status)

    @app.get("/v1/models")
    async def listed() -> dict[str, Any]:
        rows = [
            {"id": model.name, "object": "model", "fingerprint": model.fingerprint}
            for model in models.values()
        ]
        return {"object": "list", "data": rows}

    return app


def _endpoint(serving: _Serving, dialect: Dialect) -> Any:
    async def endpoint(request: Request) -> JSONResponse:
        return await serving.answer(dialect, request)

    return endpoint
