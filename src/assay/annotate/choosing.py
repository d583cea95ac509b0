"""What to label next: a probability for every open task, of which one is drawn.

Every strategy is mixed with an even choice, so that no task is out of reach and what was chosen can
be weighted back (`annotate.weighting`). What machines know comes with the tasks, in `hidden`:

* scores: {scorer: number}, or {scorer: numbers}, one per response or step; higher is better;
* right: whether the final answer is right, or one such per response;
* rollouts: {"right": counts, "total": counts}, one each per step;
* sound, worth: P(no step so far is wrong) per step, and what a task is worth where labels do not
  change that, both as `prepared` writes them once, so that a draw takes no fit.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from assay.annotate.dawid_skene import pooled_posterior
from assay.annotate.decisions import FIRST_ERROR, MARKS, decisions
from assay.annotate.labels import Steps, first_error
from assay.annotate.records import Given, Project
from assay.annotate.tasks import Task
from assay.errors import DataError
from assay.labelling.chain import SOUND, START, Beliefs, Counts, fit, posterior
from assay.stats.intervals import Array

__all__ = ["ERRS", "FLOOR", "first_wrong", "prepared", "probabilities"]

FLOOR: Final = 0.1
"""Share of the choices that are even ones."""
SHARP: Final = 2.0
"""Power of a task's worth: more, and labels are saved; less, and weights stay near each other."""
ERRS: Final = 0.1
"""How often a person is taken to miss a solution's first wrong step."""


def probabilities(
    project: Project, tasks: Sequence[Task], given: Sequence[Given], *, floor: float = FLOOR
) -> list[float]:
    """Return the probability with which each open task comes next; they sum to 1.

    tasks: those that may be given. given: all labels that stand, of these tasks and others. With n
    tasks and a strategy's worths w, floor / n + (1 - floor) w² / Σ w²; where nothing has any worth,
    and for the strategy random, 1 / n. For order the first has 1. Raises `DataError` where no task
    has what the strategy needs.

    * disagreement: deviation between scorers, each on its own scale: of differences between
      responses, or of scores by step;
    * convincing: of what ends wrong, how high it is scored among all that end wrong (PRM800K's
      choice of convincing wrong answers, arXiv:2305.20050, with a rank for a threshold);
    * information: nats that one more label is expected to say: of a solution's first wrong step,
      or of what a pair, a ranking or a question is in truth.
    """
    n = len(tasks)
    if not n:
        return []
    if not 0 < floor <= 1:
        raise DataError(f"floor is {floor}; it must be above 0, to 1: every task needs a chance")
    if project.choose == "order":
        return [1.0, *[0.0] * (n - 1)]
    if project.choose == "random":
        return [1 / n] * n
    if project.choose == "information":
        worth = _information(tasks, given)
    elif all("worth" in task.hidden for task in tasks):
        worth = np.array([task.hidden["worth"] for task in tasks], dtype=np.float64)
    else:
        worth = _fixed(project, tasks)
    worth = worth**SHARP
    total = float(worth.sum())
    even = np.full(n, 1 / n)
    mixed = floor * even + (1 - floor) * (worth / total if total > 0 else even)
    return [float(p) for p in mixed / mixed.sum()]


def prepared(project: Project, tasks: Sequence[Task]) -> list[Task]:
    """Return tasks with what a draw needs and no label changes, once, before labelling.

    For information hidden["sound"], the posterior of `label adaptive` with its parameters fitted to
    the rollouts of all tasks; for disagreement and convincing hidden["worth"]. Gold items stay as
    they are, for they are not drawn so.
    """
    found = list(tasks)
    rows = [i for i, task in enumerate(tasks) if task.gold is None]
    if project.choose in ("disagreement", "convincing"):
        worth = _fixed(project, [tasks[i] for i in rows]).tolist() if rows else []
        more: list[dict[str, Any]] = [{"worth": one} for one in worth]
    elif project.choose == "information":
        rows = [i for i in rows if tasks[i].kind == "steps" and _has_rollouts(tasks[i])]
        counts = _counts([tasks[i] for i in rows])
        x = fit(counts, START)
        sounds = posterior(counts, Beliefs.of(x))[..., SOUND].tolist() if rows else []
        more = [{"sound": sound[: tasks[i].steps]} for i, sound in zip(rows, sounds, strict=True)]
    else:
        return found
    for i, extra in zip(rows, more, strict=True):
        found[i] = tasks[i].model_copy(update={"hidden": {**tasks[i].hidden, **extra}})
    return found


