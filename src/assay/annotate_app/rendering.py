"""A model's words as safe markup: Markdown, LaTeX and code, and nothing that acts.

HTML is shown as the text that it is, links are words with their address beside them, pictures are
their descriptions. No style attribute and no address is ever written, so that the page's content
policy has nothing to forbid.
"""

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from assay.report.maths import FORMULA, maths

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["LONGEST", "code", "rich", "tidy"]

LONGEST: Final = 20_000
"""Characters of one text that become markup; what is behind them is shown as it was written."""
LANGUAGES: Final = frozenset(
    "bash css diff go html javascript js json latex python py rust sh sql tex toml typescript ts"
    " xml yaml".split()
)
"""Languages whose code is coloured. Lexers of C, C++ and Java take seconds for blank lines."""
CODE: Final = 5_000
"""Characters of code that are coloured."""
LINES: Final = 100
"""Lines of a displayed formula."""
CLOSING: Final = {"$$": "$$", r"\[": r"\]"}


@lru_cache(maxsize=256)
def rich(text: str) -> Markup:
    """Markup of at most `LONGEST` characters of Markdown with LaTeX."""
    return Markup(_markdown().render(text[:LONGEST]))


def code(text: str, language: str = "") -> Markup:
    """Code, coloured where its language is known; classes are those of Pygments."""
    if language.lower() not in LANGUAGES or len(text) > CODE:
        return escape(text)
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)))


def tidy(arguments: str) -> str:
    """A tool call's arguments, indented where they are JSON."""
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False, "breaks": True})
    reader.enable(["table", "strikethrough"])
    ended = ["paragraph", "reference", "blockquote", "list"]
    reader.block.ruler.before("fence", "maths", _formula_block, {"alt": ended})
    reader.inline.ruler.before("escape", "maths", _formula)
    reader.core.ruler.push("plain", lambda state: _made_plain(state.tokens))
    renderer: Any = reader.renderer
    rules = renderer.rules
    rules["maths"] = lambda tokens, at, *_: maths(tokens[at].content)
    rules["image"] = lambda tokens, at, *_: _picture(tokens[at])
    rules["address"] = lambda tokens, at, *_: Markup(' <span class="address">{}</span>').format(
        tokens[at].content
    )
    rules["fence"] = lambda tokens, at, *_: _listing(tokens[at])
    rules["code_block"] = rules["fence"]
    return reader


def _formula(state: "StateInline", silent: bool) -> bool:
    """Take a formula whole: within it no character is Markdown's."""
    if state.src[state.pos] not in "$\\":
        return False
    match = FORMULA.match(state.src, state.pos, state.posMax)
    if match is None or "`" in match[0]:
        return False
    if not silent:
        state.push("maths", "", 0).content = match[0]
    state.pos = match.end()
    return True


def _formula_block(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    """Take a displayed formula whose lines would read as a list or a heading."""
    first = state.getLines(start, start + 1, 0, False).strip()
    closing = CLOSING.get(first[:2])
    if closing is None or state.is_code_block(start) or closing in first[2:]:
        return False
    for line in range(start + 1, min(end, start + LINES)):
        if state.getLines(line, line + 1, 0, False).rstrip().endswith(closing):
            break
    else:
        return False
    if not silent:
        state.push("maths", "", 0).content = state.getLines(start, line + 1, 0, False).strip()
        state.line = line + 1
    return True


def _made_plain(tokens: "Sequence[Token]") -> None:
    """Take out what acts or is styled; set headings below those of the page."""
    from markdown_it.token import Token

    for token in tokens:
        token.attrs.pop("style", None)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"
        made: list[Token] = []
        addresses: list[str] = []
        for child in token.children or ():
            if child.type == "link_open":
                addresses.append(str(child.attrs["href"]))
            elif child.type == "link_close":
                address = addresses.pop()
                if child.markup != "autolink":
                    made.append(Token("address", "", 0, content=f"({address})"))
            else:
                made.append(child)
        if token.children is not None:
            token.children = made


def _picture(token: "Token") -> Markup:
    words = f"[picture: {token.content or 'not described'}]"
    address = str(token.attrs.get("src", ""))
    return Markup('<span class="picture">{}</span> <span class="address">({})</span>').format(
        words, address
    )


def _listing(token: "Token") -> Markup:
    language = token.info.split()[0] if token.info.strip() else ""
    return Markup('<pre class="code">{}</pre>\n').format(code(token.content, language))
