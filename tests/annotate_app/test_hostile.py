"""Words that would act, posts from elsewhere, and texts without an end."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from assay.annotate.tasks import Task
from assay.annotate_app.app import make_app
from assay.questions import Question
from assay.types import Message, Prompt, Response, ToolCall
from tests.annotate_app import pool
from tests.annotate_app.pool import Browser, store_of

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
ATTACKS = (
    SCRIPT,
    f"```{SCRIPT}\nx\n```",
    f"```html\n{SCRIPT}\n```",
    "[click](javascript:alert(1)) [x](https://evil.example/?q=1 'a') <https://evil.example>",
    "![alt](https://evil.example/pixel.png) ![a<b](data:image/svg+xml,<svg/onload=alert(1)>)",
    r"$\text{<script>alert(1)</script>}$ $$\href{javascript:alert(1)}{x}$$",
    r"\[ \style{background:url(https://evil.example)}{x} \unicode{x3c}script> \]",
    "# <style>*{display:none}</style>\n\n<iframe src=//evil.example></iframe>\n<!-- ",
    "| a |\n|:-:|\n| <b onclick=alert(1)>b</b> |",
    "{{ 7 * 7 }} {% raw %} ${alert(1)} </textarea></form><form action=//evil.example>",
    "</pre></details><meta http-equiv=refresh content='0;url=//evil.example'>",
    "\x00\u202e\x1b[31m",
)
OURS = {"/static/annotate.css", "/static/annotate.js", "/", "/task", "#main", "data:,"}
OURS |= {"/save", "/skip", "/undo"}
PLACES = {"href", "src", "action", "formaction", "srcset", "xlink:href", "data", "poster"}


class Page(HTMLParser):
    """Refuses whatever in a page could act."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"img", "iframe", "object", "embed", "style", "base", "template"}, tag
        self.scripts += tag == "script"
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name, value)
            assert name != "style", (tag, value)
            assert name not in PLACES or (value or "").split("?")[0] in OURS, (tag, name, value)
            assert (name, value) != ("http-equiv", "refresh"), tag


def safe(page: str) -> None:
    reader = Page()
    reader.feed(page)
    assert reader.scripts == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_words_are_shown_and_never_act(tmp_path: Path, attack: str):
    prompt = Prompt(
        messages=(Message(role="system", content=attack), Message(role="user", content=attack)),
        tools=({"name": attack},),
        id=attack,
    )
    call = ToolCall(name=attack, arguments=attack)
    turns = (
        Message(role="assistant", content=attack, reasoning=attack, tool_calls=(call,)),
        Message(role="tool", content=attack, name=attack),
    )
    plain, agent = Response.of(attack), Response.trajectory(turns)
    question = Question.choice(attack, {attack: attack, "b": "c"})
    tasks = [
        Task.pair(prompt, plain, agent),
        Task(kind="steps", prompt=prompt, responses=(agent,)),
        Task(kind="questions", prompt=prompt, responses=(plain,), questions=(question,)),
    ]
    words = attack.replace("\x00", "")
    store = store_of(
        tmp_path, tasks, title=words, instructions=words, reasons=(words,), blind=False
    )
    one = Browser(store)
    safe(one.page("/"))
    for fields in ({"choice": "tie", "comment": attack}, {"mark-0": "1"}, {"answer-0": "0"}):
        page = one.page()
        safe(page)
        one.post("/draft", page, **fields)
        safe(one.page())
        assert one.post("/save", page, **fields).status_code == 200


def test_posts_from_elsewhere_are_refused(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()], labels_per_item=2)
    one, other = Browser(store), Browser(store, "Bob")
    page, others = one.page(), other.page()
    for path in ("/save", "/skip", "/undo", "/draft"):
        fields: dict[str, Any] = {"choice": "tie", "reason": "other"}
        for csrf in ("", "0" * 64, pool.hidden(others, "csrf")):
            assert one.post(path, page, csrf=csrf, **fields).status_code == 403
        for origin in ("https://evil.example", "http://127.0.0.1:9", "null", "file://"):
            one.http.headers["Origin"] = origin
            assert one.post(path, page, **fields).status_code == 403
        one.http.headers["Origin"] = pool.ORIGIN
    assert not store.given()
    assert not store.skips()
    assert one.post("/save", page, choice="tie").status_code == 200


def test_behind_a_proxy_only_its_own_origin_posts(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()])
    url = "https://labels.example.org"
    app = make_app(store, public_url=url, hosts=("labels.example.org",))
    _, token = store.invite("Ada")
    http = TestClient(app, base_url=url)
    http.get(f"/i/{token}")
    page = http.get("/task").text
    body = {name: pool.hidden(page, name) for name in ("assignment", "key")} | {"choice": "tie"}
    headers = {"X-CSRF": pool.hidden(page, "csrf"), "Origin": "http://labels.example.org"}
    assert http.post("/save", json=body, headers=headers).status_code == 403
    assert http.post("/save", json=body, headers=headers | {"Origin": url}).status_code == 200


