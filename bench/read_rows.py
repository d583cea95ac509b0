"""Rows a second, and the most memory, of reading and validating a data file as a stream.

    # the 165,864 rows of gsm8k/genrm_train_samples.jsonl.gz
    python bench/read_rows.py
    python bench/read_rows.py FILE

Prints one line of JSON. Beside it, as the limit, the same file only decompressed and parsed as
JSON.
"""

import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path

from assay.data.io import Counts, read

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ASSAY_DATA", REPOSITORY.parent / "shared" / "data"))


def main(path: Path) -> None:
    counts = Counts()
    start, cpu = time.perf_counter(), time.process_time()
    for _ in read(path, counts=counts):
        pass
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result = {
        "file": path.name,
        "rows": counts.rows,
        "records": counts.records,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "rows_per_second": round(counts.rows / seconds),
        "peak_rss_mb": round(peak),
    }
    if path.name.endswith(".jsonl.gz"):
        start = time.perf_counter()
        with gzip.open(path) as file:
            for line in file:
                json.loads(line)
        result["seconds_json_only"] = round(time.perf_counter() - start, 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "gsm8k" / "genrm_train_samples.jsonl.gz"
    )
