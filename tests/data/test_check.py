"""Findings planted one by one are found, and clean data has none."""

import math
import random

import pytest

from assay.data.check import check
from assay.data.dedupe import unique
from assay.data.records import normalised, normalised_prompt_key
from assay.data.split import side
from assay.errors import ConfigError
from assay.stats import wilson
from assay.types import (
    Group,
    Message,
    Preference,
    Prompt,
    Ranking,
    Record,
    Response,
    StepLabels,
    ToolCall,
)


def pair(prompt: str, better: str, worse: str, prefer: float = 1.0) -> Preference:
    return Preference(
        prompt=Prompt.of(prompt), responses=(Response.of(better), Response.of(worse)), prefer=prefer
    )


def answer(prompt: str, text: str, label: float) -> StepLabels:
    return StepLabels.outcome(Prompt.of(prompt), Response.of(text), label)


def ranked(prompt: str, *graded: tuple[str, float]) -> Ranking:
    responses = tuple(Response.of(text) for text, _ in graded)
    return Ranking(
        prompt=Prompt.of(prompt), responses=responses, grades=tuple(grade for _, grade in graded)
    )


def test_clean_data_has_no_findings() -> None:
    report = check([pair(f"p{i}", f"good {i}.", f"bad {i}!") for i in range(20)])
    assert report.kinds == {"Preference": 20}
    assert report.prompts == 20
    findings = (
        report.exact_duplicates,
        report.near_duplicates,
        report.relabelled,
        report.same_responses,
    )
    assert findings == (0, 0, 0, 0)
    assert (report.contradictions, report.cycles, report.empty_prompts, report.empty_responses) == (
        0,
        0,
        0,
        0,
    )
    assert (report.unfinished, report.maybe_cut, report.leaked_records) == (0, 0, None)
    assert report.rates == {}  # chosen before rejected, and no ties: the layout's, not the data's


def test_copies_of_three_kinds_are_told_apart() -> None:
    records = [
        answer("What is 2+2?", "It is 4.", 1),
        answer("What is 2+2?", "It is 4.", 1),  # exact
        answer("what is  2+2", "it is 4", 1),  # near
        answer("What is 2+2?", "It is 4.", 0),  # relabelled
        answer("What is 2-2?", "It is 4.", 1),  # another question
    ]
    report = check(records)
    assert (report.exact_duplicates, report.near_duplicates, report.relabelled) == (1, 1, 1)
    assert report.examples["exact_duplicates"] == ((2,),)
    assert report.prompts == 2
    assert len(list(unique(records))) == 4
    assert len(list(unique(records, near=True))) == 3


def test_records_of_the_same_words_differ_in_tools_images_and_what_tools_answer() -> None:
    def shown(url: str) -> Prompt:
        parts = ({"type": "image_url", "image_url": url}, {"type": "text", "text": "What is it?"})
        return Prompt(messages=(Message(role="user", content="What is it?", parts=parts),))

    def answered(said: str, *rewards: float) -> Group:
        call = ToolCall(name="look", arguments="{}")
        turns = (
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content=said),
            Message(role="assistant", content="It is."),
        )
        response = Response.trajectory(turns, rewards=rewards)
        return Group(prompt=Prompt.of("Is it?"), responses=(response,))

    prompts = [shown("a.png"), shown("b.png"), Prompt.of("Go"), Prompt.of("Go")]
    prompts[2] = prompts[2].model_copy(update={"tools": ({"name": "look"},)})
    groups = [answered("yes"), answered("no"), answered("yes", 0.0, 1.0)]
    records: list[Record] = [*prompts, *groups]
    report = check(records)
    assert (report.exact_duplicates, report.near_duplicates, report.relabelled) == (0, 0, 1)
    assert list(unique([*records, *records])) == records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hello,\n World!! ", "hello world"),
        ("ﬁne “Ⅳ” İ", normalised("fine iv i̇")),
        ("1.5 - 15 = -13.5.", "1.5 - 15 = - 13.5"),
        ("x_1", "x 1"),
        ("Δx ≠ élan", "δx élan"),
        ("", ""),
    ],
)
def test_normal_text_keeps_words_numbers_and_arithmetic(text: str, expected: str) -> None:
    assert normalised(text) == expected
    assert normalised(normalised(text)) == normalised(text)


