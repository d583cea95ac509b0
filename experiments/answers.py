"""How often the verifiers of final answers accept what is wrong and reject what is right, on pairs
of known truth.

    # 2,000 pairs: false accepts, false rejects and undecided, by family
    python -m experiments.answers
    # and each of them
    python -m experiments.answers --show
    python -m experiments.answers --json --seed 1

The pairs are those of `experiments.answer_pairs`: values times styles times changes, true or false
by construction. `numeric` judges those of numbers, `choice` (`Math` that looks for a letter) those
of letters, `math` all. A false accept is a false pair that is judged right; a false reject is a
true pair that is judged wrong. Undecided is neither, and counted.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from experiments.answer_pairs import FAMILIES, Pair, pairs

from assay.stats import wilson
from assay.verifiers import Math, Numeric

VERIFIERS = ("math", "numeric", "choice")
KINDS = ("false accept", "false reject", "undecided")

Kind = Literal["false accept", "false reject", "undecided"]


@dataclass(frozen=True)
class Judged:
    """A pair and what one verifier said of it."""

    pair: Pair
    verifier: str
    outcome: str
    stage: str
    reason: str

    @property
    def failure(self) -> Kind | None:
        """What is wrong with it; None where the verdict is the truth."""
        if self.outcome == "undecided":
            return "undecided"
        if (self.outcome == "right") == self.pair.true:
            return None
        return "false reject" if self.pair.true else "false accept"


def judge(drawn: Sequence[Pair], workers: int = 2) -> list[Judged]:
    """Every verifier's verdicts on the pairs that are for it."""
    judges: dict[str, Math | Numeric] = {
        "math": Math(timeout=20.0, workers=workers),
        "numeric": Numeric(),
        "choice": Math(find=("choice",)),
    }
    judged = []
    for name, verifier in judges.items():
        chosen = [pair for pair in drawn if name in pair.verifiers]
        verdicts = verifier.check_all([(pair.text, pair.reference) for pair in chosen])
        for pair, verdict in zip(chosen, verdicts, strict=True):
            judged.append(Judged(pair, name, verdict.outcome, verdict.stage, verdict.reason))
    return judged


def counts(judged: Iterable[Judged]) -> dict[str, int]:
    """Pairs and failures of the true and of the false ones."""
    row = dict.fromkeys(
        ("true", "false reject", "true undecided", "false", "false accept", "false undecided"), 0
    )
    for one in judged:
        truth = "true" if one.pair.true else "false"
        row[truth] += 1
        if (failure := one.failure) is not None:
            row[f"{truth} undecided" if failure == "undecided" else failure] += 1
    return row


def rates(row: dict[str, int]) -> dict[str, list[float]]:
    """Each kind of failure as a share with its interval (Wilson, 95 %)."""
    of = {
        "false reject": "true",
        "true undecided": "true",
        "false accept": "false",
        "false undecided": "false",
    }
    shares = {}
    for name, total in of.items():
        share = wilson(row[name], row[total])
        shares[name] = [round(share.value, 4), round(share.low, 4), round(share.high, 4)]
    return shares


def table(judged: Sequence[Judged]) -> str:
    """The counts by verifier and family, as markdown."""
    lines = [
        (
            "| verifier | family | true | false reject | undecided | false | false accept |"
            " undecided |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for verifier in VERIFIERS:
        own = [one for one in judged if one.verifier == verifier]
        for family in [*FAMILIES, ""]:
            row = counts(one for one in own if family in ("", one.pair.family))
            if not row["true"] + row["false"]:
                continue
            shown = {name: str(number) for name, number in row.items()}
            if not family:
                for name, (value, low, high) in rates(row).items():
                    shown[name] += f" ({100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}])"
            lines.append(f"| {verifier} | {family or 'all'} | {' | '.join(shown.values())} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=2000, help="pairs, half of them true")
    parser.add_argument("--seed", type=int, default=0, help="seed of the pairs")
    parser.add_argument("--workers", type=int, default=2, help="processes that compare mathematics")
    parser.add_argument("--show", action="store_true", help="print every failure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    drawn = pairs(chosen.pairs, chosen.seed)
    start = time.perf_counter()
    judged = judge(drawn, chosen.workers)
    seconds = round(time.perf_counter() - start, 1)
    failures = sorted(
        (one for one in judged if one.failure), key=lambda one: KINDS.index(one.failure or KINDS[0])
    )
    if chosen.json:
        result: dict[str, Any] = {"pairs": len(drawn), "seed": chosen.seed, "seconds": seconds}
        for verifier in VERIFIERS:
            row = counts(one for one in judged if one.verifier == verifier)
            result[verifier] = row | {"shares": rates(row)}
        if chosen.show:
            result["failures"] = [{"failure": one.failure, **asdict(one)} for one in failures]
        print(json.dumps(result, indent=1, ensure_ascii=False))
        return
    print(
        f"{len(drawn)} pairs, seed {chosen.seed}: {len(judged)} verdicts in {seconds}"
        f" s\n\n{table(judged)}"
    )
    if chosen.show:
        for one in failures:
            said = f"{one.outcome} ({one.stage})" + (f": {one.reason}" if one.reason else "")
            print(f"\n{one.failure} | {one.verifier} | {one.pair.family} | {one.pair.how}")
            print(f"  {one.pair.reference!r} <- {one.pair.text!r}\n  {said}")


if __name__ == "__main__":
    main()
