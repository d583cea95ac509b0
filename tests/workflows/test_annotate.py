"""Projects are made, opened and added to; labels go out and come in."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

import assay
from assay import cli
from assay.annotate.labels import Label, Pair, Questions, Ranks, Steps
from assay.annotate.records import Assignment
from assay.annotate.store import Store
from assay.audit.gate import read_gate
from assay.data import io, layouts
from assay.data.decisions import read_decisions
from assay.errors import ConfigError, DataError
from assay.types import Group, Preference, Prompt, Response, StepLabels
from assay.workflows.annotate import annotate, invite, open_store
from assay.workflows.annotate_labels import agreement_rows, export_labels, import_labels


def pool(n: int, size: int = 2) -> list[Group]:
    return [
        Group(
            prompt=Prompt.of(f"{i}+2?", reference=str(i + 2)),
            responses=tuple(Response.of(f"{i + k}") for k in range(2, 2 + size)),
        )
        for i in range(n)
    ]


def said(assignment: Assignment) -> Label:
    """A label that an annotator would give who likes the first response of the task."""
    task = assignment.task
    if task.kind == "pair":
        return Pair(choice="first", comment="short")
    if task.kind == "ranking":
        return Ranks(ranks=tuple(range(1, 1 + len(task.responses))))
    if task.kind == "questions":
        return Questions(answers=(0,) * len(task.questions))
    return Steps.model_validate({"marks": [1] * task.steps})


def label_all(store: Store, *tokens: str) -> None:
    for token in tokens:
        annotator = store.annotator(token)
        assert annotator
        while assignment := store.next(annotator):
            store.save(assignment.id, annotator, said(assignment), key=assignment.id, seconds=3)


def test_a_project_is_made_resumed_and_added_to(tmp_path: Path) -> None:
    io.write(pool(3), tmp_path / "pool.jsonl")
    out = tmp_path / "project"
    made = assay.annotate(tmp_path / "pool.jsonl", out=out, annotators=2)
    assert (made.tasks, made.added, str(out)) == (3, 3, made.where)
    assert [*made.tokens] == ["admin", "annotator 1", "annotator 2"]
    assert stat.S_IMODE((out / "links.txt").stat().st_mode) == 0o600
    assert not any(token in (out / "labels.db").read_bytes().decode("latin1")
                   for token in made.tokens.values())  # fmt: skip
    assert made.store.project.title == "Labels for pool.jsonl"
    label_all(made.store, made.tokens["annotator 1"])
    again = annotate(pool(5), out=out, annotators=2, title="Labels for pool.jsonl")
    assert (again.tasks, again.added, again.tokens) == (5, 2, made.tokens)
    assert str(again) == f"{out}: 5 tasks, 2 of them new, 3 labels"
    assert annotate(out=out).tasks == 5
    with pytest.raises(ConfigError, match="was made with labels_per_item=1; give the same"):
        annotate(pool(5), out=out, per_item=3, title="Labels for pool.jsonl")
    # A link that was taken back is not printed again.
    open_store(out).revoke(2)
    assert "annotator 1" not in annotate(out=out).tokens
    assert invite(out, "Eve", "adjudicator")[0].role == "adjudicator"
    assert "Eve" in annotate(out=out).tokens


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no project to open"):
        annotate(out=tmp_path / "none")
    with pytest.raises(ConfigError, match="give out, a folder for the project, or store"):
        annotate(pool(1))
    with pytest.raises(ConfigError, match="not both"):
        annotate(pool(1), out=tmp_path, store=tmp_path / "x.db")
    with pytest.raises(DataError, match="nothing to label"):
        annotate([], out=tmp_path / "none")
    with pytest.raises(DataError, match="has no questions"):
        annotate(pool(1), out=tmp_path / "none", kind="questions")
    with pytest.raises(ConfigError, match="questions or a rubric"):
        annotate(pool(1), out=tmp_path / "n", questions=["Polite?"], rubric=tmp_path / "r.json")
    with pytest.raises(DataError, match="disagreement needs two scorers"):
        annotate(pool(1), out=tmp_path / "none", choose="disagreement", scorers=["longest"])
    assert not (tmp_path / "none").exists()


def test_what_of_a_pool_is_no_task_is_counted(tmp_path: Path) -> None:
    empty = Group(prompt=Prompt.of("x"), responses=(Response.of(""),))
    gold = Preference(prompt=Prompt.of("0+2?"), responses=pool(1)[0].responses, prefer=1.0)
    made = annotate([*pool(3), pool(1)[0], empty], out=tmp_path / "p", gold=[gold])
    assert str(made).endswith(
        "3 tasks, 0 labels; 1 responses without text are left out; 2 look like others and are asked"
        " once"
    )
    # What is gold and in the pool as well is gold.
    assert [task.gold for task in made.store.tasks()] == [Pair(choice="first"), None, None]


def test_gold_is_mixed_in_and_scores_choose(tmp_path: Path) -> None:
    gold = [Preference(prompt=Prompt.of("Gold?"), responses=pool(1)[0].responses, prefer=0.0)]
    made = annotate(pool(4), out=tmp_path / "p", gold=gold, choose="disagreement",
                    scorers=["longest", "random"])  # fmt: skip
    tasks = made.store.tasks()
    assert (made.store.project.gold_share, len(tasks)) == (0.1, 5)
    assert [task.gold for task in tasks if task.gold] == [Pair(choice="second")]
    assert all({*task.hidden["scores"]} == {"longest", "random"} for task in tasks[1:])
    assert all("worth" in task.hidden for task in tasks[1:])
    label_all(made.store, made.tokens["admin"])
    *drawn, last = [one.probability for one in made.store.given() if one.purpose == "label"]
    assert all(0 < p < 1 for p in drawn)
    # It was the only one left.
    assert last == 1


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A project of pairs, a ranking, steps and questions, each labelled once."""
    folder = tmp_path / "project"
    steps = Group(prompt=Prompt.of("9*9?"), responses=(Response.of("9*9 is 81.\nSo 81."),))
    made = annotate([*pool(2), *pool(1, 3), steps], out=folder)
    asked = annotate(pool(1, 1), out=tmp_path / "asked", questions=["Is it right?"])
    for one in (made, asked):
        label_all(one.store, one.tokens["admin"])
    made.store.add(asked.store.tasks())
    label_all(made.store, made.tokens["admin"])
    return folder


