"""The public conformance suite of TypeSafe's System One, against the server."""

import hashlib
from typing import Any

import pytest

from assay.answerers.local import LocalAnswerer
from assay.server.keys import Key
from tests.answerers.test_local import words
from tests.models import tiny
from tests.server.answerers import Planted
from tests.server.running import running

runner = pytest.importorskip("jevcompat.runner", reason="jevcompat is not installed")


def local() -> LocalAnswerer:
    """A tiny model whose tokenizer has a token for every one of 255 options."""
    tokenizer = words(tiny.tokenizer())
    tokenizer.add_tokens([str(i) for i in range(10, 256)])
    model = tiny.causal("llama", max_position_embeddings=16384)
    model.resize_token_embeddings(len(tokenizer))
    # A model without training says anything; what it says of the labels is what is looked at.
    return LocalAnswerer(model, tokenizer, floor=0.0)


def failures(report: Any) -> dict[str, list[str]]:
    """What each requirement that is not met was found to be."""
    bad = (one for one in report.results if one.status == "fail")
    return {one.id: [str(finding.message) for finding in one.findings] for one in bad}


def test_a_planted_answerer_conforms() -> None:
    with running({}, answerers={"planted": Planted()}) as url:
        report = runner.run(url)
    assert failures(report) == {}
    assert report.conformant, report.summary()
    assert report.count("MUST", "pass") == 32


def test_keys_are_asked_for_as_its_clients_send_them() -> None:
    key = Key(name="me", digest=hashlib.sha256(b"secret").digest())
    with running({}, answerers={"planted": Planted()}, keys=[key]) as url:
        report = runner.run(url, key="secret", only={"auth", "noul-basic"})
    assert failures(report) == {}
    assert {"auth.bearer", "auth.invalid", "auth.missing"} <= {
        one.id for one in report.results if one.status == "pass"
    }


def test_a_local_model_conforms() -> None:
    with running({}, answerers={"tiny": local()}) as url:
        report = runner.run(url)
    assert failures(report) == {}
    assert report.conformant, report.summary()
