"""A process reward model on real step labels, tested on questions it has not seen and on a task it
has not seen.

    # a subset: about an hour on one core
    python -m experiments.real_prm
    # all
    python -m experiments.real_prm --train 0 --test 0 --device cuda

SmolLM2-135M learns from Mr-Ben (people's labels up to the first error), BIG-Bench Mistake (the
same) and PRMBench (errors put in on purpose, every step labelled), a third of the solutions each,
split by question. It is measured by the benchmarks' own metrics at its own decision, one half, and
at the threshold that is best on solutions kept from training; and, far from what it has learned, on
the states of a Game-of-24 search, where an exact solver knows which can still be won and GPT-4 gave
its opinion. PRMScores that were published: Math-Shepherd-7B .470, Llemma-PRM800K .520, Qwen-PRM-7B
.655. GPT-4's opinion of all the states has AUROC .755, .995 and 1.0 at depth 1, 2 and 3.

Baselines are measured on the solutions that the model could score: the long ones are left out, and
they are mostly wrong.

Started again, it goes on where it was: training from its checkpoint, the tests with what is not
scored yet. A finished model of other settings or records is refused.
"""

import dataclasses
import gzip
import itertools
import json
import os
import random
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

from assay.benchmarks import measure, read_scores, score_steps, write_scores
from assay.benchmarks.bigbench_mistake import BIGBenchMistake
from assay.benchmarks.mrben import MRBen
from assay.benchmarks.prmbench import PRMBench
from assay.data.records import normalised, normalised_prompt_key
from assay.data.split import Side, side
from assay.errors import DataError
from assay.evaluation import Report, evaluate
from assay.losses.step_bce import StepBCE
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import PROCESS
from assay.models.smol import smol_folder
from assay.scorers.local import LocalScorer
from assay.stats import Estimate, auroc
from assay.training.loop import METRICS, Settings, train
from assay.types import Group, Prompt, Response, Score, StepLabels, Unscored

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
GAME24 = DATA / "search" / "game24" / "gpt-4_0.7_propose1_value3_greedy5_start900_end1000.json.gz"
THRESHOLDS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())
Scores = list[list[Score | Unscored]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Train on part of three benchmarks, test on the rest of them."""

    out: Path = Path("runs/real_prm")
    """Where model and results go."""
    train: int = 900
    """Training solutions, of the three benchmarks alike; 0 = all."""
    tune: int = 100
    """Solutions a benchmark, of training questions, that tune the threshold and are not trained
    on."""
    test: int = 150
    """Test solutions a benchmark; 0 = all."""
    states: int = 60
    """Game-of-24 states a depth and outcome, at most; 0 = all."""
    test_share: float = 0.3
    """Share of the questions that are test questions."""
    max_length: int = 512
    """Longest solution, in tokens; longer ones are dropped in training and unscored in the test."""
    epochs: float = 1.0
    learning_rate: float = 5e-5
    batch_size: int = 16
    micro_tokens: int = 4096
    score_dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the parameters while scoring."""
    device: str = "cpu"
    seed: int = 0

    def __call__(self) -> None:
        """Run it, or go on with it."""
        parts = {name: self.parts(benchmark) for name, benchmark in benchmarks().items()}
        records = [record for learn, _, _ in parts.values() for record in learn]
        for name, (learn, tune, test) in parts.items():
            print(
                base_rates(name, {"training": learn, "threshold": tune, "test": test}), flush=True
            )
        print(base_rates("all", {"training": records}), flush=True)
        folder = self.fit(records)
        scorer = LocalScorer(
            checkpoint.load(folder, dtype=self.score_dtype, device=self.device),
            micro_tokens=self.micro_tokens,
        )
        results: dict[str, Any] = {
            "settings": json.loads(json.dumps(dataclasses.asdict(self), default=str))
        }
        results["training"] = {"solutions": len(records), "step_seconds": step_seconds(folder)}
        for name, benchmark in benchmarks().items():
            _, tune, test = parts[name]
            scores = self.scored(scorer, test, f"{name}, test")
            threshold = best_threshold(
                benchmark, tune, self.scored(scorer, tune, f"{name}, threshold")
            )
            own = beside_baselines(benchmark, test, scores)
            tuned = beside_baselines(
                dataclasses.replace(benchmark, threshold=threshold), test, scores
            )
            steps = evaluate(test, scores, probabilities=True)
            steps = dataclasses.replace(
                steps, baselines={**steps.baselines, **step_baselines(test, scores)}
            )
            results[name] = {
                "own": own.to_json(),
                "tuned": tuned.to_json(),
                "threshold": threshold,
                "steps": steps.to_json(),
            }
            subsets = {str(record.prompt.meta["subset"]) for record in test}
            for title, report in (
                ("own decision", own),
                (f"threshold {threshold}", tuned),
                ("steps", steps),
            ):
                print(rows(f"{name} | {title}", report, subsets), flush=True)
        results["game24"] = self.game24(scorer)
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "result.json").write_text(json.dumps(results, indent=1))

    def parts(self, benchmark: Any) -> tuple[list[StepLabels], list[StepLabels], list[StepLabels]]:
        """Training solutions, those that tune the threshold, and test solutions: no question is on
        two sides."""
        every = benchmark.records()
        random.Random(self.seed).shuffle(every)
        shares: dict[Side, float] = {"test": self.test_share, "valid": 0.1}
        one = one_question()
        questions = [normalised(r.prompt.text) for r in every]
        sides = [side(Prompt.of(one.get(text, text)), shares, self.seed) for text in questions]
        names: tuple[Side, ...] = ("train", "valid", "test")
        learn, tune, test = (
            [r for r, s in zip(every, sides, strict=True) if s == name] for name in names
        )
        # Long ones would only be dropped: where few are asked for, they are drawn from those that
        # may fit.
        fit = [r for r in learn if len(r.prompt.text) + len(r.response.text) < 3 * self.max_length]
        print(
            f"{len(learn) - len(fit)} of {len(learn)} training solutions are not drawn from: too"
            " long",
            flush=True,
        )
        learn = fit
        return (
            learn[: -(-self.train // 3) or None],
            tune[: self.tune or None],
            test[: self.test or None],
        )

    def fit(self, records: Sequence[StepLabels]) -> Path:
        """The model, trained and saved; the folder."""
        folder = self.out / "model"
        layout = Layout(template="plain", join="\n\n", max_length=self.max_length, close=False)
        model = checkpoint.create(smol_folder(), layout=layout, readout=PROCESS, seed=self.seed).to(
            self.device
        )
        settings = Settings(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            micro_tokens=self.micro_tokens,
            autocast=True,
            checkpoint_every=10,
            seed=self.seed,
        )
        # Every label there is: Mr-Ben and BIG-Bench Mistake have none after the first error,
        # PRMBench has.
        train(model, records, loss=StepBCE(), settings=settings, out=folder)
        return folder

    def scored(self, scorer: LocalScorer, records: Sequence[StepLabels], name: str) -> Scores:
        """Step scores, one group a record; read back where an earlier start wrote them."""
        path = self.out / "scores" / f"{name}, {self.score_dtype}.jsonl"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_scores(path, records, score_steps(scorer, records))
        return read_scores(path, records)

    def game24(self, scorer: LocalScorer) -> dict[str, Any]:
        """AUROC of the last step's score for "24 can still be made", by depth, beside GPT-4's
        opinion and baselines."""
        found: dict[str, Any] = {}
        for depth, states in game24_states().items():
            rng = random.Random(self.seed)
            rng.shuffle(states)
            kept = [
                s
                for won in (True, False)
                for s in [s for s in states if s.won == won][: self.states or None]
            ]
            groups = [Group(prompt=s.prompt, responses=(s.response,)) for s in kept]
            every = [row[0] for row in scorer.score(groups)]
            there = [i for i, score in enumerate(every) if isinstance(score, Score)]
            won = [kept[i].won for i in there]
            of = [kept[i].prompt.text for i in there]
            choosers: dict[str, list[float]] = {
                "model, last step": [every[i].steps[-1] for i in there],  # type: ignore[union-attr]
                "model, product": [every[i].value for i in there],  # type: ignore[union-attr]
                "GPT-4": [kept[i].opinion for i in there],
                "shorter": [-len(kept[i].response.text) for i in there],
                "whole numbers left": [
                    float(all(n.denominator == 1 for n in kept[i].left)) for i in there
                ],
                "largest left is small": [-float(max(kept[i].left)) for i in there],
            }
            opinions = auroc(
                [s.opinion for s in states],
                [s.won for s in states],
                clusters=[s.prompt.text for s in states],
            )
            found[str(depth)] = {"GPT-4, all states": dataclasses.asdict(opinions)}
            print(
                f"| Game of 24, depth {depth} | GPT-4, all states | {opinions.value:.3f}"
                f" [{opinions.low:.3f}, {opinions.high:.3f}] | {len(states)} states,"
                f" {sum(s.won for s in states)} can be won |",
                flush=True,
            )
            for name, values in choosers.items():
                area = auroc(values, won, clusters=of, unscored=len(every) - len(there))
                found[str(depth)][name] = dataclasses.asdict(area)
                print(
                    f"| Game of 24, depth {depth} | {name} | {area.value:.3f} [{area.low:.3f},"
                    f" {area.high:.3f}] | {len(there)} states, {sum(won)} can be won |",
                    flush=True,
                )
        return found


def one_question() -> dict[str, str]:
    """PRMBench's altered questions, normalised -> one question for all of the same original,
    directly or not."""
    root: dict[str, str] = {}

    def find(text: str) -> str:
        while (above := root.setdefault(text, text)) != text:
            text = above
        return text

    with gzip.open(DATA / "steps" / "prmbench.jsonl.gz", "rt") as file:
        for row in map(json.loads, file):
            root[find(normalised(row["modified_question"]))] = find(
                normalised(row["original_question"])
            )
    return {text: find(text) for text in root}


def benchmarks() -> dict[str, Any]:
    """The three, by name."""
    steps = DATA / "steps"
    return {
        "Mr-Ben": MRBen(data=(str(steps / "mrben"),), unreadable="leave_out"),
        "BIG-Bench Mistake": BIGBenchMistake(data=(str(steps / "bigbench_mistake"),)),
        "PRMBench": PRMBench(data=(str(steps / "prmbench.jsonl.gz"),)),
    }


def pooled(records: Sequence[StepLabels]) -> list[StepLabels]:
    """The records as one subset: a mean over subsets is not defined where one has no right, or no
    wrong, solution."""
    return [
        record.model_copy(
            update={
                "prompt": record.prompt.model_copy(
                    update={"meta": {**record.prompt.meta, "subset": "all"}}
                )
            }
        )
        for record in records
    ]


def best_threshold(benchmark: Any, records: Sequence[StepLabels], scores: Scores) -> float:
    """The threshold whose headline metric is best on all records together; the first of equals.

    Raises `DataError` where it is not defined at any.
    """
    few = dataclasses.replace(benchmark, resamples=10)
    values = [
        dataclasses.replace(few, threshold=tau)
        .metrics(pooled(records), scores)[benchmark.headline]
        .value
        for tau in THRESHOLDS
    ]
    if np.isnan(values).all():
        raise DataError(
            f"{benchmark.headline} is not defined on the {len(records)} solutions that tune the"
            " threshold; give more (--tune), right and wrong ones"
        )
    return float(THRESHOLDS[int(np.nanargmax(values))])


def beside_baselines(benchmark: Any, records: Sequence[StepLabels], scores: Scores) -> Report:
    """The benchmark's report with the headline over all subsets together too, and baselines on what
    could be scored."""
    report = measure(benchmark, records, scores)
    there = [
        record for record, (score,) in zip(records, scores, strict=True) if isinstance(score, Score)
    ]
    key = f"pooled_{benchmark.headline}"
    together = benchmark.metrics(pooled(records), scores)[benchmark.headline]
    baselines = {
        name.replace(benchmark.headline, key): estimate
        for name, estimate in benchmark.baselines(pooled(there)).items()
        if name.startswith(f"{benchmark.headline}/")
    }
    return dataclasses.replace(
        report,
        metrics={**report.metrics, key: together},
        baselines={**benchmark.baselines(there), **baselines},
    )


def base_rates(name: str, parts: dict[str, Sequence[StepLabels]]) -> str:
    """What each part holds, one line a part."""
    lines = []
    for part, records in parts.items():
        labels = [y for record in records for y in record.labels if y is not None]
        wrong = sum(y < 0.5 for y in labels)
        erring = sum(any(y is not None and y < 0.5 for y in record.labels) for record in records)
        subsets = Counter(str(record.prompt.meta["subset"]) for record in records)
        lines.append(
            f"{name}, {part}: {len(records)} solutions, {erring} with an error; {len(labels)}"
            f" labelled steps, {wrong} ({wrong / max(1, len(labels)):.3f}) wrong;"
            f" {', '.join(f'{k} {n}' for k, n in subsets.most_common())}"
        )
    return "\n".join(lines)


def step_seconds(folder: Path) -> float:
    """Seconds that all training steps took, over however many starts."""
    rows = map(json.loads, (folder / METRICS).read_text().splitlines())
    return sum(
        float(row["tokens"] / row["tokens_per_second"])
        for row in rows
        if "tokens_per_second" in row
    )


def step_baselines(records: Sequence[StepLabels], scores: Scores) -> dict[str, Estimate]:
    """AUROC of rules that look at a step's place or length alone, over the steps that the model's
    AUROC is over.

    Where labels end at the first error the wrong step is the last one labelled, so that "earlier"
    is no weak baseline.
    """
    there = [
        record for record, (score,) in zip(records, scores, strict=True) if isinstance(score, Score)
    ]
    rows = [
        (i, len(step), y, normalised_prompt_key(record))
        for record in there
        for i, (step, y) in enumerate(zip(record.response.steps, record.labels, strict=True))
        if y is not None and y != 0.5
    ]
    right, of = [y > 0.5 for _, _, y, _ in rows], [key for *_, key in rows]
    lost = len(records) - len(there)
    return {
        "step_auroc/earlier": auroc([-i for i, *_ in rows], right, clusters=of, unscored=lost),
        "step_auroc/shorter": auroc([-n for _, n, *_ in rows], right, clusters=of, unscored=lost),
    }


def rows(title: str, report: Report, subsets: set[str]) -> str:
    """The report's part of the table; the baselines of every subset are in the file alone."""
    lines = [(key, e) for key, e in report.metrics.items()]
    lines += [
        (key, e)
        for key, e in report.baselines.items()
        if not any(key.startswith(f"{s}_") for s in subsets)
    ]
    return "\n".join(
        f"| {title} | {key} | {e.value:.3f} [{e.low:.3f}, {e.high:.3f}] | {e.n} | {e.unscored} |"
        for key, e in lines
    )


@dataclasses.dataclass(frozen=True)
class State:
    """What is left of four numbers after some operations."""

    prompt: Prompt
    response: Response
    left: tuple[Fraction, ...]
    won: bool
    """24 can still be made of what is left."""
    opinion: float
    """GPT-4's, higher is surer."""


LEFT = re.compile(r"\(left: ([^)]*)\)\s*$")


def game24_states() -> dict[int, list[State]]:
    """The distinct states of the search, by depth.

    Left out are those with more or fewer numbers left than operations leave, by GPT-4's own slip:
    31 of 3,085 at depth 2 and 429 of 2,014 at depth 3. At depth 3 one number is left, and whether
    it is 24 can be read off.
    """
    found: dict[int, dict[tuple[str, str], State]] = {1: {}, 2: {}, 3: {}}
    for game in json.loads(gzip.decompress(GAME24.read_bytes())):
        for step in game["steps"]:
            prompt = Prompt.of(f"Use the numbers {step['x']}, each once, with + - * / to make 24.")
            for text, opinion in zip(step["new_ys"], step["values"], strict=True):
                lines = text.splitlines(keepends=True)
                left = LEFT.search(lines[-1]) if lines else None
                numbers = [n for n in map(number, left[1].split()) if n is not None] if left else []
                unread = left is None or len(numbers) != len(left[1].split())
                if unread or len(lines) not in found or len(numbers) != 4 - len(lines):
                    continue
                response = Response(steps=tuple(lines), finished=False)
                state = State(prompt, response, tuple(numbers), makes_24(numbers), opinion)
                found[len(lines)][step["x"], text] = state
    return {depth: list(states.values()) for depth, states in found.items()}


def number(text: str) -> Fraction | None:
    """A number as it was written; decimals are taken for the simple fraction that they round."""
    try:
        return Fraction(text.strip("()")).limit_denominator(100)
    except (ValueError, ZeroDivisionError):
        return None


def makes_24(numbers: Sequence[Fraction]) -> bool:
    """Whether 24 can be made of all the numbers, each used once, exactly."""
    if len(numbers) == 1:
        return numbers[0] == 24
    for i, j in itertools.permutations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = [n for k, n in enumerate(numbers) if k not in (i, j)]
        made = [a - b, *([a + b, a * b] if i < j else []), *([a / b] if b else [])]
        if any(makes_24([*rest, n]) for n in made):
            return True
    return False


if __name__ == "__main__":
    torch.manual_seed(0)
    tyro.cli(Bench)()
