"""The public conformance suite of TypeSafe's System One, against the server."""

import hashlib
from typing import Any

import pytest

from assay.server.keys import Key
from tests.server.answerers import Planted, local
from tests.server.running import running

runner = pytest.importorskip("jevcompat.runner", reason="jevcompat is not installed")


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