def test_contradictions_need_the_same_prompt_and_both_orders() -> None:
    records = [
        pair("p", "a", "b"),
        pair("p", "a", "b"),  # agrees
        pair("q", "b", "a"),  # another prompt
        pair("p", "b", "a", prefer=0.0),  # agrees, in the other order
        pair("p", "a", "b", prefer=0.5),  # a tie contradicts nothing
    ]
    assert check(records).contradictions == 0
    report = check([*records, pair("P.", "b", "a")])
    assert report.contradictions == 1
    assert report.examples["contradictions"] == ((1, 2, 4, 6),)
    assert report.cycles == 0
    within = check([ranked("p", ("a", 2.0), ("b", 1.0)), pair("p", "b", "a", prefer=0.7)])
    assert within.contradictions == 1


def test_cycles_are_of_three_or_more_and_within_a_prompt() -> None:
    circle = [pair("p", "a", "b"), pair("p", "b", "c"), pair("p", "c", "a")]
    assert check(circle).cycles == 1
    assert check(circle).examples["cycles"] == ((1, 2, 3),)
    assert check(circle).contradictions == 0
    assert check(circle[:2]).cycles == 0
    assert check([pair("p", "a", "b"), pair("p", "b", "c"), pair("q", "c", "a")]).cycles == 0
    both_ways = [pair("p", "a", "b"), pair("p", "b", "a"), pair("p", "b", "c"), pair("p", "c", "b")]
    assert (check(both_ways).contradictions, check(both_ways).cycles) == (2, 0)
    longer = [
        ranked("p", ("a", 3.0), ("b", 2.0), ("c", 1.0)),
        pair("p", "c", "d"),
        pair("p", "d", "a"),
    ]
    assert check([*longer, *[pair("q", x, y) for x, y in ["ab", "bc", "ca"]]]).cycles == 2


def test_cycles_agree_with_brute_force() -> None:
    rng = random.Random(5)
    for _ in range(60):
        edges = {tuple(rng.sample("abcde", 2)) for _ in range(rng.randint(3, 7))}
        edges = {(x, y) for x, y in edges if (y, x) not in edges}
        reach = set(edges)
        for _ in range(5):
            reach |= {(x, z) for x, y in reach for w, z in edges if y == w}
        on_cycle = {x for x, y in reach if x == y}
        parts = {
            frozenset(y for y in on_cycle if (x, y) in reach and (y, x) in reach) for x in on_cycle
        }
        assert check([pair("p", x, y) for x, y in sorted(edges)]).cycles == len(parts)


def test_empty_cut_and_equal_texts() -> None:
    long = "one two three four five six seven eight"
    report = check(
        [
            pair("p", "same", "same"),
            pair(" ", "", "x"),
            pair("q", f"{long} ended.", f"{long} nine,"),
            pair("r", f"{long} so the", "short and"),
            Group(prompt=Prompt.of("s"), responses=(Response(steps=("x = 5",), finished=False),)),
            Prompt.of(""),
        ]
    )
    assert report.same_responses == 1
    assert (report.empty_prompts, report.empty_responses) == (2, 1)
    assert (report.maybe_cut, report.unfinished) == (2, 1)


def test_length_bias_of_preferences_ties_left_out() -> None:
    records = [pair(f"a{i}", "long enough", "short") for i in range(30)]
    records += [pair(f"b{i}", "short", "long enough") for i in range(10)]
    records += [pair(f"c{i}", "same", "size") for i in range(5)]
    records += [pair(f"d{i}", "long enough", "short", prefer=0.5) for i in range(5)]
    longer = check(records).longer_wins
    assert longer == wilson(30, 40)
    assert check([r.swap() for r in records]).longer_wins == longer
    assert check(records[40:]).longer_wins is None


def test_length_bias_of_outcomes_is_within_the_question() -> None:
    """p: right answers of 4 and 2 letters, wrong of 3: one pair of two. q: only wrong ones. r: the
    longer is right."""
    records = [
        answer("p", "aaaa", 1),
        answer("p", "bb", 1),
        answer("p", "ccc", 0),
        answer("q", "dddddddd", 0),
    ]
    records += [answer("r", "eee", 1), answer("r", "f", 0)]
    longer = check(records).longer_wins
    assert longer is not None
    assert longer.value == pytest.approx((0.5 + 1.0) / 2)
    assert longer.n == 2


