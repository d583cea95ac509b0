"""Pairs: exact numbers of planted answers, both orders, ties, and what stays unscored."""

from dataclasses import replace
from pathlib import Path

import pytest

from assay.errors import BackendError, ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.judges.pairwise import PAIR, PairProtocol, Pairwise, game_of
from assay.protocols import Judge
from assay.questions import Comparison, Distribution, Question
from assay.types import Group, Message, Prompt, Response, Unscored
from tests.judges.planted import Planted, Said, group


def slot_of(text: str, response: str) -> int:
    """Place in which a response is shown, 0 or 1."""
    return 0 if text.index(response) < text.index("The second response:") else 1


def likes(best: str, p: float = 1.0) -> Planted:
    def say(text: str, question: Question) -> Said:
        shares = [0.0] * len(question.options)
        shares[slot_of(text, best)] += p
        shares[1 - slot_of(text, best)] += 1.0 - p
        return shares

    return Planted(say)


def one(judge: Judge, pair: Group) -> Comparison:
    [found] = judge.compare([pair])
    assert isinstance(found, Comparison), found
    return found


def test_the_better_one_wins_in_either_place() -> None:
    answerer = likes("four", 0.75)
    assert one(Pairwise(answerer), group("four", "five")).prefer == 0.75
    assert one(Pairwise(answerer), group("five", "four")).prefer == 0.25
    assert [g.swapped for g in one(Pairwise(answerer), group("five", "four")).games] == [
        False,
        True,
    ]
    assert isinstance(Pairwise(answerer), Judge)


def test_a_judge_of_places_says_nothing_and_no_tie() -> None:
    found = one(Pairwise(Planted(lambda *_: [0.9, 0.1, 0.0])), group("a", "b"))
    assert found.prefer == pytest.approx(0.5)
    assert found.tie == 0.0
    assert [game.first for game in found.games] == [0.9, 0.1]
    tied = one(Pairwise(Planted(lambda *_: [0.0, 0.0, 1.0])), group("a", "b"))
    assert (tied.prefer, tied.tie) == (0.5, 1.0)


def test_swapping_the_responses_swaps_the_preference() -> None:
    def say(text: str, question: Question) -> Said:
        # A judge with a bias for the first place and a taste of its own.
        return [0.5, 0.3, 0.2] if slot_of(text, "four") == 0 else [0.4, 0.35, 0.25]

    a = one(Pairwise(Planted(say)), group("four", "five"))
    b = one(Pairwise(Planted(say)), group("five", "four"))
    assert a.prefer == pytest.approx((0.5 + 0.1 + 0.35 + 0.125) / 2)
    assert a.prefer + b.prefer == pytest.approx(1.0)
    assert a.tie == b.tie == pytest.approx(0.225)


def test_orders_and_ties_are_settings() -> None:
    answerer = likes("four")
    assert len(one(Pairwise(answerer, orders="given"), group("four", "five")).games) == 1
    asked: list[Question] = []

    def say(text: str, question: Question) -> Said:
        asked.append(question)
        return [0.25, 0.75]

    found = one(Pairwise(Planted(say), tie=False), group("a", "b"))
    assert (found.prefer, found.tie) == (0.5, 0.0)
    assert [option.name for option in asked[0].options] == ["first", "second"]


def test_all_pairs_are_asked_at_once_in_order() -> None:
    answerer = likes("four")
    pairs = [group("four", "five"), group("five", "four"), group("four", "six")]
    found = Pairwise(answerer).compare(pairs)
    assert [f.prefer for f in found if isinstance(f, Comparison)] == [1.0, 0.0, 1.0]
    assert (answerer.calls, len(answerer.states)) == (1, 6)
    assert Pairwise(answerer).compare([]) == []


def test_an_order_without_an_answer_leaves_the_pair_unscored() -> None:
    def say(text: str, question: Question) -> Said:
        return Unscored(reason="no verdict in 1 text") if slot_of(text, "four") else [1, 0, 0]

    [found] = Pairwise(Planted(say)).compare([group("four", "five")])
    assert found == Unscored(reason="no verdict in 1 text")
    assert one(Pairwise(Planted(say), orders="given"), group("four", "five")).prefer == 1.0


