"""What a Ray cluster does with rows is what this process does, whatever dies."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import assay
from assay import cli
from assay.answerers.ledger import Usage
from assay.cluster import actors
from assay.cluster.actors import _Part, _Todo
from assay.data import io
from assay.errors import BackendError, ConfigError
from assay.labelling.montecarlo import MonteCarlo
from assay.protocols import Prefix, Sampling
from assay.runs.settings import differences
from assay.types import Group, Preference, Prompt, Response, Score, StepLabels, Unscored
from assay.workflows._executor import asked
from assay.workflows.score import scorer_at
from tests.engines.fake_server import FakeServer, Reply

WORD = "tests.workflows.test_executor:"


def pairs(count: int) -> list[Preference]:
    return [
        Preference(
            prompt=Prompt.of(f"q {i}", reference=str(i)),
            responses=(Response.of("a" * i), Response.of(f"It is {i}.")),
            prefer=1.0,
        )
        for i in range(count)
    ]


@dataclass(frozen=True)
class Deadly:
    """A length, that kills its process the first time that it is asked of some groups."""

    folder: str

    @property
    def fingerprint(self) -> str:
        return "deadly"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        for group in groups:
            number = group.prompt.text.removeprefix("q ")
            with open(f"{self.folder}/asked", "a") as file:
                file.write(f"{number}\n")
            mark = Path(self.folder, f"died-{number}")
            if number in ("5", "11") and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return [[Score(value=float(len(r.text))) for r in group.responses] for group in groups]


@dataclass(frozen=True)
class Fails:
    fingerprint: str = "fails"

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        raise ConfigError("this scorer wants another one")


@dataclass(frozen=True)
class Even:
    """A policy whose sample of an even number is right."""

    fingerprint: str = "even"

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [
            [
                Response(steps=(*prefix.steps, f"so {11 + (prefix.first + k) % 2}"))
                for k in range(sampling.n)
            ]
            for prefix in prefixes
        ]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    found = pytest.importorskip("ray", reason="ray is not installed: pip install 'assay[scale]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=40)
    yield found
    found.shutdown()


def test_a_cluster_that_is_not_there_is_one_line_soon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="ray is not installed: pip install 'assay[scale]'")
    io.write(pairs(2), tmp_path / "pairs.jsonl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    start = time.monotonic()
    words = ["--scorer", "longest", "--out", f"{tmp_path}/s", "--executor", f"ray:{address}"]
    with pytest.raises(SystemExit) as ended:
        cli.main(["score", f"{tmp_path}/pairs.jsonl", *words])
    assert ended.value.code == 2
    assert time.monotonic() - start < 10
    said = capsys.readouterr().err
    assert f"no Ray cluster answers at {address}" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("says", "is_one"),
    [
        (b"HTTP/1.1 400 Bad Request", False),
        (b"", False),
        (bytes((0, 0, 6, 4, 0, 0, 0, 0, 0)), True),
    ],
)
def test_an_open_port_that_is_not_ray_is_told_soon(
    says: bytes, is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            there, _ = server.accept()
            with there:
                there.sendall(says)
                there.recv(1024)
                ended.wait(5)

        ended, thread = threading.Event(), threading.Thread(target=answer)
        thread.start()
        try:
            if is_one:
                actors._check_reachable(address)
            else:
                with pytest.raises(BackendError, match="it is no Ray cluster's head"):
                    actors._check_reachable(address)
        finally:
            ended.set()
            thread.join()


@pytest.mark.filterwarnings("ignore")
def test_rows_are_those_of_this_process_whatever_dies(ray: Any, tmp_path: Path) -> None:
    io.write(pairs(20), tmp_path / "pairs.jsonl")
    here = assay.score(tmp_path / "pairs.jsonl", "longest", out=tmp_path / "here")
    word = f"{WORD}Deadly,folder={tmp_path}"
    there = assay.score(
        tmp_path / "pairs.jsonl", word, out=tmp_path / "there", chunk=2, executor="ray,actors=2"
    )
    assert [row["value"] for row in there.rows] == [row["value"] for row in here.rows]
    assert {path.name for path in tmp_path.glob("died-*")} == {"died-5", "died-11"}
    # A journal of rows is no part of what is done.
    assert not [*(tmp_path / "there").glob(".*")]


@pytest.mark.filterwarnings("ignore")
def test_the_journal_is_read_before_actors_are_asked(ray: Any, tmp_path: Path) -> None:
    io.write(pairs(12), tmp_path / "pairs.jsonl")
    (tmp_path / "died-5").touch()
    (tmp_path / "died-11").touch()
    word = f"{WORD}Deadly,folder={tmp_path}"
    given: Any = {"executor": "ray,actors=2", "data": tmp_path / "pairs.jsonl"}
    first = assay.score(**given, scorer=word, out=tmp_path / "s.jsonl", chunk=3)
    assert sorted((tmp_path / "asked").read_text().split(), key=int) == list(map(str, range(12)))
    journal = tmp_path / "journal"
    groups = [Group(prompt=p.prompt, responses=p.responses) for p in pairs(12)]
    for _ in range(2):
        with scorer_at("ray,actors=1", word, "auto", "auto", "saved", 8192) as by:
            found = [row for _, rows in asked(by, groups, 5, journal) for row in rows]
        values = [one.value for row in found for one in row if isinstance(one, Score)]
        assert values == [row["value"] for row in first.rows]
    assert len((tmp_path / "asked").read_text().split()) == 24
    keys = [json.loads(line)["key"] for line in journal.read_bytes().splitlines()]
    assert len(keys) == len(set(keys)) == 12


@pytest.mark.filterwarnings("ignore")
def test_every_job_gives_what_it_gives_here(ray: Any, tmp_path: Path) -> None:
    data = pairs(6)
    solutions = [
        StepLabels(
            prompt=Prompt.of(f"How many {i}?", reference="11"),
            response=Response(steps=("+", "-", "so 11")),
            labels=(None, None, 1.0),
        )
        for i in range(5)
    ]
    both = []
    for executor in ("local", "ray,actors=2"):
        out = tmp_path / executor[:3]
        verified = assay.verify(data, "numeric", out=out / "v", executor=executor)
        judged = assay.judge(
            data,
            "pairwise:tests.specs.answering:Likes",
            out=out / "j",
            chunk=2,
            executor=executor,
        )
        labelled = assay.label(
            solutions,
            policy=Even(),
            verifier="numeric",
            how=MonteCarlo(rollouts=3),
            out=out / "l",
            executor=executor,
        )
        both.append((verified.verdicts, judged.rows, labelled.records))
    assert both[0] == both[1]


@pytest.mark.filterwarnings("ignore")
def test_what_actors_pay_for_is_in_the_ledger_and_on_the_bill(ray: Any, tmp_path: Path) -> None:
    data, executor = pairs(4), "ray,actors=2"
    with FakeServer(lambda _: Reply(choice={"text": "Verdict: A"}, tokens=20)) as server:
        word = f"pairwise:{server.url},model=m,reads=text"
        first = assay.judge(data, word, out=tmp_path / "a", chunk=2, executor=executor)
        again = assay.judge(
            data, word, out=tmp_path / "b", ledger=tmp_path / "a" / "ledger.sqlite", chunk=1
        )
    paid, kept = first.bill["paid"], first.bill["in the ledger"]
    assert isinstance(paid, Usage)
    assert isinstance(kept, Usage)
    assert paid.requests == kept.requests == len(server.asked) == 8
    assert again.rows == first.rows
    assert again.bill["paid"] == Usage()


@pytest.mark.filterwarnings("ignore")
def test_an_error_is_told_as_it_is_here(ray: Any) -> None:
    with pytest.raises(ConfigError, match=r"^this scorer wants another one$"):
        assay.score(pairs(2), f"{WORD}Fails", executor="ray,actors=1")
    with pytest.raises(ConfigError, match="is connected to the Ray cluster at"):
        assay.score(pairs(2), "longest", executor="ray:127.0.0.1:1")
    with pytest.raises(ConfigError, match="no scorer has that name"):
        assay.score(pairs(2), "nosuch", executor="ray,actors=1")


def test_words_that_name_no_executor_are_refused() -> None:
    for word, says in {
        "spark": "there is local, ray, ray:ADDRESS",
        "ray,actor=3": "did you mean actors",
        "ray,cpus=0": "at least 0, not both",
    }.items():
        with pytest.raises(ConfigError, match=says):
            assay.score(pairs(1), "longest", executor=word)


def test_where_rows_are_worked_on_is_no_other_result() -> None:
    here = {"settings": {"job": "score", "executor": "local"}, "data": {}}
    there = {"settings": {"job": "score", "executor": "ray"}, "data": {}}
    assert differences(here, there) == []


def test_no_part_is_begun_that_is_far_ahead_of_the_oldest() -> None:
    todo = _Todo(iter(enumerate("abcdef")), ahead=3)
    begun = [todo.next(0) for _ in range(6)]
    assert [part and part.what for part in begun] == ["a", "b", "c", "d", None, None]
    todo.again.append(_Part(0, "a", deaths=1))
    assert todo.next(0) == _Part(0, "a", deaths=1)
    later = [todo.next(2), todo.next(2), todo.next(9)]
    assert [part and part.place for part in later] == [4, 5, None]
    assert todo.ended
