"""The page in a real browser: by keyboard, reloaded, by two at once, and read by axe."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.annotate.labels import Pair, Questions, Ranks, Steps
from assay.annotate.store import Store
from assay.annotate_app.app import make_app
from assay.annotate_app.serve import bound, names, server
from tests.annotate_app import pool
from tests.annotate_app.pool import store_of
from tests.annotate_app.test_hostile import ATTACKS

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(store: Store) -> Iterator[str]:
    listening = bound("127.0.0.1", 0)
    running = server(make_app(store, hosts=names("127.0.0.1")))
    thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)


@contextmanager
def entered(chromium: Any, url: str, store: Store, name: str, role: Any = "annotator"):
    """A page of a new annotator, which fails the test for what a browser complains of."""
    _, token = store.invite(name, role)
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    # What is refused, or does not arrive, the browser itself writes to the console.
    expected = ("status of 422", "status of 409", "ERR_INTERNET_DISCONNECTED")
    page.on("console", lambda m: any(e in m.text for e in expected) or complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda r: r.url.startswith((url, "data:,")) or complaints.append(r.url))
    page.goto(f"{url}/i/{token}")
    page.wait_for_url(f"{url}/")
    page.goto(f"{url}/task")
    yield page
    context.close()
    assert not complaints


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def save(page: Any, *keys: str) -> None:
    """Press keys and Enter, and wait for the next task."""
    before = page.locator("[name=key]").input_value()
    press(page, *keys, "Enter")
    other = "key => document.querySelector('[name=key]').value !== key"
    try:
        page.wait_for_function(other, arg=before)
    except playwright.TimeoutError:
        pytest.fail(f"no next task came; the page says {page.locator('#said').inner_text()!r}")


def test_twenty_pairs_by_keyboard_with_a_reload_an_undo_and_a_skip(chromium, tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(k, "GOOD", "worse") for k in range(21)])
    started = time.monotonic()
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        for k in range(20):
            good = page.locator(".candidate .rich").first.inner_text().strip() == "GOOD"
            side = ("1", "a")[k % 2] if good else ("2", "b")[k % 2]
            if k == 7:
                press(page, "c")
                page.keyboard.type("in the middle 12xu")
                press(page, "Escape", *[side] * 3)
                page.reload()
                assert page.locator("[name=comment]").input_value() == "in the middle 12xu"
                assert page.locator("[name=strength]:checked").input_value() == "2"
                save(page)
                continue
            press(page, *([side] * (1 + k % 4)))
            if k == 11:
                page.context.set_offline(True)
                press(page, "Enter")
                page.get_by_text("the server does not answer").wait_for()
                page.context.set_offline(False)
            save(page)
        assert page.locator("[name=choice]:checked").count() == 0
        given = store.given()
        assert len(given) == 20
        assert all(one.label.choice == "first" for one in given)
        strengths = [None, 1, 2, 3]
        expected = [strengths[k % 4] for k in range(20)]
        expected[7] = 2
        assert [one.label.strength for one in given] == expected
        assert given[7].label.comment == "in the middle 12xu"
        assert 0 < sum(one.seconds for one in given) < time.monotonic() - started

        before = page.locator("[name=assignment]").first.input_value()
        press(page, "u")
        page.wait_for_function(
            "id => document.querySelector('[name=assignment]').value !== id", arg=before
        )
        assert len(store.given()) == 19
        assert page.locator("[name=choice]:checked").count() == 1
        save(page, "x")
        assert store.given()[-1].label == Pair(choice="both_bad")
        press(page, "s", "2")
        page.keyboard.press("Enter")
        page.get_by_text("Nothing is left to label").wait_for()
        assert [one["reason"] for one in store.skips()] == ["unclear"]
        page.locator("h1").press("u")
        page.get_by_text("Which response is better?").wait_for()
        assert not store.skips()


def test_ten_solutions_step_by_step_a_ranking_and_a_rubric(chromium, tmp_path: Path):
    tasks = [pool.steps(k, "first-error" if k % 2 else "every-step") for k in range(10)]
    store = store_of(tmp_path, [*tasks, pool.ranking(), pool.rubric()])
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        for k in range(10):
            if k == 0:  # Goes on by itself, up and down, and takes a mark back.
                save(page, "1", "2", "3", "k", "0", "2", "ArrowUp", "ArrowUp", "1")
            elif k == 1:  # What is behind the first wrong step takes no mark.
                press(page, "1", "3", "j", "1", "e")
                page.keyboard.type("$x_1 = 2$")
                press(page, "Escape")
                save(page)
            elif k == 2:  # Open steps are asked about once.
                press(page, "1", "Enter")
                page.get_by_text("2 of 3 steps are not marked").wait_for()
                save(page)
            elif k == 3:
                save(page, "n")
            else:
                save(page, "1", "1", "1")
        order = page.locator(".candidate .rich").all_inner_texts()
        ranks = {"one": "2", "two": "1", "three": "1"}
        save(page, *[ranks[text.strip()] for text in order])
        folded = page.locator("details:not([open]):not(.comment)")
        assert folded.count() >= 3
        assert "A flight for 149." in page.locator(".peek").all_inner_texts()
        press(page, "o")
        assert folded.count() == 0
        press(page, "o")
        press(page, "Enter")
        page.get_by_text("the answer to question 1 is missing").wait_for()
        press(page, "1", "3", "k", "?")
        save(page)
    assert [one.label for one in store.given()] == [
        Steps(marks=(1, 0, -1), complete=True),
        Steps(marks=(1, -1, None), right_step=(1, "$x_1 = 2$")),
        Steps(marks=(1, None, None)),
        Steps(marks=(None,) * 3, complete=True),
        *[Steps(marks=(1, 1, 1), complete=True)] * 6,
        Ranks(ranks=(2, 1, 1)),
        Questions(answers=(None, 2)),
    ]


def test_two_at_once_and_a_third_who_decides(chromium, tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(k) for k in range(3)], labels_per_item=2)
    with (
        served(store) as url,
        entered(chromium, url, store, "Ada") as ada,
        entered(chromium, url, store, "Bob") as bob,
    ):
        for k in range(3):
            press(ada, "t")
            save(bob, "t" if k == 1 else "x")
            save(ada)
        assert len(store.given()) == 6
        with entered(chromium, url, store, "Cleo", "adjudicator") as cleo:
            for _ in range(2):
                assert "both are bad" in cleo.locator(".others").inner_text()
                save(cleo, "t")
        assert not store.disputed()
        assert [one.purpose for one in store.given()][6:] == ["adjudicate"] * 2


def test_words_are_marked_in_characters_of_the_text(chromium, tmp_path: Path):
    text = "𝄞é **bold** word\r\nand " + "long " * 60_000
    store = store_of(tmp_path, [pool.pair(0, text, "short")])
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        whole = page.locator(".candidate").filter(has=page.locator("[data-all]"))
        press(page, "+")
        page.get_by_text("Show a response's plain text").wait_for()
        whole.locator("[data-plain]").click()
        whole.locator(".plain pre").wait_for()
        select = """pre => {
            const range = document.createRange(), node = pre.firstChild;
            range.setStart(node, node.data.indexOf("bold"));
            range.setEnd(node, node.data.indexOf("bold") + 4);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
        whole.locator(".plain pre").first.evaluate(select)
        press(page, "-")
        assert whole.locator(".plain mark").inner_text() == "bold"
        whole.locator(".plain [data-all]").click()
        whole.locator(".plain .rest").wait_for(state="detached")
        shown = whole.locator(".plain pre").evaluate_all("all => all.map(p => p.textContent)")
        assert "".join(shown) == text
        save(page, "t")
    mark = store.given()[0].label.highlights[0]
    assert text[mark.start : mark.end] == "bold"
    assert (mark.response, mark.good) == (0, False)


def test_hostile_words_do_nothing_in_a_browser(chromium, tmp_path: Path):
    text = "\n\n".join(ATTACKS)
    store = store_of(tmp_path, [pool.pair(0, text, text)], instructions=text, blind=False)
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        assert "alert(1)" in page.locator(".candidate").first.inner_text()
        save(page, "t")


def test_an_invitation_that_is_followed_from_another_site_lets_in(chromium, tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()])
    _, token = store.invite("Ada")
    with served(store) as url:
        page = chromium.new_page()
        page.goto(url.replace("127.0.0.1", "localhost") + "/healthz")
        page.set_content(f'<a href="{url}/i/{token}">Label this</a>')
        page.get_by_text("Label this").click()
        page.get_by_text("Hello, Ada").wait_for()
        assert token not in page.url
        page.close()


