"""What is added, counted by hand, and labels turned round in the exact share."""

from collections import Counter

import pytest

from assay.data.augment import augment, flip
from assay.errors import ConfigError, DataError
from assay.types import Preference, Prompt, Response


def pair(name: str, prefer: float = 1.0, *, prompt: str = "") -> Preference:
    responses = (Response.of(f"{name} good"), Response.of(f"{name} bad"))
    return Preference(
        prompt=Prompt.of(prompt or f"about {name}?"), responses=responses, prefer=prefer
    )


RECORDS = [pair("a"), pair("b", 0.2), pair("c", 0.5), pair("d", 0.7), pair("a2", prompt="About a!")]


def test_counts_by_hand() -> None:
    found = augment(RECORDS, wins=2, ties=3)
    # Five records; four prefer one response and get two wins each; all get three ties.
    assert len(found) == 5 + 4 * 2 + 5 * 3
    assert Counter(record.prompt.text for record in found) == {
        "about a?": 6, "about b?": 6, "about c?": 4, "about d?": 6, "About a!": 6,
    }  # fmt: skip
    assert [record for record in found if record in RECORDS] == RECORDS
    assert augment(RECORDS, wins=0, ties=0) == RECORDS
    assert len(augment(RECORDS)) == 5 + 4 + 5


def test_the_better_response_beats_one_to_another_prompt_and_others_tie() -> None:
    better = {
        "about a?": "a good",
        "about b?": "b bad",
        "about d?": "d good",
        "About a!": "a2 good",
    }
    drawn = Counter()
    for record in augment(RECORDS, wins=20, ties=20):
        if record in RECORDS:
            continue
        texts = [response.text for response in record.responses]
        own = (
            ("a ", "a2 ")
            if record.prompt.text in ("about a?", "About a!")
            else (record.prompt.text[6] + " ",)
        )
        assert record.margin is None
        if record.prefer == 1.0:
            assert texts[0] == better[record.prompt.text]
            assert not texts[1].startswith(own)
        else:
            assert record.prefer == 0.5
            assert not any(text.startswith(own) for text in texts)
            assert texts[0] != texts[1]
        drawn.update(texts[int(record.prefer == 1.0) :])
    # Good and bad ones are drawn alike, of every record.
    assert len(drawn) == 10
    assert sum(n for text, n in drawn.items() if "good" in text) / drawn.total() == pytest.approx(
        0.5, abs=0.1
    )


def test_it_is_a_function_of_the_seed() -> None:
    assert augment(RECORDS, seed=3) == augment(RECORDS, seed=3)
    assert augment(RECORDS, seed=3) != augment(RECORDS, seed=4)


def test_without_another_prompt_nothing_can_be_drawn() -> None:
    with pytest.raises(DataError, match="no other prompt"):
        augment([pair("a"), pair("b", prompt="About a")])
    with pytest.raises(DataError, match="record 0 is a Prompt"):
        augment([Prompt.of("a")])
    with pytest.raises(ConfigError, match="wins is -1"):
        augment(RECORDS, wins=-1)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 0), (0.25, 10), (0.26, 10), (0.5, 20), (1.0, 40)]
)
def test_exactly_this_share_of_the_decided_is_turned_round(share: float, expected: int) -> None:
    records = [pair(f"r{i}", (1.0, 0.25)[i % 2]) for i in range(40)] + [pair("tie", 0.5)] * 5
    found = flip(records, share, seed=1)
    turned = [(a, b) for a, b in zip(records, found, strict=True) if a != b]
    assert len(turned) == expected
    assert all(b.prefer == 1 - a.prefer and b.responses == a.responses for a, b in turned)
    if 0 < share < 1:
        assert flip(records, share, seed=2) != found


def test_turning_round_needs_a_share() -> None:
    with pytest.raises(ConfigError, match="share is 2"):
        flip(RECORDS, 2)
