"""Look at every page of the built site in Chromium, and ask its search for all it should find.

    make docs docs-look                                     # build, then all of it
    python -m tests.docs.site start reference/files         # these pages
    python -m tests.docs.site --search                      # the search alone
    python -m tests.docs.site start --pictures /tmp/looked  # and keep what is seen, as PNG

Pages come from a server on this machine, wide and narrow, light and dark; the search is asked in a
page that is opened from the disk, which is its harder case.
"""

import argparse
import html
import re
import shutil
import sys
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urldefrag

ROOT: Final = Path(__file__).resolve().parents[2]
SITE: Final = ROOT / "site"
WIDE, NARROW = 1300, 420
READ: Final = [(WIDE, "light"), (NARROW, "dark")]
"""The looks that axe reads: each width and each colour once."""
LEVELS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LOST: Final = "404"
"""The page that a server gives for what is not there; its addresses begin at the server's root."""
FACTS: Final = """() => {
  const of = (selector) => [...document.querySelectorAll(selector)];
  return {
    levels: of(".md-content :is(h1, h2, h3, h4, h5, h6)").map((h) => Number(h.tagName[1])),
    wordless: of("img:not([alt])").map((image) => image.src),
    links: of("a[href]").map((a) => a.href),
    described: document.querySelector("meta[name=description]")?.content ?? "",
    last: of(".md-content article > p").at(-1)?.textContent ?? "",
  };
}"""
WIDTHS: Final = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
SEARCH: Final = """async (queries) => {
  const config = JSON.parse(document.getElementById("__config").textContent);
  const worker = new Worker(new URL(config.search, location.href).href);
  const turn = (message) => new Promise((done) => {
    worker.addEventListener("message", (event) => done(event.data), { once: true });
    worker.postMessage(message);
  });
  const { config: settings, docs } = await __index;
  await turn({ type: 0, data: { config: settings, docs, options: { suggest: true } } });
  const found = [];
  for (const query of queries) {
    const { data } = await turn({ type: 2, data: query });
    found.push(data.items.map((group) => group.map((item) => item.location)));
  }
  return found;
}"""
PATIENCE_MS: Final = 300_000
FIRST: Final = 3
"""Among how many results a thing is to be."""
ENOUGH: Final = 0.9
"""Share of a kind that is to be among them: names that many things have cannot all be first."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site and says nothing."""

    def log_message(self, *_: Any) -> None:
        """Write no line for a request."""


@contextmanager
def served() -> Iterator[str]:
    """Serve the site on this machine and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def anchors(page: Path) -> set[str]:
    """Return what a page's addresses may end with."""
    return {html.unescape(one) for one in re.findall(r'\bid="([^"]+)"', page.read_text())}


def opened(browser: Any, colour: str, home: str, faults: list[str]) -> Any:
    """Return a new page that writes down what it complains of and what it asks others for."""
    # A page looks at the browser's wish when it is opened, and not again.
    page = browser.new_page(color_scheme=colour, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    ours = (home, "data:", "blob:")
    page.on("console", lambda m: faults.append(f"the console says {m.text}"))
    page.on("pageerror", lambda error: faults.append(f"a script fails: {error}"))
    page.on("response", lambda r: r.status < 400 or faults.append(f"{r.url} is not there"))
    page.on("request", lambda r: r.url.startswith(ours) or faults.append(f"asks {r.url}"))
    return page


def look(
    browser: Any, axe: Any, name: str, home: str, known: dict[Path, set[str]], out: Path | None
) -> list[str]:
    """Open one page in every look and return what is wrong with it."""
    faults: list[str] = []
    for colour in ("light", "dark"):
        page = opened(browser, colour, home, faults)
        page.goto(f"{home}{name}.html")
        if colour == "light":
            faults += structure(page.evaluate(FACTS), name, home, known)
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 900})
            whole, seen = page.evaluate(WIDTHS)
            if whole > seen:
                faults.append(f"{width} {colour}: {whole - seen} pixels wider than the window")
            if (width, colour) in READ:
                faults += [f"{width} {colour}: {fault}" for fault in read(axe, page)]
            if out is not None:
                page.screenshot(path=out / f"{name.replace('/', '-')}-{width}-{colour}.png")
        page.close()
    return list(dict.fromkeys(faults))


def read(axe: Any, page: Any) -> Iterator[str]:
    """Yield the rules of axe that a page breaks, with the first place of each."""
    options = {"runOnly": LEVELS, "preload": False, "resultTypes": ["violations"]}
    for rule in axe.run(page, options=options).response["violations"]:
        first = rule["nodes"][0]
        told = f"{first['target']}: {first['failureSummary']}".replace("\n", " ")
        yield f"{rule['id']}, {len(rule['nodes'])} times: {told}"


