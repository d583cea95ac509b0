"""Does a reward server give every request its own answer, whatever its clients do?

    nice python -m experiments.serving_load --json
    python -m experiments.serving_load --requests 5000 --json

Two models are served: `hash`, whose score is a hash of prompt and response, and `tiny`, a reward
model with random weights in fp32, whose scores in this process are what the served ones are
compared with. Clients, many in each of several processes, keep connections open and ask one small
sample a request. Some requests are cut off in their middle, some connections are closed before the
answer, some clients have a key that allows few requests at a time and come again after a 429, and
now and then a whole process is killed and another goes on. Counted are: answers that are not the
request's, refusals, differences from the offline scores, the server's memory over time, and what
became of the requests that were under way when it was told to end.

Memory is what is in use (`experiments.in_use`); what the process holds is printed beside it.
"""

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from experiments.in_use import resting

from assay.types import Group, Prompt, Response, Score

PAIRS = [(f"What is {i} + {i}?", f"It is {2 * i}, I think.") for i in range(100)]
"""What is asked about the tiny model: few, so that each can be scored offline before."""
TINY_SHARE, CUT_SHARE, LEFT_SHARE = 0.05, 0.02, 0.02
NEAR = 1e-4
"""What batching may change in fp32."""
SAMPLES = 40
"""How often memory is read over all requests."""
KEYS = {"free": "", "tight": " 100000 4"}


@dataclass(frozen=True)
class Hash:
    """A score that only this prompt and response have."""

    fingerprint: str = "hash"

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        return [[Score(value=digest(g.prompt.text, r.text)) for r in g.responses] for g in groups]


