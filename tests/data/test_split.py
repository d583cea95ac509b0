"""Splits by prompt: which side, that the purposes are independent, and what cannot be an
accident."""

from typing import Any

import pytest

from assay.data.records import cluster_key, digest, normalised, normalised_prompt_key
from assay.data.split import held_out, side, surprising
from assay.errors import ConfigError
from assay.types import Group, Message, Prompt, Response, ToolCall

PROMPTS = [Prompt.of(f"What is {i} plus {j}?") for i in range(100) for j in range(40)]


def within(count: int, of: int, share: float) -> bool:
    """Whether the count is within five standard deviations of the share."""
    return abs(count - share * of) <= 5 * (of * share * (1 - share)) ** 0.5


@pytest.mark.owed
def test_what_one_purpose_leaves_is_an_even_sample_for_the_next() -> None:
    for test, valid, share in ((0.1, 0.0, 0.1), (0.3, 0.2, 0.3), (0.5, 0.4, 0.05)):
        sides = [side(p, {"test": test, "valid": valid}) for p in PROMPTS]
        assert within(sides.count("test"), len(PROMPTS), test)
        assert within(sides.count("valid"), len(PROMPTS), valid)
        for name in ("train", "test"):
            own = [p for p, where in zip(PROMPTS, sides, strict=True) if where == name]
            assert within(sum(held_out(p, share) for p in own), len(own), share), (
                "held out of a side"
            )
            if not valid or name == "test":
                again = sum(side(p, {"valid": share}) == "valid" for p in own)
                assert within(again, len(own), share), (
                    "valid of a side that a split without valid left"
                )


def test_a_prompt_has_one_side_however_it_is_written_and_whatever_hangs_on_it() -> None:
    shares = {"test": 0.5, "valid": 0.25}
    for i in range(200):
        plain = Prompt.of(f"Name {i} colours.", reference="x")
        group = Group(prompt=Prompt.of(f"  name {i} COLOURS "), responses=(Response.of("a"),))
        assert side(plain, shares) == side(group, shares)
        assert held_out(plain, 0.5) == held_out(group, 0.5)


def test_prompts_of_one_text_differ_in_tools_images_and_calls() -> None:
    def shown(*parts: dict[str, str], **more: Any) -> Prompt:
        return Prompt(messages=(Message(role="user", content="What is it?", parts=parts, **more),))

    plain, text = Prompt.of(" What is IT?"), {"type": "text", "text": "What is it?"}
    prompts = [
        plain,
        plain.model_copy(update={"tools": ({"name": "look", "strict": True},)}),
        plain.model_copy(update={"tools": ({"name": "see"},)}),
        *(shown(text, {"type": "image_url", "image_url": url}) for url in ("a.png", "A.png")),
        *(shown(tool_calls=(ToolCall(name="look", arguments=said),)) for said in ("{}", "[]")),
    ]
    for key in (cluster_key, normalised_prompt_key):
        assert len({key(prompt) for prompt in prompts}) == len(prompts)
        assert key(shown(text)) == key(plain), "parts of text alone are its text"
        turned = plain.model_copy(update={"tools": ({"strict": True, "name": "look"},)})
        assert key(turned) == key(prompts[1])
    assert cluster_key(plain) == "what is it?"
    assert normalised_prompt_key(plain) == digest(normalised("What is it?"))


def test_shares_nest_and_seeds_differ() -> None:
    small = {p.text for p in PROMPTS if held_out(p, 0.05)}
    large = {p.text for p in PROMPTS if held_out(p, 0.1)}
    other = {p.text for p in PROMPTS if held_out(p, 0.1, seed=1)}
    assert small < large, (
        "what a training of a small share holds out, one of a larger share holds out too"
    )
    assert len(large & other) < 0.5 * len(large)
    assert not any(held_out(p, 0.0) for p in PROMPTS)


@pytest.mark.parametrize(
    "shares", [(-0.1, 0), (0, -0.1), (0.5, 0.5), (1, 0), (float("nan"), 0), (0, float("nan"))]
)
def test_what_is_no_share_is_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="together below 1"):
        side(PROMPTS[0], {"test": shares[0], "valid": shares[1]})


def test_a_file_that_the_hash_has_split_before_is_told_from_chance() -> None:
    rest = [p for p in PROMPTS if side(p, {"test": 0.1}) == "train"]
    for share in (0.05, 0.1, 0.2):
        assert surprising(sum(side(p, {"test": share}) == "test" for p in rest), len(rest), share)
        assert not surprising(
            sum(side(p, {"test": share}, 1) == "test" for p in rest), len(rest), share
        )
    assert not surprising(0, 8, 0.05)
    assert not surprising(0, 0, 0.05)
    assert not surprising(0, 5, 0.0)
