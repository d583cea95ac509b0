"""Each format's three golden rows, read as written out here by hand; and back, where the format is
written."""

import contextlib
import importlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from assay import components
from assay.data.formats.assay import Assay
from assay.data.formats.hh_rlhf import HhRlhf
from assay.data.formats.math_shepherd import MathShepherd
from assay.data.formats.mrben import MRBen
from assay.data.formats.nway import Nway
from assay.data.formats.plain import Plain
from assay.data.formats.prm800k import Prm800k
from assay.data.formats.prmbench import PRMBench
from assay.data.formats.trl_preference import TrlPreference
from assay.data.formats.trl_stepwise import TrlStepwise
from assay.data.formats.trl_unpaired import TrlUnpaired
from assay.data.formats.ultrafeedback import Ultrafeedback
from assay.data.io import read, scan, write
from assay.data.lines import Bad
from assay.data.records import prompt_of
from assay.errors import DataError
from assay.types import Group, Message, Preference, Prompt, Ranking, Record, Response, StepLabels

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def golden(name: str) -> Path:
    (path,) = GOLDEN.glob(f"{name.replace('-', '_')}.json*")
    return path


def rows_of(name: str) -> list[dict[str, Any]]:
    text = golden(name).read_text()
    if name == "mrben":
        return [row for group in json.loads(text).values() for row in group]
    return [json.loads(line) for line in text.splitlines()]


def brief(record: Record) -> tuple[Any, ...]:
    """Prompt's text, responses' steps, what is said of them."""
    if isinstance(record, Prompt):
        return (record.text, record.reference)
    assert isinstance(record, (Group, StepLabels))
    if isinstance(record, StepLabels):
        return (record.prompt.text, record.response.steps, record.labels)
    said = {Preference: "prefer", Ranking: "grades"}.get(type(record), "ungraded")
    texts = tuple(r.text for r in record.responses)
    return (record.prompt.text, texts, getattr(record, said, None))


EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    "assay": [
        ("Name a colour.", ("Blue.", "Tuesday."), 0.7),
        ("1+1+1?", ("1+1=2\n", "2+1=4"), (1, None)),
        ("Be brief.\n\nHi", None),
    ],
    "trl-preference": [
        ("The sky is", (" blue.", " green."), 1),
        ("The sky is", (" blue.", " bleak."), 1),
        ("What colour is the sky?", ("It is blue.", "It is green."), 1),
    ],
    "trl-unpaired": [
        ("The sky is", (" blue.",), (1,)),
        ("The sky is", (" green.",), (0,)),
        ("Sky?\n\nWhat of it?\n\nIts colour.", ("Blue.",), (1,)),
    ],
    "trl-stepwise": [
        (
            "Which is larger, 9.8 or 9.11?",
            ("Compare the tenths.\n", "8 is more than 1.\n", "So 9.11."),
            (1, 1, 0),
        ),
        ("2+3?", ("5",), (1,)),
        ("2-3?", ("3-2=1\n", "So 1."), (0, 0)),
    ],
    "hh-rlhf": [
        ("Hi", ("Hello! How can I help?", "What."), 1),
        ("Hi\n\nHello!\n\nWhat is 2+2?", ("4", ""), 1),
        ("Hi", ("Hello!\n\nHuman: Bye\n\nAssistant: Bye!", "Go away."), 1),
    ],
    "nemo-preference": [
        ("Name a prime.", ("Seven.", "Eight."), 1),
        ("Be brief.\n\nHi", ("What.", "Hello!"), 0),
        ("1+1?", ("2", "x", "3"), (0, -2, -1)),
    ],
    "ultrafeedback": [
        ("Name a colour.", ("Blue.", "Tuesday."), (9, 2.5)),
        ("Name a number.", ("7", "8", "x"), (8, 8, 1)),
    ],
    "plain": [
        ("2+3?", ("5",), None),
        ("2+3?", ("6",), (0,)),
        ("Be brief.\n\nHi", ("Hello", "Hi"), None),
        ("1+1?", ("2", "3"), (1, 0.5)),
        ("0?", "0"),
    ],
    "nway": [
        ("Name a colour.", ("Blue.", "Red.", "Tuesday."), (5, 5, 1.5)),
        ("Name a number.", ("7", "x"), (-1, -2)),
        ("Be brief.\n\nHi", ("Hello", "Hi"), (0, 1)),
    ],
    "prm800k": [
        ("1+2+3?", ("1+2=4.",), (0,)),
        ("1+2+3?", ("1+2=3.\n", "It is a sum."), (None, 1)),
        ("1+2+3?", ("1+2=3.\n", "3+3=7."), (None, 0)),
        ("1+2+3?", ("1+2=3.\n", "3+3=6.\n", "Answer: 6"), (1, None, 1)),
        ("4*5?", ("4*5=5*4\n", "=25"), (1, 0)),
    ],
    "math-shepherd": [
        (
            "Ann has 2 pens and buys 3. How many?",
            ("Step 1: She starts with 2.\n", "Step 2: 2+3=5. The answer is: 5"),
            (1, 1),
        ),
        ("What is 2^3?", ("Step 1: 2*3=6. The answer is: 6",), (0,)),
        ("5-1?", ("Step 1: 5-1=4 + 0.\n", "Step 2: The answer is: 3"), (1, 0)),
    ],
    "gsm8k": [
        ("Ann has 2 pens and buys 3. How many?", "5"),
        ("What do 3 cars at $400 cost?", "1,200"),
        ("How cold?", "-3"),
    ],
    "ifeval": [
        ("Name two colours, without commas.", None),
        ('Write <<a title>> and "end".', None),
        ("Say why.", None),
    ],
    "humaneval": [
        ('def add(a, b):\n    """Sum."""\n', None),
        (
            (
                "from typing import List\n\ndef half(x):\n    return x / 2\n\n"
                'def halves(xs: List[float]):\n    """Half of each."""\n'
            ),
            None,
        ),
        ("def flip(b):\n    '''Not b.'''\n", None),
    ],
    "mbpp": [
        (
            (
                "Write a function to add two numbers.\nYour code should pass these tests:\n\n"
                "assert add(1, 2) == 3\nassert add(-1, 1) == 0"
            ),
            None,
        ),
        (
            (
                "Write a function to find the square root.\nYour code should pass these tests:\n\n"
                "assert math.isclose(root(4), 2)\nassert root(9) == 3"
            ),
            None,
        ),
        (
            (
                "Write a function that returns the larger of two pairs.\nYour code should pass"
                " these tests:\n\nassert larger(P, (0, 1)) == P\nassert larger((0, 1), (5, 5)) =="
                " (5, 5)"
            ),
            None,
        ),
    ],
    "evalplus": [
        ("'''\nWrite a function to add.\n'''", None),
        ('def third(x):\n    """A third."""\n', None),
        ("'''\nPairs, please.\n'''", None),
    ],
    "livecodebench": [
        ("Print the sum of two numbers.", None),
        (
            (
                "Return twice the list.\n\nUse this start:\n```python\nclass Solution:\n"
                "    def twice(self, xs: List[int], n: int) -> List[int]:\n        \n```"
            ),
            None,
        ),
        ("Print what you read.", None),
    ],
    "genrm-samples": [
        ("2+3?", ("The answer is 5.",), (1,)),
        ("2+3?", ("The answer is 6.",), (0,)),
        ("1+1?", ("The answer is 2.",), (1,)),
    ],
    "gsm8k-solutions": [
        ("2+3?", ("A: 6", "A: 5", "2+3\nA: 5", "5\nA: 5"), (0, 1, 1, 1)),
        ("1+1?", ("A: 3", "A: 3", "A: 3", "A: 3"), (0, 0, 0, 0)),
        ("3*3?", ("A: 9", "A: 9", "A: 9", "A: 9"), (1, 1, 1, 1)),
    ],
    "zeroeval": [
        ("2+3?", ("2+3=5.\nThe answer is 5.", "The answer is 6."), (1, 0)),
        ("1/2?", ("Half.",), (0,)),
        ("0?", ("",), (0,)),
    ],
    "fine-grained-rlhf": [
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Ann.", "Bob."), 1),
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Ann.", "Ann!"), 0.5),
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Ann.", "?"), 1),
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Bob.", "Ann!"), 0),
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Bob.", "?"), 1),
        ("Ann Ann did it.\n\nBob Bob did not.\n\nWho?", ("Ann!", "?"), 1),
        *[
            ("When?", pair, 0.5)
            for pair in [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
        ],
        *[
            ("Where?", pair, 0)
            for pair in [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
        ],
    ],
    "processbench": [
        ("2+3?", ("Add 2 and 3.\n\n", "That is 6.\n\n", "So 6."), (1, 0, None)),
        ("2+3?", ("2+3=5.\nSo 5.",), (1,)),
        ("What is 1/2 of 4?", ("Half of 4 is 1.\n\n", "Twice that is 2."), (0, None)),
    ],
    "prmbench": [
        ("2+3?", ("1. Add.\n", "2. It is 6.\n", "3. So 6."), (1, 0, 0)),
        ("1+1?", ("Count.\n", "2."), (1, 1)),
        ("2x?", ("4.",), (0,)),
    ],
    "stepverify": [
        ("2+3?", ("2 and 3.\n", "2*3=6.\n", " 6"), (1, 0, None)),
        ("1+1?", ("11\n", " 11"), (0, None)),
        ("0?", ("a\n", "b\n", "c"), (1, 1, 0)),
    ],
    "mrben": [
        (
            "Which?\nA: x \nB: y",
            (
                "Step 1: Look at A.\n- It fits.\n",
                "Step 2: Look at B.\n- It fits too.\nSolution: Choice_B",
            ),
            (1, 0),
        ),
        ("Which?\nA: x \nB: y", ("Step 1: It is A.",), (1,)),
        ("2+3?", ("Step 1: Add.\n", "Step 2: 6.\n", "Step 3: So 6."), (1, 0, None)),
    ],
    "bigbench-mistake": [
        ("Sort: b a", ("b is 2, a is 1.\n", "So b before a.\n", "b a"), (1, 0, None)),
        ("Sort: a b", ("Done.",), (1,)),
        ("Sort: c b", ("c b\n", "Done."), (0, None)),
    ],
    "versaprm": [
        ("2+3?", ("Add 2 and 3.\n", "5"), (1, 1)),
        ("2+3?", ("Add 2 and 3.\n", "6"), (None, 0)),
        ("2+3?", ("Add 2 and 3.\n", "5\n", "So 5."), (None, None, 1)),
        ("1+1?", ("3",), (0,)),
    ],
    "rlhflow-prm": [
        ("2+3+4?", ("Step 1: 2+3=5.\n", "Step 2: 5+4=8."), (1, 0)),
        ("What is\n1+1?", ("Step 1: It is 2.",), (1,)),
        ("Be brief.\n\n0?", ("Step 1: 1.",), (0,)),
    ],
    "step-ratings": [
        ("2+3+4?", ("2+3=5.\n\n", "So 8."), (1, 0)),
        ("1+1?", ("Count.\n", "2."), (0.5, None)),
        ("Be brief.\n\n0?", ("0",), (1,)),
    ],
    "reason-eval": [
        ("2+3?", ("1. Add.\n", "2. It is\n6.\n", "3. So 6."), (1, 0, None)),
        ("1+1?", ("Count.\n", "2."), (1, 1)),
        ("0?", ("It is\n", "a number.\n", "1"), (1, 1, 0)),
    ],
    "math-aps": [
        ("2+3?", ("Add them.",), (0.5,)),
        ("2+3?", ("Add them. 5",), (1,)),
        ("1+1?", ("3",), (0,)),
    ],
    "arena": [
        ("Hi", ("Bye", "Hello"), 0),  # the judged turn is the first
        ("2+3?", ("6", "7"), 0.5),
        ("Hi", ("HelloA greeting.", "ByeSo."), 1),
    ],
    "helpsteer": [
        ("Name a colour.", ("Blue.",), (4,)),
        ("Hi\n\nHello! \n\nBye", ("Bye!", "No."), 1),
        ("2+3?", ("6", "5"), 0),
    ],
    "judge-logs": [
        ("2+3?", ("It is\n\n5.",), (7,)),
        ("Hi", ("HelloManners.", "NoSo."), 0.75),
        ("2+3?", ("6", "5"), 0),
        ("2+3?", ("5", "6"), 1),
    ],
    "nectar": [
        ("Hi\n\nHello\n\nBye", ("Bye!", " No. "), (-1, -2)),
        ("2+3?", ("6", "5", "five"), (-3, -1, -1)),
        ("Why?\n\nSo?", ("", "So."), (-2, -1)),
    ],
    "oasst": [
        ("Hi", ("Hello", "No"), (0, -1)),
        ("Hi\n\nHello\n\nWhy?", ("Manners.", "A greeting."), (-1, 0)),
        ("2+3?", ("5", "6", "5!"), (0, -2, -1)),
    ],
    "pku-saferlhf": [
        ("Pick a lock?", ("With a pin.", "I had rather not say."), 1),
        ("Hi", ("Go.", "Hello."), 0),
        ("Bye", ("Bye.", "Stay!"), 1),
    ],
    "summarize-from-feedback": [
        (
            "SUBREDDIT: r/pets\n\nTITLE: Cat\n\nPOST: My cat is up a tree.\n\n\nTL;DR:",
            (" Cat in tree.", " A tree."),
            1,
        ),
        ("SUBREDDIT: r/weather\n\nTITLE: Rain\n\nPOST: It rains.\n\nTL;DR:", ("Sun.", "Rain."), 0),
        ("Dogs bark.\n\nTL;DR:", ("Bark.", "Dogs."), 0),
    ],
    "math-aps-tree": [
        ("2+3?", ("Add them.\n", "5"), (0.5, 1)),
        ("2+3?", ("Add them.\n", "6"), (None, 0)),
        ("2+3?", ("It is 5.",), (1,)),
        ("0?", ("0",), (1,)),
    ],
    "messages": [
        ("Hi\n\nHello.\n\nWhat is 2+3?", ("5",), None),
        (
            "Use the tools.\n\nWhat is 2+3?",
            ('<think>I add.</think>\nadd({"xs": [2,  3]})\nadd({"xs": [2, 3)', "It is 5."),
            (None, 1),
        ),
        ("How many cats?", ('count({"what": "cats"})Fou',), (-1.5,)),
        ("What is 2+3?", "5"),
        ("What is 2+3?", ("add\nadd({})", "0"), (0.25, None)),
    ],
    "tau-bench": [
        (
            "Sell pens.\n\nA pen, please.",
            ("Red or blue?", 'sell({"colour":"blue"})', "Sold."),
            (None, None, 1),
        ),
        ("Sell pens.\n\nA hat.", ("No hats.",), (0,)),
    ],
    "swe-rebench": [
        (
            "You fix code.\n\nIt fails.",
            ('I look.\nbash({"command": "ls"})', "finish({})"),
            (None, 1),
        ),
        ("It fails.", ("Why?",), (0,)),
        ("It is slow.", ("Yes.",), None),
    ],
    "verifiers": [
        ("Use the tools.\n\nWhat is 2+3?", ('add({"xs":[2,3]})', "5"), (None, 1)),
        ("1+1?", ("2!",), (1.25,)),
        ("What is 2+3?", ("",), None),
        ("What is 2+3?", ("4?", "5"), (None, 0.5)),
    ],
    "verifiers-trace": [
        (
            "Use the tools.\n\n2+3?",
            ('<think>Add.</think>\nadd({"xs":[2,3]})', "5"),
            (None, 0.75),
        ),
        ("2+3?", ("6",), None),
        ("2+3?", ("fi",), None),
        ("1?", ("1",), (2,)),
        ("Is it 1?", ("Yes.",), None),
    ],
    "inspect-sample": [
        ("2+3?", ('<think>Add.</think>\nI ask.\nadd({"xs": [2, 3]})', "5"), (None, 1)),
        ("Hi", ("Hel",), None),
        ("0?", ("1",), (0,)),
        ("1?", ("1",), (3,)),
    ],
    "atif": [
        (
            "Fix it.\n\nSee:",
            ('<think>I look.</think>\nls({"path": "."})\ncat({})', "Done."),
            (None, 1),
        ),
        ("Hi", ("Hello",), None),
        ("1?", ("1",), (-2,)),
    ],
    "openai-responses": [
        (
            "Be brief.\n\n2+3?",
            ('<think>Add.</think>\nadd({"xs":[2, 3]})\nadd({)', "5"),
            (None, 1),
        ),
        ("What is it?", ("A c",), None),
        ("Go.\n\n\n\n1", ("1Done.",), (7,)),
    ],
    "nemo-gym": [
        (
            "Be brief.\n\n2+3?",
            ('<think>Add.</think>\nadd({"xs":[2, 3]})\nadd({)', "5"),
            (None, 1),
        ),
        ("2+3?", ("fi",), None),
        ("1+1?", None),
        ("1+1?", ("2",), (-0.5,)),
    ],
    "healthbench": [
        ("I have a headache.", None),
        ("Hi\n\nHello.\n\nMy arm hurts.", None),
        ("Is tea healthy?", None),
    ],
    "healthbench-meta": [
        ("I have a headache.", ("Since when?",), (1,)),
        ("My arm hurts.", ("Rest.",), (0.5,)),
        ("Is tea healthy?", ("Yes.",), (0,)),
    ],
    "rar": [
        ("What is the dose for a child of 20 kg?", "200 mg"),
        ("Why is the sky blue?", "Rayleigh scattering"),
        ("1+1?", "2"),
    ],
    "verl-rubrics": [
        ("I have a headache.", None),
        ("Be brief.\n\n1+1?", "2"),
        ("Name a colour.", None),
    ],
    "open-instruct-rubrics": [
        ("Why is the sky blue?", None),
        ("Cook rice.", None),
        ("Be brief.\n\nName a colour.", None),
    ],
}

WRITTEN = [
    "healthbench",
    "rar",
    "verl-rubrics",
    "open-instruct-rubrics",
    "nemo-preference",
    "assay",
    "trl-preference",
    "trl-unpaired",
    "trl-stepwise",
    "hh-rlhf",
    "ultrafeedback",
    "nway",
    "arena",
    "helpsteer",
    "nectar",
    "plain",
    "prm800k",
    "math-shepherd",
    "rlhflow-prm",
    "step-ratings",
    "gsm8k",
    "ifeval",
    "messages",
    "tau-bench",
    "swe-rebench",
    "verifiers",
    "verifiers-trace",
    "inspect-sample",
    "atif",
    "openai-responses",
    "nemo-gym",
]


def test_every_format_has_golden_rows() -> None:
    assert EXPECTED.keys() == set(components.names("formats"))


@pytest.mark.parametrize("name", EXPECTED)
def test_golden_rows_are_told_apart_and_read(name: str) -> None:
    assert [brief(record) for record in read(golden(name))] == EXPECTED[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_records_survive_being_written_and_read_again(name: str, tmp_path: Path) -> None:
    records = list(read(golden(name)))
    for suffix in (".jsonl", ".jsonl.gz", ".json"):
        path = tmp_path / f"again{suffix}"
        assert write(records, path, name) == len(records)
        assert list(read(path, format=name)) == records
    assert (
        list(read(tmp_path / "again.jsonl")) == records
    )  # and the format is told from what was written


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - set(WRITTEN)))
def test_the_other_formats_say_that_they_are_read_only(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name} is read only"):
        write(read(golden(name)), tmp_path / "again.jsonl", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", EXPECTED)
def test_a_damaged_row_is_read_or_refused_but_never_crashes(name: str) -> None:
    format = components.load("formats", name)()
    for row in rows_of(name):
        for column in row:
            for value in (None, 17, "x", [], {}, [None], [17], {"a": 1}):
                damaged = {**row, column: value}
                refused(format, damaged)
            refused(format, {key: x for key, x in row.items() if key != column})


@pytest.mark.parametrize("name", EXPECTED)
def test_a_column_that_a_layout_does_not_know_is_kept_or_refused(name: str) -> None:
    format = components.load("formats", name)()
    for row in rows_of(name):
        with contextlib.suppress(DataError):
            records = list(format.read({**row, "extra_column": "⌘"}))
            assert not records or "⌘" in dumped(records)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("gsm8k-solutions", ("6b_finetuning",)),
        ("zeroeval", ("candidates", 0)),
        ("math-aps", ("reasoning_steps", 0)),
        ("math-aps", ("reasoning_steps", 1)),
        ("versaprm", ("chain_of_thoughts", 0)),
        ("versaprm", ("chain_of_thoughts", 0, "augs", 0)),
        ("prm800k", ("question",)),
        ("prm800k", ("label",)),
    ],
)
def test_so_is_a_key_of_what_a_column_holds(name: str, way: tuple[str | int, ...]) -> None:
    row = inner = rows_of(name)[0]
    for key in way:
        inner = inner[key]  # type: ignore[index]
    inner["extra_key"] = "⌘"
    assert "⌘" in dumped(components.load("formats", name)().read(row))