def digest(prompt: str, text: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{prompt}|{text}".encode()).digest()[:6])


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What one process of clients does."""

    port: int
    clients: int
    requests: int
    seed: int
    tiny: tuple[float, ...]
    """Offline scores of `PAIRS`."""


async def ask(asking: Asking, log: Any) -> None:
    """Send requests until they are all answered, or the server has gone; `log` counts."""
    left, opened = iter(range(asking.requests)), list[asyncio.StreamWriter]()
    await asyncio.gather(*(client(asking, i, left, log, opened) for i in range(asking.clients)))
    for writer in opened:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def client(
    asking: Asking, place: int, left: Iterator[int], log: Any, opened: list[asyncio.StreamWriter]
) -> None:
    dice = random.Random(f"{asking.seed}/{place}")
    key = "tight" if place % 4 == 0 else "free"
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in left:
        name = f"{asking.seed}-{place}-{number}"
        tiny = dice.random() < TINY_SHARE
        pair = dice.randrange(len(PAIRS))
        prompt, text = PAIRS[pair] if tiny else (f"prompt {dice.random()}", name)
        wanted = asking.tiny[pair] if tiny else digest(prompt, text)
        model = "tiny" if tiny else "hash"
        body = json.dumps({"model": model, "prompt": prompt, "responses": [text]}).encode()
        head = (
            f"POST /v1/score HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        while True:
            try:
                if line is None:
                    line = await asyncio.open_connection("127.0.0.1", asking.port)
                    opened.append(line[1])
                reader, writer = line
                chance = dice.random()
                if chance < CUT_SHARE + LEFT_SHARE:
                    whole = head + body
                    cut = len(whole) if chance < LEFT_SHARE else dice.randrange(len(whole))
                    writer.write(whole[:cut])
                    await writer.drain()
                    writer.close()
                    line = None
                    log("left", name)
                    break
                writer.write(head + body)
                start = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", start, re.IGNORECASE)
                answer = json.loads(await reader.readexactly(int(found[1]) if found else 0))
                closing = b"connection: close" in start.lower()
            except OSError:
                log("gone", name)
                if line is None:
                    return
                line = None
                break
            except asyncio.IncompleteReadError as error:
                log("torn" if error.partial else "unanswered", name)
                line = None
                break
            if closing:
                writer.close()
                line = None
            status = int(start.split(b" ")[1])
            if status == 429:
                log("429", name)
                await asyncio.sleep(0.01)
                continue
            if status != 200:
                log(str(status), name)
                break
            value = answer["scores"][0]["value"]
            own = answer["id"] == name and abs(value - wanted) <= (NEAR if tiny else 0)
            if tiny:
                log(f"tiny {'equal' if value == wanted else abs(value - wanted)}", name)
            log("right" if own else "WRONG", name)
            break


def worker(asking: Asking, path: Path) -> None:
    """Run clients; every event is a line of the file, written at once."""
    with path.open("a", buffering=1) as file:
        asyncio.run(ask(asking, lambda event, name: file.write(f"{event}\t{name}\n")))


@contextmanager
def served(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """A server of both models; its process, port and log."""
    log = folder / f"log{len(more)}.jsonl"
    keys = "\n".join(
        f"{hashlib.sha256(key.encode()).hexdigest()} {key}{limits}" for key, limits in KEYS.items()
    )
    with log.open("w") as errors:
        server = subprocess.Popen(
            [sys.executable, "-m", "assay", "serve", "hash=experiments.serving_load:Hash",
             "in-use=experiments.in_use:InUse", f"tiny={folder / 'tiny'}",
             "--port", "0", "--device", "cpu", *more],
            stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "ASSAY_SERVE_KEYS": keys, "PYTHONMALLOC": "malloc"},
        )  # fmt: skip
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if line.startswith("health"):
                    break
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found is None:
                raise RuntimeError(log.read_text())
            yield server, int(found[1]), log
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def tiny_scores(folder: Path) -> tuple[float, ...]:
    """Save a tiny reward model, and score `PAIRS` with it in this process."""
    from tests.training import planted

    from assay.models import checkpoint
    from assay.scorers.local import LocalScorer

    checkpoint.save(planted.model("outcome"), folder / "tiny")
    scorer = LocalScorer(folder / "tiny")
    scores = [
        scorer.score([Group(prompt=Prompt.of(prompt), responses=(Response.of(text),))])[0][0]
        for prompt, text in PAIRS
    ]
    return tuple(score.value for score in scores if isinstance(score, Score))


def memory(pid: int) -> float:
    """What a process holds, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def slope(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares of the last half: change per unit of x, and its standard error (with the
    errors' correlation from sample to sample taken as of ten samples)."""
    x_N, y_N = np.array(samples[len(samples) // 2 :]).T
    if len(x_N) < 4 or np.ptp(x_N) == 0:
        return float("nan"), float("nan")
    rate, start = np.polyfit(x_N, y_N, 1)
    residuals_N = y_N - rate * x_N - start
    spread = np.sqrt((residuals_N**2).sum() / (len(x_N) - 2) / ((x_N - x_N.mean()) ** 2).sum())
    return float(rate), float(spread * np.sqrt(min(10.0, len(x_N) / 2)))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was counted."""

    seconds: float
    events: dict[str, int]
    """Of requests, by what became of them."""
    killed: int
    """Processes of clients."""
    tiny_largest_difference: float
    memory_mib: tuple[float, float, float]
    """What the process holds, at the start, halfway, and at the end."""
    in_use_mib: tuple[float, float, float]
    """What is allocated in it and not freed; NaN = unknown."""
    in_use_slope: float
    """MiB per 100,000 requests over the last half."""
    in_use_slope_error: float
    drain_answered: int
    """Requests that were answered after the server was told to end."""
    drain_lost: int
    """Requests that the server says it answered, and whose clients never saw it."""
    drain_s: float
    drain_events: dict[str, int]


def ends(values: Sequence[float]) -> tuple[float, float, float]:
    """The first, the middle and the last."""
    return values[0], values[len(values) // 2], values[-1]


def events(folder: Path) -> list[list[str]]:
    lines = [line for path in folder.glob("*.events") for line in path.read_text().splitlines()]
    return [line.split("\t") for line in lines if "\t" in line]


def load(requests: int, processes: int, clients: int, seconds: float, kill_s: float) -> Result:
    """Load a server, then another one that is told to end meanwhile."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = tiny_scores(folder)
        dice, killed = random.Random(0), 0
        samples, held = list[tuple[float, float]](), list[float]()

        def start(port: int, seed: int, count: int, into: Path) -> Any:
            asking = Asking(port=port, clients=clients, requests=count, seed=seed, tiny=tiny)
            process = spawn.Process(target=worker, args=(asking, into / f"{seed}.events"))
            process.start()
            return process

        first = folder / "first"
        first.mkdir()
        with served(folder) as (server, port, _):
            begun, kill_at = time.monotonic(), time.monotonic() + kill_s
            seed = processes
            # More than enough each: the sum is what ends the load.
            running = [start(port, i, requests, first) for i in range(processes)]
            done, sizes = 0, dict[Path, int]()
            while done < requests and time.monotonic() < begun + seconds:
                time.sleep(0.5)
                for path in first.glob("*.events"):
                    with path.open() as file:
                        file.seek(sizes.get(path, 0))
                        fresh = file.read()
                    sizes[path] = sizes.get(path, 0) + len(fresh)
                    done += fresh.count("\nright") + fresh.count("\nleft")
                if done >= requests * len(samples) / SAMPLES:
                    samples.append((float(done), resting(port, running)))
                    held.append(memory(server.pid))
                if time.monotonic() > kill_at:
                    kill_at = time.monotonic() + kill_s
                    victim = running.pop(dice.randrange(len(running)))
                    victim.kill()
                    victim.join()
                    running.append(start(port, seed, requests, first))
                    seed, killed = seed + 1, killed + 1
            took = time.monotonic() - begun
            for process in running:
                process.kill()
                process.join()
        counts = Counter(event for event, _ in events(first))
        far = [float(e[5:]) for e in counts if e.startswith("tiny ") and e != "tiny equal"]
        rate, error = slope(samples)
        answered, lost, drained, drain_events = drain(folder, start, processes)
        grouped = Counter[str]()
        for event, count in counts.items():
            grouped[
                "tiny near" if event.startswith("tiny ") and event[5:] != "equal" else event
            ] += count
        in_use_mib = [each for _, each in samples]
        return Result(
            seconds=took,
            events=dict(grouped),
            killed=killed,
            tiny_largest_difference=max(far, default=0.0),
            memory_mib=ends(held),
            in_use_mib=ends(in_use_mib),
            in_use_slope=rate * 1e5,
            in_use_slope_error=error * 1e5,
            drain_answered=answered,
            drain_lost=lost,
            drain_s=drained,
            drain_events=drain_events,
        )


def drain(folder: Path, start: Any, processes: int) -> tuple[int, int, float, dict[str, int]]:
    """End a server under load, and compare its log with what its clients saw."""
    second = folder / "second"
    second.mkdir()
    with served(folder, "--log-requests") as (server, port, log):
        running = [start(port, 1000 + i, 10**9, second) for i in range(processes)]
        end = time.monotonic() + 60
        while len(events(second)) < 500 and time.monotonic() < end:
            time.sleep(0.2)
        before = len(events(second))
        told = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        took = time.monotonic() - told
        for process in running:
            process.join(30)
            process.kill()
        if code:
            raise RuntimeError(f"the server ended with {code}: {log.read_text()[-2000:]}")
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    seen = events(second)
    said = {row["request"] for row in rows if row.get("status") == 200}
    had = {name for event, name in seen if event in {"right", "left"}}
    answered = sum(event == "right" for event, _ in seen[before:])
    kinds = Counter("tiny" if event.startswith("tiny") else event for event, _ in seen)
    return answered, len(said - had), took, dict(kinds)


def main() -> None:
    """Load a server and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--clients", type=int, default=32, help="per process")
    parser.add_argument("--seconds", type=float, default=600.0, help="at most")
    parser.add_argument("--kill-s", type=float, default=10.0, help="between kills")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = load(given.requests, given.processes, given.clients, given.seconds, given.kill_s)
    if given.json:
        print(json.dumps(asdict(result), indent=1))
        return
    for name, value in asdict(result).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
