"""A run of many verdicts that is killed in the middle, and started again.

As a program: python -m tests.answerers.killed KIND URL LEDGER COUNT.
"""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.answerers.asking import Server
from assay.answerers.labels import LabelAnswerer
from assay.answerers.ledger import Ledger
from assay.answerers.text import TextAnswerer
from assay.engines.openai import OpenAI
from assay.questions import Distribution, Question
from assay.types import Prompt
from tests.engines.fake_server import FakeServer, Script

HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cut:
    """What came of it: verdicts on disk, and requests at the server, when it was killed; those of
    the run after; and its answers."""

    kept: int
    before: int
    after: int
    ended: dict[str, Any]


def kill_and_resume(script: Script, kind: str, ledger: Path, count: int, settings: str = "") -> Cut:
    """Kill a run at half of its requests, and do it again. The server counts chats alone."""
    half = threading.Event()

    def counted(asked: Any) -> Any:
        if asked.number > count // 2:
            half.set()
        return script(asked)

    def chats(server: FakeServer) -> int:
        return sum(one.path.endswith("/chat/completions") for one in server.asked)

    with FakeServer(counted) as server:
        command = [sys.executable, "-m", __name__, kind, server.url, str(ledger), str(count)]
        with subprocess.Popen([*command, settings], cwd=HERE) as run:
            came = half.wait(600)
            run.send_signal(signal.SIGKILL)
        assert came, "half of the requests did not come in ten minutes"
        with Ledger(ledger) as paid:
            kept = len(paid)
        before = chats(server)
        done = subprocess.run([*command, settings], check=True, stdout=subprocess.PIPE, cwd=HERE)
        return Cut(kept, before, chats(server) - before, json.loads(done.stdout))


def main(kind: str, url: str, path: str, count: str, settings: str) -> None:
    """Ask many questions and print the answers."""
    extra = json.loads(settings or "{}")
    ledger = Ledger(path)
    if kind == "labels":
        server = Server(base_url=url, concurrency=8)
        answerer: Any = LabelAnswerer(server, "judge", dialect="openai", ledger=ledger, **extra)
    else:
        generator = OpenAI(base_url=url, model="judge", concurrency=8)
        answerer = TextAnswerer(generator, max_tokens=12, retries=0, ledger=ledger)
    states = [Prompt.of(f"Sky {i % 10}. {i}") for i in range(int(count))]
    question = Question.predicate("Does it rain?")
    found = [one for (one,) in answerer.answer(states, [[question]] * len(states))]
    p = [round(one.probabilities[0], 6) if isinstance(one, Distribution) else None for one in found]
    print(json.dumps({"p": p, "paid": ledger.paid.requests, "saved": ledger.saved.requests}))


if __name__ == "__main__":
    main(*sys.argv[1:])
