"""Reports: one self-contained HTML page a run, with its numbers, intervals and plots. Needs the
`report` extra.

`plots` draws, `html` lays out a page from sections, `sections` writes the sections of a training
run and of a pool, `searches` those of searches and their trees, `comparison` those of strategies
side by side, `reinforcement` those of policies trained against a reward, whose pictures `policy`
draws, `overoptimization` those of proxies held against gold, whose pictures `sweep` draws. Only
`write_report` touches a disk; everything else is a pure function.
"""

from assay.report.comparison import CostPoint, compare_report, cost_curves
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
from assay.report.overoptimization import overoptimization_report, overoptimization_section
from assay.report.policies import policies_report
from assay.report.policy import Look, arms, looks, proxy_and_gold, reinforcement_curves
from assay.report.reinforcement import arms_report, reinforcement_report
from assay.report.searches import search_section, search_tree
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
    "CostPoint",
    "Details",
    "Estimates",
    "Evaluation",
    "Figure",
    "Figures",
    "Fold",
    "Fork",
    "Headline",
    "KeyValues",
    "Look",
    "Paragraph",
    "Section",
    "Solution",
    "Step",
    "Table",
    "Text",
    "Tree",
    "arms",
    "arms_report",
    "compare_report",
    "cost_curves",
    "evaluation_sections",
    "looks",
    "overoptimization_report",
    "overoptimization_section",
    "page",
    "policies_report",
    "pool_report",
    "pool_section",
    "proxy_and_gold",
    "reinforcement_curves",
    "reinforcement_report",
    "run_section",
    "search_section",
    "search_tree",
    "solutions_section",
    "telling",
    "training_report",
    "training_section",
    "write_report",
]
