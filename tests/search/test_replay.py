"""To search again in what was written before: without the policy, with another scorer, by another
strategy."""

from pathlib import Path
from typing import Any

import pytest

from assay.errors import BackendError, DataError
from assay.protocols import Prefix, Sampling
from assay.search import Record, ReplayGenerator, run
from assay.search.beam import Beam
from assay.search.best_of_n import BestOfN
from assay.search.majority import Majority
from assay.search.step_rejection import StepRejection
from assay.search.weighted_majority import WeightedMajority
from assay.testing import FakeScorer
from assay.types import Group, Prompt, Response
from tests.search.toys import SMALL, Backwards, Policy, Reads, noisy, prompts, text, timeless

SOME = prompts(4)
HOW = Sampling(max_tokens=33, temperature=0.7, seed=5)
STEP = Sampling(max_tokens=11, temperature=0.7, seed=5, stop=("\n",))
REVERSED = FakeScorer(rule=lambda prompt, response: 1 - noisy(prompt, response))


def recorded(path: Path, *names: str, policy: Any = None) -> list[dict[str, Any]]:
    """Searches of a policy, in one file; the results of the last."""
    with Record(path, policy="toy", scorer="noisy") as record:
        for name in names:
            results = run(
                SMALL[name],
                SOME,
                policy or Policy(),
                Reads(rule=noisy),
                sampling=HOW,
                step=STEP,
                record=record,
            )
    return timeless(results)


@pytest.mark.parametrize("name", SMALL)
def test_the_same_search_finds_the_same(name: str, tmp_path: Path) -> None:
    whole = recorded(tmp_path / "record.jsonl", name)
    again = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    # As the command does: what is recorded says how it was sampled.
    assert {again.sampling, again.step} - {None} <= {HOW, STEP}
    results = run(
        SMALL[name],
        SOME,
        again,
        Reads(rule=noisy),
        sampling=again.sampling or HOW,
        step=again.step or STEP,
    )
    assert timeless(results) == whole
    assert sorted(prompt.text for prompt in again.prompts) == [prompt.text for prompt in SOME]
    # The seed is only a name of the draws.
    other = Sampling(max_tokens=33, temperature=0.7, seed=99)
    steps = Sampling(max_tokens=11, temperature=0.7, seed=99, stop=("\n",))
    assert (
        timeless(run(SMALL[name], SOME, again, Reads(rule=noisy), sampling=other, step=steps))
        == whole
    )


@pytest.mark.parametrize("name", ["dvts", "step-rejection"])
def test_what_the_policy_could_not_give_is_missing_at_the_same_places(
    name: str, tmp_path: Path
) -> None:
    """The first of the prompt's samples failed, the next did not; behind a step the second
    failed."""
    path = tmp_path / "record.jsonl"
    fails = Backwards(Policy(), fails=lambda prefix: prefix.first == bool(prefix.steps))
    whole = recorded(path, name, policy=fails)
    assert any(one["spent"].missing for one in whole)
    assert all(one["responses"] for one in whole)
    again = run(
        SMALL[name], SOME, ReplayGenerator.of_file(path), Reads(rule=noisy), sampling=HOW, step=STEP
    )
    assert timeless(again) == whole


def test_another_scorer_on_the_same_candidates(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "record.jsonl", "best-of-n")
    again = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    results = run(BestOfN(n=4), SOME, again, REVERSED, sampling=HOW)
    for result, one in zip(results, whole, strict=True):
        assert [(r.steps, r.finished) for r in result.group.responses] == one["responses"]
        worst = min(range(4), key=lambda i: one["scores"][i].value)
        assert result.choice == worst


def test_another_strategy_on_the_same_candidates(tmp_path: Path) -> None:
    recorded(tmp_path / "record.jsonl", "best-of-n", "beam")
    again = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    assert (again.sampling, again.step) == (HOW, STEP)
    fresh = run(WeightedMajority(n=3), SOME, Policy(), Reads(rule=noisy), sampling=HOW)
    assert timeless(
        run(WeightedMajority(n=3), SOME, again, Reads(rule=noisy), sampling=HOW)
    ) == timeless(fresh)


def test_a_search_that_turns_elsewhere_finds_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    recorded(path, "beam")
    again = ReplayGenerator.of_file(path)
    # The same tree, wider: four first steps are there, two of them were gone on from.
    for search in (Beam(n=8, width=4), Beam(n=4, width=2), StepRejection(n=3, tries=3)):
        results = run(search, SOME, again, REVERSED, sampling=HOW, step=STEP)
        assert all(r.choice is not None for r in results)
        if search != Beam(n=4, width=2):
            assert all(r.spent.missing > 0 for r in results)
        assert all(r.spent.samples <= 4 * 3 for r in results)
    with Record(path, policy="toy", scorer="toy") as record:
        there = {r.text for samples in record.samples.values() for r in samples.values()}
    assert all(r.text in there for one in results for r in one.group.responses)


