"""Outcome labels: rows that share a prompt are a pool, so that right and wrong answers to one
question are compared."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from assay import stats
from assay.data.pools import matrix_of
from assay.data.records import cluster_key
from assay.errors import DataError
from assay.evaluation import pools
from assay.evaluation.report import Options, Report
from assay.types import Score, StepLabels, Unscored

__all__ = ["evaluate"]


def evaluate(
    records: Sequence[StepLabels],
    scores: Sequence[Score | Unscored],
    answers: Sequence[Sequence[Hashable | None]] | None,
    options: Options,
) -> Report:
    """Metrics of the pools that the rows form by prompt; rows without a label are left out and
    counted."""
    members: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        if record.labels and record.labels[-1] is not None:
            members.setdefault(cluster_key(record), []).append(i)
    if not members:
        raise DataError("no record has a label; give outcome labels on the last step")
    rows = list(members.values())
    found = pools.report(
        "outcome",
        pools.Pools(
            keys=list(members),
            proxy=matrix_of([[scores[i] for i in pool] for pool in rows]),
            gold=stats.pad_pools(
                [[float(records[i].labels[-1] or 0.0) for i in pool] for pool in rows]
            ),
            length=stats.pad_pools(
                [[float(len(records[i].response.text)) for i in pool] for pool in rows]
            ),
            answers=None if answers is None else [[answers[i][0] for i in pool] for pool in rows],
        ),
        options,
    )
    unlabelled = len(records) - sum(map(len, rows))
    return replace(
        found,
        notes=[
            f"{unlabelled} of {len(records)} rows have no label and were left out",
            *found.notes,
        ],
    )
