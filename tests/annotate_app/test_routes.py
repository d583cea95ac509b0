"""What the page shows, and what becomes of what is posted."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from assay.annotate.labels import Pair, Questions, Ranks, Steps
from assay.annotate.records import Assignment
from assay.annotate_app.app import HEADERS, make_app
from assay.annotate_app.pages import words_of
from assay.annotate_app.serve import names
from assay.errors import ConfigError
from tests.annotate_app import pool
from tests.annotate_app.pool import Browser, store_of


def test_an_invitation_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()])
    _, token = store.invite("Ada")
    plain = TestClient(make_app(store), base_url=pool.ORIGIN)
    assert plain.get("/task").status_code == 401
    assert plain.get("/i/nothing").status_code == 404
    entered = plain.get(f"/i/{token}")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert '<meta http-equiv="refresh" content="0; url=/">' in entered.text
    assert token not in entered.text
    assert "Hello, Ada" in plain.get("/").text

    proxied = TestClient(make_app(store, public_url="https://labels.example.org/"))
    assert "Secure" in proxied.get(f"/i/{token}").headers["set-cookie"]
    for wrong in ("labels.example.org", "ftp://a.org", "https://a.org/below"):
        with pytest.raises(ConfigError, match="without a path"):
            make_app(store, public_url=wrong)


def test_every_answer_forbids_what_the_page_does_not_need(tmp_path: Path):
    one = Browser(store_of(tmp_path, [pool.pair()]))
    for path in ("/", "/task", "/healthz", "/nowhere", "/static/annotate.js", "/static/../app.py"):
        headers = one.http.get(path).headers
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert headers["cache-control"] == ("no-cache" if ".js" in path else "no-store")
    assert one.http.get("/static/app.py").status_code == 404


@pytest.mark.parametrize("said", ["first", "second"])
def test_a_choice_is_of_the_response_that_stood_there(tmp_path: Path, said: str):
    store = store_of(tmp_path, [pool.pair(k) for k in range(12)])
    one = Browser(store)
    page, sides = one.page(), set()
    for _ in range(12):
        asked = store.assignment(pool.hidden(page, "assignment"), one.annotator)
        swapped = asked.order == (1, 0)
        sides.add(swapped)
        marks = json.dumps([{"response": 0, "start": 0, "end": 5, "good": True, "quote": "x"}])
        answer = one.post(
            "/save", page, choice=said, strength="2", reasons=["clear"], highlights=marks, seconds=7
        )
        assert answer.json()["said"] == "Saved."
        page = answer.json()["html"]
        label = store.given()[-1].label
        assert isinstance(label, Pair)
        assert label.choice == {"first": "second", "second": "first"}[said] if swapped else said
        assert (label.strength, label.reasons) == (2, ("clear",))
        assert label.highlights[0].response == int(swapped)
    assert sides == {True, False}
    assert "Nothing is left" in page
    assert {given.seconds for given in store.given()} == {7.0}


def test_rankings_steps_and_questions_are_kept_in_the_tasks_order(tmp_path: Path):
    store = store_of(tmp_path, [pool.ranking(), pool.steps(), pool.steps(1), pool.rubric()])
    one = Browser(store)
    page = one.page()
    order = store.assignment(pool.hidden(page, "assignment"), one.annotator).order
    ranks = {f"rank-{shown}": str(place + 1) for shown, place in enumerate(order)}
    page = one.post("/save", page, **ranks).json()["html"]
    marks = {"mark-0": "1", "mark-1": "-1", "right-step": "$x_1 = 2$"}
    page = one.post("/save", page, **marks).json()["html"]
    page = one.post("/save", page, complete="on", comment="fine").json()["html"]
    one.post("/save", page, **{"answer-0": "1", "answer-1": "none"})
    assert [given.label for given in store.given()] == [
        Ranks(ranks=(1, 2, 3)),
        Steps(marks=(1, -1, None), right_step=(1, "$x_1 = 2$")),
        Steps(marks=(None,) * 3, complete=True, comment="fine"),
        Questions(answers=(1, None)),
    ]


@pytest.mark.parametrize(
    ("task", "fields", "words"),
    [
        (pool.pair(), {}, "no choice"),
        (pool.pair(), {"choice": "first", "highlights": "[{"}, "highlights cannot be read"),
        (pool.pair(), {"choice": "first", "strength": "9"}, "strength"),
        (pool.ranking(), {"rank-0": "1"}, "the rank of response 2 is missing"),
        (pool.ranking(), {"rank-0": "1", "rank-1": "7", "rank-2": "1"}, "rank of 7"),
        (pool.steps(), {}, "no step is marked"),
        (pool.steps(), {"mark-0": "-1", "complete": "on"}, "marked wrong, and it is said"),
        (pool.steps(), {"mark-0": "1", "right-step": "x"}, "no step is marked wrong"),
        (pool.steps(), {"mark-0": "5"}, "marks"),
        (pool.rubric(), {"answer-0": "0"}, "the answer to question 2 is missing"),
        (pool.rubric(), {"answer-0": "0", "answer-1": "8"}, "option 8"),
    ],
)
def test_what_is_no_label_is_refused_with_what_is_missing(tmp_path, task, fields, words):
    store = store_of(tmp_path, [task])
    one = Browser(store)
    answer = one.post("/save", one.page(), **fields)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert not store.given()


def test_a_plain_form_saves_skips_and_undoes_as_well(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(), pool.rubric(), pool.pair(1)])
    one = Browser(store)
    # A page that sends no referrer has its forms posted from the origin null.
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    for path, fields in [
        ("/save", {"choice": "tie", "strength": "2"}),
        ("/save", {"answer-0": "0", "answer-1": "2"}),
        ("/skip", {"reason": "unclear"}),
        ("/undo", {}),
    ]:
        page = one.page()
        own = {name: pool.hidden(page, name) for name in ("csrf", "assignment", "key")}
        answer = one.http.post(path, data={**own, **fields}, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/task")
    assert [given.label for given in store.given()] == [
        Pair(choice="tie"),
        Questions(answers=(0, 2)),
    ]
    assert not store.skips()


def test_a_draft_and_an_undone_label_fill_in_the_form(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(), pool.steps()])
    one = Browser(store)
    page = one.page()
    assert one.post("/draft", page, comment="no choice yet").json() == {"said": "not yet"}
    mark = [{"response": 1, "start": 0, "end": 2, "good": False}]
    fields = {"choice": "second", "strength": "3", "highlights": json.dumps(mark)}
    assert one.post("/draft", page, **fields).json() == {"said": "kept"}
    again = one.page()
    assert 'value="second" checked' in again
    assert 'value="3" checked' in again
    assert "&#34;quote&#34;: &#34;It&#34;" in again
    page = one.post("/save", again, **fields).json()["html"]
    assert not store.assignment(pool.hidden(page, "assignment"), one.annotator).draft
    page = one.post("/undo", page).json()["html"]
    assert 'value="second" checked' in page
    assert not store.given()
    assert one.post("/undo", one.page()).status_code == 409


def test_what_must_not_be_known_is_not_sent(tmp_path: Path):
    blind = Browser(store_of(tmp_path, [pool.pair()])).page()
    for word in (pool.SECRET, "so a machine says", "0.62", pool.pair().id):
        assert word not in blind
    (tmp_path / "open").mkdir()
    one = Browser(store_of(tmp_path / "open", [pool.pair()], blind=False))
    seen = one.page()
    assert "ensemble: 0.62 [0.41, 0.80]" in seen
    assert "Machine&#39;s suggestion" in seen or "Machine's suggestion" in seen
    assert "checked" not in seen.split("<dialog")[0]
    for word in ("generators", f"{pool.SECRET}-prompt", pool.pair().id):
        assert word not in seen


def test_gold_items_look_like_all_others(tmp_path: Path):
    tasks = [pool.pair(k) for k in range(6)]
    gold = [
        pool.pair(k).model_copy(update={"gold": Pair(choice="first", comment="GOLD")})
        for k in range(20, 40)
    ]
    store = store_of(tmp_path, [*tasks, *gold], gold_share=0.5)
    one = Browser(store)
    for _ in range(6):
        page = one.page()
        assert "GOLD" not in page
        assert "gold" not in page
        one.post("/save", page, choice="tie")


def test_adjudicators_see_what_differs_and_admins_how_far_it_is(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(3)], labels_per_item=2)
    first, second = Browser(store, "Ada"), Browser(store, "Bob")
    for one, choice in ((first, "tie"), (second, "both_bad")):
        one.post("/save", one.page(), choice=choice, comment=f"by {one.annotator.name}")
    for path in ("/disputed", "/progress"):
        assert first.http.get(path).status_code == 403
    judge = Browser(store, "Cleo", "adjudicator")
    assert judge.http.get("/progress").status_code == 403
    listed = judge.page("/disputed")
    page = judge.page()
    for shown in (listed, page):
        assert "both are bad. by Bob" in shown
        assert first.annotator.pseudonym in shown
    assert "You decide" in page
    judge.post("/save", page, choice="tie")
    assert [given.purpose for given in store.given()] == ["label", "label", "adjudicate"]
    assert not store.disputed()

    admin = Browser(store, "Dan", "admin", quality=lambda: [("kappa", "0.50 [0.30, 0.70]")])
    shown = admin.page("/progress")
    for words in ("Ada", "adjudicator", second.annotator.pseudonym, "0.50 [0.30, 0.70]"):
        assert words in shown


def test_letters_in_the_list_of_disputes_are_those_of_the_task_that_follows(tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(k) for k in range(8)], labels_per_item=2)
    for name, label in (("Ada", Pair(choice="first")), ("Bob", Pair(choice="tie"))):
        who, _ = store.invite(name)
        for k in range(8):
            store.save(store.next(who).id, who, label, key=f"{name}-{k}")
    judge, letters = Browser(store, "Cleo", "adjudicator"), set()
    for _ in range(8):
        listed, page = judge.page("/disputed"), judge.page()
        letter = "A" if "A is better</li>" in page else "B"
        letters.add(letter)
        assert f"{letter} is better</li>" in listed.split("Disputed task 1")[1].split("</ul>")[0]
        assert f'<p class="progress">{len(store.disputed())} disputed</p>' in page
        assert judge.post("/save", page, choice="tie").status_code == 200
    assert letters == {"A", "B"}


def test_labels_are_said_in_words():
    ranks = Ranks(ranks=(2, 1, 1))
    as_shown = Assignment(id="x", task=pool.ranking(), annotator=1, order=(2, 0, 1))
    assert words_of(ranks, as_shown) == "A = C > B"
    marks = Steps(marks=(1, 0, -1, -1), right_step=(2, "x = 2"), comment="Odd.")
    as_shown = Assignment(id="x", task=pool.steps(n=4), annotator=1, order=(0,))
    assert words_of(marks, as_shown) == (
        "wrong: steps 3, 4; neutral: step 2; right: step 1; step 3 should be: x = 2. Odd."
    )


def test_the_names_that_a_server_answers_to():
    assert "localhost" in names("127.0.0.1")
    assert names("0.0.0.0") == ()
    assert names("0.0.0.0", "https://labels.example.org")[0] == "labels.example.org"