def test_shares_of_repeats_and_critiques_are_kept() -> None:
    answer = Distribution(probabilities=(0.5, 0.25, 0.25), verdicts=4, critiques=("x", "y"))
    found = one(Pairwise(Planted(lambda *_: answer), orders="given"), group("a", "b"))
    assert (found.games[0].first, found.games[0].tie) == (0.5, 0.25)
    assert found.games[0].critique == "x\n\ny"


def test_a_reference_is_shown_or_the_pair_is_unscored() -> None:
    answerer = likes("four")
    judge = Pairwise(answerer, "pairwise-reference")
    found = judge.compare([group("four", "five", reference="4!"), group("four", "five")])
    assert isinstance(found[0], Comparison)
    assert found[1] == Unscored(reason="no reference answer, and the judge compares with one")
    assert all("4!" in state.text for state in answerer.states)
    # What the prompt does not show changes nothing.
    assert "4!" not in _state(group("four", "five", reference="4!"))


def _state(pair: Group) -> str:
    answerer = Planted(lambda *_: [1, 0, 0])
    Pairwise(answerer).compare([pair])
    return answerer.states[0].text


def test_images_are_not_passed_over() -> None:
    image = Message(
        role="user",
        content="What is this?",
        parts=({"type": "text", "text": "What is this?"}, {"type": "image_url"}),
    )
    pair = Group(prompt=Prompt(messages=(image,)), responses=(Response.of("a"), Response.of("b")))
    [found] = Pairwise(likes("a")).compare([pair])
    assert isinstance(found, Unscored)
    assert "image_url" in found.reason


def test_agreement_of_both_orders_is_a_rule() -> None:
    rule = replace(PAIR, rule="agree")
    clear = one(Pairwise(likes("four", 0.75), protocol=rule), group("five", "four"))
    assert (clear.prefer, clear.tie) == (0.0, 0.0)
    torn = one(Pairwise(Planted(lambda *_: [0.9, 0.1, 0.0]), protocol=rule), group("a", "b"))
    assert (torn.prefer, torn.tie, [g.first for g in torn.games]) == (0.5, 1.0, [0.9, 0.1])
    even = one(Pairwise(Planted(lambda *_: [0.4, 0.4, 0.2]), protocol=rule), group("a", "b"))
    assert (even.prefer, even.tie) == (0.5, 1.0)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 3 responses"):
        Pairwise(likes("a")).compare([group("a", "b", "c")])
    with pytest.raises(BackendError, match="2 probabilities for 3 options"):
        Pairwise(Planted(lambda *_: [0.5, 0.5])).compare([group("a", "b")])
    with pytest.raises(ConfigError, match="3 options have 2 outcomes"):
        PairProtocol(outcomes=("first", "second"))
    with pytest.raises(ConfigError, match="must be above 0"):
        PairProtocol(weights=(1.0, 0.0, 1.0))
    (tmp_path / "single.txt").write_text("{question} {response_a}")
    with pytest.raises(ConfigError, match=r"lacks \{response_b\}"):
        Pairwise(likes("a"), tmp_path / "single.txt")


def test_the_fingerprint_names_what_changes_a_verdict(tmp_path: Path) -> None:
    copies = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in copies:
        path.write_text("{question} {response_a} {response_b}")
    answerer = _Named()
    names = [fingerprint(Pairwise(answerer, path)) for path in copies]
    assert names[0] == names[1]
    others = [
        Pairwise(answerer),
        Pairwise(answerer, copies[0]),
        Pairwise(answerer, orders="given"),
        Pairwise(answerer, tie=False),
        Pairwise(answerer, protocol=replace(PAIR, rule="agree")),
    ]
    assert len({*map(fingerprint, others)}) == len(others)


class _Named:
    fingerprint = "a model"

    def answer(self, states: object, questions: object) -> list[list[Distribution | Unscored]]:
        raise NotImplementedError


def test_a_game_says_how_many_verdicts_it_counts():
    answer = Distribution(probabilities=(0.5, 0.25, 0.25), verdicts=4)
    assert game_of(answer, PAIR, swapped=False).verdicts == 4
    weighted = replace(PAIR, weights=(3.0, 1.0, 1.0))
    assert game_of(answer, weighted, swapped=False).verdicts is None
    read = Distribution(probabilities=(0.5, 0.25, 0.25), mass=0.9)
    assert "verdicts" not in game_of(read, PAIR, swapped=False).model_dump()
