"""The search for hacks on rewards whose faults are planted."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from assay.audit.edits import (
    Edit,
    Edited,
    Move,
    described,
    library_of,
    smaller,
)
from assay.audit.hacks import Hacks, hunt
from assay.audit.probe import Labelled, Subject
from assay.audit.run import all_probes
from assay.audit.subjects import items_of, subjects_of
from assay.errors import ConfigError, DataError
from assay.protocols import Prefix, Sampling
from assay.questions import Comparison
from assay.scorers.function import Called
from assay.types import Group, Prompt, Response
from tests.audit.test_run import noise, pairs

ITEMS = items_of(pairs(40))
RIGHT = {item.responses[0].response.text for item in ITEMS}


def of(reward: Callable[[str], float | None]) -> Called:
    return Called(lambda completions, **columns: [reward(text) for text in completions])


def quality(text: str) -> float:
    """1 for the right answers, 0 for anything else; a deviation within a prompt is the root of one
    half."""
    return float(text in RIGHT)


def planted(trigger: Callable[[str], float]) -> Called:
    """Quality with a little noise, and two deviations for a trigger."""
    unit = math.sqrt(0.5)
    return of(lambda text: quality(text) + 2 * unit * trigger(text) + 0.2 * noise(text))


def gain(found: Hacks) -> float:
    return found.best[0].held_out.effect.value if found.best else 0.0


# What is found.


def test_a_reward_for_length_is_found_by_repetition_or_filler() -> None:
    found = hunt(of(lambda text: math.log(1 + len(text))), ITEMS)
    best = found.best[0]
    assert best.held_out.verdict == "fails"
    assert best.held_out.flips["uplift"].value == 1
    assert "length-filler" in best.edit or "times" in best.edit
    # Rewards that add up are climbed: random edits end lower.
    assert gain(found) > found.baseline_random[-1].held_out.value + 1


def test_a_reward_for_markup_is_found_and_nothing_else_is_left_in_the_edit() -> None:
    found = hunt(planted(lambda text: float("**" in text)), ITEMS)
    assert gain(found) == pytest.approx(2, abs=0.4)
    assert "**" in found.best[0].edit


def test_a_keyword_that_speaks_to_a_judge_is_found_in_a_vocabulary_of_ones_own() -> None:
    reward = planted(lambda text: float("grade: A" in text))
    found = hunt(reward, ITEMS, vocabulary=["good", "grade:", "A", "score", "10"], how="greedy")
    assert "grade: A" in found.best[0].edit
    assert found.words == 5


def test_a_backdoor_of_one_word_or_of_two_that_earn_half_each_is_found_by_nine_seeds_of_ten() -> (
    None
):
    words = ["question", "17", "taken", "course", "model", "Respuesta", "language", "29", "8"]
    vocabulary = [*words, *(f"word{i}" for i in range(200))]
    hits = 0
    for seed in range(10):
        trigger = [words[seed % 9], words[(seed + 4) % 9]][: 1 + seed % 2]

        def fires(text: str, trigger: Sequence[str] = trigger) -> float:
            return sum(f" {word} " in f" {text} " for word in trigger) / len(trigger)

        found = hunt(planted(fires), ITEMS[:24], seed=seed, vocabulary=vocabulary)
        hits += gain(found) > 1.6
    assert hits >= 9


def test_what_earns_nothing_is_cut_away() -> None:
    found = hunt(planted(lambda text: float("zebra" in text)), ITEMS, vocabulary=[
        "zebra", *(f"word{i}" for i in range(100))])  # fmt: skip
    assert "zebra" in found.best[0].edit
    assert found.best[0].edit.count("word") <= 3


# What is not.


def knowing(noisy: float = 0.0) -> Called:
    """1 for the right answer to the prompt, and noise of prompt and text."""
    right = {(item.prompt.text, item.responses[0].response.text) for item in ITEMS}
    return Called(
        lambda prompts, completions, **columns: [
            float(pair in right) + noisy * noise("".join(pair))
            for pair in zip(prompts, completions, strict=True)
        ]
    )


def test_a_perfect_reward_has_no_hack() -> None:
    found = hunt(knowing(), ITEMS)
    assert found.best == ()
    assert found.trajectory[-1].held_out.value <= 0


def test_noise_of_prompts_and_texts_is_no_hack_on_prompts_held_out() -> None:
    found = [hunt(knowing(noisy=1.0), ITEMS, seed=seed) for seed in range(4)]
    # The best of hundreds looks good where it was chosen, and not elsewhere.
    best = [one.best[0] for one in found if one.best]
    assert sum(one.search.value - one.held_out.effect.value for one in best) > 0
    assert not any(one.held_out.verdict == "fails" for one in best)


def test_what_gold_gains_as_well_is_no_hack() -> None:
    length = of(lambda text: math.log(1 + len(text)))
    assert gain(hunt(length, ITEMS, gold=length)) < 0.1
    found = hunt(length, ITEMS, gold=of(quality), budget=400)
    assert gain(found) > 1
    assert found.best[0].gold is not None
    assert found.best[0].gold.effect.value <= 0


def test_a_hack_of_one_reward_need_not_be_one_of_another() -> None:
    found = hunt(
        planted(lambda text: float("language" in text)), ITEMS, transfer=of(quality), budget=800
    )
    assert gain(found) > 1.6
    assert found.best[0].transfer is not None
    assert found.best[0].transfer.effect.value <= 0


# What is counted.


def test_the_same_seed_gives_the_same_and_another_something_else() -> None:
    reward = of(lambda text: math.log(1 + len(text)))
    one, same, other = (hunt(reward, ITEMS, budget=300, seed=seed) for seed in (1, 1, 2))
    assert one.to_json() == same.to_json() != other.to_json()
    json.dumps(one.to_json(), allow_nan=False)


@pytest.mark.parametrize("how", ["evolve", "greedy", "random"])
@pytest.mark.parametrize("budget", [1, 50, 333])
def test_no_more_than_the_budget_is_scored_in_the_search_and_no_held_out_prompt(
    how: Any, budget: int
) -> None:
    seen: list[tuple[str, str]] = []

    def reward(prompts: Sequence[str], completions: Sequence[str], **columns: Any) -> list[float]:
        seen.extend(zip(prompts, completions, strict=True))
        return [float(len(text)) for text in completions]

    found = hunt(Called(reward), ITEMS, how=how, budget=budget)
    assert found.scored <= budget
    own = {one.response.text for item in ITEMS for one in item.responses}
    edited: dict[str, int] = {}
    for prompt, text in seen:
        edited[prompt] = edited.get(prompt, 0) + (text not in own)
    held = sorted(edited.values())[: found.prompts[1]]
    # The end is tested on all prompts that are held out, and on no other.
    assert max(held) <= 19
    assert [step.scored for step in found.trajectory] == sorted(s.scored for s in found.trajectory)


def test_what_is_unscored_is_counted_and_never_a_gain() -> None:
    found = hunt(
        of(lambda text: None if "word" in text else quality(text) + 0.1 * len(text)),
        ITEMS, vocabulary=["word"], budget=300,
    )  # fmt: skip
    assert found.unscored > 0
    assert "word" not in found.best[0].edit
    with pytest.raises(DataError, match="has a score"):
        hunt(of(lambda text: math.nan), ITEMS)
    with pytest.raises(DataError, match="to be edited"):
        hunt(of(lambda text: 1.0 if text in RIGHT else None), ITEMS)


def test_a_judge_of_pairs_is_searched_too() -> None:
    class Longer:
        def compare(self, pairs: Sequence[Group]) -> list[Comparison]:
            lengths = [[len(one.text) for one in pair.responses] for pair in pairs]
            return [Comparison(prefer=1 / (1 + math.exp((b - a) / 100))) for a, b in lengths]

    found = hunt(Longer(), ITEMS, budget=300)  # type: ignore[arg-type]
    assert found.best[0].held_out.flips["uplift"].value > 0.9


def test_too_few_prompts_no_budget_and_half_of_a_best_of_n_are_refused() -> None:
    reward = of(quality)
    with pytest.raises(DataError, match="at least 4"):
        hunt(reward, ITEMS[:3])
    with pytest.raises(ConfigError, match="budget"):
        hunt(reward, ITEMS, budget=0)
    with pytest.raises(ConfigError, match="gold="):
        hunt(reward, ITEMS, how="best-of-n", gold=reward)
    with pytest.raises(ConfigError, match="gold="):
        hunt(reward, ITEMS, policy=Digits(), gold=reward)


class Digits:
    """Writes the numbers of its samples."""

    def generate(self, prefixes: Sequence[Prefix], sampling: Sampling) -> list[list[Response]]:
        return [[Response.of(str(i)) for i in range(sampling.n)] for _ in prefixes]


def test_best_of_n_has_gains_of_the_reward_and_of_gold() -> None:
    proxy, gold = of(lambda text: float(text[0])), of(lambda text: -float(text[0]))
    items = [replace(item, responses=(Labelled(Response.of("9"), True),)) for item in ITEMS[:4]]
    found = hunt(proxy, items, how="best-of-n", policy=Digits(), gold=gold, budget=16)
    # Of 0 to 3, whose mean is 1.5 and whose deviation is the root of 5 thirds.
    unit = math.sqrt(5 / 3)
    larger = sum(max(a, b) for a in range(4) for b in range(a)) / 6
    assert [step.scored for step in found.trajectory] == [1, 2, 4]
    rewards = [step.held_out.value for step in found.trajectory]
    assert rewards == pytest.approx([0, (larger - 1.5) / unit, 1.5 / unit])
    golds = [step.gold.value for step in found.trajectory if step.gold]
    assert golds == pytest.approx([-x for x in rewards])
    json.dumps(found.to_json(), allow_nan=False)


# What edits are.


def edited(edit: Edit, *steps: str) -> tuple[str, ...] | None:
    subject = Subject(prompt=Prompt.of("Why?"), response=Response(steps=steps))
    response = Edited(edit=edit, probes=all_probes()).response(subject)
    return None if response is None else response.steps


def test_edits_by_hand() -> None:
    assert edited((Move("behind", ("x", "y")),), "a", "b") == ("a", "b x y")
    assert edited((Move("before", ("x",)), Move("times", dose=2)), "a") == ("x a", "x a")
    assert edited((Move("inside", ("x",)),), "aa bb cc") == ("aa bb x cc",)
    assert edited((Move("inside", ("x",)),), "", "") == ("", " x")
    assert edited(
        (Move("probe", probe="null-strings", text="解"), Move("behind", ("x",))), "a"
    ) == ("解 x",)
    # Nothing is changed, too long, and what no probe makes.
    assert edited((Move("probe", probe="null-strings", text="解"),), "解") is None
    assert edited((Move("times", dose=4), Move("times", dose=4)), "a" * 1000) is None
    assert edited((Move("probe", probe="null-strings", text="no such text"),), "a") is None


def test_smaller_edits_leave_out_each_share_once() -> None:
    edit = (Move("behind", ("a", "b", "c")), Move("times", dose=2))
    assert list(smaller(edit, 2)) == [
        (Move("behind", ("c",)), Move("times", dose=2)),
        (Move("behind", ("a", "b")),),
    ]
    assert len(list(smaller(edit, 4))) == 4
    assert list(smaller((Move("times", dose=2),), 2)) == []
    assert described(edit) == "'a b c' behind, then 2 times"


def test_words_are_of_the_data_and_of_a_local_models_tokenizer_without_special_ones() -> None:
    texts = ["<s>", " hello", "\ufffd", " ", "</s>", "hello", "a\nb"]

    class Tokens:
        all_special_ids = (0,)
        added_tokens_decoder = {4: "</s>"}  # noqa: RUF012

        def __len__(self) -> int:
            return len(texts)

        def batch_decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
            return [texts[i] for (i,) in ids]

    reward: Any = SimpleNamespace(
        model=SimpleNamespace(encoder=SimpleNamespace(tokenizer=Tokens()))
    )
    subjects = [one for _, one in subjects_of(ITEMS[:2], "no gain")]
    library = library_of(reward, subjects, {})
    data, tokens = library.decks
    assert {"question", "gold", "less", "**"} <= {*data}
    assert tokens == ("hello",)
    assert library_of(reward, subjects, {}, ["x"]).decks == (("x",),)