def test_a_task_that_was_saved_elsewhere_gives_way_to_the_next(chromium, tmp_path: Path):
    store = store_of(tmp_path, [pool.pair(), pool.pair(1)])
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        other = page.context.new_page()
        other.goto(f"{url}/task")
        save(other, "t")
        press(page, "x", "Enter")
        page.get_by_text("This task was closed before").wait_for()
        assert page.locator(".prompt").inner_text().strip() == "Question 1?"
        assert page.locator("[name=choice]:checked").count() == 0
    assert [one.label for one in store.given()] == [Pair(choice="tie")]


def test_single_keys_can_be_switched_off_and_the_theme_chosen(chromium, tmp_path: Path):
    store = store_of(tmp_path, [pool.pair()])
    with served(store) as url, entered(chromium, url, store, "Ada") as page:
        press(page, "h")
        page.locator("#shortcuts").uncheck()
        press(page, "Escape", "t")
        assert page.locator("[name=choice]:checked").count() == 0
        page.locator("#theme").click()
        page.reload()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        press(page, "t", "h")
        assert page.locator("[name=choice]:checked").count() == 0


def test_axe_finds_nothing_on_any_page(chromium, tmp_path: Path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    tasks = [pool.pair(), pool.ranking(), pool.steps(), pool.rubric()]
    store = store_of(tmp_path, tasks, instructions="*Read* both.", blind=False)

    def check(page: Any) -> None:
        # In the dark only colours are others.
        every = {"type": "tag", "values": LEVELS}
        for scheme, rules in (("light", every), ("dark", ["color-contrast"])):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page, options={"runOnly": rules}).response
            assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
            assert found["passes"]

    with served(store) as url, entered(chromium, url, store, "Ada", "admin") as page:
        for keys in (["1", "1"], ["1", "2", "3"], ["1", "3"], ["1", "?"]):
            press(page, *keys, "c", "Escape")
            check(page)
            if keys == ["1", "1"]:
                press(page, "v")
                page.locator(".plain pre").first.wait_for()
                for key in ("h", "s"):
                    press(page, key)
                    check(page)
                    press(page, "Escape")
            if keys == ["1", "3"]:
                press(page, "n", "1")  # The last step.
            save(page)
        check(page)
        for path in ("/", "/disputed", "/progress"):
            page.goto(url + path)
            check(page)
