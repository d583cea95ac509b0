"""Results that are kept on disk are found under their package's revision: it goes with them.

Each package computes the same small things from planted inputs; a digest of what comes out stands
here beside the revision under which work was kept.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pytest

from assay import aggregation, overopt, stats
from assay.labelling.adaptive import Adaptive
from assay.labelling.binary_search import BinarySearch
from assay.labelling.montecarlo import MonteCarlo
from assay.labelling.search import TreeSearch
from assay.revisions import REVISIONS
from assay.scorers.baselines import Longest, Random, Shortest
from assay.scorers.rule_checks import Ruled
from assay.scorers.verifier import Verified
from assay.search import run
from assay.types import Group, Prompt, Response, Score, Unscored, Verdict
from assay.verifiers import Math, Numeric
from assay.verifiers.code.suites import Assertions, Calls, Stream, Streams
from assay.verifiers.code.verifier import Code
from assay.verifiers.rules.checks import Format, JsonSchema, Length, Pattern
from assay.verifiers.rules.instructions import build, evaluate
from tests.labelling.planted import Coin, first_error, rollouts, solution
from tests.search.toys import SMALL, Policy, Reads, noisy, prompts

DIGITS: Final = 5


def plain(thing: object) -> Any:
    """What JSON can hold, with floats to five digits: other processors differ in the last ones."""
    if isinstance(thing, np.ndarray | np.generic):
        return plain(thing.tolist())
    if isinstance(thing, float):
        # A hair more than it is, so that a number halfway is rounded the same way everywhere.
        return f"{thing * (1 + 1e-9):.{DIGITS}g}" if thing else "0"
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, Verdict):
        return [thing.outcome, plain(thing.credit)]
    if isinstance(thing, Score):
        return [plain(thing.value), plain(thing.steps)]
    if isinstance(thing, Unscored):
        return "unscored"
    if isinstance(thing, stats.Estimate):
        return plain([thing.value, thing.low, thing.high, thing.n, thing.unscored])
    if isinstance(thing, Iterable) and not isinstance(thing, str):
        return [plain(one) for one in thing]
    return thing


def digest(results: object) -> str:
    return hashlib.sha256(json.dumps(plain(results)).encode()).hexdigest()[:16]


# --- stats, overopt, aggregation, losses


def of_aggregation() -> object:
    steps = [[0.9, 0.2, 0.7], [0.5], [0.99, 0.98, 0.01, 0.6]]
    return [[aggregation.aggregate(s, how) for s in steps] for how in aggregation.AGGREGATIONS]


def pools(seed: int) -> tuple[Any, Any]:
    """Proxy and gold of 12 prompts' 16 responses each, with ties."""
    rng = np.random.default_rng(seed)
    gold = rng.normal(size=(12, 16))
    return (gold + rng.normal(size=gold.shape)).round(1), gold


def of_stats() -> object:
    proxy, gold = pools(0)
    right, probability = gold.ravel() > 0.3, 1 / (1 + np.exp(-proxy.ravel()))
    clusters = np.repeat(np.arange(12), 16)
    given: dict[str, Any] = {"clusters": clusters, "resamples": 200}
    answers = [[f"{value:.0f}" for value in row] for row in gold]
    slope = stats.calibration_slope(proxy.ravel(), right, clusters=clusters)
    test = stats.mcnemar(right, probability > 0.5)
    return [
        [point.estimate for point in stats.best_of_n_curve(proxy, gold, [1, 2, 7, 16])],
        [point.estimate for point in stats.oracle_curve(gold, [1, 4])],
        [point.estimate for point in stats.majority_curve(answers, right.reshape(12, 16), [1, 5])],
        stats.mean(gold.ravel(), clusters=clusters),
        stats.student(gold[0]),
        stats.bootstrap(gold.ravel(), statistic=np.median, **given),
        stats.proportion(right, clusters=clusters),
        stats.wilson(3, 17),
        stats.auroc(proxy.ravel(), right, **given),
        stats.brier(probability, right, **given),
        [
            stats.ece(probability, right, binning=how, **given)
            for how in ("equal-count", "equal-width")
        ],
        [slope.slope, slope.intercept],
        stats.paired_bootstrap(proxy.ravel(), gold.ravel(), **given),
        [test.only_a, test.only_b, test.n, test.p_value],
    ]


