"""Search slowly with a record, by several strategies, then write the results: what the kill test
kills."""

import json
import sys
import time
from pathlib import Path

from assay.protocols import Prefix, Sampling
from assay.runs.settings import write_atomic
from assay.search import Record, run
from assay.types import Response
from tests.search.toys import SMALL, Backwards, Policy, Reads, noisy, prompts, timeless


class Slow(Policy):
    def samples(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        time.sleep(0.001)
        return super().samples(prefix, sampling)


def main(folder: Path) -> None:
    found = []
    with Record(folder / "record.jsonl", policy="toy", scorer="noisy") as record:
        for name in ("dvts", "mcts", "best-of-n"):
            policy = Backwards(Slow()) if name == "dvts" else Slow()
            found += timeless(
                run(SMALL[name], prompts(12), policy, Reads(rule=noisy), record=record, together=5)
            )
    write_atomic(folder / "results.json", json.dumps(found, default=repr))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
