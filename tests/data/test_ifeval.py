"""IFEval's layout: what a prompt keeps of it, what is refused, and what is written."""

from pathlib import Path
from typing import Any

import pytest

from assay.data.formats.ifeval import Ifeval
from assay.data.io import read
from assay.errors import DataError
from assay.types import Prompt

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "ifeval.jsonl"
ROW: dict[str, Any] = {
    "key": 1,
    "prompt": "p",
    "instruction_id_list": ["a:b"],
    "kwargs": [{"n": 1}],
}


def prompts() -> list[Prompt]:
    return [record for record in read(GOLDEN) if isinstance(record, Prompt)]


def test_a_prompt_keeps_its_instructions() -> None:
    first, second, third = prompts()
    assert first.id == "7"
    assert first.meta == {
        "instructions": [
            {"id": "punctuation:no_comma", "kwargs": {}},
            {
                "id": "length_constraints:number_words",
                "kwargs": {"relation": "less than", "num_words": 5},
            },
        ]
    }
    assert second.meta["instructions"] == [
        {"id": "detectable_format:title", "kwargs": {}}
    ]  # null is left out
    assert (third.id, third.meta["split"]) == ("x-9", "test")


def test_it_is_written_back() -> None:
    rows = list(Ifeval().write(prompts()))
    assert [row["key"] for row in rows] == [7, 8, "x-9"]
    assert rows[0]["kwargs"] == [{}, {"relation": "less than", "num_words": 5}]
    assert rows[1]["kwargs"] == [{}]
    assert rows[2] == {
        "key": "x-9",
        "prompt": "Say why.",
        "instruction_id_list": ["keywords:existence"],
        "kwargs": [{"keywords": ["because", "so"]}],
        "split": "test",
    }


@pytest.mark.parametrize("key", ["7", "07", "7a", "", "1" * 40, 7, -7, "²"])
def test_every_key_survives(key: int | str) -> None:
    (prompt,) = Ifeval().read({**ROW, "key": key})
    assert isinstance(prompt, Prompt)
    assert prompt.id == str(key)
    (row,) = Ifeval().write([prompt])
    assert str(row["key"]) == str(key)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kwargs": []}, "0 objects for 1 ids"),
        ({"kwargs": "{}"}, "'kwargs': expected a list of objects"),
        ({"instruction_id_list": [3]}, "'instruction_id_list': expected a list of strings"),
        ({"key": None}, "'key': expected a number or a string"),
        ({"key": True}, "'key': expected a number or a string"),
        ({"prompt": 3}, "'prompt'"),
        ({"instructions": []}, "'instructions'"),
    ],
)
def test_a_malformed_row_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        list(Ifeval().read({**ROW, **change}))


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {"instructions": 3},
        {"instructions": [3]},
        {"instructions": [{"kwargs": {}}]},
        {"instructions": [{"id": 3}]},
    ],
)
def test_a_prompt_without_instructions_is_not_written(meta: dict[str, Any]) -> None:
    prompt = Prompt.of("p", id="1").model_copy(update={"meta": meta})
    with pytest.raises(DataError):
        list(Ifeval().write([prompt]))


def test_what_it_cannot_hold_is_refused() -> None:
    (prompt,) = Ifeval().read(ROW)
    assert isinstance(prompt, Prompt)
    more = {"instructions": [{"id": "a:b", "kwargs": {}, "weight": 2}]}
    for lossy in ({"reference": "r"}, {"meta": more}):
        with pytest.raises(DataError, match="reading it back would change"):
            list(Ifeval().write([prompt.model_copy(update=lossy)]))
