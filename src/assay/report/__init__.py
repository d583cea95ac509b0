"""The kit that pages are made of: blocks, sections, one self-contained HTML file. Needs the
`report` extra.

`html` lays out a page from sections of blocks; `plot` says what a figure shows, and `paint` draws
it. Only `write_report` touches a disk. What each page shows is in `assay.pages`.
"""

from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Figure,
    Figures,
    Fold,
    Fork,
    Headline,
    KeyValues,
    Link,
    Paragraph,
    Section,
    Solution,
    Step,
    Table,
    Text,
    Tree,
    page,
    write_report,
)

__all__ = [
    "Block",
    "Bullets",
    "Details",
    "Estimates",
    "Figure",
    "Figures",
    "Fold",
    "Fork",
    "Headline",
    "KeyValues",
    "Link",
    "Paragraph",
    "Section",
    "Solution",
    "Step",
    "Table",
    "Text",
    "Tree",
    "page",
    "write_report",
]
