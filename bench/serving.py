"""Our server beside two others: requests a second, latency and tokens, from many clients at once.

    # SmolLM2-135M's shape: about four minutes on two quiet cores
    python -m bench.serving --json
    # a fifth of the depth, and few requests
    python -m bench.serving --json --layers 6 --ours 64 --theirs 32

64 clients send one sample a request, as RL stacks do, in OpenRLHF's dialect: prompts of 512 tokens
with 16 short responses each, the samples of eight prompts in random order. Against us stand
OpenRLHF's server (a forward pass within the handler) and one that batches padded requests
(`serving_peers.py`), each a process of its own on the same saved model, and what `assay score` does
offline with the same rows. All must give the same scores. A server's time starts when it answers,
and the slower ones get fewer requests: 64 clients keep all of them busy throughout.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import torch
from bench.plain_loop import SIZES, model
from bench.trl_reward import REPOSITORY, run, say

from assay.models import checkpoint
from assay.types import Group, Prompt, Response

GROUP, TOGETHER = 16, 8
"""Samples a prompt, and prompts whose samples are sent in random order."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--response", nargs=2, type=int, default=[16, 48])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--ours", type=int, default=256, help="requests to our server")
    parser.add_argument("--theirs", type=int, default=64, help="requests to each other server")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompt-tokens", type=int, default=16_384, help="0 remembers no prompts")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument("--offline", nargs=2, metavar=("FOLDER", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    # Servers end with the benchmark, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    torch.set_num_threads(arguments.threads)
    if arguments.offline:
        print(json.dumps(offline(*arguments.offline)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(arguments, Path(folder))
        if arguments.json:
            print(json.dumps(found))


def compare(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time all servers, one after another."""
    SIZES["smol"]["num_hidden_layers"] = arguments.layers
    checkpoint.save(model("smol", "float32", "cpu"), folder / "model")
    rows = samples(max(arguments.ours, arguments.theirs), arguments.prompt, arguments.response)
    (folder / "rows.json").write_text(json.dumps(rows[: arguments.ours]))
    place, threads = str(folder / "model"), f"--threads={arguments.threads}"
    remember = f"--prompt-tokens={arguments.prompt_tokens}"
    own = [sys.executable, "-m", "assay", "serve", f"rm={place}", remember, "--port"]
    peers = [sys.executable, str(REPOSITORY / "bench" / "serving_peers.py"), threads]
    servers = {
        "assay": (own, arguments.ours),
        "serve_rm": ([*peers, "--kind=serve_rm", f"--model={place}", "--port"], arguments.theirs),
        "batching": ([*peers, "--kind=batching", f"--model={place}", "--port"], arguments.theirs),
    }
    found: dict[str, dict[str, Any]] = {}
    scores: dict[str, list[float]] = {}
    for name, (command, count) in servers.items():
        with serving(command, arguments.threads) as url:
            found[name], scores[name] = asyncio.run(asked(url, rows[:count], arguments.clients))
        say(f"{name}: {line(found[name])}")
    again = [sys.executable, "-m", "bench.serving", threads, "--offline", place]
    found["offline"] = run([*again, str(folder / "rows.json")])
    scores["offline"] = found["offline"].pop("scores")
    say(f"offline: {found['offline']['requests_per_second']:.2f} rows/s")
    differences = {
        name: max(abs(a - b) for a, b in zip(scores["assay"], some, strict=False))
        for name, some in scores.items()
    }
    if max(differences.values()) > 1e-3:
        raise SystemExit(f"the servers give different scores: {differences}")
    speeds = {name: row["requests_per_second"] for name, row in found.items()}
    ratios = {name: speeds["assay"] / speed for name, speed in speeds.items() if name != "assay"}
    say("ours over " + ", ".join(f"{name}: {ratio:.2f}" for name, ratio in ratios.items()))
    keys = ("layers", "prompt", "response", "clients", "threads", "prompt_tokens")
    return {key: getattr(arguments, key) for key in keys} | {
        "servers": found,
        "ratios": ratios,
        "largest_difference": differences,
    }


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['requests_per_second']:.2f} requests/s, p50 {row['p50']:.2f} s, p99"
        f" {row['p99']:.2f} s, {row['tokens_per_request']:.0f} tokens a request"
    )


def samples(count: int, prompt: int, response: Sequence[int]) -> list[tuple[str, str]]:
    """Prompts and responses of random words, one token each."""
    rng = random.Random(0)

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(10, 40_000)}" for _ in range(length))

    rows: list[tuple[str, str]] = []
    while len(rows) < count:
        prompts = [text(prompt) for _ in range(TOGETHER)]
        some = [(one, text(rng.randint(*response))) for one in prompts for _ in range(GROUP)]
        rows += rng.sample(some, len(some))
    return rows[:count]


def body(prompt: str, response: str) -> dict[str, Any]:
    """A request as OpenRLHF's client writes it."""
    return {"query": [f"<bos> {prompt} {response} <eos>"], "prompts": [prompt], "labels": [""]}


async def asked(
    url: str, rows: Sequence[tuple[str, str]], clients: int
) -> tuple[dict[str, Any], list[float]]:
    """Let so many clients ask for all rows, each for the next one when it has its answer."""
    scores, seconds = [0.0] * len(rows), [0.0] * len(rows)
    left = iter(range(len(rows)))
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(timeout=900, limits=limits, trust_env=False) as http:

        async def client() -> None:
            for i in left:
                start = time.perf_counter()
                answer = await http.post(f"{url}/get_reward", json=body(*rows[i]))
                answer.raise_for_status()
                scores[i] = answer.json()["rewards"][0]
                seconds[i] = time.perf_counter() - start

        before = _tokens((await http.get(f"{url}/metrics")).text)
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        wall = time.perf_counter() - began
        tokens = _tokens((await http.get(f"{url}/metrics")).text) - before
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {
        "requests": len(rows),
        "requests_per_second": len(rows) / wall,
        "p50": cuts[49],
        "p99": cuts[98],
        "tokens_per_request": tokens / len(rows),
    }
    return found, scores


def _tokens(metrics: str) -> float:
    """Tokens that went through the model so far, as a server says at /metrics."""
    found = re.search(r"^\w*tokens_read\S* (\S+)$", metrics, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


@contextmanager
def serving(command: Sequence[str], threads: int) -> Iterator[str]:
    """Start a server on a free port, the last word of its command, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(
        [*command, str(port)], cwd=REPOSITORY, env=settings, stdout=sys.stderr
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 180
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{' '.join(command)} does not answer")
            time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/metrics", trust_env=False, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def offline(folder: str, rows: str) -> dict[str, Any]:
    """What `assay score` does with the rows, without its start."""
    from assay.scorers.local import LocalScorer
    from assay.workflows.score import score

    given = json.loads(Path(rows).read_text())
    groups: dict[str, list[str]] = {}
    for prompt, response in given:
        groups.setdefault(prompt, []).append(response)
    records = [
        Group(prompt=Prompt.of(prompt), responses=tuple(map(Response.of, some)))
        for prompt, some in groups.items()
    ]
    scorer = LocalScorer(folder)
    scorer.score([Group(prompt=Prompt.of("w10"), responses=(Response.of("w11"),) * 2)])
    before, began = scorer.tokens_read, time.perf_counter()
    found = score(records, scorer)
    wall = time.perf_counter() - began
    by_text = {
        (prompt, response): row["value"]
        for (prompt, some), rows_of in zip(groups.items(), _by_group(found.rows), strict=True)
        for response, row in zip(some, rows_of, strict=True)
    }
    return {
        "requests": len(given),
        "requests_per_second": len(given) / wall,
        "tokens_per_request": (scorer.tokens_read - before) / len(given),
        "scores": [by_text[prompt, response] for prompt, response in given],
    }


def _by_group(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["group"], []).append(row)
    return list(found.values())


if __name__ == "__main__":
    main()