def test_labels_go_out_in_every_layout(labelled: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert export_labels(labelled, path) == (
        f"{path}: 4 rows of assay; 4 records; left out: 1 answers to questions"
    )
    first, _, _, steps = io.read(path)
    assert isinstance(first, Preference)
    assert (first.prefer, first.prompt.reference, first.prompt.text) == (1.0, "2", "0+2?")
    assert isinstance(steps, StepLabels)
    assert steps.labels == (1, 1)
    assert "annotation" in first.prompt.meta
    with pytest.raises(DataError, match="record 3: trl-preference holds Preference records"):
        export_labels(labelled, path, to="trl-preference")
    assert export_labels(labelled, path, to="decisions").startswith(f"{path}: 1 rows of decisions")
    assert [one.gold[0] and one.gold[0].top for one in read_decisions(str(path))] == [0]
    export_labels(labelled, path, to="raw")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["label"]["kind"] for row in rows] == [
        *["pair"] * 2,
        "ranking",
        "steps",
        "questions",
    ]
    assert {row["seconds"] for row in rows} == {3.0}
    assert "admin" not in path.read_text()
    with pytest.raises(ConfigError, match=r"give a \.jsonl file"):
        export_labels(labelled, tmp_path / "out.json", to="raw")


@pytest.mark.parametrize("to", ["trl-preference", "hh-rlhf", "prm800k", "gate"])
def test_one_kind_goes_out_in_the_layouts_of_others(to: str, tmp_path: Path) -> None:
    records: list[Any] = pool(2)
    if to == "prm800k":
        records = [Group(prompt=Prompt.of("9*9?"), responses=(Response.of("a\nb"),))]
    elif to == "hh-rlhf":
        records = [one.model_copy(update={"prompt": Prompt.of(one.prompt.text)}) for one in records]
    made = annotate(records, out=tmp_path / "p")
    label_all(made.store, made.tokens["admin"])
    path = tmp_path / "out.jsonl"
    assert f"{len(records)} rows of {to}" in export_labels(made.store, path, to=to)
    if to != "gate":
        assert len([*io.read(path)]) == len(records)


