"""What becomes of programs that try to be passed without solving the task: all of them, by tests of each kind.

    python -m bench.verdict_cheats                    # every kind without pytest
    python -m bench.verdict_cheats --pytest           # and those for pytest: minutes
    python -m bench.verdict_cheats --level landlock

Owed is *wrong*, always; what is not is listed. `plain` counts, beside it, what plain Python says that passes, so that
one sees which attacks would work without any wall.
"""

import argparse
import dataclasses
import json
import time
from collections import Counter
from typing import Any

from tests.verifiers.sandbox.verdict_cheats import CHEATS, HONEST, KINDS

from assay.verifiers.code import Code
from assay.verifiers.sandbox import Limits


def protocols() -> tuple[str, ...]:
    """The protocols that there are."""
    known = {field.name for field in dataclasses.fields(Code)}
    return ("strict", "joint", "auto") if "protocol" in known else ("strict",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pytest", action="store_true")
    parser.add_argument("--level", default="namespaces")
    parser.add_argument("--only", help="only cheats with this in their names", default="")
    asked = parser.parse_args()
    suites = {kind: suite for kind, suite in KINDS.items() if asked.pytest or not suite.pytest}
    cheats = {name: program for name, program in CHEATS.items() if asked.only in name}
    for protocol in protocols():
        extra: dict[str, Any] = {"protocol": protocol} if len(protocols()) > 1 else {}
        quick = Code(limits=Limits(seconds=1, wall=1.5), extract="text", level=asked.level, **extra)
        patient = Code(limits=Limits(seconds=5, wall=10.0), extract="text", level=asked.level, **extra)
        start, counts = time.perf_counter(), Counter[str]()
        hit = set[str]()
        for kind, suite in suites.items():
            code = patient if suite.pytest else quick
            control = code.check(HONEST, suite)
            if control.outcome != "right":
                print(f"{protocol}: {kind}: the honest program is {control.outcome}: {control.reason}")
            verdicts = code.check_all([(program, suite) for program in cheats.values()])
            for name, verdict in zip(cheats, verdicts, strict=True):
                counts[verdict.outcome] += 1
                if verdict.outcome != "wrong":
                    hit.add(name)
                    print(f"{protocol}: {kind}: {verdict.outcome}: {name}: {verdict.reason[:120]}")
        seconds = round(time.perf_counter() - start, 1)
        found = {"pairs": counts.total(), **counts, "cheats": len(cheats), "with an effect": len(hit)}
        print(json.dumps({"protocol": protocol, "level": asked.level, **found, "seconds": seconds}))


if __name__ == "__main__":
    main()
