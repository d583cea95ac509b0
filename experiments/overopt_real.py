"""Over-optimization on real data: small outcome models, tests and baselines, pressed, and judged by
what they stand for.

    # tables in Markdown; about an hour and a half on one core
    python -m experiments.overopt_real
    # three fifths of it
    python -m experiments.overopt_real --json --samples 64 --seeds 0

gsm8k: small outcome models, from scratch, learn from 1 %, 5 % and 25 % of other questions' labelled
solutions; the label of the solution they choose is gold. The pools are rebalanced by their
publishers, and those used here are the full ones: 16 right and 16 wrong solutions of a question, so
that one response is right half the time.

code: a hundred programs a task, chosen by HumanEval's tests, or by less than those; gold are the
inputs that HumanEval+ added, which the choice has not seen. Tasks whose own solution does not pass
them, and those without any, are left out.

Every program, model and table of scores is kept as soon as it is there, so that a run that was
killed goes on.
"""

import ast
import hashlib
import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import torch
import tyro
from bench.sandbox import rows, samples, suite
from experiments.gsm8k_outcome import DATA as GSM8K
from experiments.gsm8k_outcome import read_pools
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

from assay import Group, StepLabels
from assay.data.formats.evalplus import Evalplus
from assay.losses.outcome import Outcome
from assay.models import checkpoint
from assay.models.layout import Layout
from assay.models.readout import OUTCOME
from assay.models.reward_model import RewardModel
from assay.overopt import sweep_best_of_n, write_points
from assay.overopt.axis import axis
from assay.overopt.scored import ScoredPool
from assay.overopt.study import Study, beside, plain, study, write_studies
from assay.pages.overopt import overoptimization_report
from assay.report.html import write_report
from assay.runs.journal import Journal
from assay.runs.settings import write_atomic, write_run
from assay.sandbox import Limits
from assay.scorers.local import LocalScorer
from assay.stats import Estimate, auroc, bootstrap, proportion
from assay.training.loop import METRICS, Settings, train
from assay.types import Prompt, Score, Verdict
from assay.verifiers.code.compare import Comparison
from assay.verifiers.code.program import program
from assay.verifiers.code.suites import Assertions, Suite, suite_of
from assay.verifiers.code.verifier import Code

Array = NDArray[np.float64]

