"""What the server takes and answers, as an OpenAPI document and as a page."""

import json
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from assay.models.readout import Readout
from assay.report import html
from assay.server.dialects import Dialect, Schema
from assay.server.dialects import schemas as s
from assay.server.dialects.typed import TypedDialect
from assay.types import Response

__all__ = ["document", "page"]

TITLE: Final = "Assay reward server"
ABOUT: Final = (
    "Where several models are served, a request names one in `model`, or its path does:"
    " /models/NAME before any path here. A request may bring its key as a bearer."
)
ERROR: Final = s.record("error", error=s.record("message", message=s.TEXT, field=s.TEXT))


def document(routes: Sequence[BaseRoute], dialects: Sequence[Dialect | TypedDialect]) -> Any:
    """Return the OpenAPI document of routes, and of dialects, each with an example."""
    version = metadata.version("assay")
    found = get_openapi(title=TITLE, version=version, description=ABOUT, routes=routes)
    text = resources.files("assay.server").joinpath("examples.json").read_text("utf-8")
    examples = json.loads(text)
    for one in dialects:
        found["paths"][one.path] = {"post": _operation(one, examples[one.path])}
    _, made = models_json_schema(
        [(Response, "validation"), (Readout, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    found.setdefault("components", {}).setdefault("schemas", {}).update(made["$defs"])
    return found


def _operation(dialect: Dialect | TypedDialect, examples: Mapping[str, Any]) -> dict[str, Any]:
    error = dialect.error if isinstance(dialect, TypedDialect) else ERROR
    shown = {name: {"value": body} for name, body in examples.items()}
    return {
        "summary": dialect.summary,
        "operationId": dialect.path.strip("/").replace("/", "_"),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": dialect.request, "examples": shown}},
        },
        "responses": {
            "200": _said("The answer.", dialect.answer),
            "4XX": _said("What is wrong with the request, and where.", error),
            "5XX": _said("The server failed; the same request may be sent again.", error),
        },
    }


def _said(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def page(spec: Mapping[str, Any]) -> str:
    """Return a document as one HTML page, which loads nothing from anywhere."""
    posts = {path: one["post"] for path, one in spec["paths"].items() if "post" in one}
    gets = {path: one["get"]["summary"] for path, one in spec["paths"].items() if "get" in one}
    sections = [html.Section(path, _blocks(path, one)) for path, one in posts.items()]
    state = html.Table(["GET", "what"], [*gets.items()], words=True)
    footer = "/openapi.json has the schemas in full."
    return html.page(
        TITLE, [*sections, html.Section("State", [state])], subtitle=ABOUT, footer=footer
    )


def _blocks(path: str, operation: Mapping[str, Any]) -> list[html.Block]:
    asked = operation["requestBody"]["content"]["application/json"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    examples: list[html.Block] = []
    for name, example in asked["examples"].items():
        body = json.dumps(example["value"])
        examples += [
            html.Paragraph(f"{name}:"),
            html.Text(f"curl localhost:8765{path} -d '{body}'"),
        ]
    return [
        html.Paragraph(operation["summary"]),
        *examples,
        *(_table(schema, "Request") for schema in s.branches(asked["schema"])),
        html.Details("Answer", [_table(schema, "Answer") for schema in s.branches(answer)]),
    ]


def _table(schema: Schema, caption: str) -> html.Block:
    if not (fields := schema.get("properties")):
        return html.Paragraph(f"{caption}: {s.words(schema)}.")
    required = schema["required"]
    rows = [(key, s.words(one), "yes" * (key in required)) for key, one in fields.items()]
    return html.Table(["field", "what", "required"], rows, caption, words=True)
