"""Published protocols: their prompts, their labels, and what their verdicts count."""

import hashlib
from collections.abc import Sequence

import pytest

from assay.answerers.phrasing import asked, labels, verdict
from assay.data.judge_prompts import conversations_in
from assay.judges.adapters import as_judge
from assay.judges.fencing import prompt
from assay.judges.pairwise import PairProtocol, Pairwise
from assay.judges.pointwise import Pointwise
from assay.judges.published import (
    ALPACA_EVAL,
    ARENA_HARD,
    MT_BENCH_PAIR,
    MT_BENCH_SINGLE,
    MT_BENCH_SINGLE_REFERENCE,
    PUBLISHED,
)
from assay.questions import Comparison, Question, from_verdicts
from assay.types import Group, Score, Unscored
from tests.judges.planted import Planted, Said, group

PAIRS = sorted(name for name, one in PUBLISHED.items() if isinstance(one, PairProtocol))


class Writer(Planted):
    """Writes texts, the next in line for each state, and reads their verdicts."""

    def __init__(self, *texts: str) -> None:
        left = iter(texts)

        def say(text: str, question: Question) -> Said:
            n = len(question.options)
            return from_verdicts([verdict(next(left), question)], n)

        super().__init__(say)


def played(protocol: PairProtocol, *texts: str, pair: Group | None = None) -> Comparison | Unscored:
    judge = Pairwise(Writer(*texts), protocol=protocol)
    [found] = judge.compare([pair or group("a", "b", reference="r")])
    return found


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_prompt_asks_and_says_its_labels(name: str) -> None:
    protocol = PUBLISHED[name]
    answerer = Planted(lambda text, question: [1.0] + [0.0] * (len(question.options) - 1))
    pair = group("r1", "r2", reference="ref")
    if isinstance(protocol, PairProtocol):
        Pairwise(answerer, protocol=protocol).compare([pair])
    else:
        Pointwise(answerer, protocol=protocol).score([pair])
    state = answerer.states[0]
    assert [m.role for m in state.messages] == ["system", "user"]
    # Nothing is put behind it, and each label is the one that it tells to write.
    assert asked(state, protocol.question, how="reason") == state
    shapes = [protocol.question.form.replace("{}", label) for label in labels(protocol.question)]
    told = state.messages[0].content + state.messages[1].content
    assert all(shape in told for shape in shapes) or "[[rating]]" in told
    assert [verdict(f"Because.\n{s}", protocol.question) for s in shapes] == [*range(len(shapes))]


@pytest.mark.parametrize("name", ["arena-hard", "mt-bench-pair", "mt-bench-pair-reference"])
def test_the_marks_are_those_that_judgments_are_read_by(name: str) -> None:
    protocol = PUBLISHED[name]
    assert isinstance(protocol, PairProtocol)
    answerer = Planted(lambda text, question: [1.0] + [0.0] * (len(question.options) - 1))
    Pairwise(answerer, protocol=protocol).compare([group("one\n\ntwo", "b", reference="ref")])
    for state, texts in zip(
        answerer.states, (("one\n\ntwo", "b"), ("b", "one\n\ntwo")), strict=True
    ):
        found = conversations_in(state.messages[1].content, "user_prompt")
        assert [[m.content for m in one] for one in found] == [
            ["What is 2 + 2?", text] for text in texts
        ]


def test_the_prompt_of_alpaca_eval_is_that_of_its_package() -> None:
    made = prompt("alpaca-eval", ("question", "response_a", "response_b"))
    text = "\n".join(f"<|im_start|>{m.role}\n{m.content}\n<|im_end|>" for m in made.messages)
    for ours, theirs in (
        ("{question}", "{instruction}"),
        ("{response_a}", "{output_1}"),
        ("{response_b}", "{output_2}"),
    ):
        text = text.replace(ours, theirs)
    # alpaca_eval_clf_gpt4_turbo/alpaca_eval_clf.txt of alpaca_eval 0.6.6.
    found = hashlib.sha256(text.encode()).hexdigest()
    assert found == "784227e6dc2832fc08c43d2c8ea3a308e7523780187a1aaad2f85e30bac85f62"


