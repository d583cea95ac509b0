"""What the site has besides its pages: the changes and all messages, the examples as notebooks,
Markdown beside every page, `llms.txt`, and nothing from outside.

MkDocs calls these functions by their names.
"""

import html
import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import messages
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from summary import LINK, summary

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.docs.render import notebook_of  # noqa: E402

KEPT = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
"""Page -> the file at the repository's root that it shows."""
OUTSIDE = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="https?:[^"]*')
SHIM = "https://unpkg.com/iframe-worker/shim"
NEXT = "\n\nNext: [start in five minutes](start.md), [the field guide](field-guide.md).\n"
SOUGHT = ("reference/cli/", "reference/api/")
BOOST = 1.5
"""How much more the search counts words of these folders, which are looked up by name."""
LOST = """<h1>There is no such page</h1>
<p>Search above, or go to <a href="/index.html">the first page</a>.</p>"""
pages: dict[str, tuple[str, str]] = {}
"""Page's source -> its title and its Markdown."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that stand at the repository's root, and the examples as notebooks."""
    pages.clear()
    for shown in sorted((ROOT / "docs" / "examples").glob("*.md")):
        source = (ROOT / "examples" / f"{shown.stem}.py").read_text()
        made = json.dumps(notebook_of(shown.stem, source, shown.read_text()), indent=1)
        files.append(File.generated(config, f"examples/{shown.stem}.ipynb", content=made + "\n"))
    for name, source in KEPT.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, name, content=text + NEXT))
    return files


def on_page_markdown(markdown: str, page: Any, files: Any, **_: Any) -> str:
    """Lead links within the repository to the pages of the site; what it has no page of becomes
    plain text."""
    known = {file.src_uri for file in files}
    where = page.file.src_uri
    if where == "reference/messages.md":
        markdown = markdown.replace(messages.HERE, messages.listed())
    home = "." if where in KEPT else posixpath.join("docs", posixpath.dirname(where))

    def led(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        path, _, anchor = target.partition("#")
        if not path or ":" in path:
            return match[0]
        full = posixpath.normpath(posixpath.join(home, path))
        inside = full.removeprefix("docs/") if full.startswith("docs/") else ""
        inside = inside or {source: name for name, source in KEPT.items()}.get(full, "")
        if inside not in known:
            return text if (ROOT / full).exists() else match[0]
        relative = posixpath.relpath(inside, posixpath.dirname(where) or ".")
        return f"[{text}]({relative}{'#' + anchor if anchor else ''})"

    # Blocks of code stay as they are.
    parts = re.split(r"(```.*?```)", markdown, flags=re.DOTALL)
    parts[::2] = [LINK.sub(led, part) for part in parts[::2]]
    led_by = "".join(parts)
    if where.startswith("examples/"):
        link = f'<a href="{page.file.name}.ipynb" download>notebook</a>'
        led_by = led_by.replace("offers it as a notebook", f"offers it as a {link}")
    title = re.sub(r"\\|`| \{ #.*", "", re.search(r"^# (.+)$", led_by, re.MULTILINE)[1])
    pages[where] = (title, led_by)
    # What a browser's tab, a search engine and a shared link show.
    page.meta.setdefault("description", html.escape(re.sub(r"[*`\\]", "", summary(led_by))))
    if not page.is_homepage:
        page.meta.setdefault("title", html.escape(title))
    if where.startswith(SOUGHT):
        page.meta.setdefault("search", {"boost": BOOST})
    return led_by


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load the site's own worker, name the search for screen readers, and the Markdown beside."""
    beside = posixpath.basename(page.file.dest_uri).removesuffix(".html") + ".md"
    about = page.meta["description"]
    shown = page.meta.get("title", page.title)
    head = (
        f'<link rel="alternate" type="text/markdown" href="{beside}">'
        f'<meta property="og:title" content="{shown}">'
        f'<meta property="og:description" content="{about}"></head>'
    )
    output = output.replace("</head>", head, 1)
    named = '<div class="md-search" data-md-component="search" role="dialog"'
    output = output.replace(named, f'{named} aria-label="Search"')
    up = posixpath.relpath("assets/worker.js", posixpath.dirname(page.file.dest_uri) or ".")
    output = output.replace(SHIM, up)
    if outside := OUTSIDE.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from outside: {outside[0]}")
    return output


def on_post_template(output_content: str, template_name: str, **_: Any) -> str:
    """Say on the page for what is not there where to go; it loads nothing from outside either."""
    if template_name == "404.html":
        output_content = output_content.replace("<h1>404 - Not found</h1>", LOST)
        output_content = output_content.replace(SHIM, "/assets/worker.js")
        if outside := OUTSIDE.search(output_content):
            raise PluginError(f"404 loads something from outside: {outside[0]}")
    return output_content


def on_post_build(config: Any) -> None:
    """Write the Markdown beside every page, and `llms.txt`: all pages with their first sentence."""
    site = Path(config["site_dir"])
    lines = [f"# {config['site_name']}", f"\n> {config['site_description']}\n", "## Pages\n"]
    for source, (title, text) in pages.items():
        beside = site / source
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text)
        lines.append(f"- [{title}]({source}): {summary(text)}")
    (site / "llms.txt").write_text("\n".join(lines) + "\n")
