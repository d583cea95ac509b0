"""The image's files exist, and what it starts is a command line that `assay serve` takes."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tyro

from assay.cli.serve import Command

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def listed(word: str) -> list[str]:
    found: list[str] = json.loads(re.findall(rf"^{word} (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


def parsed(arguments: list[str]) -> Command:
    entry = listed("ENTRYPOINT")
    assert entry[:2] == ["assay", "serve"]
    return tyro.cli(Command, args=[*entry[2:], *arguments])


def test_the_image_starts_a_server_with_keys() -> None:
    command = parsed(listed("CMD"))
    assert command.scorers == ("/models/rm",)
    assert (command.host, command.port) == ("0.0.0.0", 8765)
    assert command.keys == Path("/run/secrets/assay_keys")
    assert not command.open_to_all
    assert f"127.0.0.1:{command.port}/health/ready" in DOCKERFILE


def test_compose_starts_it_too_reachable_from_this_machine_alone() -> None:
    yaml = pytest.importorskip("yaml")
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = compose["services"]["assay"]
    command = parsed(service["command"])
    assert command.keys == Path("/run/secrets") / service["secrets"][0]
    assert set(service["secrets"]) == set(compose["secrets"])
    assert service["ports"] == [f"127.0.0.1:{command.port}:{command.port}"]
    minutes = int(service["stop_grace_period"].removesuffix("m"))
    # The server itself ends by then: requests, their bodies, and some seconds.
    assert minutes * 60 >= command.request_s + 30 + 10


def test_what_is_copied_is_there_and_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    copied = [path for line in lines for path in line.split()]
    assert {"pyproject.toml", "src", "requirements.lock"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in ignored, path
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(r"^torch==[0-9.]+", lock, re.MULTILINE)


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode != 0,
    reason="no Docker daemon runs here",
)
def test_the_files_are_docker_s() -> None:
    check = ["docker", "build", "--check", str(ROOT)]
    assert subprocess.run(check, capture_output=True, timeout=120).returncode == 0
    config = ["docker", "compose", "-f", str(ROOT / "compose.yaml"), "config", "--quiet"]
    assert subprocess.run(config, capture_output=True, timeout=60).returncode == 0
