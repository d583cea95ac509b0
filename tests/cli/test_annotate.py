"""`assay annotate`: from a file to the page, to labels, to a reward model."""

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from assay import cli
from assay.annotate.labels import Pair
from assay.annotate.store import Store
from assay.data import io
from assay.types import Preference
from tests.models import tiny
from tests.training import planted

POOL = [
    {"prompt": "2+3?", "responses": ["5", "6"]},
    {"prompt": "2+4?", "responses": ["6 <script>alert(1)</script>", "7"]},
    {"prompt": "2+5?", "responses": ["8", "7"]},
]


def assay(*arguments: object) -> None:
    cli.main([str(argument) for argument in arguments])


def posted(page: str, browser: urllib.request.OpenerDirector, url: str, **said: str) -> str:
    """What is answered to the form of a page that somebody filled in."""
    hidden = re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page)
    body = urllib.parse.urlencode(dict(hidden) | said).encode()
    request = urllib.request.Request(f"{url}/save", body, {"Origin": url})
    with browser.open(request, timeout=60) as answer:
        return str(answer.read().decode())


def test_a_newcomer_labels_by_one_command_and_exports(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in POOL))
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    home |= {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
    server = subprocess.Popen(
        [sys.executable, "-m", "assay", "annotate", "pool.jsonl", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=home,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "runs/annotate-pool: 3 tasks, 0 labels\n"
        assert "Labels for pool.jsonl" in server.stdout.readline()
        name, _, link = server.stdout.readline().strip().partition(": ")
        url = "/".join(link.split("/")[:3])
        assert (name, url.startswith("http://127.0.0.1:")) == ("admin", True)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/task", timeout=60)
        assert refused.value.code == 401
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        browser.open(link, timeout=60).close()
        with browser.open(f"{url}/task", timeout=60) as answer:
            page = answer.read().decode()
        assert "2+3?" in page
        page = posted(page, browser, url, choice="first")
        assert "2+4?" in page
        assert "<script>alert" not in page
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
        assert err == ""
        assert "1 labels; `assay annotate export runs/annotate-pool FILE`" in out
        assert server.returncode == 0
    finally:
        server.kill()
    assay("annotate", "export", tmp_path / "runs" / "annotate-pool", tmp_path / "out.jsonl")
    [record] = io.read(tmp_path / "out.jsonl")
    assert isinstance(record, Preference)
    assert record.prompt.text == "2+3?"
    # Which one stood first is drawn; what was chosen is one of them.
    assert record.prefer in (0.0, 1.0)


def test_a_service_managers_end_is_an_end(tmp_path: Path) -> None:
    (tmp_path / "pool.jsonl").write_text(json.dumps(POOL[0]) + "\n")
    words = [sys.executable, "-m", "assay", "annotate", "pool.jsonl", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path) as server:
        assert server.stdout is not None
        # Right behind its address, before it has answered anything.
        assert any("http://127.0.0.1:" in line for line in server.stdout)
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=60)
    assert (server.returncode, err) == (0, "")
    assert "0 labels; `assay annotate export" in out


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of pairs, all labelled; of sixty two look the same."""
    from assay.workflows.annotate import annotate

    pairs = planted.preferences(60)
    made = annotate(pairs, out=tmp_path / "project")
    admin = made.store.annotator(made.tokens["admin"])
    assert admin
    right = {(one.prompt.text, one.responses[0].text): one.prefer for one in pairs}
    while assignment := made.store.next(admin):
        task = assignment.task
        first = right[task.prompt.text, task.responses[0].text] > 0.5
        label = Pair(choice="first" if first else "second")
        made.store.save(assignment.id, admin, label, key=assignment.id)
    made.store.close()
    return tmp_path / "project"


@pytest.mark.parametrize("to", ["assay", "trl-preference"])
def test_a_reward_model_is_trained_on_an_export(to: str, project: Path, tmp_path: Path) -> None:
    backbone = tmp_path / "backbone"
    tiny.network(hidden_size=32, intermediate_size=64, head_dim=8).save_pretrained(backbone)
    tiny.tokenizer().save_pretrained(backbone)
    assay("annotate", "export", project, tmp_path / "labels.jsonl", "--to", to)
    small = "--learning-rate 5e-3 --batch-size 16 --max-length 64 --threads 1 --device cpu".split()
    assay("train", "rm", tmp_path / "labels.jsonl", "--backbone", backbone,
          "--out", tmp_path / "rm", *small)  # fmt: skip
    assert (tmp_path / "rm" / "model.safetensors").is_file()


def test_people_are_invited_and_revoked_and_a_project_is_kept(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assay("annotate", "invite", project, "Eve", "--url", "https://labels.example.org/")
    said = re.fullmatch(r"Eve \((a-\w+)\): https://labels\.example\.org/i/(\S+)\n",
                        capsys.readouterr().out)  # fmt: skip
    assert said
    store = Store.open(project / "labels.db")
    assert store.annotator(said[2])
    backup, copy = tmp_path / "labels.backup.gz", tmp_path / "copy"
    assay("annotate", "backup", project, backup)
    assert said[2] not in backup.read_bytes().decode("latin1")
    assay("annotate", "restore", backup, copy)
    assert capsys.readouterr().out.endswith(f"{copy / 'labels.db'}: 59 tasks, 59 labels\n")
    assert Store.open(copy / "labels.db").given() == store.given()
    assay("annotate", "revoke", project, said[1])
    assert store.annotator(said[2]) is None
    for words, why in (
        (["revoke", project, "Eve"], "0 annotators are called 'Eve'; there is admin (a-"),
        (["restore", backup, project], "a store of labels is there already"),
        (["export", tmp_path / "no.db", "x.jsonl"], "no store of labels is there"),
        ([], "give out, a folder for the project"),
    ):
        with pytest.raises(SystemExit) as stop:
            assay("annotate", *words)
        assert stop.value.code == 2
        assert why in capsys.readouterr().err


def test_labels_of_a_file_are_brought_in(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(planted.preferences(60)[:5], tmp_path / "others.jsonl")
    assay("annotate", "import", project, tmp_path / "others.jsonl", "--name", "crowd")
    assert capsys.readouterr().out == ("5 labels of 5 are new, by 1 annotator; 0 tasks are new\n")