def _fixed(project: Project, tasks: Sequence[Task]) -> Array:
    return _convincing(tasks) if project.choose == "convincing" else _disagreement(tasks)


def _has_rollouts(task: Task) -> bool:
    return isinstance(task.hidden.get("rollouts"), Mapping)


def _counts(tasks: Sequence[Task]) -> Counts:
    """Rollouts of tasks of kind steps, none of those without, and the answers' verdicts."""
    size = max((task.steps for task in tasks), default=0)
    right_N_T, judged_N_T = np.zeros((2, len(tasks), size))
    answer_N = np.full(len(tasks), np.nan)
    for i, task in enumerate(tasks):
        rollouts = task.hidden.get("rollouts")
        if isinstance(rollouts, Mapping):
            right, total = rollouts.get("right", ()), rollouts.get("total", ())
            wrong = not len(right) == len(total) == task.steps
            if wrong or any(not 0 <= r <= n for r, n in zip(right, total, strict=True)):
                raise DataError(
                    f'task {task.id}: hidden["rollouts"] has {len(right)} and {len(total)} counts'
                    f" for {task.steps} steps; give right <= total of each step"
                )
            right_N_T[i, : task.steps], judged_N_T[i, : task.steps] = right, total
        if isinstance(answer := task.hidden.get("right"), bool):
            answer_N[i] = float(answer)
    steps_N = np.array([task.steps for task in tasks], dtype=np.intp)
    return Counts(right_N_T, judged_N_T, steps_N, answer_N)


def first_wrong(tasks: Sequence[Task], given: Sequence[Given], *, errs: float = ERRS) -> Array:
    """Return P(first wrong step | rollouts, labels) of tasks of kind steps, (N, T + 1): the last
    column that none is wrong, 0 at steps that a solution lacks.

    What rollouts say is the drop of P(sound) from step to step. A label names the first wrong step
    with 1 - errs, and any other place as likely as all others; one that leaves steps open says that
    it is none of those before.
    """
    size = max((task.steps for task in tasks), default=0)
    sound_N_T = np.full((len(tasks), size), np.nan)
    need = [i for i, task in enumerate(tasks) if "sound" not in task.hidden]
    if need:
        counts = _counts([tasks[i] for i in need])
        found = posterior(counts, Beliefs.of(START))[..., SOUND]
        sound_N_T[need, : found.shape[1]] = found
    labels: dict[str, list[Steps]] = {}
    for one in given:
        if isinstance(one.label, Steps):
            labels.setdefault(one.task, []).append(one.label)
    for i, task in enumerate(tasks):
        if known := task.hidden.get("sound"):
            if len(known) != task.steps:
                raise DataError(f'task {task.id}: hidden["sound"] has {len(known)} numbers for'
                                f" {task.steps} steps")  # fmt: skip
            sound_N_T[i, : task.steps] = known
        # What a solution lacks is not where it first goes wrong.
        sound_N_T[i, task.steps :] = sound_N_T[i, task.steps - 1] if task.steps else 1.0
    edge = np.ones((len(tasks), 1))
    falling = np.minimum.accumulate(np.clip(sound_N_T, 0, 1), axis=1)
    p_N_T1 = -np.diff(np.concatenate([edge, falling, 0 * edge], axis=1), axis=1)
    for i, task in enumerate(tasks):
        for label in labels.get(task.id, ()):
            p_N_T1[i] *= _likelihood(label, errs, size + 1)
    return np.asarray(p_N_T1 / p_N_T1.sum(axis=1, keepdims=True))


