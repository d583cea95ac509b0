"""A generative reward model: means over critiques by hand, and critiques that cannot count."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from assay.errors import BackendError, ConfigError
from assay.judges.genrm import GenRM
from assay.protocols import Prefix, Sampling
from assay.questions import Question
from assay.types import Response, Score, Unscored
from tests.judges.planted import Planted, Said, group


class Critic:
    """Writes critiques "K of N: ..."."""

    def __init__(self, cut: Sequence[int] = ()) -> None:
        self.seen: list[Prefix] = []
        self.cut = cut

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        self.seen += prefixes
        return [
            [
                Response(steps=(f"critique {k}.",), finished=k not in self.cut)
                for k in range(sampling.n)
            ]
            for _ in prefixes
        ]


class Reader(Planted):
    """Is as sure as the critique that stands before the question is late."""

    def __init__(self) -> None:
        super().__init__(lambda *_: [])

    def _one(self, state, question):  # type: ignore[no-untyped-def]
        from assay.questions import Distribution

        [critique] = [m.content for m in state.messages if m.role == "assistant"]
        p = int(critique.split()[1].strip(".")) / 10
        return Distribution(probabilities=(p, 1 - p))


def test_the_score_is_the_mean_over_critiques() -> None:
    critic, reader = Critic(), Reader()
    judge = GenRM(reader, critic, sampling=Sampling(n=3))
    [[a, b]] = judge.score([group("four", "five")])
    assert isinstance(a, Score)
    assert a.value == pytest.approx(0.1)
    assert a.std == pytest.approx((2 / 3 * 0.01) ** 0.5)
    assert a.parts == {"critique 1": 0.0, "critique 2": 0.1, "critique 3": 0.2}
    assert a.critique == "\n\n".join(f"critique {i + 1}: critique {i}." for i in range(3))
    assert b == a
    assert (reader.calls, len(reader.states), len(critic.seen)) == (1, 6, 2)
    # The critic is shown the response and no verdict; the reader the critique behind it.
    assert [m.role for m in critic.seen[0].prompt.messages] == ["user"]
    assert "four" in critic.seen[0].prompt.text
    assert [m.role for m in reader.states[0].messages] == ["user", "assistant", "user"]
    assert reader.states[0].messages[0] == critic.seen[0].prompt.messages[0]


def test_a_critique_that_was_cut_off_counts_for_nothing() -> None:
    [[score]] = GenRM(Reader(), Critic(cut=[0]), sampling=Sampling(n=3)).score([group("four")])
    assert isinstance(score, Score)
    assert score.value == pytest.approx(0.15)
    assert score.parts["critique 1"] is None
    [[none]] = GenRM(Reader(), Critic(cut=[0]), sampling=Sampling(n=1)).score([group("four")])
    assert none == Unscored(reason="the critique is longer than 256 tokens")


def test_without_a_generator_it_is_asked_directly() -> None:
    def say(text: str, question: Question) -> Said:
        return [0.9, 0.1] if "four" in text else Unscored(reason="no labels")

    found = GenRM(Planted(say)).score([group("four", "five")])
    assert found == [[Score(value=0.9), Unscored(reason="no labels")]]


class Stream:
    """Hands over in reverse, and has nothing for the second prefix."""

    def stream(
        self, prefixes: Sequence[Prefix], sampling: Sampling
    ) -> Iterator[tuple[int, list[Response] | Unscored]]:
        for i in reversed(range(len(prefixes))):
            yield i, Unscored(reason="refused") if i == 1 else [Response.of(f"critique {i}.")]

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        raise NotImplementedError


def test_a_failed_response_does_not_end_the_others() -> None:
    found = GenRM(Reader(), Stream()).score([group("a", "b"), group("c")])
    values = [[one.value if isinstance(one, Score) else one.reason for one in row] for row in found]
    assert values == [[0.0, "refused"], [0.2]]


class Short:
    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return []


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="wrote for 0 of 1"):
        GenRM(Reader(), Short()).score([group("a")])
    with pytest.raises(ConfigError, match="no generator writes one"):
        GenRM(Reader(), None, "genrm")
    with pytest.raises(ConfigError, match="would be for nothing"):
        GenRM(Reader(), Critic(), "genrm-direct")
    with pytest.raises(ConfigError, match="asks a predicate"):
        GenRM(Reader(), question=Question.choice("Which?", ["a", "b"]))
    (tmp_path / "p.txt").write_text("{question} {response} {critique}")
    with pytest.raises(ConfigError, match="behind ### assistant"):
        GenRM(Reader(), Critic(), tmp_path / "p.txt")
    [[found]] = GenRM(Planted(lambda *_: [1, 0])).score([group("a")])
    assert isinstance(found, Score)