FULL: Final = 32
"""Solutions of a question whose pool is full: 16 right, 16 wrong."""
SPECIAL: Final = ("<pad>", "<bos>", "<eos>")
VOCABULARY: Final = 4096
LONGEST: Final = 512
SHOWN: Final = (1, 2, 4, 8, 11, 16, 32, 64, 100)
"""n in the tables."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Make what is missing, and print the tables."""

    out: Path = Path("runs/overopt_real")
    """Where everything goes."""
    studies: tuple[Literal["code", "gsm8k"], ...] = ("code", "gsm8k")
    held_out: int = 3000
    """GSM8K questions that nothing is learned from."""
    tested: int = 400
    """Full pools among them that are scored, at most."""
    shares: tuple[float, ...] = (0.01, 0.05, 0.25)
    """Of the other questions' solutions, what a proxy learns from; a smaller share is the beginning
    of a larger."""
    seeds: tuple[int, ...] = (0, 1)
    """Of proxies: each is another order of the solutions, and another start."""
    epochs: float = 8.0
    """Passes over a share, at most."""
    seen: int = 25_000
    """Solutions that go through a proxy while it learns, at most, however often each."""
    learning_rate: float = 2e-3
    samples: int = 100
    """Programs a task, the first ones; 100 = all."""
    seconds: int = 3
    """Processor time of a program for all its tests together; the reference gets a third."""
    threads: int = 1
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Both studies, each with its points, fits and report."""
        torch.set_num_threads(self.threads)
        result = {name: told(self, name, MATERIALS[name](self)) for name in self.studies}
        write_atomic(self.out / "result.json", json.dumps(plain(result), indent=1))
        print(json.dumps(plain(result), indent=1) if self.json else shown(result))


def gsm8k(bench: Bench) -> ScoredPool:
    """Outcome models by their share of the data, beside length and the oracle, on full pools."""
    pools = read_pools(GSM8K / "genrm_train_samples.jsonl.gz")
    names = sorted(pools)
    random.Random(0).shuffle(names)
    full = [pools[name] for name in names[: bench.held_out] if len(pools[name]) == FULL]
    tested = full[: bench.tested]
    learned = [s for name in names[bench.held_out :] for s in pools[name]]
    groups = [
        Group(prompt=pool[0].prompt, responses=tuple(s.response for s in pool)) for pool in tested
    ]
    gold = np.array([[float(s.labels[-1] or 0.0) for s in pool] for pool in tested])
    texts = [[r.text for r in group.responses] for group in groups]
    lengths = np.array([[float(len(text)) for text in row] for row in texts])
    core = tokenizer(bench.out / "gsm8k" / "tokenizer.json", learned)
    proxies: dict[str, Array] = {}
    sizes: dict[str, float] = {}
    notes = [
        f"{len(tested)} of {len(full)} full pools among {bench.held_out:,} held-out questions",
        f"{len(learned):,} solutions of the other {len(names) - bench.held_out:,} to learn from",
    ]
    for seed, share in itertools.product(bench.seeds, bench.shares):
        name = f"{share:.0%}, seed {seed}"
        folder = bench.out / "gsm8k" / f"{share:g}-{seed}"
        records = random.Random(seed).sample(learned, len(learned))[: round(share * len(learned))]
        path = folder / f"scores-{len(groups)}.json"
        if not path.is_file():
            scorer = LocalScorer(fit(bench, core, records, folder, seed), micro_tokens=8192)
            found = [
                [s.value if isinstance(s, Score) else None for s in row]
                for row in scorer.score(groups)
            ]
            write_atomic(path, json.dumps(found))
        proxies[name] = np.array(json.loads(path.read_text()), dtype=np.float64)
        sizes[name] = len(records)
        notes.append(f"{name}: {spent(folder)}")
    # One response that is too long for the models, and the pool is smaller for them than for the
    # baselines.
    whole = np.flatnonzero(~np.isnan(np.stack([*proxies.values()])).any(axis=(0, 2)))
    notes.append(
        f"{len(tested) - len(whole)} pools are left out for a response of more than {LONGEST}"
        " tokens"
    )
    every = {**proxies, "shortest": -lengths, "longest": lengths, "oracle": gold}
    return ScoredPool(
        proxies={name: scores[whole] for name, scores in every.items()},
        golds={"label": gold[whole]},
        keys=[texts[k] for k in whole],
        lengths=lengths[whole],
        axes={"solutions learned from": sizes},
        notes=notes,
    )


def fit(
    bench: Bench, core: Tokenizer, records: Sequence[StepLabels], folder: Path, seed: int
) -> RewardModel:
    """A small outcome model, trained: of few solutions in more passes, as far as `seen` allows."""
    settings = Settings(
        epochs=min(bench.epochs, bench.seen / len(records)),
        learning_rate=bench.learning_rate,
        micro_tokens=2048,
        seed=seed,
    )
    return train(small(core, seed), records, loss=Outcome(), settings=settings, out=folder).model


def tokenizer(path: Path, learned: Sequence[StepLabels]) -> Tokenizer:
    """Byte-level BPE with every digit by itself, learned from what is not tested on; labels have no
    part in it."""
    if not path.is_file():
        core = Tokenizer(models.BPE())
        digits = pre_tokenizers.Digits(individual_digits=True)
        core.pre_tokenizer = pre_tokenizers.Sequence(
            [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=[*SPECIAL], initial_alphabet=alphabet
        )
        core.train_from_iterator(
            (text for s in learned[::8] for text in (s.prompt.text, s.response.text)), trainer
        )
        write_atomic(path, core.to_str())
    return Tokenizer.from_str(path.read_text())


def small(core: Tokenizer, seed: int) -> RewardModel:
    """Two layers, 64 wide: 370,000 parameters, two thirds of them words."""
    pad, bos, eos = SPECIAL
    words = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=pad, bos_token=bos, eos_token=eos
    )
    shape = LlamaConfig(
        vocab_size=core.get_vocab_size(),
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=LONGEST,
        initializer_range=0.05,
        num_labels=1,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(seed)
    layout = Layout(template="plain", max_length=LONGEST)
    return checkpoint.wrap(
        LlamaForSequenceClassification(shape), words, layout=layout, readout=OUTCOME, seed=seed
    )


def spent(folder: Path) -> str:
    """What the training took."""
    steps = [
        row
        for row in map(json.loads, (folder / METRICS).read_text().splitlines())
        if "tokens_per_second" in row
    ]
    seconds = sum(row["tokens"] / row["tokens_per_second"] for row in steps)
    loss = float(np.mean([row["loss"] for row in steps[-50:]]))
    records = json.loads((folder / "training.json").read_text())["records"]
    passes = 32 * len(steps) / records
    return (
        f"{records:,} solutions, {passes:.1f} passes, {seconds:.0f} s, training loss of the last 50"
        f" steps {loss:.3f}"
    )


class Tests(NamedTuple):
    """Of one task."""

    base: Assertions
    """HumanEval's, each by itself."""
    first: Assertions
    """The first of them."""
    extra: Suite
    """HumanEval+'s inputs, whose results the reference gives in the sandbox."""


