"""What becomes of honest programs whose tests assert, and of the same programs with a bug, under
each protocol.

    # the table of features, and 400 generated pairs
    python -m experiments.honest_suites
    # more of them
    python -m experiments.honest_suites --count 5000 --seed 3
    # and each verdict that is not owed
    python -m experiments.honest_suites --list

Each pair passes in plain Python (checked here first), so *wrong* is a false verdict; a mutant fails
there, so *right* is. Undecided is allowed where objects cannot cross between the tests' process and
the program's.
"""

import argparse
import dataclasses
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.verifiers.honest.item import Item
from tests.verifiers.honest_suites import TABLE, generated, in_plain_python

from assay.sandbox import Limits
from assay.verifiers.code.verifier import Code

OUTCOMES = ("right", "wrong", "undecided")


def protocols() -> tuple[str, ...]:
    """The protocols that there are."""
    known = {field.name for field in dataclasses.fields(Code)}
    return ("strict", "joint", "auto") if "protocol" in known else ("strict",)


def settings(protocol: str) -> dict[str, Any]:
    """Of the verifier, for a protocol."""
    return {"protocol": protocol} if len(protocols()) > 1 else {}


def passing(items: Sequence[Item], mutants: bool) -> list[Item]:
    """The items that are what they are said to be in plain Python; the others are printed."""
    chosen = [item for item in items if item.mutant] if mutants else list(items)
    why = in_plain_python(
        [(item.mutant if mutants else item.program, item.suite) for item in chosen]
    )
    for item, reason in zip(chosen, why, strict=True):
        if bool(reason) != mutants:
            print(f"not as said in plain Python: {item.feature}: {item.suite.tests[0]!r}: {reason}")
    return [item for item, reason in zip(chosen, why, strict=True) if bool(reason) == mutants]


def counted(
    items: Sequence[Item], protocol: str, mutants: bool, listed: bool
) -> dict[str, Counter[str]]:
    """Outcomes by feature."""
    code = Code(limits=Limits(seconds=5, wall=20.0), extract="text", **settings(protocol))
    verdicts = code.check_all(
        [(item.mutant if mutants else item.program, item.suite) for item in items]
    )
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for item, verdict in zip(items, verdicts, strict=True):
        found[item.feature][verdict.outcome] += 1
        if listed and verdict.outcome != ("wrong" if mutants else "right"):
            what = "mutant" if mutants else "honest"
            print(
                f"{protocol} {what} {verdict.outcome}: {item.feature}: {item.suite.tests[0]!r}:"
                f" {verdict.reason}"
            )
    return found


def shown(title: str, found: dict[str, Counter[str]]) -> Counter[str]:
    """The total of a table, which is printed."""
    print(f"\n{title:44}" + "".join(f"{outcome:>11}" for outcome in OUTCOMES))
    total = Counter[str]()
    for feature, counts in sorted(found.items()):
        total += counts
        print(f"{feature:44}" + "".join(f"{counts[outcome] or '-':>11}" for outcome in OUTCOMES))
    print(f"{'all':44}" + "".join(f"{total[outcome]:>11}" for outcome in OUTCOMES))
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=400, help="how many generated pairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--under-pytest", type=float, default=0.1, help="share of the generated pairs"
    )
    parser.add_argument("--list", action="store_true", help="each verdict that is not owed")
    asked = parser.parse_args()
    items = [*TABLE, *generated(asked.seed, asked.count, asked.under_pytest)]
    honest, mutants = passing(items, mutants=False), passing(items, mutants=True)
    totals: dict[str, Any] = {"pairs": len(honest), "mutants": len(mutants)}
    for protocol in protocols():
        start = time.perf_counter()
        for title, chosen, bad in (("honest", honest, False), ("mutants", mutants, True)):
            found = counted(chosen, protocol, bad, asked.list)
            totals[f"{protocol} {title}"] = dict(shown(f"{protocol}: {title}", found))
        totals[f"{protocol} seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