def test_what_the_public_files_say_beside_records_is_left_out() -> None:
    for name in sorted(EXPECTED):
        module = importlib.import_module(components.load("formats", name).__module__)
        left_out = getattr(module, "LEFT_OUT", frozenset())
        for record in read(golden(name)):
            assert not left_out & prompt_of(record).meta.keys(), name


def dumped(records: Iterable[Record]) -> str:
    return "".join(record.model_dump_json() for record in records)


def refused(format: Any, row: dict[str, Any]) -> None:
    with contextlib.suppress(DataError):
        list(format.read(row))


def test_what_a_record_keeps_beside_texts_and_labels() -> None:
    explicit, _, chat = read(golden("trl-preference"))
    assert isinstance(explicit, Preference)
    assert isinstance(chat, Preference)
    assert (explicit.margin, chat.margin) == (1.5, None)
    assert (chat.prompt.id, chat.prompt.meta) == ("sky", {"votes": 3})
    first = next(iter(read(golden("ultrafeedback"))))
    assert isinstance(first, Ranking)
    assert first.responses[0].meta == {"model": "a", "fine-grained_score": 4.5}
    sample = next(iter(read(golden("genrm-samples"))))
    assert isinstance(sample, StepLabels)
    assert (sample.prompt.id, sample.prompt.meta, sample.response.meta) == (
        "7",
        {"split": "train"},
        {"sample_id": 0},
    )
    shepherd = next(iter(read(golden("math-shepherd"))))
    assert isinstance(shepherd, StepLabels)
    assert shepherd.prompt.meta == {"task": "GSM8K"}


