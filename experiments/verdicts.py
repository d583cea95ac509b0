"""Whether the verdicts on final answers are right, and what they cost.

    # agreement with the labels of three GSM8K files, and verdicts a second
    python -m experiments.verdicts --json
    # and every disagreement, with why
    python -m experiments.verdicts --json --list

The labels are the publishers' own. They are not all right, so each disagreement is put down to a
cause that can be told from the text and the reference alone:

* integer part      the label takes the first integer of 25/4, 14.5 or "6 or 7" for the answer
* sign              the label takes -20 for 20
* magnitude         the answer says 4 million, the reference 4; or the reverse
* later number      several numbers are in the stated sentence; the label takes another than the
verdict
* stated            the stated number is the reference, and the label says wrong
* words, time       "five" or 5:00 pm for 5: the label does not read it, or does and the verdict
does not
* no number         what is stated holds no number
"""

import argparse
import gzip
import json
import os
import platform
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from assay.types import Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.answers.quantities import quantity

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data")) / "gsm8k"
WORKERS = 2
FILES = ("example_model_solutions", "genrm_train_samples", "zeroeval_test_16models")

Labelled = tuple[str, str, bool]
"""Text, reference, label."""


@dataclass(frozen=True)
class Disagreement:
    """A verdict that is not the label."""

    file: str
    row: int
    label: bool
    outcome: str
    stage: str
    cause: str
    reference: str
    answer: str | None
    end: str
    """The last characters of the text."""


