"""What becomes of programs that try to be passed without solving the task: all of them, by tests of
each kind.

    python -m experiments.verdict_cheats                    # every kind without pytest
    python -m experiments.verdict_cheats --pytest           # and those for pytest: many minutes
    python -m experiments.verdict_cheats --level landlock

Owed is *wrong*, always; what is not is listed. Beside it stands how many of the programs are passed
where program and tests are one source, run in the same sandbox: by its exit status, as most graders
do, and by what it prints at its end.
"""

import argparse
import dataclasses
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.sandbox.verdict_cheats import CHEATS, HONEST, KINDS

from assay.sandbox import Job, Limits, Sandbox
from assay.sandbox.levels import Level
from assay.verifiers.code.suites import Assertions
from assay.verifiers.code.verifier import Code

QUICK, PATIENT = Limits(seconds=1, wall=1.5), Limits(seconds=5, wall=10.0)
WORKERS = 2


def protocols() -> tuple[str, ...]:
    """The protocols that there are."""
    known = {field.name for field in dataclasses.fields(Code)}
    return ("strict", "joint", "auto") if "protocol" in known else ("strict",)


def judged(
    protocol: str, level: Level, cheats: dict[str, str], suites: dict[str, Assertions]
) -> dict[str, Any]:
    """Counts of outcomes under a protocol; what is not *wrong* is printed."""
    extra: dict[str, Any] = {"protocol": protocol} if len(protocols()) > 1 else {}
    start, counts, hits = time.perf_counter(), Counter[str](), set[str]()
    for kind, suite in suites.items():
        limits = PATIENT if suite.pytest else QUICK
        code = Code(limits=limits, extract="text", level=level, workers=WORKERS, **extra)
        control = code.check(HONEST, suite)
        if control.outcome != "right":
            print(
                f"{protocol}: {kind}: the honest program is {control.outcome}: {control.reason}",
                flush=True,
            )
            continue
        verdicts = code.check_all([(program, suite) for program in cheats.values()])
        for name, verdict in zip(cheats, verdicts, strict=True):
            counts[verdict.outcome] += 1
            if verdict.outcome != "wrong":
                hits.add(name)
                print(
                    f"{protocol}: {kind}: {verdict.outcome}: {name}: {verdict.reason[:120]}",
                    flush=True,
                )
    seconds = round(time.perf_counter() - start, 1)
    return {
        "pairs": counts.total(),
        **counts,
        "cheats": len(cheats),
        "with an effect": len(hits),
        "seconds": seconds,
    }


def in_one_source(
    level: Level, cheats: dict[str, str], suites: dict[str, Assertions]
) -> dict[str, int]:
    """How many cheats are passed, by one suite at least, where program and tests are one source."""
    sources = [
        "\n".join([suite.before, *suite.tests]) for suite in suites.values() if not suite.pytest
    ]
    sources = [f"{source}\n" for source in sources if "solution" not in source]
    sources = [source + ("check(add)\n" if "def check(" in source else "") for source in sources]
    end = "the end"
    with Sandbox(level, workers=WORKERS) as sandbox, ThreadPoolExecutor(WORKERS) as threads:

        def passed(program: str) -> tuple[bool, bool]:
            by_status = by_print = False
            for source in sources:
                job = {"code": f"{program}\n{source}print({end!r})\n", "stdin": ""}
                (ended,) = sandbox.run(Job("program", job, QUICK, speaks=True))
                by_status |= ended.status == 0 and not ended.stopped
                by_print |= ended.status == 0 and ended.stdout.decode(errors="replace").endswith(
                    f"{end}\n"
                )
            return by_status, by_print

        assert passed(HONEST) == (True, True)
        found = list(threads.map(passed, cheats.values()))
    return {"by status": sum(one for one, _ in found), "by print": sum(other for _, other in found)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pytest", action="store_true")
    parser.add_argument("--level", default="namespaces", choices=("namespaces", "landlock"))
    parser.add_argument("--only", help="only cheats with this in their names", default="")
    asked = parser.parse_args()
    suites = {kind: suite for kind, suite in KINDS.items() if asked.pytest or not suite.pytest}
    cheats = {name: program for name, program in CHEATS.items() if asked.only in name}
    for protocol in protocols():
        print(
            json.dumps({"protocol": protocol, **judged(protocol, asked.level, cheats, suites)}),
            flush=True,
        )
    print(json.dumps({"passed in one source": in_one_source(asked.level, cheats, suites)}))


if __name__ == "__main__":
    main()
