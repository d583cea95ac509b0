"""Say what a page is about, by its first sentence of prose."""

import re
from typing import Final

__all__ = ["LINK", "summary"]

LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
ASIDE: Final = re.compile(r"\A---\n.*?\n---\n|^```.*?^```$|<!--.*?-->", re.DOTALL | re.MULTILINE)
"""What is no prose: front matter, code and comments."""
NO_PROSE: Final = re.compile(r"[#|<>!:]|[-*+] | {4}|\d+[.)] |\d{4}-\d\d-\d\d\.|Next: ")
"""How a block begins that is a heading, table, list, code, the date of an experiment, or leads
on."""
END: Final = re.compile(r"(?<=[.?!])(?<!\b[ei]\.[ge]\.)(?<!\bcf\.)\s")


def summary(text: str) -> str:
    """Return the first sentence below the title, with its answer where it is a question."""
    for block in ASIDE.sub("", text).split("\n\n"):
        block = block.strip("\n")
        if block and not NO_PROSE.match(block):
            plain = LINK.sub(r"\1", block.replace("\n", " ").replace("**", ""))
            sentences = END.split(plain)
            return " ".join(sentences[: 2 if sentences[0].endswith("?") else 1])
    return ""
