"""The OpenAPI document says what is taken and answered, and the page shows it."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from assay.server import openapi
from assay.server.app import DIALECTS
from assay.server.dialects import Refused
from tests.server.answerers import Planted
from tests.server.running import post, running
from tests.server.scorers import MODEL, STEPS, Characters
from tests.server.test_dialects import CASES


def body_of(operation: Any) -> dict[str, Any]:
    found: dict[str, Any] = operation["requestBody"]["content"]["application/json"]
    return found


SPEC: dict[str, Any] = openapi.document([], DIALECTS)
EXAMPLES = [
    pytest.param(path, example["value"], id=f"{path}: {name}")
    for path, one in SPEC["paths"].items()
    for name, example in body_of(one["post"])["examples"].items()
]
ODD = [None, True, "a", -1, 0.5, [], ["a"], [[]], [1], [None], {}, {"a": 1}, [{}]]


def validator(path: str, status: int = 0) -> Draft202012Validator:
    """Of a path's request, or of what it answers with a status."""
    operation = SPEC["paths"][path]["post"]
    answers = operation["responses"].get(str(status) if status == 200 else "4XX")
    schema = answers["content"]["application/json"]["schema"]
    schema = schema if status else body_of(operation)["schema"]
    whole = {**schema, "components": SPEC["components"]}
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    scorers = {"model": MODEL, "steps": STEPS, "text": Characters(parts=True)}
    with running(scorers, answerers={"asked": Planted()}, wait_s=0.0) as url:
        yield url


@pytest.mark.parametrize("case", CASES)
def test_golden_payloads_fit(url: str, case: dict[str, Any]) -> None:
    answer = post(f"{url}/models/{case['model']}{case['path']}", case["request"])
    validator(case["path"], answer.status_code).validate(answer.json())
    if answer.status_code == 200:
        validator(case["path"]).validate(case["request"])


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_examples_are_answered(url: str, path: str, body: Any) -> None:
    validator(path).validate(body)
    model = "asked" if path in ("/v1/decisions", "/v1/systemone") else "text"
    answer = post(f"{url}/models/{model}{path}", body)
    assert answer.status_code == 200, answer.text
    validator(path, 200).validate(answer.json())
    refused = post(f"{url}/models/{model}{path}", b"{}")
    assert 400 <= refused.status_code < 500
    validator(path, refused.status_code).validate(refused.json())


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_what_is_taken_fits_its_schema(path: str, body: Any) -> None:
    read = next(one.read for one in DIALECTS if one.path == path)
    schema = validator(path)
    fields = {
        key for part in branches(body_of(SPEC["paths"][path]["post"])["schema"]) for key in part
    }
    taken = 0
    for field in fields:
        for value in ODD:
            changed = {**deepcopy(body), field: value}
            try:
                read(changed)
            except Refused:
                continue
            taken += 1
            schema.validate(changed)
    assert taken


def branches(schema: Any) -> list[Any]:
    if "anyOf" not in schema:
        return [schema["properties"]]
    return [part for one in schema["anyOf"] for part in branches(one)]


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_null_is_the_same_as_no_field(path: str, body: Any) -> None:
    read = next(one.read for one in DIALECTS if one.path == path)
    schema = body_of(SPEC["paths"][path]["post"])["schema"]
    wanted = read(body)
    for key in {key for part in branches(schema) for key in part} - set(body):
        # Where two stacks have one path, some fields say whose a body is.
        if validator(path).is_valid(with_null := {**body, key: None}) and "anyOf" not in schema:
            found = read(with_null)
            # One that echoes its body has the null in it.
            assert replace(found, settings={}) == replace(wanted, settings={}), key


@pytest.mark.parametrize(("path", "body"), EXAMPLES)
def test_what_is_no_field_is_none_in_the_schema(path: str, body: Any) -> None:
    read = next(one.read for one in DIALECTS if one.path == path)
    odd = {**body, "odd": 1}
    if validator(path).is_valid(odd):
        read(odd)
    else:
        with pytest.raises(Refused, match="odd"):
            read(odd)


def test_the_page_shows_every_path_and_loads_nothing(url: str) -> None:
    answer = httpx2.get(f"{url}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for path in {one.path for one in DIALECTS} | {"/health/ready", "/metrics", "/v1/models"}:
        assert f"{path}</" in answer.text
    assert not re.findall(
        r"""<script|<link|<img|\bsrc=|href=["'](?!#)|@import|url\(""", answer.text
    )
    assert "not taken: nothing is truncated" in answer.text
    assert "text or list of texts or list of whole numbers" in answer.text


def test_the_document_is_served(url: str) -> None:
    served = httpx2.get(f"{url}/openapi.json").json()
    assert served["openapi"].startswith("3.1")
    for path, one in json.loads(json.dumps(SPEC))["paths"].items():
        assert served["paths"][path] == one
