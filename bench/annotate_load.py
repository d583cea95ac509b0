"""How long an annotator waits for a save, and whether a label is ever lost, with many at once.

    python -m bench.annotate_load                               # SQLite, in a folder of its own
    python -m bench.annotate_load --url postgresql://user@host/empty-database
    python -m bench.annotate_load --kills 20                    # and the server killed 20 times

A server in a process of its own serves a new store; annotators, threads of this process, follow
their links, read their tasks and post a label each time, after a pause (exponential, `--think`
seconds in the mean; people need ten times as long). The time of a save is that of the post with
its answer, which holds the next task. With `--kills` there is no pause, the server gets SIGKILL
again and again in the midst of it, and annotators post again what was not answered.

Prints p50, p95 and p99 in milliseconds; the server's processor time by save, its start included;
how many of the labels answered with 200 are not there (lost), how many assignments have two
(doubled), and how many labels are there that were not answered. On a machine that others use as
well the times say as much of them: read the processor time.
"""

import argparse
import http.client
import json
import multiprocessing
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from assay.annotate.records import Project
from assay.annotate.store import Store
from assay.annotate.tasks import Task
from assay.annotate_app.serve import bound, serve
from assay.types import Prompt, Response

TEXT = "It follows from the definition, as $x^2 + 1 > 0$ for all real x. " * 8


def main() -> None:
    """Run the load, and the kills if asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--labels", type=int, default=5000)
    parser.add_argument("--per-item", type=int, default=1)
    parser.add_argument("--think", type=float, default=1.0)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = arguments.url or str(Path(folder) / "labels.db")
        print(json.dumps(load(where, arguments)))


def load(where: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Have a new store labelled, and compare what it holds with what was answered."""
    items = arguments.labels // arguments.per_item
    tasks = (
        Task.pair(Prompt.of(f"Question {i}?"), Response.of(TEXT), Response.of(TEXT[::-1]))
        for i in range(items)
    )
    store = Store.create(where, Project(labels_per_item=arguments.per_item), tasks)
    tokens = [store.invite(f"annotator {i}")[1] for i in range(arguments.annotators)]
    with bound("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = Server(where, port)
    server.start()
    think = 0.0 if arguments.kills else arguments.think
    people = [Person(port, token, random.Random(i), think) for i, token in enumerate(tokens)]
    started = time.monotonic()
    for person in people:
        person.start()
    at_work = 0
    for _ in range(arguments.kills):
        # By labels, not by time: a server that is slow to come up would be killed before any.
        goal = sum(len(one.answered) for one in people) + random.Random().randint(5, 40)
        while sum(len(one.answered) for one in people) < goal and any(map(Person.is_alive, people)):
            time.sleep(0.005)
        server.kill()
        at_work += any(person.is_alive() for person in people)
        server.start()
    for person in people:
        person.join()
    took = time.monotonic() - started
    server.kill()
    labels = Counter(given.task for given in store.given())
    saved = Counter(e["assignment"] for e in store.events() if e["kind"] == "saved")
    answered = {id for person in people for id in person.answered}
    store.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    seconds = np.array([second for person in people for second in person.seconds])
    p50, p95, p99 = (float(x) for x in np.quantile(seconds, (0.5, 0.95, 0.99)) * 1000)
    return {
        "database": where.partition(":")[0] if "://" in where else "sqlite",
        "annotators": len(people),
        "labels": labels.total(),
        "seconds": round(took, 1),
        "save_ms": {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1)},
        "server_cpu_ms_per_save": round(cpu / len(seconds) * 1000, 1),
        "kills": arguments.kills,
        "kills_while_labelling": at_work,
        "posted_again": sum(person.again for person in people),
        "answered": len(answered),
        "lost": len(answered - set(saved)),
        "doubled": sum(n > 1 for n in saved.values()),
        "not_answered": len(set(saved) - answered),
        "items_without_all_labels": items - sum(n == arguments.per_item for n in labels.values()),
    }


class Server:
    """The page in a process of its own."""

    def __init__(self, where: str, port: int) -> None:
        self.where, self.port = where, port
        self.process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(target=serving, args=(self.where, self.port), daemon=True)
        self.process.start()

    def kill(self) -> None:
        """Kill it without a word, as the machine would."""
        assert self.process is not None
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL


def serving(where: str, port: int) -> None:
    """Serve until killed."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115
    serve(Store.open(where), port=port)


class Person(threading.Thread):
    """One annotator with a browser's connection."""

    def __init__(self, port: int, token: str, rng: random.Random, think: float) -> None:
        super().__init__()
        self.port, self.token, self.rng, self.think = port, token, rng, think
        self.connection: http.client.HTTPConnection | None = None
        self.cookie = ""
        self.seconds: list[float] = []
        self.answered: list[str] = []
        self.again = 0

    def run(self) -> None:
        """Label until nothing is left."""
        _, _, cookie = self.ask("GET", f"/i/{self.token}")
        self.cookie = cookie.partition(";")[0]
        _, page, _ = self.ask("GET", "/task")
        while 'name="assignment"' in page:
            hidden = dict(re.findall(r'name="(csrf|key|assignment)" value="([^"]+)"', page))
            if self.think:
                time.sleep(self.rng.expovariate(1 / self.think))
            body = json.dumps({**hidden, "choice": self.rng.choice(["first", "second", "tie"])})
            started = time.monotonic()
            status, answer, _ = self.ask("POST", "/save", body, hidden["csrf"])
            self.seconds.append(time.monotonic() - started)
            if status != 200:
                raise AssertionError(f"a save was answered with {status}: {answer[:500]}")
            self.answered.append(hidden["assignment"])
            page = json.loads(answer)["html"]

    def ask(self, verb: str, path: str, body: str = "", csrf: str = "") -> tuple[int, str, str]:
        """Ask until there is an answer: its status, its text and the cookie it sets."""
        headers = {"Cookie": self.cookie, "Origin": f"http://127.0.0.1:{self.port}"}
        headers |= {"Content-Type": "application/json", "X-CSRF": csrf} if body else {}
        while True:
            try:
                if self.connection is None:
                    host = ("127.0.0.1", self.port)
                    self.connection = http.client.HTTPConnection(*host, timeout=60)
                self.connection.request(verb, path, body or None, headers)
                answer = self.connection.getresponse()
                text = answer.read().decode()
                return answer.status, text, answer.getheader("Set-Cookie", "")
            except (OSError, http.client.HTTPException):
                # The server is not there, yet or any more.
                self.connection = None
                self.again += bool(body)
                time.sleep(0.1)


if __name__ == "__main__":
    main()
