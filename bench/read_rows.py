"""Rows a second, and the most memory, of reading and validating a data file as a stream.

    # the 165,864 rows of gsm8k/genrm_train_samples.jsonl.gz
    python bench/read_rows.py
    python bench/read_rows.py FILE
    # 104,000 dialogs like those of HH-RLHF, and what `assay data` does with them
    python bench/read_rows.py --dialogs 104000

Prints a line of JSON. Beside it, as the limit, the same file only decompressed and parsed as JSON.
With --dialogs, a line for each command of `assay data` that goes over a whole file: seconds of
processor time, start included, and the most memory.
"""

import gzip
import json
import os
import random
import resource
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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


def dialogs(count: int) -> Iterator[str]:
    """Rows of about a kilobyte: one to three human turns, and two answers to the last."""
    draws = random.Random(0)
    words = [
        "".join(draws.choices(string.ascii_lowercase, k=draws.randint(2, 9))) for _ in range(5000)
    ]

    def said(most: int) -> str:
        return f" {' '.join(draws.choices(words, k=draws.randint(5, most)))}{draws.choice('.?!')}"

    for _ in range(count):
        more = range(draws.choice((0, 0, 1, 2)))
        turns = [f"\n\nHuman:{said(30)}\n\nAssistant:{said(40)}" for _ in more]
        start = "".join(turns) + f"\n\nHuman:{said(30)}\n\nAssistant:"
        yield json.dumps({"chosen": start + said(60), "rejected": start + said(60)})


def jobs(count: int) -> None:
    """Time the commands, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dialogs.jsonl"
        with path.open("w") as file:
            file.writelines(f"{row}\n" for row in dialogs(count))
        for words in (
            "check {0}",
            "describe {0}",
            "convert {0} {1}/a.jsonl --to trl-preference",
            "convert {0} {1}/a.parquet --to trl-preference",
            "split {0} --out {1}/sides",
            "dedupe {0} {1}/b.jsonl",
        ):
            command = [part.format(path, folder) for part in words.split()]
            run = [sys.executable, "-m", "assay", "data", *command]
            process = subprocess.Popen(run, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            result = {
                "command": words.partition(" ")[0],
                "to": "".join(Path(word).suffix for word in command[2:3]),
                "rows": count,
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                "peak_rss_mb": round(used.ru_maxrss / 1024),
                "exit": process.returncode,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dialogs"]:
        jobs(int(sys.argv[2]))
    else:
        main(
            Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "gsm8k/genrm_train_samples.jsonl.gz"
        )
