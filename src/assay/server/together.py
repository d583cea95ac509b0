"""What of several requests may stand side by side, so that no answer depends on who else asks."""

from collections.abc import Mapping, Sequence

from assay.protocols import Scorer
from assay.scorers.ensemble import Ensemble
from assay.scorers.lower_bound import LowerBound
from assay.scorers.reading import Reader
from assay.scorers.reaggregate import Aggregated
from assay.types import Group, Score, Unscored

__all__ = ["by_columns", "of_its_own"]


def of_its_own(scorer: Scorer) -> bool:
    """Return whether a response's score is known not to depend on the others of its group.

    So it is of reward models, and of what is made of them. Tournaments and lists compare a group's
    responses, random scores depend on a response's place, and of others' code nothing is known.
    """
    if isinstance(scorer, Ensemble):
        members = scorer.members
        return all(map(of_its_own, members.values() if isinstance(members, Mapping) else members))
    if isinstance(scorer, Aggregated | LowerBound):
        return of_its_own(scorer.scorer)
    return isinstance(scorer, Reader)


def by_columns(scorer: Scorer, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
    """Score groups, in one call those of the same columns: functions get what all have in `meta`,
    and one request must not take another's columns away."""
    calls: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        columns = frozenset(group.prompt.meta), any(one.turns for one in group.responses)
        calls.setdefault(columns, []).append(place)
    found: dict[int, list[Score | Unscored]] = {}
    for places in calls.values():
        rows = scorer.score([groups[place] for place in places])
        found.update(zip(places, rows, strict=True))
    return [found[place] for place in range(len(groups))]