def test_other_names_for_this_machine_are_refused(tmp_path: Path):
    app = make_app(store_of(tmp_path, [pool.pair()]), hosts=("127.0.0.1", "localhost", "::1"))
    for host, status in [
        ("127.0.0.1:8123", 200),
        ("[::1]:8123", 200),
        ("localhost", 200),
        ("evil.example:8123", 421),
        ("127.0.0.1.evil.example", 421),
        ("[", 421),
        ("", 421),
    ]:
        assert TestClient(app).get("/healthz", headers={"Host": host}).status_code == status


def test_anothers_task_can_be_neither_seen_nor_saved(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(), pool.pair(1)])
    one, other = Browser(store), Browser(store, "Bob")
    others, own = pool.hidden(other.page(), "assignment"), one.page()
    assert others != pool.hidden(own, "assignment")
    for id in (others, "made-up", ""):
        for path in ("/save", "/skip", "/draft"):
            fields = {"assignment": id, "choice": "tie", "reason": "other"}
            assert one.post(path, own, **fields).status_code == 404
        assert one.http.get(f"/part?assignment={id}&at=r0").status_code == 404
    store.revoke(one.annotator.id)
    assert one.http.get("/task").status_code == 401
    assert one.post("/save", own, choice="tie").status_code == 401


def test_what_is_posted_twice_counts_once(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(), pool.pair(1), pool.pair(2)])
    one = Browser(store)
    page = one.page()
    said = [one.post("/save", page, choice="tie").json()["said"] for _ in range(3)]
    assert said == ["Saved.", "Saved before.", "Saved before."]
    late = one.post("/save", page, choice="tie", key="another-key-of-mine")
    assert late.status_code == 409
    following = one.page()
    for _ in range(2):
        assert one.post("/skip", following, reason="unclear").status_code == 200
    assert (len(store.given()), len(store.skips())) == (1, 1)
    third = one.page()
    for _ in range(2):
        one.post("/undo", third)
    assert (len(store.given()), len(store.skips())) == (1, 0)


def test_posts_that_cannot_be_read(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()])
    one = Browser(store)
    page = one.page()
    headers = {"X-CSRF": pool.hidden(page, "csrf"), "Content-Type": "application/json"}
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        assert one.http.post("/save", content=body, headers=headers).status_code == 400
    assert one.post("/save", page, choice="tie", comment="x" * 2**20).status_code == 413
    assert one.post("/save", page, choice="tie", comment="x" * 20_001).status_code == 422
    assert one.post("/save", page, choice="tie", key="").status_code == 422
    half = json.dumps(
        {"assignment": pool.hidden(page, "assignment"), "choice": "tie", "comment": "a\ud800\x00b"}
    )
    assert one.http.post("/draft", content=half, headers=headers).json() == {"said": "kept"}
    fields = {"choice": "tie", "seconds": "NaN", "comment": "a\x00b"}
    assert one.post("/save", page, **fields).status_code == 200
    assert (store.given()[0].seconds, store.given()[0].label.comment) == (0.0, "ab")


def test_ten_megabytes_come_in_parts(tmp_path: Path):
    text = ("$x$ *a* é𝄞\r\n" * 1_000_000)[: 10 * 2**20]
    one = Browser(store_of(tmp_path, [pool.pair(0, text, "short")]))
    page = one.page()
    assert len(page) < 1_000_000
    id, parts, start = pool.hidden(page, "assignment"), [], 0
    at = "r0" if page.index("data-all") < page.index(">B<") else "r1"
    while True:
        answer = one.http.get(f"/part?assignment={id}&at={at}&start={start}").json()
        parts.append(answer["text"])
        start = answer["end"]
        if not answer["left"]:
            break
    assert "".join(parts) == text
    assert one.http.get(f"/part?assignment={id}&at=r9").status_code == 404
    assert one.http.get(f"/part?assignment={id}&at={at}&start=-5").status_code == 404
    assert one.http.get(f"/part?assignment={id}&at={at}&start=x").status_code == 422


def test_a_page_of_many_long_steps_has_an_end(tmp_path: Path):
    steps = tuple("word " * 10_000 for _ in range(200))
    task = Task(kind="steps", prompt=Prompt.of("?"), responses=(Response(steps=steps),))
    page = Browser(store_of(tmp_path, [task])).page()
    assert len(page) < 1_000_000
    assert page.count('data-at="s') == 400