def code(bench: Bench) -> ScoredPool:
    """What the tests of a task say of its programs, and what inputs say that they do not hold."""
    every: dict[str, tuple[dict[str, Any], list[tuple[str, bool]]]] = {}
    for task, text, label in samples():
        every.setdefault(task["task_id"], (task, []))[1].append((text, label))
    inputs = {
        row["task_id"].replace("_", "/"): row["inputs"]
        for row in rows("HumanEvalPlusInputs_2023-04.jsonl.gz")
    }
    known = {id: tests(task, inputs[id]) for id, (task, _) in every.items() if id in inputs}
    own = {id: every[id][0]["canonical_solution"] for id in known}
    drawn = range(bench.samples)
    # Round by round, so that what a run that is cut short has judged is the same of every task.
    work = [(id, own[id]) for id in known]
    work += [(id, every[id][1][k][0]) for k in drawn for id in known]
    judged = ledger(bench, work, {id: (every[id][0], known[id]) for id in known})
    sound = [id for id in known if (r := judged[id, own[id]])["base"] == 1.0 and r["extra"] == 1.0]
    found = {id: [judged[id, every[id][1][k][0]] for k in drawn] for id in sound}
    labels = np.array([[every[id][1][k][1] for k in drawn] for id in sound], dtype=np.float64)

    def column(name: str) -> Array:
        return np.array([[row[name] for row in found[id]] for id in sound], dtype=np.float64)

    base, first, extra = column("base"), column("first"), column("extra")
    passed = np.where(np.isnan(base), np.nan, base == 1.0)
    both = np.where(np.isnan(base + extra), np.nan, passed * (extra == 1.0))
    lengths = column("length")
    whole = passed == 1.0
    held = proportion(
        both[whole],
        clusters=[id for id, row in zip(sound, whole, strict=True) for _ in range(row.sum())],
    )
    distinct = {(id, row["program"]): row for id in sound for row in found[id]}
    seconds = [row["seconds"] for row in distinct.values()]
    stages = Counter(
        f"{name} {stage}" for row in distinct.values() for name, stage in row["stages"].items()
    )
    missing, failing = sorted(every.keys() - known.keys()), sorted(known.keys() - set(sound))
    notes = [
        (
            f"left out: {', '.join(missing)}, without extra inputs, and {', '.join(failing)}, whose"
            " own solution fails"
        ),
        (
            f"{labels.size:,} programs, {len(distinct):,} distinct, judged in {sum(seconds):.0f} s;"
            f" {sum(s > bench.seconds for s in seconds)} of them took more than {bench.seconds} s"
            " on the clock"
        ),
        f"how they ended: {', '.join(f'{key} {count:,}' for key, count in sorted(stages.items()))}",
        (
            f"{int(np.isnan(base + first + extra).sum())} programs are undecided, for the sandbox"
            " failed"
        ),
        (
            f"all base tests: {int((passed != labels).sum())} verdicts differ from the labels; "
            f"pass@1 {np.nanmean(passed):.4f}, of the labels {labels.mean():.4f}"
        ),
        (
            f"of the programs that pass them, {held.value:.3f} [{held.low:.3f}, {held.high:.3f}]"
            " pass the extra inputs"
        ),
    ]
    return ScoredPool(
        proxies={
            "share of base tests": base,
            "all base tests": passed,
            "first base test": first,
            "shortest": -lengths,
            "random": np.random.default_rng(0).random(base.shape),
            "oracle of all tests": both,
        },
        golds={"share of extra inputs": extra, "all tests": both},
        keys=[[row["program"] for row in found[id]] for id in sound],
        lengths=lengths,
        notes=notes,
    )