def labelled(file: str) -> Iterator[Labelled]:
    """The solutions of a file; those of genrm_train_samples get the training set's answers by their
    questions."""
    from assay.data import io
    from assay.types import Ranking, StepLabels

    path = str(DATA / f"{file}.jsonl.gz")
    gold: dict[str, str] = {}
    if file == "genrm_train_samples":
        with gzip.open(DATA / "train.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = map(json.loads, lines)
            gold = {row["question"]: row["answer"].rsplit("####", 1)[1].strip() for row in rows}
    for record in io.read(path):
        if isinstance(record, Ranking):
            for response, grade in zip(record.responses, record.grades, strict=True):
                yield response.text, str(record.prompt.reference), grade == 1.0
        elif isinstance(record, StepLabels):
            yield record.response.text, gold[record.prompt.text], record.labels[-1] == 1.0


def agreement(file: str) -> tuple[dict[str, Any], list[Disagreement]]:
    """How many verdicts are the labels, and those that are not."""
    rows = list(labelled(file))
    verifier = Numeric()
    start = time.perf_counter()
    verdicts = verifier.check_all([(text, reference) for text, reference, _ in rows])
    seconds = time.perf_counter() - start
    against = [
        Disagreement(
            file,
            number,
            label,
            verdict.outcome,
            verdict.stage,
            cause(text, reference, verdict),
            reference,
            verdict.answer,
            text[-120:],
        )
        for number, ((text, reference, label), verdict) in enumerate(
            zip(rows, verdicts, strict=True)
        )
        if (verdict.outcome == "right") != label or verdict.outcome == "undecided"
    ]
    agree = len(rows) - len(against)
    return {
        "file": file,
        "solutions": len(rows),
        "agree": agree,
        "share": round(agree / len(rows), 5),
        "undecided": sum(v.outcome == "undecided" for v in verdicts),
        "by cause": dict(
            Counter(
                f"{d.cause}, label {'right' if d.label else 'wrong'}" for d in against
            ).most_common()
        ),
        "verdicts a second": round(len(rows) / seconds),
    }, against


def cause(text: str, reference: str, verdict: Verdict) -> str:
    """Why the label may differ, from the text and the reference alone."""
    answer, gold = verdict.answer or "", quantity(reference)
    value = quantity(answer)
    if re.search(r"\d:\d\d", answer):
        return "time"
    if verdict.outcome == "right":
        return "words" if not re.search(r"\d", answer) else "stated"
    if value is None and not re.search(r"\d", answer):
        return "no number"
    if value is not None and gold is not None and value == -gold:
        return "sign"
    if (
        value is not None
        and gold
        and value / gold in {Fraction(10) ** power for power in (3, 6, 9, -3, -6, -9)}
    ):
        return "magnitude"
    first = re.search(r"\d+", answer.replace(",", ""))
    if first and gold is not None and Fraction(first[0]) == abs(gold):
        return "integer part"
    return "later number"


def numeric_rate(verifier: Numeric | Math) -> float:
    """Verdicts a second on answers that are numbers, no two the same."""
    work = "First 3 * 4 = 12 apples, then 12 - 5 = 7 remain, and each costs $2.\n" * 6
    pairs = [(f"{work}The answer is {n}.", str(n if n % 2 else n + 1)) for n in range(30_000)]
    start = time.perf_counter()
    verdicts = verifier.check_all(pairs)
    seconds = time.perf_counter() - start
    assert [v.outcome == "right" for v in verdicts] == [n % 2 == 1 for n in range(30_000)]
    return len(pairs) / seconds


def processor() -> str:
    """The processor's name, without which a rate says little."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def latex_rate() -> dict[str, float]:
    """Verdicts a second on LaTeX, no two the same, by warm workers; and the milliseconds of one at
    a time."""
    draw = random.Random(0)
    verifier = Math(timeout=20.0, workers=WORKERS)
    verifier.check_all(latex(draw, 400))
    pairs = latex(draw, 3000)
    start = time.perf_counter()
    verdicts = verifier.check_all(pairs)
    seconds = time.perf_counter() - start
    assert all(verdict.outcome == "right" for verdict in verdicts)
    alone = []
    for pair in latex(draw, 200):
        begin = time.perf_counter()
        verifier.check(*pair)
        alone.append(time.perf_counter() - begin)
    return {
        "a second": round(len(pairs) / seconds),
        "median ms, one at a time": round(sorted(alone)[100] * 1000, 2),
    }


def latex(draw: random.Random, count: int) -> list[tuple[str, str]]:
    """Different pairs of answer and reference that are equal and written differently."""
    found: dict[tuple[str, str], None] = {}
    while len(found) < count:
        a, b, c = (draw.randint(2, 99) for _ in range(3))
        answer, reference = draw.choice(
            [
                (rf"\frac{{\sqrt{{{a}}}}}{{{a * b}}}", rf"\frac{{1}}{{{b}\sqrt{{{a}}}}}"),
                (rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}"),
                (rf"\frac{{{a}\pi}}{{{b}}}", rf"\frac{{{a}}}{{{b}}}\pi"),
                (f"{b}+{a}x", f"{a}x+{b}"),
                (rf"({a},{a + b}]", rf"\left({a},\,\frac{{{2 * (a + b)}}}{{2}}\right]"),
                (rf"x\ge {a}-{b}", rf"[{a - b},\infty)"),
                (rf"{a}", rf"x=\sqrt{{{a * a}}}"),
                (rf"{a}, {a + b}", rf"\{{{a + b},{a}\}}"),
                (rf"\frac{{{a}x+{a * c}}}{{x-{b}}}", rf"\frac{{{a}(x+{c})}}{{x-{b}}}"),
                (rf"\log_{{{a}}}{{{b}}}", rf"\frac{{\ln {b}}}{{\ln {a}}}"),
                (rf"{a}+{b}i", rf"{b}i+{a}"),
                (f"(x-{a})(x+{b})", f"x(x+{b})-{a}(x+{b})"),
            ]
        )
        found[rf"Therefore \boxed{{{answer}}}.", reference] = None
    return list(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--list", action="store_true", help="print every disagreement")
    chosen = parser.parse_args()
    files, against = [], list[Disagreement]()
    if DATA.is_dir():
        for file in FILES:
            counts, differing = agreement(file)
            files.append(counts)
            against += differing
    else:
        print(f"no public data at {DATA}; set ASSAY_DATA", file=sys.stderr)
    result: dict[str, Any] = {
        "agreement": files,
        "numeric, verdicts a second, one core": round(numeric_rate(Numeric())),
        "math on numbers, verdicts a second, one core": round(numeric_rate(Math())),
        f"latex, {WORKERS} warm workers": latex_rate(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    if chosen.list:
        result["disagreements"] = [asdict(d) for d in against]
    if chosen.json:
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    for key, value in result.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{key}: {line}")


if __name__ == "__main__":
    main()
