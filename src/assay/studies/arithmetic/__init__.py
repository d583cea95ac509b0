"""The main job from end to end, in a world whose truth is known: where does each reward model stop
being gold?

Stages, each leaving its artefact in the run's folder, so that a run that was stopped goes on at the
first one missing:

| stage   | artefact                                  | what                                       |
|---------|-------------------------------------------|--------------------------------------------|
| policy  | `policy/`                                 | a language model that is right about half  |
|         |                                           | of the time                                |
| samples | `data/train_pool.jsonl`                   | its responses to training problems,        |
|         |                                           | verified                                   |
| pool    | `data/test_pool.jsonl`                    | N responses to each test problem, verified |
| data    | `data/{preference,outcome,process}.jsonl` | right-wrong pairs, answers' labels, steps' |
|         |                                           | labels                                     |
| models  | `models/*`, `scores/*.jsonl`              | three reward models, trained, reloaded,    |
|         |                                           | scoring the pool                           |
| summary | `summary.json`, `report.html`             | best-of-n by each, beside mean, majority   |
|         |                                           | and oracle                                 |
|         | `overopt/`, `overoptimization.html`       | how hard each may be pressed before the    |
|         |                                           | truth is lost                              |
"""

from assay.studies.arithmetic.run import run
from assay.studies.arithmetic.smol import Smol
from assay.studies.arithmetic.story import story
from assay.studies.arithmetic.summary import Summary
from assay.studies.arithmetic.world import Arithmetic, World

__all__ = ["Arithmetic", "Smol", "Summary", "World", "run", "story"]