def _likelihood(label: Steps, errs: float, columns: int) -> Array:
    """P(label | first wrong step), (columns,), the last that none is wrong."""
    places = len(label.marks) + 1
    at = first_error(label)
    fits = np.zeros(columns, dtype=bool)
    if at is None:
        # None of the steps marked before the first open one.
        fits[label.marks.index(None) : places - 1] = True
        fits[-1] = True
    else:
        fits[at if at < places - 1 else -1] = True
    other = errs / max(places - 1, 1)
    return np.asarray(np.where(fits, 1 - errs + other * (fits.sum() - 1), other * fits.sum()))


def _information(tasks: Sequence[Task], given: Sequence[Given]) -> Array:
    """Nats that one more label of each task says."""
    worth = np.zeros(len(tasks))
    solutions = [i for i, task in enumerate(tasks) if task.kind == "steps"]
    if solutions:
        some = [tasks[i] for i in solutions]
        worth[solutions] = _told(first_wrong(some, given), np.array([one.steps for one in some]))
    others = [task for task in tasks if task.kind != "steps"]
    if others:
        by_task = _told_of_decisions(others, given)
        worth += [by_task.get(task.id, 0.0) for task in tasks]
    return worth


def _told(p_N_T1: Array, steps_N: NDArray[np.intp], errs: float = ERRS) -> Array:
    """Mutual information of the truth and a label that is it with 1 - errs, else any other."""
    other_N_1 = errs / np.maximum(steps_N, 1)[:, None]
    columns = np.arange(p_N_T1.shape[1])
    there = (columns < steps_N[:, None]) | (columns == p_N_T1.shape[1] - 1)
    said = np.where(there, (1 - errs) * p_N_T1 + other_N_1 * (1 - p_N_T1), 0.0)
    noise_N = entr(np.array([errs, 1 - errs])).sum() + errs * np.log(np.maximum(steps_N, 1))
    return np.asarray(np.maximum(0.0, entr(said).sum(axis=1) - noise_N))


def _told_of_decisions(tasks: Sequence[Task], given: Sequence[Given]) -> dict[str, float]:
    """Nats of a label of each task, summed over what it decides: H(said) - Σ_c P(c) H(said | c)."""
    found: dict[str, float] = {}
    by_kind: dict[str, list[float]] = {}
    kinds = {task.id: task.kind for task in tasks}
    for name, decision in decisions(tasks, given).items():
        if name in (MARKS, FIRST_ERROR):
            continue
        soft_I_C, confusion_C_C = pooled_posterior(decision.counts_I_C)
        told_I = _channel(soft_I_C, confusion_C_C)
        fresh = float(_channel(soft_I_C.mean(axis=0)[None], confusion_C_C)[0])
        for (task, _), told in zip(decision.units, told_I.tolist(), strict=True):
            found[task] = found.get(task, 0.0) + told
            by_kind.setdefault(kinds[task], []).append(fresh)
    # What has no label yet is any other of its kind: as many units, each worth what a fresh one is.
    for one in tasks:
        if one.id not in found:
            units = {"pair": 1, "ranking": math.comb(len(one.responses), 2)}
            each = by_kind.get(one.kind, [1.0])
            found[one.id] = units.get(one.kind, len(one.questions)) * float(np.mean(each))
    return found


def _channel(soft_I_C: Array, confusion_C_C: Array) -> Array:
    """Mutual information of each item's truth and what is said of it."""
    said: Array = entr(soft_I_C @ confusion_C_C).sum(axis=1)
    noise: Array = soft_I_C @ entr(confusion_C_C).sum(axis=1)
    return np.asarray(np.maximum(0.0, said - noise))