def test_settings_change_what_is_read() -> None:
    labels = [
        r.labels
        for r in read(golden("prm800k"), format=Prm800k(neutral="ignore"))
        if isinstance(r, StepLabels)
    ]
    assert labels == [(0,), (None, 0), (1, None, 1), (None, 0)]
    labels = [
        r.labels
        for r in read(golden("prm800k"), format=Prm800k(neutral="negative"))
        if isinstance(r, StepLabels)
    ]
    assert labels == [(0,), (None, 0), (None, 0), (1, None, 1), (0, 0)]
    half = Prm800k(neutral="half")
    records = [r for r in read(golden("prm800k"), format=half) if isinstance(r, StepLabels)]
    assert [r.labels for r in records] == [(0,), (None, 0.5), (None, 0), (1, None, 1), (0.5, 0)]
    whole = records[-1].model_copy(update={"labels": (0.5, 0.0)})
    (row,) = half.write([whole])
    assert [step["completions"][0]["rating"] for step in row["label"]["steps"]] == [0, -1]
    original = [brief(r) for r in read(golden("prmbench"), format=PRMBench(process="original"))]
    assert original == [
        ("2+3?", ("1. Add.\n", "2. 5."), (1, 1)),
        ("1+1?", ("2.",), (1,)),
        ("x=2. 2x?", ("4.",), (1,)),
    ]
    fine = next(iter(read(golden("ultrafeedback"))))
    assert isinstance(fine, Ranking)
    (finer,) = Ultrafeedback(grade="fine-grained_score").read(rows_of("ultrafeedback")[0])
    assert isinstance(finer, Ranking)
    assert (fine.grades, finer.grades) == ((9, 2.5), (4.5, 1))
    (glued,) = TrlStepwise(separator="").read(
        {"prompt": "a", "completions": ["b ", "c"], "labels": [1, 0]}
    )
    assert isinstance(glued, StepLabels)
    assert glued.response.steps == ("b ", "c")


