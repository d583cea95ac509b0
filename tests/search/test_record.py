"""Broken off anywhere and run again: the results of a run that nobody disturbed, and nothing paid
for twice."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.errors import ConfigError
from assay.protocols import Prefix, Sampling
from assay.search import Record, run
from assay.search.beam import Beam
from assay.search.best_of_n import BestOfN
from assay.testing import FakeScorer
from assay.types import Prompt, Response, Score
from tests.search.toys import (
    SMALL,
    Backwards,
    Broken,
    Drawn,
    Fails,
    Policy,
    Reads,
    Tree,
    noisy,
    prompts,
    timeless,
)

SOME = prompts(3)
STEP = Sampling(max_tokens=9, stop=("\n",))


def search(
    name: str, policy: Any, scorer: Any, record: Record | None = None, **more: Any
) -> list[dict[str, Any]]:
    return timeless(run(SMALL[name], SOME, policy, scorer, record=record, **more))


def calls(name: str) -> tuple[int, int]:
    """Of an undisturbed run, to the policy and to the scorer."""
    policy, scorer = Fails(Policy(), 0), Fails(Reads(rule=noisy), 0)
    search(name, policy, scorer)
    return policy.calls, scorer.calls


@pytest.mark.parametrize("name", SMALL)
def test_a_policy_or_scorer_that_breaks_at_any_call(name: str) -> None:
    whole = search(name, calm := Policy(), calm_scorer := Reads(rule=noisy))
    writes, reads = calls(name)
    assert writes > 0
    for writing, at in [(True, k + 1) for k in range(writes)] + [
        (False, k + 1) for k in range(reads)
    ]:
        policy, scorer, record = Policy(), Reads(rule=noisy), Record(policy="toy", scorer="toy")
        with pytest.raises(Broken):
            search(
                name,
                Fails(policy, at if writing else 0),
                Fails(scorer, 0 if writing else at),
                record,
            )
        assert search(name, policy, scorer, record) == whole
        assert sorted(policy.asked) == sorted(calm.asked)
        assert len(scorer.asked) == len(calm_scorer.asked)
        assert scorer.tokens_read == calm_scorer.tokens_read
        # And once more: everything is there.
        assert search(name, None, None, record) == whole


@pytest.mark.parametrize("name", SMALL)
def test_a_run_again_from_the_file_asks_nobody(name: str, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with Record(path, policy="p", scorer="s") as record:
        whole = search(name, Policy(), Reads(rule=noisy), record)
    before = path.read_bytes()
    with Record(path, policy="p", scorer="s") as record:
        assert search(name, None, None, record) == whole
    assert path.read_bytes() == before
    assert whole == search(name, Policy(), Reads(rule=noisy))


@pytest.mark.parametrize(
    "name", ["beam, looking ahead", "dvts", "mcts", "best-of-n, until enough", "step-rejection"]
)
def test_a_file_cut_anywhere_grows_to_what_it_would_have_been(name: str, tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with Record(path, policy="toy", scorer="toy") as record:
        whole = search(name, calm := Policy(), Reads(rule=noisy), record)
    complete = path.read_bytes()
    rng = random.Random(name)
    for cut in [0, 1, len(complete) - 1, *(rng.randrange(len(complete)) for _ in range(8))]:
        path.write_bytes(complete[:cut])
        policy = Policy()
        with Record(path, policy="toy", scorer="toy") as record:
            known = sum(len(samples) for samples in record.samples.values())
            assert search(name, policy, Reads(rule=noisy), record) == whole
        assert path.read_bytes() == complete
        assert len(policy.asked) == len(calm.asked) - known


def test_a_damaged_line_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with Record(path, policy="toy", scorer="toy") as record:
        whole = search("beam", calm := Policy(), Reads(rule=noisy), record)
    lines = path.read_bytes().splitlines(keepends=True)
    for i, line in [*enumerate(lines)][::2]:
        kind = json.loads(line)["kind"]
        path.write_bytes(b"".join([*lines[:i], line[:30] + line[31:], *lines[i + 1 :]]))
        policy, scorer = Policy(), Reads(rule=noisy)
        with pytest.warns(UserWarning, match=f"line {i + 1} is damaged"):
            record = Record(path, policy="toy", scorer="toy")
        with record:
            assert search("beam", policy, scorer, record) == whole
        assert bool(policy.asked) == (kind == "samples")
        assert bool(scorer.asked) == (kind == "scores")
        assert set(policy.asked) < set(calm.asked)


def counted(record: Record, policy: Any = None, scorer: Any = None, **more: Any) -> tuple[int, int]:
    """What a run with this record asks for: samples, and scores."""
    policy, scorer = policy or Policy(), scorer or Reads(rule=noisy)
    search("beam", policy, scorer, record, **more)
    return len(policy.asked), len(scorer.asked)


def test_what_others_did_is_not_taken_for_theirs(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"

    def again(policy: str = "p", scorer: str = "s", **more: Any) -> tuple[int, int]:
        with Record(path, policy=policy, scorer=scorer) as record:
            return counted(record, **more)

    samples, scores = again()
    assert samples > 0
    assert scores > 0
    assert again() == (0, 0)
    # Another policy writes anew; what it writes here is the same, so that its scores are known.
    assert again(policy="p2") == (samples, 0)
    assert again(scorer="s2") == (0, scores)
    for other in (
        replace(STEP, seed=1),
        replace(STEP, temperature=0.5),
        replace(STEP, max_tokens=8),
        replace(STEP, stop=("\n\n",)),
        replace(STEP, top_p=0.5),
    ):
        again(step=STEP)
        assert again(step=STEP) == (0, 0)
        assert again(step=other)[0] == samples
    assert again() == (0, 0)


def test_a_score_is_of_the_prompt_with_its_reference() -> None:
    """A verifier reads the reference: what it said of one is not said of another. An id says
    nothing."""
    record = Record(policy="toy", scorer="toy")
    scorer = Reads(rule=lambda prompt, response: float(response.text == prompt.reference))
    policy = Drawn(texts=("5", "6"))

    def said(prompt: Prompt) -> tuple[Any, ...]:
        (result,) = run(BestOfN(n=2), [prompt], policy, scorer, record=record)
        return tuple(score.value for score in result.scores if isinstance(score, Score))

    assert said(Prompt.of("q", reference="5")) == (1.0, 0.0)
    assert said(Prompt.of("q", reference="6")) == (0.0, 1.0)
    assert len(policy.asked) == 2
    asked = len(scorer.asked)
    assert said(Prompt.of("q", reference="5", id="x")) == (1.0, 0.0)
    assert len(scorer.asked) == asked


def test_a_score_is_of_the_steps_and_of_the_end() -> None:
    """The same text in one step or in two, finished or not, is read differently by a process
    model."""
    ways = [
        Response(steps=("a ", "b ")),
        Response(steps=("a b ",)),
        Response(steps=("a b ",), finished=False),
    ]

    class Ways(Drawn):
        def one(self, prefix: Prefix, number: int, sampling: Sampling) -> Response:
            return ways[number]

    scorer = FakeScorer(rule=lambda _, response: len(response.steps) + 0.5 * response.finished)
    (result,) = run(
        BestOfN(n=3), SOME[:1], Ways(), scorer, record=Record(policy="toy", scorer="toy")
    )
    assert result.scores == (Score(value=2.5), Score(value=1.5), Score(value=1.0))


def test_another_strategy_shares_what_it_has_in_common() -> None:
    """More of the same: only what is new is asked for."""
    record, policy, scorer = Record(policy="toy", scorer="toy"), Policy(), Reads(rule=noisy)
    run(BestOfN(n=3), SOME, policy, scorer, record=record)
    results = run(BestOfN(n=5), SOME, policy, scorer, record=record)
    assert [number for _, _, number, _ in policy.asked] == [0, 1, 2] * 3 + [3, 4] * 3
    assert len(scorer.asked) == 15
    # But each pays for all that it uses.
    assert {r.spent.samples for r in results} == {5}
    assert timeless(results) == timeless(run(BestOfN(n=5), SOME, Policy(), Reads(rule=noisy)))


@pytest.mark.parametrize("name", ["dvts", "step-rejection", "beam"])
def test_samples_that_arrive_out_of_order_are_kept(name: str, tmp_path: Path) -> None:
    """A server that is asked for the same prefix several times answers in any order."""
    path = tmp_path / "record.jsonl"
    policy = Policy()
    with Record(path, policy="toy", scorer="toy") as record:
        whole = search(name, Backwards(policy), Reads(rule=noisy), record)
        assert search(name, None, None, record) == whole
    with Record(path, policy="toy", scorer="toy") as record:
        assert search(name, None, None, record) == whole
    assert whole == search(name, Policy(), Reads(rule=noisy))


@pytest.mark.parametrize("at", range(1, 9))
def test_what_a_stream_handed_over_before_it_broke_is_kept(at: int) -> None:
    class Torn(Backwards):
        def stream(self, prefixes: Sequence[Prefix], sampling: Sampling) -> Any:
            for item in super().stream(prefixes, sampling):
                yield item
                torn[0] += 1
                if torn[0] == at:
                    raise Broken

    torn, policy, record = [0], Policy(), Record(policy="toy", scorer="toy")
    with pytest.raises(Broken):
        search("beam", Torn(policy), Reads(rule=noisy), record)
    whole = search("beam", policy, Reads(rule=noisy), record)
    assert len(policy.asked) == len(set(policy.asked))
    assert whole == search("beam", Policy(), Reads(rule=noisy))


def test_what_is_hard_to_write_down_is_read_back(tmp_path: Path) -> None:
    odd = (
        'a "quote"\n\n',
        "\u2028 line, \x00 and \U0001f600",
        "caf\u00e9 \u0065\u0301",
        "\ud800",
        " \n",
    )
    path = tmp_path / "record.jsonl"
    prompt = Prompt.of("so\n\u2029 odd \udc00", reference="\ud800", id="p")
    values = {odd[0]: 0.1 + 0.2, odd[1]: 5e-324, odd[2]: -1e300, odd[3]: None, odd[4]: 0.0}
    scorer = FakeScorer(rule=lambda _, response: values[response.text])
    with Record(path, policy="toy", scorer="toy") as record:
        whole = run(BestOfN(n=5), [prompt], Drawn(texts=odd), scorer, record=record)
    with Record(path, policy="toy", scorer="toy") as record:
        assert record.prompts == {next(iter(record.prompts)): prompt}
        again = run(BestOfN(n=5), [prompt], None, None, record=record)  # type: ignore[arg-type]
    assert timeless(again) == timeless(whole)
    assert [r.text for r in again[0].group.responses] == [*odd]
    assert again[0].choice == 0


def test_step_scores_and_spread_are_kept(tmp_path: Path) -> None:
    class Steps(FakeScorer):
        def score(self, groups: Any) -> Any:
            return [
                [Score(value=0.0, steps=(0.25, 0.0), std=0.125) for _ in group.responses]
                for group in groups
            ]

    with Record(tmp_path / "r.jsonl", policy="toy", scorer="toy") as record:
        run(BestOfN(n=2), SOME, Tree(), Steps(), record=record)
    with Record(tmp_path / "r.jsonl", policy="toy", scorer="toy") as record:
        (result, *_) = run(BestOfN(n=2), SOME, Tree(), None, record=record)
    assert result.scores == (Score(value=0.0, steps=(0.25, 0.0), std=0.125),) * 2


def test_a_file_is_one_runs_alone(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with (
        Record(path, policy="toy", scorer="toy"),
        pytest.raises(ConfigError, match="open in another process"),
    ):
        Record(path, policy="toy", scorer="toy")
    Record(path, policy="toy", scorer="toy").close()
    path.write_text('{"kind": "nonsense"}\n')
    with pytest.warns(UserWarning, match="damaged"):
        Record(path, policy="toy", scorer="toy").close()


def test_a_record_of_nothing_is_nothing() -> None:
    record = Record(policy="toy", scorer="toy")
    (result,) = run(
        Beam(n=2, width=1),
        SOME[:1],
        Backwards(Tree(), fails=lambda _: True),
        FakeScorer(),
        record=record,
    )
    assert result.group.responses == ()
    assert not record.samples
    assert record.known(Prefix(SOME[0]), Sampling()) == []
    assert record.score(SOME[0], Response.of("x")) is None