def _scores(task: Task) -> dict[str, Array]:
    """Scores by scorer, (n,): of responses, of steps, or one."""
    scores = task.hidden.get("scores")
    if not isinstance(scores, Mapping):
        return {}
    found = {str(name): np.atleast_1d(np.asarray(x, dtype=float)) for name, x in scores.items()}
    if len({len(x) for x in found.values()}) > 1 or not all(
        np.isfinite(x).all() for x in found.values()
    ):
        raise DataError(f'task {task.id}: hidden["scores"] are not finite, or not of one length')
    return found


def _disagreement(tasks: Sequence[Task]) -> Array:
    """Deviation between scorers, mean over what they score; 0 with fewer than two."""
    worth = np.full(len(tasks), np.nan)
    for several in (False, True):
        places = [
            i
            for i, t in enumerate(tasks)
            if (t.kind != "steps" and len(t.responses) > 1) == several
        ]
        rows = [_scores(tasks[i]) for i in places]
        if several:
            rows = [_differences(tasks[i], row) for i, row in zip(places, rows, strict=True)]
        # A difference has a zero of its own: a tie.
        for i, row in zip(places, _standard(rows, centred=not several), strict=True):
            if len(row) > 1:
                worth[i] = float(np.stack([*row.values()]).std(axis=0).mean())
    if np.isnan(worth).all():
        raise DataError('disagreement needs two scorers or more in hidden["scores"], as {scorer:'
                        " scores}; choose random, or score the pool first")  # fmt: skip
    return np.where(np.isnan(worth), 0.0, worth)


def _differences(task: Task, scores: Mapping[str, Array]) -> dict[str, Array]:
    """Differences between every two responses."""
    if any(len(x) != len(task.responses) for x in scores.values()):
        raise DataError(f'task {task.id}: hidden["scores"] are not one per response')
    first, second = np.triu_indices(len(task.responses), k=1)
    return {name: x[first] - x[second] for name, x in scores.items()}


def _standard(rows: Sequence[Mapping[str, Array]], *, centred: bool) -> list[dict[str, Array]]:
    """Numbers in deviations of their scorer's, from its mean or from 0."""
    scales: dict[str, tuple[float, float]] = {}
    for name in {name for row in rows for name in row}:
        every = np.concatenate([row[name] for row in rows if name in row])
        mean = float(every.mean()) if centred else 0.0
        scales[name] = mean, float(np.sqrt(((every - mean) ** 2).mean())) or 1.0
    return [
        {name: (x - scales[name][0]) / scales[name][1] for name, x in row.items()} for row in rows
    ]


def _convincing(tasks: Sequence[Task]) -> Array:
    """Rank in (0, 1] of the best score of what ends wrong, among all tasks where something does."""
    best = np.full(len(tasks), np.nan)
    rows = _standard([_scores(task) for task in tasks], centred=True)
    for i, (task, row) in enumerate(zip(tasks, rows, strict=True)):
        right = task.hidden.get("right")
        if not row or right is None:
            continue
        level = np.mean([*row.values()], axis=0)
        if isinstance(right, bool):
            # A solution that is scored by step is as convincing as its worst one.
            best[i] = math.nan if right else float(level.min())
        elif len(right) != len(level):
            raise DataError(f'task {task.id}: hidden["right"] has {len(right)} verdicts for'
                            f" {len(level)} scores")  # fmt: skip
        else:
            wrong = [x for x, ok in zip(level.tolist(), right, strict=True) if ok is False]
            best[i] = max(wrong, default=math.nan)
    there = np.flatnonzero(~np.isnan(best))
    if not len(there):
        raise DataError('convincing needs tasks with hidden["right"] False and hidden["scores"];'
                        " verify and score the pool first")  # fmt: skip
    worth = np.zeros(len(tasks))
    worth[there] = np.searchsorted(np.sort(best[there]), best[there], side="right") / len(there)
    return worth
