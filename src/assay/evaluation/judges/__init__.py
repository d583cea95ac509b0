"""How far a judge can be trusted: its biases, each with what it could have found, beside how far it
agrees with labels.

`audit` takes what a judge of pairs said and `audit_points` what one of single responses did;
`probes` ask a judge again about changed texts, `orders` an answerer about the same questions in
another order, and their rows join the audit.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from assay import stats
from assay.errors import ConfigError
from assay.evaluation.judges import points, position, style
from assay.evaluation.judges.cycles import cycles
from assay.evaluation.judges.findings import Bias, BiasVerdict, JudgeAudit, corrected, estimates
from assay.evaluation.judges.pairs import Pairs, outcome, pairs_of
from assay.questions import Comparison
from assay.stats import Estimate
from assay.stats.agreement import cohen_kappa
from assay.types import Group, Record, Score, Unscored

__all__ = ["Bias", "BiasVerdict", "JudgeAudit", "audit", "audit_points", "estimates"]

SMALLEST = 0.1
"""Gap between two shares, or standard deviations of a score, that matters."""
UNLABELLED = (
    "no record has a label: how often the longer, the listed and the judge's own responses are"
    " preferred is given, but whether that is bias or quality cannot be told"
)
AT_THE_LABEL = (
    "biases for length, style and author are at the same label, which says what is better and not"
    " by how much"
)
EXACT = (
    "labels are taken as exact: where they are not, what they miss of quality counts as bias for"
    " what goes with it; give their accuracy where it is known"
)
ONE_ORDER = (
    "no pair was judged in both orders, so a bias for a position cannot be told from quality"
    " without labels; judge both orders"
)
NO_REPEATS = (
    "no order was judged twice, so flips between orders are not told from the noise of repeats"
)
ONE_RESPONSE = "no prompt has two scored responses that differ in score; nothing can be compared"


def audit(
    records: Sequence[Group],
    comparisons: Sequence[Comparison | Unscored],
    *,
    own: Collection[str] = (),
    probes: Sequence[Bias] = (),
    label_accuracy: float = 1.0,
    smallest: float = SMALLEST,
) -> JudgeAudit:
    """Measure the biases of a judge of pairs from what it said.

    records: pairs of responses, `Preference` where people's label is known; those of one prompt are
    one cluster. comparisons: one per record, with their games: both orders show bias for a
    position, repeats its noise. own: names of models in the judge's family, as a response's
    `meta["model"]` has them. probes: rows of `probes.pairs`, which are corrected along.
    label_accuracy: how often a decided label is right; `stats.label_noise.label_accuracy` has it
    from how often two people agree. smallest: gap that matters between two shares; of one share,
    half of it.

    Raises `DataError` where there is nothing to audit, or a record is no pair, and `ConfigError`
    for an accuracy outside (1/2, 1].
    """
    if not 0.5 < label_accuracy <= 1:
        raise ConfigError(
            f"label_accuracy is {label_accuracy:g}; labels that say something have more than 0.5,"
            " and at most 1"
        )
    table = pairs_of(records, comparisons, own)
    found, beside = position.metrics(table)
    preferred, labels = style.metrics(table)
    agreed, constant = _agreement(table)
    metrics, baselines = {**agreed, **found, **preferred}, {**constant, **beside, **labels}
    kept = [i for i, said in enumerate(comparisons) if isinstance(said, Comparison)]
    first, second = ([records[i].responses[side].text for i in kept] for side in (0, 1))
    if (circular := cycles(first, second, table.prefer, table.clusters)) is not None:
        metrics["cycles"] = circular
        baselines["cycles"] = Estimate(value=0.25, low=0.25, high=0.25, n=circular.n)
    rows = [*position.rows(table, smallest), *style.rows(table, smallest, label_accuracy), *probes]
    notes = _notes(table, label_accuracy)
    return JudgeAudit(rows=corrected(rows), metrics=metrics, baselines=baselines, notes=notes)


def _notes(table: Pairs, label_accuracy: float) -> tuple[str, ...]:
    notes = [UNLABELLED] if np.isnan(table.label).all() else [AT_THE_LABEL]
    if label_accuracy == 1 and notes == [AT_THE_LABEL]:
        notes.append(EXACT)
    if not table.both.any():
        notes.append(ONE_ORDER)
    elif not (table.verdicts.sum(axis=2) > 1).all(axis=1).any():
        notes.append(NO_REPEATS)
    return (*notes, *_left_out(table.unscored, "pairs"))


def _left_out(unscored: int, what: str) -> list[str]:
    return [f"{unscored} {what} have no verdict and are left out"] if unscored else []


def _agreement(table: Pairs) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Agreement with decided labels, an undecided judge getting one half; Cohen's kappa, where ties
    of the judge are a category of their own; ties."""
    sampling: dict[str, Any] = {"clusters": table.clusters, "unscored": table.unscored}
    found = {"ties": stats.proportion(table.tie, **sampling)}
    decided = ~np.isnan(table.label) & (outcome(table.label) != 0)
    if not decided.any():
        return found, {}
    said, label = (outcome(x[decided]) for x in (table.prefer, table.label))
    sampling["clusters"] = table.clusters[decided]
    found["agreement"] = stats.proportion((said * label + 1) / 2, **sampling)
    found["kappa"] = cohen_kappa(said, label, **sampling)
    length = np.sign(table.features["length/per_doubling"][decided])
    return found, {"agreement": stats.proportion((length * label + 1) / 2, **sampling)}


def audit_points(
    records: Sequence[Record],
    scores: Sequence[Sequence[Score | Unscored]],
    *,
    own: Collection[str] = (),
    probes: Sequence[Bias] = (),
    smallest: float = SMALLEST,
) -> JudgeAudit:
    """Measure the biases of a judge that scores single responses, within prompts.

    records: of any kind with responses; those of one prompt are compared with each other, and
    grades, preferences and outcome labels are the labels. scores: one group per record, as
    `Scorer.score` gives them. Effects are in standard deviations of scores within a prompt, and so
    is smallest; the rest is as in `audit`.
    """
    table = points.points_of(records, scores, own)
    metrics, baselines = points.metrics(table)
    notes = [UNLABELLED if np.isnan(table.label).all() else AT_THE_LABEL]
    if not table.spread > 0:
        notes.append(ONE_RESPONSE)
    return JudgeAudit(
        rows=corrected([*points.rows(table, smallest), *probes]),
        metrics=metrics,
        baselines=baselines,
        notes=(*notes, *_left_out(table.unscored, "responses")),
    )
