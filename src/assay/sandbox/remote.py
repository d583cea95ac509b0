"""Programs run elsewhere, by a service that speaks SandboxFusion's `/run_code`
(https://github.com/bytedance/SandboxFusion).

The verdict is still made here, from what the program returned or printed: the service's own word on
success, which a program can give itself by ending with status 0, is not asked for. How well the
program is shut in is the service's affair. A service runs one process at a time, so assertions,
which need two that talk, are refused.
"""

import base64
import json
import logging
import random
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from assay.errors import BackendError, ConfigError
from assay.sandbox.inside import BEGUN
from assay.sandbox.process import Ended, Job

__all__ = ["RemoteSandbox"]

log = logging.getLogger(__name__)

TRIES: Final = 3
INSIDE: Final = Path(__file__).parent / "inside"
SENT: Final = ("__init__", "codec", "endings", "roles", "surroundings")
"""The modules that calling a function needs."""
RESULTS: Final = "results.jsonl"
# The role reads its job from descriptor 3 and writes to 4, as it does at home.
START: Final = f"""
import os
for name, flags, place in (("job.json", os.O_RDONLY, 3), ("{RESULTS}", os.O_WRONLY | os.O_CREAT, 4)):
    descriptor = os.open(name, flags)
    os.dup2(descriptor, place)
os.unlink("job.json")
import sys
sys.path.insert(0, os.getcwd())
from inside.roles import calls
calls()
"""  # noqa: E501


class RemoteSandbox:
    """A service at `url`, such as http://127.0.0.1:8080. It has the `run` of `Sandbox`, for one
    job."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{url!r} is no address of a service; give one such as http://127.0.0.1:8080"
            )
        self.url = url.rstrip("/") + "/run_code"

    def run(self, *jobs: Job) -> list[Ended]:
        """Run one job. Raises `BackendError` when the service fails, after three tries."""
        if len(jobs) != 1 or jobs[0].role not in ("calls", "program"):
            raise ConfigError(
                "a remote service runs one program alone; give tests with calls or with input and"
                " output"
            )
        (job,) = jobs
        request: dict[str, Any] = {
            "language": "python",
            "run_timeout": job.limits.clock,
            "memory_limit_MB": job.limits.memory >> 20,
        }
        if job.role == "program":
            request |= {"code": job.body["code"], "stdin": job.body["stdin"]}
        else:
            files = {f"inside/{name}.py": (INSIDE / f"{name}.py").read_bytes() for name in SENT}
            files["job.json"] = json.dumps(job.body).encode()
            encoded = {name: base64.b64encode(content).decode() for name, content in files.items()}
            request |= {"code": START, "files": encoded, "fetch_files": [RESULTS]}
        return [self._ended(job, self._ask(request, job.limits.clock + 30.0))]

    def close(self) -> None:
        """Nothing is kept open."""

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        body = json.dumps(request).encode()
        why = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(random.uniform(0, 2.0**attempt))
            post = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(post, timeout=seconds) as response:
                    answer = json.load(response)
                if isinstance(answer, dict) and answer.get("status") in ("Success", "Failed"):
                    return answer
                why = str(answer.get("message", answer) if isinstance(answer, dict) else answer)[
                    :200
                ]
            except urllib.error.HTTPError as error:
                why = f"HTTP {error.code}"
                if error.code in (400, 401, 403, 404, 405, 422):
                    break
            except (OSError, ValueError) as error:
                why = str(error)
            log.info("%s: %s", self.url, why)
        raise BackendError(f"the sandbox service at {self.url} fails: {why}")

    def _ended(self, job: Job, answer: dict[str, Any]) -> Ended:
        run = answer.get("run_result") or {}
        stdout, stderr = (
            str(run.get(name) or "").encode(errors="replace") for name in ("stdout", "stderr")
        )
        try:
            result = base64.b64decode((answer.get("files") or {}).get(RESULTS, ""))
        except ValueError as error:
            raise BackendError(
                f"the sandbox service at {self.url} sends a file that is not base64"
            ) from error
        if job.role == "program":
            result = BEGUN  # a service runs it itself, on an input of its own making
        stopped = "time" if run.get("status") == "TimeLimitExceeded" else ""
        if max(map(len, (result, stdout, stderr))) > job.limits.output:
            stopped = "output"
        status = run.get("return_code")
        seconds = float(run.get("execution_time") or 0.0)
        return Ended(
            result, stdout, stderr, -9 if status is None else int(status), stopped, seconds, 0
        )
