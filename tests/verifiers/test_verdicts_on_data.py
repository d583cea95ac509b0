"""Verdicts against the labels of published GSM8K solutions; `experiments/verdicts.py` lists where
they differ."""

from itertools import islice
from pathlib import Path

import pytest

from assay.data import io
from assay.types import Prompt, Verdict
from assay.verifiers import Math, Numeric
from experiments import verdicts as bench


@pytest.fixture(autouse=True)
def data(assay_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bench, "DATA", assay_data / "gsm8k")
    return assay_data / "gsm8k"


@pytest.mark.parametrize(
    ("file", "solutions", "least"),
    [("example_model_solutions", 5276, 1.0), ("zeroeval_test_16models", 21104, 0.998)],
)
def test_verdicts_agree_with_labels(file: str, solutions: int, least: float) -> None:
    counts, against = bench.agreement(file)
    assert counts["solutions"] == solutions
    assert counts["share"] >= least
    assert counts["undecided"] == 0
    assert len(against) == solutions - counts["agree"] == sum(counts["by cause"].values())


def test_verdicts_agree_with_labels_on_a_part_of_the_large_file() -> None:
    """The whole of its 165,864 is the bench's: 0.99805."""
    rows = list(islice(bench.labelled("genrm_train_samples"), 20_000))
    found = Numeric().check_all([(text, reference) for text, reference, _ in rows])
    agree = sum(
        (v.outcome == "right") == label for v, (_, _, label) in zip(found, rows, strict=True)
    )
    assert agree / len(rows) >= 0.997


def test_mathematics_says_what_numbers_say() -> None:
    """On final answers in boxes both verifiers come to the same verdict, and the second asks no
    worker for it."""
    pairs = [
        (rf"\boxed{{{reference}}}", reference)
        for _, reference, _ in bench.labelled("zeroeval_test_16models")
    ]
    pairs = list(dict.fromkeys(pairs))
    assert (
        {v.outcome for v in Math().check_all(pairs)}
        == {v.outcome for v in Numeric().check_all(pairs)}
        == {"right"}
    )


@pytest.mark.parametrize("verifier", [Numeric(), Math()])
def test_the_references_validate(verifier: Numeric | Math, data: Path) -> None:
    prompts = [
        record.prompt if hasattr(record, "prompt") else record
        for record in io.read(str(data / "test.jsonl.gz"))
    ]
    assert all(isinstance(prompt, Prompt) for prompt in prompts)
    counts = verifier.validate(prompts)
    assert counts["references"] == 1319
    assert counts["planted"] > 4 * 1319 - 100


@pytest.mark.parametrize(
    ("reference", "text", "label", "cause"),
    [
        ("25", "The answer is 25/4.", True, "integer part"),
        ("20", "The answer is -$20.", True, "sign"),
        ("4", "The answer is $4 million.", True, "magnitude"),
        ("20", "The answer is 20.", False, "stated"),
        ("5", "The answer is five.", False, "words"),
        ("2", "The answer is 2:00 pm.", False, "time"),
        ("5", "The answer is nothing.", True, "no number"),
        ("600", "The answer is that 2 years later she has $600.", True, "later number"),
    ],
)
def test_causes_of_disagreement(reference: str, text: str, label: bool, cause: str) -> None:
    verdict = Numeric().check(text, reference)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome == "right") != label
    assert bench.cause(text, reference, verdict) == cause
