"""Speed of the ledger of paid answers.

    python bench/ledger.py            # a million answers of a kilobyte: 1.4 GB of disk, minutes
    python bench/ledger.py 100000

Prints a line of JSON: answers a second put one by one and 100 at once (each call waits for the
disk), found a second, and seconds to open the file, count it and sum what it cost.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from assay.answerers.ledger import Entry, Ledger, Usage

USAGE = Usage(requests=1, tokens_in=500, tokens_out=100, seconds=1.0)
ALONE, AT_ONCE, FOUND = 500, 100, 2000


def entry(i: int) -> Entry:
    return Entry(key=f"{i:032x}"[::-1], repeat=0, answer={"text": "x" * 1000}, usage=USAGE)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        with Ledger(path) as ledger:
            start = time.perf_counter()
            for i in range(ALONE):
                ledger.put([entry(i)])
            alone = time.perf_counter() - start
            start = time.perf_counter()
            for first in range(ALONE, count, AT_ONCE):
                ledger.put(map(entry, range(first, first + AT_ONCE)))
            together = time.perf_counter() - start
        start = time.perf_counter()
        ledger = Ledger(path)
        opened = time.perf_counter() - start
        start = time.perf_counter()
        total = ledger.total().requests
        summed = time.perf_counter() - start
        start = time.perf_counter()
        for i in range(FOUND):
            ledger.get(entry(i * 7 % count).key)
        found = time.perf_counter() - start
        ledger.close()
        result = {
            "answers": total,
            "put_one_by_one_per_second": round(ALONE / alone),
            "put_at_once_per_second": round((total - ALONE) / together),
            "found_per_second": round(FOUND / found),
            "open_seconds": round(opened, 4),
            "sum_seconds": round(summed, 3),
            "bytes_per_answer": round(path.stat().st_size / total),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
