"""What became of the rollouts that labels rest on: cut off, not to be judged, never right.

Labels made of rollouts that never came to an end, or never to a right one, look like any others.
These counts, and the sentences about them, are the first thing to say of a set of labels.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from assay.labelling.rollouts import Rollouts
from assay.protocols import Prefix
from assay.types import RolloutLabels

__all__ = ["Outcomes", "outcomes", "problems", "shares"]


@dataclass(frozen=True)
class Outcomes:
    """Counts over the rollouts from after the steps of labelled solutions, each prefix counted
    once."""

    solutions: int
    unlabelled: int
    """Solutions without any label."""
    without: int
    """Solutions that rollouts were asked of and none was had."""
    cut_off_solutions: int
    """Solutions all of whose rollouts were cut off."""
    unjudged_solutions: int
    """Solutions of whose rollouts some ended, and none could be judged."""
    never_right_solutions: int
    """Solutions of whose rollouts some were judged, and none was right."""
    prefixes: int
    """Prefixes that were asked for rollouts."""
    failed_prefixes: int
    """Those of them that got none."""
    rollouts: int
    right: int
    cut_off: int
    unjudged: int
    """Rollouts that ended, and that the verifier could not judge."""
    guarded: int
    """Rollouts that correct what came before them, set aside."""


def outcomes(labels: Sequence[RolloutLabels], rollouts: Rollouts) -> Outcomes:
    """Count what became of the rollouts that the labels rest on, the answers of the solutions
    themselves left out."""
    totals = dict.fromkeys(("rollouts", "right", "cut_off", "unjudged", "guarded"), 0)
    solutions = dict.fromkeys(
        ("without", "cut_off_solutions", "unjudged_solutions", "never_right_solutions"), 0
    )
    seen: set[Hashable] = set()
    failed = 0
    for record in labels:
        mine = dict.fromkeys(totals, 0)
        asked = 0
        for size in range(1, len(record.response.steps) + 1):
            prefix = Prefix(record.prompt, record.response.steps[:size])
            if not rollouts.asked(prefix):
                continue
            asked += 1
            counts = _counts(prefix, rollouts)
            mine = {name: mine[name] + counts[name] for name in mine}
            if (key := (prefix.prompt.shown, prefix.prompt.reference, prefix.steps)) not in seen:
                seen.add(key)
                failed += not counts["rollouts"]
                totals = {name: totals[name] + counts[name] for name in totals}
        if not asked:
            continue
        usable = mine["rollouts"] - mine["guarded"]
        solutions["without"] += not mine["rollouts"]
        solutions["cut_off_solutions"] += 0 < usable == mine["cut_off"]
        solutions["unjudged_solutions"] += (
            mine["cut_off"] < usable == mine["cut_off"] + mine["unjudged"]
        )
        solutions["never_right_solutions"] += (
            not mine["right"] and mine["cut_off"] + mine["unjudged"] < usable
        )
    return Outcomes(
        solutions=len(labels),
        unlabelled=sum(all(label is None for label in record.labels) for record in labels),
        prefixes=len(seen),
        failed_prefixes=failed,
        **solutions,
        **totals,
    )


def problems(found: Outcomes, max_tokens: int) -> list[str]:
    """Return what has to be known before the labels are looked at; none where all is well."""
    said = []
    usable = found.rollouts - found.guarded
    if not found.prefixes:
        return (
            ["no rollout was needed: the labels rest on the solutions' own answers"]
            if found.solutions
            else []
        )
    if not found.rollouts:
        said.append(f"no rollout was had from any of {found.prefixes:,} prefixes")
    elif found.cut_off == usable > 0:
        said.append(
            f"no rollout ended: all {usable:,} were cut off at {max_tokens:,} tokens; raise"
            " --max-tokens"
        )
    elif found.cut_off + found.unjudged == usable:
        said.append(
            f"no rollout could be judged: of {found.rollouts:,}, {found.cut_off:,} were cut off at"
            f" {max_tokens:,} tokens, {found.unjudged:,} had no answer that the verifier could"
            f" judge and {found.guarded:,} correct what came before them; see to the verifier and"
            " the reference answers"
        )
    elif not found.right:
        said.append(
            f"none of {found.rollouts:,} rollouts was right: labels cannot tell a wrong step from a"
            " policy that is too weak for these problems; take a stronger policy, easier problems,"
            " or see to the verifier"
        )
    if found.unlabelled:
        said.append(f"{_share(found.unlabelled, found.solutions)} solutions have no label")
    return said


def shares(found: Outcomes) -> list[str]:
    """Return what became of the rollouts, in shares of all rollouts, solutions and prefixes."""
    if not found.prefixes:
        return []
    said = [
        f"rollouts: {_share(found.right, found.rollouts)} right,"
        f" {_share(found.cut_off, found.rollouts)} cut off,"
        f" {_share(found.unjudged, found.rollouts)} not to be judged,"
        f" {_share(found.guarded, found.rollouts)} set aside"
    ]
    kinds = {
        "with no rollout right": found.never_right_solutions,
        "with every rollout cut off": found.cut_off_solutions,
        "with no rollout that could be judged": found.unjudged_solutions,
        "that got no rollout": found.without,
    }
    some = [f"{_share(count, found.solutions)} {kind}" for kind, count in kinds.items() if count]
    said += [f"solutions: {', '.join(some)}"] if some else []
    if found.failed_prefixes:
        said.append(
            f"prefixes: {_share(found.failed_prefixes, found.prefixes)} got no rollouts when asked"
        )
    return said


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def _counts(prefix: Prefix, rollouts: Rollouts) -> dict[str, int]:
    """Return what became of the rollouts of one prefix that were used."""
    used = rollouts.of(prefix, rollouts.asked(prefix))
    found = {"rollouts": len(used), "right": 0, "cut_off": 0, "unjudged": 0, "guarded": 0}
    for rollout in used:
        if rollouts.guard is not None and rollouts.guard(prefix, rollout):
            found["guarded"] += 1
        elif not rollout.finished:
            found["cut_off"] += 1
        elif rollout.right is None:
            found["unjudged"] += 1
        else:
            found["right"] += rollout.right
    return found
