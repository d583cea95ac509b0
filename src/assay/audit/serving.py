"""Whether a score depends on what is scored along with it."""

import random
from collections.abc import Sequence
from itertools import chain
from typing import Final

from assay.audit.asking import Said
from assay.audit.direct import groups_of, moved
from assay.audit.findings import Finding
from assay.audit.subjects import Item
from assay.data.records import all_pairs
from assay.protocols import Scorer
from assay.types import Group

__all__ = ["TOLERANCE", "serving"]

TOLERANCE: Final = 0.01
"""How far scores may move on average, in deviations within a prompt; 0 in exact arithmetic."""
COMPANY: Final = 7


def serving(scorer: Scorer, items: Sequence[Item], *, seed: int = 0) -> list[Finding]:
    """Score responses alone, and then in other company; return a finding for each.

    The company: seven of the longest responses to other prompts; the prompt's other responses; all
    in one call, prompts and responses in another order. What a repeat moves is a finding of its
    own, and taken off the others. Each response is scored twelve times. A judge of pairs, whose
    reward is by its group, is not asked this.
    """
    draw = random.Random(seed)
    groups = groups_of(items)
    single = [Group(prompt=prompt, responses=(one,)) for prompt, one in all_pairs(groups)]
    alone, again = ([scorer.score([one])[0][0] for one in single] for _ in range(2))
    longest = sorted(single, key=lambda one: -len(one.responses[0].text))
    crowded = []
    for one in single:
        company = [x for x in longest if x.prompt != one.prompt][:COMPANY]
        place = draw.randint(0, len(company))
        crowded.append(scorer.score([*company[:place], one, *company[place:]])[place][0])
    whole = list(chain.from_iterable(scorer.score(groups)))
    mixed = _mixed(scorer, groups, draw)
    rows: dict[str, tuple[str, list[Said], list[Said]]] = {
        "repeat": ("the same request again", alone, again),
        "batch": ("the same text beside the longest ones", again, crowded),
        "group": ("the same text with its prompt's other responses", again, whole),
        "order": ("the same texts in another order", again, mixed),
    }
    return [
        moved(f"serving/{name}", meaning, items, (alone, floor, changed), TOLERANCE)
        for name, (meaning, floor, changed) in rows.items()
    ]


def _mixed(scorer: Scorer, groups: Sequence[Group], draw: random.Random) -> list[Said]:
    """Scores in the given order, of groups and responses that were asked in another."""
    order = draw.sample(range(len(groups)), len(groups))
    turned = [Group(prompt=groups[i].prompt, responses=groups[i].responses[::-1]) for i in order]
    said = dict(zip(order, scorer.score(turned), strict=True))
    return list(chain.from_iterable(said[i][::-1] for i in range(len(groups))))
