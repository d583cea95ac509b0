"""Label planted solutions slowly into a ledger, then write the labels: what the kill test kills."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from assay.labelling.adaptive import Adaptive
from assay.labelling.ledger import Ledger
from assay.labelling.montecarlo import MonteCarlo
from assay.protocols import Prefix, Sampling
from assay.runs.settings import write_atomic
from assay.types import Prompt, Response
from tests.labelling.planted import Coin, Stream, first_error, rollouts, solution


class Slow(Stream):
    def sample(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        time.sleep(0.003)
        return super().sample(prefix, sampling)


class SlowAtOnce(Coin):
    """Hands over nothing until all of a call is there."""

    def sample(self, prefix: Prefix, sampling: Sampling) -> list[Response]:
        time.sleep(0.0005)
        return super().sample(prefix, sampling)


def value(steps: Sequence[str]) -> float:
    return 0.05 if first_error(steps) else 0.8


def main(folder: Path) -> None:
    given = []
    for i in range(40):
        prompt = Prompt.of(f"How many {i}?", reference="11")
        given.append(
            solution(
                "+" * (i % 6) + "-" * (5 - i % 6), answer="11" if i % 6 == 5 else "1", prompt=prompt
            )
        )
    with Ledger(folder / "ledger.jsonl") as ledger:
        records = Adaptive()(given, rollouts(Slow(value), ledger))
        records += MonteCarlo(rollouts=6, label="soft")(given, rollouts(SlowAtOnce(value), ledger))
    write_atomic(folder / "labels.json", json.dumps([record.model_dump() for record in records]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
