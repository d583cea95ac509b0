"""Tasks of every kind, a store of them, and pages of it."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from assay.annotate.labels import Pair
from assay.annotate.records import Project, Role
from assay.annotate.store import Store
from assay.annotate.tasks import Evidence, Task
from assay.annotate_app.app import make_app
from assay.questions import Question
from assay.types import Message, Prompt, Response, ToolCall

SECRET = "generator-42"
HOST = "127.0.0.1:8123"
ORIGIN = f"http://{HOST}"


def pair(k: int = 0, first: str = "It is $\\frac{1}{2}$.", second: str = "It is **two**.") -> Task:
    hints = (Evidence(value=0.62, interval=(0.41, 0.8), source="ensemble"), None)
    prompt = Prompt.of(f"Question {k}?", id=f"{SECRET}-prompt", reference=f"{SECRET}-reference")
    return Task.pair(
        prompt.model_copy(update={"meta": {"source": SECRET}}),
        Response(steps=(first,), meta={"model": SECRET}),
        Response(steps=(second,), meta={"model": SECRET}),
        hidden={"generators": [SECRET]},
        stratum=SECRET,
        evidence=hints,
        suggestion=Pair(choice="second", strength=2, comment="so a machine says"),
    )


def steps(k: int = 0, mode: str = "every-step", n: int = 3) -> Task:
    told = tuple(f"Step {j} of {k}: $x_{j} = {j}$.\n" for j in range(n))
    prompt = Prompt.of(f"Solve {k}.")
    return Task(kind="steps", mode=mode, prompt=prompt, responses=(Response(steps=told),))


def ranking() -> Task:
    responses = tuple(Response.of(text) for text in ("one", "two", "three"))
    return Task(kind="ranking", prompt=Prompt.of("Count."), responses=responses)


def rubric() -> Task:
    call = ToolCall(name="find", arguments='{"what": "flight"}')
    turns = (
        Message(role="assistant", content="I look.", reasoning="Hmm.", tool_calls=(call,)),
        Message(role="tool", content="A flight for 149.", name="find"),
        Message(role="assistant", content="It is *149*."),
    )
    questions = (
        Question.predicate("Is it right?"),
        Question.score("How good is it?", ["bad", "fair", "good"]),
    )
    return Task(
        kind="questions",
        prompt=Prompt.of("Find a flight."),
        responses=(Response.trajectory(turns),),
        questions=questions,
    )


def store_of(folder: Path, tasks: Iterable[Task], **project: Any) -> Store:
    return Store.create(folder / "labels.db", Project(**project), tasks)


class Browser:
    """A client of the page without a script."""

    def __init__(self, store: Store, name: str = "Ada", role: Role = "annotator", **app: Any):
        self.annotator, self.token = store.invite(name, role)
        self.http = TestClient(
            make_app(store, **app),
            base_url=ORIGIN,
            headers={"Origin": ORIGIN},
            follow_redirects=False,
        )
        assert self.http.get(f"/i/{self.token}").status_code == 200

    def page(self, path: str = "/task") -> str:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, page: str, *, csrf: str | None = None, **fields: Any) -> Any:
        """Post what the page's script would."""
        own = {name: hidden(page, name) for name in ("assignment", "key")}
        headers = {"X-CSRF": hidden(page, "csrf") if csrf is None else csrf}
        return self.http.post(path, json={**own, **fields}, headers=headers)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""
