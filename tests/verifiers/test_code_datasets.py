"""Real coding tasks: reference solutions pass, with a planted bug they do not, and verdicts are the published ones."""

import gzip
import json
import random
from pathlib import Path

import pytest

from assay.data.formats.evalplus import Evalplus
from assay.data.io import read
from assay.types import Prompt
from assay.verifiers.code import Code
from assay.verifiers.sandbox import Limits
from assay.verifiers.suites import Assertions, Suite, suite_of

pytest.importorskip("pyseccomp")


def tasks(path: Path) -> dict[str, tuple[str, Suite]]:
    """Id -> solution and tests."""
    found = {}
    for prompt in read(path):
        assert isinstance(prompt, Prompt)
        suite = suite_of(prompt)
        assert suite is not None
        found[prompt.id] = (prompt.meta["solution"], suite)
    return found


def test_humaneval_solutions_pass_and_planted_bugs_do_not(assay_data: Path) -> None:
    found = Code().validate(tasks(assay_data / "code" / "HumanEval.jsonl.gz").values())
    assert found == {"solutions": 164, "planted": 656, "passed by a constant": 1}  # of HumanEval/34, with its one test


def test_mbpp_sanitized_solutions_pass(assay_data: Path) -> None:
    """Its solutions are bodies, and not indented as the prompts' docstrings are: they follow the line of the def."""
    every = tasks(assay_data / "code" / "mbpp_sanitized_for_code_generation.jsonl.gz")
    quotes = "'''"
    items = [(f"{suite.stub.split(quotes)[0].rstrip()}\n{body}", suite) for body, suite in every.values()]
    verdicts = dict(zip(every, Code(extract="text").check_all(items), strict=True))
    assert len(every) == 427
    # 56 asks for a function called `check`, which is also the name of its tests
    assert {id for id, v in verdicts.items() if v.outcome != "right"} == {"MbppEval/56"}


def test_mbpp_plus_solutions_pass(assay_data: Path) -> None:
    # One row has infinities among its inputs, which are no JSON: `read` would refuse it.
    with gzip.open(assay_data / "code" / "MbppPlus_2023-11.jsonl.gz", "rt") as file:
        prompts = [prompt for row in map(json.loads, file) for prompt in Evalplus().read(row)]
    items = [(prompt.meta["solution"], suite_of(prompt)) for prompt in prompts if isinstance(prompt, Prompt)]
    assert len(items) == 420
    code = Code(limits=Limits(seconds=2))
    verdicts = code.check_all([(text, suite) for text, suite in items if suite is not None])
    assert {p.id: v.reason for p, v in zip(prompts, verdicts, strict=True) if v.outcome != "right"} == {}


def test_codet_samples_get_the_published_verdicts(assay_data: Path) -> None:
    """A fixed 400 of the 16,400; `python -m bench.sandbox --all` runs all of them."""
    folder = assay_data / "code"
    labels = json.loads(gzip.decompress((folder / "codet_labels.json.gz").read_bytes()))
    every = tasks(folder / "codet_prompts.jsonl.gz")
    by_stub = {suite.stub: id for id, (_, suite) in every.items() if isinstance(suite, Assertions)}
    items, expected = [], []
    with gzip.open(folder / "codet_codegen16b_humaneval_100.jsonl.gz", "rt") as file:
        for row in map(json.loads, file):
            id = by_stub[row["prompt"]]
            items += [(sample, every[id][1]) for sample in row["samples"]]
            expected += labels[id]
    assert len(items) == 16_400
    chosen = random.Random(1).sample(range(len(items)), 400)
    code = Code(extract="completion", limits=Limits(seconds=3))
    verdicts = code.check_all([items[i] for i in chosen])
    differ = [i for i, v in zip(chosen, verdicts, strict=True) if (v.outcome == "right") != bool(expected[i])]
    assert differ == []
    assert not any(v.outcome == "undecided" for v in verdicts)
