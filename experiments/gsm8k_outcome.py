"""Outcome and Bradley-Terry reward models on real solutions of GSM8K problems, in and out of
distribution.

    # a subset: about half an hour on two cores
    python experiments/gsm8k_outcome.py
    # all python experiments/gsm8k_outcome.py --questions 0 --per-question 0 --pairs 0
    --test-questions 0 --device cuda

Trains on `gsm8k/genrm_train_samples.jsonl.gz` (one model's right and wrong solutions; split by
question, 1,000 of them held out) and tests on those held-out questions and on two sets that other
models wrote for the test questions. Prints a table in Markdown, with the baselines a scorer must
beat, and writes `result.json`. The best of shallow features reach .681 within-question accuracy and
.772 best-of-22 on the held-out questions; a majority vote .978.
"""

import dataclasses
import json
import os
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal

import torch
import tyro

from assay import Group, Preference, Ranking, Response, StepLabels
from assay.data import io
from assay.evaluation import Report, evaluate
from assay.losses.bradley_terry import BradleyTerry
from assay.losses.outcome import Outcome
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import OUTCOME, PREFERENCE
from assay.models.smol import smol_folder
from assay.scorers.local import LocalScorer
from assay.training.loop import Settings, train
from assay.types import Prompt
from assay.verifiers.answers.numeric import Numeric

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data")) / "gsm8k"
HELD_OUT = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Train on solutions with outcome labels; test on held-out questions and on other models'
    solutions."""

    out: Path = Path("runs/gsm8k")
    """Where models and results go."""
    backbone: Path | None = None
    """Causal LM to start from; SmolLM2-135M-Instruct when not given."""
    questions: int = 500
    """Training questions; 0 = all of them."""
    per_question: int = 4
    """Training solutions a question; 0 = all of them."""
    pairs: int = 2
    """Right-wrong pairs a question for the preference model (of the same solutions)."""
    test_questions: int = 100
    """Test questions of each set; 0 = all of them."""
    models: tuple[Literal["outcome", "preference"], ...] = ("outcome", "preference")
    """What to train."""
    epochs: float = 1.0
    learning_rate: float = 2e-5
    batch_size: int = 32
    micro_tokens: int = 4096
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision of the parameters while training."""
    autocast: bool = True
    """Multiply in bf16 while training; the parameters stay as they are."""
    score_dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the parameters while scoring the tests."""
    device: str = "cpu"
    seed: int = 0

    def __call__(self) -> None:
        """Run it."""
        pools = read_pools(DATA / "genrm_train_samples.jsonl.gz")
        names = sorted(pools)
        random.Random(0).shuffle(names)
        held_out, rest = names[:HELD_OUT], names[HELD_OUT:]
        chosen = rest[: self.questions or None]
        solutions = [s for name in chosen for s in self.sample(pools[name])]
        tests = {
            "held-out questions, same writer": [ranking(pools[name]) for name in held_out],
            "test questions, 16 LLMs": list(io.read(DATA / "zeroeval_test_16models.jsonl.gz")),
            "test questions, 4 GPT-3 systems": list(
                io.read(DATA / "example_model_solutions.jsonl.gz")
            ),
        }
        tests = {name: pool[: self.test_questions or None] for name, pool in tests.items()}
        print(f"{len(chosen)} training questions, {len(solutions)} solutions", flush=True)
        results = {}
        for kind in self.models:
            start = time.monotonic()
            folder = self.train(kind, solutions)
            scorer = LocalScorer(
                checkpoint.load(folder, dtype=self.score_dtype, device=self.device),
                micro_tokens=self.micro_tokens,
            )
            seconds = time.monotonic() - start
            for name, groups in tests.items():
                report = measure(groups, scorer, probabilities=kind == "outcome")
                results[f"{kind} | {name}"] = report.to_json()
                print(markdown(kind, name, report), flush=True)
            results[f"{kind} | training"] = {"seconds": seconds}
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "result.json").write_text(json.dumps(results, indent=1))

    def sample(self, solutions: list[StepLabels]) -> list[StepLabels]:
        """The question's first solutions, in the file's order."""
        return solutions[: self.per_question or None]

    def train(self, kind: str, solutions: list[StepLabels]) -> Path:
        """One reward model, saved; the folder."""
        folder = self.out / kind
        if (folder / checkpoint.MANIFEST).is_file():
            return folder
        layout = Layout(template="plain", join="\n\n", max_length=512)
        readout = OUTCOME if kind == "outcome" else PREFERENCE
        model = checkpoint.create(
            self.backbone or smol_folder(),
            layout=layout,
            readout=readout,
            dtype=self.dtype,
            seed=self.seed,
        )
        model.to(self.device)
        records: list[StepLabels] | list[Preference] = solutions
        if kind == "preference":
            records = preferences(solutions, self.pairs)
            print(f"{len(records)} pairs", flush=True)
        settings = Settings(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            micro_tokens=self.micro_tokens,
            autocast=self.autocast,
            checkpoint_every=20,
            seed=self.seed,
        )
        loss = Outcome() if kind == "outcome" else BradleyTerry()
        train(model, records, loss=loss, settings=settings, out=folder)
        return folder


def read_pools(path: Path) -> dict[str, list[StepLabels]]:
    """Question -> its solutions, each with its outcome."""
    pools: dict[str, list[StepLabels]] = defaultdict(list)
    for record in io.read(path):
        assert isinstance(record, StepLabels)
        pools[record.prompt.text].append(record)
    return dict(pools)


def ranking(solutions: list[StepLabels]) -> Ranking:
    """One question's pool, graded by correctness."""
    return Ranking(
        prompt=solutions[0].prompt,
        responses=tuple(s.response for s in solutions),
        grades=tuple(float(s.labels[-1] or 0.0) for s in solutions),
    )


def preferences(solutions: list[StepLabels], most: int) -> list[Preference]:
    """Right over wrong within a question, each solution used at most once."""
    sides: dict[str, tuple[Prompt, list[Response], list[Response]]] = {}
    for s in solutions:
        _, right, wrong = sides.setdefault(s.prompt.text, (s.prompt, [], []))
        (right if s.labels[-1] else wrong).append(s.response)
    return [
        Preference(prompt=prompt, responses=pair, prefer=1.0)
        for prompt, right, wrong in sides.values()
        for pair in list(zip(right, wrong, strict=False))[: most or None]
    ]


def measure(groups: list[Ranking], scorer: LocalScorer, *, probabilities: bool) -> Report:
    """Score the pools and evaluate them beside their baselines."""
    answers = Numeric()
    keys = [[canonical(answers, r.text) for r in g.responses] for g in groups]
    scores = scorer.score([Group(prompt=g.prompt, responses=g.responses) for g in groups])
    return evaluate(groups, scores, probabilities=probabilities, answers=keys)


def canonical(answers: Numeric, text: str) -> str | None:
    """The answer a response votes for."""
    found = answers.extract(text)
    return None if found is None else answers.canonical(found)


def markdown(kind: str, name: str, report: Report) -> str:
    """Rows of the table."""
    rows = [
        f"| {kind} | {name} | {key} | {e.value:.3f} [{e.low:.3f}, {e.high:.3f}] | {e.n} |"
        f" {e.unscored} |"
        for key, e in {**report.metrics, **report.baselines}.items()
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    torch.manual_seed(0)
    tyro.cli(Bench)()
