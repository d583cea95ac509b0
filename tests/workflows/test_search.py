"""Searches from Python: prompts as texts, a generator and a scorer as objects, names for both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.data import io
from assay.errors import BackendError, ConfigError, DataError
from assay.protocols import Prefix, Sampling
from assay.search.best_of_n import BestOfN
from assay.types import Group, Prompt, Response, Score, Unscored
from assay.workflows.compare import at_sizes, compare
from assay.workflows.search import search


@dataclass(frozen=True)
class Counting:
    """Sample k of a prompt says k, and is right where k is the reference."""

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [
            [Response.of(f"it is {k}") for k in range(p.first, p.first + sampling.n)]
            for p in prefixes
        ]


@dataclass(frozen=True)
class Likes:
    """Scores a response by whether it says this."""

    answer: str

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [
            [Score(value=float(r.text.endswith(self.answer))) for r in g.responses] for g in groups
        ]


def prompts(count: int = 3) -> list[Prompt]:
    return [Prompt.of(f"question {i}", reference="2") for i in range(count)]


def test_texts_and_objects_give_answers() -> None:
    answers = search("best-of-n", ["one?", "two?"], generator=Counting(), scorer=Likes("3"), n=4)
    assert answers.texts == ("it is 3", "it is 3")
    assert answers.accuracy is None
    assert [result.spent.samples for result in answers.results] == [4, 4]
    assert str(answers).startswith("prompts: 2")


def test_the_choice_is_judged_where_references_are_known() -> None:
    right = search("best-of-n", prompts(), generator=Counting(), scorer="verifier", n=3)
    assert right.accuracy is not None
    assert (right.accuracy.value, right.accuracy.n) == (1.0, 3)
    none = search("best-of-n", prompts(), generator=Counting(), scorer="verifier", n=2)
    assert none.accuracy is not None
    assert none.accuracy.value == 0
    assert [row["right"] for row in none.to_json()["results"]] == [0.0] * 3


def test_an_object_and_a_name_are_the_same_strategy() -> None:
    same = {"generator": Counting(), "scorer": Likes("1")}
    by_name = search("best-of-n", prompts(), n=3, seed=5, **same)  # type: ignore[arg-type]
    by_object = search(BestOfN(n=3), prompts(), seed=5, **same)  # type: ignore[arg-type]
    assert by_name.texts == by_object.texts
    with pytest.raises(ConfigError, match="n: settings are those of the object"):
        search(BestOfN(n=3), prompts(), n=3, **same)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="has no setting 'width=3'"):
        search("best-of-n", prompts(), width=3, **same)  # type: ignore[arg-type]


def test_a_folder_holds_the_record_and_a_report_can_be_written_elsewhere(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    texts = [Response.of(f"it is {k}") for k in range(4)]
    io.write([Group(prompt=prompt, responses=tuple(texts)) for prompt in prompts()], pool)
    out = tmp_path / "out"
    found = search("majority", prompts(), replay=pool, n=4, out=out)
    assert {path.name for path in out.iterdir()} == {
        "record.jsonl", "results.jsonl", "report.html", "run.json",
    }  # fmt: skip
    assert json.loads((out / "run.json").read_text())["settings"]["strategy"] == "majority"
    files = found.report(tmp_path / "again")
    assert {file.name for file in files} == {"results.jsonl", "report.html", "run.json"}
    again = (tmp_path / "again" / "results.jsonl").read_text()
    assert again == (out / "results.jsonl").read_text()
    with pytest.raises(ConfigError, match="finished run of search that differs in strategy"):
        search("best-of-n", prompts(), replay=pool, scorer="longest", n=4, out=out)


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing writes responses"):
        search("best-of-n", prompts())
    with pytest.raises(DataError, match="holds no record"):
        search("best-of-n", [], generator=Counting())
    with pytest.raises(DataError, match="a Response has no prompt"):
        search("best-of-n", [Response.of("x")], generator=Counting())


def test_strategies_are_compared_at_sizes() -> None:
    found = compare(
        ["best-of-n", "majority:n=2"], prompts(), ns=(1, 3), generator=Counting(), scorer=Likes("2")
    )
    assert {way: list(sizes) for way, sizes in found.accuracy.items()} == {
        "best-of-n": [1, 3],
        "majority:n=2": [2],
    }
    assert [found.accuracy["best-of-n"][n].value for n in (1, 3)] == [0.0, 1.0]
    assert [p["samples"] for p in found.to_json()["points"]["best-of-n"]] == [1, 3]
    with pytest.raises(DataError, match="no reference answer"):
        compare(["best-of-n"], ["why?"], generator=Counting())


def test_a_beam_is_no_wider_than_what_is_sampled() -> None:
    widths = {n: how.width for n, how in at_sizes("beam", (1, 2, 16)).items()}  # type: ignore[attr-defined]
    assert widths == {1: 1, 2: 2, 16: 4}
    assert list(at_sizes("beam:n=8,width=3", (1, 2))) == [8]
    assert list(at_sizes("mcts", (1, 2))) == [0]


def test_a_search_that_gets_nothing_is_an_error(tmp_path: Path) -> None:
    io.write(
        [Group(prompt=Prompt.of("other"), responses=(Response.of("x"),))], tmp_path / "p.jsonl"
    )
    with pytest.raises(BackendError, match="no sample was had of any of the 3 prompts"):
        search("majority", prompts(), replay=tmp_path / "p.jsonl", out=tmp_path / "out")
    assert not (tmp_path / "out" / "results.jsonl").exists()


@dataclass(frozen=True)
class Mute:
    """Scores nothing."""

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        return [[Unscored(reason="no head") for _ in g.responses] for g in groups]


def test_a_search_in_which_nothing_was_scored_is_no_accuracy_of_0(tmp_path: Path) -> None:
    given: dict[str, Any] = {"generator": Counting(), "scorer": Mute(), "out": tmp_path / "s"}
    said = "could be scored, and so none is chosen: no head; look at the scorer"
    with pytest.raises(BackendError, match=f"^no response to any of the 3 prompts {said}"):
        search("best-of-n", prompts(), n=2, **given)
    assert (tmp_path / "s" / "results.jsonl").is_file()
    given["out"] = tmp_path / "c"
    with pytest.raises(BackendError, match=f"^no response of best-of-n to any .* {said}"):
        compare(["best-of-n"], prompts(), ns=(1, 2), **given)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_1_is_refused(limit: int) -> None:
    with pytest.raises(ConfigError, match=f"limit is {limit}"):
        search("best-of-n", prompts(), generator=Counting(), scorer=Likes("3"), n=2, limit=limit)