def test_label_base_rates() -> None:
    steps = [
        StepLabels(
            prompt=Prompt.of("p"), response=Response(steps=("a", "b", "c")), labels=(1.0, 0.0, None)
        ),
        StepLabels(prompt=Prompt.of("q"), response=Response(steps=("a", "b")), labels=(1.0, 1.0)),
        StepLabels(prompt=Prompt.of("r"), response=Response(steps=("a",)), labels=(None,)),
    ]
    rates = check(steps).rates
    assert rates["labelled steps right"].value == pytest.approx(3 / 4)
    assert rates["labelled steps right"].n == 2
    assert rates["solutions without a wrong step"].value == pytest.approx(1 / 2)
    outcomes = check([answer(f"p{i}", f"a{i}", i < 7) for i in range(10)]).rates
    assert outcomes == {"answers right": wilson(7, 10)}
    pools = check([ranked("p", ("a", 1.0), ("b", 0.0), ("c", 0.0))]).rates
    assert pools["responses graded 1"].value == pytest.approx(1 / 3)
    mixed = check(
        [pair("p", "a", "b"), pair("q", "c", "d", prefer=0.5), pair("r", "e", "f", prefer=0.0)]
    ).rates
    assert mixed["first response preferred"].value == pytest.approx(0.5)
    assert mixed["ties"].value == pytest.approx(1 / 3)


def test_rates_widen_when_a_prompt_repeats() -> None:
    """Ten answers to each of 40 prompts that are all right or all wrong are 40 facts, not 400."""
    repeated = [answer(f"p{i}", f"{i} {j}", i % 2) for i in range(40) for j in range(10)]
    apart = [answer(f"p{i} {j}", f"{i} {j}", i % 2) for i in range(40) for j in range(10)]
    wide, narrow = (check(records).rates["answers right"] for records in (repeated, apart))
    assert (wide.n, narrow.n) == (40, 400)
    assert (wide.high - wide.low) > 2.5 * (narrow.high - narrow.low)


def test_leaks_are_found_by_normalised_prompt() -> None:
    test = {normalised_prompt_key(Prompt.of(text)) for text in ("What is 2+2?", "Why?")}
    report = check(
        [answer("what is 2+2", "4", 1), answer("What is 2+2?", "5", 0), answer("How?", "x", 1)],
        test,
    )
    assert (report.leaked_records, report.leaked_prompts) == (2, 1)


def test_order_of_records_changes_no_count() -> None:
    rng = random.Random(3)
    records: list[Record] = [pair(rng.choice("pq"), *rng.sample("abcd", 2)) for _ in range(40)]
    counts = set()
    for _ in range(3):
        rng.shuffle(records)
        report = check(records)
        counts.add((report.exact_duplicates, report.contradictions, report.cycles, report.prompts))
    assert len(counts) == 1


def test_splits_keep_prompts_whole_and_repeat() -> None:
    records = [answer(f"question {i}", f"answer {j}", 1) for i in range(3000) for j in range(2)]
    sides = [side(record, {"test": 0.2, "valid": 0.1}, seed=7) for record in records]
    assert all(one == other for one, other in zip(sides[::2], sides[1::2], strict=True))
    for name, share in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        error = 4 * math.sqrt(share * (1 - share) / 3000)
        assert abs(sides[::2].count(name) / 3000 - share) < error  # type: ignore[arg-type]
    assert side(answer("  QUESTION 5. ", "x", 0), {"test": 0.2, "valid": 0.1}, seed=7) == sides[10]
    assert [side(record, {"test": 0.2, "valid": 0.1}, seed=8) for record in records] != sides
    # Pinned: a released split must come out the same on every machine and in every version.
    assert [side(Prompt.of(str(i)), {"test": 0.5}) for i in range(8)] == PINNED


PINNED = ["train", "train", "test", "train", "train", "train", "train", "train"]


@pytest.mark.parametrize(
    "shares", [{"test": 1.0}, {"test": -0.1}, {"test": 0.6, "valid": 0.4}, {"test": float("nan")}]
)
def test_shares_that_leave_nothing_to_train_on_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="below 1"):
        side(Prompt.of("p"), shares)  # type: ignore[arg-type]