def of_overopt() -> object:
    proxy, gold = pools(1)
    sweep = overopt.sweep_best_of_n({"proxy": proxy}, {"gold": gold}, resamples=200)
    curve = sweep.curve("proxy", "gold")
    fits = overopt.fit_forms(curve.kl_K, curve.gold_P_K, resamples=100)
    stop = overopt.recommend_stop(curve.kl_K, curve.gold_P_K, epsilon=0.05, resamples=200)
    world = overopt.GaussianGoodhart(1.3, 0.4, 0.7)
    chosen = overopt.hedge_tune(proxy, gold, points=17, resamples=100)
    kind = overopt.diagnose(proxy, gold, resamples=200)
    return [
        [[point.n, point.kl, point.gold_mean, point.proxy_mean] for point in sweep.points],
        [[fit.alpha, fit.beta, fit.r2, fit.aicc] for fit in (fits.best_of_n, fits.rl)],
        [stop.index, stop.kl, stop.gold, stop.loss, stop.settled],
        [world.alpha, world.beta, world.peak_d, world.peak_gold],
        [chosen.strength, chosen.gold, chosen.gain, chosen.kl],
        [kind.below, kind.above, kind.correlation, kind.kind],
        overopt.tail_index(gold.ravel()).index,
        overopt.base_correlation(proxy, gold, resamples=200),
        overopt.empirical_kl(proxy[0], [1, 2, 8]),
        [overopt.tilt_kl([0.5, 2.0]), overopt.best_of_poisson_kl([1.0, 9.0])],
        [overopt.ensembles.together([proxy, gold], how) for how in ("mean", "worst", "uwo")],
    ]


def of_losses() -> object:
    import torch

    from tests.contracts.test_components import LOSSES, _batch

    found = []
    for loss in (parameter.values[0] for parameter in LOSSES):
        values, targets, mask = _batch(loss)  # type: ignore[arg-type]
        value = loss(values.requires_grad_(), targets, mask)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(value, values)
        found.append([value.item(), loss.terms(targets, mask), gradient.tolist()])  # type: ignore[union-attr]
    return found


# --- search, labelling, scorers


def of_search() -> object:
    found = []
    for strategy in SMALL.values():
        for result in run(strategy, prompts(3), Policy(right=0.6), Reads(rule=noisy)):
            texts = [response.text for response in result.group.responses]
            spent = result.spent
            paid = [spent.samples, spent.generated_tokens, spent.scored_tokens]
            found.append([texts, result.scores, result.choice, result.kept, paid])
    return found


def of_labelling() -> object:
    def value(steps: tuple[str, ...]) -> float:
        return 0.1 if first_error(steps) else 0.8 - 0.1 * len(steps)

    marks = ("++-+", "+++", "-+--", "++++-")
    given = [solution(m, prompt=Prompt.of(f"How many {m}?", reference="11")) for m in marks]
    labellers: list[Any] = [MonteCarlo(rollouts=4, label=label) for label in ("soft", "hard")]
    labellers += [MonteCarlo(rollouts=4, label="progress"), BinarySearch(rollouts=4), Adaptive()]
    kept = [
        [[record.labels, record.rollouts] for record in labeller(given, rollouts(Coin(value)))]
        for labeller in labellers
    ]
    (tree,) = TreeSearch(rollouts=4, searches=3)([given[0][0]], rollouts(Coin(value)))
    return kept, [[record.response.text, record.labels] for record in tree.records("soft")]


GROUPS: Final = [
    Group(
        prompt=Prompt.of("What is 6 times 7?", reference="42"),
        responses=tuple(
            Response(steps=steps) for steps in (("It ", "is 42."), ("41",), ("no idea", "", ""))
        ),
    ),
    Group(prompt=Prompt.of("Say nothing."), responses=(Response.of(""), Response.of("nothing"))),
]


def of_scorers() -> object:
    return [
        scorer.score(GROUPS)
        for scorer in (
            Random(seed=3),
            Longest(),
            Shortest(),
            Verified(Numeric()),
            Ruled(rules=(Length(unit="characters", max=8),)),
        )
    ]


# --- verifiers: text, reference

NUMBERS: Final = """
    It is 18.                 | 18
    $1,234.50                 | 1234.5
    #### 7                    | 8
    so x = 3/4                | 0.75
    between 2 and 3           | 2
    forty-two                 | 42
    1e3                       | 1000
    I cannot say              | 5
    50%                       | 0.5
    -5 degrees                | -5
"""
FORMULAS: Final = r"""
    \boxed{\frac{1}{2}}       | 0.5
    \boxed{\sqrt{8}}          | 2\sqrt{2}
    \boxed{x^2-1}             | (x-1)(x+1)
    \boxed{(1,2)}             | (2,1)
    \boxed{\{1,2\}}           | \{2,1\}
    \boxed{[1,2)}             | [1,2]
    \boxed{10\text{ cm}}      | 0.1\text{ m}
    \boxed{5}                 | 5x
    \boxed{x\in(0,1)}         | 0<x<1
    \boxed{\pi}               | 3.14
    \boxed{1011_2}            | 11
    \boxed{3\pm 1}            | \{2,4\}
    \boxed{\binom{5}{2}}      | 10
    \boxed{2x+C}              | 2x
    The answer is (B).        | B
    \boxed{7} or \boxed{8}    | 8
    \boxed{\text{east}}       | east
    \boxed{12:30\text{ pm}}   | 12:30
    \boxed{x=2, y=3}          | (2,3)
    \boxed{\infty}            | \infty
    \boxed{y=2x+1}            | 2x-y+1=0
    \boxed{                   | 1
"""


