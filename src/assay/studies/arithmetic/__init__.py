"""The quickstart: the life of a proxy from end to end, in a world whose truth is known.

A policy answers, three reward models learn from its answers, and each chooses the best of n: where
does each stop being gold? Every stage leaves its artefact in the run's folder, so that a run that
was stopped resumes at the first stage without one:

| stage      | artefact                                  | contents                                |
|------------|-------------------------------------------|-----------------------------------------|
| policy     | `policy/`                                 | a language model, right about half of   |
|            |                                           | the time                                |
| train_pool | `data/train_pool.jsonl`                   | its verified responses to training      |
|            |                                           | problems                                |
| test_pool  | `data/test_pool.jsonl`                    | n verified responses to each test       |
|            |                                           | problem                                 |
| data       | `data/{preference,outcome,process}.jsonl` | right-wrong pairs, answers' labels,     |
|            |                                           | steps' labels                           |
| models     | `models/*`, `scores/*.json`               | three reward models, and their scores   |
|            |                                           | of the test pool                        |
| results    | `summary.json`, `report.html`             | best-of-n by each, beside mean,         |
|            |                                           | majority and oracle                     |
|            | `overopt/`, `overoptimization.html`       | over-optimization: gold against n, and  |
|            |                                           | where to stop                           |
"""

from assay.studies.arithmetic.conclusion import conclusion
from assay.studies.arithmetic.next_steps import next_steps, size_note
from assay.studies.arithmetic.results import show_results
from assay.studies.arithmetic.run import run
from assay.studies.arithmetic.running_sums import Arithmetic
from assay.studies.arithmetic.sizes import first_look, quickstart
from assay.studies.arithmetic.smol import Smol
from assay.studies.arithmetic.summary import Summary
from assay.studies.arithmetic.world import World

__all__ = [
    "Arithmetic",
    "Smol",
    "Summary",
    "World",
    "conclusion",
    "first_look",
    "next_steps",
    "quickstart",
    "run",
    "show_results",
    "size_note",
]
