"""Reports: one self-contained HTML page a run, with its numbers, intervals and plots. Needs the `report` extra.

`plots` draws, `html` lays out a page from sections, `sections` writes the sections of a training run and of a pool.
Only `write_report` touches a disk; everything else is a pure function.
"""

from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Figure,
    Figures,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Solution,
    Step,
    Table,
    Text,
    page,
    write_report,
)
from assay.report.sections import (
    Evaluation,
    evaluation_sections,
    pool_report,
    pool_section,
    run_section,
    training_report,
    training_section,
)
from assay.report.solutions import solutions_section, telling

__all__ = [
    "Block",
    "Bullets",
    "Details",
    "Estimates",
    "Evaluation",
    "Figure",
    "Figures",
    "Headline",
    "KeyValues",
    "Paragraph",
    "Section",
    "Solution",
    "Step",
    "Table",
    "Text",
    "evaluation_sections",
    "page",
    "pool_report",
    "pool_section",
    "run_section",
    "solutions_section",
    "telling",
    "training_report",
    "training_section",
    "write_report",
]
