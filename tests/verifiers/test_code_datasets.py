"""Real coding tasks: reference solutions pass, with a planted bug they do not, and verdicts are the
published ones."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from assay.data.formats.evalplus import Evalplus
from assay.data.io import read
from assay.sandbox import Limits
from assay.sandbox.inside.codec import decode
from assay.types import Prompt
from assay.verifiers.code.suites import Assertions, Reference, Suite, suite_of
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def made(row: dict[str, Any]) -> list[Prompt]:
    """The prompt of a row of EvalPlus."""
    return [prompt for prompt in Evalplus().read(row) if isinstance(prompt, Prompt)]


def item(prompt: Prompt) -> tuple[str, Suite]:
    """Solution and tests."""
    suite = suite_of(prompt)
    assert suite is not None
    return prompt.meta["solution"], suite


def tasks(path: Path) -> dict[str, tuple[str, Suite]]:
    """Id -> solution and tests."""
    return {prompt.id: item(prompt) for prompt in read(path) if isinstance(prompt, Prompt)}


def test_humaneval_solutions_pass_and_planted_bugs_do_not(assay_data: Path) -> None:
    found = Code().validate(tasks(assay_data / "code" / "HumanEval.jsonl.gz").values())
    assert found == {
        "solutions": 164,
        "planted": 656,
        "passed by a constant": 1,
    }  # of HumanEval/34, with its one test


def test_mbpp_sanitized_solutions_pass(assay_data: Path) -> None:
    """Its solutions are bodies, and not indented as the prompts' docstrings are: they follow the
    line of the def."""
    every = tasks(assay_data / "code" / "mbpp_sanitized_for_code_generation.jsonl.gz")
    quotes = "'''"
    items = [
        (f"{suite.stub.split(quotes)[0].rstrip()}\n{body}", suite) for body, suite in every.values()
    ]
    # 123 divides a hundred million times: six seconds of a slow processor
    code = Code(extract="text", limits=Limits(seconds=30))
    verdicts = dict(zip(every, code.check_all(items), strict=True))
    assert len(every) == 427
    # 56 asks for `rev`, and its tests call a `check` that nobody is told of, and that is the name
    # of the tests as well
    assert {id for id, v in verdicts.items() if v.outcome != "right"} == {"MbppEval/56"}


def test_mbpp_plus_solutions_pass(assay_data: Path) -> None:
    # One row has infinities among its inputs, which are no JSON: `read` would refuse it.
    prompts = [
        prompt
        for row in rows(assay_data / "code" / "MbppPlus_2023-11.jsonl.gz")
        for prompt in made(row)
    ]
    items = {prompt.id: item(prompt) for prompt in prompts}
    assert len(items) == 420
    code = Code(limits=Limits(seconds=2))
    verdicts = zip(items, code.check_all([*items.values()]), strict=True)
    assert {id: v.reason for id, v in verdicts if v.outcome != "right"} == {}
    # the tasks that have more than one right result
    asserted = [(text, suite) for text, suite in items.values() if isinstance(suite, Assertions)]
    assert code.validate(asserted) == {"solutions": 13, "planted": 52, "passed by a constant": 0}


def test_mbpp_plus_inputs_are_what_the_solutions_take(assay_data: Path) -> None:
    """Tuples, sets and complex numbers that JSON has not: with lists instead, these solutions fail
    or judge nothing."""
    found = {
        p.id: item(p)[1]
        for r in rows(assay_data / "code" / "MbppPlus_2023-11.jsonl.gz")
        for p in made(r)
    }

    def first(id: str) -> list[Any]:
        suite = found[id]
        assert isinstance(suite, Reference)
        return [decode(argument) for argument in suite.cases[0].arguments]

    assert first("580") == [(4, 5, (7, 6, (2, 4)), 6, 8)]
    assert first("791") == first("278") == [(1, 5, 7, (4, 6), 10)]
    assert first("445")[0] == ((1, 3), (4, 5), (2, 9), (1, 10))
    assert first("722")[0]["Cierra Vega"] == (6.2, 70)
    assert first("115") == [[{}, {}, {}]]
    assert first("143") == [([1, 2, 3, 4], [5, 6, 7, 8])]
    assert repr(first("252")) == "[(1+0j)]"
    assert repr(first("124")) == "[0.0, 1j]"


def test_humaneval_plus_solutions_pass(assay_data: Path) -> None:
    """Every other task, for time."""
    every = {row["task_id"]: row for row in rows(assay_data / "code" / "HumanEval.jsonl.gz")}
    inputs = rows(assay_data / "code" / "HumanEvalPlusInputs_2023-04.jsonl.gz")
    joined = [
        {**every[row["task_id"].replace("_", "/")], "base_input": row["inputs"]} for row in inputs
    ]
    assert len(joined) == 161
    prompts = [prompt for row in joined[::2] for prompt in made(row)]
    verdicts = Code(limits=Limits(seconds=2)).check_all([item(prompt) for prompt in prompts])
    # 32 is to find a root, and some of these inputs, made before there were contracts, are
    # polynomials that have none
    assert {p.id for p, v in zip(prompts, verdicts, strict=True) if v.outcome != "right"} == {
        "HumanEval/32"
    }


def test_codet_samples_get_the_published_verdicts(assay_data: Path) -> None:
    """A fixed 400 of the 16,400; `python -m bench.sandbox --all` runs all of them."""
    folder = assay_data / "code"
    labels = json.loads(gzip.decompress((folder / "codet_labels.json.gz").read_bytes()))
    every = tasks(folder / "codet_prompts.jsonl.gz")
    by_stub = {suite.stub: id for id, (_, suite) in every.items() if isinstance(suite, Assertions)}
    items, expected = [], []
    for row in rows(folder / "codet_codegen16b_humaneval_100.jsonl.gz"):
        id = by_stub[row["prompt"]]
        items += [(sample, every[id][1]) for sample in row["samples"]]
        expected += labels[id]
    assert len(items) == 16_400
    chosen = random.Random(1).sample(range(len(items)), 400)
    code = Code(extract="completion", limits=Limits(seconds=3))
    verdicts = code.check_all([items[i] for i in chosen])
    differ = [
        i
        for i, v in zip(chosen, verdicts, strict=True)
        if (v.outcome == "right") != bool(expected[i])
    ]
    assert differ == []
    assert not any(v.outcome == "undecided" for v in verdicts)