def tests(task: dict[str, Any], inputs: Sequence[Any]) -> Tests:
    """The tests of a task, apart."""
    base = suite(task)
    assert isinstance(base, Assertions)
    every = tuple(apart(task["test"]))
    prompt = next(iter(Evalplus().read({**task, "base_input": inputs})))
    assert isinstance(prompt, Prompt)
    extra = suite_of(prompt)
    assert extra is not None
    return Tests(
        base.model_copy(update={"tests": every}),
        base.model_copy(update={"tests": every[:1]}),
        extra,
    )


def apart(source: str) -> Iterator[str]:
    """A `check(candidate)` for every statement of HumanEval's that asks the program; `assert True`
    is none."""
    body = ast.parse(source).body
    check = next(
        node for node in body if isinstance(node, ast.FunctionDef) and node.name == "check"
    )
    before = [node for node in check.body if not asks(node)]
    others = [node for node in body if node is not check]
    for node in filter(asks, check.body):
        one = ast.FunctionDef(
            name="check", args=check.args, body=[*before, node], decorator_list=[], type_params=[]
        )
        yield ast.unparse(
            ast.fix_missing_locations(ast.Module(body=[*others, one], type_ignores=[]))
        )


def asks(node: ast.AST) -> bool:
    """Whether a statement has the program in it."""
    return any(isinstance(part, ast.Name) and part.id == "candidate" for part in ast.walk(node))