def test_steps_without_line_breaks_go_out_to_the_letter(tmp_path: Path) -> None:
    text = "I add 2 and 3. That is 5. So it is 5."
    records = [Group(prompt=Prompt.of("2+3?"), responses=(Response.of(text),))]
    made = annotate(records, out=tmp_path / "p")
    label_all(made.store, made.tokens["admin"])
    for to in ("prm800k", "trl-stepwise"):
        path = tmp_path / f"{to}.jsonl"
        assert "separator= reads them back" in export_labels(made.store, path, to=to)
        [back] = io.read(path, format=layouts.configured(to, ("separator=",)))
        assert isinstance(back, StepLabels)
        assert (back.response.text, back.labels) == (text, (1, 1, 1))
        assert '"rating": 1' in path.read_text() or to != "prm800k"


def test_a_refusal_says_which_layout_has_a_place(tmp_path: Path) -> None:
    ranked = [Group(prompt=Prompt.of("?"), responses=tuple(map(Response.of, "abc")))]
    solved = [Group(prompt=Prompt.of("9*9?"), responses=(Response.of("a\nb\nc"),))]
    for name, records, label, to, words in (
        ("r", ranked, Ranks(ranks=(1, 2, 3)), "trl-preference", "--to assay. keeps rankings"),
        ("s", solved, Steps(marks=(1, -1, None)), "trl-stepwise", "assay and prm800k alone"),
    ):
        made = annotate(records, out=tmp_path / name)
        admin = made.store.annotator(made.tokens["admin"])
        assert admin
        given = made.store.next(admin)
        assert given
        made.store.save(given.id, admin, label, key="a-key-of-it")
        with pytest.raises(DataError, match=words):
            export_labels(made.store, tmp_path / "out.jsonl", to=to)


def test_two_stores_in_a_folder_keep_links_of_their_own(tmp_path: Path) -> None:
    for name in ("one.db", "two.db"):
        annotate(pool(2), store=tmp_path / name)
    for name in ("one.db", "two.db"):
        again = annotate(store=tmp_path / name)
        assert again.store.annotator(again.tokens["admin"])


def test_dawid_and_skene_weigh_three_annotators(tmp_path: Path) -> None:
    made = annotate(pool(30), out=tmp_path / "p", per_item=3, annotators=3)
    for place, name in enumerate(("annotator 1", "annotator 2", "annotator 3")):
        annotator = made.store.annotator(made.tokens[name])
        assert annotator
        for k in range(30):
            one = made.store.next(annotator)
            assert one
            # Two who are right nine times in ten; the third always says the second.
            right = place < 2 and k % 10 != place
            label = Pair(choice="first" if right else "second")
            made.store.save(one.id, annotator, label, key=one.id)
    path = tmp_path / "out.jsonl"
    by: dict[Any, list[float]] = {}
    for decide in ("majority", "votes", "dawid-skene"):
        export_labels(made.store, path, decide=decide)
        by[decide] = [one.prefer for one in io.read(path) if isinstance(one, Preference)]
    assert by["majority"].count(0.0) == 6
    assert by["votes"].count(1 / 3) == 6
    assert all(0 <= p <= 1 for p in by["dawid-skene"])
    agreed = [p for p, votes in zip(by["dawid-skene"], by["votes"], strict=True) if votes > 0.5]
    assert min(agreed) > 0.9