def test_more_than_there_is(tmp_path: Path) -> None:
    recorded(tmp_path / "record.jsonl", "best-of-n")
    again = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    for result in run(
        BestOfN(n=10), [*SOME, Prompt.of("never asked")], again, FakeScorer(), sampling=HOW
    ):
        known = result.group.prompt in SOME
        assert (result.spent.samples, result.spent.missing) == ((4, 6) if known else (0, 10))
        assert (result.choice is not None) == known


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Sampling(max_tokens=34, temperature=0.7), "max_tokens=34"),
        (Sampling(max_tokens=33, temperature=0.8), "temperature=0.8"),
        (Sampling(max_tokens=33, temperature=0.7, top_p=0.9), "top_p=0.9"),
        (Sampling(max_tokens=33, temperature=0.7, stop=("x",)), r"stop=\('x',\)"),
    ],
)
def test_other_settings_are_refused_by_what_there_is(
    tmp_path: Path, other: Sampling, named: str
) -> None:
    recorded(tmp_path / "record.jsonl", "best-of-n")
    again = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    with pytest.raises(BackendError, match=named) as error:
        run(BestOfN(n=2), SOME, again, FakeScorer(), sampling=other)
    assert "there is max_tokens=33, temperature=0.7, top_p=1.0, stop=()" in str(error.value)
    with pytest.raises(BackendError, match="there is max_tokens=33"):  # steps were never written
        run(Beam(n=2, width=1), SOME, again, FakeScorer(), sampling=HOW)


def test_two_ways_of_sampling_are_no_default(tmp_path: Path) -> None:
    with Record(tmp_path / "record.jsonl", policy="toy", scorer="toy") as record:
        for how in (HOW, Sampling(max_tokens=34)):
            run(BestOfN(n=2), SOME, Policy(), FakeScorer(), sampling=how, record=record)
        again = ReplayGenerator(record=record)
    assert (again.sampling, again.step) == (None, None)
    assert len(again.generate([Prefix(SOME[0])], HOW)[0]) == 1


def pool(*texts: str, prompt: Prompt = SOME[0]) -> Group:
    return Group(prompt=prompt, responses=tuple(map(Response.of, texts)))


def test_a_pool_of_whole_responses() -> None:
    again = ReplayGenerator([pool("1", "22", "333"), pool("4", "55", prompt=SOME[1])])
    assert again.prompts == SOME[:2]
    results = run(
        BestOfN(n=2),
        SOME[:3],
        again,
        FakeScorer(),
        sampling=Sampling(max_tokens=1, temperature=0.1),
    )
    assert [text(r) for r in results] == ["22", "55", None]
    assert [r.spent.missing for r in results] == [0, 0, 2]
    assert results[0].spent.generated_tokens is None  # nobody counted them
    results = run(Majority(n=3, chunk=1), SOME[:1], again)
    assert len(results[0].group.responses) == 3
    # The prompt is known by its conversation, whatever its id; steps are not in a pool.
    (result,) = run(BestOfN(n=3), [Prompt.of(SOME[0].text, id="x")], again, FakeScorer())
    assert text(result) == "333"
    (result,) = run(Beam(n=2, width=1), SOME[:1], again, FakeScorer())
    assert (result.choice, result.spent.missing) == (None, 2)


def test_what_holds_no_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no file"):
        ReplayGenerator.of_file(tmp_path / "none.jsonl")
    Record(tmp_path / "empty.jsonl", policy="toy", scorer="toy").close()
    with pytest.raises(DataError, match="holds no samples"):
        ReplayGenerator.of_file(tmp_path / "empty.jsonl")


def test_a_replay_can_be_recorded_and_replayed(tmp_path: Path) -> None:
    first = ReplayGenerator([pool("1", "22", "333")])
    with Record(tmp_path / "record.jsonl", policy="toy", scorer="toy") as record:
        whole = run(BestOfN(n=5), SOME[:1], first, FakeScorer(), record=record)
    second = ReplayGenerator.of_file(tmp_path / "record.jsonl")
    assert timeless(run(BestOfN(n=5), SOME[:1], second, FakeScorer())) == timeless(whole)


def test_greedy_steps_are_told_from_drawn_ones(tmp_path: Path) -> None:
    """Looking ahead writes other steps than going on; a replay mixes none of them up."""
    with Record(tmp_path / "record.jsonl", policy="toy", scorer="toy") as record:
        search = Beam(n=2, width=1, lookahead=1)
        whole = run(search, SOME, Policy(right=0.6), Reads(rule=noisy), record=record)
        again = ReplayGenerator(record=record)
    assert again.step == Sampling(stop=("\n\n",))
    assert timeless(run(search, SOME, again, Reads(rule=noisy))) == timeless(whole)
    assert any(node.lookahead for one in whole for node in one.nodes)
