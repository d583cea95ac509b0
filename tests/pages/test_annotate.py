"""The page of a labelling project."""

from assay.annotate.labels import Pair
from assay.annotate.records import Annotator, Project
from assay.annotate.tasks import Task
from assay.pages.annotate import annotate_report
from assay.report.html import page
from assay.types import Prompt, Response
from tests.annotate.test_agreement import given, planted


def test_the_page_names_what_is_wrong_and_nobody():
    tasks, labels = planted()
    people = [Annotator(id=1, name="Jane Doe", pseudonym="a-good")]
    skips = [{"task": tasks[1].id, "pseudonym": "a-good", "reason": "unclear"}]
    sections = annotate_report(tasks, labels, skips, Project(labels_per_item=3), people)
    text = page("Labels", sections)
    assert "Jane" not in text
    for part in ("b-tired agrees less", "c-first prefers what is shown first", "unclear",
                 "Hard items", "210"):  # fmt: skip
        assert part in text


def test_an_empty_project_and_hostile_texts():
    bad = Response.of("<script>alert(1)</script>")
    task = Task.pair(Prompt.of("<img src=x onerror=alert(1)>"), bad, Response.of("b"))
    empty = page("Labels", annotate_report([task], [], [], Project(), []))
    assert "1 of 1 items have no label yet" in empty
    rows = [given(task, Pair(choice=c), w) for c, w in (("first", "a"), ("second", "b"))]
    text = page("Labels", annotate_report([task], rows, [], Project(), []))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text
