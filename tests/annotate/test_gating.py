"""Labels for a gate: who is chosen, and what becomes of what people say."""

import numpy as np
import pytest

from assay.annotate.gating import selected, strata_of, votes_of
from assay.annotate.labels import Pair, Questions
from assay.annotate.records import Given, Project
from assay.audit.gate import read_gate
from assay.errors import DataError
from assay.questions import Comparison
from assay.types import Group, Preference, Prompt, Response
from assay.workflows.annotate_gate import gate_from, gate_tasks
from tests.audit.test_gate import WORD


class Held:
    """A store's tasks and labels."""

    def __init__(self, project, tasks, given):
        self.project, self._tasks, self._given = project, tasks, given

    def tasks(self):
        return self._tasks

    def given(self):
        return self._given


class Longer:
    """Prefers the longer response."""

    fingerprint = "longer"

    def compare(self, pairs):
        sizes = [[len(one.text) for one in pair.responses] for pair in pairs]
        return [Comparison(prefer=1 / (1 + np.exp(b - a))) for a, b in sizes]


def pool(n=90):
    """Responses that say good, two of three, or bad."""
    return [
        Group(prompt=Prompt.of(f"question {i}"),
              responses=(Response.of(f"{'good' if i % 3 else 'bad'} {i}"),))
        for i in range(n)
    ]  # fmt: skip


def test_strata_and_allocation():
    strata = strata_of([0.9, 0.6, 0.1, 0.4, None], 0.5)
    assert strata == ["yes, sure", "yes, unsure", "no, sure", "no, unsure", "none"]
    many = ["yes, sure"] * 80 + ["no, unsure"] * 20
    chosen = selected(many, 22)
    taken = [many[i] for i in chosen]
    # By size and by how often people may differ, .3 against .4583: 80 x .3 to 20 x .4583.
    assert taken.count("no, unsure") == round(22 * 9.165 / (24 + 9.165))
    for i, p in chosen.items():
        assert p == pytest.approx(taken.count(many[i]) / many.count(many[i]))
    assert len(selected(["a"] * 5, 9)) == 5
    with pytest.raises(DataError, match="2 strata need 4"):
        selected(many, 3)


def test_selection_probabilities_are_true():
    strata = ["yes, sure"] * 6 + ["no, unsure"] * 3
    often = np.zeros(9)
    for seed in range(2000):
        for i in selected(strata, 4, seed=seed):
            often[i] += 1
    p = selected(strata, 4)
    expected = {strata[i]: x for i, x in p.items()}
    assert often / 2000 == pytest.approx([expected[s] for s in strata], abs=0.05)


def answered(tasks, wrong=()):
    """People say yes where the text is good, but for some."""
    return [
        Given(task=task.id, annotator=k, pseudonym=f"a-{k}", time=i,
              label=Questions(answers=(int(("good" in task.responses[0].text) == (i in wrong)),)))
        for i, task in enumerate(tasks)
        for k in (1, 2)
    ]  # fmt: skip


def test_from_a_pool_to_a_gate(tmp_path):
    tasks = gate_tasks(pool(), WORD, 50, threshold=5)
    assert len(tasks) == 50
    assert tasks == gate_tasks(pool(), WORD, 50, threshold=5)
    assert {task.stratum.split(",")[0] for task in tasks} == {"yes", "no"}
    assert sum(1 / task.probability for task in tasks) == pytest.approx(90)
    project = Project(judge=WORD, labels_per_item=2)
    store = Held(project, tasks, answered(tasks))
    gate = gate_from(store, WORD, tmp_path / "gate.json", threshold=5)
    assert read_gate(tmp_path / "gate.json") == gate
    assert not gate.reasons
    assert gate.labels.sampling == "weighted by selection probability"
    assert (gate.labels.blind, gate.labels.items, gate.labels.raters) == ("yes", 50, 2)
    shown = [one.model_copy(update={"suggested": True}) for one in store.given()]
    assert any(
        "saw" in why for why in gate_from(Held(project, tasks, shown), WORD, threshold=5).reasons
    )


def test_agreement_is_weighted():
    tasks = gate_tasks(pool(), WORD, 50, threshold=5)
    wrong = {i for i, task in enumerate(tasks) if task.stratum.startswith("no")}
    gate = gate_from(Held(Project(), tasks, answered(tasks, wrong)), WORD, threshold=5)
    # People never agree on what is judged no: a third of the pool, whatever share was labelled.
    assert gate.slices[0]["agreement"].value == pytest.approx(2 / 3, abs=1e-9)


def test_unlabelled_items_are_refused_or_stood_for():
    tasks = gate_tasks(pool(), WORD, 50, threshold=5)
    given = answered(tasks)[:60]
    with pytest.raises(DataError, match="20 of 50 items have no label"):
        gate_from(Held(Project(), tasks, given), WORD, threshold=5)
    votes = [*votes_of(tasks, given)]
    assert sum(1 / vote.probability for vote in votes if vote.rater == "a-1") == pytest.approx(90)
    assert (
        gate_from(Held(Project(), tasks, given), WORD, partial=True, threshold=5).labels.items == 30
    )


def test_pairs_and_adjudicators():
    data = [
        Preference(prompt=Prompt.of(f"q{i}"), prefer=0.0,
                   responses=(Response.of("a" * (1 + i % 7)), Response.of("b" * (1 + i % 5))))
        for i in range(60)
    ]  # fmt: skip
    tasks = gate_tasks(data, Longer(), 40)
    assert {task.kind for task in tasks} == {"pair"}

    def said(task, who, choice, purpose="label"):
        return Given(task=task.id, annotator=1, pseudonym=who, label=Pair(choice=choice), time=0,
                     purpose=purpose)  # fmt: skip

    def longer(task):
        a, b = (len(one.text) for one in task.responses)
        return "first" if a > b else "second" if b > a else "tie"

    given = [said(task, "a", longer(task)) for task in tasks[1:]]
    given += [said(tasks[0], "a", "first"), said(tasks[0], "b", "second")]
    given += [said(tasks[0], "c", longer(tasks[0]), "adjudicate")]
    assert [vote.rater for vote in votes_of(tasks, given) if vote.task is tasks[0]] == ["c"]
    gate = gate_from(Held(Project(), tasks, given), Longer())
    assert gate.slices[0]["decided"].value == 1
    with pytest.raises(DataError, match="gate each kind by itself"):
        gate_tasks([*data, *pool(3)], Longer(), 10)
    with pytest.raises(DataError, match="60 different items, and n is 90"):
        gate_tasks(data, Longer(), 90)