@pytest.mark.parametrize(
    ("given", "swapped", "prefer", "tie"),
    [
        ("A", "B", 1.0, 0.0),
        ("B", "A", 0.0, 0.0),
        ("A", "A", 0.5, 1.0),
        ("B", "B", 0.5, 1.0),
        ("A", "C", 0.5, 1.0),
        ("C", "C", 0.5, 1.0),
    ],
)
def test_mt_bench_has_a_tie_unless_both_orders_agree(
    given: str, swapped: str, prefer: float, tie: float
) -> None:
    other = f"[[B]] is how it is written. [[{swapped}]]"
    found = played(MT_BENCH_PAIR, f"Good. [[{given}]]", other)
    assert isinstance(found, Comparison)
    assert (found.prefer, found.tie) == (prefer, tie)
    assert len(found.games) == 2


def test_mt_bench_has_no_verdict_where_an_order_has_none() -> None:
    assert isinstance(played(MT_BENCH_PAIR, "[[A]]", "Both are good."), Unscored)
    assert isinstance(played(MT_BENCH_PAIR, "[[A]]", "[[A]] or [[rather B]]"), Unscored)


def test_mt_bench_rates_from_1_to_10() -> None:
    writer = Writer("Rating: [[7]]", "[[10]]", "Rating: [[11]]", "It is [[3]], no, [[4]]")
    [row] = Pointwise(writer, protocol=MT_BENCH_SINGLE).score([group("a", "b", "c", "d")])
    assert [one.value if isinstance(one, Score) else None for one in row] == [7, 10, None, 4]
    [[none]] = Pointwise(writer, protocol=MT_BENCH_SINGLE_REFERENCE).score([group("a")])
    assert isinstance(none, Unscored)
    judge = as_judge(
        Pointwise(Writer("[[7]]", "[[7]]"), protocol=MT_BENCH_SINGLE), how="strict", margin=0.1
    )
    assert judge.compare([group("a", "b")]) == [Comparison(prefer=0.5, tie=1.0)]


def official(games: Sequence[str]) -> float:
    """Mean of the rows that Arena-Hard's show_result makes of two games, for the second response:
    in the first game it stands as B, in the second as A."""
    rows = {"A>>B": [1.0] * 3, "A>B": [1.0], "A=B": [0.5], "B>A": [0.0], "B>>A": [0.0] * 3}
    all_rows = [*rows[games[1]], *(1 - s for s in rows[games[0]])]
    return sum(all_rows) / len(all_rows)


ARENA = ["A>>B", "A>B", "A=B", "B>A", "B>>A"]


@pytest.mark.parametrize("first", ARENA)
@pytest.mark.parametrize("second", ARENA)
def test_arena_hard_counts_clear_wins_three_times(first: str, second: str) -> None:
    found = played(ARENA_HARD, f"My final verdict is [[{first}]].", f"[[{second}]]")
    assert isinstance(found, Comparison)
    assert 1 - found.prefer == pytest.approx(official([first, second]))
    assert [game.weight for game in found.games] == [
        3.0 if ">>" in g else 1.0 for g in (first, second)
    ]


def test_arena_hard_leaves_out_a_pair_without_both_verdicts() -> None:
    assert isinstance(played(ARENA_HARD, "[[A>B]]", "[[A<<<B]]"), Unscored)


def test_alpaca_eval_draws_one_order_as_its_package_does() -> None:
    # utils.random_seeded_choice("is_switched_outputs" + instruction + "0", [False, True]).
    answerer = Planted(lambda *_: [0.75, 0.25])
    seen: dict[str, bool] = {}
    for question in ("What are the names of some famous actors?", "Hi", "1+1=", "Hello there"):
        [found] = Pairwise(answerer, protocol=ALPACA_EVAL).compare(
            [group("x", "y", question=question)]
        )
        assert isinstance(found, Comparison)
        [game] = found.games
        seen[question] = game.swapped
        assert found.prefer == (0.25 if game.swapped else 0.75)
    assert list(seen.values()) == [False, True, True, False]