def test_plain_rows_keep_reference_id_and_other_columns() -> None:
    single, outcome, _, graded, bare = read(golden("plain"))
    assert isinstance(single, Group)
    assert isinstance(outcome, StepLabels)
    assert isinstance(graded, Ranking)
    assert isinstance(bare, Prompt)
    assert (single.prompt.reference, single.prompt.id) == ("5", "a")
    assert (single.prompt.meta, single.responses[0].meta) == ({}, {"source": "hand"})
    assert (graded.prompt.meta, bare.meta) == ({"topic": "sums"}, {"level": 1})


def test_every_rating_of_prm800k_is_used_once() -> None:
    rows = rows_of("prm800k")[:2]
    ratings = [
        c["rating"]
        for row in rows
        for step in row["label"]["steps"]
        for c in step["completions"]
        if c["rating"] is not None
    ]
    labels = [
        label
        for row in rows
        for record in Prm800k(neutral="ignore").read(row)
        if isinstance(record, StepLabels)
        for label in record.labels
        if label is not None
    ]
    assert sorted(labels) == sorted({-1: 0, 1: 1}[x] for x in ratings if x)
    kept = [
        len([x for x in r.labels if x is not None]) for row in rows for r in Prm800k().read(row)
    ]  # type: ignore[attr-defined]
    assert sum(kept) == len(ratings)


