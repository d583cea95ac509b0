"""What breaks a promise, or cannot be, is refused by name."""

from collections.abc import Sequence
from typing import Any

import pytest

from assay import components
from assay.errors import AssayError, BackendError, ConfigError
from assay.protocols import Prefix, Sampling
from assay.search import Budget, Extend, Found, Record, check_pick, run
from assay.search.beam import Beam
from assay.search.best_first import BestFirst
from assay.search.best_of_n import BestOfN
from assay.search.dvts import Dvts
from assay.search.majority import Majority
from assay.search.regularised_best_of_n import RegularisedBestOfN
from assay.search.soft_best_of_n import SoftBestOfN
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeGenerator, FakeScorer
from assay.types import Group, Response, Score
from tests.search.toys import Drawn, Policy, Reads, Tree, noisy, prompts

SOME = prompts(2)


class Generous(Tree):
    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [[*row, row[0]] for row in super().generate(prefixes, sampling)]


class Forgetful(Tree):
    def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
        response = super().one(prefix, number, sampling)
        return response.model_copy(update={"steps": response.steps[len(prefix.steps) :]})


class Skipping(Tree):
    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return super().generate(prefixes[1:], sampling)


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        (Generous(), "Generous gave 3 responses where 2 were asked for"),
        (Forgetful(), "Forgetful gave 2 responses.* do not begin with their prefix"),
        (Skipping(), "Skipping answered 1 of 2 prefixes"),
    ],
)
def test_a_generator_that_breaks_its_promise(generator: Any, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        run(Beam(n=2, width=1), SOME, generator, FakeScorer())


def test_a_stream_that_breaks_its_promise() -> None:
    class Stream(Tree):
        def stream(self, prefixes: Sequence[Prefix], sampling: Sampling) -> Any:
            yield 0, self.samples(prefixes[0], Sampling(n=sampling.n + 1))

    with pytest.raises(BackendError, match="Stream gave 3 responses where 2 were asked for"):
        run(BestOfN(n=2), SOME, Stream(), FakeScorer())


def test_what_was_good_is_kept_when_a_generator_breaks_its_promise() -> None:
    record, policy = Record(policy="toy", scorer="toy"), Policy()

    class Late(Policy):
        def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
            if prefixes[0].steps:
                return []
            return policy.generate(prefixes, sampling)

    with pytest.raises(BackendError, match="Late answered 0 of 2"):
        run(Beam(n=4, width=1), SOME, Late(), Reads(rule=noisy), record=record)
    assert len(policy.asked) == 8
    run(Beam(n=4, width=1), SOME, policy, Reads(rule=noisy), record=record)
    assert len(policy.asked) == len(set(policy.asked)) == 24


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([], r"gave \[\] scores for groups of \[2, 2\]"),
        ([[Score(value=0.0)] * 2], r"gave \[2\] scores for groups of \[2, 2\]"),
        (
            [[Score(value=0.0)] * 2, [Score(value=0.0)] * 3],
            r"gave \[2, 3\] scores for groups of \[2, 2\]",
        ),
    ],
)
def test_a_scorer_that_breaks_its_promise(scores: list[list[Score]], said: str) -> None:
    class Careless:
        def score(self, groups: Sequence[Group]) -> Any:
            return scores

    with pytest.raises(
        ConfigError, match=f"Careless {said} responses; it must give one a response"
    ):
        run(BestOfN(n=2), SOME, Tree(), Careless())


def test_no_scorer_where_one_is_needed() -> None:
    with pytest.raises(ConfigError, match="asks for scores, and there is no scorer"):
        run(BestOfN(n=2), SOME, FakeGenerator())


@pytest.mark.parametrize(
    ("cls", "bad", "said"),
    [
        *(
            (cls, {"n": n}, f"n is {n}")
            for n in (0, -1)
            for cls in (BestOfN, Majority, WeightedMajority)
        ),
        *((cls, {"n": 0}, "n is 0") for cls in (RegularisedBestOfN, SoftBestOfN)),
        (Majority, {"chunk": -1}, "chunk -1"),
        (BestOfN, {"enough": 1.0, "chunk": -2}, "chunk -2"),
        (Beam, {"width": 0}, "width=0"),
        (Beam, {"n": 3, "width": 4}, "n=3, width=4"),
        (Beam, {"lookahead": -1}, "lookahead=-1"),
        (Beam, {"max_steps": 0}, "max_steps=0"),
        (Dvts, {"width": 0}, "width=0"),
        (Dvts, {"n": 3, "width": 4}, "n=3, width=4"),
        (Dvts, {"max_steps": 0}, "max_steps=0"),
        *(
            (cls, {"pick": "first"}, "pick='first'")
            for cls in (Beam, BestFirst, Dvts, StepRejection)
        ),
        *((BestFirst, {name: 0}, name) for name in ("each", "expansions", "finished", "max_steps")),
        *((StepRejection, {name: 0}, name) for name in ("n", "tries", "max_steps")),
    ],
)
def test_a_setting_out_of_range(cls: Any, bad: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run(cls(**bad), SOME, Tree(), FakeScorer())


@pytest.mark.parametrize("name", components.names("search"))
def test_every_pick_is_checked(name: str) -> None:
    cls = components.load("search", name)
    if "pick" in cls.__dataclass_fields__:
        with pytest.raises(AssayError, match="pick='worst'; there is best, weighted and majority"):
            cls(pick="worst")
        for how in ("best", "weighted", "majority"):
            check_pick(how)
            cls(pick=how)


def test_a_step_without_an_end() -> None:
    with pytest.raises(ConfigError, match=r"set `step\.stop`"):
        run(Beam(), SOME, Tree(), FakeScorer(), step=Sampling())


@pytest.mark.parametrize("together", [0, -1])
def test_nobody_under_way(together: int) -> None:
    with pytest.raises(ConfigError, match=f"together is {together}"):
        run(BestOfN(), SOME, Tree(), FakeScorer(), together=together)


@pytest.mark.parametrize("name", ["samples", "generated_tokens", "scored_tokens", "seconds"])
@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_budget_of_nothing(name: str, limit: float) -> None:
    with pytest.raises(ConfigError, match=f"a budget of {limit} {name.replace('_', ' ')}"):
        Budget(**{name: limit})  # type: ignore[arg-type]


def test_a_plan_may_ask_nothing_but_not_for_nothing() -> None:
    class Idle:
        def plan(self, prompt: Any, account: Any) -> Any:
            return Found(candidates=(), scores=(), choice=None)
            yield

    class Zero:
        def plan(self, prompt: Any, account: Any) -> Any:
            yield (Extend(n=0),)

    results = run(Idle(), SOME, policy := Policy())
    assert [r.group.prompt for r in results] == SOME
    assert policy.asked == []
    with pytest.raises(ConfigError, match="asked for 0 continuations"):
        run(Zero(), SOME, policy)


def test_no_prompts_no_work() -> None:
    assert run(BestOfN(), [], Drawn(), FakeScorer()) == []