def test_raw_labels_come_into_another_project(labelled: Path, tmp_path: Path) -> None:
    path, other = tmp_path / "raw.jsonl", tmp_path / "other"
    export_labels(labelled, path, to="raw")
    made = annotate(pool(2), out=other)
    assert import_labels(path, other, name="first") == (
        "5 labels of 5 are new, by 1 annotator; 3 tasks are new"
    )
    assert import_labels(path, other, name="first").startswith("0 labels of 5 are new")
    mine, theirs = open_store(labelled).given(), made.store.given()
    assert [one.label for one in mine] == [one.label for one in theirs]
    assert [one.order for one in mine] == [one.order for one in theirs]
    [who] = [one for one in made.store.annotators() if one.role == "annotator"]
    assert who.name == f"import:first:{mine[0].pseudonym}"
    made.store.rebuild()
    assert made.store.given() == theirs
    path.write_text(path.read_text().replace('"choice": "first"', '"choice": "neither"'))
    with pytest.raises(DataError, match=r"raw\.jsonl:1: no label as it is exported"):
        import_labels(path, tmp_path / "other", name="again")


def test_records_with_labels_come_in_and_go_out_the_same(tmp_path: Path) -> None:
    a, b = (Response.of(text) for text in "ab")
    records = [
        Preference(prompt=Prompt.of("a or b?"), responses=(a, b), prefer=1.0),
        StepLabels(prompt=Prompt.of("x"), response=Response(steps=("a\n", "b")), labels=(1, 0)),
    ]
    io.write(records, tmp_path / "known.jsonl")
    made = annotate(pool(1), out=tmp_path / "p")
    told = import_labels(tmp_path / "known.jsonl", tmp_path / "p")
    assert told == "2 labels of 2 are new, by 1 annotator; 2 tasks are new"
    assert {one.name for one in made.store.annotators()} == {"admin", "import:known"}
    export_labels(made.store, tmp_path / "out.jsonl", without_parts=("meta",))
    assert [*io.read(tmp_path / "out.jsonl")] == records


def test_a_gate_asks_about_what_a_judge_said_and_decides(tmp_path: Path) -> None:
    judge = "pairwise:tests.specs.answering:Likes"
    pairs = [
        Preference(prompt=one.prompt, responses=(one.responses[0], Response.of("The answer is 4.")),
                   prefer=0.5)
        for one in pool(12)
    ]  # fmt: skip
    out = tmp_path / "p"
    made = annotate(pairs, out=out, judge=judge, gate=8)
    tasks = made.store.tasks()
    assert (len(tasks), made.store.project.judge) == (8, judge)
    assert all(task.kind == "pair" and task.stratum for task in tasks)
    with pytest.raises(SystemExit) as stop:
        cli.main(["annotate", "gate", str(out), "--out", str(tmp_path / "gate.json")])
    assert stop.value.code == 2
    # The same command goes on, and asks the judge nothing.
    again = annotate(pairs, out=out, judge=judge, gate=8)
    assert (again.tasks, again.added) == (8, 0)
    label_all(made.store, made.tokens["admin"])
    with pytest.raises(SystemExit) as stop:
        # Eight labels open no gate.
        cli.main(["annotate", "gate", str(out), "--out", str(tmp_path / "gate.json")])
    assert stop.value.code == 1
    assert read_gate(tmp_path / "gate.json").reasons
    page = (tmp_path / "gate.html").read_text()
    assert "May not score: pairwise" in page
    cli.main(["annotate", "report", str(out)])
    assert "What to do next" in (out / "report.html").read_text()


def test_an_admin_sees_how_far_annotators_agree(tmp_path: Path) -> None:
    made = annotate(pool(6), out=tmp_path / "p", per_item=2, annotators=2)
    label_all(made.store, made.tokens["annotator 1"], made.tokens["annotator 2"])
    rows = dict(agreement_rows(made.store))
    assert any(name.startswith("preference: ") for name in rows)
    assert "1.000" in " ".join(rows.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"per_item": 0}, "'labels_per_item': .* greater than or equal to 1, got 0"),
        ({"gold_share": float("nan")}, "'gold_share'"),
        ({"annotators": -1}, "annotators is -1"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_a_store_is_made(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        annotate(pool(1), out=tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()
