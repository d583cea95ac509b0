"""Rubrics of others: what is read of each layout, written out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.data.io import read
from assay.data.rubrics import (
    Credit,
    Rated,
    rate,
    read_rubric,
    rubric_from,
    rubric_of,
    write_rubric,
)
from assay.data.rubrics.layouts import healthbench_rows
from assay.data.rubrics.nested import autorubric_of
from assay.data.rubrics.record import Rubric
from assay.errors import ConfigError, DataError
from assay.types import Group, Prompt

HEALTHBENCH = [
    {"criterion": "Advises to call a doctor.", "points": 7, "tags": ["axis:accuracy"]},
    {"criterion": "Names a wrong dose.", "points": -5, "tags": []},
]
RAR = [
    {"title": "Dose", "description": "Essential Criteria: Names the dose.", "weight": 5},
    {"title": "Dose", "description": "Important Criteria: Names its unit.", "weight": 3},
    {"title": "Alarm", "description": "Pitfall Criteria: Frightens.", "weight": -1},
]
PAPERBENCH = {
    "id": "root",
    "requirements": "The paper is replicated.",
    "weight": 1,
    "sub_tasks": [
        {
            "id": "data",
            "requirements": "The data is made.",
            "weight": 2,
            "sub_tasks": [
                {
                    "id": "split",
                    "requirements": "It is split.",
                    "weight": 1,
                    "sub_tasks": [],
                    "task_category": "Code Development",
                    "finegrained_task_category": "Dataset",
                },
                {"id": "size", "requirements": "It has 100 rows.", "weight": 3, "sub_tasks": []},
            ],
        },
        {"id": "table", "requirements": "Table 1 is there.", "weight": 1, "sub_tasks": []},
    ],
}


def brief(rubric: Rubric) -> list[tuple[str, str, float]]:
    return [(c.id, c.text, c.points) for c in rubric.criteria]


def test_healthbench_and_verl() -> None:
    found = rubric_from(HEALTHBENCH)
    assert brief(found) == [
        ("c1", "Advises to call a doctor.", 7),
        ("c2", "Names a wrong dose.", -5),
    ]
    assert found.criteria[0].tags == ("axis:accuracy",)
    assert found.normaliser == "healthbench"
    assert healthbench_rows(found) == HEALTHBENCH
    cherrl = {"style": "rubric", "ground_truth": "", "rubrics": HEALTHBENCH}
    assert rubric_from(cherrl) == found


def test_rar_numbers_titles_that_stand_twice() -> None:
    found = rubric_from(RAR)
    assert [c.id for c in found.criteria] == ["Dose 1", "Dose 2", "Alarm"]
    assert [c.points for c in found.criteria] == [5, 3, -1]
    assert found.normaliser == "rar"
    named = rubric_from([{"name": "short", "description": "It is short.", "weight": 1}])
    assert brief(named) == [("short", "It is short.", 1)]


@pytest.mark.parametrize("key", ["description", "rubric_item", "Ingredient"])
@pytest.mark.parametrize("as_text", [True, False])
def test_open_instruct_has_three_names_for_a_text(key: str, as_text: bool) -> None:
    raw: Any = {"query": "Why?", "rubrics": [{key: "Says why.", "weight": 2, "title": "why"}]}
    found = rubric_from(json.dumps(raw) if as_text else raw)
    assert brief(found) == [("why", "Says why.", 2)]
    assert found.normaliser == "open-instruct"


def test_nemo_finance_has_gates() -> None:
    raw = [
        {"criteria": "Revenue is 3.", "operator": "correctness", "modifiers": {"severity": 2}},
        {"criteria": "Of 2024.", "modifiers": {"severity": 1, "category": "must_pass"}},
    ]
    found = rubric_from(raw)
    assert brief(found) == [("c1", "Revenue is 3.", 2), ("c2", "Of 2024.", 1)]
    assert [c.veto for c in found.criteria] == [False, True]
    with pytest.raises(DataError, match="operator"):
        rubric_from([raw[0] | {"operator": "contradiction"}])


def test_autorubric_lists_sections_and_levels() -> None:
    clear = {"name": "clear", "requirement": "It is clear."}
    options = [
        {"label": "bad", "value": 0.0},
        {"label": "good", "value": 0.8},
        {"label": "n/a", "value": 0.0, "na": True},
    ]
    style = {"requirement": "Style.", "weight": -2, "options": options}
    found = rubric_from([clear, style])
    assert brief(found) == [("clear", "It is clear.", 10), ("c2", "Style.", -2)]
    assert [level.value for level in found.criteria[1].levels] == [0, 0.8, None]
    assert found.normaliser == "autorubric"
    inside = {
        "rubric": {
            "guidelines": "Be strict.",
            "sections": [{"name": "A/B", "criteria": [clear]}, style],
        }
    }
    sections = rubric_from(inside)
    assert [c.group for c in sections.criteria] == [("A B",), ()]
    assert sections.guidelines == "Be strict."
    assert rubric_from(inside["rubric"]["sections"]).criteria == sections.criteria
    assert rubric_from(autorubric_of(found)) == found
    with pytest.raises(DataError, match="scored by healthbench"):
        autorubric_of(rubric_from(HEALTHBENCH))


def test_verifiers_choices_are_evenly_spaced() -> None:
    raw = {
        "criteria": [
            {"name": "a", "text": "Is it a?"},
            {"name": "b", "text": "How b?", "weight": 0.5, "choices": ["no", "partly", "yes"]},
        ]
    }
    found = rubric_from(raw)
    assert brief(found) == [("a", "Is it a?", 1), ("b", "How b?", 0.5)]
    assert found.criteria[0].levels == ()
    assert [(v.label, v.value) for v in found.criteria[1].levels] == [
        ("no", 0),
        ("partly", 0.5),
        ("yes", 1),
    ]
    with pytest.raises(DataError, match="negative"):
        rubric_from([{"name": "a", "text": "x", "weight": -1}, {"name": "b", "text": "x"}])


def test_a_tree_keeps_weights_and_texts_of_its_branches() -> None:
    found = rubric_from(PAPERBENCH)
    assert brief(found) == [
        ("split", "It is split.", 1),
        ("size", "It has 100 rows.", 3),
        ("table", "Table 1 is there.", 1),
    ]
    assert [c.group for c in found.criteria] == [("root", "data"), ("root", "data"), ("root",)]
    assert found.groups["root/data"].weight == 2
    assert found.groups["root/data"].text == "The data is made."
    assert found.criteria[0].tags == ("Code Development", "Dataset")
    assert (found.normaliser, found.abstained) == ("tree", "zero")


def test_openenv_containers() -> None:
    leaf = {"name": "runs", "text": "It runs."}
    total = {
        "type": "WeightedSum",
        "weights": [0.25, 0.75],
        "rubrics": [
            {"type": "Gate", "rubric": {"name": "a", "text": "A."}, "threshold": 1.0},
            {"type": "WeightedSum", "weights": [1.0], "rubrics": [{"name": "b", "text": "B."}]},
        ],
    }
    found = rubric_from({"type": "Sequential", "rubrics": [leaf, total]})
    assert brief(found) == [("runs", "It runs.", 1), ("a", "A.", 0.25), ("b", "B.", 1)]
    assert [c.veto for c in found.criteria] == [True, False, False]
    assert found.groups["rubric_1"].weight == 0.75
    with pytest.raises(DataError, match="sum to 1"):
        rubric_from(total | {"weights": [0.5, 0.6]})
    with pytest.raises(DataError, match="cannot be said by criteria"):
        rubric_from({"type": "Gate", "rubric": total})


def test_our_own_survives_json() -> None:
    for raw in (HEALTHBENCH, RAR, PAPERBENCH):
        found = rubric_from(raw)
        assert rubric_from(json.loads(found.model_dump_json())) == found


@pytest.mark.parametrize("raw", [None, 3, [], {}, [1], {"a": 1}, "no JSON", {"rubrics": []}])
def test_anything_else_is_refused(raw: Any) -> None:
    with pytest.raises(DataError):
        rubric_from(raw)


def test_a_prompt_has_its_own_rubric() -> None:
    assert rubric_of(Prompt.of("?")) is None
    own = Prompt.of("?", id="p1").model_copy(update={"meta": {"rubric": HEALTHBENCH}})
    found = rubric_of(own)
    assert found is not None
    assert len(found.criteria) == 2
    broken = own.model_copy(update={"meta": {"rubric": [{"criterion": "x", "points": "7"}]}})
    with pytest.raises(DataError, match=r"prompt 'p1'.*points"):
        rubric_of(broken)


def test_files_of_three_kinds(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "a.json").write_text(json.dumps(RAR))
    (tmp_path / "a.yaml").write_text("- requirement: It is clear.\n  weight: 5\n")
    (tmp_path / "a.toml").write_text('[[criteria]]\nname = "a"\ntext = "Is it?"\n')
    assert read_rubric(tmp_path / "a.json").normaliser == "rar"
    assert read_rubric(tmp_path / "a.json").source == "a.json"
    assert read_rubric(tmp_path / "a.json", normaliser="healthbench").normaliser == "healthbench"
    assert brief(read_rubric(tmp_path / "a.yaml")) == [("c1", "It is clear.", 5)]
    assert brief(read_rubric(tmp_path / "a.toml")) == [("a", "Is it?", 1)]


def test_bad_files_are_named(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    for name, text in (("a.json", "{"), ("b.yaml", "a: [1"), ("c.toml", "a = "), ("d.json", "[]")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=name):
            read_rubric(tmp_path / name)
    # An unquoted yes is true in YAML: it is refused, and not a level called True.
    yes = "criteria:\n- {name: a, text: x, choices: [no, yes]}\n"
    (tmp_path / "e.yaml").write_text(yes)
    with pytest.raises(DataError, match="choices"):
        read_rubric(tmp_path / "e.yaml")
    with pytest.raises(ConfigError, match="one rubric"):
        read_rubric(tmp_path / "a.jsonl")


def test_written_and_read_back(tmp_path: Path) -> None:
    tree = rubric_from(PAPERBENCH)
    write_rubric(tree, tmp_path / "tree.json")
    assert read_rubric(tmp_path / "tree.json") == tree.model_copy(update={"source": "tree.json"})
    auto = rubric_from([{"name": "a", "requirement": "A.", "weight": 1}])
    write_rubric(auto, tmp_path / "auto.json", layout="autorubric")
    assert json.loads((tmp_path / "auto.json").read_text()) == {
        "criteria": [{"name": "a", "weight": 1, "requirement": "A."}]
    }
    gate = auto.criteria[0].model_copy(update={"veto": True})
    with pytest.raises(DataError, match="gates"):
        autorubric_of(auto.model_copy(update={"criteria": (gate,)}))


def test_a_rar_row_holds_its_rubric() -> None:
    row = {"question": "q", "rubric": [{"title": "A", "description": "Is A.", "weight": 5}]}
    assert rubric_from(row).normaliser == "rar"


def test_open_instructs_names_may_differ_between_criteria() -> None:
    texts = [{"Ingredient": "Is A.", "weight": 1}, {"description": "Is B.", "weight": -1}]
    assert [c.text for c in rubric_from({"query": "q", "rubrics": texts}).criteria] == [
        "Is A.",
        "Is B.",
    ]


def test_finance_needs_no_modifiers_and_refuses_what_is_none() -> None:
    assert [c.points for c in rubric_from([{"criteria": "Is A."}]).criteria] == [1.0]
    with pytest.raises(DataError, match="modifiers"):
        rubric_from([{"criteria": "Is A.", "modifiers": "high"}])


def test_what_is_given_twice_is_refused(tmp_path: Path) -> None:
    inside = {"guidelines": "inner", "criteria": [{"requirement": "x"}]}
    with pytest.raises(DataError, match="give them once"):
        rubric_from({"guidelines": "outer", "rubric": inside})
    leaf = {"requirements": "x", "weight": 1}
    twins = [
        {"id": "a", "requirements": "x", "weight": w, "sub_tasks": [{"id": f"{w}", **leaf}]}
        for w in (1, 3)
    ]
    with pytest.raises(DataError, match="'a' has two branches"):
        rubric_from({"id": "r", "requirements": "x", "weight": 1, "sub_tasks": twins})
    path = tmp_path / "twice.json"
    path.write_text('[{"criterion": "x", "points": 1, "points": 5}]')
    with pytest.raises(DataError, match="'points' stands twice"):
        read_rubric(path)


def test_the_weight_of_a_root_is_no_share_of_anything() -> None:
    leaf = {"id": "a", "requirements": "x", "weight": 1}
    root = {"id": "r", "requirements": "x", "weight": 0, "sub_tasks": [leaf]}
    rated = rate(rubric_from(root), [Credit(1.0)])
    assert isinstance(rated, Rated)
    assert rated.value == 1


def test_a_byte_order_mark_is_no_part_of_a_rubric(tmp_path: Path) -> None:
    path = tmp_path / "marked.json"
    path.write_text('[{"criterion": "x", "points": 1}]', "utf-8-sig")
    assert read_rubric(path).criteria[0].text == "x"


def test_rows_with_a_rubric_may_have_responses(tmp_path: Path) -> None:
    said = [{"response": "a"}, {"responses": ["a", "b"]}, {"completion": "a"}, {}]
    asked = {"prompt": [{"role": "user", "content": "?"}], "rubrics": HEALTHBENCH}
    by_hand = {"prompt": "?", "response": "a", "rubric": HEALTHBENCH}
    rows = [*({**asked, **one} for one in said), by_hand]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:4]))
    found = list(read(str(file)))
    assert [len(one.responses) if isinstance(one, Group) else 0 for one in found] == [1, 2, 1, 0]
    file.write_text(json.dumps(by_hand))
    (hand,) = read(str(file))
    for one in (*found, hand):
        rubric = rubric_of(one.prompt if isinstance(one, Group) else one)
        assert rubric is not None
        assert len(rubric.criteria) == 2
    file.write_text(json.dumps({**asked, "response": "a", "completion": "b"}))
    with pytest.raises(DataError, match="nothing beside 'response'"):
        list(read(str(file)))


def test_a_list_of_our_own_criteria_is_a_rubric() -> None:
    assert brief(rubric_from([{"id": "a", "text": "A.", "points": 2}])) == [("a", "A.", 2)]
    with pytest.raises(DataError, match="a"):
        rubric_from([{"id": "a", "text": "A."}, {"id": "a", "text": "B."}])


def test_plain_weights_are_read_where_all_formulas_agree(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "- {criterion: One sentence., weight: 3}\n- {criterion: Polite., weight: 1, name: polite}\n"
    )
    rubric = read_rubric(tmp_path / "own.yaml")
    assert brief(rubric) == [("c1", "One sentence.", 3.0), ("polite", "Polite.", 1.0)]
    found = rate(rubric, [Credit.of(1.0), Credit.of(0.0)])
    assert isinstance(found, Rated)
    assert found.value == pytest.approx(3 / 4)
    rows = [{"criterion": "Polite.", "weight": 2}]
    within = rubric_from({"criteria": rows, "guidelines": "Be strict."})
    assert within.guidelines == "Be strict."
    assert within.criteria == rubric_from(rows).criteria
    with pytest.raises(DataError, match="below 0 means one thing here"):
        rubric_from([*rows, {"criterion": "Rude.", "weight": -1}])
    with pytest.raises(DataError, match="no rubric is known"):
        rubric_from([{"criterion": "Polite.", "weight": 2, "severity": 1}])


@pytest.mark.parametrize("within", [lambda rows: rows, lambda rows: {"criteria": rows}])
@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": "sum", "txt": "x"}, r"2 has no 'text'; it has id, txt \(did you mean text\?\)"),
        ({"text": "x", "pionts": 2}, r"2 has no 'id'; it has text, pionts \(did you mean points"),
    ],
)
def test_a_misspelled_key_is_told_by_the_documented_one(within, row, says):
    with pytest.raises(DataError, match=says):
        rubric_from(within([{"id": "a", "text": "y"}, row]))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([{"id": "a", "text": "y", "pionts": 2}], "criterion 1 has no field 'pionts'.*mean points"),
        (
            {"criteria": [{"id": "a", "text": "y"}], "guidlines": "x"},
            "'guidlines'.*guidelines",
        ),
        ({"criterias": [{"id": "a", "text": "y"}]}, "criterias .did you mean criteria"),
    ],
)
def test_a_misspelled_key_beside_all_that_is_needed_is_told_too(raw, says):
    with pytest.raises(DataError, match=says):
        rubric_from(raw)
