"""Three lines ask people, return at once, and have the answer when somebody gave it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.annotate import ask, compare, mark_steps, rank
from assay.annotate.labels import Label, Pair, Questions, Ranks, Steps
from assay.annotate.records import Given, Project
from assay.annotate.store import Store
from assay.errors import DataError
from assay.questions import Question
from tests.annotate import stores


def answer(store: Store, label: Label, name: str = "ann") -> None:
    """Label the open task as an annotator of that name."""
    annotator, _ = store.invite(name)
    assignment = store.next(annotator)
    assert assignment
    store.save(assignment.id, annotator, label, key=f"{name}-{assignment.id}")


def test_the_package_is_imported_without_a_database() -> None:
    code = "import assay.annotate, sys; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_comparison_is_pending_until_somebody_answers(tmp_path: Path) -> None:
    place = tmp_path / "labels.db"
    pending = compare("Name a fruit.", ["A carrot.", "A banana."], store=place)
    assert not pending.done()
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        pending.result(timeout=0.01)

    def later() -> None:
        time.sleep(0.1)
        answer(Store.open(place), Pair(choice="second"))

    thread = threading.Thread(target=later)
    thread.start()
    preference = pending.result(timeout=30)
    thread.join()
    assert preference.prefer == 0
    assert preference.responses[1].text == "A banana."
    # The same question is the same task, and is answered already.
    assert compare("Name a fruit.", ["A carrot.", "A banana."], store=place).done()


def test_every_kind_is_asked_of_one_store(place: Callable[[], str | Path]) -> None:
    where = place()
    first = rank("1+1?", ["2", "3"], store=where)
    store = Store.open(where)
    stores.OPEN += [first.store, store]
    answer(store, Ranks(ranks=(1, 2)), "z")
    assert first.done()
    order = rank("2+2?", ["4", "5", "3"], store=store)
    answer(store, Ranks(ranks=(1, 2, 2)), "a")
    assert order.result().grades == (2, 0.5, 0.5)
    steps = mark_steps("2+2?", ["2+2 is 4.\n", "So 5."], store=store)
    answer(store, Steps(marks=(1, -1)), "b")
    assert steps.result().labels == (1, 0)
    polite = ask("Is it polite?", "2+2?", "4, Sir.", store=store)
    answer(store, Questions(answers=(0,)), "c")
    assert polite.result().probabilities == (1, 0)
    which = ask(Question.choice("Which?", ["x", "y"]), "x or y?", store=store)
    answer(store, Questions(answers=(None,)), "d")
    with pytest.raises(DataError, match="nobody could tell"):
        which.result()
    with pytest.raises(DataError, match="compare takes 2"):
        compare("2+2?", ["4", "5", "6", "7"], store=store)


def test_votes_are_shares_and_both_bad_is_no_preference(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "labels.db", Project(labels_per_item=2), [])
    pending = compare("2+2?", ["4", "5"], store=store)
    answer(store, Pair(choice="first"), "a")
    assert not pending.done()
    answer(store, Pair(choice="tie"), "b")
    assert pending.result().prefer == 0.75
    bad = compare("2+3?", ["4", "6"], store=store)
    for name in "cd":
        answer(store, Pair(choice="both_bad"), name)
    with pytest.raises(DataError, match="both bad"):
        bad.result()


def test_labels_from_elsewhere_are_brought_in_all_or_none(tmp_path: Path) -> None:
    tasks = [compare(f"{i}?", ["4", "5"], store=tmp_path / "labels.db").task for i in range(3)]
    store = Store.open(tmp_path / "labels.db")
    who, _ = store.invite("import:x")

    def given(task: str, label: Label, **others: Any) -> Given:
        return Given(task=task, annotator=0, pseudonym="", label=label, time=0.0, **others)

    rows = [given(task.id, Pair(choice="tie")) for task in tasks]
    for wrong, why in (
        (given("0123", Pair(choice="tie")), "no task here is called '0123'"),
        (given(tasks[2].id, Ranks(ranks=(1, 2))), "of kind ranking, the task of kind pair"),
        (given(tasks[2].id, Pair(choice="tie"), order=(0, 2)), "an order of"),
    ):
        with pytest.raises(DataError, match=why):
            store.bring(who, [*rows[:2], wrong])
        assert store.given() == []
    assert store.bring(who, [*rows[:2], rows[0]]) == 2
    assert store.bring(who, rows) == 1
    assert store.progress().left == 0