@pytest.mark.parametrize("reason", ["give_up", "bad_problem"])
def test_prm800k_drops_what_was_given_up(reason: str) -> None:
    row = rows_of("prm800k")[0]
    row["label"]["finish_reason"] = reason
    assert list(Prm800k().read(row)) == []


def preference(**changes: Any) -> Preference:
    fields = {
        "prompt": Prompt.of("p"),
        "responses": (Response.of("a"), Response.of("b")),
        "prefer": 1.0,
    }
    return Preference(**{**fields, **changes})


def steps(**changes: Any) -> StepLabels:
    fields = {
        "prompt": Prompt.of("p"),
        "response": Response(steps=("a\n", "b")),
        "labels": (1.0, 0.0),
    }
    return StepLabels(**{**fields, **changes})


@pytest.mark.parametrize(
    ("format", "record", "complaint"),
    [
        (TrlPreference(), preference(prefer=0.7), "preference of 0.7"),
        (
            TrlPreference(),
            preference(responses=(Response(steps=("a", "b")), Response.of("c"))),
            r"steps\[0\] from 'a' to 'ab'; .*--without steps",
        ),
        (
            TrlPreference(),
            preference(responses=(Response.of("a"), Response(steps=("b",), finished=False))),
            r"responses\[1\].finished from False",
        ),
        (TrlPreference(), preference(prompt=Prompt(messages=(), id="x")), "prompt"),
        (
            TrlPreference(),
            preference(prompt=Prompt.of("p").model_copy(update={"meta": {"chosen": 1}})),
            "chosen",
        ),
        (TrlPreference(), steps(), "Preference records, not StepLabels"),
        (HhRlhf(), preference(margin=1.0), "margin from 1.0"),
        (
            HhRlhf(),
            preference(responses=(Response.of(" a"), Response.of("b"))),
            r"responses\[0\].steps.* from ' a'",
        ),
        (
            HhRlhf(),
            preference(prompt=Prompt(messages=(Message(role="system", content="s"),))),
            "no system turn",
        ),
        (HhRlhf(), preference(prompt=Prompt.of("a\n\nAssistant: b")), "prompt.messages"),
        (TrlUnpaired(), steps(response=Response.of("a"), labels=(0.5,)), "true or false"),
        (TrlUnpaired(), steps(), "response.steps"),
        (TrlStepwise(), steps(labels=(None, 1.0)), "labels.0"),
        (TrlStepwise(), steps(response=Response(steps=("a", "b"))), "response.steps"),
        (MathShepherd(), steps(), "Step 1:"),
        (Prm800k(), steps(labels=(0.5, 1.0)), "rating"),
        (Prm800k(), steps(labels=(None, None)), "the whole of it"),
        (
            Nway(),
            Ranking(prompt=Prompt.of("p"), responses=(Response(steps=("a", "b")),), grades=(1.0,)),
            "steps",
        ),
        (Plain(), steps(), "response.steps"),
        (Plain(), preference(), "Group, Ranking, StepLabels, Prompt records, not Preference"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_and_named(
    format: Any, record: Record, complaint: str, tmp_path: Path
) -> None:
    good = next(iter(format.read(rows_of(name_of(format))[0])))
    with pytest.raises(DataError, match=f"record 2: .*{complaint}"):
        write([good, record], tmp_path / "out.jsonl", format)
    assert list(tmp_path.iterdir()) == []


def name_of(format: Any) -> str:
    return components.name_of(type(format)).removeprefix("formats/")


def test_a_rejected_first_response_is_written_in_the_other_order(tmp_path: Path) -> None:
    write([preference(prefer=0.0)], tmp_path / "out.jsonl", "trl-preference")
    assert list(read(tmp_path / "out.jsonl")) == [preference(prefer=0.0).swap()]


@pytest.mark.parametrize(
    ("format", "row", "complaint"),
    [
        (Plain(), {"prompt": "0af", "group": 0, "response": 0, "value": 1.0}, "without texts"),
        (Plain(), {"prompt": "p", "response": "r", "label": 2}, "labels.0"),
        (Plain(), {"prompt": "p", "responses": ["r"], "grades": [1, 2]}, "2 grades for 1"),
        (TrlUnpaired(), {"prompt": "p", "completion": "c", "label": -100}, "-100"),
        (TrlUnpaired(), {"prompt": "p", "completion": "c", "label": "yes"}, "true or false"),
        (TrlUnpaired(), {"prompt": "p", "completion": "c", "label": float("nan")}, "true or false"),
        (
            TrlStepwise(),
            {"prompt": "p", "completions": ["a", "b"], "labels": [1, -100]},
            "labels.1.*-100",
        ),
        (TrlStepwise(), {"prompt": "p", "completions": ["a", "b"], "labels": [1]}, "1 for 2"),
        (TrlPreference(), {"chosen": "Yes", "rejected": "No"}, "no prompt beside the text"),
        (TrlPreference(implicit=True), {"chosen": "Yes", "rejected": "No"}, "share no beginning"),
        (TrlPreference(), {"prompt": "p", "chosen": "a", "rejected": "b", "margin": -1}, "margin"),
        (
            TrlPreference(),
            {"prompt": "p", "chosen": [{"role": "robot", "content": "x"}], "rejected": []},
            "role",
        ),
        (
            Assay(),
            {"type": "preference", "prompt": {"messages": []}, "responses": [], "prefer": "0.5"},
            "prefer|2",
        ),
        (
            Assay(),
            {
                "type": "steps",
                "prompt": {"messages": []},
                "response": {"steps": ["a"]},
                "labels": ["1"],
            },
            "labels",
        ),
        (Assay(), {"type": "prompt", "messages": [], "color": "red"}, "color"),
        (MathShepherd(), {"input": "Q Step 1: a ки", "label": "Q Step 1: b +"}, "step 1"),
        (MathShepherd(), {"input": "Q Step 1: a ки", "label": "Q Step 1: a ?"}, "step 1"),
        (
            MRBen(),
            {
                "Question": "q",
                "Model_Solution_Steps": ["Step 1: a"],
                "Model_Solution_Correctness": "unsure",
                "Model_Solution_First_Error_Step": "1",
            },
            "'Model_Solution_Correctness': expected correct or incorrect, got 'unsure'",
        ),
        (
            MRBen(),
            {
                "Question": "q",
                "Model_Solution_Steps": ["Step 1: a", "Step 1: b"],
                "Model_Solution_First_Error_Step": "1",
            },
            "but 2, are headed 'Step 1'",
        ),
        (
            PRMBench(),
            {"modified_question": "q", "modified_process": ["a"], "error_steps": [2]},
            "out_of_range=ignore",
        ),
    ],
)
def test_malformed_rows_are_refused_with_the_field(
    format: Any, row: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        list(format.read(row))


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ("Q: 2+2? It is 4", "Q: 2+2? It is 5", "Q: 2+2? It is"),
        ("one two", "one two three", "one"),  # something is left for both
        ("a b\n", "a b\nc", "a"),
        ("a\n\nb", "a\n\nc", "a"),
    ],
)
def test_an_implicit_prompt_ends_before_a_white_space(
    chosen: str, rejected: str, prompt: str
) -> None:
    (record,) = TrlPreference(implicit=True).read({"chosen": chosen, "rejected": rejected})
    assert isinstance(record, Preference)
    assert record.prompt.text == prompt
    assert [prompt + r.text for r in record.responses] == [chosen, rejected]
    assert all(r.text.strip() for r in record.responses)


def test_whole_conversations_share_their_first_messages() -> None:
    turns = [{"role": "user", "content": "Hi"}]
    row = {
        "chosen": [*turns, {"role": "assistant", "content": "Hello"}],
        "rejected": [*turns, {"role": "assistant", "content": "No"}],
    }
    (record,) = TrlPreference().read(row)
    assert brief(record) == ("Hi", ("Hello", "No"), 1)
    (same,) = TrlPreference().read({**row, "prompt": "Hi"})  # UltraFeedback's binarized form
    assert same == record
    with pytest.raises(DataError, match="not part of the conversations"):
        list(TrlPreference().read({**row, "prompt": "Other"}))


def test_every_public_file_is_read(assay_data: Path) -> None:
    """Bad rows are known: 100 of PRMBench name a step that is not there, 9 of MR-Ben number none or
    several so."""
    counts: dict[str, list[int]] = {}
    for name in ("gsm8k", "preferences", "steps"):
        for path in sorted((assay_data / name).rglob("*.*")):
            if path.is_file() and path.stat().st_size < 5_000_000:
                tally = counts.setdefault(path.relative_to(assay_data).as_posix(), [0, 0, 0])
                for item in scan(path):
                    tally[0] += 1
                    tally[1] += isinstance(item, Bad)
                    tally[2] += 0 if isinstance(item, Bad) else len(item)
    assert counts["gsm8k/zeroeval_test_16models.jsonl.gz"] == [1319, 0, 1319]
    assert counts["preferences/fine_grained_rlhf_dev.json.gz"] == [500, 0, 3000]
    assert counts["preferences/hh_harmless_base_test.jsonl.gz"] == [2312, 0, 2312]
    assert counts["steps/prmbench.jsonl.gz"] == [6211, 100, 6111]
    assert counts["steps/stepverify.json.gz"] == [1002, 0, 1002]
    assert counts["steps/prm800k_phase2_eval_small.json.gz"] == [11, 0, 11 + 33]
    mrben = [tally for name, tally in counts.items() if name.startswith("steps/mrben")]
    assert [sum(column) for column in zip(*mrben, strict=True)] == [4296, 9, 4287]
    assert sum(bad for _, bad, _ in counts.values()) == 109


def test_public_accuracies_are_found_again(assay_data: Path) -> None:
    """The published accuracies of the four systems, and of the sixteen models on average."""
    pools = [
        r
        for r in read(assay_data / "gsm8k/example_model_solutions.jsonl.gz")
        if isinstance(r, Ranking)
    ]
    means = [round(sum(pool.grades[i] for pool in pools) / len(pools), 3) for i in range(4)]
    assert means == [0.217, 0.390, 0.347, 0.563]
    pools = [
        r
        for r in read(assay_data / "gsm8k/zeroeval_test_16models.jsonl.gz")
        if isinstance(r, Ranking)
    ]
    assert round(sum(sum(pool.grades) / 16 for pool in pools) / len(pools), 3) == 0.778
    assert round(sum(any(pool.grades) for pool in pools) / len(pools), 3) == 0.989


def test_hh_rlhf_survives_whole(assay_data: Path, tmp_path: Path) -> None:
    records = list(read(assay_data / "preferences/hh_harmless_base_test.jsonl.gz"))
    write(records, tmp_path / "hh.jsonl", "hh-rlhf")
    assert list(read(tmp_path / "hh.jsonl")) == records