def structure(
    facts: dict[str, Any], name: str, home: str, known: dict[Path, set[str]]
) -> Iterator[str]:
    """Yield what is wrong with headings, pictures, links and the end of a page."""
    levels = facts["levels"]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"has {levels.count(1)} titles"
    yield from (f"skips from heading {a} to {b}" for a, b in pairwise(levels) if b > a + 1)
    yield from (f"{source} has no words beside it" for source in facts["wordless"])
    if not facts["described"]:
        yield "has no description"
    if name != LOST and not facts["last"].startswith("Next: "):
        yield f"does not say what comes next, but {facts['last'][:60]!r}"
    for link in sorted(set(facts["links"])):
        path, anchor = urldefrag(link)
        if not path.startswith(home):
            continue
        to = SITE / (unquote(path.removeprefix(home)) or "index.html")
        if to not in known:
            known[to] = anchors(to) if to.suffix == ".html" and to.is_file() else set()
        if not to.is_file():
            yield f"links to {link}, which is not there"
        elif anchor and to.suffix == ".html" and unquote(anchor) not in known[to]:
            yield f"links to {link}: no such place"


def wanted() -> Iterator[tuple[str, str, set[str]]]:
    """Yield kind, question, and the places of which one is to be among the first results."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for page in sorted((SITE / "reference/cli").glob("*.html")):
        place = f"reference/cli/{page.name}"
        by_name[page.stem.replace("-", "_")].add(place)
        if page.stem != "index":
            yield "command", page.stem, {place}
        for anchor, title in titles(page, 2):
            if title.startswith("assay "):
                whole = {place} if title == f"assay {page.stem}" else set()
                yield "command", title, {f"{place}#{anchor}", *whole}
    objects = zlib.decompress((SITE / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    # A place that is named otherwise is another module's, which has the name from here.
    rows = [row for line in objects.splitlines() if (row := line.split())[3].endswith("#$")]
    public = [row[0] for row in rows if row[1] in ("py:class", "py:function")]
    places = {row[0]: row[3].replace("$", row[0]) for row in rows}
    for name in public:
        by_name[name.rpartition(".")[2].lower()].add(places[name])
    for name in public:
        # A job is known by the name it is imported by.
        yield "path", re.sub(r"^assay\.workflows\.\w+\.", "assay.", name), {places[name]}
    for name in sorted({name.rpartition(".")[2] for name in public}):
        yield "name", name, by_name[name.lower()]
    trouble = "troubleshooting.html"
    for anchor, title in titles(SITE / trouble, 3):
        yield "trouble", title.replace("…", "x7"), {f"{trouble}#{anchor}"}
    messages: dict[str, set[str]] = defaultdict(set)
    for anchor, title in titles(SITE / "reference/messages.html", 4):
        messages[title].add(f"reference/messages.html#{anchor}")
    for title, said in messages.items():
        yield "message", title.replace("…", "x7"), {*said, trouble}


def titles(page: Path, level: int) -> list[tuple[str, str]]:
    """Return anchor and text of a page's headings of one level."""
    found = re.findall(rf'<h{level} id="([^"]+)">(.*?)<a class="headerlink"', page.read_text())
    return [(anchor, html.unescape(re.sub("<.*?>", "", text)).strip()) for anchor, text in found]


def rank(groups: Sequence[Sequence[str]], places: set[str]) -> int:
    """Return the place of the first that is wanted: of its page among pages, or within its page
    among sections, whichever is worse; 0 where it is not found."""
    for at, group in enumerate(groups, 1):
        sections = [one for one in group if "#" in one]
        within = [sections.index(one) + 1 for one in places if one in sections]
        within += [1] if places & set(group[:1]) or places & {group[0].split("#")[0]} else []
        if within:
            return max(at, min(within))
    return 0


def search(browser: Any, sample: int) -> int:
    """Ask for one thing in `sample`, print how each kind ranks, and return how many kinds are not
    found well enough."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto((SITE / "index.html").as_uri())
    due = list(wanted())[::sample]
    ranks: dict[str, list[tuple[int, str]]] = defaultdict(list)
    answers = page.evaluate(SEARCH, [question for _, question, _ in due])
    for (kind, question, places), groups in zip(due, answers, strict=True):
        ranks[kind].append((rank(groups, places), question))
    missed = 0
    for kind, found in ranks.items():
        among = sum(0 < one <= FIRST for one, _ in found)
        missed += among < ENOUGH * len(found)
        first = sum(one == 1 for one, _ in found)
        print(f"{kind}: {len(found)} asked, first {first}, among the first {FIRST} {among}")
        for one, question in found:
            if not 0 < one <= FIRST:
                print(f"  {one or 'not found'}: {question}")
    return missed


def main(given: Sequence[str]) -> int:
    """Look, ask, and return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--search", action="store_true", help="ask the search alone")
    parser.add_argument("--sample", type=int, default=1, help="ask for one thing in so many")
    parser.add_argument("--pictures", type=Path, help="folder for what is seen")
    asked = parser.parse_args(given)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not (SITE / "index.html").exists():
        print("needs Chromium (apt install chromium) and the built site (make docs)")
        return 2
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    if asked.pictures is not None:
        asked.pictures.mkdir(parents=True, exist_ok=True)
    every = sorted(str(one.relative_to(SITE).with_suffix("")) for one in SITE.rglob("*.html"))
    names = [] if asked.search else asked.pages or every
    wrong, known = 0, dict[Path, set[str]]()
    with sync_playwright() as running, served() as home:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names:
            faults = look(browser, Axe(), name, home, known, asked.pictures)
            wrong += len(faults)
            print(f"{name}: {'; '.join(faults) or 'good'}", flush=True)
        if not asked.pages:
            wrong += search(browser, asked.sample)
        browser.close()
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