def ledger(
    bench: Bench, work: Sequence[tuple[str, str]], known: Mapping[str, tuple[dict[str, Any], Tests]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """What is known of each (task, response), programs of the same text judged once; what is
    missing is judged now."""
    judged: dict[tuple[str, str], dict[str, Any]] = {}

    def take(row: dict[str, Any]) -> None:
        judged[row["task"], row["program"]] = row

    file = Journal(bench.out / "code" / f"ledger-{bench.seconds}s.jsonl", take)
    # The clock is generous: on a busy machine it would condemn what is only waiting.
    limits = Limits(seconds=bench.seconds, wall=20.0 * bench.seconds)
    numbers = Comparison(numbers="equal")
    judge = Code(extract="completion", credit="share", limits=limits, comparison=numbers, workers=1)
    found = {}
    for done, (id, text) in enumerate(work):
        task, tests = known[id]
        source = program(text, "completion", task["entry_point"], task["prompt"])
        assert source is not None
        key = (
            id,
            hashlib.blake2b(source.code.encode(errors="surrogatepass"), digest_size=8).hexdigest(),
        )
        if key not in judged or None in judged[key].values():
            row = {"task": id, "program": key[1], "length": len(source.code) - len(task["prompt"])}
            row |= verdicts(judge, text, tests)
            file.append(row)
            judged[key] = row
        found[id, text] = judged[key]
        if done % 500 == 0:
            print(f"{done:,} of {len(work):,} programs", flush=True)
    file.close()
    return found


def verdicts(judge: Code, text: str, tests: Tests) -> dict[str, Any]:
    """Shares of tests that pass; None where the sandbox failed, which is no word on the program."""
    start = time.perf_counter()
    base = judge.check(text, tests.base)
    found: dict[str, Verdict] = {"base": base, "first": base, "extra": base}
    if base.stage != "load":  # what fails before any test is run fails them all
        if base.outcome != "right" and (base.stage != "tests" or base.credit):
            found["first"] = judge.check(text, tests.first)
        found["extra"] = judge.check(text, tests.extra)
    shares = {
        name: None if v.outcome == "undecided" else v.credit or 0.0 for name, v in found.items()
    }
    stages = {name: v.stage for name, v in found.items()}
    return {**shares, "stages": stages, "seconds": round(time.perf_counter() - start, 4)}


MATERIALS: Final = {"code": code, "gsm8k": gsm8k}


def told(bench: Bench, name: str, material: ScoredPool) -> dict[str, Any]:
    """Sweep and studies of one material, with their files."""
    proxies, golds, out = material.proxies, material.golds, bench.out / name
    sweep = sweep_best_of_n(
        proxies, golds, keys=material.keys, lengths=material.lengths, missing_gold="leave_out"
    )
    studies = study(sweep, proxies, golds)
    prompts, responses = next(iter(golds.values())).shape
    notes = [f"{prompts:,} prompts, {responses} responses each", *material.notes, *sweep.notes]
    axes = [axis(what, sizes, studies) for what, sizes in material.axes.items()]
    paired = {gold: beside(sweep, gold, next(iter(proxies))) for gold in golds}
    write_points(out / "points.jsonl", sweep.points)
    write_studies(out / "fits.json", studies, notes=notes, axes=axes)
    run = json.loads(write_run(out, bench, []).read_text())
    # An oracle would be all that the report recommends.
    mortal = [s for s in studies if not s.proxy.startswith("oracle")]
    sections = overoptimization_report(mortal, axes=axes, paired=paired, notes=notes, run=run)
    write_report(
        out / "report.html",
        "How hard may the proxy be pressed?",
        sections,
        subtitle=f"Real data: {name}",
    )
    return {
        "notes": notes,
        "studies": [row(s, proxies[s.proxy], golds[s.gold]) for s in studies],
        "axes": {a.name: a.scalings for a in axes},
        "paired": paired,
    }


def row(s: Study, proxy: Array, gold: Array) -> dict[str, Any]:
    """One proxy against one gold."""
    there = ~np.isnan(proxy + gold)
    prompt = np.broadcast_to(np.arange(len(gold))[:, None], gold.shape)[there]
    return {
        "proxy": s.proxy,
        "gold": s.gold,
        "prompts": s.prompts,
        "responses": s.responses,
        "auroc": auroc(proxy[there], gold[there], clusters=prompt, resamples=500),
        "pairs": ordered(proxy, gold),
        "correlation": s.correlation,
        "points": {
            p.n: {
                "gold": p.gold_mean,
                "proxy": p.proxy_mean,
                "kl": p.kl,
                "empirical": p.kl_empirical,
                "holds": p.kl_holds,
            }
            for p in s.points
        },
        "trusted": [p.n for p in s.points if p.trusted],
        "counted": [p.n for p, c in zip(s.points, s.counted, strict=True) if c],
        "fits": (
            None if s.fits is None else {f.form: f.row() for f in (s.fits.best_of_n, s.fits.rl)}
        ),
        "delta_aicc": None if s.fits is None else s.fits.delta_aicc,
        "highest at n": max(s.points, key=lambda p: p.gold_mean.value).n,
        "stop": (
            None
            if s.stop is None
            else {"n": s.stop.n, "at end": s.stop.at_end, "words": s.stop.words}
        ),
        "fall": s.fall,
        "kind": None if s.diagnosis is None else s.diagnosis.kind,
        "diagnosis": None if s.diagnosis is None else s.diagnosis.words,
        "verdict": s.verdict,
        "warnings": s.warnings,
        "notes": s.notes,
    }


def ordered(proxy: Array, gold: Array) -> Estimate:
    """Pairs of a prompt that the proxy orders as gold does, ties one half: the mean over
    prompts."""
    shares = []
    for x, y in zip(proxy, gold, strict=True):
        better = y[:, None] > y[None, :]
        better &= ~np.isnan(x[:, None] - x[None, :])
        if better.any():
            shares.append(float(((np.sign(x[:, None] - x[None, :]) + 1) / 2)[better].mean()))
    return bootstrap(shares)


def shown(result: Mapping[str, Any]) -> str:
    """Tables in Markdown; * marks n beyond an eighth of the pool, and KL is by formula / as it
    is."""
    lines = []
    for name, found in result.items():
        studies = found["studies"]
        ns = [n for n in SHOWN if n in studies[0]["points"]]
        lines += [f"\n## {name}\n", *(f"- {note}" for note in found["notes"]), ""]
        lines += [*table(FITTED, map(fitted, studies)), ""]
        lines += [
            *table(["proxy", "gold", *(f"n = {n}" for n in ns)], (gold_at(r, ns) for r in studies)),
            "",
        ]
        first = [r for r in studies if r["gold"] == studies[0]["gold"]]
        lines += [
            *table(["proxy", *(f"KL, n = {n}" for n in ns)], (kl_at(r, ns) for r in first)),
            "",
        ]
        lines += [
            *table(["proxy", *(f"proxy, n = {n}" for n in ns)], (proxy_at(r, ns) for r in first)),
            "",
        ]
        lines += [f"- {r['proxy']} against {r['gold']}: {r['verdict']}" for r in studies]
        for over, scalings in found["axes"].items():
            lines += [
                f"- {what} over {over}: Spearman {cell(s.spearman)}" for what, s in scalings.items()
            ]
        for gold, (n, others) in found["paired"].items():
            lines += [
                f"- {gold} at n = {n}, {proxy} less the first: {cell(e)}"
                for proxy, e in others.items()
            ]
    return "\n".join(lines)


def table(heads: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *body)]


FITTED: Final = (
    *(
        "proxy",
        "gold",
        "AUROC",
        "pairs",
        "alpha",
        "beta",
        "R^2",
        "peak d",
        "R^2 of the RL form",
        "dAICc",
    ),
    *("highest at n", "stop at n", "lost at the last n", "kind"),
)


def fitted(r: Mapping[str, Any]) -> list[str]:
    fits = [""] * 6
    if r["fits"] is not None:
        one, other = r["fits"]["best_of_n"], r["fits"]["rl"]
        peak = "none" if one.get("peak_d") is None else part(one, "peak_d")
        if peak != "none" and not one["peak_in_range"]:
            peak += ", outside the data"
        fits = [
            part(one, "alpha"),
            part(one, "beta"),
            f"{one['r2']:.3f}",
            peak,
            f"{other['r2']:.3f}",
        ]
        fits.append(f"{r['delta_aicc']:.1f}")
    stop = "none"
    if r["stop"] is not None and r["stop"]["n"] is not None:
        stop = f"{r['stop']['n']:g}{', the end' if r['stop']['at end'] else ''}"
    names = [r["proxy"], r["gold"], cell(r["auroc"]), cell(r["pairs"])]
    return [*names, *fits, str(r["highest at n"]), stop, cell(r["fall"]), r["kind"] or ""]


def gold_at(r: Mapping[str, Any], ns: Sequence[int]) -> list[str]:
    return [
        r["proxy"],
        r["gold"],
        *(cell(r["points"][n]["gold"]) + ("" if n in r["trusted"] else "*") for n in ns),
    ]


def kl_at(r: Mapping[str, Any], ns: Sequence[int]) -> list[str]:
    points = (r["points"][n] for n in ns)
    return [r["proxy"], *(f"{p['kl']:.2f} / {p['empirical'].value:.2f}" for p in points)]


def proxy_at(r: Mapping[str, Any], ns: Sequence[int]) -> list[str]:
    return [r["proxy"], *(cell(r["points"][n]["proxy"]) for n in ns)]


def cell(e: Estimate | None) -> str:
    return "" if e is None else f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"


def part(row: Mapping[str, Any], key: str) -> str:
    low, high = (
        float("inf") if row[f"{key}_{end}"] is None else row[f"{key}_{end}"]
        for end in ("low", "high")
    )
    return f"{row[key]:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tyro.cli(Bench)()