def pairs(table: str) -> list[list[str]]:
    return [[part.strip() for part in line.split(" | ")] for line in table.strip().splitlines()]


def of_answers() -> object:
    choice = Math(find=("choice",))
    whole = Math(timeout=20.0, workers=1)
    return [
        [Numeric().check(text, reference) for text, reference in pairs(NUMBERS)],
        [whole.check(text, reference) for text, reference in pairs(FORMULAS)],
        [choice.check(text, "C") for text in ("Answer: C", "(c) is right", "C or D", "B")],
    ]


PROGRAMS: Final = (
    "def f(x): return 2 * x",
    "def f(x): return 2.0 * x",
    "def f(x): return x",
    "def f(x): raise ValueError",
    "print(2 * int(input()))",
    "no code",
)
SUITES: Final = (
    Calls.of("f", [((1,), 2), ((5,), 10)]),
    Assertions(entry="f", tests=("assert f(1) == 2", "assert f(0) == 0")),
    Streams(cases=(Stream(stdin="4\n", stdout="8\n"),)),
)


def of_code() -> object:
    pytest.importorskip("pyseccomp")
    code = Code(credit="share", extract="text")
    return [[code.check(program, suite) for program in PROGRAMS] for suite in SUITES]


TEXTS: Final = (
    "<think>a</think><answer>4</answer>",
    '{"a": 1}',
    "Two words. Then more, much more.",
    "* one\n* two\n\nP.S. done",
    "",
)


def of_rules() -> object:
    checks: Sequence[Any] = (
        Format(),
        Length(unit="words", min=2, max=5),
        Pattern(pattern=r"\d"),
        JsonSchema(schema={"type": "object"}),
    )
    asked = [
        build("length_constraints:number_words", {"num_words": 4, "relation": "at least"}),
        build("detectable_format:number_bullet_lists", {"num_bullets": 2}),
        build("punctuation:no_comma", {}),
        build("detectable_format:json_format", {}),
    ]
    return [[check.check(text) for check in checks] for text in TEXTS], [
        [evaluate(one, text, "strict") for one in asked] for text in TEXTS
    ]


KEPT: Final[dict[str, tuple[Callable[[], object], str, str]]] = {
    "aggregation": (of_aggregation, "7d185e0a", "bc6a0b739d8bfea2"),
    "labelling": (of_labelling, "8d0418e4", "769b3daefdee5de0"),
    "losses": (of_losses, "8b9a04ed", "936ee9942f4f3a70"),
    "overopt": (of_overopt, "1d5ac462", "5f425137332bbfc7"),
    "scorers": (of_scorers, "190fadb2", "f5103df840ac0151"),
    "search": (of_search, "b93be7ce", "1b8356c16ee7989b"),
    "stats": (of_stats, "7bfd1208", "4fe16659f105e067"),
    "verifiers/answers": (of_answers, "dfa0c5d3", "8e1b24ee02ea94ee"),
    "verifiers/code": (of_code, "dfa0c5d3", "0729e98860dbe81e"),
    "verifiers/rules": (of_rules, "dfa0c5d3", "818f73c3064af95c"),
}
"""Package, and what of it -> its results, the first digits of its revision, their digest."""


@pytest.mark.parametrize("name", KEPT)
def test_results_and_revision_change_together(name: str) -> None:
    results, revision, known = KEPT[name]
    package = name.partition("/")[0]
    found = digest(results())
    assert (REVISIONS[package][:8], found) == (revision, known), (
        f"results of assay.{package} changed: give it a new revision in revisions.py and the new"
        f" digest here ({found}); where only the revision did, its first digits"
    )


@pytest.mark.parametrize(("value", "same"), [(0.1234567, True), (0.12346, True), (0.1235, False)])
def test_a_digest_sees_five_digits(value: float, same: bool) -> None:
    assert (digest([0.123456, math.nan]) == digest([value, math.nan])) == same
